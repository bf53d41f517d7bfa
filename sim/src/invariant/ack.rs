//! *ack*: `WAIT` counts only replicas that have applied the offset, and waits for as many as it was
//! asked for until its time is over; writes are refused for want
//! of replicas when, and only when, they have to be.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Event, ReplicaState, Role};
use replisim::replication::{Offset, ReplicationId};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, NodeState};

/// Acks are looked at ten times a second; what changed within that time may not have been seen.
const CRON: Duration = Duration::from_millis(1200);

/// A node's clock may be a tick of the simulation behind.
const TICK: Duration = Duration::from_millis(20);

/// How an `EXEC` is refused for want of replicas.
const REFUSED_EXEC: &[u8] = b"NOREPLICAS Not enough good replicas to write.\r\n";

/// See the module's text.
#[derive(Default)]
pub(super) struct Ack {
    /// Clients in `WAIT`: for how many replicas, and until when.
    waiting: BTreeMap<(NodeIndex, u64), (usize, Option<Duration>)>,
    /// What every node has acknowledged of each history, under the id by which it knew it. (That
    /// it had applied as much then is *offset*'s to judge.)
    sent: BTreeMap<NodeIndex, BTreeMap<ReplicationId, Offset>>,
}

/// Whether a node has everything that a master had written up to `target`.
pub(super) fn has_applied(
    cluster: &Cluster,
    master: &NodeState,
    node: NodeIndex,
    target: Offset,
) -> bool {
    let replica = &cluster.nodes[node];
    let (Some(id), Some(own)) = (master.id, replica.id) else { return false };
    // Under the master's own id it has all of its past, what was written under earlier ids too.
    replica.offset >= target && (own == id || cluster.histories.same_past(own, target, id))
}

fn whole(word: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(word?).ok()?.parse().ok()
}

/// Replicas that acknowledged within `lag` of now.
fn fresh(state: &NodeState, at: Duration, lag: Duration) -> usize {
    state
        .replicas
        .values()
        .filter(|view| {
            view.state == ReplicaState::Online && at.saturating_sub(view.acked_at) <= lag
        })
        .count()
}

impl Ack {
    /// Whether a node has acknowledged all that a master had written up to `target`.
    fn has_acked(
        &self,
        cluster: &Cluster,
        master: &NodeState,
        node: NodeIndex,
        target: Offset,
    ) -> bool {
        let (Some(id), Some(sent)) = (master.id, self.sent.get(&node)) else { return false };
        let same = |own| own == id || cluster.histories.same_past(own, target, id);
        sent.iter().any(|(own, offset)| *offset >= target && same(*own))
    }

    fn wait(
        &self,
        cluster: &Cluster,
        sight: &Sight<'_>,
        target: Offset,
        counted: usize,
        acks: &[(u16, Offset)],
        found: &mut Found<'_>,
    ) {
        let state = &cluster.nodes[sight.node];
        if let Some((_, ack)) = acks.iter().find(|(_, ack)| *ack < target) {
            found.violation(&state.name, format!("WAIT for {target} counted a replica at {ack}"));
        }
        // A replica that applied the offset and died since still counts: only the living are
        // known to have it, so a dead one is given the benefit of the doubt.
        let applied = (0..cluster.nodes.len())
            .filter(|node| *node != sight.node)
            .filter(|node| !cluster.nodes[*node].up || has_applied(cluster, state, *node, target))
            .count();
        // A machine that lost power leaves a link behind, and comes back on another, and a replica
        // may have left for another master: what they acknowledged before counts, as in Redis,
        // until the master has found the link dead.
        let ghosts = state.replicas.values().filter(|view| {
            view.acked >= target
                && view.node.is_some_and(|node| {
                    cluster.nodes[node].life != view.life
                        || !has_applied(cluster, state, node, target)
                            && self.has_acked(cluster, state, node, target)
                })
        });
        let applied = applied + ghosts.count();
        if counted > applied {
            found.violation(
                &state.name,
                format!("WAIT for {target} answered {counted}, but only {applied} replicas have applied it"),
            );
        }
    }

