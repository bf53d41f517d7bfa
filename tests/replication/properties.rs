//! Properties of the backlog, of the psync decision, and of cores that talk to each other.

use crate::cluster::Cluster;
use proptest::prelude::*;
use replisim::event::PsyncAnswer;
use replisim::replication::backlog::{Backlog, MIN_BACKLOG_BYTES};
use replisim::replication::psync::{AskedId, History, Request, decide};
use replisim::replication::{BacklogInfo, Offset, ReplicationId};

const fn id(number: u8) -> ReplicationId {
    ReplicationId::from_bytes([number; 20])
}

// --- the backlog against a plain vector

proptest! {
    /// All bytes ever written, in a vector: whatever the backlog says it holds is a copy of it,
    /// it holds at least what is configured or all there is, and never a block more than needed.
    #[test]
    fn backlog_is_the_end_of_the_stream(
        start in 0u64..1000,
        size in 1u64..80_000,
        writes in prop::collection::vec((1usize..30_000, prop::option::of(0u64..100_000)), 1..20),
    ) {
        let mut model: Vec<u8> = Vec::new();
        let mut backlog = Backlog::new(Offset(start), size);
        let size = size.max(MIN_BACKLOG_BYTES);
        let mut slowest: Option<Offset> = None;
        for (length, behind) in writes {
            let bytes: Vec<u8> = (0..length).map(|i| ((model.len() + i) * 31 % 251) as u8).collect();
            model.extend_from_slice(&bytes);
            backlog.append(&bytes);
            backlog.trim(slowest);
            let info = backlog.info();
            let end = start + model.len() as u64;
            prop_assert_eq!(backlog.end(), Offset(end));
            prop_assert_eq!(info.first.0 + info.histlen, end + 1);
            prop_assert!(info.histlen >= size.min(model.len() as u64));
            let held_for = slowest.map_or(info.histlen, |cursor| end - cursor.0);
            prop_assert!(info.histlen <= size.max(held_for) + 2 * MIN_BACKLOG_BYTES);
            if let Some(cursor) = slowest {
                prop_assert!(backlog.holds_after(cursor));
            }
            let first = info.first.0 - 1;
            prop_assert!(backlog.holds_after(Offset(first)));
            prop_assert!(first == start || !backlog.holds_after(Offset(first - 1)));
            prop_assert!(!backlog.holds_after(Offset(end + 1)));
            prop_assert_eq!(backlog.copy_after(Offset(first)), &model[(first - start) as usize..]);
            // A cursor anywhere in it reads on from there.
            let cursor = end.saturating_sub(behind.unwrap_or(0)).max(first);
            prop_assert_eq!(backlog.copy_after(Offset(cursor)), &model[(cursor - start) as usize..]);
            slowest = behind.map(|_| Offset(cursor));
        }
    }
}

// --- the decision against brute force

