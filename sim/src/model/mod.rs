//! A simple sequential model of the data commands: the simplest thing that could be right.
//!
//! Independent of the node's keyspace and command code on purpose: plain ordered maps, one
//! command at a time, no snapshots, no hashing. It answers what a command must reply and what
//! it changes. Where a node may choose (`SPOP`, `XADD *`, the order of a set), it is shown the
//! reply and says whether that choice was one it had. Must never: share code with
//! `replisim::command`.
//!
//! One file a type: what its commands answer and change.

mod data;
mod functions;
mod hashes;
mod keys;
mod lists;
mod reply;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
mod syntax;

use std::collections::BTreeMap;
use std::rc::Rc;

use replisim::event::Digest;
use replisim::function;
use replisim::keyspace::digest;
use smallvec::SmallVec;

pub use data::{Data, Stream};
pub use reply::Answer;
use reply::{integer, number, ok};
pub use syntax::is_malformed;

/// One key's value and deadline (ms since 1970).
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Data,
    /// When it expires, if it does.
    pub expiry_ms: Option<u64>,
}

/// A key; a short one needs no memory of its own.
pub type Key = SmallVec<[u8; 16]>;

/// An entry as it lies under its key. All models that hold it share it: it is never changed, only
/// replaced.
#[derive(Debug, PartialEq)]
pub struct Kept {
    entry: Entry,
    /// Its share in the digest of its database.
    digest: u64,
}

/// A change of the data, as it can be repeated elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A key got this entry.
    Put(u32, Key, Rc<Kept>),
    /// A key went.
    Remove(u32, Key),
    /// A whole database went.
    Clear(u32),
    /// Two databases changed places.
    Swap(u32, u32),
    /// A library of functions has this text now.
    Keep(Vec<u8>, Vec<u8>),
    /// A library of functions went.
    Forget(Vec<u8>),
}

impl Change {
    /// A key gets this entry.
    pub fn put(db: u32, key: &[u8], entry: Entry) -> Self {
        let digest = entry.value.digest(key, entry.expiry_ms);
        Self::Put(db, key.into(), Rc::new(Kept { entry, digest }))
    }

    /// A key goes.
    pub fn remove(db: u32, key: &[u8]) -> Self {
        Self::Remove(db, key.into())
    }
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    databases: BTreeMap<u32, BTreeMap<Key, Rc<Kept>>>,
    /// Sum of the digests of each database's entries.
    sums: BTreeMap<u32, u64>,
    /// Texts of the libraries of functions, by name.
    libraries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    /// An entry, expired or not.
    pub fn get(&self, db: u32, key: &[u8]) -> Option<&Entry> {
        self.databases.get(&db)?.get(key).map(|kept| &kept.entry)
    }

    /// Every key of every database.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8], &Entry)> {
        self.databases
            .iter()
            .flat_map(|(db, keys)| keys.iter().map(move |(key, kept)| (*db, &**key, &kept.entry)))
    }

    /// Where a key with this deadline is that expired in `db`: there, or in the database that a
    /// `SWAPDB` puts there in the transaction under way, of which the model is told at its end.
    pub fn expired_in(&self, db: u32, key: &[u8], deadline_ms: u64) -> u32 {
        let is_it = |db: u32| self.get(db, key).and_then(|it| it.expiry_ms) == Some(deadline_ms);
        if is_it(db) {
            return db;
        }
        self.databases.keys().copied().find(|other| is_it(*other)).unwrap_or(db)
    }

    /// Repeats a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(db, key, kept) => {
                let keys = self.databases.entry(*db).or_default();
                let sum = self.sums.entry(*db).or_default();
                *sum = sum.wrapping_add(kept.digest);
                if let Some(old) = keys.insert(key.clone(), kept.clone()) {
                    *sum = sum.wrapping_sub(old.digest);
                }
            }
            Change::Remove(db, key) => {
                let keys = self.databases.entry(*db).or_default();
                if let Some(old) = keys.remove(key) {
                    let sum = self.sums.entry(*db).or_default();
                    *sum = sum.wrapping_sub(old.digest);
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
            .map(|(db, key, _)| Change::remove(db, key))
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

    /// What a client sees at a key: nothing once its deadline has passed.
    pub fn seen(&self, db: u32, key: &[u8], now_ms: u64) -> Option<&Entry> {
        // Redis: expired once the clock is past the deadline (`now > when`).
        self.get(db, key).filter(|entry| entry.expiry_ms.is_none_or(|at| now_ms <= at))
    }

    /// What a command must answer, and what it changes (not yet applied). `reply` is what the node
    /// answered.
    pub fn run(
        &self,
        db: u32,
        args: &[&[u8]],
        now_ms: u64,
        expiry: Expiry,
        reply: &[u8],
    ) -> (Answer, Vec<Change>) {
        let mut step = Step { model: self, db, now_ms, expiry, reply, changes: Vec::new() };
        let answer = step.run(args).unwrap_or_else(|error| error);
        (answer, step.changes)
    }
}

/// One command being run.
struct Step<'a> {
    model: &'a Model,
    db: u32,
    now_ms: u64,
    expiry: Expiry,
    /// What the node answered.
    reply: &'a [u8],
    changes: Vec<Change>,
}

/// The answer; an error ends a command early, and is an answer too.
type Outcome = Result<Answer, Answer>;

impl<'a> Step<'a> {
    fn live(&self, key: &[u8]) -> Option<&'a Entry> {
        self.model.seen(self.db, key, self.now_ms)
    }

    fn live_in(&self, db: u32, key: &[u8]) -> Option<&'a Entry> {
        self.model.seen(db, key, self.now_ms)
    }

    /// Stores a value; one of which nothing is left goes instead.
    fn put(&mut self, key: &[u8], value: Data, expiry_ms: Option<u64>) {
        if value.is_gone() {
            return self.remove(key);
        }
        self.changes.push(Change::put(self.db, key, Entry { value, expiry_ms }));
    }

    fn remove(&mut self, key: &[u8]) {
        self.changes.push(Change::remove(self.db, key));
    }

    /// The keys by which a command is judged that may have waited: none of them once its time is
    /// over, the one it was served from, or all. What came to be there meanwhile and is of another
    /// type ends no wait.
    fn waited_for<'k>(
        &self,
        keys: &'k [&'k [u8]],
        is_wanted: impl Fn(&Data) -> bool,
    ) -> &'k [&'k [u8]] {
        let is_there = |key: &&[u8]| self.live(key).is_some_and(|entry| is_wanted(&entry.value));
        if self.reply == b"*-1\r\n" && !keys.iter().any(is_there) {
            return &[];
        }
        let served = reply::first_bulk(self.reply);
        let served = keys.iter().find(|key| Some(**key) == served);
        served.map_or(keys, std::slice::from_ref)
    }

    fn run(&mut self, args: &[&[u8]]) -> Outcome {
        let name = args[0].to_ascii_uppercase();
        let families = [
            Self::string,
            Self::key,
            Self::list,
            Self::set,
            Self::hash,
            Self::sorted_set,
            Self::function,
        ];
        for family in families {
            let answer = family(self, &name, &args[1..])?;
            if answer != Answer::Unknown {
                return Ok(answer);
            }
        }
        self.stream(&name, &args[1..])
    }
}
