//! `XINFO`.

use super::read::reply_entries;
use super::readgroup::has_gaps;
use super::{for_read, reply_entry, reply_help, reply_id};
use crate::command::{Args, CommandError, Ctx, Outcome, number, printable};
use crate::keyspace::StreamValue;
use crate::keyspace::stream::{Entry, Group, StreamId};

const HELP: [&str; 9] = [
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    The consumers of a group.",
    "GROUPS <key>",
    "    The groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    A stream; FULL adds entries, groups and consumers.",
    "HELP",
    "    This text.",
];

/// Entries and pending entries that `FULL` shows.
const FULL_COUNT: usize = 10;

pub fn info(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let name = args[1].to_ascii_lowercase();
    let accepted = match name.as_slice() {
        b"help" => args.len() == 2,
        b"stream" => args.len() >= 3,
        b"groups" => args.len() == 3,
        b"consumers" => args.len() == 4,
        _ => {
            let given = printable(args[1]);
            return Err(CommandError::UnknownSubcommand { given, container: "XINFO".into() });
        }
    };
    if !accepted {
        return Err(CommandError::WrongArity(format!("xinfo|{}", printable(&name))));
    }
    if name == b"help" {
        reply_help(ctx, &HELP);
        return Ok(());
    }
    let Some(stream) = for_read(ctx, args[2])? else {
        return Err(CommandError::NoSuchKey);
    };
    match name.as_slice() {
        b"stream" => describe(ctx, args, &stream),
        b"groups" => {
            ctx.reply.array_header(stream.groups().len());
            for (name, group) in stream.groups() {
                ctx.reply.array_header(12);
                field_bulk(ctx, "name", name);
                field_integer(ctx, "consumers", group.consumers().len() as u64);
                field_integer(ctx, "pending", group.pending().len() as u64);
                field_id(ctx, "last-delivered-id", group.last_id);
                position(ctx, &stream, group);
            }
            Ok(())
        }
        _ => consumers(ctx, args, &stream),
    }
}

fn field_bulk(ctx: &mut Ctx<'_>, name: &str, text: &[u8]) {
    ctx.reply.bulk(name);
    ctx.reply.bulk(text);
}

fn field_integer(ctx: &mut Ctx<'_>, name: &str, number: u64) {
    ctx.reply.bulk(name);
    ctx.reply.integer(number as i64);
}

fn field_id(ctx: &mut Ctx<'_>, name: &str, id: StreamId) {
    ctx.reply.bulk(name);
    reply_id(ctx, id);
}

fn optional(ctx: &mut Ctx<'_>, name: &str, number: Option<u64>) {
    match number {
        Some(number) => field_integer(ctx, name, number),
        None => {
            ctx.reply.bulk(name);
            ctx.reply.null_bulk();
        }
    }
}

/// `entries-read` and `lag`.
fn position(ctx: &mut Ctx<'_>, stream: &StreamValue, group: &Group) {
    let added = stream.entries_added();
    let lag = match group.entries_read {
        _ if added == 0 => Some(0),
        Some(read) if !has_gaps(stream, group.last_id) => Some(added.wrapping_sub(read)),
        _ => stream.entries_read_at(group.last_id).map(|read| added.wrapping_sub(read)),
    };
    optional(ctx, "entries-read", group.entries_read);
    optional(ctx, "lag", lag);
}

/// The key of an entry in Redis's radix tree: both halves of the id, largest byte first.
fn key_of(id: StreamId) -> [u8; 16] {
    ((u128::from(id.ms) << 64) | u128::from(id.seq)).to_be_bytes()
}

/// How many nodes Redis's radix tree (rax.c) has for these ascending keys, all the same up to
/// `depth`: one for a chain of bytes that all of them share, one for each place where they part,
/// one for the end of each. The tree here is another one, which has no such nodes.
fn radix_nodes(keys: &[[u8; 16]], depth: usize) -> u64 {
    let [first, .., last] = keys else {
        return keys.iter().map(|key| 1 + u64::from(depth < key.len())).sum();
    };
    let parted = (depth..first.len()).find(|at| first[*at] != last[*at]).expect("two keys");
    let below = keys.chunk_by(|a, b| a[parted] == b[parted]);
    let below: u64 = below.map(|child| radix_nodes(child, parted + 1)).sum();
    1 + u64::from(parted > depth) + below
}

