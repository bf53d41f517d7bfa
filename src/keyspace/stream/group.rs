//! Consumer groups: how far they have read, and what was delivered and not acknowledged.

use imbl::{OrdMap, OrdSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Key, StreamId};

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// To whom.
    pub consumer: Key,
    /// When, the last time (ms since 1970).
    pub delivered_ms: u64,
    /// How often.
    pub deliveries: u64,
}

/// One of those who read in a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Consumer {
    /// When it last asked for something (ms since 1970).
    pub seen_ms: u64,
    /// Ids of the entries it has to acknowledge.
    pub pending: OrdSet<StreamId>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// Id of the last entry delivered.
    pub last_id: StreamId,
    /// How many entries of the stream it has read in all, if that is known.
    pub entries_read: Option<u64>,
    pending: OrdMap<StreamId, Pending>,
    consumers: OrdMap<Key, Consumer>,
    /// Wrapping sum of one hash a pending entry.
    sum: u64,
}

impl Group {
    /// One that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    /// All pending entries, by id.
    pub fn pending(&self) -> &OrdMap<StreamId, Pending> {
        &self.pending
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> &OrdMap<Key, Consumer> {
        &self.consumers
    }

    /// Makes a consumer; whether there was none of this name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        let consumer = Consumer { seen_ms: now_ms, pending: OrdSet::new() };
        self.consumers.insert(Key::new(name), consumer);
        true
    }

    /// Notes that a consumer was seen.
    pub fn saw(&mut self, name: &[u8], now_ms: u64) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_ms = now_ms;
        }
    }

    /// Removes a consumer with all it has to acknowledge; how much that was, if it was there.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for id in &consumer.pending {
            if let Some(pending) = self.pending.remove(id) {
                self.sum = self.sum.wrapping_sub(hash(*id, &pending));
            }
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending, whoever had it before.
    pub fn deliver(&mut self, id: StreamId, pending: Pending) {
        self.acknowledge(id);
        let consumer = self.consumers.entry(pending.consumer.clone()).or_default();
        consumer.pending.insert(id);
        self.sum = self.sum.wrapping_add(hash(id, &pending));
        self.pending.insert(id, pending);
    }

    /// The entry is pending no more; whether it was.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        self.sum = self.sum.wrapping_sub(hash(id, &pending));
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        200 + self.pending.len() * 120 + self.consumers.len() * 120
    }

    pub(super) fn digest(&self, seed: u64) -> u64 {
        // Who has asked in vain, and how often entries were asked for again, is told to no replica.
        let mut head = [0; 24];
        head[..16].copy_from_slice(&self.last_id.to_bytes());
        head[16..].copy_from_slice(&self.sum.to_le_bytes());
        xxh3_64_with_seed(&head, seed)
    }
}

fn hash(id: StreamId, pending: &Pending) -> u64 {
    xxh3_64_with_seed(&id.to_bytes(), xxh3_64(&pending.consumer))
}
