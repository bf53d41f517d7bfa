//! Every way of following, in every order of servers: full sync, stream, a cut and the partial
//! resync after it; at the end as many bytes and the same data everywhere.

use crate::dataset::{families, fill};
use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, redis_is_installed, wait_until};

struct Way {
    diskless: bool,
    password: Option<&'static str>,
}

const BY_DISK: Way = Way { diskless: false, password: None };
const DISKLESS: Way = Way { diskless: true, password: None };
const WITH_AUTH: Way = Way { diskless: true, password: Some("secret") };

fn start(program: Program, way: &Way, master: Option<&Server>) -> Server {
    let mut directives = vec![
        format!("repl-diskless-sync {}", if way.diskless { "yes" } else { "no" }),
        "repl-ping-replica-period 1000".to_owned(),
        // What is written during a cut has to fit.
        "repl-backlog-size 64mb".to_owned(),
    ];
    if let Some(password) = way.password {
        directives.extend([format!("requirepass {password}"), format!("masterauth {password}")]);
    }
    if let Some(master) = master {
        directives.push(format!("replicaof 127.0.0.1 {}", master.port));
    }
    let directives: Vec<&str> = directives.iter().map(String::as_str).collect();
    Server::start(program, &directives)
}

fn all_in_sync(servers: &[Server]) {
    for replica in &servers[1..] {
        replica.wait_in_sync(&servers[0]);
    }
}

/// A chain of servers, the first one the master, each later one following the one before it.
fn check(test: &str, chain: &[Program], way: &Way) {
    if chain.contains(&Redis) && !redis_is_installed(test) {
        return;
    }
    let families = families(&Server::start(Ours, &[]));
    assert!(families.contains(&"set"), "{families:?}");
    let mut servers = vec![start(chain[0], way, None)];
    fill(&servers[0], &families, "before");
    for program in &chain[1..] {
        let replica = start(*program, way, servers.last());
        replica.wait_link_up();
        servers.push(replica);
        fill(&servers[0], &families, &format!("with {}", servers.len()));
    }
    all_in_sync(&servers);

    for replica in 1..servers.len() {
        let prefix = format!("after cut {replica}");
        let (master, replica) = (&servers[replica - 1], &servers[replica]);
        let partial = || master.info("sync_partial_ok").parse::<u64>().unwrap_or(0);
        let (before, full) = (partial(), master.info("sync_full"));
        let killed: u64 = master.query(&["CLIENT", "KILL", "TYPE", "replica"]);
        assert_eq!(killed, 1);
        fill(&servers[0], &families, &prefix);
        wait_until("the replica went on where it was", || partial() == before + 1);
        assert_eq!(master.info("sync_full"), full, "no second full sync");
        replica.wait_link_up();
    }
    all_in_sync(&servers);
    let keys: u64 = servers[0].query(&["DBSIZE"]);
    assert!(keys >= families.len() as u64 * 2);
}

macro_rules! matrix {
    ($($chain:ident: [$($program:expr),+];)+) => {
        $(mod $chain {
            use super::*;

            #[test]
            fn by_disk() {
                check(concat!(stringify!($chain), "::by_disk"), &[$($program),+], &BY_DISK);
            }

            #[test]
            fn diskless() {
                check(concat!(stringify!($chain), "::diskless"), &[$($program),+], &DISKLESS);
            }

            #[test]
            fn with_auth() {
                check(concat!(stringify!($chain), "::with_auth"), &[$($program),+], &WITH_AUTH);
            }
        })+
    };
}

matrix! {
    ours_to_ours: [Ours, Ours];
    redis_to_ours: [Redis, Ours];
    ours_to_redis: [Ours, Redis];
    redis_to_ours_to_redis: [Redis, Ours, Redis];
    ours_to_redis_to_ours: [Ours, Redis, Ours];
}
