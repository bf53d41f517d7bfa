//! Receiving a snapshot from the master, in pieces of any size.
//!
//! ```text
//! \n \n ... $<length>\r\n <length bytes>                      then the stream, at once
//! \n \n ... $EOF:<40 bytes>\r\n <bytes> <the same 40 bytes>   then silence until our first ack
//! ```
//! The newlines are the master's signs of life while the snapshot is being made. Behind the
//! second form nothing follows until we have acknowledged, so the mark is looked for at the very
//! end of what has arrived, and nowhere else (Redis `readSyncBulkPayload`).
//!
//! Must never: hand on a byte of the mark as data, nor keep more than 40 bytes back.

/// Longest header line that a master may send (`$EOF:` and 40 bytes take 45).
const MAX_HEADER_BYTES: usize = 1024;
const MARK_BYTES: usize = 40;

/// What to do with a piece of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A sign of life of who makes the snapshot.
    Newline,
    /// The header was read.
    Begin(Option<u64>),
    /// Bytes of the snapshot.
    Data(Vec<u8>),
    /// It is complete.
    End,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    Length {
        left: u64,
    },
    /// `tail`: the last bytes that arrived, at most 40; they may be the mark.
    Mark {
        mark: Vec<u8>,
        tail: Vec<u8>,
    },
    Done,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Payload {
    state: State,
    /// Bytes to come in all; `None` while unknown.
    pub(super) total_bytes: Option<u64>,
    /// Bytes of the snapshot that have arrived.
    pub(super) read_bytes: u64,
    /// Whether the mark arrived in more than one read.
    pub(super) mark_was_split: bool,
}

impl Payload {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header(Vec::new()),
            total_bytes: None,
            read_bytes: 0,
            mark_was_split: false,
        }
    }

    pub(super) fn header_seen(&self) -> bool {
        !matches!(self.state, State::Header(_))
    }

    /// Takes what it can from the front of `input`; what stays belongs to the stream. The error is
    /// for the log; the link is of no use after it.
    pub(super) fn feed(&mut self, input: &mut &[u8]) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        if matches!(self.state, State::Header(_)) && !self.read_header(input, &mut pieces)? {
            return Ok(pieces);
        }
        let over = match &mut self.state {
            State::Header(_) | State::Done => false,
            State::Length { left } => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let (now, later) = input.split_at(take);
                *input = later;
                *left -= take as u64;
                self.read_bytes += take as u64;
                if !now.is_empty() {
                    pieces.push(Piece::Data(now.to_vec()));
                }
                *left == 0
            }
            State::Mark { mark, tail } => {
                let fresh = input.len();
                let mut bytes = std::mem::take(tail);
                bytes.extend_from_slice(input);
                *input = &[];
                self.read_bytes += fresh as u64;
                let keep_from = bytes.len().saturating_sub(MARK_BYTES);
                let last = bytes.split_off(keep_from);
                if !bytes.is_empty() {
                    pieces.push(Piece::Data(bytes));
                }
                let over = last == *mark;
                if over {
                    self.mark_was_split = fresh < MARK_BYTES;
                    self.read_bytes -= MARK_BYTES as u64;
                } else {
                    *tail = last;
                }
                over
            }
        };
        if over {
            self.state = State::Done;
            pieces.push(Piece::End);
        }
        Ok(pieces)
    }

    /// Reads header lines; true once the header is known and the body may be looked at.
    fn read_header(&mut self, input: &mut &[u8], pieces: &mut Vec<Piece>) -> Result<bool, String> {
        let State::Header(line) = &mut self.state else {
            return Ok(false);
        };
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if byte != b'\n' {
                if line.len() == MAX_HEADER_BYTES {
                    return Err("the header of the snapshot is too long".into());
                }
                line.push(byte);
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if line.is_empty() {
                pieces.push(Piece::Newline);
                continue;
            }
            self.state = parse_header(line)?;
            self.total_bytes = match &self.state {
                State::Length { left } => Some(*left),
                _ => None,
            };
            pieces.push(Piece::Begin(self.total_bytes));
            return Ok(true);
        }
        Ok(false)
    }
}

fn parse_header(line: &[u8]) -> Result<State, String> {
    let shown = String::from_utf8_lossy(line);
    if line.first() == Some(&b'-') {
        return Err(format!("MASTER aborted replication with an error: {}", &shown[1..]));
    }
    let Some(rest) = line.strip_prefix(b"$") else {
        return Err(format!(
            "Bad protocol from MASTER, the first byte is not '$' (we received '{}'), are you sure the host and port are right?",
            shown.escape_debug()
        ));
    };
    if let Some(mark) = rest.strip_prefix(b"EOF:")
        && mark.len() == MARK_BYTES
    {
        return Ok(State::Mark { mark: mark.to_vec(), tail: Vec::new() });
    }
    std::str::from_utf8(rest)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .map(|left| State::Length { left })
        .ok_or_else(|| {
            format!("Bad length of the snapshot from MASTER: '{}'", shown.escape_debug())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes out of `input` cut into pieces of `step` bytes: announced length,
    /// data, whether it ended, what was left over.
    fn receive(input: &[u8], step: usize) -> (Option<u64>, Vec<u8>, bool, Vec<u8>) {
        let mut payload = Payload::new();
        let (mut length, mut data, mut ended, mut rest) = (None, Vec::new(), false, Vec::new());
        for mut chunk in input.chunks(step) {
            if ended {
                rest.extend_from_slice(chunk);
                continue;
            }
            for piece in payload.feed(&mut chunk).expect("a sound payload") {
                match piece {
                    Piece::Newline => {}
                    Piece::Begin(l) => length = l,
                    Piece::Data(d) => data.extend_from_slice(&d),
                    Piece::End => ended = true,
                }
            }
            rest.extend_from_slice(chunk);
        }
        (length, data, ended, rest)
    }

    #[test]
    fn by_length_with_the_stream_behind_it_in_reads_of_any_size() {
        for step in 1..40 {
            let got = receive(b"\n\n$5\r\nhello*1\r\n", step);
            assert_eq!(got, (Some(5), b"hello".to_vec(), true, b"*1\r\n".to_vec()));
        }
    }

    #[test]
    fn an_empty_snapshot_ends_at_once() {
        assert_eq!(receive(b"$0\r\n", 64), (Some(0), vec![], true, vec![]));
    }

    #[test]
    fn by_mark_in_reads_of_any_size() {
        let mark = [b'x'; 40];
        let mut input = b"\n$EOF:".to_vec();
        input.extend_from_slice(&mark);
        input.extend_from_slice(b"\r\nxxhelloxx-");
        input.extend_from_slice(&mark);
        for step in 1..140 {
            let (length, data, ended, rest) = receive(&input, step);
            assert_eq!((length, ended, rest), (None, true, vec![]), "step {step}");
            assert_eq!(data, b"xxhelloxx-", "step {step}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [&b"hello\r\n"[..], b"$abc\r\n", b"$-1\r\n", b"$EOF:short\r\n", b"-ERR no\r\n"] {
            assert!(Payload::new().feed(&mut &bad[..]).is_err());
        }
        assert!(Payload::new().feed(&mut &[b'a'; 2000][..]).is_err());
    }
}
