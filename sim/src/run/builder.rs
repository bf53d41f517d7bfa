//! A run from Rust, for tests that need code.

use std::path::PathBuf;

use super::{RunOptions, run_with};
use crate::invariant::Invariant;
use crate::report::RunReport;
use crate::scenario::Scenario;
use crate::seed::Seed;

/// A run to be made: a scenario, a seed, and what is asked for besides.
/// [`Scenario::seed`] begins one.
#[must_use = "nothing runs before `run`"]
pub struct RunBuilder<'a> {
    scenario: &'a Scenario,
    seed: Seed,
    options: RunOptions,
    invariants: Vec<Box<dyn Invariant>>,
}

impl Scenario {
    /// Begins a run with this seed: `scenario.seed(7).run()`.
    pub fn seed(&self, seed: impl Into<Seed>) -> RunBuilder<'_> {
        RunBuilder {
            scenario: self,
            seed: seed.into(),
            options: RunOptions::default(),
            invariants: Vec::new(),
        }
    }
}

impl RunBuilder<'_> {
    /// One more invariant that must hold at all times, besides those that always do.
    pub fn invariant(mut self, invariant: impl Invariant + 'static) -> Self {
        self.invariants.push(Box::new(invariant));
        self
    }

    /// Writes the trace to `FOLDER/<scenario>/<seed>/trace.jsonl`.
    pub fn trace_below(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.trace = Some(folder.into());
        self
    }

    /// Keeps the trace's lines in [`RunReport::trace`].
    pub fn keep_trace(mut self) -> Self {
        self.options.keep_trace = true;
        self
    }

    /// Makes the run. What broke the run itself is in the report; a panic of the node passes
    /// through, as a test wants it.
    pub fn run(self) -> RunReport {
        run_with(&self.scenario.resolve(self.seed), &self.options, self.invariants)
    }
}
