//! `client-output-buffer-limit normal` and `pubsub`: who does not read its replies is closed
//! (networking.c `checkClientOutputBufferLimits`).
//!
//! Counted is what `CLIENT LIST` calls `omem`. Must never: judge a replica's stream, which the
//! core limits.

use std::time::Duration;

use crate::env::Now;

use super::client::{Client, FIXED_OUTPUT_BYTES, Kind};
use super::settings::{OutputLimits, Settings};
use super::{ClientId, Node};

/// Most of `omem`, in bytes, that who has not authenticated may leave unread (Redis's fix of
/// CVE-2025-21605, which Debian's 7.0.15 has).
const UNAUTHENTICATED_OUTPUT_MAX_BYTES: usize = FIXED_OUTPUT_BYTES + 1024;

impl OutputLimits {
    fn over_hard(&self, bytes: usize) -> bool {
        self.hard_bytes > 0 && bytes >= self.hard_bytes
    }

    fn over_soft(&self, bytes: usize) -> bool {
        self.soft_bytes > 0 && bytes >= self.soft_bytes
    }
}

impl Client {
    /// The limits of its class. A monitor is fed like a replica, and limited like one.
    fn output_limits(&self, settings: &Settings) -> OutputLimits {
        match self.subscriptions.any() {
            _ if self.monitor => settings.replica_limits,
            true => settings.pubsub_limits,
            false => settings.normal_limits,
        }
    }

    /// Tells its reply from when on nobody will read it.
    pub(super) fn limit_reply(&mut self, settings: &Settings) {
        let hard_bytes = settings.normal_limits.hard_bytes;
        self.reply.set_limit(match self.kind {
            Kind::Normal if hard_bytes > 0 => hard_bytes.max(FIXED_OUTPUT_BYTES),
            Kind::Normal | Kind::Replica | Kind::Master => 0,
        });
    }

    /// Some of its output has been written.
    pub(super) fn output_shrank(&mut self, settings: &Settings) {
        let limits = self.output_limits(settings);
        if !limits.over_soft(self.listed_output_bytes()) {
            self.over_soft_limit_since = None;
        }
    }

    /// Whether it has been over the soft limit for too long, seen now.
    fn over_soft_limit_too_long(&mut self, now: Now, limits: OutputLimits) -> bool {
        if !limits.over_soft(self.listed_output_bytes()) {
            self.over_soft_limit_since = None;
            return false;
        }
        let since = *self.over_soft_limit_since.get_or_insert(now.mono);
        whole_seconds_between(since, now.mono) > limits.soft_time.as_secs()
    }
}

/// Redis notes the second, not the moment.
fn whole_seconds_between(since: Duration, now: Duration) -> u64 {
    now.as_secs().saturating_sub(since.as_secs())
}

impl Node {
    /// Closes a client that is over one of its limits.
    pub(crate) fn check_output_limit(&mut self, now: Now, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.kind != Kind::Normal || client.closing {
            return;
        }
        let limits = client.output_limits(&self.settings);
        let bytes = client.listed_output_bytes();
        let stranger = !client.authenticated && !self.users.is_open();
        let over = limits.over_hard(bytes)
            || client.over_soft_limit_too_long(now, limits)
            || stranger && bytes > UNAUTHENTICATED_OUTPUT_MAX_BYTES;
        if over {
            let line = client.line(now, 0);
            self.log_warning(format!(
                "Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."
            ));
            self.close(id);
        }
    }

    /// One batch of small commands can ask for any amount of replies: the hard limit counts after
    /// each.
    pub(super) fn check_hard_output_limit(&mut self, now: Now, id: ClientId) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let hard = match client.authenticated || self.users.is_open() {
            true => self.settings.normal_limits.hard_bytes,
            false => UNAUTHENTICATED_OUTPUT_MAX_BYTES,
        };
        if hard > 0 && client.reply.len() >= hard.max(FIXED_OUTPUT_BYTES) {
            self.check_output_limit(now, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::node::testing::World;

    const LIMITS: &str = "client-output-buffer-limit normal 100000 50000 3";

    #[test]
    fn what_fits_in_the_fixed_buffer_is_not_counted() {
        let mut world = World::new(&["client-output-buffer-limit normal 1000 1000 1"]);
        let client = unread(&mut world, 16);
        world.run(3_000);
        assert!(world.is_open(0, client));
        assert!(!world.once(0, "CLIENT LIST").contains(" omem=1"));
    }

    /// Who asks for `kilobytes` of replies in one batch, and reads nothing.
    fn unread(world: &mut World, kilobytes: usize) -> crate::node::ClientId {
        let client = world.connect(0);
        world.ask(0, client, &format!("SET a {}", "x".repeat(1000)));
        world.stop_reading(0, client);
        world.send_batch(0, client, &vec!["GET a"; kilobytes]);
        client
    }

    #[test]
    fn the_hard_limit_counts_what_client_list_shows() {
        let mut world = World::new(&[LIMITS]);
        let below = unread(&mut world, 98);
        assert!(world.is_open(0, below));
        assert!(world.once(0, "CLIENT LIST").contains(" omem=98882 "), "98 of 1,009 bytes");
        let over = unread(&mut world, 100);
        assert!(!world.is_open(0, over));
    }

    #[test]
    fn the_soft_limit_counts_whole_seconds() {
        let mut world = World::new(&[LIMITS]);
        world.run(500);
        let client = unread(&mut world, 80);
        world.run(3_000);
        assert!(world.is_open(0, client), "it has not been over for more than three seconds");
        world.run(700);
        assert!(!world.is_open(0, client));
    }
}
