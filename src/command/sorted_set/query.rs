//! Questions about members that are not ranges.

use rand::Rng;

use super::super::set::{pairs_fit, random_count};
use super::super::{Args, CommandError, Ctx, Outcome, glob, scan};
use super::range::{LexRange, ScoreRange};
use super::{for_read, reply_score};
use crate::keyspace::score_text;

pub(super) fn zcard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let len = for_read(ctx, args[1])?.map_or(0, |set| set.len());
    ctx.reply.integer(len as i64);
    Ok(())
}

pub(super) fn zscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let score = for_read(ctx, args[1])?.and_then(|set| set.score(args[2]));
    reply_score(ctx, score);
    Ok(())
}

pub(super) fn zmscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let set = for_read(ctx, args[1])?;
    ctx.reply.array_header(args.len() - 2);
    for member in &args[2..] {
        reply_score(ctx, set.as_ref().and_then(|set| set.score(member)));
    }
    Ok(())
}

pub(super) fn zrank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    rank(ctx, args, false)
}

pub(super) fn zrevrank(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    rank(ctx, args, true)
}

fn rank(ctx: &mut Ctx<'_>, args: &Args<'_>, reverse: bool) -> Outcome {
    let set = for_read(ctx, args[1])?;
    let rank = set.and_then(|set| {
        let rank = set.rank(args[2])?;
        Some(if reverse { set.len() - 1 - rank } else { rank })
    });
    match rank {
        Some(rank) => ctx.reply.integer(rank as i64),
        None => ctx.reply.null_bulk(),
    }
    Ok(())
}

pub(super) fn zcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let range = ScoreRange::parse(args[2], args[3])?;
    let count = for_read(ctx, args[1])?.map_or(0, |set| range.ranks(&set).len());
    ctx.reply.integer(count as i64);
    Ok(())
}

pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let range = LexRange::parse(args[2], args[3])?;
    let count = for_read(ctx, args[1])?.map_or(0, |set| range.ranks(&set).len());
    ctx.reply.integer(count as i64);
    Ok(())
}

/// A number below `len`, each as likely.
fn below(ctx: &mut Ctx<'_>, len: usize) -> usize {
    ((u128::from(ctx.random.next_u64()) * len as u128) >> 64) as usize
}

pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let Some(count) = args.get(2) else {
        let set = for_read(ctx, args[1])?;
        let rank = set.as_ref().map_or(0, |set| below(ctx, set.len()));
        match set.as_ref().and_then(|set| set.at(rank)) {
            Some(element) => ctx.reply.bulk(element.member.as_bytes()),
            None => ctx.reply.null_bulk(),
        }
        return Ok(());
    };
    let count = random_count(count)?;
    let with_scores = match &args[3..] {
        [] => false,
        [option] if option.eq_ignore_ascii_case(b"withscores") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores {
        pairs_fit(count)?;
    }
    let Some(set) = for_read(ctx, args[1])? else {
        ctx.reply.array_header(0);
        return Ok(());
    };
    let each = if with_scores { 2 } else { 1 };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let ranks: Box<dyn Iterator<Item = usize>> = if count < 0 {
        ctx.reply.array_header(wanted.saturating_mul(each));
        for _ in 0..wanted {
            let rank = below(ctx, set.len());
            reply_at(ctx, &set, rank, with_scores);
            if ctx.reply.is_over_limit() {
                break;
            }
        }
        return Ok(());
    } else if wanted >= set.len() {
        Box::new(0..set.len())
    } else {
        Box::new(distinct(ctx, wanted, set.len()).into_iter())
    };
    ctx.reply.array_header(wanted.min(set.len()) * each);
    for rank in ranks {
        reply_at(ctx, &set, rank, with_scores);
    }
    Ok(())
}

/// Different numbers below `len` (Floyd's sample).
fn distinct(ctx: &mut Ctx<'_>, wanted: usize, len: usize) -> Vec<usize> {
    let mut picked = std::collections::BTreeSet::new();
    for top in len - wanted..len {
        let rank = below(ctx, top + 1);
        if !picked.insert(rank) {
            picked.insert(top);
        }
    }
    picked.into_iter().collect()
}

fn reply_at(
    ctx: &mut Ctx<'_>,
    set: &crate::keyspace::SortedSetValue,
    rank: usize,
    with_scores: bool,
) {
    if let Some(element) = set.at(rank) {
        ctx.reply.bulk(element.member.as_bytes());
        if with_scores {
            ctx.reply.bulk(score_text(element.score));
        }
    }
}

pub(super) fn zscan(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let cursor = scan::cursor(args[2])?;
    let set = for_read(ctx, args[1])?;
    let Some(set) = set else {
        ctx.reply.array_header(2);
        ctx.reply.bulk("0");
        ctx.reply.array_header(0);
        return Ok(());
    };
    let options = scan::scan_options(&args[3..], false)?;
    let mut found: Vec<(Vec<u8>, f64)> = Vec::new();
    let packed = set.is_listpack();
    let next = set.scan(cursor, options.count, &mut |member, score| {
        if options.pattern.is_none_or(|pattern| glob::matches(pattern, member)) {
            found.push((member.to_vec(), score));
        }
    });
    ctx.reply.array_header(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next));
    ctx.reply.array_header(found.len() * 2);
    for (member, score) in found {
        ctx.reply.bulk(member);
        match whole(score).filter(|_| packed) {
            Some(score) => ctx.reply.bulk(itoa::Buffer::new().format(score)),
            None => ctx.reply.bulk(score_text(score)),
        }
    }
    Ok(())
}

/// A score that a listpack keeps as an integer, and `ZSCAN` shows so (util.c `double2ll`).
fn whole(score: f64) -> Option<i64> {
    const MOST: f64 = (i64::MAX / 2) as f64;
    // In range by the check.
    (score.abs() <= MOST && score.fract() == 0.0).then_some(score as i64)
}
