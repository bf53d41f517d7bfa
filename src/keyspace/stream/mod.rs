//! Streams: entries by ascending id, in nodes of up to a hundred, and consumer groups.
//!
//! A node is shared with snapshots until it is changed, the map of nodes is a persistent one: a
//! clone costs one reference count, and a write after it copies one node and the path to it.
//! Nodes begin and end where Redis's do (t_stream.c `streamAppendItem`), since `MAXLEN ~` removes
//! whole ones.

mod group;
mod node;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use imbl::OrdMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Limits;
use super::digest::RedisDigest;
use super::key::Key;
pub use group::{Consumer, Group, Pending};
pub use node::{Entry, Fields, Node};

/// The id of an entry: a time in ms, and a number for entries of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds, of the clock of whoever made it.
    pub ms: u64,
    /// From 0 up within a millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The smallest one, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The largest one.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The next one, if there is one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => self.ms.checked_add(1).map(|ms| Self { ms, seq: 0 }),
        }
    }

    /// The one before, if there is one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { ms: self.ms, seq }),
            None => self.ms.checked_sub(1).map(|ms| Self { ms, seq: u64::MAX }),
        }
    }

    /// As listpacks and lists of pending entries name it: 16 bytes, big endian.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.ms.to_be_bytes());
        out[8..].copy_from_slice(&self.seq.to_be_bytes());
        out
    }

    /// The opposite of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let all = u128::from_be_bytes(bytes);
        Self { ms: (all >> 64) as u64, seq: all as u64 }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { ms: ms.parse()?, seq: seq.parse()? })
    }
}

/// How far to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// To so many entries.
    MaxLen(u64),
    /// To the entries from this id on.
    MinId(StreamId),
}

/// A stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamValue(Arc<Inner>);

#[derive(Debug, Clone, PartialEq, Default)]
struct Inner {
    /// By the id each began with.
    nodes: OrdMap<StreamId, Arc<Node>>,
    /// Entries in all nodes.
    len: u64,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: OrdMap<Key, Arc<Group>>,
    /// Wrapping sum of one hash an entry.
    sum: u64,
    /// Of nodes and their entries.
    node_bytes: usize,
}

impl Default for StreamValue {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamValue {
    /// Without entries.
    pub fn new() -> Self {
        Self(Arc::new(Inner::default()))
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The largest id ever given.
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// Id of the first entry there is; zero without entries.
    pub fn first_id(&self) -> StreamId {
        self.first().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The largest id of those that `XDEL` removed.
    pub fn max_deleted_id(&self) -> StreamId {
        self.0.max_deleted_id
    }

    /// Number of entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// Sets what `XSETID` and a loaded file say.
    pub fn set_marks(&mut self, last: StreamId, max_deleted: StreamId, entries_added: u64) {
        let inner = Arc::make_mut(&mut self.0);
        inner.last_id = last;
        inner.max_deleted_id = max_deleted;
        inner.entries_added = entries_added;
    }

    /// How many entries of those ever added have ids up to `id`, if that can be known
    /// (t_stream.c `streamEstimateDistanceFromFirstEverEntry`).
    pub fn entries_read_at(&self, id: StreamId) -> Option<u64> {
        let inner = &self.0;
        if inner.entries_added == 0 {
            return Some(0);
        }
        if inner.len == 0 && id <= inner.last_id {
            return Some(inner.entries_added);
        }
        if id >= inner.last_id {
            return (id == inner.last_id).then_some(inner.entries_added);
        }
        let first = self.first_id();
        // Nothing was deleted in the midst of what is there.
        if inner.max_deleted_id == StreamId::MIN || inner.max_deleted_id < first {
            if id < first {
                return Some(inner.entries_added - inner.len.min(inner.entries_added));
            }
            if id == first {
                return Some(inner.entries_added - inner.len.min(inner.entries_added) + 1);
            }
        }
        None
    }

    /// The first entry.
    pub fn first(&self) -> Option<&Entry> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<&Entry> {
        self.range(StreamId::MIN, StreamId::MAX).next_back()
    }

    /// Entries with ids of `from` to `to`, both included.
    pub fn range(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl DoubleEndedIterator<Item = &Entry> + '_ {
        let nodes = &self.0.nodes;
        let start = nodes.get_prev(&from).map_or(from, |(id, _)| *id);
        // A range that ends before it begins is empty, and no reason to panic.
        let end = to.max(start);
        nodes.range(start..=end).flat_map(move |(_, node)| node.range(from, to))
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<&Entry> {
        self.range(id, id).next()
    }

    /// The nodes, for who writes them to a file.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, &Node)> {
        self.0.nodes.iter().map(|(id, node)| (*id, &**node))
    }

    /// Appends an entry; its id has to be larger than [`StreamValue::last_id`].
    pub fn push(&mut self, id: StreamId, fields: Fields, limits: &Limits) {
        let inner = Arc::make_mut(&mut self.0);
        debug_assert!(id > inner.last_id, "ids ascend");
        let entry = Entry { id, fields };
        inner.sum = inner.sum.wrapping_add(entry.hash());
        inner.len += 1;
        inner.last_id = id;
        inner.entries_added += 1;
        let last = inner.nodes.get_max().map(|(id, node)| (*id, node.has_room_for(&entry, limits)));
        if let Some((node_id, true)) = last
            && let Some(node) = inner.nodes.get_mut(&node_id)
        {
            let before = node.heap_bytes();
            let node = Arc::make_mut(node);
            node.push(entry);
            inner.node_bytes += node.heap_bytes() - before;
            return;
        }
        let node = Node::beginning_with(entry);
        inner.node_bytes += node.heap_bytes();
        inner.nodes.insert(id, Arc::new(node));
    }

    /// Adds a node that was read from a file; `false`: its ids do not follow those before.
    pub fn push_node(&mut self, id: StreamId, node: Node) -> bool {
        let inner = Arc::make_mut(&mut self.0);
        let (Some(first), Some(last)) = (node.entries().first(), node.entries().last()) else {
            return false;
        };
        let before = inner.nodes.get_max();
        let follows = before.is_none_or(|(before, node)| {
            *before < id && node.entries().last().is_none_or(|entry| entry.id < first.id)
        });
        let ascends = node.entries().is_sorted_by(|one, next| one.id < next.id);
        if !follows || !ascends || first.id < id {
            return false;
        }
        let last = last.id;
        inner.last_id = inner.last_id.max(last);
        inner.len += node.entries().len() as u64;
        let sum = node.entries().iter().map(Entry::hash).fold(0, u64::wrapping_add);
        inner.sum = inner.sum.wrapping_add(sum);
        inner.node_bytes += node.heap_bytes();
        inner.nodes.insert(id, Arc::new(node));
        true
    }

    /// Removes an entry, as `XDEL` does; whether it was there.
    pub fn remove(&mut self, id: StreamId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.remove(id);
        inner.max_deleted_id = inner.max_deleted_id.max(id);
        true
    }

    /// Removes entries from the start. `approximate`: whole nodes only, and of them no more than
    /// `limit` entries (0: no limit). Returns how many went.
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: u64) -> u64 {
        let inner = Arc::make_mut(&mut self.0);
        let mut removed = 0;
        while let Some((id, node)) = inner.nodes.get_min() {
            let id = *id;
            let here = node.entries().len() as u64;
            if matches!(trim, Trim::MaxLen(wanted) if inner.len <= wanted)
                || limit != 0 && removed + here > limit
            {
                break;
            }
            let whole = match trim {
                Trim::MaxLen(wanted) => inner.len - here >= wanted,
                Trim::MinId(from) => node.entries().last().is_none_or(|entry| entry.id < from),
            };
            if whole {
                inner.remove_node(id);
                removed += here;
                continue;
            }
            if !approximate {
                removed += inner.trim_first_node(trim);
            }
            break;
        }
        removed
    }

    /// Consumer groups by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&Key, &Group)> {
        self.0.groups.iter().map(|(name, group)| (name, &**group))
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name).map(|group| &**group)
    }

