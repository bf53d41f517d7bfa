//! Files, `CONFIG GET/SET/REWRITE`; texts and values are those of a real 7.0.15 server.

use super::*;
use crate::env::LogLevel;
use std::time::Duration;

fn no_files(path: &str) -> std::io::Result<Vec<ConfigFile>> {
    Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()))
}

fn load(text: &str) -> Result<Config, ConfigFileError> {
    Config::load(Some(("t.conf", text)), &[], &mut no_files)
}

fn loaded(text: &str) -> Config {
    load(text).expect("accepted")
}

fn override_with(words: &[&str]) -> Result<Config, ConfigFileError> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Config::load(Some(("t.conf", "hz 20\n")), &words, &mut no_files)
}

fn value(config: &Config, name: &str) -> String {
    match config.get(name).as_slice() {
        [(_, value)] => value.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

fn set_error(pairs: &[(&str, &str)]) -> String {
    let mut config = Config::default();
    let error = config.set(pairs).expect_err("refused");
    assert_eq!(config, Config::default(), "all or nothing");
    error
}

/// `CONFIG GET *` of a server started with `--save '' --port 6379 --dir .`, sorted.
const DEFAULTS: &str = include_str!("defaults_7_0_15.txt");

#[test]
fn names_and_defaults_are_those_of_redis() {
    let mut config = Config::default();
    config.set(&[("save", "")]).expect("accepted");
    let line = |(name, value): (String, String)| format!("{name}={value}");
    let mut ours: Vec<String> = config.get("*").into_iter().map(line).collect();
    ours.sort();
    let theirs: Vec<&str> = DEFAULTS.lines().collect();
    assert_eq!(ours, theirs);
}

#[test]
fn values_are_typed() {
    let config = loaded(
        "# a comment\n\n  port 7001  \nBIND 127.0.0.1 -::1\nslaveof localhost 6380\nrepl-timeout 7\n\
         requirepass \"a\\x41 b\"\nclient-output-buffer-limit slave 1mb 2k 3\nloglevel Warning\nrepl-backlog-size 1k\n\
         shutdown-on-sigterm nosave now\nunixsocketperm 700\nnotify-keyspace-events KEA\nhz 1000\n",
    );
    assert_eq!(config.port, 7001);
    assert_eq!(config.bind.0, ["127.0.0.1", "-::1"]);
    assert_eq!(config.replicaof.0, Some(("localhost".to_owned(), 6380)));
    assert_eq!(config.repl_timeout, Duration::from_secs(7));
    assert_eq!(config.requirepass.as_deref(), Some("aA b"));
    assert_eq!(config.client_output_buffer_limit.replica.hard_bytes, 1 << 20);
    assert_eq!(config.client_output_buffer_limit.replica.soft_bytes, 2000);
    assert_eq!(config.client_output_buffer_limit.pubsub.soft_bytes, 8 << 20);
    assert_eq!(config.loglevel, LogLevel::Warning);
    assert_eq!(config.repl_backlog_size, 16384);
    assert_eq!(config.hz, 500);
    assert_eq!(config.unixsocketperm, 0o700);
    assert_eq!(value(&config, "unixsocketperm"), "700");
    assert_eq!(value(&config, "notify-keyspace-events"), "AKE");
    assert_eq!(value(&config, "shutdown-on-sigterm"), "nosave now");
    assert!(config.notify_keyspace_events.has('E') && !config.notify_keyspace_events.has('m'));
}

#[test]
fn errors_show_line_and_reason_as_redis_does() {
    assert_eq!(
        load("# c\n\nfoo bar\n").expect_err("refused").to_string(),
        "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n\
         Reading the configuration file, at line 3\n>>> 'foo bar'\n\
         Bad directive or wrong number of arguments"
    );
    for (line, reason) in [
        ("hz", "wrong number of arguments"),
        ("hz 10 20", "wrong number of arguments"),
        ("hz x", "argument couldn't be parsed into an integer"),
        ("hz 010", "argument couldn't be parsed into an integer"),
        ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
        ("port 70000", "argument must be between 0 and 65535 inclusive"),
        ("save 900", "Invalid save parameters"),
        ("loglevel \"a", "Unbalanced quotes in configuration line"),
        ("loglevel x", "argument(s) must be one of the following: debug, verbose, notice, warning"),
        ("slaveof a", "wrong number of arguments"),
        ("replicaof a 99999999", "Invalid master port"),
        (
            "client-output-buffer-limit normal 1 2",
            "Wrong number of arguments in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit foo 1 2 3",
            "Invalid client class specified in buffer limit configuration.",
        ),
        ("bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", "Too many bind addresses specified."),
        ("notify-keyspace-events Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "notify-keyspace-events Am",
            "notify-keyspace-events: neither misses (m) nor new keys (n) are told of on this server",
        ),
        ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("unixsocketperm 888", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 1000", "argument must be between 0 and 777 inclusive"),
        ("repl-backlog-size 1.5gb", "argument must be a memory value"),
        ("user a on foo", "Error in user declaration 'foo': Syntax error"),
        ("sentinel monitor a b 1 2", "sentinel directive while not in sentinel mode"),
    ] {
        assert_eq!(load(line).expect_err(line).reason, reason, "{line}");
    }
    for line in [
        "bind",
        "save",
        "latency-tracking-info-percentiles",
        "list-max-ziplist-entries 1",
        "replicaof no one",
        "user default on nopass ~* &* +@all",
        "user alice on >secret ~cache:* +@read -keys",
    ] {
        assert!(load(line).is_ok(), "{line}");
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    for line in [
        "daemonize yes",
        "appendonly yes",
        "maxmemory 1gb\nmaxmemory-policy allkeys-lru",
        "cluster-enabled yes",
        "tls-port 6380",
        "supervised systemd",
        "rename-command GET g",
        "loadmodule /m.so",
    ] {
        let reason = load(line).expect_err(line).reason;
        let name = line.split(' ').next().unwrap_or_default();
        assert!(reason.contains(name) && reason.contains("not supported"), "{line}: {reason}");
    }
}

#[test]
fn save_lines_add_up() {
    let shown = |text: &str| value(&loaded(text), "save");
    assert_eq!(shown(""), "3600 1 300 100 60 10000");
    assert_eq!(shown("save 900 1\nsave 300 10 60 5\n"), "900 1 300 10 60 5");
    assert_eq!(shown("save \"900 1 300 10\"\n"), "900 1 300 10");
    assert_eq!(shown("save 900 1\nsave ''\n"), "");
    assert_eq!(shown("save 900 1\nsave ''\nsave 1 2"), "1 2");
}

#[test]
fn the_command_line_comes_after_the_file() {
    let config =
        override_with(&["--hz", "30", "--save", "--masterauth", "--x", "--slaveof", "h", "1"]);
    let config = config.expect("accepted");
    assert_eq!(config.hz, 30);
    assert!(config.save.0.is_empty());
    assert_eq!(config.masterauth.as_deref(), Some("--x"));
    assert_eq!(config.replicaof.0, Some(("h".to_owned(), 1)));
    assert_eq!(override_with(&["--save", "900", "1", "2", "3"]).expect("accepted").save.0.len(), 2);

    let config = override_with(&["hz", "30", "--save", "", "--port 1", "--maxmemory '2mb'"]);
    let config = config.expect("a name and its value in one word");
    assert_eq!((config.hz, config.port, config.maxmemory), (30, 1, 2 << 20));

    let error = override_with(&["--port", "0", "--hz", "10", "20"]).expect_err("two values");
    assert_eq!((error.line, error.text.as_str()), (4, r#"hz "10" "20""#));
    let error = override_with(&["--port", "0", "hz", "x"]).expect_err("no option");
    assert_eq!(error.text, r#"port "0" "hz" "x""#);
}

#[test]
fn files_are_included_but_not_for_ever() {
    let mut read = |path: &str| {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        match path {
            "a" => Ok(vec![file("a", "hz 33\ninclude b\n")]),
            "b" => Ok(vec![file("b", "port 1\n")]),
            "loop" => Ok(vec![file("loop", "include loop\n")]),
            "bad" => Ok(vec![file("bad", "\nfoo\n")]),
            "*.conf" => Ok(vec![file("1.conf", "hz 34\n"), file("2.conf", "port 2\nfoo\n")]),
            "none*" => Ok(Vec::new()),
            _ => no_files(path),
        }
    };
    let config = Config::load(Some(("t", "include a\n")), &[], &mut read).expect("accepted");
    assert_eq!((config.hz, config.port), (33, 1));
    let mut fail = |text| Config::load(Some(("t", text)), &[], &mut read).expect_err("refused");
    assert!(fail("include loop\n").reason.contains("16 deep"));
    assert_eq!(fail("include nope\n").reason, "can't open config file 'nope': nope");
    let error = fail("include bad\n");
    assert_eq!((error.included.as_deref(), error.line), (Some("bad"), 2));
    let error = fail("include *.conf\n");
    assert_eq!((error.included.as_deref(), error.line), (Some("2.conf"), 2));
    let config = Config::load(Some(("t", "include none*\n")), &[], &mut read).expect("accepted");
    assert_eq!(config.hz, 10);
}

#[test]
fn get_answers_names_as_asked() {
    let config = Config::default();
    let names = |patterns: &[&str]| -> Vec<String> {
        config.get_all(patterns).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&["REPL-TIMEOUT"]), ["REPL-TIMEOUT"]);
    assert_eq!(names(&["slave-read-only"]), ["slave-read-only"]);
    assert_eq!(
        names(&["*-read-only", "replica-read-only"]),
        ["replica-read-only", "slave-read-only"]
    );
    assert_eq!(names(&["[m]axcl*", "maxclient?"]), ["maxclients"]);
    assert_eq!(names(&["nope", "user", "include"]), [""; 0]);
    assert_eq!(names(&["rdb-key*"]), [""; 0], "hidden");
    assert_eq!(names(&["rdb-key-save-delay"]), ["rdb-key-save-delay"]);
    assert_eq!(names(&["[^a-z]*", "\\save*x"]), [""; 0]);
    assert_eq!(
        value(&config, "client-output-buffer-limit"),
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    );
}

#[test]
fn set_changes_all_or_nothing() {
    let mut config = Config::default();
    let changed = config.set(&[
        ("slave-read-only", "no"),
        ("HZ", "12"),
        ("timeout", "0"),
        ("client-output-buffer-limit", "replica 1mb 2mb 3"),
    ]);
    let changed: Vec<&str> = changed.expect("accepted").into_iter().collect();
    assert_eq!(changed, ["client-output-buffer-limit", "hz", "replica-read-only"]);
    assert!(!config.replica_read_only);
    config.set(&[("slave-read-only", "no"), ("replica-read-only", "yes")]).expect("two names");
    assert!(config.replica_read_only);
    let nothing = config.set(&[("client-output-buffer-limit", ""), ("maxmemory", "")]);
    assert!(nothing.expect("accepted").is_empty());

    let related = |name: &str, reason: &str| {
        format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    for (pairs, error) in [
        (
            &[("hz", "5"), ("nope", "1")][..],
            "Unknown option or number of arguments for CONFIG SET - 'nope'".to_owned(),
        ),
        (&[("hz", "5"), ("hz", "6")], related("hz", "duplicate parameter")),
        (&[("hz", "5"), ("databases", "3")], related("databases", "can't set immutable config")),
        (&[("dir", "/")], related("dir", "can't set protected config")),
        (
            &[("hz", "5"), ("rdbcompression", "x")],
            related("rdbcompression", "argument must be 'yes' or 'no'"),
        ),
        (&[("hz", " 10")], related("hz", "argument couldn't be parsed into an integer")),
        (
            &[("maxclients", "0")],
            related("maxclients", "argument must be between 1 and 4294967295 inclusive"),
        ),
        (
            &[("proto-max-bulk-len", "1k")],
            related(
                "proto-max-bulk-len",
                "argument must be between 1048576 and 9223372036854775807 inclusive",
            ),
        ),
        (
            &[("repl-backlog-size", "99999999999999999999")],
            related(
                "repl-backlog-size",
                "argument must be between 1 and 9223372036854775807 inclusive",
            ),
        ),
        (&[("save", "  60   1 ")], related("save", "Invalid save parameters")),
        (
            &[("shutdown-on-sigterm", "save nosave")],
            related(
                "shutdown-on-sigterm",
                "shutdown options SAVE and NOSAVE can't be used simultaneously",
            ),
        ),
        (
            &[("client-output-buffer-limit", "slave 1 2 -3")],
            related(
                "client-output-buffer-limit",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ),
        (
            &[("proc-title-template", "{title} {foo}")],
            related(
                "proc-title-template",
                "template format is invalid or contains unknown variables",
            ),
        ),
        (
            &[("repl-backlog-size", "kb")],
            related(
                "repl-backlog-size",
                "argument must be between 1 and 9223372036854775807 inclusive",
            ),
        ),
        (
            &[("oom-score-adj-values", "0 200")],
            related("oom-score-adj-values", "wrong number of arguments"),
        ),
    ] {
        assert_eq!(set_error(pairs), error);
    }
}

#[test]
fn protected_directives_need_leave() {
    let mut config = loaded("enable-protected-configs local\n");
    assert!(config.set(&[("dir", "/")]).is_err());
    assert!(config.set_from(&[("dir", "/")], true).is_ok());
    config.enable_protected_configs = WhoMay::Yes;
    assert!(config.set(&[("dbfilename", "x")]).is_ok());
}

/// What a real server made of the same file by `CONFIG SET` and `CONFIG REWRITE`, less its ACL line.
#[test]
fn rewrite_is_that_of_redis() {
    let old = "# comment one\nport 27399\n\nbind 127.0.0.1   -::1\nslave-read-only no\nslaveof localhost 1\n\
        hz   20\nrepl-backlog-size 2097152\nsave 900 1\nsave 300 10\n# trailing\n\
        client-output-buffer-limit slave 1gb 1mb 60\nrequirepass foo\nlatency-tracking-info-percentiles 50 99\n\
        masterauth ab\"c d\"\nrdb-key-save-delay 0\nunixsocketperm 700\nshutdown-on-sigterm save now\n\
        enable-debug-command yes\nnotify-keyspace-events KEA\noom-score-adj-values 0 100 200\ndir /tmp/d\n\
        hash-max-ziplist-entries 600\nappendonly no\n";
    let mut config = loaded(old);
    config
        .set(&[
            ("timeout", "7"),
            ("masteruser", "a b"),
            ("maxmemory-clients", "5%"),
            ("repl-timeout", "60"),
            ("slave-priority", "7"),
        ])
        .expect("accepted");
    config.replicaof.0 = None;
    let new = config.rewrite(old);
    let (kept, appended) = new.split_once("\n# Generated by CONFIG REWRITE\n").expect("signed");
    assert_eq!(
        kept,
        "# comment one\nport 27399\n\nbind 127.0.0.1 -::1\nreplica-read-only no\n\n\
        hz 20\nrepl-backlog-size 2mb\nsave 900 1\nsave 300 10\n# trailing\n\
        client-output-buffer-limit normal 0 0 0\nrequirepass \"foo\"\nlatency-tracking-info-percentiles 50 99\n\
        masterauth \"abc d\"\nrdb-key-save-delay 0\nunixsocketperm 700\nshutdown-on-sigterm save now\n\
        enable-debug-command yes\nnotify-keyspace-events \"AKE\"\noom-score-adj-values 0 100 200\ndir \"/tmp/d\"\n\
        hash-max-listpack-entries 600\nappendonly no\n"
    );
    let mut appended: Vec<&str> = appended.lines().collect();
    appended.sort_unstable();
    assert_eq!(
        appended,
        [
            "client-output-buffer-limit replica 1gb 1mb 60",
            "masteruser \"a b\"",
            "maxmemory-clients 5%",
            "replica-priority 7",
            "timeout 7"
        ]
    );
    assert_eq!(loaded(&new), config);
    assert_eq!(config.rewrite(&new), new, "a second time changes nothing");

    config.set(&[("save", ""), ("requirepass", "")]).expect("accepted");
    let new = config.rewrite(&new);
    assert!(new.contains("\nsave \"\"\n\n# trailing\n"), "{new}");
    assert!(!new.contains("requirepass"));
    assert_eq!(loaded(&new), config);
}

#[test]
fn rewrite_of_nothing_is_what_differs() {
    let mut config = Config::default();
    config.set(&[("hz", "50")]).expect("accepted");
    config.replicaof.0 = Some(("10.0.0.1".to_owned(), 6379));
    let new = config.rewrite("");
    assert_eq!(loaded(&new), config);
    assert!(new.starts_with("\n# Generated by CONFIG REWRITE\n"), "{new}");
    for line in ["hz 50", "replicaof 10.0.0.1 6379", "save 3600 1"] {
        assert!(new.lines().any(|other| other == line), "{new}");
    }
}

/// Every directive of the file that Debian installs, when this machine has one.
#[test]
fn the_file_of_debian_is_accepted() {
    let Ok(text) = std::fs::read_to_string("/etc/redis/redis.conf") else {
        return;
    };
    let error = load(&text).expect_err("it wants a daemon");
    assert_eq!(error.text, "daemonize yes");
    let config = loaded(&text.replace("\ndaemonize yes", "\ndaemonize no"));
    assert_eq!(value(&config, "dir"), "/var/lib/redis");
    assert_eq!(value(&config, "bind"), "127.0.0.1 -::1");
    assert_eq!(loaded(&config.rewrite(&text)), config);
}

#[test]
fn users_are_rewritten_where_they_stood() {
    let old = "port 1\nuser alice on ~* +get\nhz 10\nuser bob off\n";
    let mut config = loaded(old);
    assert_eq!(config.user_lines.len(), 2);
    config.user_lines = vec![["carol", "on", "-@all"].map(str::to_owned).to_vec()];
    let new = config.rewrite(old);
    assert!(new.starts_with("port 1\nuser carol on -@all\nhz 10\n"), "{new}");
    assert!(!new.contains("bob"), "{new}");
}
