//! The committed scenarios, and one with every action, through reading, resolving and writing.

use std::path::{Path, PathBuf};

use replisim_sim::scenario::{self, ACTIONS, Scenario};
use replisim_sim::seed::Seed;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
}

fn survives_writing(scenario: &Scenario) {
    let text = scenario.to_toml().expect("writable");
    let again = scenario::parse(&scenario.name, "again.toml", &text)
        .unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(&again, scenario, "{text}");
    for seed in [1, 2, u64::MAX].map(Seed) {
        let resolved = scenario.resolve(seed);
        assert_eq!(resolved, scenario.resolve(seed));
        let text = resolved.to_scenario().to_toml().expect("writable");
        let fixed = scenario::parse(&scenario.name, "fixed.toml", &text)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(fixed.default_seeds(), [seed]);
        assert_eq!(fixed.resolve(seed), resolved, "{text}");
        assert_eq!(fixed.resolve(Seed(99)).steps, resolved.steps, "nothing is left to draw");
    }
}

#[test]
fn committed_scenarios_survive_writing() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"), &mut found);
    assert!(!found.is_empty());
    for path in found {
        survives_writing(&scenario::load(&path).unwrap_or_else(|e| panic!("{e}")));
    }
}

const EVERY_ACTION: &str = include_str!("every-action.toml");

#[test]
fn every_action_survives_writing() {
    let scenario = scenario::parse("every-action", "every-action.toml", EVERY_ACTION)
        .unwrap_or_else(|e| panic!("{e}"));
    let used: Vec<_> = scenario.steps.iter().map(|step| step.action.key()).collect();
    for action in ACTIONS {
        assert!(used.contains(action), "{action} is not tested");
    }
    survives_writing(&scenario);
}

#[test]
fn seeds_draw_different_times_and_a_new_step_moves_no_other() {
    let with = |extra: &str| {
        let text = format!(
            "title = \"t\"\n[nodes.m1]\n[nodes.r1]\nreplicaof = \"m1\"\n{extra}\n[[step]]\nat = \"5s..50s\"\nkill = \"r1\"\n"
        );
        scenario::parse("t", "t.toml", &text).unwrap_or_else(|e| panic!("{e}"))
    };
    let plain = with("");
    assert_ne!(plain.resolve(Seed(1)).steps, plain.resolve(Seed(2)).steps);
    let more = with("[[step]]\nat = \"1s..2s\"\npause = { node = \"r1\", for = \"1s..2s\" }\n");
    assert_eq!(more.resolve(Seed(1)).steps.last(), plain.resolve(Seed(1)).steps.last());
}

#[test]
fn no_damaged_file_makes_the_reader_panic() {
    for end in (0..EVERY_ACTION.len()).filter(|end| EVERY_ACTION.is_char_boundary(*end)) {
        if let Err(problems) = scenario::parse("cut", "cut.toml", &EVERY_ACTION[..end]) {
            assert!(!problems.render(false).is_empty());
        }
    }
}
