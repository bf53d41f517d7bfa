//! What a run found, and its renderers, one a file.
//!
//! A renderer gets the reports in the order of scenario and seed, whatever the number of jobs.
//! Must never: run anything, or decide what a result means; [`Outcome`] has been decided.

pub mod events;
pub mod github;
pub mod human;
pub mod jsonl;
pub mod junit;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::Problems;
use crate::seed::Seed;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Everything held.
    Pass,
    /// An invariant or an expectation was violated.
    Fail,
    /// There is no verdict: the run itself broke.
    Error,
}

impl Outcome {
    /// As it stands in every format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the invariant, or `expect` for what the scenario itself expected.
    pub invariant: String,
    /// Simulated time.
    pub at: Duration,
    /// The node it was seen on; `None` when it is about all of them.
    pub node: Option<String>,
    /// One line: the first bad event.
    pub message: String,
    /// That node's role and the state of its link to its master, at that moment; empty where no
    /// node is meant.
    pub state: String,
    /// More lines, for those who look closer.
    pub detail: Vec<String>,
}

/// Stands in an error before the backtrace of a panic, where RUST_BACKTRACE asks for one.
pub(crate) const BACKTRACE: &str = "\n\nbacktrace:\n";

/// What one run found.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReport {
    /// Name of the scenario.
    pub scenario: String,
    /// Its file; `None` when it was built in code.
    pub path: Option<PathBuf>,
    /// The seed.
    pub seed: Seed,
    /// How it ended.
    pub outcome: Outcome,
    /// Two runs with the same seed differed.
    pub nondeterministic: bool,
    /// What must not be, in the order of time.
    pub violations: Vec<Violation>,
    /// Why there is no verdict, when there is none.
    pub error: Option<String>,
    /// Rolling hash over all events.
    pub trace_hash: u64,
    /// Simulated time that passed.
    pub sim_time: Duration,
    /// Real time it took.
    pub wall_time: Duration,
    /// Number of events.
    pub events: u64,
    /// Full syncs of all nodes.
    pub full_syncs: u64,
    /// Partial resyncs of all nodes.
    pub partial_syncs: u64,
    /// Rare states that were reached, by name, with how often.
    pub marks: Vec<(String, u64)>,
    /// The trace's lines, if they were asked for.
    pub trace: Vec<String>,
    /// The run in lines for people, if it was to be told.
    pub story: Vec<String>,
    /// The folder in which its capsule and its trace were kept.
    pub kept: Option<PathBuf>,
}

impl RunReport {
    /// A run that passed; the numbers are to be filled in.
    pub fn new(scenario: &str, seed: Seed) -> Self {
        Self {
            scenario: scenario.to_owned(),
            path: None,
            seed,
            outcome: Outcome::Pass,
            nondeterministic: false,
            violations: Vec::new(),
            error: None,
            trace_hash: 0,
            sim_time: Duration::ZERO,
            wall_time: Duration::ZERO,
            events: 0,
            full_syncs: 0,
            partial_syncs: 0,
            marks: Vec::new(),
            trace: Vec::new(),
            story: Vec::new(),
            kept: None,
        }
    }

    /// A run without a verdict.
    pub fn error(scenario: &str, seed: Seed, message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Error, error: Some(message.into()), ..Self::new(scenario, seed) }
    }

    /// Whether everything held.
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Pass
    }

    /// Ends a test that expected everything to hold.
    ///
    /// # Panics
    /// When it did not pass, with all that is known of it and the line that replays it.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.passed(), "\n{}", human::failure(self));
    }

    /// The line to paste that runs it again.
    pub fn replay(&self) -> String {
        let what = self
            .path
            .as_ref()
            .map_or_else(|| self.scenario.clone(), |path| path.display().to_string());
        let plain = what.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
        let what = if plain { what } else { format!("'{}'", what.replace('\'', "'\\''")) };
        format!("cargo sim run {what} --seed {} -v", self.seed)
    }

    /// What went wrong, in one line; `None` when it passed.
    ///
    /// The same with and without RUST_BACKTRACE: a backtrace is not part of it.
    pub fn headline(&self) -> Option<String> {
        match (self.outcome, self.violations.first()) {
            (Outcome::Pass, _) => None,
            (_, Some(first)) => Some(format!("{}: {}", first.invariant, first.message)),
            (_, None) => Some(self.reason().to_owned()),
        }
    }

    /// Why there is no verdict, without the backtrace of a panic.
    pub fn reason(&self) -> &str {
        let error = self.error.as_deref().unwrap_or("no reason was given");
        error.split(BACKTRACE).next().unwrap_or(error)
    }
}

