//! Clients that wait for streams, and how long things take.

use super::testing::World;

/// `XREAD`'s reply of one stream with one entry, which has a field `f`.
fn told(key: &str, id: &str, value: &str) -> String {
    let bulk = |text: &str| format!("${}|{text}|", text.len());
    format!("*1|*2|{}*1|*2|{}*2|$1|f|{}", bulk(key), bulk(id), bulk(value))
}

#[test]
fn a_reader_of_a_stream_waits_for_what_comes_after_its_id() {
    let mut world = World::new(&[""]);
    world.once(0, "XADD s 1-1 f old");
    let (new, all, none) = (world.connect(0), world.connect(0), world.connect(0));
    assert_eq!(world.ask(0, all, "XREAD BLOCK 0 STREAMS s 0"), told("s", "1-1", "old"));
    assert_eq!(world.ask(0, new, "XREAD BLOCK 0 STREAMS other s $ $"), "");
    assert_eq!(world.ask(0, none, "XREAD BLOCK 100 STREAMS s $"), "");
    world.run(500);
    assert_eq!(world.replies(0, none), "*-1|");
    // Gone again before anybody looks: nothing to be told.
    let client = world.connect(0);
    for line in ["MULTI", "XADD s 2-1 f gone", "XDEL s 2-1", "EXEC", "DEL s", "LPUSH s x"] {
        world.ask(0, client, line);
    }
    assert_eq!(world.replies(0, new), "");
    world.once(0, "DEL s");
    world.once(0, "XADD s 3-1 f v");
    assert_eq!(world.replies(0, new), told("s", "3-1", "v"));
    assert_eq!(world.ask(0, new, "PING"), "+PONG|");
}

#[test]
fn consumers_that_wait_are_served_in_order_and_replicas_are_told() {
    let mut world = World::new(&["", "replicaof 10.0.0.0 7000"]);
    world.run(2000);
    world.once(0, "XGROUP CREATE s g $ MKSTREAM");
    let (first, second) = (world.connect(0), world.connect(0));
    assert_eq!(world.ask(0, first, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >"), "");
    assert_eq!(world.ask(0, second, "XREADGROUP GROUP g two BLOCK 0 STREAMS s >"), "");
    world.once(0, "XADD s 1-1 f a");
    assert_eq!(world.replies(0, first), told("s", "1-1", "a"));
    assert_eq!(world.replies(0, second), "");
    world.once(0, "XADD s 2-1 f b");
    assert_eq!(world.replies(0, second), told("s", "2-1", "b"));
    world.run(200);
    let pending = "*4|:2|$3|1-1|$3|2-1|*2|*2|$3|one|$1|1|*2|$3|two|$1|1|";
    assert_eq!(world.once(0, "XPENDING s g"), pending);
    assert_eq!(world.once(1, "XPENDING s g"), pending);
}

#[test]
fn a_consumer_does_not_wait_for_what_is_gone() {
    const NO_KEY: &str = "-UNBLOCKED the stream key no longer exists|";
    const NO_GROUP: &str =
        "-NOGROUP the consumer group this client was blocked on no longer exists|";
    let mut world = World::new(&[""]);
    for (end, reason) in [
        ("DEL s", NO_KEY),
        ("SET s x", NO_KEY),
        ("FLUSHALL", NO_KEY),
        ("SWAPDB 0 1", NO_KEY),
        ("RENAME s other", NO_KEY),
        ("XGROUP DESTROY s g", NO_GROUP),
    ] {
        world.once(0, "FLUSHALL");
        world.once(0, "XGROUP CREATE s g $ MKSTREAM");
        let client = world.connect(0);
        let read = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
        assert_eq!(world.ask(0, client, read), "", "{end}");
        world.once(0, end);
        assert_eq!(world.replies(0, client), reason, "{end}");
    }
    assert_eq!(world.field(0, "errorstat_NOGROUP"), "count=1");
    assert_eq!(world.field(0, "errorstat_UNBLOCKED"), "count=5");
    // A plain reader waits on.
    let client = world.connect(0);
    world.once(0, "FLUSHALL");
    world.once(0, "XADD s 1-1 f v");
    assert_eq!(world.ask(0, client, "XREAD BLOCK 0 STREAMS s $"), "");
    world.once(0, "DEL s");
    assert_eq!(world.replies(0, client), "");
}

#[test]
fn inside_a_transaction_nobody_waits() {
    let mut world = World::new(&[""]);
    let client = world.connect(0);
    world.ask(0, client, "MULTI");
    world.ask(0, client, "XREAD BLOCK 0 STREAMS s $");
    assert_eq!(world.ask(0, client, "EXEC"), "*1|*-1|");
}

#[test]
fn what_took_long_is_in_the_slow_log_without_its_secrets() {
    let mut world = World::new(&["slowlog-log-slower-than 100000;latency-monitor-threshold 100"]);
    let client = world.connect(0);
    world.ask(0, client, "CLIENT SETNAME me");
    world.ask(0, client, "PING");
    assert_eq!(world.ask(0, client, "SLOWLOG LEN"), ":0|");
    world.ask(0, client, "DEBUG SLEEP 0.2");
    assert_eq!(world.ask(0, client, "SLOWLOG LEN"), ":1|");
    let entry = world.ask(0, client, "SLOWLOG GET");
    assert!(entry.starts_with("*1|*6|:0|:"), "{entry}");
    assert!(entry.contains("|:200000|*3|$5|DEBUG|$5|SLEEP|$3|0.2|"), "{entry}");
    assert!(entry.ends_with("|$2|me|"), "{entry}");
    let latest = world.ask(0, client, "LATENCY LATEST");
    assert!(latest.starts_with("*1|*4|$7|command|:"), "{latest}");
    assert!(latest.ends_with("|:200|:200|"), "{latest}");
    let histogram = world.ask(0, client, "LATENCY HISTOGRAM debug");
    assert_eq!(histogram, "*2|$5|debug|*4|$5|calls|:1|$14|histogram_usec|*2|:270532|:1|");
    world.ask(0, client, "CONFIG SET slowlog-log-slower-than 0");
    world.ask(0, client, "CONFIG SET masterauth secret");
    let entry = world.ask(0, client, "SLOWLOG GET 1");
    assert!(entry.contains("|$10|masterauth|$10|(redacted)|"), "{entry}");
    world.ask(0, client, "CONFIG SET slowlog-max-len 1");
    world.ask(0, client, "PING");
    assert_eq!(world.ask(0, client, "SLOWLOG LEN"), ":1|");
    assert_eq!(world.ask(0, client, "LATENCY RESET"), ":1|");
    assert_eq!(world.ask(0, client, "LATENCY LATEST"), "*0|");
}
