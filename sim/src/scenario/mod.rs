//! Scenario files: who is there, what happens to whom and when, and what must come of it.
//!
//! A [`Scenario`] is what was *written*, ranges and all: read from TOML ([`load`]) or built in
//! Rust ([`Scenario::builder`]), the same value either way. [`Scenario::resolve`] draws every
//! range from its own named stream of the seed and yields a [`ResolvedScenario`], which holds
//! nothing but fixed decisions and can be written back in the same format.
//!
//! A scenario speaks the language of the protocol and of an operator: nodes, links, processes,
//! disks, commands. Must never: say how a fault is made, so that the same file can one day be
//! run against real servers. What only a simulator can do is marked
//! ([`Scenario::simulator_only`]).
//!
//! ```
//! use replisim_sim::scenario::{Action, Links, Outage, Scenario};
//! use std::time::Duration;
//!
//! let scenario = Scenario::builder("doc/short-cut")
//!     .title("A cut shorter than the backlog")
//!     .node("m1")
//!     .node("r1").replica_of("m1").config("repl-diskless-sync", "yes")
//!     .step("5s..8s", Action::partition(
//!         Links::between("m1", "r1"), Outage::Reset, Some(Duration::from_secs(3)),
//!     ))
//!     .expect_full_syncs("r1", "1")
//!     .duration("30s")
//!     .build()
//!     .expect("a valid scenario");
//! let resolved = scenario.resolve("7".parse().expect("a seed"));
//! assert_eq!(resolved.steps.len(), 2, "the cut, and its healing");
//! ```

mod builder;
pub mod diagnostic;
pub mod directives;
pub mod read;
pub mod resolve;
pub mod resolved;
pub mod schema;
mod sound;
pub mod spot;
pub mod step;
mod structure;
mod tell;
mod vacuous;
mod validate;
pub mod value;
mod write;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use builder::ScenarioBuilder;
pub use diagnostic::{Diagnostic, Problems};
pub use read::{load, parse};
pub use resolve::*;
pub use resolved::*;
pub use spot::{Names, Spot};
pub use step::*;
pub use validate::INVARIANTS;
pub use value::*;
pub(crate) use write::table_text;

use crate::seed::Seed;

/// A scenario as it was written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "A replisim scenario")]
pub struct Scenario {
    /// Path of the file below `scenarios/`, without its ending: `partial-resync/short-cut`.
    #[serde(skip)]
    pub name: String,
    /// One line that says what happens.
    pub title: Spot<String>,
    /// Prose: what the scenario teaches.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The nodes by name. A node without `replicaof` starts as a master.
    pub nodes: IndexMap<Spot<String>, Node>,
    /// redis.conf directives for all nodes.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub config: IndexMap<Spot<String>, Spot<ConfigValue>>,
    /// The network when nothing is wrong with it.
    #[serde(default, skip_serializing_if = "Network::is_empty")]
    pub network: Network,
    /// What clients do: one `[workload]`, or several `[[workload]]`.
    #[serde(default, skip_serializing_if = "Workloads::is_empty")]
    pub workload: Workloads,
    /// What happens, in any order: `[[step]]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "step")]
    pub steps: Vec<Step>,
    /// What must come of it, besides the invariants, which always hold.
    #[serde(default, skip_serializing_if = "Expect::is_empty")]
    pub expect: Expect,
    /// How long and how often it runs.
    #[serde(default, skip_serializing_if = "Run::is_empty")]
    pub run: Run,
    /// Where a recorded failure comes from. Written by the testbed, not by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capsule: Option<Capsule>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Node {
    /// The node it follows from its start; without it, it starts as a master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicaof: Option<Spot<String>>,
    /// When its process is first started. Default: at once. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Spot<Range<Time>>>,
    /// redis.conf directives for this node; they win over those for all nodes.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub config: IndexMap<Spot<String>, Spot<ConfigValue>>,
}

/// The value of a redis.conf directive: a scalar, or `{ one-of = [...] }`, drawn once a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConfigValue {
    /// `true` is `yes`, `false` is `no`.
    Boolean(bool),
    /// A number.
    Integer(i64),
    /// As it stands in redis.conf; several words may be needed: "replica 1mb 512kb 60".
    Text(String),
    /// Each seed draws one.
    OneOf(OneOf),
}

/// Values from which each seed draws one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OneOf {
    /// The values.
    pub one_of: Vec<ConfigValue>,
}

impl ConfigValue {
    /// The value as redis.conf has it; nothing for a choice that is still to be made.
    pub fn text(&self) -> String {
        match self {
            Self::Boolean(value) => if *value { "yes" } else { "no" }.to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::OneOf(_) => String::new(),
        }
    }
}

