//! The replication protocol, as a state machine without I/O.
//!
//! (The essay goes here.)

pub mod id;

pub use id::{IdSource, NotAnId, Offset, ReplicationId};

use std::time::Duration;

use crate::env::LogLevel;
use crate::event::{Event, MasterLinkState, ReplicaState, Role};

/// A client connection of the node, by its client id. A replica is a client that sent `PSYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// One snapshot, from its start to its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotId(pub u64);

/// Time since the process started; the only clock that the core is told.
pub type Mono = Duration;

/// The directives that the core obeys. Names are those of redis.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationConfig {
    pub repl_ping_replica_period: Duration,
    pub repl_timeout: Duration,
    pub repl_backlog_size_bytes: u64,
    /// `None`: never freed (`repl-backlog-ttl 0`).
    pub repl_backlog_ttl: Option<Duration>,
    pub repl_diskless_sync: bool,
    pub repl_diskless_sync_delay: Duration,
    /// 0: no maximum.
    pub repl_diskless_sync_max_replicas: usize,
    pub min_replicas_to_write: usize,
    pub min_replicas_max_lag: Duration,
    pub replica_serve_stale_data: bool,
    pub masterauth: Option<Vec<u8>>,
    pub masteruser: Option<Vec<u8>>,
    /// `replica-announce-port`, or else the port listened on.
    pub announce_port: u16,
    pub announce_ip: Option<String>,
    /// `client-output-buffer-limit replica`: hard, soft (bytes; 0 none), soft seconds. The core
    /// raises the hard limit to at least `repl_backlog_size_bytes`, as Redis does.
    pub replica_hard_limit_bytes: u64,
    pub replica_soft_limit_bytes: u64,
    pub replica_soft_limit_time: Duration,
}

/// What the core wants done. Drained with [`Replication::poll_output`] right after every call,
/// before the dataset can change: `StartSnapshot` means *now*, at the core's current offset.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Append to the ordinary output buffer of a client connection (handshake replies,
    /// keepalive newlines). Stream bytes are not sent this way: see [`Replication::stream_chunk`].
    Reply {
        link: LinkId,
        bytes: Vec<u8>,
    },
    /// There are new stream bytes for this link (or it may send again): wake its writer.
    Wake(LinkId),
    /// Close a client connection (replica timed out, limit exceeded, history changed).
    CloseReplica {
        link: LinkId,
        reason: String,
    },
    /// Take a snapshot of the dataset at this very moment and start writing it.
    StartSnapshot(SnapshotPlan),
    /// No one waits for this snapshot any more: stop writing it.
    AbortSnapshot(SnapshotId),
    /// Send the finished snapshot file to this replica as `$<len>\r\n` and its bytes, then call
    /// [`Replication::snapshot_sent`].
    SendSnapshotFile {
        link: LinkId,
        snapshot: SnapshotId,
    },
    /// Connect to the master, then [`Replication::master_connected`] or
    /// [`Replication::master_closed`]. Any earlier connection or attempt is to be dropped.
    Connect {
        host: String,
        port: u16,
    },
    /// Drop the connection to the master, or the attempt. No `master_closed` call is wanted.
    Disconnect,
    /// Send to the master.
    ToMaster(Vec<u8>),
    /// A snapshot begins to arrive: make room for it (`length_bytes` is `None` for `$EOF:`).
    ReceiveBegin {
        length_bytes: Option<u64>,
    },
    /// The next bytes of the snapshot.
    ReceiveData(Vec<u8>),
    /// The snapshot is complete: load it, replacing the dataset only if all of it is sound, and
    /// call [`Replication::load_finished`].
    ReceiveEnd,
    /// Forget what was received (link lost, role changed).
    ReceiveAbort,
    /// A client blocked in `WAIT` is to be answered with `acked`.
    WaitDone {
        client: u64,
        target: Offset,
        acks: Vec<(u16, Offset)>,
        acked: usize,
    },
    /// `FAILOVER`: stop executing writes of clients (reads go on) / go on.
    PauseWrites,
    ResumeWrites,
    /// The role became replica: blocked clients get `-UNBLOCKED`.
    Demoted,
    /// The replica gave up applying the stream (protocol error): for the log and `INFO`.
    Log {
        level: LogLevel,
        text: String,
    },
    /// For the probe.
    Event(Event<'static>),
}

