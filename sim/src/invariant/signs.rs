//! *signs*: while a snapshot is being made for a replica, and while a replica loads one, the other
//! side is shown each second that the work goes on (replication.c `replicationCron`,
//! `replicationSendNewlineToMaster`). Who is patient does not miss it; who is not gives up.
//!
//! Time is that of who has to show it: it is counted in its ticks, of which a process that stands
//! still has none. Must never: judge a link that something has been wrong with.

use std::collections::{BTreeMap, BTreeSet};

use replisim::event::{Event, MasterLinkState, ReplicaState};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, ReplicaView};

/// Ten ticks a second; one sign in so many is enough.
const PATIENCE_TICKS: u32 = 35;

/// See the module's text.
#[derive(Default)]
pub(super) struct Signs {
    /// Ticks of the first since it showed the second that it is at work.
    quiet: BTreeMap<(NodeIndex, NodeIndex), u32>,
    /// Nodes that may neither speak nor listen for a while: they reload their file, or save it
    /// before they end.
    still: BTreeSet<NodeIndex>,
}

/// The link by which `replica` follows `master`, where nothing is wrong with it.
fn link(cluster: &Cluster, master: NodeIndex, replica: NodeIndex) -> Option<&ReplicaView> {
    let (state, peer) = (&cluster.nodes[master], &cluster.nodes[replica]);
    let is_it = |view: &&ReplicaView| {
        view.node == Some(replica) && view.life == peer.life && view.asked_at >= peer.linked_at
    };
    let follows = cluster.master_of(replica) == Some(master);
    let view = state.replicas.values().find(is_it)?;
    (state.up && peer.up && follows && cluster.is_whole_link(replica)).then_some(view)
}

/// Replicas for which `master` has a snapshot made.
fn waiting(cluster: &Cluster, master: NodeIndex) -> Vec<NodeIndex> {
    let waits =
        |view: &ReplicaView| matches!(view.state, ReplicaState::WaitStart | ReplicaState::WaitEnd);
    let is_waiting = |replica: &NodeIndex| link(cluster, master, *replica).is_some_and(waits);
    (0..cluster.nodes.len()).filter(is_waiting).collect()
}

/// The master whose snapshot `replica` loads.
fn loads_from(cluster: &Cluster, replica: NodeIndex) -> Option<NodeIndex> {
    let master = cluster.master_of(replica)?;
    let served =
        |view: &&ReplicaView| matches!(view.state, ReplicaState::Online | ReplicaState::AwaitAck);
    let loads = cluster.nodes[replica].master_link == MasterLinkState::Loading;
    link(cluster, master, replica).filter(|view| loads && served(view)).map(|_| master)
}

fn is_one_of(word: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|other| other.eq_ignore_ascii_case(word))
}

impl Signs {
    /// A tick of a node: who should have seen a sign of it, and for how long has not.
    fn tick(&mut self, cluster: &Cluster, node: NodeIndex) -> Option<String> {
        let waiting = waiting(cluster, node);
        let master = loads_from(cluster, node);
        let is_due = |to: &NodeIndex| waiting.contains(to) || master == Some(*to);
        self.quiet.retain(|(from, to), _| *from != node || is_due(to));
        let mut late = None;
        for to in waiting.iter().copied().chain(master) {
            if self.still.contains(&node) || self.still.contains(&to) {
                continue;
            }
            let ticks = self.quiet.entry((node, to)).or_default();
            *ticks += 1;
            if *ticks == PATIENCE_TICKS {
                let peer = &cluster.nodes[to].name;
                late = Some(match master == Some(to) {
                    true => format!("loads, and does not show {peer} that it is alive"),
                    false => format!("has a snapshot made, and does not show {peer} that it is"),
                });
            }
        }
        late
    }
}

