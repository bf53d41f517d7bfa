//! Sorted sets: listpacks (17) and binary scores (5) are written; ziplists (12) and scores as
//! text (3) are read as well.

use std::borrow::Cow;

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

/// Whether [`load`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, TEXT_SCORES | BINARY_SCORES | ZIPLIST | LISTPACK)
}

/// Reads a value of one of the types that [`reads`] accepts. `hash_seed` keys its tables.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, hash_seed: u64) -> Result<SortedSetValue, Stop> {
    let at = cursor.position();
    let mut set = SortedSetValue::new(hash_seed);
    match kind {
        LISTPACK | ZIPLIST => {
            let bytes = cursor.string()?;
            let broken =
                |error: &dyn std::fmt::Display| Stop::Bad { at, message: error.to_string() };
            let elements: Vec<Element<'_>> = if kind == LISTPACK {
                listpack::Reader::new(&bytes).map_err(|error| broken(&error))?.collect()
            } else {
                ziplist::Reader::new(&bytes).map_err(|error| broken(&error))?.collect()
            };
            if !elements.len().is_multiple_of(2) {
                return Cursor::bad(at, "a member without a score");
            }
            for pair in elements.chunks_exact(2) {
                let score = text_score(at, &pair[1].bytes())?;
                add(&mut set, at, pair[0].bytes(), score)?;
            }
        }
        _ => {
            let len = cursor.length()?;
            for _ in 0..len {
                let member = cursor.string()?;
                let score = if kind == BINARY_SCORES {
                    f64::from_le_bytes(cursor.array()?)
                } else {
                    length_prefixed_score(cursor)?
                };
                add(&mut set, at, member, score)?;
            }
        }
    }
    if set.is_empty() {
        return Cursor::bad(at, "an empty sorted set");
    }
    Ok(set)
}

fn add(set: &mut SortedSetValue, at: usize, member: Cow<'_, [u8]>, score: f64) -> Result<(), Stop> {
    if score.is_nan() {
        return Cursor::bad(at, "a score that is not a number");
    }
    match set.set(&member, score, SortedSetLimits::default()) {
        None => Ok(()),
        Some(_) => Cursor::bad(at, "a member that is there twice"),
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
