//! `CLIENT`: who is connected, and what may be done to them.

use std::time::Duration;

use super::admin::{Subcommand, error, help, is, node, ok, row, subcommand, timeout_ms};
use super::connection::check_name;
use super::number::{self, parse_i64};
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome, printable};
use crate::env::Now;
use crate::node::{Blocked, Client, ClientId, Ends, Kind, MASTER, Node, PauseKind, ReplyMode};
use crate::replication::LinkId;

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("client", -2, Flags::NONE, Group::Connection, "2.4.0", "Lists, names, pauses and closes connections", node!(client)),
];

const fn sub(name: &'static str, arity: i32, full_name: &'static str) -> Subcommand {
    Subcommand { name, arity, full_name }
}

static SUBCOMMANDS: [Subcommand; 16] = [
    sub("id", 2, "client|id"),
    sub("getname", 2, "client|getname"),
    sub("setname", 3, "client|setname"),
    sub("list", -2, "client|list"),
    sub("info", 2, "client|info"),
    sub("kill", -3, "client|kill"),
    sub("no-evict", 3, "client|no-evict"),
    sub("pause", -3, "client|pause"),
    sub("unpause", 2, "client|unpause"),
    sub("reply", 3, "client|reply"),
    sub("unblock", -3, "client|unblock"),
    sub("getredir", 2, "client|getredir"),
    sub("caching", 3, "client|caching"),
    sub("tracking", -3, "client|tracking"),
    sub("trackinginfo", 2, "client|trackinginfo"),
    sub("help", 2, "client|help"),
];

const HELP: [&str; 29] = [
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    The name of this connection.",
    "GETREDIR",
    "    -1: there is no tracking here.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    The line of CLIENT LIST for this connection.",
    "KILL <ip:port> | <option> <value> ...",
    "    Closes connections. Options: ADDR, LADDR, ID, TYPE, USER, SKIPME (yes|no).",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <number> ...]",
    "    All connections, a line each.",
    "NO-EVICT (ON|OFF)",
    "    Whether this connection is spared when maxmemory-clients is exceeded.",
    "PAUSE <milliseconds> [WRITE|ALL]",
    "    Holds back the commands of all clients, or only those that write.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection wants replies.",
    "SETNAME <name>",
    "    Names this connection.",
    "TRACKING (ON|OFF) ...",
    "    Only OFF: no client is told which keys to forget.",
    "TRACKINGINFO",
    "    That it is off.",
    "UNBLOCK <number> [TIMEOUT|ERROR]",
    "    Ends the waiting of another client.",
    "UNPAUSE",
    "    Ends a pause.",
];

fn client(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let name = subcommand("CLIENT", &SUBCOMMANDS, args)?;
    let rest = &args[2..];
    match name {
        "id" => integer(node, id, id),
        "getname" => {
            let name = node.clients.get(&id).map(|client| client.name.clone()).unwrap_or_default();
            node.reply(id, |reply| match name.as_slice() {
                [] => reply.null_bulk(),
                name => reply.bulk(name),
            });
            Ok(())
        }
        "setname" => {
            check_name(rest[0])?;
            if let Some(client) = node.clients.get_mut(&id) {
                client.name = rest[0].to_vec();
            }
            ok(node, id)
        }
        "list" => list(node, now, id, rest),
        "info" => {
            let text = node.clients.get(&id).map(|client| line(node, now, client));
            let text = text.unwrap_or_default();
            node.reply(id, |reply| reply.bulk(text));
            Ok(())
        }
        "kill" => kill(node, now, id, rest),
        "no-evict" => {
            let on = on_off(rest[0])?;
            if let Some(client) = node.clients.get_mut(&id) {
                client.no_evict = on;
            }
            ok(node, id)
        }
        "pause" => pause(node, now, id, rest),
        "unpause" => {
            node.unpause_clients(now);
            ok(node, id)
        }
        "reply" => reply_mode(node, id, rest[0]),
        "unblock" => unblock(node, now, id, rest),
        "getredir" => {
            node.reply(id, |reply| reply.integer(-1));
            Ok(())
        }
        "caching" => error(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
             OPTOUT mode enabled",
        ),
        "tracking" => match on_off(rest[0])? {
            true => error("client side caching is not supported"),
            false => ok(node, id),
        },
        "trackinginfo" => {
            node.reply(id, |reply| {
                reply.array_header(6);
                reply.bulk("flags");
                reply.array_header(1);
                reply.bulk("off");
                reply.bulk("redirect");
                reply.integer(-1);
                reply.bulk("prefixes");
                reply.array_header(0);
            });
            Ok(())
        }
        _ => help(node, id, &HELP),
    }
}

fn integer(node: &mut Node, id: ClientId, value: u64) -> Outcome {
    node.reply(id, |reply| reply.integer(i64::try_from(value).unwrap_or(i64::MAX)));
    Ok(())
}

fn on_off(arg: &[u8]) -> Result<bool, CommandError> {
    match arg {
        arg if is(arg, "ON") => Ok(true),
        arg if is(arg, "OFF") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

/// One line, with its newline.
fn line(node: &Node, now: Now, client: &Client) -> String {
    let replicas = if client.kind == Kind::Replica { node.replication.replicas() } else { vec![] };
    let pending = replicas
        .iter()
        .find(|replica| replica.link == LinkId(client.id))
        .map_or(0, |replica| replica.pending_bytes);
    let mut text = client.line(now, pending);
    text.push('\n');
    text
}

/// The classes that `TYPE` names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Replica,
    Master,
    PubSub,
}

fn class(arg: &[u8]) -> Result<Class, CommandError> {
    match arg.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Class::Normal),
        b"slave" | b"replica" => Ok(Class::Replica),
        b"master" => Ok(Class::Master),
        b"pubsub" => Ok(Class::PubSub),
        _ => error(format!("Unknown client type '{}'", printable(arg))),
    }
}

