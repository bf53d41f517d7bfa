//! One replica, as its master sees it.
//!
//! ```text
//!                     snapshot starts            written              sent (by length)
//!  PSYNC, SYNC -> WaitStart ------> WaitEnd -------------> Sending --------------------> Online
//!                     |                       diskless        |  sent (by mark)            ^
//!                     +---------------------------------------+---------> AwaitAck --------+
//!  PSYNC, +CONTINUE -----------------------------------------------------> (first ack)   Online
//! ```
//!
//! Must never: be Online, or anything after WaitStart, without a cursor: from the start of its
//! snapshot on, the bytes that a replica is owed are kept for it.

use super::{LinkId, Mono, Offset, SnapshotContents, SnapshotId};
use crate::event::ReplicaState;

/// What a client said about itself with `REPLCONF`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) port: u16,
    pub(super) ip: Option<String>,
    /// `capa eof`: understands `$EOF:`.
    pub(super) eof: bool,
    /// `capa psync2`: understands `+CONTINUE <new id>`.
    pub(super) psync2: bool,
    /// `rdb-only`: wants the snapshot, not the stream.
    pub(super) rdb_only: bool,
    /// `rdb-filter-only`: wants only so much of the snapshot.
    pub(super) contents: SnapshotContents,
}

impl Announced {
    /// Whether a snapshot made for `other` can serve this one: it must be able to do what the
    /// other can, and want the same of it.
    pub(super) fn can_share_with(&self, other: &Self) -> bool {
        (self.eof || !other.eof)
            && (self.psync2 || !other.psync2)
            && self.contents == other.contents
    }
}

/// See the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    WaitStart,
    WaitEnd(SnapshotId),
    Sending(SnapshotId),
    AwaitAck,
    Online,
}

impl Phase {
    pub(super) fn state(self) -> ReplicaState {
        match self {
            Self::WaitStart => ReplicaState::WaitStart,
            Self::WaitEnd(_) => ReplicaState::WaitEnd,
            Self::Sending(_) => ReplicaState::Sending,
            Self::AwaitAck => ReplicaState::AwaitAck,
            Self::Online => ReplicaState::Online,
        }
    }

    pub(super) fn snapshot(self) -> Option<SnapshotId> {
        match self {
            Self::WaitEnd(id) | Self::Sending(id) => Some(id),
            _ => None,
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct ReplicaLink {
    pub(super) link: LinkId,
    pub(super) peer_ip: String,
    pub(super) announced: Announced,
    /// Came with `SYNC`: gets no `+FULLRESYNC` line, and sends no acks, so cannot time out.
    pub(super) old_protocol: bool,
    /// The transfer ends with a mark, not after a length: the stream waits for an ack.
    pub(super) sent_by_mark: bool,
    pub(super) phase: Phase,
    pub(super) since: Mono,
    /// Offset of the last byte handed to its connection.
    pub(super) cursor: Option<Offset>,
    pub(super) acked: Offset,
    /// Whether it has acknowledged anything: silence is no ack of offset 0.
    pub(super) has_acked: bool,
    pub(super) last_ack: Mono,
    /// Since when more is pending than the soft limit allows.
    pub(super) over_soft_limit_since: Option<Mono>,
    /// Since when its connection takes no more bytes of a snapshot.
    pub(super) stalled_since: Option<Mono>,
}

impl ReplicaLink {
    pub(super) fn new(link: LinkId, peer_ip: &str, announced: Announced, now: Mono) -> Self {
        Self {
            link,
            peer_ip: peer_ip.to_owned(),
            announced,
            old_protocol: false,
            sent_by_mark: false,
            phase: Phase::WaitStart,
            since: now,
            cursor: None,
            acked: Offset(0),
            has_acked: false,
            last_ack: now,
            over_soft_limit_since: None,
            stalled_since: None,
        }
    }

    /// Address under which it is shown and can be named in `FAILOVER TO`.
    pub(super) fn ip(&self) -> &str {
        self.announced.ip.as_deref().unwrap_or(&self.peer_ip)
    }

    /// `ip:port`, as log lines name it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.ip(), self.announced.port)
    }

    /// As it is shown: a diskless snapshot counts as one being made until all of it is sent.
    pub(super) fn shown_state(&self) -> ReplicaState {
        match self.phase {
            Phase::Sending(_) if self.sent_by_mark => ReplicaState::WaitEnd,
            phase => phase.state(),
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    pub(super) fn pending_bytes(&self, end: Offset) -> u64 {
        self.cursor.map_or(0, |cursor| end.since(cursor))
    }
}
