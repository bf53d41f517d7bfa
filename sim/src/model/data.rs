//! The values of the model, each in the plainest form there is, and what digest a node with such
//! a value must have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use replisim::keyspace::stream::{Fields, StreamId};
use replisim::keyspace::{
    HashValue, Limits, ListValue, SetValue, SortedSetLimits, SortedSetValue, StreamValue,
    StringValue, Value, digest,
};

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// A string.
    String(Vec<u8>),
    /// A list, from its head.
    List(VecDeque<Vec<u8>>),
    /// A set.
    Set(BTreeSet<Vec<u8>>),
    /// A hash.
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// A sorted set: scores by member.
    SortedSet(BTreeMap<Vec<u8>, f64>),
    /// A stream without consumer groups.
    Stream(Stream),
}

/// A stream: its entries by id, and what it remembers of all it ever had.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stream {
    /// Names and values by turns.
    pub entries: BTreeMap<(u64, u64), Vec<Vec<u8>>>,
    /// The greatest id it ever had: milliseconds and number.
    pub last: (u64, u64),
    /// The greatest id that was deleted by name.
    pub deleted: (u64, u64),
    /// Entries ever added.
    pub added: u64,
}

impl Data {
    /// Whether nothing is left of it, so that its key goes. A stream stays.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::SortedSet(set) => set.is_empty(),
        }
    }

    /// What `TYPE` answers.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// As a node would hold it. The one thing taken from the node's own code: what a digest is.
    fn value(&self) -> Value {
        let limits = Limits::seeded(0);
        match self {
            Self::String(bytes) => Value::String(StringValue::new(bytes)),
            Self::List(list) => Value::List(list.iter().collect::<ListValue>()),
            Self::Set(members) => {
                let mut set = SetValue::new();
                for member in members {
                    set.insert(member, &limits);
                }
                Value::Set(set)
            }
            Self::Hash(fields) => {
                let mut hash = HashValue::new();
                for (name, value) in fields {
                    hash.set(name, value, &limits);
                }
                Value::Hash(hash)
            }
            Self::SortedSet(scores) => {
                let mut set = SortedSetValue::new(0);
                for (member, score) in scores {
                    set.set(member, *score, SortedSetLimits::default());
                }
                Value::SortedSet(set)
            }
            Self::Stream(stream) => {
                let mut value = StreamValue::new();
                for ((ms, seq), texts) in &stream.entries {
                    let fields = Fields::new(texts.iter().map(Vec::as_slice));
                    value.push(StreamId { ms: *ms, seq: *seq }, fields, &limits);
                }
                let id = |(ms, seq)| StreamId { ms, seq };
                value.set_marks(id(stream.last), id(stream.deleted), stream.added);
                Value::Stream(value)
            }
        }
    }

    /// Share of an entry with this value in the digest of its database.
    pub fn digest(&self, key: &[u8], expiry_ms: Option<u64>) -> u64 {
        digest::entry_digest(key, &self.value(), expiry_ms)
    }
}
