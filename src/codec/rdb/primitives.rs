//! What everything in an RDB file is made of: lengths, integers and strings.
//!
//! A length begins with two bits: `00` 6 bits follow, `01` 14 bits (big endian), `10` the byte
//! 0x80 and 32 bits, or 0x81 and 64 bits (big endian), `11` not a length but one of four
//! encodings of a string: an integer of 8, 16 or 32 bits (little endian), or LZF.

use std::borrow::Cow;

use super::packed::PackError;
use crate::codec::lzf;

const ENCODED_INT8: u8 = 0xc0;
const ENCODED_INT16: u8 = 0xc1;
const ENCODED_INT32: u8 = 0xc2;
const ENCODED_LZF: u8 = 0xc3;
const LENGTH_32_BIT: u8 = 0x80;
const LENGTH_64_BIT: u8 = 0x81;

/// Longest string that is worth a try as an integer (`-2147483648`).
const INTEGER_TEXT_MAX_BYTES: usize = 11;
/// Strings up to this length are not compressed (rdb.c `rdbSaveRawString`).
const UNCOMPRESSED_MAX_BYTES: usize = 20;
/// Longest string that is read, far above `proto-max-bulk-len`'s default.
pub const STRING_MAX_BYTES: u64 = 1 << 32;

/// Why an item was not read.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is not all there: try again once this many bytes, from its start, are.
    NeedBytes(usize),
    /// It never will be right. The offset counts from the start of the item.
    Bad {
        /// Where, from the start of the item.
        at: usize,
        /// What is wrong.
        message: String,
    },
    /// The same, where no one place in the item is to blame.
    BadItem(String),
}

impl Stop {
    /// An error about the item as a whole.
    pub fn bad_item<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::BadItem(message.into()))
    }

    /// Packed bytes that are broken, in the string that begins at `at`.
    pub fn packed(at: usize) -> impl Fn(PackError) -> Self {
        move |error| Self::Bad { at, message: error.to_string() }
    }
}

/// Reads one item from bytes that may end before it does.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Either a length, or the encoding of a string.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of an item.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether all bytes were read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Number of bytes read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// An error about what begins at `at`.
    pub fn bad<T>(at: usize, message: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Bad { at, message: message.into() })
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.saturating_add(len);
        let taken = self.bytes.get(self.at..end).ok_or(Stop::NeedBytes(end))?;
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Stop> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A length; an encoded string is none.
    pub fn length(&mut self) -> Result<u64, Stop> {
        let at = self.at;
        match self.any_length()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(byte) => Self::bad(at, format!("expected a length, got byte {byte}")),
        }
    }

    fn any_length(&mut self) -> Result<Length, Stop> {
        let at = self.at;
        let first = self.byte()?;
        let len = match (first >> 6, first) {
            (0, _) => u64::from(first),
            (1, _) => u64::from(first & 63) << 8 | u64::from(self.byte()?),
            (3, _) => return Ok(Length::Encoded(first)),
            (_, LENGTH_32_BIT) => u64::from(u32::from_be_bytes(self.array()?)),
            (_, LENGTH_64_BIT) => u64::from_be_bytes(self.array()?),
            _ => return Self::bad(at, format!("unknown length encoding {first}")),
        };
        Ok(Length::Plain(len))
    }

    /// A string in any encoding; borrowed when it stands in the file as it is.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, Stop> {
        let at = self.at;
        let integer = match self.any_length()? {
            Length::Plain(len) => {
                let len = Self::string_length(at, len)?;
                return self.take(len).map(Cow::Borrowed);
            }
            Length::Encoded(ENCODED_LZF) => return self.lzf_string(at).map(Cow::Owned),
            Length::Encoded(ENCODED_INT8) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Encoded(ENCODED_INT16) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Encoded(ENCODED_INT32) => i32::from_le_bytes(self.array()?),
            Length::Encoded(other) => {
                return Self::bad(at, format!("unknown string encoding {other}"));
            }
        };
        let mut buffer = itoa::Buffer::new();
        Ok(Cow::Owned(buffer.format(integer).as_bytes().to_vec()))
    }

    fn lzf_string(&mut self, at: usize) -> Result<Vec<u8>, Stop> {
        let packed_len = self.length()?;
        let packed_len = Self::string_length(at, packed_len)?;
        let len = self.length()?;
        let len = Self::string_length(at, len)?;
        let packed = self.take(packed_len)?;
        lzf::decompress(packed, len).or_else(|error| Self::bad(at, error.to_string()))
    }

    fn string_length(at: usize, len: u64) -> Result<usize, Stop> {
        match usize::try_from(len) {
            Ok(fits) if len <= STRING_MAX_BYTES => Ok(fits),
            _ => Self::bad(at, format!("string of {len} bytes is too long")),
        }
    }
}

