//! Ending the process: waiting for lagging replicas, the final save, and giving up on it
//! (server.c `prepareForShutdown`, `finishShutdown`).

use std::time::Duration;

use crate::env::{LogLevel, Now};
use crate::event::{Event, ReplicaState};
use crate::replication::{Offset, ReplicaInfo};

use super::client::Blocked;
use super::persist::Purpose;
use super::{Action, ClientId, Node};

/// Options of `SHUTDOWN`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ShutdownFlags {
    pub(crate) save: bool,
    pub(crate) nosave: bool,
    /// Do not wait for replicas.
    pub(crate) now: bool,
    /// End even if the save fails.
    pub(crate) force: bool,
}

/// A shutdown that has begun.
#[derive(Debug)]
pub(crate) struct Shutdown {
    pub(crate) flags: ShutdownFlags,
    /// Until when lagging replicas are waited for; `None` once the final save runs.
    pub(crate) deadline: Option<Duration>,
    /// Offset they have to reach.
    target: Offset,
}

impl Node {
    /// Begins a shutdown, for a client or (`None`) for a signal.
    pub(crate) fn begin_shutdown(
        &mut self,
        now: Now,
        client: Option<ClientId>,
        flags: ShutdownFlags,
    ) {
        if let Some(id) = client {
            self.block(id, Blocked::Shutdown);
        }
        if self.shutdown.is_some() {
            return;
        }
        self.log_warning("User requested shutdown...".into());
        let target = self.replication.offset();
        let wait = !flags.now && !self.settings.shutdown_timeout.is_zero();
        let lagging = wait && !self.lagging(target).is_empty();
        let deadline = lagging.then(|| now.mono + self.settings.shutdown_timeout);
        self.shutdown = Some(Shutdown { flags, deadline, target });
        if lagging {
            self.pauses.by_shutdown = true;
            let seconds = self.settings.shutdown_timeout.as_secs();
            self.log_notice(format!(
                "Waiting for replicas before shutting down. Pausing clients for up to {seconds} seconds"
            ));
            self.replication.request_acks(now.mono);
            self.pump(now);
        } else {
            self.finish_shutdown(now);
        }
    }

    /// Replicas that have not acknowledged everything.
    fn lagging(&self, target: Offset) -> Vec<ReplicaInfo> {
        let mut replicas = self.replication.replicas();
        replicas.retain(|replica| replica.state != ReplicaState::Gone && replica.acked < target);
        replicas
    }

    /// Called at every tick.
    pub(crate) fn check_shutdown(&mut self, now: Now) {
        let Some(shutdown) = &self.shutdown else {
            return;
        };
        let Some(deadline) = shutdown.deadline else {
            return;
        };
        // The data that are about to be replaced are not worth saving, and Redis, which loads them
        // in one go, would not look up before.
        if self.load_is_running() {
            return;
        }
        if now.mono >= deadline || self.lagging(shutdown.target).is_empty() {
            self.finish_shutdown(now);
        }
    }

    fn finish_shutdown(&mut self, now: Now) {
        let Some(shutdown) = &mut self.shutdown else {
            return;
        };
        shutdown.deadline = None;
        let (flags, target) = (shutdown.flags, shutdown.target);
        self.report_replicas(now, target);
        // From here on nothing is begun for replicas, unless the end fails.
        self.replication.set_saver_busy(now.mono, true);
        self.stop_stream(now, "the server ends");
        let save = flags.save || (!flags.nosave && !self.settings.save_points.is_empty());
        if save {
            self.log_notice("Saving the final RDB snapshot before exiting.".into());
            self.pauses.frozen = true;
            self.replace_save(now, Purpose::Shutdown);
        } else {
            self.stop_save(now);
            self.pump(now);
            self.leave(now);
        }
    }

    fn report_replicas(&mut self, now: Now, target: Offset) {
        let count = self.replication.replicas().len();
        let lagging = self.lagging(target);
        for replica in &lagging {
            let behind = target.since(replica.acked);
            let lag = now.mono.saturating_sub(replica.last_ack).as_secs();
            let state = super::replica_state_name(replica.state);
            self.log_warning(format!(
                "Lagging replica {}:{} reported offset {behind} behind master, lag={lag}, state={state}.",
                replica.ip, replica.port
            ));
        }
        if count > 0 {
            let level = if lagging.is_empty() { LogLevel::Notice } else { LogLevel::Warning };
            let in_sync = count - lagging.len();
            self.log(level, || {
                format!("{in_sync} of {count} replicas are in sync when shutting down.")
            });
        }
    }

    /// The final save is over.
    pub(crate) fn shutdown_saved(&mut self, now: Now, result: Result<(), String>) {
        let force = self.shutdown.as_ref().is_some_and(|shutdown| shutdown.flags.force);
        match result {
            Ok(()) => self.leave(now),
            Err(_) if force => {
                self.log_warning("Error trying to save the DB. Exit anyway.".into());
                self.leave(now);
            }
            Err(_) => {
                self.log_warning("Error trying to save the DB, can't exit.".into());
                self.log_warning(
                    "Errors trying to shut down the server. Check the logs for more information."
                        .into(),
                );
                self.cancel_shutdown(now);
            }
        }
    }

    fn leave(&mut self, now: Now) {
        self.log_warning("Redis is now ready to exit, bye bye...".into());
        self.exit(now, 0);
    }

    /// `SHUTDOWN ABORT`; false if none is under way.
    pub(crate) fn abort_shutdown(&mut self, now: Now) -> bool {
        if self.shutdown.is_none() {
            return false;
        }
        self.log_warning("Shutdown manually aborted.".into());
        // A final save under way ends unused.
        if self.persist.save.as_ref().is_some_and(|save| save.purpose == Purpose::Shutdown) {
            self.abort_save(now);
        }
        self.cancel_shutdown(now);
        true
    }

    fn cancel_shutdown(&mut self, now: Now) {
        self.shutdown = None;
        self.pauses.by_shutdown = false;
        let waiting: Vec<ClientId> = self
            .clients
            .values()
            .filter(|client| client.blocked == Some(Blocked::Shutdown))
            .map(|client| client.id)
            .collect();
        for id in waiting {
            self.reply_error(id, "ERR Errors trying to SHUTDOWN. Check logs.");
            self.unblock(id);
        }
        self.thaw(now);
    }

    /// Ends the process.
    pub(crate) fn exit(&mut self, now: Now, code: i32) {
        if self.exiting {
            return;
        }
        self.exiting = true;
        self.probe.emit(now, &Event::Exiting { code });
        self.actions.push_back(Action::Exit(code));
    }
}
