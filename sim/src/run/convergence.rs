//! Whether the cluster has converged after the last fault: while the run goes on, for scenarios
//! that say within what time it must, and at its end for all.

use std::time::Duration;

use super::{Run, RunError};
use crate::cluster::NodeIndex;
use crate::invariant::{self, Convergence};
use crate::scenario::{StepAction, TimedStep};
use crate::transport::LinkPolicy;
use crate::world::HostStatus;

impl Run<'_> {
    /// Nodes that must take part in the end: those that run and whose way to their master is
    /// open, all the way up.
    pub(super) fn core(&self) -> Vec<NodeIndex> {
        let recorder = self.recorder.borrow();
        let nodes = &recorder.cluster.nodes;
        (0..nodes.len())
            .filter(|index| {
                let mut at = *index;
                for _ in 0..nodes.len() {
                    if self.status(at) != HostStatus::Running {
                        return false;
                    }
                    let Some((host, _)) = &nodes[at].master else { return true };
                    let up = nodes.iter().position(|n| n.name == *host || n.ip == *host);
                    let Some(up) = up else { return false };
                    if !self.open_between(&nodes[at].name, &nodes[up].name) {
                        return false;
                    }
                    at = up;
                }
                true // a circle: it will not converge, and that is to be seen
            })
            .collect()
    }

    fn open_between(&self, a: &str, b: &str) -> bool {
        let world = self.sim.world();
        match (world.host(a), world.host(b)) {
            // A link that resets lets segments pass, but no connection lasts.
            (Ok(a), Ok(b)) => [world.link_policy(a, b), world.link_policy(b, a)]
                .iter()
                .all(|policy| *policy == LinkPolicy::Open),
            _ => false,
        }
    }

    /// What a scenario says itself of the time after its last fault holds while clients write, too.
    pub(super) fn judge_in_time(&mut self) {
        let Some(bound) = self.scenario.expect.converged_within else {
            return;
        };
        let is_fault = |step: &TimedStep| !matches!(step.action, StepAction::Check { .. });
        let (done, to_come) = self.scenario.steps.split_at(self.done);
        let last_is_done = done.iter().any(is_fault) && !to_come.iter().any(is_fault);
        if self.judged || !last_is_done || !self.restarting.is_empty() {
            return;
        }
        let recorder = self.recorder.borrow();
        let marks = self.calm.get_or_insert_with(|| {
            recorder.cluster.nodes.iter().map(|node| (node.id, node.offset)).collect()
        });
        if self.sim.elapsed() < self.last_fault + bound {
            return;
        }
        let marks = std::mem::take(marks);
        self.judged = true;
        let core = self.core();
        let found = Convergence::check_since(&recorder.cluster, &core, &marks);
        drop(recorder);
        self.say_who_is_not_judged(&core);
        if let Err((node, why)) = found {
            self.not_converged(node, &why);
        }
    }

    /// Tells of whom nothing is asked: a reader may think that all have converged.
    fn say_who_is_not_judged(&mut self, core: &[NodeIndex]) {
        let nodes = self.scenario.nodes.iter().enumerate();
        let left: Vec<String> = nodes
            .filter(|(index, _)| !core.contains(index))
            .map(|(index, node)| {
                let why = match self.status(index) {
                    HostStatus::Running => "its way to a master is cut, or that one is gone",
                    HostStatus::Paused => "it stands still",
                    HostStatus::Down => "it is down",
                    HostStatus::Off => "its machine is off",
                };
                format!("{} ({why})", node.name)
            })
            .collect();
        let text = format!("not judged whether they have converged: {}", left.join(", "));
        if !left.is_empty() && self.unjudged != text {
            self.recorder.borrow_mut().note(&text);
            self.unjudged = text;
        }
    }

    /// Once a run is enough.
    fn not_converged(&mut self, node: NodeIndex, why: &str) {
        if std::mem::replace(&mut self.late, true) {
            return;
        }
        let name = &self.scenario.nodes[node].name;
        let since = self.sim.elapsed().saturating_sub(self.last_fault).as_secs_f64();
        let message = format!("has not converged {since:.1} s after the last fault: {why}");
        self.recorder.borrow_mut().violation("convergence", name, message);
    }

    /// Waits until the core of the cluster has converged, or its bound has passed.
    pub(super) fn converge(&mut self) -> Result<(), RunError> {
        let bound = self.scenario.expect.converged_within.unwrap_or_else(|| {
            let chain = self.scenario.nodes.len().saturating_sub(1) as u32;
            let recorder = self.recorder.borrow();
            invariant::convergence_bound(&recorder.cluster, Duration::from_secs(30), chain)
        });
        let deadline =
            (self.last_fault + bound).max(self.scenario.run.duration + Duration::from_secs(1));
        loop {
            if self.is_over() {
                return Ok(());
            }
            let core = self.core();
            let state = Convergence::check(&self.recorder.borrow().cluster, &core);
            let Err((node, why)) = state else {
                self.say_who_is_not_judged(&core);
                return Ok(());
            };
            if self.sim.elapsed() >= deadline {
                self.say_who_is_not_judged(&core);
                self.not_converged(node, &why);
                return Ok(());
            }
            self.step()?;
        }
    }
}
