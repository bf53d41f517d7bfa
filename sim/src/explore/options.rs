//! Configuration, network and workload of a generated world.
//!
//! Must never: set what makes an invariant lose sight of the data (a writable replica).

use std::time::Duration;

use super::faults::{fixed, millis};
use super::generate::Member;
use super::swarm::Dice;
use crate::scenario::{
    Action, CommandFamily, CommandLine, ConfigValue, Count, Links, Network, Outage, Range,
    Scenario, ScenarioBuilder, Share, Spot, Time, Unit, Wait, Workload,
};

/// A save or a load of all keys takes at most about so long.
const LONGEST_SAVE: Duration = Duration::from_secs(6);

/// Directives of all nodes.
pub(super) fn common(
    mut builder: ScenarioBuilder,
    dice: &mut Dice,
    members: &[Member],
) -> ScenarioBuilder {
    let mut timeout = *dice.pick(&["3", "4", "4", "6", "10", "20"]);
    let often = timeout == "3" || dice.chance(0.4);
    let period = if often { "1" } else { *dice.pick(&["2", "3"]) };
    builder = builder.config("repl-ping-replica-period", period);
    builder = builder.config("repl-diskless-sync", *dice.pick(&["yes", "no"]));
    builder = builder.config("repl-diskless-sync-delay", *dice.pick(&["0", "0", "1", "3"]));
    let backlog = dice.magnitude(16 << 10, 1 << 20).to_string();
    builder = builder.config("repl-backlog-size", backlog.as_str());
    if dice.chance(0.4) {
        builder = builder.config("repl-backlog-ttl", *dice.pick(&["0", "1", "2", "3", "6"]));
    }
    if dice.chance(0.3) {
        builder = builder.config("repl-diskless-load", *dice.pick(&["on-empty-db", "swapdb"]));
        // Who waits for the rest of what it loads hears no orders, either.
        if ["10", "20"].contains(&timeout) {
            timeout = "6";
        }
    }
    builder = builder.config("repl-timeout", timeout);
    if dice.chance(0.3) {
        let hard = dice.magnitude(64 << 10, 1 << 20);
        let limit = format!("replica {hard} {} {}", hard / 2, dice.number(1, 5));
        builder = builder.config("client-output-buffer-limit", limit.as_str());
    }
    if dice.chance(0.25) && members.len() > 1 {
        let most = (members.len() as u64 - 1).min(2);
        let wanted = dice.number(1, most).to_string();
        builder = builder.config("min-replicas-to-write", wanted.as_str());
        builder = builder.config("min-replicas-max-lag", *dice.pick(&["1", "2", "2", "5"]));
    }
    if dice.chance(0.2) {
        builder = builder.config("requirepass", "secret").config("masterauth", "secret");
    }
    if dice.chance(0.3) {
        // The longest: as long as all keys may take together, longer than most are patient.
        let delay = dice.magnitude(100, 50_000);
        let delay = if dice.chance(0.3) { LONGEST_SAVE.as_micros() as u64 } else { delay };
        builder = builder.config("rdb-key-save-delay", delay.to_string().as_str());
    }
    if dice.chance(0.2) {
        let delay = dice.magnitude(100, 10_000);
        let delay = if dice.chance(0.3) { LONGEST_SAVE.as_micros() as u64 } else { delay };
        builder = builder.config("key-load-delay", delay.to_string().as_str());
    }
    if dice.chance(0.15) {
        builder = builder.config("rdb-del-sync-files", "yes");
    }
    if dice.chance(0.1) {
        builder = builder.config("rdbcompression", "no");
    }
    if dice.chance(0.2) {
        builder = builder.config("replica-serve-stale-data", "no");
    }
    builder
}

