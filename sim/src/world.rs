//! The world the nodes live in: hosts, links and clocks, and what can be done to them.
//!
//! One [`World`] belongs to one simulation and lives in one thread. Processes see it through
//! [`crate::env::SimEnv`]; whoever runs the simulation sees it through
//! [`crate::simulation::Simulation`], which adds what turmoil itself has to be told.
//!
//! Must never: decide when a fault happens, or know what the nodes talk about.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use replisim::env::LogLine;
use tokio::io::ReadBuf;
use tokio::sync::Notify;

use crate::disk::{DiskConfig, DiskState};
use crate::seed::Seed;
use crate::transport::conn::{ACCEPTOR, CONNECTOR, Conn, ConnId, End, Readable, Wakers, Writable};
use crate::transport::link::{Link, LinkConfig, LinkPolicy};
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
    pub(crate) fn new(
        seed: Seed,
        tick: Duration,
        epoch_unix_ms: u64,
        link_default: LinkConfig,
        disk_default: DiskConfig,
    ) -> Self {
        Self(Rc::new(Inner {
            seed,
            tick,
            epoch_unix_ms,
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
                link_default,
                disk_default,
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
        if let Some(id) = state.by_name.get(&name.to_ascii_lowercase()) {
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
                seed.stream("disk", name),
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

/// Connections.
impl World {
    pub(crate) fn with_link<R>(
        &self,
        from: HostId,
        to: HostId,
        f: impl FnOnce(&mut Link) -> R,
    ) -> R {
        f(&mut self.0.state.borrow_mut().links[from.0][to.0])
    }

    /// Runs `f` on a connection that is up to date, and wakes whom it says.
    fn with_conn<R>(
        &self,
        id: ConnId,
        f: impl FnOnce(&mut Conn, &mut Vec<Vec<Link>>, Duration, [bool; 2], &mut Wakers) -> R,
    ) -> Option<R> {
        let now = self.now();
        let mut wakers = Wakers::default();
        let result = {
            let mut state = self.0.state.borrow_mut();
            let State { conns, links, half_closed, .. } = &mut *state;
            let conn = conns.get_mut(&id)?;
            let passes = passes(conn, links);
            conn.advance(now, passes, &mut wakers);
            let result = f(conn, links, now, passes, &mut wakers);
            settle(id, conns, half_closed);
            result
        };
        wake(wakers);
        Some(result)
    }

    /// Reads what has arrived, into `buf`; at most a segment.
    pub(crate) fn read(
        &self,
        id: ConnId,
        side: usize,
        buf: &mut ReadBuf<'_>,
        waker: &Waker,
    ) -> Readable {
        let read = self.with_conn(id, |conn, links, _, passes, wakers| {
            let (from, to) = conn.route(1 - side);
            let limit = buf.remaining().min(links[from.0][to.0].config.segment_bytes);
            let answer = conn.readable(side, limit, passes[1 - side]);
            let mut arrival = None;
            match answer {
                Readable::Bytes(len) => {
                    conn.read(side, buf.initialize_unfilled_to(len), passes[side], wakers);
                    buf.advance(len);
                }
                Readable::NotBefore(at) => {
                    conn.wait_readable(side, waker);
                    arrival = conn.schedule(side, at);
                }
                Readable::Wait => conn.wait_readable(side, waker),
                Readable::End | Readable::Failed(_) => {}
            }
            (answer, arrival.map(|at| (to, at)))
        });
        let Some((answer, arrival)) = read else {
            return Readable::End;
        };
        if let Some((host, at)) = arrival {
            self.arrives(host, (at, id, side));
        }
        answer
    }

    /// Something will arrive at an end of `host` whose reader waits. Only the root of the host
    /// keeps a timer, and only for the earliest: a reader is woken once, when it can read.
    fn arrives(&self, host: HostId, arrival: Arrival) {
        let root = self.with_host(host, |h| {
            h.arrivals.insert(arrival);
            (h.arrivals.first() == Some(&arrival)).then(|| h.root.clone()).flatten()
        });
        if let Some(root) = root {
            root.wake();
        }
    }

    /// Wakes the readers of what has arrived at `host` by now; when the next arrives.
    pub(crate) fn deliver(&self, host: HostId) -> Option<Duration> {
        let now = self.now();
        let mut wakers = Wakers::default();
        let next = {
            let mut state = self.0.state.borrow_mut();
            let State { hosts, conns, .. } = &mut *state;
            let arrivals = &mut hosts[host.0].arrivals;
            loop {
                match arrivals.first() {
                    Some((at, id, side)) if *at <= now => {
                        if let Some(conn) = conns.get_mut(id) {
                            wakers.extend(conn.due(*side, *at));
                        }
                        arrivals.pop_first();
                    }
                    next => break next.map(|(at, _, _)| *at),
                }
            }
        };
        wake(wakers);
        next
    }

    /// Writes as much of `data` as there is room for, segment by segment.
    pub(crate) fn write(&self, id: ConnId, side: usize, data: &[u8], waker: &Waker) -> Writable {
        let tick = self.0.tick;
        let written = self.with_conn(id, |conn, links, now, passes, _| {
            let (from, to) = conn.route(side);
            let link = &mut links[from.0][to.0];
            let room = match conn.writable(side, link.config.window_bytes(tick)) {
                Writable::Room(bytes) => bytes.min(data.len()),
                Writable::Wait => {
                    conn.wait_writable(side, waker);
                    return (Writable::Wait, None);
                }
                failed @ Writable::Failed(_) => return (failed, None),
            };
            let mut arrival = None;
            for segment in data[..room].chunks(link.config.segment_bytes) {
                let at = link.carry(now, segment.len());
                let wake = conn.write(side, segment, at, passes[side]);
                arrival = arrival.or(wake.map(|at| (to, at)));
            }
            (Writable::Room(room), arrival)
        });
        let Some((answer, arrival)) = written else {
            return Writable::Failed(std::io::ErrorKind::BrokenPipe);
        };
        if let Some((host, at)) = arrival {
            self.arrives(host, (at, id, 1 - side));
        }
        answer
    }

    pub(crate) fn shut_down(&self, id: ConnId, side: usize) {
        self.with_conn(id, |conn, links, now, _, wakers| {
            let (from, to) = conn.route(side);
            let at = links[from.0][to.0].carry(now, 0);
            conn.shut_down(side, at, wakers);
        });
    }

    pub(crate) fn close(&self, id: ConnId, side: usize) {
        self.with_conn(id, |conn, links, now, _, wakers| {
            let (from, to) = conn.route(side);
            let at = links[from.0][to.0].carry(now, 0);
            conn.close(side, at, wakers);
        });
    }

    /// The kernel of `acceptor` has accepted a connection.
    pub(crate) fn accepted(
        &self,
        connector: (HostId, SocketAddr),
        acceptor: (HostId, SocketAddr),
    ) -> ConnId {
        let mut state = self.0.state.borrow_mut();
        let id = state.next_conn;
        state.next_conn += 1;
        let conn = Conn::new(End::new(connector.0), End::new(acceptor.0));
        state.conns.insert(id, conn);
        state.unclaimed.insert((connector.1, acceptor.1), id);
        id
    }

    /// The connecting process takes its end.
    pub(crate) fn claim(&self, connector: SocketAddr, acceptor: SocketAddr) -> Option<ConnId> {
        let mut state = self.0.state.borrow_mut();
        state.unclaimed.remove(&(connector, acceptor))
    }

    /// What machines do by themselves, once a step: answering what reaches a closed end.
    pub(crate) fn pump(&self) {
        let now = self.now();
        let mut wakers = Wakers::default();
        {
            let mut state = self.0.state.borrow_mut();
            let State { hosts, conns, links, half_closed, .. } = &mut *state;
            for id in half_closed.iter() {
                let Some(conn) = conns.get_mut(id) else {
                    continue;
                };
                let passes = passes(conn, links);
                let closed = usize::from(conn.ends[CONNECTOR].open);
                debug_assert!(!conn.ends[closed].open);
                let up = hosts[conn.ends[closed].host.0].status != HostStatus::Off;
                if conn.knocks(closed, now, up, passes[1 - closed]) {
                    let (from, to) = conn.route(closed);
                    let at = links[from.0][to.0].carry(now, 0);
                    conn.refuse_segment(closed, at, &mut wakers);
                }
                conn.advance(now, passes, &mut wakers);
            }
        }
        wake(wakers);
    }
}

/// What can be done to the world. turmoil is told by [`crate::simulation::Simulation`].
impl World {
    /// Changes what the link from one host to another does.
    pub fn set_link(&self, from: HostId, to: HostId, policy: LinkPolicy) {
        let now = self.now();
        let mut wakers = Wakers::default();
        {
            let mut state = self.0.state.borrow_mut();
            let State { conns, links, .. } = &mut *state;
            let before = links[from.0][to.0].policy;
            for conn in conns.values_mut() {
                let Some(side) = (0..2).find(|side| conn.route(*side) == (from, to)) else {
                    continue;
                };
                conn.advance(now, passes(conn, links), &mut wakers);
                if policy.passes() && !before.passes() {
                    let at = now + links[from.0][to.0].latency();
                    conn.heal(side, at, &mut wakers);
                }
                match policy {
                    LinkPolicy::Open | LinkPolicy::Stall => {}
                    LinkPolicy::Reset if side == CONNECTOR => conn.abort(&mut wakers),
                    LinkPolicy::Reset => {}
                    LinkPolicy::Blackhole => conn.lose(side),
                }
            }
            links[from.0][to.0].policy = policy;
        }
        wake(wakers);
        self.0.changed.notify_waiters();
    }

    /// What the link from one host to another does now.
    #[must_use]
    pub fn link_policy(&self, from: HostId, to: HostId) -> LinkPolicy {
        self.with_link(from, to, |link| link.policy)
    }

    /// Changes how fast the link from one host to another is, for what is sent from now on and
    /// for what is still on its way: a link that is fast again does not deliver slowly for hours
    /// what was queued while it was slow.
    pub fn slow_link(&self, from: HostId, to: HostId, config: LinkConfig) {
        let now = self.now();
        let mut wakers = Wakers::default();
        {
            let mut state = self.0.state.borrow_mut();
            let State { conns, links, .. } = &mut *state;
            for conn in conns.values_mut() {
                conn.advance(now, passes(conn, links), &mut wakers);
            }
            let link = &mut links[from.0][to.0];
            link.set_config(now, config);
            for conn in conns.values_mut() {
                if let Some(side) = (0..2).find(|side| conn.route(*side) == (from, to)) {
                    conn.retime(side, now, |len| link.carry(now, len), &mut wakers);
                }
            }
        }
        wake(wakers);
    }

    /// How fast the link from one host to another is.
    #[must_use]
    pub fn link_config(&self, from: HostId, to: HostId) -> LinkConfig {
        self.with_link(from, to, |link| link.config)
    }

    /// Moves the wall clock of a host by `by_ms` (a positive value is into the future).
    pub fn clock_jump(&self, host: HostId, by_ms: i64) {
        self.with_host(host, |h| {
            h.clock_offset_ms = h.clock_offset_ms.saturating_add(by_ms);
        });
    }

    /// Stops the process (`SIGSTOP`), or lets it go on. Nothing if it does not run.
    pub fn set_paused(&self, host: HostId, paused: bool) {
        let root = self.with_host(host, |h| {
            match (h.status, paused) {
                (HostStatus::Running, true) => h.status = HostStatus::Paused,
                (HostStatus::Paused, false) => h.status = HostStatus::Running,
                _ => return None,
            }
            h.root.clone()
        });
        if let Some(root) = root {
            root.wake();
        }
    }

    /// The process is gone and its machine closes its connections.
    pub(crate) fn process_ended(&self, host: HostId, exit: Option<Result<(), String>>) {
        self.close_all(host, HostStatus::Down);
        self.with_host(host, |h| h.exit = exit);
    }

    /// The machine is off: nobody is told.
    pub(crate) fn power_off(&self, host: HostId) {
        self.close_all(host, HostStatus::Off);
    }

    fn close_all(&self, host: HostId, status: HostStatus) {
        let now = self.now();
        let mut wakers = Wakers::default();
        let (listeners, tasks) = {
            let mut state = self.0.state.borrow_mut();
            let State { hosts, conns, links, half_closed, unclaimed, .. } = &mut *state;
            let ids: Vec<ConnId> = conns
                .iter()
                .filter(|(_, c)| c.ends.iter().any(|e| e.host == host))
                .map(|(id, _)| *id)
                .collect();
            for id in ids {
                let Some(conn) = conns.get_mut(&id) else {
                    continue;
                };
                conn.advance(now, passes(conn, links), &mut wakers);
                for side in [CONNECTOR, ACCEPTOR] {
                    if conn.ends[side].host != host {
                        continue;
                    }
                    if status == HostStatus::Off {
                        conn.forget(side);
                    } else {
                        let (from, to) = conn.route(side);
                        let at = links[from.0][to.0].carry(now, 0);
                        conn.close(side, at, &mut wakers);
                    }
                }
                settle(id, conns, half_closed);
            }
            unclaimed.retain(|_, id| conns.contains_key(id));
            let host = &mut hosts[host.0];
            host.status = status;
            host.root = None;
            host.arrivals.clear();
            (std::mem::take(&mut host.listeners), std::mem::take(&mut host.kernel_tasks))
        };
        for backlog in listeners.values() {
            Backlog::close(backlog);
        }
        drop(listeners);
        drop(tasks);
        wake(wakers);
        self.0.changed.notify_waiters();
    }

    pub(crate) fn process_started(&self, host: HostId) {
        self.with_host(host, |h| {
            h.status = HostStatus::Running;
            h.life += 1;
            h.draws = 0;
            h.exit = None;
        });
        self.0.changed.notify_waiters();
    }

    /// Lets go of everything that refers back to the world.
    pub(crate) fn end(&self) {
        let hosts = self.0.state.borrow().hosts.len();
        for host in 0..hosts {
            self.close_all(HostId(host), HostStatus::Off);
        }
        *self.0.log_hook.borrow_mut() = None;
    }

    /// Told by a listener that comes or goes.
    pub(crate) fn listeners_changed(&self) {
        self.0.changed.notify_waiters();
    }
}

fn passes(conn: &Conn, links: &[Vec<Link>]) -> [bool; 2] {
    [CONNECTOR, ACCEPTOR].map(|side| {
        let (from, to) = conn.route(side);
        links[from.0][to.0].policy.passes()
    })
}

/// Forgets a connection that nobody holds, and keeps the list of half-closed ones.
fn settle(id: ConnId, conns: &mut BTreeMap<ConnId, Conn>, half_closed: &mut BTreeSet<ConnId>) {
    let Some(conn) = conns.get(&id) else { return };
    if conn.over() {
        conns.remove(&id);
        half_closed.remove(&id);
    } else if conn.half_closed() {
        half_closed.insert(id);
    }
}

fn wake(wakers: Wakers) {
    for waker in wakers {
        waker.wake();
    }
}
