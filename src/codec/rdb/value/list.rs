//! Lists: written as a quicklist of listpacks (`RDB_TYPE_LIST_QUICKLIST_2`), read in all forms.

use crate::codec::rdb::listpack;
use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::codec::rdb::ziplist;
use crate::keyspace::ListValue;

const LIST: u8 = 1;
const ZIPLIST: u8 = 10;
const QUICKLIST: u8 = 14;
const QUICKLIST_2: u8 = 18;

/// A node that is one element, as it is.
const PLAIN: u64 = 1;
/// A node that is a listpack.
const PACKED: u64 = 2;
/// Longest node of several elements (`list-max-listpack-size -2`).
const NODE_BYTES: usize = 8192;
/// Elements from this length on get a plain node (quicklist.c `packed_threshold`).
const PLAIN_BYTES: usize = 1 << 30;
/// What an element takes in a listpack besides its bytes, at most.
const OVERHEAD_BYTES: usize = 11;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(_: &ListValue) -> u8 {
    QUICKLIST_2
}

/// Appends the value.
pub fn push(out: &mut Vec<u8>, value: &ListValue, compress: bool) {
    let mut nodes: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut open = listpack::Writer::new();
    for element in value.iter() {
        let full = open.byte_len() + element.len() + OVERHEAD_BYTES > NODE_BYTES;
        if !open.is_empty() && (full || element.len() >= PLAIN_BYTES) {
            nodes.push((PACKED, std::mem::take(&mut open).finish()));
        }
        if element.len() >= PLAIN_BYTES {
            nodes.push((PLAIN, element.to_vec()));
        } else {
            open.push(element);
        }
    }
    if !open.is_empty() {
        nodes.push((PACKED, open.finish()));
    }
    push_length(out, nodes.len() as u64);
    for (container, bytes) in nodes {
        push_length(out, container);
        push_string(out, &bytes, compress);
    }
}

/// Whether [`load`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, LIST | ZIPLIST | QUICKLIST | QUICKLIST_2)
}

/// Reads a value of one of the types that [`reads`] accepts.
pub fn load(cursor: &mut Cursor<'_>, kind: u8, _hash_seed: u64) -> Result<ListValue, Stop> {
    let start = cursor.position();
    let mut elements: Vec<Vec<u8>> = Vec::new();
    let nodes = if kind == ZIPLIST { 1 } else { cursor.length()? };
    for _ in 0..nodes {
        let container = if kind == QUICKLIST_2 { cursor.length()? } else { PACKED };
        let at = cursor.position();
        let bytes = cursor.string()?;
        let broken = |error: crate::codec::rdb::packed::PackError| Stop::Bad {
            at,
            message: error.to_string(),
        };
        match (kind, container) {
            (LIST, _) | (QUICKLIST_2, PLAIN) => elements.push(bytes.into_owned()),
            (QUICKLIST_2, PACKED) => {
                let packed = listpack::Reader::new(&bytes).map_err(broken)?;
                elements.extend(packed.map(|element| element.bytes().into_owned()));
            }
            (QUICKLIST_2, other) => {
                return Cursor::bad(at, format!("unknown container {other} in a list"));
            }
            _ => {
                let packed = ziplist::Reader::new(&bytes).map_err(broken)?;
                elements.extend(packed.map(|element| element.bytes().into_owned()));
            }
        }
    }
    if elements.is_empty() {
        return Cursor::bad(start, "a list without elements");
    }
    Ok(elements.into_iter().collect())
}