/// A world in which replicas are left behind: much is written, and little may wait for them.
pub(super) fn crowd(
    builder: ScenarioBuilder,
    dice: &mut Dice,
    members: &[Member],
    (begin_ms, end_ms): (u64, u64),
) -> ScenarioBuilder {
    let hard = dice.magnitude(64 << 10, 1 << 20);
    let soft = hard / *dice.pick(&[2, 4, 16]);
    let limit = format!("replica {hard} {soft} {}", dice.number(1, 2));
    // At least once one of them is behind for long enough.
    let long_ms = dice.number(1_500, 6_000).min(end_ms - begin_ms - 1);
    let at_ms = dice.number(begin_ms, end_ms - long_ms - 1);
    let links = Links::between(members[0].name.as_str(), members[1].name.as_str());
    let stall = Action::partition(links, Outage::Stall, Some(Duration::from_millis(long_ms)));
    let backlog = dice.magnitude(16 << 10, 64 << 10).to_string();
    let (rate, value) = (dice.number(100, 400), dice.number(1_000, 4_000));
    let bandwidth = dice.magnitude(500_000, 4_000_000);
    builder.step(&millis(at_ms), stall).with(|scenario| {
        // Of all nodes, also of those that have another of their own.
        for node in scenario.nodes.values_mut() {
            node.config.shift_remove("repl-backlog-size");
        }
        let mut set = |name: &str, value: String| {
            scenario.config.insert(name.into(), ConfigValue::from(value.as_str()).into());
        };
        set("client-output-buffer-limit", limit);
        set("repl-backlog-size", backlog);
        // A fast network takes in more than a limit allows before anything has to wait.
        scenario.network.bandwidth = fixed(Unit::from_u64(bandwidth));
        for workload in scenario.workload.0.iter_mut().take(1) {
            workload.rate = fixed(Count(rate));
            workload.value_bytes = Some(between(value / 2, value).into());
            workload.commands = Some(vec![CommandFamily::Strings].into());
        }
    })
}

/// What concerns the nodes of a world one by one.
pub(super) struct World {
    /// Replicas announce their names, so that `FAILOVER TO` can name them.
    pub(super) named: bool,
    /// Some start late, at this time at the latest.
    pub(super) late_ms: Option<u64>,
}

/// Directives of one node, and when it starts.
pub(super) fn of_node(
    mut builder: ScenarioBuilder,
    dice: &mut Dice,
    index: usize,
    name: &str,
    world: &World,
) -> ScenarioBuilder {
    if world.named {
        builder = builder.config("replica-announce-ip", name);
    }
    builder = builder.config("save", *dice.pick(&["", "", "1 1", "3 10"]));
    if let Some(latest_ms) = world.late_ms
        && index > 0
        && dice.chance(0.2)
    {
        let at = Time::from_u64(dice.number(0, latest_ms) * 1_000);
        builder = builder.with(|scenario| {
            if let Some((_, node)) = scenario.nodes.last_mut() {
                node.starts = fixed(at);
            }
        });
    }
    builder
}

fn between<T: Unit>(low: u64, high: u64) -> Range<T> {
    Range { low: T::from_u64(low), high: T::from_u64(high) }
}

/// The network when nothing is wrong with it.
pub(super) fn network(scenario: &mut Scenario, dice: &mut Dice) {
    let low = dice.magnitude(100, 20_000);
    let high = low + dice.magnitude(100, 30_000);
    scenario.network = Network {
        latency: Some(between(low, high)),
        bandwidth: dice
            .chance(0.4)
            .then(|| Range::fixed(Unit::from_u64(dice.magnitude(50_000, 5_000_000))).into()),
        segment: dice
            .chance(0.4)
            .then(|| Range::fixed(Unit::from_u64(dice.magnitude(16, 4_096))).into()),
    };
}

/// One or two workloads that end with the faults; where there are passwords, sometimes also
/// someone who has none.
pub(super) fn workload(
    scenario: &mut Scenario,
    dice: &mut Dice,
    members: &[Member],
    begin_ms: u64,
    end_ms: u64,
) {
    let count = if dice.chance(0.2) { 2 } else { 1 };
    scenario.workload.0 =
        (0..count).map(|_| one_workload(dice, members, begin_ms, end_ms)).collect();
    let locked = scenario.config.keys().any(|name| name.as_str() == "requirepass");
    if locked && dice.chance(0.5) {
        let mut intruder = one_workload(dice, members, begin_ms, end_ms);
        intruder.password = Some(String::new());
        intruder.rate = fixed(Count(dice.number(1, 10)));
        scenario.workload.0.push(intruder);
    }
    shorten_saves(scenario);
}

/// All keys together are saved and loaded in less time than the operator goes on giving orders at
/// the end: one who waits for a save cannot hear them.
fn shorten_saves(scenario: &mut Scenario) {
    let most = slowest_key_us(scenario);
    for (name, value) in &mut scenario.config {
        let is_slow = ["rdb-key-save-delay", "key-load-delay"].contains(&name.as_str());
        if is_slow && value.text().parse().is_ok_and(|delay: u64| delay > most) {
            *value = ConfigValue::Text(most.to_string()).into();
        }
    }
}

