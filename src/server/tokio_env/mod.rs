//! The real world: TCP and unix sockets, files, the system's clock and randomness, threads,
//! and a log in Redis's format.
//!
//! The only place of this crate that may touch any of them.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the real world: its clock, threads and process id come from here"
)]

mod background;
mod files;
mod log;
mod net;
mod usage;

pub use background::{ThreadBackground, yield_to_the_event_loop};
pub use files::{RealDisk, RealFile, RealReader};
pub use log::LogTarget;
pub use net::{RealListener, RealStream};

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::env::{Env, ListenAddr, LogLine, Peer, Usage};
use log::Log;

/// What of the configuration concerns the world and not the node.
#[derive(Debug, Clone)]
pub struct TokioOptions {
    /// Where log lines go.
    pub log: LogTarget,
    /// `tcp-keepalive`: idle time before the first probe; `None` switches them off.
    pub tcp_keepalive: Option<Duration>,
    /// `bind-source-addr`: where connections to others begin; `None`: anywhere.
    pub source_address: Option<String>,
    /// `tcp-backlog`: connections that may wait for being accepted.
    pub tcp_backlog: u32,
}

impl Default for TokioOptions {
    fn default() -> Self {
        Self {
            log: LogTarget::Stdout,
            tcp_keepalive: Some(Duration::from_secs(300)),
            source_address: None,
            tcp_backlog: 511,
        }
    }
}

/// The world of a real server process.
#[derive(Clone)]
pub struct TokioEnv(Rc<Inner>);

struct Inner {
    options: TokioOptions,
    keepalive: net::Keepalive,
    source_address: RefCell<Option<String>>,
    log: Log,
    seed: [u8; 32],
    began: Instant,
}

impl TokioEnv {
    /// Fails if the log file cannot be opened or the system gives no randomness.
    pub fn new(options: TokioOptions) -> io::Result<Self> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let log = Log::open(&options.log)?;
        let keepalive = Rc::new(Cell::new(options.tcp_keepalive));
        let source_address = RefCell::new(options.source_address.clone());
        let began = Instant::now();
        Ok(Self(Rc::new(Inner { options, keepalive, source_address, log, seed, began })))
    }
}

impl Env for TokioEnv {
    type Stream = RealStream;
    type Listener = RealListener;
    type Disk = RealDisk;
    type Background<T: Send + 'static> = ThreadBackground<T>;

    async fn listen(&self, addr: &ListenAddr) -> io::Result<RealListener> {
        net::listen(addr, &self.0.options, &self.0.keepalive).await
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<(RealStream, Peer)> {
        let source = self.0.source_address.borrow().clone();
        net::connect(host, port, source.as_deref(), &self.0.keepalive).await
    }

    fn monotonic(&self) -> Duration {
        self.0.began.elapsed()
    }

    fn unix_ms(&self) -> u64 {
        unix_ms()
    }

    fn random_seed(&self) -> [u8; 32] {
        self.0.seed
    }

    fn disk(&self) -> RealDisk {
        RealDisk
    }

    fn background<T: Send + 'static>(
        &self,
        work: Box<dyn Iterator<Item = T> + Send>,
    ) -> ThreadBackground<T> {
        ThreadBackground::start(work)
    }

    fn log(&self, line: &LogLine) {
        self.0.log.write(line);
    }

    fn set_tcp_keepalive(&self, idle: Option<Duration>) {
        self.0.keepalive.set(idle);
    }

    fn set_source_address(&self, address: Option<String>) {
        self.0.source_address.replace(address);
    }

    fn usage(&self) -> Usage {
        usage::of_this_process()
    }

    fn process_id(&self) -> u32 {
        std::process::id()
    }
}

fn unix_ms() -> u64 {
    // A clock before 1970 counts as 1970.
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
