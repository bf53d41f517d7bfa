//! `DUMP` and `RESTORE` (Redis: cluster.c).

use super::key_spec::{OVERWRITES, READS, at};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Outcome, lookup, number};
use crate::codec::rdb::{RestoreError, ValueLimits, dump as payload_of, restore as value_of};
use crate::keyspace::RecordedAccess;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[
    Command::new(
        "dump",
        2,
        Flags::READONLY,
        Group::Generic,
        "2.6.0",
        "Returns a value as RDB has it",
        data!(dump),
    )
    .with_keys(&[at(1, READS)]),
    Command::new(
        "restore",
        -4,
        Flags::WRITE.with(Flags::DENYOOM).with(Flags::DANGEROUS),
        Group::Generic,
        "2.6.0",
        "Makes a key of what DUMP returned",
        data!(restore),
    )
    .with_keys(&[at(1, OVERWRITES)]),
    // What MIGRATE sends to the node of a cluster that takes a slot over; it goes on the stream
    // under this name.
    Command::new(
        "restore-asking",
        -4,
        Flags::WRITE.with(Flags::DENYOOM).with(Flags::ASKING).with(Flags::DANGEROUS),
        Group::Generic,
        "3.0.0",
        "Makes a key of what DUMP returned, for a slot that is moved",
        data!(restore),
    )
    .with_keys(&[at(1, OVERWRITES)]),
];

fn dump(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::exists_for_read(ctx, ctx.db, args[1]);
    match ctx.keyspace.get(ctx.db, args[1]).filter(|_| found) {
        Some(value) => ctx.reply.bulk(payload_of(value, true)),
        None => ctx.reply.null_bulk(),
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    access: RecordedAccess,
}

fn options(rest: &Args<'_>) -> Result<Options, CommandError> {
    let mut parsed = Options::default();
    let mut rest = rest.iter();
    while let Some(option) = rest.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"REPLACE" => parsed.replace = true,
            b"ABSTTL" => parsed.absolute = true,
            // One of the two only: after the other it is no option.
            b"IDLETIME" if parsed.access.frequency.is_none() => {
                let seconds = number::integer(rest.next().ok_or(CommandError::Syntax)?)?;
                match u64::try_from(seconds) {
                    Ok(seconds) => parsed.access.idle_seconds = Some(seconds),
                    Err(_) => return refuse("Invalid IDLETIME value, must be >= 0"),
                }
            }
            b"FREQ" if parsed.access.idle_seconds.is_none() => {
                let frequency = number::integer(rest.next().ok_or(CommandError::Syntax)?)?;
                match u8::try_from(frequency) {
                    Ok(frequency) => parsed.access.frequency = Some(frequency),
                    Err(_) => return refuse("Invalid FREQ value, must be >= 0 and <= 255"),
                }
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(parsed)
}

fn refuse<T>(text: &str) -> Result<T, CommandError> {
    Err(CommandError::Other(text.to_owned()))
}

fn restore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, db) = (args[1], ctx.db);
    let options = options(&args[4..])?;
    let existed = lookup::exists(ctx, db, key);
    if existed && !options.replace {
        return Err(CommandError::Coded("BUSYKEY Target key name already exists.".into()));
    }
    let Ok(ttl_ms) = u64::try_from(number::integer(args[2])?) else {
        return refuse("Invalid TTL value, must be >= 0");
    };
    let value = match value_of(args[3], &ValueLimits::from(&*ctx.keyspace)) {
        Ok(value) => value,
        Err(RestoreError::Footer) => {
            return refuse("DUMP payload version or checksum are wrong");
        }
        Err(RestoreError::Content(_)) => return refuse("Bad data format"),
    };
    let base_ms = if options.absolute { 0 } else { ctx.now.unix_ms };
    let deadline_ms = (ttl_ms > 0).then(|| ttl_ms.saturating_add(base_ms));
    ctx.reply.ok();
    let past = deadline_ms.is_some_and(|deadline_ms| deadline_ms <= ctx.now.unix_ms);
    if past && ctx.view == ExpiryView::Delete {
        if existed {
            ctx.keyspace.remove(db, key);
            lookup::changed(ctx, db, key);
            lookup::rewrite(ctx, &[b"DEL", key]);
        }
        return Ok(());
    }
    if existed {
        // A new key in its place: it does not inherit a frequency.
        ctx.keyspace.remove(db, key);
    }
    ctx.keyspace.set(db, key, value, deadline_ms);
    ctx.keyspace.set_recorded_access(db, key, options.access);
    lookup::changed(ctx, db, key);
    if let Some(deadline_ms) = deadline_ms
        && !options.absolute
    {
        let deadline = deadline_ms.to_string();
        let mut forwarded = args.to_vec();
        forwarded[2] = deadline.as_bytes();
        forwarded.push(b"ABSTTL");
        lookup::rewrite(ctx, &forwarded);
    }
    Ok(())
}
