//! Streams: nodes as listpacks, marks, groups (rdb.c, t_stream.c).
//!
//! ```text
//! nodes  (id of the node: a string of 16 bytes; a listpack)*
//! entries  last id  [first id  largest deleted id  entries added]       (ids: ms and number)
//! groups (name  last id  [entries read]
//!    pending (id: 16 bytes  ms: 8  deliveries)*
//!    consumers (name  seen ms: 8  [active ms: 8]  pending (id: 16)*)*)*
//! ```
//!
//! Type 15 lacks what stands in brackets, 19 lacks the active time; 19 is written. The listpack of
//! a node begins with `entries deleted names name* 0`; an entry is `flags ms number
//! [names] (name value | value)* elements`, with ms and number as differences to the node's id.

mod loading;

use crate::codec::rdb::listpack;
use crate::codec::rdb::packed::Element;
use crate::codec::rdb::primitives::{Cursor, Stop, push_length, push_string};
use crate::keyspace::StreamValue;
use crate::keyspace::stream::{Entry, Fields, Group, Node, StreamId};
pub use loading::Loading;

const TYPE_1: u8 = 15;
const TYPE_2: u8 = 19;
const TYPE_3: u8 = 21;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// The type byte that [`push`] needs in front of the key.
pub fn kind(_value: &StreamValue) -> u8 {
    TYPE_2
}

/// Appends the value.
pub fn push(out: &mut Vec<u8>, value: &StreamValue, compress: bool) {
    push_length(out, value.nodes().len() as u64);
    for (id, node) in value.nodes() {
        push_string(out, &id.to_bytes(), false);
        push_string(out, &pack(id, node), compress);
    }
    push_length(out, value.len());
    push_id(out, value.last_id());
    push_id(out, value.first_id());
    push_id(out, value.max_deleted_id());
    push_length(out, value.entries_added());
    push_length(out, value.groups().len() as u64);
    for (name, group) in value.groups() {
        push_string(out, name, compress);
        push_group(out, group, compress);
    }
}

fn push_id(out: &mut Vec<u8>, id: StreamId) {
    push_length(out, id.ms);
    push_length(out, id.seq);
}

fn push_group(out: &mut Vec<u8>, group: &Group, compress: bool) {
    push_id(out, group.last_id);
    push_length(out, group.entries_read.unwrap_or(u64::MAX));
    push_length(out, group.pending().len() as u64);
    for (id, pending) in group.pending() {
        out.extend_from_slice(&id.to_bytes());
        out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        push_length(out, pending.deliveries);
    }
    push_length(out, group.consumers().len() as u64);
    for (name, consumer) in group.consumers() {
        push_string(out, name, compress);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        push_length(out, consumer.pending.len() as u64);
        for id in &consumer.pending {
            out.extend_from_slice(&id.to_bytes());
        }
    }
}

fn pack(id: StreamId, node: &Node) -> Vec<u8> {
    let mut out = listpack::Writer::new();
    let names: Vec<&[u8]> =
        node.entries().first().map_or(Vec::new(), |entry| entry.fields.names().collect());
    out.push_integer(node.entries().len() as i64);
    out.push_integer(0);
    out.push_integer(names.len() as i64);
    names.iter().for_each(|name| out.push(name));
    out.push_integer(0);
    for entry in node.entries() {
        let same = entry.fields.names().eq(names.iter().copied());
        let before = out.len();
        out.push_integer(if same { SAME_FIELDS } else { 0 });
        out.push_integer(entry.id.ms.wrapping_sub(id.ms) as i64);
        out.push_integer(entry.id.seq.wrapping_sub(id.seq) as i64);
        if same {
            entry.fields.iter().skip(1).step_by(2).for_each(|value| out.push(value));
        } else {
            out.push_integer(entry.fields.len() as i64 / 2);
            entry.fields.iter().for_each(|text| out.push(text));
        }
        out.push_integer((out.len() - before) as i64);
    }
    out.finish()
}

/// Whether [`Loading`] reads this type byte.
pub fn reads(kind: u8) -> bool {
    matches!(kind, TYPE_1 | TYPE_2 | TYPE_3)
}

fn load_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: cursor.length()?, seq: cursor.length()? })
}

fn load_raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    cursor.array().map(StreamId::from_bytes)
}

fn load_node(cursor: &mut Cursor<'_>, stream: &mut StreamValue) -> Result<(), Stop> {
    let at = cursor.position();
    let id = match <[u8; 16]>::try_from(&cursor.string()?[..]) {
        Ok(bytes) => StreamId::from_bytes(bytes),
        Err(_) => return Cursor::bad(at, "the id of a stream's node does not have 16 bytes"),
    };
    let at = cursor.position();
    let bytes = cursor.string()?;
    let elements = match listpack::Reader::new(&bytes) {
        Ok(elements) => elements,
        Err(error) => return Cursor::bad(at, error.to_string()),
    };
    let Some((entries, deleted)) = unpack(id, elements) else {
        return Cursor::bad(at, "the listpack of a stream's node does not hold entries");
    };
    // All of them deleted: Redis drops such a node, some versions left one.
    if entries.is_empty() {
        return Ok(());
    }
    if stream.push_node(id, Node::loaded(entries, deleted, bytes.len())) {
        return Ok(());
    }
    Cursor::bad(at, "the ids of a stream's entries do not ascend")
}

/// Entries and the number of deleted ones; `None`: it is not built as it should be.
fn unpack(id: StreamId, mut elements: listpack::Reader<'_>) -> Option<(Vec<Entry>, usize)> {
    let live = small(&mut elements)?;
    let deleted = small(&mut elements)?;
    let name_count = small(&mut elements)?;
    if name_count > elements.len() {
        return None;
    }
    let names: Vec<Element<'_>> = elements.by_ref().take(name_count).collect();
    if elements.next()?.integer()? != 0 {
        return None;
    }
    let (mut entries, mut gone) = (Vec::new(), 0);
    while elements.len() > 0 {
        let before = elements.len();
        let flags = elements.next()?.integer()?;
        let ms = id.ms.wrapping_add(elements.next()?.integer()? as u64);
        let seq = id.seq.wrapping_add(elements.next()?.integer()? as u64);
        let mut texts = Vec::new();
        if flags & SAME_FIELDS != 0 {
            for name in &names {
                texts.extend([name.bytes(), elements.next()?.bytes()]);
            }
        } else {
            for _ in 0..small(&mut elements)? {
                texts.extend([elements.next()?.bytes(), elements.next()?.bytes()]);
            }
        }
        let count = before - elements.len();
        if elements.next()?.integer()? != count as i64 {
            return None;
        }
        if flags & DELETED != 0 {
            gone += 1;
            continue;
        }
        let fields = Fields::new(texts.iter().map(|text| &**text));
        entries.push(Entry { id: StreamId { ms, seq }, fields });
    }
    (entries.len() == live && gone == deleted).then_some((entries, deleted))
}

fn small(elements: &mut listpack::Reader<'_>) -> Option<usize> {
    usize::try_from(elements.next()?.integer()?).ok()
}
