//! *links*: who shows that it lives is not given up, and who has left is not kept; a snapshot that
//! arrives can be loaded, and a diskless one waits its time for more replicas.
//!
//! Where that depends on the world it is asked only of links that were made when nothing was wrong
//! with the network, the processes and the disk at the replica's end, and nothing has been since.
//! Must never: judge a transfer, whose bytes may be long on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replisim::event::{Event, MasterLinkState, ReplicaState};
use replisim::replication::LinkId;

use super::{CLOCK_LAG, Fate, Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, ReplicaView};

/// How long the end of a connection may be on its way, and unnoticed.
const FAREWELL: Duration = Duration::from_secs(3);

/// See the module's text.
#[derive(Default)]
pub(super) struct Links {
    /// When a node turned away from the master it had.
    left: BTreeMap<NodeIndex, Duration>,
    /// When a node's file was taken from it.
    robbed: BTreeMap<NodeIndex, Duration>,
    /// Who is about to drop a replica for its silence.
    impatient: BTreeSet<NodeIndex>,
}

impl Links {
    /// A replica is gone: if for its silence, it was silent.
    fn dropped(&mut self, cluster: &Cluster, sight: &Sight<'_>, link: LinkId) -> Option<String> {
        let state = &cluster.nodes[sight.node];
        let view = state.replicas.get(&link)?;
        let counts = matches!(view.state, ReplicaState::Online | ReplicaState::AwaitAck);
        if !self.impatient.remove(&sight.node) || !counts {
            return None;
        }
        let silent = sight.at.saturating_sub(view.heard_at.max(view.since));
        if silent + CLOCK_LAG < state.limits.repl_timeout {
            return Some(format!(
                "drops a replica after {:.1} s of silence; repl-timeout is {:.0} s",
                silent.as_secs_f64(),
                state.limits.repl_timeout.as_secs_f64()
            ));
        }
        let peer = view.node.filter(|peer| follows(cluster, *peer, sight.node, view))?;
        // It may have come back by another link, and this be the one it left.
        let peer_state = &cluster.nodes[peer];
        // Before that it received, which takes its time and is no sign of life to its master.
        let long = sight.at >= peer_state.master_link_since + state.limits.repl_timeout;
        let loads = peer_state.master_link == MasterLinkState::Loading
            && peer_state.linked_at <= view.asked_at
            && long;
        (loads && cluster.is_whole_link(peer))
            .then(|| format!("drops {} for its silence, which loads", peer_state.name))
    }

    /// A node gives its master up for silence, though that is making a snapshot for it.
    fn not_told(cluster: &Cluster, node: NodeIndex) -> Option<String> {
        let master = &cluster.nodes[cluster.master_of(node)?];
        let waits = |view: &ReplicaView| {
            view.node == Some(node)
                && view.life == cluster.nodes[node].life
                && matches!(view.state, ReplicaState::WaitStart | ReplicaState::WaitEnd)
        };
        let is_served = master.up && master.replicas.values().any(waits);
        (is_served && cluster.is_whole_link(node))
            .then(|| format!("gives up {}, which makes a snapshot for it", master.name))
    }

    /// Who turned away from a master has hung up.
    fn kept(&self, cluster: &Cluster, sight: &Sight<'_>) -> Option<String> {
        let state = &cluster.nodes[sight.node];
        let whole = |peer, view: &ReplicaView| {
            cluster.whole_since(sight.node, peer).is_some_and(|since| since < view.asked_at)
        };
        let gone = state.replicas.values().find_map(|view| {
            let (peer, left) = (view.node?, self.left.get(&view.node?)?);
            let still_here = view.state == ReplicaState::Online
                && view.life == cluster.nodes[peer].life
                && view.asked_at < *left
                // One that a cut has met may stay dead: its end is told to nobody.
                && whole(peer, view)
                && sight.at > *left + FAREWELL;
            (still_here && cluster.nodes[peer].up).then_some((peer, *left))
        });
        gone.map(|(peer, left)| {
            let seconds = sight.at.saturating_sub(left).as_secs_f64();
            format!("keeps {}, which turned away {seconds:.1} s ago", cluster.nodes[peer].name)
        })
    }

