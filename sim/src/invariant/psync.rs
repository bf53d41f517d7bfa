//! *psync* and *needless-full-sync*: `+CONTINUE` if and only if it is right.
//!
//! Right means: the position asked for is a point in the past of the master's own history, under
//! an id that the master may speak for, and every byte after it has been seen by the master since
//! its backlog was begun. Both directions are judged from the streams the simulator saw.

use replisim::event::{Event, FullReason, PsyncAnswer, Role};
use replisim::replication::{Offset, ReplicationId};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeState};

/// `+CONTINUE` only when every byte is there and the id is known up to the offset.
pub(super) struct Psync;

/// A full sync only when a partial one was not possible.
pub(super) struct NeedlessFullSync;

impl Invariant for Psync {
    fn name(&self) -> &'static str {
        "psync"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::PsyncAnswered { asked_id, asked_offset, answer, ip, .. } = sight.event else {
            return;
        };
        let PsyncAnswer::Continue { id, from } = answer else {
            return;
        };
        let state = &cluster.nodes[sight.node];
        let peer = cluster.by_ip(ip).map_or(ip.as_ref(), |peer| &cluster.nodes[peer].name);
        let Some(asked) = asked_id else {
            found.violation(&state.name, format!("+CONTINUE to {peer}, which asked for no id"));
            return;
        };
        if *asked_offset != from.0 as i64 + 1 {
            found.violation(
                &state.name,
                format!("{peer} asked for byte {asked_offset}, but is continued after {from}"),
            );
        }
        if Some(*id) != state.id {
            found.violation(&state.name, format!("+CONTINUE names id {id}, which is not its own"));
        }
        if *from > state.offset {
            found.violation(
                &state.name,
                format!("+CONTINUE after {from}, which lies past its offset {}", state.offset),
            );
        } else if !cluster.histories.same_past(*asked, *from, *id) {
            found.violation(
                &state.name,
                format!("+CONTINUE to {peer} from offset {from} of id {asked}, which is not in the past of {id}"),
            );
        }
        match state.held_from {
            None => found.violation(&state.name, "+CONTINUE without a backlog"),
            Some(held) if *from < held => found.violation(
                &state.name,
                format!("+CONTINUE after {from}, but its backlog began only at {held}"),
            ),
            Some(_) => {}
        }
    }
}

/// Whether a master could have continued a replica at `(asked, from)`.
fn could_continue(
    cluster: &Cluster,
    state: &NodeState,
    asked: ReplicationId,
    from: Offset,
) -> bool {
    let Some(id) = state.id else { return false };
    let Some(held) = state.held_from else { return false };
    let speaks_for = asked == id
        || state.second.is_some_and(|(second, last)| {
            // How far a replica's second id reaches is where it stood itself when it learned the
            // new one: the protocol does not tell it where its master stood.
            second == asked && (state.role == Role::Master || from <= last)
        });
    speaks_for
        && from <= state.offset
        && from >= held.max(state.grown_from)
        && state.offset.since(from) <= state.limits.repl_backlog_size_bytes
        && cluster.histories.same_past(asked, from, id)
}

impl Invariant for NeedlessFullSync {
    fn name(&self) -> &'static str {
        "needless-full-sync"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::PsyncAnswered { asked_id, asked_offset, answer, ip, .. } = sight.event else {
            return;
        };
        let PsyncAnswer::Full(reason) = answer else {
            return;
        };
        let state = &cluster.nodes[sight.node];
        let peer = cluster.by_ip(ip).map(|peer| &cluster.nodes[peer]);
        let (asked, from) = match (asked_id, reason, peer) {
            (Some(id), _, _) if *asked_offset > 0 => (*id, Offset(*asked_offset as u64 - 1)),
            // It asked for nothing although it had a position to resume from.
            (None, FullReason::NotAsked, Some(peer)) if peer.has_position && peer.up => {
                let Some(id) = peer.id else { return };
                (id, peer.offset)
            }
            _ => return,
        };
        if could_continue(cluster, state, asked, from) {
            let peer = peer.map_or(ip.as_ref(), |peer| &peer.name);
            found.violation(
                &state.name,
                format!(
                    "full sync ({reason:?}) for {peer}, though every byte after offset {from} of id {asked} was held"
                ),
            );
        }
    }
}
