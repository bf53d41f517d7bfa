//! Changes of role, and starting with a history.
//!
//! What a change does to (id, offset) is all there is to it:
//! - promotion: the old id becomes the second, valid up to and including our offset, and a fresh
//!   id begins: from here on our bytes are ours alone. The stream's database is forgotten, so
//!   that the first new byte is a `SELECT`, right for whoever resumes at this point.
//! - demotion: nothing changes, but we may resume from our own (id, offset). If the new master
//!   knows our id up to there, not a byte of data is moved.
//! - restart: the pair in the RDB file is taken up. A replica resumes from it. A master takes a
//!   fresh id with the saved one as its second: after the save it may have written more, under
//!   the saved id, that this dataset has not got.
//!
//! Must never: go on writing under an id under which others may have written something else.

use crate::env::LogLevel;

use super::master_link::MasterLink;
use super::{Mono, Output, Replication, SavedPosition};

impl Replication {
    /// The node loaded an RDB file that carried a position (or not), and starts in the role given
    /// by `replicaof`. Called once, before any other input. As a master: fresh id, the file's id
    /// becomes the second, the offset goes on from the file's; a backlog is created. As a
    /// replica: the position becomes a cached master, so that a partial resync is asked for.
    pub fn restore(
        &mut self,
        now: Mono,
        position: Option<SavedPosition>,
        master: Option<(String, u16)>,
    ) {
        if let Some(position) = position {
            self.offset = position.offset;
            if master.is_some() {
                self.id = position.id;
                self.stream_db = Some(position.stream_db.unwrap_or(0));
                self.resumable = true;
            } else {
                self.second = Some((position.id, position.offset));
                self.stream_db = None;
            }
            self.ensure_backlog();
            self.no_replicas_since = now;
        }
        if let Some((host, port)) = master {
            self.upstream = Some(MasterLink::new(host, port, now));
            self.link_event("");
        }
        self.check();
    }

    /// `REPLICAOF host port`. Nothing happens if that is our master already. (While a failover is
    /// under way the node refuses the command: see [`Replication::failover_state`].)
    pub fn replicaof(&mut self, now: Mono, host: &str, port: u16) {
        if self.master_address().is_some_and(|(h, p)| h.eq_ignore_ascii_case(host) && p == port) {
            self.log(LogLevel::Notice, "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed.");
            return;
        }
        let old = self.upstream.take();
        match &old {
            None => self.prepare_to_follow(),
            Some(old) => self.drop_phase(&old.phase),
        }
        self.upstream = Some(MasterLink::new(host.to_owned(), port, now));
        if old.is_none() {
            self.emit(Output::Demoted);
            self.identity_changed("demoted");
        }
        self.log(LogLevel::Notice, format!("Connecting to MASTER {host}:{port}"));
        self.connect_to_master(now, "");
        self.check();
    }

    /// A master becomes a replica: it may resume from itself.
    fn prepare_to_follow(&mut self) {
        self.log(LogLevel::Notice, "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer.");
        self.stream_db = Some(self.stream_db.unwrap_or(0));
        self.ensure_backlog();
        self.resumable = true;
        self.waiters.clear();
        self.getack_wanted = false;
    }

    /// `REPLICAOF NO ONE`. Nothing happens on a master.
    pub fn replicaof_no_one(&mut self, now: Mono) {
        let Some(old) = self.upstream.take() else {
            return;
        };
        if old.phase.is_full_sync() {
            self.mark("promotion-during-full-sync");
        }
        self.drop_phase(&old.phase);
        self.emit(Output::Disconnect);
        self.resumable = false;
        self.second = Some((self.id, self.offset));
        self.id = self.ids.fresh();
        self.stream_db = None;
        self.log(
            LogLevel::Notice,
            format!("Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
                self.second.map_or_else(String::new, |(id, _)| id.to_string()), self.offset.0 + 1, self.id),
        );
        self.close_all_replicas(now, "the replication id has changed");
        self.no_replicas_since = now;
        self.last_getack_at = None;
        self.log(LogLevel::Notice, "MASTER MODE enabled");
        self.identity_changed("promoted");
        self.link_event("");
        self.end_failover(now);
        self.check();
    }
}
