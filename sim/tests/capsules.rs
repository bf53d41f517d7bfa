//! Failures as files: shrinking and replaying them, and what is said of files that are none.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A scenario that fails, for it expects what cannot be.
const FAILS: &str = r#"
title = "Five snapshots, it says"

[nodes.m1]

[nodes.r1]
replicaof = "m1"

[nodes.r2]
replicaof = "m1"

[workload]
rate = 20

[[step]]
at = "3s"
kill = { node = "r2", for = "1s" }

[[step]]
at = "4s"
partition = { between = ["m1", "r1"], kind = "reset", for = "1s" }

[expect]
full-syncs = { r1 = 5 }

[run]
duration = "8s"
seeds = [3]
"#;

/// The folder of one test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capsules").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Exit code, stdout and stderr.
fn replisim(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replisim"));
    command.current_dir(folder).args(args).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    for name in ["SIM_SEED", "SIM_SEEDS", "SIM_JOBS", "RUST_LOG"] {
        command.env_remove(name);
    }
    let output = command.output().expect("replisim runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

/// A folder with the failing scenario, shrunk to `small.toml`.
fn shrunk(name: &str) -> PathBuf {
    let folder = folder(name);
    std::fs::write(folder.join("big.toml"), FAILS).expect("a file");
    let shrink = ["shrink", "big.toml", "--out", "small.toml", "--jobs", "2"];
    let (code, out, errors) = replisim(&folder, &shrink);
    assert_eq!(code, 0, "{out}{errors}");
    assert!(out.contains("4 steps, 3 nodes"), "{out}");
    folder
}

fn change(path: &Path, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(path).expect("a file");
    let changed = change(text.clone());
    assert_ne!(text, changed, "nothing was changed");
    std::fs::write(path, changed).expect("written");
}

/// As if another commit had written it.
fn of_another_commit(text: String) -> String {
    let lines = text
        .lines()
        .map(|line| if line.starts_with("commit = ") { "commit = \"0123abcd\"" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_shrunk_failure_replays() {
    let folder = shrunk("replays");
    let small = std::fs::read_to_string(folder.join("small.toml")).expect("a file");
    assert!(!small.contains("[[step]]") && !small.contains("r2"), "{small}");
    let (code, out, errors) = replisim(&folder, &["replay", "small.toml"]);
    assert_eq!(code, 1, "{out}{errors}");
    assert!(out.ends_with("the same as in the capsule\n"), "{out}");
    let (code, out, _) = replisim(&folder, &["run", "small.toml"]);
    assert_eq!(code, 1, "{out}");
}

#[test]
fn a_replay_can_be_broken_off_and_told() {
    let folder = shrunk("told");
    let (code, out, _) = replisim(&folder, &["replay", "small.toml", "--until", "500ms"]);
    assert_eq!((code, out.as_str()), (0, "nothing was violated until 0.500s\n"));
    let until = ["replay", "small.toml", "--until", "500ms", "--verbose", "node=r1"];
    let (_, out, _) = replisim(&folder, &until);
    assert!(out.contains(" started ") && out.contains(" id=id-B "), "{out}");
    let (code, _, errors) = replisim(&folder, &["replay", "small.toml", "-v", "node=r9"]);
    assert_eq!(code, 2);
    assert!(errors.contains("there is no node `r9`, only m1, r1"), "{errors}");
    let (code, _, errors) = replisim(&folder, &["replay", "-v", "small.toml"]);
    assert_eq!(code, 2);
    assert!(errors.contains("node=NAME"), "{errors}");
}

fn with_another_hash(text: &str) -> String {
    let (before, rest) = text.split_once("trace-hash = \"").expect("a hash");
    let other = if rest.starts_with('0') { '1' } else { '0' };
    format!("{before}trace-hash = \"{other}{}", &rest[1..])
}

#[test]
fn changed_code_is_told_with_the_first_event_that_differs() {
    let folder = shrunk("changed");
    change(&folder.join("small.toml"), |text| of_another_commit(with_another_hash(&text)));
    change(&folder.join("small.trace.jsonl"), |text| {
        text.replacen("\"offset\":0", "\"offset\":7", 1)
    });
    let (code, out, _) = replisim(&folder, &["replay", "small.toml"]);
    assert_eq!(code, 1, "{out}");
    for told in ["not the same", "the code has changed", "they part at event", "then: ", "now: "] {
        assert!(out.contains(told), "{told}: {out}");
    }
    // The first lines of a trace once did not say of which run it is.
    change(&folder.join("small.trace.jsonl"), |text| {
        text.split_once('\n').expect("lines").1.to_owned()
    });
    let (_, out, err) = replisim(&folder, &["replay", "small.toml"]);
    assert!(err.contains("small.trace.jsonl is not of this run, or of another version"), "{err}");
    assert!(!out.contains("they part"), "{out}");
    std::fs::remove_file(folder.join("small.trace.jsonl")).expect("removed");
    let (_, out, _) = replisim(&folder, &["replay", "small.toml"]);
    assert!(out.contains("no old trace beside it"), "{out}");
}

#[test]
fn nonsense_is_no_capsule() {
    let folder = folder("nonsense");
    let nonsense = "[capsule]\nviolated = 3\nat = \"yesterday\"\nfrom-the-future = 1\n";
    std::fs::write(folder.join("bad.toml"), format!("{FAILS}{nonsense}")).expect("a file");
    std::fs::write(folder.join("none.toml"), FAILS).expect("a file");
    std::fs::write(folder.join("bytes.toml"), b"\xff\xfe").expect("a file");
    std::fs::write(folder.join("empty.toml"), format!("{FAILS}[capsule]\n")).expect("a file");
    let hash = "[capsule]\ntrace-hash = \"zz\"\n";
    std::fs::write(folder.join("hash.toml"), format!("{FAILS}{hash}")).expect("a file");
    for (file, told) in [
        ("bad.toml", "from-the-future"),
        ("none.toml", "it has no [capsule] section"),
        ("bytes.toml", "is not UTF-8"),
        ("nowhere/x.toml", "No such file"),
        ("empty.toml", "there is nothing to compare with"),
        ("hash.toml", "16 hexadecimal digits"),
    ] {
        let (code, out, errors) = replisim(&folder, &["replay", file]);
        assert_eq!(code, 2, "{file}: {out}{errors}");
        assert!(errors.contains(told), "{file}: {errors}");
    }
    for file in ["bad.toml", "bytes.toml", "nowhere/x.toml"] {
        let (code, _, errors) = replisim(&folder, &["shrink", file]);
        assert_eq!(code, 2, "{file}");
        assert!(errors.starts_with(&format!("error: {file} is no scenario")), "{errors}");
    }
}

#[test]
fn what_passes_is_not_shrunk() {
    let folder = folder("passes");
    std::fs::write(folder.join("good.toml"), FAILS.replace("r1 = 5", "r1 = \"0..9\""))
        .expect("a file");
    let (code, _, errors) = replisim(&folder, &["shrink", "good.toml"]);
    assert_eq!(code, 2);
    assert!(errors.contains("nothing is violated with seed 3"), "{errors}");
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = folder("unwritable");
    std::fs::write(folder.join("big.toml"), FAILS).expect("a file");
    let (code, _, errors) = replisim(&folder, &["shrink", "big.toml", "--out", "/dev/full"]);
    assert_eq!(code, 2);
    assert!(errors.contains("cannot write /dev/full: No space left"), "{errors}");
    assert!(!Path::new("/dev/full").is_file(), "a device stays one");
    let (code, _, errors) = replisim(&folder, &["shrink", "big.toml", "--out", "big.toml/x.toml"]);
    assert_eq!(code, 2);
    assert!(errors.contains("cannot make the folder big.toml"), "{errors}");
}

#[test]
fn a_run_that_fails_is_kept_with_its_trace() {
    let folder = folder("kept");
    std::fs::write(folder.join("big.toml"), FAILS).expect("a file");
    let (code, out, err) = replisim(&folder, &["run", "big.toml"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("kept: target/sim/big/3 (capsule.toml, trace.jsonl)"), "{out}");
    let latest = folder.join("target/sim/latest");
    assert_eq!(std::fs::read_link(&latest).expect("a link"), Path::new("big/3"));
    let (code, out, err) = replisim(&folder, &["replay", "target/sim/latest/capsule.toml"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("the same as in the capsule"), "{out}");
    // Code that has changed since: the trace beside it says from where on.
    let capsule = folder.join("target/sim/big/3/capsule.toml");
    let text = std::fs::read_to_string(&capsule).expect("a capsule");
    std::fs::write(&capsule, text.replace("rate = 20", "rate = 21")).expect("written");
    let (_, out, _) = replisim(&folder, &["replay", "target/sim/latest/capsule.toml"]);
    assert!(out.contains("they part at event"), "{out}");
    // With traces asked for, it lies among those.
    let (_, out, _) = replisim(&folder, &["run", "big.toml", "--trace", "traces"]);
    assert!(out.contains("kept: traces/big/3"), "{out}");
    assert!(folder.join("traces/big/3/capsule.toml").is_file());
    // Where nothing can be written the result stands all the same.
    let (code, out, err) = replisim(&folder, &["run", "big.toml", "--out", "big.toml/x"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("the failure is not kept") && !out.contains("kept:"), "{out}{err}");
}

#[test]
fn what_went_well_leaves_nothing() {
    let folder = folder("well");
    let text = FAILS.replace("full-syncs = { r1 = 5 }", "");
    std::fs::write(folder.join("good.toml"), text).expect("a file");
    assert_eq!(replisim(&folder, &["run", "good.toml"]).0, 0);
    assert!(!folder.join("target").exists());
}
