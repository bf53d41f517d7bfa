//! The standard run against turmoil alone: what the node, the transport, the recorder and all
//! invariants cost on top of the simulator that carries them.
//!
//! `cargo bench -p replisim-sim --bench standard_run [-- ROUNDS]`. Both sides have the same hosts
//! (a master, two replicas, a client), the same ticks, and for each write the same messages:
//! client to master, the reply, master to each replica. They alternate in one process and one
//! thread, and the table shows the median of their ratios; the times of a busy machine mean
//! nothing.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a bench reads the clock and prints its table"
)]

use std::time::{Duration, Instant, SystemTime};

use replisim_sim::report::Outcome;
use replisim_sim::run::{RunOptions, run_scenario};
use replisim_sim::scenario::{DEFAULT_TICK, ResolvedScenario, parse};
use replisim_sim::seed::Seed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

const SIMULATED: Duration = Duration::from_secs(60);
const WRITES_PER_SECOND: u32 = 50;
const MESSAGE_BYTES: usize = 100;
const PORT: u16 = 6379;

const STANDARD: &str = r#"
title = "The standard run"

[nodes.m1]

[nodes.r1]
replicaof = "m1"

[nodes.r2]
replicaof = "m1"

[config]
repl-diskless-sync-delay = 0

[workload]
rate = 50
value-bytes = 100

[[step]]
at = "15s"
partition = { between = ["m1", "r1"], kind = "reset", for = "5s" }

[[step]]
at = "35s"
restart = "r2"

[run]
duration = "60s"
"#;

fn main() {
    // Cargo hands `--bench` to every bench.
    let rounds =
        std::env::args().skip(1).find_map(|arg| arg.parse::<u64>().ok()).unwrap_or(9).max(1);
    let scenario = parse("standard", "standard.toml", STANDARD).expect("the scenario is valid");
    let before_kib = peak_kib();

    // The first round warms up the caches of both.
    standard(&scenario.resolve(Seed(0)));
    let after_kib = peak_kib();
    empty(0);

    let mut rows = Vec::new();
    for round in 1..=rounds {
        let (simulated, ours) = standard(&scenario.resolve(Seed(round)));
        let theirs = empty(round);
        // The run goes on until the cluster has converged.
        let ours_s = ours.as_secs_f64() / simulated.as_secs_f64();
        let theirs_s = theirs.as_secs_f64() / SIMULATED.as_secs_f64();
        rows.push((ours_s / theirs_s, 1.0 / ours_s, 1.0 / theirs_s));
    }
    let median = |column: fn(&(f64, f64, f64)) -> f64| {
        let mut all: Vec<f64> = rows.iter().map(column).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!("tick {DEFAULT_TICK:?}, {rounds} rounds, medians");
    println!("| | measured | aim |");
    println!("|---|---|---|");
    println!("| standard run / empty simulation, time | {:.2} | at most 2 |", median(|row| row.0));
    println!("| simulated seconds a second, standard run | {:.0} | 500 |", median(|row| row.1));
    println!("| simulated seconds a second, empty simulation | {:.0} | |", median(|row| row.2));
    match (before_kib, after_kib) {
        (Some(before), Some(after)) => println!(
            "| peak memory of a process with one standard run, MB | {:.1} ({:.1} before it) | under 100 |",
            after as f64 / 1024.0,
            before as f64 / 1024.0
        ),
        _ => println!("| peak memory | not known on this system | under 100 MB |"),
    }
}

/// One standard run; simulated and real time.
fn standard(scenario: &ResolvedScenario) -> (Duration, Duration) {
    let start = Instant::now();
    let report = run_scenario(scenario, &RunOptions::default());
    let took = start.elapsed();
    assert_eq!(report.outcome, Outcome::Pass, "{:?} {:?}", report.violations, report.error);
    (report.sim_time, took)
}

/// turmoil with the same hosts and messages, and nothing else.
fn empty(seed: u64) -> Duration {
    let start = Instant::now();
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .tick_duration(DEFAULT_TICK)
        .simulation_duration(Duration::MAX)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(2))
        .build();
    for replica in ["r1", "r2"] {
        sim.host(replica, || async {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            let (mut stream, _) = listener.accept().await?;
            let mut message = [0; MESSAGE_BYTES];
            loop {
                stream.read_exact(&mut message).await?;
            }
        });
    }
    sim.host("m1", || async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let mut r1 = TcpStream::connect(("r1", PORT)).await?;
        let mut r2 = TcpStream::connect(("r2", PORT)).await?;
        let (mut stream, _) = listener.accept().await?;
        let mut message = [0; MESSAGE_BYTES];
        loop {
            stream.read_exact(&mut message).await?;
            stream.write_all(&message).await?;
            r1.write_all(&message).await?;
            r2.write_all(&message).await?;
        }
    });
    sim.client("client", async {
        let mut message = [0; MESSAGE_BYTES];
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut stream = TcpStream::connect(("m1", PORT)).await?;
        loop {
            let due = tokio::time::Instant::now() + Duration::from_secs(1) / WRITES_PER_SECOND;
            stream.write_all(&message).await?;
            stream.read_exact(&mut message).await?;
            tokio::time::sleep_until(due).await;
        }
    });
    while sim.elapsed() < SIMULATED {
        sim.step().expect("nothing fails in an empty simulation");
    }
    start.elapsed()
}

/// Most memory this process has had at any time, where Linux tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
