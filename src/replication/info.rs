//! What `INFO replication`, `INFO stats` and `ROLE` show.
//!
//! Must never: compute anything that the core does not need itself; this is a window.

use std::time::Duration;

use crate::event::{MasterLinkState, ReplicaState, Role};

use super::master_link::Phase;
use super::{BacklogInfo, FailoverState, LinkId, Mono, Offset, Replication, ReplicationId};

/// Counters of `INFO stats`, reset by `CONFIG RESETSTAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// `sync_full`: full syncs asked for.
    pub sync_full: u64,
    /// `sync_partial_ok`: partial resyncs granted.
    pub sync_partial_ok: u64,
    /// `sync_partial_err`: partial resyncs refused.
    pub sync_partial_err: u64,
}

/// A replica as `INFO replication` and `ROLE` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Its connection.
    pub link: LinkId,
    /// The address it announced, or that of its connection.
    pub ip: String,
    /// The port it announced.
    pub port: u16,
    /// State of its link.
    pub state: ReplicaState,
    /// Last offset it acknowledged.
    pub acked: Offset,
    /// When it last gave a sign of life.
    pub last_ack: Mono,
    /// Bytes of the stream not yet handed to its connection.
    pub pending_bytes: u64,
}

/// Progress of a full sync (`master_sync_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Length of the snapshot; `None` if the master did not say, or has not said yet.
    pub total_bytes: Option<u64>,
    /// Bytes of it received.
    pub read_bytes: u64,
    /// Time since bytes last arrived.
    pub last_io: Duration,
}

/// The replica's half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `master_host`.
    pub host: String,
    /// `master_port`.
    pub port: u16,
    /// State of the link; `master_link_status` is `up` only for `Connected`.
    pub link: MasterLinkState,
    /// Time since the master was last heard of; `None` (printed as -1) unless linked.
    pub last_io: Option<Duration>,
    /// `master_link_down_since_seconds`; `None` while the link is up.
    pub down_for: Option<Duration>,
    /// `slave_read_repl_offset`: the offset, and what has been received but not applied.
    pub read_offset: Offset,
    /// The full sync under way (`master_sync_in_progress`).
    pub transfer: Option<Transfer>,
}

/// Everything at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationInfo {
    /// Role.
    pub role: Role,
    /// `None` on a master.
    pub upstream: Option<Upstream>,
    /// `master_failover_state`.
    pub failover: FailoverState,
    /// Replicas, in the order in which they connected.
    pub replicas: Vec<ReplicaInfo>,
    /// `min_slaves_good_slaves`.
    pub good_replicas: usize,
    /// `master_replid`.
    pub id: ReplicationId,
    /// `master_replid2` and the last offset (inclusive) it is valid for; `second_repl_offset` is
    /// one more.
    pub second: Option<(ReplicationId, Offset)>,
    /// `master_repl_offset`, and on a replica also `slave_repl_offset`.
    pub offset: Offset,
    /// `repl_backlog_*`; `None`: not active.
    pub backlog: Option<BacklogInfo>,
    /// See [`Counters`].
    pub counters: Counters,
}

impl Replication {
    /// The replicas, in the order in which they connected.
    pub fn replicas(&self) -> Vec<ReplicaInfo> {
        self.replicas
            .values()
            .map(|r| ReplicaInfo {
                link: r.link,
                ip: r.ip().to_owned(),
                port: r.announced.port,
                state: r.shown_state(),
                acked: r.acked,
                last_ack: r.last_ack,
                pending_bytes: r.pending_bytes(self.offset),
            })
            .collect()
    }

    /// Everything `INFO replication` and `ROLE` need.
    pub fn info(&self, now: Mono) -> ReplicationInfo {
        ReplicationInfo {
            role: self.role(),
            upstream: self.upstream_info(now),
            failover: self.failover_state(),
            replicas: self.replicas(),
            good_replicas: self.good_replicas,
            id: self.id,
            second: self.second,
            offset: self.offset,
            backlog: self.backlog(),
            counters: self.counters,
        }
    }

    fn upstream_info(&self, now: Mono) -> Option<Upstream> {
        let master = self.upstream.as_ref()?;
        let last_io = now.saturating_sub(master.last_io);
        let (mut up, mut unapplied, mut transfer) = (false, 0, None);
        match &master.phase {
            Phase::Connected(applier) => {
                up = true;
                unapplied = applier.unapplied_bytes();
            }
            Phase::Transfer(t) => {
                transfer = Some(Transfer {
                    total_bytes: t.payload.total_bytes,
                    read_bytes: t.payload.read_bytes,
                    last_io,
                });
            }
            Phase::Received(loading) | Phase::Loading(loading) => {
                transfer = Some(Transfer {
                    total_bytes: Some(loading.received_bytes),
                    read_bytes: loading.received_bytes,
                    last_io,
                });
            }
            Phase::Connect | Phase::Connecting | Phase::Handshake(_) => {}
        }
        Some(Upstream {
            host: master.host.clone(),
            port: master.port,
            link: master.phase.state(),
            last_io: up.then_some(last_io),
            down_for: (!up).then(|| now.saturating_sub(master.down_since)),
            read_offset: self.offset.plus(unapplied as u64),
            transfer,
        })
    }

    /// Counters of `INFO stats`.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset_counters(&mut self) {
        self.counters = Counters::default();
    }
}
