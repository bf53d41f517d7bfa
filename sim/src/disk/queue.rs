//! What a disk has to do, one operation after the other, at whatever speed it has meanwhile.
//!
//! Work is counted in bytes, the time of an operation beside its transfer as the bytes that would
//! be moved in it. So what was begun on a slow disk is not slow to its end: it goes on at the
//! speed that the disk has later. Must never: wait.

use std::time::Duration;

/// Work: bytes, times the nanoseconds of a second, so that no division rounds any of it away.
type Work = u128;

const NANOS: Work = 1_000_000_000;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_per_s: u64,
    /// When it got this speed, and what it could have done in all until then.
    since: (Duration, Work),
    /// The end of what it was asked to do, on the same count.
    end: Work,
}

/// The end of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(Work);

impl Queue {
    pub(super) fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), since: (Duration::ZERO, 0), end: 0 }
    }

    /// What it could have done in all by now.
    fn reached(&self, now: Duration) -> Work {
        let (since, done) = self.since;
        done + now.saturating_sub(since).as_nanos() * Work::from(self.bytes_per_s)
    }

    /// From now on it moves so many bytes a second.
    pub(super) fn set_speed(&mut self, now: Duration, bytes_per_s: u64) {
        self.since = (now, self.reached(now));
        self.bytes_per_s = bytes_per_s.max(1);
    }

    /// Forgets what it was asked to do.
    pub(super) fn clear(&mut self) {
        self.end = 0;
    }

    /// Takes an operation that moves `bytes` and takes `beside` for the rest.
    pub(super) fn push(&mut self, now: Duration, bytes: usize, beside: Duration) -> Ticket {
        let beside = beside.as_nanos() * Work::from(self.bytes_per_s);
        self.end = self.end.max(self.reached(now)) + bytes as Work * NANOS + beside;
        Ticket(self.end)
    }

    /// How long an operation takes yet, if the speed stays as it is.
    pub(super) fn wait(&self, now: Duration, ticket: Ticket) -> Duration {
        let left = ticket.0.saturating_sub(self.reached(now));
        let nanos = left.div_ceil(Work::from(self.bytes_per_s));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn operations_wait_for_each_other() {
        let mut queue = Queue::new(1000);
        let first = queue.push(ms(10), 500, ms(0));
        let second = queue.push(ms(10), 100, ms(7));
        assert_eq!(queue.wait(ms(10), first), ms(500));
        assert_eq!(queue.wait(ms(110), first), ms(400));
        assert_eq!(queue.wait(ms(110), second), ms(507));
        assert_eq!(queue.wait(ms(2000), second), ms(0));
        let third = queue.push(ms(3000), 100, ms(0));
        assert_eq!(queue.wait(ms(3000), third), ms(100));
    }

    #[test]
    fn what_is_under_way_goes_on_at_the_new_speed() {
        let mut queue = Queue::new(1000);
        let ticket = queue.push(ms(0), 1000, ms(0));
        queue.set_speed(ms(500), 10_000);
        assert_eq!(queue.wait(ms(500), ticket), ms(50));
        queue.set_speed(ms(520), 100);
        assert_eq!(queue.wait(ms(520), ticket), ms(3000));
        queue.clear();
        let next = queue.push(ms(600), 1, ms(0));
        assert_eq!(queue.wait(ms(600), next), ms(10));
    }
}
