//! Masters, replicas and sub-replicas, ours, Redis's and Valkey's, in every order that matters:
//! full sync under write load, the stream, and a partial resync after a cut, with every type of data.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::dataset;
use crate::support::Program::{self, Ours, Redis, Valkey};
use crate::support::{Server, query_on, wait_until};

/// How a full sync is made, and whether a password is asked for.
#[derive(Debug, Clone, Copy)]
enum Way {
    Disk,
    Diskless,
    /// Sent without a disk, but collected on the replica's.
    DisklessLoadDisabled,
    /// From memory, since the replica is empty.
    DisklessLoadOnEmptyDb,
    DiskWithPassword,
    DisklessWithPassword,
}

impl Way {
    fn directives(self) -> &'static [&'static str] {
        match self {
            Way::Disk => &["repl-diskless-sync no", "repl-backlog-size 8mb"],
            Way::Diskless => {
                &["repl-diskless-sync yes", "repl-diskless-load swapdb", "repl-backlog-size 8mb"]
            }
            Way::DisklessLoadDisabled => {
                &["repl-diskless-sync yes", "repl-diskless-load disabled", "repl-backlog-size 8mb"]
            }
            Way::DisklessLoadOnEmptyDb => &[
                "repl-diskless-sync yes",
                "repl-diskless-load on-empty-db",
                "repl-backlog-size 8mb",
            ],
            Way::DisklessWithPassword => &[
                "repl-diskless-sync yes",
                "repl-diskless-load on-empty-db",
                "repl-backlog-size 8mb",
                "requirepass secret",
                "masterauth secret",
            ],
            Way::DiskWithPassword => &[
                "repl-diskless-sync no",
                "repl-backlog-size 8mb",
                "requirepass secret",
                "masterauth secret",
            ],
        }
    }
}

