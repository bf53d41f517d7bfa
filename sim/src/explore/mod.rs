//! Scenarios nobody thought of: from a seed to a whole story, from a failing story to a file.
//!
//! - [`generate`]: a seed becomes a [`Scenario`](crate::scenario::Scenario);
//! - [`campaign`]: many seeds at once, in bounded memory;
//! - [`guided`]: a campaign that varies what reached something new;
//! - [`group`]: failures by what broke, not by seed;
//! - [`capsule`]: a failing run as one file, and its replay;
//! - [`profile`], [`shard`]: where a campaign looks, and which share of it one process takes;
//! - [`results`]: what a campaign leaves behind, and joining it with that of others;
//! - [`marks`]: the rare states that a campaign should reach.
//!
//! Must never: judge a run. That is for the invariants; this only asks for runs and sorts what
//! came of them.

pub mod campaign;
pub mod capsule;
mod edge;
mod faults;
mod finale;
mod generate;
pub mod group;
pub mod guided;
pub mod marks;
mod mutate;
mod options;
pub mod profile;
pub mod results;
pub mod shard;
mod swarm;

pub use generate::{generate, generate_in};
