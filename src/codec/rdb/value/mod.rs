//! Values: which type byte belongs to which family, and a file a family.

mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod string;

use super::primitives::{Cursor, Stop};
use crate::keyspace::Value;

const TYPE_STRING: u8 = 0;

/// Appends the type byte of a value. The key goes between it and the value itself.
pub fn push_type(out: &mut Vec<u8>, value: &Value) {
    out.push(match value {
        Value::String(_) => TYPE_STRING,
        Value::List(value) => list::kind(value),
        Value::Set(value) => set::kind(value),
        Value::SortedSet(value) => sorted_set::kind(value),
        Value::Hash(value) => hash::kind(value),
        Value::Stream(value) => stream::kind(value),
    });
}

/// Appends a value.
pub fn push(out: &mut Vec<u8>, value: &Value, compress: bool) {
    match value {
        Value::String(string) => string::push(out, string, compress),
        Value::List(value) => list::push(out, value, compress),
        Value::Set(value) => set::push(out, value, compress),
        Value::SortedSet(value) => sorted_set::push(out, value, compress),
        Value::Hash(value) => hash::push(out, value, compress),
        Value::Stream(value) => stream::push(out, value, compress),
    }
}

/// Whether values of this type can be read.
pub fn is_supported(kind: u8) -> bool {
    kind == TYPE_STRING
        || list::reads(kind)
        || set::reads(kind)
        || sorted_set::reads(kind)
        || hash::reads(kind)
        || stream::reads(kind)
}

/// Reads a value of a supported type; `hash_seed` keys the tables inside of it.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, hash_seed: u64) -> Result<Value, Stop> {
    match kind {
        TYPE_STRING => string::load(cursor).map(Value::String),
        kind if list::reads(kind) => list::load(cursor, kind, hash_seed).map(Value::List),
        kind if set::reads(kind) => set::load(cursor, kind, hash_seed).map(Value::Set),
        kind if sorted_set::reads(kind) => {
            sorted_set::load(cursor, kind, hash_seed).map(Value::SortedSet)
        }
        kind if hash::reads(kind) => hash::load(cursor, kind, hash_seed).map(Value::Hash),
        kind if stream::reads(kind) => stream::load(cursor, kind, hash_seed).map(Value::Stream),
        other => Cursor::bad(cursor.position(), refusal(other)),
    }
}

/// The text that refuses a type, by its number and name (rdb.h).
pub fn refusal(kind: u8) -> String {
    let name = match kind {
        1 => "list",
        2 => "set",
        3 => "sorted set",
        4 => "hash",
        5 => "sorted set with binary scores",
        6 => "module, before general availability",
        7 => "module",
        9 => "hash as zipmap",
        10 => "list as ziplist",
        11 => "set as intset",
        12 => "sorted set as ziplist",
        13 => "hash as ziplist",
        14 => "list as quicklist",
        15 => "stream as listpacks",
        16 => "hash as listpack",
        17 => "sorted set as listpack",
        18 => "list as quicklist of listpacks",
        19 => "stream as listpacks, version 2",
        20 => "set as listpack",
        21 => "stream as listpacks, version 3",
        _ => "unknown",
    };
    format!("type {kind} ({name}) is not supported")
}