/// The same for what nodes are told in the course of it.
pub(super) fn shorten_saves_told(scenario: &mut Scenario) {
    let most = slowest_key_us(scenario);
    for step in &mut scenario.steps {
        let Action::Command(command) = &mut step.action else { continue };
        let words = command.send.words().unwrap_or_default();
        if let [_, _, name, delay] = words.as_slice()
            && name == "rdb-key-save-delay"
            && delay.parse().is_ok_and(|delay: u64| delay > most)
        {
            command.send = CommandLine::Line(format!("CONFIG SET {name} {most}")).into();
        }
    }
}

/// The most that each key may take, in microseconds.
fn slowest_key_us(scenario: &Scenario) -> u64 {
    let keys = |workload: &Workload| {
        // Those of strings twice, as numbers too; a few of each other type; and the operator's.
        let keys = workload.keys.as_ref().map_or(1, |keys| keys.high.0) * 2 + 80;
        keys * workload.databases.as_ref().map_or(1, |count| count.0)
    };
    let keys: u64 = scenario.workload.0.iter().map(keys).max().unwrap_or(1);
    LONGEST_SAVE.as_micros() as u64 / keys.max(1)
}

/// The families of commands of a workload: often few, so that they meet.
fn commands(dice: &mut Dice) -> Vec<CommandFamily> {
    use CommandFamily::*;
    const ALL: [CommandFamily; 15] = [
        Strings, Edits, Lists, Sets, Hashes, SortedSets, Streams, Blocking, Keys, Databases, Watch,
        Edges, Turns, Messages, Functions,
    ];
    if dice.chance(0.3) {
        return vec![Strings];
    }
    // By themselves: the model sees nothing after them.
    if dice.chance(0.07) {
        return vec![Others];
    }
    let share = *dice.pick(&[0.15, 0.3, 0.6]);
    dice.some(&ALL, share)
}

fn one_workload(dice: &mut Dice, members: &[Member], begin_ms: u64, end_ms: u64) -> Workload {
    let share = |dice: &mut Dice, exists: f64, most: u64| {
        let value = if dice.chance(exists) { dice.number(1, most) as f64 / 100.0 } else { 0.0 };
        Some(Share(value).into())
    };
    let count = |number: u64| Some(Spot::from(Count(number)));
    let value_high = dice.magnitude(8, 4_000);
    let ttl_ms = dice.magnitude(5, 5_000);
    let pipeline = if dice.chance(0.3) { dice.number(2, 20) } else { 1 };
    // Long ones can be cut in the midst.
    let longest = if dice.chance(0.3) { dice.magnitude(6, 60) } else { 5 };
    let wait = (members.len() > 1 && dice.chance(0.25)).then(|| Wait {
        replicas: Count(dice.number(1, members.len() as u64)),
        timeout: Some(Time::from_u64(dice.magnitude(10, 1_500) * 1_000)),
        share: Some(Share(dice.number(1, 100) as f64 / 100.0)),
    });
    let families = commands(dice);
    let blocks = families.contains(&CommandFamily::Blocking);
    let several = families.contains(&CommandFamily::Turns) || dice.chance(0.5);
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    Workload {
        clients: count(if blocks { 3 } else { dice.number(1, 3) }),
        to: dice.chance(0.15).then(|| dice.pick(members).name.as_str().into()),
        rate: fixed(Count(dice.magnitude(5, 400))),
        reads: share(dice, 0.5, 60),
        // A master removes what its readers find expired.
        read_from: dice.chance(0.25).then(|| names.as_slice().into()),
        keys: fixed(Count(dice.magnitude(2, 500))),
        databases: count(if several { *dice.pick(&[2, 2, 3, 5, 16]) } else { 1 }),
        value_bytes: Some(between(1, value_high).into()),
        commands: Some(families.into()),
        deletes: share(dice, 0.6, 30),
        increments: share(dice, 0.6, 30),
        expire: share(dice, 0.4, 40),
        ttl: Some(between(ttl_ms * 500, ttl_ms * 1_500).into()),
        transactions: share(dice, 0.35, 50),
        transaction_length: Some(between(2, longest).into()),
        pipeline: Some(between(1, pipeline).into()),
        wait,
        start: fixed(Time::from_u64((begin_ms + dice.number(0, (end_ms - begin_ms) / 4)) * 1_000)),
        stop: fixed(Time::from_u64(end_ms * 1_000)),
        ..Workload::default()
    }
}
