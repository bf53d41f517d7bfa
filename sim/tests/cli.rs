//! The command line as its users see it: messages and exit codes.

use std::path::PathBuf;
use std::process::Command;

/// What the command wrote, and how it ended. `root` is the folder it runs in.
fn replisim_in(root: &PathBuf, args: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replisim"));
    command
        .current_dir(root)
        .args(args)
        .env("NO_COLOR", "1")
        .env_remove("CLICOLOR_FORCE")
        .env("COLUMNS", "100");
    for name in ["SIM_SEED", "SIM_SEEDS", "SIM_JOBS", "RUST_LOG"] {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().expect("replisim runs");
    let mut text = format!("exit code: {}\n", output.status.code().expect("no signal"));
    for (name, bytes) in [("stdout", output.stdout), ("stderr", output.stderr)] {
        if !bytes.is_empty() {
            text.push_str(&format!("--- {name}\n{}", String::from_utf8(bytes).expect("UTF-8")));
        }
    }
    text
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn replisim(args: &[&str]) -> String {
    replisim_in(&root(), args, &[])
}

/// Checks the text of a scenario.
fn check(name: &str, text: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("bad.toml"), text).expect("a file");
    replisim_in(&folder, &["check", "bad.toml"], &[])
}

const NODES: &str = "title = \"t\"\n[nodes.m1]\n[nodes.r1]\nreplicaof = \"m1\"\n";

macro_rules! mistakes {
    ($($name:ident: $text:expr;)+) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(check(stringify!($name), &format!("{NODES}{}", $text)));
        }
    )+};
}

mistakes! {
    unknown_key: "[workload]\nrtae = 5\nvalue_bytes = 3\ncolour = 1\nrepl-timeout = 3\n";
    unknown_section: "[netwrok]\nlatency = \"1ms\"\n";
    wrong_type: "[workload]\nrate = true\nkeys = [1]\nread-from = 5\n[run]\nseeds = {}\n";
    unknown_node: "[[step]]\nat = \"1s\"\nkill = \"rl\"\n[[step]]\nat = \"1s\"\npartition = { between = [\"m1\", \"zebra\"], kind = \"stall\" }\n";
    bad_times: "[[step]]\nat = \"5\"\nkill = \"r1\"\n[[step]]\nat = \"8s..5s\"\nkill = \"r1\"\n[[step]]\nat = 5\nkill = \"r1\"\n[[step]]\nat = \"5 parsecs\"\nkill = \"r1\"\n";
    late_step: "[[step]]\nat = \"5m\"\nkill = \"r1\"\n";
    no_action: "[[step]]\nat = \"5s\"\n[[step]]\nkill = \"r1\"\n[[step]]\nat = \"1s\"\nkill = \"r1\"\nstart = \"r1\"\n[[step]]\nat = \"1s\"\ncrash = \"r1\"\n";
    single_step: "[step]\nat = \"5s\"\nkill = \"r1\"\n";
    unknown_kind: "[[step]]\nat = \"5s\"\npartition = { node = \"r1\", kind = \"stal\" }\n[[step]]\nat = \"5s\"\npartition = { kind = \"stall\" }\n[[step]]\nat = \"5s\"\npartition = { node = \"r1\" }\n";
    directives: "[config]\nrepl-backlog-sice = 1\nport = 7000\n";
    abort_and_more: "[[step]]\nat = \"1s\"\nfailover = { node = \"m1\", to = \"r1\", abort = true }\n";
    circle: "[nodes.a]\nreplicaof = \"b\"\n[nodes.b]\nreplicaof = \"a\"\n";
    not_toml: "[workload\nrate = 5\n";
    twice: "[workload]\nrate = 5\nrate = 6\n";
    structure_and_meaning: "[[step]]\nat = \"1s\"\nkill = \"zebra\"\n[[step]]\nat = \"2s\"\ncrash = \"r1\"\n[nodes.r2]\nreplicaof = \"nobody\"\nrepl-timeout = 3\n[nodes.r3]\nreplicaof = \"r2\"\nconfig = { port = 1 }\n[run]\nduration = 5\ntick = \"7us\"\n[[step]]\nat = \"5m\"\nkill = \"r1\"\n";
    two_lines_that_are_not_toml: "[workload]\nrate = = 5\nkeys = 3\n[run]\nseeds = 1 2\n";
    expectations: "[expect]\nviolation = \"psinc\"\nfull-syncs = { r2 = 1 }\n[run]\nseeds = \"a..b\"\ntick = \"7us\"\n";
}

