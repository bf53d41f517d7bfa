//! The entries of one leaf of a [`Table`](super::table::Table): a vector that grows in small
//! steps, and a byte of each entry's hash to find it by.
//!
//! A hash table of 64 places is half empty on the mean, since the leaves of one table all fill up
//! at the same pace; here the room to spare is [`STEP`] entries at most.
//!
//! Must never: depend on where an entry stands. Removing moves another into the gap.

use super::table::Entry;

/// Entries with a tag. Those after them (their hashes agree in 48 bits) are searched one by one.
pub(super) const TAGS: usize = 64;
/// Room is made for this many entries at once, once there are as many.
const STEP: usize = 8;
const LOW_BITS: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

#[derive(Clone)]
pub(super) struct Bucket<E> {
    /// Of the entries with the same index; arbitrary after the last one.
    tags: [u8; TAGS],
    entries: Vec<E>,
}

/// Entries of one leaf agree in the high bits of their hashes; these tell them apart.
#[inline]
fn tag_of(hash: u64) -> u8 {
    hash as u8
}

/// Which of eight tags are equal to `tag`, as the high bits of the bytes. A byte above one that
/// is equal may be taken for equal too.
#[inline]
fn equal(tags: [u8; 8], tag: u8) -> u64 {
    let difference = u64::from_le_bytes(tags) ^ (u64::from(tag) * LOW_BITS);
    difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS
}

impl<E> Bucket<E> {
    pub(super) fn new() -> Self {
        Bucket { tags: [0; TAGS], entries: Vec::new() }
    }

    /// With room for this many entries.
    pub(super) fn with_capacity(entries: usize) -> Self {
        Bucket { tags: [0; TAGS], entries: Vec::with_capacity(entries) }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, E> {
        self.entries.iter()
    }

    /// Takes all entries out.
    pub(super) fn take(&mut self) -> Vec<E> {
        std::mem::take(&mut self.entries)
    }

    /// Adds an entry, of which there is none with the same key.
    pub(super) fn push(&mut self, hash: u64, entry: E) {
        let len = self.entries.len();
        if len == self.entries.capacity() {
            self.entries.reserve_exact(len.clamp(1, STEP));
        }
        if let Some(tag) = self.tags.get_mut(len) {
            *tag = tag_of(hash);
        }
        self.entries.push(entry);
    }
}

impl<E: Entry> Bucket<E> {
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<&E> {
        Some(&self.entries[self.position(hash, key)?])
    }

    #[inline]
    pub(super) fn find_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut E> {
        let position = self.position(hash, key)?;
        Some(&mut self.entries[position])
    }

    /// Takes an entry out, and gives room back that is not needed.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8], seed: u64) -> Option<E> {
        let position = self.position(hash, key)?;
        if let (Some(last), true) = (self.entries.last(), position < TAGS) {
            self.tags[position] = tag_of(last.hash(seed));
        }
        let removed = self.entries.swap_remove(position);
        if self.entries.capacity() - self.entries.len() > 2 * STEP {
            self.entries.shrink_to(self.entries.len() + STEP);
        }
        Some(removed)
    }

    #[inline]
    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let tag = tag_of(hash);
        let is_it = |at: usize| self.entries.get(at).is_some_and(|entry| entry.key() == key);
        let (eights, _) = self.tags.as_chunks::<8>();
        for (index, eight) in eights.iter().take(self.entries.len().div_ceil(8)).enumerate() {
            let mut found = equal(*eight, tag);
            while found != 0 {
                let at = index * 8 + found.trailing_zeros() as usize / 8;
                if is_it(at) {
                    return Some(at);
                }
                found &= found - 1;
            }
        }
        (TAGS..self.entries.len()).find(|at| is_it(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Numbered([u8; 2]);

    impl Entry for Numbered {
        fn key(&self) -> &[u8] {
            &self.0
        }
        /// Few different tags, so that most comparisons find several.
        fn hash(&self, _seed: u64) -> u64 {
            u64::from(self.0[0] % 7)
        }
    }

    #[test]
    fn equal_tags_are_found_and_the_lowest_is_exact() {
        let tags = [9, 8, 9, 0, 255, 1, 128, 9];
        for tag in 0..=255 {
            let expected = tags.iter().position(|other| *other == tag);
            let found = equal(tags, tag);
            let lowest = (found != 0).then(|| found.trailing_zeros() as usize / 8);
            assert_eq!(lowest, expected, "{tag}");
            for (at, other) in tags.iter().enumerate() {
                assert!(*other != tag || found & (0x80 << (8 * at)) != 0, "{tag} at {at}");
            }
        }
    }

    #[test]
    fn entries_beyond_the_tags_are_found_and_move_up() {
        let mut bucket = Bucket::new();
        let all: Vec<Numbered> = (0..200).map(|n: u8| Numbered([n, 1])).collect();
        for entry in &all {
            bucket.push(entry.hash(0), entry.clone());
        }
        for (gone, entry) in all.iter().enumerate() {
            assert_eq!(bucket.find(entry.hash(0), &[entry.0[0], 2]), None);
            assert_eq!(bucket.remove(entry.hash(0), entry.key(), 0).as_ref(), Some(entry));
            assert_eq!(bucket.len(), all.len() - gone - 1);
            for (at, other) in all.iter().enumerate() {
                let there = bucket.find(other.hash(0), other.key()).is_some();
                assert_eq!(there, at > gone, "{at} after {gone}");
            }
        }
        assert!(bucket.is_empty());
    }

    #[test]
    fn little_room_is_left_over() {
        let mut bucket = Bucket::new();
        for n in 0..56 {
            let entry = Numbered([n, 0]);
            bucket.push(entry.hash(0), entry);
            assert!(bucket.entries.capacity() < bucket.len() + STEP);
        }
        for n in 0..56 {
            let entry = Numbered([n, 0]);
            bucket.remove(entry.hash(0), entry.key(), 0).expect("it is there");
            assert!(bucket.entries.capacity() <= bucket.len() + 2 * STEP);
        }
    }
}
