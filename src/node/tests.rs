//! Nodes as wholes, against each other, in the world of [`super::testing`].

use super::testing::World;

const REPLICA: &str = "replicaof 10.0.0.0 7000";

/// A master and replicas that have synced.
fn linked(master: &str, replicas: usize) -> World {
    let mut configs = vec![master];
    configs.extend(std::iter::repeat_n(REPLICA, replicas));
    let mut world = World::new(&configs);
    world.run(3000);
    for replica in 1..=replicas {
        assert_eq!(world.field(replica, "master_link_status"), "up");
    }
    world
}

/// Every dataset that two nodes had at the same id and offset is the same, and they are at the
/// same place now.
fn assert_same(world: &World, a: usize, b: usize) {
    assert_eq!(world.digest(a), world.digest(b), "datasets differ");
    let (left, right) = (world.node(a), world.node(b));
    assert_eq!(left.replication.offset(), right.replication.offset());
    let theirs = world.hosts[b].seen.borrow();
    for (id, offset, digest) in world.hosts[a].seen.borrow().iter() {
        let other = theirs.iter().find(|(i, o, _)| i == id && o == offset);
        if let Some((_, _, other)) = other {
            assert_eq!(digest, other, "datasets differ at {id}:{offset}");
        }
    }
}

#[test]
fn a_replica_gets_the_dataset_and_then_the_stream() {
    let mut world = World::new(&["", REPLICA]);
    world.once(0, "SET before 1");
    world.run(3000);
    assert_eq!(world.field(1, "master_link_status"), "up");
    assert_eq!(world.once(1, "GET before"), "$1|1|");
    let client = world.connect(0);
    world.ask(0, client, "SELECT 3");
    world.ask(0, client, "SET after 2 PX 500000");
    world.ask(0, client, "INCR n");
    assert_eq!(world.field(1, "db3"), world.field(0, "db3"));
    assert_same(&world, 0, 1);
    assert!(!world.hosts[1].seen.borrow().is_empty());
    assert_eq!(world.field(0, "sync_full"), "1");
}

#[test]
fn diskless_too() {
    let mut world = World::new(&["repl-diskless-sync yes;repl-diskless-sync-delay 0", REPLICA]);
    world.once(0, "SET before 1");
    world.run(3000);
    world.once(0, "SET after 1");
    assert_eq!(world.once(1, "GET after"), "$1|1|");
    assert_same(&world, 0, 1);
}

#[test]
fn a_cut_link_resumes() {
    let mut world = linked("", 1);
    world.once(0, "SET a 1");
    world.cut = true;
    world.cut_links(1);
    world.once(0, "SET b 2");
    assert_eq!(world.once(1, "GET b"), "$-1|");
    world.cut = false;
    world.run(3000);
    assert_eq!(world.once(1, "GET b"), "$1|2|");
    assert_eq!(world.field(0, "sync_partial_ok"), "1");
    assert_eq!(world.field(0, "sync_full"), "1");
    assert_same(&world, 0, 1);
}

#[test]
fn strangers_are_not_served() {
    let mut world = World::new(&["requirepass secret"]);
    let client = world.connect(0);
    assert_eq!(world.ask(0, client, "GET a"), "-NOAUTH Authentication required.|");
    assert_eq!(
        world.ask(0, client, "FOO"),
        "-ERR unknown command 'FOO', with args beginning with: |"
    );
    assert_eq!(
        world.ask(0, client, "AUTH wrong"),
        "-WRONGPASS invalid username-password pair or user is disabled.|"
    );
    assert_eq!(world.ask(0, client, "HELLO 3"), "-NOPROTO unsupported protocol version|");
    assert_eq!(world.ask(0, client, "AUTH default secret"), "+OK|");
    assert_eq!(world.ask(0, client, "GET a"), "$-1|");
    assert_eq!(world.ask(0, client, "RESET"), "+RESET|");
    assert_eq!(world.ask(0, client, "GET a"), "-NOAUTH Authentication required.|");
}

