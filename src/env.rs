//! The door between the node and the world it runs in.
//!
//! Everything the node cannot compute for itself comes through [`Env`]: connections, files,
//! the wall clock, randomness, work done beside the event loop, and the place where log lines
//! go. There are two implementations: `server::tokio_env::TokioEnv` (real TCP, real files) and
//! the simulator's `SimEnv` (turmoil's network and disk, seeded randomness). The node is the
//! same code in both, generic over this trait.
//!
//! What is *not* here, and why: sleeping and spawning. `tokio::time`'s timers and
//! `tokio::task::spawn_local` work unchanged under turmoil, which gives every simulated host a
//! current-thread runtime with a paused clock of its own.
//!
//! This module must never grow a decision: an `Env` moves bytes and tells the time.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

/// The two clocks of a node, read together before every input is handled.
///
/// The replication core and the keyspace never read a clock; they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Time since the process started. Never goes back; all timeouts are measured with it.
    pub mono: Duration,
    /// Wall clock in milliseconds since 1970. May jump; only key expiry and `ctime` use it.
    pub unix_ms: u64,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// A TCP address, host and port as in `bind` and `port`.
    Tcp {
        /// IP address or host name.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A unix socket (`unixsocket`, `unixsocketperm`).
    Unix {
        /// Path of the socket.
        path: String,
        /// Permission bits, if configured.
        mode: Option<u32>,
    },
}

/// Who is at the other end of an accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// `ip:port` of the peer, or the path of the unix socket and `:0`, as `CLIENT LIST` prints it.
    pub addr: String,
    /// `ip:port` of this end.
    pub laddr: String,
    /// IP address of the peer alone; what `INFO replication` shows for a replica.
    pub ip: String,
    /// Whether the peer is on this machine (protected mode lets it in).
    pub loopback: bool,
    /// Whether it came through a unix socket.
    pub unix: bool,
}

/// A listening socket.
pub trait Listener: 'static {
    /// The stream of an accepted connection.
    type Stream;
    /// Waits for the next connection. An error is about that one connection, unless it repeats.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>>;
}

/// A part of a file that is written while it is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub bytes: Bytes,
    /// How much of the work it is, in whatever the maker counts.
    pub units: u64,
    /// How long to wait before it is written.
    pub pause: Duration,
}

/// The parts of a file, made one after the other, wherever the world has them made.
pub type Parts = Box<dyn Iterator<Item = Part> + Send>;

/// A file open for appending.
pub trait DiskFile: 'static {
    /// Appends all of `bytes`. They may be on their way still when this ends: an error may be told
    /// by a later call, at the latest by [`DiskFile::sync`].
    fn append(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>>;

    /// Appends all parts, holding no more than a few of them at a time, and tells `progress` now
    /// and then of the units done since it last did: of all of them before this ends well. Ends
    /// at the first error. Dropping the future ends the work; how much was appended is open then.
    ///
    /// This one makes and appends part by part between other tasks. The real world does both on
    /// a thread beside the event loop, which only hears of the progress.
    fn append_all(
        &mut self,
        mut parts: Parts,
        mut progress: impl AsyncFnMut(u64),
    ) -> impl Future<Output = io::Result<()>> {
        async move {
            loop {
                tokio::task::yield_now().await;
                let Some(part) = parts.next() else { return Ok(()) };
                if !part.pause.is_zero() {
                    tokio::time::sleep(part.pause).await;
                }
                self.append(&part.bytes).await?;
                progress(part.units).await;
            }
        }
    }

    /// Makes the content durable (`fsync`).
    fn sync(&mut self) -> impl Future<Output = io::Result<()>>;
}

/// A file open for reading: always the file that was opened, whatever its name stands for now.
pub trait DiskReader: 'static {
    /// Length in bytes when it was opened.
    fn len_bytes(&self) -> u64;
    /// Reads at most `max_bytes` from `offset`; empty at the end of the file, and only there.
    fn read_at(&self, offset: u64, max_bytes: usize) -> impl Future<Output = io::Result<Bytes>>;
}

