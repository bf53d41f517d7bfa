//! Listpacks: elements one after another, each with its length behind it too (Redis: listpack.c).
//!
//! ```text
//! bytes in all (4, little endian)  elements (2, little endian; 65535: more than fit)
//! element*  0xff
//!
//! element = encoding, data, and the length of both in groups of 7 bits, the last one readable
//!           from behind
//! ```

use super::packed::{Element, PackError, Pieces, canonical_i64};

const WHAT: &str = "listpack";
const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
/// From here on the header does not say how many elements there are.
const UNCOUNTED: usize = u16::MAX as usize;

const STRING_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// The elements of a listpack that was found whole.
#[derive(Clone)]
pub struct Reader<'a> {
    pieces: Pieces<'a>,
    left: usize,
}

impl<'a> Reader<'a> {
    /// Checks every length in `bytes`, which have to be one listpack and nothing else.
    pub fn new(bytes: &'a [u8]) -> Result<Self, PackError> {
        let mut pieces = Pieces::new(WHAT, bytes);
        let total = u32::from_le_bytes(pieces.array()?);
        if u64::from(total) != bytes.len() as u64 {
            return pieces.bad(0, "its length is not that of its bytes");
        }
        let claimed = usize::from(u16::from_le_bytes(pieces.array()?));
        let start = pieces.clone();
        let mut count = 0;
        while pieces.peek() != Some(END) {
            read_element(&mut pieces)?;
            count += 1;
        }
        pieces.byte()?;
        if !pieces.is_at_end() {
            return pieces.bad(pieces.at(), "bytes after its end");
        }
        if claimed != UNCOUNTED && claimed != count {
            return pieces.bad(4, "its number of elements is wrong");
        }
        Ok(Self { pieces: start, left: count })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Checked by `new`.
        read_element(&mut self.pieces).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Reader<'_> {}

fn read_element<'a>(pieces: &mut Pieces<'a>) -> Result<Element<'a>, PackError> {
    let start = pieces.at();
    let first = pieces.byte()?;
    let element = match first {
        0..0x80 => Element::Int(i64::from(first)),
        0x80..0xc0 => Element::Bytes(pieces.take(usize::from(first & 0x3f))?),
        0xc0..0xe0 => {
            let value = i64::from(first & 0x1f) << 8 | i64::from(pieces.byte()?);
            Element::Int(if value >= 1 << 12 { value - (1 << 13) } else { value })
        }
        0xe0..0xf0 => {
            let len = usize::from(first & 0x0f) << 8 | usize::from(pieces.byte()?);
            Element::Bytes(pieces.take(len)?)
        }
        STRING_32 => {
            let len = u32::from_le_bytes(pieces.array()?);
            Element::Bytes(pieces.take(len as usize)?)
        }
        INT_16 => Element::Int(pieces.signed::<2>()?),
        INT_24 => Element::Int(pieces.signed::<3>()?),
        INT_32 => Element::Int(pieces.signed::<4>()?),
        INT_64 => Element::Int(pieces.signed::<8>()?),
        _ => return pieces.bad(start, "an element of an unknown encoding"),
    };
    let mut back = Vec::new();
    push_back_length(&mut back, pieces.at() - start);
    let at = pieces.at();
    if pieces.take(back.len())? != back {
        return pieces.bad(at, "the length behind an element is wrong");
    }
    Ok(element)
}

