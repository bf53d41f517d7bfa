//! The one table of commands: what exists, how many arguments it takes, what it may do, where
//! its keys are, and who handles it.
//!
//! Each family file lists its own in a `COMMANDS` slice; `FAMILIES` collects them. Lookup is
//! one hash and, nearly always, one comparison: the table in one piece, each row with its number
//! and its subcommands, and the index are computed by the compiler.
//!
//! Must never: know what a command does. A rule that holds for a kind of commands (writes on a
//! read-only replica, commands while loading) is a [`Flags`] bit here and is enforced by the node.

use super::call::Call;
use super::key_spec::Keys;
use super::subcommands::{self, Subcommand};
use super::{Ctx, Handler, Outcome};

/// All families.
const FAMILIES: &[&[Command]] = &[
    super::string::COMMANDS,
    super::counter::COMMANDS,
    super::lcs::COMMANDS,
    super::list::COMMANDS,
    super::set::COMMANDS,
    super::hash::COMMANDS,
    super::sorted_set::COMMANDS,
    super::stream::COMMANDS,
    super::bitmap::COMMANDS,
    super::hyperloglog::COMMANDS,
    super::geo::COMMANDS,
    super::dump::COMMANDS,
    super::sort::COMMANDS,
    super::keys::COMMANDS,
    super::expire::COMMANDS,
    super::scan::COMMANDS,
    super::flush::COMMANDS,
    super::function::COMMANDS,
    super::script::COMMANDS,
    super::object::COMMANDS,
    super::introspect::COMMANDS,
    super::connection::COMMANDS,
    super::client::COMMANDS,
    super::transaction::COMMANDS,
    super::pubsub::COMMANDS,
    super::replication::COMMANDS,
    super::persistence::COMMANDS,
    super::server::COMMANDS,
    super::slowlog::COMMANDS,
    super::latency::COMMANDS,
    super::memory::COMMANDS,
    super::module::COMMANDS,
    super::acl::COMMANDS,
    super::cluster::COMMANDS,
    super::info::COMMANDS,
    super::debug::COMMANDS,
];

/// Properties of a command, by the names `COMMAND INFO` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// May change data; refused on a read-only replica.
    pub const WRITE: Flags = Flags(1);
    /// Reads data.
    pub const READONLY: Flags = Flags(1 << 1);
    /// May make the dataset larger.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// For operators.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Publish/subscribe.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Not for scripts.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// May make the client wait.
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Allowed while a dataset is being loaded.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Allowed on a replica whose link is down, with `replica-serve-stale-data no`.
    pub const STALE: Flags = Flags(1 << 8);
    /// Not shown by `MONITOR`.
    pub const SKIP_MONITOR: Flags = Flags(1 << 9);
    /// Constant or logarithmic time.
    pub const FAST: Flags = Flags(1 << 10);
    /// Allowed before authentication.
    pub const NO_AUTH: Flags = Flags(1 << 11);
    /// May put something on the stream although it is no write. Not shown by `COMMAND INFO`.
    pub const MAY_REPLICATE: Flags = Flags(1 << 12);
    /// Not allowed between `MULTI` and `EXEC`.
    pub const NO_MULTI: Flags = Flags(1 << 13);
    /// Holds secrets: arguments are never logged. Not shown by `COMMAND INFO`.
    pub const SENSITIVE: Flags = Flags(1 << 14);
    /// In the ACL category `@dangerous`. Not shown by `COMMAND INFO`.
    pub const DANGEROUS: Flags = Flags(1 << 15);
    /// Not allowed while a dataset is being loaded beside the old one.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 16);
    /// Allowed while a script runs for too long.
    pub const ALLOW_BUSY: Flags = Flags(1 << 17);
    /// Its keys may be none (`EVAL`).
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 18);
    /// Not put in the slow log: what it executes is.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 19);
    /// Of a cluster: as if `ASKING` had been said before.
    pub const ASKING: Flags = Flags(1 << 20);

    /// Both.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that `COMMAND INFO` does not show.
    pub(super) const fn hidden(self) -> Flags {
        let hidden = Flags::SENSITIVE.0 | Flags::DANGEROUS.0 | Flags::MAY_REPLICATE.0;
        Flags(self.0 & hidden)
    }

    /// The names, in Redis's order (server.c `addReplyFlagsForCommand`).
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(Flags, &str); 18] = [
            (Flags::WRITE, "write"),
            (Flags::READONLY, "readonly"),
            (Flags::DENYOOM, "denyoom"),
            (Flags::ADMIN, "admin"),
            (Flags::PUBSUB, "pubsub"),
            (Flags::NOSCRIPT, "noscript"),
            (Flags::BLOCKING, "blocking"),
            (Flags::LOADING, "loading"),
            (Flags::STALE, "stale"),
            (Flags::SKIP_MONITOR, "skip_monitor"),
            (Flags::SKIP_SLOWLOG, "skip_slowlog"),
            (Flags::ASKING, "asking"),
            (Flags::FAST, "fast"),
            (Flags::NO_AUTH, "no_auth"),
            (Flags::NO_ASYNC_LOADING, "no_async_loading"),
            (Flags::NO_MULTI, "no_multi"),
            (Flags::ALLOW_BUSY, "allow_busy"),
            (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
        ];
        NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
}

