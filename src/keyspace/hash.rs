//! Hashes: fields in the order they came while few and short, else a persistent hash table.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::digest::RedisDigest;
use super::key::Key;
use super::limits::Limits;
use super::table::{Entry, Table};

/// Measured share of a field and its value in their table.
const FIELD_BYTES: usize = 65;

/// A hash. A clone costs one reference count.
#[derive(Debug, Clone)]
pub struct HashValue(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    repr: Repr,
    /// Bytes of long fields and values.
    heap: usize,
    /// Wrapping sum of one hash a field.
    sum: u64,
}

#[derive(Clone)]
enum Repr {
    /// In the order of insertion, as a listpack has them.
    Packed(Vec<Field>),
    Table(Table<Field>),
}

#[derive(Clone)]
struct Field {
    name: Key,
    value: Key,
}

impl Entry for Field {
    fn key(&self) -> &[u8] {
        &self.name
    }
}

impl Field {
    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes() + self.value.heap_bytes()
    }

    fn share(&self) -> u64 {
        xxh3_64_with_seed(&self.value, xxh3_64(&self.name))
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self.repr.iter();
        f.debug_map().entries(fields.map(|field| (&field.name, &field.value))).finish()
    }
}

impl Repr {
    fn iter(&self) -> Box<dyn Iterator<Item = &Field> + '_> {
        match self {
            Repr::Packed(fields) => Box::new(fields.iter()),
            Repr::Table(table) => Box::new(table.iter().map(|(_, field)| field)),
        }
    }

    fn find(&self, name: &[u8]) -> Option<&Field> {
        match self {
            Repr::Packed(fields) => fields.iter().find(|field| *field.name == *name),
            Repr::Table(table) => table.get(table.hash(name), name),
        }
    }
}

impl Default for HashValue {
    fn default() -> Self {
        Self::new()
    }
}

impl HashValue {
    /// Without fields, in the small form for now.
    pub fn new() -> Self {
        HashValue(Arc::new(Inner { repr: Repr::Packed(Vec::new()), heap: 0, sum: 0 }))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        match &self.0.repr {
            Repr::Packed(fields) => fields.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there are none. No such hash stays in a keyspace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, name: &[u8]) -> Option<&Key> {
        self.0.repr.find(name).map(|field| &field.value)
    }

    /// Gives up the small form if one of these texts is too long for it, as Redis does before it
    /// sets any of them (t_hash.c `hashTypeTryConversion`).
    pub fn make_room(&mut self, texts: &[&[u8]], limits: &Limits) {
        if texts.iter().any(|text| text.len() > limits.hash_max_listpack_value) {
            self.convert(limits.hash_seed);
        }
    }

    /// Sets a field; true if it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> bool {
        self.make_room(&[name, value], limits);
        let new = Field { name: Key::new(name), value: Key::new(value) };
        let inner = Arc::make_mut(&mut self.0);
        inner.sum = inner.sum.wrapping_add(new.share());
        inner.heap += new.heap_bytes();
        let slot = match &mut inner.repr {
            Repr::Packed(fields) => fields.iter_mut().find(|field| *field.name == *name),
            Repr::Table(table) => table.get_mut(table.hash(name), name),
        };
        if let Some(slot) = slot {
            let old = std::mem::replace(slot, new);
            inner.sum = inner.sum.wrapping_sub(old.share());
            inner.heap -= old.heap_bytes();
            return false;
        }
        match &mut inner.repr {
            Repr::Packed(fields) => fields.push(new),
            Repr::Table(table) => table.insert_new(table.hash(name), new),
        }
        if self.len() > limits.hash_max_listpack_entries {
            self.convert(limits.hash_seed);
        }
        true
    }

    /// Takes a field out; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        if self.0.repr.find(name).is_none() {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        let gone = match &mut inner.repr {
            Repr::Packed(fields) => {
                let at = fields.iter().position(|field| *field.name == *name);
                at.map(|at| fields.remove(at))
            }
            Repr::Table(table) => table.remove(table.hash(name), name),
        };
        if let Some(gone) = gone {
            inner.sum = inner.sum.wrapping_sub(gone.share());
            inner.heap -= gone.heap_bytes();
        }
        true
    }

    /// Fields and values: in the order of insertion in the small form, else of their hashes.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Key)> {
        self.0.repr.iter().map(|field| (&field.name, &field.value))
    }

    /// Field and value at a rank of some order: with uniform ranks, each is as likely.
    pub fn at_rank(&self, rank: usize) -> Option<(&Key, &Key)> {
        let field = match &self.0.repr {
            Repr::Packed(fields) => fields.get(rank),
            Repr::Table(table) => table.at_rank(rank),
        };
        field.map(|field| (&field.name, &field.value))
    }

    /// One step of `HSCAN`; see [`super::Keyspace::scan`]. The small form comes at once.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&Key, &Key)) -> u64 {
        match &self.0.repr {
            Repr::Packed(fields) => {
                for field in fields {
                    visit(&field.name, &field.value);
                }
                0
            }
            Repr::Table(table) => {
                table.scan(cursor, count, &mut |field| visit(&field.name, &field.value))
            }
        }
    }

    /// Whether it is in the small form.
    pub fn is_packed(&self) -> bool {
        matches!(self.0.repr, Repr::Packed(_))
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        if self.is_packed() { "listpack" } else { "hashtable" }
    }

    /// Estimated bytes outside of the table entry that holds the value. Constant time.
    pub fn heap_bytes(&self) -> usize {
        let fields = match &self.0.repr {
            Repr::Packed(fields) => super::allocated_bytes(fields.len() * size_of::<Field>()),
            Repr::Table(table) => table.len() * FIELD_BYTES,
        };
        super::allocated_bytes(size_of::<Inner>() + 16) + self.0.heap + fields
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        xxh3_64_with_seed(&self.0.sum.to_le_bytes(), seed)
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`).
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        for (name, value) in self.iter() {
            let mut field = RedisDigest::default();
            field.mix(name);
            field.mix(value);
            digest.xor(&field.finish());
        }
    }

    /// From the small form to a table; there is no way back.
    fn convert(&mut self, hash_seed: u64) {
        if !self.is_packed() {
            return;
        }
        let mut table = Table::new(hash_seed);
        for field in self.0.repr.iter() {
            table.insert_new(table.hash(&field.name), field.clone());
        }
        Arc::make_mut(&mut self.0).repr = Repr::Table(table);
    }
}

impl PartialEq for HashValue {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(name, value)| other.get(name).is_some_and(|it| it == value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn does_what_a_map_does(
            steps in proptest::collection::vec((0u8..3, 0u32..40, 0usize..70), 1..200),
        ) {
            let limits = Limits { hash_max_listpack_entries: 16, ..Limits::default() };
            let mut hash = HashValue::new();
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (step, name, len) in steps {
                let (name, value) = (format!("field {name}").into_bytes(), vec![b'v'; len]);
                let (before, old) = (hash.clone(), model.clone());
                if step > 0 {
                    let new = hash.set(&name, &value, &limits);
                    prop_assert_eq!(new, model.insert(name, value).is_none());
                } else {
                    prop_assert_eq!(hash.remove(&name), model.remove(&name).is_some());
                }
                let mut fresh = HashValue::new();
                for (name, value) in model.iter().rev() {
                    fresh.set(name, value, &limits);
                }
                prop_assert_eq!(hash.digest(1), fresh.digest(1));
                prop_assert_eq!(&hash, &fresh);
                let kept: BTreeMap<Vec<u8>, Vec<u8>> =
                    before.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                prop_assert_eq!(kept, old);
            }
        }
    }
}
