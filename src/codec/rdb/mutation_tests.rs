//! Files of random data with some of their bytes changed, and no checksum to find that out.

use super::dump::push_footer;
use super::tests::{load_into, written};
use super::*;
use crate::keyspace::stream::{Fields, Group, Pending, StreamId};
use crate::keyspace::{
    End, HashValue, Key, Keyspace, Limits, ListValue, SetValue, SortedSetValue, StreamValue, Value,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..30),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (any::<u8>(), 0_usize..200).prop_map(|(byte, times)| vec![byte; times]),
    ]
}

/// A value of family `family` with these texts in it.
fn value(family: u8, texts: &[Vec<u8>], keyspace: &Keyspace) -> Value {
    let limits = &keyspace.limits;
    match family {
        0 => Value::string(&texts.concat()),
        1 => {
            let mut list = ListValue::new();
            texts.iter().for_each(|text| list.push(End::Right, text));
            Value::List(list)
        }
        2 => {
            let mut set = SetValue::new();
            for text in texts {
                set.insert(text, limits);
            }
            Value::Set(set)
        }
        3 => {
            let mut hash = HashValue::new();
            for text in texts {
                hash.set(text, &text[text.len() / 2..], limits);
            }
            Value::Hash(hash)
        }
        4 => {
            let mut set = SortedSetValue::new(1);
            for (at, text) in texts.iter().enumerate() {
                set.set(text, at as f64 / 4.0, keyspace.sorted_set_limits);
            }
            Value::SortedSet(set)
        }
        _ => Value::Stream(stream(texts)),
    }
}

fn stream(texts: &[Vec<u8>]) -> StreamValue {
    let mut stream = StreamValue::new();
    let mut group = Group::new(StreamId::MIN, Some(1));
    group.create_consumer(b"reader", 1);
    for (at, text) in texts.iter().enumerate() {
        let id = StreamId { ms: at as u64 + 1, seq: 0 };
        let fields = Fields::new([&b"name"[..], text]);
        stream.push(id, fields, &Limits::seeded(0));
        if at % 2 == 0 {
            let consumer = Key::new(b"reader");
            group.deliver(id, Pending { consumer, delivered_ms: 1, deliveries: at as u64 });
        }
    }
    stream.insert_group(b"group", group);
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Refused with an offset inside of the file, or loaded whole: then it can be written and
    /// loaded again, and is the same.
    #[test]
    fn a_changed_file_is_refused_or_sound(
        values in proptest::collection::vec(
            (0_u8..6, proptest::collection::vec(text(), 1..12)), 1..6),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        piece in 1_usize..200,
    ) {
        let mut keyspace = Keyspace::new(16, 7, false);
        for (at, (family, texts)) in values.iter().enumerate() {
            let stored = value(*family, texts, &keyspace);
            keyspace.set(at as u32 % 3, &[b'k', at as u8], stored, Some(at as u64).filter(|at| at % 2 == 0));
        }
        let mut file = written(&keyspace);
        prop_assert_eq!(
            load_into(Keyspace::new(16, 7, false), &file).expect("sound").keyspace.redis_digest(),
            keyspace.redis_digest()
        );
        let end = file.len() - 8;
        for (at, byte) in &changes {
            file[at.index(end)] = *byte;
        }
        file[end..].fill(0);
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        let mut loader = Loader::new(Keyspace::new(16, 7, false), None);
        let fed = file.chunks(piece).try_for_each(|piece| loader.feed(piece));
        match fed.and_then(|()| loader.finish()) {
            Err(error) => prop_assert!(error.offset <= file.len() as u64, "{}", error),
            Ok(loaded) => {
                let again = load_into(Keyspace::new(16, 7, false), &written(&loaded.keyspace));
                let again = again.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(again.keyspace.redis_digest(), loaded.keyspace.redis_digest());
            }
        }
    }

    /// The same of what `RESTORE` takes, with the checksum of what has been changed.
    #[test]
    fn a_changed_payload_is_refused_or_sound(
        family in 0_u8..6,
        texts in proptest::collection::vec(text(), 1..12),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let keyspace = Keyspace::new(1, 7, false);
        let limits = ValueLimits::from(&keyspace);
        let mut payload = dump(&value(family, &texts, &keyspace), true);
        let end = payload.len() - 10;
        for (at, byte) in &changes {
            payload[at.index(end)] = *byte;
        }
        payload.truncate(end);
        push_footer(&mut payload);
        if let Ok(restored) = restore(&payload, &limits) {
            let again = restore(&dump(&restored, true), &limits);
            prop_assert_eq!(again, Ok(restored));
        }
    }
}
