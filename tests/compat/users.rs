//! Users other than `default`: over real links (`masteruser`), and from files (`aclfile`).

use std::fs;

use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, fill, redis_is_installed, wait_until};

/// What Redis's documentation says a replica needs of its master.
const LINK_USER: &str = "user link on >between +psync +replconf +ping";

fn follows_as_a_user(master: Program, replica: Program) {
    let master = Server::start(master, &["requirepass secret", LINK_USER]);
    fill(&master, "k", 100);
    let replica = Server::start(
        replica,
        &[
            &format!("replicaof 127.0.0.1 {}", master.port),
            "masteruser link",
            "masterauth between",
            // So that its digest can be asked for as the master's can.
            "requirepass secret",
        ],
    );
    replica.wait_in_sync(&master);
    master.query::<()>(&["SET", "after", "v"]);
    replica.wait_in_sync(&master);
    // Without its user the link is lost and stays so; with it it goes on where it was.
    assert_eq!(master.query::<usize>(&["ACL", "DELUSER", "link"]), 1);
    wait_until("the link is lost", || replica.info("master_link_status") == "down");
    master.query::<()>(&["SET", "meanwhile", "v"]);
    wait_until("it is told why", || replica.log().contains("Unable to AUTH to MASTER: -WRONGPASS"));
    assert_eq!(replica.info("master_link_status"), "down");
    let again = ["ACL", "SETUSER", "link", "on", ">between", "+psync", "+replconf", "+ping"];
    master.query::<()>(&again);
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_full"), "1");
    assert_eq!(master.info("sync_partial_ok"), "1");
    // A user that may not ask for the stream gets none.
    master.query::<()>(&["ACL", "SETUSER", "link", "-psync"]);
    master.query::<()>(&["CLIENT", "KILL", "TYPE", "replica"]);
    wait_until("it is refused", || {
        let log = replica.log();
        log.contains("NOPERM") && replica.info("master_link_status") == "down"
    });
}

#[test]
fn ours_follows_ours_as_a_user() {
    follows_as_a_user(Ours, Ours);
}

#[test]
fn ours_follows_redis_as_a_user() {
    if redis_is_installed("ours_follows_redis_as_a_user") {
        follows_as_a_user(Redis, Ours);
    }
}

#[test]
fn redis_follows_ours_as_a_user() {
    if redis_is_installed("redis_follows_ours_as_a_user") {
        follows_as_a_user(Ours, Redis);
    }
}

/// A server that does not run yet, and whose file of users has this text.
fn with_users(text: &str) -> Server {
    let mut server = Server::prepare(Ours);
    server.configure(&["aclfile users.acl"]);
    fs::write(server.dir().join("users.acl"), text).unwrap();
    server
}

#[test]
fn users_come_from_a_file_and_go_into_it() {
    let mut server = with_users("user default on nopass ~* &* +@all\nuser a on >pw ~a* +get\n");
    server.launch();
    server.query::<()>(&["ACL", "SETUSER", "b", "on", "nopass", "%R~x*", "(+set ~w*)"]);
    server.query::<()>(&["ACL", "SAVE"]);
    let path = server.dir().join("users.acl");
    let saved = fs::read_to_string(&path).unwrap();
    let b = "user b on nopass %R~x* resetchannels -@all (~w* resetchannels -@all +set)\n";
    assert!(saved.contains(b), "{saved}");
    server.query::<()>(&["CONFIG", "REWRITE"]);
    let config = fs::read_to_string(server.dir().join("redis.conf")).unwrap();
    assert!(!config.contains("user "), "{config}");

    server.kill();
    server.launch();
    let users: Vec<String> = server.query(&["ACL", "USERS"]);
    assert_eq!(users, ["a", "b", "default"]);
    // Redis reads what we wrote, and shows the same.
    if redis_is_installed("users_come_from_a_file_and_go_into_it") {
        let mut redis = Server::prepare(Redis);
        redis.configure(&["aclfile users.acl"]);
        fs::write(redis.dir().join("users.acl"), &saved).unwrap();
        redis.launch();
        let theirs: Vec<String> = redis.query(&["ACL", "LIST"]);
        assert_eq!(server.query::<Vec<String>>(&["ACL", "LIST"]), theirs);
    }

    // Who came in as a user of the old file has to come again.
    let mut connection = server.connect().unwrap();
    redis::cmd("AUTH").arg("b").arg("").query::<()>(&mut connection).unwrap();
    fs::write(&path, "user c on nopass +ping\n").unwrap();
    server.query::<()>(&["ACL", "LOAD"]);
    assert_eq!(server.query::<Vec<String>>(&["ACL", "USERS"]), ["c", "default"]);
    assert!(redis::cmd("PING").query::<String>(&mut connection).is_err());

    // A broken file changes nothing.
    fs::write(&path, "user c on nopass +ping\nuser d +nosuch\nuser c off\n").unwrap();
    let refused = server.try_query::<()>(&["ACL", "LOAD"]).unwrap_err().to_string();
    let reason = "users.acl:2: Error in applying operation '+nosuch': Unknown command";
    assert!(refused.contains(reason), "{refused}");
    assert!(refused.contains("Duplicate user 'c' found on line 3"), "{refused}");
    assert_eq!(server.query::<Vec<String>>(&["ACL", "USERS"]), ["c", "default"]);
    fs::remove_file(&path).unwrap();
    let refused = server.try_query::<()>(&["ACL", "LOAD"]).unwrap_err().to_string();
    let reason = "Error loading ACLs, opening file 'users.acl': No such file or directory";
    assert!(refused.contains(reason), "{refused}");
}

#[test]
fn a_server_does_not_start_with_users_it_does_not_understand() {
    for (text, reason) in [
        ("user a on\nnonsense\n", "users.acl:2 should start with user keyword"),
        ("user a on\nuser a off\n", "Duplicate user 'a' found on line 2"),
        ("user a (+get\n", "users.acl:1: Unmatched parenthesis"),
        ("user a +nosuch\n", "users.acl:1: Error in applying operation '+nosuch'"),
    ] {
        let mut server = with_users(text);
        server.spawn();
        assert!(!server.wait_exit().success());
        let log = server.log();
        assert!(log.contains("Aborting Redis startup because of ACL errors"), "{log}");
        assert!(log.contains(reason), "{log}");
    }
    let mut server = Server::prepare(Ours);
    server.configure(&["aclfile nowhere.acl"]);
    server.spawn();
    assert!(!server.wait_exit().success());
    assert!(server.log().contains("opening file 'nowhere.acl'"), "{}", server.log());
    // In two places there would be no telling which counts.
    let mut server = Server::prepare(Ours);
    server.configure(&["aclfile users.acl", "user a on"]);
    fs::write(server.dir().join("users.acl"), "").unwrap();
    server.spawn();
    assert!(!server.wait_exit().success());
}
