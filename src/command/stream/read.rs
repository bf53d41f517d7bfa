//! `XLEN`, `XRANGE`, `XREVRANGE`, `XREAD`.

use std::time::Duration;

use super::args::{exact_id, interval};
use super::{for_read, other, reply_entry};
use crate::command::blocking::deadline_ms;
use crate::command::{Args, Block, CommandError, Ctx, Nil, Outcome, number};
use crate::keyspace::StreamValue;
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
    /// Whether to wait if there is nothing, and until when; `Some(None)`: for ever.
    pub block: Option<Option<Duration>>,
    /// Keys, with the ids as typed.
    pub streams: Pairs<'a>,
}

/// Reads the options of either command.
pub fn options<'a>(
    ctx: &Ctx<'_>,
    args: &Args<'a>,
    in_group: bool,
) -> Result<ReadOptions<'a>, CommandError> {
    let mut parsed =
        ReadOptions { count: 0, group: None, no_ack: false, block: None, streams: Vec::new() };
    let mut at = 1;
    while at < args.len() {
        let more = args.len() - 1 - at;
        match args[at].to_ascii_uppercase().as_slice() {
            b"BLOCK" if more > 0 => {
                parsed.block = Some(deadline_ms(ctx, args[at + 1])?);
                at += 1;
            }
            b"COUNT" if more > 0 => {
                parsed.count = usize::try_from(number::integer(args[at + 1])?).unwrap_or(0);
                at += 1;
            }
            b"STREAMS" if more > 0 => {
                parsed.streams = pairs(&args[at + 1..])?;
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

/// Keys, with the ids as typed.
type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

fn pairs<'a>(rest: &Args<'a>) -> Result<Pairs<'a>, CommandError> {
    if !rest.len().is_multiple_of(2) {
        let mark = "'$'";
        return Err(CommandError::Other(format!(
            "Unbalanced XREAD list of streams: for each stream key an ID or {mark} must be specified."
        )));
    }
    let (keys, ids) = rest.split_at(rest.len() / 2);
    Ok(keys.iter().copied().zip(ids.iter().copied()).collect())
}

/// Entries told to one who has waited, without `COUNT` (t_stream.c `XREAD_BLOCKED_DEFAULT_COUNT`).
const WAITED_COUNT: usize = 1000;

impl ReadOptions<'_> {
    /// Most entries of each stream in a reply.
    pub fn most(&self, ctx: &Ctx<'_>) -> usize {
        match self.count {
            0 if ctx.ready_key.is_some() => WAITED_COUNT,
            0 => usize::MAX,
            count => count,
        }
    }

    /// Nothing was found: waits if so wanted, else answers nil. `ids` are those to wait after.
    pub fn wait(&self, ctx: &mut Ctx<'_>, args: &Args<'_>, ids: &[Vec<u8>], group: bool) {
        let Some(deadline) = self.block else {
            ctx.reply.null_array();
            return;
        };
        let keys = self.streams.iter().map(|(key, _)| key.to_vec()).collect();
        let given = &args[..args.len() - ids.len()];
        let again = given.iter().map(|arg| arg.to_vec()).chain(ids.iter().cloned());
        ctx.effects.block = Some(Block {
            keys,
            type_name: "stream",
            deadline,
            refused: Nil::Array,
            when_gone: group.then_some("UNBLOCKED the stream key no longer exists"),
            args: again.collect(),
        });
    }
}

/// Whether this stream has something after an id, and is the one that is ready if there is one.
pub fn serves(ctx: &Ctx<'_>, key: &[u8], stream: &StreamValue, after: StreamId) -> bool {
    let asked = ctx.ready_key.is_none_or(|ready| ready == key);
    let mut rest = after.next().map(|start| stream.range(start, StreamId::MAX));
    asked && rest.as_mut().is_some_and(|rest| rest.next().is_some())
}

pub fn read(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let options = options(ctx, args, false)?;
    let (mut found, mut ids) = (Vec::new(), Vec::new());
    for (key, id) in &options.streams {
        let stream = for_read(ctx, key)?;
        check_id(id, false)?;
        let after = match (*id, &stream) {
            (b"$", Some(stream)) => stream.last_id(),
            (b"$", None) => StreamId::MIN,
            (id, _) => exact_id(id, 0)?,
        };
        ids.push(after.to_string().into_bytes());
        if let Some(stream) = stream.filter(|stream| serves(ctx, key, stream, after)) {
            found.push((*key, after, stream));
        }
    }
    if found.is_empty() {
        options.wait(ctx, args, &ids, false);
        return Ok(());
    }
    if ctx.ready_key.is_some() {
        found.truncate(1);
    }
    let most = options.most(ctx);
    ctx.reply.array_header(found.len());
    for (key, after, stream) in &found {
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        let start = after.next().unwrap_or(StreamId::MAX);
        let entries: Vec<&Entry> = stream.range(start, StreamId::MAX).take(most).collect();
        reply_entries(ctx, &entries);
    }
    Ok(())
}

/// Refuses what is no place to read from; to be asked after the key was looked up.
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
