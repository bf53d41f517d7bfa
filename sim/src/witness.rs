//! Rare states that only someone sees who watches all nodes at once.
//!
//! The counterpart of the node's own marks. Must never: judge; it only counts what a campaign
//! should have come across.

use replisim::event::{Event, FullReason, PsyncAnswer, Role};
use replisim::replication::{Offset, ReplicationId};

use crate::cluster::{Cluster, NodeIndex};

/// Names of all marks that [`mark`] knows, sorted.
pub const MARKS: &[&str] = &[
    "history-with-two-masters",
    "key-expired",
    "promoted-while-behind",
    "refused-too-new",
    "refused-too-old",
    "refused-unknown-id",
    "restarted-empty",
    "restored-as-master",
    "restored-as-replica",
    "saved-while-serving-three",
    "sub-replica-continued",
    "sub-replica-fully-synced",
    "two-promotions-outlived",
    "write-refused-after-failed-save",
    "write-refused-without-replicas",
];

/// The rare state that an event shows, given the cluster just before it.
pub fn mark(cluster: &Cluster, node: NodeIndex, event: &Event<'_>) -> Option<&'static str> {
    let state = &cluster.nodes[node];
    match event {
        Event::Started { role, restored: Some(_), .. } => Some(match role {
            Role::Master => "restored-as-master",
            Role::Replica => "restored-as-replica",
        }),
        Event::Started { loaded: false, .. } if state.life > 0 => Some("restarted-empty"),
        Event::Identity { cause, id, second, offset, .. } => {
            identity(cluster, node, cause, *id, *second, *offset)
        }
        Event::PsyncAnswered { answer, asked_id, .. } => match answer {
            PsyncAnswer::Full(FullReason::TooOld) => Some("refused-too-old"),
            PsyncAnswer::Full(FullReason::TooNew) => Some("refused-too-new"),
            PsyncAnswer::Full(FullReason::UnknownId) if asked_id.is_some() => {
                Some("refused-unknown-id")
            }
            PsyncAnswer::Full(_) if state.role == Role::Replica => Some("sub-replica-fully-synced"),
            PsyncAnswer::Continue { .. } if state.role == Role::Replica => {
                Some("sub-replica-continued")
            }
            _ => None,
        },
        Event::SnapshotTaken { replicas: 3.., .. } => Some("saved-while-serving-three"),
        Event::KeyExpired { .. } => Some("key-expired"),
        Event::Executed { reply, .. } if reply.starts_with(b"-NOREPLICAS") => {
            Some("write-refused-without-replicas")
        }
        Event::Executed { reply, .. } if reply.starts_with(b"-MISCONF") => {
            Some("write-refused-after-failed-save")
        }
        _ => None,
    }
}

fn identity(
    cluster: &Cluster,
    node: NodeIndex,
    cause: &str,
    id: ReplicationId,
    second: Option<(ReplicationId, Offset)>,
    offset: Offset,
) -> Option<&'static str> {
    match (cause, second) {
        ("promoted", Some((parent, _))) => {
            let is_rival =
                |other: &crate::cluster::NodeState| other.up && other.role == Role::Master;
            let rival =
                cluster.nodes.iter().enumerate().any(|(index, other)| {
                    index != node && is_rival(other) && other.id == Some(parent)
                });
            let end = cluster.histories.get(parent).map(|history| history.end());
            match rival {
                true => Some("history-with-two-masters"),
                false if end.is_some_and(|end| offset < end) => Some("promoted-while-behind"),
                false => None,
            }
        }
        ("continue-new-id", _) => {
            let parent = cluster.histories.get(id)?.parent?.0;
            cluster.histories.get(parent)?.parent.map(|_| "two-promotions-outlived")
        }
        _ => None,
    }
}
