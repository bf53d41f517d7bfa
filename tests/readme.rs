//! What the README says of scenarios and of the server, tried out. (Its commands and pictures of
//! the testbed: `sim/tests/readme.rs`, where the command line is built; its Rust: a doc test.)

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of the real world wait for it, and fail by panicking"
)]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use replisim_sim::scenario;
use support::markdown::{Block, blocks, commands};
use support::{Program, Server};

fn readme() -> Vec<Block> {
    blocks(include_str!("../README.md"))
}

fn of(language: &str) -> Vec<Block> {
    readme().into_iter().filter(|block| block.language == language).collect()
}

#[test]
fn every_piece_of_a_scenario_is_valid() {
    let pieces = of("toml");
    assert!(pieces.len() >= 8, "{}", pieces.len());
    for Block { text, line, .. } in pieces {
        let mut file = String::new();
        if !text.contains("title =") {
            file.push_str("title = \"A piece\"\n");
        }
        file.push_str(&text);
        for (name, table) in
            [("m1", ""), ("r1", "replicaof = \"m1\""), ("r2", "replicaof = \"m1\"")]
        {
            if !text.contains(&format!("[nodes.{name}]")) {
                file.push_str(&format!("[nodes.{name}]\n{table}\n"));
            }
        }
        if let Err(problems) = scenario::parse("readme", &format!("README.md:{line}"), &file) {
            panic!("{problems}");
        }
    }
}

#[test]
fn the_whole_scenario_does_what_it_says() {
    let whole: Vec<Block> =
        of("toml").into_iter().filter(|block| block.text.contains("title =")).collect();
    assert_eq!(whole.len(), 2, "one to learn from, one that was shrunk");
    for block in whole {
        let scenario = scenario::parse("readme", "README.md", &block.text)
            .unwrap_or_else(|problems| panic!("{problems}"));
        for seed in 1..=2 {
            scenario.seed(seed).run().assert_passed();
        }
    }
}

#[test]
fn commands_of_cargo_name_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = commands(&readme());
    assert!(
        all.iter().any(|line| line == "cargo test")
            && all.iter().any(|line| line == "cargo sim run")
    );
    for line in all {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["cargo", "test"] => {}
            ["cargo", "test", "--test", name, ..] => {
                assert!(root.join("tests").join(name).with_extension("rs").is_file(), "{line}");
                if let Some(exact) = words.iter().position(|word| *word == "--exact") {
                    let (file, seed) = words[exact + 1].split_once("::").expect("file::seed");
                    assert!(root.join("scenarios").join(file).with_extension("toml").is_file());
                    let seed: usize = seed.strip_prefix("seed_").unwrap().parse().unwrap();
                    assert!((1..=3).contains(&seed), "{line}");
                }
            }
            ["cargo", "bench", "--bench", name, ..] => {
                assert!(root.join(format!("tests/bench/{name}.rs")).is_file(), "{line}");
            }
            ["cargo", "bench", "-p", "replisim-sim", "--bench", name, ..] => {
                assert!(root.join(format!("sim/tests/bench/{name}.rs")).is_file(), "{line}");
            }
            ["cargo", "sim", ..] => {} // sim/tests/readme.rs
            ["cargo", "run", "--release", "--bin", "replisim-server", "--", _] => {} // below
            ["redis-cli", "-p", _] => {} // below
            _ => panic!("no test tries `{line}`"),
        }
    }
}

/// What each word typed at a prompt must print, `...` standing for any lines.
fn assert_printed(printed: &str, expected: &str) {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let mut at = 0;
    let mut skip = false;
    for line in expected.lines() {
        if line == "..." {
            skip = true;
            continue;
        }
        let rest = &printed[at..];
        let found = rest.iter().position(|printed| *printed == line);
        match found {
            Some(0) => at += 1,
            Some(n) if skip => at += n + 1,
            _ => panic!("expected `{line}`, got:\n{}", rest.join("\n")),
        }
        skip = false;
    }
}

#[test]
fn the_two_files_and_redis_cli() {
    let files = of("conf");
    assert_eq!(files.len(), 2);
    let (mut master, mut replica) =
        (Server::prepare(Program::Ours), Server::prepare(Program::Ours));
    let ports = [("6379", master.port.to_string()), ("6380", replica.port.to_string())];
    let here = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    };
    let directives: Vec<String> = files.iter().map(|block| here(&block.text)).collect();
    let lines = |index: usize| directives[index].lines().collect::<Vec<_>>();
    master.configure(&lines(0));
    replica.configure(&lines(1));
    master.launch();
    replica.launch();
    replica.wait_link_up();
    assert_eq!(replica.info("role"), "slave");

    if Command::new("redis-cli").arg("--version").output().is_err() {
        eprintln!(
            "skipped in part: the_two_files_and_redis_cli needs redis-cli, which is not installed"
        );
        return;
    }
    let session = readme()
        .into_iter()
        .find(|block| block.language == "console" && block.text.starts_with("$ redis-cli"))
        .expect("a session with redis-cli");
    let prompt = "127.0.0.1:6380> ";
    let typed: Vec<&str> = session.text.lines().filter_map(|l| l.strip_prefix(prompt)).collect();
    let answers: Vec<&str> =
        session.text.lines().skip(1).filter(|line| !line.starts_with(prompt)).collect();
    let mut cli = Command::new("redis-cli")
        .args(["-p", &ports[1].1, "--no-raw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(cli.stdin.take().unwrap(), "{}", typed.join("\n")).unwrap();
    let output = cli.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_printed(&printed, &here(&answers.join("\n")));
}
