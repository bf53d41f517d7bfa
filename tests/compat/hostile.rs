//! A server kept up while clients send it what no client should.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Program, Server, wait_until};

fn server() -> Server {
    Server::start(Program::Ours, &[])
}

pub fn connect(server: &Server) -> TcpStream {
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

pub fn still_serves(server: &Server) {
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
    // A quarter of what one of them promises.
    let kib = server.resident_kib();
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

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Bytes of which many mean something in RESP.
    fn bytes(&mut self) -> Vec<u8> {
        const WORDS: [&[u8]; 14] = [
            b"*",
            b"$",
            b"\r\n",
            b"\n",
            b"-1",
            b"3",
            b"SET",
            b"k",
            b"\"",
            b"'\\x",
            b"\0",
            b" ",
            b"*3\r\n$3\r\n",
            b"2147483647",
        ];
        let mut bytes = Vec::new();
        for _ in 0..self.below(60) {
            match self.below(4) {
                0 => bytes.push(u8::try_from(self.next() & 0xff).unwrap()),
                _ => bytes.extend_from_slice(WORDS[self.below(WORDS.len())]),
            }
        }
        bytes
    }
}

#[test]
fn a_thousand_connections_of_noise_change_nothing_for_others() {
    let server = server();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for _ in 0..1000 {
        let mut stream = connect(&server);
        // The server may close it at any time.
        let _ = stream.write_all(&noise.bytes());
    }
    still_serves(&server);
    wait_until("they are gone", || server.info("connected_clients") == "1");
}

#[test]
fn who_comes_over_maxclients_is_told_and_sent_away() {
    let server = server();
    server.query::<()>(&["CONFIG", "SET", "maxclients", "20"]);
    wait_until("the one who set it is gone", || server.info("connected_clients") == "1");
    let mut held: Vec<TcpStream> = (0..20).map(|_| connect(&server)).collect();
    for stream in &mut held {
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+PONG\r\n");
    }
    for _ in 0..50 {
        assert_eq!(last_words(&server, b""), "-ERR max number of clients reached\r\n");
    }
    drop(held);
    wait_until("there is room again", || server.try_query::<String>(&["PING"]).is_ok());
    assert_eq!(server.info("rejected_connections"), "50");
}

#[test]
fn a_flood_of_connections_passes() {
    let server = server();
    for _ in 0..4000 {
        drop(connect(&server));
    }
    still_serves(&server);
    wait_until("they are gone", || server.info("connected_clients") == "1");
}

/// Many who send a byte now and then hold a connection each, and nothing else.
#[test]
fn slow_senders_keep_nobody_waiting() {
    let server = server();
    let whole = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
    for byte in whole {
        for stream in &mut slow {
            stream.write_all(&[*byte]).unwrap();
        }
        let asked = std::time::Instant::now();
        still_serves(&server);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    for stream in &mut slow {
        let mut answer = [0; 11];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"$5\r\nhello\r\n");
    }
}

#[test]
fn a_half_command_over_the_query_buffer_limit_is_cut_off() {
    let server = server();
    server.query::<()>(&["CONFIG", "SET", "client-query-buffer-limit", "1mb"]);
    let mut argument = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n".to_vec();
    argument.extend_from_slice(&vec![b'x'; 3 << 20]);
    assert_eq!(last_words(&server, &argument), "");
    // Many tiny arguments take more room than their bytes.
    let mut tiny = b"*1000000\r\n".to_vec();
    tiny.extend_from_slice(&b"$1\r\nx\r\n".repeat(100_000));
    assert_eq!(last_words(&server, &tiny), "");
    let mut queued = b"MULTI\r\n".to_vec();
    queued.extend_from_slice(
        &[&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000\r\n"[..], &[b'x'; 10_000], b"\r\n"]
            .concat()
            .repeat(300),
    );
    let said = last_words(&server, &queued);
    assert!(said.matches("+QUEUED").count() < 200, "{} commands queued", said.len() / 9);
    let closed = "Closing client that reached max query buffer length";
    wait_until("all are closed", || server.log().matches(closed).count() == 3);
    assert_eq!(server.query::<usize>(&["EXISTS", "k"]), 0);
}

#[test]
fn who_has_not_authenticated_gets_little_room() {
    let server = Server::start(Program::Ours, &["requirepass secret"]);
    let long = b"*1\r\n$16385\r\n";
    assert_eq!(last_words(&server, long), "-ERR Protocol error: unauthenticated bulk length\r\n");
    let many = b"*11\r\n";
    assert_eq!(
        last_words(&server, many),
        "-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    // Replies that nobody reads: the system takes some megabytes, the server none.
    let mut stream = connect(&server);
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let asks = b"SET k v\r\n".repeat(10_000);
    let cut_off = (0..200).any(|_| stream.write_all(&asks).is_err());
    assert!(cut_off, "still connected");
    wait_until("it is closed", || server.info("connected_clients") == "1");
    assert!(server.log().contains("overcoming of output buffer limits"));
}

/// Without a limit for each of them there is one for all together.
#[test]
fn those_who_hold_most_memory_go_first() {
    let server = server();
    server.query::<()>(&["CONFIG", "SET", "maxmemory-clients", "20mb"]);
    server.query::<()>(&["SET", "big", &"x".repeat(1 << 20)]);
    let small = connect(&server);
    let mut greedy: Vec<TcpStream> = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(&server);
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // May be cut off while it asks.
        let _ = stream.write_all(&b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n".repeat(30));
        greedy.push(stream);
    }
    wait_until("there is room", || {
        let held: u64 = server.info("mem_clients_normal").parse().unwrap();
        held < 20 << 20
    });
    assert_ne!(server.info("evicted_clients"), "0");
    assert!(server.log().contains("Evicting client: id="));
    let mut small = small;
    small.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    small.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    drop(greedy);
}

#[test]
fn a_monitor_that_never_reads_is_let_go() {
    let server = server();
    server.query::<()>(&["CONFIG", "SET", "client-output-buffer-limit", "replica 4mb 0 0"]);
    let mut monitor = connect(&server);
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let value = "x".repeat(100_000);
    wait_until("it is closed", || {
        server.query::<()>(&["SET", "k", &value]);
        server.log().contains("overcoming of output buffer limits")
    });
    wait_until("it is gone", || server.info("connected_clients") == "1");
}

#[test]
fn a_web_browser_is_sent_away() {
    let server = server();
    assert_eq!(last_words(&server, b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n"), "");
    assert_eq!(server.query::<usize>(&["EXISTS", "k"]), 0);
    assert!(server.log().contains("closing its connection"));
}
