//! Shrinking with runs that are made up: what fails, and how, is a rule of each test.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::report::{Outcome, Violation};
use crate::scenario::{ResolvedScenario, StepAction};

const SCENARIO: &str = r#"
title = "Many things"
[nodes.a]
[nodes.b]
replicaof = "a"
config = { repl-timeout = 7, requirepass = "x", masterauth = "x" }
[nodes.c]
replicaof = "b"
[network]
latency = "3ms..4ms"
[[workload]]
rate = 123
[[workload]]
rate = 7
read-from = ["b", "c"]
[[step]]
at = "1234ms"
lag = "c"
[[step]]
at = "2345ms"
kill = "b"
[[step]]
at = "3456ms"
partition = { between = ["a", ["b", "c"]], kind = "reset" }
[[step]]
at = "4567ms"
start = "b"
[[step]]
at = "5678ms"
heal = "all"
[[step]]
at = "6s"
catch-up = "c"
[[step]]
at = "7s"
command = { node = "c", send = ["REPLICAOF", "a", "6379"] }
[run]
duration = "77s"
seeds = [5]
"#;

fn failing(scenario: &ResolvedScenario, invariant: &str, at: Duration, message: &str) -> RunReport {
    RunReport {
        outcome: Outcome::Fail,
        violations: vec![Violation {
            invariant: invariant.to_owned(),
            at,
            node: None,
            message: message.to_owned(),
            state: String::new(),
            detail: Vec::new(),
        }],
        ..RunReport::new(&scenario.name, scenario.seed)
    }
}

fn when(scenario: &ResolvedScenario, what: impl Fn(&StepAction) -> bool) -> Option<Duration> {
    scenario.steps.iter().find(|step| what(&step.action)).map(|step| step.at)
}

/// Fails when b is killed and comes back after at least two seconds; when it comes back sooner
/// or never, in another way.
fn killed_for_long(scenario: &ResolvedScenario, _: &RunOptions) -> RunReport {
    let killed = when(scenario, |a| matches!(a, StepAction::Kill { node } if node == "b"));
    let back = when(scenario, |a| matches!(a, StepAction::Start { node } if node == "b"));
    let Some(killed) = killed else { return RunReport::new(&scenario.name, scenario.seed) };
    match back.filter(|back| *back <= scenario.run.duration) {
        Some(back) if back >= killed + Duration::from_secs(2) => {
            failing(scenario, "prefix", back, "byte 123 differs")
        }
        _ => failing(scenario, "psync", killed, "refused"),
    }
}

fn quiet(jobs: usize) -> Options<'static> {
    Options { jobs, max_runs: u64::MAX, stop: &|| false, progress: &|_| {} }
}

fn scenario() -> Scenario {
    read("test/many", SCENARIO).expect("a scenario")
}

#[test]
fn what_matters_is_left_and_round() {
    let shrunk = shrink(&scenario(), Seed(5), killed_for_long, &quiet(1)).expect("it fails");
    assert_eq!(shrunk.after.steps, 1, "{}", shrunk.text);
    assert!(shrunk.complete);
    let expected = r#"
[nodes.b]

[[step]]
at = "1s"
kill = { node = "b", for = "2s" }

[run]
duration = "3s"
seeds = [5]
"#;
    assert!(shrunk.text.contains(expected), "{}", shrunk.text);
    assert!(shrunk.text.starts_with("title = \"prefix: byte 123 differs\"\n"), "{}", shrunk.text);
    let again = read("again", &shrunk.text).expect("a scenario");
    assert_eq!(again.capsule.and_then(|c| c.violated).as_deref(), Some("prefix"));
}

#[test]
fn another_violation_is_kept_apart_and_not_followed() {
    let shrunk = shrink(&scenario(), Seed(5), killed_for_long, &quiet(1)).expect("it fails");
    assert_eq!(shrunk.report.violations[0].invariant, "prefix");
    let others: Vec<&str> = shrunk.others.iter().map(|(c, _)| c.invariant.as_str()).collect();
    assert_eq!(others, ["psync"]);
    assert!(shrunk.others[0].1.contains("violated = \"psync\""), "{}", shrunk.others[0].1);
}

