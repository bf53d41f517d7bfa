//! Lists: pushing, popping, reading (Redis: t_list.c).

use super::blocking::{Nil, block_on, deadline, keys_to_try};
use super::key_spec::{
    DELETES, INSERTS, Keys, LOOKS, READS, READS_DELETES, UPDATES, at, counted, up_to,
};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, lookup, number};
use crate::keyspace::{End, ListValue};

const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.with(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const WRITE_FAST: Flags = Flags::WRITE.with(Flags::FAST);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
const GROW_FAST: Flags = GROW.with(Flags::FAST);
const WAIT: Flags = Flags::WRITE.with(Flags::NOSCRIPT).with(Flags::BLOCKING);
const WAIT_GROW: Flags = WAIT.with(Flags::DENYOOM);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: super::Handler,
) -> Command {
    Command::new(name, arity, flags, Group::List, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("lpush", -3, GROW_FAST, &[at(1, INSERTS)], "1.0.0", "Adds elements at the head of a list", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| push(ctx, args, End::Left, false))),
    row("rpush", -3, GROW_FAST, &[at(1, INSERTS)], "1.0.0", "Adds elements at the tail of a list", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| push(ctx, args, End::Right, false))),
    row("lpushx", -3, GROW_FAST, &[at(1, INSERTS)], "2.2.0", "Adds elements at the head of a list that exists", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| push(ctx, args, End::Left, true))),
    row("rpushx", -3, GROW_FAST, &[at(1, INSERTS)], "2.2.0", "Adds elements at the tail of a list that exists", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| push(ctx, args, End::Right, true))),
    row("lpop", -2, WRITE_FAST, &[at(1, READS_DELETES)], "1.0.0", "Takes elements from the head of a list", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| pop(ctx, args, End::Left, "lpop"))),
    row("rpop", -2, WRITE_FAST, &[at(1, READS_DELETES)], "1.0.0", "Takes elements from the tail of a list", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| pop(ctx, args, End::Right, "rpop"))),
    row("llen", 2, READ_FAST, &[at(1, LOOKS)], "1.0.0", "Returns the length of a list", data!(llen)),
    row("lrange", 4, READ, &[at(1, READS)], "1.0.0", "Returns a part of a list", data!(lrange)),
    row("lindex", 3, READ, &[at(1, READS)], "1.0.0", "Returns one element of a list", data!(lindex)),
    row("lset", 4, GROW, &[at(1, UPDATES)], "1.0.0", "Replaces one element of a list", data!(lset)),
    row("linsert", 5, GROW, &[at(1, INSERTS)], "2.2.0", "Puts an element before or after another", data!(linsert)),
    row("lrem", 4, WRITE, &[at(1, DELETES)], "1.0.0", "Removes elements by their content", data!(lrem)),
    row("ltrim", 4, WRITE, &[at(1, DELETES)], "1.0.0", "Keeps a part of a list", data!(ltrim)),
    row("lpos", -3, READ, &[at(1, READS)], "6.0.6", "Finds elements by their content", data!(lpos)),
    row("lmove", 5, GROW, &[at(1, READS_DELETES), at(2, INSERTS)], "6.2.0", "Moves an element from one list to another", data!(lmove)),
    row("rpoplpush", 3, GROW, &[at(1, READS_DELETES), at(2, INSERTS)], "1.2.0", "Moves an element from the tail of a list to the head of another", data!(rpoplpush)),
    row("lmpop", -4, WRITE, &[counted(1, READS_DELETES)], "7.0.0", "Takes elements from the first list that has some", data!(lmpop)),
    row("blpop", -3, WAIT, &[up_to(1, -2, READS_DELETES)], "2.0.0", "Takes the head of the first list that has one, or waits for it", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| blocking_pop(ctx, args, End::Left))),
    row("brpop", -3, WAIT, &[up_to(1, -2, READS_DELETES)], "2.0.0", "Takes the tail of the first list that has one, or waits for it", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| blocking_pop(ctx, args, End::Right))),
    row("blmove", 6, WAIT_GROW, &[at(1, READS_DELETES), at(2, INSERTS)], "6.2.0", "LMOVE that waits for an element", data!(blmove)),
    row("brpoplpush", 4, WAIT_GROW, &[at(1, READS_DELETES), at(2, INSERTS)], "2.2.0", "RPOPLPUSH that waits for an element", data!(brpoplpush)),
    row("blmpop", -5, Flags::WRITE.with(Flags::BLOCKING), &[counted(2, READS_DELETES)], "7.0.0", "LMPOP that waits for an element", data!(blmpop)),
];

