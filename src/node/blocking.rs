//! Clients that have to wait: pauses, `WAIT`, `SHUTDOWN`, and commands that wait for a job.
//!
//! A blocked client's input stays with the shell; [`Action::Wake`](super::Action::Wake) tells it
//! to hand it in again.

use std::time::Duration;

use crate::codec::resp::Reply;
use crate::env::Now;

use super::client::{Blocked, Client, Kind, Owed, ReplyMode};
use super::{Action, ClientId, Node};

/// What a pause holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PauseKind {
    /// Commands that write (`CLIENT PAUSE ms WRITE`).
    Write,
    /// All commands.
    All,
}

/// All reasons for which commands of ordinary clients may be held back.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// `CLIENT PAUSE`: until when, and what.
    pub(crate) by_client: Option<(Duration, PauseKind)>,
    /// `FAILOVER` waits for its target.
    pub(crate) by_failover: bool,
    /// `SHUTDOWN` waits for lagging replicas.
    pub(crate) by_shutdown: bool,
    /// The dataset is about to be replaced or the process to end: nothing may run.
    pub(crate) frozen: bool,
}

impl Pauses {
    /// What is held back now.
    pub(crate) fn kind(&self) -> Option<PauseKind> {
        if self.frozen {
            return Some(PauseKind::All);
        }
        let write = (self.by_failover || self.by_shutdown).then_some(PauseKind::Write);
        self.by_client.map(|(_, kind)| kind).max(write)
    }
}

impl Node {
    /// Whether writes of clients, and with them expiry, are held back.
    pub(crate) fn writes_paused(&self) -> bool {
        self.pauses.kind().is_some()
    }

    /// `CLIENT PAUSE`: a longer time and a stronger kind win over what is there
    /// (networking.c `pauseActions`).
    pub(crate) fn pause_clients(&mut self, now: Now, until: Duration, kind: PauseKind) {
        let (until, kind) = match self.pauses.by_client {
            Some((old_until, old_kind)) => (until.max(old_until), kind.max(old_kind)),
            None => (until, kind),
        };
        self.pauses.by_client = Some((until, kind));
        // Meanwhile the stream stands still.
        self.replication.set_writes_paused(now.mono, true);
        self.pump(now);
    }

    /// `CLIENT UNPAUSE`, or the time is over.
    pub(crate) fn unpause_clients(&mut self, now: Now) {
        self.pauses.by_client = None;
        self.replication.set_writes_paused(now.mono, false);
        self.pump(now);
        self.wake_postponed();
    }

    /// Ends the pause whose time is over.
    pub(crate) fn check_pause(&mut self, now: Now) {
        if self.pauses.by_client.is_some_and(|(until, _)| now.mono >= until) {
            self.unpause_clients(now);
        }
    }

    /// Lets clients try their postponed commands again; those still held back block again.
    pub(crate) fn wake_postponed(&mut self) {
        let held: Vec<ClientId> = self
            .clients
            .values()
            .filter(|client| client.blocked == Some(Blocked::Postponed))
            .map(|client| client.id)
            .collect();
        for id in held {
            self.unblock(id);
        }
    }

