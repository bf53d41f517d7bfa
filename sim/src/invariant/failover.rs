//! *failover*: a hand-over that was not forced waits until a replica has everything; until it is
//! over nothing is written; who gives it up is a master again; and only who has a node's own
//! history can make it take over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replisim::event::{Event, MasterLinkState, Role};
use replisim::replication::ReplicationId;

use super::ack::has_applied;
use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, NodeState, ReplicaView};

/// See the module's text.
#[derive(Default)]
pub(super) struct Failover {
    /// Hand-overs under way that may not be forced, and until when they may begin.
    waiting: BTreeMap<NodeIndex, Duration>,
    /// Nodes that follow another though nobody has everything, and since when. It may be that they
    /// were told to, which is known when the command is.
    accused: BTreeMap<NodeIndex, (Duration, String)>,
    /// Masters that were told to hand over, and have neither done so nor given it up.
    holding: BTreeSet<NodeIndex>,
    /// Nodes that gave up when they followed the new master already, and since when.
    gave_up: BTreeMap<NodeIndex, Duration>,
    /// Nodes that became masters, and the history that was theirs until then; forgotten once it is
    /// known which command did that.
    promoted: BTreeMap<NodeIndex, (Duration, ReplicationId)>,
}

/// How late a timeout may be noticed.
const LATE: Duration = Duration::from_millis(500);

impl Failover {
    fn ordered(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Executed { args, reply, .. } = sight.event else { return };
        if !args[0].eq_ignore_ascii_case(b"failover") || *reply != b"+OK\r\n" {
            return;
        }
        let has = |name: &[u8]| args.iter().any(|word| word.eq_ignore_ascii_case(name));
        if has(b"abort") {
            self.holding.remove(&sight.node);
        } else if cluster.nodes[sight.node].role == Role::Master {
            self.holding.insert(sight.node);
        }
        if has(b"abort") || has(b"force") {
            self.waiting.remove(&sight.node);
            return;
        }
        if cluster.nodes[sight.node].role == Role::Replica {
            // It has happened already.
            if let Some(text) = judge(cluster, sight.node) {
                found.violation(&cluster.nodes[sight.node].name, text);
            }
            return;
        }
        let timeout_ms = args
            .windows(2)
            .find(|pair| pair[0].eq_ignore_ascii_case(b"timeout"))
            .and_then(|pair| std::str::from_utf8(pair[1]).ok()?.parse().ok());
        let until =
            timeout_ms.map_or(Duration::MAX, |ms: u64| sight.at + Duration::from_millis(ms) + LATE);
        self.waiting.insert(sight.node, until);
    }
}

/// A master has become a replica of its own accord: someone must have all it wrote. Who died
/// since, or went over to another history, may have had it.
fn judge(cluster: &Cluster, node: NodeIndex) -> Option<String> {
    let state = &cluster.nodes[node];
    let had = |view: &ReplicaView| {
        view.acked >= state.offset
            && view
                .node
                .map(|other| &cluster.nodes[other])
                .is_some_and(|other| other.life > view.life || other.id != state.id)
    };
    let complete = (0..cluster.nodes.len())
        .filter(|other| *other != node)
        .any(|other| !cluster.nodes[other].up || has_applied(cluster, state, other, state.offset))
        || state.replicas.values().any(had);
    (!complete)
        .then(|| format!("handed over at offset {}, which no replica has applied", state.offset))
}

/// Whether someone told the node whom to follow.
fn is_order(event: &Event<'_>) -> bool {
    let Event::Executed { args, .. } = event else { return false };
    [&b"replicaof"[..], b"slaveof"].iter().any(|name| args[0].eq_ignore_ascii_case(name))
}

/// Whether a client's command was carried out, and has written.
fn is_write_done(state: &NodeState, event: &Event<'_>) -> bool {
    let Event::Executed { client, args, reply, .. } = event else { return false };
    let not_done = [&b"-"[..], b"*-1", b"+QUEUED"].iter().any(|no| reply.starts_with(no));
    !not_done && !reply.is_empty() && state.writes(*client, args)
}

