//! turmoil's `Sim` and the world, stepped together.
//!
//! ```
//! use std::time::Duration;
//! use replisim::env::{Env, ListenAddr, Listener};
//! use replisim_sim::seed::Seed;
//! use replisim_sim::simulation::{SimConfig, Simulation};
//! use replisim_sim::transport::LinkPolicy;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let mut sim = Simulation::new(Seed(1), SimConfig::default());
//! sim.add_host("server", |env| async move {
//!     let at = ListenAddr::Tcp { host: "0.0.0.0".into(), port: 6379 };
//!     let mut listener = env.listen(&at).await?;
//!     let (mut stream, _) = listener.accept().await?;
//!     let mut byte = [0];
//!     stream.read_exact(&mut byte).await?;
//!     stream.write_all(&byte).await?;
//!     std::future::pending().await
//! });
//! let answered = std::rc::Rc::new(std::cell::Cell::new(Duration::ZERO));
//! let at = answered.clone();
//! sim.add_client("client", move |env| async move {
//!     let (mut stream, _) = env.connect("server", 6379).await?;
//!     stream.write_all(b"x").await?;
//!     let mut byte = [0];
//!     stream.read_exact(&mut byte).await?;
//!     at.set(env.world().now());
//!     Ok(())
//! });
//! // The link is stalled until ten seconds have passed.
//! sim.set_link("client", "server", LinkPolicy::Stall)?;
//! sim.schedule(Duration::from_secs(10), |sim| sim.heal("client", "server"));
//! sim.run_for(Duration::from_secs(20))?;
//! assert!(answered.get() >= Duration::from_secs(10));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, SystemTime};

use crate::disk::{DiskConfig, DiskErrors, Lost};
use crate::env::SimEnv;
use crate::process::{self, Exit};
use crate::seed::Seed;
use crate::transport::{LinkConfig, LinkPolicy};
use crate::world::{HostId, HostStatus, NoSuchHost, World};

/// Length of a step, unless another is asked for.
///
/// An idle step costs about 2 us a host whatever its length (measured, release): 100x real time at
/// 1 ms with four hosts, 500x at 5 ms, 1,400x at 10 ms. Timers keep their own resolution of 1 ms
/// inside a step; only what goes from host to host is quantised.
pub const DEFAULT_TICK: Duration = Duration::from_millis(10);

/// What a simulation is made of, before anything happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// Length of a step: hosts see each other once a tick.
    pub tick: Duration,
    /// Wall clock at the start, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// Every link, at the start.
    pub link: LinkConfig,
    /// Every disk, at the start.
    pub disk: DiskConfig,
    /// A torn write survives a power cut in part, in blocks of so many bytes.
    pub torn_block_bytes: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            tick: DEFAULT_TICK,
            // 2026-01-01 00:00:00 UTC.
            epoch_unix_ms: 1_767_225_600_000,
            link: LinkConfig::default(),
            disk: DiskConfig::default(),
            torn_block_bytes: 4096,
        }
    }
}

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A client failed.
    #[error("{0}")]
    Client(String),
    /// A fault names a host that is not there.
    #[error(transparent)]
    NoSuchHost(#[from] NoSuchHost),
    /// A fault that this host cannot have.
    #[error("{host}: {reason}")]
    NotPossible {
        /// Name of the host.
        host: String,
        /// Why.
        reason: &'static str,
    },
    /// The simulated disk contradicts itself.
    #[error("disk of {host}: {source}")]
    Disk {
        /// Name of the host.
        host: String,
        /// What turmoil said.
        source: std::io::Error,
    },
}

type Result<T = ()> = std::result::Result<T, SimError>;
type Action = Box<dyn FnOnce(&mut Simulation) -> Result>;

/// A simulation: hosts with software, a network and disks, and what happens to them.
pub struct Simulation {
    sim: turmoil::Sim<'static>,
    world: World,
    clients: Vec<HostId>,
    schedule: BTreeMap<(Duration, u64), Action>,
    scheduled: u64,
}

