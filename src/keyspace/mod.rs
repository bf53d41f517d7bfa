//! The dataset: numbered databases of keys, values and expiry times, and point-in-time
//! snapshots of all of it that cost next to nothing to take.

use crate::event::Digest;

/// A value. Other types get their own variants here, and their own file beside this one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A string of bytes.
    String(StringValue),
}

/// Stub: small, cheaply cloned bytes (integers unboxed).
#[derive(Debug, Clone, PartialEq)]
pub struct StringValue(());

#[allow(
    clippy::todo,
    unused_variables,
    missing_docs,
    reason = "signatures first"
)]
impl StringValue {
    pub fn new(bytes: &[u8]) -> Self {
        todo!()
    }
    /// Borrowed, or formatted into a small owned buffer when stored as an integer.
    pub fn bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        todo!()
    }
    pub fn as_i64(&self) -> Option<i64> {
        todo!()
    }
    pub fn len(&self) -> usize {
        todo!()
    }
}

/// All databases.
pub struct Keyspace(());

/// A frozen view of all databases at one moment. `Send`, so that it can be written beside the
/// event loop; holds memory only for what changed since it was taken.
pub struct Snapshot(());

#[allow(
    clippy::todo,
    unused_variables,
    missing_docs,
    reason = "signatures first"
)]
impl Keyspace {
    /// `hash_seed` keys the hash tables (from `Env`); `track_digest` keeps [`Keyspace::digest`] current.
    pub fn new(databases: u32, hash_seed: u64, track_digest: bool) -> Self {
        todo!()
    }
    pub fn databases(&self) -> u32 {
        todo!()
    }
    pub fn len(&self, db: u32) -> usize {
        todo!()
    }
    /// Number of keys with an expiry time, and the mean of what is left of it in ms.
    pub fn expiry_stats(&self, db: u32, now_ms: u64) -> (usize, u64) {
        todo!()
    }

    /// The value as stored, expired or not. Expiry is decided in `command::lookup`, by role.
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Value> {
        todo!()
    }
    /// Deadline in ms since 1970.
    pub fn expiry(&self, db: u32, key: &[u8]) -> Option<u64> {
        todo!()
    }
    /// Inserts or replaces; keeps nothing of the old entry. Returns whether the key was there.
    pub fn set(&mut self, db: u32, key: &[u8], value: Value, expiry_ms: Option<u64>) -> bool {
        todo!()
    }
    /// Changes a value in place (expiry kept); digest and snapshots stay right.
    pub fn update<R>(
        &mut self,
        db: u32,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> R,
    ) -> Option<R> {
        todo!()
    }
    /// Sets or clears the deadline; false if there is no such key.
    pub fn set_expiry(&mut self, db: u32, key: &[u8], expiry_ms: Option<u64>) -> bool {
        todo!()
    }
    pub fn remove(&mut self, db: u32, key: &[u8]) -> Option<(Value, Option<u64>)> {
        todo!()
    }
    pub fn clear(&mut self, db: u32) {
        todo!()
    }
    pub fn clear_all(&mut self) {
        todo!()
    }
    pub fn swap(&mut self, a: u32, b: u32) {
        todo!()
    }
    /// Replaces all data (a load finished), cheaply.
    pub fn replace_data(&mut self, loaded: Keyspace) {
        todo!()
    }

    /// Every key of a database with its value and deadline, in an order fixed by the hash seed.
    pub fn iter(&self, db: u32) -> Box<dyn Iterator<Item = (&[u8], &Value, Option<u64>)> + '_> {
        todo!()
    }
    /// One step of `SCAN`: keys from `cursor`, at least one bucket and about `count` keys; the
    /// next cursor, 0 at the end. Every key present throughout a whole scan is returned at least
    /// once, whatever was inserted or removed meanwhile.
    pub fn scan(&self, db: u32, cursor: u64, count: usize, keys: &mut dyn FnMut(&[u8])) -> u64 {
        todo!()
    }
    /// A key picked by `random` (uniform draws from the caller), or `None` if empty.
    pub fn random_key(&self, db: u32, random: &mut dyn FnMut() -> u64) -> Option<Vec<u8>> {
        todo!()
    }
    /// Up to `limit` keys of a database whose deadline is `<= now_ms`, earliest first.
    pub fn expired(&self, db: u32, now_ms: u64, limit: usize) -> Vec<(Vec<u8>, u64)> {
        todo!()
    }

    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }
    /// The rolling digest; zero for an empty dataset. Panics unless tracked.
    pub fn digest(&self) -> Digest {
        todo!()
    }
    /// The 20 bytes of `DEBUG DIGEST`, by Redis's algorithm (debug.c).
    pub fn redis_digest(&self) -> [u8; 20] {
        todo!()
    }
    /// `DEBUG DIGEST-VALUE` of one key (zeros when missing).
    pub fn redis_digest_value(&self, db: u32, key: &[u8]) -> [u8; 20] {
        todo!()
    }
    /// Estimated bytes of all data, for `INFO memory`; O(1).
    pub fn used_bytes(&self) -> u64 {
        todo!()
    }
}

/// Stub of the walker.
pub struct SnapshotWalker(());

#[allow(
    clippy::todo,
    unused_variables,
    missing_docs,
    reason = "signatures first"
)]
impl SnapshotWalker {
    pub fn new(snapshot: Snapshot) -> Self {
        todo!()
    }
    pub fn next_batch(
        &mut self,
        max_keys: usize,
        visit: &mut dyn FnMut(u32, &[u8], &Value, Option<u64>),
    ) -> bool {
        todo!()
    }
}

#[allow(
    clippy::todo,
    unused_variables,
    missing_docs,
    reason = "signatures first"
)]
impl Snapshot {
    pub fn databases(&self) -> u32 {
        todo!()
    }
    pub fn len(&self, db: u32) -> usize {
        todo!()
    }
    pub fn expires(&self, db: u32) -> usize {
        todo!()
    }
}
