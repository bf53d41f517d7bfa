//! *saves*: who has save points and changes to save begins a save, not long after it is due
//! (server.c `serverCron`); and no save begun before a full sync writes its data over those that
//! came by it (replication.c `replicationEmptyDbCallback`, `killRDBChild`).
//!
//! Time is the node's own: it is counted in its ticks, of which a process that stands still has
//! none. Must never: count what might not be counted as a change by the node.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Digest, Event, LoadSource, MasterLinkState, ReplicaState};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, Limits, NodeIndex, NodeState};

/// Between two [`Event::Buffers`] of a node.
const TICK: Duration = Duration::from_millis(100);
/// After a save that failed the next waits for five seconds; the rest is for the cron.
const LATE: Duration = Duration::from_secs(7);

/// See the module's text.
#[derive(Default)]
pub(super) struct Saves {
    nodes: BTreeMap<NodeIndex, Unsaved>,
}

/// What a node has to save.
#[derive(Default)]
struct Unsaved {
    digest: Digest,
    /// Changes since a snapshot was taken, at least.
    changes: u64,
    /// Since something last happened that a save may have had to wait for.
    quiet: Duration,
    /// A snapshot is being written to a file. (One that is given up is told by nobody: it is
    /// waited for until there is another.)
    writing: bool,
    /// That snapshot is of a dataset which a full sync has replaced since.
    outdated: bool,
    /// What changes next goes by itself, and is nobody's change.
    expiring: bool,
    /// It is about to end.
    leaving: bool,
}

impl Unsaved {
    fn changed(&mut self, digest: Digest) {
        let expiring = std::mem::take(&mut self.expiring);
        if digest != self.digest && !expiring {
            self.changes += 1;
        }
        self.digest = digest;
    }

    /// Another dataset, which is counted as saved.
    fn replaced(&mut self, digest: Digest) {
        *self = Self { digest, leaving: self.leaving, ..Self::default() };
    }

    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { digest, .. } => *self = Self { digest: *digest, ..Self::default() },
            Event::Loaded { source, digest, .. } => {
                let outdated = self.outdated || self.writing && *source == LoadSource::Master;
                self.replaced(*digest);
                self.outdated = outdated;
            }
            Event::StreamAdvanced { digest, .. } | Event::DatasetChanged { digest } => {
                self.changed(*digest);
            }
            Event::KeyExpired { .. } => self.expiring = true,
            Event::SnapshotTaken { disk: true, .. } => {
                (self.writing, self.outdated, self.changes) = (true, false, 0);
            }
            Event::SnapshotSaved { .. } | Event::SnapshotFailed { .. } => {
                (self.writing, self.outdated, self.quiet) = (false, false, Duration::ZERO);
            }
            Event::LoadFailed { .. } | Event::Configured { .. } => self.quiet = Duration::ZERO,
            Event::Executed { args, .. } if args[0].eq_ignore_ascii_case(b"shutdown") => {
                self.leaving = !args.iter().any(|arg| arg.eq_ignore_ascii_case(b"abort"));
            }
            Event::Exiting { .. } => self.leaving = true,
            _ => {}
        }
    }

    /// A tick has passed; `waits`: for something else than a save. The point by which a save is
    /// overdue.
    fn overdue(&mut self, limits: &Limits, waits: bool) -> Option<(u64, Duration)> {
        if self.writing || self.leaving || waits || self.changes == 0 {
            self.quiet = Duration::ZERO;
            return None;
        }
        self.quiet += TICK;
        let due = |(period, changes): &&(Duration, u64)| {
            self.changes >= *changes && self.quiet > *period + LATE
        };
        limits.save_points.iter().find(due).map(|(period, changes)| (*changes, *period))
    }
}

/// Whether a node loads, or sends a snapshot: meanwhile it saves nothing. What it receives may be
/// loaded as it comes.
fn waits(state: &NodeState) -> bool {
    let served = |state| matches!(state, ReplicaState::WaitEnd | ReplicaState::Sending);
    let receives = state.master_link == MasterLinkState::Transfer;
    !state.up || receives || state.loading || state.replicas.values().any(|view| served(view.state))
}

