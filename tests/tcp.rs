//! The server on real TCP, seen by real clients: what an operator does, and what befalls a
//! process. Between ours and ours here; with a real Redis in `tests/compat/`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of the real world wait for it, and fail by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use redis::ErrorKind;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use support::{Program, Server, fill, free_port, query_on, wait_until};

fn replica_of(master: &Server) -> String {
    format!("replicaof 127.0.0.1 {}", master.port)
}

fn code(error: &redis::RedisError) -> &str {
    error.code().unwrap_or("ERR")
}

#[test]
fn the_users_story() {
    let master = Server::start(Program::Ours, &["requirepass 123456"]);
    let slave_of = format!("slaveof 127.0.0.1 {}", master.port);
    let directives =
        [&slave_of[..], "masterauth 123456", "slave-read-only yes", "requirepass 123456"];
    let mut replica = Server::start(Program::Ours, &directives);
    replica.wait_link_up();
    assert_eq!(replica.info("role"), "slave");
    assert_eq!(replica.info("master_host"), "127.0.0.1");
    assert_eq!(replica.info("master_port"), master.port.to_string());

    let refused = replica.try_query::<String>(&["SET", "key", "value"]).unwrap_err();
    assert_eq!(code(&refused), "READONLY");
    master.query::<()>(&["SET", "key", "value"]);
    replica.wait_in_sync(&master);
    assert_eq!(replica.query::<String>(&["GET", "key"]), "value");

    assert_eq!(master.info("sync_partial_ok"), "0");
    // As an operator restarts a server that has save points.
    replica.query::<()>(&["CONFIG", "SET", "save", "3600 1"]);
    replica.terminate();
    master.query::<()>(&["SET", "key", "other"]);
    replica.launch();
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_partial_ok"), "1", "{}", replica.log());
    assert_eq!(master.info("sync_full"), "1");
    assert_eq!(replica.query::<String>(&["GET", "key"]), "other");
}

#[test]
fn a_wrong_password_is_refused() {
    let server = Server::start(Program::Ours, &["requirepass 123456"]);
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let refused = query_on::<String>(&mut connection, &["GET", "key"]).unwrap_err();
    assert_eq!(code(&refused), "NOAUTH");
    let refused = query_on::<String>(&mut connection, &["AUTH", "wrong"]).unwrap_err();
    assert_eq!(code(&refused), "WRONGPASS");
}

fn full_sync(diskless: bool, load: &str) {
    let switch = if diskless { "yes" } else { "no" };
    let master = Server::start(Program::Ours, &[&format!("repl-diskless-sync {switch}")]);
    fill(&master, "before", 5000);
    let directives = [&replica_of(&master)[..], &format!("repl-diskless-load {load}")];
    let first = Server::start(Program::Ours, &directives);
    let second = Server::start(Program::Ours, &directives);
    fill(&master, "during", 500);
    first.wait_in_sync(&master);
    second.wait_in_sync(&master);
    assert_eq!(first.query::<usize>(&["DBSIZE"]), 5500);
    assert_eq!(first.info("role"), "slave");
    assert_eq!(master.info("connected_slaves"), "2");
}

#[test]
fn full_sync_by_disk() {
    full_sync(false, "disabled");
}

#[test]
fn full_sync_without_a_disk() {
    full_sync(true, "swapdb");
}

#[test]
fn full_sync_from_memory_to_disk() {
    full_sync(true, "disabled");
}

#[test]
fn a_cut_link_is_mended_by_a_partial_resync() {
    let master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    replica.wait_link_up();
    for round in 1..=3 {
        fill(&master, &format!("round {round}"), 50);
        let killed: usize = replica.query(&["CLIENT", "KILL", "TYPE", "master"]);
        assert_eq!(killed, 1);
        master.query::<()>(&["SET", "last", &round.to_string()]);
        wait_until("a partial resync", || master.info("sync_partial_ok") == round.to_string());
        replica.wait_in_sync(&master);
    }
    assert_eq!(master.info("sync_full"), "1");
    let killed: usize = master.query(&["CLIENT", "KILL", "TYPE", "replica"]);
    assert_eq!(killed, 1);
    wait_until("a partial resync", || master.info("sync_partial_ok") == "4");
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_full"), "1");
}

