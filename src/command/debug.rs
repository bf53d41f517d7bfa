//! `DEBUG`: what tests need, and nothing else.

use std::time::Duration;

use super::admin::{error, help, is, node, ok, row};
use super::number::parse_i64;
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Ctx, Outcome, populate, printable};
use crate::env::Now;
use crate::node::{ClientId, LOADING, Node};

const FLAGS: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);

/// Keys that `DEBUG POPULATE` makes before it settles what follows from them.
const FILL_STEP_KEYS: usize = 1024;

/// Longest `DEBUG SLEEP`.
const SLEEP_MAX_SECONDS: f64 = 86_400.0;

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("debug", -2, FLAGS, Group::Server, "1.0.0", "For tests", node!(debug)),
];

const HELP: [&str; 21] = [
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DIGEST",
    "    A digest of the whole dataset.",
    "DIGEST-VALUE <key> ...",
    "    A digest of each value.",
    "OBJECT <key>",
    "    How a value is stored.",
    "LOG <text>",
    "    Writes a line into the log.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Makes keys that do not exist yet; they are not propagated.",
    "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
    "    Saves the dataset and loads it again.",
    "REPLICATE <command> [<arg> ...]",
    "    Puts a command on the stream without executing it.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Whether keys past their deadline are removed by themselves.",
    "SLEEP <seconds>",
    "    Stops the process for a while.",
    "HELP",
    "    This text.",
];

fn debug(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match (args[1].to_ascii_lowercase().as_slice(), rest) {
        (b"digest", []) => {
            let digest = hex(&node.keyspace.redis_digest());
            node.reply(id, |reply| reply.status(digest));
            Ok(())
        }
        (b"digest-value", keys) => {
            let db = node.clients.get(&id).map_or(0, |client| client.db);
            let digests: Vec<String> =
                keys.iter().map(|key| hex(&node.keyspace.redis_digest_value(db, key))).collect();
            node.reply(id, |reply| {
                reply.array_header(digests.len());
                digests.iter().for_each(|digest| reply.status(digest));
            });
            Ok(())
        }
        (b"sleep", [seconds]) => {
            let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse().ok());
            let seconds: f64 = seconds.unwrap_or(0.0);
            let bounded =
                if seconds.is_finite() { seconds.clamp(0.0, SLEEP_MAX_SECONDS) } else { 0.0 };
            node.sleep(Duration::from_secs_f64(bounded));
            ok(node, id)
        }
        (b"set-active-expire", [setting]) => {
            node.active_expire = parse_i64(setting) != Some(0);
            ok(node, id)
        }
        (b"populate", [count, more @ ..]) if more.len() <= 2 => fill(node, now, id, count, more),
        (b"object", [key]) => object(node, id, key),
        (b"log", [text]) => {
            node.log_warning(format!("DEBUG LOG: {}", String::from_utf8_lossy(text)));
            ok(node, id)
        }
        (b"replicate", [_, ..]) => {
            node.replicate_verbatim(now, id, rest);
            ok(node, id)
        }
        (b"reload", options) => reload(node, now, id, options),
        (b"help", []) => help(node, id, &HELP),
        _ => error(format!(
            "unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
            printable(args[1])
        )),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn positive(arg: &[u8]) -> Result<u64, CommandError> {
    let value = parse_i64(arg).and_then(|value| u64::try_from(value).ok());
    match value {
        Some(value) => Ok(value),
        None => error("value is out of range, must be positive"),
    }
}

/// As in Redis, these keys go on no stream: tests make their data with it before replicas come.
fn fill(node: &mut Node, now: Now, id: ClientId, count: &[u8], more: &Args<'_>) -> Outcome {
    let count = positive(count)?;
    let prefix = more.first().copied().unwrap_or(b"key");
    let size = match more.get(1) {
        Some(size) => usize::try_from(positive(size)?).unwrap_or(usize::MAX),
        None => 0,
    };
    if size > super::string::MAX_STRING_BYTES {
        return Err(CommandError::StringTooLong);
    }
    let view = node.view(id);
    // In steps: what follows from a change is remembered for each key until it is settled.
    for first in (0..count).step_by(FILL_STEP_KEYS) {
        let Some(client) = node.clients.get_mut(&id) else {
            return Ok(());
        };
        let db = client.db;
        let mut ctx = Ctx {
            now,
            keyspace: &mut node.keyspace,
            db,
            reply: &mut client.reply,
            view,
            effects: &mut node.effects,
            random: &mut node.random,
            ready_key: None,
        };
        let end = count.min(first.saturating_add(FILL_STEP_KEYS as u64));
        populate(&mut ctx, first..end, prefix, size);
        node.settle(now, id, db, &[]);
    }
    node.owe_dataset_report();
    ok(node, id)
}

fn object(node: &mut Node, id: ClientId, key: &[u8]) -> Outcome {
    let db = node.clients.get(&id).map_or(0, |client| client.db);
    let (Some(value), Some(access)) =
        (node.keyspace.get(db, key), node.keyspace.access_of(db, key))
    else {
        return Err(CommandError::NoSuchKey);
    };
    let encoding = value.encoding_name();
    let length = match value {
        crate::keyspace::Value::String(string) => string.len(),
        other => other.heap_bytes(),
    };
    let text = format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{length} lru:{} lru_seconds_idle:{}",
        access.bits(),
        node.keyspace.access.idle_seconds(access),
    );
    node.reply(id, |reply| reply.status(text));
    Ok(())
}

fn reload(node: &mut Node, now: Now, id: ClientId, options: &Args<'_>) -> Outcome {
    let mut save = true;
    for option in options {
        if is(option, "NOSAVE") {
            save = false;
        } else if is(option, "MERGE") || is(option, "NOFLUSH") {
            // A load replaces the dataset as one; there is nothing to merge it into.
            return error("DEBUG RELOAD MERGE and NOFLUSH are not supported here");
        } else {
            return error("DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
        }
    }
    if node.in_exec {
        return error("DEBUG RELOAD is not allowed inside a transaction");
    }
    if node.load_is_running() {
        return Err(CommandError::Coded(LOADING.into()));
    }
    if !save {
        node.abort_save(now);
    }
    node.reload(now, id, save);
    Ok(())
}