#[test]
fn a_replica_needs_the_password_of_its_master() {
    let mut world = World::new(&["requirepass secret", REPLICA]);
    world.run(3000);
    assert_eq!(world.field(1, "master_link_status"), "down");
    world.once(1, "CONFIG SET masterauth secret");
    world.run(3000);
    assert_eq!(world.field(1, "master_link_status"), "up");
}

#[test]
fn a_replica_takes_no_writes() {
    let mut world = linked("", 1);
    let refusal = "-READONLY You can't write against a read only replica.|";
    assert_eq!(world.once(1, "SET a 1"), refusal);
    let client = world.connect(1);
    world.ask(1, client, "MULTI");
    assert_eq!(world.ask(1, client, "SET a 1"), refusal);
    assert_eq!(
        world.ask(1, client, "EXEC"),
        "-EXECABORT Transaction discarded because of previous errors.|"
    );
}

#[test]
fn wait_counts_those_who_have_it() {
    let mut world = linked("", 2);
    let client = world.connect(0);
    world.ask(0, client, "SET a 1");
    assert_eq!(world.ask(0, client, "WAIT 2 0"), ":2|");
    world.cut = true;
    world.cut_links(2);
    world.ask(0, client, "SET a 2");
    assert_eq!(world.ask(0, client, "WAIT 2 500"), "");
    assert_eq!(world.field(0, "blocked_clients"), "1");
    world.run(1000);
    assert_eq!(world.replies(0, client), ":1|");
    assert_eq!(world.ask(0, client, "PING"), "+PONG|");
}

#[test]
fn a_transaction_reaches_the_replica_as_one() {
    let mut world = linked("", 1);
    let client = world.connect(0);
    let before = world.hosts[1].seen.borrow().len();
    for line in ["MULTI", "SET a 1", "SELECT 2", "SET b 2", "SET c 3"] {
        world.ask(0, client, line);
    }
    assert_eq!(world.ask(0, client, "EXEC"), "*4|+OK|+OK|+OK|+OK|");
    assert_same(&world, 0, 1);
    let seen = world.hosts[1].seen.borrow().len() - before;
    assert!(seen <= 2, "SELECT, then all of it at once, but there were {seen} steps");
    world.once(0, "SET d 4");
    assert_eq!(world.once(1, "GET d"), "$1|4|");
    assert_eq!(world.once(1, "GET b"), "$-1|");
}

#[test]
fn watch_notices_changes_and_expiry() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.ask(0, client, "SET a 1");
    world.ask(0, client, "WATCH a");
    world.once(0, "SET a 2");
    world.ask(0, client, "MULTI");
    world.ask(0, client, "GET a");
    assert_eq!(world.ask(0, client, "EXEC"), "*-1|");
    world.ask(0, client, "SET a 1 PX 50");
    world.ask(0, client, "WATCH a");
    world.ask(0, client, "MULTI");
    world.run(100);
    assert_eq!(world.ask(0, client, "EXEC"), "*-1|");
    world.ask(0, client, "WATCH a");
    world.once(0, "FLUSHALL");
    world.ask(0, client, "MULTI");
    assert_eq!(world.ask(0, client, "EXEC"), "*0|", "a missing key is not touched by a flush");
    world.ask(0, client, "WATCH a");
    assert_eq!(world.ask(0, client, "DISCARD"), "-ERR DISCARD without MULTI|");
    world.once(0, "SET a 3");
    world.ask(0, client, "MULTI");
    assert_eq!(world.ask(0, client, "EXEC"), "*-1|", "a refused DISCARD forgets nothing");
}

