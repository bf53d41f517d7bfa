//! The limits on memory: of the data and of clients.

use super::testing::World;

const REPLICA: &str = "replicaof 10.0.0.0 7000";

#[test]
fn nothing_is_added_over_maxmemory() {
    const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.|";
    let mut world = World::new(&["maxmemory 1mb"]);
    world.once(0, "SET a 1");
    assert_eq!(world.once(0, "DEBUG POPULATE 10000 k 200"), "+OK|");
    assert_eq!(world.once(0, "SET b 1"), OOM);
    assert_eq!(world.once(0, "GET a"), "$1|1|");
    let client = world.connect(0);
    world.ask(0, client, "MULTI");
    assert_eq!(world.ask(0, client, "INCR a"), OOM);
    assert!(world.ask(0, client, "EXEC").starts_with("-EXECABORT"));
    assert_eq!(world.once(0, "DEL a"), ":1|");
    let refused = world.once(0, "CONFIG SET maxmemory-policy allkeys-lru");
    assert!(refused.contains("eviction is not supported"), "{refused}");
    assert_eq!(world.once(0, "CONFIG SET maxmemory 0"), "+OK|");
    assert_eq!(world.once(0, "SET b 1"), "+OK|");
    assert_eq!(world.once(0, "CONFIG SET maxmemory-policy allkeys-lru"), "+OK|");
    assert!(world.once(0, "CONFIG SET maxmemory 1mb").contains("eviction is not supported"));
}

/// A replica has what its master has, whatever it takes.
#[test]
fn a_replica_ignores_maxmemory() {
    let mut world = World::new(&["", REPLICA]);
    world.run(3000);
    assert_eq!(world.field(1, "master_link_status"), "up");
    assert_eq!(world.once(1, "CONFIG SET maxmemory 1kb"), "+OK|");
    assert_eq!(world.once(0, "DEBUG POPULATE 100 k 200"), "+OK|");
    assert_eq!(world.once(0, "SET after 1"), "+OK|");
    world.run(2000);
    assert_eq!(world.once(1, "GET after"), "$1|1|");
}

#[test]
fn clients_that_hold_most_go_first() {
    let mut world = World::new(&["maxmemory-clients 100kb"]);
    let small = world.connect(0);
    let (spared, large) = (world.connect(0), world.connect(0));
    assert_eq!(world.ask(0, spared, "CLIENT NO-EVICT ON"), "+OK|");
    for client in [small, spared, large] {
        world.ask(0, client, "MULTI");
    }
    world.ask(0, small, &format!("SET k {}", "x".repeat(1000)));
    world.ask(0, spared, &format!("SET k {}", "x".repeat(45_000)));
    assert_eq!(world.ask(0, large, &format!("SET k {}", "x".repeat(40_000))), "+QUEUED|");
    assert_eq!(world.ask(0, large, &format!("SET k {}", "x".repeat(20_000))), "closed");
    assert_eq!(world.ask(0, spared, "EXEC"), "*1|+OK|");
    assert_eq!(world.ask(0, small, "EXEC"), "*1|+OK|");
    assert_eq!(world.field(0, "evicted_clients"), "1");
}
