//! Replication: the commands of operators (`REPLICAOF`, `FAILOVER`, `ROLE`, `WAIT`) and those of
//! replicas (`SYNC`, `PSYNC`, `REPLCONF`).
//!
//! The protocol itself is the core's; here are only arguments and answers.

use std::time::Duration;

use super::admin::{error, is, node, ok, row, timeout_ms};
use super::number::{self, parse_i64};
use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Outcome};
use crate::env::Now;
use crate::event::{Event, MasterLinkState, ReplicaState, Role};
use crate::node::{Blocked, ClientId, Kind, Node};
use crate::replication::{FailoverState, LinkId, Offset, ReplconfAnswer};

const ADMIN: Flags = Flags::ADMIN.with(Flags::NOSCRIPT);
const GROUP: Group = Group::Server;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("replicaof", 3, ADMIN.with(Flags::STALE).with(Flags::NO_ASYNC_LOADING), GROUP, "5.0.0", "Makes the server a replica of another, or a master", node!(replicaof)),
    row("slaveof", 3, ADMIN.with(Flags::STALE).with(Flags::NO_ASYNC_LOADING), GROUP, "1.0.0", "The old name of REPLICAOF", node!(replicaof)),
    row("failover", -1, ADMIN.with(Flags::STALE), GROUP, "6.2.0", "Hands the role of the master over to a replica", node!(failover)),
    row("role", 1, Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST).with(Flags::DANGEROUS), GROUP, "2.8.12", "Tells the role, the offset and who is connected", node!(role)).in_categories(&["admin"]),
    row("wait", 3, Flags::NOSCRIPT, Group::Generic, "3.0.0", "Waits until replicas have acknowledged the writes of this client", node!(wait)).in_categories(&["connection"]),
    row("sync", 1, ADMIN.with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING), GROUP, "1.0.0", "Asks for a full sync, as a replica", node!(sync)),
    row("psync", -3, ADMIN.with(Flags::NO_MULTI).with(Flags::NO_ASYNC_LOADING), GROUP, "2.8.0", "Asks for a partial resync, as a replica", node!(psync)),
    row("replconf", -1, ADMIN.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY), GROUP, "3.0.0", "Tells the master about a replica", node!(replconf)),
];

fn replicaof(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if node.replication.failover_state() != FailoverState::None {
        return error("REPLICAOF not allowed while failing over.");
    }
    let line = client_line(node, now, id);
    if is(args[1], "no") && is(args[2], "one") {
        if node.replication.role() == Role::Replica {
            node.replication.replicaof_no_one(now.mono);
            node.pump(now);
            node.log_notice(format!("MASTER MODE enabled (user request from '{line}')"));
        }
        return ok(node, id);
    }
    if node.clients.get(&id).is_some_and(|client| client.kind == Kind::Replica) {
        return error("Command is not valid when client is a replica.");
    }
    let port = parse_i64(args[2]).and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else {
        return error("Invalid master port");
    };
    let host = String::from_utf8_lossy(args[1]).into_owned();
    if node.replication.master_address() == Some((&host, port)) {
        node.log_notice(
            "REPLICAOF would result into synchronization with the master we are already \
             connected with. No operation performed."
                .into(),
        );
        node.reply(id, |reply| reply.status("OK Already connected to specified master"));
        return Ok(());
    }
    node.follow(now, &host, port);
    node.log_notice(format!("REPLICAOF {host}:{port} enabled (user request from '{line}')"));
    ok(node, id)
}

fn client_line(node: &Node, now: Now, id: ClientId) -> String {
    node.clients.get(&id).map(|client| client.line(now, 0)).unwrap_or_default()
}

fn failover(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if let [_, only] = args
        && is(only, "ABORT")
    {
        let result = node.replication.failover_abort(now.mono);
        node.pump(now);
        return answer(node, id, result);
    }
    let mut to: Option<(String, u16)> = None;
    let mut timeout: Option<Duration> = None;
    let mut force = false;
    let mut rest = &args[1..];
    loop {
        rest = match *rest {
            [] => break,
            [option, host, port, ref more @ ..] if is(option, "TO") && to.is_none() => {
                let port =
                    u16::try_from(number::integer(port)?).map_err(|_| CommandError::NotInteger)?;
                to = Some((String::from_utf8_lossy(host).into_owned(), port));
                more
            }
            [option, millis, ref more @ ..] if is(option, "TIMEOUT") && timeout.is_none() => {
                let millis = number::integer(millis)?;
                timeout = match u64::try_from(millis) {
                    Ok(millis) if millis > 0 => Some(Duration::from_millis(millis)),
                    _ => return error("FAILOVER timeout must be greater than 0"),
                };
                more
            }
            [option, ref more @ ..] if is(option, "FORCE") && !force => {
                force = true;
                more
            }
            _ => return Err(CommandError::Syntax),
        };
    }
    let target = to.as_ref().map(|(host, port)| (host.as_str(), *port));
    let result = node.replication.failover(now.mono, target, force, timeout);
    node.pump(now);
    answer(node, id, result)
}

/// The core's errors come with their code.
fn answer(node: &mut Node, id: ClientId, result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => node.reply(id, |reply| reply.ok()),
        Err(text) => node.reply_error(id, &text),
    }
    Ok(())
}

