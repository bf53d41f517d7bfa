//! A lists.

use crate::codec::rdb::primitives::{Cursor, Stop};
use crate::keyspace::ListValue;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(value: &ListValue) -> u8 {
    match *value {}
}

/// Appends the value.
pub fn push(_out: &mut Vec<u8>, value: &ListValue, _compress: bool) {
    match *value {}
}

/// Whether [`load`] reads this type byte.
pub fn reads(_kind: u8) -> bool {
    false
}

/// Reads a value of one of the types that [`reads`] accepts. `hash_seed` keys its tables.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, _hash_seed: u64) -> Result<ListValue, Stop> {
    Cursor::bad(cursor.position(), super::refusal(kind))
}