#[test]
fn a_replica_without_room_for_the_snapshot_tries_again() {
    let master = Server::start(Program::Ours, &["repl-diskless-sync no"]);
    fill(&master, "key", 100);
    let mut replica = Server::prepare(Program::Ours);
    let folder = replica.dir().join("data");
    std::fs::create_dir(&folder).unwrap();
    let in_folder = format!("dir {}", folder.display());
    replica.configure(&[&in_folder]);
    replica.launch();
    std::fs::remove_dir(&folder).unwrap();
    replica.query::<()>(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    wait_until("it says why, twice", || {
        replica
            .log()
            .matches("Opening the temp file needed for MASTER <-> REPLICA synchronization")
            .count()
            >= 2
    });
    assert_eq!(replica.info("master_link_status"), "down");
    std::fs::create_dir(&folder).unwrap();
    replica.wait_in_sync(&master);
    assert_eq!(replica.query::<usize>(&["DBSIZE"]), 100);
}

#[test]
fn a_killed_replica_comes_back_with_what_it_had_saved() {
    let master = Server::start(Program::Ours, &[]);
    let mut replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    fill(&master, "saved", 200);
    replica.wait_in_sync(&master);
    replica.query::<()>(&["SAVE"]);
    fill(&master, "not saved", 200);
    replica.wait_in_sync(&master);
    replica.kill();
    fill(&master, "meanwhile", 200);
    replica.launch();
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_full"), "1", "{}", replica.log());
    assert_eq!(master.info("sync_partial_ok"), "1");
}

#[test]
fn a_killed_master_comes_back_with_what_it_had_saved() {
    let mut master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    fill(&master, "saved", 200);
    replica.wait_in_sync(&master);
    master.query::<()>(&["SAVE"]);
    let saved = master.digest();
    fill(&master, "lost", 200);
    replica.wait_in_sync(&master);
    master.kill();
    wait_until("the replica sees it", || replica.info("master_link_status") == "down");
    master.launch();
    assert_eq!(master.digest(), saved);
    // The replica is ahead of the file: only a full sync makes them equal again.
    replica.wait_in_sync(&master);
    assert_eq!(replica.digest(), saved);
}

#[test]
fn a_master_restarted_in_order_goes_on_where_it_was() {
    let mut master = Server::start(Program::Ours, &["save 3600 1"]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    fill(&master, "before", 200);
    replica.wait_in_sync(&master);
    let before = master.digest();
    master.terminate();
    master.launch();
    assert_eq!(master.digest(), before);
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_full"), "0", "{}", replica.log());
    assert_eq!(master.info("sync_partial_ok"), "1");
}

#[test]
fn a_chain_survives_the_promotion_of_its_middle() {
    let top = Server::start(Program::Ours, &[]);
    let middle = Server::start(Program::Ours, &[&replica_of(&top)]);
    middle.wait_link_up();
    let bottom = Server::start(Program::Ours, &[&replica_of(&middle)]);
    fill(&top, "first", 100);
    middle.wait_in_sync(&top);
    bottom.wait_in_sync(&top);
    middle.query::<()>(&["REPLICAOF", "NO", "ONE"]);
    fill(&middle, "second", 100);
    bottom.wait_in_sync(&middle);
    assert_eq!(middle.info("sync_full"), "1");
    assert_eq!(middle.info("sync_partial_ok"), "1");
}

#[test]
fn a_paused_replica_catches_up() {
    let master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    replica.wait_link_up();
    replica.signal(Signal::STOP);
    fill(&master, "paused", 1000);
    replica.signal(Signal::CONT);
    replica.wait_in_sync(&master);
    assert_eq!(master.info("sync_full"), "1");
}

#[test]
fn wait_counts_replicas_that_have_it() {
    let master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    replica.wait_link_up();
    let mut connection = master.connect().unwrap();
    query_on::<()>(&mut connection, &["SET", "key", "value"]).unwrap();
    let acked: usize = query_on(&mut connection, &["WAIT", "1", "10000"]).unwrap();
    assert_eq!(acked, 1);
    assert_eq!(replica.query::<String>(&["GET", "key"]), "value");
    replica.signal(Signal::STOP);
    query_on::<()>(&mut connection, &["SET", "key", "other"]).unwrap();
    let acked: usize = query_on(&mut connection, &["WAIT", "1", "200"]).unwrap();
    replica.signal(Signal::CONT);
    assert_eq!(acked, 0);
}

#[test]
fn keys_expire_on_both() {
    let master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    replica.wait_link_up();
    master.query::<()>(&["SET", "short", "lived", "PX", "300"]);
    master.query::<()>(&["SET", "long", "lived"]);
    replica.wait_in_sync(&master);
    wait_until("the key is gone", || replica.query::<usize>(&["DBSIZE"]) == 1);
    replica.wait_in_sync(&master);
    assert_eq!(master.info("expired_keys"), "1");
}

#[test]
fn large_values_and_long_pipelines_pass() {
    let server = Server::start(Program::Ours, &[]);
    let mut connection = server.connect().unwrap();
    let value = "0123456789abcdef".repeat(1024 * 1024);
    query_on::<()>(&mut connection, &["SET", "large", &value]).unwrap();
    let read: String = query_on(&mut connection, &["GET", "large"]).unwrap();
    assert!(read == value);
    let mut pipe = redis::pipe();
    for _ in 0..100_000 {
        pipe.cmd("INCR").arg("counter");
    }
    let counts: Vec<u64> = pipe.query(&mut connection).unwrap();
    assert!(counts.into_iter().eq(1..=100_000));
}

#[test]
fn debug_sleep_stops_everyone_and_closes_no_one() {
    let server = Server::start(Program::Ours, &[]);
    let mut sleeper = server.connect().unwrap();
    let mut other = server.connect().unwrap();
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        let slept = scope.spawn(|| query_on::<String>(&mut sleeper, &["DEBUG", "SLEEP", "0.7"]));
        std::thread::sleep(std::time::Duration::from_millis(200));
        let answer: String = query_on(&mut other, &["PING"]).unwrap();
        assert_eq!(answer, "PONG");
        assert!(started.elapsed().as_millis() >= 650, "{:?}", started.elapsed());
        assert_eq!(slept.join().unwrap().unwrap(), "OK");
    });
}

