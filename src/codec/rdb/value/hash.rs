//! Hashes: written as a listpack or field by field, read as a ziplist and a zipmap too.

use crate::codec::rdb::packed::{Element, PackError};
use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::codec::rdb::{listpack, ziplist, zipmap};
use crate::keyspace::{HashValue, Limits};

const HASH: u8 = 4;
const ZIPMAP: u8 = 9;
const ZIPLIST: u8 = 13;
const LISTPACK: u8 = 16;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(value: &HashValue) -> u8 {
    if value.is_packed() { LISTPACK } else { HASH }
}

/// Appends the value.
pub fn push(out: &mut Vec<u8>, value: &HashValue, compress: bool) {
    if value.is_packed() {
        let mut packed = listpack::Writer::new();
        for (name, value) in value.iter() {
            packed.push(name);
            packed.push(value);
        }
        return push_string(out, &packed.finish(), compress);
    }
    push_length(out, value.len() as u64);
    for (name, value) in value.iter() {
        push_string(out, name, compress);
        push_string(out, value, compress);
    }
}

/// Whether [`load`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, HASH | ZIPMAP | ZIPLIST | LISTPACK)
}

/// Reads a value of one of the types that [`reads`] accepts. `hash_seed` keys its tables.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, hash_seed: u64) -> Result<HashValue, Stop> {
    let limits = Limits::seeded(hash_seed);
    let start = cursor.position();
    let mut hash = HashValue::new();
    let mut add = |name: &[u8], value: &[u8]| {
        if hash.set(name, value, &limits) { Ok(()) } else { Cursor::bad(start, "a field twice") }
    };
    if kind == HASH {
        for _ in 0..cursor.length()? {
            let name = cursor.string()?;
            add(&name, &cursor.string()?)?;
        }
    } else {
        let bytes = cursor.string()?;
        let broken = |error: PackError| Stop::Bad { at: start, message: error.to_string() };
        let elements: Vec<Element<'_>> = match kind {
            ZIPMAP => {
                let pairs = zipmap::read(&bytes).map_err(broken)?;
                let pairs = pairs.into_iter().flat_map(|(name, value)| [name, value]);
                pairs.map(Element::Bytes).collect()
            }
            ZIPLIST => ziplist::Reader::new(&bytes).map_err(broken)?.collect(),
            _ => listpack::Reader::new(&bytes).map_err(broken)?.collect(),
        };
        for pair in elements.chunks(2) {
            let &[name, value] = pair else {
                return Cursor::bad(start, "a field without a value");
            };
            add(&name.bytes(), &value.bytes())?;
        }
    }
    if hash.is_empty() {
        return Cursor::bad(start, "a hash without fields");
    }
    Ok(hash)
}
