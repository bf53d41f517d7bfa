//! Many seeds at once, in bounded memory.
//!
//! Workers take the next seed, make its scenario, run it, and send what is worth keeping of it:
//! a few hundred bytes. What is found does not depend on the number of workers. Must never: keep
//! a report of a run that has been counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::generate_in;
use super::group::{Cause, Groups};
use super::profile::Profile;
use crate::determinism::{self, Checked};
use crate::report::RunReport;
use crate::run::{RunFn, RunOptions, run_caught};
use crate::seed::Seed;

/// Stack of a run, in bytes.
const STACK: usize = 16 << 20;

/// What is kept of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Result {
    /// Its seed.
    pub seed: Seed,
    /// Hash of all its events.
    pub trace_hash: u64,
    /// Simulated time.
    pub sim_time: Duration,
    /// Rare states it reached.
    pub marks: Vec<(String, u64)>,
    /// What broke, the message, and the number of steps.
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
    pub marks: BTreeMap<String, (u64, u64)>,
    /// What broke.
    pub groups: Groups,
    /// Runs that went another way the second time, and how.
    pub parted: Vec<(Seed, String)>,
}

impl Findings {
    /// Counts a run. Its seed, if its capsule is to be written.
    pub fn add(&mut self, result: Result) -> Option<Cause> {
        self.runs += 1;
        self.sim_time += result.sim_time;
        for (name, times) in result.marks {
            let mark = self.marks.entry(name).or_default();
            mark.0 += 1;
            mark.1 += times;
        }
        self.parted.extend(result.parted.map(|parting| (result.seed, parting)));
        let (cause, message, steps) = result.failure?;
        self.groups.add(cause.clone(), result.seed, steps, message).then_some(cause)
    }
}

/// Makes the scenario of a seed and runs it.
pub fn run_seed(
    run: RunFn,
    seed: Seed,
    profile: Profile,
    options: &RunOptions,
) -> (RunReport, usize) {
    match generate_in(seed, profile) {
        Ok(scenario) => (run_caught(run, &scenario, seed, options), scenario.steps.len()),
        Err(problems) => {
            let name = format!("explore/{seed}");
            let text = format!("the generator made no valid scenario: {}", problems.render(false));
            (RunReport::error(&name, seed, text), 0)
        }
    }
}

/// Starts `jobs` workers, which take seeds until there are none or `stop` is set.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(
    run: RunFn,
    profile: Profile,
    seeds: impl Iterator<Item = Seed> + Send + 'static,
    jobs: usize,
    checked: Checked,
    stop: &Arc<AtomicBool>,
) -> io::Result<mpsc::Receiver<Result>> {
    // Bounded: workers wait for the one who counts.
    let (sender, receiver) = mpsc::sync_channel(jobs * 4);
    let seeds = Arc::new(Mutex::new(seeds));
    for job in 0..jobs {
        let (sender, seeds, stop) = (sender.clone(), Arc::clone(&seeds), Arc::clone(stop));
        let work = move || {
            while !stop.load(Ordering::SeqCst) {
                let next = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(seed) = next else { return };
                let (report, steps) = run_seed(run, seed, profile, &RunOptions::default());
                let failure = Cause::of(&report)
                    .map(|cause| (cause, report.headline().unwrap_or_default(), steps));
                let again = |keep_trace| {
                    let options = RunOptions { keep_trace, ..RunOptions::default() };
                    run_seed(run, seed, profile, &options).0
                };
                let parted =
                    checked.chooses(seed).then(|| determinism::check(&report, &again)).flatten();
                let result = Result {
                    seed,
                    trace_hash: report.trace_hash,
                    sim_time: report.sim_time,
                    marks: report.marks,
                    failure,
                    parted,
                };
                if sender.send(result).is_err() {
                    return; // nobody counts any more
                }
            }
        };
        std::thread::Builder::new().name(format!("explore-{job}")).stack_size(STACK).spawn(work)?;
    }
    Ok(receiver)
}