/// Whether the master it follows has agreed to give it the data or the rest of them.
fn is_taken_in(state: &NodeState) -> bool {
    use MasterLinkState::{Connected, Loading, Transfer};
    state.role == Role::Replica && matches!(state.master_link, Transfer | Loading | Connected)
}

impl Failover {
    /// What else a hand-over asks of the nodes.
    fn manners(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        if self.holding.contains(&sight.node) && is_write_done(state, sight.event) {
            found.violation(&state.name, "executed a write while it handed over");
        }
        if self.gave_up.get(&sight.node).is_some_and(|at| sight.at > *at) {
            self.gave_up.remove(&sight.node);
            if state.role == Role::Replica {
                found.violation(&state.name, "gave up a hand-over, but is still a replica");
            }
        }
        match sight.event {
            Event::Started { .. } => {
                self.holding.remove(&sight.node);
                self.gave_up.remove(&sight.node);
            }
            Event::Mark("failover-aborted") => {
                self.holding.remove(&sight.node);
                if is_taken_in(state) {
                    let text = "gave up a hand-over though the new master had taken it in";
                    found.violation(&state.name, text);
                }
                if state.role == Role::Replica {
                    self.gave_up.insert(sight.node, sight.at);
                }
            }
            Event::Identity { cause: "demoted", .. } => {
                self.holding.remove(&sight.node);
            }
            Event::Identity { cause: "promoted", .. } => {
                let before = state.id.map(|id| (sight.at, id));
                self.promoted.extend(before.map(|before| (sight.node, before)));
            }
            Event::Executed { args, .. } => {
                // What is executed first after a promotion is what made it.
                if let Some(promoted) = self.promoted.remove(&sight.node)
                    && takes_over_wrongly(args, sight.at, promoted)
                {
                    found.violation(&state.name, "took over from who has another history");
                }
            }
            _ => {}
        }
    }
}

/// Whether this command made a master at that time of a node with this history, and names another.
fn takes_over_wrongly(args: &[&[u8]], now: Duration, promoted: (Duration, ReplicationId)) -> bool {
    let [name, id, _, word] = args else { return false };
    let (at, own) = promoted;
    name.eq_ignore_ascii_case(b"psync")
        && word.eq_ignore_ascii_case(b"failover")
        && at == now
        && !id.eq_ignore_ascii_case(own.to_string().as_bytes())
}

impl Invariant for Failover {
    fn name(&self) -> &'static str {
        "failover"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        self.manners(cluster, sight, found);
        if let Some((at, text)) = self.accused.remove(&sight.node)
            && !is_order(sight.event)
        {
            if sight.at > at {
                found.violation(&cluster.nodes[sight.node].name, text);
            } else {
                self.accused.insert(sight.node, (at, text));
            }
        }
        match sight.event {
            Event::Started { .. } => {
                self.waiting.remove(&sight.node);
                self.accused.remove(&sight.node);
            }
            Event::Executed { .. } => self.ordered(cluster, sight, found),
            Event::Identity { cause: "demoted", .. } => {
                let until = self.waiting.remove(&sight.node);
                if until.is_some_and(|until| sight.at <= until)
                    && let Some(text) = judge(cluster, sight.node)
                {
                    self.accused.insert(sight.node, (sight.at, text));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NODE, World};
    use super::*;

    #[test]
    fn a_hand_over_that_the_new_master_has_agreed_to_is_not_given_up() {
        for (link, fine) in [
            (MasterLinkState::Connect, true),
            (MasterLinkState::Handshake, true),
            (MasterLinkState::Transfer, false),
            (MasterLinkState::Connected, false),
        ] {
            let mut world = World::new(Failover::default());
            let node = &mut world.cluster.nodes[NODE];
            (node.role, node.master_link) = (Role::Replica, link);
            world.see(1_000, &Event::Mark("failover-aborted"));
            assert_eq!(world.said.is_empty(), fine, "{link:?}");
        }
    }
}
