//! Scenarios nobody thought of: from a seed to a whole story, from a failing story to a file.
//!
//! - [`generate`]: a seed becomes a [`Scenario`](crate::scenario::Scenario);
//! - [`campaign`]: many seeds at once, in bounded memory;
//! - [`group`]: failures by what broke, not by seed;
//! - [`capsule`]: a failing run as one file, and its replay;
//! - [`marks`]: the rare states that a campaign should reach.
//!
//! Must never: judge a run. That is for the invariants; this only asks for runs and sorts what
//! came of them.

pub mod campaign;
pub mod capsule;
mod faults;
mod finale;
mod generate;
pub mod group;
pub mod marks;
mod options;
mod swarm;

pub use generate::generate;
