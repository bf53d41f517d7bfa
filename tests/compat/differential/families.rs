//! The families of commands and their templates (see [`super::grammar`]).

use super::compare::Order::{self, Exact, Near, Pairs, Shape, Unordered};

/// Templates, each with what may differ in its reply.
pub type Family = [(Order, &'static str)];

/// Strings and counters.
pub static STRINGS: &[(Order, &str)] = &[
    (Exact, "SET $s @v"),
    (Exact, "SET $s @v NX|XX|GET|KEEPTTL? GET?"),
    (Exact, "SET $s @v EX|PX #T NX|XX|GET?"),
    (Exact, "SETNX $s @v"),
    (Exact, "SETEX $s #T @v"),
    (Exact, "PSETEX $s #i @v"),
    (Exact, "GET $s"),
    (Exact, "GETEX $s (EX #T)? PERSIST?"),
    (Exact, "GETDEL $s"),
    (Exact, "GETSET $s @v"),
    (Exact, "MGET $s+"),
    (Exact, "MSET ($s @v)+"),
    (Exact, "MSETNX ($s @v)+"),
    (Exact, "APPEND $s @v"),
    (Exact, "STRLEN $s"),
    (Exact, "SETRANGE $s #c @v"),
    (Exact, "GETRANGE $s #i #i"),
    (Exact, "SUBSTR $s #i #i"),
    (Exact, "INCR|DECR $s"),
    (Exact, "INCRBY|DECRBY $s #n"),
    (Exact, "INCRBYFLOAT $s #d"),
    (Exact, "SET $s 10"),
];

/// Keys of any type.
pub static KEYS: &[(Order, &str)] = &[
    (Exact, "DEL|UNLINK $*+"),
    (Exact, "EXISTS|TOUCH $*+"),
    (Exact, "TYPE $*"),
    (Exact, "EXPIRE|PEXPIRE $* #T NX|XX|GT|LT?"),
    (Exact, "EXPIRE $* #i"),
    (Near, "TTL|PTTL $*"),
    (Near, "EXPIRETIME|PEXPIRETIME $*"),
    (Exact, "PERSIST $*"),
    (Exact, "RENAME $* $*"),
    (Exact, "RENAMENX $* $*"),
    (Unordered, "KEYS s*|*|?1"),
    (Unordered, "SCAN 0 COUNT 1000 (TYPE string|list|hash)? (MATCH *1)?"),
    (Shape, "RANDOMKEY"),
    (Exact, "DBSIZE"),
    (Exact, "OBJECT REFCOUNT $*"),
    (Exact, "SELECT 0"),
    (Exact, "COPY $* $* REPLACE? (DB 3)?"),
    (Exact, "SWAPDB 0 3"),
    (Exact, "MOVE $* 3"),
    (Exact, "FLUSHDB ASYNC|SYNC?"),
];

/// Transactions.
pub static TRANSACTIONS: &[(Order, &str)] = &[
    (Exact, "MULTI"),
    (Exact, "EXEC"),
    (Exact, "EXEC"),
    (Exact, "DISCARD"),
    (Exact, "WATCH $*+"),
    (Exact, "UNWATCH"),
];
