//! All databases as they were at one moment, to be read at leisure, by another thread if need be.
//!
//! A snapshot shares the tables with the keyspace it was taken of. What keeps it small is that
//! leaves it has been walked past are given up: the keyspace then owns them alone again and need
//! not copy them. So a long job walks with [`SnapshotWalker`] instead of holding a [`Snapshot`].

use std::collections::VecDeque;

use super::access::Access;
use super::database::{Deadline, Item, Tables};
use super::digest::database_digest;
use super::key::Key;
use super::table::{IntoLeaves, Leaf, Table};
use super::value::Value;
use crate::event::Digest;
use crate::function::Libraries;

/// A frozen view of all databases at one moment. `Send`, so that it can be written beside the
/// event loop; holds memory only for what changed since it was taken.
#[derive(Clone)]
pub struct Snapshot {
    databases: Vec<Tables>,
    libraries: Libraries,
    digest: Option<Digest>,
}

/// One key of a snapshot, owned (long keys and values are shared, not copied).
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotEntry {
    /// Database number.
    pub db: u32,
    /// Its name.
    pub key: Key,
    /// What it stands for.
    pub value: Value,
    /// Deadline in ms since 1970.
    pub expiry_ms: Option<u64>,
}

/// Iterator over one database of a [`Snapshot`]: key, value and deadline in ms since 1970.
pub struct Entries<'a>(Box<dyn Iterator<Item = (Key, Value, Option<u64>)> + Send + 'a>);

impl Iterator for Entries<'_> {
    type Item = (Key, Value, Option<u64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Snapshot {
    pub(super) fn new(
        databases: Vec<Tables>,
        libraries: Libraries,
        digest: Option<Digest>,
    ) -> Self {
        Snapshot { databases, libraries, digest }
    }

    /// The functions.
    pub fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Gives up the keys, or the functions, or both, unless they are wanted.
    pub fn reduce_to(&mut self, keys: bool, functions: bool) {
        if !keys {
            self.databases.clear();
        }
        if !functions {
            self.libraries = Libraries::default();
        }
    }

    /// Number of databases, empty ones included.
    pub fn databases(&self) -> u32 {
        self.databases.len() as u32
    }

    /// Number of keys. Panics if there is no such database.
    pub fn len(&self, db: u32) -> usize {
        self.databases[db as usize].items.len()
    }

    /// Number of keys with a deadline. Panics if there is no such database.
    pub fn expires(&self, db: u32) -> usize {
        self.databases[db as usize].deadlines.len()
    }

    /// Whether no database has a key.
    pub fn is_empty(&self) -> bool {
        self.databases.iter().all(|tables| tables.items.is_empty())
    }

    /// The keyspace's rolling digest at that moment. Panics unless the keyspace tracked it.
    pub fn digest(&self) -> Digest {
        self.digest.expect("the keyspace tracks its digest")
    }

    /// The keys of one database in hash order. Panics if there is no such database.
    pub fn entries(&self, db: u32) -> Entries<'_> {
        let entries = self.databases[db as usize].iter();
        Entries(Box::new(
            entries.map(|(key, value, expiry_ms)| (key.to_key(), value.clone(), expiry_ms)),
        ))
    }

    /// All keys in the order of databases, then of hashes; gives up what it is past.
    pub fn into_entries(self) -> impl Iterator<Item = SnapshotEntry> + Send {
        let mut walker = SnapshotWalker::new(self);
        let mut batch = VecDeque::new();
        std::iter::from_fn(move || {
            if batch.is_empty() {
                walker.next_batch(64, &mut |visited| {
                    batch.push_back(SnapshotEntry {
                        db: visited.db,
                        key: Key::new(visited.key),
                        value: visited.value.clone(),
                        expiry_ms: visited.expiry_ms,
                    });
                });
            }
            batch.pop_front()
        })
    }
}

/// Walks a snapshot that it owns, some keys at a time, and gives up what it is past.
pub struct SnapshotWalker {
    /// Databases to come, the next one last.
    rest: Vec<(u32, Tables)>,
    current: Option<Current>,
}

struct Current {
    db: u32,
    deadlines: Table<Deadline>,
    leaves: IntoLeaves<Item>,
    /// The leaf being visited, and how many of its entries were.
    leaf: Option<(Leaf<Item>, usize)>,
}

/// A key that a walk has come to.
#[derive(Debug, Clone, Copy)]
pub struct Visited<'a> {
    /// Database number.
    pub db: u32,
    /// Its name.
    pub key: &'a [u8],
    /// What it stands for.
    pub value: &'a Value,
    /// Deadline in ms since 1970.
    pub expiry_ms: Option<u64>,
    /// What was noted of accesses to it.
    pub access: Access,
}

/// Told of each key.
pub type Visit<'a> = dyn FnMut(Visited<'_>) + 'a;

impl SnapshotWalker {
    /// Before the first key.
    pub fn new(snapshot: Snapshot) -> Self {
        let numbered = (0..).zip(snapshot.databases);
        let mut rest: Vec<_> = numbered.filter(|(_, tables)| !tables.items.is_empty()).collect();
        rest.reverse();
        SnapshotWalker { rest, current: None }
    }

    /// Visits the next `max_keys` keys, fewer only at the end:
    /// in the order of databases, then of hashes. Returns whether there are more.
    pub fn next_batch(&mut self, max_keys: usize, visit: &mut Visit<'_>) -> bool {
        let mut left = max_keys;
        while left > 0 && self.load_leaf() {
            if let Some(current) = &mut self.current {
                left -= current.visit(left, visit);
            }
        }
        self.load_leaf()
    }

    /// Makes `current.leaf` one with entries to visit; false at the end of the snapshot.
    fn load_leaf(&mut self) -> bool {
        loop {
            let Some(current) = &mut self.current else {
                let Some((db, tables)) = self.rest.pop() else {
                    return false;
                };
                self.current = Some(Current {
                    db,
                    deadlines: tables.deadlines,
                    leaves: tables.items.into_leaves(),
                    leaf: None,
                });
                continue;
            };
            match &current.leaf {
                Some((leaf, visited)) if *visited < leaf.len() => return true,
                _ => match current.leaves.next() {
                    Some(leaf) => current.leaf = Some((leaf, 0)),
                    None => self.current = None,
                },
            }
        }
    }
}

impl Current {
    /// Visits at most `max_keys` of the leaf, and says how many it were.
    fn visit(&mut self, max_keys: usize, visit: &mut Visit<'_>) -> usize {
        let Some((leaf, visited)) = &mut self.leaf else {
            return 0;
        };
        let entries = leaf.entries();
        let count = max_keys.min(entries.len() - *visited);
        for (hash, item) in &entries[*visited..*visited + count] {
            let expiry_ms = if self.deadlines.is_empty() {
                None
            } else {
                let deadline = self.deadlines.get(*hash, &item.key);
                deadline.map(|deadline| deadline.expiry_ms)
            };
            visit(Visited {
                db: self.db,
                key: &item.key,
                value: &item.value,
                expiry_ms,
                access: item.key.access().get(),
            });
        }
        *visited += count;
        count
    }
}

/// The combined rolling digest of databases by their sums.
pub(super) fn combine(sums: impl Iterator<Item = u64>) -> Digest {
    let shares = (0..).zip(sums).map(|(db, sum)| database_digest(db, sum));
    Digest(shares.fold(0, u64::wrapping_add))
}
