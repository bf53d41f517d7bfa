//! A lists: the value behind the `list` commands.

use super::digest::RedisDigest;

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub enum ListValue {}

impl ListValue {
    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        match *self {}
    }

    /// Estimated bytes outside of the table entry that holds the value. Constant time.
    pub fn heap_bytes(&self) -> usize {
        match *self {}
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, _seed: u64) -> u64 {
        match *self {}
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`).
    pub(super) fn redis_digest(&self, _digest: &mut RedisDigest) {
        match *self {}
    }
}
