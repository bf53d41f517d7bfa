//! Since when nothing has been wrong with the network, with processes, with a disk; and from when
//! on nothing is done to the cluster any more: invariants ask more of it then.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Run;
use crate::cluster::Calm;
use crate::scenario::{ResolvedScenario, StepAction};
use crate::transport::LinkPolicy;
use crate::world::HostStatus;

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
    /// Takes note of what a step, which has just been done, broke or mended.
    pub(super) fn note_wholeness(&mut self, action: &StepAction) {
        let now = self.sim.elapsed();
        match action {
            StepAction::SlowDisk { node, .. }
            | StepAction::FullDisk { node, .. }
            | StepAction::DiskError { node, .. } => self.note_disk(node, None),
            StepAction::DiskOk { node } => self.note_disk(node, Some(now)),
            StepAction::Partition { .. }
            | StepAction::Heal { .. }
            | StepAction::Slow { .. }
            | StepAction::FullSpeed { .. }
            | StepAction::Kill { .. }
            | StepAction::PowerCut { .. }
            | StepAction::Start { .. }
            | StepAction::Restart { .. }
            | StepAction::Shutdown { .. }
            | StepAction::Pause { .. }
            | StepAction::Resume { .. }
            | StepAction::Lag { .. }
            | StepAction::CatchUp { .. } => {
                let whole = self.is_whole().then_some(now);
                self.recorder.borrow_mut().cluster.whole_since = whole;
            }
            _ => {}
        }
    }

    fn note_disk(&self, node: &str, whole_since: Option<Duration>) {
        let index = self.index(node);
        self.recorder.borrow_mut().cluster.nodes[index].disk_whole_since = whole_since;
    }

    /// Whether all ways between nodes are what they were at first, and all processes run or are
    /// down for good.
    fn is_whole(&self) -> bool {
        let usual = super::link_config(self.scenario);
        let world = self.sim.world();
        let nodes = &self.scenario.nodes;
        let hosts: Vec<_> = nodes.iter().filter_map(|node| world.host(&node.name).ok()).collect();
        let is_open =
            |a, b| world.link_policy(a, b) == LinkPolicy::Open && world.link_config(a, b) == usual;
        hosts.iter().all(|a| {
            world.status(*a) != HostStatus::Paused
                && hosts.iter().all(|b| a == b || is_open(*a, *b))
        })
    }

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
