//! Command lines that are refused whatever the data are: a word too many, no number where one
//! belongs, a database that is not there.
//!
//! Redis reads a whole command line before it looks at a key, so that these come before
//! `WRONGTYPE`. Must never: refuse a line of which it is not certain; of what this file does not
//! know, the families decide.

use super::reply::{number, real};

/// Whether a node must answer an error, and change nothing. `databases` is how many it has.
pub fn is_malformed(args: &[&[u8]], databases: u32) -> bool {
    let Some((name, args)) = args.split_first() else { return true };
    let is_database =
        |word: &[u8]| number(word).is_some_and(|it| (0..i64::from(databases)).contains(&it));
    match (name.to_ascii_uppercase().as_slice(), args) {
        (b"FLUSHDB" | b"FLUSHALL", []) => false,
        (b"FLUSHDB" | b"FLUSHALL", [how]) => !is_one_of(how, &["async", "sync"]),
        (b"FLUSHDB" | b"FLUSHALL", _) => true,
        (b"SWAPDB", [a, b]) => !is_database(a) || !is_database(b),
        (b"MOVE", [_, db]) => !is_database(db),
        (b"COPY", [_, _, options @ ..]) => !copy_options(options, is_database),
        (b"SET", [_, _, options @ ..]) => !set_options(options, &["nx", "xx", "get", "keepttl"]),
        (b"GETEX", [_, options @ ..]) => !set_options(options, &["persist"]),
        (b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT", [_, when, conditions @ ..]) => {
            number(when).is_none() || !expire_conditions(conditions)
        }
        (b"BLPOP" | b"BRPOP" | b"BZPOPMIN" | b"BZPOPMAX", [_, .., timeout]) => {
            is_no_timeout(timeout)
        }
        (b"BRPOPLPUSH", [_, _, timeout]) => is_no_timeout(timeout),
        (b"LMOVE", [_, _, a, b]) => !is_end(a) || !is_end(b),
        (b"BLMOVE", [_, _, a, b, timeout]) => !is_end(a) || !is_end(b) || is_no_timeout(timeout),
        (b"LMPOP", [many, rest @ ..]) => !is_pop_of_many(many, rest),
        (b"BLMPOP", [timeout, many, rest @ ..]) => {
            is_no_timeout(timeout) || !is_pop_of_many(many, rest)
        }
        (b"LINSERT", [_, place, _, _]) => !is_one_of(place, &["before", "after"]),
        (b"HINCRBY", [_, _, by]) => number(by).is_none(),
        (b"HINCRBYFLOAT", [_, _, by]) | (b"ZINCRBY", [_, by, _]) => is_no_real(by),
        (b"ZADD", [_, rest @ ..]) => !scores(rest),
        (b"ZCOUNT" | b"ZREMRANGEBYSCORE", [_, least, most]) => {
            // C reads nothing as 0.
            let end = |word: &[u8]| word.strip_prefix(b"(").unwrap_or(word).to_vec();
            [end(least), end(most)].iter().any(|end| !end.is_empty() && is_no_real(end))
        }
        (b"ZPOPMIN" | b"ZPOPMAX", [_, _, _, ..]) => true,
        (b"XADD", args) => args.len() < 4,
        _ => false,
    }
}

fn is_one_of(word: &[u8], words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes()))
}

fn is_end(word: &[u8]) -> bool {
    is_one_of(word, &["left", "right"])
}

/// No number at all; C reads hexadecimal ones, and infinity, too.
fn is_no_real(word: &[u8]) -> bool {
    let text = std::str::from_utf8(word).unwrap_or_default();
    let is_infinite = text.parse().is_ok_and(|number: f64| number.is_infinite());
    let is_hexadecimal = text.to_ascii_lowercase().contains("0x");
    real(word).is_none() && !is_infinite && !is_hexadecimal
}

/// No time to wait: no number, negative, or more milliseconds than there are.
fn is_no_timeout(word: &[u8]) -> bool {
    const TOO_LONG_S: f64 = 1e16;
    is_no_real(word) || real(word).is_some_and(|time| !(0.0..TOO_LONG_S).contains(&time))
}

fn copy_options(options: &[&[u8]], is_database: impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let known = is_one_of(option, &["replace"])
            || is_one_of(option, &["db"]) && rest.next().is_some_and(|db| is_database(db));
        if !known {
            return false;
        }
    }
    true
}

