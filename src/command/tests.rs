//! Data commands against what redis-server 7.0.15 answers and puts on its stream. Every row was
//! captured there.

use super::ExpiryView::{Alive, Delete, Hide};
use super::testing::Bench;

/// Runs rows of (line, reply, stream) against one master; `=` in place of the stream: verbatim.
fn check(bench: &mut Bench, rows: &[(&str, &str, &str)]) {
    for (line, reply, stream) in rows {
        assert_eq!(bench.run(line), *reply, "reply to {line}");
        let stream = if *stream == "=" { line } else { stream };
        assert_eq!(bench.stream(line), *stream, "stream of {line}");
    }
}

/// One row a command: its form on the stream. The clock stands at 1000000000000.
#[test]
fn every_write_has_its_form_on_the_stream() {
    check(
        &mut Bench::new(Delete),
        &[
            ("sEt a 1", "+OK", "="),
            ("set a 2 eX 10", "+OK", "SET a 2 PXAT 1000000010000"),
            ("set a 2 px 10", "+OK", "SET a 2 PXAT 1000000000010"),
            ("set a 2 exat 1000000100", "+OK", "SET a 2 PXAT 1000000100000"),
            ("SET a 2 XX GET PXAT 1000000100000", "$1 2", "SET a 2 PXAT 1000000100000"),
            ("set a 3 KEEPTTL GET", "$1 2", "set a 3 KEEPTTL"),
            ("set a 3 keepttl", "+OK", "="),
            ("ttl a", ":100", ""),
            ("set a 3 nx", "$-1", ""),
            ("set a 3 nx get", "$1 3", ""),
            ("set new 3 get nx GET", "$-1", "set new 3 nx"),
            ("setnx a 1", ":0", ""),
            ("setnx b 1", ":1", "="),
            ("setex b 10 v", "+OK", "SET b v PXAT 1000000010000"),
            ("psetex b 10 v", "+OK", "SET b v PXAT 1000000000010"),
            ("getset b w", "$1 v", "SET b w"),
            ("getex b", "$1 w", ""),
            ("getex b ex 10", "$1 w", "PEXPIREAT b 1000000010000"),
            ("getex b persist", "$1 w", "PERSIST b"),
            ("getex b persist", "$1 w", ""),
            ("getex b pxat 1", "$1 w", "DEL b"),
            ("getdel new", "$1 3", "DEL new"),
            ("getdel new", "$-1", ""),
            ("mset a 1 b 2", "+OK", "="),
            ("msetnx a 1 z 2", ":0", ""),
            ("msetnx y 1 z 2", ":1", "="),
            ("append y 5", ":2", "="),
            ("append y \"\"", ":2", "="),
            ("setrange y 1 abc", ":4", "="),
            ("setrange y 1 \"\"", ":4", ""),
            ("incr n", ":1", "="),
            ("decrby n 5", ":-4", "="),
            ("incrby n 0", ":-4", "="),
            ("incrbyfloat n 0.1", "$4 -3.9", "SET n -3.9 KEEPTTL"),
            ("del nosuch", ":0", ""),
            ("del nosuch n", ":1", "="),
            ("Unlink z", ":1", "="),
            ("EXPIRE a 100", ":1", "PEXPIREAT a 1000000100000"),
            ("pexpire a 100 xx", ":1", "PEXPIREAT a 1000000000100 xx"),
            ("expireat a 2000000000 GT", ":1", "PEXPIREAT a 2000000000000 GT"),
            ("pexpireat a 1000000000500", ":1", "="),
            ("expire a 100 nx", ":0", ""),
            ("persist a", ":1", "="),
            ("persist a", ":0", ""),
            ("expire a -1", ":1", "DEL a"),
            ("rename y a", "+OK", "="),
            ("rename a a", "+OK", ""),
            ("renamenx a b", ":0", ""),
            ("copy a b", ":0", ""),
            ("copy a b replace", ":1", "="),
            ("move a 1", ":1", "="),
            ("move a 1", ":0", ""),
            ("swapdb 0 0", "+OK", "="),
            ("swapdb 0 1", "+OK", "="),
            ("FLUSHDB async", "+OK", "="),
            ("flushdb", "+OK", "="),
            ("flushall", "+OK", "="),
            ("flushall", "+OK", "="),
        ],
    );
}

