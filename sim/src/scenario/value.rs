//! The small values of a scenario file: times, sizes, rates, shares, and ranges of them.
//!
//! Every one is written the same way wherever it stands, says itself what it expects, and
//! prints itself back in a form that parses to the same value. Must never: guess a unit.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A TOML value that is not an array or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// A string.
    Text(&'a str),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Boolean(bool),
}

/// A value that is written as one TOML scalar.
pub trait ScalarValue: Sized {
    /// Name of its definition in the JSON Schema.
    const NAME: &'static str;
    /// What is expected, with an example: completes "expected …".
    const EXPECTED: &'static str;

    /// Reads the value. The error says what is wrong with it, not what was expected.
    ///
    /// # Errors
    /// When the scalar is not such a value.
    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String>;

    /// The scalar that reads back as this value.
    fn to_scalar(&self) -> toml::Value;

    /// The JSON Schema of the value.
    fn schema() -> Schema;
}

/// `ScalarValue` is all that serde and schemars need to know.
macro_rules! scalar {
    ([$($generics:tt)*] $type:ty) => {
        impl<'de, $($generics)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ScalarVisitor(std::marker::PhantomData))
            }
        }
        impl<$($generics)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.to_scalar().serialize(serializer)
            }
        }
        impl<$($generics)*> JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                <$type as ScalarValue>::NAME.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = <$type as ScalarValue>::schema();
                let expected = <$type as ScalarValue>::EXPECTED;
                schema.insert("description".to_owned(), capitalised(expected).into());
                schema
            }
        }
    };
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

struct ScalarVisitor<T>(std::marker::PhantomData<T>);

impl<T: ScalarValue> ScalarVisitor<T> {
    fn read<E: de::Error>(scalar: &Scalar<'_>) -> Result<T, E> {
        T::from_scalar(scalar)
            .map_err(|what| E::custom(format!("{what}, expected {}", T::EXPECTED)))
    }
}

impl<T: ScalarValue> de::Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Self::read(&Scalar::Text(text))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Self::read(&Scalar::Integer(number))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        Self::read(&Scalar::Float(number))
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<T, E> {
        Self::read(&Scalar::Boolean(value))
    }
}

/// One end of a range: a quantity with its unit.
pub trait Unit: Copy + PartialOrd + fmt::Debug + 'static {
    /// Name of a fixed value in the JSON Schema.
    const NAME: &'static str;
    /// Name of a range in the JSON Schema.
    const RANGE: &'static str;
    /// What a fixed value looks like: completes "expected …".
    const EXPECTED: &'static str;
    /// What a range looks like: completes "expected …".
    const EXPECTED_RANGE: &'static str;
    /// Regular expression of one value.
    const PATTERN: &'static str;

    /// Reads one value with its unit.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;
    /// A bare integer, where that has a meaning.
    fn from_integer(number: u64) -> Option<Self>;
    /// As it is written in a file.
    fn write(self) -> toml::Value;
    /// As a whole number of the smallest unit; what a seed draws.
    fn to_u64(self) -> u64;
    /// Back from [`Unit::to_u64`].
    fn from_u64(number: u64) -> Self;
}

/// A fixed value or `low..high`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range<T> {
    /// Smallest value.
    pub low: T,
    /// Largest value.
    pub high: T,
}

impl<T: Unit> Range<T> {
    /// A range of one value.
    pub const fn fixed(value: T) -> Self {
        Self { low: value, high: value }
    }

    /// Whether `value` lies in the range, ends included.
    pub fn contains(&self, value: T) -> bool {
        self.low <= value && value <= self.high
    }

    /// Draws one value, each equally likely.
    pub fn draw(&self, rng: &mut impl rand::Rng) -> T {
        use rand::RngExt as _;
        T::from_u64(rng.random_range(self.low.to_u64()..=self.high.to_u64()))
    }

    /// Reads `value` or `low..high`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((low, high)) = text.split_once("..") else {
            return T::parse(text.trim()).map(Self::fixed);
        };
        let high = high.strip_prefix('=').unwrap_or(high);
        let (low, high) = (T::parse(low.trim())?, T::parse(high.trim())?);
        if low > high {
            return Err(format!("the range `{text}` runs backwards"));
        }
        Ok(Self { low, high })
    }
}

impl<T: Unit> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_scalar() {
            toml::Value::String(text) => f.write_str(&text),
            other => write!(f, "{other}"),
        }
    }
}

