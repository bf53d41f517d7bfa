//! The replication protocol, as a state machine without I/O.

mod apply;
pub mod backlog;
mod config;
mod failover;
mod handshake;
pub mod id;
mod info;
mod master;
mod master_link;
mod output;
mod payload;
pub mod psync;
mod replconf;
mod replica_link;
mod roles;
mod snapshot;
mod stream;
mod wait;

pub use backlog::BacklogInfo;
pub use config::ReplicationConfig;
pub use failover::FailoverState;
pub use id::{IdSource, NotAnId, Offset, ReplicationId};
pub use info::{Counters, ReplicaInfo, ReplicationInfo, Transfer, Upstream};
pub use output::{
    MasterCommand, Output, ReplconfAnswer, SavedPosition, SnapshotPlan, SnapshotTarget, Write,
};

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::env::LogLevel;
use crate::event::{Event, MasterLinkState, Role};

use backlog::Backlog;
use failover::Failover;
use master_link::MasterLink;
use replica_link::{Announced, ReplicaLink};
use snapshot::CurrentSnapshot;
use wait::Waiter;

/// A client connection of the node, by its client id. A replica is a client that sent `PSYNC`.
/// Never used again once closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// One snapshot, from its start to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotId(pub u64);

/// Time since the process started; the only clock that the core is told.
pub type Mono = Duration;

/// Time between two runs of what Redis does in `replicationCron`.
const CRON_PERIOD: Duration = Duration::from_secs(1);

/// The master end and the replica end of one node. See the module's text.
pub struct Replication {
    config: ReplicationConfig,
    ids: IdSource,
    out: VecDeque<Output>,

    // Who we are: one dataset, described by id and offset.
    id: ReplicationId,
    second: Option<(ReplicationId, Offset)>,
    offset: Offset,
    /// Database selected at the end of the stream: of our own as a master (`None`: the next write
    /// selects), of the master's as a replica.
    stream_db: Option<u32>,
    /// Exists as long as there is a replica; its end is `offset`.
    backlog: Option<Backlog>,

    // The master's end.
    announced: BTreeMap<LinkId, Announced>,
    replicas: BTreeMap<LinkId, ReplicaLink>,
    snapshot: Option<CurrentSnapshot>,
    next_snapshot: u64,
    saver_busy: bool,
    no_replicas_since: Mono,
    last_ping: Mono,
    good_replicas: usize,
    waiters: Vec<Waiter>,
    /// Where the stream stood before the last `GETACK`.
    last_getack_at: Option<Offset>,
    getack_wanted: bool,
    writes_paused: bool,
    failover: Option<Failover>,

    // The replica's end.
    upstream: Option<MasterLink>,
    /// Whether we may ask to go on after `offset` under `id`: Redis's *cached master*.
    resumable: bool,

    next_cron: Mono,
    counters: Counters,
}

/// See the module's text for the order of calls.
impl Replication {
    /// A master without history: fresh id, offset 0, no backlog.
    pub fn new(config: ReplicationConfig, mut ids: IdSource) -> Self {
        let id = ids.fresh();
        Self {
            config,
            ids,
            out: VecDeque::new(),
            id,
            second: None,
            offset: Offset(0),
            stream_db: None,
            backlog: None,
            announced: BTreeMap::new(),
            replicas: BTreeMap::new(),
            snapshot: None,
            next_snapshot: 1,
            saver_busy: false,
            no_replicas_since: Mono::ZERO,
            last_ping: Mono::ZERO,
            good_replicas: 0,
            waiters: Vec::new(),
            last_getack_at: None,
            getack_wanted: false,
            writes_paused: false,
            failover: None,
            upstream: None,
            resumable: false,
            next_cron: Mono::ZERO,
            counters: Counters::default(),
        }
    }

    /// New directives. Sizes and limits count at once; what concerns the handshake counts from
    /// the next connection on.
    pub fn configure(&mut self, now: Mono, config: ReplicationConfig) {
        self.config = config;
        if let Some(backlog) = &mut self.backlog {
            backlog.resize(self.config.repl_backlog_size_bytes);
        }
        self.trim_backlog();
        self.refresh_good_replicas(now);
        self.start_snapshot_if_due(now);
    }

    /// The directives in force.
    pub fn config(&self) -> &ReplicationConfig {
        &self.config
    }

