//! The dataset: numbered databases of keys, values and expiry times, and point-in-time
//! snapshots of all of it that cost next to nothing to take.
//!
//! Never here: a clock, randomness or I/O of its own; what a command means; who may expire a key.
//! A deadline is data here: keys stay until they are removed, however late it is.
//!
//! # Why tables are shared with snapshots
//!
//! `tests/bench/snapshot.rs`, 1,000,000 keys of 16 bytes with values of 3. Times are ratios to one
//! plain `hashbrown` table that a snapshot copies as a whole; best of three runs on a busy two-core
//! machine, so a difference of a fifth says nothing.
//!
//! | | insert | get | set | set just after a snapshot | snapshot | bytes a key |
//! |---|---|---|---|---|---|---|
//! | plain table, copied | 1 | 1 | 1 | 1 | 1 | 86 |
//! | `imbl::HashMap` | 3.7 | 1.8 | 2.0 | 9.4 | below 0.000001 | 205 |
//! | [`table::Table`], leaves of 14 | 5.9 | 3.2 | 2.9 | 4.5 | below 0.000001 | 74 |
//! | leaves of 28 | 4.4 | 2.5 | 2.8 | 7.1 | below 0.000001 | 61 |
//! | leaves of 56 (ours) | 2.9 | 2.0 | 2.3 | 4.5 | below 0.000001 | 55 |
//!
//! The plain table loses on latency, not on the mean: it stops the world for its copy, and for as
//! long again whenever it grows (its worst insert took twelve times as long as ours). The persistent
//! map is as fast as ours, but takes 3.8 times the memory; redis-server 7.0.15 takes 88 to 104
//! bytes for these keys, so ours is at 0.5 to 0.6 of it. Leaves that are hash tables of their own
//! took 72 bytes: they all grow at the same pace, and half of their places are empty at once.

mod access;
mod bucket;
mod database;
pub mod digest;
mod entry_key;
mod hash;
mod key;
mod limits;
mod list;
mod set;
mod snapshot;
mod sorted_set;
pub mod stream;
mod string;
pub mod table;
mod value;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use access::{Access, AccessRules, RecordedAccess};
pub use hash::HashValue;
pub use key::Key;
pub use limits::Limits;
pub use list::{End, ListValue};
pub use set::SetValue;
pub use snapshot::{Entries, Snapshot, SnapshotEntry, SnapshotWalker, Visit, Visited};
pub use sorted_set::{Element, SortedSetLimits, SortedSetValue, score_text};
pub use stream::StreamValue;
pub use string::StringValue;
pub use value::Value;

use crate::event::Digest;
use crate::function::Libraries;
use database::Database;
use digest::RedisDigest;

/// Estimate of what an allocator sets aside for `bytes`: 16-byte steps and a word of its own.
fn allocated_bytes(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16)
}

/// All databases.
///
/// Methods that take a database number panic if it is not below [`Keyspace::databases`]: what
/// `SELECT` lets through is checked there.
pub struct Keyspace {
    databases: Vec<Database>,
    /// Functions: part of the dataset, but of no database, so that `FLUSHALL` leaves them.
    pub libraries: Libraries,
    hash_seed: u64,
    track_digest: bool,
    /// When sorted sets stop being listpacks, from the configuration.
    pub sorted_set_limits: SortedSetLimits,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_max_bytes: usize,
    /// When sets and hashes leave their small forms, from the configuration.
    pub limits: Limits,
    /// What is noted of accesses, and the time of them.
    pub access: AccessRules,
}

impl Keyspace {
    /// `hash_seed` keys the hash tables (from `Env`); `track_digest` keeps [`Keyspace::digest`] current.
    pub fn new(databases: u32, hash_seed: u64, track_digest: bool) -> Self {
        let new = |_| Database::new(hash_seed, track_digest);
        Keyspace {
            databases: (0..databases).map(new).collect(),
            libraries: Libraries::default(),
            hash_seed,
            track_digest,
            sorted_set_limits: SortedSetLimits::default(),
            hll_sparse_max_bytes: 3000,
            limits: Limits::seeded(hash_seed),
            access: AccessRules::default(),
        }
    }

    /// Empty, with the same number of databases, limits and rules: to load into.
    pub fn empty_like(&self, hash_seed: u64, track_digest: bool) -> Self {
        Keyspace {
            sorted_set_limits: self.sorted_set_limits,
            hll_sparse_max_bytes: self.hll_sparse_max_bytes,
            limits: Limits { hash_seed, ..self.limits },
            access: self.access,
            ..Keyspace::new(self.databases(), hash_seed, track_digest)
        }
    }

