//! Strings as numbers: the `INCR` family (Redis: t_string.c).

use super::key_spec::{Keys, READS_UPDATES, at};
use super::long_double::{LongDouble, Parsed};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome, lookup, number};
use crate::keyspace::{StringValue, Value};

const fn row(
    name: &'static str,
    arity: i32,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    const NUMBER: Keys = &[at(1, READS_UPDATES)];
    let flags = Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST);
    Command::new(name, arity, flags, Group::String, since, summary, handler).with_keys(NUMBER)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("incr", 2, "1.0.0", "Adds one to an integer", data!(incr)),
    row("decr", 2, "1.0.0", "Subtracts one from an integer", data!(decr)),
    row("incrby", 3, "1.0.0", "Adds to an integer", data!(incrby)),
    row("decrby", 3, "1.0.0", "Subtracts from an integer", data!(decrby)),
    row("incrbyfloat", 3, "2.6.0", "Adds to a number with a fraction", data!(incrbyfloat)),
];

fn incr(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    add(ctx, args[1], 1)
}

fn decr(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    add(ctx, args[1], -1)
}

fn incrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let amount = number::integer(args[2])?;
    add(ctx, args[1], amount)
}

fn decrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let amount = number::integer(args[2])?;
    let amount = amount.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    add(ctx, args[1], amount)
}

/// Adds to the integer at a key; a missing key counts as 0, a deadline stays.
fn add(ctx: &mut Ctx<'_>, key: &[u8], amount: i64) -> Outcome {
    let found = lookup::exists(ctx, ctx.db, key);
    let before = match lookup::string_found(ctx.keyspace, ctx.db, key, found)? {
        Some(value) => value
            .as_i64()
            .or_else(|| number::parse_i64(&value.bytes()))
            .ok_or(CommandError::NotInteger)?,
        None => 0,
    };
    let after = before.checked_add(amount).ok_or(CommandError::Overflow)?;
    store(ctx, key, found, StringValue::from_integer(after));
    ctx.reply.integer(after);
    Ok(())
}

/// Stores a number; keeps the deadline of a key that was there.
fn store(ctx: &mut Ctx<'_>, key: &[u8], found: bool, number: StringValue) {
    let value = Value::String(number);
    if found {
        ctx.keyspace.update(ctx.db, key, |stored| *stored = value);
    } else {
        ctx.keyspace.set(ctx.db, key, value, None);
    }
    lookup::changed(ctx, ctx.db, key);
}

fn incrbyfloat(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let parse = |bytes: &[u8]| LongDouble::parse(bytes).ok_or(CommandError::NotFloat);
    let found = lookup::exists(ctx, ctx.db, key);
    let before = match lookup::string_found(ctx.keyspace, ctx.db, key, found)? {
        Some(value) => parse(&value.bytes())?,
        None => Parsed::Finite(LongDouble::ZERO),
    };
    let (Parsed::Finite(before), Parsed::Finite(amount)) = (before, parse(args[2])?) else {
        return Err(CommandError::NotFinite);
    };
    let after = before.add(amount).ok_or(CommandError::NotFinite)?;
    let digits = after.to_string();
    store(ctx, key, found, StringValue::unencoded(digits.as_bytes()));
    // As a plain SET, so that no replica has to add as this machine does.
    lookup::rewrite(ctx, &[b"SET", key, digits.as_bytes(), b"KEEPTTL"]);
    ctx.reply.bulk(digits);
    Ok(())
}
