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
    (Exact, "PSETEX $s #T|0|-1 @v"),
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
    (Exact, "LCS $s $s LEN|IDX? (MINMATCHLEN #i)? WITHMATCHLEN?"),
    (Exact, "LCS $s $b IDX"),
];

/// Keys of any type.
pub static KEYS: &[(Order, &str)] = &[
    (Exact, "DEL|UNLINK $*+"),
    (Exact, "EXISTS|TOUCH $*+"),
    (Exact, "TYPE $*"),
    (Exact, "EXPIRE|PEXPIRE $* #T NX|XX|GT|LT?"),
    (Exact, "EXPIRE $* 0|-1|1000"),
    (Near, "TTL|PTTL $*"),
    (Near, "EXPIRETIME|PEXPIRETIME $*"),
    (Exact, "PERSIST $*"),
    (Exact, "RENAME $* $*"),
    (Exact, "RENAMENX $* $*"),
    (Unordered, "KEYS s*|*|?1"),
    (Unordered, "SCAN 0 COUNT 1000 (TYPE string|list|hash)? (MATCH *1)?"),
    (Shape, "RANDOMKEY"),
    (Exact, "DBSIZE"),
    // Here a number is shared by its value, there by how it was made.
    (Shape, "OBJECT REFCOUNT $*"),
    (Exact, "OBJECT ENCODING $*"),
    (Exact, "SELECT 0"),
    (Exact, "COPY $* $* REPLACE? (DB 3)?"),
    (Exact, "SWAPDB 0 3"),
    (Exact, "MOVE $* 3"),
    (Exact, "FLUSHDB ASYNC|SYNC?"),
];

