//! A run whose panic is a result like any other.
//!
//! A panic of the node or of the testbed ends the run, not the campaign: it becomes a report
//! without a verdict that names the message and its place. Must never: hide a panic that is not
//! a run's own.

use std::any::Any;
use std::cell::RefCell;
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

/// Resolves the scenario and makes one run of it with `run`. A panic becomes a report without a
/// verdict.
pub fn run_caught(run: RunFn, scenario: &Scenario, seed: Seed, options: &RunOptions) -> RunReport {
    keep_panics_of_runs();
    #[expect(clippy::disallowed_methods, reason = "how long a run took; no run sees it")]
    let begun = Instant::now();
    IN_RUN.with_borrow_mut(|message| *message = Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(|| run(&scenario.resolve(seed), options)));
    let message = IN_RUN.take().unwrap_or_default();
    let mut report = result.unwrap_or_else(|payload| {
        let text = if message.is_empty() { payload_text(payload.as_ref()) } else { message };
        RunReport::error(&scenario.name, seed, text)
    });
    report.wall_time = begun.elapsed();
    report
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
