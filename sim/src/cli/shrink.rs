//! `cargo sim shrink`, and the shrinking that `explore` does by itself.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::campaign::{Flags, now, watch_interrupt};
use super::{Stop, count, replay};
use crate::explore::capsule;
use crate::report::{human, seconds};
use crate::run::{RunFn, RunOptions, run_caught};
use crate::scenario::Scenario;
use crate::seed::Seed;
use crate::shrink::{self, Extent, Options, Progress, ShrinkError, Shrunk};

/// Most runs that `explore` spends on one group.
const RUNS_A_GROUP: u64 = 1_500;

#[derive(Debug, clap::Args)]
pub(super) struct ShrinkArgs {
    /// The scenario that fails: a capsule, or any other
    file: PathBuf,
    /// Where the smallest is written; without it, beside FILE as NAME.shrunk.toml
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Runs at the same time; without it, one for each processor
    #[arg(long, short, env = "SIM_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Ends after so long, like 10m, with the best so far
    #[arg(long = "for", value_name = "TIME", value_parser = super::explore::duration)]
    time: Option<Duration>,
    /// The seed it fails with; without it, the first of its own that does
    #[arg(long, value_name = "SEED")]
    seed: Option<Seed>,
}

fn progress() -> ProgressBar {
    let shown = io::stderr().is_terminal() && super::variable("CI").is_none();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn words(extent: Extent) -> String {
    format!(
        "{}, {}, {}",
        count(extent.steps, "step"),
        count(extent.nodes, "node"),
        count(extent.lines, "line")
    )
}

/// Shrinks with a progress bar on stderr.
fn with_bar(
    scenario: &Scenario,
    seed: Seed,
    run: RunFn,
    jobs: usize,
    max_runs: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Shrunk, ShrinkError> {
    let bar = progress();
    let show = |now: &Progress<'_>| {
        bar.set_message(format!(
            "{}: {} after {}",
            now.pass,
            words(now.best),
            count(now.runs as usize, "run")
        ));
        bar.tick();
    };
    let options = Options { jobs, max_runs, stop, progress: &show };
    let shrunk = shrink::shrink(scenario, seed, run, &options);
    bar.finish_and_clear();
    shrunk
}

fn jobs(asked: Option<u16>) -> usize {
    asked.map_or_else(rayon::current_num_threads, usize::from)
}

pub(super) fn shrink(args: &ShrinkArgs, run: RunFn) -> Result<ExitCode, Stop> {
    let begun = now();
    let flags = Arc::new(Flags::default());
    watch_interrupt(&flags)?;
    let scenario = crate::scenario::load(&args.file).map_err(|problems| {
        Stop::Usage(format!("{} is no scenario\n{}", args.file.display(), problems.render(true)))
    })?;
    let out = args.out.clone().unwrap_or_else(|| args.file.with_extension("shrunk.toml"));
    // Better now than after an hour.
    capsule::writable(&out).map_err(Stop::Usage)?;
    let seed = failing_seed(args, &scenario, run)?;
    let over = || flags.interrupted() || args.time.is_some_and(|time| begun.elapsed() >= time);
    let shrunk = match with_bar(&scenario, seed, run, jobs(args.jobs), u64::MAX, &over) {
        Ok(shrunk) => shrunk,
        Err(error @ ShrinkError::NotDeterministic { .. }) => {
            let _ = writeln!(anstream::stderr(), "{} {error}", super::ERROR);
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(Stop::Usage(format!("{}: {error}", args.file.display()))),
    };
    capsule::write_text(&out, &shrunk.text).map_err(Stop::Usage)?;
    if out.is_file() {
        replay::write_trace(&out, &shrunk.report)?;
    }
    let mut to = anstream::stdout().lock();
    write!(to, "{}", shrunk.text)?;
    writeln!(to)?;
    let mut report = shrunk.report.clone();
    report.path = Some(out.clone());
    // What follows the first violation was not shrunk.
    report.violations.truncate(1);
    writeln!(to, "{}", human::failure(&report))?;
    for (cause, text) in &shrunk.others {
        let path = out.with_extension(format!("{}.toml", cause.slug()));
        capsule::write_text(&path, text).map_err(Stop::Usage)?;
        writeln!(to, "met on the way and kept apart: {}", path.display())?;
    }
    writeln!(
        to,
        "{} -> {} in {}, {}{}: {}",
        words(shrunk.before),
        words(shrunk.after),
        count(shrunk.runs as usize, "run"),
        seconds(begun.elapsed()),
        if shrunk.complete { "" } else { " (stopped: the best so far)" },
        out.display()
    )?;
    to.flush()?;
    Ok(ExitCode::from(if flags.interrupted() { 130 } else { 0 }))
}

/// The seed with which the scenario fails.
fn failing_seed(args: &ShrinkArgs, scenario: &Scenario, run: RunFn) -> Result<Seed, Stop> {
    if let Some(seed) = args.seed {
        return Ok(seed);
    }
    let seeds = scenario.default_seeds();
    if let [seed] = seeds[..] {
        return Ok(seed);
    }
    let fails =
        |seed: &Seed| !run_caught(run, scenario, *seed, &RunOptions::to_first_violation()).passed();
    seeds.iter().copied().find(fails).ok_or_else(|| {
        let all = count(seeds.len(), "seed");
        Stop::Usage(format!("{}: nothing is violated with its {all}", args.file.display()))
    })
}

/// Shrinks what `explore` kept: each capsule, into `shrunk.toml` beside it.
pub(super) fn groups(
    capsules: impl Iterator<Item = PathBuf>,
    run: RunFn,
    jobs: usize,
    flags: &Flags,
) -> Result<(), Stop> {
    let stop = || flags.interrupted();
    for path in capsules.take_while(|_| !flags.interrupted()) {
        // A scenario that the generator made wrong has no capsule.
        let Ok(scenario) = crate::scenario::load(&path) else { continue };
        let seed = scenario.default_seeds().first().copied().unwrap_or(Seed(1));
        let told = match with_bar(&scenario, seed, run, jobs, RUNS_A_GROUP, &stop) {
            Ok(shrunk) => {
                let out = path.with_file_name("shrunk.toml");
                capsule::write_text(&out, &shrunk.text).map_err(Stop::Usage)?;
                replay::write_trace(&out, &shrunk.report)?;
                let (before, after) = (words(shrunk.before), words(shrunk.after));
                format!("{before} -> {after}: cargo sim replay {}", out.display())
            }
            Err(error) => format!("{}: not shrunk: {error}", path.display()),
        };
        writeln!(anstream::stdout().lock(), "{told}")?;
    }
    Ok(())
}
