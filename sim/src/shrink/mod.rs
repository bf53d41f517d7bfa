//! From a failing scenario to the smallest one that fails in the same way.
//!
//! Delta debugging: ever smaller scenarios are made, run, and kept when their first violation has
//! the same [`Cause`]; a switch to another one is noted, kept apart and not followed. The biggest
//! cuts come first: time after the violation, nodes, workloads, steps; then settings; then other
//! seeds, with which a story may need fewer steps; in the end times and sizes become round.
//!
//! - [`oracle`](mod@oracle): runs candidates, many at once, and remembers what came of them;
//! - `passes`: which candidates there are, and in which order;
//! - `merging`: one step in the place of two, a setting in the place of one;
//! - `table`: the cuts themselves, on the TOML table of a scenario;
//! - `rounding`: round times and sizes.
//!
//! What comes out does not depend on the number of jobs: of the candidates of a pass, the first
//! in their order that fails is taken, whichever was run first. Must never: follow another
//! violation, or write what does not replay.

mod merging;
pub mod oracle;
mod passes;
mod rounding;
mod table;
mod unmet;

use std::io;

use toml::Table;

use crate::explore::capsule;
use crate::explore::group::Cause;
use crate::report::{RunReport, seconds};
use crate::run::{RunFn, RunOptions, run_caught};
use crate::scenario::{self, Scenario, table_text};
use crate::seed::Seed;
use oracle::Oracle;

/// Longest title that is made from a message, in characters.
const MAX_TITLE: usize = 110;

/// So many lines of what nodes said last stand in a capsule's prose.
const MAX_LAST_LINES: usize = 12;

/// How it is done.
pub struct Options<'a> {
    /// Runs at the same time.
    pub jobs: usize,
    /// Most runs; it ends with the best so far.
    pub max_runs: u64,
    /// Asked between runs: whether to end with the best so far.
    pub stop: &'a dyn Fn() -> bool,
    /// Told what is being done.
    pub progress: &'a dyn Fn(&Progress<'_>),
}

/// What is being done.
#[derive(Debug)]
pub struct Progress<'a> {
    /// What is being cut.
    pub pass: &'a str,
    /// Runs made.
    pub runs: u64,
    /// The best so far.
    pub best: Extent,
}

/// How much there is of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Steps.
    pub steps: usize,
    /// Nodes.
    pub nodes: usize,
    /// Lines of its file.
    pub lines: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest scenario, as a file with its `[capsule]`.
    pub text: String,
    /// Its run, with its trace.
    pub report: RunReport,
    /// Before, with everything resolved.
    pub before: Extent,
    /// After.
    pub after: Extent,
    /// Runs that were made.
    pub runs: u64,
    /// Whether nothing more can be cut; `false` when it was stopped.
    pub complete: bool,
    /// Violations of another kind that were met, each with a capsule.
    pub others: Vec<(Cause, String)>,
}

/// Why nothing was shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// The run passed.
    #[error("nothing is violated with seed {0}: there is nothing to shrink")]
    Passes(Seed),
    /// The scenario cannot be written as a file.
    #[error("the scenario cannot be written: {0}")]
    Text(String),
    /// The run fails in another way the second time.
    #[error("not deterministic: {first}; and then {second}")]
    NotDeterministic {
        /// How the first run failed.
        first: String,
        /// How the second one did, or that it passed.
        second: String,
    },
    /// No threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] io::Error),
}

/// Shrinks a scenario that fails with `seed`.
///
/// # Errors
/// When it does not fail, or not always in the same way.
pub fn shrink(
    scenario: &Scenario,
    seed: Seed,
    run: RunFn,
    options: &Options<'_>,
) -> Result<Shrunk, ShrinkError> {
    let first = run_caught(run, scenario, seed, &RunOptions::to_first_violation());
    let Some(cause) = Cause::of(&first) else {
        return Err(ShrinkError::Passes(seed));
    };
    let mut fixed = scenario.resolve(seed).to_scenario();
    fixed.about.clear();
    let start = Table::try_from(&fixed).map_err(|error| ShrinkError::Text(error.to_string()))?;
    let before = extent(&start);
    let mut oracle = Oracle::new(run, &scenario.name, &first, cause.clone(), options)?;
    if oracle.first("resolving", before, vec![start.clone()]).is_none() && !(options.stop)() {
        return Err(ShrinkError::NotDeterministic {
            first: format!("{cause:?}"),
            second: "something else".to_owned(),
        });
    }
    let best = passes::all(start, &mut oracle);
    let others = oracle.others();
    let runs = oracle.runs;
    let complete = !oracle.stopped;
    finish(best, &cause, run, scenario).map(|(text, report, after)| Shrunk {
        text,
        report,
        before,
        after,
        runs,
        complete,
        others,
    })
}

