//! What must hold, always: one checker a file.
//!
//! Every checker sees every event of every node at the moment it happens, with the state of the
//! whole cluster just before it ([`Cluster`]), and says what is wrong. Checkers judge by what the
//! simulator saw, never by what a node believes. They must never influence a run.
//!
//! To add your own, implement [`Invariant`] and hand it to the run
//! ([`RunBuilder::invariant`](crate::run::RunBuilder::invariant)).

mod ack;
mod bounds;
mod convergence;
mod data;
mod failover;
mod guard;
mod identity;
mod last_save;
mod links;
mod offset;
mod pause;
mod prefix;
mod psync;
mod rewrite;
mod saves;
mod shutdown;
mod signs;
mod steady;
#[cfg(test)]
mod testing;
mod twin;

use std::time::Duration;

use replisim::env::Now;
use replisim::event::Event;

use crate::cluster::{Cluster, NodeIndex};
use crate::report::Violation;

pub use convergence::{Convergence, Marks, bound as convergence_bound};

/// A node may find a time over so much too early or too late: its clock goes in ticks of the
/// simulation.
const CLOCK_LAG: Duration = Duration::from_millis(20);

/// One event of one node, with its circumstances.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// Simulated time since the start of the run.
    pub at: Duration,
    /// The node's own clocks.
    pub now: Now,
    /// Which node.
    pub node: NodeIndex,
    /// What it told.
    pub event: &'a Event<'a>,
}

/// What the world did to a node, which the node itself cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its process was killed; what it wrote to its disk stays.
    Killed,
    /// Its machine lost power; what was not synced is lost.
    PowerCut,
    /// Its RDB file was removed, whether its process runs or not.
    FileRemoved {
        /// Whether the process is reading it to start with: an open file is read to its end.
        being_read: bool,
    },
}

/// Where a checker puts what it found.
pub struct Found<'a> {
    pub(crate) invariant: &'static str,
    pub(crate) at: Duration,
    pub(crate) violations: &'a mut Vec<Violation>,
}

impl Found<'_> {
    /// Notes a violation, shown at `node`.
    pub fn violation(&mut self, node: &str, message: impl Into<String>) {
        self.violations.push(Violation {
            invariant: self.invariant.to_owned(),
            at: self.at,
            node: Some(node.to_owned()),
            message: message.into(),
            state: String::new(),
            detail: Vec::new(),
        });
    }

    /// The same place, for another invariant that the same checker looks after.
    fn under(&mut self, invariant: &'static str) -> Found<'_> {
        Found { invariant, at: self.at, violations: self.violations }
    }
}

/// A property of the whole cluster that must hold at all times.
pub trait Invariant {
    /// Its name: one word, as reports show it.
    fn name(&self) -> &'static str;
    /// An event; `cluster` is the state before it.
    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>);
    /// The world stopped a node's process.
    fn fate(&mut self, _cluster: &Cluster, _node: NodeIndex, _fate: Fate, _found: &mut Found<'_>) {}
}

/// All invariants of replication, except convergence, which needs to know when faults end.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(prefix::Prefix),
        Box::new(offset::Offsets::default()),
        Box::new(psync::Psync),
        Box::new(psync::NeedlessFullSync),
        Box::new(ack::Ack::default()),
        Box::new(data::Data::default()),
        Box::new(identity::Identity),
        Box::new(failover::Failover::default()),
        Box::new(guard::ReadOnly),
        Box::new(guard::Stale),
        Box::new(guard::Auth),
        Box::new(guard::OwnExpiry),
        Box::new(bounds::Bounds),
        Box::new(saves::Saves::default()),
        Box::new(last_save::LastSave::default()),
        Box::new(rewrite::Rewrite::default()),
        Box::new(pause::Pause::default()),
        Box::new(shutdown::Shutdown::default()),
        Box::new(links::Links::default()),
        Box::new(signs::Signs::default()),
        Box::new(steady::Steady::default()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::INVARIANTS;

    #[test]
    fn those_that_a_scenario_may_name_are_those_there_are() {
        // Judged by *model* too, and by the run at its end.
        let mut names = BTreeSet::from(["durability", "convergence", "leftovers"]);
        names.extend(all().iter().map(|invariant| invariant.name()));
        assert_eq!(names, INVARIANTS.iter().copied().collect());
    }
}
