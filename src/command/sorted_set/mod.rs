//! Sorted sets (Redis: t_zset.c).

mod add;
mod combine;
mod pop;
mod query;
pub(super) mod range;
mod remove;

use super::key_spec::{
    DELETES, Keys, LOOKS, OVERWRITES, READS, READS_DELETES, READS_UPDATES, UPDATES, at, counted,
    up_to,
};
use super::table::{Command, Flags, Group, data};
use super::{CommandError, Ctx, Handler, lookup};
use crate::keyspace::{SortedSetValue, Value, score_text};

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
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::SortedSet, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("zadd", -4, GROW_FAST, &[at(1, UPDATES)], "1.2.0", "Adds members or changes their scores", data!(add::zadd)),
    row("zincrby", 4, GROW_FAST, &[at(1, READS_UPDATES)], "1.2.0", "Adds to the score of a member", data!(add::zincrby)),
    row("zrem", -3, WRITE_FAST, &[at(1, DELETES)], "1.2.0", "Removes members", data!(remove::zrem)),
    row("zremrangebyrank", 4, Flags::WRITE, &[at(1, DELETES)], "2.0.0", "Removes members by rank", data!(remove::by_rank)),
    row("zremrangebyscore", 4, Flags::WRITE, &[at(1, DELETES)], "1.2.0", "Removes members by score", data!(remove::by_score)),
    row("zremrangebylex", 4, Flags::WRITE, &[at(1, DELETES)], "2.8.9", "Removes members by their bytes", data!(remove::by_lex)),
    row("zcard", 2, READ_FAST, &[at(1, LOOKS)], "1.2.0", "Returns the number of members", data!(query::zcard)),
    row("zscore", 3, READ_FAST, &[at(1, READS)], "1.2.0", "Returns the score of a member", data!(query::zscore)),
    row("zmscore", -3, READ_FAST, &[at(1, READS)], "6.2.0", "Returns the scores of members", data!(query::zmscore)),
    row("zrank", 3, READ_FAST, &[at(1, READS)], "2.0.0", "Returns the rank of a member, lowest score first", data!(query::zrank)),
    row("zrevrank", 3, READ_FAST, &[at(1, READS)], "2.0.0", "Returns the rank of a member, highest score first", data!(query::zrevrank)),
    row("zcount", 4, READ_FAST, &[at(1, READS)], "2.0.0", "Counts members by score", data!(query::zcount)),
    row("zlexcount", 4, READ_FAST, &[at(1, READS)], "2.8.9", "Counts members by their bytes", data!(query::zlexcount)),
    row("zrandmember", -2, READ, &[at(1, READS)], "6.2.0", "Returns members picked at random", data!(query::zrandmember)),
    row("zscan", -3, READ, &[at(1, READS)], "2.8.0", "Walks over the members, a few at a time", data!(query::zscan)),
    row("zrange", -4, READ, &[at(1, READS)], "1.2.0", "Returns members by rank, score or bytes", data!(range::zrange)),
    row("zrangestore", -5, GROW, &[at(1, OVERWRITES), at(2, READS)], "6.2.0", "Stores members by rank, score or bytes", data!(range::zrangestore)),
    row("zrevrange", -4, READ, &[at(1, READS)], "1.2.0", "Returns members by rank, highest score first", data!(range::zrevrange)),
    row("zrangebyscore", -4, READ, &[at(1, READS)], "1.0.5", "Returns members by score", data!(range::zrangebyscore)),
    row("zrevrangebyscore", -4, READ, &[at(1, READS)], "2.2.0", "Returns members by score, highest first", data!(range::zrevrangebyscore)),
    row("zrangebylex", -4, READ, &[at(1, READS)], "2.8.9", "Returns members by their bytes", data!(range::zrangebylex)),
    row("zrevrangebylex", -4, READ, &[at(1, READS)], "2.8.9", "Returns members by their bytes, last first", data!(range::zrevrangebylex)),
    row("zpopmin", -2, WRITE_FAST, &[at(1, READS_DELETES)], "5.0.0", "Takes out the members with the lowest scores", data!(pop::zpopmin)),
    row("zpopmax", -2, WRITE_FAST, &[at(1, READS_DELETES)], "5.0.0", "Takes out the members with the highest scores", data!(pop::zpopmax)),
    row("zmpop", -4, Flags::WRITE, &[counted(1, READS_DELETES)], "7.0.0", "Takes members out of the first set that has any", data!(pop::zmpop)),
    row("bzpopmin", -3, WRITE_FAST.with(Flags::NOSCRIPT).with(Flags::BLOCKING), &[up_to(1, -2, READS_DELETES)], "5.0.0", "Takes out the member with the lowest score, or waits for one", data!(pop::bzpopmin)),
    row("bzpopmax", -3, WRITE_FAST.with(Flags::NOSCRIPT).with(Flags::BLOCKING), &[up_to(1, -2, READS_DELETES)], "5.0.0", "Takes out the member with the highest score, or waits for one", data!(pop::bzpopmax)),
    row("bzmpop", -5, Flags::WRITE.with(Flags::BLOCKING), &[counted(2, READS_DELETES)], "7.0.0", "Takes members out of the first set that has any, or waits for one", data!(pop::bzmpop)),
    row("zunion", -3, READ, &[counted(1, READS)], "6.2.0", "Returns the union of sets", data!(combine::zunion)),
    row("zinter", -3, READ, &[counted(1, READS)], "6.2.0", "Returns the intersection of sets", data!(combine::zinter)),
    row("zdiff", -3, READ, &[counted(1, READS)], "6.2.0", "Returns what only the first set has", data!(combine::zdiff)),
    row("zintercard", -3, READ, &[counted(1, READS)], "7.0.0", "Counts what all sets have", data!(combine::zintercard)),
    row("zunionstore", -4, GROW, &[at(1, OVERWRITES), counted(2, READS)], "2.0.0", "Stores the union of sets", data!(combine::zunionstore)),
    row("zinterstore", -4, GROW, &[at(1, OVERWRITES), counted(2, READS)], "2.0.0", "Stores the intersection of sets", data!(combine::zinterstore)),
    row("zdiffstore", -4, GROW, &[at(1, OVERWRITES), counted(2, READS)], "6.2.0", "Stores what only the first set has", data!(combine::zdiffstore)),
];

