//! Sets: a sorted vector while all members are integers and few, else a persistent hash table.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::digest::RedisDigest;
use super::key::Key;
use super::limits::Limits;
use super::string::StringValue;
use super::table::{Entry, Table};

/// Measured share of a member in its table.
const MEMBER_BYTES: usize = 35;

/// A set. A clone costs one reference count.
#[derive(Debug, Clone)]
pub struct SetValue(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    repr: Repr,
    /// Bytes of long members.
    heap: usize,
    /// Wrapping sum of the hashes of the members.
    sum: u64,
}

#[derive(Clone)]
enum Repr {
    /// Ascending.
    Integers(Vec<i64>),
    Table(Table<Member>),
}

#[derive(Clone)]
struct Member(Key);

impl Entry for Member {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.repr {
            Repr::Integers(integers) => f.debug_set().entries(integers).finish(),
            Repr::Table(table) => {
                f.debug_set().entries(table.iter().map(|(_, member)| &member.0)).finish()
            }
        }
    }
}

/// The integer of which a member is the canonical text.
fn integer(member: &[u8]) -> Option<i64> {
    // Longer than any integer: not worth a copy.
    (member.len() <= 20).then(|| StringValue::new(member).as_i64()).flatten()
}

fn with_text<R>(integer: i64, read: impl FnOnce(&[u8]) -> R) -> R {
    read(itoa::Buffer::new().format(integer).as_bytes())
}

impl Default for SetValue {
    fn default() -> Self {
        Self::new()
    }
}

impl SetValue {
    /// Without members, as integers for now.
    pub fn new() -> Self {
        SetValue(Arc::new(Inner { repr: Repr::Integers(Vec::new()), heap: 0, sum: 0 }))
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0.repr {
            Repr::Integers(integers) => integers.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there are none. No such set stays in a keyspace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0.repr {
            Repr::Integers(integers) => {
                integer(member).is_some_and(|it| integers.binary_search(&it).is_ok())
            }
            Repr::Table(table) => table.get(table.hash(member), member).is_some(),
        }
    }

    /// Adds a member; false if it is one already.
    pub fn insert(&mut self, member: &[u8], limits: &Limits) -> bool {
        if self.contains(member) {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.sum = inner.sum.wrapping_add(xxh3_64(member));
        if let Repr::Integers(integers) = &mut inner.repr {
            if let Some(integer) = integer(member)
                && integers.len() < limits.set_max_intset_entries
            {
                let at = integers.partition_point(|other| *other < integer);
                integers.insert(at, integer);
                return true;
            }
            inner.convert(limits.hash_seed);
        }
        let key = Key::new(member);
        inner.heap += key.heap_bytes();
        if let Repr::Table(table) = &mut inner.repr {
            table.insert_new(table.hash(member), Member(key));
        }
        true
    }

    /// Takes a member out; false if it is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        if !self.contains(member) {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.sum = inner.sum.wrapping_sub(xxh3_64(member));
        match &mut inner.repr {
            Repr::Integers(integers) => {
                if let Some(integer) = integer(member) {
                    integers.retain(|other| *other != integer);
                }
            }
            Repr::Table(table) => {
                if let Some(gone) = table.remove(table.hash(member), member) {
                    inner.heap -= gone.0.heap_bytes();
                }
            }
        }
        true
    }

    /// The members: integers ascending, else in the order of their hashes.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Key> + '_> {
        match &self.0.repr {
            Repr::Integers(integers) => {
                Box::new(integers.iter().map(|integer| with_text(*integer, Key::new)))
            }
            Repr::Table(table) => Box::new(table.iter().map(|(_, member)| member.0.clone())),
        }
    }

    /// The members, if all are integers and stored as such, ascending.
    pub fn integers(&self) -> Option<&[i64]> {
        match &self.0.repr {
            Repr::Integers(integers) => Some(integers),
            Repr::Table(_) => None,
        }
    }

    /// The member at a rank of some order: with uniform ranks, each is as likely.
    pub fn at_rank(&self, rank: usize) -> Option<Key> {
        match &self.0.repr {
            Repr::Integers(integers) => {
                integers.get(rank).map(|integer| with_text(*integer, Key::new))
            }
            Repr::Table(table) => table.at_rank(rank).map(|member| member.0.clone()),
        }
    }

    /// One step of `SSCAN`; see [`super::Keyspace::scan`]. All integers come at once.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8])) -> u64 {
        match &self.0.repr {
            Repr::Integers(integers) => {
                for integer in integers {
                    with_text(*integer, &mut *visit);
                }
                0
            }
            Repr::Table(table) => table.scan(cursor, count, &mut |member| visit(&member.0)),
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0.repr {
            Repr::Integers(_) => "intset",
            Repr::Table(_) => "hashtable",
        }
    }

    /// Estimated bytes outside of the table entry that holds the value. Constant time.
    pub fn heap_bytes(&self) -> usize {
        let members = match &self.0.repr {
            Repr::Integers(integers) => super::allocated_bytes(integers.len() * 8),
            Repr::Table(table) => table.len() * MEMBER_BYTES,
        };
        super::allocated_bytes(size_of::<Inner>() + 16) + self.0.heap + members
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        xxh3_64_with_seed(&self.0.sum.to_le_bytes(), seed)
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`).
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        for member in self.iter() {
            digest.xor(&member);
        }
    }
}

impl Inner {
    /// From integers to a table; there is no way back.
    fn convert(&mut self, hash_seed: u64) {
        let Repr::Integers(integers) = &self.repr else {
            return;
        };
        let mut table = Table::new(hash_seed);
        for integer in integers {
            let key = with_text(*integer, Key::new);
            table.insert_new(table.hash(&key), Member(key));
        }
        self.repr = Repr::Table(table);
    }
}

impl PartialEq for SetValue {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|member| other.contains(&member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn does_what_a_set_does(
            steps in proptest::collection::vec((any::<bool>(), 0u32..60, 0u8..12), 1..200),
        ) {
            let limits = Limits { set_max_intset_entries: 16, ..Limits::default() };
            let mut set = SetValue::new();
            let mut model: BTreeSet<Vec<u8>> = BTreeSet::new();
            for (add, number, kind) in steps {
                let member = match kind {
                    0 => format!("member with a long name {number}").into_bytes(),
                    _ => number.to_string().into_bytes(),
                };
                let (before, old) = (set.clone(), model.clone());
                if add {
                    prop_assert_eq!(set.insert(&member, &limits), model.insert(member));
                } else {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
                let mut fresh = SetValue::new();
                for member in model.iter().rev() {
                    fresh.insert(member, &limits);
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.digest(1), fresh.digest(1));
                prop_assert_eq!(&set, &fresh);
                let members: BTreeSet<Vec<u8>> = before.iter().map(|key| key.to_vec()).collect();
                prop_assert_eq!(members, old);
            }
        }
    }
}
