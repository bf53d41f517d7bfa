//! What a node tells whoever watches it: typed events, in the words of the protocol.
//!
//! A [`Probe`] sees every change of replication state and data at the moment it happens. The
//! simulator's invariants and traces are built on nothing else; on real TCP there is no probe
//! and no event is built. Events describe facts ("this was written", "that was answered"),
//! never opinions: a checker that judged by what the node believes could not find its errors.
//!
//! Must never: influence the node. A probe takes `&Event` and returns nothing.

use std::borrow::Cow;

use crate::config::Config;
use crate::env::Now;
use crate::replication::{LinkId, Offset, ReplicationId};

/// Receives the events of one node, in the order in which they happen.
pub trait Probe {
    /// One event. `now` is the time at which the node handled the input that caused it.
    fn record(&mut self, now: Now, event: &Event<'_>);
}

/// The rolling digest of a whole dataset (keys, values, expiry times, database numbers).
///
/// It is not Redis's `DEBUG DIGEST`; it is updated in constant time at every change and
/// compared only between nodes of this project, all with the same algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Digest(pub u64);

/// Master or replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Accepts writes; source of a stream.
    Master,
    /// Follows another node.
    Replica,
}

/// Where bytes of the stream came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This node, as a master, wrote them.
    Written,
    /// They came from the master and were applied here.
    Applied,
}

/// Where a dataset was loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadSource {
    /// The node's own RDB file, at start or by `DEBUG RELOAD`.
    File,
    /// A full sync.
    Master,
}

/// Why a master refused a partial resync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FullReason {
    /// `PSYNC ? -1` or `SYNC`: it was not asked for.
    NotAsked,
    /// The id is neither ours nor our second one.
    UnknownId,
    /// The id is our second one, but the offset lies past the second offset.
    PastSecondOffset,
    /// There is no backlog.
    NoBacklog,
    /// The first byte asked for has already left the backlog.
    TooOld,
    /// The first byte asked for lies past the end of the stream.
    TooNew,
}

/// What a master answered to `PSYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PsyncAnswer {
    /// `+CONTINUE`: the stream goes on after `from` (the replica has bytes up to and including `from`).
    Continue {
        /// The id the replica is to use from now on.
        id: ReplicationId,
        /// The replica's offset.
        from: Offset,
    },
    /// A full sync was scheduled.
    Full(FullReason),
    /// `-NOMASTERLINK` or another error: nothing was scheduled.
    Refused,
}

/// State of the link of a replica, as its master sees it (`state=` in `INFO replication`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaState {
    /// Waits for a snapshot to be started.
    WaitStart,
    /// A snapshot that will serve it is being written.
    WaitEnd,
    /// The snapshot is being sent.
    Sending,
    /// The snapshot has been sent; the stream waits for the first ack (diskless transfers).
    AwaitAck,
    /// Receives the stream.
    Online,
    /// Gone.
    Gone,
}

/// State of the link to the master, as the replica sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MasterLinkState {
    /// No master configured.
    None,
    /// Will connect at the next opportunity.
    Connect,
    /// TCP connect under way.
    Connecting,
    /// Handshake, up to the answer to `PSYNC`.
    Handshake,
    /// Receiving a snapshot.
    Transfer,
    /// Loading a received snapshot.
    Loading,
    /// Following the stream.
    Connected,
}

