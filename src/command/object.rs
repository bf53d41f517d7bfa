//! `OBJECT`: how a value is stored (Redis: object.c).

use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, lookup, printable};
use crate::keyspace::Value;

/// The command of this file.
pub const COMMANDS: &[Command] = &[Command::new(
    "object",
    -2,
    Flags::NONE,
    Group::Generic,
    "2.2.3",
    "Tells how a value is stored",
    data!(object),
)];

const HELP: [&str; 11] = [
    "OBJECT <subcommand> [<key>]. Subcommands are:",
    "ENCODING <key>",
    "    How the value is stored, by Redis's names.",
    "FREQ <key>",
    "    Refused: accesses are not counted.",
    "IDLETIME <key>",
    "    Refused: the time of the last access is not kept.",
    "REFCOUNT <key>",
    "    Number of references, by Redis's rules.",
    "HELP",
    "    This text.",
];

/// Redis shares one object for each integer from 0 up to here, exclusive, ...
const SHARED_INTEGERS: i64 = 10_000;
/// ... and counts no references of those.
const SHARED_REFCOUNT: i64 = i32::MAX as i64;

fn refcount(value: &Value) -> i64 {
    let Value::String(string) = value else {
        return 1;
    };
    match string.as_i64() {
        Some(0..SHARED_INTEGERS) => SHARED_REFCOUNT,
        _ => 1,
    }
}

fn object(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let subcommand = args[1].to_ascii_lowercase();
    let wanted_len = match subcommand.as_slice() {
        b"help" => 2,
        b"encoding" | b"freq" | b"idletime" | b"refcount" => 3,
        _ => {
            let (given, container) = (printable(args[1]), "OBJECT");
            return Err(CommandError::UnknownSubcommand { given, container: container.into() });
        }
    };
    if args.len() != wanted_len {
        let name = format!("object|{}", printable(&subcommand));
        return Err(CommandError::WrongArity(name));
    }
    if subcommand == b"help" {
        ctx.reply.array_header(HELP.len());
        for line in HELP {
            ctx.reply.status(line);
        }
        return Ok(());
    }
    let found = lookup::exists_for_read(ctx, ctx.db, args[2]);
    let Some(value) = ctx.keyspace.get(ctx.db, args[2]).filter(|_| found) else {
        ctx.reply.null_bulk();
        return Ok(());
    };
    match subcommand.as_slice() {
        b"encoding" => ctx.reply.bulk(value.encoding_name()),
        b"refcount" => ctx.reply.integer(refcount(value)),
        b"freq" => {
            return Err(CommandError::Other("access frequency is not tracked".into()));
        }
        _ => return Err(CommandError::Other("idle time is not tracked".into())),
    }
    Ok(())
}