    /// What keys the hash tables, those inside of values included.
    pub fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    /// Number of databases, fixed for life.
    pub fn databases(&self) -> u32 {
        self.databases.len() as u32
    }

    /// Number of keys in a database, expired ones that are still stored included.
    pub fn len(&self, db: u32) -> usize {
        self.db(db).tables.items.len()
    }

    /// Whether no database has a key.
    pub fn is_empty(&self) -> bool {
        self.databases.iter().all(|db| db.tables.items.is_empty())
    }

    /// Number of keys with an expiry time, and the mean of what is left of it in ms.
    pub fn expiry_stats(&self, db: u32, now_ms: u64) -> (usize, u64) {
        let db = self.db(db);
        let mean_left_ms = db.mean_deadline_ms().saturating_sub(now_ms);
        (db.tables.deadlines.len(), mean_left_ms)
    }

    /// The value as stored, expired or not. Expiry is decided in `command::lookup`, by role.
    #[inline]
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Value> {
        let items = &self.db(db).tables.items;
        Some(&items.get(items.hash(key), key)?.value)
    }

    /// [`Keyspace::get`] and [`Keyspace::expiry`] at the price of one hash.
    #[inline]
    pub fn get_with_expiry(&self, db: u32, key: &[u8]) -> Option<(&Value, Option<u64>)> {
        self.db(db).get(key)
    }

    /// Deadline in ms since 1970.
    #[inline]
    pub fn expiry(&self, db: u32, key: &[u8]) -> Option<u64> {
        let tables = &self.db(db).tables;
        if tables.deadlines.is_empty() {
            return None;
        }
        tables.expiry(tables.items.hash(key), key)
    }

    /// Inserts or replaces; keeps nothing of the old entry. Returns whether the key was there.
    pub fn set(&mut self, db: u32, key: &[u8], value: Value, expiry_ms: Option<u64>) -> bool {
        let access = self.access;
        self.db_mut(db).set(key, value, expiry_ms, &access)
    }

    /// Notes an access to a key, expired or not; whether it is there. `random` draws from 0 up to
    /// 1 (under an LFU policy only).
    #[inline]
    pub fn touch(&self, db: u32, key: &[u8], random: &mut dyn FnMut() -> f64) -> bool {
        let Some(cell) = self.db(db).access(key) else {
            return false;
        };
        cell.set(self.access.touched(cell.get(), random));
        true
    }

    /// What was noted of the accesses to a key.
    pub fn access_of(&self, db: u32, key: &[u8]) -> Option<Access> {
        Some(self.db(db).access(key)?.get())
    }

    /// Takes what was noted of another key's accesses (`RENAME`, `MOVE`).
    pub fn set_access(&self, db: u32, key: &[u8], access: Access) {
        if let Some(cell) = self.db(db).access(key) {
            cell.set(access);
        }
    }

    /// Takes what was recorded elsewhere of the accesses to a key, as far as the policy hears it.
    pub fn set_recorded_access(&self, db: u32, key: &[u8], recorded: RecordedAccess) {
        if let Some(access) = self.access.recorded(recorded) {
            self.set_access(db, key, access);
        }
    }

    /// Changes a value in place (expiry kept); digest and snapshots stay right.
    pub fn update<R>(
        &mut self,
        db: u32,
        key: &[u8],
        change: impl FnOnce(&mut Value) -> R,
    ) -> Option<R> {
        self.db_mut(db).update(key, change)
    }

    /// Sets or clears the deadline; false if there is no such key.
    pub fn set_expiry(&mut self, db: u32, key: &[u8], expiry_ms: Option<u64>) -> bool {
        self.db_mut(db).set_expiry(key, expiry_ms)
    }

    /// Takes a key out; its value and deadline, if it was there.
    pub fn remove(&mut self, db: u32, key: &[u8]) -> Option<(Value, Option<u64>)> {
        self.db_mut(db).remove(key)
    }

    /// Empties a database.
    pub fn clear(&mut self, db: u32) {
        *self.db_mut(db) = Database::new(self.hash_seed, self.track_digest);
    }

    /// Empties all databases.
    pub fn clear_all(&mut self) {
        for db in 0..self.databases() {
            self.clear(db);
        }
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, a: u32, b: u32) {
        self.databases.swap(a as usize, b as usize);
    }

    /// Replaces all data (a load finished), cheaply. Panics unless `loaded` was made with as many
    /// databases and as much tracking.
    pub fn replace_data(&mut self, loaded: Keyspace) {
        assert_eq!(self.databases(), loaded.databases(), "as many databases");
        assert_eq!(self.track_digest, loaded.track_digest, "as much tracking");
        self.databases = loaded.databases;
        self.libraries = loaded.libraries;
        self.hash_seed = loaded.hash_seed;
        self.limits.hash_seed = loaded.hash_seed;
    }

