//! The fields of each event, as they stand in a line of a trace.
//!
//! Must never: leave out an event. What is long (bytes of the stream, replies) is cut.

use replisim::event::{Event, LoadSource, PsyncAnswer, Role};
use replisim::replication::{Offset, ReplicationId};
use serde_json::{Value, json};

/// Bytes of a command, a reply or the stream that are shown.
const SHOWN_BYTES: usize = 256;

/// The event as an object whose `kind` says which it is.
pub(super) fn of(event: &Event<'_>) -> Value {
    position(event)
        .or_else(|| link(event))
        .or_else(|| data(event))
        .or_else(|| process(event))
        .unwrap_or_else(|| json!({ "kind": "other", "text": format!("{event:?}") }))
}

/// What changes the node's place in a history.
fn position(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Started { role, id, second, offset, restored, loaded, digest } => json!({
            "kind": "started", "role": role_name(*role), "id": id.to_string(),
            "second": up_to(second), "offset": offset.0, "restored": up_to(restored),
            "loaded": loaded, "digest": hex(digest.0),
        }),
        Event::Identity { role, id, second, offset, cause } => json!({
            "kind": "identity", "role": role_name(*role), "id": id.to_string(),
            "second": up_to(second), "offset": offset.0, "cause": cause,
        }),
        Event::StreamAdvanced { id, offset, bytes, digest, origin } => json!({
            "kind": "stream", "origin": format!("{origin:?}").to_lowercase(), "id": id.to_string(),
            "offset": offset.0, "bytes": bytes.len(), "text": text(bytes), "digest": hex(digest.0),
        }),
        Event::DatasetChanged { digest } => json!({ "kind": "dataset", "digest": hex(digest.0) }),
        _ => return None,
    })
}

/// What passes between a master and a replica.
fn link(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::PsyncAnswered { link, port, ip, asked_id, asked_offset, answer, backlog } => json!({
            "kind": "psync", "link": link.0, "port": port, "ip": ip,
            "asked_id": id_text(asked_id), "asked_offset": asked_offset,
            "answer": psync_answer(answer),
            "backlog": backlog.map(|(first, bytes)| json!({ "first": first.0, "bytes": bytes })),
        }),
        Event::Replica { link, port, state } => json!({
            "kind": "replica", "link": link.0, "port": port, "state": format!("{state:?}"),
        }),
        Event::MasterLink { host, port, state, reason } => json!({
            "kind": "master-link", "host": host, "port": port, "state": format!("{state:?}"),
            "reason": reason,
        }),
        Event::AckSent { offset } => json!({ "kind": "ack-sent", "offset": offset.0 }),
        Event::AckReceived { link, port, offset } => json!({
            "kind": "ack-received", "link": link.0, "port": port, "offset": offset.0,
        }),
        Event::MasterSignOfLife => json!({ "kind": "master-sign-of-life" }),
        Event::SignOfLife { link, port } => json!({
            "kind": "sign-of-life", "link": link.0, "port": port,
        }),
        _ => return None,
    })
}

/// What happens to the dataset and its snapshots.
fn data(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::SnapshotTaken { id, offset, digest, replicas, disk } => json!({
            "kind": "snapshot-taken", "id": id_text(id), "offset": offset.0,
            "digest": hex(digest.0), "replicas": replicas, "disk": disk,
        }),
        Event::SnapshotSaved { digest, bytes } => json!({
            "kind": "snapshot-saved", "digest": hex(digest.0), "bytes": bytes,
        }),
        Event::SnapshotFailed { error, in_background } => {
            json!({ "kind": "snapshot-failed", "error": error, "in_background": in_background })
        }
        Event::Loaded { source, id, offset, digest } => json!({
            "kind": "loaded", "source": source_name(*source), "id": id_text(id),
            "offset": offset.map(|offset| offset.0), "digest": hex(digest.0),
        }),
        Event::LoadFailed { error } => json!({ "kind": "load-failed", "error": error }),
        Event::KeyExpired { db, key, deadline_ms } => json!({
            "kind": "key-expired", "db": db, "key": text(key), "deadline_ms": deadline_ms,
        }),
        _ => return None,
    })
}

/// What a process does for its clients, and of itself.
fn process(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Executed { client, db, args, reply, authenticated } => json!({
            "kind": "executed", "client": client, "db": db,
            "args": args.iter().map(|arg| text(arg)).collect::<Vec<_>>(), "reply": text(reply),
            "authenticated": authenticated,
        }),
        Event::WaitAnswered { client, target, counted, acks } => json!({
            "kind": "wait-answered", "client": client, "target": target.0, "counted": counted,
            "acks": acks.iter().map(|(port, ack)| json!([port, ack.0])).collect::<Vec<_>>(),
        }),
        Event::ConfigRewritten { kept } => json!({ "kind": "config-rewritten", "kept": kept }),
        Event::Configured { changed, .. } => json!({
            "kind": "configured",
            "changed": changed.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
        }),
        Event::Buffers {
            backlog_bytes,
            backlog_limit_bytes,
            held_bytes,
            replica_pending_bytes,
            replica_limit_bytes,
            client_output_bytes,
            in_wait,
            held_back,
        } => json!({
            "kind": "buffers", "backlog_bytes": backlog_bytes,
            "backlog_limit_bytes": backlog_limit_bytes, "held_bytes": held_bytes,
            "replica_pending_bytes": replica_pending_bytes,
            "replica_limit_bytes": replica_limit_bytes, "client_output_bytes": client_output_bytes,
            "in_wait": in_wait, "held_back": held_back,
        }),
        Event::Mark(name) => json!({ "kind": "mark", "name": name }),
        Event::Exiting { code } => json!({ "kind": "exiting", "code": code }),
        _ => return None,
    })
}

fn psync_answer(answer: &PsyncAnswer) -> Value {
    match answer {
        PsyncAnswer::Continue { id, from } => {
            json!({ "continue": { "id": id.to_string(), "from": from.0 } })
        }
        PsyncAnswer::Full(reason) => json!({ "full": format!("{reason:?}") }),
        PsyncAnswer::Refused => json!("refused"),
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Replica => "replica",
    }
}

const fn source_name(source: LoadSource) -> &'static str {
    match source {
        LoadSource::File => "file",
        LoadSource::Master => "master",
    }
}

fn id_text(id: &Option<ReplicationId>) -> Option<String> {
    id.map(|id| id.to_string())
}

fn up_to(second: &Option<(ReplicationId, Offset)>) -> Value {
    second.map_or(Value::Null, |(id, offset)| json!({ "id": id.to_string(), "up_to": offset.0 }))
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned()
}
