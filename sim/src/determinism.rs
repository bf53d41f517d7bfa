//! Determinism under watch: some runs are made again, and must go the same way.
//!
//! Which runs is drawn from the seed, so that it does not depend on the number of jobs. Must
//! never: call two runs equal because they found the same; what counts is the hash of all events.

use std::fmt;
use std::str::FromStr;

use crate::report::RunReport;
use crate::seed::Seed;
use crate::trace::first_difference;

/// The share of the runs that are made twice, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Checked(f64);

impl Checked {
    /// Every run.
    pub const ALL: Self = Self(1.0);

    /// Whether the run of this seed is among them.
    pub fn chooses(self, seed: Seed) -> bool {
        // 53 bits, as many as a fraction holds: below 1.
        let drawn = (seed.number("determinism", "checked") >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < self.0
    }
}

impl FromStr for Checked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, scale) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        let share = number.trim().parse::<f64>().map(|number| number / scale);
        match share {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err("a share is a number from 0 to 1, or up to 100%".to_owned()),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether two runs went the same way.
pub fn same(first: &RunReport, second: &RunReport) -> bool {
    first.trace_hash == second.trace_hash && first.events == second.events
}

/// How two runs of one seed that kept their traces differ; `None` when they do not.
pub fn difference(first: &RunReport, second: &RunReport) -> Option<String> {
    if same(first, second) {
        return ends_differ(first, second);
    }
    let parting = first_difference(&first.trace, &second.trace).unwrap_or_else(|| {
        "no line of the traces differs: they part within a text longer than a trace shows"
            .to_owned()
    });
    Some(format!(
        "not deterministic: hash {:016x} after {} events, then {:016x} after {} events\n{parting}",
        first.trace_hash, first.events, second.trace_hash, second.events
    ))
}

/// How two runs that went the same way ended differently. A run that panicked before its world
/// was there has no events: what it said is all there is to compare.
fn ends_differ(first: &RunReport, second: &RunReport) -> Option<String> {
    let end = |report: &RunReport| report.headline().unwrap_or_else(|| "it passed".to_owned());
    let (one, other) = (end(first), end(second));
    (first.outcome != second.outcome || one != other)
        .then(|| format!("not deterministic: first {one}, then {other}"))
}

/// Makes a run again and compares; when the two differ, makes two more that keep their traces,
/// and names the first event in which those part. `again` runs with or without its trace kept.
pub fn check(first: &RunReport, again: &dyn Fn(bool) -> RunReport) -> Option<String> {
    let second = again(false);
    if same(first, &second) {
        return ends_differ(first, &second);
    }
    let hashes = format!(
        "not deterministic: hash {:016x} after {} events, then {:016x} after {} events",
        first.trace_hash, first.events, second.trace_hash, second.events
    );
    let found = difference(&again(true), &again(true));
    Some(found.unwrap_or_else(|| format!("{hashes}\ntwo more runs, with traces, did not differ")))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn report(lines: &[&str], hash: u64) -> RunReport {
        RunReport {
            trace: lines.iter().map(ToString::to_string).collect(),
            trace_hash: hash,
            events: lines.len() as u64,
            ..RunReport::new("x", Seed(1))
        }
    }

    #[test]
    fn shares() {
        let share = |text: &str| text.parse::<Checked>();
        assert_eq!(share("0.1"), Ok(Checked(0.1)));
        assert_eq!(share("10%"), Ok(Checked(0.1)));
        for bad in ["", "x", "-1", "1.5", "101%", "NaN", "inf"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        let chosen = |share: f64| (0..1000).filter(|s| Checked(share).chooses(Seed(*s))).count();
        assert_eq!((chosen(0.0), chosen(1.0)), (0, 1000));
        assert!((60..140).contains(&chosen(0.1)), "{}", chosen(0.1));
    }

    #[test]
    fn the_first_event_that_differs_is_named() {
        // A run that goes another way each time.
        let made = Cell::new(0_u64);
        let again = |_| {
            made.set(made.get() + 1);
            report(&["a", if made.get().is_multiple_of(2) { "b" } else { "c" }], made.get())
        };
        let first = report(&["a", "b"], 0);
        let found = check(&first, &again).expect("they differ");
        assert!(found.contains("they part at event 2"), "{found}");
        assert!(found.contains("first:  b\nsecond: c"), "{found}");
        let same = |_| report(&["a", "b"], 0);
        assert_eq!(check(&first, &same), None);
    }
}