    /// Every key of a database with its value and deadline, in the order of their hashes: fixed
    /// by seed and content, whatever the history.
    pub fn iter(&self, db: u32) -> Box<dyn Iterator<Item = (&[u8], &Value, Option<u64>)> + '_> {
        let entries = self.db(db).tables.iter();
        Box::new(entries.map(|(key, value, expiry_ms)| (&**key, value, expiry_ms)))
    }

    /// One step of `SCAN`: `count` keys from `cursor` on (at least one; fewer only at the end); the
    /// next cursor, 0 at the end. Every key present throughout a whole scan is returned exactly
    /// once, whatever was inserted or removed meanwhile. Cursors stay below 2^48.
    pub fn scan(&self, db: u32, cursor: u64, count: usize, keys: &mut dyn FnMut(&[u8])) -> u64 {
        let items = &self.db(db).tables.items;
        items.scan(cursor, count, &mut |item| keys(&item.key))
    }

    /// A key picked by `random` (uniform draws from the caller), each as likely, or `None` if
    /// the database is empty. One draw.
    pub fn random_key(&self, db: u32, random: &mut dyn FnMut() -> u64) -> Option<Vec<u8>> {
        let items = &self.db(db).tables.items;
        if items.is_empty() {
            return None;
        }
        // The high half of the product is uniform over the ranks, but for len / 2^64.
        let rank = (u128::from(random()) * items.len() as u128) >> 64;
        Some(items.at_rank(rank as usize)?.key.to_vec())
    }

    /// Up to `limit` keys of a database whose deadline is `<= now_ms`, earliest first.
    pub fn expired(&self, db: u32, now_ms: u64, limit: usize) -> Vec<(Vec<u8>, u64)> {
        self.db(db).expired(now_ms, limit)
    }

    /// All data as it is now, frozen: two reference counts a database, one for the functions.
    pub fn snapshot(&self) -> Snapshot {
        let tables = self.databases.iter().map(|db| db.tables.clone());
        let digest = self.track_digest.then(|| self.digest());
        Snapshot::new(tables.collect(), self.libraries.clone(), digest)
    }

    /// The rolling digest; zero for an empty dataset. Panics unless tracked.
    pub fn digest(&self) -> Digest {
        assert!(self.track_digest, "made with track_digest");
        let databases = snapshot::combine(self.databases.iter().map(Database::digest_sum));
        Digest(databases.0.wrapping_add(self.libraries.digest()))
    }

    /// The 20 bytes of `DEBUG DIGEST`, by Redis's algorithm (debug.c): of the keys alone.
    pub fn redis_digest(&self) -> [u8; 20] {
        let mut digest = RedisDigest::default();
        for (number, db) in (0..).zip(&self.databases) {
            if !db.tables.items.is_empty() {
                digest.begin_database(number);
            }
            for (key, value, expiry_ms) in db.tables.iter() {
                digest.add_entry(key, value, expiry_ms.is_some());
            }
        }
        digest.finish()
    }

    /// `DEBUG DIGEST-VALUE` of one key (zeros when missing).
    pub fn redis_digest_value(&self, db: u32, key: &[u8]) -> [u8; 20] {
        match self.get_with_expiry(db, key) {
            Some((value, expiry_ms)) => digest::redis_value_digest(value, expiry_ms.is_some()),
            None => [0; 20],
        }
    }

    /// Begins to count from 0 what changes copy because a snapshot shares it, or ends that.
    pub fn count_copies(&mut self, on: bool) {
        for db in &mut self.databases {
            db.copied_bytes = on.then_some(0);
        }
    }

    /// Bytes copied since [`Keyspace::count_copies`] began: what the snapshot costs so far.
    pub fn copied_bytes(&self) -> u64 {
        self.databases.iter().filter_map(|db| db.copied_bytes).sum()
    }

    /// Estimated bytes of all data, for `INFO memory`; a sum over databases and libraries. What only a
    /// snapshot still holds is not part of it.
    pub fn used_bytes(&self) -> u64 {
        let used: usize = self.databases.iter().map(Database::used_bytes).sum();
        (used + self.libraries.used_bytes()) as u64
    }

    /// Estimated bytes of a key, its value and its place in the tables, expired or not.
    pub fn entry_bytes(&self, db: u32, key: &[u8]) -> Option<usize> {
        self.db(db).entry_bytes(key)
    }

    #[inline]
    fn db(&self, db: u32) -> &Database {
        &self.databases[db as usize]
    }

    #[inline]
    fn db_mut(&mut self, db: u32) -> &mut Database {
        &mut self.databases[db as usize]
    }
}