fn role(node: &mut Node, _: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    let offset = signed(node.replication.offset());
    if node.replication.role() == Role::Master {
        let mut replicas = node.replication.replicas();
        replicas.retain(|replica| replica.state == ReplicaState::Online);
        node.reply(id, |reply| {
            reply.array_header(3);
            reply.bulk("master");
            reply.integer(offset);
            reply.array_header(replicas.len());
            for replica in replicas {
                reply.array_header(3);
                reply.bulk(&replica.ip);
                reply.bulk(replica.port.to_string());
                reply.bulk(replica.acked.to_string());
            }
        });
        return Ok(());
    }
    let (host, port) = match node.replication.master_address() {
        Some((host, port)) => (host.to_owned(), port),
        None => (String::new(), 0),
    };
    let link = node.replication.master_link();
    let state = match link {
        MasterLinkState::None => "none",
        MasterLinkState::Connect => "connect",
        MasterLinkState::Connecting => "connecting",
        MasterLinkState::Handshake => "handshake",
        MasterLinkState::Transfer | MasterLinkState::Loading => "sync",
        MasterLinkState::Connected => "connected",
    };
    let offset = if link == MasterLinkState::Connected { offset } else { -1 };
    node.reply(id, |reply| {
        reply.array_header(5);
        reply.bulk("slave");
        reply.bulk(&host);
        reply.integer(i64::from(port));
        reply.bulk(state);
        reply.integer(offset);
    });
    Ok(())
}

fn signed(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

fn wait(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    if node.replication.role() == Role::Replica {
        return error(
            "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 \
             if a replica is configured to be writable (which is not the default) writes to \
             replicas are just local and are not propagated.",
        );
    }
    let replicas = usize::try_from(number::integer(args[1])?.max(0)).unwrap_or(usize::MAX);
    let timeout = timeout_ms(now, args[2])?;
    let target = node.clients.get(&id).map_or(Offset(0), |client| client.last_offset);
    let deadline = match timeout {
        // Inside EXEC nobody waits: the deadline is now.
        _ if node.in_exec => Some(now.mono),
        0 => None,
        millis => Some(now.mono.saturating_add(Duration::from_millis(millis))),
    };
    let known = node.replication.replicas();
    let acked: Vec<(u16, Offset)> = known
        .iter()
        .filter(|replica| replica.state == ReplicaState::Online && replica.acked >= target)
        .map(|replica| (replica.port, replica.acked))
        .collect();
    if node.in_exec {
        answer_wait(node, now, id, target, &acked, acked.len());
        return Ok(());
    }
    let answer = node.replication.wait(now.mono, id, target, replicas, deadline);
    match answer {
        Some((count, acks)) => answer_wait(node, now, id, target, &acks, count),
        None => node.block(id, Blocked::Wait),
    }
    node.pump(now);
    Ok(())
}

fn answer_wait(
    node: &mut Node,
    now: Now,
    id: ClientId,
    target: Offset,
    acks: &[(u16, Offset)],
    counted: usize,
) {
    node.reply(id, |reply| reply.integer(i64::try_from(counted).unwrap_or(i64::MAX)));
    let event = Event::WaitAnswered { client: id, target, counted, acks };
    node.report(now, &event);
}

impl Node {
    /// The core answers a client that waited.
    pub(crate) fn answer_wait(
        &mut self,
        now: Now,
        client: ClientId,
        target: Offset,
        acks: &[(u16, Offset)],
        counted: usize,
    ) {
        if self.clients.get(&client).is_some_and(|client| client.blocked == Some(Blocked::Wait)) {
            answer_wait(self, now, client, target, acks, counted);
            self.unblock(client);
        }
    }
}

fn sync(node: &mut Node, now: Now, id: ClientId, _: &Args<'_>) -> Outcome {
    let Some(ip) = sync_allowed(node, id)? else {
        return Ok(());
    };
    let result = node.replication.sync(now.mono, LinkId(id), &ip);
    node.pump(now);
    if let Err(text) = result {
        node.reply_error(id, &text);
    }
    Ok(())
}

fn psync(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let Some(ip) = sync_allowed(node, id)? else {
        return Ok(());
    };
    // Whatever else follows is passed over (replication.c `syncCommand`).
    let failover = args.get(3).is_some_and(|option| is(option, "failover"));
    let offset = number::integer(args[2]).inspect_err(|_| {
        let text = format!("Replica {ip} asks for synchronization but with a wrong offset");
        node.log_warning(text);
    })?;
    let result = node.replication.psync(now.mono, LinkId(id), &ip, args[1], offset, failover);
    node.pump(now);
    if let Err(text) = result {
        node.reply_error(id, &text);
    }
    Ok(())
}

/// The address of the peer, or `None` if it is a replica already (then nothing happens). Replies
/// not yet sent would be mixed up with the snapshot.
fn sync_allowed(node: &Node, id: ClientId) -> Result<Option<String>, CommandError> {
    let Some(client) = node.clients.get(&id) else {
        return Ok(None);
    };
    if client.kind == Kind::Replica {
        return Ok(None);
    }
    if client.output_bytes() > 0 {
        return error("SYNC and PSYNC are invalid with pending output");
    }
    Ok(Some(client.peer.ip.clone()))
}

fn replconf(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let answer = node.replication.replconf(now.mono, LinkId(id), &args[1..]);
    node.pump(now);
    match answer {
        ReplconfAnswer::Ok => node.reply(id, |reply| reply.ok()),
        ReplconfAnswer::Nothing => {}
        ReplconfAnswer::Error(text) => node.reply_error(id, &text),
    }
    Ok(())
}
