//! Sets: members, and what two or more sets have in common (Redis: t_set.c).

use rand::Rng;
use rand::rngs::ChaCha8Rng;

use super::key_spec::{
    DELETES, INSERTS, Keys, LOOKS, OVERWRITES, READS, READS_DELETES, UPDATES, all_from, at, counted,
};
use super::list::positive;
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, glob, lookup, number, scan};
use crate::keyspace::{Key, SetValue, Value};

const READ: Flags = Flags::READONLY;
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
    Command::new(name, arity, flags, Group::Set, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("sadd", -3, GROW_FAST, &[at(1, INSERTS)], "1.0.0", "Adds members to a set", data!(sadd)),
    row("srem", -3, WRITE_FAST, &[at(1, DELETES)], "1.0.0", "Takes members out of a set", data!(srem)),
    row("smembers", 2, READ, &[at(1, READS)], "1.0.0", "Returns all members of a set", data!(smembers)),
    row("sismember", 3, READ_FAST, &[at(1, LOOKS)], "1.0.0", "Tells whether something is a member", data!(sismember)),
    row("smismember", -3, READ_FAST, &[at(1, READS)], "6.2.0", "Tells which of several are members", data!(smismember)),
    row("scard", 2, READ_FAST, &[at(1, LOOKS)], "1.0.0", "Returns the number of members", data!(scard)),
    row("spop", -2, WRITE_FAST, &[at(1, READS_DELETES)], "1.0.0", "Takes members picked at random", data!(spop)),
    row("srandmember", -2, READ, &[at(1, READS)], "1.0.0", "Returns members picked at random", data!(srandmember)),
    row("smove", 4, WRITE_FAST, &[at(1, READS_DELETES), at(2, INSERTS)], "1.0.0", "Moves a member from one set to another", data!(smove)),
    row("sinter", -2, READ, &[all_from(1, READS)], "1.0.0", "Returns the members that all sets have", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| combine(ctx, &args[1..], Operation::Intersection))),
    row("sunion", -2, READ, &[all_from(1, READS)], "1.0.0", "Returns the members that any of the sets has", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| combine(ctx, &args[1..], Operation::Union))),
    row("sdiff", -2, READ, &[all_from(1, READS)], "1.0.0", "Returns the members that only the first set has", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| combine(ctx, &args[1..], Operation::Difference))),
    row("sinterstore", -3, GROW, &[at(1, UPDATES), all_from(2, READS)], "1.0.0", "Stores what SINTER returns", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| store(ctx, args, Operation::Intersection))),
    row("sunionstore", -3, GROW, &[at(1, OVERWRITES), all_from(2, READS)], "1.0.0", "Stores what SUNION returns", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| store(ctx, args, Operation::Union))),
    row("sdiffstore", -3, GROW, &[at(1, OVERWRITES), all_from(2, READS)], "1.0.0", "Stores what SDIFF returns", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| store(ctx, args, Operation::Difference))),
    row("sintercard", -3, READ, &[counted(1, READS)], "7.0.0", "Counts the members that all sets have", data!(sintercard)),
    row("sscan", -3, READ, &[at(1, READS)], "2.8.0", "Walks over the members, a few at a time", data!(sscan)),
];

fn sadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let found = lookup::find::<SetValue>(ctx, key)?;
    let limits = ctx.keyspace.limits;
    let added = lookup::edit_or_create(ctx, key, found, |set: &mut SetValue| {
        args[2..].iter().filter(|member| set.insert(member, &limits)).count()
    });
    if added > 0 {
        lookup::changed_times(ctx, key, added);
    }
    ctx.reply.integer(added as i64);
    Ok(())
}

fn srem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let mut removed = 0;
    if lookup::find::<SetValue>(ctx, key)? {
        let count = lookup::edit(ctx, key, |set: &mut SetValue| {
            args[2..].iter().filter(|member| set.remove(member)).count()
        });
        removed = count.unwrap_or(0);
    }
    if removed > 0 {
        lookup::changed_times(ctx, key, removed);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

fn smembers(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    found.reply.array_header(found.value.map_or(0, SetValue::len));
    for member in found.value.into_iter().flat_map(SetValue::iter) {
        found.reply.bulk(member);
    }
    Ok(())
}

fn sismember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    found.reply.integer(i64::from(found.value.is_some_and(|set| set.contains(args[2]))));
    Ok(())
}

