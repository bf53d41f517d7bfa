//! `FUNCTION` and `FCALL`: libraries are kept as Redis keeps them (functions.c), and nothing of
//! them is run; see [`crate::function`].

use super::key_spec::{READS, READS_UPDATES, counted};
use super::number::parse_i64;
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Handler, Outcome, glob, printable};
use crate::codec::rdb::{self, FunctionsError};
use crate::codec::resp::Reply;
use crate::function::{ENGINE, Function, Libraries, Library, Refusal, Source};

const CALL: Flags =
    Flags::NOSCRIPT.with(Flags::STALE).with(Flags::SKIP_MONITOR).with(Flags::NO_MANDATORY_KEYS);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Scripting, "7.0.0", summary, handler)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("function", -2, Flags::NONE, "Keeps libraries of functions", data!(function)),
    // What it does with its keys nobody knows, so the most is taken for granted.
    row("fcall", -3, CALL.with(Flags::MAY_REPLICATE), "Refused: functions are not run here", data!(fcall)).with_keys(&[counted(2, READS_UPDATES)]),
    row("fcall_ro", -3, CALL.with(Flags::READONLY), "Refused: functions are not run here", data!(fcall)).with_keys(&[counted(2, READS)]),
];

const HELP: [&str; 19] = [
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOAD [REPLACE] <code>",
    "    Keeps a library; its first line is `#!lua name=<name>`.",
    "DELETE <name>",
    "    Removes a library.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    The libraries, and those of their functions whose registration can be read.",
    "STATS",
    "    How many libraries and functions there are.",
    "KILL",
    "    Refused: no function ever runs here.",
    "FLUSH [ASYNC|SYNC]",
    "    Removes all libraries.",
    "DUMP",
    "    All libraries as a payload.",
    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    "    The libraries of a payload: instead of all, beside them, or over those of the same names.",
    "HELP",
    "    This text.",
];

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        CommandError::Other(refusal.to_string())
    }
}

/// As far as it is known to be sound: what comes from the master has been run there.
fn source(ctx: &Ctx<'_>) -> Source {
    if ctx.view == ExpiryView::Alive { Source::Server } else { Source::Client }
}

/// The subcommand exists and has its number of arguments: `subcommands` has seen to that.
fn function(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match args[1].to_ascii_lowercase().as_slice() {
        b"load" => load(ctx, rest),
        b"delete" => delete(ctx, rest[0]),
        b"list" => list(ctx, rest),
        b"stats" => stats(ctx),
        b"kill" => Err(CommandError::Coded(super::script::NOTHING_RUNS.into())),
        b"flush" => flush(ctx, args[1], rest),
        b"dump" => {
            let payload = rdb::dump_functions(&ctx.keyspace.libraries, true);
            ctx.reply.bulk(payload);
            Ok(())
        }
        b"restore" => restore(ctx, args[1], rest),
        _ => {
            ctx.reply.array_header(HELP.len());
            HELP.iter().for_each(|line| ctx.reply.status(line));
            Ok(())
        }
    }
}

/// Goes on the stream as it came, and counts as one change.
fn changed(ctx: &mut Ctx<'_>) {
    ctx.effects.dirty += 1;
}

fn load(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let Some((code, options)) = args.split_last() else {
        return Err(CommandError::Other("Function code is missing".into()));
    };
    for option in options {
        if !option.eq_ignore_ascii_case(b"REPLACE") {
            let option = printable(option);
            return Err(CommandError::Other(format!("Unknown option given: {option}")));
        }
    }
    let source = source(ctx);
    let name = ctx.keyspace.libraries.load(code, !options.is_empty(), source)?;
    changed(ctx);
    ctx.reply.bulk(name);
    Ok(())
}

fn delete(ctx: &mut Ctx<'_>, name: &[u8]) -> Outcome {
    if !ctx.keyspace.libraries.remove(name) {
        return Err(CommandError::Other("Library not found".into()));
    }
    changed(ctx);
    ctx.reply.ok();
    Ok(())
}

fn flush(ctx: &mut Ctx<'_>, given: &[u8], args: &Args<'_>) -> Outcome {
    match args {
        [] => {}
        [mode] if mode.eq_ignore_ascii_case(b"ASYNC") || mode.eq_ignore_ascii_case(b"SYNC") => {}
        [_] => {
            return Err(CommandError::Other(
                "FUNCTION FLUSH only supports SYNC|ASYNC option".into(),
            ));
        }
        _ => return Err(subcommand_syntax(given)),
    }
    ctx.keyspace.libraries = Libraries::default();
    changed(ctx);
    ctx.reply.ok();
    Ok(())
}

