//! `XREADGROUP`: what it delivers goes on the stream as `XCLAIM` or `XGROUP SETID`.

use super::args::exact_id;
use super::claim::forward_claim;
use super::read::{check_id, options};
use super::{change, for_write, reply_entry, reply_id};
use crate::command::{Args, CommandError, Ctx, Outcome, lookup, printable};
use crate::keyspace::stream::{Entry, Fields, Group, Pending, StreamId};
use crate::keyspace::{Key, StreamValue};

struct Request<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    count: usize,
    no_ack: bool,
}

/// Does not wait: `BLOCK` answers as it would when its time is over.
pub fn read(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let options = options(args, true)?;
    let Some((group, consumer)) = options.group else {
        return Err(CommandError::Syntax);
    };
    let mut streams = Vec::new();
    for (key, id) in options.streams {
        let stream = for_write(ctx, key)?;
        let Some(known) = stream.as_ref().and_then(|stream| stream.group(group)) else {
            let (key, group) = (printable(key), printable(group));
            return Err(CommandError::Coded(format!(
                "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
            )));
        };
        check_id(id, true)?;
        let has_new = stream.as_ref().is_some_and(|it| !new_entries(it, known, 1).is_empty());
        if id != b">" || has_new {
            streams.push((key, id));
        }
    }
    if streams.is_empty() {
        ctx.reply.null_array();
        return Ok(());
    }
    ctx.reply.array_header(streams.len());
    let count = if options.count == 0 { usize::MAX } else { options.count };
    for (key, id) in streams {
        let request = Request { key, group, consumer, count, no_ack: options.no_ack };
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        if id == b">" {
            deliver(ctx, &request);
        } else {
            history(ctx, &request, exact_id(id, 0)?);
        }
    }
    Ok(())
}

fn new_entries(stream: &StreamValue, group: &Group, count: usize) -> Vec<Entry> {
    match group.last_id.next() {
        Some(start) => stream.range(start, StreamId::MAX).take(count).cloned().collect(),
        None => Vec::new(),
    }
}

/// Whether something was deleted from `from` on.
pub fn has_gaps(stream: &StreamValue, from: StreamId) -> bool {
    let deleted = stream.max_deleted_id();
    !stream.is_empty() && deleted != StreamId::MIN && from <= deleted
}

fn deliver(ctx: &mut Ctx<'_>, request: &Request<'_>) {
    let now_ms = ctx.now.unix_ms;
    let delivered = change(ctx, request.key, |stream| {
        let entries = stream
            .group(request.group)
            .map_or(Vec::new(), |group| new_entries(stream, group, request.count));
        let view = stream.clone();
        let Some(group) = stream.group_mut(request.group) else {
            return (entries, StreamId::MIN, None);
        };
        group.create_consumer(request.consumer, now_ms);
        group.saw(request.consumer, now_ms);
        for entry in &entries {
            group.entries_read = match group.entries_read {
                Some(read) if !has_gaps(&view, entry.id) => Some(read + 1),
                known if view.entries_added() == 0 => known,
                _ => view.entries_read_at(entry.id),
            };
            group.last_id = entry.id;
            if !request.no_ack {
                let consumer = Key::new(request.consumer);
                let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
                group.deliver(entry.id, pending);
            }
        }
        (entries, group.last_id, group.entries_read)
    });
    let (entries, last_id, entries_read) = delivered.unwrap_or_default();
    ctx.reply.array_header(entries.len());
    for entry in &entries {
        reply_entry(ctx, entry);
    }
    if request.no_ack {
        forward_position(ctx, request.key, request.group, last_id, entries_read);
    } else {
        for entry in &entries {
            let consumer = Key::new(request.consumer);
            let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
            // Each says how far the group had read by then.
            forward_claim(ctx, request.key, request.group, entry.id, entry.id, &pending);
        }
    }
    lookup::changed(ctx, ctx.db, request.key);
}

/// `XGROUP SETID` for the stream.
pub fn forward_position(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    group: &[u8],
    last_id: StreamId,
    entries_read: Option<u64>,
) {
    let (id, read) = (last_id.to_string(), entries_read.map_or(-1, |read| read as i64).to_string());
    let args: [&[u8]; 7] =
        [b"XGROUP", b"SETID", key, group, id.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
    lookup::rewrite(ctx, &args);
}

/// What this consumer has to acknowledge, after an id; replicas are not told.
fn history(ctx: &mut Ctx<'_>, request: &Request<'_>, after: StreamId) {
    let now_ms = ctx.now.unix_ms;
    let found = change(ctx, request.key, |stream| {
        let view = stream.clone();
        let group = stream.group_mut(request.group)?;
        group.create_consumer(request.consumer, now_ms);
        group.saw(request.consumer, now_ms);
        let start = after.next()?;
        let consumer = group.consumers().get(request.consumer)?;
        let ids: Vec<StreamId> =
            consumer.pending.range(start..).take(request.count).copied().collect();
        let mut found: Vec<(StreamId, Option<Fields>)> = Vec::new();
        for id in ids {
            let entry = view.get(id);
            if entry.is_some()
                && let Some(mut pending) = group.pending().get(&id).cloned()
            {
                pending.delivered_ms = now_ms;
                pending.deliveries += 1;
                group.deliver(id, pending);
            }
            found.push((id, entry.map(|entry| entry.fields.clone())));
        }
        Some(found)
    });
    let found = found.flatten().unwrap_or_default();
    ctx.reply.array_header(found.len());
    for (id, fields) in found {
        match fields {
            Some(fields) => reply_entry(ctx, &Entry { id, fields }),
            None => {
                ctx.reply.array_header(2);
                reply_id(ctx, id);
                ctx.reply.null_array();
            }
        }
    }
}
