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
//! Nothing in here reads a clock, a thread or randomness of the machine it runs on. A simulation
//! lives in one thread and shares nothing with another.

#[cfg(not(tokio_unstable))]
compile_error!(
    "replisim-sim needs `--cfg tokio_unstable`: without it the order of `select!` branches is not \
     seeded and panics of spawned tasks are swallowed. .cargo/config.toml sets it; a RUSTFLAGS \
     variable in the environment replaces that value, so unset it or add the flag to it."
);

pub mod disk;
pub mod env;
pub mod process;
pub mod seed;
pub mod simulation;
pub mod transport;
pub mod world;
