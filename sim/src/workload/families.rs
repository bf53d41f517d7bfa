//! Commands of all types: which there are in each family, and over which keys and members.
//!
//! There are few keys of each type and few members in each, so that commands meet: what one adds
//! another finds, empties or overwrites. Scores and fractions are such that a double holds them
//! exactly, so that the model need not add as the node does. Must never: name a command of which
//! the model does not know what it does, but for those in `others`.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::generator::{Command, command};
use super::{edges, others};
use crate::scenario::CommandFamily;

/// Keys of each type.
const KEYS: u64 = 6;
/// Members and fields in each.
const MEMBERS: u64 = 12;
/// Lists and streams are trimmed to this.
const LONGEST: &[&str] = &["15", "15", "14", "6"];

/// Where commands reach, beside the keys of their own type.
pub(super) struct Places {
    /// Number of databases.
    pub(super) databases: u64,
    /// Number of keys with strings.
    pub(super) strings: u64,
    /// Time to live.
    pub(super) ttl_ms: u128,
}

/// How the keys of a family begin; `None`: it has none of its own.
pub(super) fn prefix(family: CommandFamily) -> Option<&'static str> {
    match family {
        CommandFamily::Lists | CommandFamily::Blocking => Some("list"),
        CommandFamily::Sets => Some("set"),
        CommandFamily::Hashes => Some("hash"),
        CommandFamily::SortedSets => Some("zset"),
        CommandFamily::Streams => Some("stream"),
        CommandFamily::Edits => Some("f"),
        CommandFamily::Edges => Some("e"),
        _ => None,
    }
}

/// One of the keys that begin so.
pub(super) fn key(rng: &mut ChaCha8Rng, prefix: &str) -> Vec<u8> {
    format!("{prefix}:{}", rng.random_range(0..KEYS)).into_bytes()
}

pub(super) fn member(rng: &mut ChaCha8Rng) -> Vec<u8> {
    // Some are integers, of which small sets are made in another way.
    match rng.random_range(0..MEMBERS) {
        number if number % 2 == 0 => number.to_string().into_bytes(),
        number => format!("m{number}").into_bytes(),
    }
}

/// A number with a fraction that a double holds exactly.
fn fraction(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let quarters = rng.random_range(-16..=40_i32);
    format!("{}", f64::from(quarters) / 4.0).into_bytes()
}

pub(super) fn pick<'a>(rng: &mut ChaCha8Rng, words: &[&'a str]) -> &'a [u8] {
    words[rng.random_range(0..words.len())].as_bytes()
}

