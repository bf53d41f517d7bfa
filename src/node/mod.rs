//! One node: keyspace, clients, roles and persistence, as a state machine without I/O.
//!
//! Data flows one way: bytes in, commands, the node, the replication core, actions, bytes out.
//! The shell (`crate::server`) reads and writes sockets and files and calls the methods here;
//! it decides nothing.
//!
//! Order of calls: after *every* call that takes `&mut self`, drain [`Node::poll_action`] until
//! `None`, performing each action in order.

mod acl;
mod actions;
mod blocking;
mod client;
mod clients;
mod connections;
mod cron;
mod directives;
mod dispatch;
mod effects;
mod expire;
mod flush;
mod load;
mod master;
mod memory;
mod notify;
mod output_limit;
mod persist;
mod probe;
mod pubsub;
mod receive;
mod settings;
mod shutdown;
mod stats;
mod timing;
mod transaction;
mod waiting;
mod watch;

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod persist_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod waiting_tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::acl::{self as users, Users};
use crate::command::Effects;
use crate::config::Config;
use crate::env::{LogLine, Now, Peer, Usage};
use crate::event::{Probe, ReplicaState};
use crate::keyspace::{AccessRules, Keyspace, Snapshot};
use crate::replication::{IdSource, LinkId, Replication, SavedPosition, SnapshotId};

pub(crate) use blocking::PauseKind;
pub(crate) use client::{Blocked, Client, Kind, MASTER, ReplyMode};
pub(crate) use dispatch::LOADING;
pub(crate) use load::Loading;
pub(crate) use persist::Purpose;
pub(crate) use pubsub::Topic;
pub(crate) use shutdown::ShutdownFlags;
pub use timing::Stopwatch;
pub(crate) use timing::{Histogram, Series};
pub(crate) use waiting::Ends;

/// A client connection. Never reused within one life of a process.
pub type ClientId = u64;

/// What the node wants its shell to do.
#[derive(Debug)]
pub enum Action {
    /// The connection has something to write (see [`Node::take_output`]), or may read again.
    Wake(ClientId),
    /// Drop the connection at once, whatever is unsent. (A polite close after the last reply is
    /// told by [`Output::Last`].)
    Close(ClientId),
    /// Connect to the master; earlier connections and attempts are dropped. Answer with
    /// [`Node::master_connected`] or [`Node::master_closed`], quoting `attempt`.
    ConnectMaster {
        /// Number of this attempt.
        attempt: u64,
        /// Host as configured.
        host: String,
        /// Port.
        port: u16,
    },
    /// Drop the connection (or attempt) to the master.
    DisconnectMaster,
    /// There is something to write to the master: [`Node::take_master_output`].
    WakeMaster,
    /// The shell's part of receiving a snapshot, in order; reading from the master waits for it.
    Receive(Receive),
    /// Write a snapshot to `path` (temporary file, fsync, rename, fsync of the folder), then call
    /// [`Node::save_finished`]. `delay_per_key` is `rdb-key-save-delay`.
    Save {
        /// Number of the job.
        job: u64,
        /// What to write.
        snapshot: SnapshotJob,
        /// Folder.
        dir: String,
        /// File name in it.
        file: String,
    },
    /// Stop the save `job`, remove its temporary file; no `save_finished` call is wanted.
    AbortSave {
        /// Number of the job.
        job: u64,
    },
    /// Send the RDB file `dir/file` (open it now: a later save may rename another over it) to the
    /// connection as `$<len>\r\n` + bytes, then call [`Node::transfer_finished`].
    SendFile {
        /// The replica's connection.
        client: ClientId,
        /// Quoted in `transfer_finished`.
        snapshot: SnapshotId,
        /// Folder.
        dir: String,
        /// File name in it.
        file: String,
    },
    /// Send a snapshot straight to these connections, all with the same bytes, no faster than the
    /// slowest of those still there: `$EOF:<mark>\r\n`, the RDB bytes, the mark. Call
    /// [`Node::transfer_finished`] for each connection, and [`Node::stream_finished`] at the end.
    SendStream {
        /// Number of the job.
        job: u64,
        /// What to send.
        snapshot: SnapshotJob,
        /// Quoted in `transfer_finished`.
        id: SnapshotId,
        /// The mark before and after the bytes.
        eof_mark: [u8; 40],
        /// The replicas' connections.
        clients: Vec<ClientId>,
    },
    /// Stop `SendStream`.
    AbortStream {
        /// Number of the job.
        job: u64,
    },
    /// Load the RDB file `dir/file` (start, `DEBUG RELOAD`), then call [`Node::loaded`].
    Load {
        /// Number of the job.
        job: u64,
        /// Folder.
        dir: String,
        /// File name in it.
        file: String,
    },
    /// Write `contents` over the file at `path` atomically (`CONFIG REWRITE`, `ACL SAVE`), then call
    /// [`Node::file_written`].
    WriteFile {
        /// Number of the job.
        job: u64,
        /// Path of the file.
        path: String,
        /// Its new text.
        contents: Vec<u8>,
    },
    /// Read the whole file at `path` (`aclfile`), then call [`Node::file_read`].
    ReadFile {
        /// Number of the job.
        job: u64,
        /// Path of the file.
        path: String,
    },
    /// Look whether `path` is a folder (`CONFIG SET dir`), then call [`Node::folder_checked`].
    CheckFolder {
        /// Number of the job.
        job: u64,
        /// Path of the folder.
        path: String,
    },
    /// Connections made from now on have this keepalive time (`CONFIG SET tcp-keepalive`).
    SetTcpKeepalive(Option<Duration>),
    /// Connections made from now on begin at this address (`CONFIG SET bind-source-addr`).
    SetSourceAddress(Option<String>),
    /// Start or stop listening: the set of addresses changed (at start, `CONFIG SET port/bind`).
    /// On failure all is as it was before. Each is answered, in order: [`Node::listening`].
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
    /// Collect into this temporary file, or (`repl-diskless-load`) load from memory as it comes.
    Begin {
        /// Length in bytes, if the master said so.
        length_bytes: Option<u64>,
        /// Folder.
        dir: String,
        /// Temporary file; empty: load from memory.
        temp_file: String,
    },
    /// Next bytes.
    Data(Bytes),
    /// Complete: [`Node::received`] when all of it is written, or what went wrong before.
    End,
    /// Fsync, rename over `dir/file`, fsync the folder, load it (see [`Node::load_target`]), then
    /// [`Node::loaded`] with `job` 0.
    Load {
        /// Folder.
        dir: String,
        /// Temporary file; empty: it is in memory.
        temp_file: String,
        /// File name to give it.
        file: String,
    },
    /// Forget it, remove the temporary file.
    Abort,
}

