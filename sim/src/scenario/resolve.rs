//! Resolution: a scenario and a seed become a list of fixed decisions.
//!
//! Every range that is drawn once a run is drawn from a stream named after what it decides
//! (`kill r1 #1 at`), never from a shared one, so that a step more or less moves nothing else.
//! Ranges that are distributions (latency of a segment, length of a value) stay ranges: they
//! are drawn during the run. Must never: leave anything undecided that happens once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::resolved::{
    ExpectSpec, LinkSet, NetworkSpec, NodeSpec, ReplySpec, ResolvedScenario, RunSpec, StepAction,
    TimedStep, WaitSpec, WorkloadSpec,
};
use super::spot::Spot;
use super::step::{Action, CommandLine, Links};
use super::value::{Bandwidth, Count, Expected, Range, Share, Size, Time, Unit};
use super::{CommandFamily, ConfigValue, Scenario, Workload};
use crate::seed::Seed;

/// Simulated time of a run when the scenario does not say.
pub const DEFAULT_DURATION: Time = Time(Duration::from_secs(60));
/// Length of a tick when the scenario does not say.
pub use crate::simulation::DEFAULT_TICK;

impl Scenario {
    /// Draws every range from its own stream of `seed`. The scenario must be valid.
    pub fn resolve(&self, seed: Seed) -> ResolvedScenario {
        let draw = Draw(seed);
        let nodes = self.nodes.iter().map(|(name, node)| {
            let mut config: Vec<(String, String)> = Vec::new();
            for (directive, value) in
                self.config.iter().filter(|(d, _)| !node.config.contains_key(d.as_str()))
            {
                // Drawn under one name: a choice for all nodes is the same for all.
                config.push((
                    directive.to_string(),
                    draw.config(&format!("config {directive}"), value),
                ));
            }
            for (directive, value) in &node.config {
                config.push((
                    directive.to_string(),
                    draw.config(&format!("config {name} {directive}"), value),
                ));
            }
            NodeSpec {
                name: name.to_string(),
                replicaof: node.replicaof.as_ref().map(ToString::to_string),
                starts: draw
                    .time(&format!("starts {name}"), node.starts.as_ref())
                    .unwrap_or_default(),
                config,
            }
        });
        let duration = self.run.duration.as_deref().copied().unwrap_or(DEFAULT_DURATION).0;
        ResolvedScenario {
            name: self.name.clone(),
            title: self.title.to_string(),
            about: self.about.clone(),
            seed,
            nodes: nodes.collect(),
            network: NetworkSpec {
                latency: self
                    .network
                    .latency
                    .unwrap_or(Range { low: Time::from_u64(1_000), high: Time::from_u64(2_000) }),
                bandwidth: draw.number("network bandwidth", self.network.bandwidth.as_ref()),
                segment: draw
                    .number("network segment", self.network.segment.as_ref())
                    .unwrap_or(64 << 10),
            },
            workloads: self.resolve_workloads(&draw, duration),
            steps: self.resolve_steps(&draw),
            expect: self.resolve_expect(),
            run: RunSpec {
                duration,
                tick: self.run.tick.as_deref().map_or(DEFAULT_TICK, |tick| tick.0),
            },
        }
    }

    fn resolve_workloads(&self, draw: &Draw, end: Duration) -> Vec<WorkloadSpec> {
        let mut clients = self.clients().into_iter();
        let mut number = 0;
        let specs = self.workload.0.iter().map(|w| {
            number += 1;
            let count = w.clients.as_deref().map_or(1, |count| count.0);
            let names =
                clients.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)).collect();
            workload(w, draw, &format!("workload {number}"), names, end)
        });
        specs.collect()
    }

    fn resolve_steps(&self, draw: &Draw) -> Vec<TimedStep> {
        let hosts = self.hosts();
        let mut seen = BTreeMap::new();
        let mut steps = Vec::new();
        for step in &self.steps {
            let base = format!("{} {}", step.action.key(), step.action.whom().join(" "));
            let ordinal = seen.entry(base.clone()).and_modify(|n| *n += 1).or_insert(1_u64);
            let label = format!("{base} #{ordinal}");
            let at = draw.time(&format!("{label} at"), Some(&step.at)).unwrap_or_default();
            expand(&step.action, at, &label, draw, &hosts, &mut steps);
        }
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// Names of all hosts: the nodes, then the clients.
    pub fn hosts(&self) -> Vec<String> {
        self.nodes.keys().map(ToString::to_string).chain(self.clients()).collect()
    }

    fn resolve_expect(&self) -> ExpectSpec {
        let expect = &self.expect;
        let counts = |map: &indexmap::IndexMap<Spot<String>, Range<Count>>| {
            map.iter().map(|(name, range)| (name.to_string(), *range)).collect()
        };
        ExpectSpec {
            converged_within: expect.converged_within.as_deref().map(|time| time.0),
            violation: expect.violation.as_ref().map(ToString::to_string),
            full_syncs: counts(&expect.full_syncs),
            partial_syncs: counts(&expect.partial_syncs),
            info: expect
                .info
                .iter()
                .map(|(name, fields)| (name.to_string(), pairs(fields)))
                .collect(),
        }
    }
}

