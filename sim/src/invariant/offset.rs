//! *offset*: never goes back within an id; a replica's never passes what its master wrote; what
//! is acknowledged has been applied.

use std::collections::BTreeMap;

use replisim::event::{Event, Origin};
use replisim::replication::{Offset, ReplicationId};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex};

/// See the module's text.
#[derive(Default)]
pub(super) struct Offsets {
    /// Greatest offset of each node under each id, in its present life.
    greatest: BTreeMap<(NodeIndex, ReplicationId), Offset>,
    /// The same of what it acknowledged: an ack may arrive after its replica took a snapshot of a
    /// master that is further back.
    acknowledged: BTreeMap<(NodeIndex, Option<ReplicationId>), Offset>,
}

impl Invariant for Offsets {
    fn name(&self) -> &'static str {
        "offset"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        match sight.event {
            Event::Started { .. } => {
                self.greatest.retain(|(node, _), _| *node != sight.node);
                self.acknowledged.retain(|(node, _), _| *node != sight.node);
            }
            Event::StreamAdvanced { id, offset, bytes, origin, .. } => {
                let before = offset.0.checked_sub(bytes.len() as u64).map(Offset);
                if before != Some(state.offset) {
                    found.violation(
                        &state.name,
                        format!(
                            "offset went from {} to {offset} with {} bytes of stream",
                            state.offset,
                            bytes.len()
                        ),
                    );
                }
                let greatest = self.greatest.entry((sight.node, *id)).or_default();
                if offset < greatest && *origin == Origin::Written {
                    found.violation(
                        &state.name,
                        format!("offset {offset} of id {id} went back from {greatest}"),
                    );
                }
                *greatest = (*greatest).max(*offset);
                let end = cluster.histories.get(*id).map(|history| history.end());
                if *origin == Origin::Applied && end.is_some_and(|end| *offset > end) {
                    found.violation(
                        &state.name,
                        format!("applied offset {offset} of id {id} before it was written"),
                    );
                }
            }
            Event::AckSent { offset } if *offset > state.offset => {
                found.violation(
                    &state.name,
                    format!("acknowledged offset {offset}, but has applied only {}", state.offset),
                );
            }
            Event::AckSent { offset } => {
                let greatest = self.acknowledged.entry((sight.node, state.id)).or_default();
                *greatest = (*greatest).max(*offset);
            }
            Event::AckReceived { link, offset, .. } => {
                let view = state.replicas.get(link);
                if let Some((view, index)) = view.and_then(|view| Some((view, view.node?)))
                    && let peer = &cluster.nodes[index]
                    && peer.up
                    // What an earlier life sent may still arrive after it.
                    && peer.life == view.life
                    && peer.id == state.id
                    && let sent = self.acknowledged.get(&(index, peer.id))
                    && *offset > sent.copied().unwrap_or_default().max(peer.offset)
                {
                    found.violation(
                        &state.name,
                        format!(
                            "took an ack of {offset} from {}, which is at {}",
                            peer.name, peer.offset
                        ),
                    );
                }
            }
            _ => {}
        }
    }
}
