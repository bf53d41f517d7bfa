//! redis-cli and redis-benchmark as Debian ships them, with our server at the other end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use redis::Commands;

use crate::support::{Program, Server, fill, is_installed, redis_is_installed, wait_until};

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

#[test]
fn stat_shows_a_line_each_interval() {
    if !is_installed("redis-cli", "stat_shows_a_line_each_interval") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    fill(&server, "k", 100);
    let mut shown = Running::start(cli(&server, &["--stat", "-i", "0.1"]));
    shown.wait_for("keys       mem      clients blocked requests");
    let columns = |line: String| -> Vec<String> {
        line.split_ascii_whitespace().map(str::to_owned).collect()
    };
    let first = columns(shown.wait_for("(+"));
    assert_eq!(first[0], "200", "{first:?}");
    assert!(first[1].ends_with('M') || first[1].ends_with('K'), "{first:?}");
    // Requests: those of this client itself at the least.
    let second = columns(shown.wait_for("(+"));
    assert_ne!(first[4], second[4]);
}

#[test]
fn hotkeys_are_refused_as_redis_does() {
    if !is_installed("redis-cli", "hotkeys_are_refused_as_redis_does") {
        return;
    }
    let ask = |program| {
        let server = Server::start(program, &[]);
        fill(&server, "k", 10);
        let Output { status, stdout, stderr } =
            cli(&server, &["--hotkeys"]).output().expect("redis-cli runs");
        let said = [stdout, stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        // What has been seen of the keys before differs.
        let error = said.lines().find(|line| line.contains("ERR")).unwrap_or_default().to_owned();
        (status.success(), error)
    };
    let ours = ask(Program::Ours);
    assert!(ours.1.contains("An LFU maxmemory policy is not selected"), "{ours:?}");
    if redis_is_installed("hotkeys_are_refused_as_redis_does") {
        assert_eq!(ours, ask(Program::Redis));
    }
}

#[test]
fn memkeys_finds_the_biggest() {
    if !is_installed("redis-cli", "memkeys_finds_the_biggest") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    fill(&server, "k", 100);
    server.query::<()>(&["SET", "biggest", &"x".repeat(50_000)]);
    let found = run(cli(&server, &["--memkeys"]));
    assert!(found.contains("Sampled 101 keys in the keyspace!"), "{found}");
    let summary = found.split("summary").nth(1).unwrap_or_default();
    assert!(summary.contains("biggest"), "{found}");
}

#[test]
fn a_unix_socket_serves_as_tcp_does() {
    if !is_installed("redis-cli", "a_unix_socket_serves_as_tcp_does") {
        return;
    }
    let mut server = Server::prepare(Program::Ours);
    let path = server.dir().join("socket");
    let path = path.to_str().unwrap().to_owned();
    server.configure(&[&format!("unixsocket {path}"), "unixsocketperm 700"]);
    server.launch();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let unix = |args: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-s", &path]).args(args).stdin(Stdio::null());
        run(command)
    };
    assert_eq!(unix(&["SET", "k", "by the socket"]), "OK\n");
    assert_eq!(server.query::<String>(&["GET", "k"]), "by the socket");
    let me = unix(&["CLIENT", "INFO"]);
    assert!(me.contains(&format!("addr={path}:0 laddr={path}:0")), "{me}");
    assert!(me.contains("flags=U"), "{me}");
    assert_eq!(unix(&["CONFIG", "GET", "unixsocketperm"]), "unixsocketperm\n700\n");
    if is_installed("redis-benchmark", "a_unix_socket_serves_as_tcp_does") {
        let mut command = Command::new("redis-benchmark");
        command.args(["-s", &path, "-n", "2000", "-c", "10", "-P", "8", "--csv", "-t", "set,get"]);
        let said = run(command);
        assert!(!said.contains("Error"), "{said}");
    }
    // A killed process leaves its socket behind: the next one takes its place.
    server.kill();
    assert!(std::fs::metadata(&path).is_ok());
    server.launch();
    assert_eq!(unix(&["PING"]), "PONG\n");
    // An end in order takes it away.
    server.terminate();
    assert!(std::fs::metadata(&path).is_err());
}

