//! The root seed of a run, and the named streams every consumer draws from.
//!
//! A stream belongs to a name, not to a position: adding a draw in one place moves nothing
//! elsewhere. Must never: hand out one generator to two consumers.

use std::fmt;
use std::str::FromStr;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The root seed of a run.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// Why a text is not a seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a seed: a seed is a decimal number, a 0x number, or a git hash of 7 to 40 digits"
)]
pub struct SeedError(pub String);

impl Seed {
    /// The stream of random numbers that belongs to `name` within `domain`.
    pub fn stream(&self, domain: &str, name: &str) -> ChaCha8Rng {
        let mut key = [0; 32];
        let label = format!("{domain}\0{name}");
        for (i, chunk) in key.chunks_exact_mut(8).enumerate() {
            let salt = self.0.wrapping_add((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            chunk.copy_from_slice(&xxh3_64_with_seed(label.as_bytes(), salt).to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    fn from_str(text: &str) -> Result<Self, SeedError> {
        let bad = || SeedError(text.to_owned());
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u64::from_str_radix(hex, 16).map(Seed).map_err(|_| bad());
        }
        if let Ok(number) = text.parse::<u64>()
            && text.bytes().all(|b| b.is_ascii_digit())
        {
            return Ok(Seed(number));
        }
        let hash = (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hash {
            return Err(bad());
        }
        Ok(Seed(xxh3_64_with_seed(text.to_ascii_lowercase().as_bytes(), 0)))
    }
}