/// A snapshot with everything that goes into its file.
pub struct SnapshotJob {
    /// The frozen dataset.
    pub snapshot: Snapshot,
    /// Id, offset and database, if there is something to resume from.
    pub position: Option<SavedPosition>,
    /// Wall clock, ms since 1970 (aux field `ctime`).
    pub created_unix_ms: u64,
    /// Aux field `used-mem`.
    pub used_memory_bytes: u64,
    /// `rdbchecksum`.
    pub checksum: bool,
    /// `rdbcompression`.
    pub compress: bool,
    /// Whether accesses to keys go into the file, and the time of the snapshot.
    pub access: AccessRules,
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
    /// All data of the file.
    pub keyspace: Keyspace,
    /// From the aux fields `repl-id`, `repl-offset`, `repl-stream-db`, if the file has them.
    pub position: Option<SavedPosition>,
    /// Keys loaded.
    pub keys: u64,
    /// Keys dropped because they had expired.
    pub expired: u64,
    /// Keys skipped because there was nothing in them.
    pub empty: u64,
}

/// What [`Node::take_output`] has put into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Bytes to write.
    Bytes,
    /// Bytes to write (perhaps none); close politely once they are written.
    Last,
}

/// One node. See the module's text for the order of calls.
pub struct Node {
    pub(crate) config: Config,
    pub(crate) settings: settings::Settings,
    /// The file to rewrite: its path, and its text as last read or written.
    pub(crate) config_file: Option<(String, String)>,
    pub(crate) keyspace: Keyspace,
    pub(crate) replication: Replication,
    pub(crate) clients: clients::Clients,
    next_client: ClientId,
    pub(crate) monitors: BTreeSet<ClientId>,
    monitor_lines: Vec<(ClientId, String)>,
    pub(crate) pubsub: pubsub::PubSub,
    pub(crate) users: Users,
    pub(crate) acl_log: users::Log,
    acl_file: acl::AclFile,
    pub(crate) watches: watch::Watches,
    pub(crate) waiting: waiting::Waiting,
    pub(crate) pauses: blocking::Pauses,
    actions: VecDeque<Action>,
    pub(crate) effects: Effects,
    unit: effects::Unit,
    /// A command runs inside `EXEC`: it may not block.
    pub(crate) in_exec: bool,
    pub(crate) random: ChaCha8Rng,
    hash_seed: u64,
    pub(crate) master: master::MasterSide,
    pub(crate) persist: persist::Persist,
    pub(crate) shutdown: Option<shutdown::Shutdown>,
    /// `Exit` has been asked for.
    exiting: bool,
    /// The first load is over.
    started: bool,
    listening: bool,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    pub(crate) active_expire: bool,
    expire_db: u32,
    pub(crate) own_expires: expire::OwnExpires,
    pub(crate) stats: stats::Stats,
    pub(crate) memory: memory::Memory,
    pub(crate) rates: cron::Rates,
    pub(crate) run_id: String,
    pub(crate) process_id: u32,
    pub(crate) born: Now,
    pub(crate) timing: timing::Timing,
    probe: probe::Watcher,
    /// `CONFIG REWRITE` under way: job and new text.
    rewriting: Option<(u64, String)>,
    setting: directives::Setting,
}

