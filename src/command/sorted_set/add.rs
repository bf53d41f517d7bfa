//! `ZADD` and `ZINCRBY`.

use super::super::{Args, CommandError, Ctx, Outcome, lookup, number};
use super::{edit, for_write, reply_score};

#[derive(Default, Clone, Copy)]
struct Options {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

fn options(args: &Args<'_>) -> (Options, usize) {
    let mut options = Options::default();
    for (at, arg) in args.iter().enumerate() {
        match arg.to_ascii_lowercase().as_slice() {
            b"nx" => options.nx = true,
            b"xx" => options.xx = true,
            b"gt" => options.gt = true,
            b"lt" => options.lt = true,
            b"ch" => options.ch = true,
            b"incr" => options.incr = true,
            _ => return (options, at),
        }
    }
    (options, args.len())
}

pub(super) fn zadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (options, skipped) = options(&args[2..]);
    add(ctx, args[1], options, &args[2 + skipped..])
}

pub(super) fn zincrby(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    add(ctx, args[1], Options { incr: true, ..Options::default() }, &args[2..])
}

fn other(text: &str) -> CommandError {
    CommandError::Other(text.into())
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], options: Options, pairs: &Args<'_>) -> Outcome {
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    if options.nx && options.xx {
        return Err(other("XX and NX options at the same time are not compatible"));
    }
    if options.gt && (options.nx || options.lt) || options.lt && options.nx {
        return Err(other("GT, LT, and/or NX options at the same time are not compatible"));
    }
    if options.incr && pairs.len() > 2 {
        return Err(other("INCR option supports a single increment-element pair"));
    }
    let mut wanted = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        wanted.push((number::float(pair[0])?, pair[1]));
    }
    let existed = for_write(ctx, key)?.is_some();
    let mut counts = Counts::default();
    if existed || !options.xx {
        let limits = ctx.keyspace.sorted_set_limits;
        edit(ctx, key, |set| -> Outcome {
            for (score, member) in wanted {
                let before = set.score(member);
                if let Some(score) = decide(options, before, score)? {
                    counts.score = Some(score);
                    set.set(member, score, limits);
                    counts.added += u64::from(before.is_none());
                    counts.updated += u64::from(before.is_some_and(|before| before != score));
                }
            }
            Ok(())
        })?;
    }
    for _ in 0..counts.added + counts.updated {
        lookup::changed(ctx, ctx.db, key);
    }
    if options.incr {
        reply_score(ctx, counts.score);
    } else {
        let updated = if options.ch { counts.updated } else { 0 };
        ctx.reply.integer((counts.added + updated) as i64);
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    added: u64,
    updated: u64,
    /// Of the last member that was not passed over.
    score: Option<f64>,
}

/// The new score of a member, or `None` if the options pass it over.
fn decide(options: Options, before: Option<f64>, score: f64) -> Result<Option<f64>, CommandError> {
    let Some(before) = before else {
        return Ok((!options.xx).then_some(score));
    };
    if options.nx {
        return Ok(None);
    }
    let score = if options.incr { before + score } else { score };
    if score.is_nan() {
        return Err(other("resulting score is not a number (NaN)"));
    }
    let passed_over = options.lt && score >= before || options.gt && score <= before;
    Ok((!passed_over).then_some(score))
}
