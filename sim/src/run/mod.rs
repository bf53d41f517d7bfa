//! One run: a resolved scenario in, a report out.
//!
//! Builds the world, starts the nodes, the workload's clients and an operator, does what the
//! scenario says at its times, feeds every event to the invariants, and in the end waits for the
//! cluster to converge. Must never: look into a node; it sees events, replies and what the world
//! itself knows.
//!
//! From Rust: [`Scenario::seed`](crate::scenario::Scenario::seed) begins a run. The command line
//! makes its runs with the same functions.

mod builder;
mod calm;
mod caught;
mod convergence;
mod expectation;
mod leftovers;
mod operator;
mod process;
mod steps;

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufWriter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::cluster::NodeIndex;
use crate::invariant::{self, Invariant};
use crate::recorder::Recorder;
use crate::report::{Outcome, RunReport};
use crate::scenario::ResolvedScenario;
use crate::simulation::{SimConfig, SimError, Simulation};
use crate::transport::LinkConfig;
use crate::workload::{self, Target};
use crate::world::{HostId, HostStatus};
use operator::Operator;

pub use builder::RunBuilder;
pub use caught::run_caught;
pub(crate) use caught::{STACK, spawn_worker};

/// What a run is asked for besides its scenario.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Folder below which the run writes its trace; `None` for no trace.
    pub trace: Option<PathBuf>,
    /// Keep the trace's lines in the report, to compare two runs.
    pub keep_trace: bool,
    /// Tell the run in lines for people.
    pub story: bool,
    /// Simulated time after which the run is broken off, without waiting for convergence.
    pub until: Option<Duration>,
    /// Break the run off at its first violation.
    pub first_violation: bool,
}

impl RunOptions {
    /// For a run of which nothing matters but its first violation.
    pub fn to_first_violation() -> Self {
        Self { first_violation: true, ..Self::default() }
    }
}

/// A function that runs one scenario. Should it panic, the caller reports that as an error.
pub type RunFn = fn(&ResolvedScenario, &RunOptions) -> RunReport;

/// Runs one scenario under all invariants.
pub fn run_scenario(scenario: &ResolvedScenario, options: &RunOptions) -> RunReport {
    run_with(scenario, options, Vec::new())
}

/// Runs one scenario under all invariants and `more` of the caller's own.
pub fn run_with(
    scenario: &ResolvedScenario,
    options: &RunOptions,
    more: Vec<Box<dyn Invariant>>,
) -> RunReport {
    #[expect(clippy::disallowed_methods, reason = "how long a run took; no run sees it")]
    let started = std::time::Instant::now();
    let mut report = match Run::new(scenario, options, more).and_then(Run::finish) {
        Ok(report) => report,
        Err(error) => RunReport::error(&scenario.name, scenario.seed, error.to_string()),
    };
    report.wall_time = started.elapsed();
    report
}

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The world broke.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// A node's configuration is not valid.
    #[error("configuration of {node}: {message}")]
    Config {
        /// Which node.
        node: String,
        /// What is wrong with it.
        message: String,
    },
    /// The trace cannot be written.
    #[error("trace {path}: {source}")]
    Trace {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A run under way.
struct Run<'a> {
    scenario: &'a ResolvedScenario,
    keep_trace: bool,
    until: Option<Duration>,
    first_violation: bool,
    trace_path: Option<PathBuf>,
    sim: Simulation,
    /// The nodes' machines.
    hosts: Vec<HostId>,
    recorder: Rc<RefCell<Recorder>>,
    operator: Operator,
    /// Steps done so far.
    done: usize,
    /// Nodes that are to be started once they are down.
    restarting: Vec<NodeIndex>,
    /// When the last fault began or ended.
    last_fault: Duration,
    /// Id and offset of every node at that time, once there are no more faults to come.
    calm: Option<invariant::Marks>,
    /// Whether `converged-within` has been judged while the run went on.
    judged: bool,
    /// Whether it was found not to have converged.
    late: bool,
    /// Who is not judged at the end, as it was told last.
    unjudged: String,
    /// Nodes whose process was running when it was last looked at.
    running: Vec<bool>,
}

fn link_config(scenario: &ResolvedScenario) -> LinkConfig {
    let network = &scenario.network;
    let default = LinkConfig::default();
    LinkConfig {
        latency_min_us: network.latency.low.0.as_micros() as u64,
        latency_max_us: network.latency.high.0.as_micros() as u64,
        bandwidth_bytes_per_s: network.bandwidth.unwrap_or(default.bandwidth_bytes_per_s),
        segment_bytes: network.segment as usize,
    }
}

impl<'a> Run<'a> {
    fn new(
        scenario: &'a ResolvedScenario,
        options: &RunOptions,
        more: Vec<Box<dyn Invariant>>,
    ) -> Result<Self, RunError> {
        let config = SimConfig {
            tick: scenario.run.tick,
            link: link_config(scenario),
            ..SimConfig::default()
        };
        let mut sim = Simulation::new(scenario.seed, config);
        let world = sim.world().clone();
        let mut invariants = invariant::all();
        invariants.extend(more);
        let mut recorder = Recorder::new(Box::new(move || world.now()), invariants);
        let trace_path = open_trace(scenario, options, &mut recorder)?;
        let recorder = Rc::new(RefCell::new(recorder));
        let add = |index| process::add(&mut sim, scenario, index, &recorder);
        let hosts = (0..scenario.nodes.len()).map(add).collect::<Result<_, _>>()?;
        add_clients(&mut sim, scenario);
        Ok(Self {
            scenario,
            keep_trace: options.keep_trace,
            until: options.until,
            first_violation: options.first_violation,
            trace_path,
            sim,
            hosts,
            recorder,
            operator: Operator::default(),
            done: 0,
            restarting: Vec::new(),
            last_fault: Duration::ZERO,
            calm: None,
            judged: false,
            late: false,
            unjudged: String::new(),
            running: vec![true; scenario.nodes.len()],
        })
    }

