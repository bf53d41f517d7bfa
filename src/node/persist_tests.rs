//! One save takes the place of another, and nobody who waits is forgotten.

use super::testing::World;

/// A save of a client runs, and a replica waits for the next; the disk is slow.
fn waiting_world() -> World {
    let mut world = World::new(&["", ""]);
    world.hosts[0].slow_disk = true;
    assert_eq!(world.once(0, "BGSAVE"), "+Background saving started|");
    world.once(1, "REPLICAOF 127.0.0.1 7000");
    world.run(2_000);
    assert!(world.logged(0, "BGSAVE for replication delayed"));
    world
}

fn assert_the_replica_is_served(world: &mut World) {
    world.hosts[0].slow_disk = false;
    world.finish_saves(0);
    world.run(10_000);
    assert!(world.once(1, "INFO replication").contains("master_link_status:up"));
}

#[test]
fn a_reload_in_the_place_of_a_save_leaves_replicas_waiting_for_the_next() {
    let mut world = waiting_world();
    let client = world.connect(0);
    assert_eq!(world.ask(0, client, "DEBUG RELOAD"), "");
    world.finish_saves(0);
    assert_eq!(world.replies(0, client), "+OK|");
    assert_the_replica_is_served(&mut world);
}

#[test]
fn a_shutdown_that_fails_leaves_replicas_waiting_for_the_next() {
    let mut world = waiting_world();
    let client = world.connect(0);
    assert_eq!(world.ask(0, client, "SHUTDOWN NOW SAVE"), "");
    world.hosts[0].disk_full = true;
    world.finish_saves(0);
    assert!(world.replies(0, client).starts_with("-ERR Errors trying to SHUTDOWN"));
    world.hosts[0].disk_full = false;
    assert_the_replica_is_served(&mut world);
}
