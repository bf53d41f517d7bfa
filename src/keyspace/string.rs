//! Strings: integers unboxed, short bytes inline, longer ones in one shared allocation.
//!
//! Sixteen bytes in every form, and a clone never copies a long string: tables clone whole
//! leaves when a snapshot shares them. Content decides equality and digest, never the form,
//! which depends on the way a value came to be.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use triomphe::ThinArc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longest string stored without an allocation.
const INLINE_BYTES: usize = 14;

/// Longest string that `OBJECT ENCODING` calls `embstr` (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`,
/// object.c).
const EMBSTR_LIMIT_BYTES: usize = 44;

/// Longest text an integer can have: `-9223372036854775808`.
const INTEGER_TEXT_BYTES: usize = 20;

/// A string of bytes.
#[derive(Clone)]
pub struct StringValue(Repr);

#[derive(Clone)]
enum Repr {
    Integer(i64),
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES],
    },
    /// One allocation: a reference count, the length, the bytes.
    Shared(ThinArc<(), u8>),
    /// Modified in place once, so Redis would call it `raw` however short. Has room to grow.
    Modified(Arc<Vec<u8>>),
}

impl StringValue {
    /// Copies `bytes`; the text of an integer is stored as the integer, as `SET` does
    /// (`tryObjectEncoding`, object.c).
    pub fn new(bytes: &[u8]) -> Self {
        match parse_integer(bytes) {
            Some(integer) => Self::from_integer(integer),
            None => Self::unencoded(bytes),
        }
    }

    /// Copies `bytes` without looking for an integer in them, as `INCRBYFLOAT` does.
    pub fn unencoded(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            inline[..bytes.len()].copy_from_slice(bytes);
            StringValue(Repr::Inline { len: bytes.len() as u8, bytes: inline })
        } else {
            StringValue(Repr::Shared(ThinArc::from_header_and_slice((), bytes)))
        }
    }

    /// Takes `bytes` as what a command made, not a client: the encoding is `raw`.
    pub fn made(bytes: Vec<u8>) -> Self {
        StringValue(Repr::Modified(Arc::new(bytes)))
    }

    /// The decimal text of `integer`.
    pub fn from_integer(integer: i64) -> Self {
        StringValue(Repr::Integer(integer))
    }

    /// Borrowed, or formatted into a small owned buffer when stored as an integer.
    /// [`StringValue::with_bytes`] never allocates.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self.stored() {
            Ok(bytes) => Cow::Borrowed(bytes),
            Err(integer) => Cow::Owned(itoa::Buffer::new().format(integer).as_bytes().to_vec()),
        }
    }

    /// Hands the bytes to `read`, without an allocation whatever the form.
    #[inline]
    pub fn with_bytes<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self.stored() {
            Ok(bytes) => read(bytes),
            Err(integer) => read(itoa::Buffer::new().format(integer).as_bytes()),
        }
    }

    /// The integer these bytes are the canonical decimal text of (`string2ll`, util.c).
    pub fn as_i64(&self) -> Option<i64> {
        match self.stored() {
            Ok(bytes) => parse_integer(bytes),
            Err(integer) => Some(integer),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes the bytes in place, as `APPEND`, `SETRANGE` and `SETBIT` do; afterwards the
    /// encoding is `raw`. Growth is amortised. A buffer that a snapshot shares is copied first.
    pub fn make_mut_vec<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if !matches!(self.0, Repr::Modified(_)) {
            self.0 = Repr::Modified(Arc::new(self.bytes().into_owned()));
        }
        match &mut self.0 {
            Repr::Modified(bytes) => change(Arc::make_mut(bytes)),
            _ => unreachable!("made so just above"),
        }
    }

    /// What `OBJECT ENCODING` answers: `int`, `embstr` or `raw`.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Repr::Integer(_) => "int",
            Repr::Inline { .. } => "embstr",
            Repr::Shared(shared) if shared.slice.len() <= EMBSTR_LIMIT_BYTES => "embstr",
            Repr::Shared(_) | Repr::Modified(_) => "raw",
        }
    }

    /// Estimated bytes outside the 16 of the value itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Integer(_) | Repr::Inline { .. } => 0,
            Repr::Shared(shared) => super::allocated_bytes(16 + shared.slice.len()),
            Repr::Modified(bytes) => {
                // Two reference counts and the vector's three words, then its buffer.
                super::allocated_bytes(16 + 24) + super::allocated_bytes(bytes.capacity())
            }
        }
    }

    /// Hash of the content, mixed with `seed`.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        self.with_bytes(|bytes| xxh3_64_with_seed(bytes, seed))
    }

    #[inline]
    fn stored(&self) -> Result<&[u8], i64> {
        match &self.0 {
            Repr::Integer(integer) => Err(*integer),
            Repr::Inline { len, bytes } => Ok(&bytes[..usize::from(*len)]),
            Repr::Shared(shared) => Ok(&shared.slice),
            Repr::Modified(bytes) => Ok(bytes),
        }
    }
}

