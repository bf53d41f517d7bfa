//! Replication ids and offsets: the two coordinates of every byte of a stream.
//!
//! Must never: draw randomness by itself. Ids come from an [`IdSource`], seeded from outside.

use std::fmt;
use std::str::FromStr;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The name of one history of writes: 40 hexadecimal digits (`master_replid`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicationId([u8; 20]);

impl ReplicationId {
    /// An id from its 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
    /// Its 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not 40 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a replication id is 40 hexadecimal digits")]
pub struct NotAnId;

impl FromStr for ReplicationId {
    type Err = NotAnId;

    /// Case does not matter (Redis 7.0 compares ids with `strcasecmp`).
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        let mut bytes = [0; 20];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NotAnId)?;
        }
        Ok(Self(bytes))
    }
}

/// A position in a stream: the number of its bytes up to and including this point
/// (`master_repl_offset`). The first byte of a stream that began at offset `o` has offset `o+1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The position `bytes` further on.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
    /// Bytes from `earlier` up to here; 0 if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The only source of new ids: a pure function of its seed, so that the core stays a function
/// of its inputs.
pub struct IdSource(ChaCha8Rng);

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}

impl IdSource {
    /// A source whose ids are determined by `seed`.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }
    /// A fresh id.
    pub fn fresh(&mut self) -> ReplicationId {
        let mut bytes = [0; 20];
        self.0.fill_bytes(&mut bytes);
        ReplicationId(bytes)
    }
}