#[test]
fn missing_title_and_nodes() {
    insta::assert_snapshot!(check("missing_title_and_nodes", "about = \"x\"\n"));
}

#[test]
fn title_of_two_lines() {
    insta::assert_snapshot!(check("title_of_two_lines", "title = \"a\\nb\"\n[nodes.m1]\n"));
}

#[test]
fn missing_file() {
    insta::assert_snapshot!(replisim(&["run", "scenarios/partial-resync/short-cat.toml"]));
    insta::assert_snapshot!(replisim(&["run", "short-cut"]));
}

#[test]
fn no_match() {
    insta::assert_snapshot!(replisim(&["run", "sim/src"]));
}

#[test]
fn no_scenarios_here() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&empty).expect("a folder");
    insta::assert_snapshot!(replisim_in(&empty, &["run"], &[]));
}

#[test]
fn bad_seeds() {
    insta::assert_snapshot!(replisim(&["run", "--seed", "xyz"]));
    insta::assert_snapshot!(replisim(&["run", "--seeds", "9..3"]));
    insta::assert_snapshot!(replisim_in(&root(), &["run"], &[("SIM_SEEDS", "0")]));
}

#[test]
fn a_variable_set_to_nothing_is_not_set() {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nothing-set");
    let out = out.to_str().expect("UTF-8");
    let nothing = [("SIM_SHARD", ""), ("SIM_JOBS", ""), ("SIM_SEEDS", "")];
    let args = ["explore", "--seeds", "1..2", "--quiet", "--out", out];
    let text = replisim_in(&root(), &args, &nothing);
    assert!(text.starts_with("exit code: 0\n"), "{text}");
    let text = replisim_in(&root(), &args, &[("SIM_SHARD", "x")]);
    assert!(text.starts_with("exit code: 2\n") && text.contains("is not i/n"), "{text}");
}

#[test]
fn two_files_of_one_name_keep_what_is_theirs() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("one-name");
    for (folder, master) in [("left", "m1"), ("right", "m2")] {
        let text = format!(
            "title = \"t\"\n[nodes.{master}]\n[[step]]\nat = \"1s\"\n\
             check = {{ node = \"{master}\", info = {{ role = \"slave\" }} }}\n[run]\nduration = \"2s\"\n"
        );
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
        std::fs::write(root.join(folder).join("same.toml"), text).expect("a file");
    }
    let args = ["run", "left/same.toml", "right/same.toml", "--seed", "1", "--out", "kept"];
    let text = replisim_in(&root, &args, &[]);
    assert!(text.starts_with("exit code: 1\n"), "{text}");
    for (folder, master) in [("left", "m1"), ("right", "m2")] {
        let capsule = root.join("kept").join(folder).join("same/1/capsule.toml");
        let capsule = std::fs::read_to_string(capsule).expect("a capsule");
        assert!(capsule.contains(&format!("[nodes.{master}]")), "{capsule}");
    }
    // One alone is called what it is called.
    let text = replisim_in(&root, &["run", "left/same.toml", "--seed", "1", "--out", "kept"], &[]);
    assert!(text.contains("kept/same/1"), "{text}");
}

#[test]
fn help() {
    insta::assert_snapshot!(replisim(&["run", "--help"]));
}

#[test]
fn a_resolved_scenario_is_a_scenario() {
    insta::assert_snapshot!(replisim(&[
        "resolve",
        "scenarios/partial-resync/short-cut.toml",
        "--seed",
        "7"
    ]));
}

#[test]
fn the_schema_is_the_committed_one() {
    let committed =
        std::fs::read_to_string(root().join("scenarios/scenario.schema.json")).expect("the schema");
    assert_eq!(replisim(&["schema"]), format!("exit code: 0\n--- stdout\n{committed}"));
}

