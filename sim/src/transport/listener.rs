//! Listening sockets, and how a connection comes about.
//!
//! Handshakes are the kernel's work: they go on while the process is stopped, and a connection
//! waits in the backlog until the process accepts it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use replisim::env::{Listener, Peer};
use tokio::sync::{Notify, oneshot};
use turmoil::net::{TcpListener, TcpStream};

use super::conn::{ACCEPTOR, CONNECTOR};
use super::link::LinkPolicy;
use super::stream::{SimStream, os_error, peer};
use crate::world::{HostId, HostStatus, World};

/// Connections that wait to be accepted; more than this many are not answered (`tcp-backlog`).
const BACKLOG: usize = 511;
/// How long an unanswered SYN waits before it is repeated, as Linux's first repetition.
const SYN_REPEAT: Duration = Duration::from_secs(1);

/// Accepted by the kernel, not yet by the process.
pub(crate) struct Backlog {
    ready: VecDeque<(SimStream, Peer)>,
    accepting: Option<Waker>,
    closed: Rc<Notify>,
}

impl Backlog {
    /// Resets what waits, and ends the kernel's listening.
    pub(crate) fn close(backlog: &Rc<RefCell<Self>>) {
        let (waiting, closed) = {
            let mut backlog = backlog.borrow_mut();
            (std::mem::take(&mut backlog.ready), backlog.closed.clone())
        };
        closed.notify_one();
        // Dropped only now: closing a stream needs the world.
        drop(waiting);
    }
}

/// A listening socket of a simulated host.
pub struct SimListener {
    world: World,
    host: HostId,
    port: u16,
    backlog: Rc<RefCell<Backlog>>,
}

impl SimListener {
    pub(crate) async fn bind(world: World, host: HostId, port: u16) -> io::Result<Self> {
        if world.with_host(host, |h| h.listeners.contains_key(&port)) {
            return Err(os_error(io::ErrorKind::AddrInUse));
        }
        let tcp = loop {
            match TcpListener::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).await {
                // The kernel has not yet let go of a listener closed a moment ago.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                other => break other?,
            }
        };
        let closed = Rc::new(Notify::new());
        let backlog = Rc::new(RefCell::new(Backlog {
            ready: VecDeque::new(),
            accepting: None,
            closed: closed.clone(),
        }));
        world.with_host(host, |h| h.listeners.insert(port, backlog.clone()));
        world.spawn_kernel(host, answer(world.clone(), host, tcp, backlog.clone(), closed));
        world.listeners_changed();
        Ok(Self { world, host, port, backlog })
    }
}