#[test]
fn expiry_is_the_masters() {
    let mut world = linked("", 1);
    world.once(0, "DEBUG SET-ACTIVE-EXPIRE 0");
    world.once(0, "SET a 1 PX 200");
    world.once(0, "SET b 1 PX 200");
    world.run(1000);
    assert_eq!(world.once(1, "GET a"), "$-1|");
    assert_eq!(world.once(1, "DBSIZE"), ":2|", "a replica deletes nothing by itself");
    assert_eq!(world.once(0, "SET a 2"), "+OK|");
    assert_eq!(world.once(1, "DBSIZE"), ":2|");
    assert_eq!(world.once(1, "GET a"), "$1|2|");
    world.once(0, "DEBUG SET-ACTIVE-EXPIRE 1");
    world.run(200);
    assert_eq!(world.once(1, "DBSIZE"), ":1|");
    assert_eq!(world.field(0, "expired_keys"), "2");
    assert_eq!(world.field(1, "expired_keys"), "0");
    assert_same(&world, 0, 1);
}

#[test]
fn a_restarted_replica_resumes_from_its_file() {
    let mut world = linked("", 1);
    world.once(0, "SET a 1");
    assert_eq!(world.once(1, "SAVE"), "+OK|");
    world.kill(1);
    world.once(0, "SET b 2");
    world.start(1);
    world.run(3000);
    assert_eq!(world.field(0, "sync_partial_ok"), "1");
    assert_eq!(world.field(0, "sync_full"), "1");
    assert_same(&world, 0, 1);
}

#[test]
fn a_restarted_master_knows_its_replicas() {
    let mut world = linked("", 1);
    world.once(0, "SET gone 1 PX 100");
    world.once(0, "SET stays 1");
    let client = world.connect(0);
    world.send(0, client, "SHUTDOWN SAVE");
    assert_eq!(world.hosts[0].exit, None, "the replica has not acknowledged yet");
    world.run(2000);
    assert_eq!(world.hosts[0].exit, Some(0));
    assert!(world.logged(0, "1 of 1 replicas are in sync when shutting down."));
    world.start(0);
    world.run(3000);
    assert_eq!(world.once(0, "DBSIZE"), ":1|");
    assert_eq!(world.field(0, "sync_partial_ok"), "1");
    assert_eq!(world.field(0, "sync_full"), "0");
    assert_same(&world, 0, 1);
}

#[test]
fn shutdown_waits_for_lagging_replicas_and_can_be_aborted() {
    let mut world = linked("shutdown-timeout 5", 1);
    // Its acks do not arrive any more: half open.
    world.hosts[1].node = None;
    world.once(0, "SET a 1");
    let client = world.connect(0);
    world.send(0, client, "SHUTDOWN");
    world.run(1000);
    assert_eq!(world.hosts[0].exit, None);
    let writer = world.connect(0);
    assert_eq!(world.ask(0, writer, "SET b 1"), "", "writes are held back");
    assert_eq!(world.once(0, "GET a"), "$1|1|");
    assert_eq!(world.once(0, "SHUTDOWN ABORT"), "+OK|");
    assert_eq!(world.replies(0, client), "-ERR Errors trying to SHUTDOWN. Check logs.|");
    assert_eq!(world.replies(0, writer), "+OK|");
    world.send(0, client, "SHUTDOWN");
    world.run(6000);
    assert_eq!(world.hosts[0].exit, Some(0));
    assert!(world.logged(0, "0 of 1 replicas are in sync when shutting down."));
}

#[test]
fn one_save_at_a_time_and_writes_stop_after_a_failure() {
    let mut world = World::new(&["save 900 1"]);
    world.hosts[0].slow_disk = true;
    world.once(0, "SET a 1");
    assert_eq!(world.once(0, "BGSAVE"), "+Background saving started|");
    assert_eq!(world.once(0, "BGSAVE"), "-ERR Background save already in progress|");
    assert_eq!(world.once(0, "SAVE"), "-ERR Background save already in progress|");
    world.once(0, "SET b 1");
    world.finish_saves(0);
    assert_eq!(world.field(0, "rdb_changes_since_last_save"), "1");
    assert_eq!(world.field(0, "rdb_bgsave_in_progress"), "0");
    world.hosts[0].slow_disk = false;
    world.hosts[0].disk_full = true;
    world.once(0, "BGSAVE");
    assert!(world.once(0, "SET c 1").starts_with("-MISCONF "));
    assert!(world.once(0, "PING").starts_with("-MISCONF "));
    assert_eq!(world.once(0, "GET a"), "$1|1|");
    world.hosts[0].disk_full = false;
    world.once(0, "BGSAVE");
    assert_eq!(world.once(0, "SET c 1"), "+OK|");
    world.kill(0);
    world.start(0);
    assert_eq!(world.once(0, "DBSIZE"), ":2|", "what was saved is there, what was not is gone");
}

