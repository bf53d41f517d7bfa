//! *rewrite*: what `CONFIG REWRITE` has answered with OK is what the node starts with the next
//! time: its role, its master, its directives (config.c `rewriteConfig`,
//! `rewriteConfigReplicaofOption`).
//!
//! Must never: judge a node that was never rewritten; the scenario's own text is held to nothing
//! here.

use std::collections::BTreeMap;

use replisim::event::{Event, MasterLinkState, Role};

use super::{Found, Invariant, Sight};
use crate::cluster::{Cluster, Limits, NodeIndex, NodeState};

/// See the module's text.
#[derive(Default)]
pub(super) struct Rewrite {
    kept: BTreeMap<NodeIndex, Kept>,
    /// What a file will say whose `CONFIG REWRITE` is under way.
    begun: BTreeMap<NodeIndex, Kept>,
    /// Nodes that have started as replicas and not named their master yet, which is the next thing
    /// they tell of it: whose it was.
    unnamed: BTreeMap<NodeIndex, (String, u16)>,
}

/// What a node's file says.
struct Kept {
    role: Role,
    master: Option<(String, u16)>,
    limits: Limits,
}

impl Kept {
    fn of(state: &NodeState) -> Self {
        let master = state.master.clone().filter(|_| state.role == Role::Replica);
        Self { role: state.role, master, limits: state.limits.clone() }
    }

    /// What a start makes of it: what is another.
    fn differs(&self, role: Role, limits: &Limits) -> Option<String> {
        if self.role != role {
            let name = |role| if role == Role::Master { "master" } else { "replica" };
            return Some(format!(
                "starts as a {}; it was a {} when CONFIG REWRITE was answered",
                name(role),
                name(self.role)
            ));
        }
        (self.limits != *limits).then(|| {
            let (now, then) = (only_in(limits, &self.limits), only_in(&self.limits, limits));
            format!("starts with {now}; it was {then} when CONFIG REWRITE was answered")
        })
    }
}

/// The directives of `some` that are not so in the others, or `nothing` if those have more.
fn only_in(some: &Limits, others: &Limits) -> String {
    let (some, others) = (format!("{some:#?}"), format!("{others:#?}"));
    let others: Vec<&str> = others.lines().collect();
    let only: Vec<&str> =
        some.lines().filter(|line| !others.contains(line)).map(str::trim).collect();
    if only.is_empty() {
        "nothing".to_owned()
    } else {
        only.join(" ").trim_end_matches(',').to_owned()
    }
}

fn is_rewrite(args: &[&[u8]]) -> bool {
    matches!(args, [config, rewrite]
        if config.eq_ignore_ascii_case(b"config") && rewrite.eq_ignore_ascii_case(b"rewrite"))
}

