//! The incremental parser of commands (networking.c `processInlineBuffer`,
//! `processMultibulkBuffer`).

use std::ops::Range;

use smallvec::SmallVec;

use super::inline::split_args;

/// Longest inline command and longest count line (`PROTO_INLINE_MAX_SIZE`).
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Most arguments of a client that has not authenticated.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
/// Longest argument of a client that has not authenticated, in bytes.
const UNAUTHENTICATED_BULK_MAX_BYTES: i64 = 16384;

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Most arguments of a command (Redis 7.0: `INT_MAX`).
    pub max_args: i64,
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub max_bulk_bytes: i64,
    /// Whether the client still has to authenticate: then 10 arguments of 16 KiB at most.
    pub unauthenticated: bool,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            max_args: i64::from(i32::MAX),
            max_bulk_bytes: 512 * 1024 * 1024,
            unauthenticated: false,
        }
    }
}

/// What [`CommandParser::parse`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parse {
    /// No whole command yet: call again with the same bytes and more after them.
    Incomplete,
    /// Nothing to execute: an empty line, or an array of no arguments.
    Empty {
        /// Raw length in bytes.
        consumed: usize,
    },
    /// A command; [`CommandParser::args`] gives its arguments (at least one).
    Command {
        /// Raw length in bytes, everything from its first byte to its last newline.
        consumed: usize,
    },
}

/// The client broke the protocol. The text follows `-ERR ` in the reply; then the connection is
/// closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Protocol error: {0}")]
pub struct ProtocolError(String);

impl ProtocolError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Parses one command at a time from the front of a connection's buffer.
///
/// The buffer stays with the caller. Order of calls: [`parse`](Self::parse); when it returns
/// `Command`, [`args`](Self::args) with the same bytes; drop `consumed` bytes from the front; again.
/// After `Incomplete` the same bytes must come again, with more behind them: the parser goes on
/// where it stopped and looks at no byte of a long argument twice.
#[derive(Debug, Default)]
pub struct CommandParser {
    state: State,
    /// Where the next byte to look at stands, from the start of the command.
    position: usize,
    /// Bytes after `position` known to hold no line end.
    scanned: usize,
    /// Arguments: ranges of the input, or of `owned` if `inline`.
    args: SmallVec<[Range<usize>; 8]>,
    owned: Vec<u8>,
    inline: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// This many arguments are missing, the next begins with its length line.
    Length { missing: i64 },
    /// As before, and the length of the next one is known.
    Body { missing: i64, len: usize },
    /// The command is complete and waits for the next call.
    Complete,
}

impl CommandParser {
    /// A parser at the start of a command.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the command found last was an inline one (a master never sends those).
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// Bytes held besides the buffer of the caller.
    pub fn held_bytes(&self) -> usize {
        let spilled = if self.args.spilled() { self.args.capacity() } else { 0 };
        self.owned.capacity() + spilled * size_of::<Range<usize>>()
    }

    /// Forgets a half command, for a buffer that was thrown away.
    pub fn reset(&mut self) {
        self.state = State::Start;
        self.position = 0;
        self.scanned = 0;
        self.args.clear();
        self.owned.clear();
        self.inline = false;
        // One huge command must not hold its memory for the rest of a connection's life.
        self.owned.shrink_to(LINE_MAX_BYTES);
        if self.args.capacity() > 1024 {
            self.args.shrink_to_fit();
        }
    }

    /// Looks for a command at the front of `input`.
    pub fn parse(&mut self, input: &[u8], limits: &ParseLimits) -> Result<Parse, ProtocolError> {
        if self.state == State::Complete {
            self.reset();
        }
        if self.state == State::Start {
            match input.first() {
                None => return Ok(Parse::Incomplete),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(input),
            }
            let Some(count) = self.count_line(input, "too big mbulk count string")? else {
                return Ok(Parse::Incomplete);
            };
            let missing = parse_integer(count)
                .filter(|count| *count <= limits.max_args)
                .ok_or_else(|| ProtocolError::new("invalid multibulk length"))?;
            if limits.unauthenticated && missing > UNAUTHENTICATED_ARGS_MAX {
                return Err(ProtocolError::new("unauthenticated multibulk length"));
            }
            if missing <= 0 {
                self.state = State::Complete;
                return Ok(Parse::Empty { consumed: self.position });
            }
            self.state = State::Length { missing };
        }
        self.parse_arguments(input, limits)
    }

