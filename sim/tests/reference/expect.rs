//! `[expect]` and `[run]`.

use std::collections::BTreeSet;

use replisim_sim::scenario;

use crate::kit::{PAIR, passes, run, violates};

/// A cut at the end of the run, and what is expected.
fn cut(expect: &str) -> String {
    format!(
        "{PAIR}[workload]\n[[step]]\nat = \"5s\"\npartition = {{ between = [\"m1\", \"r1\"], kind = \"reset\", for = \"3s\" }}\n[expect]\n{expect}\n[run]\nduration = \"8s\"\n"
    )
}

#[test]
fn expect_converged_within() {
    passes(&cut("converged-within = \"5s\""));
    // The end of the run and a second of grace come first; the cut is never healed here.
    let text = cut("converged-within = \"500ms\"").replace(", for = \"3s\"", "");
    let text = text.replace("kind = \"reset\"", "kind = \"stall\"");
    let text = format!("{text}\n[[step]]\nat = \"8s\"\nheal = \"all\"\n");
    let slow = text.replace("[workload]", "[network]\nlatency = \"2s\"\n[workload]");
    assert!(violates(&slow).starts_with("convergence: has not converged"), "{}", violates(&slow));
}

#[test]
fn expect_full_syncs() {
    passes(&cut("full-syncs = { r1 = 1 }"));
    passes(&cut("full-syncs = { r1 = \"1..2\", m1 = 0 }"));
    assert_eq!(
        violates(&cut("full-syncs = { r1 = 2 }")),
        "expect: received 1 full syncs, expected 2"
    );
}

#[test]
fn expect_partial_syncs() {
    passes(&cut("partial-syncs = { r1 = 1 }"));
    assert_eq!(
        violates(&cut("partial-syncs = { r1 = \"2..3\" }")),
        "expect: received 1 partial resyncs, expected 2..3"
    );
}

#[test]
fn expect_info() {
    passes(&cut(
        "info = { m1 = { role = \"master\", connected_slaves = 1, sync_full = \"1..2\" } }",
    ));
    assert_eq!(
        violates(&cut("info = { r1 = { role = \"master\" } }")),
        "expect: role is slave, expected master"
    );
    assert_eq!(
        violates(&cut("info = { r1 = { no_such_field = 1 } }")),
        "expect: INFO has no field no_such_field"
    );
}

#[test]
fn expect_violation() {
    // Nobody can be so fast.
    let slow = cut("converged-within = \"1ms\"").replace("for = \"3s\"", "for = \"2990ms\"");
    let slow = slow.replace("[workload]", "[network]\nlatency = \"500ms\"\n[workload]");
    assert!(violates(&slow).starts_with("convergence: "), "{}", violates(&slow));
    passes(&slow.replace("[expect]", "[expect]\nviolation = \"convergence\""));
    let other = slow.replace("[expect]", "[expect]\nviolation = \"psync\"");
    let report = run(&other).report;
    let messages: Vec<&str> = report.violations.iter().map(|v| v.message.as_str()).collect();
    assert_eq!(messages[1..], ["psync was to be violated, and was not"]);
}

#[test]
fn run_duration() {
    let ran = passes(&format!("{PAIR}[run]\nduration = \"7s\"\n"));
    let ms = ran.report.sim_time.as_millis();
    assert!((7000..7100).contains(&ms), "{ms}");
    assert_eq!(passes(PAIR).report.sim_time.as_secs(), 60);
}

#[test]
fn run_seeds() {
    let seeds = |text: &str| {
        let text = format!("{PAIR}[run]\n{text}\n");
        let scenario = scenario::parse("t", "t.toml", &text).unwrap_or_else(|e| panic!("{e}"));
        scenario.default_seeds().iter().map(|seed| seed.0).collect::<Vec<_>>()
    };
    assert_eq!(seeds(""), [1, 2, 3]);
    assert_eq!(seeds("seeds = 2"), [1, 2]);
    assert_eq!(seeds("seeds = \"4..6\""), [4, 5, 6]);
    assert_eq!(seeds("seeds = [7, \"0xbeef\"]"), [7, 0xbeef]);
}

#[test]
fn run_tick() {
    let times = |tick: &str| {
        let ran = passes(&format!(
            "{PAIR}[workload]\nrate = 200\n[run]\nduration = \"5s\"\ntick = \"{tick}\"\n"
        ));
        ran.times("r1", "stream").into_iter().collect::<BTreeSet<_>>().len()
    };
    // Hosts see each other once a tick.
    let (fine, coarse) = (times("1ms"), times("50ms"));
    assert!(fine > coarse * 2, "{fine} {coarse}");
}
