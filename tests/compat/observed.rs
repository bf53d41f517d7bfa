//! What a server tells of what it did (`MONITOR`, `INFO`, `CLIENT LIST`), and what it leaves
//! undone: the same conversation with a real Redis and with ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use redis::Value;

use crate::support::{Program, Server, redis_is_installed, wait_until};

/// Both servers, if there is a Redis.
fn both(test: &str, directives: &[&str]) -> Option<[Server; 2]> {
    redis_is_installed(test)
        .then(|| [Program::Redis, Program::Ours].map(|program| Server::start(program, directives)))
}

/// Commands of one line each, on one connection; a reply each.
fn replies(server: &Server, commands: &[&str]) -> Vec<String> {
    let mut connection = server.connect().expect("connected");
    let reply = |command: &&str| {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| {
            cmd.arg(word);
        });
        match cmd.query::<Value>(&mut connection) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error}"),
        }
    };
    commands.iter().map(reply).collect()
}

/// Lines of `INFO` that begin so, without what depends on time.
fn info_lines(server: &Server, section: &str, prefix: &str) -> Vec<String> {
    let text: String = server.query(&["INFO", section]);
    let without_times = |line: &str| {
        let fields = line.split(',').filter(|field| !field.starts_with("usec"));
        fields.collect::<Vec<_>>().join(",")
    };
    let mut lines: Vec<String> =
        text.lines().filter(|line| line.starts_with(prefix)).map(without_times).collect();
    lines.sort();
    lines
}

#[test]
fn subcommands_have_counters_of_their_own() {
    let Some(both) = both("subcommands_have_counters_of_their_own", &[]) else {
        return;
    };
    let shown = both.map(|server| {
        replies(&server, &["CONFIG RESETSTAT"]);
        let commands = [
            "CLIENT ID",
            "XGROUP CREATECONSUMER none group consumer",
            "XINFO WHAT x",
            "OBJECT",
            "CONFIG SET",
            "SET k",
            "GET k",
        ];
        replies(&server, &commands);
        let counted = info_lines(&server, "commandstats", "cmdstat_");
        let counted: Vec<String> =
            counted.into_iter().filter(|line| !line.contains("resetstat")).collect();
        let timed = info_lines(&server, "latencystats", "latency_percentiles_usec_");
        let percentiles = timed.iter().filter(|line| !line.contains("resetstat")).map(|line| {
            let fields = line.split(',').map(|field| field.split('=').next().unwrap_or_default());
            fields.collect::<Vec<_>>().join(",")
        });
        (counted, percentiles.collect::<Vec<_>>())
    });
    assert_eq!(shown[0], shown[1]);
    assert!(shown[1].0.iter().any(|line| line.starts_with("cmdstat_client|id:")), "{shown:?}");
}

