//! Glob patterns, as `KEYS`, `SCAN ... MATCH` and `CONFIG GET` use them.
//!
//! The language is that of Redis (util.c `stringmatchlen`): `*`, `?`, `[abc]`, `[^a-z]`, and a
//! backslash before a character that is meant literally, inside brackets too. The time is at
//! most the product of both lengths: of several stars only the last is ever retried. One thing
//! differs: here `**` matches the empty text, as `*` does.

/// A pattern with more stars in it matches nothing, as Redis's depth of calls has it.
const STARS_MAX: usize = 1000;

/// Whether all of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, |byte| byte)
}

/// The same, blind to the case of ASCII letters.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, |byte| byte.to_ascii_lowercase())
}

fn search(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8) -> bool {
    let (mut at, mut pos) = (0, 0);
    // Where to go on after a mismatch: behind the last star, and one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if pattern.get(at) == Some(&b'*') {
            while pattern.get(at) == Some(&b'*') {
                at += 1;
            }
            stars += 1;
            if stars > STARS_MAX && at < pattern.len() {
                return false;
            }
            retry = Some((at, pos));
            continue;
        }
        if pos == text.len() && at == pattern.len() {
            return true;
        }
        if let Some(&byte) = text.get(pos)
            && at < pattern.len()
            && let Some(next) = step(&pattern[at..], byte, &fold)
        {
            at += next;
            pos += 1;
            continue;
        }
        match retry {
            Some((after_star, from)) if from < text.len() => {
                (at, pos) = (after_star, from + 1);
                retry = Some((after_star, from + 1));
            }
            _ => return false,
        }
    }
}

/// Matches one byte with the head of the pattern (no star); the length of that head, if it does.
fn step(pattern: &[u8], byte: u8, fold: &impl Fn(u8) -> u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matched, len) = class_matches(class, byte, fold);
            matched.then_some(1 + len)
        }
        [b'\\', literal, ..] => (fold(*literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
        [] => None,
    }
}

/// Reads a class from behind its `[`: whether `byte` is in it, and its length with the `]`. A
/// class that is never closed ends with the pattern.
fn class_matches(class: &[u8], byte: u8, fold: &impl Fn(u8) -> u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', literal, ..] => {
                found |= fold(*literal) == fold(byte);
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [a, b'-', b, ..] => {
                let (low, high) = (fold(*a).min(fold(*b)), fold(*a).max(fold(*b)));
                found |= (low..=high).contains(&fold(byte));
                at += 3;
            }
            [literal, ..] => {
                found |= fold(*literal) == fold(byte);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_stars_are_enough() {
        let text = b"a".repeat(2000);
        assert!(matches(&b"*?".repeat(1000), &text));
        assert!(!matches(&b"*?".repeat(1001), &text));
        assert!(matches(&[b"*?".repeat(1000), b"*".to_vec()].concat(), &text));
    }

    #[test]
    fn the_language() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("**", "", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("?", "a", true),
            ("?", "", false),
            ("h?llo", "hallo", true),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("[a-]", "-", false),
            ("[a-]", "_", true),
            ("[\\]]", "]", true),
            ("[]a]", "a", false),
            ("[abc", "b", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a\\", true),
            ("A", "a", false),
            ("*?b", "ab", true),
            ("key:*:[0-9]?", "key:x:12", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern:?} against {text:?}"
            );
        }
        assert!(matches_ignore_case(b"REPL-*[A-C]", b"repl-xb"));
        assert!(!matches_ignore_case(b"REPL-*[A-C]", b"repl-xd"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        // Each star that is retried squares the work of a backtracking matcher: this would never end.
        let pattern = b"a*".repeat(200);
        let mut text = vec![b'a'; 20_000];
        text.push(b'b');
        assert!(matches(&pattern, &text));
        let pattern = [&pattern[..], b"c"].concat();
        assert!(!matches(&pattern, &text));
    }
}