impl Invariant for Signs {
    fn name(&self) -> &'static str {
        "signs"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let node = sight.node;
        match sight.event {
            Event::Buffers { .. } => {
                if let Some(text) = self.tick(cluster, node) {
                    found.violation(&cluster.nodes[node].name, text);
                }
            }
            Event::Started { .. } | Event::Loaded { .. } => {
                self.still.remove(&node);
            }
            Event::Executed { args, .. } if is_one_of(args[0], &[b"debug", b"shutdown"]) => {
                self.still.insert(node);
            }
            Event::SignOfLife { link, .. } => {
                let view = cluster.nodes[node].replicas.get(link);
                if let Some(replica) = view.and_then(|view| view.node) {
                    self.quiet.remove(&(replica, node));
                }
            }
            Event::MasterSignOfLife => {
                if let Some(master) = cluster.master_of(node) {
                    self.quiet.remove(&(master, node));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use replisim::replication::Offset;

    use super::super::testing::{LINK, NODE, World, executed, tick};
    use super::*;

    /// A master and its replica, with the state of both ends of their link.
    fn linked(seen: ReplicaState, link: MasterLinkState) -> (World<Signs>, NodeIndex) {
        let mut world = World::new(Signs::default()).with_replica(Offset(0));
        let replica = world.add("r1", "10.0.0.2");
        let view = world.cluster.nodes[NODE].replicas.get_mut(&LINK).expect("a replica");
        (view.node, view.life, view.state) = (Some(replica), 0, seen);
        view.asked_at = Duration::from_secs(1);
        let state = &mut world.cluster.nodes[replica];
        (state.master, state.master_link) = (Some(("n1".to_owned(), 6379)), link);
        state.linked_at = Duration::from_secs(1);
        (world, replica)
    }

    #[test]
    fn who_loads_shows_that_it_lives() {
        let (mut world, replica) = linked(ReplicaState::Online, MasterLinkState::Loading);
        for ms in (2_000..5_400).step_by(100) {
            world.see_at(replica, ms, &tick(&[], 0));
        }
        world.see(5_400, &Event::SignOfLife { link: LINK, port: 6379 });
        for ms in (5_400..8_800).step_by(100) {
            world.see_at(replica, ms, &tick(&[], 0));
        }
        assert!(world.said.is_empty(), "{:?}", world.said);
        world.see_at(replica, 8_800, &tick(&[], 0));
        assert_eq!(world.said, ["loads, and does not show n1 that it is alive"]);
    }

    #[test]
    fn who_waits_for_a_snapshot_is_shown_that_it_is_made() {
        let (mut world, replica) = linked(ReplicaState::WaitEnd, MasterLinkState::Transfer);
        for ms in (2_000..5_400).step_by(100) {
            world.see(ms, &tick(&[], 0));
        }
        world.see_at(replica, 5_400, &Event::MasterSignOfLife);
        for ms in (5_400..8_800).step_by(100) {
            world.see(ms, &tick(&[], 0));
        }
        assert!(world.said.is_empty(), "{:?}", world.said);
        world.see(8_800, &tick(&[], 0));
        assert_eq!(world.said, ["has a snapshot made, and does not show r1 that it is"]);
        // It reloads its file, and listens to nobody.
        let (mut world, replica) = linked(ReplicaState::WaitEnd, MasterLinkState::Transfer);
        world.see_at(replica, 1_900, &executed(&[b"DEBUG", b"RELOAD"], b""));
        for ms in (2_000..9_000).step_by(100) {
            world.see(ms, &tick(&[], 0));
        }
        assert!(world.said.is_empty(), "{:?}", world.said);
        // Something was wrong with the link, or with another.
        for (is_theirs, fine) in [(true, true), (false, false)] {
            let (mut world, replica) = linked(ReplicaState::WaitEnd, MasterLinkState::Transfer);
            let other = world.add("r2", "10.0.0.3");
            let way = if is_theirs { (NODE, replica) } else { (replica, other) };
            world.cluster.note_way(way.0, way.1, Some(Duration::from_secs(2)));
            for ms in (2_000..9_000).step_by(100) {
                world.see(ms, &tick(&[], 0));
            }
            assert_eq!(world.said.is_empty(), fine, "{:?}", world.said);
        }
    }
}
