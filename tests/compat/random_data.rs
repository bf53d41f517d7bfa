//! Random data of every type, size and encoding in 16 databases, saved by one program and loaded
//! by both: the same `DEBUG DIGEST`, and the same encoding, deadline and frequency of every key.
//!
//! Environment: `RANDOM_DATA_SEED` another seed than the fixed one, which is printed.

use std::collections::BTreeMap;
use std::process::Command;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use redis::{Connection, Pipeline};

use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, query_on, redis_is_installed};

const DEFAULT_SEED: u64 = 1;
const DATABASES: u32 = 16;
const KEYS_A_DATABASE: u32 = 14;
/// Numbers of elements, many of them at the edge between two encodings.
const SIZES: [usize; 12] = [1, 2, 3, 8, 20, 21, 127, 128, 129, 512, 513, 1200];

/// Writes random values through a pipeline.
struct Filler {
    random: ChaCha8Rng,
    pipe: Pipeline,
}

impl Filler {
    fn add(&mut self, words: &[&[u8]]) {
        let cmd = self.pipe.cmd(std::str::from_utf8(words[0]).expect("a name"));
        for word in &words[1..] {
            cmd.arg(*word);
        }
        cmd.ignore();
    }

    /// One text of a style: all elements of a value are of one kind, or mixed.
    fn text(&mut self, style: u32) -> Vec<u8> {
        let random = &mut self.random;
        match style {
            0 => random.random_range(-100..100).to_string().into_bytes(),
            1 => random.random::<i64>().to_string().into_bytes(),
            2 => format!("text {}", random.random_range(0..10_000)).into_bytes(),
            3 => (0..random.random_range(0..70)).map(|_| random.random()).collect(),
            4 => {
                let head = random.random_range(0..10_000).to_string();
                format!("{head}{}", "again ".repeat(random.random_range(0..40))).into_bytes()
            }
            _ => {
                let style = random.random_range(0..5);
                self.text(style)
            }
        }
    }

    fn key(&mut self, at: u32) -> Vec<u8> {
        let long = "long ".repeat(self.random.random_range(0..8));
        format!("{long}key:{at}").into_bytes()
    }

    fn value(&mut self, key: &[u8]) {
        let size = SIZES[self.random.random_range(0..SIZES.len())];
        let style = self.random.random_range(0..6);
        let family = self.random.random_range(0..7);
        let mut words: Vec<Vec<u8>> = Vec::new();
        for at in 0..size {
            let text = self.text(style);
            match family {
                2 => words.extend([text, self.text(style)]),
                3 => {
                    let score = [at as f64 / 8.0, -1e300, f64::INFINITY, 3.0];
                    let score = score[self.random.random_range(0..4)];
                    words.extend([score.to_string().into_bytes(), text]);
                }
                _ => words.push(text),
            }
        }
        let name: &[u8] = match family {
            0 => b"RPUSH",
            1 => b"SADD",
            2 => b"HSET",
            3 => b"ZADD",
            4 => return self.stream(key, &words),
            5 => return self.add(&[b"SET", key, &words.concat()]),
            _ => b"PFADD",
        };
        let mut command = vec![name, key];
        command.extend(words.iter().map(Vec::as_slice));
        self.add(&command);
    }

