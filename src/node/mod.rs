//! One node: keyspace, clients, roles and persistence, as a state machine without I/O.
//!
//! Data flows one way: bytes in, commands, the node, the replication core, actions, bytes out.
//! The shell (`crate::server`) reads and writes sockets and files and calls the methods here;
//! it decides nothing.
//!
//! Order of calls: after *every* call that takes `&mut self`, drain [`Node::poll_action`] until
//! `None`, performing each action in order.

use bytes::{Bytes, BytesMut};

use crate::config::Config;
use crate::env::{LogLine, Now, Peer};
use crate::event::Probe;
use crate::keyspace::{Keyspace, Snapshot};
use crate::replication::{LinkId, SavedPosition, SnapshotId};

/// A client connection. Never reused within one life of a process.
pub type ClientId = u64;

/// What the node wants its shell to do.
#[derive(Debug)]
pub enum Action {
    /// The connection has something to write (see [`Node::take_output`]), or may read again.
    Wake(ClientId),
    /// Drop the connection at once, whatever is unsent. (A polite close after the last reply is
    /// told by [`Output::close_after`].)
    Close(ClientId),
    /// Connect to the master; earlier connections and attempts are dropped. Answer with
    /// [`Node::master_connected`] or [`Node::master_closed`], quoting `attempt`.
    ConnectMaster { attempt: u64, host: String, port: u16 },
    /// Drop the connection (or attempt) to the master.
    DisconnectMaster,
    /// There is something to write to the master: [`Node::take_master_output`].
    WakeMaster,
    /// The shell's part of receiving a snapshot, in order; reading from the master waits for it.
    Receive(Receive),
    /// Write a snapshot to `path` (temporary file, fsync, rename, fsync of the folder), then call
    /// [`Node::save_finished`]. `delay_per_key` is `rdb-key-save-delay`.
    Save { job: u64, snapshot: SnapshotJob, dir: String, file: String },
    /// Stop the save `job`, remove its temporary file; no `save_finished` call is wanted.
    AbortSave { job: u64 },
    /// Send the RDB file `dir/file` (open it now: a later save may rename another over it) to the
    /// connection as `$<len>\r\n` + bytes, then call [`Node::transfer_finished`].
    SendFile { client: ClientId, snapshot: SnapshotId, dir: String, file: String },
    /// Send a snapshot straight to these connections, all with the same bytes, no faster than the
    /// slowest of those still there: `$EOF:<mark>\r\n`, the RDB bytes, the mark. Call
    /// [`Node::transfer_finished`] for each connection, and [`Node::stream_finished`] at the end.
    SendStream {
        job: u64,
        snapshot: SnapshotJob,
        id: SnapshotId,
        eof_mark: [u8; 40],
        clients: Vec<ClientId>,
    },
    /// Stop `SendStream`.
    AbortStream { job: u64 },
    /// Load the RDB file `dir/file` (start, `DEBUG RELOAD`), then call [`Node::loaded`].
    Load { job: u64, dir: String, file: String },
    /// Write `contents` over the file at `path` atomically (`CONFIG REWRITE`), then call
    /// [`Node::file_written`].
    WriteFile { job: u64, path: String, contents: String },
    /// Start or stop listening: the set of addresses changed (at start, `CONFIG SET port/bind`).
    Listen(Vec<crate::env::ListenAddr>),
    /// Write a log line.
    Log(LogLine),
    /// `DEBUG SLEEP`: the whole process stands still until this much time has passed; the shell
    /// calls nothing on the node before that.
    Sleep(std::time::Duration),
    /// End the process.
    Exit(i32),
}

/// Steps of receiving a snapshot from the master.
#[derive(Debug)]
pub enum Receive {
    /// `file`: collect into this temporary file (`repl-diskless-load disabled`), else load from memory as it comes.
    Begin { length_bytes: Option<u64>, dir: String, temp_file: String },
    /// Next bytes.
    Data(Bytes),
    /// Complete: fsync, rename over `dir/file`, fsync the folder, load it (see [`Node::load_chunk_hint`]),
    /// then [`Node::loaded`] with `job` 0.
    End { dir: String, temp_file: String, file: String },
    /// Forget it, remove the temporary file.
    Abort,
}

/// A snapshot with everything that goes into its file.
pub struct SnapshotJob {
    pub snapshot: Snapshot,
    pub position: Option<SavedPosition>,
    pub created_unix_ms: u64,
    pub used_memory_bytes: u64,
    pub checksum: bool,
    pub compress: bool,
    /// `rdb-key-save-delay`: time per key, to make a slow save (may be zero).
    pub delay_per_key: std::time::Duration,
}

impl std::fmt::Debug for SnapshotJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotJob").field("position", &self.position).finish_non_exhaustive()
    }
}

