//! A server kept up while clients send it what no client should.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Program, Server, wait_until};

fn server() -> Server {
    Server::start(Program::Ours, &[])
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends `bytes` and reads until the server closes the connection.
fn last_words(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may have closed it before all is written.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn still_serves(server: &Server) {
    assert_eq!(server.query::<String>(&["PING"]), "PONG");
}

#[test]
fn malformed_resp_is_answered_and_ends_the_connection() {
    let server = server();
    for (bytes, answer) in [
        (&b"*a\r\n"[..], "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*99999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n+PING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"),
        (b"*1\r\n$\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$4294967296\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"SET k \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        let said = last_words(&server, bytes);
        assert_eq!(said, answer, "after {:?}", String::from_utf8_lossy(bytes));
    }
    let endless = vec![b'x'; 70_000];
    assert_eq!(last_words(&server, &endless), "-ERR Protocol error: too big inline request\r\n");
    let mut header = b"*".to_vec();
    header.extend_from_slice(&[b'1'; 70_000]);
    assert_eq!(last_words(&server, &header), "-ERR Protocol error: too big mbulk count string\r\n");
    still_serves(&server);
}

#[test]
fn headers_that_promise_much_take_no_memory() {
    let server = server();
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut stream = connect(&server);
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nbeginning").unwrap();
        held.push(stream);
        let mut stream = connect(&server);
        stream.write_all(b"*1048576\r\n$1\r\na\r\n").unwrap();
        held.push(stream);
    }
    still_serves(&server);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    // A quarter of what one of them promises.
    assert!(kib < 128 * 1024, "{kib} KiB for promises alone");
    drop(held);
    wait_until("they are gone", || server.info("connected_clients") == "1");
}

#[test]
fn half_commands_wait_and_are_forgotten_with_their_connection() {
    let server = server();
    let whole = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    for end in 1..whole.len() {
        let mut stream = connect(&server);
        stream.write_all(&whole[..end]).unwrap();
    }
    wait_until("they are gone", || server.info("connected_clients") == "1");
    assert_eq!(server.query::<usize>(&["EXISTS", "k"]), 0);
    // A byte at a time is slow, but right.
    let mut stream = connect(&server);
    stream.set_nodelay(true).unwrap();
    for byte in whole {
        stream.write_all(&[*byte]).unwrap();
    }
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[test]
fn a_million_pipelined_pings_get_a_million_answers() {
    const PINGS: usize = 1_000_000;
    let server = server();
    let mut stream = connect(&server);
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let batch = b"*1\r\n$4\r\nPING\r\n".repeat(PINGS / 100);
        for _ in 0..100 {
            writer.write_all(&batch).unwrap();
        }
    });
    let mut answers = 0;
    let mut buffer = vec![0; 1 << 16];
    while answers < PINGS * b"+PONG\r\n".len() {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "closed after {answers} bytes");
        answers += read;
    }
    sender.join().unwrap();
    assert_eq!(answers, PINGS * b"+PONG\r\n".len());
    still_serves(&server);
}

/// With a limit the server lets go of who never reads; without one it stops reading from him,
/// or holds what it owes: others are served all the same.
#[test]
fn who_never_reads_his_replies_is_let_go() {
    let server = server();
    server.query::<()>(&["CONFIG", "SET", "client-output-buffer-limit", "normal 16mb 0 0"]);
    server.query::<()>(&["SET", "big", &"x".repeat(1 << 20)]);
    let mut stream = connect(&server);
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let asks = b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n".repeat(100);
    for _ in 0..20 {
        if stream.write_all(&asks).is_err() {
            break;
        }
    }
    wait_until("it is closed", || server.info("connected_clients") == "1");
    assert!(server.log().contains("scheduled to be closed ASAP for overcoming of output buffer"));
    still_serves(&server);
}
