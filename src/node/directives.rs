//! What follows from `CONFIG SET`, and `CONFIG REWRITE`, `CONFIG RESETSTAT`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::env::Now;
use crate::event::Event;

use super::settings::{Settings, replication_config};
use super::{Action, ClientId, Node};

impl Node {
    /// Directives were set: their new values count from now on.
    pub(crate) fn config_changed(&mut self, now: Now, changed: &BTreeSet<&'static str>) {
        let before = std::mem::replace(&mut self.settings, Settings::read(&self.config));
        self.replication
            .configure(now.mono, replication_config(&self.config));
        self.pump(now);
        if before.listen != self.settings.listen {
            self.actions
                .push_back(Action::Listen(self.settings.listen.clone()));
        }
        if changed.contains("requirepass") && before.requirepass.is_none() {
            // As in Redis, who was let in stays in.
            for client in self.clients.values_mut() {
                client.authenticated = true;
            }
        }
    }

    /// `CONFIG REWRITE`: the number of the job, or `None` if there is no file.
    pub(crate) fn rewrite_config(&mut self) -> Option<u64> {
        let (path, old) = self.config_file.clone()?;
        let contents = self.config.rewrite(&old);
        let job = self.next_job();
        self.rewriting = Some((job, contents.clone()));
        self.actions.push_back(Action::WriteFile {
            job,
            path,
            contents,
        });
        Some(job)
    }

    pub(super) fn rewrite_is_over(&mut self, job: u64, result: Result<(), String>) {
        let newest = self
            .rewriting
            .as_ref()
            .is_some_and(|(newest, _)| *newest == job);
        let written = if newest { self.rewriting.take() } else { None };
        match result {
            Ok(()) => {
                if let (Some((_, contents)), Some((_, text))) = (written, &mut self.config_file) {
                    *text = contents;
                }
                self.log_warning("CONFIG REWRITE executed with success.".into());
                self.finish_job(job, Ok(()));
            }
            Err(error) => {
                self.log_warning(format!("CONFIG REWRITE failed: {error}"));
                self.finish_job(job, Err(&format!("ERR Rewriting config file: {error}")));
            }
        }
    }

    /// `CONFIG RESETSTAT`.
    pub(crate) fn reset_stats(&mut self) {
        self.stats = super::stats::Stats::default();
        self.replication.reset_counters();
    }

    /// `DEBUG SLEEP`.
    pub(crate) fn sleep(&mut self, time: Duration) {
        self.actions.push_back(Action::Sleep(time));
    }

    /// Hands an event to the probe, if there is one.
    pub(crate) fn report(&mut self, now: Now, event: &Event<'_>) {
        self.probe.emit(now, event);
    }

    /// `CLIENT UNBLOCK` of a client in `WAIT`.
    pub(crate) fn end_wait(&mut self, id: ClientId, with_error: bool) {
        self.replication.wait_cancel(id);
        if with_error {
            self.reply_error(id, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            let target = self.clients.get(&id).map(|client| client.last_offset);
            let replicas = self.replication.replicas();
            let reached = |acked| target.is_some_and(|target| acked >= target);
            let count = replicas
                .iter()
                .filter(|replica| reached(replica.acked))
                .count();
            self.reply(id, |reply| {
                reply.integer(i64::try_from(count).unwrap_or(i64::MAX))
            });
        }
        self.unblock(id);
    }
}
