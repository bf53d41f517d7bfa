//! The README's commands and pictures of the testbed, run with the real binary; and whether it
//! names everything there is. (Its server and its scenarios: `tests/readme.rs` of the root.)

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use replisim_sim::scenario::{ACTIONS, INVARIANTS, schema};

#[allow(dead_code, reason = "each test program uses what it needs of this module")]
#[path = "../../tests/support/markdown.rs"]
mod markdown;

const README: &str = include_str!("../../README.md");
/// The mistake whose message the README shows.
const TYPO: &str = "target/readme/typo.toml";
const TYPO_TEXT: &str = "title = \"A typo\"\n\n[nodes.m1]\n\n[workload]\nrtae = 100\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn replisim(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replisim"));
    command.current_dir(root()).args(args).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    for name in ["SIM_SEED", "SIM_SEEDS", "SIM_JOBS", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.output().expect("replisim runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The words of every `cargo sim ...` of the README.
fn sim_commands() -> Vec<Vec<String>> {
    let all = markdown::commands(&markdown::blocks(README));
    let sim = all.iter().filter_map(|line| line.strip_prefix("cargo sim "));
    sim.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn every_command_works() {
    let commands = sim_commands();
    assert!(commands.len() >= 8, "{commands:?}");
    // As on a machine where they have not been tried: an earlier version may have left results
    // that `merge` would not write over.
    let joined = root().join("target/readme/both");
    if joined.exists() {
        std::fs::remove_dir_all(&joined).expect("removed");
    }
    for words in commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (words, codes) = match words.as_slice() {
            // All scenarios are run, one by one, by tests/scenarios.rs: here they are only read.
            ["run"] => (vec!["check"], 0..=0),
            [.., path] if *path == TYPO => continue, // see below
            // It may find something: that is what it is for.
            ["explore" | "merge", ..] => (words.clone(), 0..=1),
            words => (words.to_vec(), 0..=0),
        };
        let output = replisim(&words);
        let errors = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().expect("no signal");
        assert!(codes.contains(&code), "{words:?}: {code}\n{}{errors}", stdout(&output));
        assert!(!output.stdout.is_empty(), "{words:?}");
    }
    let trace = root().join("target/sim/partial-resync/short-cut/2/trace.jsonl");
    let trace = std::fs::read_to_string(trace).expect("the trace the README speaks of");
    assert!(trace.lines().count() > 100);
}

/// Whether the README holds what the command prints, numbers apart.
fn is_pictured(text: &str) {
    let shown = markdown::blocks(README);
    let mut pictures =
        shown.iter().filter(|block| block.language == "text").map(|b| markdown::shape(&b.text));
    let shape = markdown::shape(text);
    assert!(pictures.any(|picture| picture == shape), "the README does not show:\n{text}");
}

#[test]
fn the_picture_of_a_run_is_real() {
    let run = ["run", "scenarios/partial-resync/short-cut.toml", "--seed", "2"];
    is_pictured(&stdout(&replisim(&run)));
    is_pictured(&stdout(&replisim(&[&run[..], &["-v"]].concat())));
}

#[test]
fn the_picture_of_a_mistake_is_real() {
    let path = root().join(TYPO);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, TYPO_TEXT).expect("a file");
    let output = replisim(&["check", TYPO]);
    assert_eq!(output.status.code(), Some(2));
    is_pictured(&String::from_utf8_lossy(&output.stderr));
}

/// Every key of every table of a scenario, from the schema.
fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    if let Some(properties) = value.get("properties").and_then(|p| p.as_object()) {
        found.extend(properties.keys().cloned());
    }
    match value {
        serde_json::Value::Object(map) => {
            let apart = |name: &str| name == "Capsule"; // written by the testbed, not by hand
            map.iter().filter(|(name, _)| !apart(name)).for_each(|(_, v)| keys(v, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| keys(v, found)),
        _ => {}
    }
}

/// Every key with the default that its documentation names.
fn defaults(value: &serde_json::Value, found: &mut Vec<(String, String)>) {
    if let Some(properties) = value.get("properties").and_then(|p| p.as_object()) {
        for (key, property) in properties {
            let text = property.get("description").and_then(|d| d.as_str()).unwrap_or_default();
            let Some((_, default)) = text.split_once("Default: ") else { continue };
            // A value, not a sentence: `"10ms"`, `0.05`.
            let ends = [default.find(". "), default.find(", "), default.find('\n')];
            let end = ends.into_iter().flatten().min().unwrap_or(default.len());
            let default = default[..end].trim_end_matches('.');
            if default.starts_with(|c: char| c == '"' || c.is_ascii_digit()) {
                found.push((key.clone(), default.to_owned()));
            }
        }
    }
    match value {
        serde_json::Value::Object(map) => map.values().for_each(|v| defaults(v, found)),
        serde_json::Value::Array(items) => items.iter().for_each(|v| defaults(v, found)),
        _ => {}
    }
}

#[test]
fn defaults_are_those_of_the_code() {
    let mut all = Vec::new();
    defaults(schema::schema(), &mut all);
    assert!(all.len() > 15, "{all:?}");
    for (key, default) in all {
        let told = README
            .lines()
            .any(|line| line.contains(&format!("`{key}`")) && line.contains(&default));
        assert!(told, "the README does not say that the default of {key} is {default}");
    }
}

#[test]
fn everything_there_is_stands_in_it() {
    let toml: String = markdown::blocks(README)
        .into_iter()
        .filter(|block| block.language == "toml")
        .map(|block| block.text)
        .collect();
    for action in ACTIONS {
        let shown = toml.lines().any(|line| line.starts_with(&format!("{action} = ")));
        assert!(shown, "no step of the README has the action {action}");
    }
    let named = |word: &str| README.contains(&format!("`{word}`"));
    for name in INVARIANTS {
        assert!(named(name), "invariant {name}");
    }
    let mut all = Vec::new();
    keys(schema::schema(), &mut all);
    assert!(all.len() > 80, "{all:?}");
    for key in all {
        let written = README
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .any(|word| word == key);
        assert!(written || key == "capsule", "the README does not name the key {key}");
    }
    let help = stdout(&replisim(&["--help"]));
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let list = list.lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> = list.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands.into_iter().filter(|name| *name != "help") {
        let told = README.contains(&format!("`cargo sim {command}"));
        assert!(told, "the README does not name `cargo sim {command}`");
        let help = stdout(&replisim(&[command, "--help"]));
        let words = help.split(|c: char| c.is_whitespace() || ",.;:".contains(c));
        let options = words.filter(|word| {
            word.strip_prefix("--")
                .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        });
        for option in options.filter(|option| *option != "--help") {
            let told =
                README.contains(&format!("`{option}")) || README.contains(&format!(" {option} "));
            assert!(told, "the README does not name {option} of `cargo sim {command}`");
        }
    }
}
