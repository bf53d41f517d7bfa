//! The backlog: the last stretch of the stream, kept once for everybody.
//!
//! Partial resyncs read from it, and so does every online replica: a replica is no more than a
//! cursor (an [`Offset`]) into these blocks, so that ten replicas cost as much memory as one
//! (Redis since 7.0, `feedReplicationBuffer`).
//!
//! Blocks are of about 16 KiB and leave from the front when what remains is still longer than
//! the configured size *and* no cursor needs them. So a slow replica makes the backlog longer
//! than configured, up to the replica's output limit; Redis counts all of it as available for
//! partial resyncs, and so do we.
//!
//! ```text
//!        first                                   end
//!          |<------------- histlen --------------->|
//!   [......block......][......block......][..block   ]
//!                             ^ cursor of a replica
//! ```
//!
//! Must never: give out a byte outside `first ..= end`, or keep a block that nobody needs.

use std::collections::VecDeque;

use super::Offset;

/// Least size that a backlog has, whatever the configuration says, and least size of a block.
pub const MIN_BACKLOG_BYTES: u64 = 16 * 1024;

/// The extent of a backlog (`repl_backlog_*` in `INFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogInfo {
    /// Offset of the oldest byte held; if none is held, of the next byte to come.
    pub first: Offset,
    /// Number of bytes held.
    pub histlen: u64,
    /// Configured size in bytes.
    pub size: u64,
}

#[derive(Debug)]
struct Block {
    /// Offset just before its first byte.
    start: u64,
    bytes: Vec<u8>,
    capacity: usize,
}

impl Block {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Backlog {
    /// Contiguous, none empty.
    blocks: VecDeque<Block>,
    end: Offset,
    size: u64,
}

impl Backlog {
    /// An empty backlog: the first byte it will hold is the one after `end`.
    pub fn new(end: Offset, size_bytes: u64) -> Self {
        Self { blocks: VecDeque::new(), end, size: size_bytes.max(MIN_BACKLOG_BYTES) }
    }

    /// Offset of its last byte: the end of the stream.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The extent.
    pub fn info(&self) -> BacklogInfo {
        let histlen = self.held_bytes();
        BacklogInfo { first: Offset(self.end.0 - histlen + 1), histlen, size: self.size }
    }

    /// Bytes held in all.
    pub fn held_bytes(&self) -> u64 {
        self.blocks.front().map_or(0, |block| self.end.0 - block.start)
    }

    /// Whether everything after `cursor` is held, so that a replica may be put there.
    pub fn holds_after(&self, cursor: Offset) -> bool {
        self.end.0 - self.held_bytes() <= cursor.0 && cursor <= self.end
    }

    /// Adds bytes at the end. Call [`Backlog::trim`] afterwards.
    pub fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.blocks.back().map_or(0, |block| block.capacity - block.bytes.len());
            if room == 0 {
                let capacity = self.block_capacity(bytes.len());
                self.blocks.push_back(Block {
                    start: self.end.0,
                    bytes: Vec::with_capacity(capacity),
                    capacity,
                });
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(block) = self.blocks.back_mut() {
                block.bytes.extend_from_slice(now);
            }
            self.end = self.end.plus(now.len() as u64);
            bytes = later;
        }
        debug_assert!(self.blocks.back().is_none_or(|b| b.end() == self.end.0));
    }

    /// A big write gets a block of its own size, but none larger than a sixteenth of the
    /// backlog: blocks leave whole, and the backlog must not shrink in leaps.
    fn block_capacity(&self, wanted: usize) -> usize {
        let largest = (self.size / 16).max(MIN_BACKLOG_BYTES);
        let wanted = (wanted as u64).max(MIN_BACKLOG_BYTES);
        usize::try_from(wanted.min(largest)).unwrap_or(MIN_BACKLOG_BYTES as usize)
    }

    /// Changes the configured size. Call [`Backlog::trim`] afterwards.
    pub fn resize(&mut self, size_bytes: u64) {
        self.size = size_bytes.max(MIN_BACKLOG_BYTES);
    }

    /// Lets go of blocks that are older than the configured size and not needed by `slowest`,
    /// the least cursor of all replicas. Never goes below the configured size.
    pub fn trim(&mut self, slowest: Option<Offset>) {
        while let Some(front) = self.blocks.front() {
            let remaining = self.end.0 - front.end();
            let needed = slowest.is_some_and(|cursor| cursor.0 < front.end());
            if remaining <= self.size || needed {
                break;
            }
            self.blocks.pop_front();
        }
    }

    /// The contiguous bytes right after `cursor`; empty at the end of the stream.
    ///
    /// # Panics
    /// If `cursor` lies outside what is held: cursors keep their blocks, so that would be a fault
    /// of the core itself.
    pub fn chunk_after(&self, cursor: Offset) -> &[u8] {
        assert!(self.holds_after(cursor), "cursor {cursor} outside the backlog {:?}", self.info());
        let index = self.blocks.partition_point(|b| b.end() <= cursor.0);
        match self.blocks.get(index) {
            Some(block) => &block.bytes[(cursor.0 - block.start) as usize..],
            None => &[],
        }
    }

    /// A copy of everything held after `cursor`; from the oldest byte if `cursor` is older.
    pub fn copy_after(&self, cursor: Offset) -> Vec<u8> {
        let mut at = Offset(cursor.0.max(self.end.0 - self.held_bytes()));
        let mut bytes = Vec::with_capacity(self.end.since(at) as usize);
        while at < self.end {
            let chunk = self.chunk_after(at);
            bytes.extend_from_slice(chunk);
            at = at.plus(chunk.len() as u64);
        }
        bytes
    }
}