/// A snapshot to be taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPlan {
    pub id: SnapshotId,
    pub target: SnapshotTarget,
    /// What goes into the aux fields `repl-id`, `repl-offset`, `repl-stream-db`.
    pub position: SavedPosition,
}

/// Where a snapshot for replicas goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotTarget {
    /// To the RDB file, and from there to the replicas that wait.
    Disk,
    /// Straight to these replicas, as `$EOF:<mark>\r\n`, the bytes, and the mark again.
    Diskless { eof_mark: [u8; 40], links: Vec<LinkId> },
}

/// Id, offset and selected database that belong to a dataset: what an RDB file carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPosition {
    pub id: ReplicationId,
    pub offset: Offset,
    /// Database the stream has selected (`repl-stream-db`); `None` if the next write will
    /// bring its own `SELECT`.
    pub stream_db: Option<u32>,
}

/// One command from the master's stream, to be executed and then given back to
/// [`Replication::applied`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterCommand {
    /// The command and its arguments.
    pub args: Vec<bytes::Bytes>,
    /// Its length on the wire.
    pub raw_len: usize,
}

/// What a transaction or a single write adds to the stream.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Database it applies to; `SELECT` is written when it differs from the stream's.
    pub db: u32,
    /// Commands as they go on the wire, name first.
    pub commands: &'a [&'a [&'a [u8]]],
    /// Whether to wrap them in `MULTI` / `EXEC`.
    pub transaction: bool,
}

/// Answer to `REPLCONF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplconfAnswer {
    Ok,
    Nothing,
    Error(String),
}

/// The master end and the replica end of one node.
pub struct Replication {
    _todo: (),
}

/// See the module's text for the order of calls.
#[allow(clippy::todo, unused_variables, missing_docs, reason = "signatures first")]
impl Replication {
    pub fn new(config: ReplicationConfig, ids: IdSource) -> Self {
        todo!()
    }
    pub fn configure(&mut self, now: Mono, config: ReplicationConfig) {
        todo!()
    }
    pub fn config(&self) -> &ReplicationConfig {
        todo!()
    }
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    /// Ten times a second: reconnects, timeouts, pings, acks, keepalives, backlog TTL, failover.
    pub fn tick(&mut self, now: Mono) {
        todo!()
    }

    // --- start
    /// The node loaded an RDB file that carried a position, and starts in the role given by
    /// `replicaof`. Called once, before any other input. As a master: fresh id, the file's id
    /// becomes the second, the offset goes on from the file's; `backlog` is created. As a
    /// replica: the position becomes a cached master, so that a partial resync is asked for.
    pub fn restore(
        &mut self,
        now: Mono,
        position: Option<SavedPosition>,
        master: Option<(String, u16)>,
    ) {
        todo!()
    }

    // --- identity
    pub fn role(&self) -> Role {
        todo!()
    }
    pub fn id(&self) -> ReplicationId {
        todo!()
    }
    /// Second id and the last offset (inclusive) for which it may be used.
    pub fn second(&self) -> Option<(ReplicationId, Offset)> {
        todo!()
    }
    pub fn offset(&self) -> Offset {
        todo!()
    }
    pub fn master_address(&self) -> Option<(&str, u16)> {
        todo!()
    }
    pub fn master_link(&self) -> MasterLinkState {
        todo!()
    }
    /// What a snapshot taken now has to carry; `None` if there is nothing to resume from.
    pub fn saved_position(&self) -> Option<SavedPosition> {
        todo!()
    }

