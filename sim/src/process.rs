//! A process that can be stopped, on a machine whose kernel goes on.
//!
//! turmoil runs one future a host. That future is this module's root: it holds the process (the
//! software and all it spawns, in a `LocalSet` of its own) and polls it only while it is not
//! stopped. What the kernel does (handshakes, backlogs) runs beside it and is never stopped.
//! Timers of a stopped process are late, as after `SIGSTOP` and `SIGCONT`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, Sleep, sleep};

use crate::world::{HostId, HostStatus, World};

/// The one timer of a host for all that arrives at its connections.
#[derive(Default)]
struct Arrivals {
    timer: Option<Pin<Box<Sleep>>>,
    /// What the timer is set to, while it runs.
    due: Option<Duration>,
}

impl Arrivals {
    /// Wakes the readers of what has arrived, and sees to it that the root is polled when the
    /// next does.
    fn poll(&mut self, cx: &mut Context<'_>, world: &World, host: HostId) {
        let next = world.deliver(host);
        let Some(at) = next else {
            // A timer that still runs wakes the root once for nothing.
            return;
        };
        let wait = at.saturating_sub(world.now());
        let timer = match &mut self.timer {
            Some(timer) => {
                if self.due != Some(at) {
                    timer.as_mut().reset(Instant::now() + wait);
                }
                timer
            }
            none => none.insert(Box::pin(sleep(wait))),
        };
        self.due = timer.as_mut().poll(cx).is_pending().then_some(at);
        if self.due.is_none() {
            // It is due within the resolution of a timer.
            cx.waker().wake_by_ref();
        }
    }
}

/// Tells whether the process was woken, or only its root: a kernel's timer is no reason to go
/// through all that a process waits for.
#[derive(Default)]
struct Woken {
    /// Whether there is nothing to poll the process for.
    idle: AtomicBool,
    /// Whether the root sleeps, so that it must be woken.
    asleep: AtomicBool,
    root: Mutex<Option<Waker>>,
}

impl Woken {
    /// The root runs: until it has asked for work, it need not be woken for any.
    fn begin(&self, root: &Waker) {
        self.asleep.store(false, Ordering::Relaxed);
        let mut known = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_mut() {
            Some(known) => known.clone_from(root),
            None => *known = Some(root.clone()),
        }
    }

    /// Whether the process is to be polled now. The next wake-up wakes the root again.
    fn has_work(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        !self.idle.swap(true, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.idle.store(false, Ordering::Relaxed);
        if self.asleep.swap(false, Ordering::Relaxed) {
            let root = self.root.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(root) = root {
                root.wake();
            }
        }
    }
}

/// What a host's root reads the time from. turmoil's own clock is some hash lookups away, so it
/// is asked once; from then on the paused runtime's clock tells how much has passed. Where a step
/// is no whole number of milliseconds the two part (a runtime's timers are that coarse), and
/// turmoil is asked each time.
struct RootClock {
    began: Option<(Instant, Duration)>,
}

impl RootClock {
    fn new(world: &World) -> Self {
        let whole = world.tick().subsec_nanos().is_multiple_of(1_000_000);
        Self { began: whole.then(|| (Instant::now(), world.now())) }
    }

    fn now(&self, world: &World) -> Duration {
        let Some((instant, time)) = self.began else {
            return world.now();
        };
        let now = time + instant.elapsed();
        debug_assert_eq!(now, world.now(), "the two clocks have parted");
        now
    }
}

/// Polls the root of a host, each time as one turn of the world's clock.
async fn poll_turns<T>(world: &World, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let clock = RootClock::new(world);
    poll_fn(|cx| world.turn(clock.now(world), || poll(cx))).await
}

/// What the software of a host returns: an error is an exit status that is not zero.
pub type Exit = anyhow::Result<()>;

/// Runs `software` as the process of `host` until it ends.
pub(crate) async fn run<F>(world: World, host: HostId, software: F) -> Exit
where
    F: Future<Output = Exit> + 'static,
{
    let mut process = Box::pin(async move {
        let mut tasks = LocalSet::new();
        // A panic of any task ends the simulation: it is never part of a scenario.
        tasks.unhandled_panic(tokio::runtime::UnhandledPanic::ShutdownRuntime);
        tasks.run_until(software).await
        // What the process spawned ends with it.
    });
    let mut arrivals = Arrivals::default();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let poll = |cx: &mut Context<'_>| {
        let (running, tasks) = world.with_host(host, |h| {
            match &mut h.root {
                Some(root) => root.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            (h.status == HostStatus::Running, std::mem::take(&mut h.kernel_tasks))
        });
        for task in tasks {
            tokio::task::spawn_local(task);
        }
        if !running {
            return Poll::Pending;
        }
        woken.begin(cx.waker());
        arrivals.poll(cx, &world, host);
        if !woken.has_work() {
            return Poll::Pending;
        }
        process.as_mut().poll(&mut Context::from_waker(&waker))
    };
    let exit = poll_turns(&world, poll).await;
    drop(process);
    let status = match &exit {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error:#}")),
    };
    world.process_ended(host, Some(status));
    exit
}