    /// What came of it, also when it panics: how it got there is in the report then.
    fn finish(mut self) -> Result<RunReport, RunError> {
        match catch_unwind(AssertUnwindSafe(|| self.go())) {
            Ok(ended) => ended.and_then(|()| self.report()),
            Err(payload) => {
                let text = caught::text_of(payload.as_ref());
                self.recorder.borrow_mut().world(text.lines().next().unwrap_or_default());
                let report = self.report()?;
                let outcome = Outcome::Error;
                Ok(RunReport { outcome, violations: Vec::new(), error: Some(text), ..report })
            }
        }
    }

    fn go(&mut self) -> Result<(), RunError> {
        while self.sim.elapsed() < self.scenario.run.duration && !self.is_over() {
            self.step()?;
            self.judge_in_time();
        }
        // What heals at the very end heals before anybody asks whether it has.
        self.do_steps()?;
        self.converge()?;
        if !self.is_over() {
            self.expect_at_end()?;
            self.look_for_leftovers()?;
        }
        Ok(())
    }

    /// Whether there is nothing more to learn.
    fn is_over(&self) -> bool {
        let recorder = self.recorder.borrow();
        let expected = |wanted: &String| recorder.violations.iter().any(|v| v.invariant == *wanted);
        recorder.is_hopeless()
            // A run that must fail has done so; what follows from that is not judged.
            || self.scenario.expect.violation.as_ref().is_some_and(expected)
            || (self.first_violation && !recorder.violations.is_empty())
            || self.until.is_some_and(|until| self.sim.elapsed() >= until)
    }

    /// Does what is due and goes on by a tick.
    fn step(&mut self) -> Result<(), RunError> {
        self.do_steps()?;
        self.notice_calm();
        self.operator.attend(&mut self.sim)?;
        self.sim.step()?;
        self.notice_exits();
        self.operator.collect(&mut self.recorder.borrow_mut());
        self.start_what_went_down()
    }

    /// Takes note of processes that ended by themselves.
    fn notice_exits(&mut self) {
        for index in 0..self.hosts.len() {
            let running = self.is_running(index);
            if self.running[index] && !running {
                self.recorder.borrow_mut().cluster.stopped(index);
            }
            self.running[index] = running;
        }
    }

    fn status(&self, node: NodeIndex) -> HostStatus {
        self.sim.world().status(self.hosts[node])
    }

    fn is_running(&self, node: NodeIndex) -> bool {
        matches!(self.status(node), HostStatus::Running | HostStatus::Paused)
    }

    fn report(self) -> Result<RunReport, RunError> {
        let mut recorder = self.recorder.borrow_mut();
        if let (Err(source), Some(path)) = (recorder.finish_trace(), &self.trace_path) {
            return Err(RunError::Trace { path: path.clone(), source });
        }
        let mut report = RunReport::new(&self.scenario.name, self.scenario.seed);
        report.violations = std::mem::take(&mut recorder.violations);
        self.judge_expected_violation(&mut report);
        if !report.violations.is_empty() {
            report.outcome = Outcome::Fail;
        }
        report.trace_hash = recorder.hash();
        report.sim_time = self.sim.elapsed();
        report.events = recorder.events;
        let nodes = &recorder.cluster.nodes;
        report.full_syncs = nodes.iter().map(|node| node.full_syncs).sum();
        report.partial_syncs = nodes.iter().map(|node| node.partial_syncs).sum();
        report.marks = recorder.marks.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        report.story = recorder.take_story();
        if self.keep_trace {
            report.trace = recorder.take_lines();
        }
        Ok(report)
    }
}

/// Creates the trace's file, if one is asked for.
fn open_trace(
    scenario: &ResolvedScenario,
    options: &RunOptions,
    recorder: &mut Recorder,
) -> Result<Option<PathBuf>, RunError> {
    if options.keep_trace {
        recorder.keep_lines();
    }
    if options.story {
        recorder.tell();
    }
    let Some(folder) = &options.trace else {
        return Ok(None);
    };
    let path = folder.join(&scenario.name).join(scenario.seed.to_string()).join("trace.jsonl");
    let mut create = |path: &Path| {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let out = BufWriter::new(fs::File::create(path)?);
        recorder.trace_to(Box::new(out), &scenario.name, scenario.seed.0)
    };
    create(&path).map_err(|source| RunError::Trace { path: path.clone(), source })?;
    Ok(Some(path))
}

fn add_clients(sim: &mut Simulation, scenario: &ResolvedScenario) {
    for (workload, spec) in scenario.workloads.iter().enumerate() {
        let targets: Vec<Target> =
            scenario.nodes.iter().map(|node| process::target(node, spec)).collect();
        for (index, name) in spec.clients.iter().enumerate() {
            let (spec, targets, seed) = (spec.clone(), targets.clone(), scenario.seed);
            sim.add_client(name, move |env| async move {
                workload::run(env, spec, workload, index, targets, seed).await;
                Ok(())
            });
        }
    }
}
