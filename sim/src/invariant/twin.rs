//! The model beside one node: runs what its clients send, and says where the node differs.
//!
//! Must never: take over what the node answered, but where it had a choice.

use std::collections::BTreeMap;

use crate::cluster::is_write;
use crate::model::{Answer, Change, Entry, Expiry, Model, is_malformed};
use crate::workload::client::reply_len;

/// A command in `MULTI`: the database selected when it was sent, name and arguments.
type Queued = (u32, Vec<Vec<u8>>);

/// A watched key, and what was seen at it when the watch began.
type Watched = (u32, Vec<u8>, Option<Entry>);

/// What a node answered, and what it should have.
pub(super) struct Difference {
    /// The command.
    pub(super) command: String,
    /// The answer.
    pub(super) answer: Vec<u8>,
    /// The one expected.
    pub(super) expected: Vec<u8>,
}

/// What the stream carries, as far as the model knows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// This.
    Change(Change),
    /// Something: who takes it over has no model any more either.
    Unknown,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Twin {
    /// `None`: lost, because a command unknown to the model changed the data.
    pub(super) model: Option<Model>,
    /// How many databases the node has (`databases`).
    databases: u32,
    /// Effects not yet carried by the stream.
    pub(super) pending: Vec<Effect>,
    /// Commands queued by clients in `MULTI`.
    queued: BTreeMap<u64, Vec<Queued>>,
    watched: BTreeMap<u64, Vec<Watched>>,
}

/// A command as it is shown: its first words.
fn words<A: AsRef<[u8]>>(args: &[A]) -> String {
    let shown = args.iter().take(4).map(AsRef::as_ref);
    let shown = shown.map(|arg| String::from_utf8_lossy(&arg[..arg.len().min(24)]));
    let shown = shown.collect::<Vec<_>>().join(" ");
    if args.len() > 4 { shown + " ..." } else { shown }
}

/// Whether the node says that it does not execute the command at all: who may do what, and when,
/// is for other invariants.
fn is_refusal(reply: &[u8]) -> bool {
    let about_data = [&b"-ERR "[..], b"-WRONGTYPE "].iter().any(|code| reply.starts_with(code));
    let never = [&b"-ERR Replica can't"[..], b"-ERR Can't execute", b"-ERR DEBUG"];
    reply.starts_with(b"-") && (!about_data || never.iter().any(|text| reply.starts_with(text)))
}

impl Twin {
    /// Of a node without data, that has so many databases.
    pub(super) fn empty(databases: u32) -> Self {
        Self { model: Some(Model::default()), databases, ..Self::default() }
    }

    /// With what clients have queued in `MULTI` while the data were loaded, as `early` saw it.
    pub(super) fn going_on(self, early: Self) -> Self {
        Self { queued: early.queued, ..self }
    }

    /// What the node did, to be carried by the stream next.
    pub(super) fn change(&mut self, changes: Vec<Change>) {
        if self.model.is_none() {
            return self.lose();
        }
        for effect in changes.into_iter().map(Effect::Change) {
            self.take_over(&effect);
            self.pending.push(effect);
        }
    }

    /// The node removed a key whose deadline has passed.
    pub(super) fn expired(&mut self, db: u32, key: &[u8], deadline_ms: u64) {
        let model = self.model.as_ref();
        let db = model.map_or(db, |model| model.expired_in(db, key, deadline_ms));
        self.change(vec![Change::remove(db, key)]);
    }

    /// What the stream brought.
    pub(super) fn take_over(&mut self, effect: &Effect) {
        match (effect, &mut self.model) {
            (Effect::Change(change), Some(model)) => model.apply(change),
            (Effect::Unknown, _) => self.model = None,
            (_, None) => {}
        }
    }

    /// The data changed, and how is not known.
    fn lose(&mut self) {
        self.model = None;
        if self.pending.last() != Some(&Effect::Unknown) {
            self.pending.push(Effect::Unknown);
        }
    }

