//! What decides how a snapshot is taken: the shared table of small leaves (with several sizes of
//! leaf) against a persistent map of the ecosystem and a plain table that is copied as a whole.
//!
//! `cargo bench --bench snapshot [-- KEYS]`. Only ratios within one run mean anything: each row
//! is divided by the row of the plain table.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a bench reads the clock and prints its table"
)]

use std::hint::black_box;
use std::time::Instant;

use hashbrown::HashTable;
use replisim::keyspace::table::{Entry, Table, hash_key};
use replisim::keyspace::{Key, Value};

const SEED: u64 = 42;

#[derive(Clone)]
struct Item {
    key: Key,
    value: Value,
}

impl Entry for Item {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

/// A map that can be copied at a moment.
trait Contender {
    fn get(&self, key: &[u8]) -> Option<&Value>;
    fn set(&mut self, key: &[u8], value: Value);
    /// What it takes to hold on to the content of this moment.
    fn snapshot(&self) -> Self;
}

impl<const LEAF_MAX: usize> Contender for Table<Item, LEAF_MAX> {
    fn get(&self, key: &[u8]) -> Option<&Value> {
        let hash = self.hash(key);
        Some(&Table::get(self, hash, key)?.value)
    }

    fn set(&mut self, key: &[u8], value: Value) {
        let hash = self.hash(key);
        match self.get_mut(hash, key) {
            Some(item) => item.value = value,
            None => self.insert_new(hash, Item { key: Key::new(key), value }),
        }
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }
}

struct Plain(HashTable<Item>);

impl Contender for Plain {
    fn get(&self, key: &[u8]) -> Option<&Value> {
        let item = self.0.find(hash_key(key, SEED), |item| &*item.key == key)?;
        Some(&item.value)
    }

    fn set(&mut self, key: &[u8], value: Value) {
        let hash = hash_key(key, SEED);
        match self.0.find_mut(hash, |item| &*item.key == key) {
            Some(item) => item.value = value,
            None => {
                let key = Key::new(key);
                let rehash = |item: &Item| hash_key(&item.key, SEED);
                self.0.insert_unique(hash, Item { key, value }, rehash);
            }
        }
    }

    fn snapshot(&self) -> Self {
        Plain(self.0.clone())
    }
}

#[derive(Clone, Default)]
struct Xxh3;

#[derive(Default)]
struct Xxh3Hasher(u64);

impl std::hash::BuildHasher for Xxh3 {
    type Hasher = Xxh3Hasher;
    fn build_hasher(&self) -> Xxh3Hasher {
        Xxh3Hasher::default()
    }
}

impl std::hash::Hasher for Xxh3Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_key(bytes, SEED);
    }
    fn write_usize(&mut self, _length: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone)]
struct Persistent(imbl::GenericHashMap<Hashed, Value, Xxh3, imbl::shared_ptr::DefaultSharedPtr>);

#[derive(Clone, PartialEq, Eq)]
struct Hashed(Key);

impl std::hash::Hash for Hashed {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl Contender for Persistent {
    fn get(&self, key: &[u8]) -> Option<&Value> {
        self.0.get(&Hashed(Key::new(key)))
    }

