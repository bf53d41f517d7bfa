//! `[workload]`.

use std::collections::BTreeSet;

use crate::kit::{Executed, PAIR, Ran, passes};

/// A run of ten seconds with this workload.
fn with(workload: &str) -> Ran {
    passes(&format!("{PAIR}[workload]\n{workload}\n[run]\nduration = \"10s\"\n"))
}

fn share(all: &[Executed], which: impl Fn(&Executed) -> bool) -> f64 {
    all.iter().filter(|event| which(event)).count() as f64 / all.len() as f64
}

fn named(name: &str) -> impl Fn(&Executed) -> bool {
    move |event| event.args[0] == name
}

#[test]
fn workload_clients() {
    let clients = |number| {
        let ran = with(&format!("clients = {number}"));
        ran.writes("m1").iter().map(|event| event.client).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((clients(1), clients(3)), (1, 3));
}

#[test]
fn workload_to() {
    let text = |to: &str| {
        format!(
            "title = \"t\"\n[nodes.a]\n[nodes.b]\nreplicaof = \"a\"\n[nodes.c]\n[workload]\n{to}
[[step]]\nat = \"5s\"\nreplicaof = {{ node = \"b\", master = \"no one\" }}
[[step]]\nat = \"5s\"\nreplicaof = {{ node = \"a\", master = \"b\" }}\n[run]\nduration = \"10s\"\n"
        )
    };
    let counts = |ran: &Ran| {
        ["a", "b", "c"].map(|node| {
            let ok = |event: &&Executed| !event.reply.starts_with('-');
            ran.writes(node).iter().filter(ok).filter(|event| event.args[0] != "REPLICAOF").count()
        })
    };
    let [a, b, c] = counts(&passes(&text("to = \"c\"")));
    assert!(a == 0 && b == 0 && c > 400, "{a} {b} {c}");
    // Without it: whichever is the master.
    let [a, b, _] = counts(&passes(&text("")));
    assert!(a > 150 && b > 100, "{a} {b}");
}

#[test]
fn workload_rate() {
    for (rate, about) in [(20, 200_usize), (100, 1000)] {
        let count = with(&format!("rate = {rate}")).writes("m1").len();
        assert!(count.abs_diff(about) <= about / 10, "{count} at {rate} a second");
    }
}

#[test]
fn workload_reads() {
    let ran = with("reads = 0.75\nrate = 100");
    let (writes, all) = (ran.writes("m1").len(), ran.executed("r1", "").len());
    let reads = all as f64 / (all + writes) as f64;
    assert!((0.68..0.82).contains(&reads), "{reads}");
    let reads = |ran: &Ran| ran.executed("r1", "GET").len();
    assert_eq!(reads(&with("reads = 0")), 0);
}

#[test]
fn workload_read_from() {
    let text = |from: &str| {
        passes(&format!(
            "{PAIR}[nodes.r2]\nreplicaof = \"m1\"\n[workload]\nreads = 0.9\nclients = 3\n{from}\n[run]\nduration = \"5s\"\n"
        ))
    };
    let counts = |ran: &Ran| ["m1", "r1", "r2"].map(|node| ran.executed(node, "GET").len());
    let [m1, r1, r2] = counts(&text("read-from = \"m1\""));
    assert!(m1 > 0 && r1 == 0 && r2 == 0);
    let [m1, r1, r2] = counts(&text(""));
    assert!(m1 == 0 && r1 > 0 && r2 > 0, "the replicas: {m1} {r1} {r2}");
}

#[test]
fn workload_keys() {
    let ran = with("keys = 3\nincrements = 0");
    let keys: BTreeSet<String> =
        ran.writes("m1").iter().map(|event| event.args[1].clone()).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn workload_databases() {
    let used = |ran: &Ran| ran.writes("m1").iter().map(|event| event.db).collect::<BTreeSet<_>>();
    assert_eq!(used(&with("")), [0].into());
    assert_eq!(used(&with("databases = 3")), [0, 1, 2].into());
}

#[test]
fn workload_value_bytes() {
    let ran = with("value-bytes = \"10..20\"");
    let lengths: BTreeSet<usize> =
        ran.executed("m1", "SET").iter().map(|event| event.args[2].len()).collect();
    assert_eq!(lengths, (10..=20).collect());
}

#[test]
fn workload_deletes() {
    let deleted = share(&with("deletes = 0.5").writes("m1"), named("DEL"));
    assert!((0.42..0.58).contains(&deleted), "{deleted}");
    assert_eq!(share(&with("deletes = 0").writes("m1"), named("DEL")), 0.0);
}

#[test]
fn workload_increments() {
    let writes = with("deletes = 0.5\nincrements = 0.4").writes("m1");
    let incremented = share(&writes, named("INCRBY"));
    assert!((0.33..0.47).contains(&incremented), "a share of all writes: {incremented}");
    assert_eq!(share(&with("increments = 0").writes("m1"), named("INCRBY")), 0.0);
}

/// Whether a write sets, changes or takes away a time to live.
fn about_ttl(event: &Executed) -> bool {
    ["PEXPIRE", "PSETEX", "PERSIST"].contains(&event.args[0].as_str())
        || event.args.get(3).is_some_and(|word| word == "PX")
}

#[test]
fn workload_expire() {
    let set = share(&with("deletes = 0\nincrements = 0.5\nexpire = 0.5").writes("m1"), about_ttl);
    assert!((0.42..0.58).contains(&set), "a share of all writes: {set}");
    assert_eq!(share(&with("").writes("m1"), about_ttl), 0.0);
}

#[test]
fn workload_ttl() {
    let ran = with("expire = 1\ndeletes = 0\nincrements = 0\nttl = \"2s..3s\"");
    let mut seen = 0;
    for event in ran.executed("m1", "PEXPIRE") {
        let ttl: u64 = event.args[2].parse().expect("a number");
        assert!((2000..=3000).contains(&ttl), "{ttl}");
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

/// The lengths of the transactions of each client, in commands.
fn transactions(ran: &Ran) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut length = None;
    for event in ran.executed("m1", "") {
        match event.args[0].as_str() {
            "MULTI" => length = Some(0),
            "EXEC" | "DISCARD" => lengths.extend(length.take()),
            _ if event.reply == "+QUEUED\r\n" => length = length.map(|length| length + 1),
            _ => {}
        }
    }
    lengths
}

#[test]
fn workload_transactions() {
    let share = |ran: &Ran| {
        let queued: usize = transactions(ran).iter().sum();
        let all = ran.executed("m1", "");
        let sent = all.iter().filter(|e| {
            // What is queued is told when it is sent, and not again when it is executed.
            ["SET", "DEL", "INCRBY", "APPEND", "MSET", "GETSET"].contains(&e.args[0].as_str())
        });
        let alone = sent.count() - queued;
        transactions(ran).len() as f64 / (transactions(ran).len() + alone) as f64
    };
    let some = share(&with("transactions = 0.3\nrate = 100"));
    assert!((0.2..0.4).contains(&some), "{some}");
    assert_eq!(share(&with("transactions = 0")), 0.0);
    assert_eq!(share(&with("transactions = 1")), 1.0);
}

#[test]
fn workload_transaction_length() {
    let lengths: BTreeSet<usize> =
        transactions(&with("transactions = 1\ntransaction-length = \"3..4\""))
            .into_iter()
            .collect();
    assert_eq!(lengths, [3, 4].into());
}

#[test]
fn workload_pipeline() {
    // How many commands one client's read brought at once, on average.
    let at_once = |ran: &Ran| {
        let writes = ran.writes("m1");
        let times: BTreeSet<u64> = writes.iter().map(|event| event.at_ms).collect();
        writes.len() as f64 / times.len() as f64
    };
    let (one, ten) = (at_once(&with("rate = 20")), at_once(&with("rate = 20\npipeline = 10")));
    assert!(one < 1.5 && ten > 9.0, "{one} {ten}");
}

#[test]
fn workload_wait() {
    let ran = with("wait = { replicas = 1, timeout = \"700ms\", share = 0.5 }");
    let waits = ran.executed("m1", "WAIT");
    assert!(waits.iter().all(|event| event.args[1..] == ["1", "700"]));
    let share = waits.len() as f64 / ran.writes("m1").len() as f64;
    assert!((0.4..0.6).contains(&share), "{share}");
    assert_eq!(with("").executed("m1", "WAIT").len(), 0);
}

/// What the clients give to `AUTH`, and whether the node lets them write.
fn auth(workload: &str) -> (Option<Vec<String>>, bool) {
    let ran = passes(&format!(
        "title = \"t\"\n[nodes.m1]\nconfig = {{ requirepass = \"secret\" }}\n[workload]\n{workload}\n[run]\nduration = \"3s\"\n"
    ));
    let given = ran.executed("m1", "AUTH").first().map(|event| event.args[1..].to_vec());
    let written = ran.executed("m1", "SET").iter().any(|event| event.reply == "+OK\r\n");
    (given, written)
}

#[test]
fn workload_user() {
    assert_eq!(
        auth("user = \"default\"\npassword = \"secret\""),
        (Some(vec!["default".into(), "secret".into()]), true)
    );
    assert!(!auth("user = \"nobody\"\npassword = \"secret\"").1);
}

#[test]
fn workload_password() {
    assert_eq!(auth(""), (Some(vec!["secret".into()]), true), "the node's own");
    assert_eq!(auth("password = \"wrong\""), (Some(vec!["wrong".into()]), false));
    assert_eq!(auth("password = \"\""), (None, false));
}

/// The first and the last write, in milliseconds.
fn span(workload: &str) -> (u64, u64) {
    let writes = with(workload).writes("m1");
    (writes[0].at_ms, writes[writes.len() - 1].at_ms)
}

#[test]
fn workload_start() {
    let (first, last) = span("start = \"4s\"");
    assert!((4000..4100).contains(&first) && last > 9900, "{first} {last}");
}

#[test]
fn workload_stop() {
    let (first, last) = span("stop = \"4s\"");
    assert!(first < 100 && (3900..=4050).contains(&last), "{first} {last}");
}

#[test]
fn workload_commands() {
    let names = |families: &str| {
        let ran = with(&format!("rate = 200\nreads = 0.3\ncommands = {families}"));
        let all = ran.executed("m1", "");
        all.into_iter().map(|event| event.args[0].clone()).collect::<BTreeSet<_>>()
    };
    let strings = names("[\"strings\"]");
    for (family, some) in [
        ("edits", "INCRBYFLOAT"),
        ("lists", "RPUSH"),
        ("sets", "SADD"),
        ("hashes", "HSET"),
        ("sorted-sets", "ZADD"),
        ("streams", "XADD"),
        ("blocking", "BLPOP"),
        ("keys", "RENAME"),
        ("databases", "SWAPDB"),
        ("watch", "WATCH"),
    ] {
        assert!(!strings.contains(some), "{some}");
        let these = names(&format!("[\"strings\", \"{family}\"]"));
        assert!(these.contains(some) && these.contains("SET"), "{family}: {these:?}");
    }
}
