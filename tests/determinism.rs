//! The same seed, the same run: in one process, in two, with one job and with many. (The two
//! processes are in `sim/tests/processes.rs`, where the command line is built.)

#![allow(clippy::disallowed_methods, reason = "threads around runs, which none of them sees")]

use std::path::Path;
use std::thread;

use replisim_sim::report::RunReport;
use replisim_sim::scenario::{self, Scenario};
use replisim_sim::trace::first_difference;

const FILES: &[&str] = &["partial-resync/short-cut", "chain/middle-restarts"];

fn load(name: &str) -> Scenario {
    let path = Path::new("scenarios").join(name).with_extension("toml");
    scenario::load(&path).unwrap_or_else(|problems| panic!("{problems}"))
}

#[track_caller]
fn assert_same(first: &RunReport, second: &RunReport) {
    let what = format!("{}, seed {}", first.scenario, first.seed);
    if let Some(parting) = first_difference(&first.trace, &second.trace) {
        panic!("{what}: {parting}");
    }
    assert!(first.events > 0, "{what}: nothing happened");
    assert_eq!(first.trace_hash, second.trace_hash, "{what}: hashes differ, traces do not");
    let plain = |report: &RunReport| RunReport { wall_time: Default::default(), ..report.clone() };
    assert_eq!(plain(first), plain(second));
}

#[test]
fn the_same_seed_twice_is_the_same_run_event_by_event() {
    for name in FILES {
        let scenario = load(name);
        let run = || scenario.seed(1).keep_trace().run();
        let (first, second) = (run(), run());
        assert!(!first.trace.is_empty());
        assert_same(&first, &second);
    }
}

#[test]
fn many_jobs_make_the_runs_that_one_makes() {
    let scenario = load(FILES[0]);
    let run = |seed: u64| scenario.seed(seed).keep_trace().run();
    let alone: Vec<_> = (1..=4).map(run).collect();
    let together: Vec<_> = thread::scope(|scope| {
        let jobs: Vec<_> = (1..=4).map(|seed| scope.spawn(move || run(seed))).collect();
        jobs.into_iter().map(|job| job.join().expect("a run")).collect()
    });
    for (alone, together) in alone.iter().zip(&together) {
        assert_same(alone, together);
    }
    for (index, one) in alone.iter().enumerate() {
        for other in &alone[index + 1..] {
            assert_ne!(one.trace_hash, other.trace_hash, "seeds {} and {}", one.seed, other.seed);
        }
    }
}

#[test]
fn what_is_traced_does_not_change_the_run() {
    let scenario = load(FILES[0]);
    let (with, without) = (scenario.seed(2).keep_trace().run(), scenario.seed(2).run());
    assert!(without.trace.is_empty());
    assert_eq!((with.trace_hash, with.events), (without.trace_hash, without.events));
}
