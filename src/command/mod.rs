//! Commands: one table (name, arity, flags, keys, family), one file a family.
//!
//! Two kinds of handlers. *Data* commands see a [`Ctx`] only: keyspace, clock, reply, effects;
//! they run the same for a client and for the master's stream. *Node* commands see the whole
//! node (`CONFIG`, `INFO`, `REPLICAOF`, ...).

mod acl;
mod admin;
mod bitfield;
mod bitmap;
pub mod blocking;
pub mod call;
mod client;
mod cluster;
mod connection;
mod counter;
mod debug;
mod dump;
#[cfg(test)]
mod effects_tests;
mod error;
mod expire;
mod flush;
mod function;
mod geo;
pub mod glob;
mod hash;
mod hyperloglog;
pub mod info;
mod introspect;
pub mod key_spec;
mod keys;
mod latency;
mod lcs;
mod list;
mod long_double;
pub mod lookup;
mod memory;
mod module;
pub mod number;
mod object;
mod persistence;
mod pubsub;
mod replication;
mod scan;
mod script;
pub mod secrets;
mod server;
mod set;
mod slowlog;
mod sort;
mod sorted_set;
mod stream;
mod string;
pub mod subcommands;
pub mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tips;
mod transaction;

pub use blocking::{Block, Nil};
pub use call::Call;
pub use error::{CommandError, Outcome, printable};
pub use string::populate;
pub use table::{Command, Flags, lookup as find};

use rand::rngs::ChaCha8Rng;

use crate::codec::resp::Reply;
use crate::env::Now;
use crate::keyspace::Keyspace;
use crate::node::{ClientId, Node};

/// A command and its arguments, name first.
pub type Args<'a> = [&'a [u8]];

/// What a data command may touch.
pub struct Ctx<'a> {
    /// Time of the command.
    pub now: Now,
    /// All data.
    pub keyspace: &'a mut Keyspace,
    /// Selected database.
    pub db: u32,
    /// RESP2 writer at the end of the client's output (discarded for the master's stream).
    pub reply: &'a mut Reply,
    /// Who sent it: decides how expired keys are treated.
    pub view: ExpiryView,
    /// What has to follow from it.
    pub effects: &'a mut Effects,
    /// For `RANDOMKEY` and its like.
    pub random: &'a mut ChaCha8Rng,
    /// A command that waited runs again because of this key (see [`blocking`]).
    pub ready_key: Option<&'a [u8]>,
}

/// How a command sees keys past their deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryView {
    /// A master's client: an expired key is removed on sight, and its `DEL` propagated.
    Delete,
    /// A replica's client: an expired key is not seen, and stays.
    Hide,
    /// The master's stream: an expired key is as alive as any other.
    Alive,
}

/// What follows from a command, collected by its handler and carried out by the node.
#[derive(Debug, Default)]
pub struct Effects {
    /// Commands for the stream, in order, each name first with the database it applies to.
    /// A handler that changed something and pushed nothing here is propagated verbatim.
    pub rewritten: Vec<(u32, Vec<Vec<u8>>)>,
    /// Keys removed because they had expired: `DEL` goes on the stream before all the rest.
    pub expired: Vec<(u32, Vec<u8>, u64)>,
    /// Expired keys were met by chance (`SCAN`, `RANDOMKEY`): each `DEL` goes on the stream alone.
    pub expired_apart: bool,
    /// Number of changes (`rdb_changes_since_last_save`); 0 means nothing goes on the stream.
    pub dirty: u64,
    /// Go on the stream even when nothing changed (`FLUSHALL`).
    pub force_propagation: bool,
    /// Keys changed, for `WATCH`.
    pub touched: Vec<(u32, Vec<u8>)>,
    /// Keys that those who wait for them have to look at, though `WATCH` sees no change.
    pub ready: Vec<(u32, Vec<u8>)>,
    /// Whole databases changed (`FLUSHDB`, `SWAPDB`), for `WATCH`.
    pub touched_dbs: Vec<u32>,
    /// Streams in which a consumer came into being because it was named.
    pub new_consumers: Vec<(u32, Vec<u8>)>,
    /// `XADD` removed entries as well.
    pub trimmed: bool,
    /// Lookups that found and did not find their key (`keyspace_hits`, `keyspace_misses`).
    pub hits: u64,
    /// See `hits`.
    pub misses: u64,
    /// There was nothing to answer with: the client is to wait.
    pub block: Option<Block>,
}

/// How a command runs.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Data only.
    Data(fn(&mut Ctx<'_>, &Args<'_>)),
    /// Data, and the selected database of the client changes or the whole node is needed.
    Node(fn(&mut Node, Now, ClientId, &Args<'_>)),
}
