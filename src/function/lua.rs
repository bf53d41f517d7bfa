//! Lua 5.1 cut into tokens: as much of it as it takes to see where names, strings and brackets
//! are, and to refuse what is no Lua at all.

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a reserved word.
    Name(&'a [u8]),
    /// The value of a string, escapes resolved.
    Text(Vec<u8>),
    /// A number, not read.
    Number,
    /// A sign of one character.
    Sign(u8),
    /// A sign of several characters.
    LongSign,
}

/// Why there is no next token: the line (from 1) and what is wrong.
pub(super) type Malformed = (usize, &'static str);

/// The tokens of a text, from where it stands on. A copy looks ahead.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    /// Line of what comes next.
    pub(super) line: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8], line: usize) -> Self {
        Self { rest: text, line }
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Malformed> {
        self.skip_blanks()?;
        let Some(&first) = self.rest.first() else {
            return Ok(None);
        };
        let token = match first {
            b'"' | b'\'' => Token::Text(self.short_text(first)?),
            b'[' if self.long_bracket().is_some() => {
                Token::Text(self.long_text("unfinished long string near '<eof>'")?.to_vec())
            }
            _ if is_name(first) && !first.is_ascii_digit() => Token::Name(self.take_while(is_name)),
            _ if first.is_ascii_digit() || self.starts_number() => {
                self.number();
                Token::Number
            }
            _ => self.sign(first),
        };
        Ok(Some(token))
    }

    fn advance(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.line += taken.iter().filter(|byte| **byte == b'\n').count();
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte)).unwrap_or(self.rest.len());
        self.advance(end)
    }

    fn skip_blanks(&mut self) -> Result<(), Malformed> {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            if !self.rest.starts_with(b"--") {
                return Ok(());
            }
            self.advance(2);
            if self.long_bracket().is_some() {
                self.long_text("unfinished long comment near '<eof>'")?;
            } else {
                self.take_while(|byte| byte != b'\n');
            }
        }
    }

    /// Number of `=` in the long bracket `[==[` that opens here, if one does.
    fn long_bracket(&self) -> Option<usize> {
        let inside = self.rest.strip_prefix(b"[")?;
        let level = inside.iter().take_while(|byte| **byte == b'=').count();
        (inside.get(level) == Some(&b'[')).then_some(level)
    }

    /// A text in long brackets, which begin here.
    fn long_text(&mut self, unfinished: &'static str) -> Result<&'a [u8], Malformed> {
        let level = self.long_bracket().unwrap_or(0);
        self.advance(level + 2);
        let mut closing = vec![b'='; level + 2];
        closing[0] = b']';
        closing[level + 1] = b']';
        let Some(end) = find(self.rest, &closing) else {
            let line = self.line + self.rest.iter().filter(|byte| **byte == b'\n').count();
            return Err((line, unfinished));
        };
        let inside = self.advance(end);
        self.advance(closing.len());
        // A line break right after the opening bracket is none of the text.
        Ok(inside.strip_prefix(b"\r\n").or(inside.strip_prefix(b"\n")).unwrap_or(inside))
    }

    fn short_text(&mut self, quote: u8) -> Result<Vec<u8>, Malformed> {
        self.advance(1);
        let mut value = Vec::new();
        loop {
            let plain =
                self.take_while(|byte| byte != quote && !matches!(byte, b'\\' | b'\n' | b'\r'));
            value.extend_from_slice(plain);
            match self.rest.first() {
                Some(&byte) if byte == quote => {
                    self.advance(1);
                    return Ok(value);
                }
                Some(b'\\') => value.extend(self.escape()?),
                Some(_) => return Err((self.line, "unfinished string")),
                None => return Err((self.line, "unfinished string near '<eof>'")),
            }
        }
    }

    /// What a backslash and the characters after it stand for.
    fn escape(&mut self) -> Result<Option<u8>, Malformed> {
        self.advance(1);
        let Some(&first) = self.rest.first() else {
            return Err((self.line, "unfinished string near '<eof>'"));
        };
        if first.is_ascii_digit() {
            let count = self.rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
            let digits = self.advance(count);
            let value = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            return match u8::try_from(value) {
                Ok(byte) => Ok(Some(byte)),
                Err(_) => Err((self.line, "escape sequence too large")),
            };
        }
        self.advance(1);
        Ok(Some(match first {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => other,
        }))
    }

    /// Whether a number begins here with its point.
    fn starts_number(&self) -> bool {
        matches!(self.rest, [b'.', digit, ..] if digit.is_ascii_digit())
    }

    fn number(&mut self) {
        self.take_while(|byte| byte.is_ascii_digit() || byte == b'.');
        if let [b'e' | b'E', b'+' | b'-', ..] = self.rest {
            self.advance(2);
        }
        self.take_while(is_name);
    }

    fn sign(&mut self, first: u8) -> Token<'a> {
        const LONG: [&[u8]; 6] = [b"...", b"..", b"==", b"~=", b"<=", b">="];
        match LONG.into_iter().find(|sign| self.rest.starts_with(sign)) {
            Some(sign) => {
                self.advance(sign.len());
                Token::LongSign
            }
            None => {
                self.advance(1);
                Token::Sign(first)
            }
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where a closing long bracket is first found.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].iter().position(|byte| *byte == b']')?;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
