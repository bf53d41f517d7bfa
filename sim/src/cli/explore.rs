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
use super::{SeedList, Stop, findings, seed_list};
use crate::determinism::Checked;
use crate::explore::campaign::{Findings, run_seed, start};
use crate::explore::group::Cause;
use crate::explore::profile::Profile;
use crate::explore::results::Writer;
use crate::explore::shard::Shard;
use crate::explore::{capsule, generate_in};
use crate::report::seconds;
use crate::run::{RunFn, RunOptions};
use crate::scenario::{Time, Unit as _};
use crate::seed::Seed;

/// Seeds when neither `--seeds` nor `--for` is given.
const DEFAULT_SEEDS: u64 = 1_000;
/// Folder of results when `--out` is not given.
const OUT: &str = "target/sim/explore";

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
    /// Makes so many of the runs twice and compares them: a share like 0.1, or 10%
    #[arg(long, value_name = "P", default_value_t)]
    check_determinism: Checked,
    /// Does not shrink the failures that were found
    #[arg(long)]
    no_shrink: bool,
    /// Where to look
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    profile: Profile,
    /// Share of the seeds, like 2/4; without it, what the environment of a fleet says, or all
    #[arg(long, env = "SIM_SHARD", value_name = "I/N")]
    shard: Option<Shard>,
    /// Where results and capsules are written [default: target/sim/explore, and there
    /// shard-i-of-n for a share]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
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

impl ExploreArgs {
    /// The share of this process.
    #[expect(clippy::disallowed_methods, reason = "what a fleet sets; no run sees it")]
    fn shard(&self) -> Result<Shard, Stop> {
        let get = |name: &str| std::env::var(name).ok();
        self.shard.map_or_else(|| Shard::of_environment(get).map_err(Stop::Usage), Ok)
    }

    fn out(&self, shard: Shard) -> PathBuf {
        let folder = || {
            let folder = PathBuf::from(OUT);
            let name = format!("shard-{shard}").replace('/', "-of-");
            if shard.is_whole() { folder } else { folder.join(name) }
        };
        self.out.clone().unwrap_or_else(folder)
    }

    /// The seeds of this process, and how many they are, if they end.
    fn seeds(&self, shard: Shard) -> (Box<dyn Iterator<Item = Seed> + Send>, Option<u64>) {
        let list: Vec<Seed> = match (&self.seeds, self.time) {
            (Some(SeedList(list)), _) => shard.share(list.iter().copied()).collect(),
            (None, Some(_)) => return (Box::new(shard.share((1..).map(Seed))), None),
            (None, None) => shard.share((1..=DEFAULT_SEEDS).map(Seed)).collect(),
        };
        let planned = list.len() as u64;
        (Box::new(list.into_iter()), Some(planned))
    }
}

pub(super) fn explore(args: &ExploreArgs, run: RunFn) -> Result<ExitCode, Stop> {
    let begun = now();
    let flags = Arc::new(Flags::default());
    watch_interrupt(&flags)?;
    let stop = Arc::new(AtomicBool::new(false));
    let shard = args.shard()?;
    let out = args.out(shard);
    let jobs = args.jobs.map_or_else(rayon::current_num_threads, usize::from);
    let (seeds, planned) = args.seeds(shard);
    let mut written = Writer::create(&out, args.profile)
        .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", out.display())))?;
    let results = start(run, args.profile, seeds, jobs, args.check_determinism, &stop)?;
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
                written.add(&result)?;
                if let Some(cause) = findings.add(result) {
                    keep(run, args.profile, &out, &cause, seed)?;
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
    written.finish()?;
    findings::publish(&findings, &out)?;
    writeln!(anstream::stderr(), "{}, {}", seconds(begun.elapsed()), status(&findings, begun))?;
    if !args.no_shrink {
        let capsules = findings.groups.by_cause.keys().map(|cause| findings::capsule(&out, cause));
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

/// Writes the capsule of a failure: its run is made again, for nothing of it was kept.
fn keep(run: RunFn, profile: Profile, out: &Path, cause: &Cause, seed: Seed) -> Result<(), Stop> {
    let Ok(scenario) = generate_in(seed, profile) else {
        return Ok(()); // the message says what is wrong with it; there is nothing to replay
    };
    let (report, _) = run_seed(run, seed, profile, &RunOptions::default());
    if Cause::of(&report).as_ref() != Some(cause) {
        return Err(Stop::Usage(format!(
            "seed {seed} is not deterministic: {cause:?}, and then {}",
            report.headline().unwrap_or_else(|| "it passed".to_owned())
        )));
    }
    capsule::write(&findings::capsule(out, cause), &scenario, &report).map_err(Stop::Usage)
}

fn status(findings: &Findings, begun: Instant) -> String {
    let wall = begun.elapsed().as_secs_f64().max(0.001);
    format!("{:.1} seeds/s: {}", findings.runs as f64 / wall, findings::totals(findings))
}