    /// What came from the master is a snapshot.
    fn is_broken(&self, cluster: &Cluster, node: NodeIndex) -> Option<String> {
        let linked_at = cluster.nodes[node].linked_at;
        let robbed = self.robbed.get(&node).is_some_and(|at| *at >= linked_at);
        (!robbed && cluster.is_whole_link(node))
            .then(|| "cannot load what its master sent, though its disk is whole".to_owned())
    }

    fn note(&mut self, cluster: &Cluster, sight: &Sight<'_>) {
        let state = &cluster.nodes[sight.node];
        match sight.event {
            Event::MasterLink { host, port, .. } => {
                let before = state.master.as_ref();
                if before.is_some_and(|(old, at)| **old != **host || at != port) {
                    self.left.insert(sight.node, sight.at);
                }
            }
            Event::Mark("replica-timed-out") => {
                self.impatient.insert(sight.node);
            }
            Event::Started { .. } => {
                self.left.remove(&sight.node);
                self.impatient.remove(&sight.node);
            }
            _ => {}
        }
    }
}

/// Whether the link of this view is the one by which `peer` follows `master`.
fn follows(cluster: &Cluster, peer: NodeIndex, master: NodeIndex, view: &ReplicaView) -> bool {
    let state = &cluster.nodes[peer];
    state.up && state.life == view.life && cluster.master_of(peer) == Some(master)
}

/// A diskless snapshot cannot be joined, so that it waits for those who come a little later.
fn too_soon(cluster: &Cluster, sight: &Sight<'_>) -> Option<String> {
    let state = &cluster.nodes[sight.node];
    let delay = state.limits.repl_diskless_sync_delay;
    if state.limits.repl_diskless_sync_max_replicas > 0 {
        return None;
    }
    let begun = |view: &&ReplicaView| view.state == ReplicaState::Sending && view.since == sight.at;
    let first = state.replicas.values().filter(begun).map(|view| view.asked_at).min()?;
    let waited = sight.at.saturating_sub(first);
    (waited + CLOCK_LAG < delay).then(|| {
        format!(
            "sends a snapshot {:.1} s after it was asked for; repl-diskless-sync-delay is {:.0} s",
            waited.as_secs_f64(),
            delay.as_secs_f64()
        )
    })
}

