//! The edge of the backlog, hit to the byte.
//!
//! A backlog leaves in blocks of 16 KiB, so that where it begins is a multiple of that, counted
//! from where it was made: offset 0, when the first replica comes. A replica that stands exactly
//! there, one byte before or one after, when it is cut off, and a write that pushes the block out,
//! make the next `PSYNC` one of the closest decisions there are. Random writes hit that byte once
//! in a thousand years; so in some worlds the operator is the only writer at first, and counts.
//!
//! Must never: be wrong about a length; nobody would notice but the table of marks. (A ping would
//! move the offset, so none comes before this is over.)

use std::time::Duration;

use super::faults::{millis, order};
use super::generate::Member;
use super::swarm::Dice;
use crate::scenario::{Action, Links, Outage, ScenarioBuilder};

/// How long it takes, in milliseconds; nothing else happens meanwhile.
pub(super) const LENGTH_MS: u64 = 8_000;

/// Least size of a block of the backlog, and of a backlog.
const BLOCK: u64 = 16 << 10;

/// Directives that it needs; they win over those drawn before.
pub(super) fn options(builder: ScenarioBuilder) -> ScenarioBuilder {
    builder
        .config("repl-ping-replica-period", "10")
        .config("repl-timeout", "30")
        .config("repl-diskless-sync-delay", "0")
        // With so long a timeout who loads as it comes would hear no orders in the end.
        .config("repl-diskless-load", "disabled")
        .config("repl-backlog-size", (BLOCK * 2).to_string().as_str())
        .config("min-replicas-to-write", "0")
}

/// Bytes of `SET edge <value>` on the stream, but for the value and the digits of its length.
const SET: u64 = "*3\r\n$3\r\nSET\r\n$4\r\nedge\r\n$\r\n\r\n".len() as u64;
/// Bytes of the `SELECT 0` before the first write.
const SELECT: u64 = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".len() as u64;

/// A write that takes this many bytes of the stream.
fn write_of(bytes: u64) -> String {
    let value = (1..=7)
        .map(|digits| bytes - SET - digits)
        .find(|value| value.to_string().len() as u64 + SET + value == bytes);
    let value = value.unwrap_or(bytes - SET - 5); // no length fits when a digit is added: near it
    format!("SET edge {}", "e".repeat(value as usize))
}

/// Adds its steps.
pub(super) fn add(
    builder: ScenarioBuilder,
    dice: &mut Dice,
    members: &[Member],
) -> ScenarioBuilder {
    let top = members[0].name.as_str();
    let replica = members[1].name.as_str();
    let stands = BLOCK * dice.number(1, 3) + *dice.pick(&[0, 1, 1, 2]) - 1;
    // Pushes out what lies before that block, and not the block itself.
    let pushes = BLOCK * 2 + dice.number(100, BLOCK - 100);
    let cut = Action::partition(
        Links::between(top, replica),
        Outage::Reset,
        Some(Duration::from_millis(1_500)),
    );
    builder
        .step(&millis(3_000), order(top, &write_of(stands - SELECT)))
        .step(&millis(5_000), cut)
        .step(&millis(5_500), order(top, &write_of(pushes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_as_long_as_it_is_asked_to_be() {
        for length in [16_361, 16_384, 40_000, 65_535] {
            let line = write_of(length);
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let mut out = bytes::BytesMut::new();
            replisim::codec::resp::encode_command(&mut out, &words);
            assert_eq!(out.len() as u64, length);
        }
    }
}