/// Appends a length in its shortest form.
pub fn push_length(out: &mut Vec<u8>, len: u64) {
    match len {
        0..64 => out.push(len as u8),
        64..16384 => out.extend_from_slice(&(0x4000 | len as u16).to_be_bytes()),
        _ => match u32::try_from(len) {
            Ok(len) => {
                out.push(LENGTH_32_BIT);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(LENGTH_64_BIT);
                out.extend_from_slice(&len.to_be_bytes());
            }
        },
    }
}

/// Appends a string: as an integer if it is the canonical text of a small one, else compressed
/// where allowed and worth it, else as it is.
pub fn push_string(out: &mut Vec<u8>, text: &[u8], compress: bool) {
    if let Some(integer) = canonical_i32(text) {
        return push_integer(out, integer);
    }
    if compress
        && text.len() > UNCOMPRESSED_MAX_BYTES
        && let Some(packed) = lzf::compress(text, text.len() - 4)
    {
        out.push(ENCODED_LZF);
        push_length(out, packed.len() as u64);
        push_length(out, text.len() as u64);
        out.extend_from_slice(&packed);
        return;
    }
    push_length(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn push_integer(out: &mut Vec<u8>, integer: i32) {
    if let Ok(small) = i8::try_from(integer) {
        out.push(ENCODED_INT8);
        out.extend_from_slice(&small.to_le_bytes());
    } else if let Ok(small) = i16::try_from(integer) {
        out.push(ENCODED_INT16);
        out.extend_from_slice(&small.to_le_bytes());
    } else {
        out.push(ENCODED_INT32);
        out.extend_from_slice(&integer.to_le_bytes());
    }
}

/// The integer of which `text` is the one canonical spelling.
fn canonical_i32(text: &[u8]) -> Option<i32> {
    if text.len() > INTEGER_TEXT_MAX_BYTES {
        return None;
    }
    let integer: i32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (itoa::Buffer::new().format(integer).as_bytes() == text).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pushed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_string(&mut out, text, true);
        out
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for (len, expected) in [
            (0, vec![0]),
            (63, vec![63]),
            (64, vec![0x40, 64]),
            (16383, vec![0x7f, 0xff]),
            (16384, vec![0x80, 0, 0, 0x40, 0]),
            (1 << 32, vec![0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            push_length(&mut out, len);
            assert_eq!(out, expected);
            assert_eq!(Cursor::new(&out).length(), Ok(len));
        }
    }

    #[test]
    fn integers_are_encoded_when_canonical() {
        assert_eq!(pushed(b"-128"), [0xc0, 0x80]);
        assert_eq!(pushed(b"128"), [0xc1, 128, 0]);
        assert_eq!(pushed(b"-2147483648"), [0xc2, 0, 0, 0, 0x80]);
        for text in ["007", "+1", "-0", "2147483648", " 1", ""] {
            let raw = [&[text.len() as u8], text.as_bytes()].concat();
            assert_eq!(pushed(text.as_bytes()), raw, "{text}");
        }
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let huge = [0x81, 0, 0, 0, 0, 0x40, 0, 0, 0];
        assert_eq!(Cursor::new(&huge).string(), Err(Stop::NeedBytes(9 + 0x4000_0000)));
        let absurd = [0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(Cursor::new(&absurd).string(), Err(Stop::Bad { at: 0, .. })));
        let bomb = [0xc3, 2, 0x80, 0x40, 0, 0, 0, 0, 1];
        assert!(matches!(Cursor::new(&bomb).string(), Err(Stop::Bad { .. })));
    }

    #[test]
    fn unknown_encodings_are_refused() {
        for bytes in [&[0xc4_u8, 0][..], &[0x82, 0], &[0xbf]] {
            assert!(matches!(Cursor::new(bytes).string(), Err(Stop::Bad { at: 0, .. })));
        }
    }

    proptest! {
        #[test]
        fn strings_come_back(text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (any::<u8>(), 0_usize..40_000).prop_map(|(byte, times)| vec![byte; times]),
        ], compress in any::<bool>()) {
            let mut out = Vec::new();
            push_string(&mut out, &text, compress);
            let mut cursor = Cursor::new(&out);
            let back = cursor.string().expect("it was just written");
            prop_assert_eq!(back.as_ref(), &text[..]);
            prop_assert_eq!(cursor.position(), out.len());
            let short = Cursor::new(&out[..out.len() - 1]).string();
            prop_assert!(matches!(short, Err(Stop::NeedBytes(need)) if need <= out.len()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            drop(Cursor::new(&bytes).string());
        }
    }
}
