use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn id(ms: u64) -> StreamId {
    StreamId { ms, seq: 0 }
}

fn fields(text: &str) -> Fields {
    Fields::new([&b"name"[..], text.as_bytes()])
}

#[test]
fn a_value_is_small_and_a_clone_keeps_what_it_saw() {
    assert!(size_of::<StreamValue>() <= 16);
    let mut stream = StreamValue::new();
    (1..=1000).for_each(|ms| stream.push(id(ms), fields("x"), &Limits::default()));
    let snapshot = stream.clone();
    stream.trim(Trim::MaxLen(10), false, 0);
    stream.push(id(2000), fields("y"), &Limits::default());
    assert_eq!((snapshot.len(), stream.len()), (1000, 11));
    let shared = snapshot.range(id(1), id(1000)).count();
    assert_eq!(shared, 1000);
}

#[test]
fn nodes_end_at_a_hundred_entries_or_four_kilobytes() {
    let mut stream = StreamValue::new();
    (1..=250).for_each(|ms| stream.push(id(ms), fields("x"), &Limits::default()));
    assert_eq!(
        stream.nodes().map(|(_, node)| node.entries().len()).collect::<Vec<_>>(),
        [100, 100, 50]
    );
    assert_eq!(stream.trim(Trim::MaxLen(120), true, 0), 100, "whole nodes");
    assert_eq!(stream.trim(Trim::MinId(id(200)), true, 0), 0);
    assert_eq!(stream.trim(Trim::MinId(id(200)), false, 0), 99);
    assert_eq!(stream.first_id(), id(200));
    let mut large = StreamValue::new();
    (1..=4).for_each(|ms| large.push(id(ms), fields(&"x".repeat(1500)), &Limits::default()));
    assert_eq!(large.nodes().count(), 2);
}

#[test]
fn a_range_that_ends_before_it_begins_is_empty() {
    let mut stream = StreamValue::new();
    stream.push(id(5), fields("x"), &Limits::default());
    assert_eq!(stream.range(id(9), id(1)).count(), 0);
    assert_eq!(stream.range(id(6), StreamId::MAX).count(), 0);
    assert_eq!(stream.range(StreamId::MIN, id(4)).count(), 0);
}

#[test]
fn what_a_stream_remembers_of_all_it_had_is_in_its_digest() {
    let mut stream = StreamValue::new();
    (1..=3).for_each(|ms| stream.push(id(ms), fields("x"), &Limits::default()));
    let before = stream.digest(0);
    let mut others = [stream.clone(), stream.clone(), stream.clone()];
    others[0].set_marks(id(4), StreamId::MIN, 3);
    others[1].set_marks(id(3), id(2), 3);
    others[2].set_marks(id(3), StreamId::MIN, 4);
    for other in others {
        assert_ne!(other.digest(0), before);
    }
    stream.set_marks(id(3), StreamId::MIN, 3);
    assert_eq!(stream.digest(0), before);
}

#[test]
fn pending_entries_belong_to_one_consumer() {
    let mut group = Group::new(id(0), Some(0));
    let to = |name: &[u8]| Pending { consumer: Key::new(name), delivered_ms: 1, deliveries: 1 };
    let empty = group.digest(0);
    group.deliver(id(1), to(b"a"));
    group.deliver(id(1), to(b"b"));
    assert!(group.consumers()[&Key::new(b"a")].pending.is_empty());
    assert_eq!(group.remove_consumer(b"b"), Some(1));
    assert!(group.pending().is_empty() && !group.acknowledge(id(1)));
    assert_eq!(group.remove_consumer(b"a"), Some(0));
    assert_eq!(group.digest(0), empty);
}

proptest! {
    #[test]
    fn a_stream_is_a_map_by_id(steps in proptest::collection::vec((0_u8..12, any::<u16>()), 1..400)) {
        let mut stream = StreamValue::new();
        let mut model = BTreeMap::new();
        let (mut next, mut deleted) = (1, StreamId::MIN);
        for (kind, number) in steps {
            let some = id(u64::from(number) % next);
            match kind {
                0 => {
                    let there = model.remove(&some).is_some();
                    prop_assert_eq!(stream.remove(some), there);
                    deleted = if there { deleted.max(some) } else { deleted };
                }
                1 => {
                    let wanted = u64::from(number % 300);
                    stream.trim(Trim::MaxLen(wanted), false, 0);
                    while model.len() as u64 > wanted {
                        model.pop_first();
                    }
                }
                2 => {
                    stream.trim(Trim::MinId(some), false, 0);
                    model = model.split_off(&some);
                }
                _ => {
                    stream.push(id(next), fields(&number.to_string()), &Limits::default());
                    model.insert(id(next), number);
                    next += 1;
                }
            }
            prop_assert_eq!(stream.len(), model.len() as u64);
            prop_assert!(stream.range(some, id(next)).map(|it| it.id).eq(model.range(some..).map(|it| *it.0)));
            prop_assert!(stream.range(id(0), some).rev().map(|it| it.id).eq(model.range(..=some).rev().map(|it| *it.0)));
        }
        let mut again = StreamValue::new();
        for (id, number) in &model {
            again.push(*id, fields(&number.to_string()), &Limits::default());
        }
        again.set_marks(stream.last_id(), deleted, next - 1);
        prop_assert_eq!(again.digest(3), stream.digest(3));
    }
}
