//! *bounds*: the backlog, what is held for slow replicas, and their pending output stay within
//! their limits.

use replisim::event::Event;

use super::{Found, Invariant, Sight};
use crate::cluster::Cluster;

/// The backlog is trimmed a block at a time.
const SLACK_BYTES: u64 = 64 * 1024;

/// See the module's text.
pub(super) struct Bounds;

impl Invariant for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let Event::Buffers {
            backlog_limit_bytes,
            held_bytes,
            replica_pending_bytes,
            replica_limit_bytes,
            ..
        } = sight.event
        else {
            return;
        };
        let node = &cluster.nodes[sight.node].name;
        // Looked at after every write, so that no tick sees one that has reached it.
        if *replica_limit_bytes > 0 && replica_pending_bytes >= replica_limit_bytes {
            found.violation(
                node,
                format!("{replica_pending_bytes} bytes wait for a replica; the limit is {replica_limit_bytes}"),
            );
        }
        let needed = (*backlog_limit_bytes).max(*replica_pending_bytes);
        if *held_bytes > needed + SLACK_BYTES {
            found.violation(
                node,
                format!("holds {held_bytes} bytes of stream, though {needed} are needed at most"),
            );
        }
    }
}
