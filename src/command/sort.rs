//! `SORT` and `SORT_RO` (Redis: sort.c).
//!
//! What `BY` and `GET` name is looked up in other keys, so that nobody can tell from the arguments
//! which keys are read: a user who may not read all keys may not use them (see
//! [`Begin::Patterns`](super::key_spec::Begin)).

use std::cmp::Ordering;

use super::key_spec::{OVERWRITES, READS, at, by_patterns, found_by};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, lookup, number};
use crate::keyspace::{End, ListValue, Value};

const CATEGORIES: &[&str] = &["set", "sortedset", "list"];

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command::new("sort", -2, Flags::WRITE.with(Flags::DENYOOM).with(Flags::DANGEROUS), Group::Generic, "1.0.0", "Sorts a list, a set or a sorted set, and stores the outcome if wanted", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| sort(ctx, args, true)))
        .with_keys(&[at(1, READS), by_patterns(patterns, READS), found_by(store_key, OVERWRITES)])
        .in_categories(CATEGORIES),
    Command::new("sort_ro", -2, Flags::READONLY.with(Flags::DANGEROUS), Group::Generic, "7.0.0", "Sorts a list, a set or a sorted set", data!(|ctx: &mut Ctx<'_>, args: &Args<'_>| sort(ctx, args, false)))
        .with_keys(&[at(1, READS), by_patterns(patterns, READS)])
        .in_categories(CATEGORIES),
];

