//! `MODULE`: none is loaded, and none can be. And `LOLWUT`, which tells the version.

use super::admin::{Subcommand, error, help, node, row, subcommand};
use super::number::parse_i64;
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome};
use crate::REDIS_VERSION;
use crate::env::Now;
use crate::node::{ClientId, Node};

/// The commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("module", -2, Flags::NONE, Group::Server, "4.0.0", "Lists the modules, of which there are none", node!(module)),
    row("lolwut", -1, Flags::READONLY.with(Flags::FAST), Group::Server, "5.0.0", "Tells the version", node!(lolwut)),
];

static SUBCOMMANDS: [Subcommand; 5] = [
    Subcommand { name: "help", arity: 2, full_name: "module|help" },
    Subcommand { name: "list", arity: 2, full_name: "module|list" },
    Subcommand { name: "load", arity: -3, full_name: "module|load" },
    Subcommand { name: "loadex", arity: -3, full_name: "module|loadex" },
    Subcommand { name: "unload", arity: 3, full_name: "module|unload" },
];

const HELP: [&str; 5] = [
    "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LIST",
    "    The modules that are loaded: none.",
    "HELP",
    "    This text.",
];

fn module(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    match subcommand("MODULE", &SUBCOMMANDS, args)? {
        "list" => node.reply(id, |reply| reply.array_header(0)),
        "load" | "loadex" | "unload" => return error("This server loads no modules"),
        _ => return help(node, id, &HELP),
    }
    Ok(())
}

/// Art is left to the original; what it refuses is refused: the pieces of 5 and 6 take numbers.
fn lolwut(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if let [_, word, version, sizes @ ..] = args
        && word.eq_ignore_ascii_case(b"version")
    {
        let number = |word: &[u8]| parse_i64(word).ok_or(CommandError::NotInteger);
        let most = match number(version)? {
            5 => 3,
            6 => 2,
            _ => 0,
        };
        for size in sizes.iter().take(most) {
            number(size)?;
        }
    }
    let text = format!("Redis ver. {}\n", REDIS_VERSION);
    node.reply(id, |reply| reply.bulk(&text));
    Ok(())
}
