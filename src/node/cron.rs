//! What happens by itself, at every tick.

use crate::env::Now;
use crate::event::Event;
use crate::replication::LinkId;

use super::Node;
use super::client::Blocked;

impl Node {
    pub(super) fn run_cron(&mut self, now: Now) {
        if self.exiting {
            return;
        }
        self.check_pause(now);
        self.check_waiting(now);
        if self.started {
            self.replication.tick(now.mono);
            self.pump(now);
            self.apply_stream(now);
            let began = self.timing.begin(now);
            self.expire_cycle(now);
            let took = self.timing.end(began);
            self.note_latency(now, "expire-cycle", took);
            self.check_save_points(now);
            self.check_shutdown(now);
        }
        self.check_clients(now);
        self.evict_clients(now);
        self.sample_rates(now);
        if self.probe.is_on() {
            self.report_buffers(now);
        }
    }

    /// `instantaneous_*`: once a second, what was counted since the last time.
    fn sample_rates(&mut self, now: Now) {
        let elapsed = now.mono.saturating_sub(self.rates.at);
        if elapsed.as_millis() < 1000 {
            return;
        }
        let per_second = |new: u64, old: u64| {
            // Counters go back to zero at CONFIG RESETSTAT.
            let grown = u128::from(new.saturating_sub(old)) * 1000 / elapsed.as_millis();
            u64::try_from(grown).unwrap_or(u64::MAX)
        };
        let (stats, rates) = (&self.stats, &mut self.rates);
        rates.ops = per_second(stats.commands, rates.commands);
        let input = stats.input_bytes + stats.repl_input_bytes;
        let output = stats.output_bytes + stats.repl_output_bytes;
        rates.input_bytes_per_s = per_second(input, rates.input);
        rates.output_bytes_per_s = per_second(output, rates.output);
        rates.repl_input_bytes_per_s = per_second(stats.repl_input_bytes, rates.repl_input);
        rates.repl_output_bytes_per_s = per_second(stats.repl_output_bytes, rates.repl_output);
        rates.commands = stats.commands;
        (rates.input, rates.output) = (input, output);
        (rates.repl_input, rates.repl_output) = (stats.repl_input_bytes, stats.repl_output_bytes);
        rates.at = now.mono;
    }

    fn report_buffers(&mut self, now: Now) {
        let pending: Vec<u64> =
            self.replication.replicas().iter().map(|replica| replica.pending_bytes).collect();
        let (mut client_output_bytes, mut in_wait, mut held_back) = (0, Vec::new(), 0);
        for client in self.clients.values() {
            if !self.replication.is_replica(LinkId(client.id)) {
                client_output_bytes += client.output_bytes() as u64;
            }
            match &client.blocked {
                Some(Blocked::Wait) if !client.closing => in_wait.push(client.id),
                Some(Blocked::Postponed) if !client.closing => held_back += 1,
                _ => {}
            }
        }
        let config = self.replication.config();
        let backlog = self.replication.backlog();
        let event = Event::Buffers {
            backlog_bytes: backlog.map_or(0, |backlog| backlog.histlen),
            backlog_limit_bytes: config.repl_backlog_size_bytes,
            held_bytes: self.replication.held_bytes(),
            replica_pending_bytes: pending.into_iter().max().unwrap_or(0),
            replica_limit_bytes: config.effective_hard_limit_bytes(),
            client_output_bytes,
            in_wait: &in_wait,
            held_back,
        };
        self.probe.emit(now, &event);
    }
}

/// Counters of the last second.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    at: std::time::Duration,
    commands: u64,
    input: u64,
    output: u64,
    repl_input: u64,
    repl_output: u64,
    pub(crate) ops: u64,
    /// Everything, replication included.
    pub(crate) input_bytes_per_s: u64,
    pub(crate) output_bytes_per_s: u64,
    /// Of replication alone.
    pub(crate) repl_input_bytes_per_s: u64,
    pub(crate) repl_output_bytes_per_s: u64,
}
