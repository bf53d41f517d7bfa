//! Which expectation of a scenario was not met, and how.
//!
//! Messages of invariants differ from run to run only in numbers that do not matter. What a
//! scenario itself expected is another matter: `received 1 partial resyncs, expected 0` on one node
//! and `received 0 partial resyncs, expected 1` on another are two stories, and one of them may
//! hold before anything is taken away.

use std::cmp::Ordering;
use std::fmt;

use crate::report::RunReport;

/// See the module's text. Two that are equal are the same failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmet {
    node: Option<String>,
    /// What came, its numbers as in [`kind`].
    came: String,
    /// What was expected, as it is.
    expected: String,
    /// On which side of what was expected.
    side: Option<Ordering>,
}

impl Unmet {
    /// Of a run's first violation; `None` if that is of an invariant.
    pub(super) fn of(report: &RunReport) -> Option<Self> {
        let first = report.violations.first().filter(|first| first.invariant == "expect")?;
        let (came, expected) =
            first.message.split_once(", expected ").unwrap_or((&first.message, ""));
        let side = last_number(came).zip(last_number(expected)).map(|(a, b)| a.cmp(&b));
        let came = came.split(' ').map(kind).collect::<Vec<_>>().join(" ");
        Some(Self { node: first.node.clone(), came, expected: expected.to_owned(), side })
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("every node");
        write!(f, "{node}: {}, expected {}", self.came, self.expected)?;
        self.side.map_or(Ok(()), |side| write!(f, " ({side:?})"))
    }
}

fn last_number(text: &str) -> Option<u64> {
    text.split(' ').filter_map(|word| word.parse().ok()).next_back()
}

/// None at all is another story than few; how many they are is not.
fn kind(word: &str) -> &str {
    match word.parse::<u64>() {
        Ok(0) => "0",
        Ok(_) => "some",
        Err(_) => word,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{Outcome, Violation};
    use crate::seed::Seed;

    fn unmet(node: &str, message: &str) -> Option<Unmet> {
        let mut report = RunReport::new("s", Seed(1));
        report.outcome = Outcome::Fail;
        report.violations.push(Violation {
            invariant: "expect".into(),
            at: Duration::ZERO,
            node: Some(node.into()),
            message: message.into(),
            state: String::new(),
            detail: Vec::new(),
        });
        Unmet::of(&report)
    }

    #[test]
    fn another_expectation_or_another_side_of_it_is_another_story() {
        let story = unmet("r1", "received 7 partial resyncs, expected 1");
        assert!(story.is_some());
        assert_eq!(unmet("r1", "received 2 partial resyncs, expected 1"), story);
        for (node, message) in [
            ("r2", "received 7 partial resyncs, expected 1"),
            ("r1", "received 7 partial resyncs, expected 0"),
            ("r1", "received 0 partial resyncs, expected 1"),
            ("r1", "received 7 full resyncs, expected 1"),
        ] {
            assert_ne!(unmet(node, message), story, "{message}");
        }
        let few = unmet("m1", "connected_slaves is 1, expected 2");
        assert_ne!(unmet("m1", "connected_slaves is 0, expected 2"), few);
        assert_ne!(unmet("m1", "connected_slaves is 3, expected 2"), few);
    }
}
