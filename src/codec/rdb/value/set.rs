//! Sets: written as an intset or member by member, read as a listpack too (Redis 7.2).

use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::codec::rdb::{intset, listpack};
use crate::keyspace::{Limits, SetValue};

const SET: u8 = 2;
const INTSET: u8 = 11;
const LISTPACK: u8 = 20;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(value: &SetValue) -> u8 {
    if value.integers().is_some() { INTSET } else { SET }
}

/// Appends the value.
pub fn push(out: &mut Vec<u8>, value: &SetValue, compress: bool) {
    if let Some(integers) = value.integers() {
        return push_string(out, &intset::write(integers), compress);
    }
    push_length(out, value.len() as u64);
    for member in value.iter() {
        push_string(out, &member, compress);
    }
}

/// Whether [`load`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, SET | INTSET | LISTPACK)
}

/// Reads a value of one of the types that [`reads`] accepts. `hash_seed` keys its tables.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, hash_seed: u64) -> Result<SetValue, Stop> {
    let limits = Limits::seeded(hash_seed);
    let start = cursor.position();
    let mut set = SetValue::new();
    let mut add = |member: &[u8]| {
        if set.insert(member, &limits) { Ok(()) } else { Cursor::bad(start, "a member twice") }
    };
    if kind == SET {
        for _ in 0..cursor.length()? {
            add(&cursor.string()?)?;
        }
    } else {
        let bytes = cursor.string()?;
        let broken = |error: crate::codec::rdb::packed::PackError| Stop::Bad {
            at: start,
            message: error.to_string(),
        };
        if kind == INTSET {
            for integer in intset::read(&bytes).map_err(broken)? {
                add(itoa::Buffer::new().format(integer).as_bytes())?;
            }
        } else {
            for element in listpack::Reader::new(&bytes).map_err(broken)? {
                add(&element.bytes())?;
            }
        }
    }
    if set.is_empty() {
        return Cursor::bad(start, "a set without members");
    }
    Ok(set)
}