impl Invariant for Links {
    fn name(&self) -> &'static str {
        "links"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let wrong = match sight.event {
            Event::Replica { link, state: ReplicaState::Gone, .. } => {
                self.dropped(cluster, sight, *link)
            }
            Event::MasterLink { state: MasterLinkState::Connect, reason, .. }
                if reason == "timeout" =>
            {
                Self::not_told(cluster, sight.node)
            }
            Event::Mark("load-of-full-sync-failed" | "snapshot-not-kept") => {
                self.is_broken(cluster, sight.node)
            }
            Event::SnapshotTaken { disk: false, .. } => too_soon(cluster, sight),
            Event::Buffers { .. } => self.kept(cluster, sight),
            _ => None,
        };
        if let Some(text) = wrong {
            found.violation(&cluster.nodes[sight.node].name, text);
        }
        self.note(cluster, sight);
    }

    fn fate(&mut self, cluster: &Cluster, node: NodeIndex, fate: Fate, found: &mut Found<'_>) {
        if let Fate::FileRemoved { .. } = fate {
            debug_assert!(node < cluster.nodes.len(), "a node of the cluster");
            self.robbed.insert(node, found.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use replisim::event::{Digest, FullReason, PsyncAnswer};
    use replisim::replication::Offset;

    use super::super::testing::{LINK, NODE, World, tick};
    use super::*;

    const REPLICA: NodeIndex = 1;

    /// A master that has just been asked for everything by a replica.
    fn asked() -> World<Links> {
        let mut world = World::new(Links::default());
        assert_eq!(world.add("r", "10.0.0.2"), REPLICA);
        for state in [MasterLinkState::Connecting, MasterLinkState::Handshake] {
            world.link(1_000, state, "");
        }
        let answer = Event::PsyncAnswered {
            link: LINK,
            port: 6379,
            ip: "10.0.0.2".into(),
            asked_id: None,
            asked_offset: -1,
            answer: PsyncAnswer::Full(FullReason::NotAsked),
            backlog: None,
        };
        world.see(1_000, &answer);
        world
    }

    impl World<Links> {
        /// What the replica tells of its link to the master.
        fn link(&mut self, ms: u64, state: MasterLinkState, reason: &str) {
            let (host, reason) = ("n1".into(), reason.to_owned().into());
            self.see_at(REPLICA, ms, &Event::MasterLink { host, port: 6379, state, reason });
        }

        /// What the master tells of it.
        fn replica(&mut self, ms: u64, state: ReplicaState) {
            self.see(ms, &Event::Replica { link: LINK, port: 6379, state });
        }

        fn said(&self, words: &str) -> bool {
            self.said.iter().any(|text| text.contains(words))
        }
    }

    #[test]
    fn a_replica_is_dropped_for_its_silence_when_it_was_silent() {
        for (ms, fine) in [(20_000, false), (61_500, true)] {
            let mut world = asked();
            world.replica(1_500, ReplicaState::Online);
            world.see(ms, &Event::Mark("replica-timed-out"));
            world.replica(ms, ReplicaState::Gone);
            assert_eq!(world.said.is_empty(), fine, "{:?}", world.said);
        }
        let mut world = asked();
        world.replica(1_500, ReplicaState::AwaitAck);
        world.link(1_600, MasterLinkState::Loading, "");
        world.see(70_000, &Event::Mark("replica-timed-out"));
        world.replica(70_000, ReplicaState::Gone);
        assert!(world.said("which loads"));
        // It received until now.
        let mut world = asked();
        world.replica(1_500, ReplicaState::AwaitAck);
        world.link(69_900, MasterLinkState::Loading, "");
        world.see(70_000, &Event::Mark("replica-timed-out"));
        world.replica(70_000, ReplicaState::Gone);
        assert!(world.said.is_empty(), "{:?}", world.said);
        // This is the link of before.
        let mut world = asked();
        world.replica(1_500, ReplicaState::AwaitAck);
        for (ms, state) in
            [(1_600, MasterLinkState::Connecting), (1_600, MasterLinkState::Handshake)]
        {
            world.link(ms, state, "");
        }
        world.link(1_700, MasterLinkState::Loading, "");
        world.see(70_000, &Event::Mark("replica-timed-out"));
        world.replica(70_000, ReplicaState::Gone);
        assert!(world.said.is_empty(), "{:?}", world.said);
    }

    #[test]
    fn who_waits_for_a_snapshot_is_shown_that_it_is_made() {
        for (broken, fine) in [(false, false), (true, true)] {
            let mut world = asked();
            world.replica(1_500, ReplicaState::WaitEnd);
            world.link(1_500, MasterLinkState::Transfer, "");
            if broken {
                world.cluster.note_way(NODE, REPLICA, Some(Duration::from_secs(30)));
            }
            world.link(62_000, MasterLinkState::Connect, "timeout");
            assert_eq!(world.said.is_empty(), fine, "{:?}", world.said);
        }
    }

    #[test]
    fn who_has_turned_away_is_not_kept() {
        let mut world = asked();
        world.replica(1_500, ReplicaState::Online);
        world.see(60_000, &tick(&[], 0));
        assert!(world.said.is_empty());
        let (host, reason) = ("".into(), "".into());
        let state = MasterLinkState::None;
        world.see_at(REPLICA, 60_000, &Event::MasterLink { host, port: 0, state, reason });
        world.see(62_000, &tick(&[], 0));
        assert!(world.said.is_empty());
        world.see(64_000, &tick(&[], 0));
        assert!(world.said("turned away 4.0 s ago"));
    }

    #[test]
    fn what_was_sent_can_be_loaded_unless_the_disk_is_to_blame() {
        let mut world = asked();
        world.cluster.nodes[REPLICA].disk_whole_since = None;
        world.see_at(REPLICA, 2_000, &Event::Mark("snapshot-not-kept"));
        assert!(world.said.is_empty());
        world.cluster.nodes[REPLICA].disk_whole_since = Some(Duration::ZERO);
        world.see_at(REPLICA, 2_000, &Event::Mark("snapshot-not-kept"));
        assert!(world.said("cannot load"));
    }

    #[test]
    fn a_diskless_snapshot_waits_its_time() {
        for (ms, fine) in [(4_000, false), (6_000, true)] {
            let mut world = asked();
            world.replica(ms, ReplicaState::Sending);
            let (offset, digest) = (Offset(0), Digest(0));
            let taken = Event::SnapshotTaken { id: None, offset, digest, replicas: 1, disk: false };
            world.see(ms, &taken);
            assert_eq!(world.said.is_empty(), fine, "{:?}", world.said);
        }
    }
}
