//! Libraries of functions between our server and Redis: in files, full syncs, on the stream, as
//! payloads, and as `redis-cli` fetches them.

use std::collections::BTreeMap;
use std::process::Command;

use redis::Value;

use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, is_installed, redis_is_installed, wait_until};

const FIRST: &str = "#!lua name=first\nredis.register_function('one', function() return 1 end)\n\
                     redis.register_function{function_name='uno', callback=function(keys, args) \
                     return redis.call('get', keys[1]) end, description='what it is for', \
                     flags={'no-writes', 'allow-stale'}}";
const SECOND: &str =
    "#!LUA name=\"second\"\nredis.register_function('two', function() return 2 end)";
const OTHER_FIRST: &str =
    "#!lua name=first\nredis.register_function('one', function() return 'one' end)";

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Nil => "(nil)".into(),
        other => format!("{other:?}"),
    }
}

fn fields(value: &Value) -> BTreeMap<String, Value> {
    let Value::Array(items) = value else { panic!("no map: {value:?}") };
    items.chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
}

fn items(value: &Value) -> Vec<Value> {
    let Value::Array(items) = value else { panic!("no array: {value:?}") };
    items.clone()
}

/// `FUNCTION LIST WITHCODE` without its order, which is by chance in Redis.
fn listed(server: &Server) -> Vec<String> {
    let list: Value = server.query(&["FUNCTION", "LIST", "WITHCODE"]);
    let mut lines = Vec::new();
    for library in items(&list) {
        let library = fields(&library);
        let mut functions = Vec::new();
        for function in items(&library["functions"]) {
            let function = fields(&function);
            let flags: Vec<String> = items(&function["flags"]).iter().map(text).collect();
            functions.push(format!(
                "{} ({}) {flags:?}",
                text(&function["name"]),
                text(&function["description"])
            ));
        }
        functions.sort();
        lines.push(format!(
            "{} {} {functions:?} {}",
            text(&library["library_name"]),
            text(&library["engine"]),
            text(&library["library_code"])
        ));
    }
    lines.sort();
    lines
}

fn load(server: &Server, code: &str) {
    server.query::<String>(&["FUNCTION", "LOAD", "REPLACE", code]);
}

