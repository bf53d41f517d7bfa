//! Quantities with a unit, of which there are ranges: times, sizes, bandwidths, counts.

use std::time::Duration;

use super::*;

/// A duration, or a moment counted from the start of the run. Whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Duration);

/// Longest time a scenario may speak of: 30 days.
pub(super) const TIME_LIMIT_US: u64 = 30 * 86_400 * 1_000_000;
const TIME_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl Unit for Time {
    const NAME: &'static str = "Time";
    const RANGE: &'static str = "TimeRange";
    const EXPECTED: &'static str =
        "a time with its unit (us, ms, s, m, h, d), like \"500ms\" or \"1m30s\"";
    const EXPECTED_RANGE: &'static str = "a time with its unit (us, ms, s, m, h, d), like \"500ms\", or a range of them, like \"5s..8s\"";
    const PATTERN: &'static str = "([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("there is no time".to_owned());
        }
        let mut rest = text;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (digits, tail) = split_number(rest);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            if digits.is_empty() {
                return Err(format!("`{text}` is not a time"));
            }
            if unit.is_empty() {
                return Err(format!("`{text}` has no unit"));
            }
            let Some(&(_, scale)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(format!("`{unit}` is not a unit of time"));
            };
            total = scaled(digits, scale)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| format!("`{text}` is not a whole number of microseconds"))?;
            rest = tail;
        }
        if total > TIME_LIMIT_US {
            return Err(format!("`{text}` is longer than 30 days"));
        }
        Ok(Self::from_u64(total))
    }

    fn from_integer(_: u64) -> Option<Self> {
        None
    }

    fn write(self) -> toml::Value {
        let us = self.to_u64();
        if us == 0 {
            return "0s".into();
        }
        // A number of seconds up to three minutes reads best as such.
        let units = if us <= 180_000_000 { &TIME_UNITS[3..] } else { &TIME_UNITS[1..] };
        let mut rest = us;
        let mut text = String::new();
        for &(name, scale) in units {
            if rest >= scale {
                text.push_str(&format!("{}{name}", rest / scale));
                rest %= scale;
            }
        }
        text.into()
    }

    fn to_u64(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }

    fn from_u64(number: u64) -> Self {
        Self(Duration::from_micros(number))
    }
}
unit_value!(Time);

/// A number of bytes. As in redis.conf, `k` is 1000 and `kb` is 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
];
/// Largest size a scenario may speak of: 1 TB.
pub(super) const SIZE_LIMIT: u64 = 1 << 40;

fn parse_size(text: &str, whole: &str) -> Result<u64, String> {
    let (digits, unit) = split_number(text);
    if digits.is_empty() {
        return Err(format!("`{whole}` is not a number of bytes"));
    }
    let lower = unit.trim().to_ascii_lowercase();
    let Some(&(_, scale)) = SIZE_UNITS.iter().find(|(name, _)| *name == lower) else {
        return Err(format!("`{unit}` is not a unit of bytes"));
    };
    match scaled(digits, scale) {
        Some(bytes) if bytes <= SIZE_LIMIT => Ok(bytes),
        Some(_) => Err(format!("`{whole}` is more than 1024gb")),
        None => Err(format!("`{whole}` is not a whole number of bytes")),
    }
}

fn write_size(bytes: u64) -> String {
    for (name, scale) in [("gb", 1_u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes >= scale && bytes.is_multiple_of(scale) {
            return format!("{}{name}", bytes / scale);
        }
    }
    format!("{bytes}b")
}

impl Unit for Size {
    const NAME: &'static str = "Size";
    const RANGE: &'static str = "SizeRange";
    const EXPECTED: &'static str = "a number of bytes, like 512 or \"64kb\" (k = 1000, kb = 1024)";
    const EXPECTED_RANGE: &'static str = "a number of bytes, like 512 or \"64kb\" (k = 1000, kb = 1024), or a range of them, like \"10..200\"";
    const PATTERN: &'static str = "[0-9]+(\\.[0-9]+)? *([kKmMgG]?[bB]|[kKmMgG])?";

    fn parse(text: &str) -> Result<Self, String> {
        parse_size(text, text).map(Self)
    }
    fn from_integer(number: u64) -> Option<Self> {
        (number <= SIZE_LIMIT).then_some(Self(number))
    }
    fn write(self) -> toml::Value {
        if self.0 < 1024 {
            toml::Value::Integer(self.0.cast_signed())
        } else {
            write_size(self.0).into()
        }
    }
    fn to_u64(self) -> u64 {
        self.0
    }
    fn from_u64(number: u64) -> Self {
        Self(number)
    }
}
unit_value!(Size);

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth(pub u64);

impl Unit for Bandwidth {
    const NAME: &'static str = "Bandwidth";
    const RANGE: &'static str = "BandwidthRange";
    const EXPECTED: &'static str = "a bandwidth in bytes a second, like \"10MB/s\" or \"200kb/s\"";
    const EXPECTED_RANGE: &'static str = "a bandwidth in bytes a second, like \"10MB/s\", or a range of them, like \"100kb/s..1MB/s\"";
    const PATTERN: &'static str = "[0-9]+(\\.[0-9]+)? *([kKmMgG]?[bB]|[kKmMgG])?/s";

    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_suffix("/s") {
            Some(size) => parse_size(size.trim(), text).map(Self),
            None => Err(format!("`{text}` does not end in `/s`")),
        }
    }
    fn from_integer(_: u64) -> Option<Self> {
        None
    }
    fn write(self) -> toml::Value {
        format!("{}/s", write_size(self.0)).into()
    }
    fn to_u64(self) -> u64 {
        self.0
    }
    fn from_u64(number: u64) -> Self {
        Self(number)
    }
}
unit_value!(Bandwidth);

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub u64);

impl Unit for Count {
    const NAME: &'static str = "Count";
    const RANGE: &'static str = "CountRange";
    const EXPECTED: &'static str = "a whole number, like 3";
    const EXPECTED_RANGE: &'static str =
        "a whole number, like 1, or a range with both ends, like \"1..2\"";
    const PATTERN: &'static str = "[0-9]+";

    fn parse(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse::<u64>().ok().filter(|n| digits && i64::try_from(*n).is_ok());
        number.map(Self).ok_or_else(|| format!("`{text}` is not a whole number"))
    }
    fn from_integer(number: u64) -> Option<Self> {
        Some(Self(number))
    }
    fn write(self) -> toml::Value {
        toml::Value::Integer(self.0.cast_signed())
    }
    fn to_u64(self) -> u64 {
        self.0
    }
    fn from_u64(number: u64) -> Self {
        Self(number)
    }
}
unit_value!(Count);
