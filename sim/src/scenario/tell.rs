//! A step in one line, in an operator's words.

use std::fmt;

use super::resolved::{LinkSet, StepAction};
use super::step::DiskOperation;

impl fmt::Display for LinkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.both_ways { "<->" } else { "->" };
        write!(f, "{} {arrow} {}", self.from.join(","), self.to.join(","))
    }
}

impl fmt::Display for StepAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition { links, kind } => {
                write!(f, "partition {links} ({})", format!("{kind:?}").to_lowercase())
            }
            Self::Heal { links } => write!(f, "heal {links}"),
            Self::Slow { links, .. } => write!(f, "slow {links}"),
            Self::FullSpeed { links } => write!(f, "full speed {links}"),
            Self::Kill { node } => write!(f, "kill {node}"),
            Self::PowerCut { node, torn: false } => write!(f, "power cut {node}"),
            Self::PowerCut { node, torn: true } => write!(f, "power cut {node}, in a write"),
            Self::Shutdown { node, .. } => write!(f, "shut down {node}"),
            Self::Start { node } => write!(f, "start {node}"),
            Self::Restart { node } => write!(f, "restart {node}"),
            Self::RemoveRdb { node } => write!(f, "remove the RDB file of {node}"),
            Self::Pause { node } => write!(f, "pause {node}"),
            Self::Resume { node } => write!(f, "resume {node}"),
            Self::Lag { node, read } => write!(f, "{node} lags: {read} bytes a second"),
            Self::CatchUp { node } => write!(f, "{node} catches up"),
            Self::SlowDisk { node, .. } => write!(f, "slow disk on {node}"),
            Self::FullDisk { node, free } => write!(f, "full disk on {node}: {free} bytes free"),
            Self::DiskError { node, on, chance } => {
                let on = match on {
                    DiskOperation::Any => "do anything".to_owned(),
                    on => format!("{on:?}").to_lowercase(),
                };
                write!(f, "disk of {node} fails to {on}")?;
                if *chance < 1.0 { write!(f, " with a chance of {chance}") } else { Ok(()) }
            }
            Self::DiskOk { node } => write!(f, "disk of {node} works again"),
            Self::ClockJump { node, by } => {
                let sign = if by.back { '-' } else { '+' };
                write!(f, "clock of {node} jumps by {sign}{:?}", by.by)
            }
            Self::ReplicaOf { node, master: Some(master) } => {
                write!(f, "{node}: REPLICAOF {master}")
            }
            Self::ReplicaOf { node, master: None } => write!(f, "{node}: REPLICAOF NO ONE"),
            Self::Failover { node, to, .. } => match to {
                Some(to) => write!(f, "{node}: FAILOVER TO {to}"),
                None => write!(f, "{node}: FAILOVER"),
            },
            Self::ConfigSet { node, config } => {
                write!(f, "{node}: CONFIG SET")?;
                config.iter().try_for_each(|(name, value)| write!(f, " {name} {value:?}"))
            }
            Self::Command { node, send, .. } => write!(f, "{node}: {}", send.join(" ")),
            Self::Check { node, info } => {
                write!(f, "check INFO of {node}:")?;
                info.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
        }
    }
}
