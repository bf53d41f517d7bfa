//! Snapshots on their way out: `SAVE`, `BGSAVE`, save points, snapshots for replicas. What comes in
//! is in `load`.
//!
//! The node takes a snapshot and says where it is to be written; the shell writes it beside the
//! event loop and reports. One save runs at a time, whoever asked for it. Must never: read or
//! write a file.

use std::time::Duration;

use crate::env::{LogLevel, Now};
use crate::event::{Digest, Event};
use crate::keyspace::AccessRules;
use crate::replication::{LinkId, SavedPosition, SnapshotId};

use super::load::LoadJob;
use super::{Action, ClientId, Node, SnapshotJob};

/// After a failed save, save points wait this long (`CONFIG_BGSAVE_RETRY_DELAY`).
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Who asked for a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `BGSAVE` or a save point.
    Background,
    /// `SAVE`: a client waits for it.
    Foreground,
    /// Replicas wait for it.
    Replicas(SnapshotId),
    /// The process ends after it.
    Shutdown,
    /// `DEBUG RELOAD` loads it again.
    Reload,
    /// `FLUSHALL`: its client waits for it.
    Emptied,
}

/// A save that runs.
#[derive(Debug)]
pub(crate) struct SaveJob {
    pub(crate) job: u64,
    pub(crate) purpose: Purpose,
    pub(crate) started: Duration,
    /// Changes not yet saved when the snapshot was taken; they are saved now.
    dirty: u64,
    digest: Option<Digest>,
}

/// How far the running snapshot is, for `INFO persistence`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counting {
    job: u64,
    pub(crate) keys_total: u64,
    pub(crate) keys_done: u64,
}

/// A snapshot that goes straight to replicas.
#[derive(Debug)]
pub(crate) struct StreamJob {
    pub(crate) job: u64,
    pub(crate) snapshot: SnapshotId,
}

/// Everything about saving and loading.
#[derive(Debug)]
pub(crate) struct Persist {
    /// Changes since the last successful save.
    pub(crate) dirty: u64,
    pub(crate) last_save: Duration,
    pub(crate) last_save_unix_s: u64,
    pub(crate) last_try: Option<Duration>,
    pub(crate) last_ok: bool,
    pub(crate) last_duration: Option<Duration>,
    pub(crate) saves: u64,
    pub(crate) save: Option<SaveJob>,
    pub(crate) stream: Option<StreamJob>,
    pub(crate) load: Option<LoadJob>,
    /// Of the snapshot that is being written or sent.
    pub(crate) counting: Option<Counting>,
    /// What the last snapshot made the dataset copy.
    pub(crate) last_copied_bytes: u64,
    /// `BGSAVE` once the running save is over.
    pub(crate) scheduled: bool,
    /// `FLUSHALL` was executed, and the saves under way have yet to be given up.
    pub(super) flushed: bool,
    /// `FLUSHALL` has yet to be saved.
    pub(crate) emptied: bool,
    /// The file that serves replicas: where the last snapshot for them was written.
    pub(crate) replica_file: (String, String),
    pub(crate) last_load_keys: u64,
    pub(crate) last_load_expired: u64,
    /// Temporary file of the snapshot being received; empty if it goes to memory.
    pub(super) receiving: String,
    next_job: u64,
}

impl Persist {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            dirty: 0,
            last_save: now.mono,
            last_save_unix_s: now.unix_ms / 1000,
            last_try: None,
            last_ok: true,
            last_duration: None,
            saves: 0,
            save: None,
            stream: None,
            load: None,
            counting: None,
            last_copied_bytes: 0,
            scheduled: false,
            flushed: false,
            emptied: false,
            replica_file: (String::new(), String::new()),
            last_load_keys: 0,
            last_load_expired: 0,
            receiving: String::new(),
            next_job: 0,
        }
    }

    /// Whether any snapshot is being written or sent.
    pub(crate) fn busy(&self) -> bool {
        self.save.is_some() || self.stream.is_some()
    }
}

