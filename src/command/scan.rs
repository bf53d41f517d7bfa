//! Looking over a whole database: `SCAN`, `KEYS`, `RANDOMKEY`, `DBSIZE` (Redis: db.c).

use rand::Rng;

use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Handler, Outcome, glob, keys, lookup, number};

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    let flags = flags.with(Flags::READONLY);
    Command::new(name, arity, flags, Group::Generic, since, summary, handler)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("keys", 2, Flags::DANGEROUS, "1.0.0", "Returns all keys that match a pattern", data!(keys_matching)),
    row("scan", -2, Flags::NONE, "2.8.0", "Walks over the keys, a few at a time", data!(scan)),
    row("randomkey", 1, Flags::NONE, "1.0.0", "Returns a key picked at random", data!(randomkey)),
    row("dbsize", 1, Flags::FAST, "1.0.0", "Returns the number of keys", data!(dbsize)),
];

/// `COUNT` unless given.
const DEFAULT_COUNT: usize = 10;

fn seen(ctx: &Ctx<'_>, deadline_ms: Option<u64>) -> bool {
    let past = deadline_ms.is_some_and(|deadline| lookup::is_past(deadline, ctx.now.unix_ms));
    !past || ctx.view == ExpiryView::Alive
}

/// Expired keys are left out, and stay.
fn keys_matching(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found: Vec<&[u8]> = ctx
        .keyspace
        .iter(ctx.db)
        .filter(|(key, _, deadline)| seen(ctx, *deadline) && glob::matches(args[1], key))
        .map(|(key, _, _)| key)
        .collect();
    ctx.reply.array_header(found.len());
    for key in found {
        ctx.reply.bulk(key);
    }
    Ok(())
}

/// A cursor as C's `strtoul` reads it: empty is 0, a minus sign counts from the end of `u64`.
pub(super) fn cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = match digits {
        [] if text.is_empty() => Some(0),
        [] => None,
        _ => digits.iter().try_fold(0u64, |value, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            value.checked_mul(10)?.checked_add(u64::from(digit))
        }),
    };
    let value = value.ok_or(CommandError::InvalidCursor)?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// What `SCAN` was asked for.
pub(super) struct ScanOptions<'a> {
    pub(super) count: usize,
    pub(super) pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

/// `TYPE` is for whole databases only.
pub(super) fn scan_options<'a>(
    options: &Args<'a>,
    with_type: bool,
) -> Result<ScanOptions<'a>, CommandError> {
    let mut parsed = ScanOptions { count: DEFAULT_COUNT, pattern: None, type_name: None };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options.next().ok_or(CommandError::Syntax)?;
        match option.to_ascii_uppercase().as_slice() {
            b"COUNT" => {
                let count = number::integer(value)?;
                parsed.count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or(CommandError::Syntax)?;
            }
            b"MATCH" => parsed.pattern = Some(value),
            b"TYPE" if with_type => parsed.type_name = Some(value),
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(parsed)
}

/// Expired keys that match the pattern are removed on sight; those that do not are not looked at.
fn scan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let cursor = cursor(args[1])?;
    let options = scan_options(&args[2..], true)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let next = ctx.keyspace.scan(ctx.db, cursor, options.count, &mut |key| {
        if options.pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
            found.push(key.to_vec());
        }
    });
    found.retain(|key| {
        let exists = match options.type_name {
            Some(_) => lookup::peek_for_read(ctx, ctx.db, key),
            None => lookup::peek(ctx, ctx.db, key),
        };
        let value = ctx.keyspace.get(ctx.db, key).filter(|_| exists);
        value.is_some_and(|value| {
            let name = keys::type_name(value).as_bytes();
            options.type_name.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
        })
    });
    ctx.effects.expired_apart = !ctx.effects.expired.is_empty();
    ctx.reply.array_header(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next));
    ctx.reply.array_header(found.len());
    for key in found {
        ctx.reply.bulk(key);
    }
    Ok(())
}

fn randomkey(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Outcome {
    /// Where expired keys stay, they could be all there is: so a bound on how often to try.
    const TRIES: usize = 100;
    let mut tries = 0;
    let picked = loop {
        let random = &mut *ctx.random;
        let Some(key) = ctx.keyspace.random_key(ctx.db, &mut || random.next_u64()) else {
            break None;
        };
        if lookup::peek(ctx, ctx.db, &key) {
            break Some(key);
        }
        tries += usize::from(ctx.view != ExpiryView::Delete);
        if tries == TRIES {
            let mut keys = ctx.keyspace.iter(ctx.db);
            let live = keys.find(|(_, _, deadline)| seen(ctx, *deadline));
            break live.map(|(key, _, _)| key.to_vec());
        }
    };
    ctx.effects.expired_apart = !ctx.effects.expired.is_empty();
    match picked {
        Some(key) => ctx.reply.bulk(key),
        None => ctx.reply.null_bulk(),
    }
    Ok(())
}

/// Counts expired keys that have not been removed yet.
fn dbsize(ctx: &mut Ctx<'_>, _args: &Args<'_>) -> Outcome {
    let len = ctx.keyspace.len(ctx.db);
    ctx.reply.integer(len as i64);
    Ok(())
}
