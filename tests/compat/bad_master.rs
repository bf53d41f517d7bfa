//! A master whose snapshot cannot be read: the replica says why and where, keeps what it has, and
//! tries again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::support::{Program, Server, wait_until};

const MARK: [u8; 40] = [b'z'; 40];

/// What a snapshot is, and how the replica refuses it.
const SNAPSHOTS: [(&[u8], &str); 4] = [
    (b"REDIS0012\xff\0\0\0\0\0\0\0\0", "cannot read RDB version 0012 (of Redis 7.4 and 8)"),
    (
        // The id of a module's type: nine characters of six bits, ten bits of version.
        b"REDIS0010\x07\x01k\x81\x11\x22\x33\x44\x55\x66\x77\x88\0\0",
        "key 'k' is of the module type 'ESIzRFVmd', which is not supported at offset 9",
    ),
    (
        // A list that promises more elements than there is memory for.
        b"REDIS0010\x01\x01k\x81\x11\x22\x33\x44\x55\x66\x77\x88\x01a",
        "unexpected end of file at offset 23",
    ),
    (
        b"REDIS0010\x00\x01k\x81\x11\x22\x33\x44\x55\x66\x77\x88",
        "string of 1234605616436508552 bytes is too long at offset 12",
    ),
];

/// The number behind the first character of a line.
fn number(stream: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    line.get(1..)?.trim_end().parse().ok()
}

/// The words of a command, in upper case; `None`: the replica is gone.
fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = number(stream)?;
    let word = |_| {
        let len = number(stream)?;
        let mut word = vec![0; len + 2];
        stream.read_exact(&mut word).ok()?;
        word.truncate(len);
        Some(String::from_utf8_lossy(&word).to_ascii_uppercase())
    };
    (0..count).map(word).collect()
}

/// Answers one replica until it goes.
fn serve(stream: TcpStream, snapshot: &[u8], by_mark: bool) {
    let mut stream = BufReader::new(stream);
    while let Some(words) = command(&mut stream) {
        let answer = match words[0].as_str() {
            "PING" => b"+PONG\r\n".to_vec(),
            "PSYNC" => {
                let (head, tail) = match by_mark {
                    true => ([b"$EOF:", &MARK[..]].concat(), &MARK[..]),
                    false => (format!("${}", snapshot.len()).into_bytes(), &b""[..]),
                };
                let id = [b'a'; 40];
                [b"+FULLRESYNC ", &id[..], b" 0\r\n", &head, b"\r\n", snapshot, tail].concat()
            }
            _ if words.get(1).is_some_and(|word| word == "ACK") => continue,
            _ => b"+OK\r\n".to_vec(),
        };
        // A replica that is gone is what this is about.
        let _ = stream.get_mut().write_all(&answer);
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_changes_nothing() {
    let replica = Server::start(Program::Ours, &["repl-diskless-load swapdb"]);
    replica.query::<()>(&["SET", "mine", "kept"]);
    for (snapshot, refusal) in SNAPSHOTS {
        for by_mark in [false, true] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
            let port = listener.local_addr().expect("an address").port().to_string();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    serve(stream, snapshot, by_mark);
                }
            });
            let refused = || replica.log().matches(refusal).count();
            let before = refused();
            replica.query::<()>(&["REPLICAOF", "127.0.0.1", &port]);
            wait_until("it has refused the snapshot twice", || refused() >= before + 2);
            assert_eq!(replica.info("master_link_status"), "down");
            assert_eq!(replica.query::<String>(&["GET", "mine"]), "kept");
        }
    }
}
