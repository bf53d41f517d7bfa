//! Strings as arrays of bits (Redis: bitops.c). `BITFIELD` has its own file.

use super::key_spec::{KeyFlags, Keys, OVERWRITES, READS, READS_UPDATES, all_from, at};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Handler, Outcome, lookup, number};
use crate::keyspace::{StringValue, Value};

const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const READ_FAST: Flags = Flags::READONLY.with(Flags::FAST);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Bitmap, since, summary, handler).with_keys(keys)
}

/// `BITFIELD` is a read if all it does is `GET`.
fn bitfield_key(args: &Args<'_>) -> KeyFlags {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let mut rest = args.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            [] => return READS,
            [word, _, _, more @ ..] if is(word, "GET") => more,
            [word, _, more @ ..] if is(word, "OVERFLOW") => more,
            _ => return READS_UPDATES,
        }
    }
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("setbit", 4, GROW, &[at(1, READS_UPDATES)], "2.2.0", "Sets or clears a bit", data!(setbit)),
    row("getbit", 3, READ_FAST, &[at(1, READS)], "2.2.0", "Returns a bit", data!(getbit)),
    row("bitcount", -2, Flags::READONLY, &[at(1, READS)], "2.6.0", "Counts the bits that are set", data!(bitcount)),
    row("bitpos", -3, Flags::READONLY, &[at(1, READS)], "2.8.7", "Finds the first bit set or clear", data!(bitpos)),
    row("bitop", -4, GROW, &[at(2, OVERWRITES), all_from(3, READS)], "2.6.0", "Stores what several strings come to, bit by bit", data!(bitop)),
    row("bitfield", -2, GROW, &[at(1, READS_UPDATES).depending(bitfield_key)], "3.2.0", "Reads and writes integers of any width", data!(super::bitfield::bitfield)),
    row("bitfield_ro", -2, READ_FAST, &[at(1, READS)], "6.0.0", "Reads integers of any width", data!(super::bitfield::bitfield_ro)),
];

/// The position of a bit, within the longest string allowed; `#n` is the `n`th integer of `width`.
pub(super) fn offset(ctx: &Ctx<'_>, text: &[u8], width: Option<u32>) -> Result<u64, CommandError> {
    let (digits, scale) = match (text, width) {
        ([b'#', rest @ ..], Some(width)) => (rest, i64::from(width)),
        _ => (text, 1),
    };
    let error = || CommandError::Other("bit offset is not an integer or out of range".into());
    let offset = number::parse_i64(digits).and_then(|offset| offset.checked_mul(scale));
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or_else(error)?;
    let longest = super::string::MAX_STRING_BYTES as u64;
    if ctx.view != ExpiryView::Alive && offset >> 3 >= longest {
        return Err(error());
    }
    Ok(offset)
}

/// The string at a key, looked up by a command that reads.
pub(super) fn for_read(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<StringValue>, CommandError> {
    let found = lookup::exists_for_read(ctx, ctx.db, key);
    Ok(lookup::string_found(ctx.keyspace, ctx.db, key, found)?.cloned())
}

/// Changes the string at a key, made long enough for the bit at `last`; whether that made it
/// longer, and what `change` returned.
pub(super) fn edit<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    last: u64,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<(bool, R), CommandError> {
    let found = lookup::exists(ctx, ctx.db, key);
    if found {
        lookup::string(ctx.keyspace, ctx.db, key)?;
    } else {
        let empty = Value::String(StringValue::made(Vec::new()));
        ctx.keyspace.set(ctx.db, key, empty, None);
    }
    let len = (last >> 3) as usize + 1;
    let result = ctx.keyspace.update(ctx.db, key, |value| {
        let Value::String(string) = value else {
            unreachable!("its type was checked");
        };
        string.make_mut_vec(|bytes| {
            let grown = bytes.len() < len;
            if grown {
                bytes.resize(len, 0);
            }
            (grown || !found, change(bytes))
        })
    });
    result.ok_or(CommandError::NoSuchKey)
}

fn setbit(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let offset = offset(ctx, args[2], None)?;
    let on = match number::parse_i64(args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::Other("bit is not an integer or out of range".into())),
    };
    let mask = 0x80 >> (offset & 7);
    let (grown, before) = edit(ctx, args[1], offset, |bytes| {
        let byte = &mut bytes[(offset >> 3) as usize];
        let before = *byte & mask != 0;
        *byte = if on { *byte | mask } else { *byte & !mask };
        before
    })?;
    if grown || before != on {
        lookup::changed(ctx, ctx.db, args[1]);
    }
    ctx.reply.integer(i64::from(before));
    Ok(())
}

fn getbit(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let offset = offset(ctx, args[2], None)?;
    let string = for_read(ctx, args[1])?;
    let bit = string.is_some_and(|string| string.with_bytes(|bytes| bit_at(bytes, offset)));
    ctx.reply.integer(i64::from(bit));
    Ok(())
}

/// A bit; those after the end are clear.
fn bit_at(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset >> 3).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte & (0x80 >> (offset & 7)) != 0)
}

