//! *model* and *durability*: the data are what a simple sequential model says they are.
//!
//! A model ([`crate::model`]) runs beside every node. A master's is fed with the commands its
//! clients sent, and must give the same replies and the same dataset. What they changed is
//! logged at the offset that carried it; a replica's model repeats the log up to the replica's
//! own offset, so that each read there is judged at exactly the point it has reached, and each
//! offset by the dataset it must have. Snapshots keep a copy of the model: what is loaded later
//! must be one of them, the last that was safely saved or a newer one, and its id and offset
//! those of that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use replisim::event::{Digest, Event, LoadSource, MasterLinkState, Origin, Role};
use replisim::replication::{Offset, ReplicationId};

use super::twin::{Difference, Effect, Twin};
use super::{Fate, Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex};
use crate::model::{Expiry, Model};

/// See the module's text.
#[derive(Default)]
pub(super) struct Data {
    nodes: BTreeMap<NodeIndex, Twin>,
    /// What clients say to a process that still loads its data.
    early: BTreeMap<NodeIndex, Twin>,
    logs: Logs,
    copies: Vec<Copy>,
    /// Nodes that have received a snapshot whose load has not succeeded (yet): it may be their file.
    received: BTreeSet<NodeIndex>,
    /// Nodes whose file was removed while they started: they opened it before, or found none.
    unlinked: BTreeSet<NodeIndex>,
}

/// Effects by the history that carries them, each at the offset of its last byte.
type Logs = BTreeMap<ReplicationId, Vec<(Offset, Effect)>>;

/// Has a twin take over every effect that a history carries in `(from, to]`, through its
/// ancestors.
fn repeat(
    logs: &Logs,
    cluster: &Cluster,
    id: ReplicationId,
    (from, to): (Offset, Offset),
    twin: &mut Twin,
) {
    if let Some(history) = cluster.histories.get(id)
        && let Some((parent, branch)) = history.parent
        && from < branch
    {
        repeat(logs, cluster, parent, (from, to.min(branch)), twin);
    }
    let log = logs.get(&id).map_or(&[][..], Vec::as_slice);
    let start = log.partition_point(|(offset, _)| *offset <= from);
    for (_, effect) in log[start..].iter().take_while(|(offset, _)| *offset <= to) {
        twin.take_over(effect);
    }
}

/// The model at the moment of a snapshot.
struct Copy {
    node: NodeIndex,
    digest: Digest,
    position: Option<(ReplicationId, Offset)>,
    /// `None`: it was lost before; the digest can still be judged.
    model: Option<Rc<Model>>,
    /// Whether it is known to be the node's file.
    saved: bool,
    /// Whether it may be the node's file.
    may_be_file: bool,
    /// The file was removed after it was taken and before it was said to be saved: that may have
    /// been the file.
    may_be_gone: bool,
}

impl Copy {
    /// The model of its data, loaded at `now_ms`, if that has this digest.
    fn loaded_as(&self, digest: Digest, now_ms: u64) -> Option<Option<Model>> {
        let model = self.model.as_deref().cloned();
        if self.digest == digest {
            return Some(model);
        }
        let mut model = model?;
        model.drop_expired(now_ms);
        (model.digest() == digest).then_some(Some(model))
    }
}

impl Data {
    fn executed(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Executed { client, db, args, reply, .. } = sight.event else {
            return;
        };
        let state = &cluster.nodes[sight.node];
        let twin = match state.up {
            true => self.nodes.get_mut(&sight.node),
            false => Some(self.early.entry(sight.node).or_default()),
        };
        let Some(twin) = twin else { return };
        let (master, now_ms) = (state.role == Role::Master, sight.now.unix_ms);
        let expiry = if master { Expiry::Delete } else { Expiry::Hide };
        let difference = twin.executed(*client, *db, args, reply, now_ms, expiry, master);
        if let Some(Difference { command, answer, expected }) = difference {
            let name = command.split(' ').next().unwrap_or_default();
            let text = |reply: &[u8]| String::from_utf8_lossy(reply).into_owned();
            let (answer, expected) = (text(&answer), text(&expected));
            found.violation(
                &state.name,
                format!(
                    "{name} answered {answer:?}, the model says {expected:?} ({command:?}, offset {})",
                    state.offset
                ),
            );
        }
    }

