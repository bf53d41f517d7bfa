//! Latency events: what took `latency-monitor-threshold` or longer, kind by kind
//! (Redis: latency.c).

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of a kind of event.
const SAMPLES_MAX: usize = 160;

/// The longest time of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) unix_seconds: u64,
    pub(crate) millis: u64,
}

/// The samples of a kind, the oldest first; never empty.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) samples: VecDeque<Sample>,
    /// The longest time ever.
    pub(crate) max_millis: u64,
}

/// All kinds, by name.
#[derive(Debug, Default)]
pub(crate) struct LatencyEvents(BTreeMap<&'static str, Series>);

impl LatencyEvents {
    pub(super) fn add(&mut self, event: &'static str, sample: Sample) {
        let series = self.0.entry(event).or_default();
        series.max_millis = series.max_millis.max(sample.millis);
        match series.samples.back_mut() {
            Some(last) if last.unix_seconds == sample.unix_seconds => {
                last.millis = last.millis.max(sample.millis);
            }
            _ => {
                if series.samples.len() == SAMPLES_MAX {
                    series.samples.pop_front();
                }
                series.samples.push_back(sample);
            }
        }
    }

    pub(crate) fn get(&self, event: &[u8]) -> Option<&Series> {
        self.0.get(std::str::from_utf8(event).ok()?)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.0.iter().map(|(event, series)| (*event, series))
    }

    /// Forgets a kind; whether there was something to forget.
    pub(crate) fn forget(&mut self, event: &[u8]) -> bool {
        std::str::from_utf8(event).is_ok_and(|event| self.0.remove(event).is_some())
    }

    /// Forgets all; how many kinds there were.
    pub(crate) fn forget_all(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}
