//! What the unit tests of the invariants share: a small cluster, and events told by hand.
//!
//! Must never: take the place of a scenario. A test here says of which events an invariant speaks;
//! that real nodes tell such events is for runs to show.

use std::time::Duration;

use replisim::env::Now;
use replisim::event::{Digest, Event, Origin, ReplicaState, Role};
use replisim::replication::{LinkId, Offset, ReplicationId};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, Limits, NodeIndex, ReplicaView};

/// The node that [`World::see`] speaks of; it has no master unless a test gives it one.
pub(super) const NODE: NodeIndex = 0;

/// The link of the replica of [`World::with_replica`].
pub(super) const LINK: LinkId = LinkId(7);

/// One invariant, and what it sees.
pub(super) struct World<I> {
    pub(super) cluster: Cluster,
    invariant: I,
    /// What it found.
    pub(super) said: Vec<String>,
}

impl<I: Invariant> World<I> {
    /// One running node, [`NODE`].
    pub(super) fn new(invariant: I) -> Self {
        let mut world = Self { cluster: Cluster::default(), invariant, said: Vec::new() };
        world.add("n1", "10.0.0.1");
        world
    }

    /// Adds a running node.
    pub(super) fn add(&mut self, name: &str, ip: &str) -> NodeIndex {
        let node = self.cluster.add(name, ip, Limits::default());
        self.cluster.nodes[node].up = true;
        node
    }

    /// Gives [`NODE`] an online replica at the end of [`LINK`].
    pub(super) fn with_replica(mut self, acked: Offset) -> Self {
        let view = ReplicaView {
            node: None,
            life: 1,
            state: ReplicaState::Online,
            since: Duration::ZERO,
            asked_at: Duration::ZERO,
            acked,
            acked_at: Duration::ZERO,
            heard_at: Duration::ZERO,
        };
        self.cluster.nodes[NODE].replicas.insert(LINK, view);
        self
    }

    /// [`NODE`] tells something, so many milliseconds after the start.
    pub(super) fn see(&mut self, ms: u64, event: &Event<'_>) {
        self.see_at(NODE, ms, event);
    }

    /// A node tells something.
    pub(super) fn see_at(&mut self, node: NodeIndex, ms: u64, event: &Event<'_>) {
        let at = Duration::from_millis(ms);
        let sight = Sight { at, now: Now { mono: at, unix_ms: ms }, node, event };
        let mut violations = Vec::new();
        let invariant = self.invariant.name();
        let mut found = Found { invariant, at, violations: &mut violations };
        self.invariant.observe(&self.cluster, &sight, &mut found);
        self.said.extend(violations.into_iter().map(|violation| violation.message));
        self.cluster.apply(at, node, event);
    }

    /// What is found in these events of [`NODE`], each at its milliseconds.
    pub(super) fn found(mut self, events: &[(u64, Event<'_>)]) -> Vec<String> {
        for (ms, event) in events {
            self.see(*ms, event);
        }
        self.said
    }
}

/// A replication id of one byte, twenty times.
pub(super) fn id(byte: u8) -> ReplicationId {
    ReplicationId::from_bytes([byte; 20])
}

/// A client's command, carried out.
pub(super) fn executed<'a>(args: &'a [&'a [u8]], reply: &'a [u8]) -> Event<'a> {
    Event::Executed { client: 1, db: 0, args, reply, authenticated: true }
}

/// Bytes that [`NODE`] wrote as a master, up to an offset.
pub(super) fn written(offset: u64, bytes: &[u8]) -> Event<'_> {
    let (id, offset, digest) = (id(1), Offset(offset), Digest(1));
    Event::StreamAdvanced { id, offset, bytes, digest, origin: Origin::Written }
}

/// A node's tick: nothing is buffered, these clients are in `WAIT`, so many are held back.
pub(super) fn tick(in_wait: &[u64], held_back: usize) -> Event<'_> {
    Event::Buffers {
        backlog_bytes: 0,
        backlog_limit_bytes: 0,
        held_bytes: 0,
        replica_pending_bytes: 0,
        replica_limit_bytes: 0,
        client_output_bytes: 0,
        in_wait,
        held_back,
    }
}

/// A node begins as a master without data.
pub(super) fn started() -> Event<'static> {
    Event::Started {
        role: Role::Master,
        id: id(1),
        second: None,
        offset: Offset(0),
        restored: None,
        loaded: false,
        digest: Digest(0),
    }
}
