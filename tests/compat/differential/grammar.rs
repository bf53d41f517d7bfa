//! Templates of commands, and what is drawn for their placeholders.
//!
//! A template is words with spaces between them:
//!
//! - `$s` a key that mostly holds a string; `$l` list, `$t` set, `$h` hash, `$z` sorted set,
//!   `$q` sorted set of equal scores, `$x` stream, `$b` bitmap, `$p` HyperLogLog, `$g` positions; `$*` any of them;
//! - `@v` a value, `@m` a member, `@f` a field; `#i` a small integer, `#n` any integer,
//!   `#d` a number, `#r` a score or an end of a range of them, `#y` an end of a lexical range,
//!   `#x` a stream id, `#c` a count (0 to 5), `#T` a long time to live, `#o` a bit offset;
//! - `a|b|c` one of these; `word?` a word that may be left out; `word+` one to four of it;
//!   `(a b)?` and `(a b)+` the same for several words.
//!
//! One in fifty words is replaced by rubbish, and one command in fifty has a word too few.

use std::fmt;

use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::compare::Order;
use super::families::Family;

/// A command as it is sent.
#[derive(Clone)]
pub struct Command {
    /// Name first.
    pub args: Vec<Vec<u8>>,
    /// How its replies are compared.
    pub order: Order,
}

impl Command {
    /// Words without placeholders.
    pub fn plain(words: &str) -> Self {
        let args = words.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        Self { args, order: Order::Exact }
    }

    /// Whether it is the command of that name (upper case).
    pub fn is(&self, name: &str) -> bool {
        self.args[0] == name.as_bytes()
    }
}

/// Longest argument that is shown as it is, bytes.
const SHOWN_BYTES: usize = 100;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arg) in self.args.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let bare = !arg.is_empty() && arg.iter().all(u8::is_ascii_graphic);
            if arg.len() > SHOWN_BYTES {
                write!(f, "{space}<{} bytes>", arg.len())?;
                continue;
            }
            let text = arg.escape_ascii();
            if bare { write!(f, "{space}{text}")? } else { write!(f, "{space}\"{text}\"")? }
        }
        Ok(())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A command of one of these families. It shrinks by being left out of its script.
pub fn any_command(families: &[&Family]) -> impl Strategy<Value = Command> + use<> {
    let templates: Vec<(Order, &'static str)> =
        families.iter().flat_map(|family| family.iter().copied()).collect();
    (0..templates.len(), any::<u64>().no_shrink()).prop_map(move |(at, seed)| {
        let (order, template) = templates[at];
        let args = Draw { rng: ChaCha8Rng::seed_from_u64(seed) }.command(template);
        Command { args, order }
    })
}

struct Draw {
    rng: ChaCha8Rng,
}

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn command(&mut self, template: &str) -> Vec<Vec<u8>> {
        let mut args = Vec::new();
        self.words(template, &mut args);
        if args.len() > 1 && self.below(50) == 0 {
            args.pop();
        }
        args
    }

    fn words(&mut self, template: &str, args: &mut Vec<Vec<u8>>) {
        let mut rest = template.trim();
        while !rest.is_empty() {
            let (word, after) = next_word(rest);
            rest = after.trim_start();
            let (word, times) = match word.as_bytes().last() {
                Some(b'?') if word.len() > 1 => (&word[..word.len() - 1], self.below(2)),
                Some(b'+') if word.len() > 1 => (&word[..word.len() - 1], 1 + self.below(4)),
                _ => (word, 1),
            };
            for _ in 0..times {
                match word.strip_prefix('(').and_then(|word| word.strip_suffix(')')) {
                    Some(inner) => self.words(inner, args),
                    None => {
                        let arg = self.word(word, args.is_empty());
                        args.push(arg);
                    }
                }
            }
        }
    }

    fn word(&mut self, word: &str, is_name: bool) -> Vec<u8> {
        if !is_name && self.below(50) == 0 {
            return self.one_of(&["", "rubbish", "-1", "1.5", "(", "0", "99999999999"]).into();
        }
        let choices: Vec<&str> = word.split('|').collect();
        let word = self.one_of(&choices);
        match word.as_bytes() {
            [b'$', kind] => self.key(*kind),
            [b'@', b'v'] => self.value(),
            [b'@', b'm'] => self.one_of(&["a", "b", "c", "d", "10", "-7", "e f"]).into(),
            [b'@', b'f'] => self.one_of(&["f1", "f2", "f3", "7", ""]).into(),
            [b'#', kind] => self.number(*kind),
            _ => word.into(),
        }
    }

    fn key(&mut self, kind: u8) -> Vec<u8> {
        const KINDS: &[u8] = b"slthzxbpg";
        let wrong = kind == b'*' || (kind != b'q' && self.below(25) == 0);
        let kind = if wrong { KINDS[self.below(KINDS.len())] } else { kind };
        vec![kind, b'1' + self.below(3) as u8]
    }

    fn value(&mut self) -> Vec<u8> {
        match self.below(12) {
            0 => vec![b'x'; 70],
            1 => b"\x00\xff\r\n".to_vec(),
            2 => b"y".repeat(self.below(3000)),
            _ => self
                .one_of(&["", "a", "b", "hello", "1", "10", "-5", "3.5", "9223372036854775807"])
                .into(),
        }
    }

    fn number(&mut self, kind: u8) -> Vec<u8> {
        let rng = &mut self.rng;
        let text = match kind {
            b'c' => rng.random_range(0..=5).to_string(),
            b'o' => rng.random_range(0..200).to_string(),
            b'T' => rng.random_range(100_000..200_000).to_string(),
            b'x' => {
                let choices = ["1-1", "1-2", "2-1", "3", "5-5", "7-0", "0", "0-0", "10-*"];
                return self.one_of(&choices).into();
            }
            b'n' => {
                let choices =
                    ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "77", "1000"];
                return self.one_of(&choices).into();
            }
            b'd' => {
                let choices = [
                    "0",
                    "1",
                    "-1.5",
                    "3.25",
                    "1e3",
                    "0.1",
                    "1e-5",
                    "inf",
                    "-inf",
                    "123456789.125",
                ];
                return self.one_of(&choices).into();
            }
            b'r' => {
                let choices = ["-inf", "+inf", "0", "1", "(1", "2.5", "(3", "-1.5", "10"];
                return self.one_of(&choices).into();
            }
            b'y' => return self.one_of(&["-", "+", "[a", "(a", "[b", "(c", "[d", "[zz"]).into(),
            _ => rng.random_range(-5..=6).to_string(),
        };
        text.into_bytes()
    }
}

/// The first word (a group in parentheses is one, with what follows its end), and the rest.
fn next_word(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b' ' if depth == 0 => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}
