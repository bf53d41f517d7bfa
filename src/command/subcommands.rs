//! Subcommands of the commands that are containers (`CONFIG SET`, `OBJECT ENCODING`, ...): which
//! there are, how many arguments each takes, what it may do and where its keys are.
//!
//! Checked before a command is executed or queued: inside `MULTI` a mistake has to be told at once
//! (server.c `processCommand`). The rows are those of `COMMAND` of Redis 7.0.15; what is listed
//! here and not built is refused by its handler.

use super::key_spec::{DELETES, INSERTS, Keys, LOOKS, READS, UPDATES, at};
use super::table::{Command, Flags, accepts};
use super::{Args, CommandError, printable};

/// A row.
#[derive(Debug)]
pub struct Subcommand {
    /// In lower case.
    pub name: &'static str,
    /// Number of arguments, container and subcommand included; negative: at least so many.
    pub arity: i32,
    /// What it may do.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: Keys,
}

const fn sub(name: &'static str, arity: i32, flags: Flags) -> Subcommand {
    Subcommand { name, arity, flags, keys: &[] }
}

impl Subcommand {
    const fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }
}

/// Allowed at any time.
const ANYTIME: Flags = Flags::LOADING.with(Flags::STALE);
/// About the connection itself.
const SELF: Flags = ANYTIME.with(Flags::NOSCRIPT);
const ADMIN: Flags = SELF.with(Flags::ADMIN);
const OPERATE: Flags = ANYTIME.with(Flags::ADMIN);
const CLUSTER_ADMIN: Flags = Flags::STALE.with(Flags::ADMIN);
const CLUSTER_CHANGE: Flags = CLUSTER_ADMIN.with(Flags::NO_ASYNC_LOADING);
const LISTEN: Flags = ANYTIME.with(Flags::PUBSUB);
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);
/// Changes functions.
const CODE: Flags = Flags::WRITE.with(Flags::NOSCRIPT);
const NEW_CODE: Flags = CODE.with(Flags::DENYOOM);
const MODULES: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING);
const BUSY: Flags = Flags::NOSCRIPT.with(Flags::ALLOW_BUSY);

