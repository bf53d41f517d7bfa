//! Snapshot files: ours in a real Redis and its in ours, whole, cut short and flipped; and single
//! values by `DUMP` and `RESTORE`.

use std::process::Command;
use std::time::Duration;

use replisim::codec::rdb::{Loader, encode};
use replisim::keyspace::{AccessRules, Keyspace};
use replisim::node::SnapshotJob;
use replisim::replication::{Offset, SavedPosition};

use crate::samples::fill;
use crate::support::Program::{self, Ours, Redis};
use crate::support::{Server, redis_is_installed};

fn snapshot(server: &Server) -> Vec<u8> {
    let saved: String = server.query(&["SAVE"]);
    assert_eq!(saved, "OK");
    std::fs::read(server.dir().join("dump.rdb")).expect("saved")
}

/// Saves in one program, loads in the other.
fn carry(from: Program, to: Program, compression: &str) {
    let compression = format!("rdbcompression {compression}");
    let source = Server::start(from, &[&compression]);
    fill(&source, "key");
    let bytes = snapshot(&source);
    let checked = Command::new("redis-check-rdb").arg(source.dir().join("dump.rdb")).output();
    let checked = checked.expect("redis-check-rdb runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.contains("RDB looks OK"), "{said}");
    let mut target = Server::prepare(to);
    target.configure(&["sanitize-dump-payload yes"]);
    std::fs::write(target.dir().join("dump.rdb"), bytes).expect("written");
    target.launch();
    assert_eq!(target.digest(), source.digest());
    let keys: u64 = target.query(&["DBSIZE"]);
    assert!(keys > 0);
}

#[test]
fn redis_loads_what_we_write() {
    if redis_is_installed("redis_loads_what_we_write") {
        carry(Ours, Redis, "yes");
        carry(Ours, Redis, "no");
    }
}

#[test]
fn we_load_what_redis_writes() {
    if redis_is_installed("we_load_what_redis_writes") {
        carry(Redis, Ours, "yes");
        carry(Redis, Ours, "no");
    }
}

/// A master that finds a position in its file takes that id as its second one.
#[test]
fn redis_takes_the_position_in_our_file() {
    const ID: &str = "00112233445566778899aabbccddeeff00112233";
    if !redis_is_installed("redis_takes_the_position_in_our_file") {
        return;
    }
    let id = ID.parse().expect("an id");
    let job = SnapshotJob {
        snapshot: Keyspace::new(16, 1, false).snapshot(),
        position: Some(SavedPosition { id, offset: Offset(12_345), stream_db: Some(9) }),
        created_unix_ms: 1_700_000_000_000,
        used_memory_bytes: 1 << 20,
        checksum: true,
        compress: true,
        access: AccessRules::default(),
        delay_per_key: Duration::ZERO,
    };
    let bytes: Vec<u8> = encode(job).flat_map(|chunk| chunk.bytes).collect();
    let mut redis = Server::prepare(Redis);
    redis.configure(&[]);
    std::fs::write(redis.dir().join("dump.rdb"), bytes).expect("written");
    redis.launch();
    assert_eq!(redis.info("master_replid2"), ID);
    assert_eq!(redis.info("second_repl_offset"), "12346");
}

#[test]
fn a_file_cut_short_or_flipped_is_refused() {
    if !redis_is_installed("a_file_cut_short_or_flipped_is_refused") {
        return;
    }
    let source = Server::start(Redis, &[]);
    for at in 0..30 {
        let _: String = source.query(&["XADD", "s", "*", "field", &format!("value {at}")]);
    }
    let _: String = source.query(&["XGROUP", "CREATE", "s", "g", "0"]);
    let _: redis::Value =
        source.query(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "5", "STREAMS", "s", ">"]);
    let bytes = snapshot(&source);
    let load = |bytes: &[u8]| {
        let mut loader = Loader::new(Keyspace::new(16, 1, false), None);
        loader.feed(bytes).and_then(|()| loader.finish().map(drop))
    };
    assert_eq!(load(&bytes), Ok(()));
    for end in 0..bytes.len() {
        assert!(load(&bytes[..end]).is_err(), "cut at {end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(load(&bad).is_err(), "bit {bit}");
        // Without a checksum the flip may go unnoticed; it must not go wrong.
        let end = bad.len() - 8;
        bad[end..].fill(0);
        drop(load(&bad));
    }
}

/// `DUMP` here, `RESTORE` there.
fn copy_values(from: &Server, to: &Server) {
    let keys: Vec<String> = from.query(&["KEYS", "*"]);
    assert!(!keys.is_empty());
    for key in keys {
        let mut connection = from.connect().expect("connected");
        let payload: Vec<u8> = redis::cmd("DUMP").arg(&key).query(&mut connection).expect("dumped");
        let mut connection = to.connect().expect("connected");
        let restored: String = redis::cmd("RESTORE")
            .arg(&key)
            .arg(0)
            .arg(payload)
            .arg("REPLACE")
            .query(&mut connection)
            .expect("restored");
        assert_eq!(restored, "OK");
        // Without its deadline, which the payload does not hold.
        let _: u8 = from.query(&["PERSIST", &key]);
        let digest =
            |server: &Server| -> Vec<String> { server.query(&["DEBUG", "DIGEST-VALUE", &key]) };
        assert_eq!(digest(to), digest(from), "{key}");
    }
}

#[test]
fn what_one_dumps_the_other_restores() {
    if !redis_is_installed("what_one_dumps_the_other_restores") {
        return;
    }
    let (ours, redis) = (Server::start(Ours, &[]), Server::start(Redis, &[]));
    fill(&redis, "from redis");
    copy_values(&redis, &ours);
    fill(&ours, "from ours");
    copy_values(&ours, &redis);
}
