//! Keys of any type: deleting, asking, renaming, copying and moving them (Redis: db.c).

use super::key_spec::{
    CREATES, Keys, LOOKS, OVERWRITES, READS, READS_DELETES, READS_UPDATES, REMOVES, all_from, at,
};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome, lookup, number};
use crate::keyspace::Value;

const READ_FAST: Flags = Flags::READONLY.with(Flags::FAST);
const WRITE_FAST: Flags = Flags::WRITE.with(Flags::FAST);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Generic, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("del", -2, Flags::WRITE, &[all_from(1, REMOVES)], "1.0.0", "Deletes keys", data!(del)),
    row("unlink", -2, WRITE_FAST, &[all_from(1, REMOVES)], "4.0.0", "Deletes keys, the memory later", data!(del)),
    row("exists", -2, READ_FAST, &[all_from(1, LOOKS)], "1.0.0", "Counts which of the keys exist", data!(count_existing)),
    row("touch", -2, READ_FAST, &[all_from(1, LOOKS)], "3.2.1", "Counts which of the keys exist, as an access to them", data!(touch)),
    row("type", 2, READ_FAST, &[at(1, LOOKS)], "1.0.0", "Returns the type of a key", data!(type_of)),
    row("rename", 3, Flags::WRITE, &[at(1, READS_DELETES), at(2, OVERWRITES)], "1.0.0", "Renames a key, over another if need be", data!(rename)),
    row("renamenx", 3, WRITE_FAST, &[at(1, READS_DELETES), at(2, CREATES)], "1.0.0", "Renames a key unless the new name exists", data!(renamenx)),
    row("copy", -3, Flags::WRITE.with(Flags::DENYOOM), &[at(1, READS), at(2, OVERWRITES)], "6.2.0", "Copies a key, to another database if wanted", data!(copy)),
    row("move", 3, WRITE_FAST, &[at(1, READS_UPDATES)], "1.0.0", "Moves a key to another database", data!(move_key)),
];

fn del(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let mut deleted = 0;
    for key in &args[1..] {
        // On a replica that accepts writes, an expired key that is not seen is deleted all the same.
        lookup::peek(ctx, ctx.db, key);
        if ctx.keyspace.remove(ctx.db, key).is_some() {
            lookup::changed(ctx, ctx.db, key);
            deleted += 1;
        }
    }
    ctx.reply.integer(deleted);
    Ok(())
}

fn count_existing(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let mut count = 0;
    for key in &args[1..] {
        count += i64::from(lookup::peek_for_read(ctx, ctx.db, key));
    }
    ctx.reply.integer(count);
    Ok(())
}

fn touch(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let mut count = 0;
    for key in &args[1..] {
        count += i64::from(lookup::exists_for_read(ctx, ctx.db, key));
    }
    ctx.reply.integer(count);
    Ok(())
}

/// Name of a value's type, as `TYPE` and `SCAN ... TYPE` have it.
pub(super) fn type_name(value: &Value) -> &'static str {
    value.type_name()
}

fn type_of(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = lookup::peek_for_read(ctx, ctx.db, args[1]);
    let value = ctx.keyspace.get(ctx.db, args[1]).filter(|_| found);
    ctx.reply.status(value.map_or("none", type_name));
    Ok(())
}

/// Puts a copy of a value and its deadline at another key; `false` if there is nothing to copy.
fn duplicate(ctx: &mut Ctx<'_>, from: (u32, &[u8]), to: (u32, &[u8])) -> bool {
    let deadline = ctx.keyspace.expiry(from.0, from.1);
    let Some(value) = ctx.keyspace.get(from.0, from.1).cloned() else {
        return false;
    };
    ctx.keyspace.set(to.0, to.1, value, deadline);
    true
}

/// Removes what was put at another key; how often it was accessed goes with it.
fn take_away(ctx: &mut Ctx<'_>, from: (u32, &[u8]), to: (u32, &[u8])) {
    if let Some(access) = ctx.keyspace.access_of(from.0, from.1) {
        ctx.keyspace.set_access(to.0, to.1, access);
    }
    ctx.keyspace.remove(from.0, from.1);
}

fn rename(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if rename_to(ctx, args[1], args[2], true)? != Renamed::Kept {
        ctx.reply.ok();
    }
    Ok(())
}

fn renamenx(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let renamed = rename_to(ctx, args[1], args[2], false)?;
    ctx.reply.integer(i64::from(renamed == Renamed::Moved));
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Renamed {
    /// The key has its new name.
    Moved,
    /// Old and new name are the same.
    Same,
    /// The new name exists and was not to be replaced.
    Kept,
}

fn rename_to(
    ctx: &mut Ctx<'_>,
    from: &[u8],
    to: &[u8],
    replace: bool,
) -> Result<Renamed, CommandError> {
    let db = ctx.db;
    if !lookup::exists(ctx, db, from) {
        return Err(CommandError::NoSuchKey);
    }
    if from == to {
        return Ok(Renamed::Same);
    }
    if lookup::exists(ctx, db, to) && !replace {
        return Ok(Renamed::Kept);
    }
    duplicate(ctx, (db, from), (db, to));
    take_away(ctx, (db, from), (db, to));
    ctx.effects.touched.push((db, from.to_vec()));
    lookup::changed(ctx, db, to);
    Ok(Renamed::Moved)
}

fn copy(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (from, to) = (args[1], args[2]);
    let mut replace = false;
    let mut to_db = ctx.db;
    let mut options = args[3..].iter();
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if option.eq_ignore_ascii_case(b"DB")
            && let Some(index) = options.next()
        {
            to_db = number::db_index(index, ctx.keyspace.databases())?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if to_db == ctx.db && from == to {
        return Err(CommandError::SameObject);
    }
    let copied = lookup::exists_for_read(ctx, ctx.db, from)
        && (!lookup::exists(ctx, to_db, to) || replace)
        && duplicate(ctx, (ctx.db, from), (to_db, to));
    if copied {
        lookup::changed(ctx, to_db, to);
    }
    ctx.reply.integer(i64::from(copied));
    Ok(())
}

fn move_key(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let to_db = number::db_index(args[2], ctx.keyspace.databases())?;
    if to_db == ctx.db {
        return Err(CommandError::SameObject);
    }
    let moved = lookup::exists(ctx, ctx.db, key)
        && !lookup::exists(ctx, to_db, key)
        && duplicate(ctx, (ctx.db, key), (to_db, key));
    if moved {
        take_away(ctx, (ctx.db, key), (to_db, key));
        ctx.effects.touched.push((ctx.db, key.to_vec()));
        lookup::changed(ctx, to_db, key);
    }
    ctx.reply.integer(i64::from(moved));
    Ok(())
}