/// Containers, in order of their names.
#[rustfmt::skip]
const CONTAINERS: &[(&str, &[Subcommand])] = &[
    ("acl", &[
        sub("cat", -2, SELF),
        sub("deluser", -3, ADMIN),
        sub("dryrun", -4, ADMIN),
        sub("genpass", -2, SELF),
        sub("getuser", 3, ADMIN),
        sub("help", 2, ANYTIME),
        sub("list", 2, ADMIN),
        sub("load", 2, ADMIN),
        sub("log", -2, ADMIN),
        sub("save", 2, ADMIN),
        sub("setuser", -3, ADMIN),
        sub("users", 2, ADMIN),
        sub("whoami", 2, SELF),
    ]),
    ("client", &[
        sub("caching", 3, SELF),
        sub("getname", 2, SELF),
        sub("getredir", 2, SELF),
        sub("help", 2, ANYTIME),
        sub("id", 2, SELF),
        sub("info", 2, SELF),
        sub("kill", -3, ADMIN),
        sub("list", -2, ADMIN),
        sub("no-evict", 3, ADMIN),
        sub("pause", -3, ADMIN),
        sub("reply", 3, SELF),
        sub("setname", 3, SELF),
        sub("tracking", -3, SELF),
        sub("trackinginfo", 2, SELF),
        sub("unblock", -3, ADMIN),
        sub("unpause", 2, ADMIN),
    ]),
    ("cluster", &[
        sub("addslots", -3, CLUSTER_CHANGE),
        sub("addslotsrange", -4, CLUSTER_CHANGE),
        sub("bumpepoch", 2, CLUSTER_CHANGE),
        sub("count-failure-reports", 3, CLUSTER_ADMIN),
        sub("countkeysinslot", 3, Flags::STALE),
        sub("delslots", -3, CLUSTER_CHANGE),
        sub("delslotsrange", -4, CLUSTER_CHANGE),
        sub("failover", -2, CLUSTER_CHANGE),
        sub("flushslots", 2, CLUSTER_CHANGE),
        sub("forget", 3, CLUSTER_CHANGE),
        sub("getkeysinslot", 4, Flags::STALE),
        sub("help", 2, ANYTIME),
        sub("info", 2, Flags::STALE),
        sub("keyslot", 3, Flags::STALE),
        sub("links", 2, Flags::STALE),
        sub("meet", -4, CLUSTER_CHANGE),
        sub("myid", 2, Flags::STALE),
        sub("nodes", 2, Flags::STALE),
        sub("replicas", 3, CLUSTER_ADMIN),
        sub("replicate", 3, CLUSTER_CHANGE),
        sub("reset", -2, CLUSTER_ADMIN.with(Flags::NOSCRIPT)),
        sub("saveconfig", 2, CLUSTER_CHANGE),
        sub("set-config-epoch", 3, CLUSTER_CHANGE),
        sub("setslot", -4, CLUSTER_CHANGE),
        sub("shards", 2, Flags::STALE),
        sub("slaves", 3, CLUSTER_ADMIN),
        sub("slots", 2, Flags::STALE),
    ]),
    ("command", &[
        sub("count", 2, ANYTIME),
        sub("docs", -2, ANYTIME),
        sub("getkeys", -4, ANYTIME),
        sub("getkeysandflags", -4, ANYTIME),
        sub("help", 2, ANYTIME),
        sub("info", -2, ANYTIME),
        sub("list", -2, ANYTIME),
    ]),
    ("config", &[
        sub("get", -3, ADMIN),
        sub("help", 2, ANYTIME),
        sub("resetstat", 2, ADMIN),
        sub("rewrite", 2, ADMIN),
        sub("set", -4, ADMIN),
    ]),
    ("function", &[
        sub("delete", 3, CODE),
        sub("dump", 2, Flags::NOSCRIPT),
        sub("flush", -2, CODE),
        sub("help", 2, ANYTIME),
        sub("kill", 2, BUSY),
        sub("list", -2, Flags::NOSCRIPT),
        sub("load", -3, NEW_CODE),
        sub("restore", -3, NEW_CODE),
        sub("stats", 2, BUSY),
    ]),
    ("latency", &[
        sub("doctor", 2, ADMIN),
        sub("graph", 3, ADMIN),
        sub("help", 2, ANYTIME),
        sub("histogram", -2, ADMIN),
        sub("history", 3, ADMIN),
        sub("latest", 2, ADMIN),
        sub("reset", -2, ADMIN),
    ]),
    ("memory", &[
        sub("doctor", 2, Flags::NONE),
        sub("help", 2, ANYTIME),
        sub("malloc-stats", 2, Flags::NONE),
        sub("purge", 2, Flags::NONE),
        sub("stats", 2, Flags::NONE),
        sub("usage", -3, Flags::READONLY).with_keys(&[at(2, LOOKS)]),
    ]),
    ("module", &[
        sub("help", 2, ANYTIME),
        sub("list", 2, Flags::ADMIN.with(Flags::NOSCRIPT)),
        sub("load", -3, MODULES),
        sub("loadex", -3, MODULES),
        sub("unload", 3, MODULES),
    ]),
    ("object", &[
        sub("encoding", 3, Flags::READONLY).with_keys(&[at(2, LOOKS)]),
        sub("freq", 3, Flags::READONLY).with_keys(&[at(2, LOOKS)]),
        sub("help", 2, ANYTIME),
        sub("idletime", 3, Flags::READONLY).with_keys(&[at(2, LOOKS)]),
        sub("refcount", 3, Flags::READONLY).with_keys(&[at(2, LOOKS)]),
    ]),
    ("pubsub", &[
        sub("channels", -2, LISTEN),
        sub("help", 2, ANYTIME),
        sub("numpat", 2, LISTEN),
        sub("numsub", -2, LISTEN),
        sub("shardchannels", -2, LISTEN),
        sub("shardnumsub", -2, LISTEN),
    ]),
    ("script", &[
        sub("debug", 3, Flags::NOSCRIPT),
        sub("exists", -3, Flags::NOSCRIPT),
        sub("flush", -2, Flags::NOSCRIPT),
        sub("help", 2, ANYTIME),
        sub("kill", 2, BUSY),
        sub("load", 3, Flags::NOSCRIPT.with(Flags::STALE)),
    ]),
    ("slowlog", &[
        sub("get", -2, OPERATE),
        sub("help", 2, ANYTIME),
        sub("len", 2, OPERATE),
        sub("reset", 2, OPERATE),
    ]),
    ("xgroup", &[
        sub("create", -5, GROW).with_keys(&[at(2, INSERTS)]),
        sub("createconsumer", 5, GROW).with_keys(&[at(2, INSERTS)]),
        sub("delconsumer", 5, Flags::WRITE).with_keys(&[at(2, DELETES)]),
        sub("destroy", 4, Flags::WRITE).with_keys(&[at(2, DELETES)]),
        sub("help", 2, ANYTIME),
        sub("setid", -5, Flags::WRITE).with_keys(&[at(2, UPDATES)]),
    ]),
    ("xinfo", &[
        sub("consumers", 4, Flags::READONLY).with_keys(&[at(2, READS)]),
        sub("groups", 3, Flags::READONLY).with_keys(&[at(2, READS)]),
        sub("help", 2, ANYTIME),
        sub("stream", -3, Flags::READONLY).with_keys(&[at(2, READS)]),
    ]),
];