#[test]
fn the_list_of_clients_shows_the_whole_last_command() {
    let test = "the_list_of_clients_shows_the_whole_last_command";
    let Some(both) = both(test, &[]) else {
        return;
    };
    let shown = both.map(|server| {
        // Each under a name of its own: one that has hung up may be listed for a while.
        let last = |name: &str, commands: &[&str]| {
            let mut connection = server.connect().expect("connected");
            redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection).expect("named");
            for command in commands {
                let words: Vec<&str> = command.split(' ').collect();
                let mut cmd = redis::cmd(words[0]);
                words[1..].iter().for_each(|word| {
                    cmd.arg(word);
                });
                drop(cmd.query::<Value>(&mut connection));
            }
            let list: String = server.query(&["CLIENT", "LIST"]);
            let named = format!("name={name} ");
            let mine = list.lines().find(|line| line.contains(&named)).expect("listed");
            mine.split(' ').find(|field| field.starts_with("cmd=")).expect("shown").to_owned()
        };
        [
            last("a", &["XINFO HELP"]),
            last("b", &["GET k"]),
            last("c", &["OBJECT"]),
            last("d", &["GET k", "NONE"]),
        ]
    });
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn a_monitor_sees_a_transaction_before_its_exec() {
    let Some(both) = both("a_monitor_sees_a_transaction_before_its_exec", &[]) else {
        return;
    };
    let shown = both.map(|server| {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        let mut monitor = BufReader::new(stream);
        monitor.get_mut().write_all(b"MONITOR\r\n").expect("sent");
        let mut line = String::new();
        monitor.read_line(&mut line).expect("OK");
        replies(
            &server,
            &[
                "MULTI", "SET k v", "SELECT 3", "EXEC", "MULTI", "NONE", "EXEC", "SELECT 2",
                "ECHO end",
            ],
        );
        let mut lines = Vec::new();
        while !line.contains("\"end\"") {
            line.clear();
            monitor.read_line(&mut line).expect("a line");
            // `+time [db address] "command" ...`
            let db = line.split(['[', ' ']).nth(2).unwrap_or_default();
            let command = line.split("] ").nth(1).unwrap_or_default();
            lines.push(format!("{db} {}", command.trim_end()));
        }
        lines.retain(|line| !line.contains("CLIENT"));
        lines
    });
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn a_swap_of_expired_keys_breaks_no_transaction() {
    let Some(both) = both("a_swap_of_expired_keys_breaks_no_transaction", &[]) else {
        return;
    };
    let shown = both.map(|server| {
        let mut shown = Vec::new();
        for (mine, other) in
            [("", ""), ("", "px"), ("px", ""), ("px", "px"), ("", "live"), ("px", "live")]
        {
            let key = |db: &str, kind: &str| match kind {
                "px" => vec![format!("SELECT {db}"), "SET x v PX 1".to_owned()],
                "live" => vec![format!("SELECT {db}"), "SET x v".to_owned()],
                _ => Vec::new(),
            };
            let mut before = vec!["FLUSHALL".to_owned(), "DEBUG SET-ACTIVE-EXPIRE 0".to_owned()];
            before.extend(key("1", mine));
            before.extend(key("0", other));
            before.push("DEBUG SLEEP 0.005".to_owned());
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            replies(&server, &before);
            let commands = ["SELECT 1", "WATCH x", "SWAPDB 0 1", "MULTI", "PING", "EXEC"];
            shown.push(replies(&server, &commands).pop());
        }
        shown
    });
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn flushall_is_saved_where_there_are_save_points() {
    let directives = ["save 3600 1"];
    let Some(both) = both("flushall_is_saved_where_there_are_save_points", &directives) else {
        return;
    };
    for mut server in both {
        replies(&server, &["SET k v", "SAVE", "FLUSHALL WHAT"]);
        assert_eq!(server.query::<u64>(&["DBSIZE"]), 1);
        replies(&server, &["SET l v", "FLUSHALL"]);
        assert_eq!(server.info("rdb_changes_since_last_save"), "0");
        server.kill();
        server.launch();
        assert_eq!(server.query::<u64>(&["DBSIZE"]), 0, "a crash brings nothing back");
    }
}

#[test]
fn a_paused_replica_applies_nothing() {
    let Some([redis, ours]) = both("a_paused_replica_applies_nothing", &[]) else {
        return;
    };
    let port = redis.port.to_string();
    ours.query::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    redis.query::<()>(&["CONFIG", "SET", "repl-ping-replica-period", "3600"]);
    ours.wait_link_up();
    // The stream begins with a SELECT, which is no write.
    redis.query::<()>(&["SET", "other", "value"]);
    ours.wait_in_sync(&redis);
    ours.query::<()>(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    let offset = ours.info("slave_repl_offset");
    redis.query::<()>(&["SET", "key", "value"]);
    let master = redis.info("master_repl_offset");
    wait_until("the replica has read it", || ours.info("slave_read_repl_offset") == master);
    assert_eq!(ours.info("slave_repl_offset"), offset);
    assert_eq!(ours.query::<Option<String>>(&["GET", "key"]), None);
    ours.query::<()>(&["CLIENT", "UNPAUSE"]);
    ours.wait_in_sync(&redis);
    assert_eq!(ours.query::<String>(&["GET", "key"]), "value");
}

#[test]
fn a_reply_that_nobody_will_read_is_not_written() {
    let directives = ["client-output-buffer-limit normal 100000 0 0"];
    let Some(both) = both("a_reply_that_nobody_will_read_is_not_written", &directives) else {
        return;
    };
    for server in both {
        replies(&server, &["HSET h f v", "SADD s m", "ZADD z 1 m"]);
        for command in ["HRANDFIELD h", "SRANDMEMBER s", "ZRANDMEMBER z"] {
            let words: Vec<&str> = command.split(' ').chain(["-4000000000000000000"]).collect();
            assert!(server.try_query::<Value>(&words).is_err(), "{command}: the client is closed");
        }
        assert_eq!(server.query::<String>(&["PING"]), "PONG");
    }
}

#[test]
fn subscriptions_are_confirmed_to_who_wants_no_replies() {
    let Some(both) = both("subscriptions_are_confirmed_to_who_wants_no_replies", &[]) else {
        return;
    };
    let lines = [
        "CLIENT REPLY OFF",
        "SUBSCRIBE a",
        "SUBSCRIBE",
        "PING",
        "UNSUBSCRIBE a",
        "PING",
        "CLIENT REPLY ON",
        "CLIENT REPLY SKIP",
        "PSUBSCRIBE b",
        "PUNSUBSCRIBE",
        "CLIENT REPLY SKIP",
        "PING",
        "PING",
        "QUIT",
    ];
    let said = both.map(|server| {
        let mut connection = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        let all = lines.map(|line| format!("{line}\r\n")).concat();
        connection.write_all(all.as_bytes()).expect("written");
        let mut said = String::new();
        connection.read_to_string(&mut said).expect("the server closes after QUIT");
        said
    });
    assert_eq!(said[0], said[1]);
}

#[test]
fn consumers_that_come_into_being_are_told_of() {
    let directives = ["notify-keyspace-events Kt"];
    let Some(both) = both("consumers_that_come_into_being_are_told_of", &directives) else {
        return;
    };
    let told = both.map(|server| {
        let mut listener = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        listener.write_all(b"PSUBSCRIBE *\r\n").expect("written");
        let mut lines = BufReader::new(listener).lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line == ":1"), "it listens");
        let commands = [
            "XGROUP CREATE s g $ MKSTREAM",
            "XGROUP CREATECONSUMER s g bob",
            "XADD s 1-1 f v",
            "XREADGROUP GROUP g alice STREAMS s >",
            "XREADGROUP GROUP g history STREAMS s 0",
            "XREADGROUP GROUP g silent NOACK STREAMS s >",
            "XCLAIM s g nobody 0 9-9",
            "XCLAIM s g mike 0 1-1 FORCE",
            "XGROUP DELCONSUMER s g lee",
            "XAUTOCLAIM s g bob 0 1-1",
            "XAUTOCLAIM s g jane 0 1-1",
            "XGROUP DELCONSUMER s g bob",
        ];
        replies(&server, &commands);
        server.query::<()>(&["PUBLISH", "over", "over"]);
        lines.take_while(|line| line != "over").collect::<Vec<_>>()
    });
    assert_eq!(told[0], told[1]);
}

#[test]
fn what_there_is_none_of_is_told_alike() {
    let Some(both) = both("what_there_is_none_of_is_told_alike", &[]) else {
        return;
    };
    let told = both.map(|server| {
        let commands = [
            "MODULE LIST",
            "MODULE LIST x",
            "MODULE WHAT",
            "LOLWUT",
            "EXEC now",
            "MULTI",
            "EXEC now",
            "EXEC",
        ];
        (replies(&server, &commands), info_lines(&server, "memory", "number_of_"))
    });
    assert_eq!(told[0], told[1]);
    // What each makes of it itself: no modules, no append only file.
    let refused = replies(&Server::start(Program::Ours, &[]), &["MODULE UNLOAD x", "BGREWRITEAOF"]);
    assert!(refused[0].contains("loads no modules"), "{refused:?}");
    assert!(refused[1].contains("no append only file"), "{refused:?}");
}

#[test]
fn the_rates_of_replication_are_told() {
    let name = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
    let Some(both) = both("the_rates_of_replication_are_told", &[]) else {
        return;
    };
    let told = both.map(|server| {
        let lines = info_lines(&server, "stats", "instantaneous_");
        lines.iter().map(name).collect::<Vec<_>>()
    });
    assert_eq!(told[0], told[1]);
}

#[test]
fn odd_requests_are_answered_as_redis_answers_them() {
    let Some(both) = both("odd_requests_are_answered_as_redis_answers_them", &[]) else {
        return;
    };
    let many = format!("NOSUCH {}", ["abcdefgh"; 20].join(" "));
    let commands = [
        "MODULE LIST",
        "MODULE LIST x",
        "MODULE",
        "MODULE NOSUCH",
        "LOLWUT",
        "LOLWUT VERSION 9",
        "LOLWUT VERSION 9 x",
        "LOLWUT VERSION x",
        "LOLWUT VERSION 5 x",
        "LOLWUT VERSION 5 1 2 x",
        "LOLWUT VERSION 6 1 x",
        "LOLWUT VERSION",
        "BGREWRITEAOF x",
        "EXEC x",
        "MULTI",
        "EXEC x",
        "EXEC",
        "BLMPOP x 0 l LEFT",
        "BLMPOP x 1 l LEFT COUNT x",
        "BLMPOP x 1 l LEFT",
        "BZMPOP x 0 z MIN",
        "BZMPOP x 1 z MIN COUNT x",
        "BZMPOP x 1 z MIN",
        "RPUSH l a b c a b",
        "LPOS l a RANK -9223372036854775808",
        "LPOS l a RANK -9223372036854775808 COUNT 0",
        "ZADD z 1e17 a -1e17 b 4611686018427387904 c 4611686018427388928 d 0.5 e 1e21 f -0 g",
        "ZSCAN z 0",
        "XADD s 1-1 f v",
        "XADD s 2-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c COUNT 1 STREAMS s s s > > >",
        "XADD s 3-1 f v",
        "XREADGROUP GROUP g c STREAMS s s > >",
        "XREADGROUP GROUP g c STREAMS s s > 0",
        many.as_str(),
    ];
    let said = both.map(|server| replies(&server, &commands));
    for (number, command) in commands.iter().enumerate() {
        assert_eq!(said[0][number], said[1][number], "{command}");
    }
}

/// What only a C program, an allocator that is asked, or a thread of its own can tell.
const NOT_TOLD: [&str; 7] = [
    "atomicvar_api",
    "gcc_version",
    "allocator_",
    "total_system_memory",
    "rss_overhead_",
    "used_cpu_sys_main_thread",
    "used_cpu_user_main_thread",
];

#[test]
fn info_has_the_fields_of_redis_in_their_order() {
    let Some(both) = both("info_has_the_fields_of_redis_in_their_order", &[]) else {
        return;
    };
    let shown = both.map(|server| {
        let fields = |sections: &[&str]| {
            let text: String = server.query(&[&["INFO"], sections].concat());
            let names = text.lines().filter_map(|line| line.split(':').next());
            let told = |name: &&str| !NOT_TOLD.iter().any(|not| name.starts_with(not));
            let named = names.filter(|name| !name.is_empty()).filter(told);
            // Which commands were counted is no matter here.
            let fixed = named.filter(|name| !name.contains("cmdstat_") && !name.contains("usec_"));
            fixed.map(str::to_owned).collect::<Vec<_>>()
        };
        [fields(&[]), fields(&["all"]), fields(&["everything"]), fields(&["modules"])]
    });
    assert_eq!(shown[0], shown[1]);
}
