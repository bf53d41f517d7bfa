//! A failing run as one file that depends on nothing but itself, and its replay.
//!
//! The file is a scenario like any other, with fixed values and a `[capsule]` section that says
//! what came of it. Must never: depend on the generator; a capsule outlives it.

use std::path::Path;

use crate::determinism;
use crate::report::{Outcome, RunReport};
use crate::run::{RunFn, RunOptions, run_caught};
use crate::scenario::{Capsule, Scenario, Time};
use crate::seed::Seed;
use crate::trace;

/// The text of the capsule of a run that failed.
///
/// # Errors
/// When the scenario cannot be written as TOML.
pub fn text(scenario: &Scenario, report: &RunReport) -> Result<String, String> {
    let mut fixed = scenario.resolve(report.seed).to_scenario();
    if let Some(headline) = report.headline() {
        fixed.about = headline;
    }
    fixed.capsule = Some(section(&scenario.name, report));
    fixed.to_toml().map_err(|error| error.to_string())
}

/// What came of a run of the scenario `name`.
pub fn section(name: &str, report: &RunReport) -> Capsule {
    Capsule {
        scenario: Some(name.to_owned()),
        commit: Some(trace::COMMIT.to_owned()),
        lockfile: Some(trace::LOCKFILE.to_owned()),
        violated: Some(violated(report).to_owned()),
        at: Some(Time(at(report))),
        trace_hash: Some(format!("{:016x}", report.trace_hash)),
    }
}

/// Writes a capsule so that a full disk leaves the old one, not half of a new one.
///
/// # Errors
/// What went wrong, with the path.
pub fn write(path: &Path, scenario: &Scenario, report: &RunReport) -> Result<(), String> {
    write_text(path, &text(scenario, report)?)
}

/// Writes a file so that a full disk leaves the old one, not half of a new one.
///
/// # Errors
/// What went wrong, with the path.
pub fn write_text(path: &Path, text: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    if path.exists() && !path.is_file() {
        // A device or a pipe is written to, not replaced.
        return std::fs::write(path, text).map_err(fail);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let temporary = path.with_extension("toml.new");
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        fail(error)
    })
}

/// Whether a file can be written there: made and removed again, if it is not there yet.
///
/// # Errors
/// Why not, with the path.
pub fn writable(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    let new = !path.exists();
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    if new {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn violated(report: &RunReport) -> &str {
    match (report.outcome, report.violations.first()) {
        (Outcome::Pass, _) => "nothing",
        (_, Some(first)) => &first.invariant,
        (_, None) => "error",
    }
}

fn at(report: &RunReport) -> std::time::Duration {
    report.violations.first().map_or(report.sim_time, |first| first.at)
}

/// What came of a replay.
#[derive(Debug)]
pub struct Replay {
    /// The run.
    pub report: RunReport,
    /// The seed it was made with.
    pub seed: Seed,
    /// What differs from the capsule, one line each; empty: nothing.
    pub differences: Vec<String>,
    /// Whether the commit is that of the capsule. (What was changed and not committed shows in
    /// neither.)
    pub same_commit: bool,
    /// Whether a second run went another way than the first; made when something differs.
    pub nondeterministic: bool,
}

/// Runs a capsule again and compares.
///
/// # Errors
/// When the scenario has no `[capsule]` section, or more than one seed.
pub fn replay(scenario: &Scenario, run: RunFn, options: &RunOptions) -> Result<Replay, String> {
    let Some(capsule) = &scenario.capsule else {
        return Err("it has no [capsule] section: run it with `cargo sim run`".to_owned());
    };
    let seeds = scenario.default_seeds();
    let [seed] = seeds[..] else {
        return Err(format!("a capsule has one seed in [run], not {}", seeds.len()));
    };
    let recorded = [&capsule.violated, &capsule.trace_hash].into_iter().flatten().count();
    if recorded == 0 && capsule.at.is_none() {
        return Err("its [capsule] section does not say what happened: there is nothing to \
                    compare with"
            .to_owned());
    }
    if let Some(hash) = &capsule.trace_hash
        && !(hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
    {
        return Err(format!("trace-hash is 16 hexadecimal digits, not {hash:?}"));
    }
    let report = run_caught(run, scenario, seed, options);
    let mut differences = Vec::new();
    let mut compare = |what: &str, then: Option<String>, now: String| {
        if let Some(then) = then.filter(|then| *then != now) {
            differences.push(format!("{what}: {now}, the capsule says {then}"));
        }
    };
    compare("violated", capsule.violated.clone(), violated(&report).to_owned());
    compare(
        "at",
        capsule.at.map(|time| crate::report::seconds(time.0)),
        crate::report::seconds(at(&report)),
    );
    compare("trace hash", capsule.trace_hash.clone(), format!("{:016x}", report.trace_hash));
    let same = |then: &Option<String>, now: &str| then.as_deref() == Some(now);
    let same_commit =
        same(&capsule.commit, trace::COMMIT) && same(&capsule.lockfile, trace::LOCKFILE);
    let nondeterministic = !differences.is_empty() && {
        let again = run_caught(run, scenario, seed, &RunOptions { trace: None, ..options.clone() });
        !determinism::same(&report, &again)
    };
    Ok(Replay { report, seed, differences, same_commit, nondeterministic })
}