#[test]
fn a_broken_file_is_refused_at_start() {
    let mut server = Server::start(Program::Ours, &[]);
    fill(&server, "key", 100);
    server.query::<()>(&["SAVE"]);
    server.kill();
    let path = server.dir().join("dump.rdb");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    server.spawn();
    let status = server.wait_exit();
    assert_eq!(status.code(), Some(1), "{}", server.log());
    assert!(server.log().contains("offset"), "{}", server.log());
}

#[test]
fn nothing_is_left_of_an_ended_server_but_its_file() {
    let mut server = Server::start(
        Program::Ours,
        &["save 3600 1", "unixsocket server.sock", "pidfile server.pid"],
    );
    let pid_file = std::fs::read_to_string(server.dir().join("server.pid")).unwrap();
    assert_eq!(pid_file.trim(), server.process_id().to_string());
    assert!(server.dir().join("server.sock").exists());
    server.query::<()>(&["SET", "key", "value"]);
    server.terminate();
    let mut left: Vec<_> = std::fs::read_dir(server.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["dump.rdb", "log", "redis.conf"]);
}

#[test]
fn the_log_says_what_scripts_wait_for() {
    let mut server = Server::start(Program::Ours, &[]);
    wait_until("it is ready", || server.log().contains("Ready to accept connections"));
    let pid = format!(" PID: {}", server.process_id());
    assert!(server.log().contains(&pid), "{}", server.log());
    let first = server.log().lines().next().unwrap().to_owned();
    assert!(first.starts_with(&format!("{}:M ", server.process_id())), "{first}");
    server.terminate();
}

