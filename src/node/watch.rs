//! `WATCH`: which clients look at which keys.
//!
//! A watched key that changes breaks the transaction of its watchers. A key that had already
//! expired when it was watched may disappear without breaking anything; one that expires between
//! `WATCH` and `EXEC` breaks it (multi.c `touchWatchedKey`, `isWatchedKeyExpired`).

use std::collections::BTreeMap;

use super::ClientId;
use crate::command::lookup::is_past;
use crate::env::Now;
use crate::keyspace::Keyspace;

/// What a client knew about a key when it began to watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The key was there, past its deadline.
    pub(crate) expired: bool,
    /// The key was there.
    pub(crate) existed: bool,
}

impl Watched {
    /// What is there.
    pub(crate) fn of(keyspace: &Keyspace, now: Now, db: u32, key: &[u8]) -> Self {
        let deadline = keyspace.expiry(db, key);
        Self {
            expired: deadline.is_some_and(|deadline| is_past(deadline, now.unix_ms)),
            existed: keyspace.get(db, key).is_some(),
        }
    }

    fn is_live(self) -> bool {
        self.existed && !self.expired
    }
}

/// All watched keys: database, key, watcher.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    keys: BTreeMap<u32, BTreeMap<Vec<u8>, BTreeMap<ClientId, Watched>>>,
}

impl Watches {
    /// Whether nobody watches anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a watch; false if this client watches the key already.
    pub(crate) fn add(&mut self, client: ClientId, db: u32, key: &[u8], watched: Watched) -> bool {
        let keys = self.keys.entry(db).or_default();
        let watchers = keys.entry(key.to_vec()).or_default();
        if watchers.contains_key(&client) {
            return false;
        }
        watchers.insert(client, watched);
        true
    }

    /// Forgets all watches of a client.
    pub(crate) fn remove(&mut self, client: ClientId) {
        for keys in self.keys.values_mut() {
            keys.retain(|_, watchers| {
                watchers.remove(&client);
                !watchers.is_empty()
            });
        }
        self.keys.retain(|_, keys| !keys.is_empty());
    }

    /// A key changed; `exists`: it is there now. Returns whose transactions that breaks.
    pub(crate) fn touch(&mut self, db: u32, key: &[u8], exists: bool) -> Vec<ClientId> {
        let Some(watchers) = self.keys.get_mut(&db).and_then(|keys| keys.get_mut(key)) else {
            return Vec::new();
        };
        let mut broken = Vec::new();
        for (client, watched) in watchers {
            if watched.expired && !exists {
                *watched = Watched { expired: false, existed: false };
            } else {
                broken.push(*client);
            }
        }
        broken
    }

    /// A whole database changed; `look` tells what of a key is there now. That nothing is there
    /// and that something expired is there is the same to a watcher.
    pub(crate) fn touch_db(&mut self, db: u32, look: impl Fn(&[u8]) -> Watched) -> Vec<ClientId> {
        let mut broken = Vec::new();
        for (key, watchers) in self.keys.get_mut(&db).into_iter().flatten() {
            let now = look(key);
            for (client, watched) in watchers {
                if now.is_live() || watched.is_live() {
                    broken.push(*client);
                } else {
                    *watched = now;
                }
            }
        }
        broken
    }

    /// The keys a client watches that had not expired when it began.
    pub(crate) fn live_keys(&self, client: ClientId) -> impl Iterator<Item = (u32, &[u8])> {
        self.keys.iter().flat_map(move |(db, keys)| {
            keys.iter().filter_map(move |(key, watchers)| {
                let watched = watchers.get(&client)?;
                (!watched.expired).then_some((*db, key.as_slice()))
            })
        })
    }

    /// Databases in which something is watched.
    pub(crate) fn databases(&self) -> Vec<u32> {
        self.keys.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Watched = Watched { expired: false, existed: true };
    const EXPIRED: Watched = Watched { expired: true, existed: true };
    const GONE: Watched = Watched { expired: false, existed: false };

    #[test]
    fn a_change_breaks_its_watchers_only() {
        let mut watches = Watches::default();
        assert!(watches.add(7, 0, b"a", LIVE));
        assert!(!watches.add(7, 0, b"a", LIVE));
        assert!(watches.add(8, 1, b"a", LIVE));
        assert_eq!(watches.touch(0, b"a", true), [7]);
        assert_eq!(watches.touch(0, b"b", true), []);
        watches.remove(7);
        assert_eq!(watches.touch(0, b"a", true), []);
        watches.remove(8);
        assert!(watches.is_empty());
    }

    #[test]
    fn a_key_expired_before_may_go() {
        let mut watches = Watches::default();
        watches.add(7, 0, b"a", Watched { expired: true, existed: true });
        assert_eq!(watches.touch(0, b"a", false), []);
        assert_eq!(watches.touch(0, b"a", true), [7]);
    }

    #[test]
    fn a_flush_breaks_only_those_who_had_something() {
        let mut watches = Watches::default();
        watches.add(7, 0, b"there", LIVE);
        watches.add(8, 0, b"missing", GONE);
        assert_eq!(watches.touch_db(0, |_| GONE), [7]);
    }

    #[test]
    fn a_swap_of_nothing_and_expired_keys_breaks_nobody() {
        let mut watches = Watches::default();
        watches.add(7, 0, b"missing", GONE);
        watches.add(8, 0, b"expired", EXPIRED);
        for now in [EXPIRED, EXPIRED, GONE, GONE, EXPIRED] {
            assert_eq!(watches.touch_db(0, |_| now), []);
        }
        // What was swapped in has expired, and may go.
        assert_eq!(watches.touch(0, b"missing", false), []);
        let missing = |key: &[u8]| if key == b"missing" { LIVE } else { GONE };
        assert_eq!(watches.touch_db(0, missing), [7]);
        assert_eq!(watches.touch_db(0, |_| LIVE), [8, 7]);
    }
}