    /// `WAIT` was carried out: the client waits, or has its answer at once.
    fn waits(
        &mut self,
        state: &NodeState,
        sight: &Sight<'_>,
        (client, args, reply): (u64, &[&[u8]], &[u8]),
        found: &mut Found<'_>,
    ) {
        let (Some(wanted), Some(ms)) = (whole(args.get(1).copied()), whole(args.get(2).copied()))
        else {
            return;
        };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if reply.is_empty() {
            let until = (ms > 0).then(|| sight.at + Duration::from_millis(ms));
            self.waiting.insert((sight.node, client), (wanted, until));
        } else if let Some(counted) = whole(reply.strip_prefix(b":").map(<[u8]>::trim_ascii_end)) {
            let counted = usize::try_from(counted).unwrap_or(usize::MAX);
            Self::enough(state, wanted, counted, found);
        }
    }

    /// Who waited gets his answer: enough replicas, or his time is over.
    fn waited(
        &mut self,
        state: &NodeState,
        sight: &Sight<'_>,
        (client, counted): (u64, usize),
        found: &mut Found<'_>,
    ) {
        if let Some((wanted, until)) = self.waiting.remove(&(sight.node, client))
            && until.is_none_or(|until| sight.at + TICK < until)
        {
            Self::enough(state, wanted, counted, found);
        }
    }

    fn enough(state: &NodeState, wanted: usize, counted: usize, found: &mut Found<'_>) {
        if counted < wanted {
            found.violation(
                &state.name,
                format!("WAIT for {wanted} replicas answered {counted} before its time was over"),
            );
        }
    }

    fn write(
        state: &NodeState,
        sight: &Sight<'_>,
        writes: bool,
        reply: &[u8],
        found: &mut Found<'_>,
    ) {
        let wanted = state.limits.min_replicas_to_write;
        if state.role != Role::Master || wanted == 0 || !writes {
            return;
        }
        let lag = state.limits.min_replicas_max_lag;
        let refused = reply.starts_with(b"-NOREPLICAS") || reply.ends_with(REFUSED_EXEC);
        let not_done = [&b"-"[..], b"*-1", b"+QUEUED"].iter().any(|no| reply.starts_with(no));
        if !not_done && fresh(state, sight.at, lag + CRON) < wanted {
            found.violation(
                &state.name,
                format!("accepted a write with fewer than {wanted} good replicas"),
            );
        }
        if refused && fresh(state, sight.at, lag.saturating_sub(CRON)) >= wanted {
            found.violation(
                &state.name,
                format!("refused a write although {wanted} replicas were good"),
            );
        }
    }
}

impl Invariant for Ack {
    fn name(&self) -> &'static str {
        "ack"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        match sight.event {
            Event::Started { .. } => self.waiting.retain(|(node, _), _| *node != sight.node),
            Event::AckSent { offset } => {
                if let Some(id) = cluster.nodes[sight.node].id {
                    let sent = self.sent.entry(sight.node).or_default().entry(id).or_default();
                    *sent = (*sent).max(*offset);
                }
            }
            Event::WaitAnswered { client, target, counted, acks } => {
                self.wait(cluster, sight, *target, *counted, acks, found);
                self.waited(&cluster.nodes[sight.node], sight, (*client, *counted), found);
            }
            Event::Executed { client, args, reply, .. } => {
                let state = &cluster.nodes[sight.node];
                if args[0].eq_ignore_ascii_case(b"client") {
                    // CLIENT UNBLOCK and KILL end waiting in their own way.
                    self.waiting.retain(|(node, _), _| *node != sight.node);
                }
                if args[0].eq_ignore_ascii_case(b"wait") {
                    self.waits(state, sight, (*client, args, reply), found);
                }
                Self::write(state, sight, state.writes(*client, args), reply, found);
            }
            _ => {}
        }
    }
}
