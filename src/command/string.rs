//! Strings: setting and getting them whole and in parts (Redis: t_string.c).
//!
//! What goes on the stream never depends on the clock of the node that applies it: every
//! relative time to live is propagated as the absolute deadline it had here.

use std::ops::Range;

use super::key_spec::{
    CREATES, INSERTS, KeyFlags, Keys, LOOKS, OVERWRITES, READS, READS_DELETES, READS_UPDATES,
    UPDATES, all_from, at, pairs_from,
};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Outcome, lookup, number};
use crate::keyspace::{StringValue, Value};

const READ_FAST: Flags = Flags::READONLY.with(Flags::FAST);
const WRITE_FAST: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const GROW_FAST: Flags = GROW.with(Flags::FAST);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: super::Handler,
) -> Command {
    Command::new(name, arity, flags, Group::String, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("set", -3, GROW, &[at(1, READS_UPDATES).depending(set_key)], "1.0.0", "Stores a string, with conditions and a deadline if wanted", data!(set)),
    row("setnx", 3, GROW_FAST, &[at(1, CREATES)], "1.0.0", "Stores a string unless the key exists", data!(setnx)),
    row("setex", 4, GROW, &[at(1, OVERWRITES)], "2.0.0", "Stores a string and its time to live in seconds", data!(setex)),
    row("psetex", 4, GROW, &[at(1, OVERWRITES)], "2.6.0", "Stores a string and its time to live in milliseconds", data!(psetex)),
    row("get", 2, READ_FAST, &[at(1, READS)], "1.0.0", "Returns a string", data!(get)),
    row("getex", -2, WRITE_FAST, &[at(1, READS_UPDATES)], "6.2.0", "Returns a string and sets or clears its deadline", data!(getex)),
    row("getdel", 2, WRITE_FAST, &[at(1, READS_DELETES)], "6.2.0", "Returns a string and deletes it", data!(getdel)),
    row("getset", 3, GROW_FAST, &[at(1, READS_UPDATES)], "1.0.0", "Stores a string and returns the one before", data!(getset)),
    row("mget", -2, READ_FAST, &[all_from(1, READS)], "1.0.0", "Returns the strings of several keys", data!(mget)),
    row("mset", -3, GROW, &[pairs_from(1, OVERWRITES)], "1.0.1", "Stores several strings at once", data!(mset)),
    row("msetnx", -3, GROW, &[pairs_from(1, CREATES)], "1.0.1", "Stores several strings at once, unless one of the keys exists", data!(msetnx)),
    row("append", 3, GROW_FAST, &[at(1, INSERTS)], "2.0.0", "Appends to a string, which is empty at first", data!(append)),
    row("strlen", 2, READ_FAST, &[at(1, LOOKS)], "2.2.0", "Returns the length of a string in bytes", data!(strlen)),
    row("setrange", 4, GROW, &[at(1, UPDATES)], "2.2.0", "Overwrites a string from an offset on", data!(setrange)),
    row("getrange", 4, Flags::READONLY, &[at(1, READS)], "2.4.0", "Returns a part of a string", data!(getrange)),
    row("substr", 4, Flags::READONLY, &[at(1, READS)], "1.0.0", "Returns a part of a string (old name of GETRANGE)", data!(getrange)),
];

/// `SET` reads what was there only with `GET`.
fn set_key(args: &Args<'_>) -> KeyFlags {
    let get = args.iter().skip(3).any(|option| option.eq_ignore_ascii_case(b"GET"));
    if get { READS_UPDATES } else { OVERWRITES }
}

/// Longest string a client may make (the default of `proto-max-bulk-len`), bytes.
pub(super) const MAX_STRING_BYTES: usize = 512 * 1024 * 1024;

/// What becomes of the deadline of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ttl<'a> {
    /// Nothing was said.
    Unsaid,
    /// `KEEPTTL`.
    Keep,
    /// `PERSIST`.
    Persist,
    /// `EX`, `PX`, `EXAT`, `PXAT` and the number that followed.
    Until(Unit, &'a [u8]),
}

/// How a time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    ms: i64,
    absolute: bool,
}

impl Unit {
    const EX: Unit = Unit { ms: 1000, absolute: false };
    const PX: Unit = Unit { ms: 1, absolute: false };

    fn named(option: &[u8]) -> Option<Unit> {
        let (name, absolute) = match option.len() {
            2 => (option, false),
            4 if option[2..].eq_ignore_ascii_case(b"AT") => (&option[..2], true),
            _ => return None,
        };
        let ms = if name.eq_ignore_ascii_case(b"EX") {
            1000
        } else if name.eq_ignore_ascii_case(b"PX") {
            1
        } else {
            return None;
        };
        Some(Unit { ms, absolute })
    }
}

