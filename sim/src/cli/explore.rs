//! `cargo sim explore`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::campaign::{Flags, now, watch_interrupt};
use super::{SeedList, Stop, count, seed_list};
use crate::determinism::Checked;
use crate::explore::campaign::{Findings, run_seed, start};
use crate::explore::group::{Cause, Group};
use crate::explore::{capsule, generate, marks};
use crate::report::seconds;
use crate::run::{RunFn, RunOptions};
use crate::scenario::{Time, Unit as _};
use crate::seed::Seed;

/// Seeds when neither `--seeds` nor `--for` is given.
const DEFAULT_SEEDS: u64 = 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct ExploreArgs {
    /// Seeds: how many (from 1 up), a..b with both ends, or a list with commas [default: 1000]
    #[arg(long, env = "SIM_SEEDS", value_name = "N|A..B|LIST", value_parser = seed_list)]
    seeds: Option<SeedList>,
    /// Goes on for so long, like 10m; with --seeds, until the first of both ends
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Runs at the same time; without it, one for each processor
    #[arg(long, short, env = "SIM_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Where the capsules of failures are written
    #[arg(long, value_name = "DIR", default_value = "target/sim/explore")]
    out: PathBuf,
    /// Makes so many of the runs twice and compares them: a share like 0.1, or 10%
    #[arg(long, value_name = "P", default_value_t)]
    check_determinism: Checked,
    /// Does not shrink the failures that were found
    #[arg(long)]
    no_shrink: bool,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    Time::parse(text).map(|Time(time)| time)
}

fn progress(length: Option<u64>) -> ProgressBar {
    let shown = io::stderr().is_terminal() && std::env::var_os("CI").is_none();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    let template = match length {
        Some(_) => "{bar:30} {pos}/{len} seeds, {elapsed}, {eta} left  {msg}",
        None => "{spinner} {pos} seeds, {elapsed}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

pub(super) fn explore(args: &ExploreArgs, run: RunFn) -> Result<ExitCode, Stop> {
    let begun = now();
    let flags = Arc::new(Flags::default());
    watch_interrupt(&flags)?;
    let stop = Arc::new(AtomicBool::new(false));
    let seeds: Vec<Seed> = match (&args.seeds, args.time) {
        (Some(SeedList(list)), _) => list.clone(),
        (None, Some(_)) => Vec::new(),
        (None, None) => (1..=DEFAULT_SEEDS).map(Seed).collect(),
    };
    let planned = (!seeds.is_empty()).then_some(seeds.len() as u64);
    let jobs = args.jobs.map_or_else(rayon::current_num_threads, usize::from);
    let endless = (1..).map(Seed);
    let results = match planned {
        Some(_) => start(run, seeds.into_iter(), jobs, args.check_determinism, &stop)?,
        None => start(run, endless, jobs, args.check_determinism, &stop)?,
    };
    let bar = progress(planned);
    let mut findings = Findings::default();
    loop {
        let over = args.time.is_some_and(|time| begun.elapsed() >= time);
        if over || flags.interrupted() {
            stop.store(true, Ordering::SeqCst);
        }
        match results.recv_timeout(Duration::from_millis(50)) {
            Ok(result) => {
                bar.inc(1);
                let seed = result.seed;
                if let Some(cause) = findings.add(result) {
                    keep(run, &args.out, &cause, seed)?;
                }
                bar.set_message(status(&findings, begun));
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            // Runs under way may take long: what is known is told without them.
            Err(mpsc::RecvTimeoutError::Timeout) if flags.interrupted() => break,
            Err(mpsc::RecvTimeoutError::Timeout) => bar.tick(),
        }
    }
    bar.finish_and_clear();
    summary(&findings, begun, &args.out)?;
    if !args.no_shrink {
        let capsules = findings.groups.by_cause.keys().map(|cause| path(&args.out, cause));
        super::shrink::groups(capsules, run, jobs, &flags)?;
    }
    for (seed, parting) in &findings.parted {
        writeln!(anstream::stdout().lock(), "\nseed {seed} is {parting}")?;
    }
    Ok(if flags.interrupted() {
        ExitCode::from(130)
    } else if !findings.parted.is_empty() {
        ExitCode::from(3)
    } else {
        ExitCode::from(u8::from(findings.groups.failures() > 0))
    })
}

fn path(out: &Path, cause: &Cause) -> PathBuf {
    out.join(cause.slug()).join("capsule.toml")
}

/// Writes the capsule of a failure: its run is made again, for nothing of it was kept.
fn keep(run: RunFn, out: &Path, cause: &Cause, seed: Seed) -> Result<(), Stop> {
    let Ok(scenario) = generate(seed) else {
        return Ok(()); // the message says what is wrong with it; there is nothing to replay
    };
    let (report, _) = run_seed(run, seed, &RunOptions::default());
    if Cause::of(&report).as_ref() != Some(cause) {
        return Err(Stop::Usage(format!(
            "seed {seed} is not deterministic: {cause:?}, and then {}",
            report.headline().unwrap_or_else(|| "it passed".to_owned())
        )));
    }
    capsule::write(&path(out, cause), &scenario, &report).map_err(Stop::Usage)
}

fn status(findings: &Findings, begun: Instant) -> String {
    let wall = begun.elapsed().as_secs_f64().max(0.001);
    let failures = findings.groups.failures();
    format!(
        "{:.1} seeds/s, {:.0} s simulated, {} of {} marks, {} in {}",
        findings.runs as f64 / wall,
        findings.sim_time.as_secs_f64(),
        findings.marks.len(),
        marks::MARKS.len(),
        count(failures as usize, "failure"),
        count(findings.groups.by_cause.len(), "group"),
    )
}

fn summary(findings: &Findings, begun: Instant, out: &Path) -> io::Result<()> {
    let mut to = anstream::stdout().lock();
    writeln!(to, "marks (runs that reached it, times in all):")?;
    for (name, (runs, times)) in &findings.marks {
        writeln!(to, "  {name:42} {runs:>8} {times:>10}")?;
    }
    let never: Vec<&str> =
        marks::MARKS.iter().copied().filter(|name| !findings.marks.contains_key(*name)).collect();
    if never.is_empty() {
        writeln!(to, "every mark was reached")?;
    } else {
        writeln!(to, "never reached: {}", never.join(", "))?;
    }
    let mut groups: Vec<(&Cause, &Group)> = findings.groups.by_cause.iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.runs));
    for (cause, group) in groups {
        writeln!(to, "\n{} x {} ({})", group.runs, cause.invariant, cause.slug())?;
        writeln!(to, "  {}", group.message.lines().next().unwrap_or_default())?;
        writeln!(
            to,
            "  seed {}, {}: cargo sim replay {}",
            group.example,
            count(group.steps, "step"),
            path(out, cause).display()
        )?;
    }
    if findings.groups.beyond > 0 {
        writeln!(to, "\n{} failures more, in groups beyond the limit", findings.groups.beyond)?;
    }
    writeln!(
        to,
        "\n{} in {}: {}",
        count(findings.runs as usize, "run"),
        seconds(begun.elapsed()),
        status(findings, begun)
    )?;
    to.flush()
}
