//! How often a command took how long, to two digits (the counters that Redis keeps).

use std::time::Duration;

/// Longer times count as this one.
const LONGEST: Duration = Duration::from_secs(1);
/// Steps that double, as `LATENCY HISTOGRAM` shows them.
const STEPS: usize = 21;
/// Counters between a power of two and the next.
const FINE: u64 = 128;

/// Calls by duration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// As many as the longest duration yet needs.
    counts: Vec<u64>,
    total: u64,
}

/// The longest time of a step, in nanoseconds: a power of two and everything that counts as the
/// same.
const fn end_of(step: usize) -> u64 {
    (1024 << step) + (8 << step) - 1
}

/// The counter of a duration.
fn place(nanos: u64) -> usize {
    let shift = (nanos / FINE).checked_ilog2().unwrap_or(0);
    (u64::from(shift) * FINE + (nanos >> shift)) as usize
}

/// The durations that a counter counts, in nanoseconds: shortest and longest.
fn span(place: usize) -> (u64, u64) {
    let place = place as u64;
    let shift = (place / FINE).saturating_sub(1);
    let first = (place - shift * FINE) << shift;
    (first, first + (1 << shift) - 1)
}

impl Histogram {
    pub(super) fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.min(LONGEST).as_nanos()).unwrap_or(u64::MAX);
        let place = place(nanos.max(1));
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
    }

    pub(crate) fn calls(&self) -> u64 {
        self.total
    }

    /// Steps in which something happened: their ends in microseconds, and how many calls took
    /// as long or less.
    pub(crate) fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut total = 0;
        let mut shown: Vec<(u64, u64)> = Vec::new();
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (_, last) = span(place);
            let step = (0..STEPS).find(|step| last <= end_of(*step)).unwrap_or(STEPS - 1);
            let end = end_of(step) / 1000;
            total += count;
            match shown.last_mut() {
                Some(before) if before.0 == end => before.1 = total,
                _ => shown.push((end, total)),
            }
        }
        shown
    }

    /// How long the given part of all calls (0 to 100) took at most, in microseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let wanted = ((percent.min(100.0) / 100.0 * self.total as f64 + 0.5) as u64).max(1);
        let mut total = 0;
        let reached = self.counts.iter().position(|count| {
            total += count;
            total >= wanted
        });
        let (first, last) = reached.map_or((0, 0), span);
        (if percent == 0.0 { first } else { last }) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_redis() {
        let ends: Vec<u64> = (0..STEPS).map(|step| end_of(step) / 1000).collect();
        assert_eq!(ends[..12], [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113]);
        let mut histogram = Histogram::default();
        for micros in [0, 1, 5, 7, 30, 900_000, 90_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        assert_eq!(histogram.calls(), 7);
        assert_eq!(histogram.cumulative(), [(1, 2), (8, 4), (33, 5), (1_082_130, 7)]);
    }

    #[test]
    fn percentiles_have_two_digits() {
        let mut histogram = Histogram::default();
        for _ in 0..98 {
            histogram.add(Duration::ZERO);
        }
        histogram.add(Duration::from_micros(50));
        histogram.add(Duration::from_millis(50));
        let shown = [0.0, 50.0, 99.0, 100.0].map(|percent| histogram.percentile(percent));
        assert_eq!(shown, [0.001, 0.001, 50.175, 50_069.503]);
    }

    #[test]
    fn every_duration_has_one_counter() {
        let mut next = 0;
        for counter in 0..3000 {
            let (first, last) = span(counter);
            assert_eq!(first, next);
            assert_eq!((place(first), place(last)), (counter, counter));
            next = last + 1;
        }
    }
}