/// Only the one text an integer is printed as: no sign `+`, no leading zeros, no `-0`, no space.
fn parse_integer(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first()?;
    if bytes.len() > INTEGER_TEXT_BYTES || !(first == b'-' || first.is_ascii_digit()) {
        return None;
    }
    let integer: i64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    let canonical = itoa::Buffer::new().format(integer).as_bytes() == bytes;
    canonical.then_some(integer)
}

impl PartialEq for StringValue {
    fn eq(&self, other: &Self) -> bool {
        self.with_bytes(|mine| other.with_bytes(|theirs| mine == theirs))
    }
}

impl Eq for StringValue {}

impl fmt::Debug for StringValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_bytes(|bytes| write!(f, "\"{}\"", bytes.escape_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for text in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
            let value = StringValue::new(text.as_bytes());
            assert_eq!(value.encoding_name(), "int", "{text}");
            assert_eq!(value.bytes(), text.as_bytes());
            assert_eq!(value.len(), text.len());
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "9223372036854775808", "1e3", "--1"] {
            let value = StringValue::new(text.as_bytes());
            assert_eq!(value.encoding_name(), "embstr", "{text}");
            assert_eq!(value.as_i64(), None, "{text}");
            assert_eq!(value.bytes(), text.as_bytes());
        }
    }

    #[test]
    fn encodings_are_those_of_object_encoding() {
        assert_eq!(size_of::<StringValue>(), 16);
        assert_eq!(StringValue::new(&[b'x'; 14]).encoding_name(), "embstr");
        assert_eq!(StringValue::new(&[b'x'; 44]).encoding_name(), "embstr");
        assert_eq!(StringValue::new(&[b'x'; 45]).encoding_name(), "raw");
        assert_eq!(StringValue::unencoded(b"12").encoding_name(), "embstr");
        assert_eq!(StringValue::unencoded(b"12").as_i64(), Some(12));
    }

    #[test]
    fn a_change_in_place_makes_it_raw_and_leaves_clones_alone() {
        let forms: [&[u8]; 3] = [b"10", b"short", b"a string too long to be inline"];
        for before in forms {
            let mut value = StringValue::new(before);
            let clone = value.clone();
            value.make_mut_vec(|bytes| bytes.extend_from_slice(b"5"));
            assert_eq!(value.encoding_name(), "raw");
            assert_eq!(value.bytes(), [before, b"5"].concat());
            assert_eq!(clone.bytes(), before);
        }
    }

    #[test]
    fn content_decides_equality_and_digest() {
        let integer = StringValue::new(b"10");
        let inline = StringValue::unencoded(b"10");
        let mut shared = StringValue::new(b"1");
        shared.make_mut_vec(|bytes| bytes.push(b'0'));
        assert_eq!(integer, inline);
        assert_eq!(integer, shared);
        assert_eq!(integer.digest(7), shared.digest(7));
        assert_ne!(integer.digest(7), integer.digest(8));
        assert_ne!(integer, StringValue::new(b"11"));
    }
}
