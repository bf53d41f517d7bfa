//! Random histories against plain maps: the table alone with small leaves, so that it splits and
//! merges all the time; the keyspace with snapshots; scans while keys come and go.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::table::{Entry, Table};
use super::*;

/// A key whose hash is what the test says.
#[derive(Clone, Debug, PartialEq)]
struct Placed {
    key: Vec<u8>,
    hash: u64,
    value: u32,
}

impl Entry for Placed {
    fn key(&self) -> &[u8] {
        &self.key
    }

    fn hash(&self, _seed: u64) -> u64 {
        self.hash
    }
}

/// Hashes that agree in many bits, or in all: deep tries, and leaves that cannot split.
fn hash() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..64_u64).prop_map(|bits| bits << 58),
        (0..64_u64).prop_map(|bits| bits << 40),
        (0..64_u64),
    ]
}

/// (hash, what to do with it)
fn table_history() -> impl Strategy<Value = Vec<(u64, u8)>> {
    let hashes = prop::collection::vec(hash(), 1..120);
    hashes.prop_flat_map(|hashes| {
        prop::collection::vec((prop::sample::select(hashes), 0..12_u8), 1..400)
    })
}

type Model = BTreeMap<(u64, Vec<u8>), u32>;

fn check(table: &Table<Placed, 4>, model: &Model) {
    assert_eq!(table.len(), model.len());
    let walked: Vec<_> =
        table.iter().map(|(hash, it)| ((hash, it.key.clone()), it.value)).collect();
    let expected: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(walked, expected, "iter is in hash order");
    let leaves = table.clone().into_leaves();
    let by_leaf: Vec<_> = leaves
        .flat_map(|leaf| {
            let entries = leaf.entries().into_iter();
            let owned = entries.map(|(hash, it)| ((hash, it.key.clone()), it.value));
            owned.collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(by_leaf, expected);
    let ranked: BTreeSet<_> =
        (0..table.len()).map(|rank| table.at_rank(rank).expect("below len").key.clone()).collect();
    assert_eq!(ranked.len(), model.len(), "each rank is another entry");
    assert!(table.at_rank(table.len()).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn table_is_a_map_and_its_clones_are_frozen(history in table_history()) {
        let mut table = Table::<Placed, 4>::new(0);
        let mut model = Model::new();
        let mut clones = Vec::new();
        for (step, (hash, action)) in history.into_iter().enumerate() {
            // Two keys a hash: some collide in all 64 bits.
            let key = [&hash.to_be_bytes()[..], &[action % 2]].concat();
            let value = step as u32;
            let place = (hash, key.clone());
            prop_assert_eq!(table.get(hash, &key).map(|it| it.value), model.get(&place).copied());
            match action {
                0..=5 => match table.get_mut(hash, &key) {
                    Some(entry) => {
                        entry.value = value;
                        prop_assert!(model.insert(place, value).is_some());
                    }
                    None => {
                        table.insert_new(hash, Placed { key, hash, value });
                        prop_assert!(model.insert(place, value).is_none());
                    }
                },
                6..=10 => {
                    let removed = table.remove(hash, &key).map(|it| it.value);
                    prop_assert_eq!(removed, model.remove(&place));
                }
                _ => clones.push((table.clone(), model.clone())),
            }
        }
        clones.push((table.clone(), model.clone()));
        for (clone, then) in &clones {
            check(clone, then);
        }
        for (hash, key) in model.keys() {
            prop_assert!(table.remove(*hash, key).is_some());
        }
        check(&table, &Model::new());
        prop_assert!(table.clone().into_leaves().count() == 1, "an empty table is one leaf");
    }

    #[test]
    fn scan_of_small_leaves_returns_what_stays(
        stays in prop::collection::btree_set(hash(), 1..60),
        comes_and_goes in prop::collection::vec(hash(), 0..200),
        count in 1..8_usize,
    ) {
        let mut table = Table::<Placed, 4>::new(0);
        let placed = |hash: u64| Placed { key: hash.to_be_bytes().to_vec(), hash, value: 0 };
        for hash in &stays {
            table.insert_new(*hash, placed(*hash));
        }
        let mut churn = comes_and_goes.iter().filter(|hash| !stays.contains(hash)).cycle();
        let mut seen = Vec::new();
        let mut cursor = 0;
        loop {
            let mut visited = 0;
            cursor = table.scan(cursor, count, &mut |it| {
                visited += 1;
                if stays.contains(&it.hash) {
                    seen.push(it.hash);
                }
            });
            prop_assert!(cursor == 0 || visited >= count);
            if cursor == 0 {
                break;
            }
            for hash in churn.by_ref().take(10) {
                let key = hash.to_be_bytes();
                if table.remove(*hash, &key).is_none() {
                    table.insert_new(*hash, placed(*hash));
                }
            }
        }
        let expected: Vec<_> = stays.iter().copied().collect();
        prop_assert_eq!(seen, expected, "once each, in hash order");
    }
}

#[derive(Debug, Clone)]
enum Action {
    Set(u32, u16, u32, Option<u64>),
    Append(u32, u16, u8),
    SetExpiry(u32, u16, Option<u64>),
    Remove(u32, u16),
    RemoveExpired(u32, u64),
    Clear(u32),
    ClearAll,
    Swap(u32, u32),
    Snapshot,
}

const DATABASES: u32 = 3;
const KEYS: u16 = 400;

fn action() -> impl Strategy<Value = Action> {
    let db = || 0..DATABASES;
    let key = || 0..KEYS;
    let expiry_ms = || prop::option::of(0..1000_u64);
    prop_oneof![
        60 => (db(), key(), any::<u32>(), expiry_ms())
            .prop_map(|(db, key, value, expiry_ms)| Action::Set(db, key, value, expiry_ms)),
        15 => (db(), key(), any::<u8>()).prop_map(|(db, key, byte)| Action::Append(db, key, byte)),
        10 => (db(), key(), expiry_ms())
            .prop_map(|(db, key, expiry_ms)| Action::SetExpiry(db, key, expiry_ms)),
        15 => (db(), key()).prop_map(|(db, key)| Action::Remove(db, key)),
        1 => (db(), 0..100_u64).prop_map(|(db, now_ms)| Action::RemoveExpired(db, now_ms)),
        1 => (0..30_u32).prop_map(|draw| match draw {
            0 => Action::ClearAll,
            1..=3 => Action::Clear(draw - 1),
            _ => Action::Snapshot,
        }),
        1 => (db(), db()).prop_map(|(a, b)| Action::Swap(a, b)),
        2 => Just(Action::Snapshot),
    ]
}

type DatabaseModel = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// Short keys and long ones.
fn name(key: u16) -> Vec<u8> {
    format!("key:{key:0width$}", width = if key.is_multiple_of(5) { 40 } else { 4 }).into_bytes()
}

fn apply(data: &mut Keyspace, model: &mut [DatabaseModel], action: &Action) {
    match action {
        Action::Set(db, key, value, expiry_ms) => {
            // Integers, inline strings and shared ones.
            let text = ["", "v", "a text that is too long to be inline: "][*value as usize % 3];
            let bytes = format!("{text}{value}").into_bytes();
            let was = data.set(*db, &name(*key), Value::string(&bytes), *expiry_ms);
            let old = model[*db as usize].insert(name(*key), (bytes, *expiry_ms));
            assert_eq!(was, old.is_some());
        }
        Action::Append(db, key, byte) => {
            let changed = data.update(*db, &name(*key), |value| match value {
                Value::String(string) => string.make_mut_vec(|bytes| bytes.push(*byte)),
                _ => panic!("only strings here"),
            });
            let old = model[*db as usize].get_mut(&name(*key));
            assert_eq!(changed.is_some(), old.is_some());
            if let Some((bytes, _)) = old {
                bytes.push(*byte);
            }
        }
        Action::SetExpiry(db, key, expiry_ms) => {
            let changed = data.set_expiry(*db, &name(*key), *expiry_ms);
            let old = model[*db as usize].get_mut(&name(*key));
            assert_eq!(changed, old.is_some());
            if let Some((_, old_expiry_ms)) = old {
                *old_expiry_ms = *expiry_ms;
            }
        }
        Action::Remove(db, key) => {
            let removed = data.remove(*db, &name(*key));
            let old = model[*db as usize].remove(&name(*key));
            assert_eq!(removed, old.map(|(bytes, expiry)| (Value::string(&bytes), expiry)));
        }
        Action::RemoveExpired(db, now_ms) => {
            let expired = data.expired(*db, *now_ms, usize::MAX);
            let model = &mut model[*db as usize];
            let mut expected: Vec<_> = model
                .iter()
                .filter_map(|(key, (_, expiry_ms))| Some((key.clone(), (*expiry_ms)?)))
                .filter(|(_, expiry_ms)| expiry_ms <= now_ms)
                .collect();
            expected.sort_by_key(|(key, expiry_ms)| (*expiry_ms, key.clone()));
            assert_eq!(expired, expected);
            for (key, _) in expired {
                data.remove(*db, &key);
                model.remove(&key);
            }
        }
        Action::Clear(db) => {
            data.clear(*db);
            model[*db as usize].clear();
        }
        Action::ClearAll => {
            data.clear_all();
            model.iter_mut().for_each(BTreeMap::clear);
        }
        Action::Swap(a, b) => {
            data.swap(*a, *b);
            model.swap(*a as usize, *b as usize);
        }
        Action::Snapshot => {}
    }
}

/// Built in one go, in another order, under another hash seed.
fn rebuilt(model: &[DatabaseModel]) -> Keyspace {
    let mut fresh = Keyspace::new(DATABASES, 77, true);
    for (db, entries) in (0..).zip(model) {
        for (key, (bytes, expiry_ms)) in entries {
            fresh.set(db, key, Value::string(bytes), *expiry_ms);
        }
    }
    fresh
}

fn check_snapshot(snapshot: &Snapshot, model: &[DatabaseModel]) {
    for (db, entries) in (0..).zip(model) {
        let found: DatabaseModel = snapshot
            .entries(db)
            .map(|(key, value, expiry_ms)| {
                let Value::String(string) = value else { panic!("only strings here") };
                (key.to_vec(), (string.bytes().into_owned(), expiry_ms))
            })
            .collect();
        assert_eq!(&found, entries);
        assert_eq!(snapshot.len(db), entries.len());
        let expires = entries.values().filter(|(_, expiry)| expiry.is_some());
        assert_eq!(snapshot.expires(db), expires.count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn snapshots_and_digests_are_those_of_the_model(
        actions in prop::collection::vec(action(), 1..1500),
        seed in any::<u64>(),
    ) {
        let mut data = Keyspace::new(DATABASES, seed, true);
        let mut model = vec![DatabaseModel::new(); DATABASES as usize];
        let mut snapshots = Vec::new();
        for action in &actions {
            apply(&mut data, &mut model, action);
            if matches!(action, Action::Snapshot) {
                snapshots.push((data.snapshot(), model.clone()));
            }
        }
        snapshots.push((data.snapshot(), model.clone()));
        for (snapshot, then) in &snapshots {
            check_snapshot(snapshot, then);
            let fresh = rebuilt(then);
            prop_assert_eq!(snapshot.digest(), fresh.digest());
        }
        let fresh = rebuilt(&model);
        prop_assert_eq!(data.redis_digest(), fresh.redis_digest());
        for db in 0..DATABASES {
            prop_assert_eq!(data.expiry_stats(db, 0), fresh.expiry_stats(db, 0));
            for (key, (bytes, expiry_ms)) in &model[db as usize] {
                let expected = Some((&Value::string(bytes), *expiry_ms));
                prop_assert_eq!(data.get_with_expiry(db, key), expected);
                prop_assert_eq!(data.expiry(db, key), *expiry_ms);
            }
        }
        data.clear_all();
        prop_assert_eq!((data.used_bytes(), data.digest()), (0, Digest(0)));
        // Walked last, when nothing else holds what the last snapshot holds.
        if let Some((snapshot, then)) = snapshots.pop() {
            let mut walked = vec![DatabaseModel::new(); DATABASES as usize];
            for entry in snapshot.into_entries() {
                let Value::String(string) = entry.value else { panic!("only strings here") };
                let found = (string.bytes().into_owned(), entry.expiry_ms);
                let twice = walked[entry.db as usize].insert(entry.key.to_vec(), found);
                prop_assert!(twice.is_none());
            }
            prop_assert_eq!(walked, then);
        }
    }
}
