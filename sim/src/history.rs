//! Every stream that was ever written, and how streams descend from each other.
//!
//! A replication id names a history: a run of bytes that begins at some offset. A promotion
//! begins a new history that shares all bytes up to that point with its parent. Two positions
//! `(id, offset)` are the same point of the same past exactly if one's history leads to the
//! other: that is what `PSYNC` has to find out, and what [`Histories::same_past`] knows.
//!
//! Must never: forget a byte while a run lasts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use replisim::event::Digest;
use replisim::replication::{Offset, ReplicationId};

use crate::cluster::NodeIndex;

/// One history.
#[derive(Debug)]
pub struct History {
    /// The only node that may write it.
    pub writer: NodeIndex,
    /// Its first byte has the offset after this.
    pub base: Offset,
    /// Where it branched off, if it did.
    pub parent: Option<(ReplicationId, Offset)>,
    bytes: Vec<u8>,
    digests: BTreeMap<Offset, Digest>,
}

impl History {
    /// Offset of its last byte.
    pub fn end(&self) -> Offset {
        self.base.plus(self.bytes.len() as u64)
    }
}

/// All histories of a run.
#[derive(Debug, Default)]
pub struct Histories {
    by_id: BTreeMap<ReplicationId, History>,
}

/// What was wrong with a write to a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foul {
    /// Another node writes under this id.
    SecondWriter(NodeIndex),
    /// The bytes do not begin where the history ends.
    Gap(Offset),
}

impl Histories {
    /// A history by its id.
    pub fn get(&self, id: ReplicationId) -> Option<&History> {
        self.by_id.get(&id)
    }

    /// A master begins to write under a new id.
    pub fn begun(
        &mut self,
        id: ReplicationId,
        writer: NodeIndex,
        base: Offset,
        parent: Option<(ReplicationId, Offset)>,
        digest: Digest,
    ) {
        self.by_id.entry(id).or_insert_with(|| History {
            writer,
            base,
            parent,
            bytes: Vec::new(),
            digests: BTreeMap::from([(base, digest)]),
        });
    }

    /// Whether writing `len` bytes ending at `end` under `id` by `writer` would be in order.
    pub fn check(
        &self,
        id: ReplicationId,
        writer: NodeIndex,
        end: Offset,
        len: usize,
    ) -> Result<(), Foul> {
        let Some(history) = self.by_id.get(&id) else {
            return Ok(());
        };
        if history.writer != writer {
            return Err(Foul::SecondWriter(history.writer));
        }
        if history.end().plus(len as u64) != end {
            return Err(Foul::Gap(history.end()));
        }
        Ok(())
    }

    /// Bytes written by a master; those that are not in order are left out (the checker says so).
    pub fn written(
        &mut self,
        id: ReplicationId,
        writer: NodeIndex,
        end: Offset,
        bytes: &[u8],
        digest: Digest,
    ) {
        if self.check(id, writer, end, bytes.len()).is_err() {
            return;
        }
        let base = Offset(end.0 - bytes.len() as u64);
        let history = self.by_id.entry(id).or_insert_with(|| History {
            writer,
            base,
            parent: None,
            bytes: Vec::new(),
            digests: BTreeMap::new(),
        });
        history.bytes.extend_from_slice(bytes);
        history.digests.insert(end, digest);
    }

    /// The master's data changed while no stream was kept: the digest at its offset is another.
    pub fn changed_in_place(&mut self, id: ReplicationId, offset: Offset, digest: Digest) {
        if let Some(history) = self.by_id.get_mut(&id)
            && history.end() == offset
        {
            history.digests.insert(offset, digest);
        }
    }

    /// Whether `(asked, offset)` is a point in the past of the history `of`: the same bytes up
    /// to `offset`.
    pub fn same_past(&self, asked: ReplicationId, offset: Offset, of: ReplicationId) -> bool {
        self.owner(asked, offset).is_some_and(|owner| self.owner(of, offset) == Some(owner))
    }

    /// The bytes `(from, to]` of a history, through its ancestors; `None` if not all were seen.
    pub fn bytes(&self, id: ReplicationId, from: Offset, to: Offset) -> Option<Cow<'_, [u8]>> {
        let history = self.by_id.get(&id)?;
        if to > history.end() || from > to {
            return None;
        }
        if from >= history.base {
            let start = from.since(history.base) as usize;
            let end = to.since(history.base) as usize;
            return Some(Cow::Borrowed(&history.bytes[start..end]));
        }
        let (parent, branch) = history.parent?;
        let mut bytes = self.bytes(parent, from, branch.min(to))?.into_owned();
        if to > history.base {
            bytes.extend_from_slice(&history.bytes[..to.since(history.base) as usize]);
        }
        Some(Cow::Owned(bytes))
    }

    /// Digest of the dataset at a position, where a write of its master ended there.
    pub fn digest_at(&self, id: ReplicationId, offset: Offset) -> Option<Digest> {
        let owner = self.owner(id, offset)?;
        self.by_id.get(&owner)?.digests.get(&offset).copied()
    }

    /// The history in whose own bytes (or at whose base) a position of `id` lies.
    fn owner(&self, id: ReplicationId, offset: Offset) -> Option<ReplicationId> {
        let mut id = id;
        loop {
            let history = self.by_id.get(&id)?;
            if offset > history.end() {
                return None;
            }
            match history.parent {
                // A replica that was promoted before it had anything has a past that nobody saw.
                Some((parent, branch)) if offset <= branch && self.by_id.contains_key(&parent) => {
                    id = parent;
                }
                _ => return (offset >= history.base).then_some(id),
            }
        }
    }
}
