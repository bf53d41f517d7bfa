//! Looking a key up, with its expiry decided by who asks.
//!
//! The keyspace stores a key past its deadline like any other. Whether it is seen is decided
//! here and nowhere else, by [`ExpiryView`] (Redis: db.c `expireIfNeeded`): a master removes it
//! and tells its replicas, a replica's client does not see it, the master's stream sees it.

use super::{CommandError, Ctx, ExpiryView};
use crate::keyspace::{Keyspace, StringValue, Value};

/// Whether a deadline has passed. At the deadline itself a key is still alive.
pub fn is_past(deadline_ms: u64, now_ms: u64) -> bool {
    now_ms > deadline_ms
}

/// Whether this command may see the key if it is there; removes it where it is this command's to
/// remove ([`ExpiryView::Delete`]).
fn sweep(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    if ctx.view == ExpiryView::Alive {
        return true;
    }
    let Some(deadline_ms) = ctx.keyspace.expiry(db, key) else {
        return true;
    };
    if !is_past(deadline_ms, ctx.now.unix_ms) {
        return true;
    }
    if ctx.view == ExpiryView::Delete {
        ctx.keyspace.remove(db, key);
        ctx.effects.expired.push((db, key.to_vec(), deadline_ms));
        ctx.effects.touched.push((db, key.to_vec()));
    }
    false
}

/// Whether the key exists for this command. Counts neither hit nor miss: for writes.
pub fn exists(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    sweep(ctx, db, key) && ctx.keyspace.get(db, key).is_some()
}

/// Whether the key exists for this command, counted as a hit or a miss: for reads.
pub fn exists_for_read(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    let found = exists(ctx, db, key);
    if found {
        ctx.effects.hits += 1;
    } else {
        ctx.effects.misses += 1;
    }
    found
}

/// The string stored at a key, expired or not: ask [`exists`] or [`exists_for_read`] first.
pub fn string<'k>(
    keyspace: &'k Keyspace,
    db: u32,
    key: &[u8],
) -> Result<Option<&'k StringValue>, CommandError> {
    match keyspace.get(db, key) {
        Some(Value::String(string)) => Ok(Some(string)),
        Some(_) => Err(CommandError::WrongType),
        None => Ok(None),
    }
}

/// Notes that a key changed: one change more, and whoever watches it will know.
pub fn changed(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) {
    ctx.effects.dirty += 1;
    ctx.effects.touched.push((db, key.to_vec()));
}

/// Puts `args` on the stream in place of the command as it came.
pub fn rewrite(ctx: &mut Ctx<'_>, args: &[&[u8]]) {
    let args = args.iter().map(|arg| arg.to_vec()).collect();
    ctx.effects.rewritten.push((ctx.db, args));
}
