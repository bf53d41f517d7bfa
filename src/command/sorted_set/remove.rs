//! `ZREM` and its ranges.

use std::ops::Range;

use super::super::{Args, CommandError, Ctx, Outcome, lookup, number};
use super::range::{LexRange, ScoreRange, clip_ranks};
use super::{edit, for_write};
use crate::keyspace::SortedSetValue;

pub(super) fn zrem(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let mut removed = 0;
    if for_write(ctx, args[1])?.is_some() {
        removed = edit(ctx, args[1], |set| {
            args[2..].iter().filter(|member| set.remove(member).is_some()).count()
        });
    }
    conclude(ctx, args[1], removed)
}

fn conclude(ctx: &mut Ctx<'_>, key: &[u8], removed: usize) -> Outcome {
    for _ in 0..removed {
        lookup::changed(ctx, ctx.db, key);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

fn remove_range(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    ranks: impl FnOnce(&SortedSetValue) -> Range<usize>,
) -> Outcome {
    let mut removed = 0;
    if for_write(ctx, key)?.is_some() {
        removed = edit(ctx, key, |set| {
            let ranks = ranks(set);
            let members: Vec<_> =
                set.range(ranks, false).into_iter().map(|it| it.member.clone()).collect();
            members.iter().filter(|member| set.remove(member).is_some()).count()
        });
    }
    conclude(ctx, key, removed)
}

pub(super) fn by_rank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (start, end) = (number::integer(args[2])?, number::integer(args[3])?);
    remove_range(ctx, args[1], |set| clip_ranks(start, end, set.len()))
}

pub(super) fn by_score(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let range = ScoreRange::parse(args[2], args[3])?;
    remove_range(ctx, args[1], |set| range.ranks(set))
}

pub(super) fn by_lex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), CommandError> {
    let range = LexRange::parse(args[2], args[3])?;
    remove_range(ctx, args[1], |set| range.ranks(set))
}
