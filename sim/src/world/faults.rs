//! What can be done to the world: links that are cut or slow, processes and machines that stop.
//! turmoil is told by [`crate::simulation::Simulation`].
//!
//! Must never: decide when.

use std::time::Duration;

use super::connections::{passes, settle, wake};
use super::{HostId, HostStatus, State, World};
use crate::transport::conn::{ACCEPTOR, CONNECTOR, ConnId, Wakers};
use crate::transport::link::{LinkConfig, LinkPolicy};
use crate::transport::listener::Backlog;

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

    /// How long it takes at most until all has arrived that was sent from one host to another.
    /// Zero if it has.
    #[must_use]
    pub fn clear_in(&self, from: HostId, to: HostId) -> Duration {
        let (now, tick) = (self.now(), self.tick());
        self.with_link(from, to, |link| link.clear_in(now, tick))
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
