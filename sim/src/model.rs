//! A simple sequential model of the data commands: the simplest thing that could be right.
//!
//! Independent of the node's keyspace and command code on purpose: plain ordered maps, one
//! command at a time, no snapshots, no hashing. It answers what a command must reply and what
//! it changes. Must never: share code with
//! `replisim::command`.

use std::collections::BTreeMap;

use replisim::event::Digest;
use replisim::function;
use replisim::keyspace::{StringValue, Value, digest};

/// One key's value and deadline (ms since 1970).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The string.
    pub value: Vec<u8>,
    /// When it expires, if it does.
    pub expiry_ms: Option<u64>,
}

/// A change of the data, as it can be repeated elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key got this entry.
    Put(u32, Vec<u8>, Entry),
    /// A key went.
    Remove(u32, Vec<u8>),
    /// A whole database went.
    Clear(u32),
    /// Two databases changed places.
    Swap(u32, u32),
    /// A library of functions has this text now.
    Keep(Vec<u8>, Vec<u8>),
    /// A library of functions went.
    Forget(Vec<u8>),
}

/// What the model says of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The reply must be exactly this RESP.
    Exactly(Vec<u8>),
    /// The command changes data in a known way, its reply is not judged.
    Anything,
    /// The model does not know this command.
    Unknown,
}

/// How keys past their deadline are treated; the same three ways as in the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// On a master.
    Delete,
    /// On a replica, for its clients.
    Hide,
}

/// All data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    databases: BTreeMap<u32, BTreeMap<Vec<u8>, Entry>>,
    /// Sum of the digests of each database's entries.
    sums: BTreeMap<u32, u64>,
    /// Texts of the libraries of functions, by name.
    libraries: BTreeMap<Vec<u8>, Vec<u8>>,
}

fn digest_of(key: &[u8], entry: &Entry) -> u64 {
    let value = Value::String(StringValue::new(&entry.value));
    digest::entry_digest(key, &value, entry.expiry_ms)
}

impl Model {
    /// An entry, expired or not.
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Entry> {
        self.databases.get(&db)?.get(key)
    }

    /// Every key of every database.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8], &Entry)> {
        self.databases.iter().flat_map(|(db, keys)| {
            keys.iter().map(move |(key, entry)| (*db, key.as_slice(), entry))
        })
    }

    /// Repeats a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(db, key, entry) => {
                let keys = self.databases.entry(*db).or_default();
                let sum = self.sums.entry(*db).or_default();
                *sum = sum.wrapping_add(digest_of(key, entry));
                if let Some(old) = keys.insert(key.clone(), entry.clone()) {
                    *sum = sum.wrapping_sub(digest_of(key, &old));
                }
            }
            Change::Remove(db, key) => {
                let keys = self.databases.entry(*db).or_default();
                if let Some(old) = keys.remove(key) {
                    let sum = self.sums.entry(*db).or_default();
                    *sum = sum.wrapping_sub(digest_of(key, &old));
                }
            }
            Change::Keep(name, code) => {
                self.libraries.insert(name.clone(), code.clone());
            }
            Change::Forget(name) => {
                self.libraries.remove(name);
            }
            Change::Clear(db) => {
                self.databases.remove(db);
                self.sums.remove(db);
            }
            Change::Swap(a, b) => {
                let sums = (self.sums.remove(a), self.sums.remove(b));
                self.sums.extend(sums.0.map(|sum| (*b, sum)));
                self.sums.extend(sums.1.map(|sum| (*a, sum)));
                let (left, right) = (self.databases.remove(a), self.databases.remove(b));
                if let Some(keys) = left {
                    self.databases.insert(*b, keys);
                }
                if let Some(keys) = right {
                    self.databases.insert(*a, keys);
                }
            }
        }
    }

    /// Drops what has expired, as a master does when it loads a file.
    pub fn drop_expired(&mut self, now_ms: u64) {
        let gone: Vec<Change> = self
            .iter()
            .filter(|(_, _, entry)| entry.expiry_ms.is_some_and(|at| at < now_ms))
            .map(|(db, key, _)| Change::Remove(db, key.to_vec()))
            .collect();
        gone.iter().for_each(|change| self.apply(change));
    }

    /// The digest that a node with these data must have. The one thing taken from the node's own
    /// code: what a digest is.
    pub fn digest(&self) -> Digest {
        let sums = self.sums.iter().map(|(db, sum)| digest::database_digest(*db, *sum));
        let libraries = self.libraries.values().map(|code| function::digest_of(code));
        Digest(sums.chain(libraries).fold(0, u64::wrapping_add))
    }

    /// What a command must answer, and what it changes (not yet applied).
    pub fn run(
        &self,
        db: u32,
        args: &[&[u8]],
        now_ms: u64,
        expiry: Expiry,
    ) -> (Answer, Vec<Change>) {
        let mut step = Step { model: self, db, now_ms, expiry, changes: Vec::new() };
        let answer = step.run(args);
        (answer, step.changes)
    }
}