/// A read of a family; `None` for the one of strings.
pub(super) fn read(family: CommandFamily, rng: &mut ChaCha8Rng) -> Option<Command> {
    let prefix = prefix(family)?;
    let key = key(rng, prefix);
    let member = member(rng);
    let which = rng.random_range(0..6_u32);
    Some(match (prefix, which) {
        (_, 0) if rng.random_range(0..4_u32) == 0 => command(&[b"TYPE", &key]),
        (_, 0) => command(&[b"PEXPIRETIME", &key]),
        ("list", 4) => {
            command(&[b"LRANGE", &key, pick(rng, &["1", "-3"]), pick(rng, &["2", "-2"])])
        }
        ("list", 1) => command(&[b"LLEN", &key]),
        ("list", 2) => command(&[b"LINDEX", &key, b"-1"]),
        ("list", _) => command(&[b"LRANGE", &key, b"0", b"-1"]),
        ("set", 4) => command(&[b"SMISMEMBER", &key, &member, b"0"]),
        ("set", 5) => {
            let name = pick(rng, &["SINTER", "SUNION", "SDIFF"]);
            command(&[name, &key, &self::key(rng, prefix)])
        }
        ("set", 1) => command(&[b"SCARD", &key]),
        ("set", 2) => command(&[b"SISMEMBER", &key, &member]),
        ("set", _) => command(&[b"SMEMBERS", &key]),
        ("hash", 4) => command(&[b"HSTRLEN", &key, &member]),
        ("hash", 5) => command(&[pick(rng, &["HKEYS", "HVALS"]), &key]),
        ("hash", 1) => command(&[b"HLEN", &key]),
        ("hash", 2) => command(&[b"HMGET", &key, &member, b"n"]),
        ("hash", _) => command(&[b"HGETALL", &key]),
        ("zset", 4) => command(&[b"ZRANK", &key, &member]),
        ("zset", 5) => command(&[b"ZCOUNT", &key, b"(0", &fraction(rng)]),
        ("zset", 1) => command(&[b"ZCARD", &key]),
        ("zset", 2) => command(&[b"ZSCORE", &key, &member]),
        ("zset", _) => command(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
        ("stream", 1) => command(&[b"XLEN", &key]),
        ("stream", _) => command(&[b"XRANGE", &key, b"-", b"+"]),
        (_, 4) => command(&[b"GETRANGE", &key, b"1", pick(rng, &["-1", "3"])]),
        (_, 5) => command(&[pick(rng, &["BITCOUNT", "STRLEN"]), &key]),
        (_, 1) => command(&[b"STRLEN", &key]),
        _ => command(&[b"GET", &key]),
    })
}

/// A write of a family; `text` is a value that no other write has.
pub(super) fn write(
    family: CommandFamily,
    rng: &mut ChaCha8Rng,
    all: &[CommandFamily],
    places: &Places,
    text: &[u8],
) -> Command {
    match family {
        CommandFamily::Lists => list(rng, text),
        CommandFamily::Sets => set(rng),
        CommandFamily::Hashes => hash(rng, text),
        CommandFamily::SortedSets => sorted_set(rng),
        CommandFamily::Streams => stream(rng, text),
        CommandFamily::Blocking => blocking(rng, text),
        CommandFamily::Edits => edit(rng, places, text),
        CommandFamily::Edges => edges::write(rng, text),
        CommandFamily::Others => others::write(rng, text),
        CommandFamily::Databases => database(rng, places, text),
        CommandFamily::Messages => command(&[b"PUBLISH", b"news", text]),
        CommandFamily::Functions => function(rng),
        CommandFamily::Keys
        | CommandFamily::Strings
        | CommandFamily::Watch
        | CommandFamily::Turns => any_key(rng, all, places),
    }
}

fn list(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, other) = (key(rng, "list"), key(rng, "list"));
    let text = &text[..text.len().min(40)];
    let (end, far) = (pick(rng, &["LEFT", "RIGHT"]), pick(rng, &["LEFT", "RIGHT"]));
    match rng.random_range(0..18_u32) {
        0..3 => command(&[b"LPUSH", &at, text, b"x"]),
        3..6 => command(&[b"RPUSH", &at, text]),
        6 => command(&[pick(rng, &["LPOP", "RPOP"]), &at]),
        7 => command(&[pick(rng, &["LPOP", "RPOP"]), &at, pick(rng, &["0", "1", "2", "9"])]),
        8 => command(&[b"LMOVE", &at, &other, end, far]),
        9 => command(&[b"RPOPLPUSH", &at, &other]),
        10 => command(&[b"LSET", &at, pick(rng, &["0", "-1", "3"]), text]),
        11 => command(&[b"LINSERT", &at, pick(rng, &["BEFORE", "AFTER"]), b"x", text]),
        12 => command(&[b"LREM", &at, pick(rng, &["0", "1", "-1", "-2"]), b"x"]),
        14 => {
            let count = pick(rng, &["1", "2", "9"]);
            command(&[b"LMPOP", b"2", &at, &other, end, b"COUNT", count])
        }
        13 => command(&[pick(rng, &["LPUSHX", "RPUSHX"]), &at, text]),
        _ => command(&[b"LTRIM", &at, pick(rng, &["0", "1", "-9"]), pick(rng, LONGEST)]),
    }
}

fn set(rng: &mut ChaCha8Rng) -> Command {
    let (at, other, third) = (key(rng, "set"), key(rng, "set"), key(rng, "set"));
    let (one, two) = (member(rng), member(rng));
    match rng.random_range(0..12_u32) {
        0..4 => command(&[b"SADD", &at, &one, &two]),
        4 => command(&[b"SREM", &at, &one, &two]),
        5..7 => command(&[b"SPOP", &at]),
        7..9 => command(&[b"SPOP", &at, pick(rng, &["0", "1", "2", "3", "20"])]),
        9 => command(&[b"SMOVE", &at, &other, &one]),
        _ => {
            let name = pick(rng, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
            command(&[name, &at, &other, &third])
        }
    }
}

fn hash(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, field, other) = (key(rng, "hash"), member(rng), member(rng));
    let by = rng.random_range(-3..=9_i32).to_string();
    match rng.random_range(0..10_u32) {
        0..3 => command(&[b"HSET", &at, &field, text]),
        3 => command(&[b"HSET", &at, &field, text, &other, b"y"]),
        4 => command(&[b"HSETNX", &at, &field, text]),
        5..7 => command(&[b"HDEL", &at, &field, &other]),
        7 => command(&[b"HINCRBY", &at, b"n", by.as_bytes()]),
        8 => command(&[b"HINCRBYFLOAT", &at, b"f", &fraction(rng)]),
        _ => command(&[b"HINCRBY", &at, &field, by.as_bytes()]),
    }
}

