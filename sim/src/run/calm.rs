//! Since when nothing has been wrong with the network, with processes, with a disk; and from when
//! on nothing is done to the cluster any more: invariants ask more of it then.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Run;
use crate::cluster::{Calm, NodeIndex};
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
            | StepAction::Lag { .. }
            | StepAction::CatchUp { .. } => self.note_ways(None),
            StepAction::Kill { node }
            | StepAction::PowerCut { node, .. }
            | StepAction::Start { node }
            | StepAction::Restart { node }
            | StepAction::Shutdown { node, .. }
            | StepAction::Pause { node }
            | StepAction::Resume { node } => self.note_ways(Some(node)),
            _ => {}
        }
    }

    fn note_disk(&self, node: &str, whole_since: Option<Duration>) {
        let index = self.index(node);
        self.recorder.borrow_mut().cluster.nodes[index].disk_whole_since = whole_since;
    }

    /// Takes note of which ways between nodes are whole, after a change of the network, or of the
    /// process of `node`.
    fn note_ways(&self, node: Option<&str>) {
        let now = self.sim.elapsed();
        let touched = node.map(|node| self.index(node));
        let cluster = &mut self.recorder.borrow_mut().cluster;
        let count = self.scenario.nodes.len();
        for (one, other) in (0..count).flat_map(|one| (one + 1..count).map(move |it| (one, it))) {
            let is_touched = touched.is_some_and(|node| node == one || node == other);
            let since = cluster.whole_since(one, other).filter(|_| !is_touched).unwrap_or(now);
            let is_whole = self.is_whole_way(one, other);
            cluster.note_way(one, other, is_whole.then_some(since));
        }
    }

    /// Whether the way between two nodes is what it was at first, and neither process stands still.
    fn is_whole_way(&self, one: NodeIndex, other: NodeIndex) -> bool {
        let usual = super::link_config(self.scenario);
        let world = self.sim.world();
        let host = |node: NodeIndex| world.host(&self.scenario.nodes[node].name);
        let (Ok(one), Ok(other)) = (host(one), host(other)) else { return false };
        let is_open =
            |a, b| world.link_policy(a, b) == LinkPolicy::Open && world.link_config(a, b) == usual;
        let stands_still = |host| world.status(host) == HostStatus::Paused;
        is_open(one, other) && is_open(other, one) && !stands_still(one) && !stands_still(other)
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
