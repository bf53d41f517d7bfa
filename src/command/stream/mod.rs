//! Streams (Redis: t_stream.c). One file a subject: adding and trimming, reading, groups, claims,
//! `XINFO`.

mod add;
mod args;
mod claim;
mod group;
mod info;
mod pending;
mod read;
mod readgroup;

use super::key_spec::{DELETES, Keys, LOOKS, READS, UPDATES, at, half_after};
use super::table::{Command, Flags, Group, data};
use super::{CommandError, Ctx, Handler, lookup};
use crate::keyspace::stream::{Entry, StreamId};
use crate::keyspace::{StreamValue, Value};

const FAST: Flags = Flags::FAST;
const READ: Flags = Flags::READONLY;
const WRITE: Flags = Flags::WRITE;
const ADD: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Stream, "5.0.0", summary, handler).with_keys(keys)
}

/// Commands of this directory.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("xadd", -5, ADD, &[at(1, UPDATES)], "Appends an entry to a stream", data!(add::add)),
    row("xtrim", -4, WRITE, &[at(1, DELETES)], "Removes entries from the start of a stream", data!(add::trim)),
    row("xdel", -3, WRITE.with(FAST), &[at(1, DELETES)], "Removes entries by id", data!(add::delete)),
    row("xsetid", -3, ADD, &[at(1, UPDATES)], "Sets the last id of a stream", data!(add::set_id)),
    row("xlen", 2, READ.with(FAST), &[at(1, LOOKS)], "Returns the number of entries", data!(read::len)),
    row("xrange", -4, READ, &[at(1, READS)], "Returns entries by ascending id", data!(read::range)),
    row("xrevrange", -4, READ, &[at(1, READS)], "Returns entries by descending id", data!(read::reverse_range)),
    row("xread", -4, READ.with(Flags::BLOCKING), &[half_after("STREAMS", 1, READS)], "Returns the entries after given ids", data!(read::read)),
    row("xreadgroup", -7, WRITE.with(Flags::BLOCKING), &[half_after("STREAMS", 4, READS)], "Delivers entries to a consumer of a group", data!(readgroup::read)),
    row("xgroup", -2, Flags::NONE, &[], "Makes, changes and removes consumer groups", data!(group::group)),
    row("xack", -4, WRITE.with(FAST), &[at(1, UPDATES)], "Acknowledges entries", data!(group::acknowledge)),
    row("xpending", -3, READ, &[at(1, READS)], "Lists entries not acknowledged", data!(pending::pending)),
    row("xclaim", -6, WRITE.with(FAST), &[at(1, UPDATES)], "Gives pending entries to a consumer", data!(claim::claim)),
    row("xautoclaim", -6, WRITE.with(FAST), &[at(1, DELETES)], "Gives entries that have been pending for long to a consumer", data!(claim::autoclaim)),
    row("xinfo", -2, Flags::NONE, &[], "Describes streams, groups and consumers", data!(info::info)),
];

fn other<T>(text: &str) -> Result<T, CommandError> {
    Err(CommandError::Other(text.to_owned()))
}

/// The stream at a key that was looked up before, expired or not.
fn stored<'k>(ctx: &'k Ctx<'_>, key: &[u8]) -> Result<Option<&'k StreamValue>, CommandError> {
    match ctx.keyspace.get(ctx.db, key) {
        Some(Value::Stream(stream)) => Ok(Some(stream)),
        Some(_) => Err(CommandError::WrongType),
        None => Ok(None),
    }
}

/// The stream at a key, for a read: counted as hit or miss.
fn for_read(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<StreamValue>, CommandError> {
    if !lookup::exists_for_read(ctx, ctx.db, key) {
        return Ok(None);
    }
    stored(ctx, key).map(|stream| stream.cloned())
}

/// The stream at a key, for a write: neither hit nor miss.
fn for_write(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<StreamValue>, CommandError> {
    if !lookup::exists(ctx, ctx.db, key) {
        return Ok(None);
    }
    stored(ctx, key).map(|stream| stream.cloned())
}

/// Changes the stream at a key; nothing happens if there is none.
fn change<R>(ctx: &mut Ctx<'_>, key: &[u8], edit: impl FnOnce(&mut StreamValue) -> R) -> Option<R> {
    let db = ctx.db;
    let edited = ctx.keyspace.update(db, key, |value| match value {
        Value::Stream(stream) => Some(edit(stream)),
        _ => None,
    });
    edited.flatten()
}

fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (super::printable(key), super::printable(group));
    CommandError::Coded(format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

fn reply_id(ctx: &mut Ctx<'_>, id: StreamId) {
    ctx.reply.bulk(id.to_string());
}

/// Id, and names and values.
fn reply_entry(ctx: &mut Ctx<'_>, entry: &Entry) {
    ctx.reply.array_header(2);
    reply_id(ctx, entry.id);
    ctx.reply.array_header(entry.fields.len());
    entry.fields.iter().for_each(|text| ctx.reply.bulk(text));
}

fn reply_help(ctx: &mut Ctx<'_>, lines: &[&str]) {
    ctx.reply.array_header(lines.len());
    lines.iter().for_each(|line| ctx.reply.status(line));
}

#[cfg(test)]
mod tests;
