//! `WAIT`: how many replicas have a write, and asking them at once.
//!
//! Must never: count a replica that has not itself acknowledged the offset.

use super::{Mono, Offset, Output, Replication, stream};

/// A client blocked in `WAIT`.
#[derive(Debug)]
pub(super) struct Waiter {
    client: u64,
    target: Offset,
    replicas: usize,
    deadline: Option<Mono>,
}

impl Replication {
    /// Starts waiting until `replicas` replicas have acknowledged `target`: `Some` if that is so
    /// already (their number, and port and ack of each); else [`Output::WaitDone`] comes later,
    /// at `deadline` at the latest (to the next tick; `None`: for ever).
    pub fn wait(
        &mut self,
        now: Mono,
        client: u64,
        target: Offset,
        replicas: usize,
        deadline: Option<Mono>,
    ) -> Option<(usize, Vec<(u16, Offset)>)> {
        let acks = self.acks(target);
        if acks.len() >= replicas {
            return Some((acks.len(), acks));
        }
        self.wait_cancel(client);
        self.waiters.push(Waiter { client, target, replicas, deadline });
        // An answer still on its way says no more than where the stream stood when it was asked for.
        if self.last_getack_at.is_none_or(|asked| asked < target) {
            self.request_acks(now);
        }
        None
    }

    /// The client is gone, or unblocked in another way.
    pub fn wait_cancel(&mut self, client: u64) {
        self.waiters.retain(|waiter| waiter.client != client);
    }

    /// Asks all replicas for an ack at once (`REPLCONF GETACK *` on the stream); later, while
    /// writes are paused.
    pub fn request_acks(&mut self, now: Mono) {
        if self.upstream.is_some() || self.replicas.is_empty() {
            return;
        }
        if self.writes_paused || self.stream_is_frozen() {
            self.getack_wanted = true;
            return;
        }
        self.getack_wanted = false;
        self.last_getack_at = Some(self.offset);
        self.extend_stream(now, stream::GETACK);
    }

    /// `CLIENT PAUSE` of writes began or ended: meanwhile no `GETACK` moves the offset.
    pub fn set_writes_paused(&mut self, now: Mono, paused: bool) {
        self.writes_paused = paused;
        self.send_delayed_getack(now);
    }

    pub(super) fn send_delayed_getack(&mut self, now: Mono) {
        if self.getack_wanted {
            self.request_acks(now);
        }
    }

    fn acks(&self, target: Offset) -> Vec<(u16, Offset)> {
        self.replicas
            .values()
            .filter(|r| r.is_online() && r.has_acked && r.acked >= target)
            .map(|r| (r.announced.port, r.acked))
            .collect()
    }

    pub(super) fn answer_waiters(&mut self) {
        self.finish_waiters(|_| false);
    }

    pub(super) fn expire_waiters(&mut self, now: Mono) {
        self.finish_waiters(|waiter| waiter.deadline.is_some_and(|deadline| now >= deadline));
    }

    fn finish_waiters(&mut self, over: impl Fn(&Waiter) -> bool) {
        for waiter in std::mem::take(&mut self.waiters) {
            let acks = self.acks(waiter.target);
            if acks.len() >= waiter.replicas || over(&waiter) {
                self.emit(Output::WaitDone {
                    client: waiter.client,
                    target: waiter.target,
                    acked: acks.len(),
                    acks,
                });
            } else {
                self.waiters.push(waiter);
            }
        }
    }
}