impl Node {
    /// `seed` feeds the node's own generators (replication ids, run id, `RANDOMKEY`, hash seed).
    /// `config_file` is the path and the text of the file to rewrite, if there is one.
    pub fn new(
        now: Now,
        config: Config,
        config_file: Option<(String, String)>,
        seed: [u8; 32],
        process_id: u32,
        probe: Option<Box<dyn Probe>>,
    ) -> Self {
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut id_seed = [0; 32];
        random.fill_bytes(&mut id_seed);
        let mut run_id = [0; 20];
        random.fill_bytes(&mut run_id);
        let hash_seed = random.next_u64();
        let track_digest = probe.is_some();
        let users = users_of(&config);
        let mut keyspace = Keyspace::new(config.databases, hash_seed, track_digest);
        settings::configure_keyspace(&mut keyspace, &config);
        let ids = IdSource::seeded(id_seed);
        let mut replication = Replication::new(settings::replication_config(&config), ids);
        if probe.is_some() {
            replication.watch_stream();
        }
        Self {
            settings: settings::Settings::read(&config),
            config_file,
            keyspace,
            replication,
            config,
            clients: clients::Clients::default(),
            next_client: MASTER + 1,
            monitors: BTreeSet::new(),
            monitor_lines: Vec::new(),
            pubsub: pubsub::PubSub::default(),
            users,
            acl_log: users::Log::default(),
            acl_file: acl::AclFile::default(),
            watches: watch::Watches::default(),
            waiting: waiting::Waiting::default(),
            pauses: blocking::Pauses::default(),
            actions: VecDeque::new(),
            effects: Effects::default(),
            unit: effects::Unit::default(),
            in_exec: false,
            random,
            hash_seed,
            master: master::MasterSide::default(),
            persist: persist::Persist::new(now),
            shutdown: None,
            exiting: false,
            started: false,
            listening: false,
            active_expire: true,
            expire_db: 0,
            own_expires: expire::OwnExpires::default(),
            stats: stats::Stats::default(),
            memory: memory::Memory::default(),
            rates: cron::Rates::default(),
            run_id: run_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            process_id,
            born: now,
            timing: timing::Timing::default(),
            probe: probe::Watcher::new(probe),
            rewriting: None,
            setting: directives::Setting::default(),
        }
    }

    /// First call: asks for `Listen`, and when that is done for `Load` of the RDB file. Clients
    /// may connect meanwhile and get `-LOADING`.
    pub fn start(&mut self, now: Now) {
        if self.settings.listen.is_empty() {
            self.log_warning("Configured to not listen anywhere, exiting.".into());
            self.exit(now, 1);
            return;
        }
        if self.start_with_acl_file(now) || self.exiting {
            return;
        }
        self.go_on_starting(now);
    }

    /// The users are known.
    fn go_on_starting(&mut self, now: Now) {
        self.actions.push_back(Action::Listen(self.settings.listen.clone()));
        self.begin_startup_load(now);
    }

