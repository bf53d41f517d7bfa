//! Keys of any type, their deadlines, and whole databases.

use super::reply::{Answer, count, error, status};
use super::{Change, Entry, Expiry, Outcome, Step, integer, number, ok};

impl Step<'_> {
    pub(super) fn key(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        Ok(match (name, args) {
            (b"EXISTS" | b"TOUCH", keys @ [_, ..]) => {
                count(keys.iter().filter(|key| self.live(key).is_some()).count())
            }
            (b"TYPE", [key]) => status(self.live(key).map_or("none", |e| e.value.type_name())),
            (b"PTTL", [key]) => integer(match self.live(key) {
                None => -2,
                Some(Entry { expiry_ms: None, .. }) => -1,
                Some(Entry { expiry_ms: Some(at), .. }) => (at - self.now_ms) as i64,
            }),
            (b"PEXPIRETIME", [key]) => integer(match self.live(key) {
                None => -2,
                Some(Entry { expiry_ms, .. }) => expiry_ms.map_or(-1, |at| at as i64),
            }),
            (b"DEL" | b"UNLINK", keys @ [_, ..]) => {
                let mut found: Vec<&[u8]> =
                    keys.iter().copied().filter(|key| self.live(key).is_some()).collect();
                found.sort_unstable();
                found.dedup();
                for key in &found {
                    self.remove(key);
                }
                count(found.len())
            }
            (b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT", [key, when, conditions @ ..]) => {
                self.expire(name, key, when, conditions)
            }
            (b"PERSIST", [key]) => match self.live(key).cloned() {
                Some(Entry { value, expiry_ms: Some(_) }) => {
                    self.put(key, value, None);
                    integer(1)
                }
                _ => integer(0),
            },
            (b"RENAME" | b"RENAMENX", [from, to]) => self.rename(name == b"RENAMENX", from, to),
            (b"COPY", [from, to, options @ ..]) => self.copy(from, to, options),
            (b"MOVE", [key, db]) => match number(db).and_then(|db| u32::try_from(db).ok()) {
                Some(db) if db == self.db => {
                    error("ERR source and destination objects are the same")
                }
                Some(db) => {
                    let entry = self.live(key).cloned().filter(|_| self.live_in(db, key).is_none());
                    if let Some(entry) = &entry {
                        self.changes.push(Change::put(db, key, entry.clone()));
                        self.remove(key);
                    }
                    integer(i64::from(entry.is_some()))
                }
                None => Answer::Unknown,
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
                _ => Answer::Unknown,
            },
            _ => Answer::Unknown,
        })
    }

    fn rename(&mut self, only_if_free: bool, from: &[u8], to: &[u8]) -> Answer {
        let Some(entry) = self.live(from).cloned() else {
            return error("ERR no such key");
        };
        if only_if_free && self.live(to).is_some() {
            return integer(0);
        }
        if from != to {
            self.remove(from);
            self.changes.push(Change::put(self.db, to, entry));
        }
        if only_if_free { integer(1) } else { ok() }
    }

    fn copy(&mut self, from: &[u8], to: &[u8], options: &[&[u8]]) -> Answer {
        let (mut db, mut replace) = (self.db, false);
        let mut rest = options.iter();
        while let Some(option) = rest.next() {
            if option.eq_ignore_ascii_case(b"replace") {
                replace = true;
                continue;
            }
            let given = rest.next().and_then(|db| number(db)).and_then(|db| u32::try_from(db).ok());
            let Some(given) = given.filter(|_| option.eq_ignore_ascii_case(b"db")) else {
                return Answer::Unknown;
            };
            db = given;
        }
        if db == self.db && from == to {
            return error("ERR source and destination objects are the same");
        }
        let free = replace || self.live_in(db, to).is_none();
        let entry = self.live(from).cloned().filter(|_| free);
        if let Some(entry) = &entry {
            self.changes.push(Change::put(db, to, entry.clone()));
        }
        integer(i64::from(entry.is_some()))
    }

    fn expire(&mut self, name: &[u8], key: &[u8], when: &[u8], conditions: &[&[u8]]) -> Answer {
        let Some(when) = number(when) else {
            return Answer::Unknown;
        };
        let base = if name.ends_with(b"AT") { 0 } else { self.now_ms as i64 };
        let unit = if name[0] == b'P' { 1 } else { 1000 };
        let Some(at) = when.checked_mul(unit).and_then(|when| when.checked_add(base)) else {
            let name = String::from_utf8_lossy(name).to_lowercase();
            return error(&format!("ERR invalid expire time in '{name}' command"));
        };
        let Some(entry) = self.live(key).cloned() else {
            return integer(0);
        };
        let old = entry.expiry_ms.map(|old| old as i64);
        for condition in conditions {
            let allowed = match condition.to_ascii_uppercase().as_slice() {
                b"NX" => old.is_none(),
                b"XX" => old.is_some(),
                b"GT" => old.is_some_and(|old| at > old),
                b"LT" => old.is_none_or(|old| at < old),
                _ => return Answer::Unknown,
            };
            if !allowed {
                return integer(0);
            }
        }
        if at <= self.now_ms as i64 && self.expiry == Expiry::Delete {
            self.remove(key);
        } else {
            self.put(key, entry.value, Some(at.max(0) as u64));
        }
        integer(1)
    }
}
