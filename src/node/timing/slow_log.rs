//! The slow log: the last commands that took long (Redis: slowlog.c).

use std::borrow::Cow;
use std::collections::VecDeque;

/// Most arguments kept of a command; the last one says how many more there were.
const ARGS_MAX: usize = 32;
/// Most bytes kept of an argument, before what says how many more there were.
const ARG_BYTES_MAX: usize = 128;

/// A command that took long.
#[derive(Debug, Clone)]
pub(crate) struct SlowLogEntry {
    /// Counted from 0, never again.
    pub(crate) id: u64,
    /// When it ended.
    pub(crate) unix_seconds: u64,
    pub(crate) micros: u64,
    /// Shortened, and without secrets.
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) addr: String,
    pub(crate) client_name: Vec<u8>,
}

/// The newest first.
#[derive(Debug, Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<SlowLogEntry>,
    next_id: u64,
}

impl SlowLog {
    /// Adds an entry, whose id is set here; the oldest go past `max_len`.
    pub(super) fn add(&mut self, mut entry: SlowLogEntry, max_len: usize) {
        entry.id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(max_len);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn newest(&self, count: usize) -> impl ExactSizeIterator<Item = &SlowLogEntry> {
        self.entries.iter().take(count)
    }
}

/// The arguments as they are kept.
pub(super) fn shortened(args: &[Cow<'_, [u8]>]) -> Vec<Vec<u8>> {
    let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let mut short: Vec<Vec<u8>> = args[..kept].iter().map(|arg| shortened_one(arg)).collect();
    if kept < args.len() {
        short.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    short
}

fn shortened_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let rest = format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX);
    [&arg[..ARG_BYTES_MAX], rest.as_bytes()].concat()
}
