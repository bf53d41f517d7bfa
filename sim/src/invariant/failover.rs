//! *failover*: a hand-over that was not forced waits until a replica has everything.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Event, Role};

use super::ack::has_applied;
use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex};

/// See the module's text.
#[derive(Default)]
pub(super) struct Failover {
    /// Hand-overs under way that may not be forced, and until when they may begin.
    waiting: BTreeMap<NodeIndex, Duration>,
}

/// How late a timeout may be noticed.
const LATE: Duration = Duration::from_millis(500);

impl Failover {
    fn ordered(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Executed { args, reply, .. } = sight.event else { return };
        if !args[0].eq_ignore_ascii_case(b"failover") || *reply != b"+OK\r\n" {
            return;
        }
        let has = |name: &[u8]| args.iter().any(|word| word.eq_ignore_ascii_case(name));
        if has(b"abort") || has(b"force") {
            self.waiting.remove(&sight.node);
            return;
        }
        if cluster.nodes[sight.node].role == Role::Replica {
            return judge(cluster, sight.node, found); // it has happened already
        }
        let timeout_ms = args
            .windows(2)
            .find(|pair| pair[0].eq_ignore_ascii_case(b"timeout"))
            .and_then(|pair| std::str::from_utf8(pair[1]).ok()?.parse().ok());
        let until =
            timeout_ms.map_or(Duration::MAX, |ms: u64| sight.at + Duration::from_millis(ms) + LATE);
        self.waiting.insert(sight.node, until);
    }
}

/// A master has become a replica of its own accord: someone must have all it wrote. Who died
/// since may have had it.
fn judge(cluster: &Cluster, node: NodeIndex, found: &mut Found<'_>) {
    let state = &cluster.nodes[node];
    let complete = (0..cluster.nodes.len())
        .filter(|other| *other != node)
        .any(|other| !cluster.nodes[other].up || has_applied(cluster, state, other, state.offset));
    if !complete {
        found.violation(
            &state.name,
            format!("handed over at offset {}, which no replica has applied", state.offset),
        );
    }
}

impl Invariant for Failover {
    fn name(&self) -> &'static str {
        "failover"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        match sight.event {
            Event::Started { .. } => {
                self.waiting.remove(&sight.node);
            }
            Event::Executed { .. } => self.ordered(cluster, sight, found),
            Event::Identity { cause: "demoted", .. } => {
                let until = self.waiting.remove(&sight.node);
                if until.is_some_and(|until| sight.at <= until) {
                    judge(cluster, sight.node, found);
                }
            }
            _ => {}
        }
    }
}