    /// The arguments of the command found last, name first; `input` begins with that command.
    pub fn args<'a>(&'a self, input: &'a [u8]) -> SmallVec<[&'a [u8]; 8]> {
        let source = if self.inline { &self.owned } else { input };
        self.args.iter().map(|range| &source[range.clone()]).collect()
    }

    /// Where the arguments of the command found last stand in its bytes, name first. Not of an
    /// inline command: its arguments stand nowhere as they are.
    pub fn arg_ranges(&self) -> &[Range<usize>] {
        debug_assert!(!self.inline);
        &self.args
    }

    fn parse_arguments(
        &mut self,
        input: &[u8],
        limits: &ParseLimits,
    ) -> Result<Parse, ProtocolError> {
        loop {
            match self.state {
                State::Length { missing } => {
                    match input.get(self.position) {
                        Some(b'$') | None => {}
                        Some(other) => {
                            let got = char::from(*other);
                            return Err(ProtocolError::new(format!("expected '$', got '{got}'")));
                        }
                    }
                    let Some(len) = self.count_line(input, "too big bulk count string")? else {
                        return Ok(Parse::Incomplete);
                    };
                    let len = bulk_length(len, limits)?;
                    self.state = State::Body { missing, len };
                }
                State::Body { missing, len } => {
                    // The two bytes after an argument are skipped unseen, as Redis does.
                    let available = input.len().saturating_sub(self.position);
                    if available < 2 || available - 2 < len {
                        return Ok(Parse::Incomplete);
                    }
                    self.args.push(self.position..self.position + len);
                    self.position += len + 2;
                    if missing == 1 {
                        self.state = State::Complete;
                        return Ok(Parse::Command { consumed: self.position });
                    }
                    self.state = State::Length { missing: missing - 1 };
                }
                State::Start | State::Complete => return Ok(Parse::Incomplete),
            }
        }
    }

    /// The digits of a line `*N\r\n` or `$N\r\n` at `position`, which moves behind it.
    fn count_line<'a>(
        &mut self,
        input: &'a [u8],
        too_big: &str,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = input.get(self.position..).unwrap_or_default();
        let fresh = rest.get(self.scanned..).unwrap_or_default();
        let end = fresh.iter().position(|byte| *byte == b'\r');
        match end.map(|end| self.scanned + end) {
            // The byte after `\r` is skipped unseen, but it has to be there.
            Some(end) if end + 1 < rest.len() => {
                self.position += end + 2;
                self.scanned = 0;
                Ok(Some(&rest[1..end]))
            }
            found => {
                self.scanned = found.unwrap_or(rest.len());
                if found.is_none() && rest.len() > LINE_MAX_BYTES {
                    return Err(ProtocolError::new(too_big));
                }
                Ok(None)
            }
        }
    }

    fn parse_inline(&mut self, input: &[u8]) -> Result<Parse, ProtocolError> {
        let fresh = input.get(self.scanned..).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.scanned = input.len();
            if input.len() > LINE_MAX_BYTES {
                return Err(ProtocolError::new("too big inline request"));
            }
            return Ok(Parse::Incomplete);
        };
        let end = self.scanned + end;
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        let words =
            split_args(line).ok_or_else(|| ProtocolError::new("unbalanced quotes in request"))?;
        self.state = State::Complete;
        self.inline = true;
        for word in &words {
            let start = self.owned.len();
            self.owned.extend_from_slice(word);
            self.args.push(start..self.owned.len());
        }
        let consumed = end + 1;
        if words.is_empty() {
            return Ok(Parse::Empty { consumed });
        }
        Ok(Parse::Command { consumed })
    }
}

