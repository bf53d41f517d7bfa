//! What each method promises, by example. The digests are answers of redis-server 7.0.15.

use super::*;

fn hex(bytes: [u8; 20]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keyspace() -> Keyspace {
    Keyspace::new(16, 1, true)
}

fn set(keyspace: &mut Keyspace, db: u32, key: &str, value: &str) {
    keyspace.set(db, key.as_bytes(), Value::string(value.as_bytes()), None);
}

#[test]
fn redis_digest_is_that_of_redis_7_0_15() {
    let mut data = keyspace();
    assert_eq!(data.redis_digest(), [0; 20]);
    set(&mut data, 0, "k", "v");
    assert_eq!(hex(data.redis_digest()), "264ccf65edec66bccfa7cc659414ccca432057d2");
    set(&mut data, 0, "n", "12345");
    set(&mut data, 0, "empty", "");
    set(&mut data, 0, "long", &"x".repeat(100));
    assert_eq!(hex(data.redis_digest()), "f40100b2c39d50551e6a706243189dcfbd38b777");
    set(&mut data, 3, "k", "v");
    set(&mut data, 15, "other", "-7");
    assert_eq!(hex(data.redis_digest()), "acac7bc19cdf983bdc62b95d170c6e435ee601ba");
    data.set_expiry(0, b"k", Some(1_900_000_000_000));
    data.set(3, b"e", Value::string(b"v"), Some(1_900_000_000_001));
    assert_eq!(hex(data.redis_digest()), "52b4733860f64d132683a89de15247bb3c816241");
    data.swap(0, 3);
    assert_eq!(hex(data.redis_digest()), "cc6d62ea076de644547279cd3298da7097579dc5");
}

#[test]
fn redis_digest_value_is_that_of_redis_7_0_15() {
    let mut data = keyspace();
    set(&mut data, 0, "k", "v");
    set(&mut data, 0, "n", "12345");
    set(&mut data, 0, "empty", "");
    set(&mut data, 0, "long", &"x".repeat(100));
    let digest = |data: &Keyspace, key: &str| hex(data.redis_digest_value(0, key.as_bytes()));
    assert_eq!(digest(&data, "k"), "d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f");
    assert_eq!(digest(&data, "n"), "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83");
    assert_eq!(digest(&data, "empty"), "8b3447c33a834b810e3e181b6fd6a2ee1020921c");
    assert_eq!(digest(&data, "long"), "6942b9b71aaff9a398b7a2f898756f5e28dd3cd1");
    assert_eq!(data.redis_digest_value(0, b"nosuch"), [0; 20]);
    data.set_expiry(0, b"k", Some(1));
    assert_eq!(digest(&data, "k"), "311b17018163335616e089f6b951c82c477335ac");
}

#[test]
fn set_replaces_value_and_deadline() {
    let mut data = keyspace();
    assert!(!data.set(2, b"k", Value::string(b"1"), Some(500)));
    assert_eq!(data.expiry(2, b"k"), Some(500));
    assert!(data.set(2, b"k", Value::string(b"2"), None));
    assert_eq!(data.get_with_expiry(2, b"k"), Some((&Value::string(b"2"), None)));
    assert_eq!(data.get(0, b"k"), None);
    assert_eq!(data.remove(2, b"k"), Some((Value::string(b"2"), None)));
    assert_eq!(data.remove(2, b"k"), None);
    assert!(data.is_empty());
}

#[test]
fn update_keeps_the_deadline() {
    let mut data = keyspace();
    let append = |value: &mut Value| match value {
        Value::String(string) => string.make_mut_vec(|bytes| bytes.push(b'!')),
        _ => panic!("only strings here"),
    };
    assert_eq!(data.update(0, b"k", append), None);
    data.set(0, b"k", Value::string(b"10"), Some(9));
    let before = data.digest();
    assert_eq!(data.update(0, b"k", append), Some(()));
    assert_eq!(data.get_with_expiry(0, b"k"), Some((&Value::string(b"10!"), Some(9))));
    assert_ne!(data.digest(), before);
}

#[test]
fn expired_keys_come_earliest_first_and_stay_until_removed() {
    let mut data = keyspace();
    for (key, expiry_ms) in [("c", 30), ("a", 10), ("d", 40), ("b", 20)] {
        data.set(1, key.as_bytes(), Value::string(b"v"), Some(expiry_ms));
    }
    data.set(1, b"never", Value::string(b"v"), None);
    data.set_expiry(1, b"d", Some(5));
    let keys = |found: Vec<(Vec<u8>, u64)>| {
        let keys = found.into_iter().map(|(key, _)| key);
        String::from_utf8(keys.flatten().collect()).expect("letters")
    };
    assert_eq!(keys(data.expired(1, 20, 10)), "dab");
    assert_eq!(keys(data.expired(1, 1000, 2)), "da");
    assert_eq!(data.expired(1, 4, 10), []);
    assert_eq!(data.expired(0, 1000, 10), []);
    assert_eq!(data.len(1), 5);
    assert!(data.set_expiry(1, b"d", None));
    assert!(!data.set_expiry(1, b"nosuch", Some(1)));
    assert_eq!(keys(data.expired(1, 1000, 10)), "abc");
}

#[test]
fn expiry_stats_are_count_and_mean_of_what_is_left() {
    let mut data = keyspace();
    assert_eq!(data.expiry_stats(0, 0), (0, 0));
    data.set(0, b"a", Value::string(b"v"), Some(100));
    data.set(0, b"b", Value::string(b"v"), Some(301));
    assert_eq!(data.expiry_stats(0, 50), (2, 150));
    assert_eq!(data.expiry_stats(0, 5000), (2, 0));
    data.remove(0, b"a");
    assert_eq!(data.expiry_stats(0, 1), (1, 300));
    data.clear(0);
    assert_eq!(data.expiry_stats(0, 1), (0, 0));
}

#[test]
fn digest_is_of_content_and_place_only() {
    let empty = keyspace().digest();
    assert_eq!(empty, Digest(0));
    let mut data = keyspace();
    set(&mut data, 0, "k", "v");
    let at_0 = data.digest();
    data.swap(0, 1);
    let at_1 = data.digest();
    assert_ne!(at_0, at_1);
    data.swap(1, 0);
    assert_eq!(data.digest(), at_0);
    data.set_expiry(0, b"k", Some(0));
    assert_ne!(data.digest(), at_0);
    data.set_expiry(0, b"k", None);
    assert_eq!(data.digest(), at_0);
    // The boundary between key and value counts.
    let mut other = keyspace();
    set(&mut other, 0, "", "kv");
    let mut another = keyspace();
    set(&mut another, 0, "kv", "");
    assert_ne!(other.digest(), another.digest());
    data.clear_all();
    assert_eq!(data.digest(), empty);
}

#[test]
fn a_snapshot_stays_what_it_was() {
    fn assert_send<T: Send + Sync>(_: &T) {}
    let mut data = keyspace();
    for i in 0..5000 {
        let expiry_ms = (i % 3 == 0).then_some(i);
        let value = Value::string(format!("v{i}").as_bytes());
        data.set((i % 2) as u32, format!("k{i}").as_bytes(), value, expiry_ms);
    }
    let snapshot = data.snapshot();
    assert_send(&snapshot);
    let digest = data.digest();
    for i in 0..5000 {
        data.remove((i % 2) as u32, format!("k{i}").as_bytes());
    }
    data.replace_data(keyspace());
    assert!(data.is_empty());

    assert_eq!(snapshot.databases(), 16);
    assert_eq!((snapshot.len(0), snapshot.len(1), snapshot.len(2)), (2500, 2500, 0));
    assert_eq!(snapshot.expires(0) + snapshot.expires(1), 1667);
    assert_eq!(snapshot.digest(), digest);
    let copied = snapshot.clone();
    #[expect(clippy::disallowed_methods, reason = "that a snapshot may go to a thread is tested")]
    let loaded = std::thread::spawn(move || {
        let mut loaded = Keyspace::new(16, 99, true);
        for entry in copied.into_entries() {
            loaded.set(entry.db, &entry.key, entry.value, entry.expiry_ms);
        }
        loaded
    });
    assert_eq!(loaded.join().expect("no panic").digest(), digest);
}

#[test]
fn a_walk_in_batches_of_any_size_sees_each_key_once() {
    let mut data = keyspace();
    for i in 0..1000 {
        set(&mut data, [0, 7][i % 2], &format!("k{i}"), "v");
    }
    let whole: Vec<_> = [0, 7]
        .into_iter()
        .flat_map(|db| data.iter(db).map(move |(key, _, _)| (db, key.to_vec())))
        .collect();
    assert_eq!(whole.len(), 1000);
    for max_keys in [1, 7, 499, 500, 501, 1000, 5000] {
        let mut walker = SnapshotWalker::new(data.snapshot());
        let mut walked = Vec::new();
        loop {
            let before = walked.len();
            let more = walker.next_batch(max_keys, &mut |visited| {
                walked.push((visited.db, visited.key.to_vec()));
            });
            assert!(walked.len() - before <= max_keys);
            assert_eq!(more, walked.len() < 1000, "more says what is true");
            if !more {
                break;
            }
            assert_eq!(walked.len() - before, max_keys);
        }
        assert_eq!(walked, whole);
    }
    let empty = keyspace().snapshot();
    assert!(!SnapshotWalker::new(empty).next_batch(1, &mut |_| unreachable!("no key")));
}

#[test]
fn order_depends_on_seed_and_content_alone() {
    let keys = |data: &Keyspace| -> Vec<Vec<u8>> {
        data.iter(0).map(|(key, _, _)| key.to_vec()).collect()
    };
    let (mut up, mut down) = (Keyspace::new(1, 5, false), Keyspace::new(1, 5, false));
    let mut other_seed = Keyspace::new(1, 6, false);
    for i in 0..300 {
        set(&mut up, 0, &i.to_string(), "v");
        set(&mut other_seed, 0, &i.to_string(), "v");
    }
    for i in (0..2000).rev() {
        set(&mut down, 0, &i.to_string(), "v");
    }
    for i in 300..2000 {
        down.remove(0, i.to_string().as_bytes());
    }
    assert_eq!(keys(&up), keys(&down));
    assert_ne!(keys(&up), keys(&other_seed));
}

#[test]
fn scan_returns_count_keys_a_step_and_ends() {
    let mut data = keyspace();
    assert_eq!(data.scan(0, 0, 10, &mut |_| unreachable!("no key")), 0);
    for i in 0..1000 {
        set(&mut data, 0, &i.to_string(), "v");
    }
    let (mut cursor, mut steps, mut seen) = (0, 0, Vec::new());
    loop {
        cursor = data.scan(0, cursor, 10, &mut |key| seen.push(key.to_vec()));
        steps += 1;
        assert!(cursor < 1 << 48);
        if cursor == 0 {
            break;
        }
        assert_eq!(seen.len(), steps * 10);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    let mut visited = 0;
    assert_ne!(data.scan(0, 0, 0, &mut |_| visited += 1), 0);
    assert_eq!(visited, 1, "no count is a count of one");
    assert_eq!(data.scan(0, u64::MAX, 10, &mut |_| unreachable!("past the end")), 0);
}

#[test]
fn random_key_is_uniform() {
    let mut data = keyspace();
    assert_eq!(data.random_key(0, &mut || 0), None);
    for i in 0..1000 {
        set(&mut data, 0, &i.to_string(), "v");
    }
    let mut picked = std::collections::BTreeMap::<Vec<u8>, u32>::new();
    // Draws evenly over all of u64: a uniform choice picks each key as often, to within one.
    for i in 0..10_000_u64 {
        let key = data.random_key(0, &mut || i * (u64::MAX / 10_000) + 7);
        *picked.entry(key.expect("not empty")).or_default() += 1;
    }
    assert_eq!(picked.len(), 1000);
    assert!(picked.values().all(|times| (9..=11).contains(times)));
}

#[test]
fn used_bytes_come_back_when_all_is_gone() {
    let mut data = keyspace();
    let mut used = data.used_bytes();
    assert_eq!(used, 0);
    let long = "x".repeat(1000);
    set(&mut data, 0, "k", &long);
    assert!(data.used_bytes() > used + 1000);
    used = data.used_bytes();
    set(&mut data, 0, &long, "v");
    assert!(data.used_bytes() > used + 1000);
    used = data.used_bytes();
    data.set_expiry(0, b"k", Some(7));
    assert!(data.used_bytes() > used);
    data.update(0, b"k", |value| match value {
        Value::String(string) => string.make_mut_vec(|bytes| bytes.resize(5000, b'y')),
        _ => panic!("only strings here"),
    });
    assert!(data.used_bytes() > used + 4000);
    set(&mut data, 0, "k", "short");
    data.remove(0, long.as_bytes());
    assert!(data.used_bytes() < 200);
    data.remove(0, b"k");
    assert_eq!(data.used_bytes(), 0);
}
