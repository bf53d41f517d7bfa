//! How often a command took how long, in steps that double.

use std::time::Duration;

/// Longer times count as this one.
const LONGEST: Duration = Duration::from_secs(1);
/// Steps up to there.
const STEPS: usize = 21;

/// Calls by duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: [u64; STEPS],
}

/// The longest time of a step, in nanoseconds. They are those that `LATENCY HISTOGRAM` of Redis
/// shows, whose counters hold two digits: a power of two and everything that counts as the same.
const fn end_of(step: usize) -> u128 {
    (1024 << step) + (8 << step) - 1
}

impl Histogram {
    pub(super) fn add(&mut self, took: Duration) {
        let nanos = took.min(LONGEST).as_nanos();
        let step = (0..STEPS).find(|step| nanos <= end_of(*step)).unwrap_or(STEPS - 1);
        self.counts[step] += 1;
    }

    pub(crate) fn calls(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Steps in which something happened: their ends in microseconds, and how many calls took
    /// as long or less.
    pub(crate) fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut total = 0;
        let mut shown = Vec::new();
        for (step, count) in self.counts.iter().enumerate() {
            total += count;
            if *count > 0 {
                shown.push((u64::try_from(end_of(step) / 1000).unwrap_or(u64::MAX), total));
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_redis() {
        let ends: Vec<u128> = (0..STEPS).map(|step| end_of(step) / 1000).collect();
        assert_eq!(ends[..12], [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113]);
        let mut histogram = Histogram::default();
        for micros in [0, 1, 5, 7, 30, 900_000, 90_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.calls(), 7);
        assert_eq!(histogram.cumulative(), [(1, 2), (8, 4), (33, 5), (1_082_130, 7)]);
    }
}