#[test]
fn a_due_save_point_saves() {
    let mut world = World::new(&["save 5 2"]);
    world.once(0, "SET a 1");
    world.run(6000);
    assert_eq!(world.field(0, "rdb_saves"), "0");
    world.once(0, "SET b 1");
    world.run(200);
    assert_eq!(world.field(0, "rdb_saves"), "1");
    assert!(world.logged(0, "2 changes in 5 seconds. Saving..."));
}

#[test]
fn reload_brings_the_same_data_back() {
    let mut world = World::new(&[""]);
    world.once(0, "DEBUG POPULATE 100");
    let digest = world.once(0, "DEBUG DIGEST");
    assert_eq!(world.once(0, "DEBUG RELOAD"), "+OK|");
    assert_eq!(world.once(0, "DEBUG DIGEST"), digest);
    assert_ne!(digest, "+0000000000000000000000000000000000000000|");
}

#[test]
fn a_damaged_file_is_not_loaded() {
    let mut world = World::new(&[""]);
    world.once(0, "SET a 1");
    world.once(0, "SAVE");
    world.kill(0);
    for bytes in world.hosts[0].disk.values_mut() {
        bytes.truncate(bytes.len() - 1);
    }
    world.start(0);
    assert_eq!(world.hosts[0].exit, Some(1));
    assert!(world.logged(0, "Fatal error loading the DB"));
}

#[test]
fn a_pause_holds_commands_back() {
    let mut world = linked("", 1);
    let client = world.connect(0);
    world.once(0, "CLIENT PAUSE 500 WRITE");
    assert_eq!(world.once(0, "GET a"), "$-1|");
    world.send(0, client, "SET a 1");
    world.send(0, client, "GET a");
    assert_eq!(world.replies(0, client), "");
    let offset = world.field(0, "master_repl_offset");
    world.run(300);
    assert_eq!(world.field(0, "master_repl_offset"), offset, "the stream stands still");
    world.run(300);
    assert_eq!(world.replies(0, client), "+OK|$1|1|");
    world.once(0, "CLIENT PAUSE 500");
    assert_eq!(world.ask(0, client, "PING"), "");
    world.run(600);
    assert_eq!(world.replies(0, client), "+PONG|");
    assert_same(&world, 0, 1);
}

#[test]
fn a_failover_changes_the_roles_without_a_full_sync() {
    let mut world = linked("", 1);
    world.once(0, "SET a 1");
    assert_eq!(world.once(0, "FAILOVER"), "+OK|");
    world.run(5000);
    assert!(world.once(0, "ROLE").starts_with("*5|$5|slave|"));
    assert!(world.once(1, "ROLE").starts_with("*3|$6|master|"));
    assert_eq!(world.field(0, "master_link_status"), "up");
    world.once(1, "SET b 2");
    assert_eq!(world.once(0, "GET b"), "$1|2|");
    assert_eq!(world.field(1, "sync_full"), "0");
    assert_eq!(world.field(1, "sync_partial_ok"), "1");
    assert_same(&world, 0, 1);
}

#[test]
fn promotion_and_demotion_keep_the_history() {
    let mut world = linked("", 2);
    world.once(0, "SET a 1");
    world.run(1000);
    assert_eq!(world.once(1, "REPLICAOF NO ONE"), "+OK|");
    assert_eq!(world.once(2, "REPLICAOF 10.0.0.1 7001"), "+OK|");
    assert_eq!(world.once(0, "REPLICAOF 10.0.0.1 7001"), "+OK|");
    world.run(3000);
    world.once(1, "SET b 2");
    for replica in [0, 2] {
        assert_eq!(world.once(replica, "GET b"), "$1|2|");
        assert_same(&world, 1, replica);
    }
}

