//! The steps of a scenario: what happens, to whom, and when.
//!
//! In a file a step is a table with `at` and exactly one other key, which names the action.
//! Actions speak of nodes and links in the words of an operator; nothing here knows how a
//! fault is made. Must never: add an action that only one world can do without
//! [`Action::simulator_only`] saying so.

use std::time::Duration;

use indexmap::IndexMap;
use replisim::codec::resp::split_args;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ConfigValue;
use super::spot::{FromName, Names, OrName, Spot};
use super::value::{Bandwidth, Count, Expected, Jump, Range, Share, Size, Time};

/// One thing that happens at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, counted from the start of the run. Drawn once a run.
    pub at: Spot<Range<Time>>,
    /// What.
    pub action: Action,
    /// Where the step begins in its file.
    pub place: Spot<()>,
}

/// Table and enum of the actions, and the way between them.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $field:ident $(= $name:literal)? => $variant:ident($type:ty) as $wire:ty,)+) => {
        /// What a step does.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[doc = $doc])+ $variant($type),)+
        }

        /// One step: `at`, and exactly one action.
        #[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        #[schemars(rename = "Step")]
        pub(super) struct StepTable {
            /// When, counted from the start of the run: a time like "5s", or a range like
            /// "5s..8s" from which each seed draws its own.
            at: Option<Spot<Range<Time>>>,
            $($(#[doc = $doc])+ $(#[serde(rename = $name)])? #[serde(skip_serializing_if = "Option::is_none")] $field: Option<$wire>,)+
        }

        impl StepTable {
            fn into_actions(self) -> Vec<Action> {
                let mut found = Vec::new();
                $(if let Some(value) = self.$field { found.push(Action::$variant(value.into())); })+
                found
            }
        }

        impl From<&Step> for StepTable {
            fn from(step: &Step) -> Self {
                let mut table = Self { at: Some(step.at.clone()), ..Self::default() };
                match step.action.clone() {
                    $(Action::$variant(value) => table.$field = Some(value.into()),)+
                }
                table
            }
        }

        impl Action {
            /// The key that names the action in a file.
            pub fn key(&self) -> &'static str {
                match self { $(Self::$variant(_) => actions!(@key $field $($name)?),)+ }
            }
        }

        /// The keys of all actions, in the order of the reference.
        pub const ACTIONS: &[&str] = &[$(actions!(@key $field $($name)?)),+];
    };
    (@key $field:ident $name:literal) => { $name };
    (@key $field:ident) => { stringify!($field) };
}

actions! {
    /// Cuts links, in one of three ways.
    partition => Partition(Partition) as Partition,
    /// Lifts cuts: "all", everything to and from one node, or the links named.
    heal => Heal(Links) as OrName<Links>,
    /// Makes links slow.
    slow => Slow(Slow) as Slow,
    /// Gives slow links their ordinary speed back: "all", one node's links, or those named.
    full_speed = "full-speed" => FullSpeed(Links) as OrName<Links>,
    /// The process dies at once (`kill -9`): its peers see the connection closed.
    kill => Kill(Down) as OrName<Down>,
    /// The machine loses power: peers are left half-open, what was not synced to disk is lost.
    /// Only a simulator can do this.
    power_cut = "power-cut" => PowerCut(PowerCut) as OrName<PowerCut>,
    /// The process is asked to end (`SHUTDOWN`).
    shutdown => Shutdown(Shutdown) as OrName<Shutdown>,
    /// Starts a node that is down, with what its disk holds.
    start => Start(Names) as Names,
    /// `SHUTDOWN`, then starts again; a node that is down is just started.
    restart => Restart(Names) as Names,
    /// Deletes the RDB file of a node.
    remove_rdb = "remove-rdb" => RemoveRdb(Names) as Names,
    /// The process stops (SIGSTOP) and later goes on, its timers late.
    pause => Pause(Pause) as OrName<Pause>,
    /// A paused process goes on (SIGCONT).
    resume => Resume(Names) as Names,
    /// A node reads what it receives slower than it is sent.
    lag => Lag(Lag) as OrName<Lag>,
    /// A lagging node reads as fast as it can again.
    catch_up = "catch-up" => CatchUp(Names) as Names,
    /// The disk of a node is slow.
    slow_disk = "slow-disk" => SlowDisk(SlowDisk) as SlowDisk,
    /// The disk of a node has no room left.
    full_disk = "full-disk" => FullDisk(FullDisk) as OrName<FullDisk>,
    /// The disk of a node answers with errors.
    disk_error = "disk-error" => DiskError(DiskError) as OrName<DiskError>,
    /// The disk of a node works again, fast and with room.
    disk_ok = "disk-ok" => DiskOk(Names) as Names,
    /// The wall clock of a node jumps. Only a simulator can do this.
    clock_jump = "clock-jump" => ClockJump(ClockJump) as ClockJump,
    /// `REPLICAOF`.
    replicaof => ReplicaOf(ReplicaOf) as ReplicaOf,
    /// `FAILOVER`.
    failover => Failover(Failover) as OrName<Failover>,
    /// `CONFIG SET`.
    config_set = "config-set" => ConfigSet(ConfigSet) as ConfigSet,
    /// Any command to any node, and the reply it must get.
    command => Command(Command) as Command,
    /// Fields of `INFO` that must have a value at this time.
    check => Check(Check) as Check,
}