    /// A command of a client was executed, or queued, or refused. Where the node is wrong.
    #[expect(clippy::too_many_arguments, reason = "the fields of one event, and its circumstances")]
    pub(super) fn executed(
        &mut self,
        client: u64,
        db: u32,
        args: &[&[u8]],
        reply: &[u8],
        now_ms: u64,
        expiry: Expiry,
        may_write: bool,
    ) -> Option<Difference> {
        if reply == b"+QUEUED\r\n" {
            let owned = args.iter().map(|arg| arg.to_vec()).collect();
            self.queued.entry(client).or_default().push((db, owned));
            return None;
        }
        match args[0].to_ascii_lowercase().as_slice() {
            b"discard" | b"reset" => {
                self.queued.remove(&client);
                self.watched.remove(&client);
                None
            }
            b"unwatch" => {
                self.watched.remove(&client);
                None
            }
            b"watch" if reply == b"+OK\r\n" => {
                self.watch(client, db, &args[1..], now_ms);
                None
            }
            b"exec" => self.exec(client, reply, now_ms, expiry, may_write),
            _ if is_refusal(reply) => None,
            _ if !may_write && is_write(args) => {
                self.lose(); // a writable replica: no longer what its master wrote
                None
            }
            _ => self.run(db, args, reply, now_ms, expiry),
        }
    }

    fn watch(&mut self, client: u64, db: u32, keys: &[&[u8]], now_ms: u64) {
        let Some(model) = &self.model else { return };
        let watched = self.watched.entry(client).or_default();
        for key in keys {
            if !watched.iter().any(|(of, other, _)| *of == db && other == key) {
                watched.push((db, key.to_vec(), model.seen(db, key, now_ms).cloned()));
            }
        }
    }

    /// Runs one command.
    fn run(
        &mut self,
        db: u32,
        args: &[&[u8]],
        reply: &[u8],
        now_ms: u64,
        expiry: Expiry,
    ) -> Option<Difference> {
        let Some(model) = &self.model else {
            if is_write(args) && !reply.starts_with(b"-") {
                self.lose();
            }
            return None;
        };
        let (answer, changes) = match is_malformed(args, self.databases) {
            true => (Answer::Refused, Vec::new()),
            false => model.run(db, args, now_ms, expiry, reply),
        };
        match answer {
            Answer::Exactly(expected) => {
                if !expected.starts_with(b"-") {
                    self.change(changes);
                }
                let differs = expected != reply;
                differs.then(|| Difference {
                    command: words(args),
                    answer: reply.to_vec(),
                    expected,
                })
            }
            Answer::Refused => (!reply.starts_with(b"-")).then(|| Difference {
                command: words(args),
                answer: reply.to_vec(),
                expected: b"-ERR".to_vec(),
            }),
            Answer::Unknown => {
                if is_write(args) && !reply.starts_with(b"-") {
                    self.lose();
                }
                None
            }
        }
    }