    fn advanced(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::StreamAdvanced { id, offset, origin, digest, .. } = sight.event else {
            return;
        };
        let state = &cluster.nodes[sight.node];
        if *origin == Origin::Written {
            let Some(twin) = self.nodes.get_mut(&sight.node) else { return };
            let log = self.logs.entry(*id).or_default();
            log.extend(twin.pending.drain(..).map(|effect| (*offset, effect)));
        } else {
            let Some(twin) = self.nodes.get_mut(&sight.node) else { return };
            repeat(&self.logs, cluster, *id, (state.offset, *offset), twin);
            twin.pending.clear();
        }
        self.compare(cluster, sight, *digest, found);
    }

    fn compare(
        &mut self,
        cluster: &Cluster,
        sight: &Sight<'_>,
        digest: Digest,
        found: &mut Found<'_>,
    ) {
        let state = &cluster.nodes[sight.node];
        let Some(twin) = self.nodes.get_mut(&sight.node) else { return };
        if twin.model.as_ref().is_some_and(|model| model.digest() != digest) {
            twin.model = None; // said once
            found.violation(
                &state.name,
                "its dataset is not what the commands it was sent make of it",
            );
        }
    }

    /// The newest copy whose data, loaded at `now_ms`, has this digest.
    fn copy_of(
        &self,
        digest: Digest,
        node: Option<NodeIndex>,
        now_ms: u64,
    ) -> Option<(usize, Option<Model>)> {
        self.copies.iter().enumerate().rev().find_map(|(index, copy)| {
            if node.is_some_and(|node| copy.node != node || !copy.may_be_file) {
                return None;
            }
            copy.loaded_as(digest, now_ms).map(|model| (index, model))
        })
    }

    fn started(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Started { loaded, digest, restored, .. } = sight.event else {
            return;
        };
        let node = &cluster.nodes[sight.node].name;
        let mut found = found.under("durability");
        let early = self.early.remove(&sight.node).unwrap_or_default();
        let twin = Twin::empty(cluster.nodes[sight.node].limits.databases).going_on(early);
        self.nodes.insert(sight.node, twin);
        if !loaded {
            let removed = self.unlinked.contains(&sight.node);
            if !removed && self.copies.iter().any(|copy| copy.node == sight.node && copy.saved) {
                found.violation(node, "started empty although a snapshot had been saved");
            }
            return;
        }
        let received = self.received.contains(&sight.node);
        let copy = self
            .copy_of(*digest, Some(sight.node), sight.now.unix_ms)
            .or_else(|| self.copy_of(*digest, None, sight.now.unix_ms).filter(|_| received));
        let model = match copy {
            None => {
                found.violation(node, "came back with a dataset that it never saved");
                None
            }
            Some((_, model)) => {
                // Several may hold this data at different positions: pings move those, and what
                // has expired since is not loaded.
                let saved_so = |copy: &Copy| {
                    (received || copy.node == sight.node && copy.may_be_file)
                        && copy.position == *restored
                        && copy.loaded_as(*digest, sight.now.unix_ms).is_some()
                };
                if restored.is_some() && !self.copies.iter().any(saved_so) {
                    found.violation(
                        node,
                        format!(
                            "came back with position {restored:?}, which is not that of its dataset"
                        ),
                    );
                }
                model
            }
        };
        if let Some(twin) = self.nodes.get_mut(&sight.node) {
            twin.model = model;
        }
    }

