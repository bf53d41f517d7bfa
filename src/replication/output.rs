//! What goes in and out of the core: orders to the node, snapshots, commands, writes.
//!
//! Must never: carry behaviour.

use std::ops::Range;

use smallvec::SmallVec;

use crate::env::LogLevel;
use crate::event::Event;

use super::{LinkId, Offset, ReplicationId, SnapshotId};

/// What the core wants done. Drained with [`Replication::poll_output`](super::Replication::poll_output)
/// right after every call, before the dataset can change: `StartSnapshot` means *now*, at the
/// core's current offset.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Append to the ordinary output buffer of a client connection (handshake replies,
    /// keepalive newlines). Stream bytes are not sent this way: see
    /// [`Replication::stream_chunk`](super::Replication::stream_chunk).
    Reply {
        /// The connection.
        link: LinkId,
        /// The bytes, whole lines.
        bytes: Vec<u8>,
    },
    /// There are new stream bytes for this link (or it may send again): wake its writer, which
    /// then sends until `stream_chunk` is empty.
    Wake(LinkId),
    /// Close a client connection (replica timed out, limit exceeded, history changed).
    CloseReplica {
        /// The connection; it is no replica any more.
        link: LinkId,
        /// Why, for the log.
        reason: String,
    },
    /// Take a snapshot of the dataset at this very moment and start writing it.
    StartSnapshot(SnapshotPlan),
    /// No one waits for this snapshot any more: stop writing it.
    AbortSnapshot(SnapshotId),
    /// Send the finished snapshot file to this replica as `$<len>\r\n` and its bytes, then call
    /// [`Replication::snapshot_sent`](super::Replication::snapshot_sent).
    SendSnapshotFile {
        /// The connection.
        link: LinkId,
        /// The snapshot whose file it is.
        snapshot: SnapshotId,
    },
    /// Connect to the master, then [`Replication::master_connected`](super::Replication::master_connected) or
    /// [`Replication::master_closed`](super::Replication::master_closed). Any earlier connection
    /// or attempt is to be dropped.
    Connect {
        /// Host as configured.
        host: String,
        /// Port.
        port: u16,
    },
    /// Drop the connection to the master, or the attempt. No `master_closed` call is wanted.
    Disconnect,
    /// Send to the master.
    ToMaster(Vec<u8>),
    /// A snapshot begins to arrive: make room for it (`length_bytes` is `None` for `$EOF:`).
    ReceiveBegin {
        /// Its length, where the master knows it beforehand.
        length_bytes: Option<u64>,
        /// Whether it has our own replication id: the dataset here is an earlier state of it.
        same_history: bool,
    },
    /// The next bytes of the snapshot.
    ReceiveData(Vec<u8>),
    /// The snapshot is complete: call [`Replication::received`](super::Replication::received) when
    /// all of it is kept, or it is known that it cannot be.
    ReceiveEnd,
    /// Load what was received, replacing the dataset only if all of it is sound, and call
    /// [`Replication::load_finished`](super::Replication::load_finished).
    Load,
    /// Forget what was received, stop loading it (link lost, role changed). No `received` or
    /// `load_finished` call is wanted.
    ReceiveAbort,
    /// A client blocked in `WAIT` is to be answered with `acked`.
    WaitDone {
        /// The client.
        client: u64,
        /// The offset that had to be reached.
        target: Offset,
        /// Port and ack of each replica counted.
        acks: Vec<(u16, Offset)>,
        /// Their number: the reply.
        acked: usize,
    },
    /// `FAILOVER`: stop executing writes of clients (reads go on).
    PauseWrites,
    /// Go on executing writes.
    ResumeWrites,
    /// The role became replica: blocked clients get `-UNBLOCKED`.
    Demoted,
    /// A line for the log.
    Log {
        /// Its level.
        level: LogLevel,
        /// The text, without a newline.
        text: String,
    },
    /// For the probe.
    Event(Event<'static>),
}

/// A snapshot to be taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Its name in later calls.
    pub id: SnapshotId,
    /// Where it goes.
    pub target: SnapshotTarget,
    /// What goes into the aux fields `repl-id`, `repl-offset`, `repl-stream-db`.
    pub position: SavedPosition,
    /// What goes into it.
    pub contents: SnapshotContents,
}

/// What a snapshot holds: everything, but for one who asked for less with
/// `REPLCONF rdb-filter-only` (`redis-cli --functions-rdb`, and `--replica`, which wants none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotContents {
    /// The keys of all databases.
    pub keys: bool,
    /// The libraries of functions.
    pub functions: bool,
}

impl SnapshotContents {
    /// Nothing is left out.
    pub const ALL: SnapshotContents = SnapshotContents { keys: true, functions: true };
}

impl Default for SnapshotContents {
    fn default() -> Self {
        Self::ALL
    }
}

/// Where a snapshot for replicas goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotTarget {
    /// To the RDB file, and from there to the replicas that wait.
    Disk,
    /// Straight to these replicas, as `$EOF:<mark>\r\n`, the bytes, and the mark again.
    Diskless {
        /// 40 bytes that do not occur in the snapshot, but for bad luck of one in 2^160.
        eof_mark: [u8; 40],
        /// The replicas.
        links: Vec<LinkId>,
    },
}

/// Id, offset and selected database that belong to a dataset: what an RDB file carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPosition {
    /// Replication id of the dataset.
    pub id: ReplicationId,
    /// Its offset.
    pub offset: Offset,
    /// Database the stream has selected (`repl-stream-db`); `None` if the next write will
    /// bring its own `SELECT`.
    pub stream_db: Option<u32>,
}

/// One command from the master's stream, to be executed and then given back to
/// [`Replication::applied`](super::Replication::applied).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterCommand {
    /// Its bytes in the stream, with any empty lines before it.
    pub(super) raw: bytes::Bytes,
    /// Where its arguments stand among them, name first.
    pub(super) args: SmallVec<[Range<usize>; 4]>,
}

impl MasterCommand {
    /// Whether the command has this name.
    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        let own = self.args.first().map(|range| &self.raw[range.clone()]);
        own.is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// The command and its arguments.
    pub fn args(&self) -> SmallVec<[&[u8]; 8]> {
        self.args.iter().map(|range| &self.raw[range.clone()]).collect()
    }
}

/// What a transaction or a single write adds to the stream.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Database it applies to; `SELECT` is written when it differs from the stream's.
    pub db: u32,
    /// Commands as they go on the wire, name first. A `SELECT n` among them (a transaction over
    /// several databases) is taken note of.
    pub commands: &'a [&'a [&'a [u8]]],
    /// Whether to wrap them in `MULTI` / `EXEC`.
    pub transaction: bool,
}

/// Answer to `REPLCONF`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplconfAnswer {
    /// `+OK`.
    Ok,
    /// No reply at all (`ACK`, `GETACK`).
    Nothing,
    /// An error reply: the text after `-`.
    Error(String),
}
