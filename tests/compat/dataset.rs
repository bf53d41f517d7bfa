//! Data of every type and encoding, small and big, and commands that go on changing it.

use redis::{Connection, Pipeline};

/// Fills the server behind `connection` with every type in every encoding, in two databases,
/// with and without deadlines.
pub fn fill(connection: &mut Connection) {
    for db in [0, 9] {
        let mut pipe = redis::pipe();
        pipe.cmd("SELECT").arg(db).ignore();
        strings(&mut pipe);
        for (name, count, bytes) in [("small", 5, 3), ("long", 5, 500), ("many", 3000, 8)] {
            collections(&mut pipe, name, count, bytes);
        }
        deadlines(&mut pipe);
        pipe.query::<()>(connection).expect("the dataset is written");
    }
}

fn add(pipe: &mut Pipeline, words: &[&str]) {
    let (name, args) = words.split_first().expect("a command");
    let cmd = pipe.cmd(name);
    for arg in args {
        cmd.arg(arg);
    }
    cmd.ignore();
}

fn strings(pipe: &mut Pipeline) {
    let long = "a long text, easy to compress. ".repeat(2000);
    for (key, value) in
        [("int", "12345"), ("short", "hello"), ("empty", ""), ("negative", "-7"), ("big", &long)]
    {
        add(pipe, &["SET", key, value]);
    }
    add(pipe, &["SET", "binary", "\u{0}\u{1}\r\n\u{7f}"]);
    add(pipe, &["SETBIT", "bits", "1000", "1"]);
    add(pipe, &["PFADD", "hll:sparse", "a", "b", "c"]);
    let elements: Vec<String> = (0..3000).map(|n| n.to_string()).collect();
    let mut words = vec!["PFADD", "hll:dense"];
    words.extend(elements.iter().map(String::as_str));
    add(pipe, &words);
    add(pipe, &["GEOADD", "places", "13.361389", "38.115556", "Palermo"]);
    add(pipe, &["GEOADD", "places", "15.087269", "37.502669", "Catania"]);
}

/// A list, set, hash, sorted set and stream of `count` elements of about `bytes` each.
fn collections(pipe: &mut Pipeline, name: &str, count: usize, bytes: usize) {
    for n in 0..count {
        let element = format!("{n}{}", "e".repeat(bytes));
        let number = n.to_string();
        add(pipe, &["RPUSH", &format!("list:{name}"), &element]);
        add(pipe, &["SADD", &format!("set:{name}"), &element]);
        add(pipe, &["SADD", &format!("intset:{name}"), &(n * 100_003).to_string()]);
        add(pipe, &["HSET", &format!("hash:{name}"), &element, &number]);
        let score = if n % 7 == 0 { "inf".to_owned() } else { format!("{n}.25") };
        add(pipe, &["ZADD", &format!("zset:{name}"), &score, &element]);
        let id = format!("{}-{}", n / 10 + 1, n % 10);
        add(pipe, &["XADD", &format!("stream:{name}"), &id, "field", &element, "n", &number]);
    }
    let stream = format!("stream:{name}");
    add(pipe, &["XGROUP", "CREATE", &stream, "readers", "0"]);
    add(pipe, &["XREADGROUP", "GROUP", "readers", "alice", "COUNT", "3", "STREAMS", &stream, ">"]);
    add(pipe, &["XREADGROUP", "GROUP", "readers", "bob", "COUNT", "1", "STREAMS", &stream, ">"]);
    add(pipe, &["XACK", &stream, "readers", "1-1"]);
    add(pipe, &["XDEL", &stream, "1-2"]);
}

fn deadlines(pipe: &mut Pipeline) {
    for n in 0..50 {
        add(pipe, &["SET", &format!("late:{n}"), "v", "EX", "100000"]);
        add(pipe, &["SET", &format!("soon:{n}"), "v", "PX", &(50 + n * 10).to_string()]);
    }
    add(pipe, &["EXPIRE", "list:small", "100000"]);
    add(pipe, &["EXPIRE", "zset:many", "100000"]);
}

/// The `n`th batch of changes: of every type, most of them with effects that differ from the
/// command, some in transactions.
pub fn change(connection: &mut Connection, n: usize) {
    let mut pipe = redis::pipe();
    if n.is_multiple_of(3) {
        pipe.atomic();
    }
    let number = n.to_string();
    let words: &[&[&str]] = &[
        &["SET", &format!("written:{}", n % 50), &number],
        &["SET", &format!("short:{}", n % 20), &number, "PX", "30"],
        &["INCRBYFLOAT", "float", "0.1"],
        &["APPEND", "appended", "x"],
        &["RPUSH", "list:many", &number],
        &["LPOP", "list:many", "2"],
        &["LMOVE", "list:long", "list:moved", "LEFT", "RIGHT"],
        &["SPOP", "set:many"],
        &["SADD", "set:many", &number],
        &["HINCRBYFLOAT", "hash:many", "float", "1.5"],
        &["HDEL", "hash:many", &format!("{n}eeeeeeee")],
        &["ZINCRBY", "zset:many", "1.5", "counter"],
        &["ZPOPMIN", "zset:many"],
        &["ZUNIONSTORE", "zset:union", "2", "zset:small", "zset:long"],
        &["XADD", "stream:many", "MAXLEN", "~", "2000", "*", "n", &number],
        &["XREADGROUP", "GROUP", "readers", "carol", "COUNT", "2", "STREAMS", "stream:many", ">"],
        &["PFADD", "hll:sparse", &number],
        &["SETBIT", "bits", &number, "1"],
        &["GETEX", "short", "EX", "5000"],
        &["PUBLISH", "news", &number],
        &["RENAME", "written:0", "written:renamed"],
        &["SET", "written:0", &number],
    ];
    for words in words {
        add(&mut pipe, words);
    }
    pipe.query::<()>(connection).expect("written");
}
