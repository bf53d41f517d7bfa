//! Hashes: fields and their values (Redis: t_hash.c).

use super::key_spec::{DELETES, INSERTS, Keys, LOOKS, READS, READS_UPDATES, UPDATES, at};
use super::long_double::{LongDouble, Parsed};
use super::set::{Ranks, pairs_fit, random_count, random_rank};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, glob, lookup, number, scan};
use crate::keyspace::{HashValue, Key};

const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.with(Flags::FAST);
const GROW_FAST: Flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: super::Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Hash, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("hset", -4, GROW_FAST, &[at(1, UPDATES)], "2.0.0", "Sets fields of a hash", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| set(ctx, args, "hset"))),
    row("hmset", -4, GROW_FAST, &[at(1, UPDATES)], "2.0.0", "Sets fields of a hash (old name of HSET)", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| set(ctx, args, "hmset"))),
    row("hsetnx", 4, GROW_FAST, &[at(1, INSERTS)], "2.0.0", "Sets a field unless it exists", data!(hsetnx)),
    row("hget", 3, READ_FAST, &[at(1, READS)], "2.0.0", "Returns the value of a field", data!(hget)),
    row("hmget", -3, READ_FAST, &[at(1, READS)], "2.0.0", "Returns the values of several fields", data!(hmget)),
    row("hgetall", 2, READ, &[at(1, READS)], "2.0.0", "Returns all fields and values", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| all(ctx, args, true, true))),
    row("hkeys", 2, READ, &[at(1, READS)], "2.0.0", "Returns all fields", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| all(ctx, args, true, false))),
    row("hvals", 2, READ, &[at(1, READS)], "2.0.0", "Returns all values", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| all(ctx, args, false, true))),
    row("hdel", -3, Flags::WRITE.with(Flags::FAST), &[at(1, DELETES)], "2.0.0", "Takes fields out of a hash", data!(hdel)),
    row("hlen", 2, READ_FAST, &[at(1, LOOKS)], "2.0.0", "Returns the number of fields", data!(hlen)),
    row("hstrlen", 3, READ_FAST, &[at(1, LOOKS)], "3.2.0", "Returns the length of a value in bytes", data!(hstrlen)),
    row("hexists", 3, READ_FAST, &[at(1, LOOKS)], "2.0.0", "Tells whether there is such a field", data!(hexists)),
    row("hincrby", 4, GROW_FAST, &[at(1, READS_UPDATES)], "2.0.0", "Adds to the integer in a field", data!(hincrby)),
    row("hincrbyfloat", 4, GROW_FAST, &[at(1, READS_UPDATES)], "2.6.0", "Adds to the number with a fraction in a field", data!(hincrbyfloat)),
    row("hrandfield", -2, READ, &[at(1, READS)], "6.2.0", "Returns fields picked at random", data!(hrandfield)),
    row("hscan", -3, READ, &[at(1, READS)], "2.8.0", "Walks over the fields, a few at a time", data!(hscan)),
];

fn set(ctx: &mut Ctx<'_>, args: &Args<'_>, name: &str) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(name.into()));
    }
    let key = args[1];
    let found = lookup::find::<HashValue>(ctx, key)?;
    let limits = ctx.keyspace.limits;
    let added = lookup::edit_or_create(ctx, key, found, |hash: &mut HashValue| {
        hash.make_room(&args[2..], &limits);
        let pairs = args[2..].chunks_exact(2);
        pairs.filter(|pair| hash.set(pair[0], pair[1], &limits)).count()
    });
    lookup::changed_times(ctx, key, (args.len() - 2) / 2);
    if name == "hset" {
        ctx.reply.integer(added as i64);
    } else {
        ctx.reply.ok();
    }
    Ok(())
}

fn hsetnx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, name, value) = (args[1], args[2], args[3]);
    let found = lookup::find::<HashValue>(ctx, key)?;
    let hash = lookup::collection::<HashValue>(ctx.keyspace, ctx.db, key);
    if found && hash?.is_some_and(|hash| hash.get(name).is_some()) {
        ctx.reply.integer(0);
        return Ok(());
    }
    put(ctx, key, found, name, value);
    ctx.reply.integer(1);
    Ok(())
}

/// Sets one field, noted as one change.
fn put(ctx: &mut Ctx<'_>, key: &[u8], found: bool, name: &[u8], value: &[u8]) {
    let limits = ctx.keyspace.limits;
    lookup::edit_or_create(ctx, key, found, |hash: &mut HashValue| hash.set(name, value, &limits));
    lookup::changed(ctx, ctx.db, key);
}

fn hget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    match found.value.and_then(|hash| hash.get(args[2])) {
        Some(value) => found.reply.bulk(value),
        None => found.reply.null_bulk(),
    }
    Ok(())
}

fn hmget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    found.reply.array_header(args.len() - 2);
    for name in &args[2..] {
        match found.value.and_then(|hash| hash.get(name)) {
            Some(value) => found.reply.bulk(value),
            None => found.reply.null_bulk(),
        }
    }
    Ok(())
}

