//! `XCLAIM` and `XAUTOCLAIM`: each entry claimed goes on the stream as an `XCLAIM` of its own.

use super::args::{exact_id, start};
use super::readgroup::forward_position;
use super::{change, for_write, no_group, other, reply_entry, reply_id};
use crate::command::{Args, CommandError, Ctx, Outcome, lookup, number, printable};
use crate::keyspace::stream::{Entry, Pending, StreamId};
use crate::keyspace::{Key, StreamValue};

/// What there is to say of one entry.
enum Claimed {
    /// It belongs to its new consumer.
    Entry(Entry, Pending),
    /// It is not in the stream any more, and so not pending either.
    Gone(StreamId, Pending),
}

/// `XCLAIM` for the stream, with everything it decides spelled out.
pub fn forward_claim(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    group: &[u8],
    id: StreamId,
    last_id: StreamId,
    pending: &Pending,
) {
    let (id, last_id) = (id.to_string(), last_id.to_string());
    let (time, count) = (pending.delivered_ms.to_string(), pending.deliveries.to_string());
    let args: [&[u8]; 14] = [
        b"XCLAIM",
        key,
        group,
        &pending.consumer,
        b"0",
        id.as_bytes(),
        b"TIME",
        time.as_bytes(),
        b"RETRYCOUNT",
        count.as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.as_bytes(),
    ];
    lookup::rewrite(ctx, &args);
}

#[derive(Default)]
struct Options {
    ids: Vec<StreamId>,
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    only_ids: bool,
    last_id: Option<StreamId>,
}

fn claim_options(ctx: &Ctx<'_>, args: &Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 5;
    while let Some(id) = args.get(at).and_then(|text| exact_id(text, 0).ok()) {
        options.ids.push(id);
        at += 1;
    }
    while at < args.len() {
        let value = args.get(at + 1);
        match (args[at].to_ascii_uppercase().as_slice(), value) {
            (b"FORCE", _) => options.force = true,
            (b"JUSTID", _) => options.only_ids = true,
            (b"IDLE", Some(value)) => {
                let idle = number::parse_i64(value)
                    .map_or_else(|| other("Invalid IDLE option argument for XCLAIM"), Ok)?;
                options.delivered_ms = Some((ctx.now.unix_ms as i64).saturating_sub(idle));
                at += 1;
            }
            (b"TIME", Some(value)) => {
                options.delivered_ms = Some(
                    number::parse_i64(value)
                        .map_or_else(|| other("Invalid TIME option argument for XCLAIM"), Ok)?,
                );
                at += 1;
            }
            (b"RETRYCOUNT", Some(value)) => {
                let Some(count) = number::parse_i64(value) else {
                    return other("Invalid RETRYCOUNT option argument for XCLAIM");
                };
                // A negative one stands for none.
                options.deliveries = u64::try_from(count).ok();
                at += 1;
            }
            (b"LASTID", Some(value)) => {
                options.last_id = Some(exact_id(value, 0)?);
                at += 1;
            }
            _ => {
                let text = format!("Unrecognized XCLAIM option '{}'", printable(args[at]));
                return Err(CommandError::Other(text));
            }
        }
        at += 1;
    }
    Ok(options)
}

fn min_idle(text: &[u8], command: &str) -> Result<u64, CommandError> {
    match number::parse_i64(text) {
        Some(idle) => Ok(u64::try_from(idle).unwrap_or(0)),
        None => other(&format!("Invalid min-idle-time argument for {command}")),
    }
}

/// Gives one pending entry to a consumer; `None`: it stays as it is.
fn claim_one(
    stream: &mut StreamValue,
    args: &Args<'_>,
    (id, idle_ms, now_ms): (StreamId, u64, u64),
    options: &Options,
) -> Option<Claimed> {
    let entry = stream.get(id).cloned();
    let group = stream.group_mut(args[2])?;
    let old = group.pending().get(&id).cloned();
    let Some(entry) = entry else {
        let old = old?;
        group.acknowledge(id);
        return Some(Claimed::Gone(id, old));
    };
    if old.is_none() && !options.force {
        return None;
    }
    if old.as_ref().is_some_and(|old| now_ms.saturating_sub(old.delivered_ms) < idle_ms) {
        return None;
    }
    group.create_consumer(args[3], now_ms);
    group.saw(args[3], now_ms);
    let before = old.map_or(1, |old| old.deliveries);
    let again = u64::from(!options.only_ids);
    let wanted = options.delivered_ms.and_then(|ms| u64::try_from(ms).ok());
    let pending = Pending {
        consumer: Key::new(args[3]),
        delivered_ms: wanted.filter(|ms| *ms <= now_ms).unwrap_or(now_ms),
        deliveries: options.deliveries.unwrap_or(before + again),
    };
    group.deliver(id, pending.clone());
    Some(Claimed::Entry(entry, pending))
}

