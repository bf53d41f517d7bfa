//! What goes wrong in a generated world, and what its operator does.
//!
//! Must never: expect an answer. The operator of a generated world speaks to nodes that may be
//! dead, paused or cut off.

use super::generate::Member;
use super::profile::Profile;
use super::swarm::Dice;
use crate::scenario::{
    Action, ClockJump, Command, CommandLine, DiskError, DiskOperation, Down, Expected, FullDisk,
    Jump, Lag, Links, Names, Outage, Partition, Pause, PowerCut, Range, ScenarioBuilder, Share,
    Shutdown, Slow, SlowDisk, Spot, Time, Unit,
};
use crate::seed::Seed;

/// When faults happen, in milliseconds of the run.
pub(super) struct Phase {
    pub(super) begin_ms: u64,
    pub(super) end_ms: u64,
}

/// What may exist in a world or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Stall,
    Reset,
    Blackhole,
    SlowLink,
    Kill,
    PowerCut,
    Restart,
    Shutdown,
    Pause,
    Lag,
    SlowDisk,
    FullDisk,
    DiskError,
    ClockJump,
    RemoveRdb,
    Follow,
    Promote,
    HandOver,
    Failover,
    Tune,
    Save,
    /// The configuration is kept, and a process begins with what was kept.
    Rewrite,
    Flush,
    Disconnect,
    Fill,
    /// The master is asked for bytes at the very edges of what it may give.
    Probe,
    /// A replica is cut off exactly where the backlog will begin: see [`super::edge`].
    Edge,
    /// A replica has to take a snapshot while something happens to it.
    Fresh,
}

impl Family {
    pub(super) const ALL: &[Self] = &[
        Self::Stall,
        Self::Reset,
        Self::Blackhole,
        Self::SlowLink,
        Self::Kill,
        Self::PowerCut,
        Self::Restart,
        Self::Shutdown,
        Self::Pause,
        Self::Lag,
        Self::SlowDisk,
        Self::FullDisk,
        Self::DiskError,
        Self::ClockJump,
        Self::RemoveRdb,
        Self::Follow,
        Self::Promote,
        Self::HandOver,
        Self::Failover,
        Self::Failover,
        Self::Tune,
        Self::Save,
        Self::Flush,
        Self::Disconnect,
        Self::Fill,
        Self::Reset,
        Self::Probe,
        Self::Edge,
        Self::Fresh,
        Self::Rewrite,
    ];
}

/// Positions on either side of every edge that `PSYNC` has. The words in braces are fields of INFO
/// at that moment; a write in between moves the edge, which does no harm.
const PROBES: &[&str] = &[
    "PSYNC {master_replid} {repl_backlog_first_byte_offset-1}",
    "PSYNC {master_replid} {repl_backlog_first_byte_offset}",
    "PSYNC {master_replid} {repl_backlog_first_byte_offset+1}",
    "PSYNC {master_replid} {master_repl_offset}",
    "PSYNC {master_replid} {master_repl_offset+1}",
    "PSYNC {master_replid} {master_repl_offset+2}",
    "PSYNC {master_replid2} {second_repl_offset-1}",
    "PSYNC {master_replid2} {second_repl_offset}",
    "PSYNC {master_replid2} {second_repl_offset} FAILOVER",
    "PSYNC {master_replid2} {second_repl_offset+1}",
];

/// A time of the run as a scenario writes it.
pub(super) fn millis(ms: u64) -> String {
    format!("{ms}ms")
}

/// A value as a scenario writes it that leaves nothing to be drawn.
pub(super) fn fixed<T: Unit>(value: T) -> Option<Spot<Range<T>>> {
    Some(Range::fixed(value).into())
}

/// So long.
fn length(ms: u64) -> Option<Spot<Range<Time>>> {
    fixed(Time::from_u64(ms * 1_000))
}

/// A command of the operator, whatever comes of it.
pub(super) fn order(node: &str, line: &str) -> Action {
    order_expecting(node, line, None)
}

/// A command of the operator, which must be answered so.
pub(super) fn order_expecting(node: &str, line: &str, expect: Option<Expected>) -> Action {
    Action::Command(Command {
        node: node.into(),
        send: CommandLine::Line(line.to_owned()).into(),
        expect: expect.map(Into::into),
        expect_error: None,
        database: None,
        password: None,
    })
}

