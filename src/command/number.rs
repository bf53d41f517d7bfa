//! Numbers in arguments and values, as strict as Redis reads them.

use super::CommandError;

/// Parses a decimal `i64` in the one form in which it would be printed: no sign but `-`, no
/// leading zero, no space, nothing after it (util.c `string2ll`).
pub fn parse_i64(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    // ASCII by the check above; what is left to fail is the range.
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// An argument that has to be an integer.
pub fn integer(argument: &[u8]) -> Result<i64, CommandError> {
    parse_i64(argument).ok_or(CommandError::NotInteger)
}

/// A double as C's `strtod` reads all of `text`: decimal or hexadecimal, an infinity by name, no
/// NaN. Too large a number is an infinity, and nothing at all is 0.
pub fn loose_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii_start();
    if text.is_empty() {
        return Some(0.0);
    }
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = match digits.get(..2) {
        Some("0x" | "0X") => hexadecimal(&digits[2..])?,
        _ => digits.parse().ok().filter(|value: &f64| !value.is_nan())?,
    };
    Some(if negative { -value } else { value })
}

/// Digits, with a point and a binary exponent if wanted.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * f64::powi(2.0, exponent.checked_sub(places)?))
}

/// An argument that has to be a double that is one (object.c `getDoubleFromObject`): no space
/// before it, not too large, and not so small that it would be 0.
pub fn float(argument: &[u8]) -> Result<f64, CommandError> {
    let refused = argument.first().is_none_or(u8::is_ascii_whitespace);
    let value = loose_float(argument).filter(|_| !refused).ok_or(CommandError::NotFloat)?;
    let named = argument.to_ascii_lowercase().windows(3).any(|word| word == b"inf");
    let mantissa = argument.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let vanished = value == 0.0 && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    if value.is_infinite() && !named || vanished {
        return Err(CommandError::NotFloat);
    }
    Ok(value)
}

/// An argument that has to be the number of one of `databases` databases.
pub fn db_index(argument: &[u8], databases: u32) -> Result<u32, CommandError> {
    let index = i32::try_from(integer(argument)?).map_err(|_| CommandError::NotInt32)?;
    u32::try_from(index).ok().filter(|index| *index < databases).ok_or(CommandError::DbIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN, 1 << 40] {
            assert_eq!(parse_i64(number.to_string().as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "1.0",
            "0x1",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "1\0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_database_is_an_int_in_range() {
        assert_eq!(db_index(b"15", 16), Ok(15));
        assert_eq!(db_index(b"16", 16), Err(CommandError::DbIndex));
        assert_eq!(db_index(b"-1", 16), Err(CommandError::DbIndex));
        assert_eq!(db_index(b"4294967296", 16), Err(CommandError::NotInt32));
        assert_eq!(db_index(b"x", 16), Err(CommandError::NotInteger));
    }
}
