//! `SLOWLOG`: the last commands that took long (Redis: slowlog.c).

use super::admin::{Subcommand, error, help, node, row, subcommand};
use super::number::parse_i64;
use super::table::{Command, Flags, Group};
use super::{Args, Outcome};
use crate::env::Now;
use crate::node::{ClientId, Node};

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("slowlog", -2, Flags::NONE, Group::Server, "2.2.12", "The last commands that took long", node!(slowlog)),
];

static SUBCOMMANDS: [Subcommand; 4] = [
    Subcommand { name: "get", arity: -2, full_name: "slowlog|get" },
    Subcommand { name: "len", arity: 2, full_name: "slowlog|len" },
    Subcommand { name: "reset", arity: 2, full_name: "slowlog|reset" },
    Subcommand { name: "help", arity: 2, full_name: "slowlog|help" },
];

const HELP: [&str; 10] = [
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    The newest entries, 10 without a count, all with -1: id, time, microseconds, arguments,",
    "    address and name of the client.",
    "LEN",
    "    How many entries there are.",
    "RESET",
    "    Forgets all.",
    "HELP",
    "    This text.",
];

/// Entries shown without a count.
const DEFAULT_COUNT: usize = 10;

fn slowlog(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    match subcommand("SLOWLOG", &SUBCOMMANDS, args)? {
        "get" => get(node, id, &args[2..])?,
        "len" => {
            let len = node.timing.slow_log.len() as i64;
            node.reply(id, |reply| reply.integer(len));
        }
        "reset" => {
            node.timing.slow_log.clear();
            node.reply(id, |reply| reply.ok());
        }
        _ => return help(node, id, &HELP),
    }
    Ok(())
}

fn get(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let count = match args {
        [] => DEFAULT_COUNT,
        [count] => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return error("count should be greater than or equal to -1"),
        },
        _ => {
            return error(
                "unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.",
            );
        }
    };
    let entries: Vec<_> = node.timing.slow_log.newest(count).cloned().collect();
    node.reply(id, |reply| {
        reply.array_header(entries.len());
        for entry in &entries {
            reply.array_header(6);
            for number in [entry.id, entry.unix_seconds, entry.micros] {
                reply.integer(i64::try_from(number).unwrap_or(i64::MAX));
            }
            reply.array_header(entry.args.len());
            entry.args.iter().for_each(|arg| reply.bulk(arg));
            reply.bulk(&entry.addr);
            reply.bulk(&entry.client_name);
        }
    });
    Ok(())
}
