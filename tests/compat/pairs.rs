//! One master and one replica, ours and Redis's: every way that leads to a resync, and `FAILOVER`.

use crate::support::{Program, Server, fill, query_on, redis_is_installed, wait_until};

struct Pair {
    master: Server,
    replica: Server,
}

/// A master with data, and a replica in sync.
fn pair(master: Program, replica: Program, directives: &[&str]) -> Pair {
    let master = Server::start(master, directives);
    fill(&master, "before", 3000);
    let replica_of = format!("replicaof 127.0.0.1 {}", master.port);
    let mut all = vec![&replica_of[..]];
    all.extend_from_slice(directives);
    let replica = Server::start(replica, &all);
    fill(&master, "during", 300);
    replica.wait_in_sync(&master);
    Pair { master, replica }
}

fn syncs(pair: &Pair) -> (String, String) {
    let master = &pair.master;
    (master.info("sync_full"), master.info("sync_partial_ok"))
}

/// Everything that a pair has to do, whoever is who.
fn follow(pair: &mut Pair) {
    let Pair { master, replica } = &pair;
    assert_eq!(master.info("connected_slaves"), "1");
    assert_eq!(replica.query::<usize>(&["DBSIZE"]), 3300);

    // Every string command's way over the wire.
    for command in [
        &["SET", "n", "10"][..],
        &["INCRBY", "n", "5"],
        &["INCRBYFLOAT", "f", "1.5"],
        &["APPEND", "n", "x"],
        &["SETEX", "ttl", "100", "v"],
        &["GETEX", "ttl", "PERSIST"],
        &["MSET", "a", "1", "b", "2"],
        &["RENAME", "a", "c"],
        &["GETDEL", "b"],
        &["SWAPDB", "0", "3"],
        &["SET", "short", "v", "PX", "200"],
    ] {
        master.query::<redis::Value>(command);
    }
    let mut connection = master.connect().unwrap();
    redis::pipe()
        .atomic()
        .cmd("SET")
        .arg("t1")
        .arg(1)
        .cmd("DEL")
        .arg("c")
        .query::<()>(&mut connection)
        .unwrap();
    replica.wait_in_sync(master);
    wait_until("the short-lived key is gone from both", || {
        let gone = |server: &Server| server.query::<usize>(&["EXISTS", "short"]) == 0;
        gone(master) && gone(replica)
    });
    replica.wait_in_sync(master);

    // A cut link.
    let before = syncs(pair);
    let Pair { master, replica } = &pair;
    assert_eq!(before, ("1".to_owned(), "0".to_owned()));
    replica.query::<usize>(&["CLIENT", "KILL", "TYPE", "master"]);
    fill(master, "after the cut", 100);
    wait_until("a partial resync", || master.info("sync_partial_ok") == "1");
    replica.wait_in_sync(master);

    // A restart that finds its place in its own file.
    replica.query::<()>(&["CONFIG", "SET", "save", "3600 1"]);
    pair.replica.terminate();
    fill(&pair.master, "while it was away", 100);
    pair.replica.launch();
    pair.replica.wait_in_sync(&pair.master);
    assert_eq!(syncs(pair), ("1".to_owned(), "2".to_owned()));

    // FLUSHALL and WAIT.
    let mut connection = pair.master.connect().unwrap();
    query_on::<()>(&mut connection, &["FLUSHALL"]).unwrap();
    let acked: usize = query_on(&mut connection, &["WAIT", "1", "10000"]).unwrap();
    assert_eq!(acked, 1);
    pair.replica.wait_in_sync(&pair.master);
    assert_eq!(pair.replica.query::<usize>(&["DBSIZE"]), 0);
}

#[test]
fn ours_follows_redis_by_disk() {
    if redis_is_installed("ours_follows_redis_by_disk") {
        follow(&mut pair(Program::Redis, Program::Ours, &["repl-diskless-sync no"]));
    }
}

#[test]
fn ours_follows_redis_diskless() {
    if redis_is_installed("ours_follows_redis_diskless") {
        let directives = ["repl-diskless-sync yes", "repl-diskless-load swapdb"];
        follow(&mut pair(Program::Redis, Program::Ours, &directives));
    }
}

#[test]
fn redis_follows_ours_by_disk() {
    if redis_is_installed("redis_follows_ours_by_disk") {
        follow(&mut pair(Program::Ours, Program::Redis, &["repl-diskless-sync no"]));
    }
}

#[test]
fn redis_follows_ours_diskless() {
    if redis_is_installed("redis_follows_ours_diskless") {
        follow(&mut pair(Program::Ours, Program::Redis, &["repl-diskless-sync yes"]));
    }
}

#[test]
fn passwords_are_exchanged() {
    if !redis_is_installed("passwords_are_exchanged") {
        return;
    }
    let directives = ["requirepass secret", "masterauth secret"];
    for (master, replica) in [(Program::Redis, Program::Ours), (Program::Ours, Program::Redis)] {
        pair(master, replica, &directives);
    }
}

#[test]
fn a_chain_of_both_survives_a_promotion() {
    if !redis_is_installed("a_chain_of_both_survives_a_promotion") {
        return;
    }
    for (middle, bottom) in [(Program::Ours, Program::Redis), (Program::Redis, Program::Ours)] {
        let Pair { master, replica: middle } = pair(bottom, middle, &[]);
        let replica_of = format!("replicaof 127.0.0.1 {}", middle.port);
        let bottom = Server::start(bottom, &[&replica_of]);
        bottom.wait_in_sync(&master);
        fill(&master, "through the middle", 100);
        bottom.wait_in_sync(&master);
        middle.query::<()>(&["REPLICAOF", "NO", "ONE"]);
        fill(&middle, "of its own", 100);
        bottom.wait_in_sync(&middle);
        assert_eq!(middle.info("sync_full"), "1");
        assert_eq!(middle.info("sync_partial_ok"), "1");
    }
}

#[test]
fn a_failover_goes_there_and_back() {
    if !redis_is_installed("a_failover_goes_there_and_back") {
        return;
    }
    let Pair { master: ours, replica: redis } = pair(Program::Ours, Program::Redis, &[]);
    let rounds = [(&ours, &redis, "there"), (&redis, &ours, "and back")];
    for (from, to, key) in rounds {
        let port = to.port.to_string();
        from.query::<()>(&["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", "20000"]);
        wait_until("the roles are swapped", || {
            to.info("role") == "master" && from.info("role") == "slave"
        });
        fill(to, key, 100);
        from.wait_in_sync(to);
        assert_eq!(to.info("sync_partial_ok"), "1");
    }
    assert_eq!(redis.info("sync_full"), "0");
    assert_eq!(ours.info("sync_full"), "1");
}
