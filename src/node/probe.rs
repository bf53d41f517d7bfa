//! Telling the probe what happened. Without a probe every method returns at once, and no event
//! is built.

use crate::env::Now;
use crate::event::{Event, Origin, Probe, Role};
use crate::replication::{Offset, ReplicationId};

use super::Node;

/// The probe, and how much of the stream it has been shown.
pub(crate) struct Watcher {
    probe: Option<Box<dyn Probe>>,
    /// Id and offset last reported.
    seen: Option<(ReplicationId, Offset)>,
}

impl Watcher {
    pub(crate) fn new(probe: Option<Box<dyn Probe>>) -> Self {
        Self { probe, seen: None }
    }

    /// Whether someone watches.
    pub(crate) fn is_on(&self) -> bool {
        self.probe.is_some()
    }

    /// Hands over one event.
    pub(crate) fn emit(&mut self, now: Now, event: &Event<'_>) {
        if let Some(probe) = &mut self.probe {
            if let Event::Identity { id, offset, .. } | Event::Started { id, offset, .. } = event {
                self.seen = Some((*id, *offset));
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
        let Some((_, from)) = self.probe.seen else {
            return false;
        };
        self.probe.seen = Some((id, offset));
        if offset <= from {
            return false;
        }
        let bytes = self.replication.stream_since(from);
        let origin = match self.replication.role() {
            Role::Master => Origin::Written,
            Role::Replica => Origin::Applied,
        };
        let digest = self.keyspace.digest();
        let event = Event::StreamAdvanced {
            id,
            offset,
            bytes: &bytes,
            digest,
            origin,
        };
        self.probe.emit(now, &event);
        true
    }

    /// Reports a change of the dataset by which the stream did not grow.
    pub(crate) fn report_dataset(&mut self, now: Now) {
        if self.probe.is_on() {
            let digest = self.keyspace.digest();
            self.probe.emit(now, &Event::DatasetChanged { digest });
        }
    }
}
