//! A node of a stream: up to a hundred entries, and what decides whether one more fits.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Limits, StreamId};

/// Names and values of an entry, one after another, in one piece of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    count: u32,
    /// Each with its length (4 bytes, little endian) in front.
    bytes: Arc<[u8]>,
}

impl Fields {
    /// Copies names and values, which alternate.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut count, mut bytes) = (0, Vec::new());
        for text in texts {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text);
            count += 1;
        }
        Self { count, bytes: bytes.into() }
    }

    /// Number of names and values together.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names and values in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (len, more) = rest.split_first_chunk::<4>()?;
            let (text, more) = more.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = more;
            Some(text)
        })
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().step_by(2)
    }

    fn text_bytes(&self) -> usize {
        self.bytes.len() - 4 * self.len()
    }
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: StreamId,
    /// Its names and values.
    pub fields: Fields,
}

impl Entry {
    pub(super) fn hash(&self) -> u64 {
        let id = xxh3_64_with_seed(&self.id.to_bytes(), u64::from(self.fields.count));
        xxh3_64_with_seed(&self.fields.bytes, id)
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Entry>() + crate::keyspace::allocated_bytes(16 + self.fields.bytes.len())
    }
}

/// Entries with ascending ids.
#[derive(Debug, Clone)]
pub struct Node {
    entries: Vec<Entry>,
    /// Entries removed from it, which count for its fullness.
    deleted: usize,
    /// Bytes of the listpack it would be in Redis.
    packed_bytes: usize,
    heap_bytes: usize,
}

/// Where a stream's nodes end is no part of its content.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

/// Bytes of a listpack besides its entries: header, end, and the counts of the first entry.
const PACKED_BASE_BYTES: usize = 16;
/// Bytes of an entry besides its texts: flags, differences of the id, number of elements.
const PACKED_ENTRY_BYTES: usize = 9;

impl Node {
    pub(super) fn beginning_with(entry: Entry) -> Self {
        let names: usize = entry.fields.names().map(packed_len).sum();
        let packed_bytes = PACKED_BASE_BYTES + names;
        let mut node = Self { entries: Vec::new(), deleted: 0, packed_bytes, heap_bytes: 96 };
        node.push(entry);
        node
    }

    /// From a file: entries, how many of the listpack are deleted, and its size.
    pub fn loaded(entries: Vec<Entry>, deleted: usize, packed_bytes: usize) -> Self {
        let heap_bytes = 96 + entries.iter().map(Entry::heap_bytes).sum::<usize>();
        Self { entries, deleted, packed_bytes, heap_bytes }
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    pub(super) fn has_room_for(&self, entry: &Entry, limits: &Limits) -> bool {
        /// However large nodes may be, no listpack gets larger.
        const LISTPACK_MAX_BYTES: usize = 1 << 30;
        let within = |count: usize, limit: usize| limit == 0 || count < limit;
        let bytes = self.packed_bytes + entry.fields.text_bytes();
        bytes < LISTPACK_MAX_BYTES
            && within(bytes, limits.stream_node_max_bytes)
            && within(self.entries.len() + self.deleted, limits.stream_node_max_entries)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        let same_names =
            self.entries.first().is_none_or(|first| first.fields.names().eq(entry.fields.names()));
        let texts: usize = if same_names {
            entry.fields.iter().skip(1).step_by(2).map(packed_len).sum()
        } else {
            2 + entry.fields.iter().map(packed_len).sum::<usize>()
        };
        self.packed_bytes += PACKED_ENTRY_BYTES + texts;
        self.heap_bytes += entry.heap_bytes();
        self.entries.push(entry);
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Entry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        let entry = self.entries.remove(at);
        self.deleted += 1;
        self.heap_bytes -= entry.heap_bytes();
        Some(entry)
    }

    pub(super) fn range(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl DoubleEndedIterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.id < from);
        let end = self.entries.partition_point(|entry| entry.id <= to).max(start);
        self.entries[start..end].iter()
    }
}

/// Bytes of an element of a listpack, near enough to end nodes where Redis does.
fn packed_len(text: &[u8]) -> usize {
    let mut writer = crate::codec::rdb::listpack::Writer::new();
    let empty = writer.byte_len();
    writer.push(text);
    writer.byte_len() - empty
}
