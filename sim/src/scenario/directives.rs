//! Which redis.conf directives a scenario may set, and to what.
//!
//! Must never: know what a value may be; the node's own parser of redis.conf says so.

use replisim::config::Config;

/// Directives the testbed sets by itself for every node, and how a scenario says it instead.
pub const RESERVED: &[(&str, &str)] = &[
    ("bind", "every node listens on its own host"),
    ("port", "every node listens on the same port of its own host"),
    ("dir", "every node has a disk of its own"),
    ("replicaof", "write `replicaof = \"NAME\"` in the node's own table"),
    ("slaveof", "write `replicaof = \"NAME\"` in the node's own table"),
    ("include", "a scenario is complete by itself"),
    ("daemonize", "the testbed runs the node"),
    ("logfile", "the testbed keeps the logs"),
    ("pidfile", "the testbed runs the node"),
    ("unixsocket", "nodes are reached over the network"),
];

/// Directives of Redis 7.0 that bear on replication, persistence, clients and data.
pub const KNOWN: &[&str] = &[
    "active-expire-effort",
    "activerehashing",
    "always-show-logo",
    "appendonly",
    "client-output-buffer-limit",
    "client-query-buffer-limit",
    "crash-log-enabled",
    "databases",
    "dbfilename",
    "dynamic-hz",
    "enable-debug-command",
    "enable-protected-configs",
    "hz",
    "key-load-delay",
    "latency-monitor-threshold",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "loading-process-events-interval-bytes",
    "loglevel",
    "masterauth",
    "masteruser",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "min-slaves-max-lag",
    "min-slaves-to-write",
    "notify-keyspace-events",
    "propagation-error-behavior",
    "proto-max-bulk-len",
    "protected-mode",
    "rdb-del-sync-files",
    "rdb-key-save-delay",
    "rdb-save-incremental-fsync",
    "rdbchecksum",
    "rdbcompression",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "repl-disable-tcp-nodelay",
    "repl-diskless-load",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "repl-diskless-sync-max-replicas",
    "repl-ping-replica-period",
    "repl-ping-slave-period",
    "repl-timeout",
    "replica-announce-ip",
    "replica-announce-port",
    "replica-announced",
    "replica-ignore-disk-write-errors",
    "replica-ignore-maxmemory",
    "replica-lazy-flush",
    "replica-priority",
    "replica-read-only",
    "replica-serve-stale-data",
    "requirepass",
    "sanitize-dump-payload",
    "save",
    "shutdown-on-sigint",
    "shutdown-on-sigterm",
    "shutdown-timeout",
    "slave-announce-ip",
    "slave-announce-port",
    "slave-ignore-maxmemory",
    "slave-lazy-flush",
    "slave-priority",
    "slave-read-only",
    "slave-serve-stale-data",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "stop-writes-on-bgsave-error",
    "tcp-backlog",
    "tcp-keepalive",
    "timeout",
];

/// Whether a node understands the directive.
pub fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Directives whose value is several words of the file's line.
const SEVERAL_WORDS: [&str; 3] = ["save", "client-output-buffer-limit", "oom-score-adj-values"];

/// The line of redis.conf that sets a directive.
pub fn line(name: &str, value: &str) -> String {
    // A single empty value needs its quotes, and so does one of several words.
    let several = SEVERAL_WORDS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if value.is_empty() || (value.contains([' ', '"', '\'', '#']) && !several) {
        format!("{name} \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("{name} {value}")
    }
}

/// Why a node would refuse the value of a directive that it knows.
pub fn refused(name: &str, value: &str) -> Option<String> {
    let text = line(name, value);
    let no_include = &mut |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let read = Config::load(Some(("redis.conf", &text)), &[], no_include);
    read.err().map(|error| error.reason)
}

/// How a scenario says it, when it must not set the directive itself.
pub fn reserved(name: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, how)| *how)
}