    /// Blocks a client.
    pub(crate) fn block(&mut self, id: ClientId, reason: Blocked) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.blocked = Some(reason);
        }
    }

    /// Lets a client go on; the shell hands in its input again.
    pub(crate) fn unblock(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id)
            && client.blocked.take().is_some()
        {
            self.wake(id);
        }
    }

    /// The client's command is answered at the end of a job. Inside `EXEC` the other commands go
    /// on, and their replies wait for this one.
    pub(crate) fn wait_for_job(&mut self, id: ClientId, job: u64) {
        if !self.in_exec {
            return self.block(id, Blocked::Job(job));
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.owed.push(Owed { job, at: client.reply.len() });
        }
    }

    /// Who waits for a job; 0 if nobody does.
    pub(super) fn waits_for_job(&self, job: u64) -> ClientId {
        let waits = |client: &&Client| client.blocked == Some(Blocked::Job(job));
        self.clients.values().find(waits).map_or(0, |client| client.id)
    }

    /// After `EXEC`: nothing more of this client is executed before all its replies are there.
    pub(crate) fn wait_for_owed(&mut self, id: ClientId) {
        if self.clients.get(&id).is_some_and(|client| !client.owed.is_empty()) {
            self.block(id, Blocked::Owed);
        }
    }

    /// Puts the answer of a job where transactions wait for it.
    fn pay_owed(&mut self, job: u64, answer: Result<(), &str>) {
        let mut text = Reply::new();
        match answer {
            Ok(()) => text.ok(),
            Err(error) => text.error(error),
        }
        let mut ready = Vec::new();
        for client in self.clients.values_mut() {
            let Some(found) = client.owed.iter().position(|owed| owed.job == job) else {
                continue;
            };
            let Owed { at, .. } = client.owed.remove(found);
            if !client.closing && client.reply_mode == ReplyMode::On {
                client.reply.insert(at, text.as_bytes());
                let later = client.owed.iter_mut().filter(|owed| owed.at >= at);
                later.for_each(|owed| owed.at += text.len());
            }
            if client.owed.is_empty() {
                ready.push(client.id);
            }
        }
        for id in ready {
            self.unblock(id);
        }
    }

    /// Answers a client that waited for a job and lets it go on.
    pub(crate) fn finish_job(&mut self, job: u64, answer: Result<(), &str>) {
        self.pay_owed(job, answer);
        let waiting: Vec<ClientId> = self
            .clients
            .values()
            .filter(|client| client.blocked == Some(Blocked::Job(job)))
            .map(|client| client.id)
            .collect();
        for id in waiting {
            match answer {
                Ok(()) => self.reply(id, |reply| reply.ok()),
                Err(text) => self.reply_error(id, text),
            }
            self.unblock(id);
        }
    }

    /// Who waits for one job waits for another from now on.
    pub(crate) fn wait_for_another_job(&mut self, job: u64, next: u64) {
        for client in self.clients.values_mut() {
            if client.blocked == Some(Blocked::Job(job)) {
                client.blocked = Some(Blocked::Job(next));
            }
        }
    }

    /// The role changed to replica: who waits for something that a master would have done gets
    /// an error and is closed (blocked.c `disconnectAllBlockedClients`).
    pub(crate) fn close_blocked_clients(&mut self) {
        let waiting: Vec<ClientId> = self
            .clients
            .values()
            .filter(|client| matches!(client.blocked, Some(Blocked::Wait | Blocked::Keys)))
            .map(|client| client.id)
            .collect();
        for id in waiting {
            self.replication.wait_cancel(id);
            self.waiting.remove(id);
            self.stats.count_error(b"UNBLOCKED");
            self.reply_error(
                id,
                "UNBLOCKED force unblock from blocking operation, instance state changed \
                 (master -> replica?)",
            );
            if let Some(client) = self.clients.get_mut(&id) {
                client.close_after_reply = true;
            }
            self.unblock(id);
        }
    }

    /// Asks the shell to look at this connection again.
    pub(crate) fn wake(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id)
            && !client.woken
            && client.kind != Kind::Master
        {
            client.woken = true;
            self.actions.push_back(Action::Wake(id));
        }
    }

    /// Number of clients that wait (`blocked_clients`).
    pub(crate) fn blocked_count(&self) -> usize {
        self.clients.values().filter(|client| client.blocked.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_pause_counts() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.kind(), None);
        pauses.by_failover = true;
        assert_eq!(pauses.kind(), Some(PauseKind::Write));
        pauses.by_client = Some((Duration::from_secs(1), PauseKind::All));
        assert_eq!(pauses.kind(), Some(PauseKind::All));
        pauses.by_client = Some((Duration::from_secs(1), PauseKind::Write));
        assert_eq!(pauses.kind(), Some(PauseKind::Write));
        pauses.frozen = true;
        assert_eq!(pauses.kind(), Some(PauseKind::All));
    }
}
