//! `WATCH`: which clients look at which keys.
//!
//! A watched key that changes breaks the transaction of its watchers. A key that had already
//! expired when it was watched may disappear without breaking anything; one that expires between
//! `WATCH` and `EXEC` breaks it (multi.c `touchWatchedKey`, `isWatchedKeyExpired`).

use std::collections::BTreeMap;

use super::ClientId;

/// What a client knew about a key when it began to watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The key was there, past its deadline.
    pub(crate) expired: bool,
    /// The key was there.
    pub(crate) existed: bool,
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
                watched.expired = false;
            } else {
                broken.push(*client);
            }
        }
        broken
    }

    /// A whole database changed; `exists` tells whether a key is there now.
    pub(crate) fn touch_db(&self, db: u32, exists: impl Fn(&[u8]) -> bool) -> Vec<ClientId> {
        let mut broken = Vec::new();
        for (key, watchers) in self.keys.get(&db).into_iter().flatten() {
            let now = exists(key);
            for (client, watched) in watchers {
                if now || (watched.existed && !watched.expired) {
                    broken.push(*client);
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

    const LIVE: Watched = Watched {
        expired: false,
        existed: true,
    };

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
        watches.add(
            7,
            0,
            b"a",
            Watched {
                expired: true,
                existed: true,
            },
        );
        assert_eq!(watches.touch(0, b"a", false), []);
        assert_eq!(watches.touch(0, b"a", true), [7]);
    }

    #[test]
    fn a_flush_breaks_only_those_who_had_something() {
        let mut watches = Watches::default();
        watches.add(7, 0, b"there", LIVE);
        watches.add(
            8,
            0,
            b"missing",
            Watched {
                expired: false,
                existed: false,
            },
        );
        assert_eq!(watches.touch_db(0, |_| false), [7]);
    }
}
