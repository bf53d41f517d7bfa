//! Many runs at once, reported in one order.
//!
//! Each run has a thread to itself while it lasts. Results are put back into the order of
//! scenario and seed, so that the output does not depend on the number of jobs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::Format;
use super::artifacts::Artifacts;
use crate::determinism::{self, Checked};
use crate::report::{Outcome, Renderer, RunReport, Summary, github, human, jsonl, junit};
use crate::run::{RunFn, RunOptions, run_caught, spawn_worker};
use crate::scenario::Scenario;
use crate::seed::Seed;

/// Runs to be made.
pub struct Campaign {
    /// The scenarios with their files, in the order of the output.
    pub scenarios: Vec<(PathBuf, Scenario)>,
    /// The seeds for each; `None` for those that each scenario names.
    pub seeds: Option<Vec<Seed>>,
    /// Runs at the same time.
    pub jobs: usize,
    /// What each run is asked for.
    pub options: RunOptions,
    /// Stop at the first run that does not pass.
    pub fail_fast: bool,
    /// Which runs are made twice and compared.
    pub twice: Checked,
    /// Where the capsule and the trace of a run that fails are kept; below the folder of the
    /// traces, if those are written anyway.
    pub artifacts: Option<PathBuf>,
    /// Print nothing but failures.
    pub quiet: bool,
    /// Print each run.
    pub verbose: bool,
}

struct Task {
    /// Its place among the campaign's.
    scenario: usize,
    seed: Seed,
}

/// Whether the user wants it to end, and whether no more runs shall begin.
#[derive(Default)]
pub(super) struct Flags {
    interrupted: AtomicBool,
    stop: AtomicBool,
}

impl Flags {
    /// Whether the user wants it to end: Ctrl-C, or SIGTERM.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}

impl Campaign {
    fn tasks(&self) -> Vec<Task> {
        let tasks = self.scenarios.iter().enumerate().flat_map(|(scenario, (_, written))| {
            let seeds = self.seeds.clone().unwrap_or_else(|| written.default_seeds());
            seeds.into_iter().map(move |seed| Task { scenario, seed })
        });
        tasks.collect()
    }

    fn renderer(&self, format: Format) -> Box<dyn Renderer> {
        let width = self.scenarios.iter().map(|(_, s)| s.name.chars().count()).max().unwrap_or(0);
        match format {
            Format::Human => Box::new(human::Human::new(width, self.verbose, self.quiet)),
            Format::Jsonl => Box::new(jsonl::Jsonl),
            Format::Junit => Box::<junit::Junit>::default(),
            Format::Github => Box::new(github::Github),
        }
    }

    fn progress(&self, tasks: usize) -> ProgressBar {
        let shown = io::stderr().is_terminal() && !self.quiet && super::variable("CI").is_none();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(tasks as u64), target);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:20} {pos}/{len} runs, {eta} left  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar
    }

    /// Makes all runs and writes their results to `out`; the exit code says how it went.
    pub fn run(self, run: RunFn, format: Format, out: &mut dyn io::Write) -> io::Result<u8> {
        let begun = now();
        let flags = Arc::new(Flags::default());
        watch_interrupt(&flags)?;
        let tasks = Arc::new(self.tasks());
        let bar = self.progress(tasks.len());
        let mut printer = Printer {
            campaign: &self,
            run,
            tasks: &tasks,
            renderer: self.renderer(format),
            summary: Summary { planned: tasks.len(), ..Summary::default() },
            artifacts: self.artifacts(),
            waiting: BTreeMap::new(),
            next: 0,
            open: None,
        };
        let results = self.start(run, &tasks, &flags)?;
        loop {
            match results.recv_timeout(Duration::from_millis(50)) {
                Ok((index, report)) => {
                    bar.inc(1);
                    let name = report.scenario.clone();
                    printer.waiting.insert(index, report);
                    bar.suspend(|| printer.print(out))?;
                    let bad = printer.summary.failed + printer.summary.errors;
                    bar.set_message(format!("{bad} failed, {name}"));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                // Runs that have begun may take long: what is known is printed without them.
                Err(mpsc::RecvTimeoutError::Timeout) if flags.interrupted() => break,
                Err(mpsc::RecvTimeoutError::Timeout) => bar.tick(),
            }
        }
        bar.finish_and_clear();
        printer.rest(out)?;
        let Printer { mut renderer, mut summary, .. } = printer;
        summary.wall_time = begun.elapsed();
        renderer.end(out, &summary)?;
        Ok(exit_code(&summary, flags.interrupted()))
    }

    fn artifacts(&self) -> Option<Artifacts> {
        let traced = self.options.trace.clone();
        let root = traced.clone().or_else(|| self.artifacts.clone())?;
        Some(Artifacts::new(root, traced.is_some()))
    }

    /// Starts the workers; reports come with the index of their task, in any order.
    fn start(
        &self,
        run: RunFn,
        tasks: &Arc<Vec<Task>>,
        flags: &Arc<Flags>,
    ) -> io::Result<mpsc::Receiver<(usize, RunReport)>> {
        // Bounded: workers wait for the one who prints.
        let (sender, receiver) = mpsc::sync_channel(self.jobs * 4);
        let next = Arc::new(AtomicUsize::new(0));
        let scenarios = Arc::new(self.scenarios.clone());
        for number in 0..self.jobs.min(tasks.len()) {
            let worker = Worker {
                run,
                scenarios: Arc::clone(&scenarios),
                options: self.options.clone(),
                twice: self.twice,
            };
            let (tasks, next, flags) = (Arc::clone(tasks), Arc::clone(&next), Arc::clone(flags));
            let (sender, fail_fast) = (sender.clone(), self.fail_fast);
            let work = move || {
                while !flags.stop.load(Ordering::SeqCst) {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(task) = tasks.get(index) else { return };
                    let report = worker.make(task);
                    if fail_fast && report.outcome != Outcome::Pass {
                        flags.stop.store(true, Ordering::SeqCst);
                    }
                    if sender.send((index, report)).is_err() {
                        return; // nobody listens any more
                    }
                }
            };
            let name = format!("run-{number}");
            spawn_worker(name, work)?;
        }
        Ok(receiver)
    }
}