fn push(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End, only_existing: bool) -> Outcome {
    let key = args[1];
    let found = lookup::find::<ListValue>(ctx, key)?;
    if !found && only_existing {
        ctx.reply.integer(0);
        return Ok(());
    }
    let len = lookup::edit_or_create(ctx, key, found, |list: &mut ListValue| {
        for element in &args[2..] {
            list.push(end, element);
        }
        list.len()
    });
    lookup::changed_times(ctx, key, args.len() - 2);
    ctx.reply.integer(len as i64);
    Ok(())
}

/// Takes up to `count` elements; they are gone from the key, and noted as one change each.
fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> Vec<Vec<u8>> {
    let taken = lookup::edit(ctx, key, |list: &mut ListValue| {
        let count = count.min(list.len());
        (0..count).filter_map(|_| list.pop(end)).map(|element| element.to_vec()).collect()
    });
    let taken: Vec<Vec<u8>> = taken.unwrap_or_default();
    if !taken.is_empty() {
        lookup::changed_times(ctx, key, taken.len());
    }
    taken
}

fn reply_all(ctx: &mut Ctx<'_>, elements: &[Vec<u8>]) {
    ctx.reply.array_header(elements.len());
    for element in elements {
        ctx.reply.bulk(element);
    }
}

fn pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End, name: &str) -> Outcome {
    if args.len() > 3 {
        return Err(CommandError::WrongArity(name.into()));
    }
    let key = args[1];
    let count = args.get(2).map(|count| positive(count)).transpose()?;
    if !lookup::find::<ListValue>(ctx, key)? {
        match count {
            Some(_) => ctx.reply.null_array(),
            None => ctx.reply.null_bulk(),
        }
        return Ok(());
    }
    let taken = take(ctx, key, end, count.unwrap_or(1));
    match (count, taken.first()) {
        (None, Some(element)) => ctx.reply.bulk(element),
        _ => reply_all(ctx, &taken),
    }
    Ok(())
}

/// A count that may be 0.
pub(super) fn positive(argument: &[u8]) -> Result<usize, CommandError> {
    let count = number::parse_i64(argument).and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| CommandError::Other("value is out of range, must be positive".into()))
}

fn llen(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<ListValue>(ctx, args[1])?;
    found.reply.integer(found.value.map_or(0, ListValue::len) as i64);
    Ok(())
}

/// The indices from `start` to `stop`, both inclusive and negative from the end.
fn clip(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let absolute = |index: i64| {
        if index >= 0 { index } else { index.saturating_add(len as i64) }
    };
    let start = usize::try_from(absolute(start)).unwrap_or(0);
    let end = usize::try_from(absolute(stop).saturating_add(1)).unwrap_or(0).min(len);
    if start < end { start..end } else { 0..0 }
}

fn lrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (start, stop) = (number::integer(args[2])?, number::integer(args[3])?);
    let found = lookup::read::<ListValue>(ctx, args[1])?;
    let range = clip(start, stop, found.value.map_or(0, ListValue::len));
    found.reply.array_header(range.len());
    if let Some(list) = found.value.filter(|_| !range.is_empty()) {
        for element in list.range(range) {
            found.reply.bulk(element);
        }
    }
    Ok(())
}

fn index_in(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

fn lindex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<ListValue>(ctx, args[1])?;
    let Some(list) = found.value else {
        found.reply.null_bulk();
        return Ok(());
    };
    let index = number::integer(args[2])?;
    match index_in(index, list.len()).and_then(|index| list.get(index)) {
        Some(element) => found.reply.bulk(element),
        None => found.reply.null_bulk(),
    }
    Ok(())
}

fn lset(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    if !lookup::find::<ListValue>(ctx, key)? {
        return Err(CommandError::NoSuchKey);
    }
    let index = number::integer(args[2])?;
    let set = lookup::edit(ctx, key, |list: &mut ListValue| {
        index_in(index, list.len()).is_some_and(|index| list.set(index, args[3]))
    });
    if set != Some(true) {
        return Err(CommandError::Other("index out of range".into()));
    }
    lookup::changed(ctx, ctx.db, key);
    ctx.reply.ok();
    Ok(())
}

fn linsert(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, pivot) = (args[1], args[3]);
    let after = match args[2] {
        word if word.eq_ignore_ascii_case(b"AFTER") => 1,
        word if word.eq_ignore_ascii_case(b"BEFORE") => 0,
        _ => return Err(CommandError::Syntax),
    };
    if !lookup::find::<ListValue>(ctx, key)? {
        ctx.reply.integer(0);
        return Ok(());
    }
    let len = lookup::edit(ctx, key, |list: &mut ListValue| {
        let at = list.iter().position(|element| element.as_bytes() == pivot)?;
        list.insert(at + after, args[4]);
        Some(list.len())
    });
    match len.flatten() {
        Some(len) => {
            lookup::changed(ctx, ctx.db, key);
            ctx.reply.integer(len as i64);
        }
        None => ctx.reply.integer(-1),
    }
    Ok(())
}

