//! A value of any type. What depends on the type is told apart here, once for each question.

use super::digest::RedisDigest;
use super::{HashValue, ListValue, SetValue, SortedSetValue, StreamValue, StringValue};

/// A value. Other types get their own variants here, and their own file beside this one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A string of bytes.
    String(StringValue),
    /// A list.
    List(ListValue),
    /// A set.
    Set(SetValue),
    /// A sorted set.
    SortedSet(SortedSetValue),
    /// A hash.
    Hash(HashValue),
    /// A stream.
    Stream(StreamValue),
}

impl Value {
    /// A string, as `SET` stores it.
    pub fn string(bytes: &[u8]) -> Self {
        Value::String(StringValue::new(bytes))
    }

    /// What `TYPE` answers.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Set(_) => "set",
            Value::SortedSet(_) => "zset",
            Value::Hash(_) => "hash",
            Value::Stream(_) => "stream",
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Value::String(value) => value.encoding_name(),
            Value::List(value) => value.encoding_name(),
            Value::Set(value) => value.encoding_name(),
            Value::SortedSet(value) => value.encoding_name(),
            Value::Hash(value) => value.encoding_name(),
            Value::Stream(value) => value.encoding_name(),
        }
    }

    /// Redis's number of the type (`OBJ_STRING` is 0, server.h), as both digests use it.
    pub(super) fn type_number(&self) -> u32 {
        match self {
            Value::String(_) => 0,
            Value::List(_) => 1,
            Value::Set(_) => 2,
            Value::SortedSet(_) => 3,
            Value::Hash(_) => 4,
            Value::Stream(_) => 6,
        }
    }

    /// Estimated bytes outside of the table entry that holds the value.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(value) => value.heap_bytes(),
            Value::List(value) => value.heap_bytes(),
            Value::Set(value) => value.heap_bytes(),
            Value::SortedSet(value) => value.heap_bytes(),
            Value::Hash(value) => value.heap_bytes(),
            Value::Stream(value) => value.heap_bytes(),
        }
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        match self {
            Value::String(value) => value.digest(seed),
            Value::List(value) => value.digest(seed),
            Value::Set(value) => value.digest(seed),
            Value::SortedSet(value) => value.digest(seed),
            Value::Hash(value) => value.digest(seed),
            Value::Stream(value) => value.digest(seed),
        }
    }

    /// Its share of `DEBUG DIGEST`.
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        match self {
            Value::String(value) => value.with_bytes(|bytes| digest.mix(bytes)),
            Value::List(value) => value.redis_digest(digest),
            Value::Set(value) => value.redis_digest(digest),
            Value::SortedSet(value) => value.redis_digest(digest),
            Value::Hash(value) => value.redis_digest(digest),
            Value::Stream(value) => value.redis_digest(digest),
        }
    }
}
