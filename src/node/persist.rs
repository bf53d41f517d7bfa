//! Snapshots on disk: `SAVE`, `BGSAVE`, save points, snapshots for replicas, loading.
//!
//! The node takes a snapshot and says where it is to be written; the shell writes it beside the
//! event loop and reports. One save runs at a time, whoever asked for it. Must never: read or
//! write a file.

use std::time::Duration;

use crate::env::{LogLevel, Now};
use crate::event::{Digest, Event, LoadSource, Role};
use crate::keyspace::{AccessRules, Keyspace};
use crate::replication::{LinkId, SavedPosition, SnapshotId};

use super::client::Blocked;
use super::{Action, ClientId, LoadError, LoadedData, Node, SnapshotJob};

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

/// What becomes of the old data while other data are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loading {
    /// They are of no use any more: clients get `-LOADING`.
    Before,
    /// They are an earlier state of what is being loaded, and go on being served
    /// (`async_loading`).
    Beside,
}

/// A load that runs.
#[derive(Debug)]
pub(crate) struct LoadJob {
    pub(crate) job: u64,
    pub(crate) source: LoadSource,
    pub(crate) started: Duration,
    pub(crate) started_unix_ms: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) total_bytes: u64,
    kind: Loading,
    /// The first load of this life: the position in the file counts.
    startup: bool,
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

    /// Whether a load runs, whatever its clients see of it.
    pub(crate) fn load_is_running(&self) -> bool {
        self.persist.load.is_some()
    }

    /// What a load that runs means for clients.
    pub(crate) fn loading(&self) -> Option<Loading> {
        self.persist.load.as_ref().map(|load| load.kind)
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

    // --- loading

    pub(super) fn begin_load(
        &mut self,
        now: Now,
        job: u64,
        source: LoadSource,
        kind: Loading,
        startup: bool,
    ) {
        self.tell_time(now);
        self.persist.load = Some(LoadJob {
            job,
            source,
            started: now.mono,
            started_unix_ms: now.unix_ms,
            loaded_bytes: 0,
            total_bytes: 0,
            kind,
            startup,
        });
    }

    /// Loads the node's own RDB file in place of the dataset there is.
    pub(crate) fn load_own_file(&mut self, now: Now) -> u64 {
        let job = self.next_job();
        self.begin_load(now, job, LoadSource::File, Loading::Before, false);
        self.read_own_file(job);
        job
    }

    /// A start: nothing is answered out of a dataset that is not there yet.
    pub(super) fn begin_startup_load(&mut self, now: Now) {
        let job = self.next_job();
        self.begin_load(now, job, LoadSource::File, Loading::Before, true);
    }

    /// A start: the file is read once clients can connect.
    pub(super) fn read_startup_file(&mut self) {
        if let Some(job) = self.persist.load.as_ref().map(|load| load.job) {
            self.read_own_file(job);
        }
    }

    fn read_own_file(&mut self, job: u64) {
        let (dir, file) = (self.settings.dir.clone(), self.settings.dbfilename.clone());
        self.actions.push_back(Action::Load { job, dir, file });
    }

    pub(super) fn load_is_over(
        &mut self,
        now: Now,
        job: u64,
        result: Result<LoadedData, LoadError>,
    ) {
        // A result of a load that was given up meanwhile belongs to nobody.
        if self.persist.load.as_ref().is_none_or(|load| load.job != job) {
            return;
        }
        let Some(load) = self.persist.load.take() else {
            return;
        };
        if let Err(error) = &result
            && !(load.startup && *error == LoadError::Missing)
        {
            self.probe.emit(now, &Event::LoadFailed { error: error.text().into() });
        }
        match load.source {
            LoadSource::Master => self.full_sync_loaded(now, result),
            LoadSource::File if load.startup => self.startup_loaded(now, &load, result),
            LoadSource::File => self.reload_loaded(now, job, result),
        }
    }

    /// Replaces the dataset and tells who has to know.
    fn install(&mut self, now: Now, loaded: LoadedData, source: LoadSource) {
        self.touch_everything(now);
        self.keyspace.replace_data(loaded.keyspace);
        self.forget_own_expires();
        self.touch_everything(now);
        self.persist.last_load_keys = loaded.keys;
        self.persist.last_load_expired = loaded.expired;
        if let Some(digest) = self.digest_if_watched() {
            let event = Event::Loaded {
                source,
                id: loaded.position.map(|position| position.id),
                offset: loaded.position.map(|position| position.offset),
                digest,
            };
            self.probe.emit(now, &event);
        }
        let skipped = match loaded.empty {
            0 => String::new(),
            empty => format!(", empty keys skipped: {empty}"),
        };
        self.log_notice(format!(
            "Done loading RDB, keys loaded: {}, keys expired: {}{skipped}.",
            loaded.keys, loaded.expired
        ));
    }

    fn full_sync_loaded(&mut self, now: Now, result: Result<LoadedData, LoadError>) {
        match result {
            Ok(loaded) => {
                let stream_db = loaded.position.and_then(|position| position.stream_db);
                self.install(now, loaded, LoadSource::Master);
                self.replication.load_finished(now.mono, Ok(stream_db));
            }
            Err(error) => {
                self.replication.load_finished(now.mono, Err(error.text().to_owned()));
            }
        }
        self.pump(now);
        // Commands may have come behind the snapshot.
        self.apply_stream(now);
    }

    fn startup_loaded(&mut self, now: Now, load: &LoadJob, result: Result<LoadedData, LoadError>) {
        let mut position = None;
        let mut found = false;
        match result {
            Ok(loaded) => {
                position = loaded.position;
                found = true;
                self.install(now, loaded, LoadSource::File);
                let seconds = now.mono.saturating_sub(load.started).as_secs_f64();
                self.log_notice(format!("DB loaded from disk: {seconds:.3} seconds"));
            }
            Err(LoadError::Missing) => {}
            Err(LoadError::Refused(text)) => {
                self.log_warning(format!("Fatal error loading the DB: {text}. Exiting."));
                return self.exit(now, 1);
            }
        }
        self.restore(now, position, found);
    }

    /// Takes up the position of the file and the configured role.
    fn restore(&mut self, now: Now, position: Option<SavedPosition>, loaded: bool) {
        let master = self.settings.replicaof.clone();
        self.replication.restore(now.mono, position, master);
        if let Some(digest) = self.digest_if_watched() {
            let event = Event::Started {
                role: self.replication.role(),
                id: self.replication.id(),
                second: self.replication.second(),
                offset: self.replication.offset(),
                restored: position.map(|position| (position.id, position.offset)),
                loaded,
                digest,
            };
            self.probe.emit(now, &event);
        }
        self.pump(now);
        self.persist.dirty = 0;
        self.started = true;
        self.drop_expired_after_load(now);
        self.log_notice("Ready to accept connections".into());
    }

    /// A master drops what expired while it was down, and tells the replicas that may resume:
    /// the stream goes on from the position in the file, so they have these keys still. Not while
    /// writes are held back: then they go as all that expires does, later.
    fn drop_expired_after_load(&mut self, now: Now) {
        if self.replication.role() == Role::Master && !self.writes_paused() {
            let dropped = self.expire_all(now);
            self.persist.last_load_expired += dropped;
            self.persist.last_load_keys = self.persist.last_load_keys.saturating_sub(dropped);
        }
    }

    // --- DEBUG RELOAD

    /// Saves (unless told not to), then loads the file again. Nothing else runs meanwhile.
    pub(crate) fn reload(&mut self, now: Now, id: ClientId, save: bool) {
        self.pauses.frozen = true;
        let job =
            if save { self.replace_save(now, Purpose::Reload) } else { self.load_own_file(now) };
        self.block(id, Blocked::Job(job));
    }

    fn reload_saved(&mut self, now: Now, job: u64, result: Result<(), String>) {
        if result.is_err() {
            self.thaw(now);
            return self.finish_job(job, Err("ERR"));
        }
        let load = self.load_own_file(now);
        for client in self.clients.values_mut() {
            if client.blocked == Some(Blocked::Job(job)) {
                client.blocked = Some(Blocked::Job(load));
            }
        }
    }

    fn reload_loaded(&mut self, now: Now, job: u64, result: Result<LoadedData, LoadError>) {
        let answer = match result {
            Ok(loaded) => {
                self.install(now, loaded, LoadSource::File);
                self.log_warning("DB reloaded by DEBUG RELOAD".into());
                self.drop_expired_after_load(now);
                Ok(())
            }
            Err(_) => Err("ERR Error trying to load the RDB dump, check server logs."),
        };
        self.finish_job(job, answer);
        self.thaw(now);
    }

    /// Ends the standstill.
    pub(crate) fn thaw(&mut self, now: Now) {
        self.pauses.frozen = false;
        self.wake_postponed();
        self.apply_stream(now);
        self.take_held(now);
        self.actions.push_back(Action::WakeMaster);
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

    /// An empty keyspace to load into, with the limits of small forms. Nothing is dropped while
    /// loading: a master does so afterwards, where it can tell its replicas.
    pub(super) fn empty_keyspace(&self) -> Keyspace {
        self.keyspace.empty_like(self.hash_seed, self.probe.is_on())
    }
}
