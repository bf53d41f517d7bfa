use crate::command::ExpiryView;
use crate::command::testing::Bench;

/// A line, its reply (`None`: not looked at), and what it puts on the stream; all as captured from
/// a Redis 7.0.15 and its replica, with the times of the harness.
#[rustfmt::skip]
const ROWS: &[(&str, Option<&str>, &str)] = &[
    ("xadd s 1-1 a 1", Some("$3 1-1"), "xadd s 1-1 a 1"),
    ("xadd s 2-1 a 1", None, "xadd s 2-1 a 1"),
    ("xadd s 3-* b 2", Some("$3 3-0"), "xadd s 3-0 b 2"),
    ("xadd s maxlen ~ 1000 4-1 b 2", None, "xadd s maxlen = 4 4-1 b 2"),
    ("xadd s maxlen = 3 5-1 b 2", None, "xadd s maxlen = 3 5-1 b 2"),
    ("xgroup create s g 0", Some("+OK"), "xgroup create s g 0"),
    ("xgroup create s h $ mkstream entriesread 2", Some("+OK"), "xgroup create s h $ mkstream entriesread 2"),
    ("xreadgroup group g c count 2 streams s >", None,
     "XCLAIM s g c 0 3-0 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 3-0; XCLAIM s g c 0 4-1 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 4-1"),
    ("xreadgroup group g c noack count 1 streams s >", None, "XGROUP SETID s g 5-1 ENTRIESREAD 5"),
    ("xreadgroup group g d count 1 streams s >", Some("*-1"), ""),
    ("xreadgroup group g c streams s 0", None, ""),
    ("xreadgroup group g e streams s 0", Some("*1 *2 $1 s *0"), ""),
    ("xautoclaim s g f 0 0 count 1 justid", Some("*3 $3 4-1 *1 $3 3-0 *0"),
     "XCLAIM s g f 0 3-0 TIME 1000000000000 RETRYCOUNT 2 FORCE JUSTID LASTID 5-1"),
    ("xclaim s g k 0 3-0", None, "XCLAIM s g k 0 3-0 TIME 1000000000000 RETRYCOUNT 3 FORCE JUSTID LASTID 5-1"),
    ("xclaim s g k 0 3-0 justid idle 100", Some("*1 $3 3-0"),
     "XCLAIM s g k 0 3-0 TIME 999999999900 RETRYCOUNT 3 FORCE JUSTID LASTID 5-1"),
    ("xack s g 3-0", Some(":1"), "xack s g 3-0"),
    ("xack s g 3-0", Some(":0"), ""),
    ("xdel s 4-1", Some(":1"), "xdel s 4-1"),
    ("xautoclaim s g f 0 0", Some("*3 $3 0-0 *0 *1 $3 4-1"),
     "XCLAIM s g c 0 4-1 TIME 1000000000000 RETRYCOUNT 2 FORCE JUSTID LASTID 5-1"),
    ("xpending s g", Some("*4 :0 $-1 $-1 *-1"), ""),
    ("xgroup createconsumer s g z", Some(":1"), "xgroup createconsumer s g z"),
    ("xgroup delconsumer s g z", Some(":0"), "xgroup delconsumer s g z"),
    ("xgroup setid s g 3-0", Some("+OK"), "xgroup setid s g 3-0"),
    ("xtrim s maxlen ~ 1", Some(":0"), ""),
    ("xtrim s maxlen 1", Some(":1"), "xtrim s maxlen 1"),
    ("xsetid s 10-0", Some("+OK"), "xsetid s 10-0"),
    ("xgroup destroy s h", Some(":1"), "xgroup destroy s h"),
    ("xgroup destroy s h", Some(":0"), ""),
    ("xadd n nomkstream * a b", Some("$-1"), ""),
];

#[test]
fn the_stream_carries_what_redis_sends() {
    for row in 0..ROWS.len() {
        let mut bench = Bench::new(ExpiryView::Delete);
        for (line, _, _) in &ROWS[..row] {
            bench.run(line);
        }
        let (line, reply, stream) = ROWS[row];
        let got = bench.run(line);
        if let Some(reply) = reply {
            assert_eq!(got, reply, "{line}");
        }
        assert_eq!(bench.stream(line), stream, "{line}");
    }
}

