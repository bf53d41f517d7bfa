//! One root seed, and a named stream of randomness for every consumer of it.
//!
//! Each consumer (a directed link, a disk, a life of a process, a fault, a workload) draws from
//! a stream of its own, found by name. A new draw in one place therefore moves nothing
//! elsewhere, and a run is a function of the root seed alone.
//!
//! Must never: hand out one generator to two consumers, or take anything from the machine.

use std::fmt;
use std::str::FromStr;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The root seed of a simulation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream `name` of the given kind, for example `("net", "m1->r1")`.
    ///
    /// The same seed, kind and name give the same stream, on every machine. ChaCha8 is
    /// documented as portable, `StdRng` and `SmallRng` are not.
    #[must_use]
    pub fn stream(self, kind: &str, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.bytes(kind, name))
    }

    /// 32 bytes for the stream `name` of the given kind.
    #[must_use]
    pub fn bytes(self, kind: &str, name: &str) -> [u8; 32] {
        // The length of the kind keeps ("a", "bc") and ("ab", "c") apart.
        let mut text = Vec::with_capacity(kind.len() + name.len() + 8);
        text.extend_from_slice(&(kind.len() as u64).to_le_bytes());
        text.extend_from_slice(kind.as_bytes());
        text.extend_from_slice(name.as_bytes());
        let low = xxh3_128_with_seed(&text, self.0);
        // A second, differently framed hash for the other half.
        text.push(1);
        let high = xxh3_128_with_seed(&text, self.0);
        let mut out = [0; 32];
        out[..16].copy_from_slice(&low.to_le_bytes());
        out[16..].copy_from_slice(&high.to_le_bytes());
        out
    }

    /// A single number from the stream `name` of the given kind.
    #[must_use]
    pub fn number(self, kind: &str, name: &str) -> u64 {
        let bytes = self.bytes(kind, name);
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        u64::from_le_bytes(first)
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a text is not a seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a seed: a seed is a decimal number, a 0x number, or a git hash of 7 to 40 digits"
)]
pub struct SeedError {
    /// What was given.
    pub text: String,
}

impl FromStr for Seed {
    type Err = SeedError;

    /// A decimal number, `0x` and up to 16 hex digits, or a git hash of 7 to 40 hex digits.
    ///
    /// A text of decimal digits alone is a decimal number whenever it fits into 64 bits. Of a
    /// git hash the first 16 digits count, so that a long hash and its own abbreviations of 16
    /// digits or more are one seed.
    fn from_str(text: &str) -> Result<Self, SeedError> {
        let error = || SeedError { text: text.to_owned() };
        if !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && let Ok(number) = text.parse()
        {
            return Ok(Self(number));
        }
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            if hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return u64::from_str_radix(hex, 16).map(Self).map_err(|_| error());
            }
            return Err(error());
        }
        if (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let first = &text[..text.len().min(16)];
            return u64::from_str_radix(first, 16).map(Self).map_err(|_| error());
        }
        Err(error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn texts() {
        let seed = |s: &str| s.parse::<Seed>().ok().map(|s| s.0);
        assert_eq!(seed("0"), Some(0));
        assert_eq!(seed("18446744073709551615"), Some(u64::MAX));
        assert_eq!(seed("0xff"), Some(255));
        assert_eq!(seed("1234567"), Some(1_234_567));
        assert_eq!(seed("deadbee"), Some(0x0dea_dbee));
        assert_eq!(seed("0123456789abcdef0123456789abcdef01234567"), Some(0x0123_4567_89ab_cdef));
        assert_eq!(seed("DEADBEE"), seed("deadbee"));
        let zeros_and_ones = "1".repeat(40);
        assert_eq!(seed(&zeros_and_ones), Some(0x1111_1111_1111_1111));
        for bad in
            ["", "0x", "-1", "+1", "abc", "0xfffffffffffffffff", "0x+1", "xyzxyzx", "é234567"]
        {
            assert_eq!(seed(bad), None, "{bad}");
        }
        assert_eq!(seed(&"a".repeat(41)), None);
    }

    #[test]
    fn streams_are_apart_and_stable() {
        let draw =
            |seed: u64, kind: &str, name: &str| -> u64 { Seed(seed).stream(kind, name).random() };
        assert_eq!(draw(1, "net", "a->b"), draw(1, "net", "a->b"));
        assert_ne!(draw(1, "net", "a->b"), draw(2, "net", "a->b"));
        assert_ne!(draw(1, "net", "a->b"), draw(1, "net", "b->a"));
        assert_ne!(draw(1, "a", "bc"), draw(1, "ab", "c"));
        // A fixed value: a change of the derivation would silently change every run.
        assert_eq!(Seed(7).number("net", "m1->r1"), 14_265_761_611_279_079_283);
    }
}
