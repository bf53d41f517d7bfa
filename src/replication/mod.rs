//! The replication protocol, as a state machine without I/O.
//!
//! This text explains how a Redis master and its replicas keep one dataset, in enough detail to
//! implement it. Each chapter has a golden script in `tests/protocol/` in which it can be watched
//! happening, message by message.
//!
//! # 1. Positions and ids
//!
//! A master turns its writes into one endless string of bytes, the *stream*: commands as RESP
//! arrays, one after the other. A replica is a client of its master that reads this string and
//! executes it. Replication is correct if two things hold: executing the stream is deterministic
//! (so a master sends `PEXPIREAT`, never `EXPIRE`; `SREM`, never `SPOP`), and everybody agrees on
//! where in the string he is.
//!
//! The place is a pair. The [`Offset`] counts bytes: the dataset *at offset o* is what you get by
//! executing bytes 1 to `o`. The [`ReplicationId`] names the string; two nodes with equal ids and
//! offsets have equal data. That is the promise everything else rests on, and it tells when an id
//! must change: whenever a node begins to write bytes of its own where another might have written
//! others (promotion, restart as a master), and whenever writes go uncounted (no backlog).
//!
//! A node also remembers a *second* id with the last offset up to which that older history and
//! the present one are the same. Off by one, once and for all: here the offset is *inclusive*.
//! Redis stores and prints (`second_repl_offset`) the next one, and accepts requests for a first
//! byte `<=` that. Both say the same.
//!
//! # 2. Handshake
//!
//! ```text
//! R: *1 PING                                        alone: is anybody in there?
//! M: +PONG                                          or -NOAUTH: somebody who wants a password
//! R: *2 AUTH <password>                             if `masterauth` is set; refused: give up
//!    *3 REPLCONF listening-port 6380                how clients may find me
//!    *3 REPLCONF ip-address 10.0.0.9                if `replica-announce-ip` is set
//!    *5 REPLCONF capa eof capa psync2               what I can do; errors to REPLCONF do not matter
//! M: +OK +OK +OK +OK
//! R: *3 PSYNC <id> <offset + 1>                     or PSYNC ? -1
//! M: +CONTINUE [<id>] | +FULLRESYNC <id> <offset> | -NOMASTERLINK ... | -ERR ...
//! ```
//! While it has no answer yet, a master sends a newline each second, and the replica skips empty
//! lines. `-NOMASTERLINK` and `-LOADING` mean "later": nothing is forgotten. Any other error is
//! taken for a master from before `PSYNC`, and the replica says `SYNC` on the same connection.
//! See `handshake` and, on the master, `replconf`.
//!
//! # 3. The decision
//!
//! A replica at offset `o` asks for byte `o+1`. The master may continue if the replica's data is a
//! beginning of its own (its id; or its second id and `o` not past the second offset) and byte
//! `o+1` and all later ones are in the backlog. Both edges are legal: the oldest byte held, and the
//! one not written yet. [`psync::decide`] is this decision and nothing else.
//!
//! `+CONTINUE <id>` may name a new id: the replica takes it, and keeps its old one as its second,
//! valid up to where it stands.
//!
//! # 4. Full sync
//!
//! A snapshot of the dataset is taken at some offset, and the stream goes on with the byte after
//! it. `+FULLRESYNC` therefore is not sent when the replica asks, but when the snapshot *starts*,
//! with that moment's offset. Two replicas can share one only if both are told the same offset and
//! both get all bytes after it; see `snapshot`. From that moment on the master keeps the bytes the
//! replica will need: its cursor stands at the snapshot's offset.
//!
//! *By disk*: `$<length>\r\n`, the file, and the stream right behind it. *Diskless*: the length is
//! not known, so `$EOF:<40 bytes>\r\n`, the data, and the same 40 bytes. The end can only be
//! recognised if nothing follows, so the master waits for the first ack before the stream starts.
//! A diskless snapshot waits `repl-diskless-sync-delay` for more replicas, since none can join later.
//!
//! A snapshot forgets which database the stream has selected, so that the next write selects its
//! own. In a chain the middle node writes nothing of its own; there the snapshot carries the
//! selected database (`repl-stream-db`).
//!
//! The replica keeps its data, and its right to resume the old history, until all of the new
//! dataset is here, and kept: a disk that takes no file costs nothing. When loading begins it sends its own replicas away and drops its backlog: what
//! they follow has ended. After the load its id and offset are those of `+FULLRESYNC`.
//!
//! # 5. The stream
//!
//! ```text
//! *2 SELECT 3   *3 SET k v   *1 MULTI   *2 INCR a   *2 INCR b   *1 EXEC   *1 ping
//! ```
//! `SELECT` comes when the database changes, before `MULTI`. Pings each `repl-ping-replica-period`
//! are bytes like all others and count. An online replica is sent nothing but the stream: it
//! counts every byte it reads.
//!
//! The replica's offset moves when a command *has been applied*, and a transaction counts as one
//! command. Bytes received and not applied are dropped with the link; `PSYNC` brings them again.
//! The very same bytes then go into the replica's own backlog and to its own replicas: see `apply`.
//!
//! # 6. Acks and `WAIT`
//!
//! Each second, after a load, and when asked (`REPLCONF GETACK *` on the stream), a replica sends
//! `REPLCONF ACK <offset>`, which is never answered. The ack that answers a GETACK does not count
//! the GETACK itself. Acks tell the master who is alive (`repl-timeout`), who is good enough for
//! `min-replicas-to-write`, and how many have a write (`WAIT`).
//!
//! # 7. The backlog
//!
//! Kept from the first replica on, and by every replica. On a master without replicas it is freed
//! after `repl-backlog-ttl`, and the id goes with it: writes are not counted any more. All
//! replicas read from these same blocks through cursors; one that is too far behind is closed.
//!
//! # 8. Chains
//!
//! A sub-replica shares id and offset with the top master, because the bytes are passed on as they
//! are. A node without a link to its master takes no one in (`-NOMASTERLINK`); a node whose id
//! changes closes its replicas, which come back at once, learn the new id, and go on.
//!
//! # 9. Changes of role
//!
//! Promotion: second id = (id, offset), fresh id, forget the selected database. Siblings that are
//! not ahead follow by partial resync under the old id. Demotion: nothing but the right to resume
//! from oneself. `FAILOVER` is both at once, with the stream standing still in between.
//!
//! # 10. Restart
//!
//! The RDB file carries id, offset and selected database. A replica resumes from there. A master
//! takes a fresh id and the saved one as its second.
//!
//! # Order of calls
//!
//! [`Replication::restore`] once, first, if there is anything to restore. Then any call, each
//! followed by draining [`Replication::poll_output`] before anything else happens: an output such
//! as `StartSnapshot` speaks about this very moment. [`Replication::tick`] ten times a second.
//! After [`Replication::master_bytes`] (and `received`, `load_finished`): [`Replication::next_command`] and
//! [`Replication::applied`] in turns until there is none. Times never go back.
//!
//! Must never: do I/O, read a clock, wait, spawn, or roll dice. Ids come from the [`IdSource`].
//! Nothing that a peer sends may panic; the assertions are about the core's own books.

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
    MasterCommand, Output, ReplconfAnswer, SavedPosition, SnapshotContents, SnapshotPlan,
    SnapshotTarget, Write,
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
    identity_changes: u64,

    // Who we are: one dataset, described by id and offset.
    id: ReplicationId,
    second: Option<(ReplicationId, Offset)>,
    offset: Offset,
    /// Database selected at the end of the stream: of our own as a master (`None`: the next write
    /// selects), of the master's as a replica.
    stream_db: Option<u32>,
    /// Exists as long as there is a replica; its end is `offset`.
    backlog: Option<Backlog>,
    /// What the stream grew by since it was last shown to the probe, if there is one. A write
    /// larger than the backlog is nowhere else.
    unshown: Option<Vec<u8>>,

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
            identity_changes: 0,
            id,
            second: None,
            offset: Offset(0),
            stream_db: None,
            backlog: None,
            unshown: None,
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

    /// How often role, id, second id or offset have changed other than by the stream growing:
    /// tells a growth of the offset from a jump.
    pub fn identity_changes(&self) -> u64 {
        self.identity_changes
    }

    /// From now on keeps what the stream grows by for [`Replication::stream_since`].
    pub(crate) fn watch_stream(&mut self) {
        self.unshown = Some(Vec::new());
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
        self.identity_changes += 1;
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