fn pairs(fields: &indexmap::IndexMap<Spot<String>, Expected>) -> Vec<(String, Expected)> {
    fields.iter().map(|(field, value)| (field.to_string(), value.clone())).collect()
}

fn workload(
    w: &Workload,
    draw: &Draw,
    label: &str,
    clients: Vec<String>,
    end: Duration,
) -> WorkloadSpec {
    let share =
        |share: &Option<Spot<Share>>, default: f64| share.as_deref().map_or(default, |Share(s)| *s);
    // The defaults give way to what is written, for together they are shares of the writes.
    let written = share(&w.deletes, 0.0) + share(&w.increments, 0.0) + share(&w.expire, 0.0);
    let room = ((1.0 - written) / 0.15).clamp(0.0, 1.0);
    let counts = |range: &Option<Spot<Range<Count>>>, low, high| {
        range.as_deref().copied().unwrap_or(Range { low: Count(low), high: Count(high) })
    };
    let number = |what: &str, range: &Option<Spot<Range<Count>>>| {
        draw.number(&format!("{label} {what}"), range.as_ref())
    };
    let seconds = |low, high| Range {
        low: Time(Duration::from_secs(low)),
        high: Time(Duration::from_secs(high)),
    };
    WorkloadSpec {
        clients,
        to: w.to.as_ref().map(ToString::to_string),
        rate: number("rate", &w.rate).unwrap_or(50),
        reads: share(&w.reads, 0.0),
        read_from: w.read_from.as_ref().map(super::Names::texts),
        keys: number("keys", &w.keys).unwrap_or(1000),
        databases: w.databases.as_deref().map_or(1, |count| count.0),
        value_bytes: w.value_bytes.as_deref().copied().unwrap_or(Range::fixed(Size(100))),
        commands: w.commands.as_deref().cloned().unwrap_or_else(|| vec![CommandFamily::Strings]),
        deletes: share(&w.deletes, 0.05 * room),
        increments: share(&w.increments, 0.1 * room),
        expire: share(&w.expire, 0.0),
        ttl: w.ttl.as_deref().copied().unwrap_or(seconds(1, 10)),
        transactions: share(&w.transactions, 0.0),
        transaction_length: counts(&w.transaction_length, 2, 5),
        pipeline: counts(&w.pipeline, 1, 1),
        wait: w.wait.as_ref().map(|wait| WaitSpec {
            replicas: wait.replicas.0,
            timeout: wait.timeout.map_or(Duration::from_secs(1), |time| time.0),
            share: wait.share.map_or(1.0, |share| share.0),
        }),
        user: w.user.clone(),
        password: w.password.clone(),
        start: draw.time(&format!("{label} start"), w.start.as_ref()).unwrap_or_default(),
        stop: draw.time(&format!("{label} stop"), w.stop.as_ref()).unwrap_or(end),
    }
}

/// Draws from named streams of one seed.
struct Draw(Seed);

impl Draw {
    fn number<T: Unit>(&self, name: &str, range: Option<&Spot<Range<T>>>) -> Option<u64> {
        Some(range?.draw(&mut self.0.stream("scenario", name)).to_u64())
    }

    fn time(&self, name: &str, range: Option<&Spot<Range<Time>>>) -> Option<Duration> {
        self.number(name, range).map(Duration::from_micros)
    }

    fn config(&self, name: &str, value: &ConfigValue) -> String {
        let ConfigValue::OneOf(choice) = value else { return value.text() };
        use rand::RngExt as _;
        let mut stream = self.0.stream("scenario", name);
        let index = stream.random_range(0..choice.one_of.len().max(1) as u64);
        let chosen = usize::try_from(index).ok().and_then(|index| choice.one_of.get(index));
        chosen.map(|value| self.config(name, value)).unwrap_or_default()
    }
}