#[test]
fn who_waits_is_told_when_the_role_changes() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.send(0, client, "WAIT 1 0");
    world.once(0, "REPLICAOF 10.0.0.9 7009");
    assert!(world.replies(0, client).starts_with("-UNBLOCKED force unblock"));
}

#[test]
fn a_replica_that_talks_is_disconnected() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.send(0, client, "SYNC");
    world.run(1000);
    assert!(world.replies(0, client).starts_with('$'));
    world.send(0, client, "GET a");
    assert_eq!(world.replies(0, client), "closed");
    assert!(world.logged(0, "Replica generated a reply to command 'get', disconnecting it: "));
    let client = world.connect(0);
    world.send(0, client, "SYNC");
    world.run(1000);
    assert!(world.replies(0, client).starts_with('$'));
    world.send(0, client, "XINFO HELP");
    assert_eq!(world.replies(0, client), "closed");
    assert!(world.logged(0, "to command 'xinfo|help', disconnecting it: "));
}

#[test]
fn a_replica_that_asks_for_no_number_is_told() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.send(0, client, "PSYNC ? x");
    let refused = "-ERR value is not an integer or out of range|";
    assert_eq!(world.replies(0, client), refused);
    assert!(world.logged(0, "asks for synchronization but with a wrong offset"));
}

#[test]
fn monitors_see_commands_but_no_secrets() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.ask(0, client, "MONITOR");
    world.once(0, "AUTH default hush");
    world.once(0, "SET a 1");
    let seen = world.replies(0, client);
    assert!(seen.contains("\"AUTH\" \"(redacted)\""), "{seen}");
    assert!(seen.contains("[0 10.0.0.9:5000] \"SET\" \"a\" \"1\""), "{seen}");
    assert!(!seen.contains("hush"));
    assert_eq!(world.ask(0, client, "GET a"), "-ERR Replica can't interact with the keyspace|");
}

#[test]
fn killed_clients_are_gone() {
    let mut world = linked("", 1);
    let victim = world.connect(0);
    let killer = world.connect(0);
    assert_eq!(world.ask(0, killer, &format!("CLIENT KILL ID {victim}")), ":1|");
    assert_eq!(world.replies(0, victim), "closed");
    assert_eq!(world.ask(0, killer, "CLIENT KILL TYPE replica"), ":1|");
    world.run(2000);
    assert_eq!(world.field(0, "sync_partial_ok"), "1");
    assert_eq!(world.once(1, "CLIENT KILL TYPE master"), ":1|");
    world.run(2000);
    assert_eq!(world.field(0, "sync_partial_ok"), "2");
}

#[test]
fn replies_can_be_turned_off() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    assert_eq!(world.ask(0, client, "CLIENT REPLY SKIP"), "");
    assert_eq!(world.ask(0, client, "PING"), "");
    assert_eq!(world.ask(0, client, "PING"), "+PONG|");
    world.ask(0, client, "CLIENT REPLY OFF");
    assert_eq!(world.ask(0, client, "PING"), "");
    assert_eq!(world.ask(0, client, "CLIENT REPLY ON"), "+OK|");
}

#[test]
fn limits_hold() {
    let mut world = World::new(&["maxclients 2;timeout 5"]);
    let first = world.connect(0);
    let _second = world.connect(0);
    let refused = world.hosts[0]
        .node
        .as_mut()
        .expect("runs")
        .accept(world.now, super::testing::peer(9, true));
    assert_eq!(refused.expect_err("full"), "-ERR max number of clients reached\r\n");
    world.run(6000);
    assert_eq!(world.replies(0, first), "closed");
    let far = super::testing::peer(9, false);
    let refused = world.hosts[0].node.as_mut().expect("runs").accept(world.now, far);
    assert!(refused.expect_err("protected mode").starts_with(b"-DENIED "));
}