impl Invariant for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let (node, state) = (sight.node, &cluster.nodes[sight.node]);
        match sight.event {
            // While it loads its file, before its start, a node is not known to be what it is, and
            // its directives are no longer those of the file once some are set.
            Event::Configured { .. } if !state.up => {
                self.kept.remove(&node);
            }
            // One that is refused at once has a reply.
            Event::Executed { args, reply: b"", .. } if is_rewrite(args) => {
                self.begun.remove(&node);
                if state.up {
                    self.begun.insert(node, Kept::of(state));
                }
            }
            // Of one that failed, or is not the last, it is not known what is in the file.
            Event::ConfigRewritten { kept } => {
                self.kept.remove(&node);
                if let Some(begun) = self.begun.remove(&node).filter(|_| *kept) {
                    self.kept.insert(node, begun);
                }
            }
            Event::Started { role, .. } => {
                self.unnamed.remove(&node);
                // It ended in the midst of it, before or after its file was another.
                if self.begun.remove(&node).is_some() {
                    self.kept.remove(&node);
                }
                let Some(kept) = self.kept.get(&node) else { return };
                if let Some(text) = kept.differs(*role, &state.limits) {
                    found.violation(&state.name, text);
                } else if let Some(master) = &kept.master {
                    self.unnamed.insert(node, master.clone());
                }
            }
            Event::MasterLink { host, port, state: link, .. } if *link != MasterLinkState::None => {
                let Some((kept, at)) = self.unnamed.remove(&node) else { return };
                if (&*kept, at) != (&**host, *port) {
                    let text = format!(
                        "starts as a replica of {host}:{port}; it was one of {kept}:{at} when \
                         CONFIG REWRITE was answered"
                    );
                    found.violation(&state.name, text);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use replisim::config::Config;

    use super::super::testing::{NODE, World, executed, started};
    use super::*;

    const REWRITE: &[&[u8]] = &[b"CONFIG", b"REWRITE"];

    fn link(host: &'static str) -> Event<'static> {
        let (state, reason) = (MasterLinkState::Connect, "".into());
        Event::MasterLink { host: host.into(), port: 6379, state, reason }
    }

    fn started_as(role: Role) -> Event<'static> {
        let Event::Started { id, second, offset, restored, loaded, digest, .. } = started() else {
            unreachable!("it is what it is called")
        };
        Event::Started { role, id, second, offset, restored, loaded, digest }
    }

    /// A replica of `n2`, whose file says so if it was `kept`.
    fn rewritten(kept: Option<bool>) -> World<Rewrite> {
        let mut world = World::new(Rewrite::default());
        world.cluster.nodes[NODE].role = Role::Replica;
        world.see(1, &link("n2"));
        world.see(2, &executed(REWRITE, b""));
        if let Some(kept) = kept {
            world.see(2, &Event::ConfigRewritten { kept });
        }
        world
    }

    #[test]
    fn who_was_a_replica_starts_as_one() {
        let mut world = rewritten(Some(true));
        world.see(3, &started_as(Role::Master));
        assert_eq!(
            world.said,
            ["starts as a master; it was a replica when CONFIG REWRITE was answered"]
        );
        // It failed; it was under way.
        for kept in [Some(false), None] {
            let mut world = rewritten(kept);
            world.see(3, &started_as(Role::Master));
            assert!(world.said.is_empty(), "{:?}", world.said);
        }
    }

    #[test]
    fn who_followed_one_master_does_not_start_with_another() {
        let mut world = rewritten(Some(true));
        world.see(3, &started_as(Role::Replica));
        world.see(4, &link("n2"));
        assert!(world.said.is_empty(), "{:?}", world.said);
        world.see(5, &started_as(Role::Replica));
        world.see(6, &link("n3"));
        assert_eq!(
            world.said,
            ["starts as a replica of n3:6379; it was one of n2:6379 when CONFIG REWRITE was \
              answered"]
        );
        // Later it may go where it is sent.
        let mut world = rewritten(Some(true));
        world.see(3, &started_as(Role::Replica));
        world.see(3, &link("n2"));
        world.see(4, &link("n3"));
        assert!(world.said.is_empty(), "{:?}", world.said);
    }

    #[test]
    fn what_is_said_to_a_node_that_loads_is_not_judged() {
        // It was killed, and is asked for it before its next start.
        let mut world = rewritten(Some(true));
        world.cluster.stopped(NODE);
        world.see(3, &executed(REWRITE, b""));
        world.see(4, &Event::ConfigRewritten { kept: true });
        world.see(5, &started_as(Role::Master));
        assert!(world.said.is_empty(), "{:?}", world.said);
        let mut world = rewritten(Some(true));
        world.cluster.stopped(NODE);
        let config = Config { repl_backlog_size: 20_000, ..Config::default() };
        world.see(3, &Event::Configured { config: &config, changed: &[] });
        world.see(4, &started_as(Role::Replica));
        assert!(world.said.is_empty(), "{:?}", world.said);
    }

    #[test]
    fn directives_are_kept() {
        let mut world = rewritten(Some(true));
        world.cluster.nodes[NODE].limits.databases = 17;
        world.see(3, &started_as(Role::Replica));
        assert_eq!(
            world.said,
            ["starts with databases: 17; it was databases: 16 when CONFIG REWRITE was answered"]
        );
    }
}
