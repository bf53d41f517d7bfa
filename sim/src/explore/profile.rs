//! Profiles: where a campaign looks.
//!
//! Each seed draws its own world whatever the profile; a profile only says which families of
//! faults are among those it draws from. Must never: change what a seed means under another
//! profile.

use super::faults::Family;

/// Which families of faults a generated world may have.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Everything there is
    #[default]
    Default,
    /// Processes and machines that die and come back, and their disks
    Crash,
    /// Links that are cut, or break at the edge of the backlog
    Network,
    /// What operators do: roles, hand-overs, configuration, saves
    Admin,
    /// Slow links, disks and readers, and processes that stand still
    Slow,
}

impl Profile {
    /// The families, some of them more than once: those are drawn more often.
    pub(super) fn families(self) -> &'static [Family] {
        use Family::*;
        match self {
            Self::Default => Family::ALL,
            Self::Crash => &[
                Kill, Kill, PowerCut, PowerCut, Restart, Shutdown, FullDisk, DiskError, SlowDisk,
                RemoveRdb, Save, Reset, Fill, ClockJump,
            ],
            Self::Network => {
                &[Stall, Stall, Reset, Reset, Blackhole, SlowLink, Disconnect, Edge, Probe, Fill]
            }
            Self::Admin => &[
                Follow, Promote, HandOver, Failover, Failover, Tune, Save, Flush, Disconnect,
                Probe, Reset, Restart, Pause, Rewrite,
            ],
            Self::Slow => {
                &[SlowLink, SlowLink, Lag, Lag, SlowDisk, Pause, Stall, Fill, Save, Failover, Flush]
            }
        }
    }

    /// Those of its families by which replicas fall behind.
    pub(super) fn that_leave_behind(self) -> impl Iterator<Item = Family> {
        let slow = |family: &&Family| {
            matches!(family, Family::Lag | Family::SlowLink | Family::Stall | Family::Pause)
        };
        self.families().iter().filter(slow).copied()
    }
}
