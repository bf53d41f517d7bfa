//! Subcommands of the commands that are containers (`CONFIG SET`, `OBJECT ENCODING`, ...): which
//! there are, and how many arguments each takes.
//!
//! Checked before a command is executed or queued: inside `MULTI` a mistake has to be told at once
//! (server.c `processCommand`). The names and arities are those of `COMMAND` of Redis 7.0.15;
//! what is listed here and not built is refused by its handler.

use super::table::Command;
use super::{Args, CommandError, printable};

/// A subcommand and its arity, container and subcommand included; negative: at least so many.
type Subcommand = (&'static str, i32);

/// Containers, in order of their names.
#[rustfmt::skip]
const CONTAINERS: &[(&str, &[Subcommand])] = &[
    ("acl", &[("cat", -2), ("deluser", -3), ("dryrun", -4), ("genpass", -2), ("getuser", 3), ("help", 2), ("list", 2), ("load", 2), ("log", -2), ("save", 2), ("setuser", -3), ("users", 2), ("whoami", 2)]),
    ("client", &[("caching", 3), ("getname", 2), ("getredir", 2), ("help", 2), ("id", 2), ("info", 2), ("kill", -3), ("list", -2), ("no-evict", 3), ("pause", -3), ("reply", 3), ("setname", 3), ("tracking", -3), ("trackinginfo", 2), ("unblock", -3), ("unpause", 2)]),
    ("command", &[("count", 2), ("docs", -2), ("getkeys", -4), ("getkeysandflags", -4), ("help", 2), ("info", -2), ("list", -2)]),
    ("config", &[("get", -3), ("help", 2), ("resetstat", 2), ("rewrite", 2), ("set", -4)]),
    ("function", &[("delete", 3), ("dump", 2), ("flush", -2), ("help", 2), ("kill", 2), ("list", -2), ("load", -3), ("restore", -3), ("stats", 2)]),
    ("latency", &[("doctor", 2), ("graph", 3), ("help", 2), ("histogram", -2), ("history", 3), ("latest", 2), ("reset", -2)]),
    ("memory", &[("doctor", 2), ("help", 2), ("malloc-stats", 2), ("purge", 2), ("stats", 2), ("usage", -3)]),
    ("object", &[("encoding", 3), ("freq", 3), ("help", 2), ("idletime", 3), ("refcount", 3)]),
    ("pubsub", &[("channels", -2), ("help", 2), ("numpat", 2), ("numsub", -2), ("shardchannels", -2), ("shardnumsub", -2)]),
    ("script", &[("debug", 3), ("exists", -3), ("flush", -2), ("help", 2), ("kill", 2), ("load", 3)]),
    ("slowlog", &[("get", -2), ("help", 2), ("len", 2), ("reset", 2)]),
    ("xgroup", &[("create", -5), ("createconsumer", 5), ("delconsumer", 5), ("destroy", 4), ("help", 2), ("setid", -5)]),
    ("xinfo", &[("consumers", 4), ("groups", 3), ("help", 2), ("stream", -3)]),
];

/// Refuses a subcommand that does not exist, or its number of arguments.
pub fn check(command: &Command, args: &Args<'_>) -> Result<(), CommandError> {
    let Some(given) = args.get(1) else {
        return Ok(()); // `COMMAND` alone is a command of its own.
    };
    let Ok(at) = CONTAINERS.binary_search_by_key(&command.name, |(container, _)| container) else {
        return Ok(());
    };
    let (_, subcommands) = CONTAINERS[at];
    let named = |(name, _): &&Subcommand| given.eq_ignore_ascii_case(name.as_bytes());
    let Some((name, arity)) = subcommands.iter().find(named) else {
        let container = command.name.to_ascii_uppercase();
        return Err(CommandError::UnknownSubcommand { given: printable(given), container });
    };
    let wanted = arity.unsigned_abs() as usize;
    let right = if *arity < 0 { args.len() >= wanted } else { args.len() == wanted };
    if right { Ok(()) } else { Err(CommandError::WrongArity(format!("{}|{name}", command.name))) }
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
    fn containers_are_in_order_and_so_found() {
        assert!(CONTAINERS.is_sorted());
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
