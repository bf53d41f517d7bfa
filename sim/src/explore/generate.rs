//! A seed becomes a scenario, by swarm testing.
//!
//! First it is drawn which fault families, configuration options and features of the workload
//! exist in this world at all, and how dense they are; then everything else is drawn inside
//! that. A uniform mix of everything drowns each rare combination in the noise of the others.
//! Every value is fixed when the scenario is there: nothing is left to be drawn once a run.

use std::time::Duration;

use crate::scenario::{Problems, Scenario, Time};
use crate::seed::Seed;

use super::profile::Profile;
use super::swarm::Dice;
use super::{edge, faults, finale, options};

/// A node of the world that is being made.
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// Whom it follows from its start.
    pub(super) parent: Option<usize>,
}

/// The scenario of a seed: always the same for the same seed and the same code.
///
/// # Errors
/// When what was generated is not valid: a mistake of the generator.
pub fn generate(seed: Seed) -> Result<Scenario, Problems> {
    generate_in(seed, Profile::Default)
}

/// The same under a profile.
///
/// # Errors
/// As [`generate`].
pub fn generate_in(seed: Seed, profile: Profile) -> Result<Scenario, Problems> {
    let members = shape(&mut Dice::new(seed, "shape"));
    let dice = &mut Dice::new(seed, "times");
    // Faults of the first seconds meet the first full sync.
    let mut families = faults::families(seed, profile);
    let has_edge = families.contains(&faults::Family::Edge) && members.len() > 1;
    let is_crowded = members.len() > 1 && !has_edge && Dice::new(seed, "crowd").chance(0.1);
    if is_crowded {
        families.extend(profile.that_leave_behind());
    }
    let prelude_ms = if has_edge { edge::LENGTH_MS } else { 0 };
    let faults_begin_ms = prelude_ms + *dice.pick(&[0, 500, 3_000, 8_000]);
    let faults_end_ms = faults_begin_ms + dice.number(4_000, 25_000);
    // Mostly just long enough; sometimes long enough for what goes wrong by itself to do so twice.
    let rest_ms = dice.number(1_500, 4_000) + if dice.chance(0.2) { 20_000 } else { 0 };
    let quiet_ms = finale::LENGTH_MS + rest_ms;
    // An idle host costs the same each tick: fine ones are rare.
    let tick_ms = *dice.pick(&[1, 2, 2, 2, 5, 5, 5, 5, 5, 10, 10, 10, 10, 10]);

    let title = format!("Generated from seed {seed}");
    let mut builder = Scenario::builder(&format!("explore/{seed}"))
        .title(&title)
        .duration(&format!("{}ms", faults_end_ms + quiet_ms));
    builder = options::common(builder, &mut Dice::new(seed, "options"), &members);
    if has_edge {
        builder = edge::options(builder);
    }
    let world = options::World {
        named: Dice::new(seed, "names").chance(0.5),
        late_ms: (!has_edge).then_some(faults_end_ms / 2),
    };
    for (index, member) in members.iter().enumerate() {
        builder = builder.node(&member.name);
        if let Some(parent) = member.parent {
            builder = builder.replica_of(&members[parent].name);
        }
        let dice = &mut Dice::new(seed, &format!("options of {}", member.name));
        builder = options::of_node(builder, dice, index, &member.name, &world);
    }
    builder = builder.with(|scenario| {
        options::network(scenario, &mut Dice::new(seed, "network"));
        let dice = &mut Dice::new(seed, "workload");
        options::workload(scenario, dice, &members, prelude_ms, faults_end_ms);
        let tick = Time(Duration::from_millis(tick_ms));
        scenario.run.tick = Some(tick.into());
    });
    if is_crowded {
        let dice = &mut Dice::new(seed, "crowd options");
        builder = options::crowd(builder, dice, &members, (faults_begin_ms, faults_end_ms));
    }
    if has_edge {
        builder = edge::add(builder, &mut Dice::new(seed, "edge"), &members);
    }
    let time = faults::Phase { begin_ms: faults_begin_ms, end_ms: faults_end_ms };
    builder = faults::add(builder, seed, &families, &members, &time);
    builder = builder.with(options::shorten_saves_told);
    builder = finale::add(builder, &mut Dice::new(seed, "finale"), &members, faults_end_ms);
    builder.build()
}

/// One to six nodes: a star, a chain, or a tree; sometimes with a second master.
fn shape(dice: &mut Dice) -> Vec<Member> {
    let count = *dice.pick(&[1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 6]);
    let kind = dice.number(0, 2);
    let two_masters = count > 2 && dice.chance(0.08);
    (0..count)
        .map(|index: usize| {
            let parent = match (index, kind) {
                (0, _) => None,
                (_, 0) => Some(0),
                (_, 1) => Some(index - 1),
                _ => Some(dice.number(0, index as u64 - 1) as usize),
            };
            let parent = parent.filter(|_| !(two_masters && index == count - 1));
            Member { name: format!("n{}", index + 1), parent }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_makes_a_valid_scenario_that_is_its_own_resolution() {
        for seed in (0..300).map(Seed) {
            let scenario = generate(seed).unwrap_or_else(|problems| {
                panic!("seed {seed}: {}", problems.render(false));
            });
            let resolved = scenario.resolve(seed);
            let other = crate::scenario::ResolvedScenario {
                seed,
                ..scenario.resolve(Seed(seed.0 + 1_000_000))
            };
            assert_eq!(resolved, other, "seed {seed}: something is left to be drawn");
            let text = resolved.to_scenario().to_toml().expect("it can be written");
            let read = crate::scenario::parse(&scenario.name, "generated.toml", &text)
                .unwrap_or_else(|problems| panic!("seed {seed}: {}", problems.render(false)));
            assert_eq!(read.resolve(seed), resolved);
        }
    }
}