#[test]
fn what_was_sent_makes_the_same_stream() {
    let mut master = Bench::new(ExpiryView::Delete);
    let mut replica = Bench::new(ExpiryView::Alive);
    for (line, _, _) in ROWS {
        master.run(line);
        for command in master.stream(line).split("; ").filter(|command| !command.is_empty()) {
            replica.run(command);
        }
    }
    assert_eq!(master.keyspace.redis_digest(), replica.keyspace.redis_digest());
    let pending = "xpending s g - + 10";
    assert_eq!(master.run(pending), replica.run(pending));
}

#[test]
fn refusals_are_those_of_redis() {
    let mut bench = Bench::new(ExpiryView::Delete);
    bench.run("xadd s 5-1 a b");
    bench.run("xgroup create s g 0");
    bench.run("set string x");
    for (line, reply) in [
        (
            "xadd s 1-1 a b",
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ),
        ("xadd n 0-0 a b", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("xadd n x a b", "-ERR Invalid stream ID specified as stream command argument"),
        ("xadd s 9-1 a b c", "-ERR wrong number of arguments for 'xadd' command"),
        (
            "xtrim s limit 1",
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        (
            "xtrim s maxlen 1 limit 2",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "xadd s maxlen 1 minid 2 * a b",
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ),
        (
            "xrange s (18446744073709551615-18446744073709551615 +",
            "-ERR invalid start ID for the interval",
        ),
        ("xrange s - (0-0", "-ERR invalid end ID for the interval"),
        ("xrange s - + count 0", "*-1"),
        ("xread block -1 streams s 0", "-ERR timeout is negative"),
        (
            "xreadgroup group no c streams s 0",
            "-NOGROUP No such key 's' or consumer group 'no' in XREADGROUP with GROUP option",
        ),
        ("xgroup create s g $", "-BUSYGROUP Consumer Group name already exists"),
        ("xgroup setid s no 0", "-NOGROUP No such consumer group 'no' for key name 's'"),
        (
            "xsetid s 1-1",
            "-ERR The ID specified in XSETID is smaller than the target stream top item",
        ),
        ("xclaim s g c 0 x", "-ERR Unrecognized XCLAIM option 'x'"),
        ("xautoclaim s g c 0 0 count 0", "-ERR COUNT must be > 0"),
        ("xpending s g - +", "-ERR syntax error"),
        ("xinfo stream none", "-ERR no such key"),
        ("xlen string", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
        assert_eq!(bench.stream(line), "", "{line}");
    }
}

/// Answers of a Redis 7.0.15.
#[test]
fn ids_are_read_as_redis_reads_them() {
    let mut bench = Bench::new(ExpiryView::Delete);
    let mut ask = |line: &[&[u8]]| String::from_utf8_lossy(&bench.raw(line)).trim_end().to_owned();
    for (id, reply) in [
        (&b" 1"[..], "$3\r\n1-0"),
        (b"+2-+3", "$3\r\n2-3"),
        (b"3- 4", "$3\r\n3-4"),
        (b"\t6", "$3\r\n6-0"),
    ] {
        assert_eq!(ask(&[b"XADD", b"s", id, b"f", b"v"]), reply);
    }
    let invalid = "-ERR Invalid stream ID specified as stream command argument";
    for id in [&b"+ 8"[..], b" -5", b" ", b"++9", b"+"] {
        assert_eq!(ask(&[b"XADD", b"s", id, b"f", b"v"]), invalid);
    }
    assert_eq!(ask(&[b"XGROUP", b"CREATE", b"s", b"h", b"0"]), "+OK");
    for id in [&b"+"[..], b"-"] {
        assert_eq!(ask(&[b"XGROUP", b"SETID", b"s", b"h", id]), "+OK");
        assert_eq!(ask(&[b"XGROUP", b"CREATE", b"s", b"g", id, b"MKSTREAM"]), invalid);
    }
}
