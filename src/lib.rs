//! replisim: Redis replication as a model others study.
//!
//! # A map
//!
//! Data flows one way: bytes, command, node, core, outputs, bytes.
//!
//! ```text
//!  bytes ──> codec::resp ──> command (table) ──> node ──> replication core
//!                                                 │  <────── outputs ──────┘
//!  bytes <── server (shell) <── actions ──────────┘
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | [`replication`] | the protocol, as a state machine; its first page is an essay one can implement from |
//! | [`node`] | one node as a state machine: clients, roles, persistence around keyspace and core |
//! | [`command`] | one table of all commands; one file a family |
//! | [`acl`] | users, and what each may do |
//! | [`function`] | libraries of functions: kept, told and passed on, never run |
//! | [`keyspace`] | databases, values, expiry, and snapshots that cost next to nothing to take |
//! | [`codec`] | RESP, RDB, LZF, CRC-64 |
//! | [`config`] | redis.conf: one table of directives, read, `CONFIG GET`, `SET`, `REWRITE` |
//! | [`server`] | the shell: sockets and files, over [`env::Env`]; and `TokioEnv`, the real world |
//! | [`env`](mod@env) | the only door between a node and its world |
//! | [`event`] | what a node tells whoever watches it; the simulator's invariants are fed with it |
//!
//! The testbed is the crate `replisim-sim` in `sim/`: another [`env::Env`], over a simulated
//! network, clock and disk.
//!
//! # What is absent, and why
//!
//! - **No I/O, clock, task, await or dice** in `replication`, `node`, `command`, `keyspace`,
//!   `codec` and `config`. Whoever calls says what time it is. That is what makes a run repeatable,
//!   and a decision testable by calling a function. (The shell lends the node a stopwatch: what
//!   it shows is told by `SLOWLOG` and `LATENCY`, and decides nothing.)
//! - **No decision in the shell.** It moves bytes and does what [`node::Action`]s say. If a decision
//!   is hard to test, it stands in the wrong place.
//! - **No line compiled differently** for the simulator: no feature, no `cfg`, no mock of the node.
//!   The worlds differ in their [`env::Env`] only.
//! - **No hash order.** `std::collections::HashMap` is forbidden by a lint; tables that need
//!   hashing are seeded through [`env::Env::random_seed`] and walked in an order fixed by that seed.
//! - **No thread** but in `server::tokio_env`, behind [`env::Env::background`].
//! - **No fork.** A snapshot is a persistent version of the tables; see [`keyspace`].
//! - **No scripting, no AOF, no cluster.** A master propagates effects, so a replica needs none of
//!   them to follow. Functions are part of the dataset and kept; see [`function`].

/// The version of Redis that this server behaves like, and names in `INFO` and in its RDB files.
pub const REDIS_VERSION: &str = "7.0.15";

pub mod acl;
pub mod codec;
pub mod command;
pub mod config;
pub mod env;
pub mod event;
pub mod function;
pub mod keyspace;
pub mod node;
pub mod replication;
pub mod server;
