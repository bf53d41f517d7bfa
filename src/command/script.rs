//! `EVAL` and `SCRIPT`: scripts are not run, and this says so (Redis: eval.c, script.c).
//!
//! A replica needs no scripts: its master puts what they do on the stream. `SCRIPT KILL` is what
//! Sentinel sends to a server that does not answer.

use super::key_spec::{READS, READS_UPDATES, counted};
use super::number::parse_i64;
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, ExpiryView, Handler, Outcome};

const RUN: Flags =
    Flags::NOSCRIPT.with(Flags::STALE).with(Flags::SKIP_MONITOR).with(Flags::NO_MANDATORY_KEYS);
const RUN_ANY: Flags = RUN.with(Flags::MAY_REPLICATE);
const RUN_RO: Flags = RUN.with(Flags::READONLY);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Scripting, since, summary, handler)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    // What a script does with its keys nobody knows, so the most is taken for granted.
    row("eval", -3, RUN_ANY, "2.6.0", "Refused: scripts are not run here", data!(eval)).with_keys(&[counted(2, READS_UPDATES)]),
    row("evalsha", -3, RUN_ANY, "2.6.0", "Refused: no script is kept here", data!(evalsha)).with_keys(&[counted(2, READS_UPDATES)]),
    row("eval_ro", -3, RUN_RO, "7.0.0", "Refused: scripts are not run here", data!(eval)).with_keys(&[counted(2, READS)]),
    row("evalsha_ro", -3, RUN_RO, "7.0.0", "Refused: no script is kept here", data!(evalsha)).with_keys(&[counted(2, READS)]),
    row("script", -2, Flags::NONE, "2.6.0", "The cache of scripts, which is always empty", data!(script)),
];

/// The answer to `SCRIPT KILL` and `FUNCTION KILL`.
pub(super) const NOTHING_RUNS: &str = "NOTBUSY No scripts in execution right now.";

const NOT_KEPT: &str = "NOSCRIPT No matching script. Please use EVAL.";

const SHA1_HEX_DIGITS: usize = 40;

const NOT_RUN: &str = "Scripts are not run on this server: it has no script engine. Its replicas need none, \
     a master propagates what a script does; run it where there is one";

const HELP: [&str; 11] = [
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "EXISTS <sha1> [<sha1> ...]",
    "    Always 0: no script is kept.",
    "FLUSH [ASYNC|SYNC]",
    "    Accepted: there is nothing to forget.",
    "KILL",
    "    Refused: no script ever runs here.",
    "LOAD <script>",
    "    Refused: scripts are not run here.",
    "HELP",
    "    This text.",
];

/// Refuses a number of keys that the arguments behind it do not have.
pub(super) fn check_key_count(keys: i64, arguments: usize) -> Outcome {
    let text = if keys < 0 {
        "Number of keys can't be negative"
    } else if usize::try_from(keys).is_ok_and(|keys| keys <= arguments) {
        return Ok(());
    } else {
        "Number of keys can't be greater than number of args"
    };
    Err(CommandError::Other(text.into()))
}

fn eval(_: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let keys = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    check_key_count(keys, args.len() - 3)?;
    Err(CommandError::Other(NOT_RUN.into()))
}

/// As Redis answers for a script that it does not hold: a client then sends it by `EVAL`, and is
/// told there that none is run.
fn evalsha(_: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if args[1].len() == SHA1_HEX_DIGITS {
        let keys = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
        check_key_count(keys, args.len() - 3)?;
    }
    Err(CommandError::Coded(NOT_KEPT.into()))
}

/// The subcommand exists and has its number of arguments: `subcommands` has seen to that.
fn script(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    match args[1].to_ascii_lowercase().as_slice() {
        b"exists" => {
            ctx.reply.array_header(args.len() - 2);
            args[2..].iter().for_each(|_| ctx.reply.integer(0));
        }
        b"flush" => match args[2..] {
            [] => ctx.reply.ok(),
            [mode] if mode.eq_ignore_ascii_case(b"ASYNC") || mode.eq_ignore_ascii_case(b"SYNC") => {
                ctx.reply.ok();
            }
            _ => {
                let text = "SCRIPT FLUSH only support SYNC|ASYNC option";
                return Err(CommandError::Other(text.into()));
            }
        },
        b"kill" => return Err(CommandError::Coded(NOTHING_RUNS.into())),
        // A master before 7.0 propagates it, for scripts that it will never send.
        b"load" if ctx.view == ExpiryView::Alive => ctx.reply.ok(),
        b"load" => return Err(CommandError::Other(NOT_RUN.into())),
        b"debug"
            if [&b"yes"[..], b"sync", b"no"].iter().all(|it| !it.eq_ignore_ascii_case(args[2])) =>
        {
            return Err(CommandError::Other("Use SCRIPT DEBUG YES/SYNC/NO".into()));
        }
        b"debug" => return Err(CommandError::Other(NOT_RUN.into())),
        _ => {
            ctx.reply.array_header(HELP.len());
            HELP.iter().for_each(|line| ctx.reply.status(line));
        }
    }
    Ok(())
}