fn sorted_set(rng: &mut ChaCha8Rng) -> Command {
    let (at, other, third) = (key(rng, "zset"), key(rng, "zset"), key(rng, "zset"));
    let (one, two) = (member(rng), member(rng));
    let (score, more) = (fraction(rng), fraction(rng));
    match rng.random_range(0..16_u32) {
        0..3 => command(&[b"ZADD", &at, &score, &one, &more, &two]),
        12 => command(&[b"ZREMRANGEBYSCORE", &at, pick(rng, &["0", "(0", "-1"]), &score]),
        13 => {
            command(&[b"ZRANGESTORE", &at, &other, pick(rng, &["0", "1"]), pick(rng, &["-2", "3"])])
        }
        14 => command(&[b"ZDIFFSTORE", &at, b"2", &other, &third]),
        3 => {
            let option = pick(rng, &["NX", "XX", "GT", "LT"]);
            command(&[b"ZADD", &at, option, b"CH", &score, &one])
        }
        4..6 => command(&[b"ZINCRBY", &at, &score, &one]),
        6 => command(&[b"ZREM", &at, &one, &two]),
        7 => command(&[pick(rng, &["ZPOPMIN", "ZPOPMAX"]), &at]),
        8 => command(&[pick(rng, &["ZPOPMIN", "ZPOPMAX"]), &at, pick(rng, &["0", "2", "20"])]),
        9 => command(&[b"ZREMRANGEBYRANK", &at, b"0", pick(rng, &["0", "-6"])]),
        _ => command(&[pick(rng, &["ZUNIONSTORE", "ZINTERSTORE"]), &at, b"2", &other, &third]),
    }
}

fn stream(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let at = key(rng, "stream");
    match rng.random_range(0..8_u32) {
        0..4 => command(&[b"XADD", &at, b"MAXLEN", pick(rng, LONGEST), b"*", b"a", text]),
        4 => command(&[b"XADD", &at, b"*", b"a", text, b"b", b"2"]),
        5 => command(&[b"XTRIM", &at, b"MAXLEN", pick(rng, &["0", "3", "9"])]),
        _ => numbered_stream(rng, text),
    }
}

/// A stream whose ids the clients make, so that they know them; others have those of the clock.
fn numbered_stream(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let at = key(rng, "ids");
    let (ms, other) = (rng.random_range(1..=40_u32), rng.random_range(1..=40_u32));
    let (id, other) = (format!("{ms}-1"), format!("{other}-1"));
    match rng.random_range(0..8_u32) {
        0..2 => command(&[b"XADD", &at, id.as_bytes(), b"a", text]),
        2 => command(&[b"XADD", &at, format!("{ms}-*").as_bytes(), b"a", text, b"b", b"3"]),
        3 => {
            command(&[b"XADD", &at, b"NOMKSTREAM", b"MINID", other.as_bytes(), b"50-*", b"a", b"4"])
        }
        4..6 => command(&[b"XDEL", &at, id.as_bytes(), other.as_bytes()]),
        6 => command(&[b"XTRIM", &at, b"MINID", id.as_bytes()]),
        _ => command(&[b"DEL", &at]),
    }
}

fn blocking(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, other) = (key(rng, "list"), key(rng, "list"));
    let timeout = pick(rng, &["0.05", "0.3", "1"]);
    let (end, far) = (pick(rng, &["LEFT", "RIGHT"]), pick(rng, &["LEFT", "RIGHT"]));
    match rng.random_range(0..10_u32) {
        0..3 => command(&[pick(rng, &["BLPOP", "BRPOP"]), &at, &other, timeout]),
        3 => command(&[b"BLMOVE", &at, &other, end, far, timeout]),
        4 => command(&[b"BRPOPLPUSH", &at, &other, timeout]),
        5 => {
            let (at, other) = (key(rng, "zset"), key(rng, "zset"));
            command(&[pick(rng, &["BZPOPMIN", "BZPOPMAX"]), &at, &other, timeout])
        }
        6 => command(&[b"ZADD", &key(rng, "zset"), &fraction(rng), &member(rng)]),
        7 => command(&[b"BLMPOP", timeout, b"2", &at, &other, end, b"COUNT", b"2"]),
        _ => command(&[pick(rng, &["LPUSH", "RPUSH"]), &at, &text[..text.len().min(20)]]),
    }
}

