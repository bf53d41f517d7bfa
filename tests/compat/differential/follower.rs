//! A replica that only listens: what a server puts on its stream, command by command.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use redis::Value;

/// The link of a replica, behind its full sync.
pub struct Follower {
    stream: BufReader<TcpStream>,
    parser: redis::Parser,
}

/// A command of the stream.
pub type Sent = Vec<Vec<u8>>;

impl Follower {
    /// Asks for everything, and throws the snapshot away.
    pub fn of(port: u16) -> Self {
        let mut stream =
            BufReader::new(TcpStream::connect(("127.0.0.1", port)).expect("connected"));
        stream.get_mut().set_nodelay(true).expect("an option of TCP");
        stream.get_mut().write_all(b"PSYNC ? -1\r\n").expect("sent");
        let answer = line(&mut stream);
        assert!(answer.starts_with("+FULLRESYNC "), "{answer}");
        let header = line(&mut stream);
        let length = header.strip_prefix('$').and_then(|length| length.parse().ok());
        let mut snapshot = vec![0; length.expect("a length")];
        stream.read_exact(&mut snapshot).expect("a snapshot");
        let mut follower = Self { stream, parser: redis::Parser::new() };
        follower.acknowledge();
        follower
    }

    /// Says that it is still there: the stream begins with the first ack.
    pub fn acknowledge(&mut self) {
        self.stream.get_mut().write_all(b"REPLCONF ACK 0\r\n").expect("sent");
    }

    /// What is sent up to `PUBLISH mark ...`, without what keeps the link alive.
    pub fn until(&mut self, mark: &[u8]) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            let Value::Array(words) = self.parser.parse_value(&mut self.stream).expect("a command")
            else {
                panic!("not a command on the stream");
            };
            let bytes = |word: Value| match word {
                Value::BulkString(bytes) => bytes,
                other => panic!("not a word of a command: {other:?}"),
            };
            let command: Sent = words.into_iter().map(bytes).collect();
            if command.len() == 3 && command[0] == b"PUBLISH" && command[1] == mark {
                return all;
            }
            let name = command[0].to_ascii_uppercase();
            if name != b"PING" && name != b"REPLCONF" {
                all.push(command);
            }
        }
    }
}

/// A line; empty ones are there to keep the link alive.
fn line(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).expect("a line"), 0, "the server closed the link");
        let line = line.trim_end();
        if !line.is_empty() {
            return line.to_owned();
        }
    }
}

/// Whether the other server may send nothing in place of this command. A `BITFIELD` whose writes
/// all overflow has made its string longer all the same; Redis does not tell its replicas.
pub fn is_meant(command: &Sent) -> bool {
    command[0].eq_ignore_ascii_case(b"BITFIELD")
        && command.iter().any(|word| word.eq_ignore_ascii_case(b"FAIL"))
}

/// Milliseconds since 1970, from this decade on: deadlines and times of delivery.
const TIMES_MS: std::ops::Range<u64> = 1_600_000_000_000..200_000_000_000_000;

/// The command in one line; times are left out, which are each server's own.
pub fn show(command: &Sent) -> String {
    let word = |word: &Vec<u8>| {
        let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<u64>().ok());
        match number {
            Some(number) if TIMES_MS.contains(&number) => "<time>".to_owned(),
            _ if word.is_empty() => "\"\"".to_owned(),
            _ => word.escape_ascii().to_string(),
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
