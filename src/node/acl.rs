//! Users and connections: refusals are noted, connections that lost a right are closed, and the
//! users come from a file and go into it (`aclfile`).

use std::collections::BTreeSet;

use crate::acl::{Context, DEFAULT, Entry, Reason, Refusal, Users};
use crate::env::Now;

use super::pubsub::Topic;
use super::{Action, ClientId, Node};

/// The jobs under way with the file of users.
#[derive(Debug, Default)]
pub(super) struct AclFile {
    /// The node waits for it before it listens.
    starting: Option<u64>,
    reading: BTreeSet<u64>,
    writing: BTreeSet<u64>,
}

const NOT_SAVED: &str = "ERR There was an error trying to save the ACLs. Please check the server \
    logs for more information";

impl Node {
    // --- refusals

    /// Takes note of what a user may not do (`ACL LOG`).
    pub(crate) fn note_refusal(&mut self, now: Now, id: ClientId, in_exec: bool, what: &Refusal) {
        if let Some((reason, object)) = what.noted() {
            let user = self.clients.get(&id).map(|client| client.user.clone());
            self.note_entry(now, id, in_exec, reason, object, user.unwrap_or_default());
        }
    }

    /// Takes note of a wrong name or password; `command` is the word that brought it.
    pub(crate) fn note_failed_login(
        &mut self,
        now: Now,
        id: ClientId,
        command: &[u8],
        user: &[u8],
    ) {
        self.note_entry(now, id, false, Reason::Auth, command, user.to_vec());
    }

    fn note_entry(
        &mut self,
        now: Now,
        id: ClientId,
        in_exec: bool,
        reason: Reason,
        object: &[u8],
        user: Vec<u8>,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let context = match in_exec || client.transaction.is_some() {
            true => Context::Multi,
            false => Context::TopLevel,
        };
        let entry = Entry {
            count: 1,
            reason,
            context,
            object: object.to_vec(),
            user,
            unix_ms: now.unix_ms,
            client: client.line(now, 0),
        };
        let max_len = usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX);
        self.acl_log.add(entry, max_len);
    }

    // --- lost rights

    /// Closes the connections of users that are no more, or may be others now; `me`, who asked
    /// for it, is answered first.
    pub(crate) fn close_clients_of(&mut self, me: ClientId, is_gone: impl Fn(&[u8]) -> bool) {
        let theirs = self.clients.values().filter(|client| is_gone(&client.user));
        let theirs: Vec<ClientId> = theirs.map(|client| client.id).collect();
        for id in theirs {
            self.close_politely(id, me);
        }
    }

    /// Closes the connections of a user that listen to what he may not listen to any more.
    pub(crate) fn close_revoked_listeners(&mut self, name: &[u8], me: ClientId) {
        let Some(user) = self.users.get(name) else {
            return;
        };
        let topics = [Topic::Channel, Topic::Pattern, Topic::Shard];
        let mut revoked = BTreeSet::new();
        for topic in topics {
            for (channel, listeners) in self.pubsub.listeners(topic) {
                if !user.may_listen(channel, topic == Topic::Pattern) {
                    revoked.extend(listeners.iter().copied());
                }
            }
        }
        for id in revoked {
            if self.clients.get(&id).is_some_and(|client| client.user == name) {
                self.close_politely(id, me);
            }
        }
    }

    // --- the file

    /// Asks for the file of users; the job that reads it, or `None` if none is configured.
    pub(crate) fn read_acl_file(&mut self) -> Option<u64> {
        let path = self.absolute(self.config.aclfile.as_ref()?);
        let job = self.next_job();
        self.acl_file.reading.insert(job);
        self.actions.push_back(Action::ReadFile { job, path });
        Some(job)
    }

    /// Writes the file of users; the job that does it, or `None` if none is configured.
    pub(crate) fn write_acl_file(&mut self) -> Option<u64> {
        let path = self.absolute(self.config.aclfile.as_ref()?);
        let job = self.next_job();
        self.acl_file.writing.insert(job);
        let contents = self.users.write();
        self.actions.push_back(Action::WriteFile { job, path, contents });
        Some(job)
    }

    /// At start the users have to be known before anybody is let in. False: the node goes on at
    /// once, or ends.
    pub(super) fn start_with_acl_file(&mut self, now: Now) -> bool {
        if self.config.aclfile.is_some() && !self.config.user_lines.is_empty() {
            self.log_warning(
                "Users are declared in the configuration file, and a file of users (aclfile) is \
                 set too: there can be only one of them. Exiting."
                    .into(),
            );
            self.exit(now, 1);
            return false;
        }
        self.acl_file.starting = self.read_acl_file();
        self.acl_file.starting.is_some()
    }

    pub(super) fn acl_file_is_read(&mut self, now: Now, job: u64, read: Result<Vec<u8>, String>) {
        if !self.acl_file.reading.remove(&job) {
            return;
        }
        let path = self.config.aclfile.clone().unwrap_or_default();
        let all_channels = self.users.all_channels;
        let users = read
            .map_err(|reason| format!("Error loading ACLs, opening file '{path}': {reason}"))
            .and_then(|text| Users::read(&text, &path, all_channels));
        let starting = self.acl_file.starting.take_if(|starting| *starting == job).is_some();
        match users {
            Ok(users) if starting => {
                self.users = users;
                self.go_on_starting(now);
            }
            Err(errors) if starting => {
                let text = format!("Aborting Redis startup because of ACL errors: {errors}");
                self.log_warning(text);
                self.exit(now, 1);
            }
            Ok(users) => {
                self.users = users;
                let asked = self.waits_for_job(job);
                self.finish_job(job, Ok(()));
                self.close_clients_of(asked, |user| user != DEFAULT);
            }
            Err(errors) => self.finish_job(job, Err(&format!("ERR {errors}"))),
        }
    }

    /// Whether the job was one that writes the users; then it is over.
    pub(super) fn acl_file_is_written(&mut self, job: u64, result: &Result<(), String>) -> bool {
        if !self.acl_file.writing.remove(&job) {
            return false;
        }
        match result {
            Ok(()) => self.finish_job(job, Ok(())),
            Err(reason) => {
                self.log_warning(format!("Writing the ACL file: {reason}"));
                self.finish_job(job, Err(NOT_SAVED));
            }
        }
        true
    }
}
