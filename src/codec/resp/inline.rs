//! Words of a line: inline commands and redis.conf share one set of quoting rules
//! (sds.c `sdssplitargs`).

/// Splits a line into words.
///
/// Words are separated by white space. `"..."` understands `\n \r \t \b \a \\ \" \xHH`;
/// `'...'` understands `\'` only. A closing quote must be followed by white space or the end.
/// `None`: quotes are not balanced.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, tail) = next_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn next_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] => return Some((word, rest)),
            [b' ' | b'\n' | b'\r' | b'\t' | 0, tail @ ..] => return Some((word, tail)),
            [b'"', tail @ ..] => rest = double_quoted(tail, &mut word)?,
            [b'\'', tail @ ..] => rest = single_quoted(tail, &mut word)?,
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
                continue;
            }
        }
        // Only reached after a closing quote, which has to end the word.
        return match rest {
            [] => Some((word, rest)),
            [byte, ..] if is_space(*byte) => Some((word, rest)),
            _ => None,
        };
    }
}

/// The text after an opening `"`; returns what follows the closing one.
fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex_digit(*high) << 4 | hex_digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

/// The text after an opening `'`; returns what follows the closing one.
fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.to_ascii_uppercase() - b'A' + 10,
    }
}

/// A word in double quotes such that [`split_args`] gives it back (sds.c `sdscatrepr`).
pub fn quote(word: &[u8]) -> String {
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for &byte in word {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'"' => out.push_str("\\\""),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                out.push_str("\\x");
                for nibble in [byte >> 4, byte & 15] {
                    out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
                }
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        split_args(line.as_bytes()).map(|words| {
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        })
    }

    /// Each line was sent to a real 7.0.15 server as `ECHO ...`.
    #[test]
    fn quoting_is_that_of_redis() {
        let some = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(r#""a\x41\n\t\"b""#), some(&["aA\n\t\"b"]));
        assert_eq!(words(r"'a\'b\n'"), some(&["a'b\\n"]));
        assert_eq!(words(r#"a"b c""#), some(&["ab c"]));
        assert_eq!(words(r#""\xzz\q\x4""#), some(&["xzzqx4"]));
        assert_eq!(words("  hi \u{b} \t"), some(&["hi"]));
        assert_eq!(words(r#""" ''"#), some(&["", ""]));
        assert_eq!(words(" "), some(&[]));
        for unbalanced in [r#""a"b"#, r#""a"#, r#"a"b"c"#, "'a'b", r"'a\'", r#""a\"#] {
            assert_eq!(words(unbalanced), None, "{unbalanced}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let line = list.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split_args(line.as_bytes()), Some(list));
        }

        #[test]
        fn any_line_splits_or_is_refused(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            split_args(&line);
        }
    }
}