impl From<&str> for ConfigValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<i64> for ConfigValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}
impl From<bool> for ConfigValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// The network when nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Network {
    /// Time a segment takes, drawn for each; they stay in order. Default: "1ms..2ms".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Range<Time>>,
    /// Bytes a second of each link and direction. Default: 125MB/s, a gigabit. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Spot<Range<Bandwidth>>>,
    /// Largest segment in bytes: small ones make short reads. Default: 64kb. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<Spot<Range<Size>>>,
}

/// The workloads of a scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Workloads(pub Vec<Workload>);

impl Workloads {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Clients that write and read, each from a host of its own named `client1`, `client2`, …
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Workload {
    /// Number of clients. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<Spot<Count>>,
    /// The node written to. Default: whichever says that it is the master, found by `ROLE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Spot<String>>,
    /// Commands a second, of all its clients together. Default: 50. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Spot<Range<Count>>>,
    /// Share of the commands that are reads. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads: Option<Spot<Share>>,
    /// The nodes read from. Default: the replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_from: Option<Names>,
    /// Number of different keys in each database. Default: 1000. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Spot<Range<Count>>>,
    /// Number of databases, from 0 up. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub databases: Option<Spot<Count>>,
    /// Length of a value in bytes, drawn for each. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_bytes: Option<Spot<Range<Size>>>,
    /// Families of commands, each as likely as the others. Default: ["strings"]. Where it matters:
    /// `deletes`, `increments`, `expire` and `value-bytes` are about strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Spot<Vec<CommandFamily>>>,
    /// Share of the writes that delete a key. Default: 0.05.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletes: Option<Spot<Share>>,
    /// Share of the writes that increment a counter. Default: 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub increments: Option<Spot<Share>>,
    /// Share of the writes that set a time to live. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire: Option<Spot<Share>>,
    /// The times to live, drawn for each. Default: "1s..10s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Spot<Range<Time>>>,
    /// Share of the writes that are a `MULTI` … `EXEC`. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions: Option<Spot<Share>>,
    /// Commands in a transaction, drawn for each. Default: "2..5".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_length: Option<Spot<Range<Count>>>,
    /// Commands sent before the first reply is awaited, drawn for each batch. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Spot<Range<Count>>>,
    /// `WAIT` after some of the writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// The user name the clients give with their password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password the clients give. Default: the node's own `requirepass`. "" gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// When it begins. Default: "0s". Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Spot<Range<Time>>>,
    /// When it ends. Default: the end of the run. Drawn once a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Spot<Range<Time>>>,
}

/// A family of commands that clients send.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CommandFamily {
    /// `SET` and its options, `GET`, `MSET`, `APPEND`, `INCRBY`, `DEL`, deadlines.
    Strings,
    /// `INCRBYFLOAT`, `SETRANGE`, `GETEX`, `GETDEL`, `SETNX`, `MSETNX`.
    Edits,
    /// `LPUSH`, `RPOP`, `LTRIM`, `LSET`, `LINSERT`, `LREM`, `LMOVE` and the like.
    Lists,
    /// `SADD`, `SREM`, `SPOP`, `SMOVE`, `SUNIONSTORE` and the like.
    Sets,
    /// `HSET`, `HDEL`, `HINCRBY`, `HINCRBYFLOAT` and the like.
    Hashes,
    /// `ZADD`, `ZINCRBY`, `ZPOPMIN`, `ZUNIONSTORE` and the like.
    SortedSets,
    /// `XADD`, `XDEL`, `XTRIM`, without consumer groups.
    Streams,
    /// `BLPOP`, `BLMOVE`, `BZPOPMIN` and the like, which wait up to a second.
    Blocking,
    /// Any key: `COPY`, `MOVE`, `RENAME`, `UNLINK`, `EXPIRE` with conditions, `PERSIST`.
    Keys,
    /// Rarely `FLUSHDB`, `SWAPDB` or `FLUSHALL`.
    Databases,
    /// `WATCH`, and transactions that stay open for a while.
    Watch,
    /// Transactions that write to two databases in turns.
    Turns,
    /// `PUBLISH`, which goes on the stream and changes nothing.
    Messages,
    /// `FUNCTION LOAD`, `DELETE` and `FLUSH`: libraries are part of the data.
    Functions,
    /// Numbers, lengths and collections at the edges of how they are encoded.
    Edges,
    /// Bitmaps, HyperLogLogs, positions, consumer groups, `SORT`: what the model does not know.
    /// Only that replicas have the same data is judged from the first of them on.
    Others,
}

/// `WAIT` after a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wait {
    /// Number of replicas waited for.
    pub replicas: Count,
    /// How long, in whole milliseconds. Default: "1s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Share of the writes followed by a `WAIT`. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// What must come of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Expect {
    /// Time after the last fault within which every replica is up and equal to its master.
    /// Default: derived from timeouts, periods and transfer times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged_within: Option<Spot<Time>>,
    /// The invariant that this scenario must violate; a run that does not, fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violation: Option<Spot<String>>,
    /// Full syncs each node has received as a replica, by the end.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub full_syncs: IndexMap<Spot<String>, Range<Count>>,
    /// Partial resyncs each node has received as a replica, by the end.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub partial_syncs: IndexMap<Spot<String>, Range<Count>>,
    /// Fields of `INFO` of each node at the end. At another time: a `check` step.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub info: IndexMap<Spot<String>, IndexMap<Spot<String>, Expected>>,
}