/// The group of a command in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Hashes.
    Hash,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
    /// HyperLogLogs.
    HyperLogLog,
    /// Positions on the Earth.
    Geo,
    /// Scripts and functions.
    Scripting,
    /// Keys of any type.
    Generic,
    /// About the connection.
    Connection,
    /// `MULTI` and its like.
    Transactions,
    /// Publish/subscribe.
    PubSub,
    /// A cluster, of which this server is no part.
    Cluster,
    /// The server and its roles.
    Server,
}

impl Group {
    /// As `COMMAND DOCS` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::Hash => "hash",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Scripting => "scripting",
            Group::Generic => "generic",
            Group::Connection => "connection",
            Group::Transactions => "transactions",
            Group::PubSub => "pubsub",
            Group::Cluster => "cluster",
            Group::Server => "server",
        }
    }

    /// Its ACL category, if it has one.
    pub(super) const fn acl_category(self) -> Option<&'static str> {
        match self {
            Group::String => Some("string"),
            Group::List => Some("list"),
            Group::Set => Some("set"),
            Group::Hash => Some("hash"),
            Group::SortedSet => Some("sortedset"),
            Group::Stream => Some("stream"),
            Group::Bitmap => Some("bitmap"),
            Group::HyperLogLog => Some("hyperloglog"),
            Group::Geo => Some("geo"),
            Group::Scripting => Some("scripting"),
            Group::Generic => Some("keyspace"),
            Group::Connection => Some("connection"),
            Group::Transactions => Some("transaction"),
            // Publish/subscribe has a flag of its own.
            Group::PubSub | Group::Server | Group::Cluster => None,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Command {
    /// In lower case.
    pub name: &'static str,
    /// Number of arguments, name included; negative: at least so many.
    pub arity: i32,
    /// What it may do.
    pub flags: Flags,
    /// Where its keys are, and what it does with them.
    pub keys: Keys,
    /// Group in the documentation.
    pub group: Group,
    /// First version of Redis that had it.
    pub since: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Who does it.
    pub handler: Handler,
    /// ACL categories in place of its group's own.
    categories: Option<&'static [&'static str]>,
    /// Its subcommands; none if it is no container.
    pub subcommands: &'static [Subcommand],
    /// Its place among all calls there are, see [`Call::number`].
    pub(super) number: usize,
}

impl Command {
    /// A row without keys.
    pub const fn new(
        name: &'static str,
        arity: i32,
        flags: Flags,
        group: Group,
        since: &'static str,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            name,
            arity,
            flags,
            keys: &[],
            group,
            since,
            summary,
            handler,
            categories: None,
            subcommands: &[],
            number: 0,
        }
    }

    /// The same with keys.
    #[must_use]
    pub const fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// The same in other ACL categories than its group's own; those that follow from its flags
    /// stay.
    #[must_use]
    pub const fn in_categories(self, categories: &'static [&'static str]) -> Self {
        Self { categories: Some(categories), ..self }
    }

    /// ACL categories in place of its group's own.
    pub(super) const fn categories(&self) -> Option<&'static [&'static str]> {
        self.categories
    }

    /// Whether it may be called with so many arguments, name included.
    pub fn accepts(&self, argument_count: usize) -> bool {
        accepts(self.arity, argument_count)
    }

    /// ACL categories without the `@`, in Redis's order.
    pub fn acl_categories(&'static self) -> impl Iterator<Item = &'static str> {
        Call { command: self, subcommand: None }.acl_categories()
    }
}

