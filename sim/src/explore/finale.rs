//! Safety, then liveness: the end of a generated world.
//!
//! All faults end. A random core of nodes is whole for good and is told by the operator whom to
//! follow, so that it is connected; the rest may stay cut off or down. The core must converge,
//! which is for the runner to judge.

use super::faults::{millis, order, order_expecting};
use super::generate::Member;
use super::swarm::Dice;
use crate::scenario::{
    Action, Down, Expected, Links, Outage, Range, ScenarioBuilder, Spot, Step, Time, Unit,
};

/// From the end of the faults to the last order of the operator, in milliseconds.
pub(super) const LENGTH_MS: u64 = 8_000;

/// Adds the steps of the end.
pub(super) fn add(
    mut builder: ScenarioBuilder,
    dice: &mut Dice,
    members: &[Member],
    at_ms: u64,
) -> ScenarioBuilder {
    let at = millis(at_ms);
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for action in [
        Action::Heal(Links::all()),
        Action::FullSpeed(Links::all()),
        Action::CatchUp(names.as_slice().into()),
        Action::DiskOk(names.as_slice().into()),
        Action::Resume(names.as_slice().into()),
    ] {
        builder = builder.step(&at, action);
    }
    let (core, rest) = split(dice, members);
    // Not yet: the last of the cuts that end by themselves would heal this one.
    let at = millis(at_ms + 1_500);
    for index in rest {
        let name = members[index].name.as_str();
        let others: Vec<&str> = names.iter().copied().filter(|other| *other != name).collect();
        let action = match dice.number(0, 2) {
            0 => Action::Kill(Down { node: name.into(), duration: None }),
            1 => {
                Action::partition(Links::between(name, others.as_slice()), Outage::Blackhole, None)
            }
            _ => Action::partition(Links::between(name, others.as_slice()), Outage::Reset, None),
        };
        builder = builder.step(&at, action);
    }
    let password;
    (builder, password) = right_password(builder);
    // An order that a node refuses, because it is still loading or handing over, is repeated.
    let tree: Vec<Option<usize>> = (0..core.len())
        .map(|place| (place > 0).then(|| dice.number(0, place as u64 - 1) as usize))
        .collect();
    for after_ms in [100, 3_000, LENGTH_MS] {
        let at = millis(at_ms + after_ms);
        for (place, index) in core.iter().enumerate() {
            let name = members[*index].name.as_str();
            let follow = match tree[place] {
                None => "REPLICAOF NO ONE".to_owned(),
                Some(parent) => format!("REPLICAOF {} 6379", members[core[parent]].name),
            };
            builder = builder.step(&at, Action::start(name));
            if let Some(line) = &password {
                builder = builder.step(&at, order(name, line));
            }
            builder = builder
                // One may wait for its replicas for longer than all this takes.
                .step(&at, order(name, "SHUTDOWN ABORT"))
                .step(&at, order(name, "FAILOVER ABORT"))
                // After a save that failed (the disk was full) a node refuses writes and PINGs,
                // and so replicas, until one works. Nothing but an operator makes it try again
                // when there is nothing new to save.
                .step(&at, order(name, "BGSAVE"))
                .step(&at, order(name, &follow));
        }
    }
    // A master whose writes are still held back would not answer. (Unlike a write this is refused
    // neither after a failed save nor for want of replicas.) A slow save or load holds it up too.
    let top = members[core[0]].name.clone();
    builder.with(|scenario| {
        let is_slow = |name: &str| ["rdb-key-save-delay", "key-load-delay"].contains(&name);
        if !scenario.config.keys().any(|name| is_slow(name)) {
            let order = order_expecting(&top, "PUBLISH finale done", Some(Expected::Between(0, 0)));
            let at = Time::from_u64((at_ms + LENGTH_MS + 1_200) * 1_000);
            scenario.steps.push(Step {
                at: Range::fixed(at).into(),
                action: order,
                place: Spot::default(),
            });
        }
    })
}

/// The order that mends what was said about passwords, if anything was.
fn right_password(builder: ScenarioBuilder) -> (ScenarioBuilder, Option<String>) {
    let (mut right, mut wrong) = ("\"\"".to_owned(), false);
    let builder = builder.with(|scenario| {
        let set = scenario.config.iter().find(|(name, _)| name.as_str() == "masterauth");
        if let Some((_, set)) = set {
            right = set.text();
        }
        wrong = scenario.steps.iter().any(|step| is_about_passwords(&step.action));
    });
    (builder, wrong.then(|| format!("CONFIG SET masterauth {right}")))
}

/// Whether it changes with which password a node goes to its master.
pub(super) fn is_about_passwords(action: &Action) -> bool {
    let Action::Command(command) = action else { return false };
    let words = command.send.words().unwrap_or_default();
    let begins = ["config", "set", "masterauth"];
    words.len() > begins.len()
        && begins.iter().zip(&words).all(|(word, said)| said.eq_ignore_ascii_case(word))
}

/// The core, in the order in which they follow each other, and the rest.
fn split(dice: &mut Dice, members: &[Member]) -> (Vec<usize>, Vec<usize>) {
    let mut all: Vec<usize> = (0..members.len()).collect();
    // Half of the worlds end as they began: under the first master, if that was ever dethroned.
    if dice.chance(0.5) {
        for index in (1..all.len()).rev() {
            all.swap(index, dice.number(0, index as u64) as usize);
        }
    }
    let lost = if members.len() > 2 && dice.chance(0.3) {
        dice.number(1, members.len() as u64 - 2) as usize
    } else {
        0
    };
    let rest = all.split_off(all.len() - lost);
    (all, rest)
}
