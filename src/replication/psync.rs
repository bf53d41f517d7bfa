//! The decision on `PSYNC`, as a pure function of what a node knows about its own history.
//!
//! The question behind it: *is every byte that the replica lacks here, and is what it has really
//! a beginning of what we have?* The first half is a matter of the backlog, the second of ids.
//!
//! The one place where offsets are easily off by one. A replica that has applied everything up
//! to and including offset `o` asks for the *next* byte: `PSYNC <id> <o+1>`. So
//! - `o+1 == first` is legal: the oldest byte held is the first one it lacks;
//! - `o+1 == last+1` is legal: it lacks nothing, and gets nothing until the next write;
//! - with the second id, valid up to and including offset `s`, `o+1 <= s+1` is legal. (Redis
//!   stores that `s+1` as `second_replid_offset`, and compares with `<=`.)
//!
//! Must never: have a side effect, or look at anything but its arguments.

use crate::event::{FullReason, PsyncAnswer};

use super::backlog::BacklogInfo;
use super::{Offset, ReplicationId};

/// The first argument of `PSYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedId {
    /// `?`: the replica has nothing to resume from. Also what `SYNC` amounts to.
    Nothing,
    /// Something that is no replication id, and so nobody's.
    Garbage,
    /// An id.
    Id(ReplicationId),
}

impl AskedId {
    /// Reads the argument as it came from the wire.
    pub fn parse(argument: &[u8]) -> Self {
        if argument == b"?" {
            return Self::Nothing;
        }
        std::str::from_utf8(argument)
            .ok()
            .and_then(|text| text.parse().ok())
            .map_or(Self::Garbage, Self::Id)
    }
}

/// `PSYNC id first_byte`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The history that the replica has a beginning of.
    pub id: AskedId,
    /// Offset of the first byte that it lacks: its own offset plus one. Anything may come from
    /// the wire, also negative numbers.
    pub first_byte: i64,
}

/// What a node knows about its own past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Its replication id.
    pub id: ReplicationId,
    /// Its second id, and the last offset (inclusive) up to which the two histories are one.
    pub second: Option<(ReplicationId, Offset)>,
    /// The bytes it can still send.
    pub backlog: Option<BacklogInfo>,
}

/// Decides on a partial resync: Redis `masterTryPartialResynchronization`.
pub fn decide(history: &History, request: &Request) -> PsyncAnswer {
    let id = match request.id {
        AskedId::Nothing => return PsyncAnswer::Full(FullReason::NotAsked),
        AskedId::Garbage => return PsyncAnswer::Full(FullReason::UnknownId),
        AskedId::Id(id) => id,
    };
    if id != history.id {
        match history.second {
            Some((second, last)) if second == id => {
                if i128::from(request.first_byte) > i128::from(last.0) + 1 {
                    return PsyncAnswer::Full(FullReason::PastSecondOffset);
                }
            }
            _ => return PsyncAnswer::Full(FullReason::UnknownId),
        }
    }
    let Some(backlog) = history.backlog else {
        return PsyncAnswer::Full(FullReason::NoBacklog);
    };
    let Ok(first_byte) = u64::try_from(request.first_byte) else {
        return PsyncAnswer::Full(FullReason::TooOld);
    };
    if first_byte < backlog.first.0 {
        return PsyncAnswer::Full(FullReason::TooOld);
    }
    if first_byte > backlog.first.0 + backlog.histlen {
        return PsyncAnswer::Full(FullReason::TooNew);
    }
    PsyncAnswer::Continue { id: history.id, from: Offset(first_byte - 1) }
}

/// Rare outcomes worth counting, by name.
pub(super) fn marks(
    history: &History,
    request: &Request,
    answer: &PsyncAnswer,
) -> Vec<&'static str> {
    let mut marks = Vec::new();
    let second = history.second.filter(|(id, _)| request.id == AskedId::Id(*id));
    let first_byte = i128::from(request.first_byte);
    match (answer, history.backlog) {
        (PsyncAnswer::Continue { from, .. }, Some(backlog)) => {
            if from.0 + 1 == backlog.first.0 {
                marks.push("continue-at-first-backlog-byte");
            }
            if from.0 + 1 == backlog.first.0 + backlog.histlen {
                marks.push("continue-at-end");
            }
            if let Some((_, last)) = second {
                marks.push("second-id-accepted");
                if *from == last {
                    marks.push("second-id-accepted-at-its-limit");
                }
            }
        }
        (PsyncAnswer::Full(FullReason::TooOld), Some(backlog))
            if first_byte + 1 == i128::from(backlog.first.0) =>
        {
            marks.push("refused-one-byte-too-old");
        }
        (PsyncAnswer::Full(FullReason::TooNew), Some(backlog))
            if first_byte == i128::from(backlog.first.0 + backlog.histlen) + 1 =>
        {
            marks.push("refused-one-byte-too-new");
        }
        (PsyncAnswer::Full(FullReason::PastSecondOffset), _) => {
            marks.push("second-id-refused-past-offset");
        }
        (PsyncAnswer::Full(FullReason::NoBacklog), _) => marks.push("refused-no-backlog"),
        _ => {}
    }
    marks
}