    /// `EXEC`: runs what was queued, each with its part of the reply.
    fn exec(
        &mut self,
        client: u64,
        reply: &[u8],
        now_ms: u64,
        expiry: Expiry,
        may_write: bool,
    ) -> Option<Difference> {
        let queued = self.queued.remove(&client).unwrap_or_default();
        let watched = self.watched.remove(&client).unwrap_or_default();
        if !reply.starts_with(b"*") || reply.starts_with(b"*-1") {
            return None;
        }
        let writes =
            |args: &[Vec<u8>]| is_write(&args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if !may_write && queued.iter().any(|(_, args)| writes(args)) {
            self.lose(); // as above
            return None;
        }
        if let Some(model) = &self.model
            && let Some((_, key, _)) = watched
                .iter()
                .find(|(db, key, before)| model.seen(*db, key, now_ms) != before.as_ref())
        {
            let key = String::from_utf8_lossy(key);
            return Some(Difference {
                command: format!("EXEC, though the watched key {key} had changed"),
                answer: reply.to_vec(),
                expected: b"*-1\r\n".to_vec(),
            });
        }
        let mut parts = elements(reply);
        let mut selected = None;
        let mut first = None;
        for (db, args) in &queued {
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            let part = parts.next().unwrap_or_default();
            if args[0].eq_ignore_ascii_case(b"select") {
                let chosen = std::str::from_utf8(args[1]).ok().and_then(|db| db.parse().ok());
                selected = chosen.filter(|_| part.starts_with(b"+")).or(selected);
                continue;
            }
            let found = self.run(selected.unwrap_or(*db), &args, part, now_ms, expiry);
            first = first.or(found);
        }
        let left = parts.next().is_some();
        first.or_else(|| {
            left.then(|| Difference {
                command: format!("EXEC of {} commands", queued.len()),
                answer: reply.to_vec(),
                expected: format!("*{}\r\n", queued.len()).into_bytes(),
            })
        })
    }
}

/// The elements of an array reply.
fn elements(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begin = reply.iter().position(|byte| *byte == b'\n').map_or(reply.len(), |at| at + 1);
    let mut rest = &reply[begin..];
    std::iter::from_fn(move || {
        let length = reply_len(rest).ok().flatten()?;
        let (element, after) = rest.split_at(length);
        rest = after;
        Some(element)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(twin: &mut Twin, client: u64, line: &str, reply: &str) -> Option<Difference> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        twin.executed(client, 0, &args, reply.as_bytes(), 1_000, Expiry::Delete, true)
    }

    #[test]
    fn a_transaction_may_not_succeed_when_a_watched_key_has_changed() {
        for (write, fine) in [("SET other 1", true), ("SET k 2", false), ("SET k 1", true)] {
            let mut twin = Twin::empty(16);
            assert!(say(&mut twin, 1, "SET k 1", "+OK\r\n").is_none());
            assert!(say(&mut twin, 2, "WATCH k", "+OK\r\n").is_none());
            assert!(say(&mut twin, 1, write, "+OK\r\n").is_none());
            assert!(say(&mut twin, 2, "INCR n", "+QUEUED\r\n").is_none());
            let found = say(&mut twin, 2, "EXEC", "*1\r\n:1\r\n");
            assert_eq!(found.is_none(), fine, "{write}");
        }
    }

    #[test]
    fn each_part_of_a_transaction_is_judged() {
        let mut twin = Twin::empty(16);
        say(&mut twin, 1, "RPUSH l a b", "+QUEUED\r\n");
        say(&mut twin, 1, "LPOP l", "+QUEUED\r\n");
        let found = say(&mut twin, 1, "EXEC", "*2\r\n:2\r\n$1\r\nb\r\n").expect("a difference");
        assert_eq!((found.command.as_str(), &found.expected[..]), ("LPOP l", &b"$1\r\na\r\n"[..]));
    }

    #[test]
    fn an_error_that_the_model_does_not_expect_is_seen_and_a_refusal_is_not() {
        let mut twin = Twin::empty(16);
        assert!(say(&mut twin, 1, "SET k 1", "-NOREPLICAS Not enough\r\n").is_none());
        assert!(say(&mut twin, 1, "LPUSH k 1", "-WRONGTYPE Operation\r\n").is_some());
    }

    #[test]
    fn a_malformed_line_must_be_refused_and_changes_nothing() {
        let mut twin = Twin::empty(16);
        say(&mut twin, 1, "SET k 1", "+OK\r\n");
        for line in ["FLUSHALL now", "SWAPDB 0 16", "GETEX k NOW", "BLPOP k soon", "ZADD k a b"] {
            assert!(say(&mut twin, 1, line, "-ERR syntax error\r\n").is_none(), "{line}");
            assert!(say(&mut twin, 1, line, "+OK\r\n").is_some(), "{line}");
        }
        assert!(say(&mut twin, 1, "GET k", "$1\r\n1\r\n").is_none());
        say(&mut twin, 1, "SELECT 99", "+QUEUED\r\n");
        say(&mut twin, 1, "GET k", "+QUEUED\r\n");
        let reply = "*2\r\n-ERR DB index is out of range\r\n$1\r\n1\r\n";
        assert!(say(&mut twin, 1, "EXEC", reply).is_none());
    }

    #[test]
    fn who_waits_is_not_disturbed_by_values_of_another_type() {
        let mut twin = Twin::empty(16);
        say(&mut twin, 1, "SET a 1", "+OK\r\n");
        let nothing = "*-1\r\n";
        assert!(say(&mut twin, 2, "BLPOP a b 1", nothing).is_none());
        assert!(say(&mut twin, 2, "BLMOVE a b LEFT LEFT 1", nothing).is_none());
        assert!(say(&mut twin, 2, "BZPOPMIN a b 1", nothing).is_none());
        say(&mut twin, 1, "RPUSH b x", ":1\r\n");
        assert!(say(&mut twin, 2, "BLPOP b 1", nothing).is_some(), "there was one");
        say(&mut twin, 1, "RPUSH b x", ":1\r\n");
        let served = "*2\r\n$1\r\nb\r\n$1\r\nx\r\n";
        assert!(say(&mut twin, 2, "BLPOP a b 1", served).is_none());
        assert!(say(&mut twin, 2, "BLPOP a b 1", served).is_some(), "it is gone");
    }
}
