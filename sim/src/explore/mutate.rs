//! One world made of another: its faults moved, left out, repeated, or taken from a second one,
//! its configuration, network or workload changed.
//!
//! Only what happens before the end is touched: there all faults end and a part of the nodes must
//! converge, as in every generated world. Must never: make a world that the generator could not
//! have made for a reason (an operator who expects an answer, a fault that outlasts the end).

use std::time::Duration;

use super::finale;
use super::generate_in;
use super::profile::Profile;
use super::swarm::Dice;
use crate::scenario::{Action, Links, Problems, Range, Scenario, Seeds, Step, Time};
use crate::seed::Seed;

/// Tries before a fresh world is taken instead.
const TRIES: u32 = 8;
/// How near a fault is brought to another, in milliseconds.
const NEAR_MS: u64 = 400;

/// What `seed` makes of `first`, with parts of `second`.
///
/// # Errors
/// When nothing valid comes of it and the generator, which is asked then, has made a mistake.
pub(super) fn child(
    first: &Scenario,
    second: &Scenario,
    seed: Seed,
    profile: Profile,
) -> Result<Scenario, Problems> {
    let fresh = generate_in(seed, profile)?;
    // Its faults that end by themselves become two steps each.
    let donor = fresh.resolve(seed).to_scenario();
    for number in 0..TRIES {
        let dice = &mut Dice::new(seed, &format!("mutation {number}"));
        let mut world = first.clone();
        world.name = format!("guided/{seed}");
        world.title = format!("Varied by seed {seed}").into();
        let changes = dice.magnitude(1, 12);
        for _ in 0..changes {
            let other = if dice.chance(0.5) { second } else { &donor };
            change(&mut world, other, dice);
        }
        // Half of them meet the same chances as their parent, as far as they go the same way.
        if dice.chance(0.5) {
            world.run.seeds = Some(Seeds::Text(seed.to_string()).into());
        }
        if world.mistakes().is_empty() {
            return Ok(world);
        }
    }
    Ok(fresh)
}

/// One change.
fn change(world: &mut Scenario, other: &Scenario, dice: &mut Dice) {
    match dice.number(0, 12) {
        0 | 1 => leave_out(world, dice),
        2 | 3 => repeat(world, dice),
        4 | 5 => bring_together(world, dice),
        6 => shift(world, dice),
        7..=9 => take_over(world, other, dice),
        10 => world.workload = within(other, world),
        11 => world.network = other.network.clone(),
        _ => configure(world, other, dice),
    }
}

/// The time at which the end begins: the last healing of everything.
fn end_ms(world: &Scenario) -> u64 {
    let heals = |step: &&Step| step.action == Action::Heal(Links::all());
    world.steps.iter().rfind(heals).map_or(0, at_ms)
}

/// How many of the steps come before the end.
fn faults(world: &Scenario) -> usize {
    let end_ms = end_ms(world);
    world.steps.partition_point(|step| at_ms(step) < end_ms)
}

fn at_ms(step: &Step) -> u64 {
    step.at.low.0.as_millis() as u64
}

fn set_ms(step: &mut Step, ms: u64) {
    step.at = Range::fixed(Time(Duration::from_millis(ms))).into();
}

/// One of the faults, if there is any.
fn one(world: &Scenario, dice: &mut Dice) -> Option<usize> {
    let faults = faults(world) as u64;
    (faults > 0).then(|| dice.number(0, faults - 1) as usize)
}

fn leave_out(world: &mut Scenario, dice: &mut Dice) {
    if let Some(index) = one(world, dice) {
        let most = dice.magnitude(1, 4) as usize;
        let last = (index + most).min(faults(world));
        world.steps.drain(index..last);
    }
}

/// Puts a fault where its time says, before the end.
fn insert(world: &mut Scenario, mut step: Step, ms: u64) {
    let ms = ms.clamp(1, end_ms(world).saturating_sub(1).max(1));
    set_ms(&mut step, ms);
    let place = world.steps.partition_point(|other| at_ms(other) <= ms);
    world.steps.insert(place, step);
}

fn repeat(world: &mut Scenario, dice: &mut Dice) {
    if let Some(index) = one(world, dice) {
        let step = world.steps[index].clone();
        let ms = dice.number(1, end_ms(world).max(1));
        insert(world, step, ms);
    }
}

