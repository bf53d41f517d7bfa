//! RDB files between this project and a real Redis 7.0: each loads what the other wrote.
//!
//! Needs `redis-server` and `redis-check-rdb` on the path; without them each test says so and
//! proves nothing.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "drives real processes and files"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use replisim::codec::rdb::{Loader, encode};
use replisim::codec::resp::encode_command;
use replisim::keyspace::{AccessRules, Keyspace, StringValue, Value};
use replisim::node::SnapshotJob;
use replisim::replication::{Offset, SavedPosition};

const ID: &str = "00112233445566778899aabbccddeeff00112233";

/// A real server that ends with its owner.
struct Redis {
    process: Child,
    stream: BufReader<TcpStream>,
}

impl Redis {
    /// Starts a server in a folder, or says that there is none.
    fn start(dir: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "--enable-debug-command", "yes", "--dir"])
            .arg(dir)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                let stream = BufReader::new(stream);
                return Some(Self { process, stream });
            }
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One reply, without its type: a line or the bytes of a bulk string.
    fn ask(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode_command(&mut out, args);
        self.stream.get_mut().write_all(&out).expect("sent");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a reply");
        let (kind, rest) = line.trim_end().split_at(1);
        match (kind, rest.parse::<usize>()) {
            ("$", Ok(len)) => {
                let mut bytes = vec![0; len + 2];
                self.stream.read_exact(&mut bytes).expect("a bulk");
                bytes.truncate(len);
                bytes
            }
            _ => rest.as_bytes().to_vec(),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        assert!(killed.is_ok(), "the server was ours to stop");
    }
}

/// Database, key, text and deadline.
type Entry = (u32, Vec<u8>, Vec<u8>, Option<u64>);

/// Strings of every encoding, in two databases, some with a deadline far away.
fn sample() -> Vec<Entry> {
    let far_ms = 4_000_000_000_123;
    let texts: [&[u8]; 12] = [
        b"",
        b"7",
        b"-129",
        b"70000",
        b"-2147483648",
        b"2147483648",
        b"007",
        b"text with \r\n and \x00 and \xff",
        &[b'a'; 5_000],
        &[b'b'; 70_000],
        b"12345678901234567890 and a little more",
        b"abcabcabcabcabcabcabcabcabcabc",
    ];
    let entry = |(i, text): (usize, &&[u8])| {
        let db = if i % 2 == 0 { 0 } else { 9 };
        let deadline = (i % 3 == 0).then_some(far_ms + i as u64);
        (db, format!("key:{i}").into_bytes(), text.to_vec(), deadline)
    };
    let mut all: Vec<_> = texts.iter().enumerate().map(entry).collect();
    all.push((0, b"1000".to_vec(), b"a key that is a number".to_vec(), None));
    all
}

fn sample_keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(16, 1, false);
    for (db, key, text, deadline_ms) in sample() {
        keyspace.set(db, &key, Value::String(StringValue::new(&text)), deadline_ms);
    }
    keyspace
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into_bytes()
}

#[test]
fn redis_loads_what_we_write() {
    for (compress, checksum) in [(true, true), (false, false)] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("dump.rdb");
        let keyspace = sample_keyspace();
        let position = SavedPosition {
            id: ID.parse().expect("an id"),
            offset: Offset(12_345),
            stream_db: Some(9),
        };
        let job = SnapshotJob {
            snapshot: keyspace.snapshot(),
            position: Some(position),
            created_unix_ms: 1_700_000_000_000,
            used_memory_bytes: 1 << 20,
            checksum,
            compress,
            access: AccessRules::default(),
            delay_per_key: Duration::ZERO,
        };
        let bytes: Vec<u8> = encode(job).flat_map(|chunk| chunk.bytes).collect();
        std::fs::write(&path, bytes).expect("written");

        let Ok(check) = Command::new("redis-check-rdb").arg(&path).output() else {
            eprintln!("skipped: redis-check-rdb is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success() && said.contains("RDB looks OK"), "{said}");

        let Some(mut redis) = Redis::start(dir.path()) else {
            return;
        };
        assert_eq!(redis.ask(&[b"DEBUG", b"DIGEST"]), hex(&keyspace.redis_digest()));
        for (db, key, text, deadline_ms) in sample() {
            redis.ask(&[b"SELECT", db.to_string().as_bytes()]);
            assert_eq!(redis.ask(&[b"GET", &key]), text);
            let expected = deadline_ms.map_or("-1".to_owned(), |ms| ms.to_string());
            assert_eq!(redis.ask(&[b"PEXPIRETIME", &key]), expected.as_bytes());
        }
        // A master that finds a position takes its id as the second one.
        let info = redis.ask(&[b"INFO", b"replication"]);
        let info = String::from_utf8_lossy(&info);
        assert!(info.contains(&format!("master_replid2:{ID}")), "{info}");
        assert!(info.contains("second_repl_offset:12346"), "{info}");
    }
}

#[test]
fn we_load_what_redis_writes() {
    for compress in ["yes", "no"] {
        let dir = tempfile::tempdir().expect("a folder");
        let Some(mut redis) = Redis::start(dir.path()) else {
            return;
        };
        redis.ask(&[b"CONFIG", b"SET", b"rdbcompression", compress.as_bytes()]);
        for (db, key, text, deadline_ms) in sample() {
            redis.ask(&[b"SELECT", db.to_string().as_bytes()]);
            redis.ask(&[b"SET", &key, &text]);
            if let Some(ms) = deadline_ms {
                redis.ask(&[b"PEXPIREAT", &key, ms.to_string().as_bytes()]);
            }
        }
        let digest = redis.ask(&[b"DEBUG", b"DIGEST"]);
        assert_eq!(redis.ask(&[b"SAVE"]), b"OK");

        let bytes = std::fs::read(dir.path().join("dump.rdb")).expect("saved");
        let mut loader = Loader::new(Keyspace::new(16, 2, false), None);
        for piece in bytes.chunks(1000) {
            loader.feed(piece).expect("sound");
        }
        let loaded = loader.finish().expect("complete");
        assert_eq!(loaded.position, None);
        assert_eq!(hex(&loaded.keyspace.redis_digest()), digest);
        for (db, key, text, deadline_ms) in sample() {
            let Some(Value::String(stored)) = loaded.keyspace.get(db, &key) else {
                panic!("{} is missing", key.escape_ascii());
            };
            assert_eq!(stored.bytes().as_ref(), text);
            assert_eq!(loaded.keyspace.expiry(db, &key), deadline_ms);
        }
    }
}