impl Node {
    pub(crate) fn next_job(&mut self) -> u64 {
        self.persist.next_job += 1;
        self.persist.next_job
    }

    /// Tells the keyspace what time it is, for what it notes of accesses.
    pub(crate) fn tell_time(&mut self, now: Now) {
        self.keyspace.access.now_unix_ms = now.unix_ms;
        self.keyspace.access.paused = self.persist.busy();
    }

    /// Writes are refused after a failed save (`stop-writes-on-bgsave-error`).
    pub(crate) fn disk_error(&self) -> bool {
        self.settings.stop_writes_on_save_error
            && !self.settings.save_points.is_empty()
            && !self.persist.last_ok
    }

    pub(crate) fn digest_if_watched(&self) -> Option<Digest> {
        self.probe.is_on().then(|| self.keyspace.digest())
    }

    /// A snapshot of this moment with what belongs into its file.
    pub(crate) fn snapshot_job(&self, now: Now, position: Option<SavedPosition>) -> SnapshotJob {
        SnapshotJob {
            snapshot: self.keyspace.snapshot(),
            position,
            created_unix_ms: now.unix_ms,
            used_memory_bytes: self.keyspace.used_bytes(),
            checksum: self.settings.rdb_checksum,
            compress: self.settings.rdb_compression,
            access: AccessRules { now_unix_ms: now.unix_ms, ..self.keyspace.access },
            delay_per_key: self.settings.key_save_delay,
        }
    }

    /// Starts a save that no replica waits for.
    pub(crate) fn begin_save(&mut self, now: Now, purpose: Purpose) -> u64 {
        let job = self.next_job();
        let position = self.replication.saved_position();
        let contents = self.snapshot_job(now, position);
        if let Some(digest) = self.digest_if_watched() {
            let event = Event::SnapshotTaken {
                id: position.map(|position| position.id),
                offset: position.map_or(self.replication.offset(), |position| position.offset),
                digest,
                replicas: 0,
                disk: true,
            };
            self.probe.emit(now, &event);
        }
        self.start_save(now, job, contents, purpose);
        self.replication.set_saver_busy(now.mono, true);
        self.pump(now);
        job
    }

    pub(crate) fn start_save(
        &mut self,
        now: Now,
        job: u64,
        snapshot: SnapshotJob,
        purpose: Purpose,
    ) {
        let (dir, file) = (self.settings.dir.clone(), self.settings.dbfilename.clone());
        if let Purpose::Replicas(_) = purpose {
            self.persist.replica_file = (dir.clone(), file.clone());
        }
        self.persist.last_try = Some(now.mono);
        assert!(self.persist.save.is_none(), "one save at a time");
        self.persist.save = Some(SaveJob {
            job,
            purpose,
            started: now.mono,
            dirty: self.persist.dirty,
            digest: self.digest_if_watched(),
        });
        self.begin_counting(job);
        if matches!(purpose, Purpose::Background | Purpose::Replicas(_)) {
            let process = self.process_id;
            self.log_notice(format!("Background saving started by pid {process}"));
        }
        self.actions.push_back(Action::Save { job, snapshot, dir, file });
    }

    pub(crate) fn total_keys(&self) -> u64 {
        (0..self.keyspace.databases()).map(|db| self.keyspace.len(db) as u64).sum()
    }

    /// A snapshot was taken: how far it is and what it makes the dataset copy is counted.
    pub(crate) fn begin_counting(&mut self, job: u64) {
        self.keyspace.count_copies(true);
        let keys_total = self.total_keys();
        self.persist.counting = Some(Counting { job, keys_total, keys_done: 0 });
    }

    /// A snapshot is done with.
    fn end_counting(&mut self) {
        if self.persist.counting.take().is_some() {
            self.persist.last_copied_bytes = self.keyspace.copied_bytes();
            self.keyspace.count_copies(false);
        }
    }

    pub(super) fn count_snapshot_keys(&mut self, job: u64, keys: u64) {
        if let Some(counting) = self.persist.counting.as_mut().filter(|it| it.job == job) {
            counting.keys_done += keys;
        }
    }

