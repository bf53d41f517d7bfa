//! One JSON object a run and line. The fields and their order are fixed by [`SCHEMA`].

use std::io;

use serde::Serialize;

use super::{Renderer, RunReport, Summary};

/// Version of the shape of a line; it changes when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    scenario: &'a str,
    seed: u64,
    outcome: &'a str,
    violations: Vec<Item<'a>>,
    /// Sixteen hexadecimal digits: JSON numbers lose bits.
    trace_hash: String,
    sim_ms: u64,
    wall_ms: u64,
    events: u64,
    full_syncs: u64,
    partial_syncs: u64,
}

#[derive(Serialize)]
struct Item<'a> {
    invariant: &'a str,
    at_ms: u64,
    node: Option<&'a str>,
    message: &'a str,
}

impl<'a> From<&'a super::Violation> for Item<'a> {
    fn from(violation: &'a super::Violation) -> Self {
        Self {
            invariant: &violation.invariant,
            at_ms: millis(violation.at),
            node: violation.node.as_deref(),
            message: &violation.message,
        }
    }
}

/// The renderer.
#[derive(Debug, Default)]
pub struct Jsonl;

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Renderer for Jsonl {
    fn run(&mut self, out: &mut dyn io::Write, report: &RunReport) -> io::Result<()> {
        let mut violations: Vec<Item<'_>> = report.violations.iter().map(Item::from).collect();
        if let Some(error) = &report.error {
            // A run that broke says why in the one place where readers look.
            violations.push(Item {
                invariant: "error",
                at_ms: millis(report.sim_time),
                node: None,
                message: error,
            });
        }
        let line = Line {
            schema: SCHEMA,
            scenario: &report.scenario,
            seed: report.seed.0,
            outcome: report.outcome.word(),
            violations,
            trace_hash: format!("{:016x}", report.trace_hash),
            sim_ms: millis(report.sim_time),
            wall_ms: millis(report.wall_time),
            events: report.events,
            full_syncs: report.full_syncs,
            partial_syncs: report.partial_syncs,
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn end(&mut self, out: &mut dyn io::Write, _summary: &Summary) -> io::Result<()> {
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rendered() {
        insta::assert_snapshot!(super::super::samples::render(&mut super::Jsonl));
    }
}