/// `SORT`: elements that are numbers, and keys named after them. Without an order of its own a set
/// has one of each server's own; elements of equal weights `BY` other keys are in this order, if it
/// is by bytes.
pub static SORTS: &[(Order, &str)] = &[
    (Exact, "RPUSH $l 1|2|3|10|-7 1|2|3 2.5|1e2|0x10|-0"),
    (Exact, "RPUSH $l @m"),
    (Exact, "SADD $t 1|2|3 10|-7|@m"),
    (Exact, "ZADD $z #d 1|2|3|@m"),
    (Exact, "MSET w_1 a|3 w_2 b|1 w_3 a|2 w_10 #d"),
    (Exact, "HSET h_1 f #d"),
    (Exact, "HSET h_2|h_3 f|g @v"),
    (Exact, "DEL w_1|w_2|h_1|h_3"),
    (Exact, "SORT|SORT_RO $l|$z|$t ASC|DESC? (LIMIT #i #i)? ALPHA?"),
    (Exact, "SORT|SORT_RO $l|$z|$t BY w_*|h_*->f ASC|DESC? (GET #)? (GET w_*|h_*->g|h_*->|w_1)?"),
    (Exact, "SORT $l|$z BY nosort DESC? (LIMIT #i #i)? (GET #|w_*)+"),
    (Exact, "SORT $l|$z (BY w_*|nosort)? ALPHA? DESC? (GET #|h_*->f)? (LIMIT #i #i)? STORE $l|$*"),
    (Exact, "SORT $t (BY w_*)? DESC? (GET #|h_*->f)? (LIMIT #i #i)? STORE $l|$*"),
    (Exact, "SORT $t (BY nosort)? ALPHA DESC? (GET #|h_*->f)? (LIMIT #i #i)? STORE $l|$*"),
    (Exact, "SORT $* ALPHA STORE $*"),
    (Exact, "LRANGE $l 0 -1"),
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

/// Lists, without the blocking forms.
pub static LISTS: &[(Order, &str)] = &[
    (Exact, "LPUSH|RPUSH $l @m+"),
    (Exact, "RPUSH $l @v+"),
    (Exact, "LPUSHX|RPUSHX $l @v+"),
    (Exact, "LPOP|RPOP $l #c?"),
    (Exact, "LLEN $l"),
    (Exact, "LRANGE $l #i #i"),
    (Exact, "LINDEX $l #i"),
    (Exact, "LSET $l #i @v"),
    (Exact, "LINSERT $l BEFORE|AFTER @m @v"),
    (Exact, "LREM $l #i @m"),
    (Exact, "LTRIM $l #i #i"),
    (Exact, "LPOS $l @m (RANK #i)? (COUNT #c)? (MAXLEN #c)?"),
    (Exact, "LMOVE $l $l LEFT|RIGHT LEFT|RIGHT"),
    (Exact, "RPOPLPUSH $l $l"),
    (Exact, "LMPOP #c $l $l LEFT|RIGHT (COUNT #c)?"),
    (Exact, "LMPOP 1 $l LEFT|RIGHT (COUNT #c)?"),
    (Exact, "OBJECT ENCODING $l"),
];

/// Sets.
pub static SETS: &[(Order, &str)] = &[
    (Exact, "SADD $t @m+"),
    (Exact, "SADD $t #i+"),
    (Exact, "SADD $t @v+"),
    (Exact, "SREM $t @m+"),
    (Unordered, "SMEMBERS $t"),
    (Exact, "SISMEMBER $t @m"),
    (Exact, "SMISMEMBER $t @m+"),
    (Exact, "SCARD $t"),
    (Unordered, "SPOP $t 1000"),
    (Shape, "SRANDMEMBER $t #i?"),
    (Exact, "SMOVE $t $t @m"),
    (Unordered, "SINTER|SUNION|SDIFF $t+"),
    (Exact, "SINTERSTORE|SUNIONSTORE|SDIFFSTORE $t $t+"),
    (Exact, "SINTERCARD 2 $t $t (LIMIT #c)?"),
    (Unordered, "SSCAN $t 0 COUNT 1000 (MATCH *)?"),
    (Exact, "OBJECT ENCODING $t"),
];

/// Hashes.
pub static HASHES: &[(Order, &str)] = &[
    (Exact, "HSET|HMSET $h (@f @v)+"),
    (Exact, "HSETNX $h @f @v"),
    (Exact, "HGET|HSTRLEN|HEXISTS $h @f"),
    (Exact, "HMGET $h @f+"),
    (Pairs, "HGETALL $h"),
    (Unordered, "HKEYS|HVALS $h"),
    (Exact, "HDEL $h @f+"),
    (Exact, "HLEN $h"),
    (Exact, "HINCRBY $h @f #n"),
    (Exact, "HINCRBYFLOAT $h @f #d"),
    (Shape, "HRANDFIELD $h (#i WITHVALUES?)?"),
    (Pairs, "HSCAN $h 0 COUNT 1000 (MATCH f*)?"),
    (Exact, "OBJECT ENCODING $h"),
];

/// Sorted sets, without the blocking forms.
pub static SORTED_SETS: &[(Order, &str)] = &[
    (Exact, "ZADD $z (#d @m)+"),
    (Exact, "ZADD $z 0 @m"),
    (Exact, "ZADD $z -0.0 @m"),
    (Exact, "ZINCRBY $z -0.0 @m"),
    (Exact, "ZADD $z NX|XX? GT|LT? CH? (#d @m)+"),
    (Exact, "ZADD $z NX|XX|GT|LT? INCR #d @m"),
    (Exact, "ZINCRBY $z #d @m"),
    (Exact, "ZREM $z @m+"),
    (Exact, "ZCARD $z"),
    (Exact, "ZSCORE|ZRANK|ZREVRANK $z @m"),
    (Exact, "ZMSCORE $z @m+"),
    (Exact, "ZRANGE|ZREVRANGE $z #i #i WITHSCORES?"),
    (Exact, "ZRANGE $z #r #r BYSCORE REV? (LIMIT #i #i)? WITHSCORES?"),
    // By member only where all scores are equal: Redis promises nothing elsewhere.
    (Exact, "ZADD $q 0 @m"),
    (Exact, "ZRANGE $q #y #y BYLEX REV? (LIMIT #i #i)?"),
    (Exact, "ZRANGESTORE $z $z #i #i REV?"),
    (Exact, "ZRANGESTORE $z $z #r #r BYSCORE (LIMIT #i #i)?"),
    (Exact, "ZRANGEBYSCORE|ZREVRANGEBYSCORE $z #r #r WITHSCORES? (LIMIT #i #i)?"),
    (Exact, "ZRANGEBYLEX|ZREVRANGEBYLEX $q #y #y (LIMIT #i #i)?"),
    (Exact, "ZCOUNT $z #r #r"),
    (Exact, "ZLEXCOUNT $q #y #y"),
    (Exact, "ZREMRANGEBYRANK $z #i #i"),
    (Exact, "ZREMRANGEBYSCORE $z #r #r"),
    (Exact, "ZREMRANGEBYLEX $q #y #y"),
    (Exact, "ZPOPMIN|ZPOPMAX $z #c?"),
    (Exact, "ZMPOP 2 $z $z MIN|MAX (COUNT #c)?"),
    (Exact, "ZUNION|ZINTER 2 $z|$t $z (WEIGHTS #d #d)? (AGGREGATE SUM|MIN|MAX)? WITHSCORES?"),
    (Exact, "ZDIFF 2 $z $z|$t WITHSCORES?"),
    (Exact, "ZUNIONSTORE|ZINTERSTORE $z 2 $z $z|$t (WEIGHTS #d #d)? (AGGREGATE SUM|MIN|MAX)?"),
    (Exact, "ZDIFFSTORE $z 2 $z $z"),
    (Exact, "ZINTERCARD 2 $z $z (LIMIT #c)?"),
    (Shape, "ZRANDMEMBER $z (#i WITHSCORES?)?"),
    (Pairs, "ZSCAN $z 0 COUNT 1000 (MATCH *)?"),
    (Exact, "OBJECT ENCODING $z"),
];

/// Bits of strings.
pub static BITMAPS: &[(Order, &str)] = &[
    (Exact, "SETBIT $b #o 0|1"),
    (Exact, "GETBIT $b #o"),
    (Exact, "SET $b @v"),
    (Exact, "GET $b"),
    (Exact, "BITCOUNT $b (#i #i BYTE|BIT?)?"),
    (Exact, "BITPOS $b 0|1 (#i (#i BYTE|BIT?)?)?"),
    (Exact, "BITOP AND|OR|XOR $b $b+"),
    (Exact, "BITOP NOT $b $b"),
    (
        Exact,
        "BITFIELD $b (OVERFLOW WRAP|SAT|FAIL)? (SET u8|i5|u63 #o|#2 #n)+ (INCRBY i8|u3 #o #i)? GET u16|i64|u64 #o",
    ),
    (Exact, "BITFIELD_RO $b (GET u8|i3 #o)+"),
];

/// HyperLogLogs: their bytes are compared as well.
pub static HYPERLOGLOGS: &[(Order, &str)] = &[
    (Exact, "PFADD $p @m+"),
    (Exact, "PFADD $p @v+"),
    (Exact, "PFADD $p #o+"),
    (Exact, "PFCOUNT $p+"),
    (Exact, "PFMERGE $p $p+"),
    (Exact, "GET $p"),
];

/// Positions on the Earth.
pub static POSITIONS: &[(Order, &str)] = &[
    (
        Exact,
        "GEOADD $g NX|XX? CH? 13.361389 38.115556 @m 15.087269|2.35|-0.1 37.502669|48.85|51.5 @m",
    ),
    (Exact, "GEOADD $g #d #d @m"),
    (Exact, "GEOPOS|GEOHASH $g @m+"),
    (Exact, "GEODIST $g @m @m m|km|mi|ft?"),
    (Exact, "GEOSEARCH $g FROMLONLAT 15 37 BYRADIUS 200|2000 km|mi WITHCOORD? WITHDIST? WITHHASH?"),
    (Exact, "GEOSEARCH $g FROMMEMBER @m BYBOX 400 4000 km ASC|DESC (COUNT #c)? WITHDIST?"),
    (Exact, "GEOSEARCHSTORE $g $g FROMLONLAT 15 37 BYRADIUS 2000 km STOREDIST?"),
    (Exact, "GEORADIUS $g 15 37 200|5000 km ASC WITHDIST? WITHCOORD? (COUNT #c)?"),
    (Exact, "GEORADIUSBYMEMBER $g @m 3000 km DESC (STORE $g)?"),
    (Exact, "GEOADD $g #d #d a|b|c|d #d #d e|f|g|h"),
    (
        Exact,
        "GEOSEARCH $g FROMLONLAT #d|179|-179.5 #d|80|-84 BYRADIUS 100|3000|9000 km (COUNT #c ANY?)?",
    ),
    (Exact, "GEOSEARCH $g FROMLONLAT 178|0 #d|84 BYBOX 100|3000|40000 200|5000 km (COUNT #c ANY)?"),
    (Exact, "ZADD $g #d @m"),
    (Exact, "ZRANGE $g 0 -1 WITHSCORES"),
];

/// Streams and consumer groups.
pub static STREAMS: &[(Order, &str)] = &[
    (Exact, "XADD $x #x (@f @v)+"),
    (Exact, "XADD $x 20-*|30-1 (@f @v)+"),
    (Exact, "XADD $x NOMKSTREAM? (MAXLEN|MINID =|~? #c)? #x @f @v"),
    (Exact, "XLEN $x"),
    (Exact, "XRANGE $x -|#x +|#x (COUNT #c)?"),
    (Exact, "XREVRANGE $x +|#x -|#x (COUNT #c)?"),
    (Exact, "XREAD (COUNT #c)? STREAMS $x $x #x #x|$"),
    (Exact, "XREADGROUP GROUP g1 c1|c3 (COUNT #c)? NOACK? STREAMS $x >"),
    (Exact, "XDEL $x #x+"),
    (Exact, "XTRIM $x MAXLEN|MINID =|~? #c (LIMIT #c)?"),
    (Exact, "XSETID $x #x (ENTRIESADDED #c)? (MAXDELETEDID #x)?"),
    (Exact, "XGROUP CREATE $x g1|g2 #x|$|+|- MKSTREAM? (ENTRIESREAD #i)?"),
    (Exact, "XGROUP SETID $x g1 #x|$|+"),
    (Exact, "XGROUP DESTROY $x g1|g2"),
    (Exact, "XGROUP CREATECONSUMER|DELCONSUMER $x g1 c1|c2"),
    (Exact, "XREADGROUP GROUP g1|g2 c1|c2 (COUNT #c)? NOACK? STREAMS $x >|#x"),
    (Exact, "XREADGROUP GROUP g1 c1 STREAMS $x >"),
    (Exact, "XACK $x g1 #x+"),
    (Exact, "XPENDING $x g1"),
    (Exact, "XPENDING $x g1 - + #c c1?"),
    (Exact, "XCLAIM $x g1 c2 0 #x+ FORCE? JUSTID? (RETRYCOUNT #c)?"),
    (Exact, "XAUTOCLAIM $x g1 c2 0 #x (COUNT #c)? JUSTID?"),
    (Exact, "XINFO STREAM|GROUPS $x"),
];
