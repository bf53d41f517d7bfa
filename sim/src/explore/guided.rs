//! A campaign that learns: what reached something new is kept, and varied.
//!
//! Seeds are taken in rounds. In a round some runs are of fresh worlds and the others vary worlds
//! of earlier rounds; what a round has reached is learnt when all of it is there, in the order of
//! its seeds. So the outcome does not depend on the number of jobs. What is new is a pair of marks
//! that no run has reached together so far: a mark alone is soon reached by everybody. Must never:
//! grow with the number of runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::campaign::{Job, Made, run_seed};
use super::marks::{self, MarkId};
use super::mutate;
use super::profile::Profile;
use super::swarm::Dice;
use crate::scenario::{Problems, Scenario};
use crate::seed::Seed;

/// Runs of a round.
pub const ROUND: usize = 64;
/// Most worlds that are kept.
const MAX_KEPT: usize = 400;
/// Worlds with more steps are not varied: most of what one changes in them has no effect.
const MAX_STEPS: usize = 400;
/// Share of fresh worlds once there is something to vary.
const FRESH: f64 = 0.4;

/// Two marks that were reached in one run.
type Pair = (MarkId, MarkId);

/// Whom a varied world comes from.
#[derive(Debug, Clone)]
pub struct Parents {
    /// What is varied.
    first: Arc<Scenario>,
    /// What parts of it are taken from.
    second: Arc<Scenario>,
}

impl Parents {
    /// The world that `seed` makes of them.
    ///
    /// # Errors
    /// When there is none and the generator, which is asked then, has made a mistake.
    pub fn child(&self, seed: Seed, profile: Profile) -> Result<Scenario, Problems> {
        mutate::child(&self.first, &self.second, seed, profile)
    }
}

/// What is known of a pair of marks.
#[derive(Debug)]
struct Reached {
    /// Runs that reached it.
    runs: u64,
    /// The world kept for it.
    by: Option<Arc<Scenario>>,
}

/// What has been learnt so far.
#[derive(Debug, Default)]
pub struct Corpus {
    pairs: BTreeMap<Pair, Reached>,
    kept: usize,
}

impl Corpus {
    /// The runs of the next round.
    pub fn round(&self, seeds: &[Seed]) -> Vec<Job> {
        let job = |(index, seed): (usize, &Seed)| {
            let dice = &mut Dice::new(*seed, "parents");
            let parents = if self.kept == 0 || dice.chance(FRESH) {
                None
            } else {
                self.pick(dice).and_then(|first| Some(Parents { first, second: self.pick(dice)? }))
            };
            Job { index, seed: *seed, parents }
        };
        seeds.iter().enumerate().map(job).collect()
    }

    /// A world that is kept for a pair: of some pairs, for the one that fewest runs have reached.
    fn pick(&self, dice: &mut Dice) -> Option<Arc<Scenario>> {
        let with_world: Vec<&Reached> = self.pairs.values().filter(|r| r.by.is_some()).collect();
        if with_world.is_empty() {
            return None;
        }
        let drawn = (0..4).map(|_| *dice.pick(&with_world));
        drawn.min_by_key(|reached| reached.runs).and_then(|reached| reached.by.clone())
    }

    /// Learns from a round.
    pub fn learn(&mut self, mut round: Vec<Made>) {
        round.sort_by_key(|made| made.index);
        for made in round {
            let mut world = made
                .scenario
                .filter(|scenario| scenario.steps.len() <= MAX_STEPS && self.kept < MAX_KEPT);
            let seed = made.result.seed;
            let mut kept: Option<Arc<Scenario>> = None;
            for pair in marks::pairs(&made.result.marks) {
                let reached = self.pairs.entry(pair).or_insert(Reached { runs: 0, by: None });
                reached.runs += 1;
                if reached.runs == 1 {
                    kept = kept.or_else(|| world.take().map(|world| fixed(world, seed)));
                    reached.by.clone_from(&kept);
                }
            }
            self.kept += usize::from(kept.is_some());
        }
    }
}

/// A world with every decision taken, its seed among them.
fn fixed(world: Scenario, seed: Seed) -> Arc<Scenario> {
    Arc::new(world.resolve(run_seed(&world, seed)).to_scenario())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::determinism::Checked;
    use crate::explore::campaign::{How, Result, start};
    use crate::report::RunReport;
    use crate::run::RunOptions;
    use crate::scenario::ResolvedScenario;

    /// A run that is none: what it reaches depends on what happens in its world.
    fn by_shape(scenario: &ResolvedScenario, _: &RunOptions) -> RunReport {
        let all: Vec<&str> = marks::all().collect();
        let steps = scenario.steps.len();
        let reached = [steps % 7, 7 + steps % 11, 20 + scenario.nodes.len()];
        let marks = reached.iter().map(|index| (all[*index].to_owned(), 1)).collect();
        RunReport { marks, ..RunReport::new(&scenario.name, scenario.seed) }
    }

    /// The results of three rounds, the names of their worlds, and the pairs that were reached.
    fn campaign(jobs: usize) -> (Vec<(String, Result)>, usize) {
        let how = How {
            run: by_shape,
            profile: Profile::Default,
            checked: Checked::default(),
            options: RunOptions::default(),
            fail_fast: false,
        };
        let (mut corpus, mut all) = (Corpus::default(), Vec::new());
        let seeds: Vec<Seed> = (1..=150).map(Seed).collect();
        for seeds in seeds.chunks(ROUND) {
            let todo = corpus.round(seeds).into_iter();
            let stop = Arc::new(AtomicBool::new(false));
            let results = start(&how, todo, jobs, true, &stop).expect("threads");
            let mut round: Vec<Made> = results.iter().collect();
            round.sort_by_key(|made| made.index);
            let name = |made: &Made| made.scenario.as_ref().expect("kept").name.clone();
            all.extend(round.iter().map(|made| (name(made), made.result.clone())));
            round.reverse(); // the order in which runs end must not matter
            corpus.learn(round);
        }
        (all, corpus.pairs.len())
    }

    #[test]
    fn what_is_found_does_not_depend_on_the_number_of_jobs() {
        let (one, three) = (campaign(1), campaign(3));
        assert_eq!(one, three);
        let varied = one.0.iter().filter(|(name, _)| name.starts_with("guided/")).count();
        assert!((30..90).contains(&varied), "{varied} of 86 after the first round");
        assert_eq!(
            one.0[..ROUND].iter().filter(|(name, _)| name.starts_with("guided/")).count(),
            0
        );
    }
}
