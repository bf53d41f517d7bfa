//! Data of every type and encoding, as commands.

use redis::Connection;

use crate::support::{Server, query_on};

/// The command that makes a value of a family.
const FAMILIES: [&str; 6] = ["set", "rpush", "sadd", "zadd", "hset", "xadd"];
/// Number of elements of a small value, and of one that has left the compact encodings.
const SIZES: [usize; 2] = [5, 600];

/// Writes values of every family, small and large, in two databases, some with a deadline.
pub fn fill(server: &Server, prefix: &str) {
    let mut connection = server.connect().expect("connected");
    for db in ["0", "9"] {
        run(&mut connection, &["SELECT", db]);
        for family in FAMILIES {
            for size in SIZES {
                let key = format!("{prefix}:{family}:{size}");
                write(&mut connection, family, &key, size);
                if size == SIZES[0] {
                    run(&mut connection, &["EXPIRE", &key, "10000"]);
                }
            }
        }
    }
}

fn run(connection: &mut Connection, command: &[&str]) {
    if let Err(error) = query_on::<redis::Value>(connection, command) {
        panic!("{command:?}: {error}");
    }
}

fn write(connection: &mut Connection, family: &str, key: &str, size: usize) {
    for at in 0..size {
        let text =
            if at % 3 == 0 { at.to_string() } else { format!("element {at} ").repeat(at % 9) };
        let number = (at * 37).to_string();
        match family {
            "set" => run(connection, &["SET", key, &text.repeat(9)]),
            "rpush" => run(connection, &["RPUSH", key, &text]),
            "sadd" => {
                run(connection, &["SADD", key, &number]);
                run(connection, &["SADD", &format!("{key}:text"), &format!("{text}{at}")]);
            }
            "zadd" => run(connection, &["ZADD", key, &format!("{at}.25"), &format!("{text}{at}")]),
            "hset" => run(connection, &["HSET", key, &format!("field {at}"), &text]),
            _ => run(connection, &["XADD", key, "*", "name", &text, &number, "value"]),
        }
    }
    if family == "xadd" {
        groups(connection, key);
    }
}

/// Groups that have read some, with entries pending, claimed, acknowledged and deleted.
fn groups(connection: &mut Connection, key: &str) {
    run(connection, &["XGROUP", "CREATE", key, "readers", "0"]);
    run(connection, &["XREADGROUP", "GROUP", "readers", "one", "COUNT", "3", "STREAMS", key, ">"]);
    run(
        connection,
        &["XREADGROUP", "GROUP", "readers", "two", "NOACK", "COUNT", "1", "STREAMS", key, ">"],
    );
    run(connection, &["XAUTOCLAIM", key, "readers", "three", "0", "0", "COUNT", "1"]);
    run(connection, &["XADD", key, "MAXLEN", "~", "500", "*", "another", "entry"]);
}
