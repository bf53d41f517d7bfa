//! Scenarios written as TOML, and resolved ones turned back into scenarios of fixed values.
//!
//! Must never: write what does not read back as the same value.

use indexmap::IndexMap;
use toml::{Table, Value};

use super::resolved::{LinkSet, ReplySpec, ResolvedScenario, StepAction, TimedStep, WorkloadSpec};
use super::spot::{Names, Spot};
use super::step::{
    Action, Check, ClockJump, Command, CommandLine, ConfigSet, DiskError, Down, Failover, FullDisk,
    Lag, Links, Partition, Pause, PowerCut, ReplicaOf, Shutdown, Slow, SlowDisk, Step,
};
use super::value::{Bandwidth, Count, Range, Share, Size, Time};
use super::{
    ConfigValue, Expect, Network, Node, Run, Scenario, SeedText, Seeds, Wait, Workload, Workloads,
};

fn fixed<T: super::Unit>(value: T) -> Option<Spot<Range<T>>> {
    Some(Range::fixed(value).into())
}

fn names(list: &[String]) -> Names {
    list.into()
}

fn links(set: &LinkSet) -> Links {
    let (a, b) = (names(&set.from), names(&set.to));
    match (set.from == set.to, set.both_ways) {
        (true, _) => Links::all(),
        (false, true) => Links { between: Some([a, b].into()), ..Links::default() },
        (false, false) => Links { from: Some(a), to: Some(b), ..Links::default() },
    }
}

fn config(list: &[(String, String)]) -> IndexMap<Spot<String>, Spot<ConfigValue>> {
    list.iter()
        .map(|(name, value)| (name.clone().into(), ConfigValue::Text(value.clone()).into()))
        .collect()
}

impl ResolvedScenario {
    /// The same scenario in the format of files, with nothing left to draw once, and with its
    /// seed as the only one.
    pub fn to_scenario(&self) -> Scenario {
        let expect = &self.expect;
        let keyed = |list: &[(String, Range<Count>)]| {
            list.iter().map(|(n, r)| (n.clone().into(), *r)).collect()
        };
        let fields = |list: &[(String, super::Expected)]| {
            list.iter().map(|(f, v)| (f.clone().into(), v.clone())).collect()
        };
        let seed = match i64::try_from(self.seed.0) {
            Ok(_) => SeedText::Number(self.seed.0),
            // TOML integers have 63 bits.
            Err(_) => SeedText::Text(format!("{:#x}", self.seed.0)),
        };
        Scenario {
            name: self.name.clone(),
            title: self.title.clone().into(),
            about: self.about.clone(),
            nodes: self
                .nodes
                .iter()
                .map(|node| {
                    let starts =
                        if node.starts.is_zero() { None } else { fixed(Time(node.starts)) };
                    let replicaof = node.replicaof.clone().map(Spot::from);
                    (
                        node.name.clone().into(),
                        Node { replicaof, starts, config: config(&node.config) },
                    )
                })
                .collect(),
            config: IndexMap::new(),
            network: Network {
                latency: Some(self.network.latency),
                bandwidth: self.network.bandwidth.and_then(|b| fixed(Bandwidth(b))),
                segment: fixed(Size(self.network.segment)),
            },
            workload: Workloads(self.workloads.iter().map(workload).collect()),
            steps: self.steps.iter().map(step).collect(),
            expect: Expect {
                converged_within: expect.converged_within.map(|time| Time(time).into()),
                violation: expect.violation.clone().map(Spot::from),
                full_syncs: keyed(&expect.full_syncs),
                partial_syncs: keyed(&expect.partial_syncs),
                info: expect
                    .info
                    .iter()
                    .map(|(node, list)| (node.clone().into(), fields(list)))
                    .collect(),
            },
            run: Run {
                duration: Some(Time(self.run.duration).into()),
                seeds: Some(Seeds::List(vec![seed]).into()),
                tick: Some(Time(self.run.tick).into()),
            },
            capsule: None,
        }
    }
}

fn workload(w: &WorkloadSpec) -> Workload {
    let share = |value: f64| Some(Share(value).into());
    Workload {
        clients: Some(Count(w.clients.len() as u64).into()),
        to: w.to.clone().map(Spot::from),
        rate: fixed(Count(w.rate)),
        reads: share(w.reads),
        read_from: w.read_from.as_deref().map(names),
        keys: fixed(Count(w.keys)),
        databases: Some(Count(w.databases).into()),
        value_bytes: Some(w.value_bytes.into()),
        commands: Some(w.commands.clone().into()),
        deletes: share(w.deletes),
        increments: share(w.increments),
        expire: share(w.expire),
        ttl: Some(w.ttl.into()),
        transactions: share(w.transactions),
        transaction_length: Some(w.transaction_length.into()),
        pipeline: Some(w.pipeline.into()),
        wait: w.wait.as_ref().map(|wait| Wait {
            replicas: Count(wait.replicas),
            timeout: Some(Time(wait.timeout)),
            share: Some(Share(wait.share)),
        }),
        user: w.user.clone(),
        password: w.password.clone(),
        start: fixed(Time(w.start)),
        stop: fixed(Time(w.stop)),
    }
}

fn step(step: &TimedStep) -> Step {
    Step {
        at: Range::fixed(Time(step.at)).into(),
        action: action(&step.action),
        place: Spot::default(),
    }
}