fn read_unit<T: Unit, R>(
    scalar: &Scalar<'_>,
    text_value: impl FnOnce(&str) -> Result<R, String>,
    whole: impl FnOnce(T) -> R,
) -> Result<R, String> {
    match *scalar {
        Scalar::Text(text) => text_value(text),
        Scalar::Integer(number) => {
            let number = u64::try_from(number).map_err(|_| format!("`{number}` is negative"))?;
            T::from_integer(number).map(whole).ok_or_else(|| format!("`{number}` has no unit"))
        }
        Scalar::Float(number) => Err(format!("`{number}` is a float")),
        Scalar::Boolean(value) => Err(format!("`{value}` is a boolean")),
    }
}

impl<T: Unit> ScalarValue for Range<T> {
    const NAME: &'static str = T::RANGE;
    const EXPECTED: &'static str = T::EXPECTED_RANGE;

    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String> {
        read_unit(scalar, Self::parse, Self::fixed)
    }

    fn to_scalar(&self) -> toml::Value {
        let text = |value: T| match value.write() {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        if self.low == self.high {
            self.low.write()
        } else {
            format!("{}..{}", text(self.low), text(self.high)).into()
        }
    }

    fn schema() -> Schema {
        let one = T::PATTERN;
        unit_schema::<T>(format!("^{one}( *\\.\\.=? *{one})?$"))
    }
}

fn unit_schema<T: Unit>(pattern: String) -> Schema {
    if T::from_integer(1).is_some() {
        json_schema!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0 })
    } else {
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

scalar!([T: Unit] Range<T>);

/// Units are values by themselves too, where a range has no meaning.
macro_rules! unit_value {
    ($type:ty) => {
        impl ScalarValue for $type {
            const NAME: &'static str = <$type as Unit>::NAME;
            const EXPECTED: &'static str = <$type as Unit>::EXPECTED;

            fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String> {
                let one = |text: &str| match text.contains("..") {
                    true => Err(format!("`{text}` is a range")),
                    false => <$type as Unit>::parse(text.trim()),
                };
                read_unit(scalar, one, |value| value)
            }
            fn to_scalar(&self) -> toml::Value {
                self.write()
            }
            fn schema() -> Schema {
                unit_schema::<$type>(format!("^{}$", <$type as Unit>::PATTERN))
            }
        }
        scalar!([] $type);
    };
}

/// Splits `12.5kb` into its number and its unit.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// `digits` times `scale`, exactly: no float is involved.
fn scaled(digits: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || fraction.len() > 9 || (digits.contains('.') && fraction.is_empty()) {
        return None;
    }
    let mut total = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    if !fraction.is_empty() {
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
        let tenths = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        if !part.is_multiple_of(tenths) {
            return None;
        }
        total = total.checked_add(u64::try_from(part / tenths).ok()?)?;
    }
    Some(total)
}

/// A duration, or a moment counted from the start of the run. Whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Duration);

/// Longest time a scenario may speak of: 30 days.
const TIME_LIMIT_US: u64 = 30 * 86_400 * 1_000_000;
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
        "a time with its unit (us, ms, s, m, h), like \"500ms\" or \"1m30s\"";
    const EXPECTED_RANGE: &'static str = "a time with its unit (us, ms, s, m, h), like \"500ms\", or a range of them, like \"5s..8s\"";
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
const SIZE_LIMIT: u64 = 1 << 40;

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

/// A share of a whole, 0 to 1, or a probability.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

impl ScalarValue for Share {
    const NAME: &'static str = "Share";
    const EXPECTED: &'static str = "a share between 0 and 1, like 0.25";

    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String> {
        match *scalar {
            Scalar::Integer(number @ (0 | 1)) => Ok(Self(if number == 1 { 1.0 } else { 0.0 })),
            Scalar::Float(number) if (0.0..=1.0).contains(&number) => Ok(Self(number)),
            Scalar::Integer(number) => Err(format!("`{number}` is not between 0 and 1")),
            Scalar::Float(number) => Err(format!("`{number}` is not between 0 and 1")),
            Scalar::Text(text) => Err(format!("\"{text}\" is a string")),
            Scalar::Boolean(value) => Err(format!("`{value}` is a boolean")),
        }
    }
    fn to_scalar(&self) -> toml::Value {
        self.0.into()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}
scalar!([] Share);

/// How far and in which direction a clock jumps. Whole microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// How far.
    pub by: Duration,
    /// Into the past.
    pub back: bool,
}

impl ScalarValue for Jump {
    const NAME: &'static str = "Jump";
    const EXPECTED: &'static str = "a sign and a time, like \"+1h\" or \"-30s\"";

    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String> {
        let Scalar::Text(text) = *scalar else {
            return Err("this is not a string".to_owned());
        };
        let (back, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(format!("`{text}` has no sign")),
        };
        Time::parse(rest).map(|Time(by)| Self { by, back })
    }
    fn to_scalar(&self) -> toml::Value {
        let time = Time(self.by).write();
        format!("{}{}", if self.back { '-' } else { '+' }, time.as_str().unwrap_or_default()).into()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^[+-]{}$", Time::PATTERN) })
    }
}
scalar!([] Jump);

/// What a value must be: a text exactly, or an integer within a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this text.
    Text(String),
    /// An integer between the two, both included.
    Between(i64, i64),
}

