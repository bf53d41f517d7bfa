//! `MEMORY`: what is known of the memory that data and clients take. All of it is estimated from
//! the sizes of what is kept: nobody asks the allocator.

use super::admin::{Subcommand, help, is, node, row, subcommand};
use super::number::integer;
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome};
use crate::codec::resp::Reply;
use crate::env::Now;
use crate::node::{ClientId, Kind, Node};

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("memory", -2, Flags::NONE, Group::Server, "4.0.0", "What takes how much memory", node!(memory)),
];

static SUBCOMMANDS: [Subcommand; 6] = [
    Subcommand { name: "doctor", arity: 2, full_name: "memory|doctor" },
    Subcommand { name: "help", arity: 2, full_name: "memory|help" },
    Subcommand { name: "malloc-stats", arity: 2, full_name: "memory|malloc-stats" },
    Subcommand { name: "purge", arity: 2, full_name: "memory|purge" },
    Subcommand { name: "stats", arity: 2, full_name: "memory|stats" },
    Subcommand { name: "usage", arity: -3, full_name: "memory|usage" },
];

const HELP: [&str; 13] = [
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    A report in words.",
    "MALLOC-STATS",
    "    Nothing: the allocator is not asked.",
    "PURGE",
    "    Accepted: there is nothing to give back.",
    "STATS",
    "    What takes how many bytes.",
    "USAGE <key> [SAMPLES <count>]",
    "    Estimated bytes of a key and its value; all elements are counted, whatever the samples.",
    "HELP",
    "    This text.",
];

fn memory(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    match subcommand("MEMORY", &SUBCOMMANDS, args)? {
        "doctor" => node.reply(id, |reply| {
            reply.bulk(
                "Nothing is known of fragmentation here; MEMORY STATS shows what is known.\n",
            );
        }),
        "malloc-stats" => node.reply(id, |reply| {
            reply.bulk("Stats not supported for the current allocator");
        }),
        "purge" => node.reply(id, Reply::ok),
        "stats" => {
            let stats = Stats::of(node);
            node.reply(id, |reply| stats.write(reply));
        }
        "usage" => return usage(node, id, &args[2..]),
        _ => return help(node, id, &HELP),
    }
    Ok(())
}

fn usage(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let mut rest = &args[1..];
    while let [word, more @ ..] = rest {
        rest = match more {
            [count, more @ ..] if is(word, "SAMPLES") => match integer(count)? {
                ..0 => return Err(CommandError::Syntax),
                _ => more,
            },
            _ => return Err(CommandError::Syntax),
        };
    }
    let db = node.clients.get(&id).map_or(0, |client| client.db);
    let bytes = node.keyspace.entry_bytes(db, args[0]);
    node.reply(id, |reply| match bytes {
        Some(bytes) => reply.integer(i64::try_from(bytes).unwrap_or(i64::MAX)),
        None => reply.null_bulk(),
    });
    Ok(())
}

struct Stats {
    backlog: u64,
    replicas: u64,
    normal: u64,
    dataset: u64,
    keys: u64,
}

impl Stats {
    fn of(node: &Node) -> Self {
        let (mut normal, mut replicas) = (0, 0);
        for client in node.clients.values() {
            match client.kind {
                Kind::Replica => replicas += client.memory_bytes(0),
                _ => normal += client.memory_bytes(0),
            }
        }
        let databases = 0..node.config.databases;
        Self {
            backlog: node.replication.held_bytes(),
            replicas,
            normal,
            dataset: node.keyspace.used_bytes(),
            keys: databases.map(|db| node.keyspace.len(db) as u64).sum(),
        }
    }

    /// Names and numbers, by Redis's names; those of its allocator are left out.
    fn write(&self, reply: &mut Reply) {
        let overhead = self.backlog + self.replicas + self.normal;
        let total = overhead + self.dataset;
        let numbers = [
            ("peak.allocated", total),
            ("total.allocated", total),
            ("startup.allocated", 0),
            ("replication.backlog", self.backlog),
            ("clients.slaves", self.replicas),
            ("clients.normal", self.normal),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("overhead.total", overhead),
            ("keys.count", self.keys),
            ("keys.bytes-per-key", self.dataset.checked_div(self.keys).unwrap_or(0)),
            ("dataset.bytes", self.dataset),
        ];
        reply.array_header(2 * numbers.len() + 2);
        for (name, number) in numbers {
            reply.bulk(name);
            reply.integer(i64::try_from(number).unwrap_or(i64::MAX));
        }
        let share = if total == 0 { 0.0 } else { self.dataset as f64 * 100.0 / total as f64 };
        reply.bulk("dataset.percentage");
        reply.bulk(format!("{share:.2}"));
    }
}