#[test]
fn a_port_in_use_ends_the_start() {
    let server = Server::start(Program::Ours, &[]);
    let mut second = Server::prepare(Program::Ours);
    second.port = server.port;
    second.configure(&[]);
    second.spawn();
    assert_eq!(second.wait_exit().code(), Some(1));
    assert!(second.log().contains("Failed listening on port"), "{}", second.log());
}

#[test]
fn the_port_can_be_changed() {
    let mut server = Server::start(Program::Ours, &[]);
    let mut connection = server.connect().unwrap();
    let port = free_port();
    query_on::<()>(&mut connection, &["CONFIG", "SET", "port", &port.to_string()]).unwrap();
    let old_port = std::mem::replace(&mut server.port, port);
    wait_until("it listens there", || server.try_query::<String>(&["PING"]).is_ok());
    wait_until("and no more here", || {
        std::net::TcpStream::connect(("127.0.0.1", old_port)).is_err()
    });
    assert_eq!(query_on::<String>(&mut connection, &["PING"]).unwrap(), "PONG");
}

/// As on a full disk: a save fails, the server goes on.
#[test]
fn a_file_that_may_not_grow_fails_a_save_and_no_more() {
    let mut server = Server::start(Program::Ours, &[]);
    let limit = Rlimit { current: Some(64 * 1024), maximum: Some(64 * 1024) };
    prlimit(Some(Pid::from_raw(server.process_id() as i32).unwrap()), Resource::Fsize, limit)
        .unwrap();
    server.query::<()>(&["CONFIG", "SET", "rdbcompression", "no"]);
    server.query::<()>(&["SET", "big", &"x".repeat(1 << 20)]);
    assert!(server.try_query::<()>(&["SAVE"]).is_err());
    server.query::<()>(&["BGSAVE"]);
    wait_until("the save is over", || server.info("rdb_bgsave_in_progress") == "0");
    assert_eq!(server.info("rdb_last_bgsave_status"), "err");
    server.terminate();
}

#[test]
fn a_rewritten_file_is_read_again() {
    let mut server = Server::start(Program::Ours, &[]);
    let master = Server::start(Program::Ours, &[]);
    server.query::<()>(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    server.query::<()>(&["CONFIG", "REWRITE"]);
    server.terminate();
    server.launch();
    server.wait_in_sync(&master);
}

fn refused(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_replisim-server")).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_bad_command_line_is_refused() {
    assert!(refused(&["/no/such/file.conf"]).contains("/no/such/file.conf"));
    assert!(refused(&["-p", "1"]).contains("unknown option \"-p\""));
    let error = refused(&["--no-such-directive", "1"]);
    assert!(error.contains("no-such-directive"), "{error}");
    let error = refused(&["--port", "none"]);
    assert!(error.contains("port"), "{error}");
    assert!(refused(&["--dir", "/no/such/folder"]).contains("/no/such/folder"));
}

#[test]
fn clients_over_the_limit_are_told() {
    let server = Server::start(Program::Ours, &["maxclients 2"]);
    let _first = server.connect().unwrap();
    let second = server.connect().unwrap();
    let refused =
        server.connect().and_then(|mut connection| query_on::<String>(&mut connection, &["PING"]));
    let error = refused.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Io || error.to_string().contains("max number of clients"),
        "{error}"
    );
    drop(second);
    wait_until("there is room again", || server.try_query::<String>(&["PING"]).is_ok());
}

