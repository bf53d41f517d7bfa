//! A client that listens to keyspace notifications.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use redis::Value;

use super::redis_command;

/// Listens to everything that happens to keys.
pub struct Listener {
    stream: BufReader<TcpStream>,
    parser: redis::Parser,
}

impl Listener {
    /// Makes the server tell, and listens.
    pub fn of(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let mut listener = Self { stream: BufReader::new(stream), parser: redis::Parser::new() };
        for command in
            ["CONFIG SET notify-keyspace-events EA", "PSUBSCRIBE __keyevent@* end-of-script"]
        {
            let words: Vec<Vec<u8>> = command.split(' ').map(|word| word.into()).collect();
            listener.stream.get_mut().write_all(&redis_command(&words)).expect("sent");
            listener.next();
        }
        // Of the second pattern.
        listener.next();
        listener
    }

    /// Channel and key of what is told up to a message on the channel `mark`.
    pub fn until(&mut self, mark: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let Value::Array(words) = self.next() else {
                panic!("no message");
            };
            let text = |at: usize| match words.get(at) {
                Some(Value::BulkString(bytes)) => bytes.escape_ascii().to_string(),
                other => panic!("not a word of a message: {other:?}"),
            };
            if text(2) == mark {
                return told;
            }
            told.push(format!("{} {}", text(2), text(3)));
        }
    }

    fn next(&mut self) -> Value {
        self.parser.parse_value(&mut self.stream).expect("a message")
    }
}