/// Seconds of simulated time, to the millisecond: `12.345s`.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:03}s", time.as_secs(), time.subsec_millis())
}

/// What a whole invocation found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Runs that were asked for.
    pub planned: usize,
    /// Runs that passed.
    pub passed: usize,
    /// Runs that violated something.
    pub failed: usize,
    /// Runs without a verdict.
    pub errors: usize,
    /// Runs that differed from themselves.
    pub nondeterministic: usize,
    /// Simulated time of all runs.
    pub sim_time: Duration,
    /// Real time from beginning to end.
    pub wall_time: Duration,
}

impl Summary {
    /// Counts one report.
    pub fn add(&mut self, report: &RunReport) {
        match report.outcome {
            Outcome::Pass => self.passed += 1,
            Outcome::Fail => self.failed += 1,
            Outcome::Error => self.errors += 1,
        }
        self.nondeterministic += usize::from(report.nondeterministic);
        self.sim_time += report.sim_time;
    }

    /// Runs that were not made: stopped by `--fail-fast` or by the user.
    pub const fn skipped(&self) -> usize {
        self.planned.saturating_sub(self.passed + self.failed + self.errors)
    }
}

/// Writes reports in one format.
pub trait Renderer {
    /// One file could not be read as a scenario.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn problems(&mut self, _out: &mut dyn io::Write, _problems: &Problems) -> io::Result<()> {
        Ok(())
    }

    /// One run; they come in the order of scenario and seed.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn run(&mut self, out: &mut dyn io::Write, report: &RunReport) -> io::Result<()>;

    /// All runs of the scenario that came last have been seen.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn scenario_end(&mut self, _out: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }

    /// The end.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn end(&mut self, out: &mut dyn io::Write, summary: &Summary) -> io::Result<()>;
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn reports() -> Vec<RunReport> {
        let pass = RunReport {
            path: Some("scenarios/partial-resync/short-cut.toml".into()),
            trace_hash: 0x0123_4567_89ab_cdef,
            sim_time: Duration::from_millis(61_234),
            wall_time: Duration::from_millis(87),
            events: 4_321,
            full_syncs: 1,
            partial_syncs: 1,
            ..RunReport::new("partial-resync/short-cut", Seed(1))
        };
        let fail = RunReport {
            seed: Seed(2),
            outcome: Outcome::Fail,
            trace_hash: 0xfeed,
            violations: vec![Violation {
                invariant: "psync".into(),
                at: Duration::from_millis(8_210),
                node: Some("m1".into()),
                message: "+CONTINUE from 1200, but the backlog begins at <1300>".into(),
                state: String::new(),
                detail: vec![
                    "the replica r1 asked for 1200".into(),
                    "bytes 1200 to 1299 are gone".into(),
                ],
            }],
            ..pass.clone()
        };
        let error = RunReport {
            path: Some("scenarios/chain/dead middle.toml".into()),
            wall_time: Duration::from_millis(3),
            ..RunReport::error(
                "chain/dead middle",
                Seed(1),
                "panicked: index out of bounds\nat backlog.rs:12",
            )
        };
        vec![pass, fail, error]
    }

    pub(crate) fn render(renderer: &mut dyn Renderer) -> String {
        let mut out = Vec::new();
        let mut summary =
            Summary { planned: 4, wall_time: Duration::from_millis(95), ..Summary::default() };
        let reports = reports();
        for (i, report) in reports.iter().enumerate() {
            summary.add(report);
            renderer.run(&mut out, report).expect("written");
            if reports.get(i + 1).is_none_or(|next| next.scenario != report.scenario) {
                renderer.scenario_end(&mut out).expect("written");
            }
        }
        renderer.end(&mut out, &summary).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }
}