#[test]
fn config_rewrite_writes_what_is_in_force() {
    let mut world = World::new(&[""]);
    world.once(0, "CONFIG SET maxclients 77");
    world.once(0, "REPLICAOF 10.0.0.9 7009");
    assert_eq!(world.once(0, "CONFIG REWRITE"), "+OK|");
    let text = String::from_utf8_lossy(&world.hosts[0].disk["redis.conf"]).into_owned();
    assert!(text.contains("maxclients 77"), "{text}");
    assert!(text.contains("replicaof 10.0.0.9 7009"), "{text}");
}

/// Sentinel sends it inside a transaction: the answer is the true one, in its place.
#[test]
fn config_rewrite_inside_a_transaction_is_answered_when_it_is_over() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    let lines = ["CONFIG REWRITE", "PING", "CONFIG REWRITE", "CLIENT KILL TYPE normal SKIPME no"];
    let ask_all = |world: &mut World, lines: &[&str]| {
        world.ask(0, client, "MULTI");
        for line in lines {
            world.ask(0, client, line);
        }
        world.ask(0, client, "EXEC")
    };
    world.hosts[0].disk_full = true;
    let failed = "-ERR Rewriting config file: No space left on device|";
    assert_eq!(ask_all(&mut world, &lines[..3]), format!("*3|{failed}+PONG|{failed}"));
    assert_eq!(world.ask(0, client, "PING"), "+PONG|");
    world.hosts[0].disk_full = false;
    assert_eq!(ask_all(&mut world, &lines), "*4|+OK|+PONG|+OK|:1|");
}

#[test]
fn min_replicas_guard_writes() {
    let mut world = linked("min-replicas-to-write 1;min-replicas-max-lag 2", 1);
    assert_eq!(world.once(0, "SET a 1"), "+OK|");
    world.kill(1);
    world.run(3000);
    assert_eq!(world.once(0, "SET a 2"), "-NOREPLICAS Not enough good replicas to write.|");
    assert_eq!(world.once(0, "GET a"), "$1|1|");
}

#[test]
fn config_set_of_an_address_that_cannot_be_had_changes_nothing() {
    let mut world = World::new(&[""]);
    let text = "-ERR CONFIG SET failed (possibly related to argument";
    assert_eq!(
        world.once(0, "CONFIG SET port 1 maxclients 77"),
        format!("{text} 'port') - Unable to listen on this port. Check server logs.|")
    );
    assert_eq!(world.once(0, "CONFIG GET port"), "*2|$4|port|$4|7000|");
    assert_eq!(world.once(0, "CONFIG GET maxclients"), "*2|$10|maxclients|$5|10000|");
    assert_eq!(world.once(0, "CONFIG SET port 7009"), "+OK|");
    assert_eq!(world.once(0, "CONFIG GET port"), "*2|$4|port|$4|7009|");
    let client = world.connect(0);
    world.ask(0, client, "MULTI");
    world.ask(0, client, "CONFIG SET port 7010");
    let refused = "can't be set inside a transaction";
    assert_eq!(world.ask(0, client, "EXEC"), format!("*1|{text} 'port') - {refused}|"));
}

#[test]
fn config_set_dir_needs_a_folder() {
    let mut world = World::new(&["enable-protected-configs yes;dir /data"]);
    assert_eq!(
        world.once(0, "CONFIG SET maxclients 77 dir missing"),
        "-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory|"
    );
    assert_eq!(world.once(0, "CONFIG GET dir"), "*2|$3|dir|$5|/data|");
    assert_eq!(world.once(0, "CONFIG GET maxclients"), "*2|$10|maxclients|$5|10000|");
    // Seen from the folder of now, as the system's chdir does.
    assert_eq!(world.once(0, "CONFIG SET dir deeper port 7008"), "+OK|");
    assert_eq!(world.once(0, "CONFIG GET dir"), "*2|$3|dir|$12|/data/deeper|");
    world.once(0, "SAVE");
    assert!(world.hosts[0].disk.contains_key("/data/deeper/dump.rdb"));
}