    /// Entries, some of them deleted, and groups whose consumers have some pending.
    fn stream(&mut self, key: &[u8], texts: &[Vec<u8>]) {
        for (at, text) in texts.iter().enumerate() {
            let id = format!("{}-{}", at / 3 + 1, at % 3 + 1).into_bytes();
            match self.random.random_range(0..4) {
                0 => self.add(&[b"XADD", key, &id, text, text, b"more", b"5"]),
                _ => self.add(&[b"XADD", key, &id, b"name", text]),
            }
        }
        for group in [&b"one"[..], b"two"] {
            self.add(&[b"XGROUP", b"CREATE", key, group, b"0"]);
            for consumer in [&b"alice"[..], b"bob", b"idle"] {
                let count = self.random.random_range(1..30).to_string();
                self.add(&[
                    b"XREADGROUP",
                    b"GROUP",
                    group,
                    consumer,
                    b"COUNT",
                    count.as_bytes(),
                    b"STREAMS",
                    key,
                    b">",
                ]);
            }
            self.add(&[b"XACK", key, group, b"1-1"]);
            self.add(&[b"XAUTOCLAIM", key, group, b"bob", b"0", b"0", b"COUNT", b"2"]);
        }
        for at in 0..texts.len() {
            if self.random.random_range(0..5) == 0 {
                let id = format!("{}-{}", at / 3 + 1, at % 3 + 1).into_bytes();
                self.add(&[b"XDEL", key, &id]);
            }
        }
    }

    fn database(&mut self, db: u32) {
        self.add(&[b"SELECT", db.to_string().as_bytes()]);
        for at in 0..KEYS_A_DATABASE {
            let key = self.key(at);
            self.value(&key);
            if self.random.random_range(0..3) == 0 {
                let deadline = (4_000_000_000_000 + u64::from(at)).to_string();
                self.add(&[b"PEXPIREAT", &key, deadline.as_bytes()]);
            }
        }
    }
}

fn fill(server: &Server, seed: u64) {
    let mut connection = server.connect().expect("connected");
    let random = ChaCha8Rng::seed_from_u64(seed);
    let mut filler = Filler { random, pipe: redis::pipe() };
    for db in 0..DATABASES {
        filler.database(db);
        filler.pipe.query::<()>(&mut connection).expect("written");
        filler.pipe.clear();
    }
}

/// Gives every string an idle time and a frequency of its own, whichever is asked for.
fn mark_accesses(server: &Server, word: &str) {
    let mut connection = server.connect().expect("connected");
    for (at, key) in keys(&mut connection).into_iter().enumerate() {
        let payload: Vec<u8> = redis::cmd("DUMP").arg(&key).query(&mut connection).expect("dumped");
        let number = at as u64 * 7 % 250;
        let mut restore = redis::cmd("RESTORE");
        restore.arg(&key).arg(0).arg(payload).arg("REPLACE").arg(word).arg(number);
        restore.query::<()>(&mut connection).expect("restored");
    }
}

fn keys(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).expect("keys");
    keys.sort();
    keys
}

/// What can be seen of every key from outside, its content aside.
fn seen(server: &Server, lfu: bool) -> BTreeMap<(u32, Vec<u8>), String> {
    let mut connection = server.connect().expect("connected");
    let mut all = BTreeMap::new();
    for db in 0..DATABASES {
        query_on::<()>(&mut connection, &["SELECT", &db.to_string()]).expect("selected");
        for key in keys(&mut connection) {
            let mut ask = |words: &[&str]| {
                let mut cmd = redis::cmd(words[0]);
                cmd.arg(&words[1..]).arg(&key);
                let answer: redis::Value = cmd.query(&mut connection).expect("an answer");
                answer
            };
            let encoding = ask(&["OBJECT", "ENCODING"]);
            let deadline = ask(&["PEXPIRETIME"]);
            let frequency = lfu.then(|| ask(&["OBJECT", "FREQ"]));
            let digest = ask(&["DEBUG", "DIGEST-VALUE"]);
            all.insert((db, key), format!("{encoding:?} {deadline:?} {frequency:?} {digest:?}"));
        }
    }
    all
}