fn class_of(client: &Client) -> Class {
    match client.kind {
        Kind::Normal if client.subscriptions.any() => Class::PubSub,
        Kind::Normal => Class::Normal,
        Kind::Replica => Class::Replica,
        Kind::Master => Class::Master,
    }
}

/// Connections that stand: the master's client outlives its connection.
fn connected(node: &Node) -> impl Iterator<Item = &Client> {
    let linked = node.master.connected;
    node.clients.values().filter(move |client| client.id != MASTER || linked)
}

fn list(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let chosen: Vec<&Client> = match args {
        [] => connected(node).collect(),
        [option, wanted] if is(option, "TYPE") => {
            let wanted = class(wanted)?;
            connected(node).filter(|client| class_of(client) == wanted).collect()
        }
        [option, ids @ ..] if is(option, "ID") && !ids.is_empty() => {
            let mut chosen = Vec::new();
            for wanted in ids {
                let Some(wanted) = parse_i64(wanted) else {
                    return error("Invalid client ID");
                };
                let found = connected(node).find(|client| i64::try_from(client.id) == Ok(wanted));
                chosen.extend(found);
            }
            chosen
        }
        _ => return Err(CommandError::Syntax),
    };
    let text: String = chosen.into_iter().map(|client| line(node, now, client)).collect();
    node.reply(id, |reply| reply.bulk(text));
    Ok(())
}

/// What `KILL` looks for; what is `None` may be anything.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    class: Option<Class>,
    user: Option<&'a [u8]>,
    skip_me: bool,
}

impl Filter<'_> {
    fn matches(&self, client: &Client) -> bool {
        self.id.is_none_or(|id| client.id == id)
            && self.addr.is_none_or(|addr| client.peer.addr.as_bytes() == addr)
            && self.laddr.is_none_or(|addr| client.peer.laddr.as_bytes() == addr)
            && self.user.is_none_or(|user| client.user == user && client.kind != Kind::Master)
            && self.class.is_none_or(|class| class_of(client) == class)
    }
}

fn kill(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if let [addr] = args {
        // The old form finds one client, the caller too.
        let filter = Filter { addr: Some(addr), ..Filter::default() };
        return match kill_matching(node, now, id, &filter) {
            0 => error("No such client"),
            _ => ok(node, id),
        };
    }
    let mut filter = Filter { skip_me: true, ..Filter::default() };
    for pair in args.chunks(2) {
        let &[option, value] = pair else {
            return Err(CommandError::Syntax);
        };
        match option.to_ascii_lowercase().as_slice() {
            b"id" => match parse_i64(value).map(u64::try_from) {
                Some(Ok(number)) if number > 0 => filter.id = Some(number),
                _ => return error("client-id should be greater than 0"),
            },
            b"addr" => filter.addr = Some(value),
            b"laddr" => filter.laddr = Some(value),
            b"type" => filter.class = Some(class(value)?),
            b"user" if node.users.get(value).is_some() => filter.user = Some(value),
            b"user" => return error(format!("No such user '{}'", printable(value))),
            b"skipme" if is(value, "yes") => filter.skip_me = true,
            b"skipme" if is(value, "no") => filter.skip_me = false,
            _ => return Err(CommandError::Syntax),
        }
    }
    let killed = kill_matching(node, now, id, &filter);
    integer(node, id, killed)
}

fn kill_matching(node: &mut Node, now: Now, me: ClientId, filter: &Filter<'_>) -> u64 {
    let found: Vec<ClientId> = connected(node)
        .filter(|client| filter.matches(client) && !client.closing)
        .map(|client| client.id)
        .filter(|id| !(filter.skip_me && *id == me))
        .collect();
    let mut killed = 0;
    for id in found {
        if id == MASTER {
            killed += u64::from(node.kill_master_link(now));
            continue;
        }
        killed += 1;
        node.close_politely(id, me);
    }
    killed
}

fn pause(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let kind = match args[1..] {
        [] => PauseKind::All,
        [kind] if is(kind, "WRITE") => PauseKind::Write,
        [kind] if is(kind, "ALL") => PauseKind::All,
        [_] => return error("CLIENT PAUSE mode must be WRITE or ALL"),
        _ => return Err(CommandError::Syntax),
    };
    let millis = timeout_ms(now, args[0])?;
    node.pause_clients(now, now.mono.saturating_add(Duration::from_millis(millis)), kind);
    ok(node, id)
}

fn reply_mode(node: &mut Node, id: ClientId, arg: &[u8]) -> Outcome {
    let Some(client) = node.clients.get_mut(&id) else {
        return Ok(());
    };
    if is(arg, "ON") {
        client.reply_mode = ReplyMode::On;
        return ok(node, id);
    }
    if is(arg, "OFF") {
        client.reply_mode = ReplyMode::Off;
    } else if is(arg, "SKIP") {
        if client.reply_mode != ReplyMode::Off {
            client.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

fn unblock(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let with_error = match args[1..] {
        [] => false,
        [reason] if is(reason, "TIMEOUT") => false,
        [reason] if is(reason, "ERROR") => true,
        [_] => return error("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        _ => return Err(CommandError::WrongArity("client|unblock".into())),
    };
    let target = u64::try_from(number::integer(args[0])?).unwrap_or(0);
    let waits = match node.clients.get(&target).and_then(|client| client.blocked) {
        Some(Blocked::Wait) => {
            node.end_wait(target, with_error);
            true
        }
        Some(Blocked::Keys) => {
            node.end_waiting(now, target, if with_error { Ends::WithError } else { Ends::Early });
            true
        }
        _ => false,
    };
    integer(node, id, u64::from(waits))
}