/// One fact. Byte slices are borrowed from the node and valid only during the call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The process is up and has loaded what it could. First event of every life of a node.
    Started {
        /// Role by configuration.
        role: Role,
        /// Replication id.
        id: ReplicationId,
        /// Second id and the offset up to which (inclusive) it is valid for this node's history.
        second: Option<(ReplicationId, Offset)>,
        /// Offset of the dataset.
        offset: Offset,
        /// What the RDB file said about id and offset, when one was loaded and said so.
        restored: Option<(ReplicationId, Offset)>,
        /// Whether an RDB file was loaded.
        loaded: bool,
        /// Dataset digest.
        digest: Digest,
    },
    /// Role, id, second id or offset changed other than by the stream growing.
    Identity {
        /// Role from now on.
        role: Role,
        /// Replication id from now on.
        id: ReplicationId,
        /// Second id and last offset (inclusive) it is valid for.
        second: Option<(ReplicationId, Offset)>,
        /// Offset from now on.
        offset: Offset,
        /// What happened: `promoted`, `demoted`, `full-sync`, `continue-new-id`,
        /// `backlog-created`, `backlog-expired`.
        cause: &'static str,
    },
    /// The stream of this node grew by `bytes`, which end at `offset`; the dataset now is `digest`.
    StreamAdvanced {
        /// Replication id under which they were written or applied.
        id: ReplicationId,
        /// Offset after the last of `bytes`.
        offset: Offset,
        /// The bytes, exactly as they stand on the wire.
        bytes: &'a [u8],
        /// Dataset digest after them.
        digest: Digest,
        /// Written here or applied from the master.
        origin: Origin,
    },
    /// The dataset changed without the stream growing (no replica and no backlog yet).
    DatasetChanged {
        /// Dataset digest.
        digest: Digest,
    },
    /// A replica's `PSYNC` (or `SYNC`) was answered.
    PsyncAnswered {
        /// The replica's connection.
        link: LinkId,
        /// Listening port the replica announced, 0 if it did not.
        port: u16,
        /// Address of the replica's end of the connection (ip only).
        ip: Cow<'a, str>,
        /// Id it asked for; `None` for `?` or `SYNC`.
        asked_id: Option<ReplicationId>,
        /// First byte it wants (its offset plus one), or -1.
        asked_offset: i64,
        /// The answer.
        answer: PsyncAnswer,
        /// Bytes in the backlog: first offset held and number of bytes held; `None` without one.
        backlog: Option<(Offset, u64)>,
    },
    /// A point-in-time snapshot was taken.
    SnapshotTaken {
        /// Replication id it carries, if any.
        id: Option<ReplicationId>,
        /// Offset it carries.
        offset: Offset,
        /// Dataset digest.
        digest: Digest,
        /// Number of replicas it will serve; 0 for a plain save.
        replicas: usize,
        /// Whether it goes to a file.
        disk: bool,
    },
    /// A snapshot is safely on disk under its final name.
    SnapshotSaved {
        /// Dataset digest of the snapshot.
        digest: Digest,
        /// Size of the file.
        bytes: u64,
    },
    /// A snapshot could not be written or sent.
    SnapshotFailed {
        /// Why.
        error: Cow<'a, str>,
        /// It was for a file, and no client waited for it: writes are refused until a save
        /// succeeds (`stop-writes-on-bgsave-error`).
        in_background: bool,
    },
    /// A dataset was loaded and replaced the one before.
    Loaded {
        /// From where.
        source: LoadSource,
        /// Id in the file (or of the full sync).
        id: Option<ReplicationId>,
        /// Offset in the file (or of the full sync).
        offset: Option<Offset>,
        /// Dataset digest.
        digest: Digest,
    },
    /// A load was refused; the data before is untouched.
    LoadFailed {
        /// Why.
        error: Cow<'a, str>,
    },
    /// The state of a replica's link changed, as its master sees it.
    Replica {
        /// The replica's connection.
        link: LinkId,
        /// Listening port the replica announced.
        port: u16,
        /// Its state now.
        state: ReplicaState,
    },
    /// The state of the link to the master changed, as the replica sees it.
    MasterLink {
        /// Host of the master.
        host: Cow<'a, str>,
        /// Port of the master.
        port: u16,
        /// State now.
        state: MasterLinkState,
        /// Why, in a few words, where there is a reason.
        reason: Cow<'a, str>,
    },
    /// The replica acknowledged its offset to its master.
    AckSent {
        /// The offset.
        offset: Offset,
    },
    /// A master took note of an ack.
    AckReceived {
        /// The replica's connection.
        link: LinkId,
        /// Listening port the replica announced.
        port: u16,
        /// The offset.
        offset: Offset,
    },
    /// A master heard from a replica without an ack that counts: a newline, by which it shows while
    /// it loads that it is alive, or an offset that the master has yet to reach.
    SignOfLife {
        /// The replica's connection.
        link: LinkId,
        /// Listening port the replica announced.
        port: u16,
    },
    /// A replica was sent a newline by its master, which shows that a snapshot is being made for it.
    MasterSignOfLife,
    /// A client's command was executed (or refused) and answered with `reply`. Not emitted for
    /// commands that came from the master. It comes before the [`Event::StreamAdvanced`] or
    /// [`Event::DatasetChanged`] that follows from it, and so does [`Event::KeyExpired`].
    Executed {
        /// The client's connection.
        client: u64,
        /// Selected database when the command began.
        db: u32,
        /// The command, name first, as typed.
        args: &'a [&'a [u8]],
        /// The reply as RESP. `+QUEUED` for a command inside `MULTI`; empty if the client blocks.
        reply: &'a [u8],
        /// Whether the client had authenticated (or no password is set).
        authenticated: bool,
    },
    /// `WAIT` was answered.
    WaitAnswered {
        /// The client's connection.
        client: u64,
        /// The offset that had to be reached.
        target: Offset,
        /// The number that was answered.
        counted: usize,
        /// Listening port and ack of each replica that was counted.
        acks: &'a [(u16, Offset)],
    },
    /// An expired key was removed by this node itself (never on a replica).
    KeyExpired {
        /// Database.
        db: u32,
        /// Key.
        key: &'a [u8],
        /// Its deadline, ms since 1970.
        deadline_ms: u64,
    },
    /// `CONFIG SET` changed directives. It comes before the [`Event::Executed`] of that command, or
    /// after it where the world had to be asked first (`dir`).
    Configured {
        /// The configuration from now on.
        config: &'a Config,
        /// What changed, with the new values as `CONFIG GET` shows them.
        changed: &'a [(&'static str, String)],
    },
    /// `CONFIG REWRITE` has come to its end, and is answered now; the [`Event::Executed`] of it came
    /// when it began, with an empty reply.
    ConfigRewritten {
        /// Whether the file holds what the last one to begin made of it. `false`: it failed, or
        /// another one is under way.
        kept: bool,
    },
    /// Sizes of what grows, reported at every tick.
    Buffers {
        /// Bytes in the backlog that may answer a `PSYNC`.
        backlog_bytes: u64,
        /// `repl-backlog-size`.
        backlog_limit_bytes: u64,
        /// Bytes of the stream kept in memory, for the backlog or for a slow replica.
        held_bytes: u64,
        /// Largest number of stream bytes some replica has not yet been sent.
        replica_pending_bytes: u64,
        /// Hard limit for that (0: none).
        replica_limit_bytes: u64,
        /// Bytes of replies waiting for ordinary clients.
        client_output_bytes: u64,
        /// Clients that have yet to be answered to their `WAIT`.
        in_wait: &'a [u64],
        /// Clients whose next command is held back by a pause.
        held_back: usize,
    },
    /// A rare state was reached ("sometimes" mark), by name.
    Mark(&'static str),
    /// The process is about to end by its own will (`SHUTDOWN`, a signal, a fatal error).
    Exiting {
        /// Exit code.
        code: i32,
    },
}
