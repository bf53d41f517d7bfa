//! The two digests of a dataset.
//!
//! The *rolling* digest is ours: a wrapping sum of one hash an entry, so that a change costs one
//! subtraction and one addition. Database numbers come in only when the sums of the databases are
//! combined, which makes `SWAPDB` and `FLUSHDB` free. It must depend on nothing but content: not
//! on the hash seed, not on the form a value is stored in, not on the order of the changes.
//!
//! *Redis's* digest is `DEBUG DIGEST` of Redis 7.0 (debug.c: `computeDatasetDigest`,
//! `xorObjectDigest`), to be compared with real servers; it walks the whole dataset.

use sha1::Digest as _;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::value::Value;

/// The share of one entry in the sum of its database.
pub fn entry_digest(key: &[u8], value: &Value, expiry_ms: Option<u64>) -> u64 {
    let mut head = [0; 21];
    head[..8].copy_from_slice(&xxh3_64(key).to_le_bytes());
    head[8..12].copy_from_slice(&value.type_number().to_le_bytes());
    if let Some(expiry_ms) = expiry_ms {
        head[12] = 1;
        head[13..].copy_from_slice(&expiry_ms.to_le_bytes());
    }
    value.digest(xxh3_64(&head))
}

/// The share of one database in the digest of all; an empty one (sum 0) has none.
pub fn database_digest(db: u32, sum: u64) -> u64 {
    if sum == 0 { 0 } else { xxh3_64_with_seed(&sum.to_le_bytes(), u64::from(db)) }
}

/// Twenty bytes that SHA-1 results are folded into.
#[derive(Default)]
pub(super) struct RedisDigest([u8; 20]);

impl RedisDigest {
    /// Order does not matter (`xorDigest`).
    pub(super) fn xor(&mut self, bytes: &[u8]) {
        let hash: [u8; 20] = sha1::Sha1::digest(bytes).into();
        for (mine, theirs) in self.0.iter_mut().zip(hash) {
            *mine ^= theirs;
        }
    }

    /// Order matters (`mixDigest`).
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = sha1::Sha1::digest(self.0).into();
    }

    fn value(&mut self, value: &Value, has_expiry: bool) {
        self.mix(&value.type_number().to_be_bytes());
        value.redis_digest(self);
        if has_expiry {
            // The time itself is left out: it differs between a master and its replicas.
            self.xor(b"!!expire!!");
        }
    }

    /// To be called once before the entries of a database that is not empty.
    pub(super) fn begin_database(&mut self, db: u32) {
        self.mix(&db.to_be_bytes());
    }

    /// One entry of the database begun last, in any order.
    pub(super) fn add_entry(&mut self, key: &[u8], value: &Value, has_expiry: bool) {
        let mut entry = RedisDigest::default();
        entry.mix(key);
        entry.value(value, has_expiry);
        self.xor(&entry.0);
    }

    pub(super) fn finish(self) -> [u8; 20] {
        self.0
    }
}

/// `DEBUG DIGEST-VALUE`: the key is not part of it.
pub(super) fn redis_value_digest(value: &Value, has_expiry: bool) -> [u8; 20] {
    let mut digest = RedisDigest::default();
    digest.value(value, has_expiry);
    digest.finish()
}
