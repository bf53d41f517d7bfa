//! Intsets: small sets of integers, sorted, all of one width (Redis: intset.c).
//!
//! ```text
//! bytes an integer (4: 2, 4 or 8)  integers (4)  integer*      all little endian
//! ```

use super::packed::{PackError, Pieces};

const WHAT: &str = "intset";

/// The integers of an intset, in ascending order.
pub fn read(bytes: &[u8]) -> Result<Vec<i64>, PackError> {
    let mut pieces = Pieces::new(WHAT, bytes);
    let width = u32::from_le_bytes(pieces.array()?);
    if !matches!(width, 2 | 4 | 8) {
        return pieces.bad(0, "integers of an unknown width");
    }
    let count = u32::from_le_bytes(pieces.array()?);
    let expected = pieces.at() as u64 + u64::from(count) * u64::from(width);
    if expected != bytes.len() as u64 {
        return pieces.bad(4, "its number of integers is wrong");
    }
    if count == 0 {
        return pieces.bad(4, "it is empty");
    }
    let mut integers: Vec<i64> = Vec::with_capacity(count as usize);
    while !pieces.is_at_end() {
        let at = pieces.at();
        let integer = match width {
            2 => pieces.signed::<2>()?,
            4 => pieces.signed::<4>()?,
            _ => pieces.signed::<8>()?,
        };
        if integers.last().is_some_and(|last| *last >= integer) {
            return pieces.bad(at, "its integers are not in order");
        }
        integers.push(integer);
    }
    Ok(integers)
}

/// An intset of integers in ascending order, in the smallest width that holds them all.
pub fn write(ascending: &[i64]) -> Vec<u8> {
    let fits = |bound: i64| ascending.iter().all(|integer| (-bound..bound).contains(integer));
    let width: usize = if fits(1 << 15) {
        2
    } else if fits(1 << 31) {
        4
    } else {
        8
    };
    let mut out = Vec::with_capacity(8 + ascending.len() * width);
    out.extend_from_slice(&(width as u32).to_le_bytes());
    out.extend_from_slice(&(ascending.len() as u32).to_le_bytes());
    for integer in ascending {
        out.extend_from_slice(&integer.to_le_bytes()[..width]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_width_that_holds_all_is_taken() {
        assert_eq!(write(&[-32768, 32767])[..4], [2, 0, 0, 0]);
        assert_eq!(write(&[32768])[..4], [4, 0, 0, 0]);
        assert_eq!(write(&[i64::MIN, 0])[..4], [8, 0, 0, 0]);
        assert_eq!(write(&[-2, 1]), [2, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 1, 0]);
    }

    #[test]
    fn disorder_repetition_and_wrong_sizes_are_refused() {
        for bad in [write(&[2, 1]), write(&[1, 1]), write(&[])] {
            assert!(read(&bad).is_err());
        }
        let huge = [8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        assert!(read(&huge).is_err(), "a claimed number takes no memory");
    }

    proptest! {
        #[test]
        fn integers_come_back_and_a_cut_is_noticed(
            integers in proptest::collection::btree_set(any::<i64>(), 1..20),
            narrow in any::<u8>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut integers: Vec<i64> =
                integers.into_iter().map(|it| it >> (narrow % 64)).collect();
            integers.dedup();
            let mut bytes = write(&integers);
            prop_assert_eq!(read(&bytes), Ok(integers));
            let at = at.index(bytes.len());
            prop_assert!(read(&bytes[..at]).is_err());
            bytes[at] = byte;
            drop(read(&bytes));
        }
    }
}
