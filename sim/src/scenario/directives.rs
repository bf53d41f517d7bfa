//! Which redis.conf directives a scenario may set, and to what.
//!
//! Must never: know what a value may be; the node's own parser of redis.conf says so.

use std::collections::BTreeSet;
use std::sync::LazyLock;

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
    ("user", "give it in a step: `command = { node = \"NAME\", send = \"ACL SETUSER ...\" }`"),
    (
        "aclfile",
        "the disk of a node is empty at its start; users are made by `ACL SETUSER` in a step",
    ),
    (
        "rename-command",
        "commands have one name each; `ACL SETUSER` in a step takes them from a user",
    ),
    ("loadmodule", "a node loads no modules"),
];

/// Directives that `CONFIG GET *` does not show.
const HIDDEN: [&str; 2] = ["key-load-delay", "rdb-key-save-delay"];

/// Directives that a node understands, with the old names of some.
pub fn known() -> &'static BTreeSet<String> {
    static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let shown = Config::default().get("*").into_iter().map(|(name, _)| name);
        shown.chain(HIDDEN.map(str::to_owned)).collect()
    });
    &KNOWN
}

/// Whether a node understands the directive.
pub fn is_known(name: &str) -> bool {
    known().contains(&name.to_ascii_lowercase())
}

/// Directives whose value is several words of the file's line.
const SEVERAL_WORDS: [&str; 4] = [
    "save",
    "client-output-buffer-limit",
    "oom-score-adj-values",
    "latency-tracking-info-percentiles",
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_node_knows_can_be_set() {
        for name in ["hash-max-listpack-entries", "list-max-ziplist-size", "Maxmemory-Clients"] {
            assert!(is_known(name), "{name}");
        }
        for name in HIDDEN {
            assert!(Config::default().get("*").iter().all(|(shown, _)| shown != name), "{name}");
            assert_eq!(refused(name, "1"), None, "{name}");
        }
        assert!(!is_known("hash-max-entries") && !is_known("user"));
        assert_eq!(refused("latency-tracking-info-percentiles", "50 99.9"), None);
        assert_eq!(refused("oom-score-adj-values", "0 200 800"), None);
    }
}
