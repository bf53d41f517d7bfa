//! Dice for a generated world: which features exist in it, and how dense they are.
//!
//! Must never: draw from a stream of the run itself, so that a generated scenario runs the same
//! when it is read from its file.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::seed::Seed;

/// One stream of dice.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice that decide about `what` in the world of `seed`.
    pub(super) fn new(seed: Seed, what: &str) -> Self {
        Self(seed.stream("explore", what))
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// A number between `low` and `high`, both included.
    pub(super) fn number(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    /// A number between `low` and `high`, small ones as likely as large ones in each magnitude.
    pub(super) fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let (from, to) = ((low.max(1) as f64).ln(), (high.max(1) as f64).ln());
        let drawn = (from + (to - from) * self.0.random::<f64>()).exp();
        (drawn.round() as u64).clamp(low, high)
    }

    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.0.random_range(0..list.len())]
    }

    /// Those of `list` that exist in this world: each with the chance `share`, never none.
    pub(super) fn some<T: Copy>(&mut self, list: &[T], share: f64) -> Vec<T> {
        let mut found: Vec<T> = list.iter().copied().filter(|_| self.chance(share)).collect();
        if found.is_empty() {
            found.push(*self.pick(list));
        }
        found
    }
}
