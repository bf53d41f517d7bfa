//! The writer and the reader against each other, and against damage.

use super::*;
use crate::keyspace::{Keyspace, RecordedAccess, StringValue, Value};
use crate::node::{LoadedData, SnapshotJob};
use crate::replication::{Offset, SavedPosition};
use proptest::prelude::*;
use std::time::Duration;

type Entry = (u32, Vec<u8>, Vec<u8>, Option<u64>);

fn keyspace(entries: &[Entry]) -> Keyspace {
    let mut keyspace = Keyspace::new(16, 7, false);
    for (db, key, text, deadline_ms) in entries {
        let stored = Value::String(StringValue::new(text));
        keyspace.set(*db, key, stored, *deadline_ms);
    }
    keyspace
}

fn job(entries: &[Entry]) -> SnapshotJob {
    job_of(&keyspace(entries))
}

fn job_of(keyspace: &Keyspace) -> SnapshotJob {
    SnapshotJob {
        snapshot: keyspace.snapshot(),
        position: Some(position(Some(3))),
        created_unix_ms: 1_700_000_000_123,
        used_memory_bytes: 1_000_000,
        checksum: true,
        compress: true,
        access: keyspace.access,
        delay_per_key: Duration::ZERO,
    }
}

fn position(stream_db: Option<u32>) -> SavedPosition {
    let id = "0123456789abcdef0123456789abcdef01234567";
    SavedPosition {
        id: id.parse().expect("40 hex digits"),
        offset: Offset(9_876_543_210),
        stream_db,
    }
}

fn file(job: SnapshotJob) -> Vec<u8> {
    encode(job).flat_map(|chunk| chunk.bytes).collect()
}

/// The dataset as a file.
pub(super) fn written(keyspace: &Keyspace) -> Vec<u8> {
    file(job_of(keyspace))
}

pub(super) fn load_into(target: Keyspace, bytes: &[u8]) -> Result<LoadedData, RdbError> {
    let mut loader = Loader::new(target, None);
    loader.feed(bytes)?;
    loader.finish()
}

pub(super) fn load(bytes: &[u8]) -> Result<LoadedData, RdbError> {
    load_pieces(bytes, bytes.len().max(1), None)
}

fn load_pieces(bytes: &[u8], piece: usize, drop_ms: Option<u64>) -> Result<LoadedData, RdbError> {
    let mut loader = Loader::new(Keyspace::new(16, 7, false), drop_ms);
    for piece in bytes.chunks(piece) {
        loader.feed(piece)?;
    }
    loader.finish()
}

pub(super) fn refusal(bytes: &[u8]) -> RdbError {
    match load(bytes) {
        Err(error) => error,
        Ok(_) => panic!("loaded: {}", bytes.escape_ascii()),
    }
}

fn entries(keyspace: &Keyspace) -> Vec<Entry> {
    let mut all = Vec::new();
    for db in 0..keyspace.databases() {
        for (key, stored, deadline_ms) in keyspace.iter(db) {
            let Value::String(text) = stored else { panic!("only strings here") };
            all.push((db, key.to_vec(), text.bytes().into_owned(), deadline_ms));
        }
    }
    all.sort();
    all
}

fn sample() -> Vec<Entry> {
    vec![
        (0, b"a".to_vec(), b"1".to_vec(), None),
        (0, b"b".to_vec(), vec![b'x'; 300], Some(1_700_000_000_500)),
        (2, b"12345".to_vec(), b"-70000".to_vec(), Some(1)),
        (15, b"".to_vec(), b"plain text, not much in it".to_vec(), None),
    ]
}

/// A file by hand: magic, version, items, EOF, no checksum.
pub(super) fn by_hand(version: &str, items: &[u8]) -> Vec<u8> {
    let mut bytes = [b"REDIS", version.as_bytes(), items, &[opcode::EOF]].concat();
    if version >= "0005" {
        bytes.extend_from_slice(&[0; 8]);
    }
    bytes
}

#[test]
fn what_is_written_is_read() {
    let loaded = load(&file(job(&sample()))).expect("sound");
    assert_eq!(entries(&loaded.keyspace), sample());
    assert_eq!(loaded.position, Some(position(Some(3))));
    assert_eq!((loaded.keys, loaded.expired), (4, 0));
}

