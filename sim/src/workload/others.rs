//! Commands that the model knows nothing of: bitmaps, HyperLogLogs, positions, consumer groups,
//! sorting.
//!
//! What they answer and do to a master is not judged, and from the first of them on nothing of
//! that master's data is; but its replicas must have the same data, byte for byte of the stream.
//! (`PFCOUNT` is not among them: as in Redis it writes what it counted into the string, and so a
//! replica that is asked has other data than its master.)

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::families::{key, member, pick};
use super::generator::{Command, command};

/// A write; `text` is one that no other write has.
pub(super) fn write(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    match rng.random_range(0..4_u32) {
        0 => bitmap(rng, text),
        1 => sketch_or_position(rng, text),
        2 => group(rng, text),
        _ => sorted(rng, text),
    }
}

fn bitmap(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, one, two) = (key(rng, "bits"), key(rng, "bits"), key(rng, "bits"));
    let number = rng.random_range(0..300_u32).to_string();
    match rng.random_range(0..6_u32) {
        0 => command(&[b"SETBIT", &at, number.as_bytes(), pick(rng, &["0", "1"])]),
        1 => command(&[b"SET", &at, &text[..text.len().min(20)]]),
        2 => command(&[b"BITOP", pick(rng, &["AND", "OR", "XOR"]), &at, &one, &two]),
        3 => command(&[b"BITOP", b"NOT", &at, &one]),
        4 => command(&[b"BITFIELD", &at, b"SET", b"u8", b"#3", number.as_bytes()]),
        _ => {
            let wraps = pick(rng, &["WRAP", "SAT", "FAIL"]);
            let words: [&[u8]; 8] =
                [b"BITFIELD", &at, b"OVERFLOW", wraps, b"INCRBY", b"i5", b"#1", number.as_bytes()];
            command(&words)
        }
    }
}

fn sketch_or_position(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, one, two) = (key(rng, "hll"), key(rng, "hll"), key(rng, "hll"));
    let (place, other) = (key(rng, "geo"), key(rng, "geo"));
    let (east, north) = (rng.random_range(0..40_u32), rng.random_range(0..40_u32));
    match rng.random_range(0..8_u32) {
        0..3 => command(&[b"PFADD", &at, text, &member(rng)]),
        3 => command(&[b"PFMERGE", &at, &one, &two]),
        4..7 => {
            let (east, north) = (east.to_string(), format!("{north}.5"));
            command(&[b"GEOADD", &place, east.as_bytes(), north.as_bytes(), &member(rng)])
        }
        _ => {
            let words: [&[u8]; 9] = [
                b"GEOSEARCHSTORE",
                &other,
                &place,
                b"FROMLONLAT",
                b"20",
                b"20",
                b"BYRADIUS",
                b"2000",
                b"km",
            ];
            command(&words)
        }
    }
}

fn group(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let at = key(rng, "log");
    let who = pick(rng, &["one", "two"]);
    match rng.random_range(0..12_u32) {
        0..3 => command(&[b"XADD", &at, b"MAXLEN", b"30", b"*", b"a", text]),
        3 | 4 => command(&[b"XGROUP", b"CREATE", &at, b"g", pick(rng, &["0", "$"]), b"MKSTREAM"]),
        5..8 => {
            let words: [&[u8]; 8] =
                [b"XREADGROUP", b"GROUP", b"g", who, b"COUNT", b"2", b"STREAMS", &at];
            let mut read = command(&words);
            read.push(b">".to_vec());
            read
        }
        8 => command(&[b"XAUTOCLAIM", &at, b"g", who, b"0", b"0", b"COUNT", b"2"]),
        9 => command(&[b"XGROUP", b"DELCONSUMER", &at, b"g", who]),
        10 => command(&[b"XGROUP", b"SETID", &at, b"g", pick(rng, &["0", "$"])]),
        _ => command(&[b"XTRIM", &at, b"MAXLEN", b"~", b"5"]),
    }
}

fn sorted(rng: &mut ChaCha8Rng, text: &[u8]) -> Command {
    let (at, to) = (key(rng, "list"), key(rng, "sorted"));
    match rng.random_range(0..4_u32) {
        0..2 => command(&[b"RPUSH", &at, &text[..text.len().min(12)], b"7"]),
        2 => command(&[b"SORT", &at, b"ALPHA", pick(rng, &["ASC", "DESC"]), b"STORE", &to]),
        _ => command(&[b"LTRIM", &at, b"0", b"9"]),
    }
}
