//! The commands of one client, drawn from its own stream.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt};

use super::families;
use crate::scenario::{CommandFamily, WorkloadSpec};

/// A command, name first.
pub(super) type Command = Vec<Vec<u8>>;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// What a client sends in one go, all to one database.
pub(super) enum Work {
    /// To a node that is read from.
    Read { db: u64, commands: Vec<Command> },
    /// To the master.
    Write { db: u64, commands: Vec<Command> },
}

impl Work {
    /// How many commands it counts for in the rate.
    pub(super) fn commands(&self) -> usize {
        match self {
            Self::Read { commands, .. } | Self::Write { commands, .. } => commands.len().max(1),
        }
    }
}

/// Draws work as a [`WorkloadSpec`] describes it.
pub(super) struct Generator {
    spec: WorkloadSpec,
    rng: ChaCha8Rng,
    name: String,
    written: u64,
    /// Families of which one is drawn for each command.
    families: Vec<CommandFamily>,
    /// Whether clients watch keys and take their time over transactions.
    watches: bool,
    /// Whether transactions go back and forth between two databases.
    turns: bool,
    /// A transaction that stays open: its database.
    open: Option<u64>,
}

pub(super) fn command(words: &[&[u8]]) -> Command {
    words.iter().map(|word| word.to_vec()).collect()
}

impl Generator {
    pub(super) fn new(spec: &WorkloadSpec, rng: ChaCha8Rng, name: &str) -> Self {
        let has = |family| spec.commands.contains(&family);
        let (watches, turns) = (has(CommandFamily::Watch), has(CommandFamily::Turns));
        let mut families = spec.commands.clone();
        families.retain(|family| !matches!(family, CommandFamily::Watch | CommandFamily::Turns));
        if families.is_empty() {
            families.push(CommandFamily::Strings);
        }
        Self {
            rng,
            name: name.to_owned(),
            written: 0,
            families,
            watches,
            turns,
            open: None,
            spec: spec.clone(),
        }
    }

    pub(super) fn next(&mut self) -> Work {
        let db = self.rng.random_range(0..self.spec.databases.max(1));
        let count = self.spec.pipeline.draw(&mut self.rng).0.max(1);
        if self.chance(self.spec.reads) {
            let commands = (0..count).map(|_| self.read()).collect();
            return Work::Read { db, commands };
        }
        let mut commands = Vec::new();
        if let Some(db) = self.open {
            self.go_on(&mut commands);
            return Work::Write { db, commands };
        }
        for _ in 0..count {
            if self.watches && self.chance(0.2) {
                self.take_time(db, &mut commands);
                return Work::Write { db, commands };
            }
            if self.chance(self.spec.transactions) {
                self.transaction(db, &mut commands);
            } else {
                commands.push(self.write());
            }
        }
        if let Some(wait) = self.spec.wait.clone()
            && self.chance(wait.share)
        {
            let timeout_ms = wait.timeout.as_millis().to_string();
            let replicas = wait.replicas.to_string();
            commands.push(command(&[b"WAIT", replicas.as_bytes(), timeout_ms.as_bytes()]));
        }
        Work::Write { db, commands }
    }

    /// Begins a transaction that ends some time later: others write meanwhile.
    fn take_time(&mut self, db: u64, commands: &mut Vec<Command>) {
        self.open = Some(db);
        let key = self.watched_key();
        match self.rng.random_range(0..4_u32) {
            0 => {}
            1 => {
                let other = self.watched_key();
                commands.push(command(&[b"WATCH", &key, &other]));
            }
            _ => commands.push(command(&[b"WATCH", &key])),
        }
        commands.push(command(&[b"MULTI"]));
        commands.push(self.write());
    }

    fn watched_key(&mut self) -> Vec<u8> {
        let family = self.family();
        match families::prefix(family) {
            Some(prefix) => families::key(&mut self.rng, prefix),
            None => self.key("k"),
        }
    }

    /// Goes on with an open transaction, or ends it.
    fn go_on(&mut self, commands: &mut Vec<Command>) {
        match self.rng.random_range(0..8_u32) {
            0..4 => commands.push(self.write()),
            4 => {
                commands.push(command(&[b"DISCARD"]));
                self.open = None;
            }
            _ => {
                commands.push(command(&[b"EXEC"]));
                self.open = None;
            }
        }
    }

