//! Sets: written as an intset or member by member, read as a listpack too (Redis 7.2).

use super::ValueLimits;
use super::counted::Counted;
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

/// Whether [`Loading`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, SET | INTSET | LISTPACK)
}

/// A set on its way in.
pub struct Loading {
    kind: u8,
    members: Counted,
    set: SetValue,
    limits: Limits,
}

impl Loading {
    /// Of one of the types that [`reads`] accepts.
    pub fn new(kind: u8, limits: &ValueLimits) -> Self {
        let limits = limits.collections;
        Self { kind, members: Counted::default(), set: SetValue::new(), limits }
    }

    /// Reads on; true once it is whole.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let at = cursor.position();
        let (set, limits) = (&mut self.set, &self.limits);
        let mut add = |member: &[u8]| {
            if set.insert(member, limits) { Ok(()) } else { Cursor::bad(at, "a member twice") }
        };
        if self.kind == SET {
            return self.members.next(cursor, |cursor| add(&cursor.string()?));
        }
        let bytes = cursor.string()?;
        if self.kind == INTSET {
            for integer in intset::read(&bytes).map_err(Stop::packed(at))? {
                add(itoa::Buffer::new().format(integer).as_bytes())?;
            }
        } else {
            for element in listpack::Reader::new(&bytes).map_err(Stop::packed(at))? {
                add(&element.bytes())?;
            }
        }
        Ok(true)
    }

    /// What was read.
    pub fn take(&mut self) -> Option<SetValue> {
        Some(std::mem::take(&mut self.set)).filter(|set| !set.is_empty())
    }
}
