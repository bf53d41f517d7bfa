//! Looking a key up, with its expiry decided by who asks.
//!
//! The keyspace stores a key past its deadline like any other. Whether it is seen is decided
//! here and nowhere else, by [`ExpiryView`] (Redis: db.c `expireIfNeeded`): a master removes it
//! and tells its replicas, a replica's client does not see it, the master's stream sees it.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::{CommandError, Ctx, ExpiryView};
use crate::codec::resp::Reply;
use crate::keyspace::{HashValue, Keyspace, ListValue, SetValue, StringValue, Value};

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

/// Whether the key exists for this command, noted as an access to it. Counts neither hit nor
/// miss: for writes.
pub fn exists(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    if !sweep(ctx, db, key) {
        return false;
    }
    let random = &mut *ctx.random;
    ctx.keyspace.touch(db, key, &mut || random.random())
}

/// Whether the key exists for this command, counted as a hit or a miss and noted as an access to
/// it: for reads.
pub fn exists_for_read(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    let found = exists(ctx, db, key);
    count(ctx, found)
}

/// [`exists`], not noted as an access (Redis: `LOOKUP_NOTOUCH`).
pub fn peek(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    sweep(ctx, db, key) && ctx.keyspace.get(db, key).is_some()
}

/// [`exists_for_read`], not noted as an access.
pub fn peek_for_read(ctx: &mut Ctx<'_>, db: u32, key: &[u8]) -> bool {
    let found = peek(ctx, db, key);
    count(ctx, found)
}

/// Counts a hit or a miss.
fn count(ctx: &mut Ctx<'_>, found: bool) -> bool {
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

/// The string at a key that was looked up with the result `found`: what is past its deadline is
/// not there, whatever its type.
pub fn string_found<'k>(
    keyspace: &'k Keyspace,
    db: u32,
    key: &[u8],
    found: bool,
) -> Result<Option<&'k StringValue>, CommandError> {
    if found { string(keyspace, db, key) } else { Ok(None) }
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

/// A collection that stands in a [`Value`], and goes when it is empty.
pub trait Collection: Default {
    /// If it is of this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The same, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// As a value.
    fn wrap(self) -> Value;
    /// Whether nothing is left of it.
    fn is_gone(&self) -> bool;
}

macro_rules! collection {
    ($type:ty, $variant:ident) => {
        impl Collection for $type {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(value) = value { Some(value) } else { None }
            }
            fn wrap(self) -> Value {
                Value::$variant(self)
            }
            fn is_gone(&self) -> bool {
                self.is_empty()
            }
        }
    };
}
collection!(ListValue, List);
collection!(SetValue, Set);
collection!(HashValue, Hash);

/// A collection found, and what a reply to a question about it needs.
pub struct Found<'c, T> {
    /// `None`: there is no such key.
    pub value: Option<&'c T>,
    /// Where the reply goes.
    pub reply: &'c mut Reply,
    /// For a choice.
    pub random: &'c mut ChaCha8Rng,
}

/// The collection at a key, expired or not: ask [`exists`] or [`exists_for_read`] first.
pub fn collection<'k, T: Collection>(
    keyspace: &'k Keyspace,
    db: u32,
    key: &[u8],
) -> Result<Option<&'k T>, CommandError> {
    match keyspace.get(db, key) {
        Some(value) => T::of(value).map(Some).ok_or(CommandError::WrongType),
        None => Ok(None),
    }
}

/// The collection at a key, for a read.
pub fn read<'c, T: Collection>(
    ctx: &'c mut Ctx<'_>,
    key: &[u8],
) -> Result<Found<'c, T>, CommandError> {
    let found = exists_for_read(ctx, ctx.db, key);
    let value = if found { collection(ctx.keyspace, ctx.db, key)? } else { None };
    Ok(Found { value, reply: ctx.reply, random: ctx.random })
}

/// Whether a key is there for a write; an error if it is of another type.
pub fn find<T: Collection>(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<bool, CommandError> {
    Ok(exists(ctx, ctx.db, key) && collection::<T>(ctx.keyspace, ctx.db, key)?.is_some())
}

/// Changes the collection at a key, which [`find`] has found; it goes if nothing is left of it.
pub fn edit<T: Collection, R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    change: impl FnOnce(&mut T) -> R,
) -> Option<R> {
    let changed = ctx.keyspace.update(ctx.db, key, |value| {
        let collection = T::of_mut(value)?;
        let result = change(collection);
        Some((result, collection.is_gone()))
    });
    let (result, gone) = changed.flatten()?;
    if gone {
        ctx.keyspace.remove(ctx.db, key);
    }
    Some(result)
}

/// Changes the collection at a key, or a new one if [`find`] found none.
pub fn edit_or_create<T: Collection, R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    found: bool,
    change: impl FnOnce(&mut T) -> R,
) -> R {
    if found && collection::<T>(ctx.keyspace, ctx.db, key).is_ok_and(|it| it.is_some()) {
        let mut change = Some(change);
        let edited = edit(ctx, key, |value| change.take().map(|change| change(value)));
        if let Some(Some(result)) = edited {
            return result;
        }
        unreachable!("the collection was there just above");
    }
    let mut new = T::default();
    let result = change(&mut new);
    if !new.is_gone() {
        ctx.keyspace.set(ctx.db, key, new.wrap(), None);
    }
    result
}

/// Notes `changes` changes of one key.
pub fn changed_times(ctx: &mut Ctx<'_>, key: &[u8], changes: usize) {
    ctx.effects.dirty += changes as u64;
    ctx.effects.touched.push((ctx.db, key.to_vec()));
}
