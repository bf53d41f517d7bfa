//! Ziplists, which listpacks replaced in Redis 7.0 (Redis: ziplist.c). Read only.
//!
//! ```text
//! bytes in all (4, little endian)  offset of the last element (4)  elements (2; 65535: more)
//! element*  0xff
//!
//! element = length of the element before (1, or 0xfe and 4), encoding, data
//! ```

use super::packed::{Element, PackError, Pieces};

const WHAT: &str = "ziplist";
const END: u8 = 0xff;
const LONG_LENGTH: u8 = 0xfe;
const UNCOUNTED: usize = u16::MAX as usize;

/// The elements of a ziplist that was found whole.
#[derive(Clone)]
pub struct Reader<'a> {
    pieces: Pieces<'a>,
    left: usize,
}

impl<'a> Reader<'a> {
    /// Checks every length in `bytes`, which have to be one ziplist and nothing else.
    pub fn new(bytes: &'a [u8]) -> Result<Self, PackError> {
        let mut pieces = Pieces::new(WHAT, bytes);
        let total = u32::from_le_bytes(pieces.array()?);
        if u64::from(total) != bytes.len() as u64 {
            return pieces.bad(0, "its length is not that of its bytes");
        }
        let tail = u32::from_le_bytes(pieces.array()?);
        let claimed = usize::from(u16::from_le_bytes(pieces.array()?));
        let start = pieces.clone();
        let (mut count, mut last, mut before) = (0, pieces.at(), 0);
        while pieces.peek() != Some(END) {
            last = pieces.at();
            let (said_before, _) = read_element(&mut pieces)?;
            if said_before != before {
                return pieces.bad(last, "the length of the element before is wrong");
            }
            before = pieces.at() - last;
            count += 1;
        }
        pieces.byte()?;
        if !pieces.is_at_end() {
            return pieces.bad(pieces.at(), "bytes after its end");
        }
        if tail as usize != last {
            return pieces.bad(4, "the offset of its last element is wrong");
        }
        if claimed != UNCOUNTED && claimed != count {
            return pieces.bad(8, "its number of elements is wrong");
        }
        Ok(Self { pieces: start, left: count })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Checked by `new`.
        read_element(&mut self.pieces).ok().map(|(_, element)| element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Reader<'_> {}

/// What it says of the element before it, and itself.
fn read_element<'a>(pieces: &mut Pieces<'a>) -> Result<(usize, Element<'a>), PackError> {
    let before = match pieces.byte()? {
        LONG_LENGTH => u32::from_le_bytes(pieces.array()?) as usize,
        short => usize::from(short),
    };
    let at = pieces.at();
    let first = pieces.byte()?;
    let element = match first {
        0..0x40 => Element::Bytes(pieces.take(usize::from(first))?),
        0x40..0x80 => {
            let len = usize::from(first & 0x3f) << 8 | usize::from(pieces.byte()?);
            Element::Bytes(pieces.take(len)?)
        }
        0x80 => {
            let len = u32::from_be_bytes(pieces.array()?);
            Element::Bytes(pieces.take(len as usize)?)
        }
        0xc0 => Element::Int(pieces.signed::<2>()?),
        0xd0 => Element::Int(pieces.signed::<4>()?),
        0xe0 => Element::Int(pieces.signed::<8>()?),
        0xf0 => Element::Int(pieces.signed::<3>()?),
        0xfe => Element::Int(pieces.signed::<1>()?),
        0xf1..0xfe => Element::Int(i64::from(first & 0x0f) - 1),
        _ => return pieces.bad(at, "an element of an unknown encoding"),
    };
    Ok((before, element))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Puts a header and an end around elements given without their first field.
    fn build(elements: &[Vec<u8>]) -> Vec<u8> {
        let (mut body, mut before, mut tail) = (Vec::new(), 0_usize, 10);
        for element in elements {
            tail = 10 + body.len();
            if before < 254 {
                body.push(before as u8);
            } else {
                body.push(LONG_LENGTH);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
            body.extend_from_slice(element);
            before = 10 + body.len() - tail;
        }
        let mut out = ((body.len() + 11) as u32).to_le_bytes().to_vec();
        out.extend_from_slice(&(tail as u32).to_le_bytes());
        out.extend_from_slice(&(elements.len() as u16).to_le_bytes());
        out.extend_from_slice(&body);
        out.push(END);
        out
    }

    fn every_form() -> Vec<u8> {
        let long = [&[0x41, 0x2c][..], &[b'x'; 300]].concat();
        let longer = [&[0x80, 0, 0, 0, 2][..], b"yz"].concat();
        build(&[
            vec![2, b'a', b'b'],
            long,
            longer,
            vec![0xc0, 0, 0x80],
            vec![0xd0, 0xff, 0xff, 0xff, 0x7f],
            vec![0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80],
            vec![0xf0, 0, 0, 0x80],
            vec![0xfe, 0x80],
            vec![0xf1],
            vec![0xfd],
            vec![0],
        ])
    }

    #[test]
    fn every_form_of_an_element_is_read() {
        let bytes = every_form();
        let elements: Vec<Element<'_>> = Reader::new(&bytes).expect("whole").collect();
        assert_eq!(elements[0], Element::Bytes(b"ab"));
        assert_eq!(elements[1], Element::Bytes(&[b'x'; 300]));
        assert_eq!(elements[2], Element::Bytes(b"yz"));
        let integers: Vec<i64> = elements.iter().filter_map(|it| it.integer()).collect();
        let expected = [-32768, 2_147_483_647, i64::MIN, -8_388_608, -128, 0, 12];
        assert_eq!(integers, expected);
        assert_eq!(elements[10], Element::Bytes(b""));
        assert_eq!(Reader::new(&build(&[])).expect("empty").len(), 0);
    }

    #[test]
    fn cut_bytes_are_refused() {
        let bytes = every_form();
        for end in 0..bytes.len() {
            assert!(Reader::new(&bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..10 {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Reader::new(&bad).is_err(), "byte {at} of the header");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(at in 0_usize..350, byte in any::<u8>()) {
            let mut bytes = every_form();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(reader) = Reader::new(&bytes) {
                let len = reader.len();
                prop_assert_eq!(reader.count(), len);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            drop(Reader::new(&bytes));
        }
    }
}