fn all(ctx: &mut Ctx<'_>, args: &Args<'_>, names: bool, values: bool) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    let each = usize::from(names) + usize::from(values);
    found.reply.array_header(found.value.map_or(0, HashValue::len) * each);
    for (name, value) in found.value.into_iter().flat_map(HashValue::iter) {
        if names {
            found.reply.bulk(name);
        }
        if values {
            found.reply.bulk(value);
        }
    }
    Ok(())
}

fn hdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let mut removed = 0;
    if lookup::find::<HashValue>(ctx, key)? {
        let count = lookup::edit(ctx, key, |hash: &mut HashValue| {
            args[2..].iter().filter(|name| hash.remove(name)).count()
        });
        removed = count.unwrap_or(0);
    }
    if removed > 0 {
        lookup::changed_times(ctx, key, removed);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

fn hlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    found.reply.integer(found.value.map_or(0, HashValue::len) as i64);
    Ok(())
}

fn hstrlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    let value = found.value.and_then(|hash| hash.get(args[2]));
    found.reply.integer(value.map_or(0, |value| value.len()) as i64);
    Ok(())
}

fn hexists(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    let there = found.value.is_some_and(|hash| hash.get(args[2]).is_some());
    found.reply.integer(i64::from(there));
    Ok(())
}

/// The value of a field that is to be changed.
fn before(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(bool, Option<Key>), CommandError> {
    let found = lookup::find::<HashValue>(ctx, args[1])?;
    if !found {
        return Ok((false, None));
    }
    let hash = lookup::collection::<HashValue>(ctx.keyspace, ctx.db, args[1])?;
    Ok((true, hash.and_then(|hash| hash.get(args[2]).cloned())))
}

fn hincrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let amount = number::integer(args[3])?;
    let (found, value) = before(ctx, args)?;
    let value = match value {
        Some(value) => number::parse_i64(&value)
            .ok_or_else(|| CommandError::Other("hash value is not an integer".into()))?,
        None => 0,
    };
    let sum = value.checked_add(amount).ok_or(CommandError::Overflow)?;
    put(ctx, args[1], found, args[2], itoa::Buffer::new().format(sum).as_bytes());
    ctx.reply.integer(sum);
    Ok(())
}

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let other = |text: &str| CommandError::Other(text.into());
    let amount = LongDouble::parse(args[3]).ok_or(CommandError::NotFloat)?;
    let Parsed::Finite(amount) = amount else {
        return Err(other("value is NaN or Infinity"));
    };
    let (found, value) = before(ctx, args)?;
    let value = match value {
        Some(value) => {
            LongDouble::parse(&value).ok_or_else(|| other("hash value is not a float"))?
        }
        None => Parsed::Finite(LongDouble::ZERO),
    };
    let Parsed::Finite(value) = value else {
        return Err(CommandError::NotFinite);
    };
    let sum = value.add(amount).ok_or(CommandError::NotFinite)?.to_string();
    put(ctx, args[1], found, args[2], sum.as_bytes());
    // No replica has to add as this machine does.
    lookup::rewrite(ctx, &[b"HSET", args[1], args[2], sum.as_bytes()]);
    ctx.reply.bulk(sum);
    Ok(())
}

fn hrandfield(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (count, with_values) = match args[2..] {
        [] => (None, false),
        [count] => (Some(random_count(count)?), false),
        [count, option] => {
            let count = random_count(count)?;
            if !option.eq_ignore_ascii_case(b"WITHVALUES") {
                return Err(CommandError::Syntax);
            }
            pairs_fit(count)?;
            (Some(count), true)
        }
        [count, ..] => {
            random_count(count)?;
            return Err(CommandError::Syntax);
        }
    };
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    let len = found.value.map_or(0, HashValue::len);
    let Some(count) = count else {
        let rank = random_rank(found.random, len);
        match found.value.and_then(|hash| hash.at_rank(rank)) {
            Some((name, _)) => found.reply.bulk(name),
            None => found.reply.null_bulk(),
        }
        return Ok(());
    };
    let ranks = Ranks::new(found.random, len, count);
    found.reply.array_header(ranks.expected() * if with_values { 2 } else { 1 });
    let fields: Vec<(&Key, &Key)> = found.value.into_iter().flat_map(HashValue::iter).collect();
    for rank in ranks {
        found.reply.bulk(fields[rank].0);
        if with_values {
            found.reply.bulk(fields[rank].1);
        }
        if found.reply.is_over_limit() {
            break;
        }
    }
    Ok(())
}

fn hscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan::cursor(args[2])?;
    let found = lookup::read::<HashValue>(ctx, args[1])?;
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let mut next = 0;
    if let Some(hash) = found.value {
        let options = scan::scan_options(&args[3..], false)?;
        next = hash.scan(cursor, options.count, &mut |name, value| {
            if options.pattern.is_none_or(|pattern| glob::matches(pattern, name)) {
                texts.push(name.to_vec());
                texts.push(value.to_vec());
            }
        });
    }
    found.reply.array_header(2);
    found.reply.bulk(itoa::Buffer::new().format(next));
    found.reply.array_header(texts.len());
    for text in texts {
        found.reply.bulk(text);
    }
    Ok(())
}
