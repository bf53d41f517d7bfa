//! Sorted sets: listpacks (17) and binary scores (5) are written; ziplists (12) and scores as
//! text (3) are read as well.

use super::ValueLimits;
use super::counted::Counted;
use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::codec::rdb::{listpack, packed::Element, ziplist};
use crate::keyspace::{SortedSetLimits, SortedSetValue, score_text};

const TEXT_SCORES: u8 = 3;
const BINARY_SCORES: u8 = 5;
const ZIPLIST: u8 = 12;
const LISTPACK: u8 = 17;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(value: &SortedSetValue) -> u8 {
    if value.is_listpack() { LISTPACK } else { BINARY_SCORES }
}

/// Appends the value.
pub fn push(out: &mut Vec<u8>, value: &SortedSetValue, compress: bool) {
    if value.is_listpack() {
        let mut packed = listpack::Writer::new();
        for element in value.iter() {
            packed.push(&element.member);
            packed.push(score_text(element.score).as_bytes());
        }
        return push_string(out, &packed.finish(), compress);
    }
    push_length(out, value.len() as u64);
    // Highest first, as Redis does: a skiplist is built fastest so (rdb.c `rdbSaveObject`).
    for element in value.range(0..value.len(), true) {
        push_string(out, &element.member, compress);
        out.extend_from_slice(&element.score.to_le_bytes());
    }
}

/// Whether [`Loading`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, TEXT_SCORES | BINARY_SCORES | ZIPLIST | LISTPACK)
}

/// A sorted set on its way in.
pub struct Loading {
    kind: u8,
    elements: Counted,
    set: SortedSetValue,
    limits: SortedSetLimits,
}

impl Loading {
    /// Of one of the types that [`reads`] accepts.
    pub fn new(kind: u8, limits: &ValueLimits) -> Self {
        let set = SortedSetValue::new(limits.collections.hash_seed);
        let mut limits = limits.sorted_sets;
        if matches!(kind, ZIPLIST | LISTPACK) {
            // As with hashes: what was packed is unpacked for its number only.
            limits.value_bytes = usize::MAX;
        }
        Self { kind, elements: Counted::default(), set, limits }
    }

    /// Reads on; true once it is whole.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let at = cursor.position();
        let (kind, set, limits) = (self.kind, &mut self.set, self.limits);
        let mut add = |member: &[u8], score: f64| {
            if score.is_nan() {
                return Cursor::bad(at, "a score that is not a number");
            }
            match set.build(member, score, limits) {
                None => Ok(()),
                Some(_) => Cursor::bad(at, "a member that is there twice"),
            }
        };
        if matches!(kind, TEXT_SCORES | BINARY_SCORES) {
            return self.elements.next(cursor, |cursor| {
                let member = cursor.string()?;
                let score = if kind == BINARY_SCORES {
                    f64::from_le_bytes(cursor.array()?)
                } else {
                    length_prefixed_score(cursor)?
                };
                add(&member, score)
            });
        }
        let bytes = cursor.string()?;
        let mut add_all = |elements: &mut dyn Iterator<Item = Element<'_>>| {
            while let Some(member) = elements.next() {
                let Some(score) = elements.next() else {
                    return Cursor::bad(at, "a member without a score");
                };
                add(&member.bytes(), text_score(at, &score.bytes())?)?;
            }
            Ok(true)
        };
        if kind == LISTPACK {
            add_all(&mut listpack::Reader::new(&bytes).map_err(Stop::packed(at))?)
        } else {
            add_all(&mut ziplist::Reader::new(&bytes).map_err(Stop::packed(at))?)
        }
    }

    /// What was read.
    pub fn take(&mut self) -> Option<SortedSetValue> {
        let empty = SortedSetValue::new(0);
        Some(std::mem::replace(&mut self.set, empty).built()).filter(|set| !set.is_empty())
    }
}

fn text_score(at: usize, text: &[u8]) -> Result<f64, Stop> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.map_or_else(|| Cursor::bad(at, "a score that is not a number"), Ok)
}

/// A byte of length and text; three lengths stand for what has no digits (rdb.c `rdbLoadDoubleValue`).
fn length_prefixed_score(cursor: &mut Cursor<'_>) -> Result<f64, Stop> {
    let at = cursor.position();
    match cursor.byte()? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Ok(f64::NAN),
        len => text_score(at, cursor.take(usize::from(len))?),
    }
}
