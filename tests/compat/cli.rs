//! redis-cli and redis-benchmark as Debian ships them, with our server at the other end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{Program, Server, fill, is_installed, wait_until};

fn cli(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &server.port.to_string()]).args(args).stdin(Stdio::null());
    command
}

#[track_caller]
fn run(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("redis-cli runs");
    let text = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{status}: {text}{}", String::from_utf8_lossy(&stderr));
    text
}

/// A program that runs until the test ends, and what it prints.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts"))
    }

    /// Reads lines up to one that contains `wanted`.
    fn wait_for(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        // A byte at a time, so that nothing is read past the line.
        let mut reader = BufReader::with_capacity(1, self.0.stdout.as_mut().expect("its output"));
        loop {
            let mut line = String::new();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "no {wanted:?} in {seen}");
            if line.contains(wanted) {
                return line;
            }
            seen.push_str(&line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn plain_commands_and_errors() {
    if !is_installed("redis-cli", "plain_commands_and_errors") {
        return;
    }
    let server = Server::start(Program::Ours, &["requirepass secret"]);
    let with =
        |args: &[&str]| run(cli(&server, &[&["-a", "secret", "--no-auth-warning"], args].concat()));
    assert_eq!(with(&["SET", "k", "a b"]), "OK\n");
    assert_eq!(with(&["--no-raw", "GET", "k"]), "\"a b\"\n");
    assert_eq!(with(&["--no-raw", "GET", "none"]), "(nil)\n");
    assert_eq!(with(&["--no-raw", "INCR", "n"]), "(integer) 1\n");
    assert_eq!(with(&["-n", "3", "SET", "other", "db"]), "OK\n");
    assert_eq!(with(&["-n", "3", "DBSIZE"]), "1\n");
    assert_eq!(with(&["-r", "3", "INCR", "n"]), "2\n3\n4\n");
    assert!(with(&["NOSUCH"]).starts_with("ERR unknown command 'NOSUCH'"));
    assert!(run(cli(&server, &["GET", "k"])).starts_with("NOAUTH"));
    assert!(with(&["INFO", "server"]).contains("redis_version:7.0.15"));
}

#[test]
fn scan_and_bigkeys() {
    if !is_installed("redis-cli", "scan_and_bigkeys") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    fill(&server, "k", 1000);
    server.query::<()>(&["SET", "biggest", &"x".repeat(5000)]);
    let keys = run(cli(&server, &["--scan", "--pattern", "k:*"]));
    let mut keys: Vec<&str> = keys.lines().collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 1000);
    let found = run(cli(&server, &["--bigkeys"]));
    assert!(found.contains("Biggest string found '\"biggest\"' has 5000 bytes"), "{found}");
    assert!(found.contains("Sampled 1001 keys in the keyspace!"), "{found}");
}

#[test]
fn pipe_takes_a_million_bytes_of_commands() {
    if !is_installed("redis-cli", "pipe_takes_a_million_bytes_of_commands") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    let mut child = cli(&server, &["--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli runs");
    let mut commands = String::new();
    for at in 0..20_000 {
        let key = format!("key:{at:08}");
        commands.push_str(&format!("*3\r\n$3\r\nSET\r\n$12\r\n{key}\r\n$4\r\nabcd\r\n"));
    }
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert!(said.contains("errors: 0, replies: 20000"), "{said}");
    assert_eq!(server.query::<usize>(&["DBSIZE"]), 20_000);
}

#[test]
fn rdb_fetches_a_file_that_redis_accepts() {
    if !is_installed("redis-cli", "rdb_fetches_a_file_that_redis_accepts") {
        return;
    }
    for diskless in ["yes", "no"] {
        let server = Server::start(Program::Ours, &[&format!("repl-diskless-sync {diskless}")]);
        fill(&server, "k", 2000);
        let path = server.dir().join("fetched.rdb");
        run(cli(&server, &["--rdb", path.to_str().unwrap()]));
        let checked = Command::new("redis-check-rdb").arg(&path).output().expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success() && said.contains("RDB looks OK!"), "{said}");
        assert!(said.contains("4000 keys read"), "{said}");
        wait_until("the client is gone", || server.info("connected_slaves") == "0");
    }
}

#[test]
fn replica_shows_the_stream() {
    if !is_installed("redis-cli", "replica_shows_the_stream") {
        return;
    }
    for diskless in ["yes", "no"] {
        let server = Server::start(Program::Ours, &[&format!("repl-diskless-sync {diskless}")]);
        fill(&server, "k", 100);
        let mut shown = Running::start(cli(&server, &["--replica"]));
        wait_until("it is online", || server.info("slave0").contains("state=online"));
        server.query::<()>(&["SET", "a", "b", "EX", "100"]);
        server.query::<()>(&["PUBLISH", "channel", "text"]);
        let line = shown.wait_for("\"SET\"");
        assert!(line.contains("\"PXAT\""), "{line}");
        let line = shown.wait_for("\"PUBLISH\"");
        assert!(line.contains("\"channel\""), "{line}");
    }
}

#[test]
fn monitor_shows_commands() {
    if !is_installed("redis-cli", "monitor_shows_commands") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    let mut shown = Running::start(cli(&server, &["MONITOR"]));
    shown.wait_for("OK");
    server.query::<()>(&["SET", "key", "with \"quotes\""]);
    let line = shown.wait_for("\"key\"");
    assert!(line.contains("[0 127.0.0.1:"), "{line}");
    assert!(line.trim_end().ends_with("\"SET\" \"key\" \"with \\\"quotes\\\"\""), "{line}");
}

#[test]
fn subscribers_hear_what_is_published_here_and_on_the_master() {
    let name = "subscribers_hear_what_is_published_here_and_on_the_master";
    if !is_installed("redis-cli", name) {
        return;
    }
    let master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&format!("replicaof 127.0.0.1 {}", master.port)]);
    replica.wait_link_up();
    let mut listeners: Vec<Running> = Vec::new();
    for server in [&master, &replica] {
        listeners.push(Running::start(cli(server, &["PSUBSCRIBE", "news.*"])));
        wait_until("it listens", || server.info("pubsub_patterns") == "1");
    }
    let before: u64 = master.info("master_repl_offset").parse().unwrap();
    assert_eq!(master.query::<usize>(&["PUBLISH", "news.today", "rain"]), 1);
    for listener in &mut listeners {
        listener.wait_for("rain");
    }
    replica.wait_in_sync(&master);
    assert!(master.info("master_repl_offset").parse::<u64>().unwrap() > before);
}

#[test]
fn latency_measures() {
    if !is_installed("redis-cli", "latency_measures") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    // Off a terminal it samples for a second and prints min, max, average and count.
    let said = run(cli(&server, &["--latency", "-i", "1"]));
    let samples: u64 = said.split_whitespace().nth(3).and_then(|word| word.parse().ok()).unwrap();
    assert!(samples > 10, "{said}");
}

/// What it does by default, as far as there are types for it.
const TESTS: &str = "ping_inline,ping_mbulk,set,get,incr,mset";

#[test]
fn the_benchmark_runs_without_an_error() {
    if !is_installed("redis-benchmark", "the_benchmark_runs_without_an_error") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    let mut command = Command::new("redis-benchmark");
    let port = server.port.to_string();
    command
        .args(["-p", &port, "-n", "1000", "-c", "20", "--csv", "-t", TESTS])
        .stdin(Stdio::null());
    let said = run(command);
    assert!(!said.contains("Error"), "{said}");
    let rows = said.lines().filter(|line| line.starts_with('"')).count();
    // A heading and a row each.
    assert_eq!(rows, 1 + TESTS.split(',').count(), "{said}");
}