/// A fault moves to just before or after another.
fn bring_together(world: &mut Scenario, dice: &mut Dice) {
    if let (Some(index), Some(other)) = (one(world, dice), one(world, dice)) {
        let near_ms = dice.magnitude(1, NEAR_MS);
        let ms = at_ms(&world.steps[other]);
        let ms = if dice.chance(0.5) { ms + near_ms } else { ms.saturating_sub(near_ms) };
        let step = world.steps.remove(index);
        insert(world, step, ms);
    }
}

/// A fault comes a little earlier or later, and with it, sometimes, all that follow.
fn shift(world: &mut Scenario, dice: &mut Dice) {
    let Some(index) = one(world, dice) else { return };
    let by_ms = dice.magnitude(1, 3_000);
    let later = dice.chance(0.5);
    let (end, last_ms) = (faults(world), end_ms(world));
    let count = if dice.chance(0.3) { end - index } else { 1 };
    let moved: Vec<Step> = world.steps.drain(index..index + count).collect();
    for step in moved {
        let ms = at_ms(&step);
        let ms = if later { (ms + by_ms).min(last_ms) } else { ms.saturating_sub(by_ms) };
        insert(world, step, ms);
    }
}

/// Some faults of another world that follow each other, at their distances.
fn take_over(world: &mut Scenario, other: &Scenario, dice: &mut Dice) {
    let Some(index) = one(other, dice) else { return };
    let most = dice.magnitude(1, 6) as usize;
    let last = (index + most).min(faults(other));
    let begin_ms = dice.number(1, end_ms(world).max(1));
    let first_ms = at_ms(&other.steps[index]);
    for step in &other.steps[index..last] {
        // Only an end that was made for it mends a wrong password.
        if finale::is_about_passwords(&step.action) && !mends_passwords(world) {
            continue;
        }
        let mut with = world.clone();
        insert(&mut with, step.clone(), begin_ms + at_ms(step).saturating_sub(first_ms));
        // It may speak of a node that is not here.
        if with.mistakes().is_empty() {
            *world = with;
        }
    }
}

/// Whether every node is told the right password at the end.
fn mends_passwords(world: &Scenario) -> bool {
    world.steps[faults(world)..].iter().any(|step| finale::is_about_passwords(&step.action))
}

/// The workload of another world, in the time that this one has.
fn within(other: &Scenario, world: &Scenario) -> crate::scenario::Workloads {
    let end = Time(Duration::from_millis(end_ms(world)));
    let mut workloads = other.workload.clone();
    for workload in &mut workloads.0 {
        let start = workload.start.as_ref().map_or(Duration::ZERO, |start| start.low.0);
        let start = Time(start.min(end.0 / 2));
        workload.start = Some(Range::fixed(start).into());
        workload.stop = Some(Range::fixed(end).into());
    }
    workloads
}

/// A directive of a node takes the value that it has at some node of the other world.
fn configure(world: &mut Scenario, other: &Scenario, dice: &mut Dice) {
    // Passwords must fit each other; announced names are those of the nodes.
    const LEFT_ALONE: [&str; 4] =
        ["requirepass", "masterauth", "replica-announce-ip", "min-replicas-to-write"];
    let donors: Vec<_> = other.nodes.values().collect();
    if donors.is_empty() || world.nodes.is_empty() {
        return;
    }
    let donor = *dice.pick(&donors);
    let all = other.config.iter().chain(donor.config.iter());
    let known: Vec<_> = all.filter(|(name, _)| !LEFT_ALONE.contains(&name.as_str())).collect();
    if known.is_empty() {
        return;
    }
    let (name, value) = *dice.pick(&known);
    let everywhere = dice.chance(0.5);
    let chosen = dice.number(0, world.nodes.len() as u64 - 1) as usize;
    for (index, (_, node)) in world.nodes.iter_mut().enumerate() {
        if everywhere || index == chosen {
            node.config.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_valid_differ_and_end_as_their_parents() {
        let fixed = |seed: u64| {
            let seed = Seed(seed);
            let world = generate_in(seed, Profile::Default).expect("a world");
            world.resolve(seed).to_scenario()
        };
        let mut changed = 0;
        for seed in 0..60 {
            let (first, second) = (fixed(seed), fixed(seed + 1000));
            let child = |seed| child(&first, &second, Seed(seed), Profile::Default).expect("valid");
            let one = child(seed + 2000);
            assert_eq!(one, child(seed + 2000), "the same seed, the same child");
            assert_eq!(one.mistakes(), []);
            if one.name.starts_with("guided/") {
                assert_eq!(one.steps[faults(&one)..], first.steps[faults(&first)..]);
                changed += usize::from(one.steps != first.steps || one.nodes != first.nodes);
            }
        }
        assert!(changed > 40, "{changed} of 60");
    }
}
