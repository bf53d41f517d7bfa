//! Telling the probe what happened. Without a probe every method returns at once, and no event
//! is built.

use crate::env::Now;
use crate::event::{Event, Origin, Probe, Role};
use crate::replication::Offset;

use super::Node;

/// The probe, and how much of the stream it has been shown.
pub(crate) struct Watcher {
    probe: Option<Box<dyn Probe>>,
    /// Offset last reported, and the identity changes told by then.
    seen: Option<(Offset, u64)>,
    /// Whether the command being executed has been told already.
    pub(crate) executed_told: bool,
    /// Whether that command changed the dataset past the stream, and this is still to be told.
    pub(crate) dataset_owed: bool,
}

impl Watcher {
    pub(crate) fn new(probe: Option<Box<dyn Probe>>) -> Self {
        Self { probe, seen: None, executed_told: false, dataset_owed: false }
    }

    /// Whether someone watches.
    pub(crate) fn is_on(&self) -> bool {
        self.probe.is_some()
    }

    /// Hands over one event.
    pub(crate) fn emit(&mut self, now: Now, event: &Event<'_>) {
        if let Some(probe) = &mut self.probe {
            match (event, &mut self.seen) {
                (Event::Started { offset, .. }, seen) => *seen = Some((*offset, 0)),
                (Event::Identity { offset, .. }, Some((seen, changes))) => {
                    *seen = *offset;
                    *changes += 1;
                }
                _ => {}
            }
            probe.record(now, event);
        }
    }
}

impl Node {
    /// Shows the bytes by which the stream grew since the last call. Returns whether it did.
    pub(crate) fn report_stream(&mut self, now: Now) -> bool {
        if !self.probe.is_on() {
            return false;
        }
        let (id, offset) = (self.replication.id(), self.replication.offset());
        // Before `Started` nothing is shown; jumps of the offset come as `Identity`.
        let changes = self.replication.identity_changes();
        let from = match self.probe.seen {
            Some((from, told)) if told == changes && from < offset => from,
            // Nothing new, or a jump that still stands among the core's outputs.
            _ => return false,
        };
        self.probe.seen = Some((offset, changes));
        let bytes = self.replication.stream_since(from);
        let origin = match self.replication.role() {
            Role::Master => Origin::Written,
            Role::Replica => Origin::Applied,
        };
        let digest = self.keyspace.digest();
        let event = Event::StreamAdvanced { id, offset, bytes: &bytes, digest, origin };
        self.probe.emit(now, &event);
        true
    }

    /// The command being executed changes the dataset past the stream: tell so once the command
    /// itself has been told.
    pub(crate) fn owe_dataset_report(&mut self) {
        self.probe.dataset_owed = true;
    }

    /// Reports a change of the dataset by which the stream did not grow.
    pub(crate) fn report_dataset(&mut self, now: Now) {
        if self.probe.is_on() {
            let digest = self.keyspace.digest();
            self.probe.emit(now, &Event::DatasetChanged { digest });
        }
    }
}
