//! The simulated world as the node sees it: an implementation of [`Env`].
//!
//! Must never: reach the machine that the simulation runs on.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use replisim::env::{Background, Env, ListenAddr, LogLevel, LogLine, Peer};

use crate::disk::SimDisk;
use crate::transport::listener::{SimListener, connect};
use crate::transport::stream::SimStream;
use crate::world::{HostId, World};

/// Everything a simulated process gets from outside.
#[derive(Clone)]
pub struct SimEnv {
    world: World,
    host: HostId,
}

impl SimEnv {
    pub(crate) fn new(world: World, host: HostId) -> Self {
        Self { world, host }
    }

    /// The world, for what a test or a workload wants to see of it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The host this is the environment of.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }
}

impl Env for SimEnv {
    type Stream = SimStream;
    type Listener = SimListener;
    type Disk = SimDisk;
    type Background<T: Send + 'static> = Interleaved<T>;

    /// A host has one address: whatever address is asked for, connections are taken on all.
    async fn listen(&self, addr: &ListenAddr) -> io::Result<SimListener> {
        match addr {
            ListenAddr::Tcp { host, port } => {
                let known = host.parse::<IpAddr>().is_ok()
                    || host == "*"
                    || host.eq_ignore_ascii_case("localhost")
                    || self.world.host(host).is_ok();
                if !known {
                    return Err(io::ErrorKind::AddrNotAvailable.into());
                }
                SimListener::bind(self.world.clone(), self.host, *port).await
            }
            ListenAddr::Unix { .. } => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "there are no unix sockets in the simulated world",
            )),
        }
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<(SimStream, Peer)> {
        connect(self.world.clone(), self.host, host, port).await
    }

    fn monotonic(&self) -> Duration {
        self.world.now()
    }

    fn unix_ms(&self) -> u64 {
        self.world.unix_ms(self.host)
    }

    /// Differs from life to life of a process, and from call to call.
    fn random_seed(&self) -> [u8; 32] {
        let name = self.world.with_host(self.host, |h| {
            h.draws += 1;
            format!("{}#{}#{}", h.name, h.life, h.draws)
        });
        self.world.seed().bytes("process", &name)
    }

    fn disk(&self) -> SimDisk {
        SimDisk::new(self.world.clone(), self.host)
    }

    fn background<T: Send + 'static>(
        &self,
        work: Box<dyn Iterator<Item = T> + Send>,
    ) -> Interleaved<T> {
        Interleaved(work)
    }

    fn log(&self, line: &LogLine) {
        let node = self.world.name(self.host);
        let ms = u64::try_from(self.world.now().as_millis()).unwrap_or(u64::MAX);
        let (role, text) = (line.role, &line.text);
        match line.level {
            LogLevel::Debug => tracing::trace!(node, ms, %role, "{text}"),
            LogLevel::Verbose => tracing::debug!(node, ms, %role, "{text}"),
            LogLevel::Notice => tracing::info!(node, ms, %role, "{text}"),
            LogLevel::Warning => tracing::warn!(node, ms, %role, "{text}"),
        }
        self.world.log(self.host, line);
    }

    fn process_id(&self) -> u32 {
        self.world.process_id(self.host)
    }
}

/// Work beside the event loop: one item at a time, between other tasks, in no simulated time.
pub struct Interleaved<T>(Box<dyn Iterator<Item = T> + Send>);

impl<T: Send + 'static> Background<T> for Interleaved<T> {
    async fn next(&mut self) -> Option<T> {
        tokio::task::yield_now().await;
        self.0.next()
    }
}