impl Action {
    /// Whether only a simulator can do this; what is left can be done to real servers too.
    pub fn simulator_only(&self) -> bool {
        matches!(self, Self::PowerCut(_) | Self::ClockJump(_) | Self::DiskError(_))
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Spot::<StepTable>::deserialize(deserializer)?;
        let at = table.at.clone().ok_or_else(|| de::Error::missing_field("at"))?;
        let place = Spot::new((), table.span());
        let mut found = (*table).clone().into_actions();
        match (found.pop(), found.is_empty()) {
            (Some(action), true) => Ok(Self { at, action, place }),
            (None, _) => Err(de::Error::custom("a step needs an action")),
            (Some(_), false) => Err(de::Error::custom("a step has one action")),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StepTable::from(self).serialize(serializer)
    }
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = StepTable::json_schema(generator);
        let one = ACTIONS.iter().map(|key| serde_json::json!({ "required": [key] })).collect();
        schema.insert("required".to_owned(), serde_json::json!(["at"]));
        schema.insert("oneOf".to_owned(), serde_json::Value::Array(one));
        schema
    }
}

/// The way between a table and its short form.
macro_rules! or_name {
    ($type:ty) => {
        impl From<$type> for OrName<$type> {
            fn from(value: $type) -> Self {
                Self(value)
            }
        }
        impl From<OrName<$type>> for $type {
            fn from(value: OrName<$type>) -> Self {
                value.0
            }
        }
    };
}
or_name!(Links);

/// What both sides of a cut link see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// Nothing arrives; all of it arrives, in order, after the heal: what TCP does in a short cut.
    Stall,
    /// Connections break at once with an error (RST), and cannot be made. One way: those that the
    /// host at the start of the link makes.
    Reset,
    /// Silence: connections stay half-open until each side's own timeout; connecting times out.
    Blackhole,
}

/// Links between hosts: `between` two sides, or one way `from` … `to`, or all of `node`'s.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Links {
    /// Both directions between two sides, each a name or a list of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<Spot<[Names; 2]>>,
    /// One direction: the sending side. Goes with `to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Names>,
    /// One direction: the receiving side. Goes with `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Names>,
    /// Both directions between these nodes and every other host. "all" stands for every host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Names>,
}

impl FromName for Links {
    fn from_names(names: Names) -> Self {
        Self { node: Some(names), ..Self::default() }
    }
    fn only_names(&self) -> Option<&Names> {
        match self {
            Self { between: None, from: None, to: None, node } => node.as_ref(),
            _ => None,
        }
    }
}

impl Links {
    /// Both directions between `a` and `b`.
    pub fn between(a: impl Into<Names>, b: impl Into<Names>) -> Self {
        Self { between: Some([a.into(), b.into()].into()), ..Self::default() }
    }
    /// The direction in which `from` sends to `to`.
    pub fn one_way(from: impl Into<Names>, to: impl Into<Names>) -> Self {
        Self { from: Some(from.into()), to: Some(to.into()), ..Self::default() }
    }
    /// Everything to and from `node`.
    pub fn of(node: impl Into<Names>) -> Self {
        Self { node: Some(node.into()), ..Self::default() }
    }
    /// Every link there is.
    pub fn all() -> Self {
        Self::of("all")
    }
}

