//! The server as a whole: `CONFIG`, `TIME`, `MONITOR`.

use super::admin::{Subcommand, error, help, node, ok, row, subcommand};
use super::table::{Command, Flags, Group};
use super::{Args, Outcome};
use crate::config::Config;
use crate::env::Now;
use crate::node::{Blocked, ClientId, LOADING, Node};

const ANYTIME: Flags = Flags::LOADING.with(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(ANYTIME);
const GROUP: Group = Group::Server;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("config", -2, Flags::NONE, GROUP, "2.0.0", "Shows and sets directives", node!(config)),
    row("time", 1, ANYTIME.with(Flags::FAST), GROUP, "2.6.0", "The wall clock", node!(time)),
    row("monitor", 1, ADMIN, GROUP, "1.0.0", "Shows every command as it is executed", node!(monitor)),
];

const fn sub(name: &'static str, arity: i32, full_name: &'static str) -> Subcommand {
    Subcommand { name, arity, full_name }
}

static CONFIG: [Subcommand; 5] = [
    sub("get", -3, "config|get"),
    sub("set", -4, "config|set"),
    sub("resetstat", 2, "config|resetstat"),
    sub("rewrite", 2, "config|rewrite"),
    sub("help", 2, "config|help"),
];

const CONFIG_HELP: [&str; 11] = [
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern> ...",
    "    Directives whose names match, and their values.",
    "SET <directive> <value> ...",
    "    Sets directives, all or none.",
    "RESETSTAT",
    "    Sets the counters of INFO to zero.",
    "REWRITE",
    "    Writes the values of now into the configuration file.",
    "HELP",
    "    This text.",
];

fn config(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    match subcommand("CONFIG", &CONFIG, args)? {
        "get" => config_get(node, id, &args[2..]),
        "set" => config_set(node, now, id, &args[2..]),
        "resetstat" => {
            node.reset_stats();
            ok(node, id)
        }
        "rewrite" => {
            let Some(job) = node.rewrite_config() else {
                return error("The server is running without a config file");
            };
            node.wait_for_job(id, job);
            Ok(())
        }
        _ => help(node, id, &CONFIG_HELP),
    }
}

fn config_get(node: &mut Node, id: ClientId, patterns: &Args<'_>) -> Outcome {
    let patterns: Vec<String> =
        patterns.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    node.know_master();
    let found = node.config.get_all(&patterns);
    node.reply(id, |reply| {
        reply.array_header(found.len() * 2);
        for (name, value) in found {
            reply.bulk(name);
            reply.bulk(value);
        }
    });
    Ok(())
}

fn config_set(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(super::CommandError::WrongArity("config|set".into()));
    }
    let mut words = Vec::with_capacity(args.len());
    for arg in args {
        match std::str::from_utf8(arg) {
            Ok(word) => words.push(word),
            Err(_) => return error("CONFIG SET failed - the arguments are not UTF-8 text"),
        }
    }
    let pairs: Vec<(&str, &str)> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    if node.load_is_running() && Config::any_settled(&pairs) {
        return Err(super::CommandError::Coded(LOADING.into()));
    }
    let local = node.clients.get(&id).is_some_and(|client| client.peer.loopback);
    match node.set_directives(now, &pairs, local) {
        Ok(None) => ok(node, id),
        Ok(Some(job)) => {
            node.block(id, Blocked::Job(job));
            Ok(())
        }
        Err(text) => error(text),
    }
}

fn time(node: &mut Node, now: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    let (seconds, micros) = (now.unix_ms / 1000, now.unix_ms % 1000 * 1000);
    node.reply(id, |reply| {
        reply.array_header(2);
        reply.bulk(seconds.to_string());
        reply.bulk(micros.to_string());
    });
    Ok(())
}

fn monitor(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    if node.in_exec {
        return error("MONITOR isn't allowed for DENY BLOCKING client");
    }
    let Some(client) = node.clients.get_mut(&id) else {
        return Ok(());
    };
    client.monitor = true;
    node.monitors.insert(id);
    ok(node, id)
}