    fn loaded(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Loaded { source, digest, id, offset } = sight.event else {
            return;
        };
        let name = &cluster.nodes[sight.node].name;
        let copy = self.copy_of(*digest, None, sight.now.unix_ms);
        if copy.is_none() && self.nodes.get(&sight.node).is_some_and(|twin| twin.model.is_some()) {
            found.violation(name, "loaded a dataset that no snapshot held");
        }
        let model = copy.and_then(|(_, model)| model);
        if *source == LoadSource::Master {
            self.received.remove(&sight.node);
            self.superseded(sight.node);
            self.copies.push(Copy {
                node: sight.node,
                digest: *digest,
                position: id.zip(*offset),
                model: model.clone().map(Rc::new),
                saved: false,
                may_be_file: true,
                may_be_gone: false,
            });
        }
        if let Some(twin) = self.nodes.get_mut(&sight.node) {
            twin.model = model;
            twin.pending.clear();
        }
    }

    /// What the node saved before may since have been replaced by what it received.
    fn superseded(&mut self, node: NodeIndex) {
        for copy in self.copies.iter_mut().filter(|copy| copy.node == node) {
            copy.saved = false;
        }
    }

    fn file_is_gone(&mut self, node: NodeIndex) {
        for copy in self.copies.iter_mut().filter(|copy| copy.node == node) {
            if copy.saved {
                (copy.saved, copy.may_be_file) = (false, false);
            } else {
                copy.may_be_gone = true;
            }
        }
    }

    fn saved(&mut self, node: NodeIndex, digest: Digest) {
        let newest =
            self.copies.iter().rposition(|copy| copy.node == node && copy.digest == digest);
        self.received.remove(&node);
        for (index, copy) in self.copies.iter_mut().enumerate() {
            if copy.node == node && Some(index) <= newest {
                copy.may_be_file = Some(index) == newest;
                copy.saved = copy.may_be_file && !copy.may_be_gone;
            }
        }
    }

    fn snapshot(&mut self, sight: &Sight<'_>) {
        let Event::SnapshotTaken { id, offset, digest, disk, .. } = sight.event else {
            return;
        };
        let model = self.nodes.get(&sight.node).and_then(|twin| twin.model.clone());
        self.copies.push(Copy {
            node: sight.node,
            digest: *digest,
            position: id.map(|id| (id, *offset)),
            model: model.map(Rc::new),
            saved: false,
            may_be_file: *disk,
            may_be_gone: false,
        });
    }
}

impl Invariant for Data {
    fn name(&self) -> &'static str {
        "model"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        match sight.event {
            Event::Started { .. } => {
                self.started(cluster, sight, found);
                if self.unlinked.remove(&sight.node) {
                    self.file_is_gone(sight.node);
                }
            }
            Event::Executed { .. } => self.executed(cluster, sight, found),
            Event::StreamAdvanced { .. } => self.advanced(cluster, sight, found),
            Event::DatasetChanged { digest } => {
                if let Some(twin) = self.nodes.get_mut(&sight.node) {
                    twin.pending.clear();
                }
                self.compare(cluster, sight, *digest, found);
            }
            Event::KeyExpired { db, key, deadline_ms } => {
                if let Some(twin) = self.nodes.get_mut(&sight.node) {
                    twin.expired(*db, key, *deadline_ms);
                }
            }
            Event::SnapshotTaken { digest, .. } => {
                self.compare(cluster, sight, *digest, found);
                self.snapshot(sight);
            }
            Event::SnapshotSaved { digest, .. } => self.saved(sight.node, *digest),
            Event::MasterLink { state: MasterLinkState::Loading, .. } => {
                self.received.insert(sight.node);
                self.superseded(sight.node);
            }
            Event::Loaded { .. } => self.loaded(cluster, sight, found),
            Event::Exiting { .. } => {
                self.early.remove(&sight.node);
            }
            _ => {}
        }
    }

    fn fate(&mut self, _: &Cluster, node: NodeIndex, fate: Fate, _: &mut Found<'_>) {
        match fate {
            Fate::Killed | Fate::PowerCut => {
                self.nodes.remove(&node);
                self.early.remove(&node);
                if self.unlinked.remove(&node) {
                    self.file_is_gone(node);
                }
            }
            Fate::FileRemoved { being_read: true } => {
                self.unlinked.insert(node);
            }
            // The process may run on, and a snapshot under way still becomes its file.
            Fate::FileRemoved { being_read: false } => self.file_is_gone(node),
        }
    }
}
