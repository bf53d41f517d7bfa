//! What was refused lately (`ACL LOG`): like refusals of the last minute are one entry.

use std::collections::VecDeque;

use super::Refusal;

/// Entries that are looked at for one like the new one.
const LOOKED_AT: usize = 10;
/// Refusals further apart are different entries, in milliseconds.
const TOGETHER_MS: u64 = 60_000;

/// What it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Auth => "auth",
        }
    }
}

/// Where it was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    TopLevel,
    Multi,
}

impl Context {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Multi => "multi",
        }
    }
}

/// One entry, for one or several refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    pub(crate) context: Context,
    /// The command, key or channel.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// Wall clock of the last one.
    pub(crate) unix_ms: u64,
    /// The line of `CLIENT LIST` of the last one.
    pub(crate) client: String,
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason
            && self.context == other.context
            && self.object == other.object
            && self.user == other.user
            && self.unix_ms.abs_diff(other.unix_ms) <= TOGETHER_MS
    }
}

/// The entries, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Log(VecDeque<Entry>);

impl Log {
    /// Takes note of one refusal; at most `max_len` entries (`acllog-max-len`) stay.
    pub(crate) fn add(&mut self, mut new: Entry, max_len: usize) {
        let like = self.0.iter().take(LOOKED_AT).position(|known| known.is_like(&new));
        if let Some(known) = like.and_then(|at| self.0.remove(at)) {
            new.count += known.count;
        }
        self.0.push_front(new);
        self.0.truncate(max_len);
    }

    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Refusal {
    /// The reason and the object of an entry; `None`: as in Redis, no note is taken.
    pub(crate) fn noted(&self) -> Option<(Reason, &[u8])> {
        match self {
            Self::Command(name) => Some((Reason::Command, name.as_bytes())),
            Self::Key { key, .. } => Some((Reason::Key, key)),
            Self::Channel { channel, .. } => Some((Reason::Channel, channel)),
            Self::Option(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, unix_ms: u64) -> Entry {
        Entry {
            count: 1,
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"u".to_vec(),
            unix_ms,
            client: String::new(),
        }
    }

    #[test]
    fn like_refusals_are_counted_and_come_to_the_front() {
        let mut log = Log::default();
        for (object, at) in [("a", 0), ("b", 1), ("a", 60_000), ("a", 120_001)] {
            log.add(entry(object, at), 5);
        }
        let seen: Vec<_> = log.entries().map(|e| (e.object.as_slice(), e.count)).collect();
        assert_eq!(seen, [(&b"a"[..], 1), (b"a", 2), (b"b", 1)]);
    }

    #[test]
    fn the_oldest_go() {
        let mut log = Log::default();
        for at in 0..10_u64 {
            log.add(entry(&at.to_string(), at), 3);
        }
        let seen: Vec<_> = log.entries().map(|e| e.object.clone()).collect();
        assert_eq!(seen, [b"9", b"8", b"7"]);
        log.add(entry("x", 11), 0);
        assert_eq!(log.entries().len(), 0);
    }
}
