//! The shell: moves bytes between the world and the [`Node`], and decides nothing.
//!
//! [`run`] drives one node over any [`Env`]: real TCP and files, or the simulator's. All of it
//! runs on one thread. The node sits in a `RefCell`; every connection, the link to the master,
//! and every job with a file is a local task that borrows the node for the length of one call
//! and then carries out what the node asked for (`shell::Shell::with`).
//!
//! | file | what it moves |
//! |---|---|
//! | `listener` | new connections |
//! | `connection` | bytes of one client or replica, both ways |
//! | `transfer`, `sender` | snapshots to replicas |
//! | `master_link`, `receiver` | bytes of the master, and the snapshot it sends |
//! | `loading`, `saver` | the RDB file |
//! | `tokio_env` | the real world |
//!
//! Must never: read a clock other than `tokio::time` and [`Env::unix_ms`], use `tokio::net` or
//! a thread outside `tokio_env`, or answer a client by itself.

pub mod args;
mod bell;
mod connection;
mod files;
mod listener;
mod loading;
mod master_link;
mod receiver;
mod saver;
mod sender;
mod shell;
pub mod tokio_env;
mod transfer;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::env::Env;
use crate::event::Probe;
use crate::node::Node;
use shell::Shell;

/// How many times the tasks get a turn after the node asked to end, to write what is left.
const LAST_TURNS: usize = 3;

/// Runs one node until it ends, and returns the exit code of its process.
///
/// `shutdown` resolves to the name of a signal (`SIGTERM`) when the process is asked to end.
/// Must be polled where `tokio::task::spawn_local` works: inside a `LocalSet` or on a
/// `LocalRuntime`. Dropping the future is a crash: every task it spawned is aborted with it,
/// and nothing is written any more. While it is not polled the tasks are not either, if the
/// caller gives it a `LocalSet` of its own and stops polling that (a paused process).
///
/// # Panics
///
/// If a task panicked: an assertion about the node's inner state failed, and a node whose state
/// cannot be trusted must not serve. Faults from outside never get there.
pub async fn run<E: Env>(
    env: E,
    config: Config,
    config_file: Option<(String, String)>,
    probe: Option<Box<dyn Probe>>,
    shutdown: impl Future<Output = &'static str>,
) -> i32 {
    let shell = Shell::start(env, config, config_file, probe);
    let _tasks_end_with_us = EndTasks(shell.clone());
    shell.spawn(receiver::run(shell.clone()));
    shell.spawn(listener::run(shell.clone()));
    shell.with(Node::start);

    let mut shutdown = pin!(shutdown);
    let mut asked_to_end = false;
    let mut next_tick = Instant::now() + shell.look(Node::tick_period);
    loop {
        tokio::select! {
            biased;
            code = shell.exited() => {
                let_the_last_bytes_out(&shell).await;
                return code;
            }
            () = shell.a_task_ended() => {}
            signal = &mut shutdown, if !asked_to_end => {
                asked_to_end = true;
                shell.awake().await;
                shell.with(|node, now| node.signal_shutdown(now, signal));
            }
            () = sleep_until(next_tick) => {
                shell.awake().await;
                let usage = shell.env.usage();
                shell.with(|node, now| {
                    node.set_usage(usage);
                    node.tick(now);
                });
                // Late ticks (a paused process, `DEBUG SLEEP`) are not made up for.
                next_tick = Instant::now() + shell.look(Node::tick_period);
            }
        }
    }
}

/// Replies and stream bytes of the last command are written as far as the sockets take them.
async fn let_the_last_bytes_out<E: Env>(shell: &Rc<Shell<E>>) {
    shell.ring_all();
    for _ in 0..LAST_TURNS {
        let mut yielded = false;
        poll_fn(|cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Ends all tasks of a shell when `run` returns or is dropped. Tasks hold the shell, so nothing
/// else would.
struct EndTasks<E: Env>(Rc<Shell<E>>);

impl<E: Env> Drop for EndTasks<E> {
    fn drop(&mut self) {
        self.0.end_tasks();
    }
}
