//! *ack*: `WAIT` counts all replicas that have acknowledged the offset and none that has not
//! applied it, asks them for an ack, and waits for as many as it was asked for until its time is
//! over, and no longer; writes are refused for want of replicas when, and only when, they have to
//! be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replisim::event::{Event, Origin, ReplicaState, Role};
use replisim::replication::{Offset, ReplicationId};

use super::{CLOCK_LAG, Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, NodeState, ReplicaView};

/// Acks are looked at ten times a second; what changed within that time may not have been seen.
const CRON: Duration = Duration::from_millis(1200);

/// How late the end of a `WAIT` may be noticed.
const LATE: Duration = Duration::from_millis(500);

/// How the replicas are asked for an ack.
pub(super) const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// How an `EXEC` is refused for want of replicas.
const REFUSED_EXEC: &[u8] = b"NOREPLICAS Not enough good replicas to write.\r\n";

/// See the module's text.
#[derive(Default)]
pub(super) struct Ack {
    /// Clients in `WAIT`.
    waiting: BTreeMap<(NodeIndex, u64), Waiting>,
    /// Where the stream stood when the replicas were last asked for an ack.
    asked: BTreeMap<NodeIndex, Offset>,
    /// Nodes that may hold back the question, as they were told to pause, to hand over or to end.
    quiet: BTreeSet<NodeIndex>,
    /// What every node has acknowledged of each history, under the id by which it knew it. (That
    /// it had applied as much then is *offset*'s to judge.)
    sent: BTreeMap<NodeIndex, BTreeMap<ReplicationId, Offset>>,
}

/// A client in `WAIT`.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// For how many replicas.
    replicas: usize,
    /// Since when, and until when.
    since: Duration,
    until: Option<Duration>,
    /// Whether there is a replica that could be asked.
    can_ask: bool,
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

/// Links by which a node that has another has acknowledged `target` as well: an old one counts until
/// it is found dead.
fn second_links(state: &NodeState, target: Offset) -> usize {
    let acked = state.replicas.values().filter(|view| view.acked >= target);
    let links: Vec<_> = acked.filter_map(|view| Some((view.node?, view.life))).collect();
    links.len() - links.iter().collect::<BTreeSet<_>>().len()
}

/// Replicas that are online and of which `last` is within `lag` of now.
fn fresh(
    state: &NodeState,
    at: Duration,
    lag: Duration,
    last: fn(&ReplicaView) -> Duration,
) -> usize {
    let is_fresh = |view: &&ReplicaView| {
        view.state == ReplicaState::Online && at.saturating_sub(last(view)) <= lag
    };
    state.replicas.values().filter(is_fresh).count()
}

