//! The world the nodes live in: hosts, links and clocks, and what can be done to them.
//!
//! One [`World`] belongs to one simulation and lives in one thread. Processes see it through
//! [`crate::env::SimEnv`]; whoever runs the simulation sees it through
//! [`crate::simulation::Simulation`], which adds what turmoil itself has to be told.
//!
//! Must never: decide when a fault happens, or know what the nodes talk about.

mod connections;
mod faults;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use replisim::env::LogLine;
use tokio::sync::Notify;

use crate::disk::{DiskConfig, DiskState};
use crate::seed::Seed;
use crate::simulation::SimConfig;
use crate::transport::conn::{Conn, ConnId};
use crate::transport::link::{Link, LinkConfig};
use crate::transport::listener::Backlog;

/// Number of a host, in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) usize);

/// How the machine and the process on it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostStatus {
    /// The process runs.
    Running,
    /// The process is stopped (`SIGSTOP`); its machine goes on.
    Paused,
    /// The process ended by itself or was killed; its machine runs.
    Down,
    /// The machine is off.
    Off,
}

/// There is no host of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no host is called {0:?}")]
pub struct NoSuchHost(pub String);

/// Work of a machine's kernel: it goes on while the process is stopped.
pub(crate) type KernelTask = Pin<Box<dyn Future<Output = ()>>>;

/// When something arrives at one end of a connection.
pub(crate) type Arrival = (Duration, ConnId, usize);

pub(crate) struct Host {
    pub name: String,
    pub ip: IpAddr,
    pub status: HostStatus,
    /// Counts starts of the process.
    pub life: u32,
    /// How often this life has asked for randomness.
    pub draws: u32,
    pub clock_offset_ms: i64,
    pub disk: Rc<RefCell<DiskState>>,
    pub kernel_tasks: VecDeque<KernelTask>,
    /// Wakes the root of the host: for kernel work, for what arrives, and after a pause.
    pub root: Option<Waker>,
    /// What arrives at ends whose reader waits: when, and at which end of which connection. An
    /// entry that its pipe no longer knows of is stale.
    pub arrivals: BTreeSet<Arrival>,
    pub listeners: BTreeMap<u16, Rc<RefCell<Backlog>>>,
    /// How the last life ended, if it ended by itself.
    pub exit: Option<Result<(), String>>,
}

struct State {
    hosts: Vec<Host>,
    by_name: BTreeMap<String, HostId>,
    links: Vec<Vec<Link>>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: ConnId,
    /// Accepted connections whose connecting process has not yet taken its end, by the
    /// addresses of both ends.
    unclaimed: BTreeMap<(SocketAddr, SocketAddr), ConnId>,
    /// Connections with exactly one end held by a process.
    half_closed: BTreeSet<ConnId>,
    link_default: LinkConfig,
    disk_default: DiskConfig,
    torn_block_bytes: u64,
}

type LogHook = Box<dyn FnMut(&str, Duration, &LogLine)>;

struct Inner {
    seed: Seed,
    tick: Duration,
    epoch_unix_ms: u64,
    /// Whether a step of turmoil is under way, so that its clock can be asked.
    stepping: Cell<bool>,
    /// Simulated time at the start of the current or next step.
    step_start: Cell<Duration>,
    /// Simulated time in the turn under way: no time passes while a host's tasks run.
    turn: Cell<Option<Duration>>,
    state: RefCell<State>,
    /// Told whenever something changed that a connect may be waiting for.
    changed: Notify,
    log_hook: RefCell<Option<LogHook>>,
}

/// A handle to the world. See the module's text.
#[derive(Clone)]
pub struct World(Rc<Inner>);

impl World {
    pub(crate) fn new(seed: Seed, config: &SimConfig) -> Self {
        Self(Rc::new(Inner {
            seed,
            tick: config.tick,
            epoch_unix_ms: config.epoch_unix_ms,
            stepping: Cell::new(false),
            step_start: Cell::new(Duration::ZERO),
            turn: Cell::new(None),
            state: RefCell::new(State {
                hosts: Vec::new(),
                by_name: BTreeMap::new(),
                links: Vec::new(),
                conns: BTreeMap::new(),
                next_conn: 0,
                unclaimed: BTreeMap::new(),
                half_closed: BTreeSet::new(),
                link_default: config.link,
                disk_default: config.disk,
                torn_block_bytes: config.torn_block_bytes,
            }),
            changed: Notify::new(),
            log_hook: RefCell::new(None),
        }))
    }