fn smismember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    found.reply.array_header(args.len() - 2);
    for member in &args[2..] {
        found.reply.integer(i64::from(found.value.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    found.reply.integer(found.value.map_or(0, SetValue::len) as i64);
    Ok(())
}

/// A rank below `len`, each as likely (but for `len` / 2^64).
pub(super) fn random_rank(random: &mut ChaCha8Rng, len: usize) -> usize {
    ((u128::from(random.next_u64()) * len as u128) >> 64) as usize
}

/// `count` different ranks below `len`, in random order; all of them if there are no more.
pub(super) fn random_ranks(random: &mut ChaCha8Rng, len: usize, count: usize) -> Vec<usize> {
    let mut ranks: Vec<usize> = (0..len).collect();
    let count = count.min(len);
    for at in 0..count {
        let other = at + random_rank(random, len - at);
        ranks.swap(at, other);
    }
    ranks.truncate(count);
    ranks
}

fn spop(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let count = match args[2..] {
        [] => None,
        [count] => Some(positive(count)?),
        _ => return Err(CommandError::Syntax),
    };
    if !lookup::find::<SetValue>(ctx, key)? {
        match count {
            Some(_) => ctx.reply.array_header(0),
            None => ctx.reply.null_bulk(),
        }
        return Ok(());
    }
    let mut taken: Vec<Key> = Vec::new();
    let random = &mut *ctx.random;
    let changed = ctx.keyspace.update(ctx.db, key, |value| {
        let Value::Set(set) = value else {
            return false;
        };
        for _ in 0..count.unwrap_or(1) {
            let Some(member) = set.at_rank(random_rank(random, set.len())) else {
                break;
            };
            set.remove(&member);
            taken.push(member);
        }
        set.is_empty()
    });
    let emptied = changed == Some(true);
    if emptied {
        ctx.keyspace.remove(ctx.db, key);
    }
    if !taken.is_empty() {
        lookup::changed_times(ctx, key, taken.len());
    }
    if emptied && count.is_some() {
        lookup::rewrite(ctx, &[b"DEL", key]);
    } else {
        for member in &taken {
            lookup::rewrite(ctx, &[b"SREM", key, member]);
        }
    }
    match (count, taken.first()) {
        (None, Some(member)) => ctx.reply.bulk(member),
        _ => {
            ctx.reply.array_header(taken.len());
            for member in &taken {
                ctx.reply.bulk(member);
            }
        }
    }
    Ok(())
}

/// The count of `SRANDMEMBER` and its like: negative if the same may come twice.
pub(super) fn random_count(argument: &[u8]) -> Result<i64, CommandError> {
    let count = number::integer(argument)?;
    if count == i64::MIN {
        let text = "value is out of range, value must between";
        return Err(CommandError::Other(format!("{text} {} and {}", -i64::MAX, i64::MAX)));
    }
    Ok(count)
}

/// Such a count of pairs, of which there are fewer.
pub(super) fn pairs_fit(count: i64) -> Result<(), CommandError> {
    match (-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        true => Ok(()),
        false => Err(CommandError::Other("value is out of range".into())),
    }
}

/// Ranks for such a count. Those that may come twice are picked one by one: there may be more of
/// them than fit anywhere.
pub(super) struct Ranks<'a> {
    random: &'a mut ChaCha8Rng,
    len: usize,
    /// How many are still to be picked, if the same may come twice.
    left: usize,
    different: std::vec::IntoIter<usize>,
}

impl<'a> Ranks<'a> {
    pub(super) fn new(random: &'a mut ChaCha8Rng, len: usize, count: i64) -> Self {
        let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let (left, different) = match (len, count < 0) {
            (0, _) => (0, Vec::new()),
            (_, true) => (wanted, Vec::new()),
            (_, false) if wanted >= len => (0, (0..len).collect()),
            (_, false) => (0, random_ranks(random, len, wanted)),
        };
        Self { random, len, left, different: different.into_iter() }
    }

    /// How many will come.
    pub(super) fn expected(&self) -> usize {
        self.left + self.different.len()
    }
}

impl Iterator for Ranks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return self.different.next();
        }
        self.left -= 1;
        Some(random_rank(self.random, self.len))
    }
}

fn srandmember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let count = match args[2..] {
        [] => None,
        [count] => Some(random_count(count)?),
        _ => return Err(CommandError::Syntax),
    };
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    let len = found.value.map_or(0, SetValue::len);
    let Some(count) = count else {
        let rank = random_rank(found.random, len);
        match found.value.and_then(|set| set.at_rank(rank)) {
            Some(member) => found.reply.bulk(member),
            None => found.reply.null_bulk(),
        }
        return Ok(());
    };
    let ranks = Ranks::new(found.random, len, count);
    found.reply.array_header(ranks.expected());
    let members: Vec<Key> = found.value.into_iter().flat_map(SetValue::iter).collect();
    for rank in ranks {
        found.reply.bulk(&members[rank]);
        if found.reply.is_over_limit() {
            break;
        }
    }
    Ok(())
}

