//! A key as the tables hold it: 24 bytes, without an allocation up to [`INLINE_BYTES`].

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Longest key stored without an allocation.
pub const INLINE_BYTES: usize = 22;

/// The name of a value: any bytes, immutable, cheap to clone (a copy of 24 bytes, or one
/// reference count).
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Shared(Arc<[u8]>),
}

impl Key {
    /// Copies `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            inline[..bytes.len()].copy_from_slice(bytes);
            Key(Repr::Inline { len: bytes.len() as u8, bytes: inline })
        } else {
            Key(Repr::Shared(Arc::from(bytes)))
        }
    }

    /// Shares `bytes`.
    pub(super) fn shared(bytes: Arc<[u8]>) -> Self {
        Key(Repr::Shared(bytes))
    }

    /// The bytes of the key.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
        }
    }

    /// Estimated bytes outside the 24 of the key itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Shared(bytes) => shared_bytes(bytes),
        }
    }
}

/// Estimated bytes of a shared name: two reference counts stand before it.
pub(super) fn shared_bytes(bytes: &[u8]) -> usize {
    super::allocated_bytes(16 + bytes.len())
}

impl Deref for Key {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Key {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_keep_their_bytes() {
        assert_eq!(size_of::<Key>(), 24);
        for len in [0, 1, 21, 22, 23, 24, 300] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let key = Key::new(&bytes);
            assert_eq!(key.as_bytes(), bytes);
            assert_eq!(key.heap_bytes() > 0, len > INLINE_BYTES);
        }
    }

    #[test]
    fn order_is_that_of_the_bytes_whatever_the_form() {
        let long = Key::new(&[b'a'; 40]);
        let short = Key::new(b"b");
        assert!(long < short);
        assert_ne!(Key::new(b"a"), Key::new(b"a\0"));
    }
}