/// What `explore` or `merge` wrote into a folder: its report with the folder's own name taken out.
fn report(folder: &std::path::Path) -> String {
    let text = std::fs::read_to_string(folder.join("report.txt")).expect("a report");
    text.replace(&folder.display().to_string(), "DIR")
}

#[test]
fn shards_and_a_merge_equal_one_campaign() {
    let root = root();
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shards");
    let _ = std::fs::remove_dir_all(&base);
    let folder = |name: &str| base.join(name);
    let explore = |name: &str, more: &[&str]| {
        let folder = folder(name).display().to_string();
        let common = ["explore", "--seeds", "1..6", "--profile", "network", "--out", &folder];
        replisim_in(&root, &[&common[..], more].concat(), &[])
    };
    explore("whole", &["--jobs", "2"]);
    let names = ["1", "2", "3", "4"];
    for name in names {
        explore(name, &["--shard", &format!("{name}/4"), "--jobs", "1"]);
    }
    let merge = |into: &str, from: &[&str]| {
        let dirs: Vec<String> =
            from.iter().map(|name| folder(name).display().to_string()).collect();
        let out = folder(into).display().to_string();
        let mut args = vec!["merge", "--out", &out];
        args.extend(dirs.iter().map(String::as_str));
        replisim_in(&root, &args, &[])
    };
    merge("merged", &names);
    assert!(report(&folder("whole")).contains("6 runs"), "{}", report(&folder("whole")));
    assert_eq!(report(&folder("merged")), report(&folder("whole")));
    // Again, with what was merged before among it, and one folder twice.
    merge("again", &["merged", "3", "3", "1"]);
    assert_eq!(report(&folder("again")), report(&folder("whole")));
    let missing = merge("none", &["nowhere"]);
    assert!(missing.starts_with("exit code: 2") && missing.contains("results.jsonl"), "{missing}");
}

#[test]
fn the_environment_of_a_fleet_must_be_whole() {
    let said = replisim_in(&root(), &["explore", "--seeds", "1"], &[("JOB_COMPLETION_INDEX", "0")]);
    assert!(said.starts_with("exit code: 2") && said.contains("SIM_SHARDS"), "{said}");
}

#[test]
fn a_fleet_may_set_variables_to_nothing() {
    let empty = [
        ("SIM_SEED", ""),
        ("SIM_SEEDS", ""),
        ("SIM_JOBS", ""),
        ("SIM_SHARD", ""),
        ("SIM_SHARDS", ""),
        ("SIM_SHARD_INDEX", ""),
        ("JOB_COMPLETION_INDEX", ""),
        ("SLURM_ARRAY_TASK_ID", ""),
        ("SLURM_ARRAY_TASK_COUNT", ""),
    ];
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty-variables");
    let out = out.display().to_string();
    let explore = ["explore", "--seeds", "1", "--profile", "network", "--jobs", "1", "--out", &out];
    let said = replisim_in(&root(), &explore, &empty);
    assert!(said.starts_with("exit code: 0"), "{said}");
    let resolve = ["resolve", "scenarios/partial-resync/short-cut.toml"];
    assert_eq!(replisim_in(&root(), &resolve, &empty), replisim(&resolve));
}

#[test]
fn a_check_warns_when_nobody_can_be_judged() {
    let steps = "[[step]]\nat = \"1s\"\nkill = \"r1\"\n";
    let text = format!("{NODES}{steps}[expect]\nconverged-within = \"9s\"\n");
    let said = check("vacuous", &text);
    assert!(said.starts_with("exit code: 0"), "{said}");
    assert!(said.contains("warning: bad.toml: `converged-within` judges nobody"), "{said}");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("vacuous");
    let said = replisim_in(&folder, &["run", "bad.toml", "--seed", "1", "-v"], &[]);
    let note = "not judged whether they have converged: r1 (it is down)";
    assert_eq!(said.matches(note).count(), 1, "{said}");
}

#[test]
fn seeds_that_are_written_out_count_whatever_the_environment_says() {
    let run = ["run", "scenarios/partial-resync/short-cut.toml", "--seeds", "2..3", "-v"];
    let said = replisim_in(&root(), &run, &[("SIM_SEED", "77")]);
    assert!(said.starts_with("exit code: 0") && said.contains("2 of 2 runs"), "{said}");
}