    /// What the process takes of its machine, for `INFO`; told at every tick.
    pub fn set_usage(&mut self, usage: Usage) {
        self.note_usage(usage);
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Cron; call every [`Node::tick_period`].
    pub fn tick(&mut self, now: Now) {
        self.run_cron(now);
    }

    /// 1/hz, at most 100 ms.
    pub fn tick_period(&self) -> Duration {
        self.settings.tick_period
    }

    /// SIGTERM or SIGINT: a shutdown as `shutdown-on-sigterm` and `shutdown-on-sigint` say.
    pub fn signal_shutdown(&mut self, now: Now, signal_name: &str) {
        self.log_warning(format!("Received {signal_name} scheduling shutdown..."));
        let configured = match signal_name {
            "SIGINT" => self.config.shutdown_on_sigint,
            _ => self.config.shutdown_on_sigterm,
        };
        let flags = ShutdownFlags {
            save: configured.save == Some(true),
            // What is still being loaded is no state to save.
            nosave: configured.save == Some(false) || self.load_is_running(),
            now: configured.now,
            force: configured.force,
        };
        self.begin_shutdown(now, None, flags);
    }

    // --- connections

    /// A new connection; `Err` holds an error reply to write before closing (maxclients,
    /// protected mode).
    pub fn accept(&mut self, now: Now, peer: Peer) -> Result<ClientId, Bytes> {
        self.accept_client(now, peer)
    }

    /// Bytes arrived. The node takes what it can from the front of `input`; what stays is an
    /// incomplete command, or waits because the client is blocked or paused (then the shell
    /// calls again with the same buffer after a `Wake`). What it answers is for [`Node::take_output`],
    /// without a `Wake`. Whether to go on reading: [`Node::wants_input`].
    pub fn client_bytes(&mut self, now: Now, client: ClientId, input: &mut BytesMut) {
        self.read_client(now, client, input);
    }

    /// Whether more bytes of this client may be read.
    pub fn wants_input(&self, client: ClientId) -> bool {
        self.client_wants_input(client)
    }

    /// Puts into `bytes`, which is empty, what to write next: replies first, then, for an online
    /// replica, stream bytes, at most about 64 KiB. `None`: nothing now, or what was handed out last
    /// has not been written. A connection in a transfer yields what it was owed before, then nothing
    /// until it is over. The room of `bytes` is used for the replies to come.
    pub fn take_output(&mut self, client: ClientId, bytes: &mut BytesMut) -> Option<Output> {
        self.hand_out(client, bytes)
    }

    /// This many bytes taken with `take_output` have reached the socket (for limits and stats).
    pub fn wrote(&mut self, now: Now, client: ClientId, bytes: usize) {
        self.note_written(now, client, bytes);
    }

    /// The connection is gone (peer closed, error, or after `Close`).
    pub fn client_closed(&mut self, now: Now, client: ClientId) {
        self.forget_client(now, client);
    }

    // --- the link to the master

    /// The connection asked for by `ConnectMaster` stands.
    pub fn master_connected(&mut self, now: Now, attempt: u64, peer: Peer) {
        self.link_connected(now, attempt, peer);
    }

    /// Bytes from the master.
    pub fn master_bytes(&mut self, now: Now, attempt: u64, bytes: &[u8]) {
        self.link_bytes(now, attempt, bytes);
    }

    /// The connection to the master is lost, or could not be made.
    pub fn master_closed(&mut self, now: Now, attempt: u64, reason: &str) {
        self.link_closed(now, attempt, reason);
    }

    /// What to write to the master next.
    pub fn take_master_output(&mut self) -> Option<BytesMut> {
        let bytes = self.master.output.split();
        (!bytes.is_empty()).then_some(bytes)
    }

    // --- persistence

    /// A `Save` is over: the size of the file in bytes, or why it failed.
    pub fn save_finished(&mut self, now: Now, job: u64, result: Result<u64, String>) {
        self.save_is_over(now, job, result);
    }

    /// So many more keys of a snapshot have been written or sent, for `INFO persistence`.
    pub fn snapshot_progress(&mut self, job: u64, keys: u64) {
        self.count_snapshot_keys(job, keys);
    }

    /// All bytes of a snapshot have been handed to this connection.
    pub fn transfer_finished(&mut self, now: Now, snapshot: SnapshotId, client: ClientId) {
        self.one_transfer_over(now, snapshot, client);
    }

    /// This connection takes no more bytes of its snapshot for now, and has taken the last one
    /// just now.
    pub fn transfer_stalled(&mut self, now: Now, client: ClientId) {
        self.replication.transfer_stalled(now.mono, LinkId(client));
    }

    /// It took the rest of what it was last given.
    pub fn transfer_flows(&mut self, client: ClientId) {
        self.replication.transfer_flows(LinkId(client));
    }

    /// A `SendStream` is over: the number of replicas still there at its end, or why it failed.
    pub fn stream_finished(&mut self, now: Now, job: u64, result: Result<usize, String>) {
        self.stream_is_over(now, job, result);
    }

    /// A part of what is being received has been written or decoded.
    pub fn receiving(&mut self, now: Now) {
        self.receive_goes_on(now);
    }

    /// What was to be received is written, or could not be.
    pub fn received(&mut self, now: Now, result: Result<(), LoadError>) {
        self.receive_is_over(now, result);
    }

    /// A load is over; `job` 0: the load of a full sync.
    pub fn loaded(&mut self, now: Now, job: u64, result: Result<LoadedData, LoadError>) {
        self.load_is_over(now, job, result);
    }

    /// A fresh keyspace to load into (same hash seed, databases and digest tracking), and whether
    /// expired keys are to be dropped. They never are: a master removes them after the load, so
    /// that its replicas are told.
    pub fn load_target(&self) -> (Keyspace, bool) {
        (self.empty_keyspace(), false)
    }

    /// `key-load-delay`: time per key, to make a slow load (may be zero).
    pub fn load_delay_per_key(&self) -> Duration {
        self.settings.key_load_delay
    }

    /// How far a load is, for `INFO persistence`.
    pub fn load_progress(&mut self, _now: Now, loaded_bytes: u64, total_bytes: u64) {
        if let Some(load) = &mut self.persist.load {
            load.loaded_bytes = loaded_bytes;
            load.total_bytes = total_bytes;
        }
    }

    /// A `WriteFile` is over.
    pub fn file_written(&mut self, now: Now, job: u64, result: Result<(), String>) {
        if !self.acl_file_is_written(job, &result) {
            self.rewrite_is_over(now, job, result);
        }
    }

    /// A `ReadFile` is over: the contents, or why there are none.
    pub fn file_read(&mut self, now: Now, job: u64, result: Result<Vec<u8>, String>) {
        self.acl_file_is_read(now, job, result);
    }

    /// A `Listen` is over. At start, failing ends the process; later, the `CONFIG SET` that
    /// asked for it has failed, and its directives are what they were.
    pub fn listening(&mut self, now: Now, result: Result<(), String>) {
        if self.listening {
            self.listen_is_over(now, result);
            return;
        }
        match result {
            Ok(()) => {
                self.listening = true;
                // Scripts wait for it, and then connect.
                self.log_warning(format!("Process PID: {}", self.process_id));
                self.log_warning("Server initialized".into());
                self.read_startup_file();
            }
            Err(error) => {
                let port = self.config.port;
                self.log_warning(format!(
                    "Failed listening on port {port} (TCP), aborting. {error}"
                ));
                self.exit(now, 1);
            }
        }
    }

    /// A `CheckFolder` is over.
    pub fn folder_checked(&mut self, now: Now, job: u64, result: Result<(), String>) {
        self.folder_is_checked(now, job, result);
    }
}

/// The users of a configuration. What a file says about them has been checked when it was read.
fn users_of(config: &Config) -> Users {
    let all_channels = config.new_users_have_all_channels();
    let mut users = Users::new(config.requirepass.as_deref().map(str::as_bytes), all_channels);
    for line in &config.user_lines {
        let words: Vec<&[u8]> = line.iter().map(String::as_bytes).collect();
        if let [name, rules @ ..] = &words[..] {
            let _checked = users.define(name, rules);
        }
    }
    users
}

/// `state=` of a replica in `INFO replication` (replication.c `replstateToString`).
pub(crate) fn replica_state_name(state: ReplicaState) -> &'static str {
    match state {
        ReplicaState::WaitStart | ReplicaState::WaitEnd => "wait_bgsave",
        ReplicaState::Sending => "send_bulk",
        ReplicaState::AwaitAck | ReplicaState::Online => "online",
        ReplicaState::Gone => "gone",
    }
}

/// Why a load brought nothing. The data before is untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// There is no such file.
    Missing,
    /// It cannot be kept or read, is truncated, corrupt or of a version or type unknown here.
    Refused(String),
}

impl LoadError {
    /// The reason, in words.
    pub fn text(&self) -> &str {
        match self {
            Self::Missing => "there is no such file",
            Self::Refused(text) => text,
        }
    }
}
