//! What commands put on the stream: a row a command, as a master of
//! Redis 7.0.15 sends it for the same data.

use super::ExpiryView;
use super::testing::Bench;

/// Data, then the command, then the stream; `=` is the command as it came, empty is nothing.
const ROWS: &[(&[&str], &str, &str)] = &[
    (&[], "RPUSH l a b", "="),
    (&[], "LPUSHX l a", ""),
    (&["RPUSH l a b"], "LPOP l", "="),
    (&["RPUSH l a b"], "LPOP l 5", "="),
    (&["RPUSH l a b"], "LPOP l 0", ""),
    (&["RPUSH l a b"], "BLPOP k l 0", "LPOP l"),
    (&["RPUSH l a b"], "BRPOP l 0", "RPOP l"),
    (&[], "BLPOP l 0", ""),
    (&["RPUSH l a b"], "LMOVE l m left RIGHT", "="),
    (&["RPUSH l a b"], "BLMOVE l m left RIGHT 0", "LMOVE l m left RIGHT"),
    (&["RPUSH l a b"], "RPOPLPUSH l l", "="),
    (&["RPUSH l a b"], "BRPOPLPUSH l m 0", "RPOPLPUSH l m"),
    (&["RPUSH l a b"], "LMPOP 2 k l LEFT COUNT 5", "LPOP l 2"),
    (&["RPUSH l a b"], "BLMPOP 0 1 l RIGHT", "RPOP l 1"),
    (&["RPUSH l a b"], "LREM l 0 c", ""),
    (&["RPUSH l a b"], "LREM l 0 a", "="),
    (&["RPUSH l a b"], "LTRIM l 0 -1", ""),
    (&["RPUSH l a b"], "LTRIM l 1 0", "="),
    (&["RPUSH l a b"], "LINSERT l BEFORE c d", ""),
    (&["RPUSH l a b"], "LSET l 0 c", "="),
    (&["SADD s a"], "SADD s a", ""),
    (&["SADD s a"], "SADD s a b", "="),
    (&["SADD s a"], "SPOP s", "SREM s a"),
    (&["SADD s a"], "SPOP s 3", "DEL s"),
    (&["SADD s a"], "SPOP s 0", ""),
    (&["SADD s a"], "SMOVE s t a", "="),
    (&["SADD s a"], "SMOVE s t b", ""),
    (&["SADD s a"], "SINTERSTORE d s", "="),
    (&["SADD s a"], "SINTERSTORE d s none", ""),
    (&["SADD s a", "SADD d a"], "SINTERSTORE d s none", "="),
    (&["RPUSH l b a"], "SORT l ALPHA STORE d", "="),
    (&["RPUSH d x"], "SORT none STORE d", "="),
    (&[], "SORT none STORE d", ""),
    (&["RPUSH l b a"], "SORT l ALPHA", ""),
    (&["SET s 1"], "BITFIELD s SET u8 0 49", ""),
    (&["SET s 1"], "BITFIELD s SET u8 0 50", "="),
    (&["PFADD p a"], "PFDEBUG TODENSE p", "="),
    (
        &["XADD s 1-1 f v", "XGROUP CREATE s g 0"],
        "XREADGROUP GROUP g c NOACK STREAMS s >",
        "XGROUP CREATECONSUMER s g c; XGROUP SETID s g 1-1 ENTRIESREAD 1",
    ),
    (&["XADD s 1-1 f v", "XGROUP CREATE s g $"], "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", ""),
    (&[], "HSET h f 1", "="),
    (&["HSET h f 1"], "HSET h f 1", "="),
    (&["HSET h f 1"], "HSETNX h f 2", ""),
    (&["HSET h f 1"], "HINCRBY h f 2", "="),
    (&["HSET h f 1"], "HINCRBYFLOAT h f 0.5", "HSET h f 1.5"),
    (&["HSET h f 1"], "HDEL h g", ""),
    (&["HSET h f 1"], "HDEL h f g", "="),
];

#[test]
fn every_row_sends_what_redis_sends() {
    for (data, command, expected) in ROWS {
        let mut bench = Bench::new(ExpiryView::Delete);
        for line in *data {
            bench.run(line);
        }
        bench.run(command);
        let expected = if *expected == "=" { command } else { expected };
        assert_eq!(bench.stream(command), *expected, "{data:?}, {command}");
    }
}

#[test]
fn what_is_empty_is_gone() {
    let rows = [
        ("RPUSH k a", "LPOP k"),
        ("RPUSH k a", "LREM k 0 a"),
        ("RPUSH k a", "LTRIM k 1 0"),
        ("RPUSH k a", "LMOVE k other LEFT LEFT"),
        ("SADD k a", "SREM k a"),
        ("SADD k a", "SPOP k"),
        ("SADD k a", "SMOVE k other a"),
        ("HSET k f v", "HDEL k f"),
    ];
    for (fill, empty) in rows {
        let mut bench = Bench::new(ExpiryView::Delete);
        bench.run(fill);
        bench.run(empty);
        assert_eq!(bench.run("EXISTS k"), ":0", "{fill}, {empty}");
    }
}

#[test]
fn a_key_of_another_type_is_refused() {
    let mut bench = Bench::new(ExpiryView::Delete);
    bench.run("SET string x");
    bench.run("RPUSH list x");
    for line in [
        "LPUSH string a",
        "BLPOP string 0",
        "LMOVE list string LEFT LEFT",
        "SADD list a",
        "SUNIONSTORE d list",
        "HSET string f v",
        "HGETALL list",
        "GET list",
        "APPEND list x",
    ] {
        let reply = bench.run(line);
        assert!(reply.starts_with("-WRONGTYPE "), "{line}: {reply}");
        assert_eq!(bench.stream(line), "", "{line}");
    }
    assert_eq!(bench.run("LRANGE list 0 -1"), "*1 $1 x");
}

#[test]
fn small_forms_end_at_the_limits() {
    let mut bench = Bench::new(ExpiryView::Delete);
    bench.keyspace.limits.set_max_intset_entries = 2;
    bench.keyspace.limits.hash_max_listpack_entries = 2;
    bench.run("SADD s 1 2");
    assert_eq!(bench.run("OBJECT ENCODING s"), "$6 intset");
    bench.run("SADD s 3");
    bench.run("SREM s 3");
    assert_eq!(bench.run("OBJECT ENCODING s"), "$9 hashtable");
    bench.run("HSET h a 1 b 2");
    assert_eq!(bench.run("OBJECT ENCODING h"), "$8 listpack");
    bench.run("HSET h c 3");
    assert_eq!(bench.run("OBJECT ENCODING h"), "$9 hashtable");
}
