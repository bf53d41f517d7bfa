//! Taking members out from either end.

use super::super::blocking::{self, Nil};
use super::super::{Args, CommandError, Ctx, Outcome, lookup, number};
use super::{edit, for_write};
use crate::keyspace::{Element, score_text};

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// Takes up to `count` elements out of a set that is there.
fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> Vec<Element> {
    let taken: Vec<Element> = edit(ctx, key, |set| {
        let count = count.min(set.len());
        let ranks = match end {
            End::Min => 0..count,
            End::Max => set.len() - count..set.len(),
        };
        let taken: Vec<Element> = set.range(ranks, end == End::Max).into_iter().cloned().collect();
        for element in &taken {
            set.remove(&element.member);
        }
        taken
    });
    for _ in &taken {
        lookup::changed(ctx, ctx.db, key);
    }
    taken
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Min)
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    pop(ctx, args, End::Max)
}

fn pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Outcome {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.get(2) {
        Some(count) => positive(count, "value is out of range, must be positive", 0)?,
        None => 1,
    };
    let found = for_write(ctx, args[1])?.is_some();
    let taken = if found && count > 0 { take(ctx, args[1], end, count) } else { Vec::new() };
    ctx.reply.array_header(taken.len() * 2);
    for element in taken {
        ctx.reply.bulk(element.member.as_bytes());
        ctx.reply.bulk(score_text(element.score));
    }
    Ok(())
}

/// An integer of at least `min`, or the text that refuses it.
pub(super) fn positive(arg: &[u8], text: &str, min: i64) -> Result<usize, CommandError> {
    let value = number::parse_i64(arg).filter(|value| *value >= min);
    let value = value.and_then(|value| usize::try_from(value).ok());
    value.ok_or_else(|| CommandError::Other(text.into()))
}

/// What `ZMPOP` and `BZMPOP` were asked for.
struct Request<'a, 'b> {
    keys: &'b Args<'a>,
    end: End,
    count: usize,
}

/// `args` begin with the number of keys.
fn request<'a, 'b>(args: &'b Args<'a>) -> Result<Request<'a, 'b>, CommandError> {
    let key_count = positive(args[0], "numkeys should be greater than 0", 1)?;
    let rest = &args[1..];
    if key_count >= rest.len() {
        return Err(CommandError::Syntax);
    }
    let (keys, options) = rest.split_at(key_count);
    let end = match options[0].to_ascii_lowercase().as_slice() {
        b"min" => End::Min,
        b"max" => End::Max,
        _ => return Err(CommandError::Syntax),
    };
    let count = match &options[1..] {
        [] => 1,
        [word, count] if word.eq_ignore_ascii_case(b"count") => {
            positive(count, "count should be greater than 0", 1)?
        }
        _ => return Err(CommandError::Syntax),
    };
    Ok(Request { keys, end, count })
}

/// Pops from one key for a command that names several; the stream is told which.
fn take_from(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: Option<usize>) -> Vec<Element> {
    let taken = take(ctx, key, end, count.unwrap_or(1));
    let name: &[u8] = if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
    let mut digits = itoa::Buffer::new();
    if count.is_some() {
        lookup::rewrite(ctx, &[name, key, digits.format(taken.len()).as_bytes()]);
    } else {
        lookup::rewrite(ctx, &[name, key]);
    }
    taken
}

/// Serves `ZMPOP` from the first of `keys` that there is.
fn pop_several(
    ctx: &mut Ctx<'_>,
    keys: &Args<'_>,
    end: End,
    count: usize,
) -> Result<bool, CommandError> {
    for key in keys {
        if for_write(ctx, key)?.is_none() {
            continue;
        }
        let taken = take_from(ctx, key, end, Some(count));
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        ctx.reply.array_header(taken.len());
        for element in taken {
            ctx.reply.array_header(2);
            ctx.reply.bulk(element.member.as_bytes());
            ctx.reply.bulk(score_text(element.score));
        }
        return Ok(true);
    }
    Ok(false)
}

pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let request = request(&args[1..])?;
    if !pop_several(ctx, request.keys, request.end, request.count)? {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    // Redis looks at the timeout last.
    let request = request(&args[2..])?;
    let deadline = blocking::deadline(ctx, args[1])?;
    let keys = blocking::keys_to_try(ctx, request.keys);
    if !pop_several(ctx, &keys, request.end, request.count)? {
        blocking::block_on(ctx, request.keys, "zset", deadline, Nil::Array);
    }
    Ok(())
}

pub(super) fn bzpopmin(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    blocking_pop(ctx, args, End::Min)
}

pub(super) fn bzpopmax(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    blocking_pop(ctx, args, End::Max)
}

fn blocking_pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Outcome {
    let (keys, timeout) = args[1..].split_at(args.len() - 2);
    let deadline = blocking::deadline(ctx, timeout[0])?;
    for key in blocking::keys_to_try(ctx, keys) {
        if for_write(ctx, key)?.is_none() {
            continue;
        }
        for element in take_from(ctx, key, end, None) {
            ctx.reply.array_header(3);
            ctx.reply.bulk(key);
            ctx.reply.bulk(element.member.as_bytes());
            ctx.reply.bulk(score_text(element.score));
        }
        return Ok(());
    }
    blocking::block_on(ctx, keys, "zset", deadline, Nil::Array);
    Ok(())
}