/// What a load brought.
pub struct LoadedData {
    pub keyspace: Keyspace,
    /// From the aux fields `repl-id`, `repl-offset`, `repl-stream-db`, if the file has them.
    pub position: Option<SavedPosition>,
    /// Keys in the file, and keys dropped because they had expired (a master drops them).
    pub keys: u64,
    pub expired: u64,
}

/// What a connection has to write now.
pub struct Output {
    /// Bytes to write.
    pub bytes: BytesMut,
    /// Close politely once they are written.
    pub close_after: bool,
}

/// One node.
pub struct Node {
    _todo: (),
}

#[allow(clippy::todo, unused_variables, missing_docs, reason = "signatures first")]
impl Node {
    /// `seed` feeds the node's own generators (replication ids, run id, `RANDOMKEY`, hash seed).
    /// `config_path` is the file to rewrite, if any.
    pub fn new(
        now: Now,
        config: Config,
        seed: [u8; 32],
        process_id: u32,
        probe: Option<Box<dyn Probe>>,
    ) -> Self {
        todo!()
    }
    /// First call: asks for `Load` of the RDB file; clients may connect meanwhile and get `-LOADING`.
    pub fn start(&mut self, now: Now) {
        todo!()
    }
    pub fn poll_action(&mut self) -> Option<Action> {
        todo!()
    }
    /// Cron; call every [`Node::tick_period`].
    pub fn tick(&mut self, now: Now) {
        todo!()
    }
    /// 1/hz, at most 100 ms.
    pub fn tick_period(&self) -> std::time::Duration {
        todo!()
    }
    /// SIGTERM / SIGINT.
    pub fn signal_shutdown(&mut self, now: Now, signal_name: &str) {
        todo!()
    }

    // --- connections
    /// A new connection; `Err` holds an error reply to write before closing (maxclients, protected mode).
    pub fn accept(&mut self, now: Now, peer: Peer) -> Result<ClientId, Bytes> {
        todo!()
    }
    /// Bytes arrived. The node takes what it can from the front of `input`; what stays is an
    /// incomplete command, or waits because the client is blocked or paused (then the shell
    /// calls again with the same buffer after a `Wake`). Whether to go on reading: [`Node::wants_input`].
    pub fn client_bytes(&mut self, now: Now, client: ClientId, input: &mut BytesMut) {
        todo!()
    }
    pub fn wants_input(&self, client: ClientId) -> bool {
        todo!()
    }
    /// What to write next (replies first, then, for an online replica, stream bytes, at most about
    /// 64 KiB). `None`: nothing now. A connection in a transfer yields nothing here until it is over.
    pub fn take_output(&mut self, now: Now, client: ClientId) -> Option<Output> {
        todo!()
    }
    /// This many bytes taken with `take_output` have reached the socket (for limits and stats).
    pub fn wrote(&mut self, now: Now, client: ClientId, bytes: usize) {
        todo!()
    }
    /// The connection is gone (peer closed, error, or after `Close`).
    pub fn client_closed(&mut self, now: Now, client: ClientId) {
        todo!()
    }

    // --- the link to the master
    pub fn master_connected(&mut self, now: Now, attempt: u64, peer: Peer) {
        todo!()
    }
    pub fn master_bytes(&mut self, now: Now, attempt: u64, bytes: &[u8]) {
        todo!()
    }
    pub fn master_closed(&mut self, now: Now, attempt: u64, reason: &str) {
        todo!()
    }
    pub fn take_master_output(&mut self) -> Option<BytesMut> {
        todo!()
    }

    // --- persistence
    pub fn save_finished(&mut self, now: Now, job: u64, result: Result<u64, String>) {
        todo!()
    }
    pub fn transfer_finished(&mut self, now: Now, snapshot: SnapshotId, client: ClientId) {
        todo!()
    }
    pub fn stream_finished(&mut self, now: Now, job: u64, result: Result<(), String>) {
        todo!()
    }
    /// `job` 0: the load of a full sync. `Err(None)`: there is no such file.
    pub fn loaded(&mut self, now: Now, job: u64, result: Result<LoadedData, LoadError>) {
        todo!()
    }
    /// A fresh keyspace to load into (same hash seed, databases and digest tracking), and whether expired
    /// keys are to be dropped (a master's start) or kept.
    pub fn load_target(&self) -> (Keyspace, bool) {
        todo!()
    }
    pub fn load_progress(&mut self, now: Now, loaded_bytes: u64, total_bytes: u64) {
        todo!()
    }
    pub fn file_written(&mut self, now: Now, job: u64, result: Result<(), String>) {
        todo!()
    }
    pub fn listening(&mut self, now: Now, result: Result<(), String>) {
        todo!()
    }
}

/// Why a load brought nothing. The data before is untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// It cannot be read, is truncated, corrupt or of a version or type unknown here.
    Refused(String),
}

#[allow(dead_code, reason = "used by the signatures only until the node is written")]
type Unused = LinkId;