    /// The group of this name, to be changed.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        if !self.0.groups.contains_key(name) {
            return None;
        }
        Arc::make_mut(&mut self.0).groups.get_mut(name).map(Arc::make_mut)
    }

    /// Adds a group, or replaces the one of this name.
    pub fn insert_group(&mut self, name: &[u8], group: Group) {
        Arc::make_mut(&mut self.0).groups.insert(Key::new(name), Arc::new(group));
    }

    /// Removes a group; whether it was there.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.0.groups.contains_key(name) && Arc::make_mut(&mut self.0).groups.remove(name).is_some()
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        "stream"
    }

    /// Estimated bytes outside of the table entry that holds the value. In constant time but for
    /// the number of groups.
    pub fn heap_bytes(&self) -> usize {
        let groups: usize = self.groups().map(|(_, group)| group.heap_bytes()).sum();
        super::allocated_bytes(size_of::<Inner>() + 16) + self.0.node_bytes + groups
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest. Times are left out: when a
    /// consumer was seen is not the same on a replica.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        let inner = &self.0;
        let groups = self
            .groups()
            .map(|(name, group)| group.digest(xxh3_64(name)))
            .fold(0, u64::wrapping_add);
        let mut head = [0; 56];
        head[..8].copy_from_slice(&inner.sum.to_le_bytes());
        head[8..16].copy_from_slice(&groups.to_le_bytes());
        head[16..32].copy_from_slice(&inner.last_id.to_bytes());
        head[32..48].copy_from_slice(&inner.max_deleted_id.to_bytes());
        head[48..].copy_from_slice(&inner.entries_added.to_le_bytes());
        xxh3_64_with_seed(&head, seed)
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`): ids and fields only.
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        for entry in self.range(StreamId::MIN, StreamId::MAX) {
            digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for text in entry.fields.iter() {
                digest.mix(text);
            }
        }
    }
}

impl Inner {
    fn remove_node(&mut self, id: StreamId) {
        if let Some(node) = self.nodes.remove(&id) {
            let sum = node.entries().iter().map(Entry::hash).fold(0, u64::wrapping_add);
            self.sum = self.sum.wrapping_sub(sum);
            self.len -= node.entries().len() as u64;
            self.node_bytes -= node.heap_bytes();
        }
    }

    fn remove(&mut self, id: StreamId) {
        let Some(node_id) = self.nodes.get_prev(&id).map(|(id, _)| *id) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&node_id) else {
            return;
        };
        if node.entries().len() == 1 {
            return self.remove_node(node_id);
        }
        let before = node.heap_bytes();
        let node = Arc::make_mut(node);
        if let Some(entry) = node.remove(id) {
            self.sum = self.sum.wrapping_sub(entry.hash());
            self.len -= 1;
            self.node_bytes -= before - node.heap_bytes();
        }
    }

    fn trim_first_node(&mut self, trim: Trim) -> u64 {
        let Some((_, node)) = self.nodes.get_min() else {
            return 0;
        };
        let surplus = match trim {
            Trim::MaxLen(wanted) => self.len - wanted,
            Trim::MinId(from) => {
                node.entries().iter().take_while(|entry| entry.id < from).count() as u64
            }
        };
        let gone: Vec<StreamId> =
            node.entries().iter().take(surplus as usize).map(|entry| entry.id).collect();
        for id in &gone {
            self.remove(*id);
        }
        gone.len() as u64
    }
}

#[cfg(test)]
mod tests;