/// Few libraries, so that they are replaced; a function has the name of its library, as no other
/// may have one of its name.
fn function(rng: &mut ChaCha8Rng) -> Command {
    let (library, value) = (rng.random_range(0..4_u32), rng.random_range(0..1_000_000_u32));
    let name = format!("lib{library}");
    let code = format!(
        "#!lua name={name}\nredis.register_function('{name}_f', function() return {value} end)"
    );
    match rng.random_range(0..12_u32) {
        0..8 => command(&[b"FUNCTION", b"LOAD", b"REPLACE", code.as_bytes()]),
        8 => command(&[b"FUNCTION", b"LOAD", code.as_bytes()]),
        9 => command(&[b"FUNCTION", b"FLUSH", pick(rng, &["ASYNC", "SYNC"])]),
        _ => command(&[b"FUNCTION", b"DELETE", name.as_bytes()]),
    }
}

fn edit(rng: &mut ChaCha8Rng, places: &Places, text: &[u8]) -> Command {
    let (number, string) = (key(rng, "f"), key(rng, "t"));
    let ttl_ms = places.ttl_ms.to_string();
    match rng.random_range(0..16_u32) {
        0..3 => command(&[b"INCRBYFLOAT", &number, &fraction(rng)]),
        3 => command(&[b"PEXPIRE", &number, ttl_ms.as_bytes()]),
        4 => command(&[b"GETEX", &string, b"PX", ttl_ms.as_bytes()]),
        5 => command(&[b"GETEX", &string, b"PERSIST"]),
        6 => command(&[b"GETDEL", &string]),
        7 => command(&[b"SETNX", &string, text]),
        8 => command(&[b"MSETNX", &string, text, &key(rng, "t"), b"1"]),
        9 => command(&[b"SET", &string, text, b"KEEPTTL"]),
        10 => command(&[
            b"SETRANGE",
            &string,
            pick(rng, &["0", "3", "50"]),
            &text[..text.len().min(9)],
        ]),
        11 => command(&[b"PSETEX", &string, ttl_ms.as_bytes(), text]),
        12 => command(&[b"SETEX", &string, b"2", text]),
        13 => command(&[pick(rng, &["DECR", "INCR"]), &string]),
        _ => {
            let (at, bit) = (pick(rng, &["0", "7", "8", "300"]), pick(rng, &["0", "1"]));
            command(&[b"SETBIT", &string, at, bit])
        }
    }
}

/// A key of one of the families of this workload; of strings, if it has no other.
fn some_key(rng: &mut ChaCha8Rng, all: &[CommandFamily], places: &Places) -> Vec<u8> {
    match prefix(all[rng.random_range(0..all.len())]) {
        Some(prefix) => key(rng, prefix),
        None => format!("k:{}", rng.random_range(0..places.strings.max(1))).into_bytes(),
    }
}

fn any_key(rng: &mut ChaCha8Rng, all: &[CommandFamily], places: &Places) -> Command {
    let (at, other) = (some_key(rng, all, places), some_key(rng, all, places));
    let db = rng.random_range(0..places.databases.max(1)).to_string();
    let ttl_ms = places.ttl_ms.to_string();
    match rng.random_range(0..12_u32) {
        0 => command(&[b"RENAME", &at, &other]),
        1 => command(&[b"RENAMENX", &at, &other]),
        2 => command(&[b"COPY", &at, &other, b"REPLACE"]),
        3 => command(&[b"COPY", &at, &other, b"DB", db.as_bytes()]),
        4 => command(&[b"MOVE", &at, db.as_bytes()]),
        5 => command(&[b"UNLINK", &at, &other]),
        6 => command(&[b"PERSIST", &at]),
        7 => {
            let condition = pick(rng, &["NX", "XX", "GT", "LT"]);
            command(&[b"PEXPIRE", &at, ttl_ms.as_bytes(), condition])
        }
        8 => command(&[b"EXPIRE", &at, pick(rng, &["1", "100", "-1"])]),
        _ => command(&[b"PEXPIRE", &at, ttl_ms.as_bytes()]),
    }
}

fn database(rng: &mut ChaCha8Rng, places: &Places, text: &[u8]) -> Command {
    let last = (places.databases.max(1) - 1).to_string();
    match rng.random_range(0..24_u32) {
        0 => command(&[b"FLUSHDB"]),
        1 => command(&[b"FLUSHALL"]),
        2 => command(&[b"SWAPDB", b"0", last.as_bytes()]),
        number => command(&[b"SET", format!("k:{}", number % 4).as_bytes(), text]),
    }
}