    fn family(&mut self) -> CommandFamily {
        match self.families.as_slice() {
            [only] => *only, // no draw: worlds of strings stay what they were
            many => many[self.rng.random_range(0..many.len())],
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        // Drawn even for 0 and 1, so that a changed share moves no other draw.
        self.rng.random::<f64>() < share
    }

    fn key(&mut self, prefix: &str) -> Vec<u8> {
        let number = self.rng.random_range(0..self.spec.keys.max(1));
        format!("{prefix}:{number}").into_bytes()
    }

    fn read(&mut self) -> Command {
        let family = self.family();
        if let Some(read) = families::read(family, &mut self.rng) {
            return read;
        }
        match self.rng.random_range(0..8_u32) {
            0 => {
                let key = self.key("n");
                command(&[b"GET", &key])
            }
            1 => {
                let (a, b) = (self.key("k"), self.key("k"));
                command(&[b"MGET", &a, &b])
            }
            2 => {
                let key = self.key("k");
                command(&[b"EXISTS", &key])
            }
            3 => {
                let key = self.key("k");
                command(&[b"PEXPIRETIME", &key])
            }
            _ => {
                let key = self.key("k");
                command(&[b"GET", &key])
            }
        }
    }

    /// A value that no other write has: who reads it knows which write it was.
    fn value(&mut self) -> Vec<u8> {
        self.written += 1;
        let length = usize::try_from(self.spec.value_bytes.draw(&mut self.rng).0).unwrap_or(64);
        // What is drawn comes in whole words, the last of which is cut.
        let mut value = Vec::with_capacity(length + self.name.len() + 40);
        for part in [&*self.name, ".", &self.written.to_string(), "."] {
            value.extend_from_slice(part.as_bytes());
        }
        while value.len() < length {
            let word = self.rng.next_u64();
            let digits: [u8; 16] =
                std::array::from_fn(|i| HEX[(word >> (60 - 4 * i)) as usize & 15]);
            value.extend_from_slice(&digits);
        }
        value.truncate(length.max(1));
        value
    }

    fn write(&mut self) -> Command {
        let family = self.family();
        if family != CommandFamily::Strings {
            let text = self.value();
            let places = families::Places {
                databases: self.spec.databases,
                strings: self.spec.keys,
                ttl_ms: self.spec.ttl.draw(&mut self.rng).0.as_millis().max(1),
            };
            return families::write(family, &mut self.rng, &self.families, &places, &text);
        }
        // One draw, since each is a share of all writes.
        let drawn = self.rng.random::<f64>();
        let deletes = self.spec.deletes;
        let increments = deletes + self.spec.increments;
        if drawn < deletes {
            let key = self.key("k");
            return command(&[b"DEL", &key]);
        }
        if drawn < increments {
            let key = self.key("n");
            let by = self.rng.random_range(1..=9_u32).to_string();
            return command(&[b"INCRBY", &key, by.as_bytes()]);
        }
        if drawn < increments + self.spec.expire {
            return self.write_with_ttl();
        }
        let (key, value) = (self.key("k"), self.value());
        match self.rng.random_range(0..16_u32) {
            0 => command(&[b"APPEND", &key, &value[..value.len().min(8)]]),
            1 => {
                let other = self.key("k");
                command(&[b"MSET", &key, &value, &other, b"m"])
            }
            2 => command(&[b"GETSET", &key, &value]),
            3 => command(&[b"SET", &key, &value, b"NX"]),
            4 => command(&[b"SET", &key, &value, b"XX", b"GET"]),
            _ => command(&[b"SET", &key, &value]),
        }
    }

    fn write_with_ttl(&mut self) -> Command {
        let ttl_ms = self.spec.ttl.draw(&mut self.rng).0.as_millis().max(1).to_string();
        let key = self.key("k");
        match self.rng.random_range(0..4_u32) {
            0 => command(&[b"PEXPIRE", &key, ttl_ms.as_bytes()]),
            1 => {
                let value = self.value();
                command(&[b"PSETEX", &key, ttl_ms.as_bytes(), &value])
            }
            2 => command(&[b"PERSIST", &key]),
            _ => {
                let value = self.value();
                command(&[b"SET", &key, &value, b"PX", ttl_ms.as_bytes()])
            }
        }
    }

    fn transaction(&mut self, db: u64, commands: &mut Vec<Command>) {
        commands.push(command(&[b"MULTI"]));
        // Some write to another database as well, and come back.
        let share = if self.turns { 0.75 } else { 0.25 };
        let mut away = (self.spec.databases > 1 && self.chance(share))
            .then(|| self.rng.random_range(0..self.spec.databases));
        let (turns, other) = (away.is_some(), away.unwrap_or(db));
        let select = |db: u64| command(&[b"SELECT", db.to_string().as_bytes()]);
        commands.extend(away.map(select));
        for index in 0..self.spec.transaction_length.draw(&mut self.rng).0.max(1) {
            let write = self.write();
            commands.push(write);
            let again = turns && self.turns && self.rng.random_range(0..2_u32) == 0;
            if turns && index == 0 || again {
                away = if away.is_some() { None } else { Some(other) };
                commands.push(select(away.unwrap_or(db)));
            }
        }
        if away.is_some() {
            commands.push(select(db));
        }
        // One in sixteen clients changes its mind.
        let end: &[u8] = if self.rng.random_range(0..16_u32) == 0 { b"DISCARD" } else { b"EXEC" };
        commands.push(command(&[end]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use crate::seed::Seed;

    /// The databases that the transactions of a workload of these families select one after another.
    fn selected(families: &str) -> Vec<Vec<String>> {
        let text = format!(
            "title = \"turns\"\n[nodes.n1]\n[workload]\ncommands = [{families}]\n\
             transactions = 1.0\ndatabases = 2\ntransaction-length = \"3..6\"\n"
        );
        let scenario = scenario::parse("turns", "turns.toml", &text).expect("a sound scenario");
        let spec = scenario.resolve(Seed(1)).workloads.remove(0);
        let mut generator = Generator::new(&spec, Seed(1).stream("workload", "0/0"), "0/0");
        let transactions = std::iter::repeat_with(|| generator.next()).take(100);
        transactions
            .map(|work| {
                let Work::Write { db, commands } = work else { return Vec::new() };
                let selects = commands.iter().filter(|words| words[0] == b"SELECT");
                let chosen = selects.map(|words| String::from_utf8_lossy(&words[1]).into_owned());
                let chosen: Vec<String> = chosen.collect();
                assert!(chosen.last().is_none_or(|last| *last == db.to_string()), "{chosen:?}");
                chosen
            })
            .collect()
    }

    #[test]
    fn transactions_in_turns_go_back_and_forth_and_end_where_they_began() {
        let goes_again = |families| selected(families).iter().any(|chosen| chosen.len() > 2);
        assert!(goes_again("\"strings\", \"turns\""));
        assert!(!goes_again("\"strings\""));
    }
}