/// Options of `SET` and `GETEX`: of what says how long a key lives, one kind.
fn set_options(options: &[&[u8]], alone: &[&str]) -> bool {
    let mut rest = options.iter();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    while let Some(option) = rest.next() {
        let known = match is_one_of(option, &["ex", "px", "exat", "pxat"]) {
            true => rest.next().is_some(),
            false => is_one_of(option, alone),
        };
        if !known {
            return false;
        }
        let option = option.to_ascii_lowercase();
        if !seen.contains(&option) {
            seen.push(option);
        }
    }
    let kinds = |words: &[&str]| seen.iter().filter(|word| is_one_of(word, words)).count();
    kinds(&["nx", "xx"]) < 2 && kinds(&["ex", "px", "exat", "pxat", "keepttl", "persist"]) < 2
}

fn expire_conditions(conditions: &[&[u8]]) -> bool {
    let has = |word: &str| conditions.iter().any(|other| is_one_of(other, &[word]));
    let known = conditions.iter().all(|it| is_one_of(it, &["nx", "xx", "gt", "lt"]));
    let with_nx = has("nx") && (has("xx") || has("gt") || has("lt"));
    known && !with_nx && !(has("gt") && has("lt"))
}

/// `numkeys key ... LEFT|RIGHT [COUNT count]`.
fn is_pop_of_many(many: &[u8], rest: &[&[u8]]) -> bool {
    let is_count = |word: &[u8]| number(word).is_some_and(|it| it > 0);
    let keys = number(many).filter(|it| *it > 0).and_then(|it| usize::try_from(it).ok());
    match keys.and_then(|keys| rest.split_at_checked(keys)) {
        Some((_, [end])) => is_end(end),
        Some((_, [end, word, most])) => {
            is_end(end) && is_one_of(word, &["count"]) && is_count(most)
        }
        _ => false,
    }
}

/// `[NX|XX] [GT|LT] [CH] [INCR] score member ...`.
fn scores(rest: &[&[u8]]) -> bool {
    let is_option = |word: &&&[u8]| is_one_of(word, &["nx", "xx", "gt", "lt", "ch", "incr"]);
    let (options, pairs) = rest.split_at(rest.iter().take_while(is_option).count());
    let has = |word: &str| options.iter().any(|other| is_one_of(other, &[word]));
    let contradictions = [
        has("nx") && has("xx"),
        has("nx") && (has("gt") || has("lt")),
        has("gt") && has("lt"),
        has("incr") && pairs.len() > 2,
    ];
    let is_whole = !pairs.is_empty() && pairs.len().is_multiple_of(2);
    let are_scores = pairs.iter().step_by(2).all(|score| !is_no_real(score));
    is_whole && are_scores && !contradictions.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(line: &str) -> bool {
        is_malformed(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>(), 16)
    }

    /// Each as Redis 7.0.15 answers it.
    #[test]
    fn a_line_that_redis_refuses_unseen_is_known() {
        for line in [
            "FLUSHALL now",
            "FLUSHDB ASYNC SYNC",
            "SWAPDB 0 16",
            "SWAPDB a 1",
            "MOVE k 16",
            "MOVE k -1",
            "COPY a b DB 16",
            "COPY a b DB",
            "SET k v NX XX",
            "SET k v EX 1 KEEPTTL",
            "SET k v EX",
            "GETEX k EX 1 PERSIST",
            "GETEX k GET",
            "EXPIRE k 1 NX XX",
            "EXPIRE k 1 GT LT",
            "EXPIRE k x",
            "BLPOP k x",
            "BRPOP k -1",
            "BLPOP k 9223372036854775807",
            "BLMOVE a b LEFT UP 1",
            "LMPOP 0 LEFT",
            "LMPOP 1 k LEFT COUNT 0",
            "BLMPOP 1 1 k MIDDLE",
            "LINSERT k BESIDE a b",
            "HINCRBY k f 1.5",
            "HINCRBYFLOAT k f nan",
            "ZADD k NX XX 1 a",
            "ZADD k 1",
            "ZADD k INCR 1 a 2 b",
            "ZCOUNT k ((1 2",
            "ZPOPMIN k 1 2",
            "XADD k * f",
        ] {
            assert!(malformed(line), "{line}");
        }
    }

    #[test]
    fn a_line_that_redis_takes_is_never_malformed() {
        for line in [
            "FLUSHALL sync",
            "SWAPDB 0 15",
            "COPY a b REPLACE DB 3",
            "SET k v PX 5 NX GET",
            "SET k v EX 1 EX 2",
            "GETEX k persist",
            "EXPIRE k -1 XX GT",
            "BLPOP k 0.5",
            "BLPOP k 0x1",
            "LMPOP 2 a b RIGHT count 3",
            "ZADD k CH GT inf a -inf b",
            "ZADD k 0x10 a",
            "ZCOUNT k (1 +inf",
            "ZCOUNT k 1 (",
            "ZINCRBY k inf a",
            "XADD k MAXLEN 3 * f v",
        ] {
            assert!(!malformed(line), "{line}");
        }
    }
}
