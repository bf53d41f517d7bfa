//! Failures by what broke, not by seed: a thousand seeds with one cause are one row.
//!
//! Two failures are one group when the first violation of both is of one invariant, says the
//! same but for numbers, names and ids, and was seen on a node in the same role and with its link
//! in the same state. Must never: grow with the number of runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::report::{Outcome, RunReport};
use crate::seed::Seed;

/// Most groups that are kept apart; what does not fit is counted.
pub const MAX_GROUPS: usize = 500;

/// What broke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// The invariant, or `error` for a run without a verdict.
    pub invariant: String,
    /// The message without its numbers and names.
    pub shape: String,
    /// What the node was at that moment: see [`Violation::state`](crate::report::Violation::state).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
}

impl Cause {
    /// What broke in a run; `None` if nothing did.
    pub fn of(report: &RunReport) -> Option<Self> {
        if report.outcome == Outcome::Pass {
            return None;
        }
        let (invariant, message, state) = match (report.violations.first(), &report.error) {
            (Some(first), _) => {
                (first.invariant.as_str(), first.message.as_str(), first.state.as_str())
            }
            (None, _) => ("error", report.reason(), ""),
        };
        let (invariant, state) = (invariant.to_owned(), state.to_owned());
        Some(Self { invariant, shape: shape(message), state })
    }

    /// A short name for files.
    pub fn slug(&self) -> String {
        let text = format!("{}{}", self.shape, self.state);
        format!("{}-{:08x}", self.invariant, xxh3_64(text.as_bytes()) as u32)
    }
}

/// A message without what differs from run to run: quoted text, numbers, hexadecimal ids, and
/// the names of nodes.
fn shape(message: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut word = String::new();
    for c in message.chars().chain([' ']) {
        if c == '"' {
            quoted = !quoted;
            if quoted {
                out.push('"');
            } else {
                out.push_str("…\"");
            }
            word.clear();
            continue;
        }
        if quoted {
            continue;
        }
        // A number with a point and an address are one word.
        let inside = c == '.' && !word.is_empty() && !word.contains(char::is_alphabetic);
        if c.is_alphanumeric() || inside {
            word.push(c);
            continue;
        }
        if word.bytes().any(|b| b.is_ascii_digit()) {
            out.push('#');
        } else {
            out.push_str(&word);
        }
        word.clear();
        out.push(c);
    }
    let out = out.trim_end();
    out.chars().take(200).collect()
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Runs that broke so.
    pub runs: u64,
    /// The message of the example.
    pub message: String,
    /// The run with the fewest steps, and of those the one with the lowest seed.
    pub example: Seed,
    /// Its steps.
    pub steps: usize,
}

/// All groups of a campaign.
#[derive(Debug, Default)]
pub struct Groups {
    /// By cause.
    pub by_cause: BTreeMap<Cause, Group>,
    /// Failures that fit into no group any more.
    pub beyond: u64,
}

impl Groups {
    /// Counts a failure. Whether it is the best example of its group so far.
    pub fn add(&mut self, cause: Cause, seed: Seed, steps: usize, message: String) -> bool {
        if let Some(group) = self.by_cause.get_mut(&cause) {
            group.runs += 1;
            let better = (steps, seed) < (group.steps, group.example);
            if better {
                (group.steps, group.example, group.message) = (steps, seed, message);
            }
            return better;
        }
        if self.by_cause.len() >= MAX_GROUPS {
            self.beyond += 1;
            return false;
        }
        self.by_cause.insert(cause, Group { runs: 1, message, example: seed, steps });
        true
    }

    /// Failures of all groups.
    pub fn failures(&self) -> u64 {
        self.by_cause.values().map(|group| group.runs).sum::<u64>() + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_texts_do_not_make_a_group() {
        let a = shape("\"SET k:1 x\" answered +OK, the model says $-1 (offset 1234) on n3");
        let b = shape("\"GET n:77\" answered +OK, the model says $-1 (offset 9) on n12");
        assert_eq!(a, b);
        assert_eq!(a, "\"…\" answered +OK, the model says $-# (offset #) on #");
        assert_eq!(
            shape("full sync for n2, 1.5 s late"),
            shape("full sync for 192.168.0.4, 12 s late")
        );
    }

    #[test]
    fn the_example_does_not_depend_on_the_order() {
        let cause = || Cause { invariant: "psync".into(), shape: "x".into(), state: String::new() };
        let runs = [(3, 9), (1, 4), (2, 4), (4, 12)];
        let example = |order: &[usize]| {
            let mut groups = Groups::default();
            for index in order {
                let (seed, steps) = runs[*index];
                groups.add(cause(), Seed(seed), steps, format!("m{seed}"));
            }
            assert_eq!(groups.failures(), 4);
            groups.by_cause[&cause()].clone()
        };
        assert_eq!(example(&[0, 1, 2, 3]), example(&[3, 2, 1, 0]));
        assert_eq!(example(&[2, 0, 3, 1]).example, Seed(1));
    }
}
