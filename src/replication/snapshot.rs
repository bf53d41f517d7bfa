//! Which replicas share which snapshot.
//!
//! A snapshot freezes a pair (dataset, offset). Every replica that is served by it starts with
//! the bytes after *that* offset, not after the offset at which it asked. So a replica that
//! joins a snapshot already being written gets the snapshot's offset, and the writes since then
//! come to it out of the backlog, which the other waiter's cursor has kept whole.
//!
//! One snapshot is made at a time. Joining is possible only while one is being written to disk,
//! and only beside a replica that waits for it: that one's cursor is the proof that the bytes
//! after the snapshot are still here. A diskless one cannot be joined: its first bytes are gone.
//!
//! Must never: announce an offset other than that of the snapshot that will be sent.

use crate::env::LogLevel;

use super::replica_link::Phase;
use super::{
    LinkId, Mono, Offset, Output, Replication, SavedPosition, SnapshotContents, SnapshotId,
    SnapshotPlan, SnapshotTarget,
};

/// The snapshot that is being made for replicas.
#[derive(Debug, Clone, Copy)]
pub(super) struct CurrentSnapshot {
    pub(super) id: SnapshotId,
    pub(super) disk: bool,
    pub(super) offset: Offset,
}

impl Replication {
    /// Another save (`BGSAVE` of a client) runs: no snapshot may be started until it is over.
    pub fn set_saver_busy(&mut self, now: Mono, busy: bool) {
        self.saver_busy = busy;
        self.start_snapshot_if_due(now);
    }

    /// Puts a replica that needs a full sync where it will be served soonest.
    pub(super) fn schedule_full_sync(&mut self, now: Mono, link: LinkId) {
        match self.snapshot {
            Some(current) if current.disk => {
                if self.may_join(link, current.id) {
                    self.log(LogLevel::Notice, "Waiting for end of BGSAVE for SYNC");
                    self.mark("joined-running-snapshot");
                    self.begin_full_sync(link, Phase::WaitEnd(current.id), current.offset);
                } else {
                    self.log(LogLevel::Notice, "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC");
                    self.mark("waited-for-next-snapshot");
                }
            }
            Some(_) => {
                self.log(
                    LogLevel::Notice,
                    "Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC",
                );
                self.mark("waited-for-next-snapshot");
            }
            None if self.saver_busy => {
                self.log(LogLevel::Notice, "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed");
                self.mark("snapshot-delayed-by-another-save");
            }
            None => {
                self.start_snapshot_if_due(now);
                if self.replicas.get(&link).is_some_and(|r| r.phase == Phase::WaitStart) {
                    self.log(LogLevel::Notice, "Delay next BGSAVE for diskless SYNC");
                }
            }
        }
    }

    fn may_join(&self, link: LinkId, snapshot: SnapshotId) -> bool {
        let Some(joiner) = self.replicas.get(&link) else {
            return false;
        };
        self.replicas.values().any(|other| {
            other.phase == Phase::WaitEnd(snapshot)
                && joiner.announced.can_share_with(&other.announced)
        })
    }

    /// Starts a snapshot if replicas wait for one and nothing speaks against it (Redis
    /// `shouldStartChildReplication`). Never inside a half-applied transaction.
    pub(super) fn start_snapshot_if_due(&mut self, now: Mono) {
        if self.snapshot.is_some() || self.saver_busy || self.in_transaction() {
            return;
        }
        let all_waiting = || self.replicas.values().filter(|r| r.phase == Phase::WaitStart);
        let Some(contents) = all_waiting().map(|r| r.announced.contents).next() else {
            return;
        };
        // Those who want another one wait for the next.
        let waiting = || all_waiting().filter(move |r| r.announced.contents == contents);
        let count = waiting().count();
        let Some(first) = waiting().map(|r| r.since).min() else {
            return;
        };
        let all_can = waiting().all(|r| r.announced.eof);
        let delayed = self.config.repl_diskless_sync && all_can;
        let full = self.config.repl_diskless_sync_max_replicas;
        let enough = full > 0 && count >= full;
        if delayed && !enough && now.saturating_sub(first) < self.config.repl_diskless_sync_delay {
            return;
        }
        let partial = contents != SnapshotContents::ALL;
        assert!(all_can || !partial, "a part of a snapshot goes on no disk");
        let links: Vec<LinkId> = waiting().map(|r| r.link).collect();
        self.start_snapshot(links, delayed || partial, contents);
    }

    fn start_snapshot(&mut self, links: Vec<LinkId>, diskless: bool, contents: SnapshotContents) {
        let id = SnapshotId(self.next_snapshot);
        self.next_snapshot += 1;
        if self.upstream.is_none() {
            // The snapshot says nothing about a selected database: the next write does. A
            // replica cannot inject a SELECT; its snapshot carries the database instead.
            self.stream_db = None;
        }
        let offset = self.offset;
        let target = if diskless { "replicas sockets" } else { "disk" };
        self.log(LogLevel::Notice, format!("Starting BGSAVE for SYNC with target: {target}"));
        if links.len() > 1 {
            self.mark("snapshot-shared");
        }
        for link in &links {
            let phase = if diskless { Phase::Sending(id) } else { Phase::WaitEnd(id) };
            self.begin_full_sync(*link, phase, offset);
        }
        let target = if diskless {
            let eof_mark = self.fresh_mark();
            SnapshotTarget::Diskless { eof_mark, links }
        } else {
            SnapshotTarget::Disk
        };
        let position = SavedPosition { id: self.id, offset, stream_db: self.stream_db };
        self.snapshot = Some(CurrentSnapshot { id, disk: !diskless, offset });
        self.emit(Output::StartSnapshot(SnapshotPlan { id, target, position, contents }));
    }