impl Simulation {
    /// An empty world. Everything that happens in it follows from `seed` and what is added.
    #[must_use]
    pub fn new(seed: Seed, config: SimConfig) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(seed.number("turmoil", "rng"))
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_millis(config.epoch_unix_ms))
            .tick_duration(config.tick)
            .simulation_duration(Duration::MAX)
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::ZERO);
        let world = World::new(seed, &config);
        Self {
            sim: builder.build(),
            world,
            clients: Vec::new(),
            schedule: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// The world, to look at.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Simulated time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Adds a machine and starts `software` on it, which is called again at every restart.
    ///
    /// # Panics
    /// If there is a host of this name already.
    pub fn add_host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(SimEnv) -> Fut + 'static,
        Fut: Future<Output = Exit> + 'static,
    {
        let host = self.register(name);
        let world = self.world.clone();
        let name = world.name(host);
        self.sim.host(name, move || {
            let software = software(SimEnv::new(world.clone(), host));
            let world = world.clone();
            async move {
                mount(&world, host)?;
                if let Err(error) = process::run(world.clone(), host, software).await {
                    // An exit status: whether that is a failure is for the invariants to say.
                    tracing::warn!(node = world.name(host), "exited: {error:#}");
                }
                Ok(())
            }
        });
        host
    }

    /// Adds a machine that runs `software` once. An error of it ends the simulation.
    ///
    /// # Panics
    /// If there is a host of this name already.
    pub fn add_client<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: FnOnce(SimEnv) -> Fut,
        Fut: Future<Output = Exit> + 'static,
    {
        let host = self.register(name);
        self.clients.push(host);
        let world = self.world.clone();
        let software = software(SimEnv::new(world.clone(), host));
        self.sim.client(world.name(host), async move {
            mount(&world, host)?;
            process::run(world, host, software).await?;
            Ok(())
        });
        host
    }

    fn register(&mut self, name: &str) -> HostId {
        let name = name.to_ascii_lowercase();
        assert!(self.world.host(&name).is_err(), "there are two hosts called {name}");
        let ip = self.sim.lookup(name.as_str());
        let host = self.world.add_host(&name, ip);
        self.world.process_started(host);
        host
    }

    /// Does what is due, and goes on by a tick. Whether all clients have finished.
    pub fn step(&mut self) -> Result<bool> {
        while let Some(entry) = self.schedule.first_entry()
            && entry.key().0 <= self.sim.elapsed()
        {
            let action = entry.remove();
            action(self)?;
        }
        self.world.pump();
        self.world.set_step(self.sim.elapsed(), true);
        let result = self.sim.step();
        self.world.set_step(self.sim.elapsed(), false);
        result.map_err(|e| SimError::Client(e.to_string()))
    }

    /// Goes on for so much simulated time.
    pub fn run_for(&mut self, time: Duration) -> Result {
        let end = self.elapsed().saturating_add(time);
        while self.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Goes on until all clients have finished; whether they had within `limit`.
    pub fn run(&mut self, limit: Duration) -> Result<bool> {
        let end = self.elapsed().saturating_add(limit);
        while self.elapsed() < end {
            if self.step()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does `action` at the start of the first step at or after `at`, in the order of times and
    /// then of calls.
    pub fn schedule(&mut self, at: Duration, action: impl FnOnce(&mut Self) -> Result + 'static) {
        self.schedule.insert((at, self.scheduled), Box::new(action));
        self.scheduled += 1;
    }

    fn host(&self, name: &str) -> Result<HostId> {
        Ok(self.world.host(name)?)
    }

    /// Changes what one direction of a link does.
    pub fn set_link(&mut self, from: &str, to: &str, policy: LinkPolicy) -> Result {
        let (from, to) = (self.host(from)?, self.host(to)?);
        self.world.set_link(from, to, policy);
        Ok(())
    }

    /// Changes what both directions of a link do.
    pub fn set_links(&mut self, a: &str, b: &str, policy: LinkPolicy) -> Result {
        self.set_link(a, b, policy)?;
        self.set_link(b, a, policy)
    }

    /// Opens both directions of a link.
    pub fn heal(&mut self, a: &str, b: &str) -> Result {
        self.set_links(a, b, LinkPolicy::Open)
    }

    /// Changes how fast one direction of a link is.
    pub fn slow_link(&mut self, from: &str, to: &str, config: LinkConfig) -> Result {
        let (from, to) = (self.host(from)?, self.host(to)?);
        self.world.slow_link(from, to, config);
        Ok(())
    }

    /// Kills the process (`kill -9`); its machine goes on. Nothing if it does not run.
    pub fn kill(&mut self, name: &str) -> Result {
        let host = self.crashable(name)?;
        if !self.alive(host) {
            return Ok(());
        }
        self.on_disk(host, |disk| disk.before_kill())?;
        self.world.process_ended(host, None);
        self.sim.crash(self.world.name(host));
        self.on_disk(host, |disk| disk.after_kill())
    }

    /// Cuts the power of the machine; if `torn`, in the middle of what it has not synced. Nothing if
    /// it is off.
    pub fn power_cut(&mut self, name: &str, torn: bool) -> Result<Lost> {
        let host = self.crashable(name)?;
        if self.world.status(host) == HostStatus::Off {
            return Ok(Lost::default());
        }
        let lost = self.on_disk(host, |disk| disk.before_power_cut(torn))?;
        self.world.power_off(host);
        self.sim.crash(self.world.name(host));
        self.on_disk(host, |disk| disk.after_power_cut())?;
        Ok(lost)
    }

    /// Starts the process again, and its machine if that is off; kills it first if it runs.
    pub fn restart(&mut self, name: &str) -> Result {
        self.kill(name)?;
        let host = self.host(name)?;
        self.world.process_started(host);
        self.sim.bounce(self.world.name(host));
        Ok(())
    }

    /// Stops the process (`SIGSTOP`).
    pub fn pause(&mut self, name: &str) -> Result {
        self.world.set_paused(self.host(name)?, true);
        Ok(())
    }

    /// Lets the process go on (`SIGCONT`).
    pub fn resume(&mut self, name: &str) -> Result {
        self.world.set_paused(self.host(name)?, false);
        Ok(())
    }

    /// Changes how fast a disk is, for what is under way too.
    pub fn slow_disk(&mut self, name: &str, config: DiskConfig) -> Result {
        let (host, now) = (self.host(name)?, self.world.now());
        self.on_disk(host, |disk| {
            disk.set_speed(now, config);
            Ok(())
        })
    }

    /// Leaves so many bytes free on a disk (0: full), or `None`: as many as wanted.
    pub fn disk_full(&mut self, name: &str, free_bytes: Option<u64>) -> Result {
        let host = self.host(name)?;
        self.on_disk(host, |disk| {
            disk.free_bytes = free_bytes;
            Ok(())
        })
    }

    /// Changes which operations of a disk fail.
    pub fn disk_error(&mut self, name: &str, errors: DiskErrors) -> Result {
        let host = self.host(name)?;
        self.on_disk(host, |disk| {
            disk.errors = errors;
            Ok(())
        })
    }

    /// Moves the wall clock of a host, into the future if `by_ms` is positive.
    pub fn clock_jump(&mut self, name: &str, by_ms: i64) -> Result {
        self.world.clock_jump(self.host(name)?, by_ms);
        Ok(())
    }

    /// Makes a folder, durably; `/data`, where relative paths start, is there.
    pub fn add_folder(&mut self, name: &str, path: &str) -> Result {
        let host = self.host(name)?;
        self.on_disk(host, |disk| {
            disk.add_folder(path);
            Ok(())
        })
    }

    /// Content of a file, as its host sees it now. No fault of the disk gets in the way.
    pub fn read_file(&mut self, name: &str, path: &str) -> Result<Vec<u8>> {
        let host = self.host(name)?;
        self.on_disk(host, |disk| disk.read_all(path))
    }

    /// Removes a file of a host for good; no file of that name is no error.
    pub fn remove_file(&mut self, name: &str, path: &str) -> Result {
        let host = self.host(name)?;
        self.on_disk(host, |disk| disk.remove_durably(path))
    }

    /// Paths of all files of a host, as it sees them now.
    pub fn files(&mut self, name: &str) -> Result<Vec<String>> {
        let host = self.host(name)?;
        self.on_disk(host, |disk| Ok(disk.names()))
    }

    fn alive(&self, host: HostId) -> bool {
        matches!(self.world.status(host), HostStatus::Running | HostStatus::Paused)
    }

    fn crashable(&self, name: &str) -> Result<HostId> {
        let host = self.host(name)?;
        if self.clients.contains(&host) {
            return Err(SimError::NotPossible {
                host: name.to_owned(),
                reason: "a client cannot be killed or restarted",
            });
        }
        Ok(host)
    }

    fn on_disk<T>(
        &mut self,
        host: HostId,
        f: impl FnOnce(&mut crate::disk::DiskState) -> std::io::Result<T>,
    ) -> Result<T> {
        let disk = self.world.with_host(host, |h| h.disk.clone());
        f(&mut disk.borrow_mut())
            .map_err(|source| SimError::Disk { host: self.world.name(host), source })
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.world.end();
    }
}

fn mount(world: &World, host: HostId) -> std::io::Result<()> {
    let disk = world.with_host(host, |h| h.disk.clone());
    disk.borrow_mut().mount()
}
