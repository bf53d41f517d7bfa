//! What follows from `CONFIG SET`, and `CONFIG REWRITE`, `CONFIG RESETSTAT`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::config::{MasterAddr, set_failure};
use crate::env::Now;
use crate::event::Event;

use super::settings::{Settings, replication_config};
use super::{Action, ClientId, Node};

/// Values of directives as they were before a `CONFIG SET`, by name.
type Values = Vec<(&'static str, String)>;

/// Every `CONFIG SET` that waits for the world outside.
#[derive(Default)]
pub(super) struct Setting {
    /// Those whose `dir` is being looked at, by job: what they set.
    folders: BTreeMap<u64, Vec<(String, String)>>,
    /// Those whose addresses are being listened on, oldest first.
    listens: VecDeque<Listening>,
}

struct Listening {
    job: u64,
    /// What to go back to.
    before: Values,
}

/// Directives whose change is known to have worked only after the world has said so.
const BIND: &str = "bind";
const PORT: &str = "port";
const DIR: &str = "dir";

impl Node {
    /// `CONFIG SET`, all or nothing: sets what can be set at once. Some(job): the client waits
    /// for its end, which answers it. The text of an error follows `-ERR `.
    pub(crate) fn set_directives(
        &mut self,
        now: Now,
        pairs: &[(&str, &str)],
        local: bool,
    ) -> Result<Option<u64>, String> {
        let mut trial = self.config.clone();
        let changed = trial.set_from(pairs, local)?;
        let waits = [DIR, BIND, PORT].into_iter().find(|name| changed.contains(name));
        if let (true, Some(name)) = (self.in_exec, waits) {
            return Err(set_failure(name, "can't be set inside a transaction"));
        }
        let mut owned: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Some(folder) = changed.contains(DIR).then(|| self.absolute(&trial.dir)) else {
            return self.assign(now, &owned);
        };
        for (name, value) in &mut owned {
            if name.eq_ignore_ascii_case(DIR) {
                value.clone_from(&folder);
            }
        }
        let job = self.next_job();
        self.setting.folders.insert(job, owned);
        self.actions.push_back(Action::CheckFolder { job, path: folder });
        Ok(Some(job))
    }

    /// A path as it is seen from the folder of now.
    pub(super) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.settings.dir.trim_end_matches('/'))
    }

    pub(super) fn folder_is_checked(&mut self, now: Now, job: u64, result: Result<(), String>) {
        let Some(pairs) = self.setting.folders.remove(&job) else {
            return;
        };
        let assigned = result
            .map_err(|reason| set_failure(DIR, &reason))
            .and_then(|()| self.assign(now, &pairs));
        match assigned {
            Ok(Some(next)) => self.wait_for_another_job(job, next),
            Ok(None) => self.finish_job(job, Ok(())),
            Err(text) => self.finish_job(job, Err(&format!("ERR {text}"))),
        }
    }

    /// Sets directives that have been checked. Some(job): it is not known yet whether the
    /// addresses can be listened on.
    fn assign(&mut self, now: Now, pairs: &[(String, String)]) -> Result<Option<u64>, String> {
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let before = self.config.clone();
        // Whether the client may set them was asked before.
        let changed = self.config.set_checked(&pairs)?;
        let addresses = self.settings.listen.clone();
        self.config_changed(now, &changed);
        if addresses == self.settings.listen {
            return Ok(None);
        }
        let job = self.next_job();
        let before = changed.iter().map(|name| (*name, before.shown(name))).collect();
        self.setting.listens.push_back(Listening { job, before });
        self.actions.push_back(Action::Listen(self.settings.listen.clone()));
        Ok(Some(job))
    }

    pub(super) fn listen_is_over(&mut self, now: Now, result: Result<(), String>) {
        let Some(Listening { job, before }) = self.setting.listens.pop_front() else {
            return;
        };
        let Err(error) = result else {
            self.finish_job(job, Ok(()));
            return;
        };
        self.log_warning(format!("Failed changing listening address: {error}"));
        let pairs: Vec<(&str, &str)> =
            before.iter().map(|(name, value)| (*name, &value[..])).collect();
        match self.config.set_checked(&pairs) {
            Ok(changed) => self.config_changed(now, &changed),
            Err(error) => self.log_warning(format!("Failed restoring directives: {error}")),
        }
        let (name, reason) = match before.iter().any(|(name, _)| *name == BIND) {
            true => (BIND, "Failed to bind to specified addresses."),
            false => (PORT, "Unable to listen on this port. Check server logs."),
        };
        self.finish_job(job, Err(&format!("ERR {}", set_failure(name, reason))));
    }

    /// Directives were set: their new values count from now on.
    fn config_changed(&mut self, now: Now, changed: &BTreeSet<&'static str>) {
        if self.probe.is_on() && !changed.is_empty() {
            let changed: Values =
                changed.iter().map(|name| (*name, self.config.shown(name))).collect();
            self.probe.emit(now, &Event::Configured { config: &self.config, changed: &changed });
        }
        self.settings = Settings::read(&self.config);
        super::settings::configure_keyspace(&mut self.keyspace, &self.config);
        self.replication.configure(now.mono, replication_config(&self.config));
        self.pump(now);
        if changed.contains("tcp-keepalive") {
            let time = self.config.tcp_keepalive;
            self.actions.push_back(Action::SetTcpKeepalive((!time.is_zero()).then_some(time)));
        }
        if changed.contains("bind-source-addr") {
            let address = self.config.bind_source_addr.clone();
            self.actions.push_back(Action::SetSourceAddress(address));
        }
        self.evict_clients(now);
        self.users.all_channels = self.config.new_users_have_all_channels();
        if changed.contains("requirepass") {
            let was_open = self.users.is_open();
            self.users.set_default_password(self.config.requirepass.as_deref().map(str::as_bytes));
            if was_open {
                // As in Redis, who was let in stays in.
                self.clients.values_mut().for_each(|client| client.authenticated = true);
            }
        }
    }

    /// Lets the configuration say whom this node follows: a hand-over changes that without a command
    /// to this node (config.c `rewriteConfigReplicaofOption`). Before the start the file alone knows.
    pub(crate) fn know_master(&mut self) {
        if self.started {
            let master = self.replication.master_address();
            self.config.replicaof = MasterAddr(master.map(|(host, port)| (host.to_owned(), port)));
        }
    }

    /// `CONFIG REWRITE`: the number of the job, or `None` if there is no file.
    pub(crate) fn rewrite_config(&mut self) -> Option<u64> {
        let (path, old) = self.config_file.clone()?;
        self.know_master();
        self.config.user_lines = self.user_lines();
        let contents = self.config.rewrite(&old);
        let job = self.next_job();
        self.rewriting = Some((job, contents.clone()));
        let contents = contents.into_bytes();
        self.actions.push_back(Action::WriteFile { job, path, contents });
        Some(job)
    }

    /// The users as `user` lines have them; none if `default` is alone and as `requirepass` makes
    /// it, or if they have a file of their own.
    fn user_lines(&self) -> Vec<Vec<String>> {
        let password = self.config.requirepass.as_deref().map(str::as_bytes);
        if self.config.aclfile.is_some() || self.users.are_plain(password) {
            return Vec::new();
        }
        let users = self.users.iter();
        users
            .map(|(name, user)| {
                let line = [name, b" ", &user.describe()].concat();
                String::from_utf8_lossy(&line).split(' ').map(str::to_owned).collect()
            })
            .collect()
    }

    pub(super) fn rewrite_is_over(&mut self, now: Now, job: u64, result: Result<(), String>) {
        let newest = self.rewriting.as_ref().is_some_and(|(newest, _)| *newest == job);
        let written = if newest { self.rewriting.take() } else { None };
        self.probe.emit(now, &Event::ConfigRewritten { kept: newest && result.is_ok() });
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
        self.timing.stand_still(time);
        self.actions.push_back(Action::Sleep(time));
    }

    /// Hands an event to the probe, if there is one.
    pub(crate) fn report(&mut self, now: Now, event: &Event<'_>) {
        self.probe.emit(now, event);
    }

    /// `CLIENT UNBLOCK` of a client in `WAIT`.
    pub(crate) fn end_wait(&mut self, id: ClientId, with_error: bool) {
        self.replication.wait_cancel(id);
        if let Some(call) = self.clients.get(&id).and_then(|client| client.last_call) {
            self.stats.command(call).failed += 1;
        }
        if with_error {
            self.stats.count_error(b"UNBLOCKED");
            self.reply_error(id, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            let target = self.clients.get(&id).map(|client| client.last_offset);
            let replicas = self.replication.replicas();
            let reached = |acked| target.is_some_and(|target| acked >= target);
            let count = replicas.iter().filter(|replica| reached(replica.acked)).count();
            self.reply(id, |reply| reply.integer(i64::try_from(count).unwrap_or(i64::MAX)));
        }
        self.unblock(id);
    }
}
