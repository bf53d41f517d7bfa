//! `OBJECT`: how a value is stored (Redis: object.c).

use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, lookup, printable};
use crate::keyspace::Value;

/// The command of this file.
pub const COMMANDS: &[Command] = &[Command::new(
    "object",
    -2,
    Flags::NONE,
    Group::Generic,
    "2.2.3",
    "Tells how a value is stored",
    data!(object),
)];

const LFU_NEEDED: &str = "An LFU maxmemory policy is not selected, access frequency not tracked. \
    Please note that when switching between policies at runtime LRU and LFU data will take some \
    time to adjust.";
const LFU_SELECTED: &str = "An LFU maxmemory policy is selected, idle time not tracked. Please \
    note that when switching between policies at runtime LRU and LFU data will take some time to \
    adjust.";

const HELP: [&str; 11] = [
    "OBJECT <subcommand> [<key>]. Subcommands are:",
    "ENCODING <key>",
    "    How the value is stored, by Redis's names.",
    "FREQ <key>",
    "    Logarithmic count of the accesses, under an LFU policy.",
    "IDLETIME <key>",
    "    Seconds since the last access, under any other policy.",
    "REFCOUNT <key>",
    "    Number of references, by Redis's rules.",
    "HELP",
    "    This text.",
];

/// Redis shares one object for each integer from 0 up to here, exclusive, ...
const SHARED_INTEGERS: i64 = 10_000;
/// ... and counts no references of those.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;

fn refcount(value: &Value) -> i64 {
    let Value::String(string) = value else {
        return 1;
    };
    match string.as_i64() {
        Some(0..SHARED_INTEGERS) => SHARED_REFCOUNT,
        _ => 1,
    }
}

fn object(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let subcommand = args[1].to_ascii_lowercase();
    let wanted_len = match subcommand.as_slice() {
        b"help" => 2,
        b"encoding" | b"freq" | b"idletime" | b"refcount" => 3,
        _ => {
            let (given, container) = (printable(args[1]), "OBJECT");
            return Err(CommandError::UnknownSubcommand { given, container: container.into() });
        }
    };
    if args.len() != wanted_len {
        let name = format!("object|{}", printable(&subcommand));
        return Err(CommandError::WrongArity(name));
    }
    if subcommand == b"help" {
        ctx.reply.array_header(HELP.len());
        for line in HELP {
            ctx.reply.status(line);
        }
        return Ok(());
    }
    let found = lookup::peek_for_read(ctx, ctx.db, args[2]);
    let stored = ctx.keyspace.get(ctx.db, args[2]).filter(|_| found);
    let (Some(value), Some(access)) = (stored, ctx.keyspace.access_of(ctx.db, args[2])) else {
        ctx.reply.null_bulk();
        return Ok(());
    };
    let rules = ctx.keyspace.access;
    match subcommand.as_slice() {
        b"encoding" => ctx.reply.bulk(value.encoding_name()),
        b"refcount" => ctx.reply.integer(refcount(value)),
        b"freq" if !rules.lfu => return Err(CommandError::Other(LFU_NEEDED.into())),
        b"freq" => ctx.reply.integer(i64::from(rules.frequency(access))),
        _ if rules.lfu => return Err(CommandError::Other(LFU_SELECTED.into())),
        _ => ctx.reply.integer(rules.idle_seconds(access) as i64),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ExpiryView;
    use super::super::testing::Bench;

    fn bench(lfu: bool) -> Bench {
        let mut bench = Bench::new(ExpiryView::Delete);
        bench.keyspace.access.lfu = lfu;
        bench
    }

    #[test]
    fn idle_time_grows_until_the_key_is_used() {
        let mut bench = bench(false);
        bench.run("set k v");
        bench.run("rpush list a");
        bench.now_ms += 10_000;
        assert_eq!(bench.run("object idletime k"), ":10");
        // These look, and do not count as use.
        for line in ["exists k", "type k", "ttl k", "object encoding k", "scan 0", "randomkey"] {
            bench.run(line);
            assert_eq!(bench.run("object idletime k"), ":10", "after {line}");
        }
        bench.run("touch k");
        for line in ["get k", "append k x", "strlen k", "touch k", "dump k", "set k w"] {
            bench.now_ms += 10_000;
            assert_eq!(bench.run("object idletime k"), ":10", "before {line}");
            bench.run(line);
            assert_eq!(bench.run("object idletime k"), ":0", "after {line}");
        }
        bench.run("rename list moved");
        assert_eq!(bench.run("object idletime moved"), ":0");
        assert_eq!(bench.run("object idletime nosuch"), "$-1");
        assert!(bench.run("object freq k").starts_with("-ERR An LFU maxmemory policy is not"));
    }

    #[test]
    fn restore_takes_what_it_is_told() {
        let mut bench = bench(false);
        bench.run("set k 10");
        let payload = bench.raw(&[b"DUMP", b"k"]);
        let payload = payload[5..payload.len() - 2].to_vec();
        let restore = |bench: &mut Bench, words: &[&[u8]]| {
            let head: [&[u8]; 5] = [b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
            let args = [&head, words].concat();
            String::from_utf8_lossy(&bench.raw(&args)).trim_end().to_owned()
        };
        assert_eq!(restore(&mut bench, &[b"IDLETIME", b"1000"]), "+OK");
        assert_eq!(bench.run("object idletime k"), ":1000");
        let invalid = "-ERR Invalid IDLETIME value, must be >= 0";
        assert_eq!(restore(&mut bench, &[b"IDLETIME", b"-1"]), invalid);
        let both: [&[u8]; 4] = [b"IDLETIME", b"1", b"FREQ", b"1"];
        assert_eq!(restore(&mut bench, &both), "-ERR syntax error");
        bench.keyspace.access.lfu = true;
        assert_eq!(restore(&mut bench, &[b"FREQ", b"100"]), "+OK");
        assert_eq!(bench.run("object freq k"), ":100");
        // Not the frequency of what was there before.
        assert_eq!(restore(&mut bench, &[]), "+OK");
        assert_eq!(bench.run("object freq k"), ":5");
    }

    #[test]
    fn frequency_is_counted_under_an_lfu_policy() {
        let mut bench = bench(true);
        bench.run("set k v");
        assert_eq!(bench.run("object freq k"), ":5");
        bench.run("get k");
        assert_eq!(bench.run("object freq k"), ":6");
        // SET looks first, then what it stores goes on with the count.
        bench.keyspace.access.lfu_log_factor = 0;
        bench.run("set k w");
        assert_eq!(bench.run("object freq k"), ":7");
        bench.run("set other v");
        bench.run("rename k other");
        assert_eq!(bench.run("object freq other"), ":8");
        bench.now_ms += 3 * 60_000;
        assert_eq!(bench.run("object freq other"), ":5");
        assert!(bench.run("object idletime other").starts_with("-ERR An LFU maxmemory policy is"));
    }
}