/// The kernel's side of listening.
async fn answer(
    world: World,
    host: HostId,
    tcp: TcpListener,
    backlog: Rc<RefCell<Backlog>>,
    closed: Rc<Notify>,
) {
    loop {
        let (stream, origin) = tokio::select! {
            biased;
            () = closed.notified() => return,
            accepted = tcp.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "turmoil cannot accept");
                    return;
                }
            },
        };
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else {
            continue;
        };
        let connector = if origin.ip().is_loopback() {
            host
        } else {
            match world.host(&origin.ip().to_string()) {
                Ok(id) => id,
                Err(error) => {
                    tracing::error!(%error, "a connection from nowhere");
                    continue;
                }
            }
        };
        let id = world.accepted((connector, origin), (host, local));
        let stream = SimStream::new(world.clone(), id, ACCEPTOR, stream);
        let waker = {
            let mut backlog = backlog.borrow_mut();
            backlog.ready.push_back((stream, peer(local, remote)));
            backlog.accepting.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    async fn accept(&mut self) -> io::Result<(SimStream, Peer)> {
        poll_fn(|cx| {
            let mut backlog = self.backlog.borrow_mut();
            match backlog.ready.pop_front() {
                Some(ready) => Poll::Ready(Ok(ready)),
                None => {
                    backlog.accepting = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.with_host(self.host, |h| {
            if h.listeners.get(&self.port).is_some_and(|b| Rc::ptr_eq(b, &self.backlog)) {
                h.listeners.remove(&self.port);
            }
        });
        Backlog::close(&self.backlog);
        self.world.listeners_changed();
    }
}

/// Connects `from` to a port of the host called `name`.
pub(crate) async fn connect(
    world: World,
    from: HostId,
    name: &str,
    port: u16,
) -> io::Result<(SimStream, Peer)> {
    let loopback = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let (to, ip) = if loopback {
        (from, IpAddr::V4(Ipv4Addr::LOCALHOST))
    } else {
        let to = world.host(name).map_err(|e| io::Error::new(io::ErrorKind::NotFound, e))?;
        (to, world.ip(to))
    };
    let (answer, result) = oneshot::channel();
    let kernel = establish(world.clone(), from, to, ip, port, answer);
    world.spawn_kernel(from, kernel);
    result.await.unwrap_or_else(|_| Err(io::Error::other("the machine went down")))
}

/// The kernel's side of connecting. Ends early when nobody waits for the answer any more.
async fn establish(
    world: World,
    from: HostId,
    to: HostId,
    ip: IpAddr,
    port: u16,
    mut answer: oneshot::Sender<io::Result<(SimStream, Peer)>>,
) {
    let result = loop {
        let way = tokio::select! {
            biased;
            () = answer.closed() => return,
            way = handshake(&world, from, to, port) => way,
        };
        if let Err(refused) = way {
            break Err(refused);
        }
        // Not given up half way: the other side may have the connection already. With a host
        // that lives, turmoil needs two ticks at most.
        let limit = world.tick() * 4;
        let Ok(connected) = tokio::time::timeout(limit, TcpStream::connect((ip, port))).await
        else {
            continue;
        };
        break connected
            .map_err(|_| os_error(io::ErrorKind::ConnectionRefused))
            .and_then(|tcp| take_end(&world, tcp));
    };
    // Nobody waits: the stream is dropped, and so closed.
    drop(answer.send(result));
}

fn take_end(world: &World, tcp: TcpStream) -> io::Result<(SimStream, Peer)> {
    let (local, remote) = (tcp.local_addr()?, tcp.peer_addr()?);
    let id = world.claim(local, remote).ok_or_else(|| os_error(io::ErrorKind::ConnectionReset))?;
    let stream = SimStream::new(world.clone(), id, CONNECTOR, tcp);
    Ok((stream, peer(local, remote)))
}

enum Way {
    Passes,
    Hangs,
    Refused,
}

fn way(world: &World, from: HostId, to: HostId) -> Way {
    let there = world.link_policy(from, to);
    if there == LinkPolicy::Reset {
        Way::Refused
    } else if !there.passes()
        || !world.link_policy(to, from).passes()
        || world.status(to) == HostStatus::Off
    {
        Way::Hangs
    } else {
        Way::Passes
    }
}

/// Waits until a SYN and its answer have travelled between the hosts.
async fn handshake(world: &World, from: HostId, to: HostId, port: u16) -> io::Result<()> {
    let refused = || Err(os_error(io::ErrorKind::ConnectionRefused));
    loop {
        match way(world, from, to) {
            Way::Refused => return refused(),
            Way::Hangs => {
                world.changed().await;
                continue;
            }
            Way::Passes => {}
        }
        let round_trip = world.with_link(from, to, super::link::Link::latency)
            + world.with_link(to, from, super::link::Link::latency);
        if !round_trip.is_zero() {
            tokio::time::sleep(round_trip).await;
        }
        if !matches!(way(world, from, to), Way::Passes) {
            continue;
        }
        let waiting = world
            .with_host(to, |h| h.listeners.get(&port).map(|backlog| backlog.borrow().ready.len()));
        match waiting {
            None => return refused(),
            Some(n) if n >= BACKLOG => tokio::time::sleep(SYN_REPEAT).await,
            Some(_) => return Ok(()),
        }
    }
}