fn subcommand_syntax(given: &[u8]) -> CommandError {
    let subcommand = printable(given);
    CommandError::Other(format!(
        "unknown subcommand or wrong number of arguments for '{subcommand}'. Try FUNCTION HELP."
    ))
}

fn restore(ctx: &mut Ctx<'_>, given: &[u8], args: &Args<'_>) -> Outcome {
    let (payload, policy) = match args {
        [payload] => (payload, b"append".to_vec()),
        [payload, policy] => (payload, policy.to_ascii_lowercase()),
        _ => return Err(subcommand_syntax(given)),
    };
    if !matches!(policy.as_slice(), b"append" | b"replace" | b"flush") {
        return Err(CommandError::Other(
            "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.".into(),
        ));
    }
    let source = source(ctx);
    let restored = rdb::restore_functions(payload, source).map_err(|error| match error {
        FunctionsError::Footer => {
            CommandError::Other("DUMP payload version or checksum are wrong".into())
        }
        FunctionsError::Content(what) => CommandError::Other(what.into()),
        FunctionsError::Refused(refusal) => refusal.into(),
    })?;
    if policy == b"flush" {
        ctx.keyspace.libraries = restored;
    } else {
        ctx.keyspace.libraries.join(restored, policy == b"replace", source)?;
    }
    changed(ctx);
    ctx.reply.ok();
    Ok(())
}

fn list(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (mut pattern, mut with_code) = (None, false);
    let mut options = args.iter();
    while let Some(option) = options.next() {
        if !with_code && option.eq_ignore_ascii_case(b"WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && option.eq_ignore_ascii_case(b"LIBRARYNAME") {
            pattern = options.next();
            if pattern.is_none() {
                return Err(CommandError::Other("library name argument was not given".into()));
            }
        } else {
            let option = printable(option);
            return Err(CommandError::Other(format!("Unknown argument {option}")));
        }
    }
    let wanted = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches_ignore_case(pattern, library.name()))
    };
    let libraries: Vec<&Library> = ctx.keyspace.libraries.iter().filter(wanted).collect();
    ctx.reply.array_header(libraries.len());
    for library in libraries {
        ctx.reply.array_header(if with_code { 8 } else { 6 });
        ctx.reply.bulk("library_name");
        ctx.reply.bulk(library.name());
        ctx.reply.bulk("engine");
        ctx.reply.bulk(ENGINE);
        ctx.reply.bulk("functions");
        ctx.reply.array_header(library.functions().len());
        library.functions().iter().for_each(|function| describe(ctx.reply, function));
        if with_code {
            ctx.reply.bulk("library_code");
            ctx.reply.bulk(library.code());
        }
    }
    Ok(())
}

fn describe(reply: &mut Reply, function: &Function) {
    reply.array_header(6);
    reply.bulk("name");
    reply.bulk(&function.name);
    reply.bulk("description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null_bulk(),
    }
    reply.bulk("flags");
    reply.array_header(function.flags.names().count());
    function.flags.names().for_each(|name| reply.status(name));
}

fn stats(ctx: &mut Ctx<'_>) -> Outcome {
    let libraries = &ctx.keyspace.libraries;
    let (count, functions) = (libraries.len() as i64, libraries.function_count() as i64);
    ctx.reply.array_header(4);
    ctx.reply.bulk("running_script");
    ctx.reply.null_bulk();
    ctx.reply.bulk("engines");
    ctx.reply.array_header(2);
    ctx.reply.bulk(ENGINE);
    ctx.reply.array_header(4);
    ctx.reply.bulk("libraries_count");
    ctx.reply.integer(count);
    ctx.reply.bulk("functions_count");
    ctx.reply.integer(functions);
    Ok(())
}

/// A call that Redis would carry out is refused last, so that its own refusals are seen.
fn fcall(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let libraries = &ctx.keyspace.libraries;
    if libraries.function(args[1]).is_none() && libraries.are_complete() {
        return Err(CommandError::Other("Function not found".into()));
    }
    let Some(keys) = parse_i64(args[2]) else {
        return Err(CommandError::Other("Bad number of keys provided".into()));
    };
    super::script::check_key_count(keys, args.len() - 3)?;
    Err(CommandError::Other(
        "Functions are kept but not run on this server: it has no script engine. Its replicas need \
         none, a master propagates what a function does; call it where there is one"
            .into(),
    ))
}