/// What exists in the world of a seed.
pub(super) fn families(seed: Seed, profile: Profile) -> Vec<Family> {
    let dice = &mut Dice::new(seed, "families");
    let share = *dice.pick(&[0.05, 0.12, 0.25, 0.5]);
    dice.some(profile.families(), share)
}

/// Adds the faults of a world.
pub(super) fn add(
    mut builder: ScenarioBuilder,
    seed: Seed,
    present: &[Family],
    members: &[Member],
    phase: &Phase,
) -> ScenarioBuilder {
    let present: Vec<Family> = present.iter().copied().filter(|f| *f != Family::Edge).collect();
    if present.is_empty() {
        return builder;
    }
    let mean_ms = Dice::new(seed, "density").magnitude(150, 6_000);
    let mut maker = Maker { dice: Dice::new(seed, "faults"), members, end_ms: phase.end_ms };
    let mut at_ms = phase.begin_ms;
    loop {
        at_ms += maker.dice.number(1, mean_ms * 2);
        if at_ms >= phase.end_ms {
            return builder;
        }
        let family = *maker.dice.pick(&present);
        for (after_ms, action) in maker.make(family, at_ms) {
            builder = builder.step(&millis((at_ms + after_ms).min(phase.end_ms)), action);
        }
    }
}

struct Maker<'a> {
    dice: Dice,
    members: &'a [Member],
    end_ms: u64,
}