/// The subcommands of the command of that name; none if it is no container. For the compiler:
/// afterwards each [`Command`] has its own at hand.
pub(super) const fn of_name(command: &str) -> &'static [Subcommand] {
    let mut at = 0;
    while at < CONTAINERS.len() {
        let (name, subcommands) = CONTAINERS[at];
        if are_same(name.as_bytes(), command.as_bytes()) {
            return subcommands;
        }
        at += 1;
    }
    &[]
}

const fn are_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Whether a command is a container.
pub fn are_in(command: &Command) -> bool {
    !command.subcommands.is_empty()
}

/// The subcommand that these arguments (container first) name.
pub fn find(command: &Command, args: &Args<'_>) -> Option<&'static Subcommand> {
    // No container takes more than its own name for granted.
    let given = args.get(1).filter(|_| matches!(command.arity, -2 | -1))?;
    command.subcommands.iter().find(|row| given.eq_ignore_ascii_case(row.name.as_bytes()))
}

/// Refuses a subcommand that does not exist, or its number of arguments.
///
/// # Errors
///
/// As Redis says it.
pub fn check(command: &Command, args: &Args<'_>) -> Result<(), CommandError> {
    if !matches!(command.arity, -2 | -1) {
        return Ok(()); // No container: most commands are told apart at this price.
    }
    let Some(given) = args.get(1) else {
        return Ok(()); // `COMMAND` alone is a command of its own.
    };
    match find(command, args) {
        None if are_in(command) => {
            let container = command.name.to_ascii_uppercase();
            Err(CommandError::UnknownSubcommand { given: printable(given), container })
        }
        Some(row) if !accepts(row.arity, args.len()) => {
            Err(CommandError::WrongArity(format!("{}|{}", command.name, row.name)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let command = super::super::find(args[0]).expect("a command");
        check(command, &args).map_or_else(|error| error.to_string(), |()| "ok".into())
    }

    #[test]
    fn containers_are_found_and_take_a_subcommand() {
        for (name, subcommands) in CONTAINERS {
            // Those of features that are not there are listed all the same.
            if let Some(command) = super::super::find(name.as_bytes()) {
                assert!(matches!(command.arity, -1 | -2), "{name}");
                assert_eq!(command.subcommands.len(), subcommands.len(), "{name}");
            }
        }
    }

    #[test]
    fn what_does_not_exist_is_refused_by_name() {
        assert_eq!(checked("object encoding k"), "ok");
        assert_eq!(checked("OBJECT HELP"), "ok");
        assert_eq!(
            checked("object encoding"),
            "ERR wrong number of arguments for 'object|encoding' command"
        );
        assert_eq!(checked("object what k"), "ERR unknown subcommand 'what'. Try OBJECT HELP.");
        assert_eq!(checked("get k"), "ok");
        assert_eq!(checked("command"), "ok");
    }
}
