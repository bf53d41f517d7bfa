//! Steps about links, processes and clocks.

use std::collections::BTreeSet;

use crate::kit::{PAIR, Ran, passes, run};

/// A pair with a writer, and steps; 30 seconds.
fn with(steps: &str) -> Ran {
    passes(&text(steps))
}

fn text(steps: &str) -> String {
    format!(
        "{PAIR}repl-timeout = 8\nrepl-ping-replica-period = 2\n[workload]\nrate = 50\n{steps}\n[run]\nduration = \"30s\"\n"
    )
}

fn at(seconds: u64, action: &str) -> String {
    format!("[[step]]\nat = \"{seconds}s\"\n{action}\n")
}

/// When r1 was following, and when it lost its master, in seconds.
fn story(ran: &Ran) -> (Vec<u64>, Vec<u64>) {
    let seconds = |times: Vec<u64>| times.into_iter().map(|ms| ms / 1000).collect();
    let mut lost = ran.links("r1", "Connect");
    lost.retain(|ms| *ms > 4000);
    (seconds(ran.links("r1", "Connected")), seconds(lost))
}

#[test]
fn step_partition() {
    let cut = |links: &str, kind: &str| {
        with(&at(5, &format!("partition = {{ {links}, kind = \"{kind}\", for = \"4s\" }}")))
    };
    let between = "between = [\"m1\", \"r1\"]";
    // Stall: nothing arrives, then all of it; the connection lives.
    let stall = cut(between, "stall");
    assert_eq!(story(&stall), (vec![0], vec![]));
    assert_eq!(stall.stream("r1", 5100..=8990), 0);
    assert!(stall.stream("r1", 9000..=9500) > 0);
    // Reset: lost at once, and not to be had again before the end.
    let reset = cut(between, "reset");
    let (connected, lost) = story(&reset);
    assert!(connected == [0, 9] || connected == [0, 10], "{connected:?}");
    assert_eq!(lost[0], 5);
    assert_eq!(reset.stream("r1", 5100..=8990), 0);
    // Blackhole: what was sent is lost for good, and nobody says so until the timeout.
    let hole = cut(between, "blackhole");
    let (connected, lost) = story(&hole);
    assert!(lost[0] >= 11 && connected.len() == 2, "{connected:?} {lost:?}");
    assert_eq!(hole.stream("r1", 5100..=11_000), 0);
    // One way: what r1 sends still arrives.
    let acks = |ran: &Ran| {
        ran.times("m1", "ack-received").into_iter().filter(|ms| (5500..8900).contains(ms)).count()
    };
    let one_way = cut("from = \"m1\", to = \"r1\"", "stall");
    assert!(acks(&one_way) >= 2 && one_way.stream("r1", 5100..=8990) == 0);
    let other_way = cut("from = \"r1\", to = \"m1\"", "stall");
    assert!(acks(&other_way) == 0 && other_way.stream("r1", 5100..=8990) > 50);
    // All links of a node: its clients' too.
    let alone = cut("node = \"m1\"", "stall");
    assert_eq!(alone.writes("m1").iter().filter(|e| (5100..8990).contains(&e.at_ms)).count(), 0);
    // A client is a host like others.
    let client = cut("between = [\"client1\", \"m1\"]", "stall");
    assert_eq!(client.writes("m1").iter().filter(|e| (5100..8990).contains(&e.at_ms)).count(), 0);
    assert_eq!(story(&client), (vec![0], vec![]));
}

#[test]
fn step_heal() {
    for what in ["\"all\"", "\"r1\"", "{ between = [\"m1\", \"r1\"] }", "{ node = [\"m1\"] }"] {
        let cut = at(5, "partition = { between = [\"m1\", \"r1\"], kind = \"stall\" }");
        let ran = with(&(cut + &at(8, &format!("heal = {what}"))));
        assert_eq!(ran.stream("r1", 5100..=7990), 0, "{what}");
        assert!(ran.stream("r1", 8000..=9000) > 20, "{what}");
    }
    // Only what it names.
    let cut = at(5, "partition = { between = [\"m1\", \"r1\"], kind = \"stall\" }");
    let one_way = cut + &at(8, "heal = { from = \"r1\", to = \"m1\" }") + &at(12, "heal = \"all\"");
    assert_eq!(with(&one_way).stream("r1", 5100..=11_990), 0);
}