#[test]
fn a_web_page_is_hung_up_on() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.send_batch(0, client, &["POST / HTTP/1.1", "Host: here", "SET a 1"]);
    assert_eq!(world.once(0, "EXISTS a"), ":0|");
    assert!(world.logged(0, "web browser"));
}

#[test]
fn a_replica_is_one_in_its_first_log_line_already() {
    let world = World::new(&["", REPLICA]);
    assert!(world.hosts[1].log_roles.iter().all(|role| *role == 'S'), "{:?}", world.hosts[1].log);
    assert!(world.hosts[0].log_roles.iter().all(|role| *role == 'M'));
}

#[test]
fn a_writable_replica_expires_its_own_keys_only() {
    let mut world = linked("", 1);
    world.once(0, "DEBUG SET-ACTIVE-EXPIRE 0");
    world.once(0, "SET masters 1 PX 200");
    world.once(1, "CONFIG SET replica-read-only no");
    world.once(1, "SET own 1 PX 200");
    world.once(1, "SET kept 1 PX 200");
    world.once(1, "PERSIST kept");
    assert_eq!(world.field(1, "slave_expires_tracked_keys"), "2");
    let offset = world.field(1, "master_repl_offset");
    world.run(1000);
    assert_eq!(world.once(1, "DBSIZE"), ":2|");
    assert_eq!(world.field(1, "slave_expires_tracked_keys"), "0");
    assert_eq!(world.field(1, "master_repl_offset"), offset);
    assert_eq!(world.once(0, "DBSIZE"), ":1|");
}

#[test]
fn a_batch_cannot_pass_the_hard_output_limit() {
    let mut world = World::new(&["client-output-buffer-limit normal 10000 0 0"]);
    let client = world.connect(0);
    world.ask(0, client, &format!("SET a {}", "x".repeat(1000)));
    world.send_batch(0, client, &["GET a"; 1000]);
    let hits: u64 = world.field(0, "keyspace_hits").parse().expect("a number");
    // 16 KiB are not counted.
    assert!(hits <= 27, "{hits} replies were held");
    assert!(world.logged(0, "overcoming of output buffer limits"));
}

#[test]
fn a_server_without_an_address_does_not_start() {
    let world = World::new(&["port 0"]);
    assert_eq!(world.hosts[0].exit, Some(1));
    assert!(world.logged(0, "not listen anywhere"));
}

#[test]
fn who_waits_for_a_key_is_served_in_order() {
    let mut world = linked("", 1);
    let (first, second, third) = (world.connect(0), world.connect(0), world.connect(0));
    assert_eq!(world.ask(0, first, "BLPOP other key 0"), "");
    assert_eq!(world.ask(0, second, "BLMOVE key moved LEFT RIGHT 0"), "");
    assert_eq!(world.ask(0, third, "BRPOP key 0"), "");
    assert_eq!(world.field(0, "blocked_clients"), "3");
    assert_eq!(world.once(0, "RPUSH key 1 2"), ":2|");
    assert_eq!(world.replies(0, first), "*2|$3|key|$1|1|");
    assert_eq!(world.replies(0, second), "$1|2|");
    assert_eq!(world.replies(0, third), "");
    assert_eq!(world.field(0, "blocked_clients"), "1");
    assert_eq!(world.ask(0, first, "PING"), "+PONG|");
    world.run(200);
    assert_same(&world, 0, 1);
    assert_eq!(world.once(1, "LRANGE moved 0 -1"), "*1|$1|2|");
}