/// The deadline in ms since 1970; must be after 1970 (t_string.c `getExpireMillisecondsOrReply`).
fn deadline_ms(
    ctx: &Ctx<'_>,
    unit: Unit,
    amount: &[u8],
    command: &str,
) -> Result<u64, CommandError> {
    let amount = number::integer(amount)?;
    let base_ms = if unit.absolute { 0 } else { ctx.now.unix_ms };
    Some(amount)
        .filter(|amount| *amount > 0)
        .and_then(|amount| amount.checked_mul(unit.ms))
        .and_then(|ms| ms.checked_add(i64::try_from(base_ms).ok()?))
        .and_then(|ms| u64::try_from(ms).ok())
        .ok_or_else(|| CommandError::ExpireTime(command.to_owned()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Missing,
    Present,
}

struct SetOptions<'a> {
    ttl: Ttl<'a>,
    condition: Option<Condition>,
    get: bool,
}

fn set_options<'a>(options: &Args<'a>) -> Result<SetOptions<'a>, CommandError> {
    let mut parsed = SetOptions { ttl: Ttl::Unsaid, condition: None, get: false };
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
        if is("NX") && parsed.condition != Some(Condition::Present) {
            parsed.condition = Some(Condition::Missing);
        } else if is("XX") && parsed.condition != Some(Condition::Missing) {
            parsed.condition = Some(Condition::Present);
        } else if is("GET") {
            parsed.get = true;
        } else if is("KEEPTTL") && matches!(parsed.ttl, Ttl::Unsaid | Ttl::Keep) {
            parsed.ttl = Ttl::Keep;
        } else {
            parsed.ttl = until_option(parsed.ttl, option, rest.next())?;
        }
    }
    Ok(parsed)
}

/// `EX` and its like; the same one may come twice (the last counts), two different ones may not.
fn until_option<'a>(
    before: Ttl<'a>,
    option: &[u8],
    amount: Option<&&'a [u8]>,
) -> Result<Ttl<'a>, CommandError> {
    match (Unit::named(option), amount, before) {
        (Some(unit), Some(amount), Ttl::Unsaid) => Ok(Ttl::Until(unit, amount)),
        (Some(unit), Some(amount), Ttl::Until(other, _)) if unit == other => {
            Ok(Ttl::Until(unit, amount))
        }
        _ => Err(CommandError::Syntax),
    }
}

fn set(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, value) = (args[1], args[2]);
    let options = set_options(&args[3..])?;
    let deadline = match options.ttl {
        Ttl::Until(unit, amount) => Some(deadline_ms(ctx, unit, amount, "set")?),
        Ttl::Unsaid | Ttl::Keep | Ttl::Persist => None,
    };
    if options.get {
        get(ctx, args)?;
    }
    let found = lookup::exists(ctx, ctx.db, key);
    let wanted = match options.condition {
        None => true,
        Some(Condition::Missing) => !found,
        Some(Condition::Present) => found,
    };
    if !wanted {
        if !options.get {
            ctx.reply.null_bulk();
        }
        return Ok(());
    }
    let kept =
        (options.ttl == Ttl::Keep && found).then(|| ctx.keyspace.expiry(ctx.db, key)).flatten();
    put(ctx, key, value, deadline.or(kept));
    if let Some(deadline) = deadline {
        rewrite_set_until(ctx, key, value, deadline);
    } else if options.get {
        // A replica has nobody to tell the old value to.
        let without_get =
            |(at, arg): &(usize, &&[u8])| *at < 3 || !arg.eq_ignore_ascii_case(b"GET");
        let args: Vec<&[u8]> =
            args.iter().enumerate().filter(without_get).map(|(_, arg)| *arg).collect();
        lookup::rewrite(ctx, &args);
    }
    if !options.get {
        ctx.reply.ok();
    }
    Ok(())
}

/// Stores a string and notes the change.
fn put(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], deadline: Option<u64>) {
    let value = Value::String(StringValue::new(value));
    ctx.keyspace.set(ctx.db, key, value, deadline);
    lookup::changed(ctx, ctx.db, key);
}

fn rewrite_set_until(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8], deadline: u64) {
    let mut digits = itoa::Buffer::new();
    let deadline = digits.format(deadline).as_bytes();
    lookup::rewrite(ctx, &[b"SET", key, value, b"PXAT", deadline]);
}