impl Expected {
    /// Whether `actual` is as expected.
    pub fn accepts(&self, actual: &str) -> bool {
        match self {
            Self::Text(text) => text == actual,
            Self::Between(low, high) => {
                actual.parse::<i64>().is_ok_and(|number| (*low..=*high).contains(&number))
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Between(low, high) if low == high => write!(f, "{low}"),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

impl ScalarValue for Expected {
    const NAME: &'static str = "Expected";
    const EXPECTED: &'static str =
        "a text, an integer, or a range of integers with both ends, like \"1..2\"";

    fn from_scalar(scalar: &Scalar<'_>) -> Result<Self, String> {
        match *scalar {
            Scalar::Integer(number) => Ok(Self::Between(number, number)),
            Scalar::Boolean(value) => Err(format!("`{value}` is a boolean")),
            Scalar::Float(number) => Err(format!("`{number}` is a float")),
            Scalar::Text(text) => {
                let ends = text.split_once("..").map(|(a, b)| (a.parse(), b.parse()));
                match ends {
                    Some((Ok(low), Ok(high))) if low > high => {
                        Err(format!("the range `{text}` runs backwards"))
                    }
                    Some((Ok(low), Ok(high))) => Ok(Self::Between(low, high)),
                    _ => Ok(Self::Text(text.to_owned())),
                }
            }
        }
    }
    fn to_scalar(&self) -> toml::Value {
        match self {
            Self::Between(low, high) if low == high => (*low).into(),
            other => other.to_string().into(),
        }
    }
    fn schema() -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}
scalar!([] Expected);

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Result<u64, String> {
        Time::parse(text).map(Unit::to_u64)
    }

    #[test]
    fn times_are_exact_and_need_a_unit() {
        assert_eq!(time("1.5s"), Ok(1_500_000));
        assert_eq!(time("1m30s"), Ok(90_000_000));
        assert_eq!(time("250us"), Ok(250));
        assert!(time("5").is_err_and(|e| e.contains("no unit")));
        assert!(time("5 s").is_err());
        assert!(time("0.1us").is_err());
        assert!(time("99999999999999999999s").is_err());
        assert!(time("31d").is_err());
        assert!(time("..").is_err());
    }

    #[test]
    fn sizes_follow_redis_conf() {
        assert_eq!(Size::parse("1kb"), Ok(Size(1024)));
        assert_eq!(Size::parse("1k"), Ok(Size(1000)));
        assert_eq!(Size::parse("1.5MB"), Ok(Size(3 << 19)));
        assert_eq!(Bandwidth::parse("10MB/s"), Ok(Bandwidth(10 << 20)));
        assert!(Bandwidth::parse("10MB").is_err());
        assert!(Size::parse("many").is_err());
    }

    #[test]
    fn ranges_have_both_ends_and_run_forwards() {
        let range = Range::<Time>::parse("5s..8s").expect("a range");
        assert!(range.contains(Time(Duration::from_secs(8))));
        assert!(Range::<Time>::parse("8s..5s").is_err_and(|e| e.contains("backwards")));
        assert_eq!(Range::<Count>::parse("1..2").map(|r| r.to_string()), Ok("1..2".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(us in 0..=TIME_LIMIT_US, bytes in 0..=SIZE_LIMIT) {
            let time = Time::from_u64(us);
            proptest::prop_assert_eq!(Time::parse(time.write().as_str().expect("text")), Ok(time));
            let width = Bandwidth(bytes);
            proptest::prop_assert_eq!(Bandwidth::parse(width.write().as_str().expect("text")), Ok(width));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*") {
            let _ = Range::<Time>::parse(&text);
            let _ = Range::<Size>::parse(&text);
            let _ = Range::<Bandwidth>::parse(&text);
            let _ = Jump::from_scalar(&Scalar::Text(&text));
            let _ = Expected::from_scalar(&Scalar::Text(&text));
        }
    }
}
