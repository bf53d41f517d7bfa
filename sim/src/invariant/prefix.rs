//! *prefix*: the same replication id and offset mean the same stream bytes, and the same
//! dataset, on every node that reaches them; and only one node ever writes under an id.

use replisim::event::{Event, Origin};

use super::{Found, Invariant, Sight};
use crate::cluster::Cluster;
use crate::history::Foul;

/// See the module's text.
pub(super) struct Prefix;

impl Invariant for Prefix {
    fn name(&self) -> &'static str {
        "prefix"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let node = &cluster.nodes[sight.node].name;
        let Event::StreamAdvanced { id, offset, bytes, digest, origin } = sight.event else {
            return;
        };
        if *origin == Origin::Written {
            match cluster.histories.check(*id, sight.node, *offset, bytes.len()) {
                Ok(()) => {}
                Err(Foul::SecondWriter(first)) => {
                    let first = &cluster.nodes[first].name;
                    found
                        .violation(node, format!("writes under id {id}, which belongs to {first}"));
                }
                Err(Foul::Gap(end)) => found.violation(
                    node,
                    format!(
                        "wrote up to {offset} ({} bytes), but the stream ended at {end}",
                        bytes.len()
                    ),
                ),
            }
            return;
        }
        let from = replisim::replication::Offset(offset.0.saturating_sub(bytes.len() as u64));
        match cluster.histories.bytes(*id, from, *offset) {
            None => found.violation(
                node,
                format!("applied bytes {from}..{offset} of id {id}, which nobody wrote"),
            ),
            Some(written) if *written != **bytes => found.violation(
                node,
                format!("bytes {from}..{offset} of id {id} differ from those its master wrote"),
            ),
            Some(_) => {}
        }
        if let Some(expected) = cluster.histories.digest_at(*id, *offset)
            && expected != *digest
        {
            found.violation(
                node,
                format!("at offset {offset} of id {id} its dataset differs from its master's at that offset"),
            );
        }
    }
}