fn check_group(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<StreamValue, CommandError> {
    let stream = for_write(ctx, args[1])?;
    match stream {
        Some(stream) if stream.group(args[2]).is_some() => Ok(stream),
        _ => Err(no_group(args[1], args[2])),
    }
}

/// Whether the consumer who claims is there already.
fn is_known(stream: &StreamValue, args: &Args<'_>) -> bool {
    stream.group(args[2]).is_some_and(|group| group.consumers().contains_key(args[3]))
}

/// Who claims something comes into being with it.
fn tell_new_consumer(ctx: &mut Ctx<'_>, args: &Args<'_>, known: bool, claimed: &[Claimed]) {
    if !known && claimed.iter().any(|claim| matches!(claim, Claimed::Entry(..))) {
        ctx.effects.new_consumers.push((ctx.db, args[1].to_vec()));
    }
}

fn forward_all(ctx: &mut Ctx<'_>, args: &Args<'_>, last_id: StreamId, claimed: &[Claimed]) {
    for claim in claimed {
        let (id, pending) = match claim {
            Claimed::Entry(entry, pending) => (entry.id, pending),
            Claimed::Gone(id, pending) => (*id, pending),
        };
        forward_claim(ctx, args[1], args[2], id, last_id, pending);
        ctx.effects.dirty += 1;
    }
}

fn reply_claimed(ctx: &mut Ctx<'_>, claimed: &[Claimed], only_ids: bool) {
    let entries: Vec<&Entry> = claimed
        .iter()
        .filter_map(|claim| match claim {
            Claimed::Entry(entry, _) => Some(entry),
            Claimed::Gone(..) => None,
        })
        .collect();
    ctx.reply.array_header(entries.len());
    for entry in entries {
        if only_ids {
            reply_id(ctx, entry.id);
        } else {
            reply_entry(ctx, entry);
        }
    }
}

pub fn claim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let known = is_known(&check_group(ctx, args)?, args);
    let idle_ms = min_idle(args[4], "XCLAIM")?;
    let options = claim_options(ctx, args)?;
    let now_ms = ctx.now.unix_ms;
    let claimed = change(ctx, args[1], |stream| {
        let mut advanced = false;
        if let (Some(last), Some(group)) = (options.last_id, stream.group_mut(args[2]))
            && last > group.last_id
        {
            group.last_id = last;
            advanced = true;
        }
        let claimed: Vec<Claimed> = options
            .ids
            .iter()
            .filter_map(|id| claim_one(stream, args, (*id, idle_ms, now_ms), &options))
            .collect();
        let group = stream.group(args[2]).map(|group| (group.last_id, group.entries_read));
        (claimed, advanced, group.unwrap_or_default())
    });
    let Some((claimed, advanced, (last_id, entries_read))) = claimed else {
        return Ok(());
    };
    tell_new_consumer(ctx, args, known, &claimed);
    forward_all(ctx, args, last_id, &claimed);
    if advanced && claimed.is_empty() {
        forward_position(ctx, args[1], args[2], last_id, entries_read);
        ctx.effects.dirty += 1;
    }
    reply_claimed(ctx, &claimed, options.only_ids);
    Ok(())
}

pub fn autoclaim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    /// Pending entries looked at for each one wanted.
    const ATTEMPTS_EACH: usize = 10;
    /// Largest `COUNT` (`LONG_MAX` by the size of an id, and by the attempts).
    const COUNT_MAX: i64 = i64::MAX / 16;
    let idle_ms = min_idle(args[4], "XAUTOCLAIM")?;
    let from = start(args[5])?;
    let (mut count, mut options) = (100_usize, Options::default());
    let mut rest = args[6..].iter();
    while let Some(option) = rest.next() {
        if option.eq_ignore_ascii_case(b"JUSTID") {
            options.only_ids = true;
        } else if option.eq_ignore_ascii_case(b"COUNT")
            && let Some(value) = rest.next()
        {
            match number::parse_i64(value) {
                Some(wanted @ 1..=COUNT_MAX) => count = wanted as usize,
                _ => return other("COUNT must be > 0"),
            }
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let stream = check_group(ctx, args)?;
    let Some(group) = stream.group(args[2]) else {
        return Err(no_group(args[1], args[2]));
    };
    let last_id = group.last_id;
    let pending = group.pending().clone();
    let known = is_known(&stream, args);
    drop(stream);
    let now_ms = ctx.now.unix_ms;
    let mut waiting = pending.range(from..).map(|(id, _)| *id);
    let mut claimed = Vec::new();
    let attempts = count.saturating_mul(ATTEMPTS_EACH);
    for id in waiting.by_ref().take(attempts) {
        let one =
            change(ctx, args[1], |stream| claim_one(stream, args, (id, idle_ms, now_ms), &options));
        claimed.extend(one.flatten());
        if claimed.len() == count {
            break;
        }
    }
    let next = waiting.next().unwrap_or(StreamId::MIN);
    ctx.reply.array_header(3);
    reply_id(ctx, next);
    reply_claimed(ctx, &claimed, options.only_ids);
    let gone: Vec<StreamId> = claimed
        .iter()
        .filter_map(|claim| match claim {
            Claimed::Gone(id, _) => Some(*id),
            Claimed::Entry(..) => None,
        })
        .collect();
    ctx.reply.array_header(gone.len());
    gone.into_iter().for_each(|id| reply_id(ctx, id));
    tell_new_consumer(ctx, args, known, &claimed);
    forward_all(ctx, args, last_id, &claimed);
    Ok(())
}
