//! Lists: written as a quicklist of listpacks (`RDB_TYPE_LIST_QUICKLIST_2`), read in all forms.

use super::counted::Counted;
use crate::codec::rdb::packed::Element;
use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::codec::rdb::{listpack, ziplist};
use crate::keyspace::{End, ListValue};

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

/// Whether [`Loading`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, LIST | ZIPLIST | QUICKLIST | QUICKLIST_2)
}

/// A list on its way in.
pub struct Loading {
    kind: u8,
    nodes: Counted,
    list: ListValue,
}

impl Loading {
    /// Of one of the types that [`reads`] accepts.
    pub fn new(kind: u8) -> Self {
        Self { kind, nodes: Counted::default(), list: ListValue::new() }
    }

    /// Reads on; true once it is whole.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let (kind, list) = (self.kind, &mut self.list);
        if kind == ZIPLIST {
            load_node(cursor, kind, list)?;
            return Ok(true);
        }
        self.nodes.next(cursor, |cursor| load_node(cursor, kind, list))
    }

    /// What was read.
    pub fn take(&mut self) -> Option<ListValue> {
        Some(std::mem::take(&mut self.list)).filter(|list| !list.is_empty())
    }
}

/// Reads a single element, or several that are packed into one string.
fn load_node(cursor: &mut Cursor<'_>, kind: u8, list: &mut ListValue) -> Result<(), Stop> {
    let container = match kind {
        LIST => PLAIN,
        QUICKLIST_2 => cursor.length()?,
        _ => PACKED,
    };
    let at = cursor.position();
    let bytes = cursor.string()?;
    let mut push = |element: Element<'_>| list.push(End::Right, &element.bytes());
    match (kind, container) {
        // A node by itself holds a large element.
        (QUICKLIST_2, PLAIN) if bytes.is_empty() => {
            return Cursor::bad(at, "an empty node in a list".to_owned());
        }
        (_, PLAIN) => push(Element::Bytes(&bytes)),
        (QUICKLIST_2, PACKED) => {
            listpack::Reader::new(&bytes).map_err(Stop::packed(at))?.for_each(push);
        }
        (_, PACKED) => ziplist::Reader::new(&bytes).map_err(Stop::packed(at))?.for_each(push),
        (_, other) => return Cursor::bad(at, format!("unknown container {other} in a list")),
    }
    Ok(())
}
