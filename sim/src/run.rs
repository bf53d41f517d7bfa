//! One run: a resolved scenario in, a report out.

use std::path::PathBuf;

use crate::report::RunReport;
use crate::scenario::ResolvedScenario;

/// What a run is asked for besides its scenario.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Folder below which the run writes its trace; `None` for no trace.
    pub trace: Option<PathBuf>,
}

/// A function that runs one scenario. It may panic: the caller reports that as an error.
pub type RunFn = fn(&ResolvedScenario, &RunOptions) -> RunReport;

/// Runs one scenario.
pub fn run_scenario(scenario: &ResolvedScenario, _options: &RunOptions) -> RunReport {
    RunReport::error(&scenario.name, scenario.seed, "the runner is not built yet")
}