    /// `BGSAVE`, or a save point.
    pub(crate) fn background_save(&mut self, now: Now) {
        self.begin_save(now, Purpose::Background);
    }

    pub(super) fn save_is_over(&mut self, now: Now, job: u64, result: Result<u64, String>) {
        if self.persist.save.as_ref().is_none_or(|save| save.job != job) {
            return;
        }
        let Some(save) = self.persist.save.take() else {
            return;
        };
        self.end_counting();
        self.persist.last_duration = Some(now.mono.saturating_sub(save.started));
        match &result {
            Ok(bytes) => self.save_succeeded(now, &save, *bytes),
            Err(error) => self.save_failed(now, &save, error),
        }
        match save.purpose {
            Purpose::Replicas(snapshot) => {
                self.replication.snapshot_written(now.mono, snapshot, result);
            }
            purpose => {
                self.replication.set_saver_busy(now.mono, false);
                self.pump(now);
                let outcome = result.map(|_| ());
                match purpose {
                    Purpose::Shutdown => self.shutdown_saved(now, outcome),
                    Purpose::Reload => self.reload_saved(now, job, outcome),
                    Purpose::Foreground => {
                        self.finish_job(job, outcome.as_ref().copied().map_err(|_| "ERR"))
                    }
                    // The dataset is empty, whatever became of the file.
                    Purpose::Emptied => self.finish_job(job, Ok(())),
                    Purpose::Background | Purpose::Replicas(_) => {}
                }
            }
        }
        self.pump(now);
    }

    fn save_succeeded(&mut self, now: Now, save: &SaveJob, bytes: u64) {
        self.persist.dirty = self.persist.dirty.saturating_sub(save.dirty);
        self.persist.last_save = now.mono;
        self.persist.last_save_unix_s = now.unix_ms / 1000;
        self.persist.last_ok = true;
        self.persist.saves += 1;
        if let Some(digest) = save.digest {
            self.probe.emit(now, &Event::SnapshotSaved { digest, bytes });
        }
        self.log_saver(LogLevel::Notice, "DB saved on disk");
        if matches!(save.purpose, Purpose::Background | Purpose::Replicas(_)) {
            self.log_notice("Background saving terminated with success".into());
        }
    }

    fn save_failed(&mut self, now: Now, save: &SaveJob, error: &str) {
        let in_background = matches!(save.purpose, Purpose::Background | Purpose::Replicas(_));
        self.probe.emit(now, &Event::SnapshotFailed { error: error.into(), in_background });
        self.log_saver(LogLevel::Warning, &format!("Error writing the RDB file: {error}"));
        if in_background {
            self.persist.last_ok = false;
            self.log_warning("Background saving error".into());
        }
    }

    /// Stops the running save, whoever asked for it (`SHUTDOWN`, an aborted sync).
    pub(crate) fn abort_save(&mut self, now: Now) {
        self.drop_save(now);
        self.pump(now);
    }

    /// Stops the running save for another one, which is begun in its place. What waits for a
    /// snapshot goes on waiting: it would begin between the two.
    pub(crate) fn replace_save(&mut self, now: Now, purpose: Purpose) -> u64 {
        self.replication.set_saver_busy(now.mono, true);
        self.stop_save(now);
        self.begin_save(now, purpose)
    }

    pub(super) fn drop_save(&mut self, now: Now) {
        if let Some(purpose) = self.stop_save(now)
            && !matches!(purpose, Purpose::Replicas(_))
        {
            self.replication.set_saver_busy(now.mono, false);
        }
    }

    /// Stops the running save and tells whoever waited for it. The saver stays taken if it was.
    pub(super) fn stop_save(&mut self, now: Now) -> Option<Purpose> {
        let save = self.persist.save.take()?;
        self.end_counting();
        self.actions.push_back(Action::AbortSave { job: save.job });
        if let Purpose::Replicas(snapshot) = save.purpose {
            let error = Err("the save was stopped".to_owned());
            self.replication.snapshot_written(now.mono, snapshot, error);
        }
        let answer = match save.purpose {
            Purpose::Emptied => Ok(()),
            _ => Err("ERR the save was stopped"),
        };
        self.finish_job(save.job, answer);
        Some(save.purpose)
    }