    /// The replica will be served by the snapshot taken at `offset`: tell it so, and keep the
    /// bytes from there on for it.
    fn begin_full_sync(&mut self, link: LinkId, phase: Phase, offset: Offset) {
        let Some(replica) = self.replicas.get_mut(&link) else {
            return;
        };
        replica.cursor = Some(offset);
        replica.sent_by_mark = matches!(phase, Phase::Sending(_));
        if !replica.old_protocol {
            let bytes = format!("+FULLRESYNC {} {offset}\r\n", self.id).into_bytes();
            self.emit(Output::Reply { link, bytes });
        }
        self.move_replica(link, phase);
    }

    fn fresh_mark(&mut self) -> [u8; 40] {
        let mut mark = [0; 40];
        mark.copy_from_slice(self.ids.fresh().to_string().as_bytes());
        mark
    }

    /// All bytes of a snapshot were produced: the file is in place, or the diskless job is over.
    /// The error of a diskless one closes only the replicas that had not got all of it.
    pub fn snapshot_written(&mut self, now: Mono, id: SnapshotId, result: Result<u64, String>) {
        let Some(current) = self.snapshot.filter(|current| current.id == id) else {
            return;
        };
        self.snapshot = None;
        let links: Vec<LinkId> = self
            .replicas
            .values()
            .filter(|r| r.phase.snapshot() == Some(id))
            .map(|r| r.link)
            .collect();
        match result {
            Err(error) => {
                self.log(
                    LogLevel::Warning,
                    format!("SYNC failed. BGSAVE child returned an error: {error}"),
                );
                self.mark("snapshot-failed");
                for link in links {
                    self.close_replica(now, link, "SYNC failed. BGSAVE child returned an error");
                }
            }
            Ok(_) if current.disk => {
                for link in links {
                    self.move_replica(link, Phase::Sending(id));
                    self.emit(Output::SendSnapshotFile { link, snapshot: id });
                }
            }
            // Whoever is still being sent the last bytes is reported by `snapshot_sent`.
            Ok(_) => {}
        }
        self.start_snapshot_if_due(now);
    }

    /// All bytes of the snapshot (and mark) have been handed to the connection of this replica.
    pub fn snapshot_sent(&mut self, now: Mono, id: SnapshotId, link: LinkId) {
        let diskless = self.snapshot.is_some_and(|s| s.id == id && !s.disk);
        let Some(replica) = self.replicas.get_mut(&link) else {
            return;
        };
        if replica.phase != Phase::Sending(id) {
            return;
        }
        replica.last_ack = now;
        let by_mark = replica.sent_by_mark;
        if replica.announced.rdb_only {
            let text = format!(
                "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
                replica.name()
            );
            self.log(LogLevel::Warning, text);
            self.move_replica(link, Phase::AwaitAck);
        } else if by_mark {
            let text = format!(
                "Streamed replica with replica {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
                replica.name()
            );
            self.log(LogLevel::Notice, text);
            self.move_replica(link, Phase::AwaitAck);
        } else {
            self.go_online(now, link);
        }
        if diskless && !self.serves_anyone(id) {
            self.snapshot = None;
            self.start_snapshot_if_due(now);
        }
    }

    /// The connection of this replica took some bytes of its snapshot just now, and takes no
    /// more. A diskless transfer of which nothing else is said for `repl-timeout` is given up: it
    /// holds up those of all others.
    pub fn transfer_stalled(&mut self, now: Mono, link: LinkId) {
        if let Some(replica) = self.replicas.get_mut(&link) {
            replica.stalled_since = Some(now);
        }
    }

    /// The connection of this replica took all it was given.
    pub fn transfer_flows(&mut self, link: LinkId) {
        if let Some(replica) = self.replicas.get_mut(&link) {
            replica.stalled_since = None;
        }
    }

    fn serves_anyone(&self, id: SnapshotId) -> bool {
        self.replicas.values().any(|r| r.phase.snapshot() == Some(id))
    }

    /// A replica is gone: perhaps its snapshot serves no one any more.
    pub(super) fn abort_snapshot_if_useless(&mut self) {
        let Some(current) = self.snapshot else {
            return;
        };
        if self.serves_anyone(current.id) {
            return;
        }
        if current.disk && self.config.saves_on_its_own {
            // The file is wanted all the same.
            return;
        }
        if !current.disk {
            self.log(
                LogLevel::Notice,
                "Diskless rdb transfer, last replica dropped, killing fork child.",
            );
        }
        self.snapshot = None;
        self.mark("snapshot-aborted-for-want-of-replicas");
        self.emit(Output::AbortSnapshot(current.id));
    }
}
