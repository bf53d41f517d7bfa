//! A scenario with every decision made: plain data, which a run carries out and a capsule holds.
//!
//! `resolve` makes it. Must never: hold anything that still has to be decided once.

use std::time::Duration;

use super::CommandFamily;
use super::step::{DiskOperation, Outage};
use super::value::{Count, Expected, Jump, Range, Size, Time};
use crate::seed::Seed;

/// A scenario with every decision made. Plain data; times count from the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedScenario {
    /// Name of the scenario: its path below `scenarios/` without ending.
    pub name: String,
    /// One line that says what happens.
    pub title: String,
    /// Prose.
    pub about: String,
    /// The seed, from which the run draws what is left: latencies, the workload's commands.
    pub seed: Seed,
    /// The nodes, in the order of the file.
    pub nodes: Vec<NodeSpec>,
    /// The network when nothing is wrong with it.
    pub network: NetworkSpec,
    /// The workloads.
    pub workloads: Vec<WorkloadSpec>,
    /// What happens, sorted by time; what stands first in the file comes first at equal times.
    pub steps: Vec<TimedStep>,
    /// What must come of it.
    pub expect: ExpectSpec,
    /// How long it runs.
    pub run: RunSpec,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name, which is its host name too.
    pub name: String,
    /// The node it follows from its start.
    pub replicaof: Option<String>,
    /// When its process is first started.
    pub starts: Duration,
    /// redis.conf directives with their values as they stand in a file, in order; those for
    /// all nodes come first. No name occurs twice.
    pub config: Vec<(String, String)>,
}

/// The network when nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Time a segment takes, drawn for each.
    pub latency: Range<Time>,
    /// Bytes a second of each link and direction; `None` for a gigabit.
    pub bandwidth: Option<u64>,
    /// Largest segment in bytes.
    pub segment: u64,
}

/// A workload.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadSpec {
    /// Host names of its clients.
    pub clients: Vec<String>,
    /// The node written to; `None` for whichever is the master.
    pub to: Option<String>,
    /// Commands a second, of all its clients together.
    pub rate: u64,
    /// Share of the commands that are reads.
    pub reads: f64,
    /// The nodes read from; `None` for the replicas.
    pub read_from: Option<Vec<String>>,
    /// Number of different keys in each database.
    pub keys: u64,
    /// Number of databases.
    pub databases: u64,
    /// Length of a value in bytes.
    pub value_bytes: Range<Size>,
    /// Families of commands.
    pub commands: Vec<CommandFamily>,
    /// Share of the writes that delete a key.
    pub deletes: f64,
    /// Share of the writes that increment a counter.
    pub increments: f64,
    /// Share of the writes that set a time to live.
    pub expire: f64,
    /// The times to live.
    pub ttl: Range<Time>,
    /// Share of the writes that are a transaction.
    pub transactions: f64,
    /// Commands in a transaction.
    pub transaction_length: Range<Count>,
    /// Commands sent before the first reply is awaited.
    pub pipeline: Range<Count>,
    /// `WAIT` after some of the writes.
    pub wait: Option<WaitSpec>,
    /// User name.
    pub user: Option<String>,
    /// Password; `None` for the node's own, empty for none.
    pub password: Option<String>,
    /// When it begins.
    pub start: Duration,
    /// When it ends.
    pub stop: Duration,
}

/// `WAIT` after a write.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSpec {
    /// Number of replicas.
    pub replicas: u64,
    /// Its timeout.
    pub timeout: Duration,
    /// Share of the writes followed by it.
    pub share: f64,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedStep {
    /// When.
    pub at: Duration,
    /// What.
    pub action: StepAction,
}

/// Directed links: from every host of one side to every host of the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LinkSet {
    /// The sending hosts.
    pub from: Vec<String>,
    /// The receiving hosts.
    pub to: Vec<String>,
    /// Whether the other direction belongs to it too.
    pub both_ways: bool,
}

impl LinkSet {
    /// Each (sender, receiver) once; never a host with itself.
    pub fn directed(&self) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for a in &self.from {
            for b in self.to.iter().filter(|b| *b != a) {
                all.push((a.as_str(), b.as_str()));
                if self.both_ways {
                    all.push((b.as_str(), a.as_str()));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What happens, fixed. Each node of a list becomes a step of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are those of the actions of a file, documented there")]
pub enum StepAction {
    /// Cut links.
    Partition { links: LinkSet, kind: Outage },
    /// Lift all cuts of these links.
    Heal { links: LinkSet },
    /// Make links slow; what is `None` stays as it is.
    Slow {
        links: LinkSet,
        latency: Option<Range<Time>>,
        bandwidth: Option<u64>,
        segment: Option<u64>,
    },
    /// Give links the speed of [`NetworkSpec`].
    FullSpeed { links: LinkSet },
    /// `kill -9`.
    Kill { node: String },
    /// Power loss; `torn`: a write under way may be left half done.
    PowerCut { node: String, torn: bool },
    /// `SHUTDOWN`, with `SAVE` or `NOSAVE` if given.
    Shutdown { node: String, save: Option<bool> },
    /// Start a node that is down.
    Start { node: String },
    /// `SHUTDOWN` and start once it is down; just start when it is down already.
    Restart { node: String },
    /// Delete the RDB file.
    RemoveRdb { node: String },
    /// SIGSTOP.
    Pause { node: String },
    /// SIGCONT.
    Resume { node: String },
    /// Read no faster than this many bytes a second; 0 for not at all.
    Lag { node: String, read: u64 },
    /// Read as fast as it can.
    CatchUp { node: String },
    /// Slow the disk.
    SlowDisk { node: String, latency: Option<Range<Time>>, bandwidth: Option<u64> },
    /// Leave this many bytes of room on the disk.
    FullDisk { node: String, free: u64 },
    /// Make operations of the disk fail.
    DiskError { node: String, on: DiskOperation, chance: f64 },
    /// The disk works again, fast and with room.
    DiskOk { node: String },
    /// Move the wall clock.
    ClockJump { node: String, by: Jump },
    /// `REPLICAOF`; `None` is `NO ONE`.
    ReplicaOf { node: String, master: Option<String> },
    /// `FAILOVER`.
    Failover {
        node: String,
        to: Option<String>,
        timeout: Option<Duration>,
        force: bool,
        abort: bool,
    },
    /// `CONFIG SET` with all pairs in one command.
    ConfigSet { node: String, config: Vec<(String, String)> },
    /// A command on a connection of its own, and the reply it must get.
    Command {
        node: String,
        send: Vec<String>,
        reply: Option<ReplySpec>,
        database: u64,
        password: Option<String>,
    },
    /// Fields of `INFO` that must have these values now.
    Check { node: String, info: Vec<(String, Expected)> },
}

/// The reply a command must get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplySpec {
    /// No error, and as `redis-cli --raw` prints it.
    Value(Expected),
    /// An error whose text starts so.
    Error(String),
}

/// What must come of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpectSpec {
    /// `None`: derived from the configuration.
    pub converged_within: Option<Duration>,
    /// The invariant that must be violated.
    pub violation: Option<String>,
    /// Full syncs received, by node.
    pub full_syncs: Vec<(String, Range<Count>)>,
    /// Partial resyncs received, by node.
    pub partial_syncs: Vec<(String, Range<Count>)>,
    /// Fields of `INFO` at the end, by node.
    pub info: Vec<(String, Vec<(String, Expected)>)>,
}

/// How long it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec {
    /// Simulated time, before the wait for convergence.
    pub duration: Duration,
    /// Length of a step of the simulated clock.
    pub tick: Duration,
}