/// Runs the smallest scenario to its end and writes its file.
fn finish(
    mut best: Table,
    cause: &Cause,
    run: RunFn,
    original: &Scenario,
) -> Result<(String, RunReport, Extent), ShrinkError> {
    let failed = |error: String| ShrinkError::Text(error);
    best.remove("capsule");
    let mut scenario = read(&original.name, &table_text(&best)).map_err(failed)?;
    let seed = scenario.default_seeds().first().copied().unwrap_or(Seed(1));
    let options = RunOptions { keep_trace: true, story: true, ..RunOptions::default() };
    let report = run_caught(run, &scenario, seed, &options);
    if Cause::of(&report).as_ref() != Some(cause) {
        return Err(ShrinkError::NotDeterministic {
            first: format!("{cause:?}"),
            second: report.headline().unwrap_or_else(|| "it passed".to_owned()),
        });
    }
    let (title, about) = prose(&report, original);
    (scenario.title, scenario.about) = (title.into(), about);
    scenario.capsule = Some(capsule::section(origin(original), &report));
    let text = scenario.to_toml().map_err(|error| failed(error.to_string()))?;
    let after = extent(&best);
    Ok((text, report, after))
}

/// Where it comes from: what a capsule says, or its own name.
fn origin(scenario: &Scenario) -> &str {
    let capsule = scenario.capsule.as_ref().and_then(|capsule| capsule.scenario.as_deref());
    capsule.unwrap_or(&scenario.name)
}

/// A message whose replication ids have become names.
fn without_ids(line: &str) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|word| {
        let id = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if id.len() != 40 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return word.to_owned();
        }
        let index = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        });
        format!("{}{}", char::from(b'A' + (index % 26) as u8), &word[id.len()..])
    });
    words.collect()
}

/// Title and prose: what it breaks.
fn prose(report: &RunReport, original: &Scenario) -> (String, String) {
    let headline = report.headline().unwrap_or_default();
    let line = without_ids(headline.lines().next().unwrap_or_default());
    let line = line.as_str();
    let mut title: String = line.chars().take(MAX_TITLE).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    let broke = report.violations.first().map_or_else(
        || format!("No verdict after {}", seconds(report.sim_time)),
        |first| {
            let node = first.node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
            let state = if first.state.is_empty() { "" } else { ", then a " };
            format!("Violated at {}{node}{state}{}", seconds(first.at), first.state)
        },
    );
    let mut about = format!(
        "{broke}. Shrunk from {}. Once the code is mended this scenario passes.",
        origin(original)
    );
    let end = last_lines(&report.story);
    if !end.is_empty() {
        about.push_str("\nThe story up to there:\n");
        end.iter().for_each(|line| about.push_str(&format!("{line}\n")));
    }
    (title, about)
}

/// What was told before the first violation: all that was done to the cluster, and the last that
/// nodes said.
fn last_lines(story: &[String]) -> Vec<&str> {
    let end = story.iter().position(|line| line.contains(" violated: ")).unwrap_or(story.len());
    let story = &story[..end];
    let late = story.len().saturating_sub(MAX_LAST_LINES);
    let told = story
        .iter()
        .enumerate()
        .filter(|(index, line)| *index >= late || line.split_whitespace().nth(1) == Some("world"));
    let mut lines: Vec<&str> = told.map(|(_, line)| line.trim_end()).collect();
    lines.drain(..lines.len().saturating_sub(MAX_LAST_LINES * 2));
    lines
}

/// Reads a text made here.
fn read(name: &str, text: &str) -> Result<Scenario, String> {
    scenario::parse(name, "shrunk.toml", text).map_err(|problems| problems.render(false))
}

/// How much there is of it.
pub fn extent(table: &Table) -> Extent {
    Extent {
        steps: table::steps(table).len(),
        nodes: table::node_names(table).len(),
        lines: table_text(table).lines().filter(|line| !line.is_empty()).count(),
    }
}

#[cfg(test)]
mod tests;
