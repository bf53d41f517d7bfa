//! RDB files (stub).
use crate::keyspace::Keyspace;
use crate::node::{LoadedData, SnapshotJob};

/// A piece of an RDB file.
pub struct Chunk {
    /// Bytes of the file.
    pub bytes: bytes::Bytes,
    /// Number of keys in them (for `rdb-key-save-delay`).
    pub keys: u64,
}

/// A file that is not loaded, and where it went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at offset {offset}")]
pub struct RdbError {
    /// Byte offset in the file.
    pub offset: u64,
    /// What is wrong.
    pub message: String,
}

/// Encodes a snapshot, a chunk of about 64 KiB at a time (a few keys a chunk with a delay).
#[allow(clippy::todo, unused_variables, reason = "signatures first")]
pub fn encode(job: SnapshotJob) -> Box<dyn Iterator<Item = Chunk> + Send> {
    todo!()
}

/// Incremental reader: feed bytes in pieces of any size, then `finish`.
pub struct Loader(());

#[allow(clippy::todo, unused_variables, missing_docs, reason = "signatures first")]
impl Loader {
    /// Loads into `target` (empty); with `drop_expired_ms`, keys whose deadline is before it are dropped and counted.
    pub fn new(target: Keyspace, drop_expired_ms: Option<u64>) -> Self {
        todo!()
    }
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), RdbError> {
        todo!()
    }
    /// Fails unless the file was complete and its checksum right.
    pub fn finish(self) -> Result<LoadedData, RdbError> {
        todo!()
    }
}