/// The sorted set at a key that was looked up; a clone of it, which costs one reference count and
/// has to be gone before the set is changed.
fn stored(ctx: &Ctx<'_>, key: &[u8], found: bool) -> Result<Option<SortedSetValue>, CommandError> {
    match ctx.keyspace.get(ctx.db, key).filter(|_| found) {
        Some(Value::SortedSet(set)) => Ok(Some(set.clone())),
        Some(_) => Err(CommandError::WrongType),
        None => Ok(None),
    }
}

/// Looked up by a command that reads.
pub(super) fn for_read(
    ctx: &mut Ctx<'_>,
    key: &[u8],
) -> Result<Option<SortedSetValue>, CommandError> {
    let found = lookup::exists_for_read(ctx, ctx.db, key);
    stored(ctx, key, found)
}

/// Looked up by a command that writes.
pub(super) fn for_write(
    ctx: &mut Ctx<'_>,
    key: &[u8],
) -> Result<Option<SortedSetValue>, CommandError> {
    let found = lookup::exists(ctx, ctx.db, key);
    stored(ctx, key, found)
}

/// Changes the sorted set at a key, whose type was checked; an empty one goes away with its key.
/// Notes no change.
pub(super) fn edit<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    change: impl FnOnce(&mut SortedSetValue) -> R,
) -> R {
    let seed = ctx.keyspace.hash_seed();
    // A key that is there but not seen (it has expired on a replica) is not built upon.
    if !lookup::exists(ctx, ctx.db, key) {
        let empty = Value::SortedSet(SortedSetValue::new(seed));
        ctx.keyspace.set(ctx.db, key, empty, None);
    }
    let mut left = 0;
    let result = ctx.keyspace.update(ctx.db, key, |value| {
        let Value::SortedSet(set) = value else {
            unreachable!("the caller has checked its type");
        };
        let result = change(set);
        left = set.len();
        result
    });
    if left == 0 {
        ctx.keyspace.remove(ctx.db, key);
    }
    result.unwrap_or_else(|| unreachable!("it was made above if it was missing"))
}

/// Stores a result in place of whatever was there, or deletes that; replies with the size.
pub(super) fn store(ctx: &mut Ctx<'_>, key: &[u8], found: Vec<(Vec<u8>, f64)>) {
    let limits = ctx.keyspace.sorted_set_limits;
    let mut set = SortedSetValue::new(ctx.keyspace.hash_seed());
    for (member, score) in &found {
        set.build(member, *score, limits);
    }
    store_set(ctx, key, set.built());
}

/// The same, each added as by `ZADD`.
pub(super) fn store_one_by_one(ctx: &mut Ctx<'_>, key: &[u8], found: Vec<(Vec<u8>, f64)>) {
    let limits = ctx.keyspace.sorted_set_limits;
    let mut set = SortedSetValue::new(ctx.keyspace.hash_seed());
    for (member, score) in &found {
        set.set(member, *score, limits);
    }
    store_set(ctx, key, set);
}

fn store_set(ctx: &mut Ctx<'_>, key: &[u8], set: SortedSetValue) {
    let existed = lookup::exists(ctx, ctx.db, key);
    ctx.reply.integer(set.len() as i64);
    if !set.is_empty() {
        ctx.keyspace.set(ctx.db, key, Value::SortedSet(set), None);
    } else if existed {
        ctx.keyspace.remove(ctx.db, key);
    } else {
        return;
    }
    lookup::changed(ctx, ctx.db, key);
}

/// A score as a reply.
pub(super) fn reply_score(ctx: &mut Ctx<'_>, score: Option<f64>) {
    match score {
        Some(score) => ctx.reply.bulk(score_text(score)),
        None => ctx.reply.null_bulk(),
    }
}
