//! What goes over connections, and what machines do about those that nobody holds.
//!
//! Must never: change a link's policy or speed, or whether a machine runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::{Arrival, HostId, HostStatus, State, World};
use crate::transport::conn::{ACCEPTOR, CONNECTOR, Conn, ConnId, End, Readable, Wakers, Writable};
use crate::transport::link::Link;

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
            if !conn.held_by_both() {
                settle(id, conns, half_closed);
            }
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

pub(super) fn passes(conn: &Conn, links: &[Vec<Link>]) -> [bool; 2] {
    [CONNECTOR, ACCEPTOR].map(|side| {
        let (from, to) = conn.route(side);
        links[from.0][to.0].policy.passes()
    })
}

/// Forgets a connection that nobody holds, and keeps the list of half-closed ones.
pub(super) fn settle(
    id: ConnId,
    conns: &mut BTreeMap<ConnId, Conn>,
    half_closed: &mut BTreeSet<ConnId>,
) {
    let Some(conn) = conns.get(&id) else { return };
    if conn.over() {
        conns.remove(&id);
        half_closed.remove(&id);
    } else if conn.half_closed() {
        half_closed.insert(id);
    }
}

pub(super) fn wake(wakers: Wakers) {
    for waker in wakers {
        waker.wake();
    }
}