#[test]
fn step_slow() {
    let acks = |ran: &Ran, from: u64, to: u64| {
        ran.times("r1", "stream").into_iter().filter(|ms| (from..to).contains(ms)).count()
    };
    // Latency: the stream comes later, and no less of it.
    let late =
        with(&at(5, "slow = { between = [\"m1\", \"r1\"], latency = \"2s\", for = \"10s\" }"));
    assert_eq!(acks(&late, 5100, 6990), 0);
    assert!(acks(&late, 7100, 10_000) > 50);
    // Bandwidth: less of it.
    let thin =
        with(&at(5, "slow = { between = [\"m1\", \"r1\"], bandwidth = \"1kb/s\", for = \"10s\" }"));
    let behind = |ran: &Ran, at_ms: u64| {
        let offset = |node: &str| {
            let mut until = ran.events(node, "stream");
            until.retain(|e| e["t_us"].as_u64().is_some_and(|t| t <= at_ms * 1000));
            until.last().and_then(|e| e["offset"].as_u64()).unwrap_or(0)
        };
        offset("m1") - offset("r1")
    };
    assert!(behind(&thin, 4900) < 2_000, "{}", behind(&thin, 4900));
    assert!(behind(&thin, 14_900) > 30_000, "{}", behind(&thin, 14_900));
    assert!(behind(&thin, 16_500) < 2_000, "{}", behind(&thin, 16_500));
    // Segments: what is in one is applied at one time.
    let pieces = |segment: u32| {
        let slow =
            format!("slow = {{ node = \"r1\", bandwidth = \"40kb/s\", segment = {segment} }}");
        let workload = "[workload]\nrate = 200\npipeline = 20\n";
        let ran = passes(&format!("{PAIR}{workload}{}[run]\nduration = \"10s\"\n", at(5, &slow)));
        let times = ran.times("r1", "stream").into_iter().filter(|ms| (5100..10_000).contains(ms));
        times.collect::<BTreeSet<_>>().len()
    };
    assert!(pieces(60) > pieces(60_000), "{} {}", pieces(60), pieces(60_000));
}

#[test]
fn step_full_speed() {
    for what in
        ["\"all\"", "\"r1\"", "{ between = [\"m1\", \"r1\"] }", "{ from = \"m1\", to = \"r1\" }"]
    {
        let slow = at(5, "slow = { between = [\"m1\", \"r1\"], latency = \"5s\" }");
        let ran = with(&(slow + &at(8, &format!("full-speed = {what}"))));
        assert_eq!(ran.stream("r1", 5100..=7990), 0, "{what}");
        assert!(ran.stream("r1", 8000..=9000) > 20, "{what}");
    }
}

#[test]
fn step_kill() {
    let ran = with(&at(5, "kill = { node = \"r1\", for = \"3s\" }"));
    let starts = ran.times("r1", "started");
    assert!(starts.len() == 2 && (8000..8100).contains(&starts[1]), "{starts:?}");
    assert_eq!(ran.events("r1", "exiting").len(), 0);
    assert_eq!(with(&at(5, "kill = \"r1\"")).times("r1", "started").len(), 1, "it stays down");
    let both = with(&(at(5, "kill = [\"r1\", \"m1\"]") + &at(7, "start = [\"r1\", \"m1\"]")));
    assert_eq!((both.times("r1", "started").len(), both.times("m1", "started").len()), (2, 2));
}

#[test]
fn step_shutdown() {
    let text = |save: &str| {
        format!(
            "title = \"t\"\n[nodes.m1]\nconfig = {{ save = \"{}\" }}\n[workload]\nstop = \"3s\"\n{}[run]\nduration = \"10s\"\n",
            if save.contains("points") { "3600 1" } else { "" },
            at(
                4,
                &format!(
                    "shutdown = {{ node = \"m1\", {} for = \"2s\" }}",
                    save.replace("points", "")
                )
            )
        )
    };
    let loaded = |save: &str| {
        let ran = passes(&text(save));
        let starts = ran.events("m1", "started");
        assert_eq!(starts.len(), 2);
        assert_eq!(ran.events("m1", "exiting").len(), 1);
        starts[1]["loaded"] == true
    };
    assert!(loaded("save = true,"));
    assert!(!loaded("save = false,"));
    assert!(!loaded(""), "no save points, nothing saved");
    assert!(loaded("points"), "the save points decide");
    assert!(!loaded("points save = false,"));
}

