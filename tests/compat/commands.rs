//! What `COMMAND` tells of each command, as Redis tells it: arity, flags, categories, tips, where
//! the keys are and what happens to them.

use redis::Value;

use crate::support::{Program, Server, redis_is_installed};

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".into(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

/// A key specification without the notes for readers, which are not kept here.
fn without_notes(spec: &Value) -> String {
    let pairs = items(spec).chunks(2).filter(|pair| text(&pair[0]) != "notes");
    pairs.map(|pair| format!("{} {}", text(&pair[0]), text(&pair[1]))).collect::<Vec<_>>().join(" ")
}

/// One line a command and a subcommand. Lists that are sets are sorted.
fn shown(info: &Value, lines: &mut Vec<String>) {
    let fields = items(info);
    let [name, arity, flags, first, last, step, categories, tips, specs, subcommands] = fields
    else {
        lines.push(format!("not ten fields: {info:?}"));
        return;
    };
    let set = |value: &Value| {
        let mut words: Vec<String> = items(value).iter().map(text).collect();
        words.sort();
        words.join(" ")
    };
    let specs: Vec<String> = items(specs).iter().map(without_notes).collect();
    lines.push(format!(
        "{} {} ({}) {} {} {} ({}) {} ({})",
        text(name),
        text(arity),
        set(flags),
        text(first),
        text(last),
        text(step),
        set(categories),
        text(tips),
        specs.join("; ")
    ));
    items(subcommands).iter().for_each(|subcommand| shown(subcommand, lines));
}

fn table(server: &Server, names: &[&str]) -> Vec<String> {
    let infos: Value = server.query(&[&["COMMAND", "INFO"], names].concat());
    let mut lines = Vec::new();
    items(&infos).iter().for_each(|info| shown(info, &mut lines));
    lines.sort();
    lines
}

#[test]
fn every_command_is_told_of_as_redis_tells_it() {
    if !redis_is_installed("every_command_is_told_of_as_redis_tells_it") {
        return;
    }
    let (redis, ours) = (Server::start(Program::Redis, &[]), Server::start(Program::Ours, &[]));
    let names: Vec<String> = ours.query(&["COMMAND", "LIST"]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (theirs, mine) = (table(&redis, &names), table(&ours, &names));
    let different: Vec<String> = theirs
        .iter()
        .zip(&mine)
        .filter(|(a, b)| a != b)
        .map(|(a, b)| format!("redis {a}\nours  {b}"))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert_eq!(theirs.len(), mine.len());
    for category in ["keyspace", "connection", "scripting", "pubsub", "dangerous", "slow", "list"] {
        let filter = ["COMMAND", "LIST", "FILTERBY", "ACLCAT", category];
        let (mut theirs, mut mine): (Vec<String>, Vec<String>) =
            (redis.query(&filter), ours.query(&filter));
        let known = |name: &String| names.contains(&name.split('|').next().unwrap_or_default());
        theirs.retain(known);
        theirs.sort();
        mine.sort();
        assert_eq!(theirs, mine, "{category}");
    }
}

/// Commands whose keys are not all in the same place.
const CALLS: &[&str] = &[
    "get k",
    "set k v",
    "set k v get",
    "set k v ex 10 GET",
    "mset a 1 b 2",
    "mset a 1 b",
    "del a b c",
    "lcs a b idx",
    "blpop a b 0",
    "bitop and d a b",
    "bitfield k",
    "bitfield k get u8 0",
    "bitfield k get u8 0 overflow wrap get u8 8",
    "bitfield k overflow wrap set u8 0 1",
    "bitfield k get u8",
    "zunionstore d 2 a b weights 1 2",
    "zunionstore d 3 a b",
    "zunionstore d x a b",
    "zinter 2 a b",
    "zinter 0 a",
    "zinter -1 a b",
    "zdiff 18446744073709551616 a",
    "lmpop 2 a b left",
    "blmpop 0 2 a b left",
    "bzmpop 0 1 a min",
    "sintercard 2 a b limit 1",
    "xread count 1 block 0 streams a b 0 0",
    "xread count 1 a b 0 0",
    "xread streams a",
    "xreadgroup group g c streams a b > >",
    "xreadgroup group streams c streams a >",
    "georadius g 1 2 3 m",
    "georadius g 1 2 3 m store d",
    "georadius g 1 2 3 m store d storedist e",
    "georadius g 1 2 3 m store",
    "georadiusbymember g a 3 m storedist d",
    "geosearchstore d g frommember a byradius 1 m",
    "sort k",
    "sort k by w_* get # store d",
    "sort k store a limit 0 1 store b",
    "sort k get store alpha",
    "sort_ro k by w_*",
    "object encoding k",
    "object help",
    "memory usage k samples 0",
    "xgroup create k g 0",
    "xgroup nosuch k g 0",
    "xinfo stream k full",
    "config get a",
    "publish c m",
    "spublish c m",
    "ssubscribe c",
    "pfcount a b",
    "pfmerge d a b",
    "copy a b",
    "rename a b",
    "nosuch a",
    "get",
    "get a b",
    "dbsize x",
];

#[test]
fn keys_are_found_where_redis_finds_them() {
    if !redis_is_installed("keys_are_found_where_redis_finds_them") {
        return;
    }
    let (redis, ours) = (Server::start(Program::Redis, &[]), Server::start(Program::Ours, &[]));
    let answer = |server: &Server, call: &[&str]| match server.try_query::<Value>(call) {
        Ok(value) => text(&value),
        Err(error) => error.to_string(),
    };
    for call in CALLS {
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let call: Vec<&str> =
                ["COMMAND", subcommand].into_iter().chain(call.split(' ')).collect();
            assert_eq!(answer(&redis, &call), answer(&ours, &call), "{call:?}");
        }
    }
}
