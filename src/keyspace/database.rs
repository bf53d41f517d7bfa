//! One numbered database: entries, deadlines, and the sums kept over them.
//!
//! Every change goes through here, so that table, deadlines, digest and memory estimate cannot
//! come apart.

use std::collections::BTreeSet;

use super::access::{AccessCell, AccessRules};
use super::digest::entry_digest;
use super::entry_key::EntryKey;
use super::key::Key;
use super::table::{Entry, Table};
use super::value::Value;

/// Key and value, 40 bytes.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) key: EntryKey,
    pub(super) value: Value,
}

/// The deadline of a key that has one. Keys without one pay nothing for those with.
#[derive(Clone)]
pub(super) struct Deadline {
    pub(super) key: Key,
    pub(super) expiry_ms: u64,
}

impl Entry for Item {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Entry for Deadline {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Measured share of an [`Item`] in its leaf, spare room and bookkeeping included.
const ITEM_BYTES: usize = 56;
/// The same of a deadline, in its table and in the index by time.
const DEADLINE_BYTES: usize = 104;

/// What a snapshot shares with its database.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) items: Table<Item>,
    /// Same seed as `items`, so one hash serves both.
    pub(super) deadlines: Table<Deadline>,
}

impl Tables {
    pub(super) fn new(hash_seed: u64) -> Self {
        Tables { items: Table::new(hash_seed), deadlines: Table::new(hash_seed) }
    }

    /// Deadline of a key by its hash.
    #[inline]
    pub(super) fn expiry(&self, hash: u64, key: &[u8]) -> Option<u64> {
        if self.deadlines.is_empty() {
            return None;
        }
        Some(self.deadlines.get(hash, key)?.expiry_ms)
    }

    /// In hash order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&EntryKey, &Value, Option<u64>)> {
        self.items.iter().map(|(hash, item)| {
            let expiry_ms = self.expiry(hash, &item.key);
            (&item.key, &item.value, expiry_ms)
        })
    }
}

pub(super) struct Database {
    pub(super) tables: Tables,
    by_deadline: BTreeSet<(u64, Key)>,
    deadline_sum_ms: u128,
    track_digest: bool,
    /// Wrapping sum of [`entry_digest`]; 0 unless tracked.
    digest_sum: u64,
    /// Outside of the tables: long keys and values.
    heap_bytes: usize,
    /// Bytes copied for the sake of snapshots, while it is being counted.
    pub(super) copied_bytes: Option<u64>,
}

impl Database {
    pub(super) fn new(hash_seed: u64, track_digest: bool) -> Self {
        Database {
            tables: Tables::new(hash_seed),
            by_deadline: BTreeSet::new(),
            deadline_sum_ms: 0,
            track_digest,
            digest_sum: 0,
            heap_bytes: 0,
            copied_bytes: None,
        }
    }

    pub(super) fn digest_sum(&self) -> u64 {
        self.digest_sum
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.heap_bytes
            + self.tables.items.len() * ITEM_BYTES
            + self.tables.deadlines.len() * DEADLINE_BYTES
    }

    pub(super) fn entry_bytes(&self, key: &[u8]) -> Option<usize> {
        let hash = self.tables.items.hash(key);
        let Item { key, value } = self.tables.items.get(hash, key)?;
        let deadline = self.tables.expiry(hash, key).map_or(0, |_| DEADLINE_BYTES);
        Some(ITEM_BYTES + deadline + key.heap_bytes() + value.heap_bytes())
    }

    pub(super) fn mean_deadline_ms(&self) -> u64 {
        let count = self.by_deadline.len() as u128;
        // The mean of u64s is one.
        self.deadline_sum_ms.checked_div(count).unwrap_or(0) as u64
    }

    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<(&Value, Option<u64>)> {
        let hash = self.tables.items.hash(key);
        let item = self.tables.items.get(hash, key)?;
        Some((&item.value, self.tables.expiry(hash, key)))
    }

    /// The bits about a key's accesses.
    #[inline]
    pub(super) fn access(&self, key: &[u8]) -> Option<&AccessCell> {
        let items = &self.tables.items;
        Some(items.get(items.hash(key), key)?.key.access())
    }

    pub(super) fn set(
        &mut self,
        key: &[u8],
        value: Value,
        expiry_ms: Option<u64>,
        access: &AccessRules,
    ) -> bool {
        let hash = self.tables.items.hash(key);
        self.note_copy(hash, key);
        let old_expiry_ms = self.tables.expiry(hash, key);
        if self.track_digest {
            let added = entry_digest(key, &value, expiry_ms);
            self.digest_sum = self.digest_sum.wrapping_add(added);
        }
        self.heap_bytes += value.heap_bytes();
        let replaced = match self.tables.items.get_mut(hash, key) {
            Some(item) => {
                let old = std::mem::replace(&mut item.value, value);
                let cell = item.key.access();
                cell.set(access.replaced(cell.get()));
                self.heap_bytes -= old.heap_bytes();
                if self.track_digest {
                    let gone = entry_digest(key, &old, old_expiry_ms);
                    self.digest_sum = self.digest_sum.wrapping_sub(gone);
                }
                true
            }
            None => {
                let key = EntryKey::new(key, access.fresh());
                self.heap_bytes += key.heap_bytes();
                self.tables.items.insert_new(hash, Item { key, value });
                false
            }
        };
        self.move_deadline(hash, key, old_expiry_ms, expiry_ms);
        replaced
    }