/// How long and how often it runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Run {
    /// Simulated time of a run, before the wait for convergence. Default: "60s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Spot<Time>>,
    /// Seeds it runs with: how many (from 1 up), "a..b" with both ends, or a list. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Spot<Seeds>>,
    /// Length of a step of the simulated clock: hosts see each other once a step. Default: "10ms".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick: Option<Spot<Time>>,
}

/// Where a recorded failure comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Capsule {
    /// The scenario from which it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The commit of the code that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Digest of the lockfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockfile: Option<String>,
    /// The invariant that was violated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violated: Option<String>,
    /// When it was violated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Hash of the whole run, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
}

impl Network {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
impl Expect {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
impl Run {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Seeds with which something runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Seeds {
    /// This many, from 1 up.
    Count(u32),
    /// "a..b" with both ends, one seed, or several with commas between them.
    Text(String),
    /// Exactly these.
    List(Vec<SeedText>),
}

/// A seed as a number or a text ("0x…" or a git hash).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SeedText {
    /// A decimal number.
    Number(u64),
    /// Decimal, "0x…", or a git hash.
    Text(String),
}

impl Seeds {
    /// Most seeds a single run of the command may ask for.
    pub const LIMIT: u64 = 10_000_000;

    /// Reads what `--seeds` takes: a count, `a..b`, or a list with commas.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Vec<Seed>, String> {
        let text = text.trim();
        if let Ok(count) = text.parse::<u32>() {
            return Self::Count(count).list();
        }
        Self::Text(text.to_owned()).list()
    }

    /// The seeds themselves.
    ///
    /// # Errors
    /// When a text among them is no seed, a range runs backwards, or there is none.
    pub fn list(&self) -> Result<Vec<Seed>, String> {
        let one = |text: &str| text.trim().parse::<Seed>().map_err(|e| e.to_string());
        let range = |low: u64, high: u64| {
            if low > high {
                return Err(format!("the range of seeds {low}..{high} runs backwards"));
            }
            if high - low >= Self::LIMIT {
                return Err(format!("more than {} seeds at once", Self::LIMIT));
            }
            Ok((low..=high).map(Seed).collect::<Vec<_>>())
        };
        let seeds = match self {
            Self::Count(0) => return Err("no seed at all: the count is 0".to_owned()),
            Self::Count(count) => range(1, u64::from(*count))?,
            Self::Text(text) => match text.split_once("..") {
                Some((low, high)) => {
                    range(one(low)?.0, one(high.strip_prefix('=').unwrap_or(high))?.0)?
                }
                None => text.split(',').map(one).collect::<Result<_, _>>()?,
            },
            Self::List(items) => items
                .iter()
                .map(|item| match item {
                    SeedText::Number(number) => Ok(Seed(*number)),
                    SeedText::Text(text) => one(text),
                })
                .collect::<Result<_, _>>()?,
        };
        if seeds.is_empty() {
            Err("no seed at all: the list is empty".to_owned())
        } else {
            Ok(seeds)
        }
    }
}

impl Scenario {
    /// The seeds it runs with when none are asked for.
    pub fn default_seeds(&self) -> Vec<Seed> {
        let written = self.run.seeds.as_ref().map(|seeds| seeds.list());
        // A list that cannot be read is refused by validation; a scenario never gets here with one.
        written.and_then(Result::ok).unwrap_or_else(|| (1..=3).map(Seed).collect())
    }

    /// What is wrong with it; nothing, if it was read or built.
    pub(crate) fn mistakes(&self) -> Vec<Diagnostic> {
        validate::validate(self)
    }

    /// Names of the clients of all workloads: `client1`, `client2`, …
    pub fn clients(&self) -> Vec<String> {
        let count: u64 =
            self.workload.0.iter().map(|w| w.clients.as_deref().map_or(1, |c| c.0)).sum();
        (1..=count.min(validate::MAX_CLIENTS)).map(|i| format!("client{i}")).collect()
    }

    /// Keys of the actions it uses that only a simulator can do, without repeats.
    pub fn simulator_only(&self) -> Vec<&'static str> {
        let mut keys: Vec<_> = self
            .steps
            .iter()
            .filter(|s| s.action.simulator_only())
            .map(|s| s.action.key())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

impl<'de> Deserialize<'de> for Workloads {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Workloads;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("one [workload] or several [[workload]]")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Workloads, A::Error> {
                let one = Workload::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Workloads(vec![one]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Workloads, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Workloads(all))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Workloads {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl JsonSchema for Workloads {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Workloads".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<Workload>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}
