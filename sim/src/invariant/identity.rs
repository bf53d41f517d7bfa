//! *identity*: what a node says of its own past is true. Its second id names a history that its
//! own is a continuation of, and after a change of id the one it had until then; a snapshot carries
//! a position where writes are counted, and nowhere else; the backlog, which the id goes with, stays
//! for its time, and each has an id of its own.

use replisim::event::{Event, MasterLinkState, Role};
use replisim::replication::{Offset, ReplicationId};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeState};

/// See the module's text.
pub(super) struct Identity;

/// Whether `second` is an earlier name of the history that reaches `(id, offset)`. A history that
/// was never seen (of a node that never had a master) is given the benefit of the doubt.
fn is_past(
    cluster: &Cluster,
    second: (ReplicationId, Offset),
    (id, offset): (ReplicationId, Offset),
) -> bool {
    let (second, last) = second;
    let known = |id| cluster.histories.get(id).is_some();
    !known(second) || !known(id) || last <= offset && cluster.histories.same_past(second, last, id)
}

fn expired_too_early(state: &NodeState, sight: &Sight<'_>) -> Option<String> {
    let Some(ttl) = state.limits.repl_backlog_ttl else {
        return Some("freed its backlog, which has no end".to_owned());
    };
    let alone = sight.at.saturating_sub(state.no_replicas_since);
    let early = alone < ttl || !state.replicas.is_empty();
    early.then(|| {
        format!(
            "freed its backlog {:.1} s after it had a replica; repl-backlog-ttl is {:.0} s",
            alone.as_secs_f64(),
            ttl.as_secs_f64()
        )
    })
}

/// Between one backlog and the next nobody counts the writes: under one id an offset would then name
/// several datasets.
fn keeps_id(state: &NodeState, event: &Event<'_>) -> Option<String> {
    let Event::Identity { id, cause: cause @ ("backlog-created" | "backlog-expired"), .. } = event
    else {
        return None;
    };
    (state.id == Some(*id)).then(|| format!("{cause}: its id is still {id}"))
}

/// A history that others began, or that begins after writes that nobody counted, has no past here.
fn has_no_past(event: &Event<'_>) -> Option<String> {
    let Event::Identity {
        second: Some((second, last)),
        cause: cause @ ("backlog-created" | "backlog-expired" | "full-sync"),
        ..
    } = event
    else {
        return None;
    };
    Some(format!("{cause}: still takes {second} up to {last} for its past"))
}

/// Whether the node knows its position, and is to write it into its snapshots.
fn knows_position(state: &NodeState) -> bool {
    match state.role {
        Role::Master => state.held_from.is_some(),
        Role::Replica => state.has_position && state.master_link == MasterLinkState::Connected,
    }
}

/// What a node has to remember of its past when its id changes for one that goes on with it: what it
/// forgets costs its replicas full syncs.
fn must_remember(state: &NodeState, event: &Event<'_>) -> Option<(ReplicationId, Offset)> {
    match event {
        Event::Started { role: Role::Master, restored, .. } => *restored,
        Event::Identity { cause: "promoted" | "continue-new-id", .. } => {
            state.id.map(|id| (id, state.offset))
        }
        _ => None,
    }
}

fn forgets(state: &NodeState, event: &Event<'_>) -> Option<String> {
    let (Event::Started { second, .. } | Event::Identity { second, .. }) = event else {
        return None;
    };
    let (id, offset) = must_remember(state, event)?;
    (*second != Some((id, offset))).then(|| {
        let named = second.map_or("none".to_owned(), |(id, offset)| format!("{id} up to {offset}"));
        format!("its id was {id} up to {offset}, but its second id is {named}")
    })
}

impl Invariant for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let event = sight.event;
        let wrong = [forgets(state, event), keeps_id(state, event), has_no_past(event)];
        for text in wrong.into_iter().flatten() {
            found.violation(&state.name, text);
        }
        match sight.event {
            Event::Identity { id, second, offset, cause, .. } => {
                // A new history begins with a promotion: it is what the node had until now.
                let now = match (*cause, state.id) {
                    ("promoted", Some(before)) => (before, state.offset),
                    _ => (*id, *offset),
                };
                if let Some(second) = second
                    && !is_past(cluster, *second, now)
                {
                    found.violation(
                        &state.name,
                        format!(
                            "{cause}: names {} up to {} as its past, which it does not share",
                            second.0, second.1
                        ),
                    );
                }
                if *cause == "backlog-expired"
                    && let Some(text) = expired_too_early(state, sight)
                {
                    found.violation(&state.name, text);
                }
            }
            Event::SnapshotTaken { id: Some(id), offset, .. }
                if state.role == Role::Master && state.held_from.is_none() =>
            {
                found.violation(
                    &state.name,
                    format!(
                        "its snapshot names position {id}:{offset}, but writes are not counted"
                    ),
                );
            }
            Event::SnapshotTaken { id: Some(_), offset, .. } if *offset != state.offset => {
                let text =
                    format!("its snapshot names offset {offset}, but it is at {}", state.offset);
                found.violation(&state.name, text);
            }
            Event::SnapshotTaken { id: None, .. } if knows_position(state) => {
                let text = "its snapshot does not say at which position it was taken";
                found.violation(&state.name, text.to_owned());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use replisim::event::Digest;

    use super::super::testing::{NODE, World, id};
    use super::*;

    fn said(event: Event<'_>) -> Vec<String> {
        let mut world = World::new(Identity);
        let state = &mut world.cluster.nodes[NODE];
        (state.id, state.offset, state.held_from) = (Some(id(1)), Offset(50), Some(Offset(0)));
        world.found(&[(1_000, event)])
    }

    #[test]
    fn a_history_of_its_own_has_no_past() {
        for (second, cause, fine) in [
            (None, "backlog-created", true),
            (Some((id(1), Offset(50))), "backlog-created", false),
            (Some((id(1), Offset(50))), "full-sync", false),
            (Some((id(1), Offset(50))), "promoted", true),
        ] {
            let (role, id, offset) = (Role::Master, id(2), Offset(50));
            let said = said(Event::Identity { role, id, second, offset, cause });
            assert_eq!(said.is_empty(), fine, "{cause}: {said:?}");
        }
    }

    #[test]
    fn a_snapshot_names_the_offset_at_which_it_was_taken() {
        for (offset, fine) in [(50, true), (49, false)] {
            let (offset, digest) = (Offset(offset), Digest(0));
            let taken =
                Event::SnapshotTaken { id: Some(id(1)), offset, digest, replicas: 0, disk: true };
            assert_eq!(said(taken).is_empty(), fine);
        }
    }
}
