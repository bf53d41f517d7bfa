//! What the families of node commands share: table rows, subcommands, arguments.

use super::table::{Command, Flags, Group};
use super::{Args, CommandError, Handler, Outcome, printable};
use crate::env::Now;
use crate::node::{ClientId, Node};

/// `Handler::Node` of a function that returns an [`Outcome`].
macro_rules! node {
    ($handler:expr) => {
        $crate::command::Handler::Node(|node, now, id, args| {
            if let Err(refusal) = $handler(node, now, id, args) {
                node.reply_error(id, &refusal.to_string());
            }
        })
    };
}
pub(super) use node;

/// A row of a command without keys.
pub(super) const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    group: Group,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, group, since, summary, handler)
}

/// A subcommand: its name, its arity (container and name included, as in the table), and its
/// full name as errors show it.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    pub(super) arity: i32,
    pub(super) full_name: &'static str,
}

/// Finds the subcommand that `args[1]` names and checks its arity.
pub(super) fn subcommand(
    container: &'static str,
    table: &'static [Subcommand],
    args: &Args<'_>,
) -> Result<&'static str, CommandError> {
    let given = args[1];
    let found = table.iter().find(|row| given.eq_ignore_ascii_case(row.name.as_bytes()));
    let Some(row) = found else {
        return Err(CommandError::UnknownSubcommand {
            given: printable(given),
            container: container.into(),
        });
    };
    let wanted = row.arity.unsigned_abs() as usize;
    let right = if row.arity < 0 { args.len() >= wanted } else { args.len() == wanted };
    if !right {
        return Err(CommandError::WrongArity(row.full_name.into()));
    }
    Ok(row.name)
}

/// Answers with the lines of a help text.
pub(super) fn help(node: &mut Node, id: ClientId, lines: &[&str]) -> Outcome {
    node.reply(id, |reply| {
        reply.array_header(lines.len());
        for line in lines {
            reply.status(line);
        }
    });
    Ok(())
}

/// Whether an argument is this word, in any case.
pub(super) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// `+OK`.
pub(super) fn ok(node: &mut Node, id: ClientId) -> Outcome {
    node.reply(id, |reply| reply.ok());
    Ok(())
}

/// An error said in one place only; the text follows `ERR `.
pub(super) fn error<T>(text: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Other(text.into()))
}

/// A timeout in milliseconds from now; 0 for none (timeout.c `getTimeoutFromObjectOrReply`). One
/// that ends after the end of time is refused, as later versions of Redis do it.
pub(super) fn timeout_ms(now: Now, arg: &[u8]) -> Result<u64, CommandError> {
    let Some(millis) = super::number::parse_i64(arg) else {
        return error("timeout is not an integer or out of range");
    };
    match u64::try_from(millis) {
        Ok(millis) if now.unix_ms.saturating_add(millis) > i64::MAX as u64 => {
            error("timeout is out of range")
        }
        Ok(millis) => Ok(millis),
        Err(_) => error("timeout is negative"),
    }
}