/// Whether a partial resync is right, said the long way: the replica's data is a beginning of
/// ours, and each single byte that it lacks is in the backlog.
fn continue_is_right(history: &History, request: &Request) -> bool {
    let AskedId::Id(asked) = request.id else {
        return false;
    };
    let Some(backlog) = history.backlog else {
        return false;
    };
    let held: Vec<i64> = (0..backlog.histlen).map(|i| (backlog.first.0 + i) as i64).collect();
    let end = (backlog.first.0 + backlog.histlen) as i64 - 1;
    let has = request.first_byte - 1;
    let common_up_to = if asked == history.id {
        end
    } else {
        match history.second {
            Some((second, last)) if second == asked => last.0 as i64,
            _ => return false,
        }
    };
    let is_a_beginning = has >= 0 && has <= common_up_to;
    let mut lacking = request.first_byte..=end;
    is_a_beginning && has <= end && lacking.all(|byte| held.contains(&byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn psync_continues_exactly_when_it_may(
        second in prop::option::weighted(0.8, (0u8..2, 0u64..30)),
        backlog in prop::option::weighted(0.9, (1u64..20, 0u64..20)),
        asked in 0u8..5,
        edge in 0usize..3,
        distance in -2i64..=2,
        anywhere in prop::option::weighted(0.2, -2i64..45),
    ) {
        let own = 0;
        let backlog = backlog.map(|(first, histlen)| BacklogInfo { first: Offset(first), histlen, size: 20 });
        // A second id ends where the node stood when it took its present one: not in the future.
        let end = backlog.map_or(30, |b| b.first.0 + b.histlen - 1);
        let second = second.map(|(n, last)| (id(1 + n), Offset(last.min(end))));
        let asked = match asked {
            0..3 => AskedId::Id(id(asked)),
            3 => AskedId::Nothing,
            _ => AskedId::Garbage,
        };
        // Mostly around the places where one byte more or less makes the difference: numbers
        // from anywhere would meet such a place once in thousands of cases.
        let edges = [
            backlog.map_or(1, |b| b.first.0),
            end + 1,
            second.map_or(1, |(_, last)| last.0 + 1),
        ];
        let first_byte = anywhere.unwrap_or(edges[edge] as i64 + distance);
        let history = History { id: id(own), second, backlog };
        let request = Request { id: asked, first_byte };
        let answer = decide(&history, &request);
        let continues = matches!(answer, PsyncAnswer::Continue { .. });
        prop_assert_eq!(continues, continue_is_right(&history, &request), "{:?}", answer);
        if let PsyncAnswer::Continue { id, from } = answer {
            prop_assert_eq!(id, history.id);
            prop_assert_eq!(from.0 as i64 + 1, first_byte);
        }
    }
}

// --- cores against each other

#[derive(Debug, Clone)]
enum Step {
    Write { node: usize, db: u32 },
    Transaction { node: usize },
    Fill { node: usize, bytes: usize },
    Deliver { link: usize, to_replica: bool, bytes: usize },
    Pump,
    Tick,
    Cut { link: usize },
    ReplicaOf { replica: usize, master: usize },
    NoOne { node: usize },
    Save { node: usize },
    Restart { node: usize, master: Option<usize> },
    FinishSnapshot { node: usize, well: bool },
    FinishLoad { node: usize, well: bool },
}

const NODES: [&str; 3] = ["A", "B", "C"];

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..NODES.len();
    prop_oneof![
        40 => (node(), 0u32..3).prop_map(|(node, db)| Step::Write { node, db }),
        40 => node().prop_map(|node| Step::Transaction { node }),
        4 => (node(), 1usize..20_000).prop_map(|(node, bytes)| Step::Fill { node, bytes }),
        60 => (0usize..4, any::<bool>(), 1usize..200)
            .prop_map(|(link, to_replica, bytes)| Step::Deliver { link, to_replica, bytes }),
        40 => Just(Step::Pump),
        20 => Just(Step::Tick),
        12 => (0usize..4).prop_map(|link| Step::Cut { link }),
        4 => (node(), node()).prop_map(|(replica, master)| Step::ReplicaOf { replica, master }),
        2 => node().prop_map(|node| Step::NoOne { node }),
        4 => node().prop_map(|node| Step::Save { node }),
        2 => (node(), prop::option::of(node()))
            .prop_map(|(node, master)| Step::Restart { node, master }),
        16 => (node(), prop::bool::weighted(0.9))
            .prop_map(|(node, well)| Step::FinishSnapshot { node, well }),
        16 => (node(), prop::bool::weighted(0.9))
            .prop_map(|(node, well)| Step::FinishLoad { node, well }),
    ]
}

fn perform(c: &mut Cluster, step: &Step, count: usize) {
    let link = |c: &Cluster, index: usize| c.conns.keys().nth(index).copied();
    match *step {
        Step::Write { node, db } => {
            if c.core(NODES[node]).master_address().is_none() {
                c.write(NODES[node], db, &[&format!("set k {count}")]);
            }
        }
        Step::Transaction { node } => {
            if c.core(NODES[node]).master_address().is_none() {
                let commands = [format!("set k {count}"), format!("incr n{count}")];
                c.write(NODES[node], 1, &[&commands[0], &commands[1]]);
            }
        }
        Step::Fill { node, bytes } => {
            if c.core(NODES[node]).master_address().is_none() {
                let command = format!("set {count} {}", "x".repeat(bytes));
                c.write(NODES[node], 0, &[&command]);
            }
        }
        Step::Deliver { link: index, to_replica, bytes } => {
            if let Some(link) = link(c, index) {
                c.deliver(link, to_replica, bytes);
            }
        }
        Step::Pump => c.pump(),
        Step::Tick => c.tick(),
        Step::Cut { link: index } => {
            if let Some(link) = link(c, index) {
                c.cut(link);
            }
        }
        Step::ReplicaOf { replica, master } => {
            if replica != master {
                c.replicaof(NODES[replica], NODES[master]);
            }
        }
        Step::NoOne { node } => {
            let now = c.now;
            c.core(NODES[node]).replicaof_no_one(now);
            c.settle(NODES[node]);
        }
        Step::Save { node } => c.save(NODES[node]),
        Step::Restart { node, master } => {
            let master = master.filter(|m| *m != node).map(|m| NODES[m]);
            c.restart(NODES[node], master);
        }
        Step::FinishSnapshot { node, well } => {
            c.finish_snapshot(NODES[node], well);
        }
        Step::FinishLoad { node, well } => {
            c.finish_load(NODES[node], well);
        }
    }
}

fn cluster(diskless: bool) -> Cluster {
    let mut c = Cluster::new();
    c.silent = true;
    for name in NODES {
        c.add(name, |config| {
            config.repl_diskless_sync = diskless;
            config.repl_diskless_sync_delay = std::time::Duration::from_millis(300);
            config.repl_ping_replica_period = std::time::Duration::from_secs(1);
        });
    }
    // Begin with what most of a node's life looks like: linked, in a chain or side by side.
    c.replicaof("B", "A");
    c.pump();
    c.replicaof("C", if diskless { "A" } else { "B" });
    for _ in 0..10 {
        c.tick();
        c.pump();
    }
    c
}

/// Takes the steps one after the other; `slow`: snapshots and loads end only at their own steps.
fn run(steps: &[Step], diskless: bool, slow: bool) -> Cluster {
    let mut c = cluster(diskless);
    c.manual_snapshots = slow;
    c.manual_loads = slow;
    for (count, step) in steps.iter().enumerate() {
        perform(&mut c, step, count);
    }
    converge(&mut c);
    c
}

/// After anything at all, the nodes can be put in a chain again, and then are equal.
fn converge(c: &mut Cluster) {
    c.manual_snapshots = false;
    c.manual_loads = false;
    let now = c.now;
    c.core("A").replicaof_no_one(now);
    c.settle("A");
    c.replicaof("B", "A");
    c.replicaof("C", "B");
    for _ in 0..150 {
        c.pump();
        c.tick();
    }
    c.write("A", 0, &["set last 1"]);
    c.pump();
    assert!(c.all_linked_to("A"), "not all links are up");
    let data = c.host("A").data.clone();
    let position = (c.core("A").id(), c.core("A").offset());
    for name in ["B", "C"] {
        assert_eq!(c.host(name).data, data, "{name} has other data");
        assert_eq!((c.core(name).id(), c.core(name).offset()), position);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// `Cluster` compares, after every single command, the dataset of each node with that of
    /// whoever reached the same id and offset before it.
    #[test]
    fn equal_position_means_equal_data(
        diskless in any::<bool>(),
        slow in any::<bool>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        run(&steps, diskless, slow);
    }

    /// No bytes of a peer's, however broken, trip the core.
    #[test]
    fn a_peer_may_send_anything(
        lines in prop::collection::vec(
            prop_oneof![
                Just(b"+PONG\r\n+OK\r\n+OK\r\n".to_vec()),
                Just(b"+CONTINUE\r\n".to_vec()),
                Just(b"+FULLRESYNC 5914bc26a7f4a47f9f83f55af19761b1d08bc2a5 7\r\n$3\r\nabc".to_vec()),
                Just(b"*1\r\n$5\r\nMULTI\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n*1\r\n$4\r\nEXEC\r\n".to_vec()),
                Just(b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..60),
            ],
            0..12,
        ),
        ack in any::<u64>(),
        offset in any::<i64>(),
    ) {
        let mut c = cluster(false);
        let now = c.now;
        // As a master: wild offsets and acks.
        let link = replisim::replication::LinkId(c.link_of("B").expect("linked"));
        let ack = ack.to_string();
        c.core("A").replconf(now, link, &[b"ack", ack.as_bytes()]);
        let own = c.core("A").id().to_string();
        let other = replisim::replication::LinkId(500);
        c.core("A").psync(now, other, "x", own.as_bytes(), offset, false).expect("scheduled");
        c.settle("A");
        // As a replica: wild streams.
        let mut core = replisim::replication::Replication::new(
            crate::cluster::config(),
            replisim::replication::IdSource::seeded([7; 32]),
        );
        core.replicaof(now, "m", 1);
        core.master_connected(now);
        for line in &lines {
            core.master_bytes(now, line);
            while let Some(output) = core.poll_output() {
                match output {
                    replisim::replication::Output::ReceiveEnd => core.received(now, Ok(())),
                    replisim::replication::Output::Load => core.load_finished(now, Ok(Some(0))),
                    _ => {}
                }
            }
            while let Some(command) = core.next_command(now) {
                core.applied(now, &command);
            }
        }
        core.tick(now);
    }
}

/// The property above is worth what its runs reach. These 400 runs are always the same.
#[test]
fn random_runs_reach_the_rare_states() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 150);
    let mut reached = std::collections::BTreeMap::new();
    for run in 0..400 {
        let steps = steps.new_tree(&mut runner).expect("a tree").current();
        let c = self::run(&steps, run % 2 == 0, run % 4 < 2);
        for (mark, times) in &c.marks {
            *reached.entry(*mark).or_insert(0) += times;
        }
    }
    let wanted = [
        "all-replicas-closed",
        "cached-master-discarded",
        "command-cut",
        "continue-at-end",
        "continue-at-first-backlog-byte",
        "continue-under-a-new-id",
        "cut-in-handshake",
        "cut-in-loading",
        "cut-in-transfer",
        "joined-running-snapshot",
        "load-of-full-sync-failed",
        "master-gone-while-loading",
        "promotion-during-full-sync",
        "psync-to-be-tried-later",
        "replica-gone-during-its-snapshot",
        "second-id-accepted",
        "second-id-accepted-at-its-limit",
        "second-id-refused-past-offset",
        "snapshot-aborted-for-want-of-replicas",
        "snapshot-failed",
        "snapshot-shared",
        "transaction-cut",
    ];
    for mark in wanted {
        assert!(reached.contains_key(mark), "{mark} was never reached: {reached:?}");
    }
}

/// The offset stands still from `MULTI` to `EXEC`, and so does what sub-replicas are sent.
#[test]
fn a_transaction_moves_the_offset_once() {
    let mut c = cluster(false);
    // The SELECT comes before MULTI and counts by itself: have it out of the way.
    c.write("A", 0, &["set z 0"]);
    c.pump();
    c.host("B").paused = true;
    let before = c.core("B").offset();
    c.write("A", 0, &["set a 1", "set b 2"]);
    c.pump();
    let now = c.now;
    let after = c.core("A").offset();
    let core = c.core("B");
    let mut names = Vec::new();
    while let Some(command) = core.next_command(now) {
        assert_eq!(core.offset(), before, "counted before {names:?} was over");
        assert_eq!(core.stream_since(before), b"", "passed on before it was over");
        names.push(String::from_utf8_lossy(command.args()[0]).into_owned());
        assert!(core.in_transaction());
        core.applied(now, &command);
    }
    assert_eq!(names, ["MULTI", "set", "set", "EXEC"]);
    assert_eq!(core.offset(), after);
    assert!(!core.in_transaction());
}