#[test]
fn a_transaction_serves_only_when_it_is_over() {
    let mut world = World::new(&[""]);
    world.run(500);
    let waits = world.connect(0);
    let client = world.connect(0);
    assert_eq!(world.ask(0, waits, "BLPOP key 0"), "");
    for line in ["MULTI", "RPUSH key a", "DEL key", "BLPOP key 0", "RPUSH key b"] {
        world.ask(0, client, line);
    }
    assert_eq!(world.ask(0, client, "EXEC"), "*4|:1|:1|*-1|:1|");
    assert_eq!(world.replies(0, waits), "*2|$3|key|$1|b|");
}

#[test]
fn waiting_for_a_key_ends_by_time_by_command_and_by_demotion() {
    let mut world = World::new(&[""]);
    world.run(500);
    let client = world.connect(0);
    assert_eq!(world.ask(0, client, "BLPOP key 0.5"), "");
    world.run(400);
    assert_eq!(world.replies(0, client), "");
    world.run(300);
    assert_eq!(world.replies(0, client), "*-1|");
    let id = world.ask(0, client, "CLIENT ID");
    let id = id.trim_matches([':', '|']).to_owned();
    world.ask(0, client, "BLPOP key 0");
    assert_eq!(world.once(0, &format!("CLIENT UNBLOCK {id} ERROR")), ":1|");
    let text = "-UNBLOCKED client unblocked via CLIENT UNBLOCK|";
    assert_eq!(world.replies(0, client), text);
    // Whoever has gone takes nothing.
    let gone = world.connect(0);
    world.ask(0, gone, "BLPOP key 0");
    world.ask(0, client, &format!("CLIENT KILL ID {}", gone));
    assert_eq!(world.once(0, "RPUSH key a"), ":1|");
    assert_eq!(world.once(0, "LPOP key"), "$1|a|");
    world.ask(0, client, "BLPOP key 0");
    world.once(0, "REPLICAOF 10.0.0.9 7000");
    assert!(world.replies(0, client).starts_with("-UNBLOCKED force unblock"));
}

/// Without a space: words are split there.
const LIBRARY: &str = "#!lua\tname=lib\nredis.register_function('f',f)";

#[test]
fn functions_are_in_snapshots_and_on_the_stream() {
    let mut world = World::new(&["", REPLICA]);
    assert_eq!(world.once(0, &format!("FUNCTION LOAD {LIBRARY}")), "$3|lib|");
    world.run(3000);
    let listed = world.once(0, "FUNCTION LIST WITHCODE");
    assert!(listed.contains("register_function"), "{listed}");
    assert_eq!(world.once(1, "FUNCTION LIST WITHCODE"), listed);
    assert_same(&world, 0, 1);
    world.once(0, "FLUSHALL");
    assert_eq!(world.once(1, "FUNCTION LIST WITHCODE"), listed);
    assert!(world.once(1, "FUNCTION DELETE lib").starts_with("-READONLY"));
    world.once(0, "FUNCTION DELETE lib");
    assert_eq!(world.once(1, "FUNCTION LIST"), "*0|");
    assert_same(&world, 0, 1);
}

#[test]
fn a_reload_and_a_restart_keep_functions() {
    let mut world = World::new(&[""]);
    world.once(0, &format!("FUNCTION LOAD {LIBRARY}"));
    assert_eq!(world.once(0, "DEBUG RELOAD"), "+OK|");
    assert_eq!(world.once(0, "FUNCTION DELETE lib"), "+OK|");
}

#[test]
fn a_stream_that_cannot_be_applied_ends_a_copy_but_no_writable_replica() {
    for (writable, ends) in [("no", false), ("yes", true)] {
        let panics =
            format!("{REPLICA};propagation-error-behavior panic;replica-read-only {writable}");
        let mut world = World::new(&["", &panics]);
        world.run(3000);
        assert_eq!(world.once(0, "DEBUG REPLICATE nosuch command"), "+OK|");
        world.run(100);
        assert!(world.logged(1, "== CRITICAL == This replica is sending an error to its master"));
        assert_eq!(world.logged(1, "This server panicked"), ends, "replica-read-only {writable}");
    }
}