/// A table with the four keys of [`Links`] and more.
macro_rules! on_links {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct $name {
            /// Both directions between two sides, each a name or a list of names.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub between: Option<Spot<[Names; 2]>>,
            /// One direction: the sending side. Goes with `to`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub from: Option<Names>,
            /// One direction: the receiving side. Goes with `from`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub to: Option<Names>,
            /// Both directions between these nodes and every other host. "all" stands for every host.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub node: Option<Names>,
            $($(#[$field_meta])* pub $field: $type,)*
        }
        impl $name {
            /// The links it speaks of.
            pub fn links(&self) -> Links {
                Links { between: self.between.clone(), from: self.from.clone(), to: self.to.clone(), node: self.node.clone() }
            }
        }
    };
}

on_links! {
    /// A cut.
    Partition {
        /// What both sides see: "stall", "reset" or "blackhole".
        kind: Outage,
        /// How long; without it, until a `heal`. Drawn once a run.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        duration: Option<Spot<Range<Time>>>,
    }
}

on_links! {
    /// Slow links.
    Slow {
        /// Time a segment takes, drawn for each; kept in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        latency: Option<Range<Time>>,
        /// Bytes a second of each link and direction. Drawn once a run.
        #[serde(skip_serializing_if = "Option::is_none")]
        bandwidth: Option<Spot<Range<Bandwidth>>>,
        /// Largest segment in bytes: small ones make short reads.
        #[serde(skip_serializing_if = "Option::is_none")]
        segment: Option<Spot<Range<Size>>>,
        /// How long; without it, until `full-speed`. Drawn once a run.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        duration: Option<Spot<Range<Time>>>,
    }
}

/// A table whose `node` may stand alone, and its other fields.
macro_rules! on_nodes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: Option<$type:ty>,)* })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct $name {
            /// The node, or a list of nodes.
            pub node: Names,
            $($(#[$field_meta])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
        or_name!($name);
        impl FromName for $name {
            fn from_names(names: Names) -> Self {
                Self { node: names, ..Self::default() }
            }
            fn only_names(&self) -> Option<&Names> {
                match self {
                    Self { node, $($field: None,)* } => Some(node),
                    #[allow(unreachable_patterns, reason = "tables without other fields")]
                    _ => None,
                }
            }
        }
    )+};
}

