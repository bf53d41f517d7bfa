//! Every type byte that any server up to Redis 7.2 and Valkey 8.0 wrote, by hand: what it stands
//! for, how it is stored afterwards, and what becomes of it when it is damaged.

use super::listpack::Writer;
use super::primitives::{push_length, push_string};
use super::tests::{by_hand, load, load_into, refusal};
use super::*;
use crate::keyspace::stream::StreamId;
use crate::keyspace::{Keyspace, Limits, Value};

/// What a string of a file is made of, in every form.
const PLAIN: &[u8] = b"\x03abc";
const INT_8: &[u8] = b"\xc0\xff";
const INT_16: &[u8] = b"\xc1\x00\x01";
const INT_32: &[u8] = b"\xc2\x00\x00\x01\x00";
/// 24 times `a`.
const LZF: &[u8] = b"\xc3\x06\x18\x01aa\xe0\x0d\x00";

fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_string(&mut out, text, false);
    out
}

fn listpack(texts: &[&[u8]]) -> Vec<u8> {
    let mut out = Writer::new();
    texts.iter().for_each(|text| out.push(text));
    out.finish()
}

/// A ziplist of short elements that are not numbers, but for those in `numbers`, which follow.
fn ziplist(texts: &[&[u8]], numbers: &[u8]) -> Vec<u8> {
    let (mut body, mut before, mut tail) = (Vec::new(), 0, 10);
    let mut push = |element: &[u8]| {
        tail = 10 + body.len();
        body.push(before);
        body.extend_from_slice(element);
        before = element.len() as u8 + 1;
    };
    for text in texts {
        push(&[&[text.len() as u8], *text].concat());
    }
    for number in numbers {
        push(&[0xfe, *number]);
    }
    let count = (texts.len() + numbers.len()) as u16;
    let total = (10 + body.len() + 1) as u32;
    let head = [&total.to_le_bytes()[..], &(tail as u32).to_le_bytes(), &count.to_le_bytes()];
    [&head.concat()[..], &body, &[0xff]].concat()
}

/// The item of a key `k`.
fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 1, b'k'], value].concat()
}

/// A node that begins at 5-1 with two entries and a deleted one between them.
fn stream_node() -> Vec<u8> {
    let mut node = Writer::new();
    for head in [2, 1, 1] {
        node.push_integer(head);
    }
    node.push(b"field");
    node.push_integer(0);
    // Flags, differences of the id, the values of the node's own fields, number of elements.
    for (flags, ms, seq, value) in [(2, 0, 0, &b"one"[..]), (3, 0, 1, b"gone")] {
        [flags, ms, seq].into_iter().for_each(|number| node.push_integer(number));
        node.push(value);
        node.push_integer(4);
    }
    // Fields of its own.
    [0, 2, -1, 1].into_iter().for_each(|number| node.push_integer(number));
    node.push(b"other");
    node.push(b"three");
    node.push_integer(6);
    let mut out = string(&StreamId { ms: 5, seq: 1 }.to_bytes());
    out.extend(string(&node.finish()));
    out
}

/// A stream of one node with a group `g`, whose consumer `c` has 5-1 pending.
fn stream(kind: u8) -> Vec<u8> {
    let raw = StreamId { ms: 5, seq: 1 }.to_bytes();
    let now = 1_000_u64.to_le_bytes();
    let mut out = vec![1];
    out.extend(stream_node());
    // Entries, last id.
    out.extend([2, 7, 0]);
    if kind != 15 {
        // First id, greatest deleted id, entries added.
        out.extend([5, 1, 5, 2, 3]);
    }
    out.extend([1, 1, b'g', 5, 1]);
    if kind != 15 {
        out.push(1);
    }
    out.push(1);
    out.extend([&raw[..], &now, &[3]].concat());
    out.extend([1, 1, b'c']);
    out.extend(now);
    if kind == 21 {
        out.extend(now);
    }
    out.push(1);
    out.extend(raw);
    out
}

