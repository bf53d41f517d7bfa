//! Snapshots on their way in: the file of a start, a full sync, `DEBUG RELOAD`.
//!
//! The shell reads and decodes; the node is given the dataset when it is complete, and puts it in
//! the place of its own. Must never: read a file, or take a part of a dataset.

use std::time::Duration;

use crate::env::Now;
use crate::event::{Event, LoadSource, Role};
use crate::keyspace::Keyspace;
use crate::replication::SavedPosition;

use super::client::Blocked;
use super::persist::Purpose;
use super::{Action, ClientId, LoadError, LoadedData, Node};

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

impl Node {
    /// Whether a load runs, whatever its clients see of it.
    pub(crate) fn load_is_running(&self) -> bool {
        self.persist.load.is_some()
    }

    /// What a load that runs means for clients.
    pub(crate) fn loading(&self) -> Option<Loading> {
        self.persist.load.as_ref().map(|load| load.kind)
    }

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

    pub(super) fn reload_saved(&mut self, now: Now, job: u64, result: Result<(), String>) {
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

    /// An empty keyspace to load into, with the limits of small forms. Nothing is dropped while
    /// loading: a master does so afterwards, where it can tell its replicas.
    pub(super) fn empty_keyspace(&self) -> Keyspace {
        self.keyspace.empty_like(self.hash_seed, self.probe.is_on())
    }
}
