//! `cargo sim replay`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use super::Stop;
use crate::explore::capsule::{self, Replay};
use crate::report::{Outcome, RunReport, events, human, seconds};
use crate::run::{RunFn, RunOptions};
use crate::scenario::Scenario;
use crate::trace::{self, first_difference};

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The capsule
    file: PathBuf,
    /// Tells the run in lines for people; with node=NAME, every event of that node
    #[arg(long, short, value_name = "node=NAME", num_args = 0..=1, default_missing_value = "")]
    verbose: Option<Verbose>,
    /// Breaks off after so much simulated time, like 12.5s
    #[arg(long, value_name = "TIME", value_parser = super::explore::duration)]
    until: Option<Duration>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verbose {
    Story,
    Node(String),
}

impl FromStr for Verbose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            _ if text.is_empty() => Ok(Self::Story),
            Some(("node", name)) if !name.is_empty() => Ok(Self::Node(name.to_owned())),
            _ => Err("it is node=NAME, or nothing; a file goes before it".to_owned()),
        }
    }
}

/// The trace that was written with a capsule: `NAME.trace.jsonl` beside `NAME.toml`.
fn trace_of(file: &Path) -> PathBuf {
    file.with_extension("trace.jsonl")
}

/// The trace that `run` kept in the folder of a failure.
const TRACE_OF_A_RUN: &str = "trace.jsonl";

/// Writes the trace of a run beside its capsule.
pub(super) fn write_trace(file: &Path, report: &RunReport) -> Result<(), Stop> {
    let mut text = format!("{}\n", trace::header(&report.scenario, report.seed.0));
    text.push_str(&report.trace.join("\n"));
    text.push('\n');
    capsule::write_text(&trace_of(file), &text).map_err(Stop::Usage)
}

/// The trace beside a capsule: its own, or the one that `run` wrote, if that is of the same run.
/// One that cannot be read is said to be so, and does without.
fn old_trace(file: &Path, scenario: &Scenario) -> Option<Vec<String>> {
    let read = |path: &Path| match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            anstream::eprintln!("cannot read {}: {error}", path.display());
            None
        }
    };
    let [own, of_a_run] = [trace_of(file), file.with_file_name(TRACE_OF_A_RUN)];
    let (path, text) = read(&own)
        .map(|text| (&own, text))
        .or_else(|| read(&of_a_run).map(|text| (&of_a_run, text)))?;
    let named = scenario.capsule.as_ref().and_then(|capsule| capsule.scenario.as_deref());
    let [seed] = scenario.default_seeds()[..] else {
        return None;
    };
    let mut lines = text.lines();
    let header = lines.next()?;
    if !trace::is_header_of(header, named.unwrap_or(&scenario.name), seed.0) {
        let path = path.display();
        anstream::eprintln!("{path} is not of this run, or of another version: it is left aside");
        return None;
    }
    Some(lines.map(str::to_owned).collect())
}

pub(super) fn replay(args: &ReplayArgs, run: RunFn) -> Result<ExitCode, Stop> {
    let scenario = crate::scenario::load(&args.file).map_err(|problems| {
        Stop::Usage(format!("{} is no capsule\n{}", args.file.display(), problems.render(true)))
    })?;
    if let Some(Verbose::Node(name)) = &args.verbose
        && !scenario.nodes.contains_key(name.as_str())
    {
        let names: Vec<&str> = scenario.nodes.keys().map(|name| name.as_str()).collect();
        return Err(Stop::Usage(format!("there is no node `{name}`, only {}", names.join(", "))));
    }
    let old = if args.until.is_none() { old_trace(&args.file, &scenario) } else { None };
    let options = RunOptions {
        story: args.verbose == Some(Verbose::Story),
        keep_trace: old.is_some() || matches!(args.verbose, Some(Verbose::Node(_))),
        until: args.until,
        ..RunOptions::default()
    };
    let mut replay = capsule::replay(&scenario, run, &options)
        .map_err(|why| Stop::Usage(format!("{}: {why}", args.file.display())))?;
    replay.report.path = Some(args.file.clone());
    let mut out = anstream::stdout().lock();
    for line in &replay.report.story {
        writeln!(out, "{line}")?;
    }
    if let Some(Verbose::Node(name)) = &args.verbose {
        for line in events::of_node(&replay.report.trace, name) {
            writeln!(out, "{line}")?;
        }
    }
    match (replay.report.outcome, args.until) {
        (Outcome::Pass, Some(until)) => {
            writeln!(out, "nothing was violated until {}", seconds(until))?;
        }
        (Outcome::Pass, None) => writeln!(out, "nothing was violated (seed {})", replay.seed)?,
        _ => writeln!(out, "{}", human::failure(&replay.report))?,
    }
    if args.until.is_none() {
        compared(&mut out, &replay, old.as_deref())?;
    }
    out.flush()?;
    Ok(ExitCode::from(match (replay.report.outcome, replay.nondeterministic) {
        (_, true) => 3,
        (Outcome::Pass, _) => 0,
        (Outcome::Fail, _) => 1,
        (Outcome::Error, _) => 4,
    }))
}

/// Says whether it is the same as in the capsule, and if not, what differs.
fn compared(out: &mut dyn io::Write, replay: &Replay, old: Option<&[String]>) -> io::Result<()> {
    if replay.differences.is_empty() {
        return writeln!(out, "the same as in the capsule");
    }
    writeln!(out, "not the same as in the capsule:")?;
    for difference in &replay.differences {
        writeln!(out, "  {difference}")?;
    }
    let why = match (replay.nondeterministic, replay.same_commit) {
        (true, _) => "it is not deterministic: two runs of it differ now",
        (false, true) => "the code or this file has changed since then, though not the commit",
        (false, false) => "the code has changed since then: it is of another commit",
    };
    writeln!(out, "  {why}")?;
    match old.map(|old| first_difference(old, &replay.report.trace)) {
        Some(Some(parting)) => {
            let parting = parting.replacen("\nfirst: ", "\nthen:  ", 1);
            let parting = parting.replacen("\nsecond:", "\nnow:   ", 1);
            for line in parting.lines() {
                writeln!(out, "  {line}")?;
            }
        }
        Some(None) => writeln!(out, "  no event of the old trace differs")?,
        None => {
            writeln!(out, "  (no old trace beside it: the first event that differs is not known)")?
        }
    }
    Ok(())
}
