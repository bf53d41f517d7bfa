//! A process that can be stopped, on a machine whose kernel goes on.
//!
//! turmoil runs one future a host. That future is this module's root: it holds the process (the
//! software and all it spawns, in a `LocalSet` of its own) and polls it only while it is not
//! stopped. What the kernel does (handshakes, backlogs) runs beside it and is never stopped.
//! Timers of a stopped process are late, as after `SIGSTOP` and `SIGCONT`.

use std::future::{Future, poll_fn};
use std::task::Poll;

use tokio::task::LocalSet;

use crate::world::{HostId, HostStatus, World};

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
    let exit = poll_fn(|cx| {
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
        if running { process.as_mut().poll(cx) } else { Poll::Pending }
    })
    .await;
    drop(process);
    let status = match &exit {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error:#}")),
    };
    world.process_ended(host, Some(status));
    exit
}