fn action(action: &StepAction) -> Action {
    let one = |node: &String| Names(vec![node.clone().into()]);
    let width = |bytes: &Option<u64>| bytes.and_then(|b| fixed(Bandwidth(b)));
    match action {
        StepAction::Partition { links: set, kind } => {
            let Links { between, from, to, node } = links(set);
            Action::Partition(Partition { between, from, to, node, kind: *kind, duration: None })
        }
        StepAction::Heal { links: set } => Action::Heal(links(set)),
        StepAction::Slow { links: set, latency, bandwidth, segment } => {
            let Links { between, from, to, node } = links(set);
            let segment = segment.and_then(|bytes| fixed(Size(bytes)));
            Action::Slow(Slow {
                between,
                from,
                to,
                node,
                latency: *latency,
                bandwidth: width(bandwidth),
                segment,
                duration: None,
            })
        }
        StepAction::FullSpeed { links: set } => Action::FullSpeed(links(set)),
        StepAction::Kill { node } => Action::Kill(Down { node: one(node), duration: None }),
        StepAction::PowerCut { node, torn } => Action::PowerCut(PowerCut {
            node: one(node),
            torn: torn.then_some(true),
            duration: None,
        }),
        StepAction::Shutdown { node, save } => {
            Action::Shutdown(Shutdown { node: one(node), save: *save, duration: None })
        }
        StepAction::Start { node } => Action::Start(one(node)),
        StepAction::Restart { node } => Action::Restart(one(node)),
        StepAction::RemoveRdb { node } => Action::RemoveRdb(one(node)),
        StepAction::Pause { node } => Action::Pause(Pause { node: one(node), duration: None }),
        StepAction::Resume { node } => Action::Resume(one(node)),
        StepAction::Lag { node, read } => {
            Action::Lag(Lag { node: one(node), read: fixed(Bandwidth(*read)), duration: None })
        }
        StepAction::CatchUp { node } => Action::CatchUp(one(node)),
        StepAction::SlowDisk { node, latency, bandwidth } => Action::SlowDisk(SlowDisk {
            node: one(node),
            latency: *latency,
            bandwidth: width(bandwidth),
            duration: None,
        }),
        StepAction::FullDisk { node, free } => {
            Action::FullDisk(FullDisk { node: one(node), free: fixed(Size(*free)), duration: None })
        }
        StepAction::DiskError { node, on, chance } => Action::DiskError(DiskError {
            node: one(node),
            on: Some(*on),
            chance: Some(Share(*chance)),
            duration: None,
        }),
        StepAction::DiskOk { node } => Action::DiskOk(one(node)),
        StepAction::ClockJump { node, by } => {
            Action::ClockJump(ClockJump { node: one(node), by: *by })
        }
        StepAction::ReplicaOf { node, master } => Action::ReplicaOf(ReplicaOf {
            node: one(node),
            master: master.clone().unwrap_or_else(|| "no one".to_owned()).into(),
        }),
        StepAction::Failover { node, to, timeout, force, abort } => Action::Failover(Failover {
            node: one(node),
            to: to.clone().map(Spot::from),
            timeout: timeout.map(Time),
            force: force.then_some(true),
            abort: abort.then_some(true),
        }),
        StepAction::ConfigSet { node, config: list } => {
            Action::ConfigSet(ConfigSet { node: one(node), config: config(list) })
        }
        StepAction::Command { node, send, reply, database, password } => {
            let (expect, expect_error) = match reply {
                Some(ReplySpec::Value(value)) => (Some(value.clone().into()), None),
                Some(ReplySpec::Error(text)) => (None, Some(text.clone().into())),
                None => (None, None),
            };
            Action::Command(Command {
                node: node.clone().into(),
                send: CommandLine::Words(send.clone()).into(),
                expect,
                expect_error,
                database: (*database > 0).then(|| Count(*database).into()),
                password: password.clone(),
            })
        }
        StepAction::Check { node, info } => Action::Check(Check {
            node: one(node),
            info: info.iter().map(|(field, value)| (field.clone().into(), value.clone())).collect(),
        }),
    }
}

impl Scenario {
    /// The scenario as a file.
    ///
    /// # Errors
    /// When a number does not fit into TOML's 63 bits.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(table_text(&Table::try_from(self)?))
    }
}

/// The text of a scenario's table, laid out as people write it.
pub(crate) fn table_text(table: &Table) -> String {
    let mut text = String::new();
    scalars(table, &mut text);
    for (key, value) in table {
        match value {
            Value::Table(inner) if key == "nodes" => {
                for (name, node) in inner {
                    section(&format!("[nodes.{}]", quoted(name)), node, &mut text);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for item in items {
                    section(&format!("[[{key}]]"), item, &mut text);
                }
            }
            value @ Value::Table(_) => section(&format!("[{key}]"), value, &mut text),
            _ => {}
        }
    }
    text
}

fn section(header: &str, value: &Value, text: &mut String) {
    text.push_str(&format!("\n{header}\n"));
    if let Value::Table(table) = value {
        for (key, value) in table {
            text.push_str(&format!("{} = {}\n", quoted(key), inline(value)));
        }
    }
}

fn scalars(table: &Table, text: &mut String) {
    for (key, value) in table {
        let line = match value {
            Value::Table(_) => continue,
            Value::Array(items) if items.iter().any(Value::is_table) => continue,
            Value::String(prose)
                if prose.contains('\n')
                    && !prose.contains(['\\', '\r'])
                    && !prose.contains("\"\"\"")
                    && !prose.ends_with('"')
                    && !prose.chars().any(|c| c.is_control() && c != '\n') =>
            {
                format!("{key} = \"\"\"\n{prose}\"\"\"\n")
            }
            value => format!("{key} = {}\n", inline(value)),
        };
        text.push_str(&line);
    }
}

fn quoted(key: &str) -> String {
    let bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { key.to_owned() } else { inline(&Value::String(key.to_owned())) }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", quoted(key), inline(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => basic_string(text),
        scalar => scalar.to_string(),
    }
}

/// A string on one line, whatever it holds.
fn basic_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