/// Makes runs, one after the other.
struct Worker {
    run: RunFn,
    scenarios: Arc<Vec<(PathBuf, Scenario)>>,
    options: RunOptions,
    twice: Checked,
}

impl Worker {
    fn make(&self, task: &Task) -> RunReport {
        let (path, scenario) = &self.scenarios[task.scenario];
        let twice = self.twice.chooses(task.seed);
        let mut options = self.options.clone();
        options.keep_trace |= twice;
        let mut report = run_caught(self.run, scenario, task.seed, &options);
        if twice {
            // The trace's file is that of the first run.
            let again = RunOptions { trace: None, ..options.clone() };
            let again = || run_caught(self.run, scenario, task.seed, &again);
            let second = again();
            // What could but not write its trace is no other run: it is judged by a third.
            let third = (options.trace.is_some() && report.outcome == Outcome::Error).then(again);
            compare(&mut report, third.as_ref(), &second);
        }
        report.path = Some(path.clone());
        report
    }
}

/// Prints reports in order as soon as those before them are there.
struct Printer<'a> {
    campaign: &'a Campaign,
    run: RunFn,
    tasks: &'a [Task],
    renderer: Box<dyn Renderer>,
    summary: Summary,
    artifacts: Option<Artifacts>,
    /// Reports that came before their turn.
    waiting: BTreeMap<usize, RunReport>,
    next: usize,
    /// The scenario of which some runs were printed, and perhaps not all.
    open: Option<usize>,
}

impl Printer<'_> {
    fn print(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        while let Some(report) = self.waiting.remove(&self.next) {
            self.one(self.next, report, out)?;
            self.next += 1;
        }
        Ok(())
    }

    /// What came after a gap: some runs were not made.
    fn rest(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        for (index, report) in std::mem::take(&mut self.waiting) {
            self.one(index, report, out)?;
        }
        self.end_of_scenario(None, out)
    }

    fn one(
        &mut self,
        index: usize,
        mut report: RunReport,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let scenario = self.tasks[index].scenario;
        self.end_of_scenario(Some(scenario), out)?;
        self.open = Some(scenario);
        if let Some(artifacts) = &mut self.artifacts {
            artifacts.keep(&self.campaign.scenarios[scenario].1, &mut report, self.run);
        }
        self.summary.add(&report);
        self.renderer.run(out, &report)?;
        if self.tasks.get(index + 1).is_none_or(|next| next.scenario != scenario) {
            self.end_of_scenario(None, out)?;
        }
        Ok(())
    }

    /// Ends the scenario that is open, unless it is `next`.
    fn end_of_scenario(&mut self, next: Option<usize>, out: &mut dyn io::Write) -> io::Result<()> {
        if self.open.is_none() || self.open == next {
            return Ok(());
        }
        self.open = None;
        self.renderer.scenario_end(out)
    }
}

fn exit_code(summary: &Summary, interrupted: bool) -> u8 {
    if interrupted {
        130
    } else if summary.nondeterministic > 0 {
        3
    } else if summary.failed > 0 {
        1
    } else if summary.passed < summary.planned {
        4
    } else {
        0
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "wall time of a run, which is reported and decides nothing"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Judges two runs of one seed: the first report says where they part, if they do. `instead` is
/// the one that is judged in the place of the first, if that cannot be.
fn compare(first: &mut RunReport, instead: Option<&RunReport>, second: &RunReport) {
    let parting = determinism::difference(instead.unwrap_or(first), second);
    for more in instead.into_iter().chain([second]) {
        first.wall_time += more.wall_time;
    }
    first.trace.clear();
    if let Some(parting) = parting {
        // Of a run without a verdict the reason matters, too: it may be why the two differ.
        let reason = match first.outcome {
            Outcome::Error => format!("\n{}", first.reason()),
            _ => String::new(),
        };
        first.nondeterministic = true;
        first.outcome = Outcome::Error;
        first.error = Some(format!("{parting}{reason}"));
    }
}

/// The first Ctrl-C stops the campaign; the second ends the process. So does SIGTERM, which is how
/// a cluster takes its machine back.
#[expect(clippy::disallowed_methods, reason = "a thread beside the runs, which none of them sees")]
pub(super) fn watch_interrupt(flags: &Arc<Flags>) -> io::Result<()> {
    let flags = Arc::clone(flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // From here on, not only once the thread has come to it.
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        // So that a file that may not grow any more (`ulimit -f`) is told like a full disk, and is
        // not the end of the process. Handlers stay when their listener goes.
        const SIGXFSZ: i32 = 25;
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flags.interrupted.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                flags.stop.store(true, Ordering::SeqCst);
            }
        });
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
