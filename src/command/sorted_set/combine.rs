//! Union, intersection and difference, of sorted sets and of sets (whose members score 1).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::{Args, CommandError, Ctx, Outcome, lookup, number};
use super::store;
use crate::keyspace::{Key, SetValue, SortedSetValue, Value, score_text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

#[derive(Debug, Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Two infinities of different signs.
            Aggregate::Sum if (a + b).is_nan() => 0.0,
            Aggregate::Sum => a + b,
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// What is combined. A clone of either kind of set costs next to nothing.
enum Members {
    Missing,
    Plain(SetValue),
    Scored(SortedSetValue),
}

impl Members {
    fn len(&self) -> usize {
        match self {
            Members::Missing => 0,
            Members::Plain(set) => set.len(),
            Members::Scored(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Members::Missing => None,
            Members::Plain(set) => set.contains(member).then_some(1.0),
            Members::Scored(set) => set.score(member),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (Key, f64)> + '_> {
        match self {
            Members::Missing => Box::new(std::iter::empty()),
            Members::Plain(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Members::Scored(set) => {
                Box::new(set.iter().map(|element| (element.member.clone(), element.score)))
            }
        }
    }
}

struct Source {
    key: Vec<u8>,
    set: Members,
    weight: f64,
}

impl Source {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn weighted(&self, score: f64) -> f64 {
        let score = self.weight * score;
        if score.is_nan() { 0.0 } else { score }
    }
}

struct Request {
    sources: Vec<Source>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Reply,
    Store,
    Count,
}

/// `args` begin with the number of keys.
fn request(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    operation: Operation,
    form: Form,
    name: &str,
) -> Result<Request, CommandError> {
    let count = number::integer(args[0])?;
    if count < 1 {
        let text = format!("at least 1 input key is needed for '{name}' command");
        return Err(CommandError::Other(text));
    }
    let rest = &args[1..];
    let count = usize::try_from(count).ok().filter(|count| *count <= rest.len());
    let (keys, options) = rest.split_at(count.ok_or(CommandError::Syntax)?);
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys {
        let found = lookup::exists_for_read(ctx, ctx.db, key);
        let set = source(ctx, key, found)?;
        sources.push(Source { key: key.to_vec(), set, weight: 1.0 });
    }
    let mut request = Request { sources, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
    let weighing = operation != Operation::Diff && form != Form::Count;
    let mut at = 0;
    while at < options.len() {
        let left = options.len() - at;
        match options[at].to_ascii_lowercase().as_slice() {
            b"weights" if weighing && left > request.sources.len() => {
                for source in &mut request.sources {
                    at += 1;
                    let error = |_| CommandError::Other("weight value is not a float".into());
                    source.weight = number::float(options[at]).map_err(error)?;
                }
            }
            b"aggregate" if weighing && left >= 2 => {
                at += 1;
                request.aggregate = match options[at].to_ascii_lowercase().as_slice() {
                    b"sum" => Aggregate::Sum,
                    b"min" => Aggregate::Min,
                    b"max" => Aggregate::Max,
                    _ => return Err(CommandError::Syntax),
                };
            }
            b"withscores" if form == Form::Reply => request.with_scores = true,
            b"limit" if form == Form::Count && left >= 2 => {
                at += 1;
                request.limit = super::pop::positive(options[at], "LIMIT can't be negative", 0)?;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(request)
}

fn source(ctx: &Ctx<'_>, key: &[u8], found: bool) -> Result<Members, CommandError> {
    match ctx.keyspace.get(ctx.db, key).filter(|_| found) {
        None => Ok(Members::Missing),
        Some(Value::Set(set)) => Ok(Members::Plain(set.clone())),
        Some(Value::SortedSet(set)) => Ok(Members::Scored(set.clone())),
        Some(_) => Err(CommandError::WrongType),
    }
}

impl Request {
    fn result(mut self, operation: Operation) -> Vec<(Vec<u8>, f64)> {
        if operation != Operation::Diff {
            // Sums of floats depend on the order.
            self.sources.sort_by_key(Source::len);
        }
        match operation {
            Operation::Union => self.union(),
            Operation::Inter => self.inter(),
            Operation::Diff => self.diff(),
        }
    }

    fn union(&self) -> Vec<(Vec<u8>, f64)> {
        let mut found: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for source in &self.sources {
            for (member, score) in source.set.iter() {
                let score = source.weighted(score);
                found
                    .entry(member.to_vec())
                    .and_modify(|before| *before = self.aggregate.of(*before, score))
                    .or_insert(score);
            }
        }
        found.into_iter().collect()
    }

    fn inter(&self) -> Vec<(Vec<u8>, f64)> {
        let Some((first, others)) = self.sources.split_first() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        'members: for (member, own) in first.set.iter() {
            let mut score = first.weighted(own);
            for other in others {
                let theirs =
                    if other.key == first.key { Some(own) } else { other.set.score(&member) };
                let Some(theirs) = theirs else {
                    continue 'members;
                };
                // Redis lets a NaN of an infinity and a weight of 0 through here.
                score = self.aggregate.of(score, other.weight * theirs);
            }
            found.push((member.to_vec(), score));
            if found.len() == self.limit {
                break;
            }
        }
        found
    }

    fn diff(&self) -> Vec<(Vec<u8>, f64)> {
        let Some((first, others)) = self.sources.split_first() else {
            return Vec::new();
        };
        let in_other = |member: &[u8]| others.iter().any(|other| other.set.score(member).is_some());
        let elements = first.set.iter().filter(|(member, _)| !in_other(member));
        elements.map(|(member, score)| (member.to_vec(), score)).collect()
    }
}

fn reply(ctx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation, name: &str) -> Outcome {
    let request = request(ctx, &args[1..], operation, Form::Reply, name)?;
    let with_scores = request.with_scores;
    let mut found = request.result(operation);
    found.sort_by(|(a, a_score), (b, b_score)| {
        a_score.partial_cmp(b_score).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b))
    });
    ctx.reply.array_header(found.len() * if with_scores { 2 } else { 1 });
    for (member, score) in found {
        ctx.reply.bulk(member);
        if with_scores {
            ctx.reply.bulk(score_text(score));
        }
    }
    Ok(())
}

fn store_result(ctx: &mut Ctx<'_>, args: &Args<'_>, operation: Operation, name: &str) -> Outcome {
    let request = request(ctx, &args[2..], operation, Form::Store, name)?;
    let found = request.result(operation);
    store(ctx, args[1], found);
    Ok(())
}

pub(super) fn zunion(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply(ctx, args, Operation::Union, "zunion")
}

pub(super) fn zinter(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply(ctx, args, Operation::Inter, "zinter")
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    reply(ctx, args, Operation::Diff, "zdiff")
}

pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let request = request(ctx, &args[1..], Operation::Inter, Form::Count, "zintercard")?;
    let count = request.result(Operation::Inter).len();
    ctx.reply.integer(count as i64);
    Ok(())
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    store_result(ctx, args, Operation::Union, "zunionstore")
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    store_result(ctx, args, Operation::Inter, "zinterstore")
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    store_result(ctx, args, Operation::Diff, "zdiffstore")
}