#[test]
fn header_is_that_of_redis_7_0() {
    let bytes = file(job(&[]));
    let expected = b"REDIS0010\
        \xfa\x09redis-ver\x067.0.15\
        \xfa\x0aredis-bits\xc0\x40\
        \xfa\x05ctime\xc2\x00\xf1\x53\x65\
        \xfa\x08used-mem\xc2\x40\x42\x0f\x00\
        \xfa\x0erepl-stream-db\xc0\x03\
        \xfa\x07repl-id\x280123456789abcdef0123456789abcdef01234567\
        \xfa\x0brepl-offset\x0a9876543210\
        \xfa\x08aof-base\xc0\x00\xff";
    assert_eq!(
        bytes[..expected.len()].escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert_eq!(bytes.len(), expected.len() + 8);
}

#[test]
fn without_a_position_there_are_no_such_fields() {
    let mut job = job(&sample());
    job.position = None;
    let bytes = file(job);
    assert!(!bytes.windows(5).any(|window| window == b"repl-"));
    assert_eq!(load(&bytes).expect("sound").position, None);
}

#[test]
fn a_stream_db_below_zero_is_none() {
    let id = b"\xfa\x07repl-id\x280123456789abcdef0123456789abcdef01234567";
    let offset = b"\xfa\x0brepl-offset\x0a9876543210";
    let stream_db = b"\xfa\x0erepl-stream-db\xc0\xff";
    let unknown = b"\xfa\x04%foo\x03bar";
    let items = [&id[..], offset, stream_db, unknown].concat();
    let loaded = load(&by_hand("0010", &items)).expect("sound");
    assert_eq!(loaded.position, Some(position(None)));
    let no_offset = load(&by_hand("0010", id)).expect("sound");
    assert_eq!(no_offset.position, None);
}

#[test]
fn every_cut_is_refused() {
    let bytes = file(job(&sample()));
    for len in 0..bytes.len() {
        let error = refusal(&bytes[..len]);
        assert_eq!(error.message, "unexpected end of file");
        assert_eq!(error.offset, len as u64);
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = file(job(&sample()));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << bit;
            refusal(&spoiled);
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = file(job(&sample()));
    let len = bytes.len() as u64;
    bytes.push(0);
    assert_eq!(refusal(&bytes).offset, len);
}

#[test]
fn without_checksum_there_are_zeros() {
    let mut job = job(&sample());
    job.checksum = false;
    let bytes = file(job);
    assert_eq!(bytes[bytes.len() - 8..], [0; 8]);
    assert_eq!(load(&bytes).expect("sound").keys, 4);
}

#[test]
fn expired_keys_are_dropped_only_on_request() {
    let bytes = file(job(&sample()));
    let dropped = load_pieces(&bytes, 10, Some(1_700_000_000_500)).expect("sound");
    assert_eq!((dropped.keys, dropped.expired), (4, 1));
    assert_eq!(dropped.keyspace.len(2), 0);
    let dropped = load_pieces(&bytes, 10, Some(1_700_000_000_501)).expect("sound");
    assert_eq!(dropped.expired, 2);
}

#[test]
fn old_versions_and_their_opcodes() {
    let items = b"\xfe\x00\xfd\x10\x27\x00\x00\x00\x01k\x01v\xf9\x05\xf8\x07\x00\x01l\xc1\x00\x01";
    for version in ["0001", "0004", "0005", "0009", "0011"] {
        let loaded = load(&by_hand(version, items)).expect("sound");
        let expected = vec![
            (0, b"k".to_vec(), b"v".to_vec(), Some(10_000_000)),
            (0, b"l".to_vec(), b"256".to_vec(), None),
        ];
        assert_eq!(entries(&loaded.keyspace), expected, "{version}");
    }
}

#[test]
fn refused_by_name_and_offset() {
    for (version, items, offset, text) in [
        (
            "0012",
            &b""[..],
            5,
            "cannot read RDB version 0012 (of Redis 7.4 and 8): versions up to 11 are read",
        ),
        ("0000", b"", 5, "cannot read RDB version 0000: versions up to 11 are read"),
        ("+001", b"", 5, "cannot read RDB version +001: versions up to 11 are read"),
        (
            "0010",
            b"\x07\x01k\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03",
            9,
            "type 7 (module): key 'k' is of the module type 'ReJSON-RL', which is not supported",
        ),
        (
            "0010",
            b"\xfe\x00\x19\x01k",
            11,
            "type 25 (hash as listpack with deadlines, of Redis 7.4) is not supported",
        ),
        ("0010", b"\xfe\x00\x1a\x01k", 11, "type 26 (unknown) is not supported"),
        ("0010", b"\xf5\x00", 9, "a library of functions: Missing library metadata"),
        (
            "0010",
            b"\xf7\x00\x02\x01\x00",
            9,
            "data of the module type 'AAAAAAAAA' (MODULE_AUX) are not supported",
        ),
        ("0010", b"\xfe\x10", 9, "database 16 does not exist here (databases is 16)"),
        ("0010", b"\x00\x01k\x01v\x00\x01k\x01w", 14, "key 'k' is twice in database 0"),
        (
            "0010",
            b"\xfc\x00\x00\x00\x00\x00\x00\x00\x00",
            18,
            "end of file where a key was announced",
        ),
        ("0010", b"\x00\x01k\xc5", 12, "unknown string encoding 197"),
    ] {
        let error = refusal(&by_hand(version, items));
        assert_eq!((error.message.as_str(), error.offset), (text, offset));
    }
    assert_eq!(refusal(b"ROUTE0010\xff").message, "wrong signature, this is not an RDB file");
}

#[test]
fn accesses_go_through_a_file_as_the_policy_wants_them() {
    let mut lru = keyspace(&sample());
    (lru.access.lru, lru.access.now_unix_ms) = (true, 1_700_000_000_000);
    let recorded = |idle| RecordedAccess { idle_seconds: Some(idle), frequency: None };
    lru.set_recorded_access(0, b"a", recorded(300));
    let bytes = written(&lru);
    // 300 as a length of two bytes, the type, the key.
    assert!(bytes.windows(6).any(|window| window == b"\xf8\x41\x2c\x00\x01a"));
    let mut target = lru.empty_like(7, false);
    target.access.now_unix_ms += 20_000;
    let rules = target.access;
    let loaded = load_into(target, &bytes).expect("sound").keyspace;
    assert_eq!(loaded.access_of(0, b"a").map(|it| rules.idle_seconds(it)), Some(300));

    let mut lfu = keyspace(&sample());
    lfu.access = crate::keyspace::AccessRules { lru: false, lfu: true, ..lru.access };
    let rules = lfu.access;
    lfu.set_recorded_access(0, b"a", RecordedAccess { idle_seconds: None, frequency: Some(99) });
    let bytes = written(&lfu);
    assert!(bytes.windows(5).any(|window| window == b"\xf9\x63\x00\x01a"));
    let loaded = load_into(lfu.empty_like(7, false), &bytes).expect("sound").keyspace;
    assert_eq!(loaded.access_of(0, b"a").map(|it| rules.frequency(it)), Some(99));
    // What the file says of the key before does not count for the next.
    assert_eq!(
        loaded.access_of(2, b"12345").map(|it| rules.frequency(it)),
        lfu.access_of(2, b"12345").map(|it| rules.frequency(it))
    );

    let plain = written(&keyspace(&sample()));
    assert!(!plain.windows(2).any(|window| window == b"\xf8\x00" || window == b"\xf9\x05"));
}

#[test]
fn an_error_stays() {
    let mut loader = Loader::new(Keyspace::new(1, 7, false), None);
    let error = loader.feed(b"REDIS9999").expect_err("unknown version");
    assert_eq!(loader.feed(b"x"), Err(error.clone()));
    assert_eq!(loader.finish().err(), Some(error));
}

#[test]
fn chunks_are_bounded_and_keys_counted() {
    let big = vec![
        (0, b"big".to_vec(), vec![0xa5; 300_000], None),
        (1, b"k".to_vec(), b"v".to_vec(), None),
    ];
    let mut plain = job(&big);
    plain.compress = false;
    let chunks: Vec<Chunk> = encode(plain).collect();
    assert!(chunks.iter().all(|chunk| chunk.bytes.len() <= 64 * 1024));
    assert_eq!(chunks.iter().map(|chunk| chunk.keys).sum::<u64>(), 2);

    let many: Vec<Entry> =
        (0..50_u32).map(|i| (0, i.to_le_bytes().to_vec(), b"v".to_vec(), None)).collect();
    let mut slow = job(&many);
    slow.delay_per_key = Duration::from_millis(5);
    let chunks: Vec<Chunk> = encode(slow).collect();
    assert!(chunks.iter().all(|chunk| chunk.keys <= 2));
    assert_eq!(chunks.iter().map(|chunk| chunk.keys).sum::<u64>(), 50);
}

proptest! {
    #[test]
    fn pieces_of_any_size_are_the_same(
        list in proptest::collection::btree_map(
            (0_u32..16, proptest::collection::vec(any::<u8>(), 0..10)),
            (proptest::collection::vec(any::<u8>(), 0..60), proptest::option::of(any::<u32>())),
            0..30,
        ),
        piece in 1_usize..50,
        compress in any::<bool>(),
    ) {
        let list: Vec<Entry> = list
            .into_iter()
            .map(|((db, key), (text, deadline))| (db, key, text, deadline.map(u64::from)))
            .collect();
        let mut job = job(&list);
        job.compress = compress;
        let bytes = file(job);
        let loaded = load_pieces(&bytes, piece, None).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(entries(&loaded.keyspace), list);
    }

    #[test]
    fn arbitrary_items_never_panic(items in proptest::collection::vec(any::<u8>(), 0..60), piece in 1_usize..9) {
        if let Err(error) = load_pieces(&by_hand("0010", &items), piece, None) {
            prop_assert!(error.offset <= items.len() as u64 + 18);
        }
    }
}
