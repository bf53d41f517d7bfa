//! Many runs at once, reported in one order.
//!
//! Each run has a thread to itself while it lasts. Results are put back into the order of
//! scenario and seed, so that the output does not depend on the number of jobs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Format;
use crate::determinism::{self, Checked};
use crate::report::{Outcome, Renderer, RunReport, Summary, github, human, jsonl, junit};
use crate::run::{RunFn, RunOptions, run_caught};
use crate::scenario::Scenario;
use crate::seed::Seed;

/// Stack of a run, in bytes.
const STACK: usize = 16 << 20;

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
    /// Print nothing but failures.
    pub quiet: bool,
    /// Print each run.
    pub verbose: bool,
}

struct Task {
    scenario: usize,
    seed: Seed,
}

/// Whether the user pressed Ctrl-C, and whether no more runs shall begin.
#[derive(Default)]
pub(super) struct Flags {
    interrupted: AtomicBool,
    stop: AtomicBool,
}

impl Flags {
    /// Whether the user pressed Ctrl-C.
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
        let shown = io::stderr().is_terminal() && !self.quiet && std::env::var_os("CI").is_none();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(tasks as u64), target);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {elapsed}, {eta} left  {msg}")
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
        let mut tasks = self.tasks();
        let (mut renderer, bar) = (self.renderer(format), self.progress(tasks.len()));
        let mut summary = Summary { planned: tasks.len(), ..Summary::default() };
        let results = self.start(run, &mut tasks, &flags)?;

        let mut waiting: BTreeMap<usize, RunReport> = BTreeMap::new();
        let mut printer = Printer { next: 0, last: None };
        loop {
            match results.recv_timeout(Duration::from_millis(50)) {
                Ok((index, report)) => {
                    bar.inc(1);
                    bar.set_message(report.scenario.clone());
                    summary.add(&report);
                    waiting.insert(index, report);
                    let ends = |index: usize| {
                        tasks.get(index + 1).is_none_or(|t| t.scenario != tasks[index].scenario)
                    };
                    bar.suspend(|| printer.print(&mut waiting, &ends, renderer.as_mut(), out))?;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                // Runs that have begun may take long: what is known is printed without them.
                Err(mpsc::RecvTimeoutError::Timeout)
                    if flags.interrupted.load(Ordering::SeqCst) =>
                {
                    break;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => bar.tick(),
            }
        }
        bar.finish_and_clear();
        printer.rest(waiting, renderer.as_mut(), out)?;
        summary.wall_time = begun.elapsed();
        renderer.end(out, &summary)?;
        Ok(exit_code(&summary, flags.interrupted.load(Ordering::SeqCst)))
    }

    /// Starts all tasks; their reports come with the index of their task, in any order.
    fn start(
        &self,
        run: RunFn,
        tasks: &mut [Task],
        flags: &Arc<Flags>,
    ) -> io::Result<mpsc::Receiver<(usize, RunReport)>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.jobs)
            .stack_size(STACK)
            .build()
            .map_err(io::Error::other)?;
        let (sender, receiver) = mpsc::channel();
        let (twice, fail_fast) = (self.twice, self.fail_fast);
        for (index, task) in tasks.iter().enumerate() {
            let Some((path, scenario)) = self.scenarios.get(task.scenario) else { continue };
            let (path, scenario, seed) = (path.clone(), scenario.clone(), task.seed);
            let (sender, flags, mut options) =
                (sender.clone(), Arc::clone(flags), self.options.clone());
            let twice = twice.chooses(seed);
            options.keep_trace |= twice;
            pool.spawn_fifo(move || {
                if flags.stop.load(Ordering::SeqCst) {
                    return;
                }
                let mut report = run_caught(run, &scenario, seed, &options);
                if twice {
                    // The trace's file is that of the first run.
                    let again = RunOptions { trace: None, ..options };
                    compare(&mut report, &run_caught(run, &scenario, seed, &again));
                }
                report.path = Some(path);
                if fail_fast && report.outcome != Outcome::Pass {
                    flags.stop.store(true, Ordering::SeqCst);
                }
                // Nobody listens any more after an interrupt.
                let _ = sender.send((index, report));
            });
        }
        Ok(receiver)
    }
}

/// Prints reports in order as soon as those before them are there.
struct Printer {
    next: usize,
    last: Option<String>,
}

impl Printer {
    fn print(
        &mut self,
        waiting: &mut BTreeMap<usize, RunReport>,
        ends: &dyn Fn(usize) -> bool,
        renderer: &mut dyn Renderer,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        while let Some(report) = waiting.remove(&self.next) {
            renderer.run(out, &report)?;
            self.last = Some(report.scenario);
            if ends(self.next) {
                renderer.scenario_end(out)?;
                self.last = None;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// What came after a gap: some runs were not made.
    fn rest(
        mut self,
        waiting: BTreeMap<usize, RunReport>,
        renderer: &mut dyn Renderer,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        for report in waiting.into_values() {
            if self.last.as_ref().is_some_and(|last| *last != report.scenario) {
                renderer.scenario_end(out)?;
            }
            renderer.run(out, &report)?;
            self.last = Some(report.scenario);
        }
        if self.last.is_some() { renderer.scenario_end(out) } else { Ok(()) }
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

#[allow(
    clippy::disallowed_methods,
    reason = "wall time of a run, which is reported and decides nothing"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Judges two runs of one seed: the first report says where they part, if they do.
fn compare(first: &mut RunReport, second: &RunReport) {
    first.wall_time += second.wall_time;
    let parting = determinism::difference(first, second);
    first.trace.clear();
    if first.outcome == Outcome::Error {
        return;
    }
    if let Some(parting) = parting {
        first.nondeterministic = true;
        first.outcome = Outcome::Error;
        first.error = Some(parting);
    }
}

/// The first Ctrl-C stops the campaign; the second ends the process.
#[allow(clippy::disallowed_methods, reason = "a thread beside the runs, which none of them sees")]
pub(super) fn watch_interrupt(flags: &Arc<Flags>) -> io::Result<()> {
    let flags = Arc::clone(flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
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
