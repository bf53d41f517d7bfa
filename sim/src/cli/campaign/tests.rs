//! Campaigns of runs that are none: what is printed, in which order, and how it ends.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::report::Violation;
use crate::scenario::ResolvedScenario;

fn scenario(name: &str) -> (PathBuf, Scenario) {
    let built = Scenario::builder(name).node("m1").build().expect("a scenario");
    (format!("scenarios/{name}.toml").into(), built)
}

fn campaign(seeds: &str, jobs: usize) -> Campaign {
    Campaign {
        scenarios: vec![scenario("a"), scenario("b")],
        seeds: Some(crate::scenario::Seeds::parse(seeds).expect("seeds")),
        jobs,
        options: RunOptions::default(),
        fail_fast: false,
        twice: Checked::default(),
        artifacts: None,
        quiet: false,
        verbose: false,
    }
}

/// Runs it; the code, and the (scenario, seed, outcome) of each line in the order printed.
fn run(campaign: Campaign, run: RunFn) -> (u8, Vec<(String, u64, String)>) {
    let mut out = Vec::new();
    let code = campaign.run(run, Format::Jsonl, &mut out).expect("written");
    let text = String::from_utf8(out).expect("UTF-8");
    let lines = text.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let seed = &value["seed"];
        let seed = seed.as_u64().or_else(|| seed.as_str().and_then(|s| s.parse().ok()));
        (word("scenario"), seed.expect("a seed"), word("outcome"))
    });
    (code, lines.collect())
}

fn human(campaign: Campaign, run: RunFn) -> (u8, String) {
    let mut out = Vec::new();
    let code = campaign.run(run, Format::Human, &mut out).expect("written");
    (code, human::plain(&String::from_utf8(out).expect("UTF-8")))
}

/// 2 fails, 3 has no verdict, 4 panics; the others pass.
fn by_seed(scenario: &ResolvedScenario, _: &RunOptions) -> RunReport {
    let report = RunReport::new(&scenario.name, scenario.seed);
    match scenario.seed.0 {
        2 => RunReport {
            outcome: Outcome::Fail,
            violations: vec![Violation {
                invariant: "psync".into(),
                at: Duration::from_secs(1),
                node: Some("m1".into()),
                message: "a byte is missing".into(),
                state: String::new(),
                detail: Vec::new(),
            }],
            ..report
        },
        3 => RunReport::error(&scenario.name, scenario.seed, "the world broke"),
        4 => panic!("number four"),
        _ => report,
    }
}

#[test]
fn exit_codes_say_how_it_went() {
    assert_eq!(run(campaign("1,5", 2), by_seed).0, 0);
    assert_eq!(run(campaign("1,2", 2), by_seed).0, 1);
    assert_eq!(run(campaign("1,3", 2), by_seed).0, 4);
    assert_eq!(run(campaign("1,4", 2), by_seed).0, 4);
    assert_eq!(run(campaign("1..4", 2), by_seed).0, 1, "a violation weighs more");
}

#[test]
fn a_panic_is_a_run_without_a_verdict() {
    let (code, text) = human(campaign("4..4", 1), by_seed);
    assert_eq!(code, 4);
    assert!(text.contains("panicked: number four\n    at "), "{text}");
    assert!(text.contains("replay: cargo sim run scenarios/a.toml --seed 4 -v"), "{text}");
    assert!(text.contains("0 of 2 runs passed, 2 without a verdict"), "{text}");
}

static SECOND_IS_DONE: AtomicBool = AtomicBool::new(false);

/// The first run of `a` ends only after a later one.
fn first_is_slow(scenario: &ResolvedScenario, _: &RunOptions) -> RunReport {
    match (scenario.name.as_str(), scenario.seed.0) {
        ("a", 1) => {
            while !SECOND_IS_DONE.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }
        ("a", 2) => SECOND_IS_DONE.store(true, Ordering::SeqCst),
        _ => {}
    }
    RunReport::new(&scenario.name, scenario.seed)
}

#[test]
fn the_order_is_that_of_scenario_and_seed_whatever_ends_first() {
    let (code, lines) = run(campaign("1..3", 2), first_is_slow);
    assert_eq!(code, 0);
    let order: Vec<_> = lines.iter().map(|(name, seed, _)| (name.as_str(), *seed)).collect();
    assert_eq!(order, [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]);
}

#[test]
fn fail_fast_begins_no_more_runs() {
    let slow = Campaign { fail_fast: true, ..campaign("1..9", 1) };
    let (code, lines) = run(slow, by_seed);
    assert_eq!(code, 1);
    let outcomes: Vec<_> = lines.iter().map(|(.., outcome)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["pass", "fail"]);
    let (_, text) = human(Campaign { fail_fast: true, ..campaign("1..9", 1) }, by_seed);
    assert!(text.contains("1 of 18 runs passed, 1 failed, 16 not run"), "{text}");
}

static RUNS: AtomicU64 = AtomicU64::new(0);

/// No two runs are the same.
fn fickle(scenario: &ResolvedScenario, options: &RunOptions) -> RunReport {
    let number = RUNS.fetch_add(1, Ordering::SeqCst);
    assert!(options.keep_trace, "without a trace nobody can say where two runs part");
    RunReport {
        trace_hash: number,
        events: 2,
        trace: vec!["the same".into(), format!("number {}", number % 2)],
        ..RunReport::new(&scenario.name, scenario.seed)
    }
}

/// Panics in a way of its own each time.
fn panics_anew(_: &ResolvedScenario, _: &RunOptions) -> RunReport {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    panic!("run {}", COUNT.fetch_add(1, Ordering::SeqCst));
}

#[test]
fn panics_are_compared_too() {
    let twice = |run| human(Campaign { twice: Checked::ALL, ..campaign("4..4", 1) }, run);
    assert_eq!(twice(by_seed).0, 4, "the same panic twice is no verdict");
    let (code, text) = twice(panics_anew);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("not deterministic: first"), "{text}");
}

#[test]
fn runs_that_differ_are_shown_with_the_event_where_they_part() {
    let twice = Campaign { twice: Checked::ALL, ..campaign("1", 1) };
    let (code, text) = human(twice, fickle);
    assert_eq!(code, 3);
    assert!(text.contains("not deterministic"), "{text}");
    assert!(text.contains("they part at event 2:"), "{text}");
    assert!(text.contains("both:   the same"), "{text}");
    assert!(text.contains("number 0") && text.contains("number 1"), "{text}");
    let (code, lines) = run(Campaign { twice: Checked::ALL, ..campaign("1,5", 2) }, by_seed);
    assert_eq!((code, lines.len()), (0, 4));
}
