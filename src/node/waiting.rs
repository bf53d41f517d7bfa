//! Clients that wait for keys (`BLPOP`, `BZPOPMIN`, `XREAD BLOCK`, ...).
//!
//! A command that found nothing says so with [`Block`]; its client is put in line at each of its
//! keys. What changes such a key makes it *ready*. After the command or transaction that did it,
//! those in line run their commands again, in the order they came; who is served goes on, and
//! the effect is propagated as a command of its own (blocked.c `handleClientsBlockedOnKeys`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smallvec::SmallVec;

use crate::command::table::Command;
use crate::command::{Args, Block, Call, Ctx, Effects, Handler, Nil};
use crate::env::Now;

use super::client::{Blocked, MASTER, ReplyMode};
use super::{ClientId, Node};

/// One who waits.
struct Waiter {
    /// Place in every line.
    ticket: u64,
    db: u32,
    command: &'static Command,
    args: Vec<Vec<u8>>,
    block: Block,
}

/// How the wait of a client that is not served ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Its time is over.
    ByTime,
    /// `CLIENT UNBLOCK`, as if its time were over.
    Early,
    /// `CLIENT UNBLOCK ERROR`.
    WithError,
}

/// All lines.
#[derive(Default)]
pub(crate) struct Waiting {
    waiters: BTreeMap<ClientId, Waiter>,
    /// Database, key, ticket.
    lines: BTreeMap<(u32, Vec<u8>), BTreeMap<u64, ClientId>>,
    deadlines: BTreeSet<(Duration, ClientId)>,
    last_ticket: u64,
    /// Changed since they were looked at last, in the order of the changes.
    ready: Vec<(u32, Vec<u8>)>,
}

impl Waiting {
    fn add(&mut self, id: ClientId, mut waiter: Waiter) {
        self.remove(id);
        self.last_ticket += 1;
        waiter.ticket = self.last_ticket;
        for key in &waiter.block.keys {
            let line = self.lines.entry((waiter.db, key.clone())).or_default();
            line.insert(waiter.ticket, id);
        }
        if let Some(deadline) = waiter.block.deadline {
            self.deadlines.insert((deadline, id));
        }
        self.waiters.insert(id, waiter);
    }

    /// Takes a client out of every line.
    pub(crate) fn remove(&mut self, id: ClientId) {
        let Some(waiter) = self.waiters.remove(&id) else {
            return;
        };
        for key in waiter.block.keys {
            let place = (waiter.db, key);
            if let Some(line) = self.lines.get_mut(&place) {
                line.remove(&waiter.ticket);
                if line.is_empty() {
                    self.lines.remove(&place);
                }
            }
        }
        if let Some(deadline) = waiter.block.deadline {
            self.deadlines.remove(&(deadline, id));
        }
    }

    /// Notes which keys with a line have changed.
    pub(super) fn signal(&mut self, effects: &Effects) {
        if self.lines.is_empty() {
            return;
        }
        for changed in effects.touched.iter().chain(&effects.ready) {
            if self.lines.contains_key(changed) {
                self.ready.push(changed.clone());
            }
        }
        for db in &effects.touched_dbs {
            self.ready.extend(self.lines.keys().filter(|(of, _)| of == db).cloned());
        }
    }

    /// All data was replaced.
    pub(super) fn signal_all(&mut self) {
        self.ready.extend(self.lines.keys().cloned());
    }

    fn line(&self, place: &(u32, Vec<u8>)) -> Vec<ClientId> {
        self.lines.get(place).map(|line| line.values().copied().collect()).unwrap_or_default()
    }

    fn first_overdue(&self, now: Duration) -> Option<ClientId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }
}

impl Node {
    /// A command found nothing: its client waits, or is answered nil where it may not. Returns
    /// whether it waits.
    pub(super) fn wait_for_keys(
        &mut self,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
        mut block: Block,
    ) -> bool {
        let db = self.clients.get(&id).map_or(0, |client| client.db);
        if self.in_exec || id == MASTER {
            self.reply(id, |reply| match block.refused {
                Nil::Array => reply.null_array(),
                Nil::Bulk => reply.null_bulk(),
            });
            return false;
        }
        let args = match block.args.is_empty() {
            true => args.iter().map(|arg| arg.to_vec()).collect(),
            false => std::mem::take(&mut block.args),
        };
        self.waiting.add(id, Waiter { ticket: 0, db, command, args, block });
        self.block(id, Blocked::Keys);
        true
    }

