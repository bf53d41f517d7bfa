//! Compatibility with Redis 7.0.15 as Debian ships it: its tools, its Sentinel, its servers on
//! the other end, and clients that do not behave. One module a subject.
//!
//! Where the programs are not installed, every test says by name that it was skipped.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of the real world wait for it, and fail by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod bad_master;
mod captured;
mod cli;
mod commands;
mod dataset;
mod differential;
mod functions;
mod hostile;
mod hostile_links;
mod matrix;
mod observed;
mod pairs;
mod random_data;
mod rdb;
mod samples;
mod sentinel;
mod users;