    /// Simulated time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        if let Some(now) = self.0.turn.get() {
            now
        } else if self.0.stepping.get() {
            // Inside a step a host's own runtime knows how far it is into its tick.
            turmoil::sim_elapsed().unwrap_or(self.0.step_start.get())
        } else {
            // Between steps there is no runtime, and tokio's clock would be the machine's.
            self.0.step_start.get()
        }
    }

    /// Polls tasks of a host at `now`, its time. The clock is asked once: a paused runtime's time
    /// goes on only when none of its tasks can, and asking is not cheap.
    pub(crate) fn turn<R>(&self, now: Duration, poll: impl FnOnce() -> R) -> R {
        struct End<'a>(&'a Cell<Option<Duration>>, Option<Duration>);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _end = End(&self.0.turn, self.0.turn.replace(Some(now)));
        poll()
    }

    /// The root seed.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.0.seed
    }

    /// Length of a step.
    #[must_use]
    pub fn tick(&self) -> Duration {
        self.0.tick
    }

    pub(crate) fn set_step(&self, start: Duration, stepping: bool) {
        self.0.step_start.set(start);
        self.0.stepping.set(stepping);
    }

    /// The host of this name, in any case, or with this address.
    pub fn host(&self, name: &str) -> Result<HostId, NoSuchHost> {
        let state = self.0.state.borrow();
        let known = state.by_name.get(name);
        if let Some(id) = known.or_else(|| state.by_name.get(&name.to_ascii_lowercase())) {
            return Ok(*id);
        }
        name.parse::<IpAddr>()
            .ok()
            .and_then(|ip| state.hosts.iter().position(|h| h.ip == ip))
            .map(HostId)
            .ok_or_else(|| NoSuchHost(name.to_owned()))
    }

    /// Name of a host.
    #[must_use]
    pub fn name(&self, host: HostId) -> String {
        self.with_host(host, |h| h.name.clone())
    }

    /// Address of a host.
    #[must_use]
    pub fn ip(&self, host: HostId) -> IpAddr {
        self.with_host(host, |h| h.ip)
    }

    /// How a host is.
    #[must_use]
    pub fn status(&self, host: HostId) -> HostStatus {
        self.with_host(host, |h| h.status)
    }

    /// How the process ended, if its last life ended by itself.
    #[must_use]
    pub fn exit(&self, host: HostId) -> Option<Result<(), String>> {
        self.with_host(host, |h| h.exit.clone())
    }

    /// How often the process of this host was started.
    #[must_use]
    pub fn life(&self, host: HostId) -> u32 {
        self.with_host(host, |h| h.life)
    }

    /// The process id of a host's process, made from the host and its life, so that a restart is
    /// seen as one.
    pub(crate) fn process_id(&self, host: HostId) -> u32 {
        let number = u32::try_from(host.0).unwrap_or(0);
        1000 * (number + 1) + self.life(host)
    }

    /// Wall clock of a host, milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self, host: HostId) -> u64 {
        let now = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        let offset = self.with_host(host, |h| h.clock_offset_ms);
        self.0.epoch_unix_ms.saturating_add(now).saturating_add_signed(offset)
    }

    /// Hands every log line of every node to `hook`, with the node's name and simulated time.
    pub fn on_log(&self, hook: impl FnMut(&str, Duration, &LogLine) + 'static) {
        *self.0.log_hook.borrow_mut() = Some(Box::new(hook));
    }

    pub(crate) fn log(&self, host: HostId, line: &LogLine) {
        let (name, now) = (self.name(host), self.now());
        if let Some(hook) = self.0.log_hook.borrow_mut().as_mut() {
            hook(&name, now, line);
        }
    }

    pub(crate) fn with_host<R>(&self, host: HostId, f: impl FnOnce(&mut Host) -> R) -> R {
        f(&mut self.0.state.borrow_mut().hosts[host.0])
    }

    pub(crate) fn add_host(&self, name: &str, ip: IpAddr) -> HostId {
        let mut state = self.0.state.borrow_mut();
        let state = &mut *state;
        let id = HostId(state.hosts.len());
        let seed = self.0.seed;
        let config = state.link_default;
        let link =
            |from: &str, to: &str| Link::new(config, seed.stream("net", &format!("{from}->{to}")));
        for (from, row) in state.links.iter_mut().enumerate() {
            row.push(link(&state.hosts[from].name, name));
        }
        let mut row: Vec<Link> = state.hosts.iter().map(|to| link(name, &to.name)).collect();
        // A machine reaches itself at once.
        let loopback = LinkConfig {
            latency_min_us: 0,
            latency_max_us: 0,
            bandwidth_bytes_per_s: u64::MAX,
            ..config
        };
        row.push(Link::new(loopback, seed.stream("net", &format!("{name}->{name}"))));
        state.links.push(row);
        state.hosts.push(Host {
            name: name.to_owned(),
            ip,
            status: HostStatus::Running,
            life: 0,
            draws: 0,
            clock_offset_ms: 0,
            disk: Rc::new(RefCell::new(DiskState::new(
                state.disk_default,
                state.torn_block_bytes,
                seed,
                name,
            ))),
            kernel_tasks: VecDeque::new(),
            root: None,
            arrivals: BTreeSet::new(),
            listeners: BTreeMap::new(),
            exit: None,
        });
        state.by_name.insert(name.to_owned(), id);
        id
    }

    /// Runs `task` beside the process of `host`: it goes on while that is stopped, and ends with
    /// the machine or when the process is killed.
    pub(crate) fn spawn_kernel(&self, host: HostId, task: impl Future<Output = ()> + 'static) {
        let world = self.clone();
        let mut task = Box::pin(task);
        let task =
            std::future::poll_fn(move |cx| world.turn(world.now(), || task.as_mut().poll(cx)));
        let root = self.with_host(host, |h| {
            h.kernel_tasks.push_back(Box::pin(task));
            h.root.clone()
        });
        if let Some(root) = root {
            root.wake();
        }
    }

    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}
