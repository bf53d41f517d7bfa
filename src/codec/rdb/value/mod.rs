//! Values: which type byte belongs to which family, and a file a family.

mod string;

use super::primitives::{Cursor, Stop};
use crate::keyspace::Value;

const TYPE_STRING: u8 = 0;

/// Appends the type byte of a value. The key goes between it and the value itself.
pub fn push_type(out: &mut Vec<u8>, value: &Value) {
    out.push(match value {
        Value::String(_) => TYPE_STRING,
    });
}

/// Appends a value.
pub fn push(out: &mut Vec<u8>, value: &Value, compress: bool) {
    match value {
        Value::String(string) => string::push(out, string, compress),
    }
}

/// Whether values of this type can be read.
pub fn is_supported(kind: u8) -> bool {
    kind == TYPE_STRING
}

/// Reads a value of a supported type.
pub fn load(cursor: &mut Cursor<'_>, kind: u8) -> Result<Value, Stop> {
    match kind {
        TYPE_STRING => string::load(cursor).map(Value::String),
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