    // --- commands of operators
    pub fn replicaof(&mut self, now: Mono, host: &str, port: u16) {
        todo!()
    }
    pub fn replicaof_no_one(&mut self, now: Mono) {
        todo!()
    }
    /// `FAILOVER [TO host port [FORCE]] [TIMEOUT ms]`; the error is the text after `-`.
    pub fn failover(
        &mut self,
        now: Mono,
        to: Option<(&str, u16)>,
        force: bool,
        timeout: Option<Duration>,
    ) -> Result<(), String> {
        todo!()
    }
    pub fn failover_abort(&mut self, now: Mono) -> Result<(), String> {
        todo!()
    }
    /// Starts waiting: `Some(acked)` if already satisfied, else `WaitDone` comes later. `deadline` `None`: for ever.
    pub fn wait(
        &mut self,
        now: Mono,
        client: u64,
        target: Offset,
        replicas: usize,
        deadline: Option<Mono>,
    ) -> Option<(usize, Vec<(u16, Offset)>)> {
        todo!()
    }
    pub fn wait_cancel(&mut self, client: u64) {
        todo!()
    }
    /// Asks all replicas for an ack at once (`REPLCONF GETACK *` on the stream).
    pub fn request_acks(&mut self, now: Mono) {
        todo!()
    }
    /// Whether `min-replicas-to-write` is satisfied.
    pub fn good_replicas_suffice(&self) -> bool {
        todo!()
    }

    // --- the master's end
    pub fn replconf(&mut self, now: Mono, link: LinkId, args: &[&[u8]]) -> ReplconfAnswer {
        todo!()
    }
    /// `PSYNC id offset [FAILOVER]`. All replies go through outputs. `Err`: an error reply for the client.
    pub fn psync(
        &mut self,
        now: Mono,
        link: LinkId,
        peer_ip: &str,
        id: &[u8],
        offset: i64,
        failover: bool,
    ) -> Result<(), String> {
        todo!()
    }
    pub fn sync(&mut self, now: Mono, link: LinkId, peer_ip: &str) -> Result<(), String> {
        todo!()
    }
    pub fn is_replica(&self, link: LinkId) -> bool {
        todo!()
    }
    pub fn replica_closed(&mut self, now: Mono, link: LinkId) {
        todo!()
    }
    /// Any byte arrived from a replica (a newline while it loads): it is alive.
    pub fn replica_alive(&mut self, now: Mono, link: LinkId) {
        todo!()
    }
    /// Adds writes of this master to the stream. Free when there is neither replica nor backlog.
    pub fn write(&mut self, now: Mono, write: Write<'_>) {
        todo!()
    }
    /// Bytes of the stream to send on this link now; empty if none or not yet online.
    pub fn stream_chunk(&self, link: LinkId) -> &[u8] {
        todo!()
    }
    pub fn stream_sent(&mut self, now: Mono, link: LinkId, bytes: usize) {
        todo!()
    }
    /// The last bytes of the stream, for the probe: from `from` (exclusive) to the end.
    pub fn stream_since(&self, from: Offset) -> Vec<u8> {
        todo!()
    }

    // --- snapshots for replicas
    /// Another save (BGSAVE of a client) runs: no snapshot may be started until it is over.
    pub fn set_saver_busy(&mut self, now: Mono, busy: bool) {
        todo!()
    }
    pub fn snapshot_written(&mut self, now: Mono, id: SnapshotId, result: Result<u64, String>) {
        todo!()
    }
    /// All bytes of the snapshot (and mark) have been handed to the connection of this replica.
    pub fn snapshot_sent(&mut self, now: Mono, id: SnapshotId, link: LinkId) {
        todo!()
    }

    // --- the replica's end
    pub fn master_connected(&mut self, now: Mono) {
        todo!()
    }
    pub fn master_bytes(&mut self, now: Mono, bytes: &[u8]) {
        todo!()
    }
    pub fn master_closed(&mut self, now: Mono, reason: &str) {
        todo!()
    }
    pub fn load_finished(&mut self, now: Mono, result: Result<Option<u32>, String>) {
        todo!()
    }
    /// Next command of the stream, if a whole one is there. Execute it, then call `applied`.
    pub fn next_command(&mut self, now: Mono) -> Option<MasterCommand> {
        todo!()
    }
    pub fn applied(&mut self, now: Mono, command: &MasterCommand) {
        todo!()
    }

    // --- for INFO, ROLE, CLIENT LIST
    pub fn replicas(&self) -> Vec<ReplicaInfo> {
        todo!()
    }
}

/// A replica as `INFO replication` and `ROLE` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaInfo {
    pub link: LinkId,
    pub ip: String,
    pub port: u16,
    pub state: ReplicaState,
    pub acked: Offset,
    pub last_ack: Mono,
    pub pending_bytes: u64,
}
