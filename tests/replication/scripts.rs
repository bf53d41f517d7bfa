//! Golden scripts of the protocol: commands in, messages out. One script a chapter of
//! `src/replication/mod.rs`; `UPDATE_GOLDENFILES=1` rewrites the outcomes.

use std::error::Error;
use std::time::Duration;

use crate::cluster::Cluster;
use goldenscript::{Command, Context, Runner};
use replisim::replication::{
    IdSource, LinkId, Offset, Output, Replication, SnapshotContents, SnapshotPlan, SnapshotTarget,
};

struct Script(Cluster);

impl Script {
    fn execute(&mut self, command: &Command) -> Result<(), Box<dyn Error>> {
        let c = &mut self.0;
        let mut args = command.consume_args();
        let now = c.now;
        let first = args.next_pos().unwrap_or_default().to_owned();
        let name = first.as_str();
        match command.name.as_str() {
            // node NAME [directive=value]...
            "node" => {
                let mut requirepass = None;
                let mut settings = Vec::new();
                while let Some((key, value)) = args.next_key() {
                    match key {
                        "requirepass" => requirepass = Some(value.to_owned()),
                        _ => settings.push((key.to_owned(), value.to_owned())),
                    }
                }
                let mut bad = None;
                c.add(name, |config| {
                    for (key, value) in &settings {
                        if !set(config, key, value) {
                            bad = Some(key.clone());
                        }
                    }
                });
                c.host(name).requirepass = requirepass;
                if let Some(key) = bad {
                    return Err(format!("unknown directive {key}").into());
                }
            }
            "set-masterauth" => {
                let password = args.next_pos().ok_or("a password")?;
                c.host(name).config.masterauth = Some(password.as_bytes().to_vec());
                let config = c.host(name).config.clone();
                c.core(name).configure(now, config);
                c.settle(name);
            }
            // replicaof REPLICA MASTER|none
            "replicaof" => match args.next_pos().ok_or("a master")? {
                "none" => {
                    c.core(name).replicaof_no_one(now);
                    c.settle(name);
                }
                master => c.replicaof(name, master),
            },
            // write NODE "command"... [db=N]: several make a transaction
            "write" => {
                let db = args.take_key("db").map_or(Ok(0), str::parse)?;
                let mut commands = Vec::new();
                while let Some(text) = args.next_pos() {
                    commands.push(text);
                }
                c.write(name, db, &commands);
            }
            // fill NODE BYTES: one write with a value of that size
            "fill" => {
                let size: usize = args.next_pos().ok_or("a size")?.parse()?;
                let command = format!("set fill {}", "x".repeat(size));
                c.write(name, 0, &[&command]);
            }
            "pump" => c.pump(),
            // tick [SECONDS]: time passes, all is delivered
            "tick" => {
                let seconds: f64 = if name.is_empty() { 1.0 } else { name.parse()? };
                for _ in 0..(seconds * 10.0).round() as u32 {
                    c.tick();
                    c.pump();
                }
            }
            "manual-snapshots" => c.manual_snapshots = name == "on",
            "manual-loads" => c.manual_loads = name == "on",
            "finish-snapshot" => {
                let well = args.next_pos() != Some("fail");
                if !c.finish_snapshot(name, well) {
                    return Err("no snapshot is being made".into());
                }
            }
            "finish-load" => {
                let well = args.next_pos() != Some("fail");
                if !c.finish_load(name, well) {
                    return Err("nothing is being loaded".into());
                }
            }
            "saver" => {
                let busy = args.next_pos() == Some("busy");
                c.core(name).set_saver_busy(now, busy);
                c.settle(name);
            }
            // deliver REPLICA BYTES: only so many bytes of its master's
            "deliver" => {
                let max = args.next_pos().ok_or("a number")?.parse()?;
                let link = c.link_of(name).ok_or("not connected")?;
                c.deliver(link, true, max);
            }
            // deliver-up REPLICA: all that it has sent to its master
            "deliver-up" => {
                let link = c.link_of(name).ok_or("not connected")?;
                c.deliver(link, false, usize::MAX);
            }
            "hold" | "release" => {
                let link = c.link_of(name).ok_or("not connected")?;
                c.conns.get_mut(&link).ok_or("gone")?.held = command.name == "hold";
            }
            "cut" => {
                let link = c.link_of(name).ok_or("not connected")?;
                c.cut(link);
            }
            "down" | "up" => c.host(name).down = command.name == "down",
            "pause" => c.host(name).paused = true,
            "resume" => {
                c.host(name).paused = false;
                c.apply(name);
            }
            "save" => c.save(name),
            // restart NODE [MASTER]
            "restart" => c.restart(name, args.next_pos()),
            // wait NODE REPLICAS SECONDS: for everything written so far
            "wait" => {
                let replicas = args.next_pos().ok_or("a number")?.parse()?;
                let seconds = args.next_pos().ok_or("seconds")?.parse()?;
                let target = c.core(name).offset();
                let deadline = Some(now + Duration::from_secs(seconds));
                let done = c.core(name).wait(now, 1, target, replicas, deadline);
                if let Some((acked, _)) = done {
                    c.trace.push(format!("{name}: WAIT for {target}: {acked} at once"));
                }
                c.settle(name);
            }
            "failover" => {
                let to = args.take_key("to").map(str::to_owned);
                let timeout = args.take_key("timeout").map(str::parse).transpose()?;
                let force = args.take_key("force").is_some();
                let port = to
                    .as_ref()
                    .map_or(0, |to| c.hosts.get(to).map_or(1, |host| host.config.announce_port));
                let to = to.as_deref().map(|to| (to, port));
                let timeout = timeout.map(Duration::from_secs);
                let result = c.core(name).failover(now, to, force, timeout);
                c.settle(name);
                c.trace.push(format!("{result:?}"));
            }
            "failover-abort" => {
                let result = c.core(name).failover_abort(now);
                c.settle(name);
                c.trace.push(format!("{result:?}"));
            }
            // replconf NODE words...
            "replconf" => {
                let mut words = Vec::new();
                while let Some(word) = args.next_pos() {
                    words.push(word.as_bytes());
                }
                let link = LinkId(999);
                let answer = c.core(name).replconf(now, link, &words);
                c.trace.push(format!("{answer:?}"));
            }
            "info" => {
                let info = c.core(name).info(now);
                let second = info.second.map(|(_, Offset(at))| at);
                let backlog = info.backlog.map(|b| (b.first.0, b.histlen));
                c.trace.push(format!(
                    "{name}: {:?} offset={} second_up_to={second:?} backlog={backlog:?} good={} failover={} {:?}",
                    info.role, info.offset, info.good_replicas, info.failover.as_str(), info.counters
                ));
                if let Some(up) = info.upstream {
                    c.trace.push(format!(
                        "  master {}: {:?} read_offset={} down_for={:?} transfer={:?}",
                        up.host, up.link, up.read_offset, up.down_for, up.transfer
                    ));
                }
                for r in info.replicas {
                    c.trace.push(format!(
                        "  replica {}: {:?} acked={} pending={}",
                        r.port, r.state, r.acked, r.pending_bytes
                    ));
                }
                let enough = c.core(name).good_replicas_suffice();
                if !enough {
                    c.trace.push("  writes refused: not enough good replicas".into());
                }
            }
            "data" => {
                let data = c.host(name).data.join(", ");
                c.trace.push(format!("{name}: {data}"));
            }
            other => return Err(format!("unknown command {other}").into()),
        }
        args.reject_next()?;
        Ok(())
    }
}

