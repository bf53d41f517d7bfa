//! `[nodes.NAME]`, `[config]`, `[network]`.

use std::collections::BTreeSet;

use crate::kit::{PAIR, passes, run_with};

#[test]
fn nodes_replicaof() {
    let ran = passes(&format!(
        "{PAIR}[nodes.m2]\n[expect.info]\nm2 = {{ role = \"master\", connected_slaves = 0 }}
r1 = {{ role = \"slave\", master_host = \"m1\", master_port = 6379 }}
[run]\nduration = \"5s\"\n"
    ));
    assert_eq!(ran.links("r1", "Connected").len(), 1);
    assert_eq!(ran.links("m2", "Connected").len(), 0);
}

#[test]
fn nodes_starts() {
    let text = "title = \"t\"\n[nodes.m1]\n[nodes.r1]\nreplicaof = \"m1\"\nstarts = \"1s..3s\"\n[run]\nduration = \"5s\"\n";
    let starts: BTreeSet<u64> =
        (1..=4).map(|seed| run_with(text, seed).times("r1", "started")[0]).collect();
    assert!(starts.iter().all(|at| (1000..=3020).contains(at)), "{starts:?}");
    assert!(starts.len() > 1, "each seed draws its own: {starts:?}");
}

#[test]
fn no_time_passes_while_a_node_computes() {
    let ran = passes(
        "title = \"t\"\n[nodes.m1]\nstarts = \"1s\"\n[[step]]\nat = \"2s\"\n\
         command = { node = \"m1\", send = \"SET k v\", expect = \"OK\" }\n[[step]]\nat = \"3s\"\n\
         command = { node = \"m1\", send = \"INFO commandstats\" }\n[run]\nduration = \"4s\"\n",
    );
    let stats = &ran.executed("m1", "INFO")[0].reply;
    assert!(stats.contains("cmdstat_set:calls=1,usec=0,"), "{stats}");
}

#[test]
fn nodes_config() {
    passes(
        r#"
title = "Its own directives win"
[nodes.m1]
config = { repl-timeout = 33, repl-disable-tcp-nodelay = true }
[nodes.m2]
[config]
repl-timeout = 44
replica-serve-stale-data = false
client-output-buffer-limit = "replica 1mb 512kb 60"
[[step]]
at = "1s"
command = { node = "m1", send = "CONFIG GET repl-timeout", expect = "repl-timeout\n33" }
[[step]]
at = "1s"
command = { node = "m2", send = "CONFIG GET repl-timeout", expect = "repl-timeout\n44" }
[[step]]
at = "1s"
command = { node = "m1", send = "CONFIG GET repl-disable-tcp-nodelay", expect = "repl-disable-tcp-nodelay\nyes" }
[[step]]
at = "1s"
command = { node = "m1", send = "CONFIG GET replica-serve-stale-data", expect = "replica-serve-stale-data\nno" }
[[step]]
at = "1s"
command = { node = "m2", send = "CONFIG GET client-output-buffer-limit", expect = "client-output-buffer-limit\nnormal 0 0 0 slave 1048576 524288 60 pubsub 33554432 8388608 60" }
[run]
duration = "3s"
"#,
    );
}

#[test]
fn config_one_of_is_drawn_by_each_seed() {
    let text = "title = \"t\"\n[nodes.m1]\n[config]\nrepl-timeout = { one-of = [11, 12] }\n[[step]]\nat = \"1s\"\ncommand = { node = \"m1\", send = \"CONFIG GET repl-timeout\" }\n[run]\nduration = \"2s\"\n";
    let drawn: BTreeSet<String> = (1..=12)
        .map(|seed| run_with(text, seed).executed("m1", "CONFIG")[0].reply.clone())
        .collect();
    assert_eq!(drawn.len(), 2, "{drawn:?}");
}

/// Milliseconds until the client's first write is executed.
fn first_write(latency: &str) -> u64 {
    let ran = passes(&format!(
        "{PAIR}[network]\nlatency = \"{latency}\"\n[workload]\n[run]\nduration = \"5s\"\n"
    ));
    ran.writes("m1")[0].at_ms
}

#[test]
fn network_latency() {
    // SYN, and then the command.
    assert!(first_write("1ms") < 100);
    assert!((200..400).contains(&first_write("100ms..120ms")));
}

#[test]
fn network_bandwidth() {
    let written = |bandwidth: &str| {
        let ran = passes(&format!(
            "{PAIR}[network]\nbandwidth = \"{bandwidth}\"\n[workload]\nvalue-bytes = \"50kb\"\ndeletes = 0\nincrements = 0\n[run]\nduration = \"10s\"\n"
        ));
        ran.writes("m1").len()
    };
    // Two values a second fit through, fifty are asked for.
    assert!((8..=25).contains(&written("100kb/s")), "{}", written("100kb/s"));
    assert!(written("100MB/s") > 400);
}

#[test]
fn network_segment() {
    let pieces = |segment: &str| {
        let ran = passes(&format!(
            "{PAIR}[network]\nsegment = \"{segment}\"\nbandwidth = \"40kb/s\"\n[workload]\nrate = 200\npipeline = 20\n[run]\nduration = \"5s\"\n"
        ));
        // Commands of one segment are applied at one time.
        ran.times("r1", "stream").into_iter().collect::<BTreeSet<_>>().len()
    };
    let (small, large) = (pieces("16"), pieces("64kb"));
    assert!(small > large * 2, "{small} times with small segments, {large} with large ones");
}