/// Saves in one program and loads in both.
fn both_load_what_is_written_by(source: Program, name: &str, written: &[&str], loaded: &[&str]) {
    if !redis_is_installed(name) {
        return;
    }
    let seed = std::env::var("RANDOM_DATA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(DEFAULT_SEED);
    #[expect(clippy::disallowed_macros, reason = "the harness shows it with a failure")]
    {
        println!("RANDOM_DATA_SEED={seed}");
    }
    let lfu = written.iter().any(|directive| directive.ends_with("lfu"));
    let source = Server::start(source, written);
    fill(&source, seed);
    match written.iter().find_map(|directive| directive.strip_prefix("maxmemory-policy allkeys-")) {
        Some("lfu") => mark_accesses(&source, "FREQ"),
        Some("lru") => mark_accesses(&source, "IDLETIME"),
        _ => {}
    }
    source.query::<()>(&["SAVE"]);
    let file = source.dir().join("dump.rdb");
    let checked = Command::new("redis-check-rdb").arg(&file).output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("RDB looks OK"), "{said}");
    let targets = [Ours, Redis].map(|program| {
        let mut target = Server::prepare(program);
        target.configure(loaded);
        std::fs::copy(&file, target.dir().join("dump.rdb")).expect("copied");
        target.launch();
        assert_eq!(target.digest(), source.digest(), "loaded by {program:?}");
        target
    });
    let (ours, redis) = (seen(&targets[0], lfu), seen(&targets[1], lfu));
    assert_eq!(ours.len(), redis.len());
    for (key, ours) in &ours {
        let (db, name) = (key.0, key.1.escape_ascii());
        assert_eq!(Some(ours), redis.get(key), "db {db}, key {name}: ours, Redis");
    }
    if written.contains(&"maxmemory-policy allkeys-lru") {
        idle_times_agree(&targets);
    }
}

/// In database 0, where they were marked; the servers did not start in the same second.
fn idle_times_agree(targets: &[Server; 2]) {
    const TOLERANCE_SECONDS: u64 = 30;
    let mut sides = [0, 1].map(|at: usize| targets[at].connect().expect("connected"));
    for (at, key) in keys(&mut sides[0]).into_iter().enumerate() {
        let idle = [0, 1].map(|side: usize| -> u64 {
            let mut cmd = redis::cmd("OBJECT");
            cmd.arg("IDLETIME").arg(&key).query(&mut sides[side]).expect("a number")
        });
        let marked = at as u64 * 7 % 250;
        for idle in idle {
            let range = marked..marked + TOLERANCE_SECONDS;
            assert!(range.contains(&idle), "{idle} is not in {range:?}");
        }
    }
}

macro_rules! random_data {
    ($($test:ident: $source:ident [$($written:literal),*] [$($loaded:literal),*];)*) => {
        $(
            #[test]
            fn $test() {
                let name = stringify!($test);
                both_load_what_is_written_by($source, name, &[$($written),*], &[$($loaded),*]);
            }
        )*
    };
}

random_data! {
    random_data_of_ours: Ours [] [];
    random_data_of_redis: Redis [] [];
    random_data_of_ours_plain_with_idle_times:
        Ours ["rdbcompression no", "maxmemory-policy allkeys-lru"]
        ["maxmemory-policy allkeys-lru", "hash-max-listpack-entries 20", "set-max-intset-entries 20"];
    random_data_of_redis_plain_with_idle_times:
        Redis ["rdbcompression no", "maxmemory-policy allkeys-lru"]
        ["maxmemory-policy allkeys-lru", "hash-max-ziplist-entries 20", "zset-max-ziplist-entries 20"];
    random_data_of_ours_unchecked_with_frequencies:
        Ours ["rdbchecksum no", "maxmemory-policy allkeys-lfu", "lfu-decay-time 0"]
        ["maxmemory-policy allkeys-lfu", "lfu-decay-time 0", "zset-max-listpack-value 10"];
    random_data_of_redis_unchecked_with_frequencies:
        Redis ["rdbchecksum no", "maxmemory-policy allkeys-lfu", "lfu-decay-time 0",
            "hash-max-listpack-value 1000", "list-max-listpack-size 3"]
        ["maxmemory-policy allkeys-lfu", "lfu-decay-time 0", "hash-max-listpack-value 10"];
}
