//! The server against Debian's redis-server: the same work for both, one after the other in every
//! round, on free ports of the loopback.
//!
//! `cargo bench --bench server [-- ROUNDS [KEYS]]`. Prints the median over the rounds of ours
//! divided by Redis's; the numbers of a busy machine mean nothing by themselves. Skips, and says
//! so, where redis-server or redis-benchmark is missing.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a bench reads the clock, starts processes and prints its table"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const OURS: &str = env!("CARGO_BIN_EXE_replisim-server");
const PATIENCE: Duration = Duration::from_secs(120);

/// A server on a free port, with a folder of its own; both are gone when it is dropped.
struct Server {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(program: &str, directives: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let child = Command::new(program)
            .args(["--save", "", "--enable-debug-command", "yes", "--port", &port.to_string()])
            .args(["--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0", "--dir"])
            .arg(dir.path())
            .args(directives)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { child, port, _dir: dir };
        // A server that listens may still be loading, and then answers `-LOADING`.
        let start = Instant::now();
        while !server.answers() {
            assert!(start.elapsed() < PATIENCE, "{program} does not answer");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Whether it takes commands.
    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port))
            .is_ok_and(|stream| Client(BufReader::new(stream)).call(&["PING"]) == "+PONG")
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Client(BufReader::new(stream))
    }

    /// Memory of the process, bytes.
    fn resident_bytes(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the status of a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok());
        kib.expect("a number") * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; either way it is no more afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// One command; its reply, or an error reply's text, as text.
    fn call(&mut self, args: &[&str]) -> String {
        let mut out = format!("*{}\r\n", args.len());
        for arg in args {
            out.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
        }
        self.0.get_mut().write_all(out.as_bytes()).expect("a command is sent");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a reply");
        let Some(length) = line.strip_prefix('$') else {
            return line.trim_end().to_owned();
        };
        let Ok(length) = length.trim_end().parse::<usize>() else {
            return String::new();
        };
        let mut body = vec![0; length + 2];
        self.0.read_exact(&mut body).expect("a whole reply");
        body.truncate(length);
        String::from_utf8_lossy(&body).into_owned()
    }

    fn ok(&mut self, args: &[&str]) {
        let reply = self.call(args);
        assert!(reply.starts_with('+'), "{args:?}: {reply}");
    }
}

/// What one server did; rates are better high, all else is better low.
#[derive(Default)]
struct Figures(Vec<(&'static str, bool, f64)>);

impl Figures {
    fn rate(&mut self, name: &'static str, value: f64) {
        self.0.push((name, true, value));
    }
    fn cost(&mut self, name: &'static str, value: f64) {
        self.0.push((name, false, value));
    }
}

fn commands_per_second(server: &Server, command: &str, pipeline: u32) -> f64 {
    let requests = if pipeline > 1 { "1000000" } else { "200000" };
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port.to_string(), "-t", command, "-n", requests, "-r", "100000"])
        .args(["-d", "100", "-c", "50", "-P", &pipeline.to_string(), "--csv"])
        .output()
        .expect("redis-benchmark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let row = text.lines().last().unwrap_or_default();
    let rate = row.split(',').nth(1).and_then(|field| field.trim_matches('"').parse().ok());
    rate.unwrap_or_else(|| panic!("redis-benchmark said {text:?}"))
}

/// Seconds of a full sync, and the 99th percentile of GET at the master during it, seconds.
fn full_sync(program: &str, master: &Server, diskless: bool) -> (f64, f64) {
    let (send, load) = if diskless { ("yes", "swapdb") } else { ("no", "disabled") };
    master.client().ok(&["CONFIG", "SET", "repl-diskless-sync", send]);
    let replica = Server::start(program, &["--repl-diskless-load", load]);
    let over = Arc::new(AtomicBool::new(false));
    let (mut prober, stop) = (master.client(), over.clone());
    let probe = thread::spawn(move || {
        let mut latencies = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            let value = prober.call(&["GET", "key:1"]);
            latencies.push(start.elapsed().as_secs_f64());
            assert!(value.starts_with("value:"), "{value}");
            thread::sleep(Duration::from_micros(200));
        }
        latencies
    });
    let mut client = replica.client();
    let start = Instant::now();
    client.ok(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    while !client.call(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(start.elapsed() < PATIENCE, "the full sync does not end");
        thread::sleep(Duration::from_millis(5));
    }
    let took = start.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let mut latencies = probe.join().expect("the prober ends");
    latencies.sort_by(f64::total_cmp);
    assert_eq!(client.call(&["DBSIZE"]), master.client().call(&["DBSIZE"]));
    (took, latencies[latencies.len() * 99 / 100])
}

fn measure(program: &str, keys: u64) -> Figures {
    let mut figures = Figures::default();
    {
        let server = Server::start(program, &[]);
        figures.rate("SET, commands a second", commands_per_second(&server, "set", 1));
        figures.rate("GET, commands a second", commands_per_second(&server, "get", 1));
        figures.rate("SET, 16 in a pipeline", commands_per_second(&server, "set", 16));
        figures.rate("GET, 16 in a pipeline", commands_per_second(&server, "get", 16));
    }
    let master = Server::start(program, &[]);
    let empty = master.resident_bytes();
    master.client().ok(&["DEBUG", "POPULATE", &keys.to_string()]);
    figures.cost("memory a key", (master.resident_bytes() - empty) / keys as f64);
    let (time, p99) = full_sync(program, &master, false);
    figures.cost("full sync by disk, time", time);
    figures.cost("p99 of GET meanwhile", p99);
    let (time, p99) = full_sync(program, &master, true);
    figures.cost("full sync diskless, time", time);
    figures.cost("p99 of GET meanwhile, diskless", p99);
    figures
}

fn main() {
    for program in ["redis-server", "redis-benchmark"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("skipped: {program} is not installed");
            return;
        }
    }
    // Cargo hands `--bench` to every bench.
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(3).max(1);
    let keys = numbers.get(1).copied().unwrap_or(1_000_000);

    let mut ratios: Vec<Vec<f64>> = Vec::new();
    let mut names = Vec::new();
    for round in 1..=rounds {
        let (ours, theirs) = (measure(OURS, keys), measure("redis-server", keys));
        ratios.resize(ours.0.len(), Vec::new());
        names.clear();
        for (row, (ours, theirs)) in ours.0.iter().zip(&theirs.0).enumerate() {
            ratios[row].push(ours.2 / theirs.2);
            names.push((ours.0, ours.1));
            eprintln!("round {round}: {}: {} against {}", ours.0, ours.2, theirs.2);
        }
    }
    println!("{keys} keys, {rounds} rounds, medians");
    println!("| | replisim / redis | better is |");
    println!("|---|---|---|");
    for ((name, rate), mut ratios) in names.into_iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        let better = if rate { "high" } else { "low" };
        println!("| {name} | {:.2} | {better} |", ratios[ratios.len() / 2]);
    }
}