/// Another expectation is not met once nothing is killed for long.
fn two_expectations(scenario: &ResolvedScenario, options: &RunOptions) -> RunReport {
    let report = killed_for_long(scenario, options);
    let at = report.violations.first().map_or(Duration::ZERO, |first| first.at);
    let message = match report.violations.first().map(|first| first.invariant.as_str()) {
        Some("prefix") => "role is 1, expected 2",
        Some(_) => "role is 1, expected 0",
        None => return report,
    };
    failing(scenario, "expect", at, message)
}

#[test]
fn another_expectation_is_kept_apart_too() {
    let shrunk = shrink(&scenario(), Seed(5), two_expectations, &quiet(1)).expect("it fails");
    assert_eq!(shrunk.report.violations[0].message, "role is 1, expected 2");
    let [(cause, text)] = &shrunk.others[..] else { panic!("{:?}", shrunk.others) };
    assert_eq!(cause.invariant, "expect");
    assert!(text.contains("role is 1, expected 0"), "{text}");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_jobs() {
    let one = shrink(&scenario(), Seed(5), killed_for_long, &quiet(1)).expect("it fails");
    for jobs in [2, 3, 8] {
        let many = shrink(&scenario(), Seed(5), killed_for_long, &quiet(jobs)).expect("it fails");
        assert_eq!((one.text.as_str(), one.runs), (many.text.as_str(), many.runs), "{jobs} jobs");
        assert_eq!(one.others, many.others);
    }
}

#[test]
fn stopped_it_gives_the_best_so_far() {
    let options = Options { max_runs: 8, ..quiet(1) };
    let shrunk = shrink(&scenario(), Seed(5), killed_for_long, &options).expect("it fails");
    assert!(!shrunk.complete && shrunk.runs <= 8, "{shrunk:?}");
    assert!(read("part", &shrunk.text).is_ok());
}

#[test]
fn nothing_to_shrink() {
    let run =
        |scenario: &ResolvedScenario, _: &RunOptions| RunReport::new(&scenario.name, scenario.seed);
    let error = shrink(&scenario(), Seed(5), run, &quiet(1)).expect_err("it passes");
    assert!(matches!(error, ShrinkError::Passes(Seed(5))), "{error}");
}

#[test]
fn a_run_that_does_not_fail_twice_is_not_deterministic() {
    static RUNS: Mutex<u32> = Mutex::new(0);
    let run = |scenario: &ResolvedScenario, _: &RunOptions| {
        let mut runs = RUNS.lock().expect("not poisoned");
        *runs += 1;
        match *runs {
            1 => failing(scenario, "prefix", Duration::from_secs(1), "once"),
            _ => RunReport::new(&scenario.name, scenario.seed),
        }
    };
    let error = shrink(&scenario(), Seed(5), run, &quiet(1)).expect_err("it is fickle");
    assert!(matches!(error, ShrinkError::NotDeterministic { .. }), "{error}");
}

#[test]
fn ids_in_titles_become_letters() {
    let (a, b) = ("a1".repeat(20), "b2".repeat(20));
    assert_eq!(without_ids(&format!("{a}:5, not {b}; {a}.")), "A:5, not B; A.");
}

/// Fails as long as `a` is expected to have had five full syncs, and something is asked of `b`.
fn one_expectation(scenario: &ResolvedScenario, _: &RunOptions) -> RunReport {
    if !scenario.expect.full_syncs.iter().any(|(name, _)| name == "a") {
        return RunReport::new(&scenario.name, scenario.seed);
    }
    failing(scenario, "expect", Duration::from_secs(78), "received 0 full syncs, expected 5")
}

#[test]
fn expectations_that_are_not_needed_go() {
    let text = format!(
        "{SCENARIO}[expect]\nfull-syncs = {{ a = 5, b = 1, c = 1 }}\npartial-syncs = {{ b = 2 }}\n\
         [expect.info.b]\nrole = \"slave\"\nmaster_link_status = \"up\"\n"
    );
    let scenario = read("expected", &text).expect("a scenario");
    let shrunk = shrink(&scenario, Seed(5), one_expectation, &quiet(1)).expect("it fails");
    let file: Table = shrunk.text.parse().expect("TOML");
    let expect = file["expect"].to_string();
    assert_eq!(expect, "{ full-syncs = { a = 5 } }", "{}", shrunk.text);
}