fn bulk_length(digits: &[u8], limits: &ParseLimits) -> Result<usize, ProtocolError> {
    let len = parse_integer(digits)
        .filter(|len| (0..=limits.max_bulk_bytes).contains(len))
        .ok_or_else(|| ProtocolError::new("invalid bulk length"))?;
    if limits.unauthenticated && len > UNAUTHENTICATED_BULK_MAX_BYTES {
        return Err(ProtocolError::new("unauthenticated bulk length"));
    }
    usize::try_from(len).map_err(|_| ProtocolError::new("invalid bulk length"))
}

/// Digits of which an `i64` holds any.
const SAFE_DIGITS: usize = 18;

/// An integer in its one canonical spelling: no `+`, no leading zero, no space, no `-0`
/// (util.c `string2ll`).
fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    if text.len() <= SAFE_DIGITS {
        return Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
            .map(|value| if digits.len() < text.len() { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::resp::encode_command;
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn parse_all(mut input: &[u8]) -> (Vec<Vec<Vec<u8>>>, Result<Parse, ProtocolError>) {
        let mut parser = CommandParser::new();
        let mut commands = Vec::new();
        loop {
            match parser.parse(input, &ParseLimits::default()) {
                Ok(Parse::Command { consumed }) => {
                    let args = parser.args(input);
                    commands.push(args.iter().map(|arg| arg.to_vec()).collect());
                    input = &input[consumed..];
                }
                Ok(Parse::Empty { consumed }) => input = &input[consumed..],
                end => return (commands, end),
            }
        }
    }

    fn error_of(input: &[u8]) -> String {
        match parse_all(input).1 {
            Err(error) => error.to_string(),
            Ok(state) => format!("{state:?}"),
        }
    }

    fn names(input: &[u8]) -> Vec<String> {
        parse_all(input)
            .0
            .iter()
            .map(|args| String::from_utf8_lossy(&args.join(&b' ')).into_owned())
            .collect()
    }

    /// Inputs and results as a real 7.0.15 server showed them.
    #[test]
    fn accepted_spellings() {
        for input in [
            b"\n*1\r\n$4\r\nPING\r\n".as_slice(),
            b"\r\nPING\r\n",
            b"*0\r\nPING\r\n",
            b"*-5\r\nPING\r\n",
            b"  \r\nPING\n",
            b"*1\rX$4\r\nPINGXX",
        ] {
            assert_eq!(names(input), ["PING"], "{}", input.escape_ascii());
        }
        assert_eq!(names(b"\"\"\r\nPING\r\n"), ["", "PING"]);
        assert_eq!(names(b"*1\r\n$4\r\nPINGXXPING\r\n"), ["PING", "PING"]);
        assert_eq!(names(b"ECHO \"a b\"\n"), ["ECHO a b"]);
    }

    #[test]
    fn refused_with_the_texts_of_redis() {
        let digits = vec![b'1'; 65540];
        for (input, text) in [
            (b"*+1\r\n".to_vec(), "invalid multibulk length"),
            (b"*01\r\n".to_vec(), "invalid multibulk length"),
            (b"*-0\r\n".to_vec(), "invalid multibulk length"),
            (b"*\r\n".to_vec(), "invalid multibulk length"),
            (b"*1\n$4\nPING\r\n".to_vec(), "invalid multibulk length"),
            (b"*2147483648\r\n".to_vec(), "invalid multibulk length"),
            (b"*1\r\n:4\r\n".to_vec(), "expected '$', got ':'"),
            (b"*1\r\n$\r\n".to_vec(), "invalid bulk length"),
            (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
            (b"*1\r\n$536870913\r\n".to_vec(), "invalid bulk length"),
            ([b"*".to_vec(), digits.clone()].concat(), "too big mbulk count string"),
            ([b"*1\r\n$".to_vec(), digits].concat(), "too big bulk count string"),
            (vec![b'a'; 65537], "too big inline request"),
            (b"ECHO \"a\r\n".to_vec(), "unbalanced quotes in request"),
        ] {
            assert_eq!(error_of(&input), format!("Protocol error: {text}"));
        }
        for waiting in
            [b"*2147483647\r\n".to_vec(), b"*1\r\n$536870912\r\n".to_vec(), vec![b'a'; 65536]]
        {
            assert_eq!(error_of(&waiting), "Incomplete");
        }
    }

    #[test]
    fn strangers_get_little_room() {
        let limits = ParseLimits { unauthenticated: true, ..ParseLimits::default() };
        let parse = |input: &[u8]| CommandParser::new().parse(input, &limits);
        assert_eq!(parse(b"*10\r\n$16384\r\n"), Ok(Parse::Incomplete));
        let text = |input: &[u8]| parse(input).expect_err("too big").to_string();
        assert_eq!(text(b"*11\r\n"), "Protocol error: unauthenticated multibulk length");
        assert_eq!(text(b"*1\r\n$16385\r\n"), "Protocol error: unauthenticated bulk length");
    }

    #[test]
    fn a_newline_before_a_command_is_one_byte() {
        let mut parser = CommandParser::new();
        let limits = ParseLimits::default();
        let input = b"\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(parser.parse(input, &limits), Ok(Parse::Empty { consumed: 1 }));
        let rest = &input[1..];
        assert_eq!(parser.parse(rest, &limits), Ok(Parse::Command { consumed: 14 }));
        assert_eq!(parser.args(rest)[..], [b"PING".as_slice()]);
        assert!(!parser.is_inline());
    }

    #[test]
    fn a_long_half_command_is_not_read_again() {
        let mut parser = CommandParser::new();
        let limits = ParseLimits::default();
        let mut out = BytesMut::new();
        encode_command(&mut out, &vec![b"x".as_slice(); 1000]);
        assert_eq!(parser.parse(&out[..3000], &limits), Ok(Parse::Incomplete));
        let before = parser.position;
        assert!(before > 2900, "{before}");
        // What lies before `position` is looked at no more, so spoiling it is not noticed.
        out[0] = b'!';
        let consumed = out.len();
        assert_eq!(parser.parse(&out, &limits), Ok(Parse::Command { consumed }));
        assert_eq!(parser.args(&out).len(), 1000);
    }

    fn some_command() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 1..10)
    }

    proptest! {
        #[test]
        fn encoded_commands_come_back_at_every_split(first in some_command(), second in some_command()) {
            let mut bytes = BytesMut::new();
            encode_command(&mut bytes, &first);
            let len = bytes.len();
            encode_command(&mut bytes, &second);
            for split in 0..len {
                let mut parser = CommandParser::new();
                let limits = ParseLimits::default();
                prop_assert_eq!(parser.parse(&bytes[..split], &limits), Ok(Parse::Incomplete));
                prop_assert_eq!(parser.parse(&bytes, &limits), Ok(Parse::Command { consumed: len }));
                prop_assert_eq!(&parser.args(&bytes)[..], &first[..]);
                let rest = &bytes[len..];
                prop_assert_eq!(parser.parse(rest, &limits), Ok(Parse::Command { consumed: rest.len() }));
                prop_assert_eq!(&parser.args(rest)[..], &second[..]);
            }
        }

        #[test]
        fn byte_by_byte_is_the_same_as_at_once(
            input in proptest::collection::vec(prop_oneof![
                Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'2'), Just(b'"'), any::<u8>()
            ], 0..80)
        ) {
            let at_once = parse_all(&input);
            let mut parser = CommandParser::new();
            let mut commands = Vec::new();
            let (mut start, mut end) = (0, 0);
            let last = loop {
                match parser.parse(&input[start..end], &ParseLimits::default()) {
                    Ok(Parse::Incomplete) if end < input.len() => end += 1,
                    Ok(Parse::Command { consumed }) => {
                        prop_assert!(consumed > 0 && start + consumed <= end);
                        commands.push(parser.args(&input[start..end]).iter().map(|arg| arg.to_vec()).collect::<Vec<_>>());
                        start += consumed;
                    }
                    Ok(Parse::Empty { consumed }) => {
                        prop_assert!(consumed > 0 && start + consumed <= end);
                        start += consumed;
                    }
                    other => break other,
                }
            };
            prop_assert_eq!((commands, last), at_once);
        }
    }
}