#[test]
fn a_unix_socket_alone_is_enough() {
    if !is_installed("redis-cli", "a_unix_socket_alone_is_enough") {
        return;
    }
    let mut server = Server::prepare(Program::Ours);
    let path = server.dir().join("socket");
    let path = path.to_str().unwrap().to_owned();
    server.configure(&["port 0", &format!("unixsocket {path}")]);
    server.spawn();
    wait_until("it serves", || {
        let mut command = Command::new("redis-cli");
        let output = command.args(["-s", &path, "PING"]).output().expect("redis-cli runs");
        output.stdout == b"PONG\n"
    });
    assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
}

/// The system's limit is 107 bytes; a file that is no socket is not ours to remove.
#[test]
fn a_unix_socket_that_cannot_be_is_said_with_its_path() {
    let long = format!("/tmp/{}", "x".repeat(120));
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "data").unwrap();
    for path in [long.as_str(), precious.to_str().unwrap(), "/no/such/folder/socket"] {
        let mut server = Server::prepare(Program::Ours);
        server.configure(&[&format!("unixsocket {path}")]);
        server.spawn();
        assert!(!server.wait_exit().success());
        let log = server.log();
        let told = format!("Failed opening Unix socket {path}: bind: ");
        assert!(log.contains(&told), "{log}");
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
}

/// One with every kind of command that it has a function for.
#[test]
fn the_redis_crate_works() {
    let server = Server::start(Program::Ours, &[]);
    let mut connection = server.connect().unwrap();
    let _: () = connection.set_ex("text", "value", 100).unwrap();
    let (text, ttl): (String, i64) =
        redis::pipe().atomic().get("text").ttl("text").query(&mut connection).unwrap();
    assert_eq!((text.as_str(), ttl), ("value", 100));
    let _: () = connection.hset_multiple("hash", &[("a", 1), ("b", 2)]).unwrap();
    let hash: std::collections::BTreeMap<String, u8> = connection.hgetall("hash").unwrap();
    assert_eq!(hash.into_iter().collect::<Vec<_>>(), [("a".into(), 1), ("b".into(), 2)]);
    let _: () = connection.rpush("list", &["x", "y", "z"]).unwrap();
    let list: Vec<String> = connection.lrange("list", 0, -1).unwrap();
    assert_eq!(list, ["x", "y", "z"]);
    let _: () = connection.zadd_multiple("zset", &[(1.5, "one"), (2.5, "two")]).unwrap();
    let scored: Vec<(String, f64)> = connection.zrange_withscores("zset", 0, -1).unwrap();
    assert_eq!(scored, [("one".into(), 1.5), ("two".into(), 2.5)]);
    let keys: Vec<String> = connection.scan().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(keys.len(), 4);
    let refused = connection.incr::<_, _, i64>("text", 1).unwrap_err();
    assert!(refused.to_string().contains("value is not an integer"), "{refused}");

    let mut listener = server.connect().unwrap();
    let mut channel = listener.as_pubsub();
    channel.subscribe("news").unwrap();
    let heard: usize = connection.publish("news", "rain").unwrap();
    assert_eq!(heard, 1);
    assert_eq!(channel.get_message().unwrap().get_payload::<String>().unwrap(), "rain");
}

/// All that it does when it is not told what.
#[test]
fn the_benchmark_runs_its_default_list() {
    if !is_installed("redis-benchmark", "the_benchmark_runs_its_default_list") {
        return;
    }
    let server = Server::start(Program::Ours, &[]);
    let mut command = Command::new("redis-benchmark");
    let port = server.port.to_string();
    command.args(["-p", &port, "-n", "300", "-c", "20", "--csv"]).stdin(Stdio::null());
    let said = run(command);
    assert!(!said.contains("Error") && !said.contains("ERR"), "{said}");
    let rows = said.lines().filter(|line| line.starts_with('"')).count();
    // A heading and a row each: 20 in 7.0.15.
    assert_eq!(rows, 1 + 20, "{said}");
}
