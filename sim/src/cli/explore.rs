//! `cargo sim explore`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::campaign::{Flags, now, watch_interrupt};
use super::{SeedList, Stop, count, findings, seed_list};
use crate::determinism::Checked;
use crate::explore::campaign::{Findings, How, Job, Made, run_seed, start};
use crate::explore::group::Cause;
use crate::explore::guided::{Corpus, ROUND};
use crate::explore::profile::Profile;
use crate::explore::results::{Part, Writer};
use crate::explore::shard::Shard;
use crate::explore::{capsule, generate_in};
use crate::report::seconds;
use crate::run::{RunFn, RunOptions, run_caught};
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
    /// Ends with the first failure, and shrinks it
    #[arg(long)]
    fail_fast: bool,
    /// Does not shrink the failures that were found
    #[arg(long)]
    no_shrink: bool,
    /// Varies the worlds that reached something new
    #[arg(long)]
    guided: bool,
    /// Shows no progress
    #[arg(long, short)]
    quiet: bool,
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

fn progress(length: Option<u64>, quiet: bool) -> ProgressBar {
    let shown = io::stderr().is_terminal() && !quiet && super::variable("CI").is_none();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    let template = match length {
        Some(_) => "{bar:20} {pos}/{len} seeds, {eta} left  {wide_msg}",
        None => "{spinner} {pos} seeds, {elapsed}  {wide_msg}",
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
    let flags = Arc::new(Flags::default());
    watch_interrupt(&flags)?;
    let shard = args.shard()?;
    let out = args.out(shard);
    let (seeds, planned) = args.seeds(shard);
    let part = Part { profile: args.profile, guided: args.guided.then(|| shard.to_string()) };
    let written = Writer::create(&out, part)
        .and_then(|written| findings::remove(&out.join(findings::ORIGIN)).map(|()| written))
        .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", out.display())))?;
    let how = How {
        run,
        profile: args.profile,
        checked: args.check_determinism,
        options: RunOptions::default(),
        fail_fast: args.fail_fast,
    };
    let mut session = Session {
        how,
        out,
        jobs: args.jobs.map_or_else(rayon::current_num_threads, usize::from),
        begun: now(),
        time: args.time,
        flags,
        stop: Arc::new(AtomicBool::new(false)),
        written,
        findings: Findings::default(),
        bar: progress(planned, args.quiet),
    };
    let went = if args.guided {
        session.guided(seeds)
    } else {
        session.run(seeds.map(Job::of_seed), None)
    };
    session.bar.finish_and_clear();
    if let Err(why) = went {
        // What was found is told, though not all of it could be kept.
        findings::write(&mut anstream::stdout().lock(), &session.findings, &session.out)?;
        return Err(why);
    }
    session.end(args)
}

/// A campaign under way.
struct Session {
    how: How,
    out: PathBuf,
    jobs: usize,
    begun: Instant,
    time: Option<Duration>,
    flags: Arc<Flags>,
    stop: Arc<AtomicBool>,
    written: Writer,
    findings: Findings,
    bar: ProgressBar,
}

impl Session {
    /// Makes the runs `todo` and counts them; keeps them in `learnt`, if they are to be learnt from.
    fn run(
        &mut self,
        todo: impl Iterator<Item = Job> + Send + 'static,
        mut learnt: Option<&mut Vec<Made>>,
    ) -> Result<(), Stop> {
        let results = start(&self.how, todo, self.jobs, learnt.is_some(), &self.stop)?;
        loop {
            let over = self.time.is_some_and(|time| self.begun.elapsed() >= time);
            if over || self.flags.interrupted() {
                self.stop.store(true, Ordering::SeqCst);
            }
            match results.recv_timeout(Duration::from_millis(50)) {
                Ok(made) => {
                    self.count(&made)?;
                    if let Some(learnt) = &mut learnt {
                        learnt.push(made);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                // Runs under way may take long: what is known is told without them.
                Err(mpsc::RecvTimeoutError::Timeout) if self.flags.interrupted() => return Ok(()),
                Err(mpsc::RecvTimeoutError::Timeout) => self.bar.tick(),
            }
        }
    }

    /// Takes the seeds in rounds, and learns from each.
    fn guided(&mut self, mut seeds: impl Iterator<Item = Seed>) -> Result<(), Stop> {
        let mut corpus = Corpus::default();
        while !self.stop.load(Ordering::SeqCst) {
            let round: Vec<Seed> = seeds.by_ref().take(ROUND).collect();
            if round.is_empty() {
                break;
            }
            let mut learnt = Vec::with_capacity(round.len());
            self.run(corpus.round(&round).into_iter(), Some(&mut learnt))?;
            corpus.learn(learnt);
        }
        Ok(())
    }

    fn count(&mut self, made: &Made) -> Result<(), Stop> {
        self.bar.inc(1);
        self.written.add(&made.result).map_err(|error| {
            Stop::Usage(format!("cannot write to {}: {error}", self.out.display()))
        })?;
        if let Some(cause) = self.findings.add(made.result.clone()) {
            self.keep(&cause, made)?;
        }
        self.bar.set_message(self.short_status());
        Ok(())
    }

    /// Writes the capsule of a failure and its trace: its run is made again, for nothing of it was
    /// kept.
    fn keep(&self, cause: &Cause, made: &Made) -> Result<(), Stop> {
        let seed = made.result.seed;
        let scenario = match &made.scenario {
            Some(scenario) => scenario.clone(),
            None => match generate_in(seed, self.how.profile) {
                Ok(scenario) => scenario,
                // The message says what is wrong with it; there is nothing to replay.
                Err(_) => return Ok(()),
            },
        };
        let options = RunOptions { keep_trace: true, ..RunOptions::default() };
        let report = run_caught(self.how.run, &scenario, run_seed(&scenario, seed), &options);
        if Cause::of(&report).as_ref() != Some(cause) {
            return Err(Stop::NotDeterministic(format!(
                "seed {seed} is not deterministic: {}: {}, and then {}",
                cause.invariant,
                cause.shape,
                report.headline().unwrap_or_else(|| "it passed".to_owned())
            )));
        }
        let path = findings::capsule(&self.out, cause);
        capsule::write(&path, &scenario, &report).map_err(Stop::Usage)?;
        // An earlier campaign may have made another run of this group small.
        for name in findings::FILES_OF_A_GROUP.iter().filter(|name| name.starts_with("shrunk")) {
            let stale = path.with_file_name(name);
            findings::remove(&stale).map_err(|error| {
                Stop::Usage(format!("cannot remove {}: {error}", stale.display()))
            })?;
        }
        super::replay::write_trace(&path, &report)
    }

    fn seeds_per_s(&self) -> f64 {
        self.findings.runs as f64 / self.begun.elapsed().as_secs_f64().max(0.001)
    }

    fn status(&self) -> String {
        format!("{:.1} seeds/s: {}", self.seeds_per_s(), findings::totals(&self.findings))
    }

    /// The same for one line of a terminal: what matters most comes first.
    fn short_status(&self) -> String {
        let Findings { groups, marks, sim_time, .. } = &self.findings;
        format!(
            "{:.1}/s, {} in {}, {} marks, {} s simulated",
            self.seeds_per_s(),
            count(groups.failures() as usize, "failure"),
            count(groups.by_cause.len(), "group"),
            marks.len(),
            sim_time.as_secs()
        )
    }

    /// Tells what was found, and makes it small.
    fn end(self, args: &ExploreArgs) -> Result<ExitCode, Stop> {
        let status = self.status();
        let Self { how, out, jobs, begun, flags, written, findings, .. } = self;
        written
            .finish()
            .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", out.display())))?;
        findings::publish(&findings, &out)?;
        if !args.quiet {
            writeln!(anstream::stderr(), "{}, {status}", seconds(begun.elapsed()))?;
        }
        if !args.no_shrink {
            let causes = findings.groups.by_cause.keys();
            let capsules = causes.map(|cause| findings::capsule(&out, cause));
            super::shrink::groups(capsules, how.run, jobs, &flags)?;
        }
        for (seed, parting) in &findings.parted {
            writeln!(anstream::stdout().lock(), "\nseed {seed} is {parting}")?;
        }
        if flags.interrupted() {
            return Ok(ExitCode::from(130));
        }
        Ok(ExitCode::from(findings::exit_code(&findings)))
    }
}
