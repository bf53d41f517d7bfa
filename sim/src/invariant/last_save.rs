//! *last-save*: a master whose save in the background failed takes no writes until one succeeds
//! (`stop-writes-on-bgsave-error`), and a node with save points that is asked to end saves first
//! (server.c `writeCommandsDeniedByDiskError`, db.c `shutdownCommand`).
//!
//! Must never: take another save's failure for that of one in the background.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Digest, Event, MasterLinkState, Role};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, NodeState};

/// See the module's text.
#[derive(Default)]
pub(super) struct LastSave {
    nodes: BTreeMap<NodeIndex, Saved>,
}

/// What is known of a node's saves.
#[derive(Default)]
struct Saved {
    /// The dataset now.
    digest: Digest,
    /// The dataset in its file.
    in_file: Option<Digest>,
    /// The last one in the background failed.
    failed: bool,
    /// It was asked to end without saving, or whatever becomes of that.
    may_not_save: bool,
    /// It ended with something else in its file, at this time.
    unsaved_at: Option<Duration>,
}

impl Saved {
    fn note(&mut self, sight: &Sight<'_>, state: &NodeState) {
        match sight.event {
            Event::Started { digest, .. } => *self = Self { digest: *digest, ..Self::default() },
            Event::Loaded { digest, .. }
            | Event::StreamAdvanced { digest, .. }
            | Event::DatasetChanged { digest } => self.digest = *digest,
            Event::SnapshotSaved { digest, .. } => {
                self.in_file = Some(*digest);
                self.failed = false;
            }
            Event::SnapshotFailed { in_background, .. } => self.failed |= in_background,
            Event::Executed { args, .. } => {
                let excuse = |arg: &&[u8]| {
                    [&b"nosave"[..], b"force"].iter().any(|word| arg.eq_ignore_ascii_case(word))
                };
                // One that waits for replicas is told before the end, any other after it. One that
                // comes while data are loaded saves nothing, even if they are there in the end.
                let loads = state.up && !has_data(state);
                if args[0].eq_ignore_ascii_case(b"shutdown") && (loads || args.iter().any(excuse)) {
                    self.may_not_save = true;
                    self.unsaved_at = None;
                }
            }
            Event::Exiting { code: 0 } => {
                let points = !state.limits.save_points.is_empty();
                let wanted = points && has_data(state) && !self.may_not_save;
                self.unsaved_at = (wanted && self.in_file != Some(self.digest)).then_some(sight.at);
            }
            _ => {}
        }
    }

    fn must_refuse(&self, state: &NodeState) -> bool {
        self.failed
            && state.role == Role::Master
            && state.limits.stop_writes_on_bgsave_error
            && !state.limits.save_points.is_empty()
    }
}

/// Not while it loads, its own file or a snapshot that may be decoded as it comes.
fn has_data(state: &NodeState) -> bool {
    let link = state.master_link;
    let loads = matches!(link, MasterLinkState::Transfer | MasterLinkState::Loading);
    state.up && !state.loading && !loads
}

/// Whether a command was carried out.
fn is_done(reply: &[u8]) -> bool {
    ![&b"-"[..], b"*-1", b"+QUEUED"].iter().any(|no| reply.starts_with(no))
}

impl Invariant for LastSave {
    fn name(&self) -> &'static str {
        "last-save"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let saved = self.nodes.entry(sight.node).or_default();
        if let (Event::Started { .. }, Some(at)) = (sight.event, saved.unsaved_at) {
            let text = format!(
                "ended at {:.3} s without saving its data, though it has save points",
                at.as_secs_f64()
            );
            found.violation(&state.name, text);
        }
        saved.note(sight, state);
        if let Event::Executed { client, args, reply, .. } = sight.event
            && is_done(reply)
            && saved.must_refuse(state)
            && state.writes(*client, args)
        {
            found.violation(&state.name, "took a write although its last save failed".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, executed, started};
    use super::*;

    /// What is found in these events of a master that stands alone and has save points.
    fn found(events: &[Event<'_>]) -> Vec<String> {
        let mut world = World::new(LastSave::default());
        events.iter().for_each(|event| world.see(0, event));
        world.said
    }

    const SET: &[&[u8]] = &[b"SET", b"k", b"v"];

    fn failed(in_background: bool) -> Event<'static> {
        Event::SnapshotFailed { error: "full".into(), in_background }
    }

    fn changed_to(digest: u64) -> Event<'static> {
        Event::DatasetChanged { digest: Digest(digest) }
    }

    fn saved(digest: u64) -> Event<'static> {
        Event::SnapshotSaved { digest: Digest(digest), bytes: 1 }
    }

    #[test]
    fn writes_after_a_failed_save_are_refused_until_one_succeeds() {
        assert_eq!(found(&[failed(true), executed(SET, b"+OK\r\n")]).len(), 1);
        assert_eq!(found(&[failed(true), executed(SET, b"-MISCONF\r\n")]).len(), 0);
        assert_eq!(found(&[failed(true), executed(&[b"GET", b"k"], b"$-1\r\n")]).len(), 0);
        assert_eq!(found(&[failed(true), saved(0), executed(SET, b"+OK\r\n")]).len(), 0);
        // `SAVE` is answered by its error, and refuses nothing.
        assert_eq!(found(&[failed(false), executed(SET, b"+OK\r\n")]).len(), 0);
    }

    #[test]
    fn who_ends_has_saved() {
        let end = || Event::Exiting { code: 0 };
        assert_eq!(found(&[started(), changed_to(1), end(), started()]).len(), 1);
        assert_eq!(found(&[started(), changed_to(1), saved(1), end(), started()]).len(), 0);
        let nosave = || executed(&[b"SHUTDOWN", b"NOSAVE"], b"");
        assert_eq!(found(&[started(), changed_to(1), nosave(), end(), started()]).len(), 0);
        assert_eq!(found(&[started(), changed_to(1), end(), nosave(), started()]).len(), 0);
        let crash = Event::Exiting { code: 1 };
        assert_eq!(found(&[started(), changed_to(1), crash, started()]).len(), 0);
    }
}
