//! From when on nothing is done to the cluster any more: invariants ask more of it then.

use std::collections::BTreeSet;

use super::Run;
use crate::cluster::Calm;
use crate::scenario::{ResolvedScenario, StepAction};

/// Whether something goes on for ever that keeps nodes from keeping up.
fn something_lasts(scenario: &ResolvedScenario) -> bool {
    let (mut lagging, mut disks, mut slow) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for step in &scenario.steps {
        match &step.action {
            StepAction::Lag { node, .. } => {
                lagging.insert(node);
            }
            StepAction::CatchUp { node } => {
                lagging.remove(node);
            }
            StepAction::SlowDisk { node, .. }
            | StepAction::FullDisk { node, .. }
            | StepAction::DiskError { node, .. } => {
                disks.insert(node);
            }
            StepAction::DiskOk { node } => {
                disks.remove(node);
            }
            StepAction::Slow { links, .. } => slow.extend(links.directed()),
            StepAction::FullSpeed { links } => {
                for link in links.directed() {
                    slow.remove(&link);
                }
            }
            _ => {}
        }
    }
    !(lagging.is_empty() && disks.is_empty() && slow.is_empty())
}

impl Run<'_> {
    /// Takes note when the last step is done and the last client has stopped.
    pub(super) fn notice_calm(&mut self) {
        let scenario = self.scenario;
        if self.done < scenario.steps.len()
            || !self.restarting.is_empty()
            || self.recorder.borrow().cluster.calm.is_some()
            || scenario.workloads.iter().any(|workload| workload.stop > self.sim.elapsed())
            || something_lasts(scenario)
        {
            return;
        }
        let calm = Calm { since: self.sim.elapsed(), core: self.core() };
        self.recorder.borrow_mut().cluster.calm = Some(calm);
    }
}