    /// Counts what the change to come copies: the leaf and the branches that a snapshot shares,
    /// and the value, which will be there twice.
    #[inline]
    fn note_copy(&mut self, hash: u64, key: &[u8]) {
        if let Some(copied_bytes) = &mut self.copied_bytes {
            let items = &self.tables.items;
            let shared = items.shared_bytes(hash);
            if shared > 0 {
                let value = items.get(hash, key).map_or(0, |item| item.value.heap_bytes());
                *copied_bytes += (shared + value) as u64;
            }
        }
    }

    pub(super) fn update<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> R,
    ) -> Option<R> {
        let hash = self.tables.items.hash(key);
        self.note_copy(hash, key);
        let item = self.tables.items.get_mut(hash, key)?;
        self.heap_bytes -= item.value.heap_bytes();
        if !self.track_digest {
            let result = change(&mut item.value);
            self.heap_bytes += item.value.heap_bytes();
            return Some(result);
        }
        let expiry_ms = self.tables.deadlines.get(hash, key).map(|it| it.expiry_ms);
        let gone = entry_digest(key, &item.value, expiry_ms);
        let result = change(&mut item.value);
        self.heap_bytes += item.value.heap_bytes();
        let added = entry_digest(key, &item.value, expiry_ms);
        self.digest_sum = self.digest_sum.wrapping_sub(gone).wrapping_add(added);
        Some(result)
    }

    pub(super) fn set_expiry(&mut self, key: &[u8], expiry_ms: Option<u64>) -> bool {
        let hash = self.tables.items.hash(key);
        let Some(item) = self.tables.items.get(hash, key) else {
            return false;
        };
        let old_expiry_ms = self.tables.expiry(hash, key);
        if self.track_digest {
            let gone = entry_digest(key, &item.value, old_expiry_ms);
            let added = entry_digest(key, &item.value, expiry_ms);
            self.digest_sum = self.digest_sum.wrapping_sub(gone).wrapping_add(added);
        }
        self.move_deadline(hash, key, old_expiry_ms, expiry_ms);
        true
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<(Value, Option<u64>)> {
        let hash = self.tables.items.hash(key);
        self.note_copy(hash, key);
        let item = self.tables.items.remove(hash, key)?;
        let expiry_ms = self.tables.expiry(hash, key);
        if self.track_digest {
            let gone = entry_digest(key, &item.value, expiry_ms);
            self.digest_sum = self.digest_sum.wrapping_sub(gone);
        }
        self.heap_bytes -= item.key.heap_bytes() + item.value.heap_bytes();
        self.move_deadline(hash, key, expiry_ms, None);
        Some((item.value, expiry_ms))
    }

    pub(super) fn expired(&self, now_ms: u64, limit: usize) -> Vec<(Vec<u8>, u64)> {
        self.by_deadline
            .iter()
            .take_while(|(expiry_ms, _)| *expiry_ms <= now_ms)
            .take(limit)
            .map(|(expiry_ms, key)| (key.to_vec(), *expiry_ms))
            .collect()
    }

    /// Keeps the table of deadlines, its index by time and its sum in step.
    fn move_deadline(&mut self, hash: u64, key: &[u8], old: Option<u64>, new: Option<u64>) {
        if old == new {
            return;
        }
        let deadlines = &mut self.tables.deadlines;
        let key = match (old, new) {
            (_, None) => deadlines.remove(hash, key).map(|gone| gone.key),
            (Some(_), Some(expiry_ms)) => deadlines.get_mut(hash, key).map(|deadline| {
                deadline.expiry_ms = expiry_ms;
                deadline.key.clone()
            }),
            (None, Some(expiry_ms)) => {
                // The same allocation as the item's, if the key is a long one.
                let item = self.tables.items.get(hash, key);
                item.map(|item| {
                    let key = item.key.to_key();
                    let deadline = Deadline { key: key.clone(), expiry_ms };
                    deadlines.insert_new(hash, deadline);
                    key
                })
            }
        };
        let key = key.expect("a deadline moves only for a key that has an item");
        let mut indexed = (0, key);
        if let Some(expiry_ms) = old {
            indexed.0 = expiry_ms;
            let known = self.by_deadline.remove(&indexed);
            debug_assert!(known, "every deadline is in the index by time");
            self.deadline_sum_ms -= u128::from(expiry_ms);
        }
        if let Some(expiry_ms) = new {
            indexed.0 = expiry_ms;
            self.by_deadline.insert(indexed);
            self.deadline_sum_ms += u128::from(expiry_ms);
        }
    }
}