fn lrem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let count = number::integer(args[2])?;
    let end = if count < 0 { End::Right } else { End::Left };
    let limit = match usize::try_from(count.unsigned_abs()) {
        Ok(limit) if limit > 0 => limit,
        _ => usize::MAX,
    };
    if !lookup::find::<ListValue>(ctx, key)? {
        ctx.reply.integer(0);
        return Ok(());
    }
    let removed = lookup::edit(ctx, key, |list: &mut ListValue| list.remove(end, limit, args[3]));
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        lookup::changed_times(ctx, key, removed);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

fn ltrim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let (start, stop) = (number::integer(args[2])?, number::integer(args[3])?);
    if lookup::find::<ListValue>(ctx, key)? {
        let removed = lookup::edit(ctx, key, |list: &mut ListValue| {
            let before = list.len();
            list.trim(clip(start, stop, before));
            before - list.len()
        });
        lookup::changed_times(ctx, key, removed.unwrap_or(0));
    }
    ctx.reply.ok();
    Ok(())
}

/// Options of `LPOS`.
struct Search {
    rank: i64,
    count: Option<usize>,
    max_len: usize,
}

fn search(options: &Args<'_>) -> Result<Search, CommandError> {
    let other = |text: &str| CommandError::Other(text.into());
    let mut search = Search { rank: 1, count: None, max_len: 0 };
    for pair in options.chunks(2) {
        let &[option, value] = pair else {
            return Err(CommandError::Syntax);
        };
        match option.to_ascii_uppercase().as_slice() {
            b"RANK" => {
                search.rank = number::integer(value)?;
                if search.rank == 0 {
                    return Err(other(
                        "RANK can't be zero: use 1 to start from the first match, 2 from the \
                         second ... or use negative to start from the end of the list",
                    ));
                }
                // It has no opposite: 7.0.15 looks from the tail, and skips nothing.
                if search.rank == i64::MIN {
                    search.rank = -1;
                }
            }
            b"COUNT" => {
                let count = number::parse_i64(value).and_then(|count| usize::try_from(count).ok());
                search.count = Some(count.ok_or_else(|| other("COUNT can't be negative"))?);
            }
            b"MAXLEN" => {
                let len = number::parse_i64(value).and_then(|len| usize::try_from(len).ok());
                search.max_len = len.ok_or_else(|| other("MAXLEN can't be negative"))?;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(search)
}

fn lpos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let search = search(&args[3..])?;
    let found = lookup::read::<ListValue>(ctx, args[1])?;
    let mut positions: Vec<usize> = Vec::new();
    if let Some(list) = found.value {
        let wanted = match search.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let skipped = usize::try_from(search.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let looked_at = if search.max_len == 0 { usize::MAX } else { search.max_len };
        let elements = list.iter().enumerate();
        let matching =
            |(_, element): &(usize, &crate::keyspace::Key)| element.as_bytes() == args[2];
        positions = if search.rank > 0 {
            let hits = elements.take(looked_at).filter(matching);
            hits.skip(skipped).take(wanted).map(|(at, _)| at).collect()
        } else {
            let hits = elements.rev().take(looked_at).filter(matching);
            hits.skip(skipped).take(wanted).map(|(at, _)| at).collect()
        };
    }
    match (search.count, positions.first()) {
        (Some(_), _) => {
            found.reply.array_header(positions.len());
            for at in positions {
                found.reply.integer(at as i64);
            }
        }
        (None, Some(at)) => found.reply.integer(*at as i64),
        (None, None) => found.reply.null_bulk(),
    }
    Ok(())
}

fn end(word: &[u8]) -> Result<End, CommandError> {
    match word {
        word if word.eq_ignore_ascii_case(b"LEFT") => Ok(End::Left),
        word if word.eq_ignore_ascii_case(b"RIGHT") => Ok(End::Right),
        _ => Err(CommandError::Syntax),
    }
}

/// Moves one element; false, and no reply, if there is none. Within one list the key stays, and its
/// deadline with it, even if the element is the only one.
fn shift(
    ctx: &mut Ctx<'_>,
    (from, from_end): (&[u8], End),
    (to, to_end): (&[u8], End),
) -> Result<bool, CommandError> {
    if !lookup::find::<ListValue>(ctx, from)? {
        return Ok(false);
    }
    lookup::find::<ListValue>(ctx, to)?;
    let rotates = from == to;
    let element = lookup::edit(ctx, from, |list: &mut ListValue| {
        let element = list.pop(from_end)?;
        if rotates {
            list.push(to_end, &element);
        }
        Some(element)
    });
    let Some(element) = element.flatten() else {
        return Ok(false);
    };
    if !rotates {
        let found = lookup::find::<ListValue>(ctx, to)?;
        lookup::edit_or_create(ctx, to, found, |list: &mut ListValue| list.push(to_end, &element));
    }
    lookup::changed(ctx, ctx.db, to);
    ctx.effects.touched.push((ctx.db, from.to_vec()));
    ctx.reply.bulk(element);
    Ok(true)
}

fn lmove(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = ((args[1], end(args[3])?), (args[2], end(args[4])?));
    if !shift(ctx, from, to)? {
        ctx.reply.null_bulk();
    }
    Ok(())
}

fn rpoplpush(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if !shift(ctx, (args[1], End::Right), (args[2], End::Left))? {
        ctx.reply.null_bulk();
    }
    Ok(())
}

fn blmove(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = ((args[1], end(args[3])?), (args[2], end(args[4])?));
    let until = deadline(ctx, args[5])?;
    if shift(ctx, from, to)? {
        lookup::rewrite(ctx, &[b"LMOVE", args[1], args[2], args[3], args[4]]);
    } else {
        block_on(ctx, &args[1..2], "list", until, Nil::Bulk);
    }
    Ok(())
}

fn brpoplpush(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let until = deadline(ctx, args[3])?;
    if shift(ctx, (args[1], End::Right), (args[2], End::Left))? {
        lookup::rewrite(ctx, &[b"RPOPLPUSH", args[1], args[2]]);
    } else {
        block_on(ctx, &args[1..2], "list", until, Nil::Bulk);
    }
    Ok(())
}

fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

fn blocking_pop(ctx: &mut Ctx<'_>, args: &Args<'_>, end: End) -> Outcome {
    let keys = &args[1..args.len() - 1];
    let until = deadline(ctx, args[args.len() - 1])?;
    for key in keys_to_try(ctx, keys) {
        if !lookup::find::<ListValue>(ctx, key)? {
            continue;
        }
        if let [element] = take(ctx, key, end, 1).as_slice() {
            ctx.reply.array_header(2);
            ctx.reply.bulk(key);
            ctx.reply.bulk(element);
            lookup::rewrite(ctx, &[pop_name(end), key]);
            return Ok(());
        }
    }
    block_on(ctx, keys, "list", until, Nil::Array);
    Ok(())
}

/// `numkeys key ... LEFT|RIGHT [COUNT count]`.
struct Many<'a, 'b> {
    keys: &'b Args<'a>,
    end: End,
    count: usize,
}

fn many<'a, 'b>(args: &'b Args<'a>) -> Result<Many<'a, 'b>, CommandError> {
    let other = |text: &str| CommandError::Other(text.into());
    let at_least_one = |argument: &[u8], text: &str| {
        let number = number::parse_i64(argument).and_then(|number| usize::try_from(number).ok());
        number.filter(|number| *number > 0).ok_or_else(|| other(text))
    };
    let keys = at_least_one(args[0], "numkeys should be greater than 0")?;
    if keys >= args.len() - 1 {
        return Err(CommandError::Syntax);
    }
    let (keys, rest) = args[1..].split_at(keys);
    let end = end(rest[0])?;
    let count = match &rest[1..] {
        [] => 1,
        [option, count] if option.eq_ignore_ascii_case(b"COUNT") => {
            at_least_one(count, "count should be greater than 0")?
        }
        _ => return Err(CommandError::Syntax),
    };
    Ok(Many { keys, end, count })
}

/// Pops from the first key that has elements; false, and no reply, if none has.
fn pop_many(ctx: &mut Ctx<'_>, many: &Many<'_, '_>) -> Result<bool, CommandError> {
    for key in keys_to_try(ctx, many.keys) {
        if !lookup::find::<ListValue>(ctx, key)? {
            continue;
        }
        let taken = take(ctx, key, many.end, many.count);
        ctx.reply.array_header(2);
        ctx.reply.bulk(key);
        reply_all(ctx, &taken);
        let count = taken.len().to_string();
        lookup::rewrite(ctx, &[pop_name(many.end), key, count.as_bytes()]);
        return Ok(true);
    }
    Ok(false)
}

fn lmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if !pop_many(ctx, &many(&args[1..])?)? {
        ctx.reply.null_array();
    }
    Ok(())
}

fn blmpop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    // Redis looks at the timeout last.
    let many = many(&args[2..])?;
    let until = deadline(ctx, args[1])?;
    if !pop_many(ctx, &many)? {
        block_on(ctx, many.keys, "list", until, Nil::Array);
    }
    Ok(())
}
