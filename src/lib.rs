//! replisim: Redis replication as a model others study.

pub mod env;
pub mod event;
pub mod keyspace;
pub mod replication;