#[test]
fn refusals_have_the_texts_of_redis_and_change_nothing() {
    let mut bench = Bench::new(Delete);
    bench.run("set a abc");
    for (line, reply) in [
        ("set a 1 ex", "-ERR syntax error"),
        ("set a 1 nx xx", "-ERR syntax error"),
        ("set a 1 ex 10 px 10", "-ERR syntax error"),
        ("set a 1 keepttl ex 10", "-ERR syntax error"),
        ("set a 1 persist", "-ERR syntax error"),
        ("set a 1 ex x", "-ERR value is not an integer or out of range"),
        ("set a 1 ex 0", "-ERR invalid expire time in 'set' command"),
        ("set a 1 ex 9223372036854775", "-ERR invalid expire time in 'set' command"),
        ("setex a -1 v", "-ERR invalid expire time in 'setex' command"),
        ("getex a px -1", "-ERR invalid expire time in 'getex' command"),
        ("getex a keepttl", "-ERR syntax error"),
        ("mset a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("incr a", "-ERR value is not an integer or out of range"),
        ("decrby a -9223372036854775808", "-ERR decrement would overflow"),
        ("incrbyfloat a 1", "-ERR value is not a valid float"),
        ("incrbyfloat x inf", "-ERR increment would produce NaN or Infinity"),
        ("setrange a -1 x", "-ERR offset is out of range"),
        (
            "setrange a 536870911 ab",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
        ("expire a 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("expire a 1 foo", "-ERR Unsupported option foo"),
        (
            "expire a 1 nx gt",
            "-ERR NX and XX, GT or LT options at the same time are not compatible",
        ),
        ("expire a 1 gt lt", "-ERR GT and LT options at the same time are not compatible"),
        ("rename nosuch b", "-ERR no such key"),
        ("copy a a", "-ERR source and destination objects are the same"),
        ("copy a b db 16", "-ERR DB index is out of range"),
        ("move a 0", "-ERR source and destination objects are the same"),
        ("scan x", "-ERR invalid cursor"),
        ("scan 0 count 0", "-ERR syntax error"),
        ("swapdb 0 x", "-ERR invalid second DB index"),
        ("swapdb 99 x", "-ERR invalid second DB index"),
        ("swapdb 0 99", "-ERR DB index is out of range"),
        ("flushall async sync", "-ERR syntax error"),
        ("object foo a", "-ERR unknown subcommand 'foo'. Try OBJECT HELP."),
        ("object encoding", "-ERR wrong number of arguments for 'object|encoding' command"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
        assert_eq!(bench.stream(line), "", "{line}");
    }
    assert_eq!(bench.run("get a"), "$3 abc");
    assert_eq!(bench.run("ttl a"), ":-1");
    assert_eq!(bench.run("dbsize"), ":1");
}

#[test]
fn a_master_deletes_what_has_expired_before_all_else() {
    let mut bench = Bench::new(Delete);
    for key in ["a", "b", "c", "d", "e", "f"] {
        bench.run(&format!("set {key} 1 px 20"));
    }
    bench.run("set live 1");
    bench.now_ms += 20;
    assert_eq!(bench.run("exists a"), ":1", "alive at its deadline");
    bench.now_ms += 1;
    assert_eq!(bench.run("keys *"), "*1 $4 live");
    check(
        &mut bench,
        &[
            ("dbsize", ":7", ""),
            ("get a", "$-1", "DEL a"),
            ("get a", "$-1", ""),
            ("incr b", ":1", "DEL b; incr b"),
            ("set c 1 xx", "$-1", "DEL c"),
            ("rename live d", "+OK", "DEL d; rename live d"),
            ("ttl d", ":-1", ""),
            ("mset e 1 e 2", "+OK", "DEL e; mset e 1 e 2"),
            ("scan 0 match f count 100", "*2 $1 0 *0", "DEL f"),
        ],
    );
}

/// Redis 7.0 stores a deadline that has already passed; the key goes when it is next looked at.
#[test]
fn set_with_a_past_deadline_is_propagated_as_it_is() {
    let mut bench = Bench::new(Delete);
    check(&mut bench, &[("set a 1 pxat 1", "+OK", "SET a 1 PXAT 1"), ("get a", "$-1", "DEL a")]);
    bench.view = Alive;
    check(&mut bench, &[("SET a 1 PXAT 1", "+OK", "SET a 1 PXAT 1")]);
    assert_eq!(bench.keyspace.expiry(0, b"a"), Some(1));
}

#[test]
fn the_masters_stream_sees_every_key_and_deletes_none() {
    let mut bench = Bench::new(Alive);
    bench.run("SET a 5 PXAT 1");
    assert_eq!(bench.run("incr a"), ":6");
    assert_eq!(bench.run("set a 7 xx keepttl"), "+OK");
    assert_eq!(bench.run("PEXPIREAT a 2"), ":1");
    assert_eq!(bench.run("expire a -1"), ":1");
    assert_eq!(bench.run("rename a b"), "+OK");
    assert_eq!(bench.run("getex b pxat 3"), "$1 7");
    assert_eq!(bench.keyspace.expiry(0, b"b"), Some(3));
    assert!(bench.effects.expired.is_empty());
}

#[test]
fn a_replicas_client_neither_sees_nor_deletes_an_expired_key() {
    let mut bench = Bench::new(Alive);
    bench.run("SET a 5 PXAT 1");
    bench.view = Hide;
    for (line, reply) in [
        ("get a", "$-1"),
        ("exists a", ":0"),
        ("ttl a", ":-2"),
        ("keys *", "*0"),
        ("scan 0", "*2 $1 0 *0"),
        ("randomkey", "$-1"),
        ("dbsize", ":1"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
        assert_eq!(bench.stream(line), "", "{line}");
    }
    assert!(bench.keyspace.get(0, b"a").is_some());
    // Where a replica accepts writes, the expired value is not built upon.
    assert_eq!(bench.run("append a x"), ":1");
    assert_eq!(bench.run("ttl a"), ":-1");
}

#[test]
fn reads_count_hits_and_misses_and_writes_do_not() {
    let mut bench = Bench::new(Delete);
    bench.run("mset a 1 b 2");
    for (line, hits, misses) in [
        ("mget a b c", 2, 1),
        ("exists a a c", 2, 1),
        ("set a 1", 0, 0),
        ("incr nosuch", 0, 0),
        ("getset nosuch2 1", 0, 1),
    ] {
        bench.run(line);
        assert_eq!((bench.effects.hits, bench.effects.misses), (hits, misses), "{line}");
    }
}

#[test]
fn what_changed_is_told_to_those_who_watch() {
    let mut bench = Bench::new(Delete);
    bench.run("mset a 1 b 2");
    for (line, touched, dirty) in [
        ("rename a c", vec![(0, b"a".to_vec()), (0, b"c".to_vec())], 1),
        ("move c 3", vec![(0, b"c".to_vec()), (3, b"c".to_vec())], 1),
        ("del b nosuch", vec![(0, b"b".to_vec())], 1),
        ("get nosuch", vec![], 0),
        ("mset x 1 y 2", vec![(0, b"x".to_vec()), (0, b"y".to_vec())], 2),
    ] {
        bench.run(line);
        assert_eq!(bench.effects.touched, touched, "{line}");
        assert_eq!(bench.effects.dirty, dirty, "{line}");
    }
    bench.run("swapdb 0 3");
    assert_eq!(bench.effects.touched_dbs, [0, 3]);
}

#[test]
fn the_table_describes_itself() {
    let mut bench = Bench::new(Delete);
    for (line, reply) in [
        (
            "command info get nosuch",
            "*2 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 \
             *6 $5 flags *2 +RO +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 \
             $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 $-1",
        ),
        (
            "command info flushall",
            "*1 *10 $8 flushall :-1 *1 +write :0 :0 :0 *4 +@keyspace +@write +@slow +@dangerous \
             *2 $25 request_policy:all_shards $29 response_policy:all_succeeded *0 *0",
        ),
        ("command getkeys mset a 1 b 2", "*2 $1 a $1 b"),
        ("command getkeys set a", "-ERR Invalid number of arguments specified for command"),
        ("command getkeys nosuch a", "-ERR Invalid command specified"),
        ("command getkeys dbsize a", "-ERR The command has no key arguments"),
        ("command getkeys get", "-ERR wrong number of arguments for 'command|getkeys' command"),
        ("command docs nosuch", "*0"),
        ("command list filterby pattern PSET*", "*1 $6 psetex"),
        ("command list foo", "-ERR syntax error"),
        ("command foo", "-ERR unknown subcommand 'foo'. Try COMMAND HELP."),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
}

/// Written from the known behaviour of Redis 7.0; unlike the table above, not captured there yet.
#[test]
fn sorted_sets_and_their_kin_have_their_form_on_the_stream() {
    check(
        &mut Bench::new(Delete),
        &[
            ("zadd z 1 a 2 b 3 c 4 d", ":4", "="),
            ("zadd z nx 5 a", ":0", ""),
            ("zadd z gt ch 0 a 5 b", ":1", "="),
            ("zadd z incr 1.5 a", "$3 2.5", "="),
            ("zincrby z 0 a", "$3 2.5", ""),
            ("zrange z 0 -1 withscores", "*8 $1 a $3 2.5 $1 c $1 3 $1 d $1 4 $1 b $1 5", ""),
            ("zpopmin z", "*2 $1 a $3 2.5", "="),
            ("zmpop 2 nosuch z max count 2", "*2 $1 z *2 *2 $1 b $1 5 *2 $1 d $1 4", "ZPOPMAX z 2"),
            ("zmpop 1 nosuch min", "*-1", ""),
            ("zadd w 1 a 2 b 3 c", ":3", "="),
            ("bzpopmin nosuch w 0", "*3 $1 w $1 a $1 1", "ZPOPMIN w"),
            ("bzmpop 0 1 w max count 9", "*2 $1 w *2 *2 $1 c $1 3 *2 $1 b $1 2", "ZPOPMAX w 2"),
            ("zunionstore u 1 z weights 2", ":1", "="),
            ("zrangestore r u 0 -1", ":1", "="),
            ("zrangestore r nosuch 0 -1", ":0", "="),
            ("zdiffstore r 1 nosuch", ":0", ""),
            ("zremrangebyscore u -inf +inf", ":1", "="),
            ("exists u", ":0", ""),
            ("zadd z nan a", "-ERR value is not a valid float", ""),
            ("geoadd g ch 13.361389 38.115556 p", ":1", "zadd g ch 3479099956230698 p"),
            ("geosearchstore s g frommember p byradius 1 m", ":1", "="),
            ("setbit b 7 1", ":0", "="),
            ("setbit b 7 1", ":1", ""),
            ("bitop not n b", ":1", "="),
            ("bitfield b incrby u8 0 1 overflow fail set u2 0 9", "*2 :2 $-1", "="),
            ("pfadd h a b c", ":1", "="),
            ("pfadd h a", ":0", ""),
            ("pfcount h", ":3", "="),
            ("pfcount h", ":3", ""),
            ("pfmerge m h", "+OK", "="),
        ],
    );
}
