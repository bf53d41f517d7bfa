//! What the packed encodings have in common: small collections as one string of bytes.
//!
//! An RDB file holds small lists, sets, hashes and sorted sets, and the nodes of large lists and
//! streams, as one string each, whose bytes are what Redis has in memory: a listpack (since 5.0),
//! a ziplist, an intset or a zipmap. They are checked whole before anything is read from them.

use std::borrow::Cow;

/// An element of a packed encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// Stored as a number; it stands for its decimal text.
    Int(i64),
    /// Stored as it is.
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element as a string of bytes.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        match self {
            Element::Int(integer) => {
                Cow::Owned(itoa::Buffer::new().format(integer).as_bytes().to_vec())
            }
            Element::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// The element as an integer, if it is the canonical text of one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Int(integer) => Some(integer),
            Element::Bytes(bytes) => canonical_i64(bytes),
        }
    }
}

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("broken {what} (at its byte {at}): {message}")]
pub struct PackError {
    /// The encoding.
    pub what: &'static str,
    /// Where, from the start of the packed bytes.
    pub at: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// Reads fixed pieces of packed bytes, never past their end.
#[derive(Clone)]
pub(super) struct Pieces<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn bad<T>(&self, at: usize, message: &'static str) -> Result<T, PackError> {
        Err(PackError { what: self.what, at, message })
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], PackError> {
        let end = self.at.saturating_add(len);
        match self.bytes.get(self.at..end) {
            Some(taken) => {
                self.at = end;
                Ok(taken)
            }
            None => self.bad(self.at, "it ends before this does"),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PackError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A little-endian integer of `N` bytes, with its sign.
    pub(super) fn signed<const N: usize>(&mut self) -> Result<i64, PackError> {
        let bytes: [u8; N] = self.array()?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..N].copy_from_slice(&bytes);
        Ok(i64::from_le_bytes(wide))
    }
}

/// The integer of which `text` is the one canonical spelling.
pub(super) fn canonical_i64(text: &[u8]) -> Option<i64> {
    /// `-9223372036854775808`.
    const LONGEST_BYTES: usize = 20;
    let first = *text.first()?;
    if text.len() > LONGEST_BYTES || !(first == b'-' || first.is_ascii_digit()) {
        return None;
    }
    let integer: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (itoa::Buffer::new().format(integer).as_bytes() == text).then_some(integer)
}
