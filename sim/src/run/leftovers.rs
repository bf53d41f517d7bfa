//! *leftovers*: in the end no temporary file lies about that the process there has made and forgotten.
//!
//! What an earlier process left when it was killed stays, as it does with Redis. Must never: judge a
//! file in use, or one that a failing disk would not let go.

use std::time::Duration;

use replisim::event::MasterLinkState;

use super::{Run, RunError};
use crate::scenario::StepAction;
use crate::world::HostStatus;

/// A file that is closed may be on its way to another name, or to being read, for so long.
const PATIENCE: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// Files that a running process has made for a time and has not open, with their nodes.
    fn temp_files(&self) -> Vec<(usize, String)> {
        let world = self.sim.world();
        let mut all = Vec::new();
        for (index, node) in self.scenario.nodes.iter().enumerate() {
            let link = self.recorder.borrow().cluster.nodes[index].master_link;
            let receives = matches!(link, MasterLinkState::Transfer | MasterLinkState::Loading);
            let Ok(host) = world.host(&node.name) else { continue };
            if receives || world.status(host) != HostStatus::Running {
                continue;
            }
            let process = world.process_id(host).to_string();
            let files = world.with_host(host, |host| host.disk.borrow().unopened());
            let is_temp = |name: &String| {
                let parts = name.rsplit('/').next().unwrap_or_default().split(['.', '-']);
                let is_mine = parts.clone().any(|part| part == process);
                is_mine && parts.into_iter().any(|part| part == "temp" || part == "tmp")
            };
            all.extend(files.into_iter().filter(is_temp).map(|name| (index, name)));
        }
        all
    }

    /// Judges them, once all is over.
    pub(super) fn look_for_leftovers(&mut self) -> Result<(), RunError> {
        let fails = |action: &StepAction| matches!(action, StepAction::DiskError { .. });
        let found = self.temp_files();
        if found.is_empty() || self.scenario.steps.iter().any(|step| fails(&step.action)) {
            return Ok(());
        }
        let until = self.sim.elapsed() + PATIENCE;
        while self.sim.elapsed() < until && !self.is_over() {
            self.step()?;
        }
        let left = self.temp_files();
        for (node, name) in found.into_iter().filter(|file| left.contains(file)) {
            let node = &self.scenario.nodes[node].name;
            let message = format!("the file {name} was left, and nobody has it open");
            self.recorder.borrow_mut().violation("leftovers", node, message);
        }
        Ok(())
    }
}