fn smove(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (from, to, member) = (args[1], args[2], args[3]);
    if !lookup::find::<SetValue>(ctx, from)? {
        ctx.reply.integer(0);
        return Ok(());
    }
    let to_found = lookup::find::<SetValue>(ctx, to)?;
    if from == to {
        let set = lookup::collection::<SetValue>(ctx.keyspace, ctx.db, from)?;
        ctx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
        return Ok(());
    }
    if lookup::edit(ctx, from, |set: &mut SetValue| set.remove(member)) != Some(true) {
        ctx.reply.integer(0);
        return Ok(());
    }
    let limits = ctx.keyspace.limits;
    let added =
        lookup::edit_or_create(ctx, to, to_found, |set: &mut SetValue| set.insert(member, &limits));
    lookup::changed(ctx, ctx.db, from);
    if added {
        lookup::changed(ctx, ctx.db, to);
    }
    ctx.reply.integer(1);
    Ok(())
}

/// What is made of several sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// Copies of the sets (a reference count each); a missing one is empty.
fn sets(ctx: &mut Ctx<'_>, keys: &Args<'_>) -> Result<Vec<SetValue>, CommandError> {
    let get = |key: &&[u8]| {
        let found = lookup::read::<SetValue>(ctx, key)?;
        Ok(found.value.cloned().unwrap_or_default())
    };
    keys.iter().map(get).collect()
}

fn members(sets: &[SetValue], operation: Operation, limit: usize) -> Vec<Key> {
    let Some((first, rest)) = sets.split_first() else {
        return Vec::new();
    };
    match operation {
        Operation::Intersection => {
            let smallest = sets.iter().min_by_key(|set| set.len()).unwrap_or(first);
            let all = |member: &Key| sets.iter().all(|set| set.contains(member));
            smallest.iter().filter(all).take(limit).collect()
        }
        Operation::Union => {
            let mut members: Vec<Key> = first.iter().collect();
            for (at, set) in rest.iter().enumerate() {
                let before = &sets[..=at];
                let new = |member: &Key| !before.iter().any(|set| set.contains(member));
                members.extend(set.iter().filter(new));
            }
            members
        }
        Operation::Difference => {
            let only = |member: &Key| !rest.iter().any(|set| set.contains(member));
            first.iter().filter(only).collect()
        }
    }
}

fn combine(ctx: &mut Ctx<'_>, keys: &Args<'_>, operation: Operation) -> Outcome {
    let sets = sets(ctx, keys)?;
    let members = members(&sets, operation, usize::MAX);
    ctx.reply.array_header(members.len());
    for member in members {
        ctx.reply.bulk(member);
    }
    Ok(())
}

fn store(ctx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation) -> Outcome {
    let to = args[1];
    let sets = sets(ctx, &args[2..])?;
    let limits = ctx.keyspace.limits;
    let mut result = SetValue::new();
    for member in members(&sets, operation, usize::MAX) {
        result.insert(&member, &limits);
    }
    let existed = lookup::exists(ctx, ctx.db, to);
    let len = result.len();
    if len > 0 {
        ctx.keyspace.set(ctx.db, to, Value::Set(result), None);
        lookup::changed(ctx, ctx.db, to);
    } else if existed {
        ctx.keyspace.remove(ctx.db, to);
        lookup::changed(ctx, ctx.db, to);
    }
    ctx.reply.integer(len as i64);
    Ok(())
}

fn sintercard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let other = |text: &str| CommandError::Other(text.into());
    let keys = number::parse_i64(args[1]).and_then(|keys| usize::try_from(keys).ok());
    let keys = keys.filter(|keys| *keys > 0);
    let keys = keys.ok_or_else(|| other("numkeys should be greater than 0"))?;
    if keys > args.len() - 2 {
        return Err(other("Number of keys can't be greater than number of args"));
    }
    let (keys, options) = args[2..].split_at(keys);
    let mut limit = usize::MAX;
    for pair in options.chunks(2) {
        let &[option, value] = pair else {
            return Err(CommandError::Syntax);
        };
        if !option.eq_ignore_ascii_case(b"LIMIT") {
            return Err(CommandError::Syntax);
        }
        let given = number::parse_i64(value).and_then(|limit| usize::try_from(limit).ok());
        limit = given.ok_or_else(|| other("LIMIT can't be negative"))?;
        if limit == 0 {
            limit = usize::MAX;
        }
    }
    let sets = sets(ctx, keys)?;
    let count = members(&sets, Operation::Intersection, limit).len();
    ctx.reply.integer(count as i64);
    Ok(())
}

fn sscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan::cursor(args[2])?;
    let found = lookup::read::<SetValue>(ctx, args[1])?;
    let mut members: Vec<Vec<u8>> = Vec::new();
    let mut next = 0;
    if let Some(set) = found.value {
        let options = scan::scan_options(&args[3..], false)?;
        next = set.scan(cursor, options.count, &mut |member| {
            if options.pattern.is_none_or(|pattern| glob::matches(pattern, member)) {
                members.push(member.to_vec());
            }
        });
    }
    found.reply.array_header(2);
    found.reply.bulk(itoa::Buffer::new().format(next));
    found.reply.array_header(members.len());
    for member in members {
        found.reply.bulk(member);
    }
    Ok(())
}
