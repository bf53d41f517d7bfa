//! `SAVE`, `BGSAVE`, `LASTSAVE`, `SHUTDOWN`.

use super::admin::{error, is, node, ok, row};
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome};
use crate::env::Now;
use crate::node::{Blocked, ClientId, Node, Purpose, ShutdownFlags};

const ADMIN: Flags = Flags::ADMIN.with(Flags::NOSCRIPT);
const ANYTIME: Flags = Flags::LOADING.with(Flags::STALE);
const GROUP: Group = Group::Server;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("save", 1, ADMIN.with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING), GROUP, "1.0.0", "Saves the dataset; the client waits for it", node!(save)),
    row("bgsave", -1, ADMIN.with(Flags::NO_ASYNC_LOADING), GROUP, "1.0.0", "Saves the dataset beside everything else", node!(bgsave)),
    row("bgrewriteaof", 1, ADMIN.with(Flags::NO_ASYNC_LOADING), GROUP, "1.0.0", "Refused: there is no append only file", node!(bgrewriteaof)),
    row("lastsave", 1, ANYTIME.with(Flags::FAST).with(Flags::DANGEROUS), GROUP, "1.0.0", "Time of the last successful save", node!(lastsave)).in_categories(&["admin"]),
    row("shutdown", -1, ADMIN.with(ANYTIME).with(Flags::NO_MULTI).with(Flags::ALLOW_BUSY), GROUP, "1.0.0", "Ends the server, saving first if so configured", node!(shutdown)),
];

const IN_PROGRESS: &str = "Background save already in progress";

/// The snapshot is written beside the event loop as any other; only this client waits.
fn save(node: &mut Node, now: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    if node.persist.busy() {
        return error(IN_PROGRESS);
    }
    let job = node.begin_save(now, Purpose::Foreground);
    node.block(id, Blocked::Job(job));
    Ok(())
}

fn bgsave(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    match args[1..] {
        [] => {}
        [option] if is(option, "SCHEDULE") => {}
        _ => return Err(CommandError::Syntax),
    }
    // A scheduled save waits for other work to end; a save is no other work (rdb.c).
    if node.persist.busy() {
        return error(IN_PROGRESS);
    }
    node.background_save(now);
    node.reply(id, |reply| reply.status("Background saving started"));
    Ok(())
}

/// As long as there is no append only file (see `appendonly`) there is none to rewrite.
fn bgrewriteaof(_: &mut Node, _: Now, _: ClientId, _: &Args<'_>) -> Outcome {
    error("There is no append only file to rewrite")
}

fn lastsave(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    let seconds = i64::try_from(node.persist.last_save_unix_s).unwrap_or(i64::MAX);
    node.reply(id, |reply| reply.integer(seconds));
    Ok(())
}

fn shutdown(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let mut flags = ShutdownFlags::default();
    let mut abort = false;
    for option in &args[1..] {
        if is(option, "NOSAVE") {
            flags.nosave = true;
        } else if is(option, "SAVE") {
            flags.save = true;
        } else if is(option, "NOW") {
            flags.now = true;
        } else if is(option, "FORCE") {
            flags.force = true;
        } else if is(option, "ABORT") {
            abort = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if (abort && args.len() > 2) || (flags.save && flags.nosave) {
        return Err(CommandError::Syntax);
    }
    if abort {
        if node.abort_shutdown(now) {
            return ok(node, id);
        }
        return error("No shutdown in progress.");
    }
    // What is still being loaded is no state to save.
    if node.load_is_running() {
        flags.save = false;
        flags.nosave = true;
    }
    node.begin_shutdown(now, Some(id), flags);
    Ok(())
}
