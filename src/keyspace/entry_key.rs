//! The key of a table entry: its name, and the bits about its accesses where they cost nothing.

use std::ops::Deref;
use std::sync::Arc;

use super::access::{Access, AccessCell};
use super::key::Key;

/// Longest name stored without an allocation; three bytes less than in a [`Key`].
const INLINE_BYTES: usize = 19;

/// A name and the accesses of what it stands for, in the 24 bytes of a [`Key`].
#[derive(Clone)]
pub(super) struct EntryKey(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, access: AccessCell, bytes: [u8; INLINE_BYTES] },
    Shared { access: AccessCell, bytes: Arc<[u8]> },
}

impl EntryKey {
    /// Copies `bytes`.
    pub(super) fn new(bytes: &[u8], access: Access) -> Self {
        let access = AccessCell::new(access);
        EntryKey(if bytes.len() <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            inline[..bytes.len()].copy_from_slice(bytes);
            Repr::Inline { len: bytes.len() as u8, access, bytes: inline }
        } else {
            Repr::Shared { access, bytes: Arc::from(bytes) }
        })
    }

    /// The bits about its accesses.
    #[inline]
    pub(super) fn access(&self) -> &AccessCell {
        match &self.0 {
            Repr::Inline { access, .. } | Repr::Shared { access, .. } => access,
        }
    }

    /// The name alone; shares the allocation of a long one.
    pub(super) fn to_key(&self) -> Key {
        match &self.0 {
            Repr::Inline { len, bytes, .. } => Key::new(&bytes[..usize::from(*len)]),
            Repr::Shared { bytes, .. } => Key::shared(Arc::clone(bytes)),
        }
    }

    /// Estimated bytes outside the 24 of the key itself.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Shared { bytes, .. } => super::key::shared_bytes(bytes),
        }
    }
}

impl Deref for EntryKey {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes, .. } => &bytes[..usize::from(*len)],
            Repr::Shared { bytes, .. } => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::AccessRules;

    #[test]
    fn it_is_as_small_as_a_key_and_keeps_its_bytes() {
        assert_eq!(size_of::<EntryKey>(), size_of::<Key>());
        let access = AccessRules { now_unix_ms: 1_700_000_000_000, ..Default::default() }.fresh();
        for len in [0, 1, 18, 19, 20, 22, 23, 300] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let key = EntryKey::new(&bytes, access);
            assert_eq!(*key, bytes);
            assert_eq!(key.clone().access().get(), access);
            assert_eq!(key.to_key(), Key::new(&bytes));
            assert_eq!(key.heap_bytes() > 0, len > INLINE_BYTES);
        }
    }
}
