//! Zipmaps: small hashes as Redis wrote them up to 2.4 (Redis: zipmap.c). Read only.
//!
//! ```text
//! pairs (1; 254 or more: not counted)  (length, field, length, spare (1), value, spare bytes)*  0xff
//!
//! length = 1 byte below 254, or 254 and 4 bytes, little endian
//! ```

use super::packed::{PackError, Pieces};

const WHAT: &str = "zipmap";
const LONG_LENGTH: u8 = 254;
const END: u8 = 255;

/// A field and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// The fields and values of a zipmap, in its order.
pub fn read(bytes: &[u8]) -> Result<Vec<Pair<'_>>, PackError> {
    let mut pieces = Pieces::new(WHAT, bytes);
    let claimed = pieces.byte()?;
    let mut pairs = Vec::new();
    while pieces.peek() != Some(END) {
        let len = read_length(&mut pieces)?;
        let field = pieces.take(len)?;
        let len = read_length(&mut pieces)?;
        let spare = pieces.byte()?;
        let value = pieces.take(len)?;
        pieces.take(usize::from(spare))?;
        pairs.push((field, value));
    }
    pieces.byte()?;
    if !pieces.is_at_end() {
        return pieces.bad(pieces.at(), "bytes after its end");
    }
    if claimed < LONG_LENGTH && usize::from(claimed) != pairs.len() {
        return pieces.bad(0, "its number of pairs is wrong");
    }
    Ok(pairs)
}

fn read_length(pieces: &mut Pieces<'_>) -> Result<usize, PackError> {
    match pieces.byte()? {
        LONG_LENGTH => match u32::from_le_bytes(pieces.array()?) {
            short if short < u32::from(LONG_LENGTH) => {
                pieces.bad(pieces.at() - 5, "a short length in its long form")
            }
            len => Ok(len as usize),
        },
        END => pieces.bad(pieces.at() - 1, "it ends where a length should be"),
        short => Ok(usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let long = [b'v'; 300];
        let mut bytes = vec![2, 1, b'f', 2, 3, b'v', b'w', 0, 0, 0, 1, b'g', 254, 44, 1, 0, 0, 0];
        bytes.extend_from_slice(&long);
        bytes.push(END);
        bytes
    }

    #[test]
    fn pairs_are_read_and_spare_bytes_are_not() {
        let bytes = sample();
        let pairs = read(&bytes).expect("whole");
        assert_eq!(pairs, [(&b"f"[..], &b"vw"[..]), (&b"g"[..], &[b'v'; 300][..])]);
        assert_eq!(read(&[0, END]), Ok(vec![]));
        assert!(read(&[1, END]).is_err(), "it says that there is one");
        assert!(read(&[0, END, 0]).is_err());
        assert_eq!(read(&[1, 1, b'f', END]).map_err(|it| it.at), Err(3));
        let in_long_form = [1, 254, 1, 0, 0, 0, b'f', 0, 0, END];
        assert_eq!(read(&in_long_form).map_err(|it| it.at), Err(1));
    }

    #[test]
    fn cut_bytes_are_refused() {
        let bytes = sample();
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(at in 0_usize..30, byte in any::<u8>()) {
            let mut bytes = sample();
            bytes[at] = byte;
            drop(read(&bytes));
        }
    }
}