    pub(super) fn drop_saves(&mut self, now: Now) {
        let mine = |save: &SaveJob| {
            !matches!(save.purpose, Purpose::Foreground | Purpose::Shutdown | Purpose::Reload)
        };
        if self.persist.save.as_ref().is_some_and(mine) {
            self.drop_save(now);
        }
        self.stop_stream(now, "the dataset is about to be another");
    }

    /// Stops the diskless transfer under way; its replicas are sent away for this reason.
    pub(super) fn stop_stream(&mut self, now: Now, why: &str) {
        if let Some(stream) = self.persist.stream.take() {
            self.end_counting();
            self.actions.push_back(Action::AbortStream { job: stream.job });
            self.replication.snapshot_written(now.mono, stream.snapshot, Err(why.to_owned()));
        }
    }

    /// The core needs this snapshot no more.
    pub(crate) fn abort_replica_snapshot(&mut self, snapshot: SnapshotId) {
        let waiting = |save: &SaveJob| save.purpose == Purpose::Replicas(snapshot);
        if self.persist.save.as_ref().is_some_and(waiting)
            && let Some(save) = self.persist.save.take()
        {
            self.end_counting();
            self.actions.push_back(Action::AbortSave { job: save.job });
        }
        if self.persist.stream.as_ref().is_some_and(|stream| stream.snapshot == snapshot)
            && let Some(stream) = self.persist.stream.take()
        {
            self.end_counting();
            self.actions.push_back(Action::AbortStream { job: stream.job });
        }
    }

    pub(super) fn one_transfer_over(&mut self, now: Now, snapshot: SnapshotId, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.transfer = None;
        }
        self.replication.snapshot_sent(now.mono, snapshot, LinkId(id));
        self.pump(now);
        self.wake(id);
    }

    pub(super) fn stream_is_over(&mut self, now: Now, job: u64, result: Result<usize, String>) {
        if self.persist.stream.as_ref().is_none_or(|stream| stream.job != job) {
            return;
        }
        let Some(stream) = self.persist.stream.take() else {
            return;
        };
        self.end_counting();
        match &result {
            Err(error) => {
                let error_text = error.as_str().into();
                let event = Event::SnapshotFailed { error: error_text, in_background: false };
                self.probe.emit(now, &event);
                self.log_warning(format!("Background transfer error: {error}"));
            }
            Ok(served) => {
                self.log_notice(format!(
                    "Diskless rdb transfer, done reading from pipe, {served} replicas still up."
                ));
                self.log_notice("Background RDB transfer terminated with success".into());
            }
        }
        self.replication.snapshot_written(now.mono, stream.snapshot, result.map(|_| 0));
        self.pump(now);
    }

    // --- save points

    /// Starts a scheduled or due save (server.c `serverCron`).
    pub(crate) fn check_save_points(&mut self, now: Now) {
        if self.persist.busy() || self.load_is_running() || self.pauses.frozen || self.exiting {
            return;
        }
        let waited =
            self.persist.last_try.is_none_or(|last| now.mono.saturating_sub(last) > RETRY_DELAY);
        let may_try = waited || self.persist.last_ok;
        if (self.persist.scheduled || self.persist.emptied) && may_try {
            self.persist.scheduled = false;
            self.persist.emptied = false;
            return self.background_save(now);
        }
        let elapsed = now.mono.saturating_sub(self.persist.last_save);
        let due =
            self.settings.save_points.iter().find(|(after, changes)| {
                self.persist.dirty >= *changes && elapsed > *after && may_try
            });
        if let Some((after, changes)) = due {
            let text = format!("{changes} changes in {} seconds. Saving...", after.as_secs());
            self.log_notice(text);
            self.background_save(now);
        }
    }
}