/// Sends bytes that no client library would, and reads until the server has nothing more to say.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    // The server may have closed first: then the answer is there, and there is nothing to end.
    if let Err(error) = stream.shutdown(std::net::Shutdown::Write) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    }
    let mut answer = Vec::new();
    // A reset is an end too: the server closed with our bytes unread.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn malformed_requests_are_answered_and_hurt_no_one() {
    let server = Server::start(Program::Ours, &[]);
    for (bytes, answer) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], "+PONG\r\n"),
        (b"*1\r\nfoo\r\n", "-ERR Protocol error: expected '$', got 'f'\r\n"),
        (b"*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET a \"b\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"*2\r\n$3\r\nGET\r\n$536870912\r\nhalf", ""),
        (b"POST / HTTP/1.1\r\nHost: here\r\n\r\nSET stolen 1\r\n", ""),
    ] {
        assert_eq!(raw(&server, bytes), answer, "{}", String::from_utf8_lossy(bytes));
    }
    let garbage: Vec<u8> =
        (0..200_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    raw(&server, &garbage);
    assert_eq!(server.query::<usize>(&["EXISTS", "stolen"]), 0);
}

#[test]
fn rdb_tools_get_what_they_ask_for() {
    let server = Server::start(Program::Ours, &[]);
    fill(&server, "key", 100);
    let library = "#!lua name=lib\nredis.register_function('f', function() end)";
    server.query::<()>(&["FUNCTION", "LOAD", library]);
    for (filter, keys, functions) in [
        ("rdb-only 1", 200, true),
        ("rdb-filter-only functions", 0, true),
        ("rdb-filter-only \"\"", 0, false),
    ] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        ask(&mut stream, "REPLCONF capa eof\r\n", "+OK\r\n");
        ask(&mut stream, &format!("REPLCONF {filter}\r\n"), "+OK\r\n");
        let body = snapshot_from(&mut stream);
        assert!(body.starts_with(b"REDIS0010"), "{filter}");
        let sent = body.windows(4).filter(|window| window == b"key:").count();
        assert_eq!(sent, keys, "{filter}");
        let sent = body.windows(14).any(|window| window == b"#!lua name=lib");
        assert_eq!(sent, functions, "{filter}");
    }
    // A part of a snapshot is not written to disk, so it has to go by its mark.
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    ask(&mut stream, "REPLCONF rdb-filter-only functions\r\n", "+OK\r\n");
    ask(&mut stream, "SYNC\r\n", "-ERR Filtered replica requires EOF capability\r\n");
}

/// Sends this and expects exactly that.
fn ask(stream: &mut std::net::TcpStream, command: &str, expected: &str) {
    stream.write_all(command.as_bytes()).unwrap();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), expected, "{command}");
}

/// The diskless snapshot that `SYNC` is answered with.
fn snapshot_from(stream: &mut std::net::TcpStream) -> Vec<u8> {
    stream.write_all(b"SYNC\r\n").unwrap();
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..count]);
        // Newlines before it keep the link alive while the snapshot is made.
        let Some(start) = read.windows(5).position(|window| window == b"$EOF:") else { continue };
        let Some((mark, body)) = read[start + 5..].split_at_checked(40) else { continue };
        if let Some(end) = body.windows(40).position(|window| window == mark) {
            return body[2..end].to_vec();
        }
    }
}

/// Connects, asks for everything, and reads nothing of it.
fn unread_full_sync(server: &Server, announced: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    ask(&mut stream, &format!("REPLCONF {announced}\r\n"), "+OK\r\n");
    stream.write_all(b"PSYNC ? -1\r\n").unwrap();
    stream
}

#[test]
fn a_replica_that_takes_nothing_of_a_diskless_snapshot_is_given_up() {
    let directives = [
        "repl-diskless-sync-delay 0",
        "repl-timeout 1",
        "enable-debug-command yes",
        "rdbcompression no",
        "save \"\"",
    ];
    let server = Server::start(Program::Ours, &directives);
    // More than sockets hold.
    server.query::<()>(&["DEBUG", "POPULATE", "3000", "key", "20000"]);
    let silent = unread_full_sync(&server, "capa eof");
    wait_until("it is sent", || server.info("rdb_bgsave_in_progress") == "1");
    assert!(server.info("slave0").contains("state=wait_bgsave"), "{}", server.info("slave0"));
    wait_until("it is given up", || {
        server.log().contains("Disconnecting timedout replica (full sync)")
    });
    wait_until("nothing is sent", || server.info("rdb_bgsave_in_progress") == "0");
    drop(silent);
}