fn follow(replica: &Server, master: &Server) {
    replica.query::<()>(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    replica.wait_in_sync(master);
}

/// Whatever the master does with its functions, all behind it do too.
fn replicate(name: &str, chain: &[Program], directives: &[&str]) {
    if !redis_is_installed(name) {
        return;
    }
    let servers: Vec<Server> =
        chain.iter().map(|program| Server::start(*program, directives)).collect();
    let master = &servers[0];
    let the_same = |what: &str| {
        for (at, pair) in servers.windows(2).enumerate() {
            pair[1].wait_in_sync(&pair[0]);
            assert_eq!(listed(&pair[1]), listed(master), "server {}: {what}", at + 1);
        }
    };
    master.query::<()>(&["SET", "k", "v"]);
    load(master, FIRST);
    // What a replica had before goes with its data.
    load(&servers[1], "#!lua name=own\nredis.register_function('mine', function() end)");
    for pair in servers.windows(2) {
        follow(&pair[1], &pair[0]);
    }
    the_same("after the full sync");
    assert_eq!(listed(master).len(), 1);

    load(master, SECOND);
    the_same("loaded");
    assert_eq!(listed(master).len(), 2);
    let payload: Vec<u8> = master.query(&["FUNCTION", "DUMP"]);
    load(master, OTHER_FIRST);
    the_same("replaced");
    master.query::<()>(&["FUNCTION", "DELETE", "second"]);
    the_same("deleted");
    master.query::<()>(&["FLUSHALL"]);
    the_same("FLUSHALL");
    assert_eq!(listed(master).len(), 1, "FLUSHALL is about keys");
    let mut connection = master.connect().expect("connected");
    redis::cmd("FUNCTION")
        .arg(&["RESTORE"])
        .arg(&payload)
        .arg("REPLACE")
        .exec(&mut connection)
        .expect("restored");
    the_same("restored");
    assert_eq!(listed(master).len(), 2);
    master.query::<()>(&["FUNCTION", "FLUSH"]);
    the_same("flushed");
    assert!(listed(master).is_empty());
}

const DISK: &[&str] = &["repl-diskless-sync no"];
const DISKLESS: &[&str] = &["repl-diskless-sync yes", "repl-diskless-load swapdb"];

#[test]
fn functions_ours_to_ours_to_ours() {
    replicate("functions_ours_to_ours_to_ours", &[Ours, Ours, Ours], DISKLESS);
}

#[test]
fn functions_redis_to_ours_to_redis_by_disk() {
    replicate("functions_redis_to_ours_to_redis_by_disk", &[Redis, Ours, Redis], DISK);
}

#[test]
fn functions_redis_to_ours_to_redis_diskless() {
    replicate("functions_redis_to_ours_to_redis_diskless", &[Redis, Ours, Redis], DISKLESS);
}

#[test]
fn functions_ours_to_redis_to_ours() {
    replicate("functions_ours_to_redis_to_ours", &[Ours, Redis, Ours], DISK);
}

#[test]
fn a_file_with_functions_is_loaded_by_the_other_server() {
    if !redis_is_installed("a_file_with_functions_is_loaded_by_the_other_server") {
        return;
    }
    for (writer, reader) in [(Ours, Redis), (Redis, Ours), (Ours, Ours)] {
        let writing = Server::start(writer, &[]);
        load(&writing, FIRST);
        load(&writing, SECOND);
        writing.query::<()>(&["SET", "k", "v"]);
        writing.query::<()>(&["SAVE"]);
        let mut reading = Server::prepare(reader);
        std::fs::copy(writing.dir().join("dump.rdb"), reading.dir().join("dump.rdb")).unwrap();
        reading.configure(&[]);
        reading.launch();
        assert_eq!(listed(&reading), listed(&writing), "{writer:?} to {reader:?}");
        assert_eq!(listed(&reading).len(), 2);
        assert_eq!(reading.digest(), writing.digest());
    }
}

#[test]
fn a_payload_of_one_server_is_restored_by_the_other() {
    if !redis_is_installed("a_payload_of_one_server_is_restored_by_the_other") {
        return;
    }
    for (from, to) in [(Ours, Redis), (Redis, Ours)] {
        let (from, to) = (Server::start(from, &[]), Server::start(to, &[]));
        load(&from, FIRST);
        load(&from, SECOND);
        let payload: Vec<u8> = from.query(&["FUNCTION", "DUMP"]);
        let mut connection = to.connect().expect("connected");
        let mut restore = |policy: &[&str]| -> redis::RedisResult<()> {
            let mut command = redis::cmd("FUNCTION");
            command.arg("RESTORE").arg(&payload).arg(policy).exec(&mut connection)
        };
        restore(&[]).expect("restored");
        assert_eq!(listed(&to), listed(&from));
        let again = restore(&[]).expect_err("they are there");
        assert!(again.to_string().contains("already exists"), "{again}");
        load(&to, "#!lua name=own\nredis.register_function('mine', function() end)");
        restore(&["REPLACE"]).expect("restored");
        assert_eq!(listed(&to).len(), 3);
        restore(&["FLUSH"]).expect("restored");
        assert_eq!(listed(&to), listed(&from));
    }
}

/// Commands that both servers answer with the same words.
#[test]
fn both_servers_say_the_same() {
    if !redis_is_installed("both_servers_say_the_same") {
        return;
    }
    let (ours, redis) = (Server::start(Ours, &[]), Server::start(Redis, &[]));
    let reply = |server: &Server, words: &[&str]| match server.try_query::<Value>(words) {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?} {:?}", error.code(), error.detail()),
    };
    let library = |body: &str| format!("#!lua name=lib\n{body}");
    let bodies = [
        "return 1",
        "redis.register_function('f-x', function() end)",
        "redis.register_function{function_name='f', callback=function() end, flags={'nope'}}",
        "redis.register_function{function_name='f', callback=function() end, flag={}}",
        "redis.register_function{function_name='f'}",
        "redis.register_function{callback=function() end}",
        "local f = function() end redis.register_function('f', f) redis.register_function('f', f)",
        "redis.register_function('f', function() end)",
    ];
    for code in bodies.map(library) {
        let words = ["FUNCTION", "LOAD", code.as_str()];
        assert_eq!(reply(&ours, &words), reply(&redis, &words), "{code}");
    }
    let lines = [
        "FUNCTION LOAD x",
        "FUNCTION LOAD nope x",
        "FUNCTION LOAD replace",
        "FUNCTION LIST",
        "FUNCTION LIST LIBRARYNAME l*",
        "FUNCTION LIST LIBRARYNAME L* WITHCODE",
        "FUNCTION LIST LIBRARYNAME x",
        "FUNCTION LIST LIBRARYNAME",
        "FUNCTION LIST nope",
        "FUNCTION STATS",
        "FUNCTION KILL",
        "FUNCTION DELETE nope",
        "FUNCTION FLUSH nope",
        "FUNCTION FLUSH SYNC x",
        "FUNCTION RESTORE x",
        "FUNCTION RESTORE x nope",
        "FUNCTION RESTORE x y z",
        "FUNCTION NOPE",
        "FUNCTION LOAD",
        "FCALL nope 0",
        "FCALL F x",
        "FCALL f 3",
        "FCALL_RO f -1",
        "EVAL x x",
        "EVAL x 1",
        "EVALSHA x -1",
        "EVALSHA x 0",
        "EVALSHA 0123456789012345678901234567890123456789 0",
        "EVALSHA 0123456789012345678901234567890123456789 -1",
        "EVALSHA_RO 0123456789012345678901234567890123456789 2 a",
        "EVALSHA_RO 0123456789012345678901234567890123456789 x",
        "SCRIPT KILL",
        "SCRIPT EXISTS a b",
        "SCRIPT FLUSH",
        "SCRIPT FLUSH ASYNC",
        "SCRIPT FLUSH nope",
        "FUNCTION DELETE lib",
        "FUNCTION STATS",
        "FUNCTION FLUSH ASYNC",
    ];
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(reply(&ours, &words), reply(&redis, &words), "{line}");
    }
    for line in ["EVAL x 0", "EVAL_RO x 0", "SCRIPT LOAD x"] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(reply(&ours, &words).contains("Scripts are not run on this server"), "{line}");
    }
    load(&ours, FIRST);
    assert!(reply(&ours, &["FCALL", "ONE", "0"]).contains("kept but not run on this server"));
}

