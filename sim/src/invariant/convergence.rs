//! *convergence*: once the last fault has healed, every replica comes up, on the same id and
//! offset as its master, with the same dataset, within a bound derived from the configuration.
//!
//! Judged by the runner, which knows when faults end.

use std::time::Duration;

use replisim::event::{MasterLinkState, Role};
use replisim::replication::{Offset, ReplicationId};

use crate::cluster::{Cluster, NodeIndex, NodeState};

/// Id and offset of every node at one time.
pub type Marks = Vec<(Option<ReplicationId>, Offset)>;

/// What convergence asks of the cluster at one moment.
pub struct Convergence;

impl Convergence {
    /// `Ok` if the cluster has converged; else the node that is behind, and why, in words.
    pub fn check(cluster: &Cluster, expected_up: &[NodeIndex]) -> Result<(), (NodeIndex, String)> {
        for index in expected_up {
            let node = &cluster.nodes[*index];
            if !node.up {
                return Err((*index, "is not up".to_owned()));
            }
            if node.role == Role::Replica {
                Self::replica(cluster, node).map_err(|why| (*index, why))?;
            }
        }
        Ok(())
    }

    /// `Ok` if every node of `expected_up` is up, and every replica is on the stream of its master
    /// and has what that had when `marks` (id and offset of each node) were taken. Weaker than
    /// [`Convergence::check`]: it can be asked while clients write.
    pub fn check_since(
        cluster: &Cluster,
        expected_up: &[NodeIndex],
        marks: &Marks,
    ) -> Result<(), (NodeIndex, String)> {
        for index in expected_up {
            let node = &cluster.nodes[*index];
            if !node.up {
                return Err((*index, "is not up".to_owned()));
            }
            if node.role == Role::Replica {
                Self::follower(cluster, node, marks).map_err(|why| (*index, why))?;
            }
        }
        Ok(())
    }

    fn follower(cluster: &Cluster, node: &NodeState, marks: &Marks) -> Result<(), String> {
        let master = Self::master_of(cluster, node)?;
        let (id, offset) = marks[master];
        let master = &cluster.nodes[master];
        if id == node.id && node.offset < offset {
            return Err(format!(
                "is at offset {}, {} had reached {offset} by then",
                node.offset, master.name
            ));
        }
        Ok(())
    }

    /// The master whose stream a replica is on.
    fn master_of(cluster: &Cluster, node: &NodeState) -> Result<NodeIndex, String> {
        let Some((host, _)) = &node.master else {
            return Err("has no master".to_owned());
        };
        if node.master_link != MasterLinkState::Connected {
            return Err(format!("its link to {host} is {:?}", node.master_link));
        }
        let is_it = |other: &NodeState| other.name == *host || other.ip == *host;
        let Some(index) = cluster.nodes.iter().position(is_it) else {
            return Err(format!("its master {host} is not part of the cluster"));
        };
        let master = &cluster.nodes[index];
        if node.id != master.id {
            return Err(format!("its replication id is not that of {}", master.name));
        }
        Ok(index)
    }

    fn replica(cluster: &Cluster, node: &NodeState) -> Result<(), String> {
        let master = &cluster.nodes[Self::master_of(cluster, node)?];
        if node.offset != master.offset {
            return Err(format!(
                "is at offset {}, {} at {}",
                node.offset, master.name, master.offset
            ));
        }
        if node.digest != master.digest {
            return Err(format!(
                "its dataset differs from that of {} at the same offset",
                master.name
            ));
        }
        Ok(())
    }
}

/// How long convergence may take after the last fault: each link of the longest chain may have
/// to notice a dead peer (`repl-timeout`, at both ends), reconnect, wait for a snapshot to begin
/// and receive it.
pub fn bound(cluster: &Cluster, transfer: Duration, chain_length: u32) -> Duration {
    let link = cluster
        .nodes
        .iter()
        .map(|node| {
            let limits = &node.limits;
            limits.repl_timeout * 2
                + limits.repl_ping_replica_period
                + limits.repl_diskless_sync_delay
        })
        .max()
        .unwrap_or_default();
    (link + transfer + Duration::from_secs(5)) * chain_length.max(1)
}
