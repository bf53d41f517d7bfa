//! Deadlines of keys: setting, clearing and asking for them (Redis: expire.c).

use super::key_spec::{Keys, READS, UPDATES, at};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Handler, Outcome, lookup, number, printable};

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    let flags = flags.with(Flags::FAST);
    Command::new(name, arity, flags, Group::Generic, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("expire", -3, Flags::WRITE, &[at(1, UPDATES)], "1.0.0", "Sets the time to live of a key in seconds", data!(|c: &mut Ctx<'_>, a: &Args<'_>| expire(c, a, &EXPIRE))),
    row("pexpire", -3, Flags::WRITE, &[at(1, UPDATES)], "2.6.0", "Sets the time to live of a key in milliseconds", data!(|c: &mut Ctx<'_>, a: &Args<'_>| expire(c, a, &PEXPIRE))),
    row("expireat", -3, Flags::WRITE, &[at(1, UPDATES)], "1.2.0", "Sets the deadline of a key in seconds since 1970", data!(|c: &mut Ctx<'_>, a: &Args<'_>| expire(c, a, &EXPIREAT))),
    row("pexpireat", -3, Flags::WRITE, &[at(1, UPDATES)], "2.6.0", "Sets the deadline of a key in milliseconds since 1970", data!(|c: &mut Ctx<'_>, a: &Args<'_>| expire(c, a, &PEXPIREAT))),
    row("persist", 2, Flags::WRITE, &[at(1, UPDATES)], "2.2.0", "Clears the deadline of a key", data!(persist)),
    row("ttl", 2, Flags::READONLY, &[at(1, READS)], "1.0.0", "Returns the time to live of a key in seconds", data!(|c: &mut Ctx<'_>, a: &Args<'_>| remaining(c, a, true, seconds))),
    row("pttl", 2, Flags::READONLY, &[at(1, READS)], "2.6.0", "Returns the time to live of a key in milliseconds", data!(|c: &mut Ctx<'_>, a: &Args<'_>| remaining(c, a, true, identity))),
    row("expiretime", 2, Flags::READONLY, &[at(1, READS)], "7.0.0", "Returns the deadline of a key in seconds since 1970", data!(|c: &mut Ctx<'_>, a: &Args<'_>| remaining(c, a, false, seconds))),
    row("pexpiretime", 2, Flags::READONLY, &[at(1, READS)], "7.0.0", "Returns the deadline of a key in milliseconds since 1970", data!(|c: &mut Ctx<'_>, a: &Args<'_>| remaining(c, a, false, identity))),
];

/// One of the four ways to give a deadline.
struct Form {
    command: &'static str,
    unit_ms: i64,
    absolute: bool,
}

const EXPIRE: Form = Form { command: "expire", unit_ms: 1000, absolute: false };
const PEXPIRE: Form = Form { command: "pexpire", unit_ms: 1, absolute: false };
const EXPIREAT: Form = Form { command: "expireat", unit_ms: 1000, absolute: true };
const PEXPIREAT: Form = Form { command: "pexpireat", unit_ms: 1, absolute: true };

/// `NX XX GT LT`: when to change a deadline.
#[derive(Default)]
struct Conditions {
    without: bool,
    with: bool,
    later: bool,
    earlier: bool,
}

impl Conditions {
    fn parse(options: &Args<'_>) -> Result<Conditions, CommandError> {
        let mut parsed = Conditions::default();
        for option in options {
            let flag = match option.to_ascii_uppercase().as_slice() {
                b"NX" => &mut parsed.without,
                b"XX" => &mut parsed.with,
                b"GT" => &mut parsed.later,
                b"LT" => &mut parsed.earlier,
                _ => {
                    let text = format!("Unsupported option {}", printable(option));
                    return Err(CommandError::Other(text));
                }
            };
            *flag = true;
        }
        let refuse = |text: &str| Err(CommandError::Other(text.to_owned()));
        if parsed.without && (parsed.with || parsed.later || parsed.earlier) {
            return refuse("NX and XX, GT or LT options at the same time are not compatible");
        }
        if parsed.later && parsed.earlier {
            return refuse("GT and LT options at the same time are not compatible");
        }
        Ok(parsed)
    }

    /// No deadline is later than every deadline.
    fn allow(&self, current_ms: Option<u64>, wanted_ms: i64) -> bool {
        let wanted_ms = i128::from(wanted_ms);
        let current_ms = current_ms.map(i128::from);
        let end = current_ms.unwrap_or(i128::MAX);
        !(self.without && current_ms.is_some()
            || self.with && current_ms.is_none()
            || self.later && wanted_ms <= end
            || self.earlier && wanted_ms >= end)
    }
}

fn deadline_ms(ctx: &Ctx<'_>, amount: i64, form: &Form) -> Result<i64, CommandError> {
    let base_ms = if form.absolute { 0 } else { ctx.now.unix_ms };
    amount
        .checked_mul(form.unit_ms)
        .and_then(|ms| ms.checked_add(i64::try_from(base_ms).ok()?))
        .ok_or_else(|| CommandError::ExpireTime(form.command.to_owned()))
}

fn expire(ctx: &mut Ctx<'_>, args: &Args<'_>, form: &Form) -> Outcome {
    let (key, db) = (args[1], ctx.db);
    let conditions = Conditions::parse(&args[3..])?;
    let deadline = deadline_ms(ctx, number::integer(args[2])?, form)?;
    let allowed =
        lookup::exists(ctx, db, key) && conditions.allow(ctx.keyspace.expiry(db, key), deadline);
    ctx.reply.integer(i64::from(allowed));
    if !allowed {
        return Ok(());
    }
    lookup::changed(ctx, db, key);
    // Only a master deletes at once. What comes on the stream is stored as it is.
    let past = i128::from(deadline) <= i128::from(ctx.now.unix_ms);
    if past && ctx.view == ExpiryView::Delete {
        ctx.keyspace.remove(db, key);
        lookup::rewrite(ctx, &[b"DEL", key]);
        return Ok(());
    }
    // A deadline before 1970 is as past as 1970.
    let stored = u64::try_from(deadline).unwrap_or(0);
    ctx.keyspace.set_expiry(db, key, Some(stored));
    if !(form.absolute && form.unit_ms == 1) {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline).as_bytes();
        let mut rewritten = args.to_vec();
        rewritten[0] = b"PEXPIREAT";
        rewritten[2] = deadline;
        lookup::rewrite(ctx, &rewritten);
    }
    Ok(())
}

fn persist(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, db) = (args[1], ctx.db);
    let cleared = lookup::exists(ctx, db, key) && ctx.keyspace.expiry(db, key).is_some();
    if cleared {
        ctx.keyspace.set_expiry(db, key, None);
        lookup::changed(ctx, db, key);
    }
    ctx.reply.integer(i64::from(cleared));
    Ok(())
}

fn identity(ms: u64) -> u64 {
    ms
}

/// To the nearest second.
fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// The deadline, or what is left of it; -2: no key, -1: no deadline.
fn remaining(ctx: &mut Ctx<'_>, args: &Args<'_>, relative: bool, unit: fn(u64) -> u64) -> Outcome {
    let (key, db) = (args[1], ctx.db);
    let reply = if !lookup::peek_for_read(ctx, db, key) {
        -2
    } else if let Some(deadline) = ctx.keyspace.expiry(db, key) {
        let base_ms = if relative { ctx.now.unix_ms } else { 0 };
        i64::try_from(unit(deadline.saturating_sub(base_ms))).unwrap_or(i64::MAX)
    } else {
        -1
    };
    ctx.reply.integer(reply);
    Ok(())
}