fn set(config: &mut replisim::replication::ReplicationConfig, key: &str, value: &str) -> bool {
    let seconds = || Duration::from_secs(value.parse().expect("seconds"));
    match key {
        "diskless" => config.repl_diskless_sync = value == "yes",
        "diskless-delay" => config.repl_diskless_sync_delay = seconds(),
        "diskless-max-replicas" => {
            config.repl_diskless_sync_max_replicas = value.parse().expect("a number");
        }
        "ping-period" => config.repl_ping_replica_period = seconds(),
        "timeout" => config.repl_timeout = seconds(),
        "backlog-ttl" => config.repl_backlog_ttl = Some(seconds()),
        "min-replicas" => config.min_replicas_to_write = value.parse().expect("a number"),
        "max-lag" => config.min_replicas_max_lag = seconds(),
        "hard-limit" => config.replica_hard_limit_bytes = value.parse().expect("bytes"),
        "masterauth" => config.masterauth = Some(value.as_bytes().to_vec()),
        "masteruser" => config.masteruser = Some(value.as_bytes().to_vec()),
        "announce-ip" => config.announce_ip = Some(value.to_owned()),
        _ => return false,
    }
    true
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Box<dyn Error>> {
        self.execute(command)?;
        let lines = std::mem::take(&mut self.0.trace);
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

fn run(script: &str) {
    let path = format!("tests/protocol/{script}.script");
    goldenscript::run(&mut Script(Cluster::new()), path).expect("the script runs");
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        const SCRIPTS: &[&str] = &[$(concat!(stringify!($name), ".script")),*];
        $(#[test] fn $name() { run(stringify!($name)); })*
    };
}

scripts!(
    handshake,
    full_sync_disk,
    full_sync_diskless,
    shared_snapshot,
    late_joiner,
    partial_resync,
    chained,
    promotion,
    failover,
    wait,
    min_replicas,
    backlog_ttl,
    timeouts,
    transaction_cut,
    restart,
    output_limit,
    failures,
    replconf,
);

/// A script that no test runs is a chapter that nobody checks.
#[test]
fn every_script_is_run() {
    let mut found: Vec<String> = std::fs::read_dir("tests/protocol")
        .expect("the folder of scripts")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut run = SCRIPTS.to_vec();
    run.sort_unstable();
    assert_eq!(found, run);
}

/// `redis-cli --functions-rdb` and `--replica`.
#[test]
fn who_wants_a_part_shares_no_snapshot_and_never_gets_the_disk() {
    const TOOL: LinkId = LinkId(1);
    const REPLICA: LinkId = LinkId(2);
    fn started(core: &mut Replication) -> Option<SnapshotPlan> {
        std::iter::from_fn(|| core.poll_output()).find_map(|output| match output {
            Output::StartSnapshot(plan) => Some(plan),
            _ => None,
        })
    }
    let now = Duration::from_secs(1);
    let mut core = Replication::new(crate::cluster::config(), IdSource::seeded([7; 32]));
    core.replconf(now, TOOL, &[b"rdb-filter-only", b"functions"]);
    let refused = core.sync(now, TOOL, "10.0.0.1").expect_err("it could not be told the end");
    assert_eq!(refused, "ERR Filtered replica requires EOF capability");
    core.replconf(now, TOOL, &[b"capa", b"eof", b"rdb-only", b"1"]);
    core.sync(now, TOOL, "10.0.0.1").expect("now it can");
    let part = started(&mut core).expect("at once");
    assert_eq!(part.contents, SnapshotContents { keys: false, functions: true });
    let SnapshotTarget::Diskless { links, .. } = part.target else {
        panic!("it would take the place of the whole");
    };
    assert_eq!(links, [TOOL]);

    core.replconf(now, REPLICA, &[b"capa", b"eof", b"capa", b"psync2"]);
    core.psync(now, REPLICA, "10.0.0.2", b"?", -1, false).expect("it waits");
    assert_eq!(started(&mut core), None);
    core.snapshot_sent(now, part.id, TOOL);
    core.snapshot_written(now, part.id, Ok(0));
    let whole = started(&mut core).expect("its turn");
    assert_eq!((whole.contents, whole.target), (SnapshotContents::ALL, SnapshotTarget::Disk));
}
