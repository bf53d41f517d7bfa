//! Values of which there are no ranges: shares, jumps of a clock, what something must be.

use std::fmt;
use std::time::Duration;

use super::*;

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
