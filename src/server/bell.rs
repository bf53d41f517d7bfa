//! Waking a task of the same thread: cheaper than channels made for many threads, and free of
//! wake-ups that a task would cause to itself.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// A flag that one task waits for.
#[derive(Default)]
pub(super) struct Bell {
    rung: Cell<bool>,
    /// Whether the waiter sleeps: a bell rung by its own waiter, while it runs, wakes no one.
    armed: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Bell {
    /// Sets the flag, and wakes the waiter if it sleeps.
    pub(super) fn ring(&self) {
        self.rung.set(true);
        if self.armed.replace(false)
            && let Some(waiter) = self.waiter.borrow().as_ref()
        {
            waiter.wake_by_ref();
        }
    }

    /// Takes the flag.
    pub(super) fn take(&self) -> bool {
        self.rung.replace(false)
    }

    /// Whether it has been rung since it was last taken.
    pub(super) fn is_rung(&self) -> bool {
        self.rung.get()
    }

    /// The waiter runs: ringing need not wake it.
    pub(super) fn disarm(&self) {
        self.armed.set(false);
    }

    /// The waiter is about to sleep; the next ring wakes it.
    pub(super) fn arm(&self, cx: &Context<'_>) {
        let mut waiter = self.waiter.borrow_mut();
        match waiter.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *waiter = Some(cx.waker().clone()),
        }
        self.armed.set(true);
    }

    /// Ready, with the flag taken, once it has been rung.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.take() {
            self.disarm();
            return Poll::Ready(());
        }
        self.arm(cx);
        Poll::Pending
    }

    /// Waits until it is rung, and takes the flag.
    pub(super) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// A gate that many tasks pass, and that can be closed for a time (`DEBUG SLEEP`).
#[derive(Default)]
pub(super) struct Gate {
    closed: Cell<bool>,
    waiters: RefCell<Vec<Waker>>,
}

impl Gate {
    /// Stops everyone who comes from now on.
    pub(super) fn close(&self) {
        self.closed.set(true);
    }

    /// Lets everyone through.
    pub(super) fn open(&self) {
        self.closed.set(false);
        for waiter in self.waiters.take() {
            waiter.wake();
        }
    }

    /// Ready when the gate is open.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.closed.get() {
            return Poll::Ready(());
        }
        let mut waiters = self.waiters.borrow_mut();
        if !waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_bell_wakes_a_sleeper_once_and_a_runner_never() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let bell = Bell::default();
        assert!(bell.poll(&cx).is_pending());
        bell.ring();
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(bell.poll(&cx).is_ready());
        bell.ring();
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "rung while running");
        assert!(bell.take() && !bell.take());
    }

    #[test]
    fn a_gate_lets_all_waiters_through_when_it_opens() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let cx = Context::from_waker(&waker);
        let gate = Gate::default();
        assert!(gate.poll(&cx).is_ready());
        gate.close();
        assert!(gate.poll(&cx).is_pending());
        assert!(gate.poll(&cx).is_pending());
        gate.open();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(gate.poll(&cx).is_ready());
    }
}
