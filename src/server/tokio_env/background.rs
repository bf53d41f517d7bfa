//! Work beside the event loop: one thread a job, a few results ahead.

use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::env::Background;

/// Results that may wait for the event loop.
const AHEAD: usize = 4;

/// How far behind the event loop a thread beside it stands in the scheduler's line: a snapshot can
/// wait for a processor, a client should not have to.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets the event loop come before this thread, where the system can do that for one thread.
///
/// With it the 99th percentile of `GET` while a million keys are saved was two thirds of what it
/// was, on two processors, and the save took no longer.
pub fn yield_to_the_event_loop() {
    // Elsewhere niceness is the whole process's. A system that refuses it is only less smooth.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

/// An iterator that runs on a thread of its own.
pub enum ThreadBackground<T> {
    /// On its thread; the handle is taken when the work is over.
    Thread {
        /// Where the results come in.
        results: mpsc::Receiver<T>,
        /// The thread.
        thread: Option<JoinHandle<()>>,
    },
    /// There was no thread to be had: on the event loop, item by item.
    Inline(Box<dyn Iterator<Item = T> + Send>),
}

impl<T: Send + 'static> ThreadBackground<T> {
    /// Starts the work. It ends early when `self` is dropped.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where threads come from; the simulator has its own"
    )]
    pub(super) fn start(work: Box<dyn Iterator<Item = T> + Send>) -> Self {
        let (sender, results) = mpsc::channel(AHEAD);
        // Handed over through a channel, so that it is not lost when no thread can be started.
        let (hand_over, take_over) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            yield_to_the_event_loop();
            let Ok(work) = take_over.recv() else { return };
            let work: Box<dyn Iterator<Item = T> + Send> = work;
            for item in work {
                if sender.blocking_send(item).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("background".to_owned()).spawn(body) {
            Ok(thread) => match hand_over.send(work) {
                Ok(()) => Self::Thread { results, thread: Some(thread) },
                Err(returned) => Self::Inline(returned.0),
            },
            Err(_) => Self::Inline(work),
        }
    }
}

impl<T: Send + 'static> Background<T> for ThreadBackground<T> {
    async fn next(&mut self) -> Option<T> {
        match self {
            Self::Inline(work) => {
                tokio::task::yield_now().await;
                work.next()
            }
            Self::Thread { results, thread } => {
                let item = results.recv().await;
                // A thread that panicked has sent only a part, which must not pass for the whole.
                if item.is_none()
                    && let Some(thread) = thread.take()
                    && let Err(panic) = thread.join()
                {
                    std::panic::resume_unwind(panic);
                }
                item
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test)
    }

    #[test]
    fn all_items_arrive_in_order() {
        run(async {
            let mut work = ThreadBackground::start(Box::new(0..100));
            let mut seen = Vec::new();
            while let Some(item) = work.next().await {
                seen.push(item);
            }
            assert_eq!(seen, (0..100).collect::<Vec<_>>());
        });
    }

    #[test]
    fn dropping_the_receiver_ends_endless_work() {
        run(async {
            let mut work = ThreadBackground::start(Box::new(0_u64..));
            assert_eq!(work.next().await, Some(0));
            let ThreadBackground::Thread { thread, results } = &mut work else {
                panic!("no thread");
            };
            let thread = thread.take().expect("its handle");
            results.close();
            while results.recv().await.is_some() {}
            thread.join().expect("the thread ends");
        });
    }

    #[test]
    #[should_panic(expected = "half way")]
    fn a_panic_is_not_the_end_of_the_work() {
        run(async {
            let mut work = ThreadBackground::start(Box::new((0..10).inspect(|&item| {
                assert!(item < 5, "half way");
            })));
            while work.next().await.is_some() {}
        });
    }
}
