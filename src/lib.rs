//! replisim: Redis replication as a model others study.

pub mod codec;
pub mod command;
pub mod config;
pub mod env;
pub mod event;
pub mod keyspace;
pub mod node;
pub mod replication;
pub mod server;