/// One command being run.
struct Step<'a> {
    model: &'a Model,
    db: u32,
    now_ms: u64,
    expiry: Expiry,
    changes: Vec<Change>,
}

fn integer(number: i64) -> Answer {
    Answer::Exactly(format!(":{number}\r\n").into_bytes())
}

fn ok() -> Answer {
    Answer::Exactly(b"+OK\r\n".to_vec())
}

fn push_bulk(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        None => out.extend_from_slice(b"$-1\r\n"),
    }
}

fn bulk(value: Option<&[u8]>) -> Answer {
    let mut out = Vec::new();
    push_bulk(&mut out, value);
    Answer::Exactly(out)
}

fn number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The name that a library gives itself in its first line, `#!lua name=...`.
fn name_in(code: &[u8]) -> Option<&[u8]> {
    let line = code.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| *byte == b' ').find_map(|word| word.strip_prefix(b"name="))
}

impl Step<'_> {
    fn live(&self, key: &[u8]) -> Option<&Entry> {
        let entry = self.model.get(self.db, key)?;
        // Redis: expired once the clock is past the deadline (`now > when`).
        let gone = entry.expiry_ms.is_some_and(|at| self.now_ms > at);
        (!gone).then_some(entry)
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>, expiry_ms: Option<u64>) {
        self.changes.push(Change::Put(self.db, key.to_vec(), Entry { value, expiry_ms }));
    }

    fn remove(&mut self, key: &[u8]) {
        self.changes.push(Change::Remove(self.db, key.to_vec()));
    }

    fn run(&mut self, args: &[&[u8]]) -> Answer {
        let name = args[0].to_ascii_uppercase();
        match (name.as_slice(), &args[1..]) {
            (b"GET", [key]) => bulk(self.live(key).map(|e| e.value.as_slice())),
            (b"STRLEN", [key]) => integer(self.live(key).map_or(0, |e| e.value.len() as i64)),
            (b"EXISTS", keys @ [_, ..]) => {
                integer(keys.iter().filter(|key| self.live(key).is_some()).count() as i64)
            }
            (b"MGET", keys @ [_, ..]) => {
                let mut out = format!("*{}\r\n", keys.len()).into_bytes();
                for key in keys {
                    push_bulk(&mut out, self.live(key).map(|e| e.value.as_slice()));
                }
                Answer::Exactly(out)
            }
            (b"PTTL", [key]) => integer(match self.live(key) {
                None => -2,
                Some(Entry { expiry_ms: None, .. }) => -1,
                Some(Entry { expiry_ms: Some(at), .. }) => (at - self.now_ms) as i64,
            }),
            (b"PEXPIRETIME", [key]) => integer(match self.live(key) {
                None => -2,
                Some(Entry { expiry_ms, .. }) => expiry_ms.map_or(-1, |at| at as i64),
            }),
            (b"SET", [key, value, options @ ..]) => self.set(key, value, options),
            (b"SETEX" | b"PSETEX", [key, ttl, value]) => {
                let unit: &[u8] = if name[0] == b'P' { b"PX" } else { b"EX" };
                self.set(key, value, &[unit, ttl])
            }
            (b"SETNX", [key, value]) => {
                let free = self.live(key).is_none();
                if free {
                    self.put(key, value.to_vec(), None);
                }
                integer(i64::from(free))
            }
            (b"MSET", pairs @ [_, _, ..]) if pairs.len() % 2 == 0 => {
                for pair in pairs.chunks(2) {
                    self.put(pair[0], pair[1].to_vec(), None);
                }
                ok()
            }
            (b"APPEND", [key, tail]) => {
                let old = self.live(key).cloned();
                let expiry_ms = old.as_ref().and_then(|e| e.expiry_ms);
                let mut value = old.map_or_else(Vec::new, |e| e.value);
                value.extend_from_slice(tail);
                let length = value.len() as i64;
                self.put(key, value, expiry_ms);
                integer(length)
            }
            (b"INCR", [key]) => self.add(key, 1),
            (b"DECR", [key]) => self.add(key, -1),
            (b"INCRBY", [key, by]) => match number(by) {
                Some(by) => self.add(key, by),
                None => Answer::Anything,
            },
            (b"GETDEL", [key]) => {
                let answer = bulk(self.live(key).map(|e| e.value.as_slice()));
                if self.live(key).is_some() {
                    self.remove(key);
                }
                answer
            }
            (b"GETSET", [key, value]) => {
                let answer = bulk(self.live(key).map(|e| e.value.as_slice()));
                self.put(key, value.to_vec(), None);
                answer
            }
            (b"DEL" | b"UNLINK", keys @ [_, ..]) => {
                let mut found: Vec<&[u8]> =
                    keys.iter().copied().filter(|key| self.live(key).is_some()).collect();
                found.sort_unstable();
                found.dedup();
                for key in &found {
                    self.remove(key);
                }
                integer(found.len() as i64)
            }
            (b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT", [key, when]) => {
                self.expire(&name, key, when)
            }
            (b"PERSIST", [key]) => match self.live(key).cloned() {
                Some(Entry { value, expiry_ms: Some(_) }) => {
                    self.put(key, value, None);
                    integer(1)
                }
                _ => integer(0),
            },
            (b"RENAME", [from, to]) => match self.live(from).cloned() {
                Some(entry) => {
                    if from != to {
                        self.remove(from);
                        self.changes.push(Change::Put(self.db, to.to_vec(), entry));
                    }
                    ok()
                }
                None => Answer::Exactly(b"-ERR no such key\r\n".to_vec()),
            },
            (b"FLUSHDB", _) => {
                self.changes.push(Change::Clear(self.db));
                ok()
            }
            (b"FLUSHALL", _) => {
                for db in self.model.databases.keys() {
                    self.changes.push(Change::Clear(*db));
                }
                ok()
            }
            (b"SWAPDB", [a, b]) => match (number(a), number(b)) {
                (Some(a), Some(b)) => {
                    self.changes.push(Change::Swap(a as u32, b as u32));
                    ok()
                }
                _ => Answer::Anything,
            },
            (b"DEBUG", [what, count, options @ ..]) if what.eq_ignore_ascii_case(b"populate") => {
                self.populate(number(count).unwrap_or(0), options);
                ok()
            }
            (b"FUNCTION", [what, rest @ ..]) => self.function(&what.to_ascii_uppercase(), rest),
            _ => Answer::Unknown,
        }
    }

    /// Errors do not come here: what is loaded or deleted could be.
    fn function(&mut self, what: &[u8], args: &[&[u8]]) -> Answer {
        match (what, args) {
            (b"LOAD", [.., code]) => match name_in(code) {
                Some(name) => {
                    self.changes.push(Change::Keep(name.to_vec(), code.to_vec()));
                    bulk(Some(name))
                }
                None => Answer::Unknown,
            },
            (b"DELETE", [name]) => {
                self.changes.push(Change::Forget(name.to_vec()));
                ok()
            }
            (b"FLUSH", _) => {
                let all = self.model.libraries.keys();
                self.changes.extend(all.map(|name| Change::Forget(name.clone())));
                ok()
            }
            _ => Answer::Unknown,
        }
    }

    /// `DEBUG POPULATE count [prefix [size]]`: keys that are there already stay as they are.
    fn populate(&mut self, count: i64, options: &[&[u8]]) {
        let prefix = options.first().copied().unwrap_or(b"key");
        let size = options.get(1).and_then(|size| number(size)).unwrap_or(0) as usize;
        for index in 0..count {
            let key = [prefix, format!(":{index}").as_bytes()].concat();
            if self.model.get(self.db, &key).is_none() {
                let mut value = format!("value:{index}").into_bytes();
                if size > 0 {
                    value.resize(size, 0);
                }
                self.put(&key, value, None);
            }
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8], options: &[&[u8]]) -> Answer {
        let old = self.live(key).cloned();
        let (mut expiry_ms, mut get, mut allowed) = (None, false, true);
        let mut rest = options.iter();
        while let Some(option) = rest.next() {
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => allowed = old.is_none(),
                b"XX" => allowed = old.is_some(),
                b"GET" => get = true,
                b"KEEPTTL" => expiry_ms = old.as_ref().and_then(|e| e.expiry_ms),
                unit => {
                    let Some(when) = rest.next().and_then(|n| number(n)) else {
                        return Answer::Anything;
                    };
                    let Some(at) = self.deadline(unit, when) else {
                        return Answer::Anything;
                    };
                    expiry_ms = Some(at);
                }
            }
        }
        if allowed {
            self.put(key, value.to_vec(), expiry_ms);
        }
        match (get, allowed) {
            (true, _) => bulk(old.as_ref().map(|e| e.value.as_slice())),
            (false, true) => ok(),
            (false, false) => bulk(None),
        }
    }

    /// A deadline from an option of `SET`; `None` if `SET` would refuse it.
    fn deadline(&self, unit: &[u8], when: i64) -> Option<u64> {
        let when = u64::try_from(when).ok().filter(|when| *when > 0)?;
        match unit {
            b"EX" => Some(self.now_ms + when * 1000),
            b"PX" => Some(self.now_ms + when),
            b"EXAT" => Some(when * 1000),
            b"PXAT" => Some(when),
            _ => None,
        }
    }

    fn add(&mut self, key: &[u8], by: i64) -> Answer {
        let old = self.live(key).cloned();
        let expiry_ms = old.as_ref().and_then(|e| e.expiry_ms);
        let start = match &old {
            None => Some(0),
            Some(entry) => number(&entry.value),
        };
        match start.and_then(|start| start.checked_add(by)) {
            Some(sum) => {
                self.put(key, sum.to_string().into_bytes(), expiry_ms);
                integer(sum)
            }
            None => Answer::Anything,
        }
    }

    fn expire(&mut self, name: &[u8], key: &[u8], when: &[u8]) -> Answer {
        let Some(when) = number(when) else {
            return Answer::Anything;
        };
        let Some(entry) = self.live(key).cloned() else {
            return integer(0);
        };
        let base = if name.ends_with(b"AT") { 0 } else { self.now_ms as i64 };
        let unit = if name[0] == b'P' { 1 } else { 1000 };
        let at = base + when * unit;
        if at <= self.now_ms as i64 && self.expiry == Expiry::Delete {
            self.remove(key);
        } else {
            self.put(key, entry.value, Some(at.max(0) as u64));
        }
        integer(1)
    }
}
