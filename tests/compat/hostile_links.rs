//! The two ends of a replication link in bad hands: a master that no master should be, and
//! replicas that no replica should be.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use redis::Commands;

use crate::hostile::{connect, still_serves};
use crate::support::{Program, Server, fill, wait_until};

const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// The socket of a master that does what a test wants.
struct FakeMaster(TcpListener);

impl FakeMaster {
    /// It, and a replica of ours that follows it.
    fn with_replica() -> (Self, Server) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let replica = Server::start(Program::Ours, &["repl-timeout 2"]);
        replica.query::<()>(&["SET", "mine", "before"]);
        replica.query::<()>(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        (Self(socket), replica)
    }

    /// The next connection of the replica.
    #[track_caller]
    fn accept(&self) -> TcpStream {
        let mut accepted = None;
        wait_until("the replica connects", || {
            accepted = self.0.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The next connection, up to the replica's `PSYNC`.
    #[track_caller]
    fn accept_psync(&self) -> TcpStream {
        let mut stream = self.accept();
        read_until(&mut stream, "PING\r\n");
        stream.write_all(b"+PONG\r\n").unwrap();
        let asked = read_until(&mut stream, "psync2\r\n");
        stream.write_all(&b"+OK\r\n".repeat(asked.matches("REPLCONF").count())).unwrap();
        read_until(&mut stream, "PSYNC\r\n");
        // The id and the offset.
        read_until(&mut stream, "\r\n$");
        stream
    }

    /// The next connection, with a full sync under way.
    #[track_caller]
    fn accept_full_sync(&self) -> TcpStream {
        let mut stream = self.accept_psync();
        stream.write_all(format!("+FULLRESYNC {ID} 1000\r\n").as_bytes()).unwrap();
        stream
    }

    /// The next connection, with an empty snapshot loaded: what comes now is the stream.
    #[track_caller]
    fn accept_stream(&self) -> TcpStream {
        let mut stream = self.accept_full_sync();
        let rdb = empty_rdb();
        stream.write_all(format!("${}\r\n", rdb.len()).as_bytes()).unwrap();
        stream.write_all(&rdb).unwrap();
        read_until(&mut stream, "REPLCONF");
        stream
    }
}

/// Reads up to and with a text; panics if the connection ends before it.
#[track_caller]
fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(wanted.as_bytes()) {
        let read = stream.read(&mut byte).expect("the replica says something");
        assert_ne!(read, 0, "closed before {wanted:?}: {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Writes the same again and again until the other side ends the connection, or `limit` bytes
/// have been taken. Whether it was ended.
fn flood(stream: &mut TcpStream, bytes: &[u8], limit: usize) -> bool {
    let mut written = 0;
    while written < limit {
        match stream.write_all(bytes) {
            Ok(()) => written += bytes.len(),
            Err(_) => return true,
        }
    }
    false
}

/// Waits for the other side to end the connection.
#[track_caller]
fn assert_ended(stream: &mut TcpStream) {
    let give_up = Instant::now() + PATIENCE;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("still connected: {error}"),
        }
        assert!(Instant::now() < give_up, "still connected");
    }
}

/// Version 10, no keys, no checksum.
fn empty_rdb() -> Vec<u8> {
    [&b"REDIS0010\xff"[..], &[0; 8]].concat()
}

/// It still serves, with the data it had, and tries again.
#[track_caller]
fn assert_unharmed(master: &FakeMaster, replica: &Server) {
    still_serves(replica);
    assert_eq!(replica.query::<String>(&["GET", "mine"]), "before");
    assert!(replica.resident_kib() < 128 * 1024, "{} KiB", replica.resident_kib());
    master.accept();
}

#[test]
fn a_master_that_answers_with_noise_is_left() {
    let (master, replica) = FakeMaster::with_replica();
    for noise in [&b"\x00\xff\xfe\r\n"[..], b"$5\r\nhello\r\n", b"*3\r\n", b"-ERR go away\r\n"] {
        let mut stream = master.accept();
        read_until(&mut stream, "PING\r\n");
        stream.write_all(noise).unwrap();
        assert_ended(&mut stream);
    }
    assert_unharmed(&master, &replica);
}

#[test]
fn a_master_whose_line_never_ends_is_left() {
    let (master, replica) = FakeMaster::with_replica();
    let mut stream = master.accept();
    read_until(&mut stream, "PING\r\n");
    assert!(flood(&mut stream, &[b'x'; 65536], 64 << 20), "64 MiB of one line were taken");
    let mut stream = master.accept_psync();
    assert!(flood(&mut stream, &[b'+'; 65536], 64 << 20), "64 MiB of one line were taken");
    let mut stream = master.accept_full_sync();
    assert!(flood(&mut stream, &[b'$'; 65536], 64 << 20), "64 MiB of one line were taken");
    assert_unharmed(&master, &replica);
}

#[test]
fn a_full_sync_of_nonsense_is_not_begun() {
    let (master, replica) = FakeMaster::with_replica();
    for answer in [
        "+FULLRESYNC\r\n",
        "+FULLRESYNC short 1\r\n",
        "+FULLRESYNC 0123456789abcdef0123456789abcdef01234567 -1\r\n",
        "+FULLRESYNC 0123456789abcdef0123456789abcdef01234567 99999999999999999999\r\n",
        "+FULLRESYNC 0123456789abcdef0123456789abcdef01234567 x\r\n",
        "+CONTINUE nonsense\r\n",
        ":1\r\n",
    ] {
        let mut stream = master.accept_psync();
        stream.write_all(answer.as_bytes()).unwrap();
        assert_ended(&mut stream);
    }
    assert_unharmed(&master, &replica);
}

#[test]
fn absurd_lengths_of_a_snapshot_are_refused() {
    let (master, replica) = FakeMaster::with_replica();
    for header in ["$-5\r\n", "$x\r\n", "$99999999999999999999999\r\n", "*1\r\n", "$\r\n"] {
        let mut stream = master.accept_full_sync();
        stream.write_all(header.as_bytes()).unwrap();
        assert_ended(&mut stream);
    }
    // A length that could be: what does not come is not waited for for ever.
    let mut stream = master.accept_full_sync();
    stream.write_all(b"$1000000000000\r\nREDIS0010").unwrap();
    assert_ended(&mut stream);
    wait_until("what came of it is removed", || {
        let mut left = std::fs::read_dir(replica.dir()).unwrap();
        !left.any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("temp-"))
    });
    assert_unharmed(&master, &replica);
}

/// Empty lines mean "still alive": they may come for long, and take no room.
#[test]
fn endless_empty_lines_take_no_room() {
    let (master, replica) = FakeMaster::with_replica();
    let mut stream = master.accept_psync();
    assert!(!flood(&mut stream, &[b'\n'; 65536], 16 << 20), "the link was given up");
    still_serves(&replica);
    stream.write_all(format!("+FULLRESYNC {ID} 1000\r\n").as_bytes()).unwrap();
    assert!(!flood(&mut stream, &[b'\n'; 65536], 16 << 20), "the link was given up");
    still_serves(&replica);
    assert!(replica.resident_kib() < 128 * 1024, "{} KiB", replica.resident_kib());
    assert_eq!(replica.query::<String>(&["GET", "mine"]), "before");
}

#[test]
fn a_snapshot_that_is_none_is_refused_and_the_data_stays() {
    let (master, replica) = FakeMaster::with_replica();
    let mut broken = empty_rdb();
    broken[3] = b'X';
    for rdb in [vec![0; 1000], broken, b"REDIS0099\xff".to_vec(), b"REDIS0010\xfe\x00".to_vec()] {
        let mut stream = master.accept_full_sync();
        stream.write_all(format!("${}\r\n", rdb.len()).as_bytes()).unwrap();
        stream.write_all(&rdb).unwrap();
        assert_ended(&mut stream);
    }
    assert_unharmed(&master, &replica);
}

#[test]
fn a_wrong_mark_at_the_end_is_no_end() {
    let (master, replica) = FakeMaster::with_replica();
    let mark = "m".repeat(40);
    let mut stream = master.accept_full_sync();
    let rdb = empty_rdb();
    stream.write_all(format!("$EOF:{mark}\r\n").as_bytes()).unwrap();
    stream.write_all(&rdb).unwrap();
    // All but the last byte.
    stream.write_all(&mark.as_bytes()[..39]).unwrap();
    stream.write_all(b"n").unwrap();
    assert_ended(&mut stream);
    let mut stream = master.accept_full_sync();
    stream.write_all(b"$EOF:short\r\n").unwrap();
    assert_ended(&mut stream);
    assert_unharmed(&master, &replica);
    // The right one is.
    let mut stream = master.accept_full_sync();
    stream.write_all(format!("$EOF:{mark}\r\n").as_bytes()).unwrap();
    stream.write_all(&[&rdb[..], mark.as_bytes()].concat()).unwrap();
    read_until(&mut stream, "REPLCONF");
    assert_eq!(replica.query::<usize>(&["EXISTS", "mine"]), 0);
}

#[test]
fn noise_in_the_stream_ends_the_link() {
    let (master, replica) = FakeMaster::with_replica();
    for noise in [
        &b"*1\r\n:5\r\n"[..],
        b"*x\r\n",
        b"*2\r\n$3\r\nGET\r\n$-7\r\n",
        b"*1\r\n$99999999999999\r\n",
        b"SET a \"unbalanced\r\n",
    ] {
        let mut stream = master.accept_stream();
        stream.write_all(noise).unwrap();
        assert_ended(&mut stream);
    }
    still_serves(&replica);
    master.accept();
}

#[test]
fn promises_in_the_stream_take_no_memory_and_end_with_the_timeout() {
    let (master, replica) = FakeMaster::with_replica();
    for half in ["*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nv", "*1000000\r\n", "*3\r\n$3\r\nSE"]
    {
        let mut stream = master.accept_stream();
        stream.write_all(half.as_bytes()).unwrap();
        assert!(replica.resident_kib() < 128 * 1024, "{} KiB", replica.resident_kib());
        assert_ended(&mut stream);
    }
    still_serves(&replica);
    assert_eq!(replica.query::<usize>(&["DBSIZE"]), 0);
}

/// What a replica cannot execute it says in its log; it goes on, since its master knows better.
#[test]
fn unknown_commands_in_the_stream_are_told_and_passed_over() {
    let (master, replica) = FakeMaster::with_replica();
    let mut stream = master.accept_stream();
    let lines = [
        "*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n",
        "*1\r\n$3\r\nSET\r\n",
        "*3\r\n$3\r\nSET\r\n$5\r\nafter\r\n$1\r\nv\r\n",
    ];
    for line in lines {
        stream.write_all(line.as_bytes()).unwrap();
    }
    wait_until("it goes on", || replica.query::<usize>(&["EXISTS", "after"]) == 1);
    assert!(replica.log().contains("== CRITICAL =="), "{}", replica.log());
    let offset = 1000 + lines.concat().len();
    assert_eq!(replica.info("slave_repl_offset"), offset.to_string());
}

// --- replicas

/// A connection that has asked for everything.
fn asking_replica(master: &Server) -> TcpStream {
    let mut stream = connect(master);
    stream.write_all(b"REPLCONF capa eof capa psync2\r\n").unwrap();
    read_until(&mut stream, "+OK\r\n");
    stream.write_all(b"PSYNC ? -1\r\n").unwrap();
    stream
}

/// A connection that is a replica and online, its snapshot read.
fn fake_replica(master: &Server) -> TcpStream {
    let mut stream = asking_replica(master);
    read_until(&mut stream, "+FULLRESYNC ");
    read_until(&mut stream, "$EOF:");
    let mut mark = [0; 40];
    stream.read_exact(&mut mark).unwrap();
    read_until(&mut stream, std::str::from_utf8(&mark).unwrap());
    stream.write_all(b"REPLCONF ACK 0\r\n").unwrap();
    wait_until("it is online", || master.info("slave0").contains("state=online"));
    stream
}

fn master_of_ours(directives: &[&str]) -> Server {
    let server = Server::start(Program::Ours, directives);
    fill(&server, "k", 100);
    server
}

#[test]
fn a_replica_that_sends_commands_is_disconnected() {
    let master = master_of_ours(&[]);
    for command in ["GET k:1", "SET a b", "PING", "NOSUCH", "REPLCONF nonsense 1", "*1\r\n:1"] {
        let mut stream = fake_replica(&master);
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        assert_ended(&mut stream);
        wait_until("it is gone", || master.info("connected_slaves") == "0");
    }
    still_serves(&master);
    assert_eq!(master.query::<usize>(&["EXISTS", "a"]), 0);
}

#[test]
fn absurd_acks_are_not_believed() {
    let master = master_of_ours(&[]);
    let mut stream = fake_replica(&master);
    for ack in ["-1", "x", "99999999999999999999", "9223372036854775807", "1"] {
        stream.write_all(format!("REPLCONF ACK {ack}\r\n").as_bytes()).unwrap();
        still_serves(&master);
    }
    let mut connection = master.connect().unwrap();
    let _: () = connection.set("a", "b").unwrap();
    let acked: usize = redis::cmd("WAIT").arg(1).arg(300).query(&mut connection).unwrap();
    assert_eq!(acked, 0, "{}", master.info("slave0"));
    let honest = Server::start(Program::Ours, &[&format!("replicaof 127.0.0.1 {}", master.port)]);
    honest.wait_in_sync(&master);
}

#[test]
fn a_replica_that_never_reads_its_stream_is_dropped() {
    let master = master_of_ours(&[
        "client-output-buffer-limit \"replica 2mb 0 0\"",
        "repl-backlog-size 100kb",
    ]);
    let stream = fake_replica(&master);
    let value = "x".repeat(200_000);
    let mut connection = master.connect().unwrap();
    wait_until("it is dropped", || {
        let _: () = connection.set("big", &value).unwrap();
        master.info("connected_slaves") == "0"
    });
    assert!(master.resident_kib() < 128 * 1024, "{} KiB", master.resident_kib());
    still_serves(&master);
    drop(stream);
}

#[test]
fn a_replica_that_never_acks_is_dropped() {
    let master = master_of_ours(&["repl-timeout 2"]);
    let mut stream = fake_replica(&master);
    assert_ended(&mut stream);
    wait_until("it is dropped", || master.info("connected_slaves") == "0");
}

#[test]
fn nonsense_in_the_handshake_is_answered_and_costs_nothing() {
    let master = master_of_ours(&[]);
    let mut stream = connect(&master);
    let mut ask = |line: &str| {
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        read_until(&mut stream, "\r\n")
    };
    let integer = "-ERR value is not an integer or out of range\r\n";
    for (line, answer) in [
        ("REPLCONF", "+OK\r\n"),
        ("REPLCONF listening-port x", integer),
        ("REPLCONF listening-port", "-ERR syntax error\r\n"),
        ("REPLCONF capa", "-ERR syntax error\r\n"),
        ("PSYNC ? x", integer),
        ("PSYNC ?", "-ERR wrong number of arguments for 'psync' command\r\n"),
    ] {
        assert_eq!(ask(line), answer, "after {line}");
    }
    let long = "x".repeat(300);
    assert!(ask(&format!("REPLCONF ip-address {long}")).starts_with("-ERR"));
    assert!(ask("REPLCONF nonsense 1").starts_with("-ERR"));
    assert_eq!(master.info("connected_slaves"), "0");
    assert_eq!(ask("PING"), "+PONG\r\n");
    assert!(ask("PSYNC ? -1 nonsense").starts_with("+FULLRESYNC "), "what follows is passed over");
}

/// Many who ask for everything and go away while it is made.
#[test]
fn replicas_that_come_and_go_leave_nothing_behind() {
    let master = master_of_ours(&[]);
    master.query::<()>(&["DEBUG", "POPULATE", "50000", "big", "100"]);
    for turn in 0..60 {
        let mut stream = asking_replica(&master);
        if turn % 3 == 0 {
            read_until(&mut stream, "+FULLRESYNC ");
        }
    }
    wait_until("all are gone", || {
        master.info("connected_slaves") == "0" && master.info("rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(master.info("connected_clients"), "1");
    let honest = Server::start(Program::Ours, &[&format!("replicaof 127.0.0.1 {}", master.port)]);
    honest.wait_in_sync(&master);
}
