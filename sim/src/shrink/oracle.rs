//! Runs candidates, many at once, and remembers what came of them.
//!
//! Of several candidates the first *in their order* that fails in the same way is taken; those
//! after it may have been run too, when there are several jobs, but decide nothing and are not
//! noted. Must never: let the number of jobs show in the result.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use rayon::prelude::*;
use toml::Table;
use xxhash_rust::xxh3::xxh3_64;

use super::unmet::Unmet;
use super::{Extent, Options, Progress, read, table};
use crate::explore::capsule;
use crate::explore::group::Cause;
use crate::report::RunReport;
use crate::run::{RunFn, RunOptions, STACK, run_caught};
use crate::scenario::{Scenario, table_text};
use crate::seed::Seed;

/// Most violations of another kind that are kept.
const MAX_OTHERS: usize = 20;

/// What came of a candidate.
#[derive(Debug, Clone)]
enum Verdict {
    /// The same violation, at this time.
    Same(Duration),
    /// Another one.
    Other(Cause),
    /// None, or another expectation of the scenario that is not met.
    Passed,
}

/// A candidate that can be run.
struct Ready {
    key: u64,
    scenario: Scenario,
    seed: Seed,
}

/// Judges candidates.
pub(super) struct Oracle<'a> {
    run: RunFn,
    name: String,
    pub(super) cause: Cause,
    /// What the scenario itself expected and did not get.
    unmet: Option<Unmet>,
    options: &'a Options<'a>,
    pool: rayon::ThreadPool,
    cache: BTreeMap<u64, Verdict>,
    /// Those that counted. With several jobs more are run than count.
    counted: BTreeSet<u64>,
    others: BTreeMap<Cause, String>,
    /// Runs that counted: the same for any number of jobs.
    pub(super) runs: u64,
    /// Whether it was told to end.
    pub(super) stopped: bool,
}

/// A candidate that was taken.
pub(super) struct Taken {
    /// Its place among the candidates.
    pub(super) index: usize,
    /// Itself.
    pub(super) table: Table,
    /// When it fails.
    pub(super) at: Duration,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(
        run: RunFn,
        name: &str,
        first: &RunReport,
        cause: Cause,
        options: &'a Options<'a>,
    ) -> io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs.max(1))
            .stack_size(STACK)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self {
            run,
            name: name.to_owned(),
            cause,
            unmet: Unmet::of(first),
            options,
            pool,
            cache: BTreeMap::new(),
            counted: BTreeSet::new(),
            others: BTreeMap::new(),
            runs: 0,
            stopped: false,
        })
    }

    /// Violations of another kind, each with its capsule.
    pub(super) fn others(&mut self) -> Vec<(Cause, String)> {
        std::mem::take(&mut self.others).into_iter().collect()
    }

    /// The first candidate that fails in the same way; `None` as well when told to stop.
    pub(super) fn first(
        &mut self,
        pass: &str,
        best: Extent,
        candidates: Vec<Table>,
    ) -> Option<Taken> {
        let mut candidates = candidates.into_iter().enumerate();
        loop {
            self.stopped |= (self.options.stop)() || self.runs >= self.options.max_runs;
            if self.stopped {
                return None;
            }
            (self.options.progress)(&Progress { pass, runs: self.runs, best });
            let mut wave: Vec<(usize, Ready)> = Vec::new();
            let mut fresh = 0;
            while fresh < self.options.jobs.max(1)
                && let Some((index, table)) = candidates.next()
            {
                // What is no scenario any more (a step names a node that is gone) is passed over.
                let Some(ready) = self.prepare(&table) else { continue };
                fresh += usize::from(!self.cache.contains_key(&ready.key));
                wave.push((index, ready));
            }
            if wave.is_empty() {
                return None;
            }
            self.judge(&wave);
            for (index, ready) in &wave {
                self.runs += u64::from(self.counted.insert(ready.key));
                match self.cache.get(&ready.key) {
                    Some(Verdict::Same(at)) => {
                        let table = Table::try_from(&ready.scenario).ok()?;
                        return Some(Taken { index: *index, table, at: *at });
                    }
                    Some(Verdict::Other(cause)) => self.note(cause.clone(), ready),
                    _ => {}
                }
            }
        }
    }

    fn prepare(&self, table: &Table) -> Option<Ready> {
        if self.cause.invariant == "convergence" && table::follows_itself(table) {
            return None; // nodes that follow each other in a circle never converge: another story
        }
        let scenario = read(&self.name, &table_text(table)).ok()?;
        let seed = scenario.default_seeds().first().copied()?;
        let mut resolved = scenario.resolve(seed);
        resolved.title.clear();
        resolved.about.clear();
        // The debug form is complete: what is equal there runs in the same way.
        let key = xxh3_64(format!("{resolved:?}").as_bytes());
        Some(Ready { key, scenario, seed })
    }

    /// Runs what is not known yet.
    fn judge(&mut self, wave: &[(usize, Ready)]) {
        let (run, cache) = (self.run, &self.cache);
        let (cause, unmet) = (&self.cause, &self.unmet);
        let judged: Vec<(u64, Verdict)> = self.pool.install(|| {
            let unknown = wave.par_iter().filter(|(_, ready)| !cache.contains_key(&ready.key));
            unknown.map(|(_, ready)| (ready.key, verdict(run, (cause, unmet), ready))).collect()
        });
        self.cache.extend(judged);
    }

    /// Keeps the first run of each other violation apart.
    fn note(&mut self, cause: Cause, ready: &Ready) {
        if self.others.contains_key(&cause) || self.others.len() >= MAX_OTHERS {
            return;
        }
        let report = run_caught(self.run, &ready.scenario, ready.seed, &RunOptions::default());
        if let Ok(text) = capsule::text(&ready.scenario, &report) {
            self.others.insert(cause, text);
        }
    }
}

fn verdict(run: RunFn, (cause, unmet): (&Cause, &Option<Unmet>), ready: &Ready) -> Verdict {
    let report = run_caught(run, &ready.scenario, ready.seed, &RunOptions::to_first_violation());
    match Cause::of(&report) {
        None => Verdict::Passed,
        Some(found) if found != *cause => Verdict::Other(found),
        Some(found) => match Unmet::of(&report) {
            same if same == *unmet => {
                Verdict::Same(report.violations.first().map_or(report.sim_time, |first| first.at))
            }
            // Its place among the others is by which expectation it is.
            other => {
                let state = other.map(|unmet| unmet.to_string()).unwrap_or_default();
                Verdict::Other(Cause { state, ..found })
            }
        },
    }
}
