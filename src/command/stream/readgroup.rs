//! `XREADGROUP`: what it delivers goes on the stream as `XCLAIM` or `XGROUP SETID`.

use super::args::exact_id;
use super::claim::forward_claim;
use super::read::{check_id, options, serves};
use super::{change, for_read, reply_entry, reply_id, stored};
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

pub fn read(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let options = options(ctx, args, true)?;
    let Some((group, consumer)) = options.group else {
        return Err(CommandError::Syntax);
    };
    let (mut streams, mut ids) = (Vec::new(), Vec::new());
    for (key, id) in &options.streams {
        let stream = for_read(ctx, key)?;
        let Some((stream, last_id)) = stream
            .and_then(|stream| stream.group(group).map(|it| it.last_id).map(|id| (stream, id)))
        else {
            // Other keys are none of its business any more.
            if ctx.ready_key.is_some_and(|ready| ready != *key) {
                continue;
            }
            return Err(no_group(ctx, key, group));
        };
        check_id(id, true)?;
        ids.push(id.to_vec());
        if *id != b">" || serves(ctx, key, &stream, last_id) {
            streams.push((*key, *id));
        }
    }
    if streams.is_empty() {
        options.wait(ctx, args, &ids, true);
        return Ok(());
    }
    if ctx.ready_key.is_some() {
        streams.truncate(1);
    }
    let count = options.most(ctx);
    let (place, mut served) = (ctx.reply.len(), 0);
    for (key, id) in streams {
        let request = Request { key, group, consumer, count, no_ack: options.no_ack };
        // A key that is named twice may have given all it had the first time.
        if id == b">" && !has_new_entries(ctx, &request) {
            continue;
        }
        served += 1;
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        tell_new_consumer(ctx, &request);
        if id == b">" {
            deliver(ctx, &request);
        } else {
            history(ctx, &request, exact_id(id, 0)?);
        }
    }
    ctx.reply.insert(place, format!("*{served}\r\n").as_bytes());
    Ok(())
}

fn has_new_entries(ctx: &Ctx<'_>, request: &Request<'_>) -> bool {
    let stream = stored(ctx, request.key).ok().flatten();
    let group = stream.and_then(|stream| stream.group(request.group).map(|it| (stream, it)));
    group.is_some_and(|(stream, group)| !new_entries(stream, group, 1).is_empty())
}

fn no_group(ctx: &Ctx<'_>, key: &[u8], group: &[u8]) -> CommandError {
    if ctx.ready_key.is_some() {
        let text = "NOGROUP the consumer group this client was blocked on no longer exists";
        return CommandError::Coded(text.into());
    }
    let (key, group) = (printable(key), printable(group));
    CommandError::Coded(format!(
        "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
    ))
}

/// A consumer is made here. With `NOACK` nothing else tells replicas of it.
fn tell_new_consumer(ctx: &mut Ctx<'_>, request: &Request<'_>) {
    let stream = stored(ctx, request.key).ok().flatten();
    let known = stream.and_then(|stream| stream.group(request.group));
    let is_new = known.is_some_and(|it| !it.consumers().contains_key(request.consumer));
    if is_new {
        ctx.effects.new_consumers.push((ctx.db, request.key.to_vec()));
    }
    if request.no_ack && is_new {
        let args: [&[u8]; 5] =
            [b"XGROUP", b"CREATECONSUMER", request.key, request.group, request.consumer];
        lookup::rewrite(ctx, &args);
        ctx.effects.dirty += 1;
    }
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
    if request.no_ack && !entries.is_empty() {
        forward_position(ctx, request.key, request.group, last_id, entries_read);
    } else if !request.no_ack {
        for entry in &entries {
            let consumer = Key::new(request.consumer);
            let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
            // Each says how far the group had read by then.
            forward_claim(ctx, request.key, request.group, entry.id, entry.id, &pending);
        }
    }
    if !entries.is_empty() {
        ctx.effects.dirty += 1;
    }
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
