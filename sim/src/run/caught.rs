//! A run whose panic is a result like any other.
//!
//! A panic of the node or of the testbed ends the run, not the campaign: it becomes a report
//! without a verdict that names the message and its place. Must never: hide a panic that is not
//! a run's own.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Instant;

use super::{RunFn, RunOptions};
use crate::report::{BACKTRACE, RunReport};
use crate::scenario::Scenario;
use crate::seed::Seed;

thread_local! {
    /// Set while a run is under way on this thread: the message of its panic.
    static IN_RUN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Stack of a thread that makes runs, in bytes.
pub(crate) const STACK: usize = 16 << 20;

/// Starts a thread that makes runs. Each run is made on one thread from its begin to its end, so
/// that no run sees how many there are.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn spawn_worker(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "runs are made beside each other, not in parts")]
    std::thread::Builder::new().name(name).stack_size(STACK).spawn(work)?;
    Ok(())
}

/// Resolves the scenario and makes one run of it with `run`. A panic becomes a report without a
/// verdict.
pub fn run_caught(run: RunFn, scenario: &Scenario, seed: Seed, options: &RunOptions) -> RunReport {
    keep_panics_of_runs();
    #[expect(clippy::disallowed_methods, reason = "how long a run took; no run sees it")]
    let begun = Instant::now();
    IN_RUN.with_borrow_mut(|message| *message = Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| run(&scenario.resolve(seed), options)));
    let mut report = result.unwrap_or_else(|payload| {
        RunReport::error(&scenario.name, seed, text_of(payload.as_ref()))
    });
    IN_RUN.set(None);
    report.wall_time = begun.elapsed();
    report
}

/// What a caught panic said, and where: what the hook has kept of it, if this is a run of
/// [`run_caught`].
pub(super) fn text_of(payload: &(dyn Any + Send)) -> String {
    let kept = IN_RUN.with_borrow_mut(|message| message.as_mut().map(std::mem::take));
    kept.filter(|text| !text.is_empty()).unwrap_or_else(|| payload_text(payload))
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

/// A panic inside a run becomes its result; any other is shown as ever.
fn keep_panics_of_runs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = payload_text(info.payload());
            let place = info.location().map(|place| format!("\nat {place}")).unwrap_or_default();
            let kept = IN_RUN.with_borrow_mut(|message| match message {
                // The first panic is the cause; those of its unwinding are not.
                Some(message) if message.is_empty() => {
                    // Empty unless RUST_BACKTRACE asks for it.
                    let trace = std::backtrace::Backtrace::capture().to_string();
                    *message = format!("{text}{place}");
                    if !trace.is_empty() && !trace.starts_with("disabled") {
                        message.push_str(BACKTRACE);
                        message.push_str(trace.trim_end());
                    }
                    true
                }
                Some(_) => true,
                None => false,
            });
            if !kept {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::explore::capsule;
    use crate::invariant::{Found, Invariant, Sight};
    use crate::report::Outcome;
    use crate::run::run_with;
    use crate::scenario::{ResolvedScenario, parse};
    use replisim::event::Event;

    /// Panics, in the middle of a node's work, at the first full sync.
    struct Fuse;

    impl Invariant for Fuse {
        fn name(&self) -> &'static str {
            "fuse"
        }

        fn observe(&mut self, _: &Cluster, sight: &Sight<'_>, _: &mut Found<'_>) {
            if let Event::Loaded { .. } = sight.event {
                panic!("the fuse has blown");
            }
        }
    }

    fn with_fuse(scenario: &ResolvedScenario, options: &RunOptions) -> RunReport {
        run_with(scenario, options, vec![Box::new(Fuse)])
    }

    #[test]
    fn a_panic_leaves_what_led_to_it_and_replays() {
        let text = "title = \"t\"\n[nodes.m1]\n[nodes.r1]\nreplicaof = \"m1\"\n[run]\nduration = \"9s\"\nseeds = [7]";
        let scenario = parse("fuse", "fuse.toml", text).expect("it is right");
        let options = RunOptions { story: true, keep_trace: true, ..RunOptions::default() };
        let report = run_caught(with_fuse, &scenario, Seed(7), &options);
        assert_eq!(report.outcome, Outcome::Error);
        assert!(report.reason().starts_with("panicked: the fuse has blown\nat "), "{report:?}");
        assert!(report.sim_time.as_millis() > 0 && report.trace_hash != 0);
        assert!(report.story.iter().any(|line| line.contains("full sync")), "{:#?}", report.story);
        assert!(report.trace.last().is_some_and(|line| line.contains("the fuse has blown")));

        let text = capsule::text(&scenario, &report).expect("it can be written");
        let capsule = parse("fuse", "fuse.toml", &text).expect("it can be read");
        let again = capsule::replay(&capsule, with_fuse, &options).expect("it has a section");
        assert_eq!(again.differences, Vec::<String>::new());
        assert_eq!(again.report.trace_hash, report.trace_hash);
    }
}
