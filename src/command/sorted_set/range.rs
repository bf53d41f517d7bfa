//! Ranges of ranks, scores and bytes, and the commands that return or store them.

use std::ops::Range;

use super::super::{Args, CommandError, Ctx, Outcome, lookup, number};
use super::{for_read, store_one_by_one};
use crate::keyspace::{SortedSetValue, score_text};

/// `start` to `end`, both inclusive and negative from the end, within `len` ranks.
pub(in crate::command) fn clip_ranks(start: i64, end: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let absolute = |rank: i64| if rank < 0 { rank.saturating_add(len) } else { rank };
    let start = absolute(start).max(0);
    let end = absolute(end).min(len - 1);
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// Scores from one bound to another.
pub(in crate::command) struct ScoreRange {
    min: (f64, bool),
    max: (f64, bool),
}

impl ScoreRange {
    /// `(` before a number leaves it out.
    pub(in crate::command) fn parse(min: &[u8], max: &[u8]) -> Result<Self, CommandError> {
        let bound = |text: &[u8]| {
            let (digits, open) = match text {
                [b'(', rest @ ..] => (rest, true),
                _ => (text, false),
            };
            let error = || CommandError::Other("min or max is not a float".into());
            number::loose_float(digits).map(|value| (value, open)).ok_or_else(error)
        };
        Ok(Self { min: bound(min)?, max: bound(max)? })
    }

    /// Where in a set.
    pub(in crate::command) fn ranks(&self, set: &SortedSetValue) -> Range<usize> {
        let ((min, min_open), (max, max_open)) = (self.min, self.max);
        let start =
            set.partition_point(|element| element.score < min || min_open && element.score == min);
        let end =
            set.partition_point(|element| element.score < max || !max_open && element.score == max);
        start..end.max(start)
    }
}

/// One end of a [`LexRange`].
enum LexBound<'a> {
    Lowest,
    Highest,
    Closed(&'a [u8]),
    Open(&'a [u8]),
}

/// Members from one string of bytes to another, where all scores are the same.
pub(in crate::command) struct LexRange<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// `[` before a string includes it, `(` leaves it out; `-` and `+` are the ends.
    pub(in crate::command) fn parse(min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        let bound = |text: &'a [u8]| match text {
            b"-" => Ok(LexBound::Lowest),
            b"+" => Ok(LexBound::Highest),
            [b'[', rest @ ..] => Ok(LexBound::Closed(rest)),
            [b'(', rest @ ..] => Ok(LexBound::Open(rest)),
            _ => Err(CommandError::Other("min or max not valid string range item".into())),
        };
        Ok(Self { min: bound(min)?, max: bound(max)? })
    }

    /// Where in a set.
    pub(in crate::command) fn ranks(&self, set: &SortedSetValue) -> Range<usize> {
        // With scores that differ the order is not that of the members: what the first element
        // from either end says then decides, as in Redis it does for the most part.
        let start = set.partition_point(|element| {
            let member = element.member.as_bytes();
            match self.min {
                LexBound::Lowest => false,
                LexBound::Highest => true,
                LexBound::Closed(bound) => member < bound,
                LexBound::Open(bound) => member <= bound,
            }
        });
        let end = set.partition_point(|element| {
            let member = element.member.as_bytes();
            match self.max {
                LexBound::Lowest => false,
                LexBound::Highest => true,
                LexBound::Closed(bound) => member <= bound,
                LexBound::Open(bound) => member < bound,
            }
        });
        start..end.max(start)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// `LIMIT`: so many to pass over (below zero: all), and so many to take (below zero: the rest).
type Limit = Option<(i64, i64)>;

fn limited(ranks: Range<usize>, limit: Limit, reverse: bool) -> Range<usize> {
    let Some((offset, count)) = limit else {
        return ranks;
    };
    let skip = usize::try_from(offset).unwrap_or(usize::MAX).min(ranks.len());
    let take = usize::try_from(count).unwrap_or(usize::MAX).min(ranks.len() - skip);
    if reverse {
        let end = ranks.end - skip;
        end - take..end
    } else {
        let start = ranks.start + skip;
        start..start + take
    }
}

/// What one of these commands was asked for.
struct Request {
    by: By,
    reverse: bool,
    with_scores: bool,
    limit: Limit,
}

/// `by` and `reverse` are given where the command's name says it.
fn request(
    options: &Args<'_>,
    by: Option<By>,
    reverse: Option<bool>,
    storing: bool,
) -> Result<Request, CommandError> {
    let mut asked = (by, reverse, false, None);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"withscores" if !storing => asked.2 = true,
            b"limit" if rest.len() >= 2 => {
                let mut next = || number::integer(rest.next().copied().unwrap_or_default());
                asked.3 = Some((next()?, next()?));
            }
            b"rev" if reverse.is_none() => asked.1 = Some(true),
            b"bylex" if asked.0.is_none() => asked.0 = Some(By::Lex),
            b"byscore" if asked.0.is_none() => asked.0 = Some(By::Score),
            _ => return Err(CommandError::Syntax),
        }
    }
    let request = Request {
        by: asked.0.unwrap_or(By::Rank),
        reverse: asked.1.unwrap_or(false),
        with_scores: asked.2,
        limit: asked.3,
    };
    let complain = |text: &str| Err(CommandError::Other(text.into()));
    if request.by == By::Rank && request.limit.is_some_and(|(_, count)| count != -1) {
        return complain(
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        );
    }
    if request.by == By::Lex && request.with_scores {
        return complain("syntax error, WITHSCORES not supported in combination with BYLEX");
    }
    Ok(request)
}

