//! What is kept of a run that failed: its capsule, its trace, and a link to the last of them.
//!
//! The run is made again to write its trace, since nobody knew that it would fail. Must never: let
//! a run's result depend on whether anything could be kept.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::determinism;
use crate::explore::capsule;
use crate::report::{Outcome, RunReport};
use crate::run::{RunFn, RunOptions, run_caught};
use crate::scenario::Scenario;

/// Most runs of one invocation of which something is kept.
const MAX_KEPT: usize = 20;

/// The folder of everything that is kept.
pub(super) struct Artifacts {
    root: PathBuf,
    /// Whether each run has written its trace there already.
    traced: bool,
    kept: usize,
}

impl Artifacts {
    pub(super) fn new(root: PathBuf, traced: bool) -> Self {
        Self { root, traced, kept: 0 }
    }

    /// Keeps a run that did not pass, and notes in its report where. Two runs that differ are
    /// noted too.
    pub(super) fn keep(&mut self, scenario: &Scenario, report: &mut RunReport, run: RunFn) {
        if report.outcome == Outcome::Pass || report.nondeterministic || self.kept >= MAX_KEPT {
            return;
        }
        self.kept += 1;
        if !self.traced {
            let options = RunOptions { trace: Some(self.root.clone()), ..RunOptions::default() };
            let again = run_caught(run, scenario, report.seed, &options);
            let mut parting = determinism::difference(report, &again);
            if parting.is_some() && again.outcome == Outcome::Error {
                // Perhaps it could but not write its trace: that makes it no other run.
                let plain =
                    run_caught(run, scenario, report.seed, &RunOptions { trace: None, ..options });
                parting = determinism::difference(report, &plain);
                if parting.is_none() {
                    let why = again.reason();
                    let _ = writeln!(anstream::stderr(), "warning: no trace is kept: {why}");
                }
            }
            if let Some(parting) = parting {
                report.nondeterministic = true;
                report.error.get_or_insert(parting);
            }
        }
        let folder = self.root.join(&scenario.name).join(report.seed.to_string());
        let kept = capsule::write(&folder.join("capsule.toml"), scenario, report)
            .and_then(|()| self.link(&folder).map_err(|error| error.to_string()));
        match kept {
            Ok(()) => report.kept = Some(folder),
            Err(why) => {
                let _ = writeln!(anstream::stderr(), "warning: the failure is not kept: {why}");
            }
        }
    }

    /// `latest` leads to the folder of the last failure.
    fn link(&self, folder: &Path) -> io::Result<()> {
        let Ok(target) = folder.strip_prefix(&self.root) else { return Ok(()) };
        let (new, latest) = (self.root.join("latest.new"), self.root.join("latest"));
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::os::unix::fs::symlink(target, &new)?;
        std::fs::rename(new, latest)
    }
}