impl Action {
    /// The names it is about, for the name of its stream.
    pub(super) fn whom(&self) -> Vec<String> {
        let links = |links: &Links| {
            let sides = links.between.iter().flat_map(|sides| sides.iter());
            let names = sides.chain(&links.from).chain(&links.to).chain(&links.node);
            names.flat_map(super::Names::texts).collect()
        };
        match self {
            Self::Partition(cut) => links(&cut.links()),
            Self::Slow(slow) => links(&slow.links()),
            Self::Heal(all) | Self::FullSpeed(all) => links(all),
            Self::Kill(it) => it.node.texts(),
            Self::PowerCut(it) => it.node.texts(),
            Self::Shutdown(it) => it.node.texts(),
            Self::Pause(it) => it.node.texts(),
            Self::Lag(it) => it.node.texts(),
            Self::SlowDisk(it) => it.node.texts(),
            Self::FullDisk(it) => it.node.texts(),
            Self::DiskError(it) => it.node.texts(),
            Self::Start(names)
            | Self::Restart(names)
            | Self::RemoveRdb(names)
            | Self::Resume(names)
            | Self::CatchUp(names)
            | Self::DiskOk(names) => names.texts(),
            Self::ClockJump(it) => it.node.texts(),
            Self::ReplicaOf(it) => it.node.texts(),
            Self::Failover(it) => it.node.texts(),
            Self::ConfigSet(it) => it.node.texts(),
            Self::Command(it) => vec![it.node.to_string()],
            Self::Check(it) => it.node.texts(),
        }
    }
}

fn link_set(links: &Links, hosts: &[String]) -> LinkSet {
    let texts = super::Names::texts;
    if let Some(sides) = &links.between {
        return LinkSet { from: texts(&sides[0]), to: texts(&sides[1]), both_ways: true };
    }
    if let (Some(from), Some(to)) = (&links.from, &links.to) {
        return LinkSet { from: texts(from), to: texts(to), both_ways: false };
    }
    let nodes = links.node.as_ref().map(texts).unwrap_or_default();
    if nodes.iter().any(|name| name == "all") {
        return LinkSet { from: hosts.to_vec(), to: hosts.to_vec(), both_ways: true };
    }
    let others = hosts.iter().filter(|host| !nodes.contains(host)).cloned().collect();
    LinkSet { from: nodes, to: others, both_ways: true }
}

