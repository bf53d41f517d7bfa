//! Counters for `INFO stats`, `INFO commandstats` and `INFO errorstats`.
//!
//! Must never: decide anything. Nothing here is read by the node's own logic.

use std::collections::BTreeMap;

use super::timing::Histogram;
use crate::command::Call;

/// Most different error codes counted, so that made-up codes cannot fill the memory.
const ERROR_CODES_MAX: usize = 128;

/// Counters of one command (`cmdstat_`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommandStats {
    pub(crate) calls: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    /// Time taken in all, microseconds.
    pub(crate) micros: u64,
    /// How often it took how long.
    pub(crate) durations: Histogram,
}

/// Everything `CONFIG RESETSTAT` sets to zero.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) connections: u64,
    pub(crate) rejected_connections: u64,
    pub(crate) evicted_clients: u64,
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) repl_input_bytes: u64,
    pub(crate) repl_output_bytes: u64,
    pub(crate) expired_keys: u64,
    pub(crate) expire_cap_reached: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) snapshots: u64,
    pub(crate) error_replies: u64,
    pub(crate) unexpected_error_replies: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// By [`Call::number`], as far as one was needed: a container has no calls of its own.
    per_command: Vec<CommandStats>,
    pub(crate) per_error: BTreeMap<String, u64>,
}

impl Stats {
    /// Takes note of the error reply `-CODE text`, without the dash.
    pub(crate) fn count_error(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code.trim_ascii_end()).into_owned();
        if self.per_error.len() < ERROR_CODES_MAX || self.per_error.contains_key(&code) {
            *self.per_error.entry(code).or_default() += 1;
        }
    }

    /// The counters of a command.
    pub(crate) fn command(&mut self, call: Call) -> &mut CommandStats {
        let number = call.number();
        if self.per_command.len() <= number {
            self.per_command.resize_with(number + 1, CommandStats::default);
        }
        &mut self.per_command[number]
    }

    /// What was counted of a command, if it was ever called or refused.
    pub(crate) fn of(&self, call: &Call) -> Option<&CommandStats> {
        self.per_command.get(call.number()).filter(|counted| **counted != CommandStats::default())
    }

    /// Every command that was called or refused, in the order of the names.
    pub(crate) fn commands(&self) -> Vec<(String, &CommandStats)> {
        let counted = |call: Call| Some((call.full_name(), self.of(&call)?));
        let mut all: Vec<_> = Call::all().filter_map(counted).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}
