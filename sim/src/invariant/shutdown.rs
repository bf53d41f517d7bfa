//! *shutdown*: a node that is asked to end waits for its replicas, until all have acknowledged
//! everything or `shutdown-timeout` is over (server.c `prepareForShutdown`, `isReadyToShutdown`).
//!
//! Must never: ask that of one that was told `NOW`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replisim::event::{Event, ReplicaState};
use replisim::replication::{LinkId, Offset};

use super::ack::GETACK;
use super::{CLOCK_LAG, Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex, NodeState};

/// See the module's text.
#[derive(Default)]
pub(super) struct Shutdown {
    nodes: BTreeMap<NodeIndex, Order>,
}

/// What is known of the end of a node.
#[derive(Default)]
struct Order {
    /// It was told to end, at this time, and waits.
    waits: Option<Waits>,
    /// Where the stream stood before the last question for acks, and behind it: an answer says no
    /// more than the former.
    asked: (Offset, Offset),
    /// It need not wait.
    now: bool,
    /// It ended without waiting; whether it had to is known when the order is, or at the next start.
    hurried: Option<String>,
}

struct Waits {
    since: Duration,
    /// The offset that replicas have to reach, and those that had not.
    target: Offset,
    lagging: BTreeSet<LinkId>,
}

/// Replicas that are online and have not acknowledged `target`.
fn lagging(state: &NodeState, target: Offset) -> BTreeSet<LinkId> {
    let lags = |(link, view): (&LinkId, &crate::cluster::ReplicaView)| {
        (view.state == ReplicaState::Online && view.acked < target).then_some(*link)
    };
    state.replicas.iter().filter_map(lags).collect()
}

impl Order {
    /// What is wrong with an end that came before it was told.
    fn told(&mut self, state: &NodeState, at: Duration, args: &[&[u8]]) -> Option<String> {
        let has = |name: &[u8]| args.iter().any(|word| word.eq_ignore_ascii_case(name));
        if has(b"abort") {
            *self = Self::default();
            return None;
        }
        if has(b"now") {
            self.now = true;
            self.hurried = None;
        }
        if state.up && self.waits.is_none() {
            let target = if self.asked.1 == state.offset { self.asked.0 } else { state.offset };
            self.waits = Some(Waits { since: at, target, lagging: lagging(state, target) });
        }
        self.hurried.take_if(|_| !state.up)
    }

    fn ended(&mut self, state: &NodeState, at: Duration) {
        let timeout = state.limits.shutdown_timeout;
        if self.now || timeout.is_zero() {
            return;
        }
        let left = match &self.waits {
            None => lagging(state, state.offset),
            Some(waits) if at + CLOCK_LAG >= waits.since + timeout => return,
            Some(waits) => {
                lagging(state, waits.target).intersection(&waits.lagging).copied().collect()
            }
        };
        if !left.is_empty() {
            self.hurried = Some(format!(
                "ended at {:.3} s though {} replica(s) had yet to acknowledge its stream",
                at.as_secs_f64(),
                left.len()
            ));
        }
    }
}

impl Invariant for Shutdown {
    fn name(&self) -> &'static str {
        "shutdown"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let order = self.nodes.entry(sight.node).or_default();
        let wrong = match sight.event {
            Event::Started { .. } => std::mem::take(order).hurried,
            // One that waits is told before the end, any other after it.
            Event::Executed { args, .. } if args[0].eq_ignore_ascii_case(b"shutdown") => {
                order.told(state, sight.at, args)
            }
            Event::StreamAdvanced { offset, bytes, .. } if bytes.ends_with(GETACK) => {
                order.asked = (Offset(offset.0 - GETACK.len() as u64), *offset);
                None
            }
            Event::Exiting { code: 0 } => {
                order.ended(state, sight.at);
                None
            }
            _ => None,
        };
        if let Some(text) = wrong {
            found.violation(&state.name, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NODE, World, executed, started};
    use super::*;

    /// How much is found in these events, at these milliseconds, of a master at 100 whose only
    /// replica has acknowledged `acked`.
    fn found(acked: u64, events: &[(u64, Event<'_>)]) -> usize {
        let mut world = World::new(Shutdown::default()).with_replica(Offset(acked));
        world.cluster.nodes[NODE].offset = Offset(100);
        world.found(events).len()
    }

    #[test]
    fn a_replica_that_lags_is_waited_for() {
        let order: &[&[u8]] = &[b"SHUTDOWN"];
        let exits = |ms| (ms, Event::Exiting { code: 0 });
        // At once, or before the time is over: the order is told behind the end, or before it.
        assert_eq!(found(99, &[exits(0), (0, executed(order, b""))]), 1);
        let begins = || (20_000, started());
        assert_eq!(found(99, &[(0, executed(order, b"")), exits(5_000), begins()]), 1);
        assert_eq!(found(99, &[(0, executed(order, b"")), exits(10_000), begins()]), 0);
        assert_eq!(found(100, &[exits(0), (0, executed(order, b""))]), 0);
        let now: &[&[u8]] = &[b"shutdown", b"now"];
        assert_eq!(found(99, &[exits(0), (0, executed(now, b""))]), 0);
    }
}
