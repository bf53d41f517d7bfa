//! Values at the edges of how they are encoded, in files and in memory.
//!
//! A length takes another form from 64 and from 16384 bytes on, an integer at each width that a
//! small form has; a hash, a set or a list is kept in another way when it has grown, and stays so
//! when it shrinks. Random values come upon none of that. Numbers stay such that a double holds
//! them exactly where they are scores. Must never: name a command of which the model does not
//! know what it does.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::families::{key, member, pick};
use super::generator::{Command, command};

/// Bits of a number at which an encoding changes its width.
const WIDTHS: [u32; 11] = [5, 7, 8, 12, 13, 15, 16, 23, 31, 32, 63];
/// The same for scores.
const SCORE_WIDTHS: [u32; 9] = [5, 7, 8, 12, 13, 15, 16, 23, 31];
/// Lengths at which something changes, or one before or after.
const LENGTHS: [usize; 14] = [0, 10, 11, 12, 20, 21, 62, 63, 64, 65, 127, 128, 254, 4_095];
/// The longest of them; rare, for a backlog holds few of them.
const LONG: [usize; 4] = [4_096, 16_383, 16_384, 16_385];
/// Texts that are numbers to some and not to others.
const NEARLY_NUMBERS: [&str; 7] = ["007", "+1", "-0", "1.0", " 1", "1 ", "9223372036854775808"];

fn near_power(rng: &mut ChaCha8Rng, widths: &[u32]) -> i64 {
    let power = 1_i128 << widths[rng.random_range(0..widths.len())];
    let number = power + rng.random_range(-1..=1_i128);
    let number = if rng.random_range(0..2_u32) == 0 { number } else { -number };
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(rng: &mut ChaCha8Rng) -> Vec<u8> {
    near_power(rng, &WIDTHS).to_string().into_bytes()
}

fn score(rng: &mut ChaCha8Rng) -> Vec<u8> {
    near_power(rng, &SCORE_WIDTHS).to_string().into_bytes()
}

/// A text of such a length: one that can be compressed, or `filler` over and over.
fn long(rng: &mut ChaCha8Rng, filler: &[u8]) -> Vec<u8> {
    let length = match rng.random_range(0..16_u32) {
        0 => LONG[rng.random_range(0..LONG.len())],
        _ => LENGTHS[rng.random_range(0..LENGTHS.len())],
    };
    let filler = if rng.random_range(0..2_u32) == 0 || filler.is_empty() { b"y" } else { filler };
    filler.iter().copied().cycle().take(length).collect()
}

fn text(rng: &mut ChaCha8Rng, filler: &[u8]) -> Vec<u8> {
    match rng.random_range(0..8_u32) {
        0..4 => number(rng),
        4 => pick(rng, &NEARLY_NUMBERS).to_vec(),
        _ => long(rng, filler),
    }
}

/// A command with many arguments, each pair or single one made by `each`.
fn many(name: &[u8], key: &[u8], count: i64, each: impl Fn(i64) -> Vec<String>) -> Command {
    let mut command = command(&[name, key]);
    command.extend((0..count).flat_map(each).map(String::into_bytes));
    command
}

/// A write; `filler` is a text that no other write has.
pub(super) fn write(rng: &mut ChaCha8Rng, filler: &[u8]) -> Command {
    let string = key(rng, "e");
    let (list, set) = (key(rng, "list"), key(rng, "set"));
    let (hash, sorted) = (key(rng, "hash"), key(rng, "zset"));
    match rng.random_range(0..24_u32) {
        0..5 => command(&[b"SET", &string, &text(rng, filler)]),
        5 => command(&[b"INCRBY", &string, pick(rng, &["0", "1", "-1", "9000000000"])]),
        6 => command(&[b"APPEND", &string, pick(rng, &["0", "x"])]),
        7 => command(&[b"SETRANGE", &string, pick(rng, &["0", "63", "64"]), b"z"]),
        8..10 => command(&[b"RPUSH", &list, &text(rng, filler), &text(rng, filler)]),
        10 => many(b"RPUSH", &list, 60, |at| vec![format!("{at:0>150}")]),
        11..13 => command(&[b"SADD", &set, &number(rng), &number(rng)]),
        13 => {
            let first = near_power(rng, &[5, 15, 31]) - 100;
            many(b"SADD", &set, 260, |at| vec![(first + at).to_string()])
        }
        14..16 => command(&[b"HSET", &hash, &member(rng), &text(rng, filler)]),
        16 => many(b"HSET", &hash, 70, |at| vec![format!("f{at}"), at.to_string()]),
        17..19 => command(&[b"ZADD", &sorted, &score(rng), &text(rng, filler)]),
        19 => many(b"ZADD", &sorted, 70, |at| vec![at.to_string(), format!("z{at}")]),
        20 => command(&[b"XADD", &key(rng, "stream"), b"*", b"a", &text(rng, filler)]),
        _ => command(&[b"DEL", &[string, list, set, hash, sorted][rng.random_range(0..5)]]),
    }
}
