//! Active expiry: a master removes keys past their deadline that nobody looks at, a bounded
//! number at a time, and propagates each `DEL`. A replica never does so with keys of its master;
//! those that a client wrote on it (`replica-read-only no`) nobody else would ever remove.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::command::Effects;
use crate::env::Now;
use crate::event::Role;

use super::{ClientId, Node};

/// Most keys removed in one tick: work per tick stays bounded, and one tick never holds clients
/// up for long.
const KEYS_PER_TICK: usize = 4000;
/// Most keys looked up at once.
const BATCH: usize = 200;

/// No client: the node itself removes the key.
const NOBODY: ClientId = 0;

/// Keys of a writable replica that its own clients gave a deadline, by database and name
/// (expire.c `slaveKeysWithExpire`).
#[derive(Debug, Default)]
pub(crate) struct OwnExpires {
    keys: BTreeSet<(u32, Vec<u8>)>,
    /// The key looked at last; the next round goes on behind it.
    last: Option<(u32, Vec<u8>)>,
}

impl OwnExpires {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The next few, round and round.
    fn next(&mut self) -> Vec<(u32, Vec<u8>)> {
        let from = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let keys: Vec<_> = self.keys.range((from, Bound::Unbounded)).take(BATCH).cloned().collect();
        self.last = if keys.len() == BATCH { keys.last().cloned() } else { None };
        keys
    }
}

impl Node {
    /// A client of a replica changed keys: those with a deadline are the replica's own business.
    pub(super) fn remember_own_expires(&mut self, effects: &Effects) {
        for (db, key) in &effects.touched {
            if self.keyspace.expiry(*db, key).is_some() {
                self.own_expires.keys.insert((*db, key.clone()));
            }
        }
    }

    /// The dataset was replaced, or this is no replica any more: nothing is its own.
    pub(super) fn forget_own_expires(&mut self) {
        self.own_expires = OwnExpires::default();
    }

    /// One round of removing a writable replica's own keys. Nothing of it goes on the stream, and
    /// the probe sees a changed dataset only: the rule that replicas do not expire keys is about
    /// those of the master.
    fn expire_own(&mut self, now: Now) {
        for (db, key) in self.own_expires.next() {
            match self.keyspace.expiry(db, &key) {
                Some(deadline) if deadline >= now.unix_ms => continue,
                Some(deadline) => {
                    self.keyspace.remove(db, &key);
                    self.effects.touched.push((db, key.clone()));
                    self.effects.expired.push((db, key.clone(), deadline));
                    self.settle(now, NOBODY, db, &[]);
                }
                None => {}
            }
            self.own_expires.keys.remove(&(db, key));
        }
    }

    /// One round of active expiry.
    pub(crate) fn expire_cycle(&mut self, now: Now) {
        if self.replication.role() == Role::Master {
            self.forget_own_expires();
        } else if self.active_expire && !self.load_is_running() && !self.exiting {
            self.expire_own(now);
        }
        let allowed = self.active_expire
            && self.replication.role() == Role::Master
            && !self.writes_paused()
            && !self.load_is_running()
            && !self.exiting;
        if allowed && self.expire_some(now, KEYS_PER_TICK) >= KEYS_PER_TICK {
            self.stats.expire_cap_reached += 1;
        }
    }

    /// Removes everything that is past its deadline; returns how many keys.
    pub(crate) fn expire_all(&mut self, now: Now) -> u64 {
        let mut total = 0;
        loop {
            let removed = self.expire_some(now, KEYS_PER_TICK);
            total += removed as u64;
            if removed < KEYS_PER_TICK {
                return total;
            }
        }
    }

    fn expire_some(&mut self, now: Now, limit: usize) -> usize {
        let mut removed = 0;
        // Databases take turns, so that a full one cannot keep the others waiting.
        for turn in 0..self.keyspace.databases() {
            let db = (self.expire_db + turn) % self.keyspace.databases();
            while removed < limit {
                // At its deadline itself a key is still alive.
                let before = now.unix_ms.saturating_sub(1);
                let keys = self.keyspace.expired(db, before, BATCH.min(limit - removed));
                if keys.is_empty() {
                    break;
                }
                for (key, deadline_ms) in keys {
                    self.keyspace.remove(db, &key);
                    self.effects.touched.push((db, key.clone()));
                    self.effects.expired.push((db, key, deadline_ms));
                    self.report_expired(now);
                    self.settle(now, NOBODY, db, &[]);
                    removed += 1;
                }
            }
        }
        self.expire_db = (self.expire_db + 1) % self.keyspace.databases();
        removed
    }
}