/// The option that reads keys nobody can tell beforehand, if one is given.
fn patterns(args: &Args<'_>) -> Option<&'static str> {
    let options = Options::parse(args.get(2..)?, true).ok()?;
    match options.by {
        Some(pattern) if pattern.contains(&b'*') => Some("BY"),
        _ if !options.get.is_empty() => Some("GET"),
        _ => None,
    }
}

/// Position of the key after the last `STORE`.
fn store_key(args: &Args<'_>) -> Option<usize> {
    let mut found = None;
    let mut at = 2;
    while at < args.len() {
        let is = |name: &str| args[at].eq_ignore_ascii_case(name.as_bytes());
        let values = match () {
            () if is("LIMIT") => 2,
            () if is("BY") || is("GET") || is("STORE") => 1,
            () => 0,
        };
        if is("STORE") && at + 1 < args.len() {
            found = Some(at + 1);
        }
        at += 1 + values;
    }
    found
}

#[derive(Default)]
struct Options<'a> {
    descending: bool,
    alpha: bool,
    /// Start and count; a negative count is all.
    limit: Option<(i64, i64)>,
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let mut options = Self::default();
        let mut rest = args;
        while let [word, more @ ..] = rest {
            rest = more;
            match more {
                _ if is(word, "ASC") => options.descending = false,
                _ if is(word, "DESC") => options.descending = true,
                _ if is(word, "ALPHA") => options.alpha = true,
                [start, count, more @ ..] if is(word, "LIMIT") => {
                    options.limit = Some((number::integer(start)?, number::integer(count)?));
                    rest = more;
                }
                [key, more @ ..] if is(word, "STORE") && may_store => {
                    options.store = Some(key);
                    rest = more;
                }
                [pattern, more @ ..] if is(word, "BY") => {
                    options.by = Some(pattern);
                    rest = more;
                }
                [pattern, more @ ..] if is(word, "GET") => {
                    options.get.push(pattern);
                    rest = more;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }

    /// `BY` a name without `*` is no order at all.
    fn is_unsorted(&self) -> bool {
        self.by.is_some_and(|pattern| !pattern.contains(&b'*'))
    }

    /// What is left of so many elements.
    fn window(&self, len: usize) -> std::ops::Range<usize> {
        let (start, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        start..start.saturating_add(count).min(len)
    }
}

fn sort(ctx: &mut Ctx<'_>, args: &Args<'_>, may_store: bool) -> Outcome {
    let mut options = Options::parse(&args[2..], may_store)?;
    let found = lookup::exists_for_read(ctx, ctx.db, args[1]);
    let value = ctx.keyspace.get(ctx.db, args[1]).filter(|_| found);
    let (mut elements, is_set) = elements_of(value)?;
    if options.is_unsorted() && is_set && options.store.is_some() {
        // Replicas have to store the same: the order of a set is each server's own.
        options.by = None;
        options.alpha = true;
    }
    if options.is_unsorted() {
        // A set has no other end to begin at.
        if options.descending && !is_set {
            elements.reverse();
        }
    } else {
        if is_set {
            // Equal weights keep the order from before, which has to be the same on replicas.
            elements.sort_unstable();
        }
        put_in_order(ctx, &options, &mut elements)?;
    }
    let window = options.window(elements.len());
    let mut outcome = Vec::new();
    for element in &elements[window] {
        if options.get.is_empty() {
            outcome.push(Some(element.clone()));
        }
        for pattern in &options.get {
            outcome.push(look_up(ctx, pattern, element));
        }
    }
    match options.store {
        Some(key) => store(ctx, key, &outcome),
        None => {
            ctx.reply.array_header(outcome.len());
            for element in &outcome {
                match element {
                    Some(bytes) => ctx.reply.bulk(bytes),
                    None => ctx.reply.null_bulk(),
                }
            }
        }
    }
    Ok(())
}

/// All elements in their order, and whether they have none.
fn elements_of(value: Option<&Value>) -> Result<(Vec<Vec<u8>>, bool), CommandError> {
    match value {
        None => Ok((Vec::new(), false)),
        Some(Value::List(list)) => {
            Ok((list.iter().map(|element| element.to_vec()).collect(), false))
        }
        Some(Value::Set(set)) => Ok((set.iter().map(|member| member.to_vec()).collect(), true)),
        Some(Value::SortedSet(set)) => {
            Ok((set.iter().map(|element| element.member.to_vec()).collect(), false))
        }
        Some(_) => Err(CommandError::WrongType),
    }
}

/// What an element is sorted by.
enum Weight {
    Number(f64),
    /// `None`: there is nothing at its key.
    Text(Option<Vec<u8>>),
}

fn put_in_order(ctx: &mut Ctx<'_>, options: &Options<'_>, elements: &mut Vec<Vec<u8>>) -> Outcome {
    let mut weighed = Vec::with_capacity(elements.len());
    let mut all_are_numbers = true;
    for element in elements.drain(..) {
        let text = match options.by {
            Some(pattern) => look_up(ctx, pattern, &element),
            None => Some(element.clone()),
        };
        let weight = if options.alpha {
            Weight::Text(text)
        } else {
            // Nothing counts as 0.
            let number = text.map_or(Some(0.0), |text| to_number(&text));
            all_are_numbers &= number.is_some();
            Weight::Number(number.unwrap_or(0.0))
        };
        weighed.push((weight, element));
    }
    if !all_are_numbers {
        return Err(CommandError::Other(
            "One or more scores can't be converted into double".into(),
        ));
    }
    weighed.sort_by(|a, b| {
        let order = compare(a, b);
        if options.descending { order.reverse() } else { order }
    });
    elements.extend(weighed.into_iter().map(|(_, element)| element));
    Ok(())
}

fn compare(a: &(Weight, Vec<u8>), b: &(Weight, Vec<u8>)) -> Ordering {
    match (&a.0, &b.0) {
        // No NaN by `to_number`. Elements of the same number are in the order of their bytes.
        (Weight::Number(x), Weight::Number(y)) => {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(&b.1))
        }
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        _ => Ordering::Equal,
    }
}

/// As C's `strtod` reads it up to the first NUL; what leaves the range of a double is none.
fn to_number(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    match number::float(text) {
        Ok(number) => Some(number),
        // Space before it and nothing at all are accepted here.
        Err(_) if text.first().is_none_or(u8::is_ascii_whitespace) => number::loose_float(text),
        Err(_) => None,
    }
}

/// The string (or, with `->`, the field of the hash) at the key that a pattern makes of an
/// element; `#` is the element itself.
fn look_up(ctx: &mut Ctx<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|two| two == b"->").filter(|at| at + 2 < rest.len());
    let (suffix, field) = match arrow {
        Some(at) => (&rest[..at], Some(&rest[at + 2..])),
        None => (rest, None),
    };
    let key = [prefix, element, suffix].concat();
    if !lookup::exists_for_read(ctx, ctx.db, &key) {
        return None;
    }
    match (ctx.keyspace.get(ctx.db, &key)?, field) {
        (Value::String(string), None) => Some(string.with_bytes(<[u8]>::to_vec)),
        (Value::Hash(hash), Some(field)) => hash.get(field).map(|value| value.to_vec()),
        _ => None,
    }
}

/// Stores the outcome as a list; what was not found is an empty element.
fn store(ctx: &mut Ctx<'_>, key: &[u8], outcome: &[Option<Vec<u8>>]) {
    if outcome.is_empty() {
        if lookup::exists(ctx, ctx.db, key) {
            ctx.keyspace.remove(ctx.db, key);
            lookup::changed(ctx, ctx.db, key);
        }
        ctx.reply.integer(0);
        return;
    }
    let mut list = ListValue::default();
    for element in outcome {
        list.push(End::Right, element.as_deref().unwrap_or_default());
    }
    ctx.keyspace.set(ctx.db, key, Value::List(list), None);
    lookup::changed_times(ctx, key, outcome.len());
    ctx.reply.integer(outcome.len() as i64);
}

#[cfg(test)]
mod tests {
    use super::super::ExpiryView;
    use super::super::testing::Bench;

    fn bench() -> Bench {
        let mut bench = Bench::new(ExpiryView::Delete);
        bench.run("RPUSH l 3 1 10 2");
        bench.run("MSET w_1 c w_2 b w_3 a");
        bench.run("HSET h_1 f one");
        bench.run("HSET h_3 f three g x");
        bench
    }

    /// Redis leaves elements of equal weight in the order of its hash table, and stores other lists
    /// on its replicas than on the master.
    #[test]
    fn equal_weights_of_a_set_are_in_the_order_of_bytes() {
        let mut bench = bench();
        bench.run("SADD t d c b a e f g h");
        bench.run("SORT t BY nothing_* ALPHA STORE l");
        assert_eq!(bench.run("LRANGE l 0 -1"), bench.run("SORT t ALPHA"));
    }

    #[test]
    fn by_number_by_bytes_and_by_other_keys() {
        let mut bench = bench();
        assert_eq!(bench.run("SORT l"), "*4 $1 1 $1 2 $1 3 $2 10");
        assert_eq!(bench.run("SORT l DESC LIMIT 1 2"), "*2 $1 3 $1 2");
        assert_eq!(bench.run("SORT l ALPHA"), "*4 $1 1 $2 10 $1 2 $1 3");
        assert_eq!(bench.run("SORT l BY w_* ALPHA"), "*4 $2 10 $1 3 $1 2 $1 1");
        assert_eq!(bench.run("SORT l BY nosort"), "*4 $1 3 $1 1 $2 10 $1 2");
        assert_eq!(bench.run("SORT l BY nosort DESC LIMIT 0 1"), "*1 $1 2");
        assert_eq!(
            bench.run("SORT l BY w_*"),
            "-ERR One or more scores can't be converted into double"
        );
    }

    #[test]
    fn what_is_got_may_be_nothing() {
        let mut bench = bench();
        assert_eq!(
            bench.run("SORT l GET # GET h_*->f LIMIT 0 3"),
            "*6 $1 1 $3 one $1 2 $-1 $1 3 $5 three"
        );
        assert_eq!(bench.run("SORT l GET w_* LIMIT 3 1"), "*1 $-1");
        assert_eq!(bench.run("SORT l GET fixed LIMIT 0 1"), "*1 $-1");
    }

    #[test]
    fn stored_as_a_list_and_propagated_as_it_came() {
        let mut bench = bench();
        let line = "SORT l GET h_*->f STORE d";
        assert_eq!(bench.run(line), ":4");
        assert_eq!(bench.stream(line), line);
        assert_eq!(bench.run("LRANGE d 0 -1"), "*4 $3 one $0  $5 three $0");
        let line = "SORT none STORE d";
        assert_eq!(bench.run(line), ":0");
        assert_eq!(bench.stream(line), line);
        assert_eq!(bench.run("EXISTS d"), ":0");
        bench.run(line);
        assert_eq!(bench.stream(line), "");
        bench.run("SADD s b a");
        assert_eq!(bench.run("SORT s BY nosort STORE d"), ":2");
        assert_eq!(bench.run("LRANGE d 0 -1"), "*2 $1 a $1 b");
        assert_eq!(bench.run("SORT_RO l STORE d"), "-ERR syntax error");
        assert!(bench.run("SORT h_1").starts_with("-WRONGTYPE"));
    }
}