fn setnx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::exists(ctx, ctx.db, args[1]);
    if !found {
        put(ctx, args[1], args[2], None);
    }
    ctx.reply.integer(i64::from(!found));
    Ok(())
}

fn setex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    set_for(ctx, args, Unit::EX, "setex")
}

fn psetex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    set_for(ctx, args, Unit::PX, "psetex")
}

fn set_for(ctx: &mut Ctx<'_>, args: &Args<'_>, unit: Unit, command: &str) -> Outcome {
    let (key, value) = (args[1], args[3]);
    let deadline = deadline_ms(ctx, unit, args[2], command)?;
    lookup::exists(ctx, ctx.db, key);
    put(ctx, key, value, Some(deadline));
    rewrite_set_until(ctx, key, value, deadline);
    ctx.reply.ok();
    Ok(())
}

/// Replies with the string at `args[1]`; whether there was one.
fn get_found(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let found = lookup::exists_for_read(ctx, ctx.db, key);
    if found && let Some(value) = lookup::string(ctx.keyspace, ctx.db, key)? {
        ctx.reply.bulk(value.bytes());
    } else {
        ctx.reply.null_bulk();
    }
    Ok(found)
}

fn get(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    get_found(ctx, args[1]).map(|_| ())
}

fn getex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let mut ttl = Ttl::Unsaid;
    let mut rest = args[2..].iter();
    while let Some(option) = rest.next() {
        let persist = option.eq_ignore_ascii_case(b"PERSIST");
        ttl = if persist && matches!(ttl, Ttl::Unsaid | Ttl::Persist) {
            Ttl::Persist
        } else {
            until_option(ttl, option, rest.next())?
        };
    }
    if !lookup::exists_for_read(ctx, ctx.db, key) {
        ctx.reply.null_bulk();
        return Ok(());
    }
    let deadline = match ttl {
        Ttl::Until(unit, amount) => {
            lookup::string(ctx.keyspace, ctx.db, key)?;
            Some((deadline_ms(ctx, unit, amount, "getex")?, unit.absolute))
        }
        Ttl::Unsaid | Ttl::Keep | Ttl::Persist => None,
    };
    if let Some(value) = lookup::string(ctx.keyspace, ctx.db, key)? {
        ctx.reply.bulk(value.bytes());
    }
    if let Some((deadline, absolute)) = deadline {
        if absolute && ctx.view == ExpiryView::Delete && deadline <= ctx.now.unix_ms {
            ctx.keyspace.remove(ctx.db, key);
            lookup::changed(ctx, ctx.db, key);
            lookup::rewrite(ctx, &[b"DEL", key]);
        } else {
            ctx.keyspace.set_expiry(ctx.db, key, Some(deadline));
            lookup::changed(ctx, ctx.db, key);
            let mut digits = itoa::Buffer::new();
            let deadline = digits.format(deadline).as_bytes();
            lookup::rewrite(ctx, &[b"PEXPIREAT", key, deadline]);
        }
    } else if ttl == Ttl::Persist && ctx.keyspace.expiry(ctx.db, key).is_some() {
        ctx.keyspace.set_expiry(ctx.db, key, None);
        lookup::changed(ctx, ctx.db, key);
        lookup::rewrite(ctx, &[b"PERSIST", key]);
    }
    Ok(())
}

fn getdel(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    if get_found(ctx, key)? {
        ctx.keyspace.remove(ctx.db, key);
        lookup::changed(ctx, ctx.db, key);
        lookup::rewrite(ctx, &[b"DEL", key]);
    }
    Ok(())
}

fn getset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, value) = (args[1], args[2]);
    get_found(ctx, key)?;
    put(ctx, key, value, None);
    lookup::rewrite(ctx, &[b"SET", key, value]);
    Ok(())
}

fn mget(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    ctx.reply.array_header(args.len() - 1);
    for key in &args[1..] {
        // A key of another type is answered like a missing one.
        let found = lookup::exists_for_read(ctx, ctx.db, key);
        match lookup::string(ctx.keyspace, ctx.db, key) {
            Ok(Some(value)) if found => ctx.reply.bulk(value.bytes()),
            _ => ctx.reply.null_bulk(),
        }
    }
    Ok(())
}

/// The keys and values of `MSET`.
fn pairs<'a, 'b>(
    args: &'b Args<'a>,
    command: &str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])> + 'b, CommandError> {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(command.to_owned()));
    }
    Ok(args[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])))
}

fn mset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    for (key, value) in pairs(args, "mset")? {
        lookup::exists(ctx, ctx.db, key);
        put(ctx, key, value, None);
    }
    ctx.reply.ok();
    Ok(())
}

