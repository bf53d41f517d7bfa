//! Carrying out what follows from a command: expired keys, watchers, counters, the stream.
//!
//! What one client command causes goes on the stream as one unit: as it is if it is one command,
//! between `MULTI` and `EXEC` if it is more (server.c `propagatePendingCommands`), so that no
//! replica ever shows half of it.

use smallvec::SmallVec;

use crate::command::{Args, Effects};
use crate::env::Now;
use crate::event::{Event, Role};
use crate::replication::Write;

use super::client::MASTER;
use super::watch::Watched;
use super::{ClientId, Node};

/// Room of each list of effects that is kept from command to command: a command of many keys
/// gives the rest back.
const KEPT_EFFECTS: usize = 1024;

/// Commands that will go on the stream together.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    commands: Vec<(u32, Vec<Vec<u8>>)>,
    /// Inside `EXEC`: everything is collected until its end.
    pub(crate) collecting: bool,
}

impl Unit {
    pub(crate) fn push(&mut self, db: u32, args: &Args<'_>) {
        let args = args.iter().map(|arg| arg.to_vec()).collect();
        self.commands.push((db, args));
    }
}

impl Node {
    /// Carries out the effects of a data command that `id` executed in `db`.
    pub(crate) fn settle(&mut self, now: Now, id: ClientId, db: u32, args: &Args<'_>) {
        self.stats.hits += std::mem::take(&mut self.effects.hits);
        self.stats.misses += std::mem::take(&mut self.effects.misses);
        let effects = &self.effects;
        let changed = effects.dirty > 0 || effects.force_propagation || !effects.expired.is_empty();
        if !changed
            && effects.touched.is_empty()
            && effects.touched_dbs.is_empty()
            && effects.ready.is_empty()
        {
            return;
        }
        let mut effects = std::mem::take(&mut self.effects);
        self.touch(now, &effects);
        self.notify(now, db, args, &effects);
        self.waiting.signal(&effects);
        self.persist.dirty += effects.dirty;
        let before = self.replication.offset();
        // Only a master writes a stream of its own.
        if id != MASTER && self.replication.role() == Role::Master {
            self.propagate(now, db, args, &effects);
        }
        if id != MASTER && self.replication.role() == Role::Replica {
            self.remember_own_expires(&effects);
        }
        self.stats.expired_keys += effects.expired.len() as u64;
        let silent = self.replication.offset() == before;
        if changed && silent && id != MASTER && !self.unit.collecting {
            self.report_dataset(now);
        }
        clear(&mut effects);
        self.effects = effects;
    }

    /// Tells the probe which keys have just been removed because they had expired.
    pub(crate) fn report_expired(&mut self, now: Now) {
        for (db, key, deadline_ms) in &self.effects.expired {
            let event = Event::KeyExpired { db: *db, key, deadline_ms: *deadline_ms };
            self.probe.emit(now, &event);
        }
    }

    fn propagate(&mut self, now: Now, db: u32, args: &Args<'_>, effects: &Effects) {
        let written = effects.dirty > 0 || effects.force_propagation;
        let verbatim = written && effects.rewritten.is_empty();
        if verbatim && effects.expired.is_empty() && !self.unit.collecting {
            self.replication.write(now.mono, Write { db, commands: &[args], transaction: false });
            self.pump(now);
            return;
        }
        for (db, key, _) in &effects.expired {
            self.unit.push(*db, &[b"DEL", key]);
            if effects.expired_apart {
                self.finish_unit(now);
            }
        }
        for (db, command) in &effects.rewritten {
            self.unit.commands.push((*db, command.clone()));
        }
        if verbatim {
            self.unit.push(db, args);
        }
        self.finish_unit(now);
    }

    /// Puts a command on the stream that nobody has executed (`DEBUG REPLICATE`).
    pub(crate) fn replicate_verbatim(&mut self, now: Now, id: ClientId, args: &Args<'_>) {
        let db = self.clients.get(&id).map_or(0, |client| client.db);
        self.replication.write(now.mono, Write { db, commands: &[args], transaction: false });
        self.pump(now);
    }

    /// Puts the collected commands on the stream, unless `EXEC` is still collecting.
    pub(crate) fn finish_unit(&mut self, now: Now) {
        if self.unit.collecting || self.unit.commands.is_empty() {
            return;
        }
        let commands = std::mem::take(&mut self.unit.commands);
        let Some((first_db, _)) = commands.first() else {
            return;
        };
        let numbers: Vec<String> = commands.iter().map(|(db, _)| db.to_string()).collect();
        let mut owned: Vec<SmallVec<[&[u8]; 8]>> = Vec::with_capacity(commands.len());
        let mut selected = *first_db;
        for ((db, args), number) in commands.iter().zip(&numbers) {
            if *db != selected {
                owned.push(SmallVec::from_slice(&[b"SELECT".as_slice(), number.as_bytes()]));
                selected = *db;
            }
            owned.push(args.iter().map(Vec::as_slice).collect());
        }
        let borrowed: Vec<&[&[u8]]> = owned.iter().map(SmallVec::as_slice).collect();
        self.replication.write(
            now.mono,
            Write { db: *first_db, commands: &borrowed, transaction: commands.len() > 1 },
        );
        self.pump(now);
    }

    /// Breaks the transactions of those who watch what changed.
    fn touch(&mut self, now: Now, effects: &Effects) {
        if self.watches.is_empty() {
            return;
        }
        let mut broken: Vec<ClientId> = Vec::new();
        for (db, key) in &effects.touched {
            let exists = self.keyspace.get(*db, key).is_some();
            broken.extend(self.watches.touch(*db, key, exists));
        }
        for db in &effects.touched_dbs {
            let keyspace = &self.keyspace;
            broken.extend(self.watches.touch_db(*db, |key| Watched::of(keyspace, now, *db, key)));
        }
        self.break_watches(broken);
    }

    /// All data was replaced: whoever watches a key of the old or the new data is too late.
    pub(crate) fn touch_everything(&mut self, now: Now) {
        self.waiting.signal_all();
        let mut broken = Vec::new();
        for db in self.watches.databases() {
            let keyspace = &self.keyspace;
            broken.extend(self.watches.touch_db(db, |key| Watched::of(keyspace, now, db, key)));
        }
        self.break_watches(broken);
    }

    fn break_watches(&mut self, clients: Vec<ClientId>) {
        for id in clients {
            if let Some(client) = self.clients.get_mut(&id) {
                client.watch_broken = true;
            }
        }
    }
}

/// Empties the effects; the vectors keep their room for the next command, within reason.
fn clear(effects: &mut Effects) {
    emptied(&mut effects.rewritten);
    emptied(&mut effects.expired);
    emptied(&mut effects.touched);
    emptied(&mut effects.touched_dbs);
    emptied(&mut effects.ready);
    emptied(&mut effects.new_consumers);
    effects.expired_apart = false;
    effects.dirty = 0;
    effects.force_propagation = false;
    effects.trimmed = false;
    effects.block = None;
}

fn emptied<T>(list: &mut Vec<T>) {
    list.clear();
    list.shrink_to(KEPT_EFFECTS);
}
