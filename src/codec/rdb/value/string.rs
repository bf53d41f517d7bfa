//! Strings.

use crate::codec::rdb::primitives::{Cursor, Stop, push_string};
use crate::keyspace::StringValue;

/// Appends a string value.
pub fn push(out: &mut Vec<u8>, string: &StringValue, compress: bool) {
    push_string(out, &string.bytes(), compress);
}

/// Reads a string value.
pub fn load(cursor: &mut Cursor<'_>) -> Result<StringValue, Stop> {
    cursor.string().map(|bytes| StringValue::new(&bytes))
}