#[test]
fn a_snapshot_for_replicas_that_left_is_finished_if_there_are_save_points() {
    for (save, goes_on) in [("save 900 100", "1"), ("save \"\"", "0")] {
        let directives = ["repl-diskless-sync no", "rdb-key-save-delay 100000", save];
        let server = Server::start(Program::Ours, &directives);
        fill(&server, "key", 50);
        let replica = unread_full_sync(&server, "capa psync2");
        wait_until("it is written", || server.info("rdb_bgsave_in_progress") == "1");
        drop(replica);
        wait_until("it left", || server.info("connected_slaves") == "0");
        assert_eq!(server.info("rdb_bgsave_in_progress"), goes_on, "{save}");
    }
}

#[test]
fn config_set_tells_what_the_system_refused() {
    let server = Server::start(Program::Ours, &["enable-protected-configs yes"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refusal = |command: &[&str]| server.try_query::<String>(command).unwrap_err().to_string();
    let error = refusal(&["CONFIG", "SET", "port", &port]);
    assert!(error.contains("Unable to listen on this port"), "{error}");
    let error = refusal(&["CONFIG", "SET", "bind", "192.0.2.1"]);
    assert!(error.contains("Failed to bind to specified addresses"), "{error}");
    let error = refusal(&["CONFIG", "SET", "dir", "/no/such/folder"]);
    assert!(error.contains("'dir') - No such file or directory"), "{error}");
    let file = server.dir().join("redis.conf").display().to_string();
    let error = refusal(&["CONFIG", "SET", "dir", &file]);
    assert!(error.contains("'dir') - Not a directory"), "{error}");
    let dir: Vec<String> = server.query(&["CONFIG", "GET", "dir"]);
    assert_eq!(dir[1], server.dir().display().to_string());
    assert_eq!(server.query::<String>(&["PING"]), "PONG");
    server.query::<()>(&["CONFIG", "SET", "dir", "/tmp"]);
}

/// What is killed at any moment comes back with a file that loads, and in it everything that was
/// acknowledged before the last save that was acknowledged. The replica is ahead of the file
/// each time, so full syncs go on beside the saves.
#[test]
fn kill_at_any_moment_loses_nothing_that_was_saved() {
    const ROUNDS: u64 = 8;
    let mut master = Server::start(Program::Ours, &[]);
    let replica = Server::start(Program::Ours, &[&replica_of(&master)]);
    let mut saved = 0_u64;
    for round in 0..ROUNDS {
        let start: u64 =
            master.query::<Option<String>>(&["GET", "n"]).map_or(0, |n| n.parse().unwrap());
        assert!(start >= saved, "round {round}: {saved} was saved, and {start} came back");
        let mut connection = master.connect().unwrap();
        let mut saver = master.connect().unwrap();
        // Moments from the middle of the first save to many saves later, other ones each time.
        let life = std::time::Duration::from_millis(40 + round * 67 % 230);
        let acked = std::sync::atomic::AtomicU64::new(start);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let value = "x".repeat(2000);
                for n in start + 1.. {
                    let (key, count) = (format!("key:{}", n % 3000), n.to_string());
                    let written = query_on::<()>(&mut connection, &["SET", &key, &value])
                        .and_then(|()| query_on::<()>(&mut connection, &["SET", "n", &count]));
                    if written.is_err() {
                        return;
                    }
                    acked.store(n, order);
                }
            });
            let saves = scope.spawn(|| {
                let mut safe = 0;
                loop {
                    let before = acked.load(order);
                    match query_on::<String>(&mut saver, &["SAVE"]) {
                        Ok(_) => safe = before,
                        // A snapshot for the replica is being written.
                        Err(error) if error.to_string().contains("in progress") => {}
                        Err(_) => return safe,
                    }
                }
            });
            std::thread::sleep(life);
            master.signal(Signal::KILL);
            saved = saved.max(saves.join().unwrap());
        });
        master.wait_exit();
        master.launch();
    }
    assert!(saved > 0, "nothing was ever saved");
    replica.wait_in_sync(&master);
}