/// Whether the stream may stand still after this command, and with it the question for acks.
fn holds_writes_back(args: &[&[u8]]) -> bool {
    let is = |at: usize, name: &[u8]| args.get(at).is_some_and(|a| a.eq_ignore_ascii_case(name));
    is(0, b"failover")
        || is(0, b"shutdown")
        || is(0, b"debug")
        || is(0, b"client") && is(1, b"pause")
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
        let applied = applied + ghosts.count() + second_links(state, target);
        // Offset 0 is where a link begins: it may be silence, which is no ack.
        let floor = target.max(Offset(1));
        let acked = |view: &&ReplicaView| view.state == ReplicaState::Online && view.acked >= floor;
        let known = state.replicas.values().filter(acked).count();
        if counted < known {
            found.violation(
                &state.name,
                format!(
                    "WAIT for {target} answered {counted}, but {known} replicas had acknowledged it"
                ),
            );
        }
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
            let online = |view: &ReplicaView| view.state == ReplicaState::Online;
            let waiting = Waiting {
                replicas: wanted,
                since: sight.at,
                until: (ms > 0).then(|| sight.at + Duration::from_millis(ms)),
                can_ask: !self.quiet.contains(&sight.node) && state.replicas.values().any(online),
            };
            self.waiting.insert((sight.node, client), waiting);
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
        (client, target, counted): (u64, Offset, usize),
        found: &mut Found<'_>,
    ) {
        let Some(waiting) = self.waiting.remove(&(sight.node, client)) else { return };
        if waiting.until.is_none_or(|until| sight.at + CLOCK_LAG < until) {
            Self::enough(state, waiting.replicas, counted, found);
        }
        let asked = self.asked.get(&sight.node).is_some_and(|asked| *asked >= target);
        let long = sight.at > waiting.since + LATE;
        if waiting.can_ask && long && !asked && !self.quiet.contains(&sight.node) {
            found.violation(
                &state.name,
                format!("no replica was asked for an ack while WAIT waited for {target}"),
            );
        }
    }

    /// Who waits still: nobody whose time is over, and nobody on a replica.
    fn overdue(
        &mut self,
        state: &NodeState,
        sight: &Sight<'_>,
        in_wait: &[u64],
        found: &mut Found<'_>,
    ) {
        let node = sight.node;
        self.waiting.retain(|(at, client), _| *at != node || in_wait.contains(client));
        for client in in_wait {
            let Some(waiting) = self.waiting.get(&(node, *client)) else { continue };
            let why = if state.role == Role::Replica {
                "on a replica"
            } else if waiting.until.is_some_and(|until| sight.at > until + LATE) {
                "though its time is over"
            } else {
                continue;
            };
            found.violation(&state.name, format!("a client is kept waiting in WAIT {why}"));
            self.waiting.remove(&(node, *client));
        }
    }

    /// Notes where the replicas are asked for an ack.
    fn asks(&mut self, node: NodeIndex, offset: Offset, bytes: &[u8]) {
        let mut begins = memchr::memrchr_iter(b'*', bytes);
        if let Some(at) = begins.find(|at| bytes[*at..].starts_with(GETACK)) {
            self.asked.insert(node, Offset(offset.0 - (bytes.len() - at) as u64));
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
        let heard = fresh(state, sight.at, lag + CRON, |view| view.heard_at);
        if !not_done && heard < wanted {
            found.violation(
                &state.name,
                format!("accepted a write with fewer than {wanted} good replicas"),
            );
        }
        // A newline is no ack: that it counts is noticed later.
        let acked = fresh(state, sight.at, lag.saturating_sub(CRON), |view| view.acked_at);
        if refused && acked >= wanted {
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
            Event::Started { .. } => {
                self.waiting.retain(|(node, _), _| *node != sight.node);
                self.asked.remove(&sight.node);
                self.quiet.remove(&sight.node);
            }
            Event::StreamAdvanced { offset, bytes, origin: Origin::Written, .. } => {
                self.asks(sight.node, *offset, bytes);
            }
            Event::Buffers { in_wait, .. } => {
                self.overdue(&cluster.nodes[sight.node], sight, in_wait, found);
            }
            Event::AckSent { offset } => {
                if let Some(id) = cluster.nodes[sight.node].id {
                    let sent = self.sent.entry(sight.node).or_default().entry(id).or_default();
                    *sent = (*sent).max(*offset);
                }
            }
            Event::WaitAnswered { client, target, counted, acks } => {
                self.wait(cluster, sight, *target, *counted, acks, found);
                let answer = (*client, *target, *counted);
                self.waited(&cluster.nodes[sight.node], sight, answer, found);
            }
            Event::Executed { client, args, reply, .. } => {
                let state = &cluster.nodes[sight.node];
                if args[0].eq_ignore_ascii_case(b"client") {
                    // CLIENT UNBLOCK and KILL end waiting in their own way.
                    self.waiting.retain(|(node, _), _| *node != sight.node);
                }
                if holds_writes_back(args) {
                    self.quiet.insert(sight.node);
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

#[cfg(test)]
mod tests {
    use super::super::testing::{LINK, NODE, World, executed, tick, written};
    use super::*;

    /// The client of [`executed`] waits.
    fn wait() -> Event<'static> {
        executed(&[b"WAIT", b"1", b"1000"], b"")
    }

    fn answered(counted: usize) -> Event<'static> {
        Event::WaitAnswered { client: 1, target: Offset(100), counted, acks: &[] }
    }

    fn acked(offset: u64) -> Event<'static> {
        Event::AckReceived { link: LINK, port: 6379, offset: Offset(offset) }
    }

    /// What is found in these events, at these milliseconds, of a node with an online replica.
    fn found(role: Role, events: &[(u64, Event<'_>)]) -> Vec<String> {
        let mut world = World::new(Ack::default()).with_replica(Offset(0));
        world.cluster.nodes[NODE].role = role;
        world.found(events)
    }

    #[test]
    fn nobody_waits_longer_than_he_wanted() {
        let waits = |ms| (ms, tick(&[1], 0));
        let text = "a client is kept waiting in WAIT though its time is over";
        assert_eq!(
            found(Role::Master, &[(0, wait()), waits(900), waits(2000), waits(2100)]),
            [text]
        );
        // He was answered, or went.
        assert!(found(Role::Master, &[(0, wait()), (900, tick(&[], 0)), waits(2000)]).is_empty());
        let text = "a client is kept waiting in WAIT on a replica";
        assert_eq!(found(Role::Replica, &[(0, wait()), waits(100)]), [text]);
    }

    #[test]
    fn all_that_acknowledged_are_counted_and_all_are_asked() {
        let text = "WAIT for 100 answered 0, but 1 replicas had acknowledged it";
        assert_eq!(
            found(Role::Master, &[(0, wait()), (90, acked(100)), (1000, answered(0))])[0],
            text
        );
        let text = "no replica was asked for an ack while WAIT waited for 100";
        assert_eq!(
            found(Role::Master, &[(0, wait()), (90, acked(99)), (1000, answered(0))]),
            [text]
        );
        let question = written(100 + GETACK.len() as u64, GETACK);
        let events = [(0, wait()), (0, question), (90, acked(99)), (1000, answered(0))];
        assert!(found(Role::Master, &events).is_empty());
    }

    #[test]
    fn a_replica_that_loads_is_as_good_as_its_newlines() {
        let newline = Event::SignOfLife { link: LINK, port: 6379 };
        let set = || (4_000, executed(&[b"SET", b"k", b"v"], b"+OK\r\n"));
        let said = |events: &[(u64, Event<'_>)]| {
            let mut world = World::new(Ack::default()).with_replica(Offset(0));
            world.cluster.nodes[NODE].limits.min_replicas_to_write = 1;
            world.cluster.nodes[NODE].limits.min_replicas_max_lag = Duration::from_secs(2);
            world.found(events)
        };
        assert_eq!(said(&[set()]), ["accepted a write with fewer than 1 good replicas"]);
        assert!(said(&[(3_000, newline), set()]).is_empty());
        let newline = Event::SignOfLife { link: LINK, port: 6379 };
        let refused = executed(&[b"SET", b"k", b"v"], b"-NOREPLICAS Not enough\r\n");
        assert!(said(&[(4_000, newline), (4_001, refused)]).is_empty());
    }
}
