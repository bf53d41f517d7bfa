//! Keyspace notifications (`notify-keyspace-events`): who listens is told what happens to keys
//! (Redis: notify.c).
//!
//! The families know nothing of events. What a command did follows from its name, from the keys
//! it touched, and from whether they are still there: a list of which the last element was popped
//! is gone, and a store command that had nothing to store deletes.

use crate::command::number::parse_i64;
use crate::command::table;
use crate::command::{Args, Effects};
use crate::env::Now;

use super::Node;
use super::pubsub::Topic;

/// What happened to a key.
#[derive(Debug, PartialEq, Eq)]
struct Told<'a> {
    /// Its letter in `notify-keyspace-events`.
    class: char,
    event: &'a str,
    db: u32,
    key: &'a [u8],
}

/// What the touched keys of a command are told of, beside the commands that are told apart in
/// [`events`].
enum Rule {
    /// The event, then `del` if nothing is left of the key.
    Then(char, &'static str),
    /// The event, or `del` if the key is not there.
    Or(char, &'static str),
}

#[rustfmt::skip]
fn rule(command: &'static str, args: &Args<'_>) -> Option<Rule> {
    use Rule::{Or, Then};
    Some(match command {
        "getset" | "setnx" | "mset" | "msetnx" => Then('$', "set"),
        "append" | "setrange" | "incrbyfloat" | "pfadd" => Then('$', command),
        "incr" | "decr" | "incrby" | "decrby" => Then('$', "incrby"),
        "setbit" | "bitfield" => Then('$', "setbit"),
        "pfmerge" => Then('$', "pfadd"),
        "bitop" => Or('$', "set"),
        "lpush" | "lpushx" => Then('l', "lpush"),
        "rpush" | "rpushx" => Then('l', "rpush"),
        "lpop" | "blpop" => Then('l', "lpop"),
        "rpop" | "brpop" => Then('l', "rpop"),
        "lmpop" => Then('l', if ends_with(args, 1, "LEFT") { "lpop" } else { "rpop" }),
        "blmpop" => Then('l', if ends_with(args, 2, "LEFT") { "lpop" } else { "rpop" }),
        "linsert" | "lset" | "lrem" | "ltrim" => Then('l', command),
        "sort" => Or('l', "sortstore"),
        "sadd" | "srem" | "spop" => Then('s', command),
        "sinterstore" | "sunionstore" | "sdiffstore" => Or('s', command),
        "hset" | "hmset" | "hsetnx" => Then('h', "hset"),
        "hincrby" | "hincrbyfloat" | "hdel" => Then('h', command),
        "zadd" => Then('z', if increments(args) { "zincr" } else { "zadd" }),
        "geoadd" => Then('z', "zadd"),
        "zincrby" => Then('z', "zincr"),
        "zpopmin" | "bzpopmin" => Then('z', "zpopmin"),
        "zpopmax" | "bzpopmax" => Then('z', "zpopmax"),
        "zmpop" => Then('z', if ends_with(args, 1, "MIN") { "zpopmin" } else { "zpopmax" }),
        "bzmpop" => Then('z', if ends_with(args, 2, "MIN") { "zpopmin" } else { "zpopmax" }),
        "zrem" | "zremrangebyscore" | "zremrangebyrank" | "zremrangebylex" => Then('z', command),
        "zinterstore" | "zunionstore" | "zdiffstore" | "zrangestore" => Or('z', command),
        "georadius" | "georadiusbymember" => Or('z', "georadiusstore"),
        "geosearchstore" => Or('z', command),
        "xdel" | "xtrim" => Then('t', command),
        "del" | "unlink" | "getdel" => Or('g', "del"),
        "persist" => Then('g', "persist"),
        "expire" | "pexpire" | "expireat" | "pexpireat" => Or('g', "expire"),
        "getex" => Or('g', if has(args, "PERSIST") { "persist" } else { "expire" }),
        "restore" => Or('g', "restore"),
        _ => return None,
    })
}

fn group_event(args: &Args<'_>) -> Option<&'static str> {
    let events = [
        ("CREATE", "xgroup-create"),
        ("SETID", "xgroup-setid"),
        ("DESTROY", "xgroup-destroy"),
        ("CREATECONSUMER", "xgroup-createconsumer"),
        ("DELCONSUMER", "xgroup-delconsumer"),
    ];
    let given = args.get(1)?;
    events.iter().find(|(name, _)| given.eq_ignore_ascii_case(name.as_bytes())).map(|it| it.1)
}

/// Whether one of the arguments after the key is this word.
fn has(args: &Args<'_>, word: &str) -> bool {
    args.iter().skip(2).any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether this word stands behind the keys, whose number is the argument at `count_at`.
fn ends_with(args: &Args<'_>, count_at: usize, word: &str) -> bool {
    let count = args.get(count_at).and_then(|count| parse_i64(count));
    let after =
        count.and_then(|count| usize::try_from(count).ok()).map(|count| count_at + 1 + count);
    let given = after.and_then(|at| args.get(at));
    given.is_some_and(|given| given.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether `INCR` is among the options of a `ZADD`.
fn increments(args: &Args<'_>) -> bool {
    let is_one_of = |arg: &[u8], words: &[&str]| {
        words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let options = args.iter().skip(2);
    let mut options =
        options.take_while(|arg| is_one_of(arg, &["NX", "XX", "GT", "LT", "CH", "INCR"]));
    options.any(|arg| is_one_of(arg, &["INCR"]))
}

/// What is to be told of a command in `db`, in order.
fn events<'a>(
    db: u32,
    args: &Args<'a>,
    effects: &'a Effects,
    is_there: impl Fn(u32, &[u8]) -> bool,
) -> Vec<Told<'a>> {
    let mut told = Vec::new();
    let mut touched: Vec<(u32, &[u8])> =
        effects.touched.iter().map(|(db, key)| (*db, key.as_slice())).collect();
    for (db, key, _) in &effects.expired {
        told.push(Told { class: 'x', event: "expired", db: *db, key });
        // It was touched when it went; what is left was done afterwards.
        if let Some(at) = touched.iter().position(|it| *it == (*db, key.as_slice())) {
            touched.remove(at);
        }
    }
    let Some(command) = args.first().and_then(|name| table::lookup(name)) else {
        return told;
    };
    for (db, key) in &effects.new_consumers {
        told.push(Told { class: 't', event: "xgroup-createconsumer", db: *db, key });
    }
    // To those who watch a stream is the same as before.
    let unseen = match (command.name, args) {
        ("xsetid", [_, key, ..]) => Some(("xsetid", *key)),
        ("xgroup", [_, _, key, ..]) => group_event(args).map(|event| (event, *key)),
        _ => None,
    };
    if let Some((event, key)) = unseen.filter(|_| effects.dirty > 0) {
        told.push(Told { class: 't', event, db, key });
    }
    if touched.is_empty() {
        return told;
    }
    // Only `MSET` tells of a key as often as it is named.
    if !matches!(command.name, "mset" | "msetnx") {
        touched.dedup();
    }
    let mut tell = |class, event, db, key| told.push(Told { class, event, db, key });
    match (command.name, args) {
        ("set" | "setex" | "psetex", [_, key, ..]) => {
            tell('$', "set", db, *key);
            let deadline = ["EX", "PX", "EXAT", "PXAT"].iter().any(|word| has(&args[1..], word));
            if deadline || command.name != "set" {
                tell('g', "expire", db, *key);
            }
        }
        ("rename" | "renamenx", [_, from, to, ..]) => {
            tell('g', "rename_from", db, *from);
            tell('g', "rename_to", db, *to);
        }
        ("move", [_, key, ..]) => {
            let to = touched.iter().find(|it| it.0 != db).map_or(db, |it| it.0);
            tell('g', "move_from", db, *key);
            tell('g', "move_to", to, *key);
        }
        ("copy", [_, _, to, ..]) => tell('g', "copy_to", touched[0].0, *to),
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush", [_, from, to, rest @ ..]) => {
            let left = |at: usize, otherwise| {
                rest.get(at)
                    .filter(|_| command.name.ends_with("lmove"))
                    .map_or(otherwise, |word| word.eq_ignore_ascii_case(b"LEFT"))
            };
            tell('l', if left(1, true) { "lpush" } else { "rpush" }, db, *to);
            tell('l', if left(0, false) { "lpop" } else { "rpop" }, db, *from);
            if !is_there(db, from) {
                tell('g', "del", db, *from);
            }
        }
        ("smove", [_, from, to, ..]) => {
            tell('s', "srem", db, *from);
            if !is_there(db, from) {
                tell('g', "del", db, *from);
            }
            if touched.contains(&(db, *to)) {
                tell('s', "sadd", db, *to);
            }
        }
        ("xadd", [_, key, ..]) => {
            tell('t', "xadd", db, *key);
            if effects.trimmed {
                tell('t', "xtrim", db, *key);
            }
        }
        (name, _) => {
            let Some(rule) = rule(name, args) else {
                return told;
            };
            for (db, key) in touched {
                match (&rule, is_there(db, key)) {
                    (Rule::Then(class, event), there) => {
                        tell(*class, event, db, key);
                        if !there {
                            tell('g', "del", db, key);
                        }
                    }
                    (Rule::Or(class, event), true) => tell(*class, event, db, key),
                    (Rule::Or(..), false) => tell('g', "del", db, key),
                }
            }
        }
    }
    told
}

impl Node {
    /// Tells those who listen what a command in `db` did.
    pub(super) fn notify(&mut self, now: Now, db: u32, args: &Args<'_>, effects: &Effects) {
        let wanted = self.settings.keyspace_events;
        let (by_key, by_event) = (wanted.has('K'), wanted.has('E'));
        if !by_key && !by_event {
            return;
        }
        let keyspace = &self.keyspace;
        let told = events(db, args, effects, |db, key| keyspace.get(db, key).is_some());
        for Told { class, event, db, key } in told {
            if !wanted.has(class) {
                continue;
            }
            if by_key {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
                self.publish(now, Topic::Channel, &channel, event.as_bytes());
            }
            if by_event {
                let channel = format!("__keyevent@{db}__:{event}");
                self.publish(now, Topic::Channel, channel.as_bytes(), key);
            }
        }
    }
}