/// One action of a file as the fixed actions it stands for.
fn expand(
    action: &Action,
    at: Duration,
    label: &str,
    draw: &Draw,
    hosts: &[String],
    steps: &mut Vec<TimedStep>,
) {
    let mut push = |at: Duration, action: StepAction| steps.push(TimedStep { at, action });
    let lasts =
        |range: &Option<Spot<Range<Time>>>| draw.time(&format!("{label} for"), range.as_ref());
    // Does one thing to each node, and undoes it after a while when asked to.
    let mut each = |nodes: &super::Names,
                    duration: Option<Duration>,
                    make: &dyn Fn(String) -> StepAction,
                    undo: &dyn Fn(String) -> StepAction| {
        for node in nodes.texts() {
            push(at, make(node.clone()));
            if let Some(duration) = duration {
                push(at + duration, undo(node));
            }
        }
    };
    let once = |_: String| -> StepAction { unreachable!("an action without `for` is not undone") };
    let start = |node| StepAction::Start { node };
    let disk_ok = |node| StepAction::DiskOk { node };
    let number = |what: &str, range: &Option<Spot<Range<Bandwidth>>>| {
        draw.number(&format!("{label} {what}"), range.as_ref())
    };
    let size = |what: &str, range: &Option<Spot<Range<Size>>>| {
        draw.number(&format!("{label} {what}"), range.as_ref())
    };
    match action {
        Action::Partition(cut) => {
            let links = link_set(&cut.links(), hosts);
            push(at, StepAction::Partition { links: links.clone(), kind: cut.kind });
            if let Some(duration) = lasts(&cut.duration) {
                push(at + duration, StepAction::Heal { links });
            }
        }
        Action::Heal(links) => push(at, StepAction::Heal { links: link_set(links, hosts) }),
        Action::Slow(slow) => {
            let links = link_set(&slow.links(), hosts);
            let (bandwidth, segment) =
                (number("bandwidth", &slow.bandwidth), size("segment", &slow.segment));
            push(
                at,
                StepAction::Slow {
                    links: links.clone(),
                    latency: slow.latency,
                    bandwidth,
                    segment,
                },
            );
            if let Some(duration) = lasts(&slow.duration) {
                push(at + duration, StepAction::FullSpeed { links });
            }
        }
        Action::FullSpeed(links) => {
            push(at, StepAction::FullSpeed { links: link_set(links, hosts) })
        }
        Action::Kill(it) => {
            each(&it.node, lasts(&it.duration), &|node| StepAction::Kill { node }, &start)
        }
        Action::PowerCut(it) => {
            let torn = it.torn.unwrap_or(false);
            each(
                &it.node,
                lasts(&it.duration),
                &|node| StepAction::PowerCut { node, torn },
                &start,
            );
        }
        Action::Shutdown(it) => {
            each(
                &it.node,
                lasts(&it.duration),
                &|node| StepAction::Shutdown { node, save: it.save },
                &start,
            );
        }
        Action::Pause(it) => {
            each(&it.node, lasts(&it.duration), &|node| StepAction::Pause { node }, &|node| {
                StepAction::Resume { node }
            });
        }
        Action::Lag(it) => {
            let read = number("read", &it.read).unwrap_or(0);
            each(&it.node, lasts(&it.duration), &|node| StepAction::Lag { node, read }, &|node| {
                StepAction::CatchUp { node }
            });
        }
        Action::SlowDisk(it) => {
            let bandwidth = number("bandwidth", &it.bandwidth);
            let make = |node| StepAction::SlowDisk { node, latency: it.latency, bandwidth };
            each(&it.node, lasts(&it.duration), &make, &disk_ok);
        }
        Action::FullDisk(it) => {
            let free = size("free", &it.free).unwrap_or(0);
            each(
                &it.node,
                lasts(&it.duration),
                &|node| StepAction::FullDisk { node, free },
                &disk_ok,
            );
        }
        Action::DiskError(it) => {
            let (on, chance) = (it.on.unwrap_or_default(), it.chance.map_or(1.0, |share| share.0));
            each(
                &it.node,
                lasts(&it.duration),
                &|node| StepAction::DiskError { node, on, chance },
                &disk_ok,
            );
        }
        Action::Start(names) => each(names, None, &start, &once),
        Action::Restart(names) => each(names, None, &|node| StepAction::Restart { node }, &once),
        Action::RemoveRdb(names) => {
            each(names, None, &|node| StepAction::RemoveRdb { node }, &once)
        }
        Action::Resume(names) => each(names, None, &|node| StepAction::Resume { node }, &once),
        Action::CatchUp(names) => each(names, None, &|node| StepAction::CatchUp { node }, &once),
        Action::DiskOk(names) => each(names, None, &disk_ok, &once),
        Action::ClockJump(it) => {
            each(&it.node, None, &|node| StepAction::ClockJump { node, by: it.by }, &once)
        }
        Action::ReplicaOf(it) => {
            let master = (!it.master.eq_ignore_ascii_case("no one")).then(|| it.master.to_string());
            each(
                &it.node,
                None,
                &|node| StepAction::ReplicaOf { node, master: master.clone() },
                &once,
            );
        }
        Action::Failover(it) => {
            let make = |node| StepAction::Failover {
                node,
                to: it.to.as_ref().map(ToString::to_string),
                timeout: it.timeout.map(|time| time.0),
                force: it.force.unwrap_or(false),
                abort: it.abort.unwrap_or(false),
            };
            each(&it.node, None, &make, &once);
        }
        Action::ConfigSet(it) => {
            let config: Vec<_> = it
                .config
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), draw.config(&format!("{label} {name}"), value))
                })
                .collect();
            each(
                &it.node,
                None,
                &|node| StepAction::ConfigSet { node, config: config.clone() },
                &once,
            );
        }
        Action::Command(it) => {
            let value = it.expect.as_deref().cloned().map(ReplySpec::Value);
            let reply = value.or_else(|| {
                it.expect_error.as_ref().map(|text| ReplySpec::Error(text.to_string()))
            });
            let send = match &*it.send {
                CommandLine::Words(words) => words.clone(),
                // Validation has split the line before.
                line => line.words().unwrap_or_default(),
            };
            let database = it.database.as_deref().map_or(0, |count| count.0);
            push(
                at,
                StepAction::Command {
                    node: it.node.to_string(),
                    send,
                    reply,
                    database,
                    password: it.password.clone(),
                },
            );
        }
        Action::Check(it) => {
            each(&it.node, None, &|node| StepAction::Check { node, info: pairs(&it.info) }, &once);
        }
    }
}
