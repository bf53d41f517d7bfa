//! LZF, the compression of strings in RDB files.
//!
//! A compressed text is a run of pieces, each with a control byte `c` in front. `c < 32`: `c + 1`
//! literal bytes follow. Otherwise a copy of earlier output: its length is `(c >> 5) + 2`, or
//! `9 + next byte` when the three bits are all set, and its distance is 13 bits (5 from `c`,
//! 8 from the last byte of the piece) plus one.

/// Longest run of literals in one piece.
const LITERALS_MAX: usize = 32;
/// Longest copy in one piece.
const COPY_MAX: usize = 7 + 255 + 2;
/// Farthest a copy reaches back.
const DISTANCE_MAX: usize = 1 << 13;
/// Smallest and largest table of positions, in bits: it costs time to clear.
const HASH_BITS: std::ops::RangeInclusive<u32> = 6..=14;

/// Why a text was not decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LzfError {
    /// It ends inside a piece.
    #[error("LZF data ends inside a piece")]
    Truncated,
    /// A copy begins before the start of the output.
    #[error("LZF data refers to bytes before its start")]
    BadReference,
    /// It gives another number of bytes than announced.
    #[error("LZF data does not have the announced length")]
    WrongLength,
}

/// Decompresses into exactly `len` bytes. A `len` that `input` cannot possibly give is refused
/// before any memory is taken for it.
pub fn decompress(input: &[u8], len: usize) -> Result<Vec<u8>, LzfError> {
    // Three bytes give at most COPY_MAX, so nothing gives more than 88 times its size.
    if len / (COPY_MAX / 3) > input.len() {
        return Err(LzfError::WrongLength);
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    while let [control, tail @ ..] = rest {
        let control = usize::from(*control);
        if control < LITERALS_MAX {
            let (literals, tail) = tail.split_at_checked(control + 1).ok_or(LzfError::Truncated)?;
            if len - out.len() < literals.len() {
                return Err(LzfError::WrongLength);
            }
            out.extend_from_slice(literals);
            rest = tail;
            continue;
        }
        let (copy, low, tail) = match (control >> 5, tail) {
            (7, [more, low, tail @ ..]) => (9 + usize::from(*more), *low, tail),
            (bits @ 1..7, [low, tail @ ..]) => (bits + 2, *low, tail),
            _ => return Err(LzfError::Truncated),
        };
        let distance = ((control & 31) << 8 | usize::from(low)) + 1;
        let from = out.len().checked_sub(distance).ok_or(LzfError::BadReference)?;
        if len - out.len() < copy {
            return Err(LzfError::WrongLength);
        }
        // Source and target may overlap: each byte is written before it is read again.
        if distance >= copy {
            out.extend_from_within(from..from + copy);
        } else {
            for i in from..from + copy {
                out.push(out[i]);
            }
        }
        rest = tail;
    }
    if out.len() == len { Ok(out) } else { Err(LzfError::WrongLength) }
}

/// Compresses, or `None` when the result would not be at most `max_len` bytes long.
pub fn compress(input: &[u8], max_len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(max_len.min(input.len()));
    // Position plus one of the last place where three bytes with this hash stood; 0: none.
    let hash_bits = (input.len() | 1).ilog2().clamp(*HASH_BITS.start(), *HASH_BITS.end());
    let mut seen = vec![0_u32; 1 << hash_bits];
    let (mut at, mut literals_from) = (0, 0);
    while at + 3 <= input.len() {
        let slot = &mut seen[hash(&input[at..at + 3], hash_bits)];
        let candidate = (*slot as usize).checked_sub(1);
        *slot = u32::try_from(at + 1).ok()?;
        let copy = candidate
            .filter(|from| at - from <= DISTANCE_MAX)
            .map(|from| (from, common_prefix(input, from, at)))
            .filter(|(_, len)| *len >= 3);
        if let Some((from, len)) = copy {
            push_literals(&mut out, &input[literals_from..at]);
            push_copy(&mut out, at - from - 1, len);
            at += len;
            literals_from = at;
        } else {
            at += 1;
        }
        if out.len() > max_len {
            return None;
        }
    }
    push_literals(&mut out, &input[literals_from..]);
    (out.len() <= max_len).then_some(out)
}

fn hash(three: &[u8], bits: u32) -> usize {
    let value = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
    (value.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

fn common_prefix(input: &[u8], from: usize, at: usize) -> usize {
    let limit = COPY_MAX.min(input.len() - at);
    let (left, right) = (&input[from..], &input[at..at + limit]);
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

fn push_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

/// `back` is the distance less one.
fn push_copy(out: &mut Vec<u8>, back: usize, len: usize) {
    let high = (back >> 8) as u8;
    if len < 9 {
        out.push(((len - 2) as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((len - 9) as u8);
    }
    out.push(back as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(text: &[u8]) -> usize {
        let packed = compress(text, usize::MAX).expect("no limit");
        assert_eq!(decompress(&packed, text.len()).as_deref(), Ok(text));
        packed.len()
    }

    #[test]
    fn repetition_is_small() {
        assert!(round_trip(&[b'a'; 10_000]) < 150);
        assert!(round_trip("replication ".repeat(100).as_bytes()) < 60);
        assert_eq!(round_trip(b""), 0);
        assert_eq!(compress(b"abcdefghijklmnopqrstuvwxyz", 22), None);
    }

    /// As `redis-server` 7.0.15 wrote `SET k aaaa...` (100 times).
    #[test]
    fn text_of_a_real_server() {
        let packed = [0x01, 0x61, 0x61, 0xe0, 0x57, 0x00, 0x01, 0x61, 0x61];
        assert_eq!(decompress(&packed, 100), Ok(vec![b'a'; 100]));
    }

    #[test]
    fn broken_texts_are_refused() {
        assert_eq!(decompress(&[5, 1], 6), Err(LzfError::Truncated));
        assert_eq!(decompress(&[0xe0, 1], 60), Err(LzfError::Truncated));
        assert_eq!(decompress(&[0x20], 3), Err(LzfError::Truncated));
        assert_eq!(decompress(&[0x20, 0], 3), Err(LzfError::BadReference));
        assert_eq!(decompress(&[0, 1], 2), Err(LzfError::WrongLength));
        assert_eq!(decompress(&[1, 1, 1], 1), Err(LzfError::WrongLength));
        assert_eq!(decompress(&[0, 1], usize::MAX), Err(LzfError::WrongLength));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), 1_usize..30), 0..20)
        ) {
            let text: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
            round_trip(&text);
        }

        #[test]
        fn far_repetitions_come_back(gap in 8_000_usize..8_400) {
            let mut text = b"here it is".to_vec();
            text.extend((0..gap).map(|i| ((i * 7919) >> 3) as u8));
            text.extend_from_slice(b"here it is");
            round_trip(&text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..100), len in 0_usize..5000) {
            if let Ok(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
