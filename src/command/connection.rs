//! The connection itself: `PING`, `ECHO`, `AUTH`, `HELLO`, `SELECT`, `RESET`, `QUIT`.

use super::admin::{error, is, node, ok, row};
use super::number::{self, parse_i64};
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome, printable};
use crate::acl::DEFAULT;
use crate::env::Now;
use crate::event::Role;
use crate::node::{ClientId, Kind, Node, ReplyMode};

const OPEN: Flags = SIMPLE.with(Flags::NOSCRIPT).with(Flags::NO_AUTH).with(Flags::ALLOW_BUSY);
const SIMPLE: Flags = Flags::LOADING.with(Flags::STALE).with(Flags::FAST);
const GROUP: Group = Group::Connection;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("ping", -1, Flags::FAST, GROUP, "1.0.0", "Answers, so that the client knows the server is alive", node!(ping)),
    row("echo", 2, SIMPLE, GROUP, "1.0.0", "Answers with its argument", node!(echo)),
    row("auth", -2, OPEN.with(Flags::SENSITIVE), GROUP, "1.0.0", "Authenticates the connection", node!(auth)),
    row("hello", -1, OPEN.with(Flags::SENSITIVE), GROUP, "6.0.0", "Tells about the server; may authenticate and set a name", node!(hello)),
    row("select", 2, SIMPLE, GROUP, "1.0.0", "Selects a database", node!(select)),
    row("reset", 1, OPEN, GROUP, "6.2.0", "Makes the connection as good as new", node!(reset)),
    row("quit", -1, OPEN, GROUP, "1.0.0", "Closes the connection", node!(quit)),
];

fn ping(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let listens = node.clients.get(&id).is_some_and(|client| client.subscriptions.any());
    match args[1..] {
        ref text @ ([] | [_]) if listens => node.reply(id, |reply| {
            reply.array_header(2);
            reply.bulk("pong");
            reply.bulk(text.first().copied().unwrap_or_default());
        }),
        [] => node.reply(id, |reply| reply.status("PONG")),
        [text] => node.reply(id, |reply| reply.bulk(text)),
        _ => return Err(CommandError::WrongArity("ping".into())),
    }
    Ok(())
}

fn echo(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    node.reply(id, |reply| reply.bulk(args[1]));
    Ok(())
}

fn auth(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let (user, password) = match args[1..] {
        [password] => {
            if node.users.get(DEFAULT).is_some_and(|user| user.no_password) {
                return error(
                    "AUTH <password> called without any password configured for the default \
                     user. Are you sure your configuration is correct?",
                );
            }
            (DEFAULT, password)
        }
        [user, password] => (user, password),
        _ => return Err(CommandError::Syntax),
    };
    if authenticate(node, now, id, args[0], user, password) {
        ok(node, id)
    } else {
        node.reply_error(id, WRONG_PASSWORD);
        Ok(())
    }
}

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Whose connection it is from now on, if the password is right.
fn authenticate(
    node: &mut Node,
    now: Now,
    id: ClientId,
    command: &[u8],
    user: &[u8],
    password: &[u8],
) -> bool {
    let right = node.users.authenticate(user, password);
    if !right {
        node.note_failed_login(now, id, command, user);
    }
    if right && let Some(client) = node.clients.get_mut(&id) {
        client.authenticated = true;
        client.user = user.to_vec();
    }
    right
}

/// A name may hold neither spaces nor anything that would break the lines of `CLIENT LIST`.
pub(super) fn check_name(name: &[u8]) -> Outcome {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(())
    } else {
        error("Client names cannot contain spaces, newlines or special characters.")
    }
}

fn hello(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if let Some(version) = args.get(1) {
        match parse_i64(version) {
            None => return error("Protocol version is not an integer or out of range"),
            Some(2) => {}
            Some(_) => {
                node.reply_error(id, "NOPROTO unsupported protocol version");
                return Ok(());
            }
        }
    }
    let mut credentials = None;
    let mut name = None;
    let mut rest = args.get(2..).unwrap_or_default();
    loop {
        rest = match *rest {
            [] => break,
            [option, user, password, ref more @ ..] if is(option, "AUTH") => {
                credentials = Some((user, password));
                more
            }
            [option, given, ref more @ ..] if is(option, "SETNAME") => {
                check_name(given)?;
                name = Some(given);
                more
            }
            [option, ..] => {
                return error(format!("Syntax error in HELLO option '{}'", printable(option)));
            }
        };
    }
    if let Some((user, password)) = credentials
        && !authenticate(node, now, id, args[0], user, password)
    {
        node.reply_error(id, WRONG_PASSWORD);
        return Ok(());
    }
    let stranger = node.clients.get(&id).is_some_and(|client| !client.authenticated);
    if stranger && !node.users.is_open() {
        node.reply_error(
            id,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO AUTH <user> <pass> option can be used to authenticate the client and select \
             the RESP protocol version at the same time",
        );
        return Ok(());
    }
    if let (Some(name), Some(client)) = (name, node.clients.get_mut(&id)) {
        client.name = name.to_vec();
    }
    greet(node, id);
    Ok(())
}

fn greet(node: &mut Node, id: ClientId) {
    let role = match node.replication.role() {
        Role::Master => "master",
        Role::Replica => "replica",
    };
    let number = i64::try_from(id).unwrap_or(i64::MAX);
    node.reply(id, |reply| {
        reply.array_header(14);
        let fields = [("server", "redis"), ("version", crate::REDIS_VERSION)];
        for (name, value) in fields {
            reply.bulk(name);
            reply.bulk(value);
        }
        reply.bulk("proto");
        reply.integer(2);
        reply.bulk("id");
        reply.integer(number);
        for (name, value) in [("mode", "standalone"), ("role", role)] {
            reply.bulk(name);
            reply.bulk(value);
        }
        reply.bulk("modules");
        reply.array_header(0);
    });
}

fn select(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let db = number::db_index(args[1], node.keyspace.databases())?;
    if let Some(client) = node.clients.get_mut(&id) {
        client.db = db;
    }
    ok(node, id)
}

fn reset(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    if node.clients.get(&id).is_some_and(|client| client.kind != Kind::Normal) {
        return error("can only reset normal client connections");
    }
    node.end_transaction(id);
    node.monitors.remove(&id);
    node.forget_subscriptions(id);
    let open = node.users.is_open();
    if let Some(client) = node.clients.get_mut(&id) {
        client.monitor = false;
        client.db = 0;
        client.name.clear();
        client.no_evict = false;
        client.reply_mode = ReplyMode::On;
        client.authenticated = open;
        client.user = DEFAULT.to_vec();
    }
    node.reply(id, |reply| reply.status("RESET"));
    Ok(())
}

fn quit(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    node.reply(id, |reply| reply.ok());
    if let Some(client) = node.clients.get_mut(&id) {
        client.close_after_reply = true;
    }
    Ok(())
}
