//! HyperLogLogs: how many different elements there were, in 12 KiB (Redis: hyperloglog.c). They
//! are strings, whose bytes are those that Redis makes.

mod debug;
mod sketch;

use super::key_spec::{INSERTS, KeyFlags, Keys, READS, all_from, at};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome, lookup};
use crate::keyspace::{StringValue, Value};
use sketch::{Registers, Sketch};

const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    summary: &'static str,
    handler: Handler,
) -> Command {
    let (group, since) = (Group::HyperLogLog, "2.8.9");
    Command::new(name, arity, flags, group, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("pfadd", -2, GROW.with(Flags::FAST), &[at(1, INSERTS)], "Adds elements to a HyperLogLog", data!(pfadd)),
    row("pfcount", -2, Flags::READONLY.with(Flags::MAY_REPLICATE), &[all_from(1, KeyFlags::RW.with(KeyFlags::ACCESS))], "Estimates how many different elements there are", data!(pfcount)),
    row("pfmerge", -2, GROW, &[at(1, INSERTS.with(KeyFlags::ACCESS)), all_from(2, READS)], "Stores the union of HyperLogLogs", data!(pfmerge)),
    row("pfdebug", 3, GROW.with(Flags::ADMIN), &[at(2, KeyFlags::RW.with(KeyFlags::ACCESS))], "Shows what is inside of a HyperLogLog", data!(debug::pfdebug)),
    row("pfselftest", 1, Flags::ADMIN, &[], "Tests whether HyperLogLogs count right", data!(debug::pfselftest)),
];

/// Looks the sketch at a key up, for a read or for a write.
fn sketch(ctx: &mut Ctx<'_>, key: &[u8], read: bool) -> Result<Option<Sketch>, CommandError> {
    let found = if read {
        lookup::exists_for_read(ctx, ctx.db, key)
    } else {
        lookup::exists(ctx, ctx.db, key)
    };
    let string = lookup::string_found(ctx.keyspace, ctx.db, key, found)?;
    let parsed = string.map(|string| string.with_bytes(Sketch::parse));
    match parsed {
        None => Ok(None),
        Some(Some(sketch)) => Ok(Some(sketch)),
        Some(None) => Err(CommandError::NotHyperLogLog),
    }
}

/// Puts a sketch back; a deadline stays.
fn put(ctx: &mut Ctx<'_>, key: &[u8], sketch: Sketch, existed: bool) {
    let deadline = existed.then(|| ctx.keyspace.expiry(ctx.db, key)).flatten();
    let value = Value::String(StringValue::made(sketch.into_bytes()));
    ctx.keyspace.set(ctx.db, key, value, deadline);
}

fn pfadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let stored = sketch(ctx, args[1], false)?;
    let existed = stored.is_some();
    let mut sketch = stored.unwrap_or_else(Sketch::new);
    let mut updates = u64::from(!existed);
    let limit = ctx.keyspace.hll_sparse_max_bytes;
    for element in &args[2..] {
        updates += u64::from(sketch.add(element, limit).ok_or(CommandError::CorruptHyperLogLog)?);
    }
    if updates > 0 {
        sketch.forget_count();
        put(ctx, args[1], sketch, existed);
        for _ in 0..updates {
            lookup::changed(ctx, ctx.db, args[1]);
        }
    }
    ctx.reply.integer(i64::from(updates > 0));
    Ok(())
}

fn pfcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if let [_, key] = args {
        let Some(mut sketch) = sketch(ctx, key, true)? else {
            ctx.reply.integer(0);
            return Ok(());
        };
        if let Some(count) = sketch.cached_count() {
            ctx.reply.integer(count as i64);
            return Ok(());
        }
        let registers = sketch.registers().ok_or(CommandError::CorruptHyperLogLog)?;
        let count = registers.count();
        // On a replica too, as in Redis: until the next write its bytes differ from its master's.
        sketch.keep_count(count);
        put(ctx, key, sketch, true);
        lookup::changed(ctx, ctx.db, key);
        ctx.reply.integer(count as i64);
        return Ok(());
    }
    let mut union = Registers::new();
    for key in &args[1..] {
        if let Some(sketch) = sketch(ctx, key, true)? {
            union.merge(&sketch.registers().ok_or(CommandError::CorruptHyperLogLog)?);
        }
    }
    ctx.reply.integer(union.count() as i64);
    Ok(())
}

fn pfmerge(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let mut union = Registers::new();
    let mut dense = false;
    for key in &args[1..] {
        if let Some(sketch) = sketch(ctx, key, true)? {
            dense |= sketch.is_dense();
            union.merge(&sketch.registers().ok_or(CommandError::CorruptHyperLogLog)?);
        }
    }
    let stored = sketch(ctx, args[1], false)?;
    let existed = stored.is_some();
    let mut target = stored.unwrap_or_else(Sketch::new);
    if dense {
        target.promote().ok_or(CommandError::CorruptHyperLogLog)?;
    }
    let limit = ctx.keyspace.hll_sparse_max_bytes;
    for (index, value) in union.iter().enumerate().filter(|(_, value)| *value > 0) {
        target.raise(index, value, limit).ok_or(CommandError::CorruptHyperLogLog)?;
    }
    target.forget_count();
    put(ctx, args[1], target, existed);
    lookup::changed(ctx, ctx.db, args[1]);
    ctx.reply.ok();
    Ok(())
}
