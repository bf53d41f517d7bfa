//! Masters, replicas and sub-replicas, ours and Redis's, in every order that matters: full sync
//! under write load, the stream, and a partial resync after a cut, with every type of data.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dataset;
use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, redis_is_installed, wait_until};

/// How a full sync is made, and whether a password is asked for.
#[derive(Debug, Clone, Copy)]
enum Way {
    Disk,
    Diskless,
    DiskWithPassword,
}

impl Way {
    fn directives(self) -> &'static [&'static str] {
        match self {
            Way::Disk => &["repl-diskless-sync no", "repl-backlog-size 8mb"],
            Way::Diskless => {
                &["repl-diskless-sync yes", "repl-diskless-load swapdb", "repl-backlog-size 8mb"]
            }
            Way::DiskWithPassword => &[
                "repl-diskless-sync no",
                "repl-backlog-size 8mb",
                "requirepass secret",
                "masterauth secret",
            ],
        }
    }
}

/// Writes to `master` until told to stop.
fn write_until(master: &Server, done: &AtomicBool) {
    let mut connection = master.connect().expect("connected");
    let mut n = 0;
    while !done.load(Ordering::Relaxed) {
        dataset::change(&mut connection, n);
        n += 1;
    }
    assert!(n > 0, "nothing was written");
}

/// Runs `work` while the master is being written to.
fn under_load(master: &Server, work: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| write_until(master, &done));
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
    if !redis_is_installed(name) {
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
    // Short deadlines have passed, and what they deleted is on the stream.
    wait_until("the short deadlines have passed", || {
        servers[0].query::<Vec<String>>(&["KEYS", "short:*"]).is_empty()
            && servers[0].query::<Vec<String>>(&["KEYS", "soon:*"]).is_empty()
    });
    for replica in &servers[1..] {
        replica.wait_in_sync(&servers[0]);
    }
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
    ours_to_redis_by_disk: [Ours, Redis] Disk;
    ours_to_redis_diskless: [Ours, Redis] Diskless;
    ours_to_redis_with_password: [Ours, Redis] DiskWithPassword;
    redis_to_ours_to_redis_by_disk: [Redis, Ours, Redis] Disk;
    redis_to_ours_to_redis_diskless: [Redis, Ours, Redis] Diskless;
    ours_to_redis_to_ours_by_disk: [Ours, Redis, Ours] Disk;
    ours_to_redis_to_ours_diskless: [Ours, Redis, Ours] Diskless;
    ours_to_ours_to_ours_with_password: [Ours, Ours, Ours] DiskWithPassword;
}
