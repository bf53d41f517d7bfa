//! A snapshot on its way from the master: where it is kept, and when it is loaded. Must never:
//! touch the dataset; that is for the load.

use super::load::Loading;
use super::persist::Purpose;
use super::{Action, LoadError, Node, Receive};
use crate::config::DisklessLoad;
use crate::env::Now;
use crate::event::LoadSource;

impl Node {
    /// `same_history`: what comes is a later state of what is here.
    pub(crate) fn begin_receive(
        &mut self,
        now: Now,
        length_bytes: Option<u64>,
        same_history: bool,
    ) {
        let dir = self.settings.dir.clone();
        // An empty name: load from memory as it comes (`repl-diskless-load`).
        let from_memory = match self.settings.diskless_load {
            DisklessLoad::Disabled => false,
            DisklessLoad::OnEmptyDb => self.total_keys() == 0,
            DisklessLoad::SwapDb => true,
        };
        let temp_file = if from_memory {
            // What comes is decoded as it comes: the load begins now.
            self.log_notice("MASTER <-> REPLICA sync: Loading DB in memory".into());
            let kind = match self.settings.diskless_load {
                DisklessLoad::SwapDb if same_history => Loading::Beside,
                _ => Loading::Before,
            };
            self.begin_load(now, 0, LoadSource::Master, kind, false);
            String::new()
        } else {
            format!("temp-{}.{}.rdb", now.unix_ms / 1000, self.process_id)
        };
        self.persist.receiving.clone_from(&temp_file);
        self.actions.push_back(Action::Receive(Receive::Begin { length_bytes, dir, temp_file }));
    }

    pub(super) fn receive_goes_on(&mut self, now: Now) {
        let decoding = self.persist.receiving.is_empty();
        self.replication.receiving(now.mono, decoding);
    }

    pub(super) fn receive_is_over(&mut self, now: Now, result: Result<(), LoadError>) {
        if self.hold_received(&result) {
            return;
        }
        let failed = result.is_err();
        self.replication.received(now.mono, result.map_err(|error| error.text().to_owned()));
        if failed {
            self.forget_load_from_master();
        }
        self.pump(now);
    }

    pub(crate) fn load_received(&mut self, now: Now) {
        let (dir, file) = (self.settings.dir.clone(), self.settings.dbfilename.clone());
        let temp_file = self.persist.receiving.clone();
        // A save would put older data in the place of what has come, before it is loaded from there.
        self.drop_saves(now);
        self.drop_foreground_save(now);
        let kind = self.loading().unwrap_or(Loading::Before);
        self.begin_load(now, 0, LoadSource::Master, kind, false);
        self.actions.push_back(Action::Receive(Receive::Load { dir, temp_file, file }));
    }

    /// `SAVE` under way. It does not keep this node from its master, as it would a Redis; so it may
    /// be overtaken by a snapshot from there.
    fn drop_foreground_save(&mut self, now: Now) {
        let save = self.persist.save.as_ref();
        if save.is_some_and(|save| matches!(save.purpose, Purpose::Foreground)) {
            self.drop_save(now);
        }
    }

    pub(crate) fn abort_receive(&mut self) {
        if self.forget_load_from_master() && self.persist.receiving.is_empty() {
            self.log_warning("Internal error in RDB: the rest of it will not come".into());
        }
        self.actions.push_back(Action::Receive(Receive::Abort));
    }

    /// Whether there was one.
    fn forget_load_from_master(&mut self) -> bool {
        let from_master =
            self.persist.load.as_ref().is_some_and(|load| load.source == LoadSource::Master);
        if from_master {
            self.persist.load = None;
        }
        from_master
    }
}