/// Type byte, the value behind the key, what it is (`OBJECT ENCODING`), and how `show` has it.
fn samples() -> Vec<(u8, Vec<u8>, &'static str, String)> {
    let packed = |bytes: Vec<u8>| string(&bytes);
    let scores = b"\x03\x01a\x031.5\x01b\xfe\x01c\xff".to_vec();
    let binary = |score: f64| score.to_le_bytes();
    let binary_scores =
        [&b"\x02\x01a"[..], &binary(1.5), b"\x01b", &binary(f64::NEG_INFINITY)].concat();
    let zipmap = b"\x02\x01f\x02\x01vw_\x01g\x00\x00\xff";
    let intset = b"\x02\0\0\0\x03\0\0\0\xff\xff\x01\0\x07\0";
    let two_ziplists =
        [&[2][..], &string(&ziplist(&[b"x", b"y"], &[3])), &string(&ziplist(&[], &[]))].concat();
    let quicklist_2 = [
        &[3, 2][..],
        &string(&listpack(&[b"x", b"7"])),
        &[1],
        PLAIN,
        &[2],
        &string(&listpack(&[])),
    ]
    .concat();
    let mut rows = vec![
        (0, PLAIN.to_vec(), "embstr", "abc".to_owned()),
        (0, INT_32.to_vec(), "int", "65536".into()),
        (0, LZF.to_vec(), "embstr", "a".repeat(24)),
        (
            1,
            [&[4], PLAIN, INT_8, INT_16, LZF].concat(),
            "quicklist",
            format!("abc -1 256 {}", "a".repeat(24)),
        ),
        (2, [&[2], INT_8, INT_16].concat(), "intset", "-1 256".into()),
        (2, [&[2], INT_8, PLAIN].concat(), "hashtable", "-1 abc".into()),
        (3, scores, "listpack", "c=-inf a=1.5 b=inf".into()),
        (
            4,
            [&[2], PLAIN, INT_8, INT_16, LZF].concat(),
            "listpack",
            format!("256={} abc=-1", "a".repeat(24)),
        ),
        (5, binary_scores, "listpack", "b=-inf a=1.5".into()),
        (9, packed(zipmap.to_vec()), "listpack", "f=vw g=".into()),
        (10, packed(ziplist(&[b"x", b"y"], &[3, 4])), "quicklist", "x y 3 4".into()),
        (11, packed(intset.to_vec()), "intset", "-1 1 7".into()),
        (12, packed(ziplist(&[b"x"], &[3])), "listpack", "x=3".into()),
        (13, packed(ziplist(&[b"x", b"y", b"z"], &[3])), "listpack", "x=y z=3".into()),
        (14, two_ziplists, "quicklist", "x y 3".into()),
        (16, packed(listpack(&[b"x", b"y", b"-5", b"3"])), "listpack", "-5=3 x=y".into()),
        (17, packed(listpack(&[b"x", b"-inf", b"y", b"2.5"])), "listpack", "x=-inf y=2.5".into()),
        (18, quicklist_2, "quicklist", "x 7 abc".into()),
        (20, packed(listpack(&[b"x", b"-5"])), "hashtable", "-5 x".into()),
        (20, packed(listpack(&[b"7", b"-5"])), "intset", "-5 7".into()),
    ];
    let entries = "5-1 field one, 7-0 other three; added";
    for (kind, added) in [(15, 2), (19, 3), (21, 3)] {
        let shown = format!("{entries} {added}; group g at 5-1 read Some(1), c has 5-1 x3 at 1000");
        rows.push((kind, stream(kind), "stream", shown));
    }
    rows
}

