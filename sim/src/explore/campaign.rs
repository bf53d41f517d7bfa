//! Many seeds at once, in bounded memory.
//!
//! Workers take the next seed, make its scenario, run it, and send what is worth keeping of it:
//! a few hundred bytes. What is found does not depend on the number of workers. Must never: keep
//! a report of a run that has been counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::generate_in;
use super::group::{Cause, Groups};
use super::guided::Parents;
use super::marks::{self, MarkId};
use super::profile::Profile;
use crate::determinism::{self, Checked};
use crate::report::RunReport;
use crate::run::{RunFn, RunOptions, run_caught, spawn_worker};
use crate::scenario::{Problems, Scenario};
use crate::seed::Seed;

/// Runs that differed from themselves and are told; more are counted.
pub const MAX_PARTED: usize = 100;

/// What is kept of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Result {
    /// Its seed.
    pub seed: Seed,
    /// Hash of all its events.
    pub trace_hash: u64,
    /// Simulated time.
    pub sim_time: Duration,
    /// Rare states it reached, each with how often.
    pub marks: Vec<(MarkId, u64)>,
    /// What broke, the message, and the number of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<(Cause, String, usize)>,
    /// How a second run of it differed, if one was made and did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parted: Option<String>,
}

/// What a campaign found so far.
#[derive(Debug, Default)]
pub struct Findings {
    /// Runs that were made.
    pub runs: u64,
    /// Simulated time of all of them.
    pub sim_time: Duration,
    /// Runs that reached each mark, and how often all of them did.
    pub marks: BTreeMap<MarkId, (u64, u64)>,
    /// Pairs of marks that some run reached together.
    pub pairs: BTreeSet<(MarkId, MarkId)>,
    /// What broke.
    pub groups: Groups,
    /// Runs that went another way the second time, and how; at most [`MAX_PARTED`].
    pub parted: Vec<(Seed, String)>,
    /// How many there were in all.
    pub parted_runs: u64,
}

impl Findings {
    /// Counts a run. What broke, if its capsule is to be written.
    pub fn add(&mut self, result: Result) -> Option<Cause> {
        self.runs += 1;
        // Saturating: these may come from a file.
        self.sim_time = self.sim_time.saturating_add(result.sim_time);
        for (id, times) in &result.marks {
            let mark = self.marks.entry(*id).or_default();
            mark.0 += 1;
            mark.1 = mark.1.saturating_add(*times);
        }
        self.pairs.extend(marks::pairs(&result.marks));
        if let Some(parting) = result.parted {
            self.parted_runs += 1;
            if self.parted.len() < MAX_PARTED {
                self.parted.push((result.seed, parting));
            }
        }
        let (cause, message, steps) = result.failure?;
        self.groups.add(cause.clone(), result.seed, steps, message).then_some(cause)
    }
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its place among those that are given together.
    pub index: usize,
    /// Its seed.
    pub seed: Seed,
    /// Scenarios it is made of; `None`: it is made of its seed alone.
    pub parents: Option<Parents>,
}

impl Job {
    /// A run of a world made of its seed alone.
    pub fn of_seed(seed: Seed) -> Self {
        Self { index: 0, seed, parents: None }
    }

    /// What is run.
    ///
    /// # Errors
    /// When the generator has made a mistake.
    pub fn scenario(&self, profile: Profile) -> std::result::Result<Scenario, Problems> {
        match &self.parents {
            None => generate_in(self.seed, profile),
            Some(parents) => parents.child(self.seed, profile),
        }
    }

    /// Makes the run.
    fn run(&self, scenario: &std::result::Result<Scenario, Problems>, how: &How) -> RunReport {
        match scenario {
            Ok(scenario) => {
                run_caught(how.run, scenario, run_seed(scenario, self.seed), &how.options)
            }
            Err(problems) => {
                let name = format!("explore/{}", self.seed);
                let text =
                    format!("the generator made no valid scenario: {}", problems.render(false));
                RunReport::error(&name, self.seed, text)
            }
        }
    }
}

/// The seed with which a scenario is run: its own if it names one.
pub fn run_seed(scenario: &Scenario, seed: Seed) -> Seed {
    if scenario.run.seeds.is_none() {
        return seed;
    }
    scenario.default_seeds().first().copied().unwrap_or(seed)
}

/// How runs are made.
#[derive(Clone)]
pub struct How {
    /// What makes them.
    pub run: RunFn,
    /// Where they look.
    pub profile: Profile,
    /// How many are made twice.
    pub checked: Checked,
    /// What each is asked for.
    pub options: RunOptions,
    /// Whether the first that does not pass is the last.
    pub fail_fast: bool,
}

/// A run that was made.
#[derive(Debug)]
pub struct Made {
    /// The run's place among those given together.
    pub index: usize,
    /// What is kept of it.
    pub result: Result,
    /// The scenario, if it was not made of its seed alone or is to be learnt from.
    pub scenario: Option<Scenario>,
}

fn make(job: &Job, how: &How, keep_scenarios: bool) -> Made {
    let seed = job.seed;
    let scenario = job.scenario(how.profile);
    let report = job.run(&scenario, how);
    let steps = scenario.as_ref().map_or(0, |scenario| scenario.steps.len());
    let failure =
        Cause::of(&report).map(|cause| (cause, report.headline().unwrap_or_default(), steps));
    let again = |keep_trace| {
        let options = RunOptions { keep_trace, ..how.options.clone() };
        job.run(&scenario, &How { options, ..how.clone() })
    };
    let parted = how.checked.chooses(seed).then(|| determinism::check(&report, &again)).flatten();
    let result = Result {
        seed,
        trace_hash: report.trace_hash,
        sim_time: report.sim_time,
        marks: marks::numbered(&report.marks),
        failure,
        parted,
    };
    Made { index: job.index, result, scenario: scenario.ok().filter(|_| keep_scenarios) }
}

/// Starts `jobs` workers, which make the runs `todo` until there are none or `stop` is set.
/// Scenarios come back with the results if `keep_scenarios`.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(
    how: &How,
    todo: impl Iterator<Item = Job> + Send + 'static,
    jobs: usize,
    keep_scenarios: bool,
    stop: &Arc<AtomicBool>,
) -> io::Result<mpsc::Receiver<Made>> {
    // Bounded: workers wait for the one who counts.
    let (sender, receiver) = mpsc::sync_channel(jobs * 4);
    let todo = Arc::new(Mutex::new(todo));
    for number in 0..jobs {
        let (sender, todo, stop, how) =
            (sender.clone(), Arc::clone(&todo), Arc::clone(stop), how.clone());
        let work = move || {
            while !stop.load(Ordering::SeqCst) {
                let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(job) = next else { return };
                let made = make(&job, &how, keep_scenarios);
                if how.fail_fast && made.result.failure.is_some() {
                    stop.store(true, Ordering::SeqCst);
                }
                if sender.send(made).is_err() {
                    return; // nobody counts any more
                }
            }
        };
        let name = format!("explore-{number}");
        spawn_worker(name, work)?;
    }
    Ok(receiver)
}
