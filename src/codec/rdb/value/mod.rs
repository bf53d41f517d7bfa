//! Values: which type byte belongs to which family, and a file a family.

mod counted;
mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod string;

use super::primitives::{Cursor, Stop};
use crate::keyspace::{Keyspace, Limits, SortedSetLimits, Value};

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

/// When values that are read leave their small forms.
#[derive(Debug, Clone, Copy)]
pub struct ValueLimits {
    /// Of sets and hashes.
    pub collections: Limits,
    /// Of sorted sets.
    pub sorted_sets: SortedSetLimits,
}

impl From<&Keyspace> for ValueLimits {
    fn from(keyspace: &Keyspace) -> Self {
        Self { collections: keyspace.limits, sorted_sets: keyspace.sorted_set_limits }
    }
}

/// What reading on in a value has given.
pub enum Part {
    /// Another part is to come.
    More,
    /// All of it.
    Whole(Value),
    /// All of it, and there is nothing in it. Old servers have written such values; nothing
    /// stores them (Redis: `RDB_LOAD_ERR_EMPTY_KEY`).
    Empty,
}

/// A value on its way in, an element or a node at a time: a value of any size takes as long as it
/// has bytes, in pieces of any size, and no more memory than the value itself and one element.
pub struct Loading(Family);

enum Family {
    String,
    List(list::Loading),
    Set(set::Loading),
    SortedSet(sorted_set::Loading),
    Hash(hash::Loading),
    Stream(Box<stream::Loading>),
}

impl Loading {
    /// Of the type `kind`, or the reason why such values are not read.
    pub fn new(kind: u8, limits: &ValueLimits) -> Result<Self, String> {
        Ok(Self(match kind {
            TYPE_STRING => Family::String,
            kind if list::reads(kind) => Family::List(list::Loading::new(kind)),
            kind if set::reads(kind) => Family::Set(set::Loading::new(kind, limits)),
            kind if sorted_set::reads(kind) => {
                Family::SortedSet(sorted_set::Loading::new(kind, limits))
            }
            kind if hash::reads(kind) => Family::Hash(hash::Loading::new(kind, limits)),
            kind if stream::reads(kind) => Family::Stream(Box::new(stream::Loading::new(kind))),
            other => return Err(refusal(other)),
        }))
    }

    /// Reads one part more; not to be called once the value is whole. Short of bytes, nothing has
    /// changed: the same part is tried again from its start.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<Part, Stop> {
        let whole = match &mut self.0 {
            Family::String => return Ok(Part::Whole(Value::String(string::load(cursor)?))),
            Family::List(list) => list.part(cursor)?,
            Family::Set(set) => set.part(cursor)?,
            Family::SortedSet(set) => set.part(cursor)?,
            Family::Hash(hash) => hash.part(cursor)?,
            Family::Stream(stream) => stream.part(cursor)?,
        };
        Ok(if whole { self.take().map_or(Part::Empty, Part::Whole) } else { Part::More })
    }

    fn take(&mut self) -> Option<Value> {
        match &mut self.0 {
            Family::String => None,
            Family::List(list) => list.take().map(Value::List),
            Family::Set(set) => set.take().map(Value::Set),
            Family::SortedSet(set) => set.take().map(Value::SortedSet),
            Family::Hash(hash) => hash.take().map(Value::Hash),
            Family::Stream(stream) => Some(Value::Stream(stream.take())),
        }
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
        22 => "hash whose fields have deadlines, of Redis 7.4 before its release or Valkey 9",
        23 => "hash as listpack with deadlines, of Redis 7.4 before its release",
        24 => "hash whose fields have deadlines, of Redis 7.4",
        25 => "hash as listpack with deadlines, of Redis 7.4",
        _ => "unknown",
    };
    format!("type {kind} ({name}) is not supported")
}
