//! For people: a row a scenario, each failure with what is needed to look into it, a summary.

use std::fmt::Write as _;
use std::io;

use anstream::adapter::strip_str;

use super::{Outcome, Renderer, RunReport, Summary, seconds};

/// Failures of one scenario that are shown in full, unless all are asked for.
const SHOWN: usize = 5;

/// The renderer. It writes ANSI colours; whoever owns the output strips them where unwanted.
#[derive(Debug, Default)]
pub struct Human {
    verbose: bool,
    quiet: bool,
    width: usize,
    row: Row,
    /// Runs of the scenario that are told: all, or the first that failed.
    told: Vec<RunReport>,
    header: bool,
}

/// The runs of one scenario so far.
#[derive(Debug, Default)]
struct Row {
    name: String,
    sum: Summary,
    full_syncs: u64,
    partial_syncs: u64,
    events: u64,
}

impl Row {
    fn add(&mut self, report: &RunReport) {
        if self.name.is_empty() {
            self.name.clone_from(&report.scenario);
        }
        self.sum.planned += 1;
        self.sum.add(report);
        self.sum.wall_time += report.wall_time;
        self.full_syncs += report.full_syncs;
        self.partial_syncs += report.partial_syncs;
        self.events += report.events;
    }

    fn bad(&self) -> usize {
        self.sum.failed + self.sum.errors
    }

    fn text(&self, width: usize) -> String {
        let (mark, colour) = match (self.sum.failed, self.sum.errors) {
            (0, 0) => ("ok  ", GREEN),
            (0, _) => ("ERR ", RED),
            _ => ("FAIL", RED),
        };
        format!(
            "{colour}{mark}{RESET}  {:<width$}  {:>7}  {:>5}  {:>8}  {:>9}  {:>11}  {:>8}\n",
            self.name,
            format!("{}/{}", self.sum.passed, self.sum.planned),
            self.full_syncs,
            self.partial_syncs,
            self.events,
            seconds(self.sum.sim_time),
            seconds(self.sum.wall_time),
        )
    }
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

impl Human {
    /// `width` is that of the longest name; `verbose` shows each run, `quiet` only failures.
    pub fn new(width: usize, verbose: bool, quiet: bool) -> Self {
        Self { verbose, quiet, width, ..Self::default() }
    }

    fn failure(report: &RunReport, text: &mut String) {
        let _ = writeln!(
            text,
            "\n  {RED}{}{RESET} {}, seed {}",
            report.outcome.word(),
            report.scenario,
            report.seed
        );
        for v in &report.violations {
            let node = v.node.as_deref().unwrap_or("every node");
            let _ = writeln!(
                text,
                "    {BOLD}{}{RESET} violated at {} on {node}",
                v.invariant,
                seconds(v.at)
            );
            let _ = writeln!(text, "      {}", v.message);
            for line in &v.detail {
                let _ = writeln!(text, "      {DIM}{line}{RESET}");
            }
        }
        for line in report.error.iter().flat_map(|error| error.lines()) {
            let _ = writeln!(text, "    {line}");
        }
        let _ = writeln!(text, "    replay: {BOLD}{}{RESET}", report.replay());
        if let Some(folder) = &report.kept {
            let _ = writeln!(text, "    kept: {} (capsule.toml, trace.jsonl)", folder.display());
        }
    }
}

/// The summary in one line.
pub fn summary_line(summary: &Summary) -> String {
    let mut text = format!("{} of {} runs passed", summary.passed, summary.planned);
    for (count, word) in [
        (summary.failed, "failed"),
        (summary.errors, "without a verdict"),
        (summary.nondeterministic, "not deterministic"),
        (summary.skipped(), "not run"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }
    let ratio = summary.sim_time.as_secs_f64() / summary.wall_time.as_secs_f64().max(0.001);
    let _ = write!(
        text,
        "; {} simulated in {} ({ratio:.0}x)",
        seconds(summary.sim_time),
        seconds(summary.wall_time)
    );
    text
}

impl Renderer for Human {
    fn run(&mut self, _out: &mut dyn io::Write, report: &RunReport) -> io::Result<()> {
        self.row.add(report);
        let bad = report.outcome != Outcome::Pass;
        if self.verbose || (bad && self.told.len() < SHOWN) {
            self.told.push(report.clone());
        }
        Ok(())
    }

    fn scenario_end(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut text = String::new();
        if !self.header && !self.quiet {
            self.header = true;
            let _ = writeln!(
                text,
                "{BOLD}      {:<width$}  {:>7}  {:>5}  {:>8}  {:>9}  {:>11}  {:>8}{RESET}",
                "scenario",
                "passed",
                "fulls",
                "partials",
                "events",
                "simulated",
                "took",
                width = self.width,
            );
        }
        let (row, told) = (std::mem::take(&mut self.row), std::mem::take(&mut self.told));
        if !self.quiet || row.bad() > 0 {
            text.push_str(&row.text(self.width));
        }
        for report in told.iter().filter(|_| self.verbose) {
            let hash = format!("{:016x}", report.trace_hash);
            let _ = writeln!(
                text,
                "      {DIM}seed {} {} hash {hash}{RESET}",
                report.seed,
                report.outcome.word()
            );
            for line in &report.story {
                let _ = writeln!(text, "{line}");
            }
            for (mark, count) in &report.marks {
                let _ = writeln!(text, "        {DIM}{mark}: {count}{RESET}");
            }
        }
        let mut shown = 0;
        for report in told.iter().filter(|report| report.outcome != Outcome::Pass) {
            Self::failure(report, &mut text);
            shown += 1;
        }
        if row.bad() > shown {
            let _ = writeln!(text, "\n    and {} more; -v shows them all", row.bad() - shown);
        }
        if row.bad() > 0 {
            text.push('\n');
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn end(&mut self, out: &mut dyn io::Write, summary: &Summary) -> io::Result<()> {
        let good = summary.passed == summary.planned;
        let colour = if good { GREEN } else { RED };
        if !(self.quiet && good) {
            writeln!(out, "\n{colour}{}{RESET}", summary_line(summary))?;
        }
        out.flush()
    }
}

/// All that is to be said of a run that did not pass, without colours: what was violated, when,
/// where, and the line that replays it.
pub fn failure(report: &RunReport) -> String {
    let mut text = String::new();
    Human::failure(report, &mut text);
    plain(text.trim_start_matches('\n'))
}

/// The text without colours.
pub fn plain(text: &str) -> String {
    strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::samples::render;
    use super::*;

    #[test]
    fn rendered() {
        insta::assert_snapshot!(plain(&render(&mut Human::new(26, false, false))));
    }

    #[test]
    fn rendered_verbose() {
        insta::assert_snapshot!(plain(&render(&mut Human::new(26, true, false))));
    }

    #[test]
    fn rendered_quiet() {
        insta::assert_snapshot!(plain(&render(&mut Human::new(26, false, true))));
    }
}