fn msetnx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    for (key, _) in pairs(args, "msetnx")? {
        if lookup::exists(ctx, ctx.db, key) {
            ctx.reply.integer(0);
            return Ok(());
        }
    }
    for (key, value) in pairs(args, "msetnx")? {
        put(ctx, key, value, None);
    }
    ctx.reply.integer(1);
    Ok(())
}

/// Refuses to make a string longer than allowed. What a master made, its replicas make too.
fn check_length(ctx: &Ctx<'_>, len: usize, more: usize) -> Result<(), CommandError> {
    let fits = len.checked_add(more).is_some_and(|total| {
        total <= MAX_STRING_BYTES || ctx.view == ExpiryView::Alive && isize::try_from(total).is_ok()
    });
    fits.then_some(()).ok_or(CommandError::StringTooLong)
}

/// Length of the string at `key`, and whether it is there for a write.
fn length_for_write(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<usize>, CommandError> {
    if !lookup::exists(ctx, ctx.db, key) {
        return Ok(None);
    }
    let value = lookup::string(ctx.keyspace, ctx.db, key)?;
    Ok(value.map(StringValue::len))
}

/// Changes the bytes of the string at `key` in place, which is there; its length after that.
fn edit(ctx: &mut Ctx<'_>, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> usize {
    let edited = ctx.keyspace.update(ctx.db, key, |value| match value {
        Value::String(string) => string.make_mut_vec(|bytes| {
            change(bytes);
            bytes.len()
        }),
        _ => 0,
    });
    lookup::changed(ctx, ctx.db, key);
    edited.unwrap_or(0)
}

fn append(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, tail) = (args[1], args[2]);
    let before = length_for_write(ctx, key)?;
    let len = match before {
        Some(len) => {
            check_length(ctx, len, tail.len())?;
            edit(ctx, key, |bytes| bytes.extend_from_slice(tail))
        }
        None => {
            put(ctx, key, tail, None);
            tail.len()
        }
    };
    ctx.reply.integer(len as i64);
    Ok(())
}

fn strlen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::exists_for_read(ctx, ctx.db, args[1]);
    let value = lookup::string_found(ctx.keyspace, ctx.db, args[1], found)?;
    ctx.reply.integer(value.map_or(0, StringValue::len) as i64);
    Ok(())
}

fn setrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, patch) = (args[1], args[3]);
    let offset = usize::try_from(number::integer(args[2])?).map_err(|_| CommandError::Offset)?;
    let before = length_for_write(ctx, key)?;
    if patch.is_empty() {
        ctx.reply.integer(before.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(ctx, offset, patch.len())?;
    if before.is_none() {
        ctx.keyspace.set(ctx.db, key, Value::String(StringValue::made(Vec::new())), None);
    }
    let len = edit(ctx, key, |bytes| {
        let end = offset + patch.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(patch);
    });
    ctx.reply.integer(len as i64);
    Ok(())
}

fn getrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (number::integer(args[2])?, number::integer(args[3])?);
    let found = lookup::exists_for_read(ctx, ctx.db, args[1]);
    match lookup::string_found(ctx.keyspace, ctx.db, args[1], found)? {
        Some(value) => {
            let bytes = value.bytes();
            ctx.reply.bulk(&bytes[clip(start, end, bytes.len())]);
        }
        None => ctx.reply.bulk(b""),
    }
    Ok(())
}

/// The range from `start` to `end`, both inclusive and negative from the end, within `len` bytes.
fn clip(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_start = |position: i64| match usize::try_from(position) {
        Ok(position) => position,
        Err(_) => {
            let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
            len.saturating_sub(back)
        }
    };
    let start = from_start(start);
    let end = from_start(end).saturating_add(1).min(len);
    if start < end { start..end } else { 0..0 }
}

/// The keys of `DEBUG POPULATE count prefix size` with these numbers: `prefix:0` and on, which hold
/// `value:0` and on, padded with zero bytes (or cut) to `size_bytes` if that is not 0. Keys that exist
/// stay. Notes nothing for the stream, as Redis does (debug.c).
pub fn populate(ctx: &mut Ctx<'_>, numbers: Range<u64>, prefix: &[u8], size_bytes: usize) {
    for number in numbers {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if ctx.keyspace.get(ctx.db, &key).is_some() {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size_bytes != 0 {
            value.resize(size_bytes, 0);
        }
        let value = Value::String(StringValue::new(&value));
        ctx.keyspace.set(ctx.db, &key, value, None);
        ctx.effects.touched.push((ctx.db, key));
    }
}