    fn set(&mut self, key: &[u8], value: Value) {
        self.0.insert(Hashed(Key::new(key)), value);
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }
}

/// One contender's figures, in nanoseconds unless the name says otherwise.
struct Figures {
    insert: f64,
    bytes_per_key: f64,
    get: f64,
    set: f64,
    snapshot: f64,
    set_shared: f64,
    worst_insert: f64,
}

/// Keys in an order that is no order of any table.
fn shuffled(keys: u64, salt: u64) -> impl Iterator<Item = u64> {
    (0..keys).map(move |i| hash_key(&i.to_le_bytes(), salt) % keys)
}

fn write_key(buffer: &mut [u8; 16], mut number: u64) {
    buffer[..4].copy_from_slice(b"key:");
    for digit in buffer[4..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|it| it.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0
}

fn ns_each(since: Instant, count: u64) -> f64 {
    since.elapsed().as_nanos() as f64 / count as f64
}

fn measure<C: Contender>(mut map: C, keys: u64) -> Figures {
    let mut key = [0; 16];
    let value = Value::string(b"xxx");
    let resident = resident_bytes();
    let start = Instant::now();
    for i in 0..keys {
        write_key(&mut key, i);
        map.set(&key, value.clone());
    }
    let insert = ns_each(start, keys);
    let bytes_per_key = (resident_bytes() - resident) / keys as f64;

    let start = Instant::now();
    for i in shuffled(keys, 1) {
        write_key(&mut key, i);
        assert!(black_box(map.get(&key)).is_some());
    }
    let get = ns_each(start, keys);

    let start = Instant::now();
    for i in shuffled(keys, 2) {
        write_key(&mut key, i);
        map.set(&key, value.clone());
    }
    let set = ns_each(start, keys);

    let start = Instant::now();
    let held = map.snapshot();
    let snapshot = ns_each(start, 1);

    // As many writes as a tenth of the keys: most of them are a leaf's first.
    let start = Instant::now();
    for i in shuffled(keys, 3).take(keys as usize / 10) {
        write_key(&mut key, i);
        map.set(&key, value.clone());
    }
    let set_shared = ns_each(start, keys / 10);
    drop(held);

    let mut worst_insert: f64 = 0.0;
    for i in keys..2 * keys {
        write_key(&mut key, i);
        let start = Instant::now();
        map.set(&key, value.clone());
        worst_insert = worst_insert.max(ns_each(start, 1));
    }
    Figures { insert, bytes_per_key, get, set, snapshot, set_shared, worst_insert }
}

/// Alone in its process, so that memory given back by another contender does not count.
fn figures(name: &str, keys: u64) -> Option<Figures> {
    Some(match name {
        "plain" => measure(Plain(HashTable::new()), keys),
        "imbl" => measure(Persistent(imbl::GenericHashMap::with_hasher(Xxh3)), keys),
        "leaf14" => measure(Table::<Item, 14>::new(SEED), keys),
        "leaf28" => measure(Table::<Item, 28>::new(SEED), keys),
        "leaf56" => measure(Table::<Item, 56>::new(SEED), keys),
        _ => return None,
    })
}

fn measure_in_child(name: &str, keys: u64) -> anyhow::Result<Vec<f64>> {
    let child = std::process::Command::new(std::env::current_exe()?)
        .args([&keys.to_string(), name])
        .output()?;
    anyhow::ensure!(child.status.success(), "{name}: {child:?}");
    let columns = String::from_utf8(child.stdout)?;
    Ok(columns.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let keys = args.next().map_or(Ok(1_000_000), |keys| keys.parse())?;
    if let Some(figures) = args.next().and_then(|name| figures(&name, keys)) {
        let Figures { insert, bytes_per_key, get, set, snapshot, set_shared, worst_insert } =
            figures;
        println!("{insert} {get} {set} {set_shared} {snapshot} {worst_insert} {bytes_per_key}");
        return Ok(());
    }
    println!("{keys} keys of 16 bytes, values of 3; times as ratios to the plain table's");
    println!("          insert    get    set  set after    snapshot  worst insert  bytes/key");
    let mut plain: Vec<f64> = Vec::new();
    for name in ["plain", "imbl", "leaf14", "leaf28", "leaf56"] {
        let mut row = measure_in_child(name, keys)?;
        // The best of three: what else the machine does only ever adds.
        for _ in 1..3 {
            let again = measure_in_child(name, keys)?;
            for (best, value) in row.iter_mut().zip(again) {
                *best = best.min(value);
            }
        }
        if plain.is_empty() {
            plain.clone_from(&row);
        }
        let ratio = |column: usize| row[column] / plain[column];
        println!(
            "{name:8} {:7.2} {:6.2} {:6.2} {:10.2} {:11.7} {:13.5} {:10.1}",
            ratio(0),
            ratio(1),
            ratio(2),
            ratio(3),
            ratio(4),
            ratio(5),
            row[6],
        );
    }
    Ok(())
}
