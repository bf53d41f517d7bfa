//! `XLEN`, `XRANGE`, `XREVRANGE`, `XREAD`.

use super::args::{exact_id, interval};
use super::{for_read, for_write, other, reply_entry};
use crate::command::{Args, CommandError, Ctx, Outcome, number};
use crate::keyspace::stream::{Entry, StreamId};

pub fn len(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let len = for_read(ctx, args[1])?.map_or(0, |stream| stream.len());
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn range(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    entries(ctx, args, false)
}

pub fn reverse_range(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    entries(ctx, args, true)
}

fn entries(ctx: &mut Ctx<'_>, args: &Args<'_>, reverse: bool) -> Outcome {
    let (start, end) = if reverse { (args[3], args[2]) } else { (args[2], args[3]) };
    let (start, end) = interval(start, end)?;
    let mut count = None;
    for pair in args[4..].chunks(2) {
        match pair {
            [name, value] if name.eq_ignore_ascii_case(b"COUNT") => {
                count = Some(usize::try_from(number::integer(value)?).unwrap_or(0));
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let Some(stream) = for_read(ctx, args[1])? else {
        ctx.reply.array_header(0);
        return Ok(());
    };
    if count == Some(0) {
        ctx.reply.null_array();
        return Ok(());
    }
    let range = stream.range(start, end);
    let count = count.unwrap_or(usize::MAX);
    let found: Vec<&Entry> =
        if reverse { range.rev().take(count).collect() } else { range.take(count).collect() };
    reply_entries(ctx, &found);
    Ok(())
}

pub fn reply_entries(ctx: &mut Ctx<'_>, entries: &[&Entry]) {
    ctx.reply.array_header(entries.len());
    entries.iter().for_each(|entry| reply_entry(ctx, entry));
}

/// The options of `XREAD` and `XREADGROUP`.
pub struct ReadOptions<'a> {
    /// Most entries of each stream; 0: all.
    pub count: usize,
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    /// Not to be acknowledged.
    pub no_ack: bool,
    /// Keys, with the ids as typed.
    pub streams: Pairs<'a>,
}

/// Reads the options of either command.
pub fn options<'a>(args: &Args<'a>, in_group: bool) -> Result<ReadOptions<'a>, CommandError> {
    let mut parsed = ReadOptions { count: 0, group: None, no_ack: false, streams: Vec::new() };
    let mut at = 1;
    while at < args.len() {
        let more = args.len() - 1 - at;
        match args[at].to_ascii_uppercase().as_slice() {
            b"BLOCK" if more > 0 => {
                check_timeout(args[at + 1])?;
                at += 1;
            }
            b"COUNT" if more > 0 => {
                parsed.count = usize::try_from(number::integer(args[at + 1])?).unwrap_or(0);
                at += 1;
            }
            b"STREAMS" if more > 0 => {
                parsed.streams = pairs(&args[at + 1..], in_group)?;
                break;
            }
            b"GROUP" if more >= 2 => {
                if !in_group {
                    return other(
                        "The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    );
                }
                parsed.group = Some((args[at + 1], args[at + 2]));
                at += 2;
            }
            b"NOACK" => {
                if !in_group {
                    return other(
                        "The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    );
                }
                parsed.no_ack = true;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    if parsed.streams.is_empty() {
        return Err(CommandError::Syntax);
    }
    if in_group && parsed.group.is_none() {
        return other("Missing GROUP option for XREADGROUP");
    }
    Ok(parsed)
}

fn check_timeout(text: &[u8]) -> Result<(), CommandError> {
    match number::parse_i64(text) {
        None => other("timeout is not an integer or out of range"),
        Some(..0) => other("timeout is negative"),
        Some(_) => Ok(()),
    }
}

/// Keys, with the ids as typed.
type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

fn pairs<'a>(rest: &Args<'a>, in_group: bool) -> Result<Pairs<'a>, CommandError> {
    if !rest.len().is_multiple_of(2) {
        let mark = "'$'";
        return Err(CommandError::Other(format!(
            "Unbalanced XREAD list of streams: for each stream key an ID or {mark} must be specified."
        )));
    }
    let (keys, ids) = rest.split_at(rest.len() / 2);
    // In a group the key and the group come first.
    if !in_group {
        ids.iter().try_for_each(|id| check_id(id, false))?;
    }
    Ok(keys.iter().copied().zip(ids.iter().copied()).collect())
}

/// Does not wait: `BLOCK` answers as it would when its time is over.
pub fn read(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let options = options(args, false)?;
    let mut found = Vec::new();
    for (key, id) in options.streams {
        let Some(stream) = for_write(ctx, key)? else {
            continue;
        };
        let after = if id == b"$" { stream.last_id() } else { exact_id(id, 0)? };
        if after < stream.last_id()
            && let Some(start) = after.next()
            && !stream.is_empty()
        {
            found.push((key, start, stream));
        }
    }
    found.retain(|(_, start, stream)| stream.range(*start, StreamId::MAX).next().is_some());
    if found.is_empty() {
        ctx.reply.null_array();
        return Ok(());
    }
    ctx.reply.array_header(found.len());
    let count = if options.count == 0 { usize::MAX } else { options.count };
    for (key, start, stream) in &found {
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        let entries: Vec<&Entry> = stream.range(*start, StreamId::MAX).take(count).collect();
        reply_entries(ctx, &entries);
    }
    Ok(())
}

/// Refuses what is no place to read from.
pub fn check_id(id: &[u8], in_group: bool) -> Result<(), CommandError> {
    match id {
        b"$" if in_group => other(
            "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        ),
        b">" if !in_group => other(
            "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        b"$" | b">" => Ok(()),
        id => exact_id(id, 0).map(drop),
    }
}
