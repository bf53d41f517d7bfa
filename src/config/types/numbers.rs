//! Numbers: plain, octal, bytes and durations.

use std::time::Duration;

use super::{Kind, Setting};

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
];

/// Bytes: digits and a unit (`1k` is 1000, `1kb` 1024). No digits are 0, too many the largest number
/// there is (util.c `memtoull`).
pub fn parse_memory(text: &str) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1;
    let number: u64 = match digits {
        "" => 0,
        _ => digits.parse().unwrap_or(u64::MAX),
    };
    Some(number.saturating_mul(factor))
}

/// Bytes with the largest unit that divides them, as `CONFIG REWRITE` writes them.
pub fn show_memory_unit(bytes: u64) -> String {
    for (unit, size) in [("gb", 1_u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// A number of one of the kinds, within its range.
fn parse_number(words: &[&str], kind: &Kind) -> Result<i128, String> {
    let [word] = words else {
        return Err("wrong number of arguments".to_owned());
    };
    let (number, low, high) = match *kind {
        Kind::Memory(low, high) => {
            let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
            (i128::from(bytes), low, high)
        }
        Kind::Octal(low, high) => {
            let number = i64::from_str_radix(word, 8)
                .map_err(|_| "argument couldn't be parsed as an octal number")?;
            if !(low..=high).contains(&i128::from(number)) {
                return Err(format!("argument must be between {low:o} and {high:o} inclusive"));
            }
            (i128::from(number), low, high)
        }
        Kind::Int(low, high) | Kind::Seconds(low, high) | Kind::Millis(low, high) => {
            // Maximal unsigned values are not reachable by an integer's text; Redis neither.
            let number = word
                .parse::<i64>()
                .ok()
                .filter(|number| number.to_string() == *word)
                .ok_or("argument couldn't be parsed into an integer")?;
            (i128::from(number), low, high)
        }
        _ => return Err("argument couldn't be parsed into an integer".to_owned()),
    };
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {low} and {high} inclusive"))
    }
}

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn assign(&mut self, words: &[&str], kind: &Kind) -> Result<(), String> {
                *self = Self::try_from(parse_number(words, kind)?)
                    .map_err(|_| "argument couldn't be parsed into an integer".to_owned())?;
                Ok(())
            }
            fn show(&self, kind: &Kind) -> String {
                match kind {
                    Kind::Octal(..) => format!("{self:o}"),
                    _ => self.to_string(),
                }
            }
        }
    )+};
}
numbers!(u16, u32, i32, u64, i64);

impl Setting for Duration {
    fn assign(&mut self, words: &[&str], kind: &Kind) -> Result<(), String> {
        let number = u64::try_from(parse_number(words, kind)?)
            .map_err(|_| "argument couldn't be parsed into an integer".to_owned())?;
        *self = match kind {
            Kind::Millis(..) => Self::from_millis(number),
            _ => Self::from_secs(number),
        };
        Ok(())
    }
    fn show(&self, kind: &Kind) -> String {
        match kind {
            Kind::Millis(..) => self.as_millis().to_string(),
            _ => self.as_secs().to_string(),
        }
    }
}

/// `maxmemory-clients`: bytes, or a share of `maxmemory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// Bytes.
    Bytes(u64),
    /// Percent of `maxmemory`.
    Percent(u8),
}

impl Setting for MemoryOrPercent {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let wrong = || "argument must be a memory or percent value".to_owned();
        let [word] = words else {
            return Err(wrong());
        };
        *self = match word.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent @ 0..=100) => Self::Percent(percent),
                Ok(_) => return Err("percentage argument must be less or equal to 100".to_owned()),
                Err(_) => return Err(wrong()),
            },
            None => Self::Bytes(parse_memory(word).ok_or_else(wrong)?),
        };
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        match self {
            Self::Bytes(bytes) => bytes.to_string(),
            Self::Percent(percent) => format!("{percent}%"),
        }
    }
}
