//! Active expiry: a master removes keys past their deadline that nobody looks at, a bounded
//! number at a time, and propagates each `DEL`. A replica never does.

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

impl Node {
    /// One round of active expiry.
    pub(crate) fn expire_cycle(&mut self, now: Now) {
        let allowed = self.active_expire
            && self.replication.role() == Role::Master
            && !self.writes_paused()
            && !self.is_loading()
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
                let keys = self
                    .keyspace
                    .expired(db, before, BATCH.min(limit - removed));
                if keys.is_empty() {
                    break;
                }
                for (key, deadline_ms) in keys {
                    self.keyspace.remove(db, &key);
                    self.effects.touched.push((db, key.clone()));
                    self.effects.expired.push((db, key, deadline_ms));
                    self.settle(now, NOBODY, db, &[]);
                    removed += 1;
                }
            }
        }
        self.expire_db = (self.expire_db + 1) % self.keyspace.databases();
        removed
    }
}
