//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`, `UNWATCH`.

use super::admin::{error, node, ok, row};
use super::key_spec::{LOOKS, all_from};
use super::table::{Command, Flags, Group};
use super::{Args, Outcome};
use crate::env::Now;
use crate::node::{ClientId, Node};

const SLOW: Flags = Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE);
const FAST: Flags = SLOW.with(Flags::FAST).with(Flags::ALLOW_BUSY);
const GROUP: Group = Group::Transactions;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("multi", 1, FAST, GROUP, "1.2.0", "Begins a transaction: what follows is queued", node!(multi)),
    row("exec", 1, SLOW.with(Flags::SKIP_SLOWLOG), GROUP, "1.2.0", "Executes what was queued", node!(exec)),
    row("discard", 1, FAST, GROUP, "2.0.0", "Forgets what was queued", node!(discard)),
    row("watch", -2, FAST, GROUP, "2.2.0", "Lets the next transaction fail if one of the keys changes", node!(watch)).with_keys(&[all_from(1, LOOKS)]),
    row("unwatch", 1, FAST, GROUP, "2.2.0", "Forgets all watched keys", node!(unwatch)),
];

fn multi(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    if node.begin_transaction(id) { ok(node, id) } else { error("MULTI calls can not be nested") }
}

fn exec(node: &mut Node, now: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    node.execute_transaction(now, id);
    Ok(())
}

fn discard(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    if node.clients.get(&id).is_none_or(|client| client.transaction.is_none()) {
        return error("DISCARD without MULTI");
    }
    node.end_transaction(id);
    ok(node, id)
}

fn watch(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if node.clients.get(&id).is_some_and(|client| client.transaction.is_some()) {
        return error("WATCH inside MULTI is not allowed");
    }
    for key in &args[1..] {
        node.watch(now, id, key);
    }
    ok(node, id)
}

fn unwatch(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    node.unwatch(id);
    ok(node, id)
}