impl Maker<'_> {
    fn node(&mut self) -> String {
        self.dice.pick(self.members).name.clone()
    }

    fn other(&mut self, than: &str) -> Option<String> {
        let others: Vec<&Member> = self.members.iter().filter(|m| m.name != than).collect();
        (!others.is_empty()).then(|| self.dice.pick(&others).name.clone())
    }

    /// How long something lasts: never beyond the end of all faults.
    fn lasting(&mut self, at_ms: u64, most_ms: u64) -> Option<Spot<Range<Time>>> {
        let drawn = self.dice.magnitude(20, most_ms);
        let ms = drawn.min(self.end_ms.saturating_sub(at_ms)).max(1);
        length(ms)
    }

    fn links(&mut self) -> Links {
        let a = self.node();
        let Some(b) = self.other(&a) else { return Links::all() };
        match self.dice.number(0, 9) {
            0..=5 => Links::between(a.as_str(), b.as_str()),
            6 | 7 => Links::one_way(a.as_str(), b.as_str()),
            8 => Links::of(a.as_str()),
            _ => Links::all(),
        }
    }

    fn cut(&mut self, kind: Outage, at_ms: u64) -> Action {
        let Links { between, from, to, node } = self.links();
        let duration = self.lasting(at_ms, 12_000);
        Action::Partition(Partition { between, from, to, node, kind, duration })
    }

    /// The actions of one fault, each with its time after the first, in milliseconds.
    fn make(&mut self, family: Family, at_ms: u64) -> Vec<(u64, Action)> {
        let node = self.node();
        let names = || -> Names { node.as_str().into() };
        let one = |action| vec![(0, action)];
        match family {
            Family::Stall => one(self.cut(Outage::Stall, at_ms)),
            Family::Reset => one(self.cut(Outage::Reset, at_ms)),
            Family::Blackhole => one(self.cut(Outage::Blackhole, at_ms)),
            Family::SlowLink => one(self.slow_link(at_ms)),
            Family::Kill => {
                let duration = self.lasting(at_ms, 6_000);
                one(Action::Kill(Down { node: names(), duration }))
            }
            Family::PowerCut => {
                let duration = self.lasting(at_ms, 6_000);
                let torn = self.dice.chance(0.5).then_some(true);
                one(Action::PowerCut(PowerCut { node: names(), torn, duration }))
            }
            Family::Restart => one(Action::restart(names())),
            Family::Shutdown => {
                let save = *self.dice.pick(&[None, Some(true), Some(false)]);
                let duration = self.lasting(at_ms, 6_000);
                one(Action::Shutdown(Shutdown { node: names(), save, duration }))
            }
            Family::Pause => {
                let duration = self.lasting(at_ms, 9_000);
                one(Action::Pause(Pause { node: names(), duration }))
            }
            Family::Lag => {
                let read = fixed(Unit::from_u64(self.dice.magnitude(200, 200_000)));
                let duration = self.lasting(at_ms, 9_000);
                one(Action::Lag(Lag { node: names(), read, duration }))
            }
            Family::RemoveRdb => one(Action::RemoveRdb(names())),
            Family::Fresh => self.fresh(&node, at_ms),
            Family::Rewrite => self.rewrite(&node),
            Family::Failover => {
                // Replicas refuse it: mostly the first master is still one.
                let first = self.dice.chance(0.5).then(|| self.members[0].name.clone());
                self.failover(&first.unwrap_or(node), at_ms)
            }
            Family::SlowDisk | Family::FullDisk | Family::DiskError | Family::ClockJump => {
                one(self.machine(family, &node, at_ms))
            }
            _ => self.operator(family, &node),
        }
    }

    fn slow_link(&mut self, at_ms: u64) -> Action {
        let Links { between, from, to, node } = self.links();
        let low = self.dice.magnitude(1_000, 200_000);
        let high = low + self.dice.magnitude(1_000, 800_000);
        let bandwidth = Unit::from_u64(self.dice.magnitude(2_000, 500_000));
        let segment = Unit::from_u64(self.dice.magnitude(1, 2_000));
        Action::Slow(Slow {
            between,
            from,
            to,
            node,
            latency: self
                .dice
                .chance(0.5)
                .then(|| Range { low: Time::from_u64(low), high: Time::from_u64(high) }),
            bandwidth: fixed(bandwidth),
            segment: self.dice.chance(0.3).then(|| Range::fixed(segment).into()),
            duration: self.lasting(at_ms, 12_000),
        })
    }

    fn machine(&mut self, family: Family, node: &str, at_ms: u64) -> Action {
        let node: Names = node.into();
        let duration = self.lasting(at_ms, 10_000);
        match family {
            Family::SlowDisk => {
                let low = self.dice.magnitude(100, 50_000);
                let high = low + self.dice.magnitude(100, 200_000);
                let bandwidth = Unit::from_u64(self.dice.magnitude(5_000, 1_000_000));
                let latency = Range { low: Time::from_u64(low), high: Time::from_u64(high) };
                Action::SlowDisk(SlowDisk {
                    node,
                    latency: Some(latency),
                    bandwidth: fixed(bandwidth),
                    duration,
                })
            }
            Family::FullDisk => {
                let free = fixed(Unit::from_u64(self.dice.number(0, 5_000)));
                Action::FullDisk(FullDisk { node, free, duration })
            }
            Family::DiskError => {
                let on = *self.dice.pick(&[
                    DiskOperation::Write,
                    DiskOperation::Sync,
                    DiskOperation::Read,
                    DiskOperation::Any,
                ]);
                let chance = self.dice.chance(0.4);
                let chance = chance.then(|| Share(self.dice.number(1, 9) as f64 / 10.0));
                Action::DiskError(DiskError { node, on: Some(on), chance, duration })
            }
            _ => {
                let ms = self.dice.magnitude(50, 20_000);
                let by = std::time::Duration::from_millis(ms);
                Action::ClockJump(ClockJump { node, by: Jump { by, back: self.dice.chance(0.5) } })
            }
        }
    }

    /// A replica without data that is lost while its snapshot is written, and asks again before
    /// that is over: a master with save points goes on writing for itself, and meanwhile its
    /// backlog leaves what follows the snapshot behind.
    fn asks_twice(&mut self, node: &str) -> Vec<(u64, Action)> {
        let killed = Action::Kill(Down { node: node.into(), duration: length(100) });
        let delay_us = self.dice.magnitude(2_000, 50_000);
        let again_ms = 200 + self.dice.magnitude(300, 3_000);
        let mut all = vec![
            (10, killed.clone()),
            (11, Action::RemoveRdb(node.into())),
            (again_ms, killed),
            (again_ms + 1, Action::RemoveRdb(node.into())),
        ];
        for other in self.members.iter().filter(|member| member.name != node) {
            let mut tell = |at_ms, line: &str| all.push((at_ms, order(&other.name, line)));
            tell(0, "CONFIG SET repl-diskless-sync no");
            tell(1, "CONFIG SET save \"3600 1\"");
            tell(2, "CONFIG SET repl-backlog-size 16384");
            tell(3, &format!("CONFIG SET rdb-key-save-delay {delay_us}"));
            for key in 0..3 {
                let value = "x".repeat(15_000);
                tell(again_ms - 60 + key * 10, &format!("SET filler{key} {value}"));
            }
            tell(again_ms + 4_000, "CONFIG SET rdb-key-save-delay 0");
        }
        all
    }

    /// A node keeps the configuration that it was given, is mostly given another, and starts again.
    fn rewrite(&mut self, node: &str) -> Vec<(u64, Action)> {
        let mut all = Vec::new();
        let (turns, is_tuned) = (self.dice.chance(0.6), self.dice.chance(0.4));
        if turns {
            all.push((0, self.turn(node)));
        }
        if is_tuned {
            all.push((1, order(node, &self.tuning())));
        }
        let kept_ms = self.dice.magnitude(2, 2_000);
        all.push((kept_ms, order(node, "CONFIG REWRITE")));
        let after_ms = kept_ms + self.dice.magnitude(2, 3_000);
        if self.dice.chance(0.3) {
            all.push((after_ms, self.turn(node)));
        }
        match self.dice.number(0, 3) {
            0 => all.push((after_ms + 1, Action::restart(Names::from(node)))),
            1 => {
                let cut = PowerCut { node: node.into(), torn: Some(true), duration: length(100) };
                all.push((after_ms + 1, Action::PowerCut(cut)));
            }
            2 => {
                let kill = Down { node: node.into(), duration: length(100) };
                all.push((after_ms + 1, Action::Kill(kill)));
            }
            // Something else will restart it, or nothing.
            _ => {}
        }
        all
    }

    /// A node is told to follow another, or nobody.
    fn turn(&mut self, node: &str) -> Action {
        let master = self.other(node).filter(|_| self.dice.chance(0.5));
        match master {
            Some(master) => order(node, &format!("REPLICAOF {master} 6379")),
            None => order(node, "REPLICAOF NO ONE"),
        }
    }

    /// A process that comes back without data, and what may happen while it is given some.
    fn fresh(&mut self, node: &str, at_ms: u64) -> Vec<(u64, Action)> {
        if self.dice.chance(0.25) {
            return self.asks_twice(node);
        }
        let name: Names = node.into();
        let mut all = vec![
            (0, Action::Kill(Down { node: name.clone(), duration: length(100) })),
            (1, Action::RemoveRdb(name.clone())),
        ];
        let after_ms = 100 + self.dice.magnitude(50, 3_000);
        // Another one, which comes while the first is served, or has just been lost.
        if let Some(other) = self.other(node).filter(|_| self.dice.chance(0.4)) {
            let after_ms = self.dice.magnitude(10, 3_000);
            let name: Names = other.as_str().into();
            let kill = Down { node: name.clone(), duration: length(100) };
            all.push((after_ms, Action::Kill(kill)));
            all.push((after_ms + 1, Action::RemoveRdb(name)));
        }
        let duration = self.lasting(at_ms + after_ms, 3_000);
        match self.dice.number(0, 6) {
            0 => all.push((after_ms, order(node, "REPLICAOF NO ONE"))),
            5 => all.extend(self.goes_elsewhere(node, at_ms, after_ms)),
            6 => all.extend(self.cannot_be_saved(node, at_ms)),
            1 | 2 => {
                let on = *self.dice.pick(&[DiskOperation::Read, DiskOperation::Write]);
                let duration = self.lasting(at_ms, 4_000);
                all.push((
                    2,
                    Action::DiskError(DiskError {
                        node: name,
                        on: Some(on),
                        chance: None,
                        duration,
                    }),
                ));
            }
            3 => all.push((after_ms, Action::Kill(Down { node: name, duration }))),
            _ => {
                if let Some(other) = self.other(node) {
                    let links = Links::between(node, other.as_str());
                    all.push((
                        after_ms,
                        Action::partition(
                            links,
                            Outage::Reset,
                            Some(std::time::Duration::from_millis(300)),
                        ),
                    ));
                }
            }
        }
        all
    }

    /// A node is sent to one that has just become a master, and back before it has all of that one's
    /// data: it may go on where it was.
    fn there_and_back(&mut self, node: &str) -> Vec<(u64, Action)> {
        let Some(away) = self.other(node) else { return Vec::new() };
        let parent = self.members.iter().find(|member| member.name == node).and_then(|m| m.parent);
        let home = parent.map(|parent| self.members[parent].name.clone());
        let Some(home) = home.filter(|home| *home != away) else { return Vec::new() };
        let there_ms = self.dice.magnitude(10, 2_000);
        let back_ms = there_ms + self.dice.magnitude(10, 3_000);
        vec![
            (0, order(&away, "REPLICAOF NO ONE")),
            (there_ms, order(node, &format!("REPLICAOF {away} 6379"))),
            (back_ms, order(node, &format!("REPLICAOF {home} 6379"))),
        ]
    }

    /// It is sent to another master while what it was sent waits for its disk.
    fn goes_elsewhere(&mut self, node: &str, at_ms: u64, after_ms: u64) -> Vec<(u64, Action)> {
        let Some(other) = self.other(node) else { return Vec::new() };
        let slow = SlowDisk {
            node: node.into(),
            latency: None,
            bandwidth: fixed(Unit::from_u64(self.dice.magnitude(500, 50_000))),
            duration: self.lasting(at_ms, 4_000),
        };
        let follow = order(node, &format!("REPLICAOF {other} 6379"));
        vec![(2, Action::SlowDisk(slow)), (after_ms, follow)]
    }

    /// Who would serve it by a file cannot write one for a while, or cannot read it.
    fn cannot_be_saved(&mut self, node: &str, at_ms: u64) -> Vec<(u64, Action)> {
        let others: Vec<&str> =
            self.members.iter().map(|m| m.name.as_str()).filter(|name| *name != node).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let duration = self.lasting(at_ms, 4_000);
        let on = *self.dice.pick(&[DiskOperation::Write, DiskOperation::Sync, DiskOperation::Read]);
        let error =
            DiskError { node: others.as_slice().into(), on: Some(on), chance: None, duration };
        let no_stream =
            others.iter().map(|name| (0, order(name, "CONFIG SET repl-diskless-sync no")));
        no_stream.chain([(2, Action::DiskError(error))]).collect()
    }

    /// A hand-over. A target that has not got everything when the time is up needs a cut before.
    fn failover(&mut self, node: &str, at_ms: u64) -> Vec<(u64, Action)> {
        let timeout_ms = self.dice.magnitude(10, 5_000);
        let Some(to) = self.other(node) else { return vec![(0, order(node, "FAILOVER"))] };
        match self.dice.number(0, 9) {
            0..=3 => return self.failover_without_answer(node, &to, at_ms),
            // A new master to whom it cannot prove who it is.
            4 => {
                let wrong = order(node, "CONFIG SET masterauth wrong");
                return vec![(0, wrong), (100, order(node, "FAILOVER"))];
            }
            _ => {}
        }
        let line = match self.dice.number(0, 6) {
            0 => "FAILOVER ABORT".to_owned(),
            1 => "FAILOVER".to_owned(),
            2 => format!("FAILOVER TIMEOUT {timeout_ms}"),
            // Nodes that announce their names can be named: see `options::of_node`.
            3 => format!("FAILOVER TO {to} 6379 TIMEOUT {timeout_ms}"),
            _ => format!("FAILOVER TO {to} 6379 FORCE TIMEOUT {timeout_ms}"),
        };
        let mut all = Vec::new();
        if self.dice.chance(0.6) {
            let kind =
                *self.dice.pick(&[Outage::Stall, Outage::Stall, Outage::Blackhole, Outage::Reset]);
            let most_ms = self.dice.magnitude(100, 6_000);
            let ms = most_ms.min(self.end_ms.saturating_sub(at_ms)).max(1);
            let links = Links::between(node, to.as_str());
            let length = std::time::Duration::from_millis(ms);
            let before_ms = if self.dice.chance(0.7) { 0 } else { 200 };
            all.push((before_ms, Action::partition(links, kind, Some(length))));
        }
        all.push((100, order(node, &line)));
        if self.dice.chance(0.15) {
            all.push((100 + timeout_ms, order(&to, "REPLICAOF NO ONE")));
        }
        all
    }

    /// A hand-over over a slow link that breaks when the new master is asked, or has just agreed.
    fn failover_without_answer(&mut self, node: &str, to: &str, at_ms: u64) -> Vec<(u64, Action)> {
        let latency_ms = self.dice.number(100, 300);
        let latency = Time::from_u64(latency_ms * 1_000);
        let Links { between, from, to: far, node: of } = Links::between(node, to);
        let slow = Slow {
            between,
            from,
            to: far,
            node: of,
            latency: Some(Range::fixed(latency)),
            bandwidth: None,
            segment: None,
            duration: self.lasting(at_ms, 12_000),
        };
        // Three round trips to the question, and up to a second until all is acknowledged.
        let after_ms = 100 + 6 * latency_ms + self.dice.number(0, 2 * latency_ms + 800);
        let kind = *self.dice.pick(&[Outage::Reset, Outage::Reset, Outage::Blackhole]);
        let duration = self.lasting(at_ms + after_ms, 6_000);
        let Links { between, from, to, node: of } = Links::between(node, to);
        let cut = Partition { between, from, to, node: of, kind, duration };
        vec![
            (0, Action::Slow(slow)),
            (100, order(node, "FAILOVER")),
            (after_ms, Action::Partition(cut)),
        ]
    }

    /// A change of a node's configuration.
    fn tuning(&mut self) -> String {
        let size = self.dice.magnitude(16 << 10, 256 << 10);
        match self.dice.number(0, 6) {
            0 => format!("CONFIG SET repl-backlog-size {size}"),
            // Then what expires goes when it is looked at, or watched, and not before.
            6 => "DEBUG SET-ACTIVE-EXPIRE 0".to_owned(),
            5 => format!("CONFIG SET masterauth {}", self.dice.pick(&["wrong", "\"\""])),
            1 => "CONFIG SET repl-diskless-sync yes".to_owned(),
            2 => "CONFIG SET repl-diskless-sync no".to_owned(),
            3 => format!("CONFIG SET repl-timeout {}", self.dice.number(2, 4)),
            _ => format!("CONFIG SET repl-backlog-ttl {}", self.dice.number(0, 5)),
        }
    }

    /// What the operator does.
    fn operator(&mut self, family: Family, node: &str) -> Vec<(u64, Action)> {
        let mut todo = Vec::new();
        let mut say = |after_ms: u64, node: &str, line: &str| {
            todo.push((after_ms, order(node, line)));
        };
        match family {
            Family::Follow if self.dice.chance(0.3) => return self.there_and_back(node),
            Family::Follow => {
                if let Some(master) = self.other(node) {
                    say(0, node, &format!("REPLICAOF {master} 6379"));
                }
            }
            Family::Promote => say(0, node, "REPLICAOF NO ONE"),
            Family::HandOver => {
                // All follow the new master, some a little later than others.
                say(0, node, "REPLICAOF NO ONE");
                let mut after_ms = 0;
                for member in self.members.iter().filter(|member| member.name != node) {
                    after_ms += self.dice.number(0, 800);
                    say(after_ms, &member.name, &format!("REPLICAOF {node} 6379"));
                }
            }
            Family::Probe => {
                let line = self.dice.pick(PROBES);
                say(0, node, line);
            }
            Family::Tune => {
                let line = self.tuning();
                say(0, node, &line);
            }
            Family::Save => {
                let line = self.dice.pick(&["BGSAVE", "BGSAVE", "SAVE", "DEBUG RELOAD"]);
                say(0, node, line);
            }
            Family::Flush => {
                let line = self.dice.pick(&["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "FLUSHALL ASYNC"]);
                say(0, node, line);
            }
            Family::Disconnect => {
                let line = self.dice.pick(&[
                    "CLIENT KILL TYPE replica",
                    "CLIENT KILL TYPE master",
                    "CLIENT KILL TYPE normal",
                    "CLIENT PAUSE 800 WRITE",
                    "CLIENT PAUSE 800 ALL",
                ]);
                say(0, node, line);
            }
            // `DEBUG POPULATE` would not do: it goes on no stream, and is for masters without
            // replicas.
            _ => {
                let keys = self.dice.magnitude(1, 20);
                for key in 0..keys {
                    let bytes = self.dice.magnitude(3, 20_000) as usize;
                    let line = format!("SET filler{key} {}", "x".repeat(bytes));
                    say(key * 5, node, &line);
                }
            }
        }
        todo
    }
}
