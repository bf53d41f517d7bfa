//! A directed link between two hosts: how long a segment takes, and whether it passes at all.
//!
//! Must never: know what the bytes mean.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What a directed link does with segments. See the table in [`crate::transport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum LinkPolicy {
    /// Segments pass.
    #[default]
    Open,
    /// Nothing arrives; after the heal all of it arrives, in order. Connects hang until then.
    Stall,
    /// Connections made by the host where the link starts are reset at both ends, at once, and
    /// its new connects are refused.
    Reset,
    /// Connections that exist are dead for ever in this direction; connects hang until the heal.
    Blackhole,
}

impl LinkPolicy {
    /// Whether segments pass.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Open | Self::Reset)
    }
}

/// How fast a directed link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkConfig {
    /// Shortest time a segment travels, microseconds.
    pub latency_min_us: u64,
    /// Longest time a segment travels, microseconds; drawn evenly from the range, a segment
    /// never overtakes one before it.
    pub latency_max_us: u64,
    /// Bytes a second that the link carries, shared by all its connections.
    pub bandwidth_bytes_per_s: u64,
    /// Largest segment in bytes; also the most one read returns.
    pub segment_bytes: usize,
}

impl Default for LinkConfig {
    /// A local network: 0.2 to 1 ms, one gigabit a second, segments of 16 KiB.
    fn default() -> Self {
        Self {
            latency_min_us: 200,
            latency_max_us: 1_000,
            bandwidth_bytes_per_s: 125_000_000,
            segment_bytes: 16 * 1024,
        }
    }
}

impl LinkConfig {
    /// The same, with values that make no sense brought to the nearest that do: a bandwidth and a
    /// segment of at least one byte, and a maximum not under the minimum.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.latency_max_us = self.latency_max_us.max(self.latency_min_us);
        self.bandwidth_bytes_per_s = self.bandwidth_bytes_per_s.max(1);
        self.segment_bytes = self.segment_bytes.max(1);
        self
    }

    /// Bytes a connection may have sent and not yet seen consumed.
    ///
    /// Twice what fits into a round trip, so that a window is never what limits a transfer; the
    /// `tick` is part of it, since hosts see each other's acks once a tick.
    #[must_use]
    pub fn window_bytes(&self, tick: Duration) -> usize {
        const FLOOR: u128 = 256 * 1024;
        let round_trip_us = 2 * u128::from(self.latency_max_us) + 2 * tick.as_micros();
        let in_flight = u128::from(self.bandwidth_bytes_per_s) * round_trip_us / 1_000_000;
        usize::try_from((2 * in_flight).clamp(FLOOR, 1 << 30)).unwrap_or(1 << 30)
    }
}

/// State of a directed link.
#[derive(Debug)]
pub(crate) struct Link {
    pub policy: LinkPolicy,
    pub config: LinkConfig,
    /// When the last byte given to the link so far has left the sender.
    busy_until: Duration,
    rng: ChaCha8Rng,
}

impl Link {
    pub fn new(config: LinkConfig, rng: ChaCha8Rng) -> Self {
        Self {
            policy: LinkPolicy::Open,
            config: config.normalised(),
            busy_until: Duration::ZERO,
            rng,
        }
    }

    /// Another speed from now on; whatever is on its way is to be carried again.
    pub fn set_config(&mut self, now: Duration, config: LinkConfig) {
        self.config = config.normalised();
        self.busy_until = now;
    }

    /// A travel time drawn from the link's own stream.
    pub fn latency(&mut self) -> Duration {
        let LinkConfig { latency_min_us: min, latency_max_us: max, .. } = self.config;
        let us = if min == max { min } else { self.rng.random_range(min..=max) };
        Duration::from_micros(us)
    }

    /// How long it takes at most until all that was given to the link so far has arrived; a `tick`
    /// is when hosts look. Zero if it has.
    pub fn clear_in(&self, now: Duration, tick: Duration) -> Duration {
        let slack = Duration::from_micros(self.config.latency_max_us).saturating_add(tick);
        self.busy_until.saturating_add(slack).saturating_sub(now)
    }

    /// When a segment of `len` bytes sent at `now` arrives.
    pub fn carry(&mut self, now: Duration, len: usize) -> Duration {
        let nanos = (len as u128) * 1_000_000_000 / u128::from(self.config.bandwidth_bytes_per_s);
        let on_wire = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now).saturating_add(on_wire);
        self.busy_until.saturating_add(self.latency())
    }
}
