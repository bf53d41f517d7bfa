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
//! - [`story`]: the same for people; [`report`] and [`cli`]: what the user sees.
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
pub mod simulation;
pub mod story;
pub mod trace;
pub mod transport;
pub mod workload;
pub mod world;
