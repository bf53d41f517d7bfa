//! Hashes: written as a listpack or field by field, read as a ziplist and a zipmap too.

use super::ValueLimits;
use super::counted::Counted;
use crate::codec::rdb::packed::Element;
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

/// Whether [`Loading`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, HASH | ZIPMAP | ZIPLIST | LISTPACK)
}

/// A hash on its way in.
pub struct Loading {
    kind: u8,
    fields: Counted,
    hash: HashValue,
    limits: Limits,
}

impl Loading {
    /// Of one of the types that [`reads`] accepts.
    pub fn new(kind: u8, limits: &ValueLimits) -> Self {
        let mut limits = limits.collections;
        if matches!(kind, ZIPLIST | LISTPACK) {
            // What was packed stays packed unless there is too much of it: as in Redis, how long
            // the fields are is not looked at (rdb.c `rdbLoadObject`).
            limits.hash_max_listpack_value = usize::MAX;
        }
        Self { kind, fields: Counted::default(), hash: HashValue::new(), limits }
    }

    /// Reads on; true once it is whole.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let at = cursor.position();
        let (hash, limits) = (&mut self.hash, &self.limits);
        let mut add = |name: &[u8], value: &[u8]| {
            if hash.set(name, value, limits) { Ok(()) } else { Cursor::bad(at, "a field twice") }
        };
        if self.kind == HASH {
            return self.fields.next(cursor, |cursor| {
                let name = cursor.string()?;
                add(&name, &cursor.string()?)
            });
        }
        let bytes = cursor.string()?;
        let mut add_all = |elements: &mut dyn Iterator<Item = Element<'_>>| {
            while let Some(name) = elements.next() {
                let Some(value) = elements.next() else {
                    return Cursor::bad(at, "a field without a value");
                };
                add(&name.bytes(), &value.bytes())?;
            }
            Ok(true)
        };
        match self.kind {
            ZIPMAP => {
                let pairs = zipmap::read(&bytes).map_err(Stop::packed(at))?;
                let texts = pairs.into_iter().flat_map(|(name, value)| [name, value]);
                add_all(&mut texts.map(Element::Bytes))
            }
            ZIPLIST => add_all(&mut ziplist::Reader::new(&bytes).map_err(Stop::packed(at))?),
            _ => add_all(&mut listpack::Reader::new(&bytes).map_err(Stop::packed(at))?),
        }
    }

    /// What was read.
    pub fn take(&mut self) -> Option<HashValue> {
        Some(std::mem::take(&mut self.hash)).filter(|hash| !hash.is_empty())
    }
}