on_nodes! {
    /// A process that dies.
    Down {
        /// Time until it is started again; without it, it stays down. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A machine that loses power.
    PowerCut {
        /// Whether a write that was under way may be left half done on the disk. Default: false.
        torn: Option<bool>,
        /// Time until it is started again; without it, it stays down. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A process that is asked to end.
    Shutdown {
        /// `SHUTDOWN SAVE` or `SHUTDOWN NOSAVE`; without it, the save points decide.
        save: Option<bool>,
        /// Time until it is started again; without it, it stays down. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A process that stops for a while.
    Pause {
        /// How long; without it, until `resume`. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A slow reader.
    Lag {
        /// How fast it reads; without it, it reads nothing. Drawn once a run.
        read: Option<Spot<Range<Bandwidth>>>,
        /// How long; without it, until `catch-up`. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A slow disk.
    SlowDisk {
        /// Time an operation takes, drawn for each.
        latency: Option<Range<Time>>,
        /// Bytes a second. Drawn once a run.
        bandwidth: Option<Spot<Range<Bandwidth>>>,
        /// How long; without it, until `disk-ok`. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A full disk.
    FullDisk {
        /// Room that is left, in bytes. Default: none.
        free: Option<Spot<Range<Size>>>,
        /// How long; without it, until `disk-ok`. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A failing disk.
    DiskError {
        /// Which operations fail. Default: "write".
        on: Option<DiskOperation>,
        /// Share of the operations that fail. Default: 1.
        chance: Option<Share>,
        /// How long; without it, until `disk-ok`. Drawn once a run.
        #[serde(rename = "for")]
        duration: Option<Spot<Range<Time>>>,
    }
    /// A hand-over from the master `node` to a replica.
    Failover {
        /// The replica to promote; without it, the master chooses.
        to: Option<Spot<String>>,
        /// `TIMEOUT`, whole milliseconds.
        timeout: Option<Time>,
        /// `FORCE` when the timeout is over.
        force: Option<bool>,
        /// `FAILOVER ABORT` instead.
        abort: Option<bool>,
    }
}

/// An operation on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiskOperation {
    /// Writes, and making files.
    #[default]
    Write,
    /// `fsync`.
    Sync,
    /// Reads.
    Read,
    /// Each of them.
    Any,
}

/// A clock that jumps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockJump {
    /// The node, or a list of nodes.
    pub node: Names,
    /// How far, with its sign: "+1h", "-30s".
    pub by: Jump,
}

/// `REPLICAOF`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplicaOf {
    /// The node, or a list of nodes, to which the command is sent.
    pub node: Names,
    /// The node to follow, or "no one".
    pub master: Spot<String>,
}

/// `CONFIG SET`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigSet {
    /// The node, or a list of nodes.
    pub node: Names,
    /// Directives and their new values.
    pub config: IndexMap<Spot<String>, Spot<ConfigValue>>,
}

/// One command, sent on a connection of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Command {
    /// The node to which it is sent.
    pub node: Spot<String>,
    /// The command: a line as one types it in redis-cli, or a list of its words.
    pub send: Spot<CommandLine>,
    /// The reply it must get, as `redis-cli --raw` prints it, or a range of integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Spot<Expected>>,
    /// The reply must be an error that starts so, like "READONLY".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_error: Option<Spot<String>>,
    /// The database in which it runs. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Spot<Count>>,
    /// The password to give first; without it, the node's own `requirepass`. "" gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A command as a line or as a list of words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CommandLine {
    /// A line; words in quotes may hold blanks.
    Line(String),
    /// Its words.
    Words(Vec<String>),
}

impl CommandLine {
    /// The words.
    ///
    /// # Errors
    /// When a quote is not closed, or there is no word.
    pub fn words(&self) -> Result<Vec<String>, String> {
        let words = match self {
            Self::Words(words) => words.clone(),
            Self::Line(line) => split_line(line)?,
        };
        if words.first().is_none_or(String::is_empty) {
            Err("there is no command".to_owned())
        } else {
            Ok(words)
        }
    }
}

/// Words of a line as redis-cli splits it.
fn split_line(line: &str) -> Result<Vec<String>, String> {
    let words = split_args(line.as_bytes())
        .ok_or("a quote is not closed, or no blank follows the one that closes")?;
    words
        .into_iter()
        .map(|word| {
            String::from_utf8(word).map_err(|word| {
                let word = String::from_utf8_lossy(word.as_bytes()).into_owned();
                format!("`{word}` is not UTF-8, as all words of a scenario are")
            })
        })
        .collect()
}

/// Fields of `INFO` and what they must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Check {
    /// The node, or a list of nodes.
    pub node: Names,
    /// Fields of `INFO` and their values.
    pub info: IndexMap<Spot<String>, Expected>,
}

/// Shorthands for scenarios built in code.
impl Action {
    /// A cut of `links` of the given kind, healed after `duration` if one is given.
    pub fn partition(links: Links, kind: Outage, duration: Option<Duration>) -> Self {
        let Links { between, from, to, node } = links;
        let duration = duration.map(|time| Range::fixed(Time(time)).into());
        Self::Partition(Partition { between, from, to, node, kind, duration })
    }
    /// Lifts all cuts of `links`.
    pub fn heal(links: Links) -> Self {
        Self::Heal(links)
    }
    /// `kill -9`, and a start after `duration` if one is given.
    pub fn kill(node: impl Into<Names>, duration: Option<Duration>) -> Self {
        Self::Kill(Down {
            node: node.into(),
            duration: duration.map(|time| Range::fixed(Time(time)).into()),
        })
    }
    /// Starts a node that is down.
    pub fn start(node: impl Into<Names>) -> Self {
        Self::Start(node.into())
    }
    /// `SHUTDOWN` and a start.
    pub fn restart(node: impl Into<Names>) -> Self {
        Self::Restart(node.into())
    }
    /// `REPLICAOF`; `None` is `NO ONE`.
    pub fn replicaof(node: impl Into<Names>, master: Option<&str>) -> Self {
        Self::ReplicaOf(ReplicaOf { node: node.into(), master: master.unwrap_or("no one").into() })
    }
    /// `line` must be answered with `reply`.
    pub fn command(node: &str, line: &str, reply: &str) -> Self {
        Self::Command(Command {
            node: node.into(),
            send: CommandLine::Line(line.to_owned()).into(),
            expect: Some(Expected::Text(reply.to_owned()).into()),
            expect_error: None,
            database: None,
            password: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_as_in_redis_cli() {
        let words = |line: &str| CommandLine::Line(line.to_owned()).words();
        assert_eq!(words("SET a  1"), Ok(vec!["SET".into(), "a".into(), "1".into()]));
        assert_eq!(words(r#"SET a "x \" y""#), Ok(vec!["SET".into(), "a".into(), "x \" y".into()]));
        assert_eq!(words("SET a ''"), Ok(vec!["SET".into(), "a".into(), String::new()]));
        assert!(words("SET a \"x").is_err());
        assert!(words("  ").is_err());
        assert!(words("GET 'a'b").is_err());
    }
}