/// A value as text; what has no order is sorted.
fn show(value: &Value) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let join = |mut texts: Vec<String>, sort: bool| {
        if sort {
            texts.sort();
        }
        texts.join(" ")
    };
    match value {
        Value::String(value) => text(&value.bytes()),
        Value::List(value) => join(value.iter().map(|it| text(it)).collect(), false),
        Value::Set(value) => join(value.iter().map(|it| text(&it)).collect(), true),
        Value::Hash(value) => {
            let pairs = value.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
            join(pairs.collect(), true)
        }
        Value::SortedSet(value) => {
            let pairs = value.iter().map(|it| format!("{}={}", text(&it.member), it.score));
            join(pairs.collect(), false)
        }
        Value::Stream(stream) => {
            let id = |id: StreamId| format!("{}-{}", id.ms, id.seq);
            let entries = stream.nodes().flat_map(|(_, node)| node.entries()).map(|entry| {
                let fields: Vec<String> = entry.fields.iter().map(text).collect();
                format!("{} {}", id(entry.id), fields.join(" "))
            });
            let mut shown = entries.collect::<Vec<_>>().join(", ");
            shown.push_str(&format!("; added {}", stream.entries_added()));
            for (name, group) in stream.groups() {
                let (last, read) = (id(group.last_id), group.entries_read);
                shown.push_str(&format!("; group {} at {last} read {read:?}", text(name)));
                for (entry, pending) in group.pending() {
                    let consumer = text(&pending.consumer);
                    let (times, at) = (pending.deliveries, pending.delivered_ms);
                    shown.push_str(&format!(", {consumer} has {} x{times} at {at}", id(*entry)));
                }
            }
            shown
        }
    }
}

fn value_of(keyspace: &Keyspace) -> &Value {
    keyspace.get(0, b"k").expect("it was loaded")
}

#[test]
fn every_encoding_is_read() {
    for (kind, bytes, encoding, shown) in samples() {
        let loaded = load(&by_hand("0011", &item(kind, &bytes)));
        let loaded = loaded.unwrap_or_else(|error| panic!("type {kind}: {error}"));
        let value = value_of(&loaded.keyspace);
        assert_eq!(show(value), shown, "type {kind}");
        assert_eq!(value.encoding_name(), encoding, "type {kind}");
    }
}

#[test]
fn every_cut_in_every_encoding_is_refused() {
    for (kind, bytes, _, _) in samples() {
        let file = by_hand("0011", &item(kind, &bytes));
        for len in 0..file.len() {
            let error = refusal(&file[..len]);
            assert_eq!(error.message, "unexpected end of file", "type {kind} cut at {len}");
            assert_eq!(error.offset, len as u64);
        }
    }
}

#[test]
fn every_flip_in_every_encoding_is_refused_or_sound() {
    for (kind, bytes, _, _) in samples() {
        let file = by_hand("0011", &item(kind, &bytes));
        for at in 0..file.len() - 8 {
            for bit in 0..8 {
                let mut spoiled = file.clone();
                spoiled[at] ^= 1 << bit;
                match load(&spoiled) {
                    Ok(loaded) => {
                        let again = load(&super::tests::written(&loaded.keyspace));
                        let again =
                            again.unwrap_or_else(|error| panic!("type {kind}, {at}: {error}"));
                        let digest = again.keyspace.redis_digest();
                        assert_eq!(digest, loaded.keyspace.redis_digest(), "type {kind}, {at}");
                    }
                    Err(error) => assert!(error.offset <= file.len() as u64, "{error}"),
                }
            }
        }
    }
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let all: Vec<u8> = samples()
        .into_iter()
        .enumerate()
        .flat_map(|(at, (kind, bytes, _, _))| {
            [&[kind, 2, b'k', b'a' + at as u8][..], &bytes].concat()
        })
        .collect();
    let file = by_hand("0011", &all);
    let whole = load(&file).expect("sound").keyspace;
    assert_eq!(whole.len(0), samples().len());
    for piece in [1, 2, 3, 7, 64] {
        let mut loader = Loader::new(Keyspace::new(16, 7, false), None);
        for piece in file.chunks(piece) {
            loader.feed(piece).expect("sound");
        }
        let loaded = loader.finish().expect("complete").keyspace;
        assert_eq!(loaded.redis_digest(), whole.redis_digest());
    }
}