#[test]
fn step_start() {
    let ran = with(
        &(at(5, "kill = \"r1\"") + &at(9, "start = \"r1\"") + &at(12, "start = [\"m1\", \"r1\"]")),
    );
    let starts = ran.times("r1", "started");
    assert!(starts.len() == 2 && (9000..9100).contains(&starts[1]), "{starts:?}");
    assert_eq!(ran.times("m1", "started").len(), 1, "one that runs is left alone");
}

#[test]
fn step_restart() {
    let ran = with(&at(5, "restart = \"r1\""));
    let starts = ran.times("r1", "started");
    assert!(starts.len() == 2 && (5000..6000).contains(&starts[1]), "{starts:?}");
    assert_eq!(ran.executed("r1", "SHUTDOWN").len(), 1);
    let down = with(&(at(5, "kill = \"r1\"") + &at(8, "restart = \"r1\"")));
    let starts = down.times("r1", "started");
    assert!(starts.len() == 2 && (8000..8100).contains(&starts[1]), "one that is down is started");
}

#[test]
fn step_pause() {
    let ran = with(&at(5, "pause = { node = \"r1\", for = \"3s\" }"));
    assert_eq!(ran.stream("r1", 5050..=7990), 0);
    assert!(ran.stream("r1", 8000..=8500) > 0, "all of it comes afterwards");
    assert_eq!(ran.times("r1", "started").len(), 1);
    assert_eq!(story(&ran), (vec![0], vec![]));
}

#[test]
fn step_resume() {
    let ran = with(&(at(5, "pause = \"r1\"") + &at(9, "resume = \"r1\"")));
    assert_eq!(ran.stream("r1", 5050..=8990), 0);
    assert!(ran.stream("r1", 9000..=9500) > 0);
}

#[test]
fn step_lag() {
    let ran = with(&at(5, "lag = { node = \"r1\", for = \"4s\" }"));
    // One byte a second: no whole command.
    assert_eq!(ran.stream("r1", 5100..=8990), 0);
    let acks = ran.times("m1", "ack-received").into_iter().filter(|ms| (5500..8900).contains(ms));
    assert!(acks.count() >= 2, "it lives, and says so");
    assert!(ran.stream("r1", 9000..=10_000) > 20);
    let some = with(&at(5, "lag = { node = \"r1\", read = \"2kb/s\", for = \"4s\" }"));
    let bytes: u64 = {
        let in_time = |e: &&serde_json::Value| {
            e["t_us"].as_u64().is_some_and(|t| (5_100_000..8_990_000).contains(&t))
        };
        let stream = some.events("r1", "stream");
        stream.iter().copied().filter(in_time).filter_map(|e| e["bytes"].as_u64()).sum()
    };
    assert!((4_000..=9_000).contains(&bytes), "{bytes}");
}

#[test]
fn step_catch_up() {
    let ran = with(&(at(5, "lag = \"r1\"") + &at(8, "catch-up = \"r1\"")));
    assert_eq!(ran.stream("r1", 5100..=7990), 0);
    assert!(ran.stream("r1", 8000..=9000) > 20);
}

#[test]
fn step_clock_jump() {
    let ttl = |by: &str| {
        let steps = at(4, "command = { node = \"m1\", send = \"SET a 1 EX 100\" }")
            + &at(5, &format!("clock-jump = {{ node = \"m1\", by = \"{by}\" }}"))
            + &at(6, "command = { node = \"m1\", send = \"TTL a\" }");
        with(&steps).executed("m1", "TTL")[0].reply.trim().to_owned()
    };
    assert_eq!(ttl("+40s"), ":58");
    assert_eq!(ttl("-40s"), ":138");
    assert_eq!(ttl("+1h"), ":-2", "the key has expired");
}

#[test]
fn a_fault_of_a_node_that_is_down_is_no_error() {
    let steps = at(5, "kill = \"r1\"")
        + &at(6, "pause = \"r1\"")
        + &at(6, "kill = \"r1\"")
        + &at(7, "resume = \"r1\"")
        + &at(7, "power-cut = \"r1\"")
        + &at(8, "clock-jump = { node = \"r1\", by = \"+1s\" }")
        + &at(8, "full-disk = \"r1\"")
        + &at(9, "disk-ok = \"r1\"")
        + &at(10, "start = \"r1\"");
    let ran = run(&text(&steps));
    ran.report.assert_passed();
    assert_eq!(ran.times("r1", "started").len(), 2);
}