    /// What the core wants done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Ten times a second: reconnects, timeouts, pings, acks, keepalives, backlog TTL, failover.
    pub fn tick(&mut self, now: Mono) {
        self.drive_failover(now);
        self.expire_waiters(now);
        if now >= self.next_cron {
            // One run is never owed twice, however late the tick comes.
            self.next_cron = (self.next_cron + CRON_PERIOD).max(now + CRON_PERIOD / 2);
            self.master_link_cron(now);
            self.replica_timeouts(now);
            self.keepalives();
            self.ping_if_due(now);
            self.expire_backlog(now);
        }
        self.enforce_output_limits(now);
        self.trim_backlog();
        self.refresh_good_replicas(now);
        self.start_snapshot_if_due(now);
        self.check();
    }

    // --- identity

    /// Master, or replica of the configured master (linked or not).
    pub fn role(&self) -> Role {
        match self.upstream {
            None => Role::Master,
            Some(_) => Role::Replica,
        }
    }

    /// `master_replid`.
    pub fn id(&self) -> ReplicationId {
        self.id
    }

    /// Second id and the last offset (inclusive) for which it may be used. (`second_repl_offset`
    /// of `INFO` is that offset plus one.)
    pub fn second(&self) -> Option<(ReplicationId, Offset)> {
        self.second
    }

    /// `master_repl_offset`: the offset of the dataset.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Host and port of the configured master.
    pub fn master_address(&self) -> Option<(&str, u16)> {
        self.upstream.as_ref().map(|m| (m.host.as_str(), m.port))
    }

    /// State of the link to the master.
    pub fn master_link(&self) -> MasterLinkState {
        self.upstream.as_ref().map_or(MasterLinkState::None, |m| m.phase.state())
    }

    /// What a snapshot taken now has to carry; `None` if there is nothing to resume from
    /// (Redis `rdbPopulateSaveInfo`).
    pub fn saved_position(&self) -> Option<SavedPosition> {
        let known = match self.upstream {
            None => self.backlog.is_some(),
            Some(_) => self.resumable,
        };
        known.then_some(SavedPosition {
            id: self.id,
            offset: self.offset,
            stream_db: self.stream_db,
        })
    }

    /// Extent of the backlog, if there is one.
    pub fn backlog(&self) -> Option<BacklogInfo> {
        self.backlog.as_ref().map(Backlog::info)
    }

    /// Bytes of the stream kept in memory, for the backlog or for a slow replica.
    pub fn held_bytes(&self) -> u64 {
        self.backlog.as_ref().map_or(0, Backlog::held_bytes)
    }

    // --- small tools of all the parts

    fn emit(&mut self, output: Output) {
        self.out.push_back(output);
    }

    fn log(&mut self, level: LogLevel, text: impl Into<String>) {
        let text = text.into();
        self.out.push_back(Output::Log { level, text });
    }

    fn mark(&mut self, name: &'static str) {
        self.out.push_back(Output::Event(Event::Mark(name)));
    }

    fn identity_changed(&mut self, cause: &'static str) {
        let event = Event::Identity {
            role: self.role(),
            id: self.id,
            second: self.second,
            offset: self.offset,
            cause,
        };
        self.out.push_back(Output::Event(event));
    }

    fn ensure_backlog(&mut self) {
        if self.backlog.is_none() {
            let size = self.config.repl_backlog_size_bytes;
            self.backlog = Some(Backlog::new(self.offset, size));
        }
    }

    /// Invariants between the parts. Cheap; nothing that a peer sends can break them.
    fn check(&self) {
        if let Some(backlog) = &self.backlog {
            assert_eq!(backlog.end(), self.offset, "the backlog ends where we are");
        } else {
            assert!(self.replicas.is_empty(), "a replica without a backlog");
        }
        for replica in self.replicas.values() {
            assert!(replica.acked <= self.offset, "acked more than was sent");
            match (replica.cursor, &self.backlog) {
                (Some(cursor), Some(backlog)) => {
                    assert!(backlog.holds_after(cursor), "bytes owed are gone");
                }
                _ => assert_eq!(replica.phase, replica_link::Phase::WaitStart),
            }
        }
        assert!(self.upstream.is_some() || !self.resumable, "a master resumes from no one");
    }
}