fn describe(ctx: &mut Ctx<'_>, args: &Args<'_>, stream: &StreamValue) -> Outcome {
    let full = match &args[3..] {
        [] => None,
        [full] if full.eq_ignore_ascii_case(b"FULL") => Some(FULL_COUNT),
        [full, count, value]
            if full.eq_ignore_ascii_case(b"FULL") && count.eq_ignore_ascii_case(b"COUNT") =>
        {
            let count = usize::try_from(number::integer(value)?).unwrap_or(FULL_COUNT);
            Some(if count == 0 { usize::MAX } else { count })
        }
        _ => {
            return Err(CommandError::Other(
                "unknown subcommand or wrong number of arguments for 'stream'. Try XINFO HELP."
                    .into(),
            ));
        }
    };
    ctx.reply.array_header(if full.is_some() { 18 } else { 20 });
    let nodes = stream.nodes().len() as u64;
    field_integer(ctx, "length", stream.len());
    field_integer(ctx, "radix-tree-keys", nodes);
    let keys: Vec<[u8; 16]> = stream.nodes().map(|(id, _)| key_of(id)).collect();
    field_integer(ctx, "radix-tree-nodes", radix_nodes(&keys, 0).max(1));
    field_id(ctx, "last-generated-id", stream.last_id());
    field_id(ctx, "max-deleted-entry-id", stream.max_deleted_id());
    field_integer(ctx, "entries-added", stream.entries_added());
    field_id(ctx, "recorded-first-entry-id", stream.first_id());
    match full {
        Some(count) => describe_fully(ctx, stream, count),
        None => {
            field_integer(ctx, "groups", stream.groups().len() as u64);
            for (name, entry) in [("first-entry", stream.first()), ("last-entry", stream.last())] {
                ctx.reply.bulk(name);
                match entry {
                    Some(entry) => reply_entry(ctx, entry),
                    None => ctx.reply.null_bulk(),
                }
            }
        }
    }
    Ok(())
}

fn describe_fully(ctx: &mut Ctx<'_>, stream: &StreamValue, count: usize) {
    ctx.reply.bulk("entries");
    let entries: Vec<&Entry> = stream.range(StreamId::MIN, StreamId::MAX).take(count).collect();
    reply_entries(ctx, &entries);
    ctx.reply.bulk("groups");
    ctx.reply.array_header(stream.groups().len());
    for (name, group) in stream.groups() {
        ctx.reply.array_header(14);
        field_bulk(ctx, "name", name);
        field_id(ctx, "last-delivered-id", group.last_id);
        position(ctx, stream, group);
        field_integer(ctx, "pel-count", group.pending().len() as u64);
        ctx.reply.bulk("pending");
        ctx.reply.array_header(group.pending().len().min(count));
        for (id, pending) in group.pending().iter().take(count) {
            ctx.reply.array_header(4);
            reply_id(ctx, *id);
            ctx.reply.bulk(pending.consumer.as_bytes());
            ctx.reply.integer(pending.delivered_ms as i64);
            ctx.reply.integer(pending.deliveries as i64);
        }
        ctx.reply.bulk("consumers");
        ctx.reply.array_header(group.consumers().len());
        for (name, consumer) in group.consumers() {
            ctx.reply.array_header(8);
            field_bulk(ctx, "name", name);
            field_integer(ctx, "seen-time", consumer.seen_ms);
            field_integer(ctx, "pel-count", consumer.pending.len() as u64);
            ctx.reply.bulk("pending");
            ctx.reply.array_header(consumer.pending.len().min(count));
            for id in consumer.pending.iter().take(count) {
                let pending = group.pending().get(id);
                ctx.reply.array_header(3);
                reply_id(ctx, *id);
                ctx.reply.integer(pending.map_or(0, |it| it.delivered_ms as i64));
                ctx.reply.integer(pending.map_or(0, |it| it.deliveries as i64));
            }
        }
    }
}

fn consumers(ctx: &mut Ctx<'_>, args: &Args<'_>, stream: &StreamValue) -> Outcome {
    let Some(group) = stream.group(args[3]) else {
        let (key, group) = (printable(args[2]), printable(args[3]));
        let text = format!("NOGROUP No such consumer group '{group}' for key name '{key}'");
        return Err(CommandError::Coded(text));
    };
    ctx.reply.array_header(group.consumers().len());
    for (name, consumer) in group.consumers() {
        ctx.reply.array_header(6);
        field_bulk(ctx, "name", name);
        field_integer(ctx, "pending", consumer.pending.len() as u64);
        field_integer(ctx, "idle", ctx.now.unix_ms.saturating_sub(consumer.seen_ms));
    }
    Ok(())
}
