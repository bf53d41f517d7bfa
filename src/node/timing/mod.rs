//! How long things took: the slow log, latency events, histograms of commands.
//!
//! The node has no clock. The shell lends it a [`Stopwatch`] ([`Node::lend_stopwatch`]), and what
//! it shows is told to whoever asks (`SLOWLOG`, `LATENCY`, `INFO commandstats`). Must never:
//! decide anything. Under simulation the stopwatch shows simulated time, which stands still while
//! the node computes, so that nothing but `DEBUG SLEEP` takes any.

mod events;
mod histogram;
mod slow_log;

use std::time::Duration;

pub(crate) use events::{LatencyEvents, Sample, Series};
pub(crate) use histogram::Histogram;
use slow_log::{SlowLog, SlowLogEntry};

use super::{ClientId, Node};
use crate::command::table::{Command, Flags};
use crate::command::{Args, Call, secrets};
use crate::env::Now;

/// Time since the process started, as [`Now::mono`] has it.
pub type Stopwatch = Box<dyn Fn() -> Duration>;

/// All that is kept.
#[derive(Default)]
pub(crate) struct Timing {
    stopwatch: Option<Stopwatch>,
    /// What it showed last.
    last: Duration,
    /// The process was told to stand still for so long by the command under way.
    standing_still: Duration,
    pub(crate) slow_log: SlowLog,
    pub(crate) events: LatencyEvents,
}

impl Timing {
    /// When something that is measured begins: when the node was called, or, if it has measured
    /// something since then, when that ended. So each command reads the stopwatch once.
    pub(super) fn begin(&self, now: Now) -> Duration {
        now.mono.max(self.last)
    }

    /// Time since `began`.
    pub(super) fn end(&mut self, began: Duration) -> Duration {
        self.last = self.stopwatch.as_ref().map_or(began, |show| show());
        self.last.saturating_sub(began) + std::mem::take(&mut self.standing_still)
    }

    /// The shell will stand still for so long.
    pub(super) fn stand_still(&mut self, time: Duration) {
        self.standing_still += time;
    }
}

impl Node {
    /// Hands the node what it measures with; without, everything takes no time.
    pub fn lend_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.timing.stopwatch = Some(stopwatch);
    }

    /// Takes note of how long a command took.
    pub(super) fn note_duration(
        &mut self,
        now: Now,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
        took: Duration,
    ) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let counters = self.stats.command(Call::of(command, args));
        counters.micros += micros;
        if self.settings.latency_tracking {
            counters.durations.add(took);
        }
        let event = if command.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        self.note_latency(now, event, took);
        let slow = self.settings.slow_log_micros.is_some_and(|least| micros >= least);
        if !slow || command.flags.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let entry = SlowLogEntry {
            id: 0,
            unix_seconds: now.unix_ms / 1000,
            micros,
            args: slow_log::shortened(&secrets::redacted(command, args)),
            addr: client.peer.addr.clone(),
            client_name: client.name.clone(),
        };
        self.timing.slow_log.add(entry, self.settings.slow_log_max_len);
    }

    /// Takes note of an event that took `latency-monitor-threshold` or longer.
    pub(super) fn note_latency(&mut self, now: Now, event: &'static str, took: Duration) {
        let threshold = self.settings.latency_threshold;
        if !threshold.is_zero() && took >= threshold {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.timing.events.add(event, Sample { unix_seconds: now.unix_ms / 1000, millis });
        }
    }
}