impl Invariant for Saves {
    fn name(&self) -> &'static str {
        "saves"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let unsaved = self.nodes.entry(sight.node).or_default();
        // The final save is of what there was when it began; nothing is loaded into its place.
        let outdated = unsaved.outdated && !unsaved.leaving;
        if matches!(sight.event, Event::SnapshotSaved { .. }) && outdated {
            let text = "a save begun before the last full sync was written over what came by it";
            found.violation(&state.name, text);
        }
        unsaved.note(sight.event);
        if let Event::Buffers { .. } = sight.event
            && let Some((changes, period)) = unsaved.overdue(&state.limits, waits(state))
        {
            let text = format!(
                "has not saved for {:.1} s, with {} changes; `save {} {changes}` is set",
                unsaved.quiet.as_secs_f64(),
                unsaved.changes,
                period.as_secs()
            );
            found.violation(&state.name, text);
            unsaved.changes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(points: &[(u64, u64)]) -> Limits {
        let save_points = points.iter().map(|(s, n)| (Duration::from_secs(*s), *n)).collect();
        Limits { save_points, ..Limits::default() }
    }

    fn ticks(unsaved: &mut Unsaved, limits: &Limits, count: u32) -> bool {
        (0..count).any(|_| unsaved.overdue(limits, false).is_some())
    }

    #[test]
    fn what_is_due_and_not_begun_is_seen() {
        let limits = limits(&[(900, 1), (1, 2)]);
        let mut unsaved = Unsaved::default();
        unsaved.note(&Event::DatasetChanged { digest: Digest(1) });
        assert!(!ticks(&mut unsaved, &limits, 1_000), "one change, which is saved later");
        unsaved.note(&Event::DatasetChanged { digest: Digest(2) });
        assert!(ticks(&mut unsaved, &limits, 1));
    }

    #[test]
    fn a_save_under_way_or_done_is_waited_for() {
        let limits = limits(&[(1, 1)]);
        let mut unsaved = Unsaved::default();
        unsaved.note(&Event::DatasetChanged { digest: Digest(1) });
        unsaved.note(&Event::SnapshotTaken {
            id: None,
            offset: replisim::replication::Offset(0),
            digest: Digest(1),
            replicas: 0,
            disk: true,
        });
        unsaved.note(&Event::DatasetChanged { digest: Digest(2) });
        assert!(!ticks(&mut unsaved, &limits, 1_000), "it is being saved");
        unsaved.note(&Event::SnapshotFailed { error: "full".into(), in_background: true });
        assert!(!ticks(&mut unsaved, &limits, 80));
        assert!(ticks(&mut unsaved, &limits, 1));
    }

    #[test]
    fn a_save_from_before_a_full_sync_is_known() {
        let offset = replisim::replication::Offset(0);
        let digest = Digest(1);
        let taken = Event::SnapshotTaken { id: None, offset, digest, replicas: 0, disk: true };
        let loaded = |source| Event::Loaded { source, id: None, offset: None, digest };
        let mut unsaved = Unsaved::default();
        unsaved.note(&taken);
        unsaved.note(&loaded(LoadSource::File));
        assert!(!unsaved.outdated, "its own file");
        unsaved.note(&taken);
        unsaved.note(&loaded(LoadSource::Master));
        assert!(unsaved.outdated);
        unsaved.note(&taken);
        assert!(!unsaved.outdated, "the next one is of what came");
    }

    #[test]
    fn what_expires_is_no_change() {
        let mut unsaved = Unsaved::default();
        unsaved.note(&Event::KeyExpired { db: 0, key: b"k", deadline_ms: 1 });
        unsaved.note(&Event::DatasetChanged { digest: Digest(1) });
        assert!(!ticks(&mut unsaved, &limits(&[(0, 1)]), 1_000));
    }
}