    /// Serves those who wait for keys that have changed, until nothing more becomes ready.
    pub(super) fn serve_waiting(&mut self, now: Now) {
        while !self.waiting.ready.is_empty() {
            for place in std::mem::take(&mut self.waiting.ready) {
                for id in self.waiting.line(&place) {
                    self.try_again(now, id, place.0, &place.1);
                }
            }
        }
    }

    /// Looks whether `key` serves a client that waits for it.
    fn try_again(&mut self, now: Now, id: ClientId, db: u32, key: &[u8]) {
        let Some(waiter) = self.waiting.waiters.get(&id) else {
            return;
        };
        if self.clients.get(&id).is_none_or(|client| client.closing) {
            return;
        }
        let found = self.keyspace.get(db, key).map(|value| value.type_name());
        if found != Some(waiter.block.type_name) {
            if let Some(text) = waiter.block.when_gone {
                self.stats.count_error(text.as_bytes());
                self.reply_error(id, text);
                self.stop_waiting(id);
            }
            return;
        }
        let command = waiter.command;
        let args = waiter.args.clone();
        let args: SmallVec<[&[u8]; 8]> = args.iter().map(Vec::as_slice).collect();
        self.run_again(now, id, command, &args, key);
    }

    fn run_again(
        &mut self,
        now: Now,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
        key: &[u8],
    ) {
        let Handler::Data(handler) = command.handler else {
            return;
        };
        self.tell_time(now);
        let view = self.view(id);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let (db, replied) = (client.db, client.reply.len());
        let mut ctx = Ctx {
            now,
            keyspace: &mut self.keyspace,
            db,
            reply: &mut client.reply,
            view,
            effects: &mut self.effects,
            random: &mut self.random,
            ready_key: Some(key),
        };
        let began = self.timing.begin(now);
        handler(&mut ctx, args);
        let waits_on = self.effects.block.take().is_some();
        self.report_expired(now);
        if !waits_on {
            self.probe.executed_told = false;
            self.report_executed(now, id, db, replied, args);
            self.probe.executed_told = false;
        }
        self.settle(now, id, db, args);
        self.finish_unit(now);
        if !waits_on {
            let took = self.timing.end(began);
            self.count_failure(id, Call::of(command, args), replied);
            self.note_duration(now, id, command, args, took);
            self.let_go(id, replied);
        }
    }

    /// A client was served.
    fn let_go(&mut self, id: ClientId, replied: usize) {
        let offset = self.replication.offset();
        if let Some(client) = self.clients.get_mut(&id) {
            client.last_offset = offset;
            if client.reply_mode == ReplyMode::Off {
                client.reply.truncate(replied);
            }
        }
        self.stop_waiting(id);
    }

    fn stop_waiting(&mut self, id: ClientId) {
        self.waiting.remove(id);
        self.unblock(id);
    }

    /// Nil for those whose time is over.
    pub(super) fn check_waiting(&mut self, now: Now) {
        while let Some(id) = self.waiting.first_overdue(now.mono) {
            self.end_waiting(now, id, Ends::ByTime);
        }
    }

    /// The time of a client that waits for keys is over, or `CLIENT UNBLOCK` ends it.
    pub(crate) fn end_waiting(&mut self, now: Now, id: ClientId, ends: Ends) {
        let replied = self.clients.get(&id).map_or(0, |client| client.reply.len());
        if ends == Ends::WithError {
            self.stats.count_error(b"UNBLOCKED");
            self.reply_error(id, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            self.reply(id, |reply| reply.null_array());
        }
        if let Some(waiter) = self.waiting.waiters.get(&id) {
            let args = waiter.args.clone();
            let args: SmallVec<[&[u8]; 8]> = args.iter().map(Vec::as_slice).collect();
            if ends != Ends::ByTime {
                self.stats.command(Call::of(waiter.command, &args)).failed += 1;
            }
            let (db, told) = (waiter.db, self.probe.executed_told);
            self.probe.executed_told = false;
            self.report_executed(now, id, db, replied, &args);
            self.probe.executed_told = told;
        }
        self.stop_waiting(id);
    }
}