/// Redis 7.0 skips them in files, and refuses them in `RESTORE`.
#[test]
fn keys_without_elements_are_skipped_and_counted() {
    let empty_node = [&[1, 2][..], &string(&listpack(&[]))].concat();
    let empties = [
        (1, vec![0]),
        (2, vec![0]),
        (3, vec![0]),
        (4, vec![0]),
        (5, vec![0]),
        (9, string(b"\x00\xff")),
        (10, string(&ziplist(&[], &[]))),
        (12, string(&ziplist(&[], &[]))),
        (13, string(&ziplist(&[], &[]))),
        (14, vec![0]),
        (16, string(&listpack(&[]))),
        (17, string(&listpack(&[]))),
        (18, empty_node),
        (20, string(&listpack(&[]))),
    ];
    for (kind, bytes) in empties {
        // Its deadline goes with it.
        let mut items = vec![0xfc, 1, 0, 0, 0, 0, 0, 0, 0];
        items.extend(item(kind, &bytes));
        items.extend(b"\x00\x01s\x01v");
        let loaded = load(&by_hand("0010", &items));
        let loaded = loaded.unwrap_or_else(|error| panic!("type {kind}: {error}"));
        assert_eq!((loaded.keys, loaded.empty, loaded.keyspace.len(0)), (1, 1, 1), "type {kind}");
        assert_eq!(loaded.keyspace.expiry(0, b"s"), None);
    }
}

#[test]
fn numbers_that_promise_much_take_no_memory() {
    let mut count = Vec::new();
    push_length(&mut count, 1 << 60);
    for kind in [1, 2, 3, 4, 5, 14, 15, 18, 19, 21] {
        let error = refusal(&by_hand("0011", &item(kind, &count)));
        assert_ne!(error.message, "", "type {kind}");
        let mut loader = Loader::new(Keyspace::new(16, 7, false), None);
        let begin = [b"REDIS0011", &item(kind, &count)[..]].concat();
        loader.feed(&begin).expect("it may go on");
        let error = loader.finish().err().expect("not complete");
        assert_eq!(error.message, "unexpected end of file");
    }
    // So many groups, pending entries and consumers.
    let head = [&[1][..], &stream_node(), &[2, 7, 0, 5, 1, 5, 2, 3]].concat();
    for middle in [&[][..], &[1, 1, b'g', 5, 1, 1], &[1, 1, b'g', 5, 1, 1, 0]] {
        let begin = [b"REDIS0011", &item(19, &[&head, middle, &count].concat())[..]].concat();
        let mut loader = Loader::new(Keyspace::new(16, 7, false), None);
        loader.feed(&begin).expect("it may go on");
    }
}

/// What is configured decides, not what was when the file was written (rdb.c `rdbLoadObject`).
#[test]
fn small_forms_are_those_of_the_configuration() {
    let long = [b'v'; 65];
    let mut long_field = vec![1];
    long_field.extend([PLAIN, &[0x40, 65][..], &long].concat());
    let packed_long = string(&listpack(&[b"f", &long]));
    let three = string(&listpack(&[b"a", b"1", b"b", b"2", b"c", b"3"]));
    let rows = [
        // Limit of entries, of bytes; type, value; encoding.
        (512, 64, 4, long_field.clone(), "hashtable"),
        (512, 65, 4, long_field, "listpack"),
        // What was packed is unpacked only if there are too many.
        (512, 64, 16, packed_long, "listpack"),
        (2, 64, 16, three.clone(), "hashtable"),
        (3, 64, 16, three.clone(), "listpack"),
        (2, 64, 17, three.clone(), "skiplist"),
        (3, 64, 17, three, "listpack"),
        (2, 64, 11, string(b"\x02\0\0\0\x03\0\0\0\xff\xff\x01\0\x07\0"), "hashtable"),
        (1, 64, 2, [&[2], INT_8, INT_16].concat(), "hashtable"),
    ];
    for (entries, value_bytes, kind, bytes, encoding) in rows {
        let mut target = Keyspace::new(16, 7, false);
        target.limits = Limits {
            set_max_intset_entries: entries,
            hash_max_listpack_entries: entries,
            hash_max_listpack_value: value_bytes,
            ..target.limits
        };
        target.sorted_set_limits = crate::keyspace::SortedSetLimits { entries, value_bytes };
        let limits = ValueLimits::from(&target);
        let loaded = load_into(target, &by_hand("0010", &item(kind, &bytes))).expect("sound");
        let value = value_of(&loaded.keyspace);
        assert_eq!(value.encoding_name(), encoding, "type {kind}, {entries}, {value_bytes}");
        let restored = restore(&dump(value, true), &limits).expect("sound");
        assert_eq!(restored.encoding_name(), encoding);
    }
}
