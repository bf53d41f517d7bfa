//! The testbed of replisim: the node under a simulated network, clock and disk.
//!
//! From the bottom up:
//! - [`seed`]: one root seed, and a named stream of randomness for every consumer;
//! - [`transport`]: what a TCP connection does in each kind of outage, over turmoil's TCP;
//! - [`disk`]: files whose durability is turmoil's, and whose names follow POSIX;
//! - [`process`]: a process that can be stopped, on a machine whose kernel goes on;
//! - [`world`]: hosts, links and clocks, and what can be done to them;
//! - [`mod@env`]: all of it as [`replisim::env::Env`], the node's only door;
//! - [`simulation`]: turmoil's `Sim` and the world, stepped together.
//!
//! What knows about replication:
//! - [`cluster`] and [`history`]: what was seen of the nodes, and every stream ever written;
//! - [`model`]: what the data must be; [`invariant`]: what must hold, one checker a file;
//! - [`workload`]: clients that write and read.
//!
//! What a run is made of:
//! - [`scenario`]: the files, their diagnostics, and the builder that makes the same in code;
//! - [`run`](mod@run): one run of one scenario; [`recorder`] and [`trace`]: what is noted of it;
//! - [`story`]: the same for people; [`report`] and [`cli`]: what the user sees;
//! - [`determinism`]: some runs are made again, and must go the same way;
//! - [`explore`] and [`shrink`](mod@shrink): from a seed to the smallest story that fails.
//!
//! # A test in Rust
//! A scenario built in code, or read with [`scenario::load`]; a seed; if you like, an invariant of
//! your own; and the report. The command line makes its runs the same way.
//!
//! ```
//! use std::time::Duration;
//! use replisim_sim::cluster::Cluster;
//! use replisim_sim::invariant::{Found, Invariant, Sight};
//! use replisim_sim::scenario::{Action, Links, Outage, Scenario, Workload};
//!
//! /// Nobody needs a second snapshot in this scenario.
//! struct OneSnapshotEach;
//!
//! impl Invariant for OneSnapshotEach {
//!     fn name(&self) -> &'static str {
//!         "one-snapshot-each"
//!     }
//!     fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
//!         let node = &cluster.nodes[sight.node];
//!         if node.full_syncs_received > 1 {
//!             found.violation(&node.name, "received a second snapshot");
//!         }
//!     }
//! }
//!
//! let cut = |seconds| {
//!     Action::partition(
//!         Links::between("m1", "r1"),
//!         Outage::Reset,
//!         Some(Duration::from_secs(seconds)),
//!     )
//! };
//! let scenario = Scenario::builder("doc/short-cut")
//!     .config("repl-diskless-sync-delay", 0)
//!     .node("m1")
//!     .node("r1").replica_of("m1")
//!     .workload(Workload::default())
//!     .step("5s", cut(2))
//!     .duration("12s")
//!     .build()
//!     .expect("a scenario without mistakes");
//!
//! let report = scenario.seed(7).invariant(OneSnapshotEach).run();
//! report.assert_passed(); // or it panics with the story and the line that replays it
//! assert_eq!((report.full_syncs, report.partial_syncs), (1, 1));
//! assert_eq!(report.trace_hash, scenario.seed(7).run().trace_hash, "the same seed, the same run");
//! ```
//!
//! Nothing in here reads a clock, a thread or randomness of the machine it runs on. A simulation
//! lives in one thread and shares nothing with another.

#[cfg(not(tokio_unstable))]
compile_error!(
    "replisim-sim needs `--cfg tokio_unstable`: without it the order of `select!` branches is not \
     seeded and panics of spawned tasks are swallowed. .cargo/config.toml sets it; a RUSTFLAGS \
     variable in the environment replaces that value, so unset it or add the flag to it."
);

pub mod cli;
pub mod cluster;
pub mod determinism;
pub mod disk;
pub mod env;
pub mod explore;
pub mod history;
pub mod invariant;
pub mod model;
pub mod process;
pub mod recorder;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seed;
pub mod shrink;
pub mod simulation;
pub mod story;
pub mod trace;
pub mod transport;
pub mod witness;
pub mod workload;
pub mod world;

/// The examples of the README are tested like those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
