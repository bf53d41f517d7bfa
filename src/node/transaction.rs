//! `MULTI`, `EXEC`, `DISCARD`, `WATCH`: what a client collects, and how it runs.

use smallvec::SmallVec;

use crate::command::Args;
use crate::command::lookup::is_past;
use crate::command::table::Command;
use crate::env::Now;

use super::client::{Kind, MASTER, Transaction};
use super::pubsub::NAME_OVERHEAD_BYTES;
use super::watch::Watched;
use super::{ClientId, Node};

impl Node {
    /// `MULTI`; false if one is open already.
    pub(crate) fn begin_transaction(&mut self, id: ClientId) -> bool {
        match self.clients.get_mut(&id) {
            Some(client) if client.transaction.is_none() => {
                client.transaction = Some(Transaction::default());
                true
            }
            _ => false,
        }
    }

    /// Forgets the open transaction and everything watched (`DISCARD`).
    pub(crate) fn end_transaction(&mut self, id: ClientId) -> Option<Transaction> {
        self.unwatch(id);
        self.clients.get_mut(&id)?.transaction.take()
    }

    /// Forgets everything watched (`UNWATCH`).
    pub(crate) fn unwatch(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.watch_broken = false;
        if client.watching > 0 {
            client.watching = 0;
            client.watched_bytes = 0;
            self.watches.remove(id);
        }
    }

    /// `WATCH key`.
    pub(crate) fn watch(&mut self, now: Now, id: ClientId, key: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        // A transaction that cannot succeed any more needs no more watches.
        if client.watch_broken {
            return;
        }
        let watched = Watched::of(&self.keyspace, now, client.db, key);
        if self.watches.add(id, client.db, key, watched) {
            client.watching += 1;
            client.watched_bytes += key.len() + NAME_OVERHEAD_BYTES;
        }
    }

    /// `EXEC` (multi.c `execCommand`).
    pub(crate) fn execute_transaction(&mut self, now: Now, id: ClientId) {
        if self.clients.get(&id).is_none_or(|client| client.transaction.is_none()) {
            return self.reply_error(id, "ERR EXEC without MULTI");
        }
        if self.watched_key_expired(now, id)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.watch_broken = true;
        }
        let broken = self.clients.get(&id).is_some_and(|client| client.watch_broken);
        let Some(transaction) = self.end_transaction(id) else {
            return;
        };
        if transaction.refused {
            let text = "EXECABORT Transaction discarded because of previous errors.";
            return self.reply_error(id, text);
        }
        if broken {
            return self.reply(id, |reply| reply.null_array());
        }
        let (db, replied) =
            self.clients.get(&id).map_or((0, 0), |client| (client.db, client.reply.len()));
        self.reply(id, |reply| reply.array_header(transaction.queue.len()));
        self.unit.collecting = true;
        let dirty = self.persist.dirty;
        for queued in &transaction.queue {
            let args: SmallVec<[&[u8]; 8]> = queued.args.iter().map(Vec::as_slice).collect();
            if self.lost_the_right(now, id, queued.command, &args) {
                continue;
            }
            self.in_exec = true;
            self.call(now, id, queued.command, &args);
        }
        self.in_exec = false;
        self.wait_for_owed(id);
        self.unit.collecting = false;
        self.report_executed(now, id, db, replied, &[b"EXEC"]);
        let before = self.replication.offset();
        self.finish_unit(now);
        let changed = self.persist.dirty != dirty;
        if changed && id != MASTER && self.replication.offset() == before {
            self.report_dataset(now);
        }
    }

    /// Whether the user may not do any more what he queued; then it is answered.
    fn lost_the_right(
        &mut self,
        now: Now,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
    ) -> bool {
        let client = self.clients.get(&id).filter(|client| client.kind != Kind::Master);
        let refusal = client.and_then(|client| self.users.refusal(&client.user, command, args));
        let Some(refusal) = refusal else {
            return false;
        };
        self.note_refusal(now, id, true, &refusal);
        let text = format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the \
             EXEC call. This command is no longer allowed for the following reason: {}",
            refusal.in_short()
        );
        self.stats.count_error(text.as_bytes());
        self.reply_error(id, &text);
        true
    }

    fn watched_key_expired(&self, now: Now, id: ClientId) -> bool {
        if self.clients.get(&id).is_none_or(|client| client.watching == 0) {
            return false;
        }
        self.watches.live_keys(id).any(|(db, key)| {
            let expiry = self.keyspace.expiry(db, key);
            expiry.is_some_and(|deadline| is_past(deadline, now.unix_ms))
        })
    }
}