/// Runs `work` while the master is being written to.
fn under_load(master: &Server, work: impl FnOnce()) {
    let (done, batches) = (AtomicBool::new(false), AtomicUsize::new(0));
    let write = || {
        let mut connection = master.connect().expect("connected");
        while !done.load(Ordering::Relaxed) {
            let batch = batches.fetch_add(1, Ordering::Relaxed);
            dataset::change(&mut connection, batch);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(write);
        let work = || {
            wait_until("the load has begun", || batches.load(Ordering::Relaxed) > 2);
            work();
            let by_then = batches.load(Ordering::Relaxed);
            wait_until("it goes on", || batches.load(Ordering::Relaxed) > by_then + 2);
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

fn follow(replica: &Server, master: &Server) {
    let port = master.port.to_string();
    replica.query::<()>(&["REPLICAOF", "127.0.0.1", &port]);
}

fn cut(master: &Server) {
    let _: i64 = master.query(&["CLIENT", "KILL", "TYPE", "replica"]);
}

/// The first of `chain` is the master of the second, and so on.
fn replicate(name: &str, chain: &[Program], way: Way) {
    if !chain.iter().all(|program| program.is_there(name)) {
        return;
    }
    let servers: Vec<Server> =
        chain.iter().map(|program| Server::start(*program, way.directives())).collect();
    let master = &servers[0];
    dataset::fill(&mut master.connect().expect("connected"));
    under_load(master, || {
        for pair in servers.windows(2) {
            follow(&pair[1], &pair[0]);
            pair[1].wait_link_up();
        }
    });
    in_sync(&servers);
    let partial_before: Vec<u64> = servers.iter().map(partial_syncs).collect();
    let full_before: Vec<u64> = servers.iter().map(full_syncs).collect();
    under_load(master, || {
        for pair in servers.windows(2) {
            cut(&pair[0]);
            pair[1].wait_link_up();
        }
    });
    in_sync(&servers);
    for (at, server) in servers[..servers.len() - 1].iter().enumerate() {
        assert!(partial_syncs(server) > partial_before[at], "server {at}: no partial resync");
        assert_eq!(full_syncs(server), full_before[at], "server {at}: a needless full sync");
    }
}

/// Waits until all have the same offset; then they must have the same data.
fn in_sync(servers: &[Server]) {
    // Short deadlines have passed, and what they deleted is gone and on the stream.
    wait_until("the short deadlines have passed", || {
        let mut connection = servers[0].connect().expect("connected");
        [0, 9].into_iter().all(|db| {
            redis::cmd("SELECT").arg(db).exec(&mut connection).expect("selected");
            let keys: Vec<String> = query_on(&mut connection, &["KEYS", "*"]).expect("keys");
            let stored: usize = query_on(&mut connection, &["DBSIZE"]).expect("a number");
            let short = |key: &String| key.starts_with("short:") || key.starts_with("soon:");
            stored == keys.len() && !keys.iter().any(short)
        })
    });
    for replica in &servers[1..] {
        replica.wait_link_up();
        wait_until("the replica has caught up", || {
            replica.info("master_repl_offset") == servers[0].info("master_repl_offset")
        });
        let none: Vec<String> = Vec::new();
        assert_eq!(differing(&servers[0], replica), none, "keys that differ");
        replica.wait_in_sync(&servers[0]);
    }
}

/// The keys whose values, or whose having a deadline, differ.
fn differing(a: &Server, b: &Server) -> Vec<String> {
    let mut differing = Vec::new();
    for db in [0, 9] {
        let mut sides = [a, b].map(|server| server.connect().expect("connected"));
        let mut values = sides.iter_mut().map(|side| {
            redis::cmd("SELECT").arg(db).exec(side).expect("selected");
            let keys: std::collections::BTreeSet<String> =
                redis::cmd("KEYS").arg("*").query(side).expect("keys");
            let digest_of = |key: String| {
                let digest: Vec<String> =
                    redis::cmd("DEBUG").arg("DIGEST-VALUE").arg(&key).query(side).expect("digest");
                (key, digest)
            };
            keys.into_iter().map(digest_of).collect::<std::collections::BTreeMap<_, _>>()
        });
        let (first, second) = (values.next().unwrap(), values.next().unwrap());
        let keys = first.keys().chain(second.keys());
        differing.extend(keys.filter(|key| first.get(*key) != second.get(*key)).cloned());
    }
    differing
}

fn partial_syncs(server: &Server) -> u64 {
    server.info("sync_partial_ok").parse().expect("a number")
}

fn full_syncs(server: &Server) -> u64 {
    server.info("sync_full").parse().expect("a number")
}

macro_rules! matrix {
    ($($test:ident: [$($program:ident),+] $way:ident;)*) => {
        $(
            #[test]
            fn $test() {
                replicate(stringify!($test), &[$($program),+], Way::$way);
            }
        )*
    };
}

matrix! {
    ours_to_ours_by_disk: [Ours, Ours] Disk;
    ours_to_ours_diskless: [Ours, Ours] Diskless;
    ours_to_ours_with_password: [Ours, Ours] DiskWithPassword;
    redis_to_ours_by_disk: [Redis, Ours] Disk;
    redis_to_ours_diskless: [Redis, Ours] Diskless;
    redis_to_ours_with_password: [Redis, Ours] DiskWithPassword;
    redis_to_ours_diskless_load_disabled: [Redis, Ours] DisklessLoadDisabled;
    redis_to_ours_diskless_load_on_empty_db: [Redis, Ours] DisklessLoadOnEmptyDb;
    ours_to_redis_by_disk: [Ours, Redis] Disk;
    ours_to_redis_diskless: [Ours, Redis] Diskless;
    ours_to_redis_with_password: [Ours, Redis] DiskWithPassword;
    redis_to_ours_to_redis_by_disk: [Redis, Ours, Redis] Disk;
    redis_to_ours_to_redis_diskless: [Redis, Ours, Redis] Diskless;
    ours_to_redis_to_ours_by_disk: [Ours, Redis, Ours] Disk;
    ours_to_redis_to_ours_diskless: [Ours, Redis, Ours] Diskless;
    redis_to_ours_to_redis_with_password: [Redis, Ours, Redis] DisklessWithPassword;
    ours_to_redis_to_ours_with_password: [Ours, Redis, Ours] DisklessWithPassword;
    ours_to_ours_to_ours_with_password: [Ours, Ours, Ours] DiskWithPassword;
    valkey_to_ours_by_disk: [Valkey, Ours] Disk;
    valkey_to_ours_diskless: [Valkey, Ours] Diskless;
    ours_to_valkey_by_disk: [Ours, Valkey] Disk;
    ours_to_valkey_diskless: [Ours, Valkey] Diskless;
    valkey_to_ours_to_valkey_with_password: [Valkey, Ours, Valkey] DisklessWithPassword;
    ours_to_valkey_to_ours_by_disk: [Ours, Valkey, Ours] Disk;
    valkey_to_ours_to_redis_diskless: [Valkey, Ours, Redis] Diskless;
    redis_to_ours_to_valkey_diskless: [Redis, Ours, Valkey] Diskless;
}
