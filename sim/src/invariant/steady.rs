//! *steady*: once nothing is done to the cluster any more, links stay, and who has caught up is
//! not made to catch up again and again. And at all times: a replica that is silent for longer
//! than `repl-timeout` is dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Event, MasterLinkState, PsyncAnswer, ReplicaState};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, Limits, NodeIndex};

/// Timeouts are looked at once a second, by a process whose timers may be late.
const LATE: Duration = Duration::from_secs(3);

/// See the module's text.
#[derive(Default)]
pub(super) struct Steady {
    /// Links lost and full syncs begun since all is calm.
    losses: BTreeMap<NodeIndex, (usize, usize)>,
    /// When a node was last told another timeout.
    told: BTreeMap<NodeIndex, Duration>,
}

/// Whether links of an idle master end by themselves, as it is configured.
fn pings_too_rarely(limits: &Limits) -> bool {
    limits.repl_timeout <= limits.repl_ping_replica_period + Duration::from_secs(1)
}

impl Steady {
    fn link_lost(
        &mut self,
        cluster: &Cluster,
        sight: &Sight<'_>,
        why: &str,
        found: &mut Found<'_>,
    ) {
        let Some(calm) = cluster.calm.as_ref().filter(|calm| calm.core.contains(&sight.node))
        else {
            return;
        };
        let state = &cluster.nodes[sight.node];
        let lost = &mut self.losses.entry(sight.node).or_default().0;
        *lost += 1;
        if cluster.nodes.iter().any(|node| pings_too_rarely(&node.limits)) {
            return;
        }
        // At first a link may turn out to be half-open, and new ids go down the chain.
        let timeout = cluster.nodes.iter().map(|node| node.limits.repl_timeout).max();
        let settled = sight.at > calm.since + timeout.unwrap_or_default() * 2 + LATE * 2;
        if *lost > cluster.nodes.len() || settled && why == "timeout" {
            found.violation(
                &state.name,
                format!(
                    "lost its link ({why}) {:.1} s after the last fault, for the {lost}. time",
                    (sight.at - calm.since).as_secs_f64()
                ),
            );
        }
    }

    fn full_sync(&mut self, cluster: &Cluster, ip: &str, found: &mut Found<'_>) {
        let peer = cluster.by_ip(ip);
        let calm = cluster.calm.as_ref();
        let Some(peer) = peer.filter(|peer| calm.is_some_and(|calm| calm.core.contains(peer)))
        else {
            return;
        };
        let begun = &mut self.losses.entry(peer).or_default().1;
        *begun += 1;
        if *begun == cluster.nodes.len() + 2 {
            let name = &cluster.nodes[peer].name;
            found.violation(name, format!("begins full sync number {begun} since the last fault"));
        }
    }

    /// Who is silent for too long is sent away.
    fn silent(&self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let limit = state.limits.repl_timeout + LATE;
        let told = self.told.get(&sight.node).copied().unwrap_or_default();
        let silent = state.replicas.values().find(|view| {
            view.state == ReplicaState::Online
                && sight.at.saturating_sub(view.heard_at.max(told)) > limit
        });
        if let Some(view) = silent {
            let peer = view.node.map_or("a replica", |node| &cluster.nodes[node].name);
            found.violation(
                &state.name,
                format!(
                    "keeps {peer}, which has been silent for {:.1} s; repl-timeout is {:.0} s",
                    sight.at.saturating_sub(view.heard_at).as_secs_f64(),
                    state.limits.repl_timeout.as_secs_f64()
                ),
            );
        }
    }
}

impl Invariant for Steady {
    fn name(&self) -> &'static str {
        "steady"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        match sight.event {
            Event::MasterLink { state: MasterLinkState::Connect, reason, .. }
            | Event::MasterLink { state: MasterLinkState::Connecting, reason, .. }
                if state.master_link == MasterLinkState::Connected =>
            {
                self.link_lost(cluster, sight, reason, found);
            }
            Event::PsyncAnswered { ip, answer: PsyncAnswer::Full(_), .. } => {
                self.full_sync(cluster, ip, found);
            }
            Event::Configured { changed, .. }
                if changed.iter().any(|(name, _)| *name == "repl-timeout") =>
            {
                self.told.insert(sight.node, sight.at);
            }
            Event::Buffers { .. } => self.silent(cluster, sight, found),
            _ => {}
        }
    }
}
