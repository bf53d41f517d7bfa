//! Runs of scenarios written as in the README, and what was seen in them.

use std::ops::RangeInclusive;

use replisim_sim::report::{Outcome, RunReport};
use replisim_sim::run::{RunOptions, run_scenario};
use replisim_sim::scenario;
use replisim_sim::seed::Seed;
use serde_json::Value;

/// A master and a replica, without delays that get in the way.
pub const PAIR: &str = r#"
title = "A master and a replica"
[nodes.m1]
[nodes.r1]
replicaof = "m1"
[config]
repl-diskless-sync-delay = 0
save = ""
"#;

/// A run and its trace.
pub struct Ran {
    pub report: RunReport,
    events: Vec<Value>,
}

/// A client's command at a node.
#[derive(Debug, Clone)]
pub struct Executed {
    pub at_ms: u64,
    pub client: u64,
    pub db: u64,
    pub args: Vec<String>,
    pub reply: String,
}

/// Runs the text of a scenario with seed 1.
pub fn run(text: &str) -> Ran {
    run_with(text, 1)
}

pub fn run_with(text: &str, seed: u64) -> Ran {
    let scenario = scenario::parse("reference", "reference.toml", text)
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let options = RunOptions { keep_trace: true, ..RunOptions::default() };
    let report = run_scenario(&scenario.resolve(Seed(seed)), &options);
    let read = |line: &String| serde_json::from_str(line).expect("JSON");
    let events = report.trace.iter().map(read).collect();
    Ran { report, events }
}

/// Runs it; all must be well.
pub fn passes(text: &str) -> Ran {
    let ran = run(text);
    ran.report.assert_passed();
    ran
}

/// Runs it; the first violation, as `invariant: message`.
pub fn violates(text: &str) -> String {
    let ran = run(text);
    assert_eq!(ran.report.outcome, Outcome::Fail, "{:?}", ran.report.error);
    let first = &ran.report.violations[0];
    format!("{}: {}", first.invariant, first.message)
}

fn at_ms(event: &Value) -> u64 {
    event["t_us"].as_u64().expect("a time") / 1000
}

impl Ran {
    /// Events of a node of one kind.
    pub fn events(&self, node: &str, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|e| e["node"] == node && e["kind"] == kind).collect()
    }

    /// When they were, in milliseconds.
    pub fn times(&self, node: &str, kind: &str) -> Vec<u64> {
        self.events(node, kind).into_iter().map(at_ms).collect()
    }

    /// When a node's link to its master came into a state.
    pub fn links(&self, node: &str, state: &str) -> Vec<u64> {
        let links = self.events(node, "master-link").into_iter();
        links.filter(|event| event["state"] == state).map(at_ms).collect()
    }

    /// When a node had applied or written stream bytes.
    pub fn stream(&self, node: &str, within_ms: RangeInclusive<u64>) -> usize {
        self.times(node, "stream").into_iter().filter(|at| within_ms.contains(at)).count()
    }

    /// Commands of clients at a node, by name; every command for an empty one.
    pub fn executed(&self, node: &str, name: &str) -> Vec<Executed> {
        let words = |value: &Value| -> Vec<String> {
            let words = value.as_array().expect("words").iter();
            words.map(|word| word.as_str().expect("a text").to_owned()).collect()
        };
        self.events(node, "executed")
            .into_iter()
            .map(|event| Executed {
                at_ms: at_ms(event),
                client: event["client"].as_u64().expect("a number"),
                db: event["db"].as_u64().expect("a number"),
                args: words(&event["args"]),
                reply: event["reply"].as_str().expect("a text").to_owned(),
            })
            .filter(|event| name.is_empty() || event.args[0].eq_ignore_ascii_case(name))
            .collect()
    }

    /// Commands of a workload that write.
    pub fn writes(&self, node: &str) -> Vec<Executed> {
        const READS: [&str; 12] = [
            "GET",
            "MGET",
            "EXISTS",
            "PEXPIRETIME",
            "AUTH",
            "SELECT",
            "ROLE",
            "INFO",
            "PING",
            "REPLCONF",
            "PSYNC",
            "WAIT",
        ];
        let mut all = self.executed(node, "");
        all.retain(|event| !READS.contains(&event.args[0].to_uppercase().as_str()));
        all
    }
}
