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
