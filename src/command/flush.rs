//! Whole databases: emptying and swapping them (Redis: db.c).

use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome, number};

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    let flags = flags.with(Flags::WRITE).with(Flags::DANGEROUS);
    Command::new(name, arity, flags, Group::Generic, since, summary, handler)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("flushdb", -1, Flags::NONE, "1.0.0", "Deletes all keys of the selected database", data!(flushdb)),
    row("flushall", -1, Flags::NONE, "1.0.0", "Deletes all keys of all databases", data!(flushall)),
    row("swapdb", 3, Flags::FAST, "4.0.0", "Swaps two databases under their clients", data!(swapdb)),
];

/// `ASYNC` and `SYNC` are accepted and mean the same here.
fn check_mode(args: &Args<'_>) -> Outcome {
    match args[1..] {
        [] => Ok(()),
        [mode] if mode.eq_ignore_ascii_case(b"ASYNC") || mode.eq_ignore_ascii_case(b"SYNC") => {
            Ok(())
        }
        _ => Err(CommandError::Syntax),
    }
}

/// Goes on the stream even if there was nothing to delete: the replica may have more.
fn flush(ctx: &mut Ctx<'_>, dbs: std::ops::Range<u32>) {
    for db in dbs {
        ctx.effects.dirty += ctx.keyspace.len(db) as u64;
        ctx.effects.touched_dbs.push(db);
        ctx.keyspace.clear(db);
    }
    ctx.effects.force_propagation = true;
    ctx.reply.ok();
}

fn flushdb(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    check_mode(args)?;
    flush(ctx, ctx.db..ctx.db + 1);
    Ok(())
}

fn flushall(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    check_mode(args)?;
    flush(ctx, 0..ctx.keyspace.databases());
    Ok(())
}

fn swapdb(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let databases = ctx.keyspace.databases();
    let index = |argument, which: &str| match number::db_index(argument, databases) {
        Err(CommandError::NotInteger | CommandError::NotInt32) => {
            Err(CommandError::Other(format!("invalid {which} DB index")))
        }
        // Both have to be numbers before either has to exist.
        Err(CommandError::DbIndex) => Ok(None),
        other => other.map(Some),
    };
    let (first, second) = (index(args[1], "first")?, index(args[2], "second")?);
    let (Some(first), Some(second)) = (first, second) else {
        return Err(CommandError::DbIndex);
    };
    ctx.keyspace.swap(first, second);
    ctx.effects.dirty += 1;
    ctx.effects.touched_dbs.extend([first, second]);
    ctx.reply.ok();
    Ok(())
}