/// Where in a set.
type Ranks<'a> = Box<dyn Fn(&SortedSetValue) -> Range<usize> + 'a>;

/// Finds the elements, in the order asked for.
fn find(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    request: &Request,
) -> Result<Option<(SortedSetValue, Range<usize>)>, CommandError> {
    let (key, first, second) = (args[0], args[1], args[2]);
    let (min, max) = if request.reverse { (second, first) } else { (first, second) };
    let ranks: Ranks<'_> = match request.by {
        By::Rank => {
            let (start, end) = (number::integer(first)?, number::integer(second)?);
            let reverse = request.reverse;
            Box::new(move |set| {
                let ranks = clip_ranks(start, end, set.len());
                if reverse { set.len() - ranks.end..set.len() - ranks.start } else { ranks }
            })
        }
        By::Score => {
            let range = ScoreRange::parse(min, max)?;
            Box::new(move |set| range.ranks(set))
        }
        By::Lex => {
            let range = LexRange::parse(min, max)?;
            Box::new(move |set| range.ranks(set))
        }
    };
    let limit = request.limit.filter(|_| request.by != By::Rank);
    Ok(for_read(ctx, key)?.map(|set| {
        let ranks = limited(ranks(&set), limit, request.reverse);
        (set, ranks)
    }))
}

fn reply_range(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    by: Option<By>,
    reverse: Option<bool>,
) -> Outcome {
    let request = request(&args[4..], by, reverse, false)?;
    let Some((set, ranks)) = find(ctx, &args[1..], &request)? else {
        ctx.reply.array_header(0);
        return Ok(());
    };
    let found = set.range(ranks, request.reverse);
    ctx.reply.array_header(found.len() * if request.with_scores { 2 } else { 1 });
    for element in found {
        ctx.reply.bulk(element.member.as_bytes());
        if request.with_scores {
            ctx.reply.bulk(score_text(element.score));
        }
    }
    Ok(())
}

pub(super) fn zrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, None, None)
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, Some(By::Lex), Some(false))
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply_range(ctx, args, Some(By::Lex), Some(true))
}

pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let request = request(&args[5..], None, None, true)?;
    let found = find(ctx, &args[2..], &request)?;
    let found = found.map_or_else(Vec::new, |(set, ranks)| {
        let found = set.range(ranks, request.reverse).into_iter();
        found.map(|element| (element.member.to_vec(), element.score)).collect()
    });
    lookup::exists(ctx, ctx.db, args[1]);
    store_one_by_one(ctx, args[1], found);
    Ok(())
}
