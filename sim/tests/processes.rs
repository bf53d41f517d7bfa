//! The same seeds in several processes, with one job and with many; and a process that is
//! interrupted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// Starts a command that takes long, sends it a signal once `begun` says so, and waits for its end.
#[expect(clippy::disallowed_methods, reason = "it is another process that is waited for")]
fn interrupted(signal: &str, args: &[&str], begun: impl Fn() -> bool) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replisim"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().expect("replisim runs");
    let mut looks = 0..6_000;
    while !begun() {
        assert!(looks.next().is_some(), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn an_interrupted_campaign_tells_what_it_found() {
    for signal in ["-INT", "-TERM"] {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interrupted{signal}"));
        let _ = std::fs::remove_dir_all(&out);
        let folder = out.display().to_string();
        let args = ["explore", "--seeds", "1..1000000", "--jobs", "1", "--out", &folder];
        // It is there before the first run begins.
        let begun = || out.join("results.jsonl").exists();
        let (code, said) = interrupted(signal, &args, begun);
        assert_eq!(code, Some(130), "{signal}");
        let told = said.contains("never reached") && said.contains("0 failures in 0 groups");
        assert!(told, "{signal}: {said}");
        assert!(out.join("report.txt").exists(), "{signal}");
    }
}
