//! When two replies are the same.

use redis::Value;

use super::grammar::Command;

/// What Redis promises about the order and content of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Byte for byte.
    Exact,
    /// An array in any order (at any depth).
    Unordered,
    /// Pairs in any order, each pair in its own.
    Pairs,
    /// Drawn at random, or of no meaning between servers: only the shape is compared.
    Shape,
    /// Integers may differ a little: they depend on the clock.
    Near,
}

/// Milliseconds (or seconds) that a reply about time may differ by.
const NEAR: i64 = 3_000;

/// Whether the replies are the same as far as `order` says. Errors are always compared exactly.
pub fn equal(order: Order, a: &Value, b: &Value) -> bool {
    match (order, a, b) {
        (Order::Exact, ..) => a == b,
        (Order::Near, Value::Int(a), Value::Int(b)) => {
            (*a < 0) == (*b < 0) && (*a - *b).abs() <= NEAR && (*a >= 0 || a == b)
        }
        (Order::Shape, Value::BulkString(_), Value::BulkString(_))
        | (Order::Shape, Value::Int(_), Value::Int(_)) => true,
        (Order::Shape, Value::Array(a), Value::Array(b)) => a.len() == b.len(),
        (Order::Unordered, ..) => sorted(a, 1) == sorted(b, 1),
        (Order::Pairs, ..) => sorted(a, 2) == sorted(b, 2),
        _ => a == b,
    }
}

/// Whether the replies of a transaction are the same, each compared in its own way.
pub fn each_equal(orders: &[Order], a: &[Value], b: &[Value]) -> bool {
    let same = |((a, b), order): ((&Value, &Value), &Order)| equal(*order, a, b);
    a.len() == b.len() && a.len() == orders.len() && a.iter().zip(b).zip(orders).all(same)
}

/// The reply with its arrays sorted, `group` elements staying together.
fn sorted(value: &Value, group: usize) -> String {
    match value {
        Value::Array(items) if items.len() % group == 0 => {
            // SCAN and its like: a cursor and an array. Only that array has groups.
            let nested = items.iter().any(|item| matches!(item, Value::Array(_)));
            let step = if nested { 1 } else { group };
            let below = if nested { group } else { 1 };
            let mut groups: Vec<String> = items
                .chunks(step)
                .map(|chunk| chunk.iter().map(|item| sorted(item, below)).collect::<Vec<_>>())
                .map(|chunk| chunk.join(" "))
                .collect();
            groups.sort();
            format!("[{}]", groups.join(", "))
        }
        other => show(other),
    }
}

/// The reply in one line.
pub fn show(value: &Value) -> String {
    match value {
        Value::Nil => "(nil)".to_owned(),
        Value::Int(number) => format!("(integer) {number}"),
        Value::BulkString(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::ServerError(error) => {
            format!("(error) {} {}", error.code(), error.details().unwrap_or_default())
        }
        other => format!("{other:?}"),
    }
}

/// Whether a difference in the reply to this command is meant, after these other ones.
pub fn is_meant(args: &[Vec<u8>], before: &[Command]) -> bool {
    let name = args[0].to_ascii_uppercase();
    match name.as_slice() {
        // Redis turns a sorted set that it sorts into another encoding; reading changes nothing here.
        b"OBJECT" => before.iter().any(|command| command.is("SORT") || command.is("SORT_RO")),
        // A cursor is each server's own; one that it never gave is answered as it likes.
        b"SCAN" => args.get(1).is_some_and(|cursor| cursor != b"0"),
        b"SSCAN" | b"HSCAN" | b"ZSCAN" => args.get(2).is_some_and(|cursor| cursor != b"0"),
        _ => false,
    }
}