/// The files of a node. Paths are relative to the configured `dir`, or absolute.
///
/// Durability follows POSIX: what was appended survives a power cut only after
/// [`DiskFile::sync`], a rename only after [`Disk::sync_dir`].
pub trait Disk: Clone + 'static {
    /// A file open for appending.
    type File: DiskFile;
    /// A file open for reading.
    type Reader: DiskReader;
    /// Creates (or truncates) a file.
    fn create(&self, path: &str) -> impl Future<Output = io::Result<Self::File>>;
    /// Opens a file for reading; `ErrorKind::NotFound` if there is none. What was opened stays
    /// readable and unchanged when another file is renamed over it, or it is removed.
    fn open(&self, path: &str) -> impl Future<Output = io::Result<Self::Reader>>;
    /// Renames a file over another, atomically.
    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>>;
    /// Removes a file.
    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>>;
    /// Makes renames, creations and removals in a folder durable (`fsync` of the folder).
    fn sync_dir(&self, path: &str) -> impl Future<Output = io::Result<()>>;
}

/// Results of work done beside the event loop, one at a time.
pub trait Background<T>: 'static {
    /// The next item, or `None` when the work is done. Dropping the receiver ends the work.
    fn next(&mut self) -> impl Future<Output = Option<T>>;
}

/// What a process takes of its machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory that is really there (RSS).
    pub resident_bytes: u64,
    /// Processor time spent in the process itself.
    pub user_cpu: Duration,
    /// Processor time spent in the system for it.
    pub system_cpu: Duration,
}

/// How loud a log line is, in Redis's four levels (`loglevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// `.` in the log.
    Debug,
    /// `-` in the log.
    Verbose,
    /// `*` in the log.
    Notice,
    /// `#` in the log.
    Warning,
}

/// One log line, not yet formatted: the world adds process id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: LogLevel,
    /// Role character of Redis's format: `M` master, `S` replica, `C` snapshot writer.
    pub role: char,
    /// The text, without a newline.
    pub text: String,
}

/// Everything a node gets from outside. See the module's text.
pub trait Env: Clone + 'static {
    /// A byte stream between two nodes or a client and a node.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// The disk.
    type Disk: Disk;
    /// A stream of results of [`Env::background`].
    type Background<T: Send + 'static>: Background<T>;

    /// Starts listening.
    fn listen(&self, addr: &ListenAddr) -> impl Future<Output = io::Result<Self::Listener>>;

    /// Connects to `host:port`. Never times out by itself; the caller bounds it.
    fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<(Self::Stream, Peer)>>;

    /// Time since some moment that stays the same; never goes back.
    fn monotonic(&self) -> Duration;

    /// Wall clock, milliseconds since 1970.
    fn unix_ms(&self) -> u64;

    /// Fresh randomness. Called a few times at start only; the node seeds its own generators.
    fn random_seed(&self) -> [u8; 32];

    /// The disk.
    fn disk(&self) -> Self::Disk;

    /// Runs an iterator beside the event loop (a thread in the real world, interleaved steps in
    /// the simulated one) and hands its items over, at most a few ahead of the receiver.
    fn background<T: Send + 'static>(
        &self,
        work: Box<dyn Iterator<Item = T> + Send>,
    ) -> Self::Background<T>;

    /// Writes a log line that has passed the node's `loglevel`.
    fn log(&self, line: &LogLine);

    /// Connections made from now on have their idle peers probed after this long; `None`: never
    /// (`tcp-keepalive`). A world whose connections cannot be left hanging ignores it.
    fn set_tcp_keepalive(&self, _idle: Option<Duration>) {}

    /// What this process takes of its machine, for `INFO`. A world without machines has nothing to
    /// tell: then it is all zero.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Connections made from now on begin at this address (`bind-source-addr`); `None`: wherever
    /// the system likes. A world with one address a host ignores it.
    fn set_source_address(&self, _address: Option<String>) {}

    /// Process id, as the log and `INFO server` show it.
    fn process_id(&self) -> u32;
}
