//! The small values of a scenario file: times, sizes, rates, shares, and ranges of them.
//!
//! Every one is written the same way wherever it stands, says itself what it expects, and
//! prints itself back in a form that parses to the same value. Must never: guess a unit.

use std::borrow::Cow;
use std::fmt;

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

mod quantity;
mod single;

pub use quantity::{Bandwidth, Count, Size, Time};
pub use single::{Expected, Jump, Share};

#[cfg(test)]
mod tests {
    use super::quantity::{SIZE_LIMIT, TIME_LIMIT_US};
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
        assert!(range.contains(Time(std::time::Duration::from_secs(8))));
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