/// A range of bits, as the arguments after `BITCOUNT key` or `BITPOS key bit` give it.
fn bit_range(
    options: &Args<'_>,
    len: usize,
    end_optional: bool,
) -> Result<std::ops::Range<u64>, CommandError> {
    let bits = len as i64 * 8;
    let (start, end, unit) = match options {
        [] => return Ok(0..bits as u64),
        [start] if end_optional => (*start, None, None),
        [start, end] => (*start, Some(*end), None),
        [start, end, unit] => (*start, Some(*end), Some(*unit)),
        _ => return Err(CommandError::Syntax),
    };
    let start = number::integer(start)?;
    let end = end.map(number::integer).transpose()?;
    if !end_optional && end.is_some_and(|end| start < 0 && end < 0 && start > end) {
        // Redis looks no further: the unit may be anything.
        return Ok(0..0);
    }
    let by_bit = match unit {
        None => false,
        Some(unit) if unit.eq_ignore_ascii_case(b"bit") => true,
        Some(unit) if unit.eq_ignore_ascii_case(b"byte") => false,
        Some(_) => return Err(CommandError::Syntax),
    };
    let (total, each) = if by_bit { (bits, 1) } else { (len as i64, 8) };
    let end = end.unwrap_or(total - 1);
    let absolute = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (start, end) = (absolute(start), absolute(end).min(total - 1));
    if start > end {
        return Ok(0..0);
    }
    Ok((start * each) as u64..((end + 1) * each) as u64)
}

fn bitcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let Some(string) = for_read(ctx, args[1])? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let bytes = string.bytes();
    let range = bit_range(&args[2..], bytes.len(), false)?;
    ctx.reply.integer(count_bits(&bytes, range) as i64);
    Ok(())
}

fn count_bits(bytes: &[u8], range: std::ops::Range<u64>) -> u64 {
    let mut count = 0;
    let mut at = range.start;
    while at < range.end {
        if at.is_multiple_of(8) && at + 8 <= range.end {
            count += u64::from(bytes[(at / 8) as usize].count_ones());
            at += 8;
        } else {
            count += u64::from(bit_at(bytes, at));
            at += 1;
        }
    }
    count
}

fn bitpos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let wanted = match number::integer(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::Other("The bit argument must be 1 or 0.".into())),
    };
    let Some(string) = for_read(ctx, args[1])? else {
        ctx.reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let bytes = string.bytes();
    let range = bit_range(&args[3..], bytes.len(), true)?;
    let (empty, end) = (range.is_empty(), range.end);
    let position = match find_bit(&bytes, range, wanted) {
        Some(position) => position as i64,
        // Without an end the string goes on with zeros.
        None if !wanted && args.len() < 5 && !empty => end as i64,
        None => -1,
    };
    ctx.reply.integer(position);
    Ok(())
}

fn find_bit(bytes: &[u8], range: std::ops::Range<u64>, wanted: bool) -> Option<u64> {
    let other = if wanted { 0 } else { 0xff };
    let mut at = range.start;
    while at < range.end {
        if at.is_multiple_of(8) && at + 8 <= range.end && bytes[(at / 8) as usize] == other {
            at += 8;
        } else if bit_at(bytes, at) == wanted {
            return Some(at);
        } else {
            at += 1;
        }
    }
    None
}

fn bitop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let combine: fn(u8, u8) -> u8 = match args[1].to_ascii_lowercase().as_slice() {
        b"and" => |a, b| a & b,
        b"or" => |a, b| a | b,
        b"xor" | b"not" => |a, b| a ^ b,
        _ => return Err(CommandError::Syntax),
    };
    let not = args[1].eq_ignore_ascii_case(b"not");
    if not && args.len() != 4 {
        let text = "BITOP NOT must be called with a single source key.";
        return Err(CommandError::Other(text.into()));
    }
    let mut sources = Vec::with_capacity(args.len() - 3);
    for key in &args[3..] {
        let string = for_read(ctx, key)?;
        sources.push(string.map_or_else(Vec::new, |string| string.bytes().into_owned()));
    }
    let len = sources.iter().map(Vec::len).max().unwrap_or(0);
    let byte = |source: &Vec<u8>, at: usize| source.get(at).copied().unwrap_or(0);
    let result: Vec<u8> = (0..len)
        .map(|at| {
            let bytes = sources.iter().map(|source| byte(source, at));
            let combined = bytes.reduce(combine).unwrap_or(0);
            if not { !combined } else { combined }
        })
        .collect();
    let existed = lookup::exists(ctx, ctx.db, args[2]);
    if len > 0 {
        let value = Value::String(StringValue::made(result));
        ctx.keyspace.set(ctx.db, args[2], value, None);
        lookup::changed(ctx, ctx.db, args[2]);
    } else if existed {
        ctx.keyspace.remove(ctx.db, args[2]);
        lookup::changed(ctx, ctx.db, args[2]);
    }
    ctx.reply.integer(len as i64);
    Ok(())
}