/// The bounds are Redis's (`lpEncodeBacklen`): the last number of a size takes a byte more.
fn push_back_length(out: &mut Vec<u8>, len: usize) {
    let groups = match len {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    for group in (0..groups).rev() {
        let bits = (len >> (7 * group)) as u8 & 0x7f;
        out.push(if group == groups - 1 { bits } else { bits | 0x80 });
    }
}

/// Builds a listpack, each element in the shortest form, as Redis would.
#[derive(Clone)]
pub struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// Without elements.
    pub fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], count: 0 }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the listpack would take as it is.
    pub fn byte_len(&self) -> usize {
        self.bytes.len() + 1
    }

    /// Appends a string: as an integer if it is the canonical text of one.
    pub fn push(&mut self, text: &[u8]) {
        if let Some(integer) = canonical_i64(text) {
            return self.push_integer(integer);
        }
        let start = self.bytes.len();
        match text.len() {
            len @ 0..64 => self.bytes.push(0x80 | len as u8),
            len @ 64..4096 => self.bytes.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.bytes.push(STRING_32);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.close(start);
    }

    /// Appends an integer.
    pub fn push_integer(&mut self, integer: i64) {
        let start = self.bytes.len();
        let little = integer.to_le_bytes();
        let (code, len) = match integer {
            0..128 => (little[0], 0),
            -4096..4096 => (0xc0 | (little[1] & 0x1f), 1),
            -0x8000..0x8000 => (INT_16, 2),
            -0x80_0000..0x80_0000 => (INT_24, 3),
            -0x8000_0000..0x8000_0000 => (INT_32, 4),
            _ => (INT_64, 8),
        };
        self.bytes.push(code);
        self.bytes.extend_from_slice(&little[..len]);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        push_back_length(&mut self.bytes, len);
        self.count += 1;
    }

    /// The listpack.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let total = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        let count = self.count.min(UNCOUNTED) as u16;
        self.bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(texts: &[&[u8]]) -> Vec<u8> {
        let mut writer = Writer::new();
        texts.iter().for_each(|text| writer.push(text));
        assert_eq!(writer.len(), texts.len());
        let byte_len = writer.byte_len();
        let bytes = writer.finish();
        assert_eq!(bytes.len(), byte_len);
        bytes
    }

    #[test]
    fn each_element_takes_its_shortest_form() {
        let one = |text: &str| packed(&[text.as_bytes()])[HEADER_BYTES..].to_vec();
        assert_eq!(one("127"), [127, 1, 0xff]);
        assert_eq!(one("128"), [0xc0, 128, 2, 0xff]);
        assert_eq!(one("-1"), [0xdf, 0xff, 2, 0xff]);
        assert_eq!(one("-4096"), [0xd0, 0, 2, 0xff]);
        assert_eq!(one("4096"), [0xf1, 0, 0x10, 3, 0xff]);
        assert_eq!(one("-32769"), [0xf2, 0xff, 0x7f, 0xff, 4, 0xff]);
        assert_eq!(one("8388608"), [0xf3, 0, 0, 0x80, 0, 5, 0xff]);
        assert_eq!(one("2147483648"), [0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9, 0xff]);
        assert_eq!(one("a"), [0x81, b'a', 2, 0xff]);
        assert_eq!(one("-0"), [0x82, b'-', b'0', 3, 0xff]);
        let long = one(&"x".repeat(4095));
        assert_eq!(long[..2], [0xef, 0xff]);
        // 4097 is 32 * 128 + 1.
        assert_eq!(long[4097..], [32, 0x81, 0xff]);
        assert_eq!(one(&"x".repeat(4096))[..5], [0xf0, 0, 0x10, 0, 0]);
    }

    #[test]
    fn lengths_behind_grow_where_those_of_redis_do() {
        for (len, bytes) in [
            (127, vec![127]),
            (128, vec![1, 128]),
            (16_382, vec![127, 254]),
            (16_383, vec![0, 255, 255]),
            (2_097_151, vec![0, 255, 255, 255]),
        ] {
            let mut out = Vec::new();
            push_back_length(&mut out, len);
            assert_eq!(out, bytes, "{len}");
        }
    }

    #[test]
    fn more_elements_than_the_header_can_count_are_read_all() {
        let texts = vec![&b"7"[..]; 70_000];
        assert_eq!(Reader::new(&packed(&texts)).expect("whole").count(), 70_000);
    }

    #[test]
    fn a_wrong_count_length_or_end_is_refused() {
        let good = packed(&[b"a", b"5"]);
        assert!(Reader::new(&good).is_ok());
        for at in [0, 4, 6, 8, 10, 11] {
            let mut bad = good.clone();
            bad[at] = bad[at].wrapping_add(3);
            assert!(Reader::new(&bad).is_err(), "byte {at}");
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            any::<i16>().prop_map(|n| n.to_string().into_bytes()),
            (any::<u8>(), 0_usize..20_000).prop_map(|(byte, times)| vec![byte; times]),
        ]
    }

    proptest! {
        #[test]
        fn elements_come_back(texts in proptest::collection::vec(text(), 0..12)) {
            let borrowed: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let bytes = packed(&borrowed);
            let reader = Reader::new(&bytes).expect("it was just written");
            prop_assert_eq!(reader.len(), texts.len());
            let back: Vec<Vec<u8>> = reader.map(|element| element.bytes().into_owned()).collect();
            prop_assert_eq!(back, texts);
            prop_assert!(Reader::new(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn hostile_bytes_are_refused_or_read_and_never_panic(
            texts in proptest::collection::vec(text(), 0..5),
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let borrowed: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let mut bytes = packed(&borrowed);
            let at = at.index(bytes.len());
            prop_assert!(Reader::new(&bytes[..at]).is_err());
            bytes[at] = byte;
            if let Ok(reader) = Reader::new(&bytes) {
                let len = reader.len();
                prop_assert_eq!(reader.count(), len);
            }
        }
    }
}