/// Whether so many arguments, name included, suit an arity.
pub fn accepts(arity: i32, argument_count: usize) -> bool {
    let wanted = arity.unsigned_abs() as usize;
    if arity < 0 { argument_count >= wanted } else { argument_count == wanted }
}

/// Writes the error reply of a handler that refused.
pub(super) fn conclude(outcome: Outcome, ctx: &mut Ctx<'_>) {
    if let Err(refusal) = outcome {
        ctx.reply.error(refusal.to_string());
    }
}

/// `Handler::Data` of a function that returns an [`Outcome`].
macro_rules! data {
    ($handler:expr) => {
        $crate::command::Handler::Data(|ctx, args| {
            let outcome = $handler(ctx, args);
            $crate::command::table::conclude(outcome, ctx);
        })
    };
}
pub(super) use data;

/// Number of commands.
const COUNT: usize = count();
/// All commands, family by family.
static COMMANDS: [Command; COUNT] = commands();

/// Slots of the index; a power of two, at least twice the number of commands.
const SLOTS: usize = 1024;
/// Marks an empty slot.
const EMPTY: u16 = u16::MAX;
/// Row of each command, at the slot of its name or (linear probing) the next free one.
static INDEX: [u16; SLOTS] = index();

const fn slot_of(name: &[u8]) -> usize {
    // FNV-1a over the lower-case name: no seed, the same in every run.
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at].to_ascii_lowercase() as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

const fn count() -> usize {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
}

const fn commands() -> [Command; COUNT] {
    let mut all = [FAMILIES[0][0]; COUNT];
    let (mut at, mut number) = (0, 0);
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut row = 0;
        while row < FAMILIES[family].len() {
            let command = FAMILIES[family][row];
            let subcommands = subcommands::of_name(command.name);
            all[at] = Command { subcommands, number, ..command };
            number += 1 + subcommands.len();
            at += 1;
            row += 1;
        }
        family += 1;
    }
    all
}

const fn index() -> [u16; SLOTS] {
    const { assert!(COUNT <= SLOTS / 2, "the index would be slow") };
    let mut slots = [EMPTY; SLOTS];
    let mut row = 0;
    while row < COUNT {
        let mut slot = slot_of(COMMANDS[row].name.as_bytes());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
}

/// The command of that name, in any case.
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let mut slot = slot_of(name);
    loop {
        let command = COMMANDS.get(usize::from(INDEX[slot]))?;
        if command.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// All commands, family by family.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name_in_any_case_and_no_name_is_given_twice() {
        for command in all() {
            for name in [command.name.to_owned(), command.name.to_uppercase()] {
                let found = lookup(name.as_bytes()).expect("listed, so found");
                assert!(std::ptr::eq(found, command), "{name} is listed twice");
            }
            assert_eq!(command.name, command.name.to_lowercase());
            assert_ne!(command.arity, 0);
        }
        for name in ["", "ge", "gett", "get ", "\0", "object|encoding"] {
            assert!(lookup(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn every_call_has_a_number_of_its_own_in_order() {
        let numbers: Vec<usize> = Call::all().map(|call| call.number()).collect();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
    }

    #[test]
    fn no_command_is_far_from_its_slot() {
        let probes = |command: &Command| {
            let mut slot = slot_of(command.name.as_bytes());
            let mut steps = 0;
            loop {
                if COMMANDS[usize::from(INDEX[slot])].name == command.name {
                    return steps;
                }
                steps += 1;
                slot = (slot + 1) % SLOTS;
            }
        };
        assert!(all().map(probes).max() <= Some(6));
    }

    #[test]
    fn arity_counts_the_name() {
        let get = lookup(b"get").expect("exists");
        assert!(get.accepts(2) && !get.accepts(1) && !get.accepts(3));
        let del = lookup(b"del").expect("exists");
        assert!(!del.accepts(1) && del.accepts(2) && del.accepts(200));
    }
}
