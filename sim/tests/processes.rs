//! The same seeds in several processes, with one job and with many.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// All lines of a campaign, but for the wall time.
fn campaign(jobs: &str, extra: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_replisim"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["run", "scenarios/partial-resync/short-cut.toml", "--seeds", "3..5"])
        .args(["--format", "jsonl", "--jobs", jobs])
        .args(extra)
        .env_remove("SIM_SEED")
        .env_remove("SIM_SEEDS")
        .env_remove("SIM_JOBS")
        .output()
        .expect("replisim runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    let lines = text.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        let wall = value.as_object_mut().and_then(|fields| fields.remove("wall_ms"));
        assert!(wall.is_some(), "{line}");
        value
    });
    lines.collect()
}

#[test]
fn processes_and_jobs_make_no_difference() {
    let one = campaign("1", &[]);
    assert_eq!(one.len(), 3);
    for (line, seed) in one.iter().zip(3..) {
        assert_eq!(line["seed"].to_string().trim_matches('"'), seed.to_string());
    }
    assert_ne!(one[0]["trace_hash"], one[1]["trace_hash"], "other seeds, other runs");
    assert_eq!(one, campaign("3", &["--twice"]));
}
