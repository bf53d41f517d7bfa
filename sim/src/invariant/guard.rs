//! *read-only*, *stale*, *auth* and *expiry*: what a node must never let through or do by itself.

use replisim::command::Call;
use replisim::command::table::Flags;
use replisim::event::{Event, MasterLinkState, Role};

use super::{Found, Invariant, Sight};
use crate::cluster::Cluster;

/// No client writes to a read-only replica.
pub(super) struct ReadOnly;
/// A replica without its master answers no reads, where it is told not to; and none out of data
/// that are about to be replaced.
pub(super) struct Stale;
/// Nothing is answered to a client that has not authenticated.
pub(super) struct Auth;
/// A replica never expires keys by itself, a master never before the deadline.
pub(super) struct OwnExpiry;

/// Commands that a client may send before it authenticates.
const OPEN: [&[u8]; 5] = [b"auth", b"hello", b"quit", b"reset", b"command"];

fn text(args: &[&[u8]]) -> String {
    String::from_utf8_lossy(args[0]).into_owned()
}

impl Invariant for ReadOnly {
    fn name(&self) -> &'static str {
        "read-only"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let Event::Executed { client, args, reply, .. } = sight.event else {
            return;
        };
        // A transaction whose keys were watched may have been given up before.
        let given_up = reply.starts_with(b"*-1") && args[0].eq_ignore_ascii_case(b"exec");
        let refused = given_up || [&b"-"[..], b"+QUEUED"].iter().any(|no| reply.starts_with(no));
        if state.role == Role::Replica
            && state.limits.replica_read_only
            && !refused
            && state.writes(*client, args)
        {
            found.violation(&state.name, format!("a read-only replica executed {:?}", text(args)));
        }
    }
}

impl Invariant for Stale {
    fn name(&self) -> &'static str {
        "stale"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let Event::Executed { args, reply, .. } = sight.event else {
            return;
        };
        let reads = |args| Call::find(args).is_some_and(|call| call.flags().has(Flags::READONLY));
        if state.role != Role::Replica || reply.starts_with(b"-") || !reads(args) {
            return;
        }
        let link = state.master_link;
        let why = if link == MasterLinkState::Loading && !state.limits.loads_beside {
            "while it loads others in the place of its data"
        } else if link != MasterLinkState::Connected && !state.limits.replica_serve_stale_data {
            "though its link to its master is down"
        } else {
            return;
        };
        found.violation(&state.name, format!("answered {:?} {why}", text(args)));
    }
}

impl Invariant for Auth {
    fn name(&self) -> &'static str {
        "auth"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        if let Event::Executed { args, reply, authenticated: false, .. } = sight.event
            && !reply.starts_with(b"-")
            && !OPEN.iter().any(|name| args[0].eq_ignore_ascii_case(name))
        {
            let node = &cluster.nodes[sight.node].name;
            found.violation(
                node,
                format!("answered {:?} to a client without a password", text(args)),
            );
        }
    }
}

impl Invariant for OwnExpiry {
    fn name(&self) -> &'static str {
        "expiry"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let state = &cluster.nodes[sight.node];
        let Event::KeyExpired { key, deadline_ms, .. } = sight.event else {
            return;
        };
        let key = String::from_utf8_lossy(key);
        if state.role == Role::Replica {
            found.violation(&state.name, format!("a replica expired key {key:?} by itself"));
        }
        // At its deadline itself a key is still there (Redis: `now > when`).
        if sight.now.unix_ms <= *deadline_ms {
            found.violation(&state.name, format!("expired key {key:?} before its deadline"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NODE, World, executed};
    use super::*;
    use crate::cluster::Limits;

    /// How much is said of a `GET` answered by a replica with this link.
    fn answered(link: MasterLinkState, limits: Limits, reply: &[u8]) -> usize {
        let mut world = World::new(Stale);
        let node = &mut world.cluster.nodes[NODE];
        (node.role, node.master_link, node.limits) = (Role::Replica, link, limits);
        world.found(&[(1_000, executed(&[b"GET", b"k"], reply))]).len()
    }

    #[test]
    fn nothing_is_read_out_of_what_is_about_to_be_replaced() {
        use MasterLinkState::{Connected, Handshake, Loading, Transfer};
        let limits = Limits::default();
        assert_eq!(answered(Loading, limits.clone(), b"$1\r\nv\r\n"), 1);
        assert_eq!(answered(Loading, limits.clone(), b"-LOADING Redis is\r\n"), 0);
        assert_eq!(answered(Transfer, limits.clone(), b"$1\r\nv\r\n"), 0);
        let beside = Limits { loads_beside: true, ..limits.clone() };
        assert_eq!(answered(Loading, beside, b"$1\r\nv\r\n"), 0);
        let strict = Limits { replica_serve_stale_data: false, ..limits };
        assert_eq!(answered(Handshake, strict.clone(), b"$1\r\nv\r\n"), 1);
        assert_eq!(answered(Connected, strict, b"$1\r\nv\r\n"), 0);
    }
}