#[test]
fn a_replica_takes_functions_from_its_master_only() {
    let (master, replica) = (Server::start(Ours, &[]), Server::start(Ours, &[]));
    load(&master, FIRST);
    follow(&replica, &master);
    for words in [
        &["FUNCTION", "LOAD", SECOND][..],
        &["FUNCTION", "DELETE", "first"],
        &["FUNCTION", "FLUSH"],
        &["FUNCTION", "RESTORE", "x"],
    ] {
        let error = replica.try_query::<Value>(words).expect_err("refused");
        assert_eq!(error.code(), Some("READONLY"), "{words:?}");
    }
    assert_eq!(listed(&replica), listed(&master));
    let _: Vec<u8> = replica.query(&["FUNCTION", "DUMP"]);
    let _: Value = replica.query(&["FUNCTION", "STATS"]);
}

#[test]
fn redis_cli_fetches_functions_alone() {
    if !is_installed("redis-cli", "redis_cli_fetches_functions_alone") {
        return;
    }
    let server = Server::start(Ours, &["repl-diskless-sync no"]);
    load(&server, FIRST);
    server.query::<()>(&["SET", "k", "v"]);
    let mut reading = Server::prepare(Redis);
    let path = reading.dir().join("dump.rdb");
    let fetched = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), "--functions-rdb", path.to_str().unwrap()])
        .output()
        .expect("redis-cli runs");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    wait_until("no snapshot is being made", || server.info("rdb_bgsave_in_progress") == "0");
    assert!(!server.dir().join("dump.rdb").exists(), "a part is no file of its own");
    reading.configure(&[]);
    reading.launch();
    assert_eq!(reading.query::<usize>(&["DBSIZE"]), 0, "no keys");
    assert_eq!(listed(&reading), listed(&server));
}
