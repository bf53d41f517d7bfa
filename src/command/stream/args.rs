//! Ids and options as arguments.

use super::{Ctx, other};
use crate::command::{CommandError, ExpiryView, number};
use crate::keyspace::stream::{StreamId, Trim};

/// A `u64` as Redis reads it in an id (`string2ull`): what is no plain number is read as C does,
/// with blanks and a sign in front.
fn part(text: &[u8]) -> Result<u64, CommandError> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let digits = &text[text.iter().take_while(|byte| space(byte)).count()..];
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let parsed = std::str::from_utf8(digits).ok().filter(|_| plain).and_then(|it| it.parse().ok());
    parsed.ok_or(CommandError::StreamId)
}

/// `ms-number`; `ms` alone gets `missing_seq`.
pub fn exact_id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => Ok(StreamId { ms: part(&text[..dash])?, seq: part(&text[dash + 1..])? }),
        None => Ok(StreamId { ms: part(text)?, seq: missing_seq }),
    }
}

/// The same, or `-` and `+` for the smallest and the largest.
pub fn id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => exact_id(text, missing_seq),
    }
}

/// The two ends of a range; `(` in front leaves an end out.
pub fn interval(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), CommandError> {
    let (start, end) = (
        self::start(start)?,
        match end.strip_prefix(b"(") {
            Some(rest) => match exact_id(rest, u64::MAX)?.previous() {
                Some(id) => id,
                None => return other("invalid end ID for the interval"),
            },
            None => id(end, u64::MAX)?,
        },
    );
    Ok((start, end))
}

/// The start of a range.
pub fn start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text.strip_prefix(b"(") {
        Some(rest) => match exact_id(rest, 0)?.next() {
            Some(id) => Ok(id),
            None => other("invalid start ID for the interval"),
        },
        None => id(text, 0),
    }
}

/// The id of an entry to be added.
#[derive(Clone, Copy)]
pub enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// As it is.
    Given(StreamId),
}

/// How `XADD` or `XTRIM` trims.
pub struct TrimSpec {
    pub trim: Trim,
    pub approximate: bool,
    pub limit: u64,
    /// Which argument is `=` or `~`, if there is one, and which one the threshold.
    pub operator_at: Option<usize>,
    pub threshold_at: usize,
}

/// The options of `XADD` and `XTRIM`.
pub struct AddOptions {
    pub make: bool,
    pub trim: Option<TrimSpec>,
    /// Of `XADD`, and the position of its argument.
    pub id: Option<(NewId, usize)>,
}

/// Reads what stands between the key and, with `adds`, the fields.
pub fn options(ctx: &Ctx<'_>, args: &[&[u8]], adds: bool) -> Result<AddOptions, CommandError> {
    let mut parsed = AddOptions { make: true, trim: None, id: None };
    let mut limit: Option<u64> = None;
    let mut at = 2;
    while at < args.len() {
        let more = args.len() - 1 - at;
        let word = args[at].to_ascii_uppercase();
        match word.as_slice() {
            b"*" if adds => {
                parsed.id = Some((NewId::Auto, at));
                break;
            }
            b"MAXLEN" | b"MINID" if more > 0 => {
                let by_id = word == b"MINID";
                if let Some(before) = &parsed.trim
                    && matches!(before.trim, Trim::MinId(_)) != by_id
                {
                    return other(
                        "syntax error, MAXLEN and MINID options at the same time are not compatible",
                    );
                }
                let spec = threshold(args, at, by_id)?;
                at = spec.threshold_at;
                parsed.trim = Some(spec);
            }
            b"LIMIT" if more > 0 => {
                let wanted = number::integer(args[at + 1])?;
                let Ok(wanted) = u64::try_from(wanted) else {
                    return other("The LIMIT argument must be >= 0.");
                };
                limit = Some(wanted);
                at += 1;
            }
            b"NOMKSTREAM" if adds => parsed.make = false,
            _ if adds => {
                parsed.id = Some((new_id(args[at])?, at));
                break;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    settle_limit(ctx, &mut parsed, limit, adds)?;
    Ok(parsed)
}

fn threshold(args: &[&[u8]], at: usize, by_id: bool) -> Result<TrimSpec, CommandError> {
    let operator = matches!(args[at + 1], b"=" | b"~") && at + 2 < args.len();
    let threshold_at = at + 1 + usize::from(operator);
    let trim = if by_id {
        Trim::MinId(exact_id(args[threshold_at], 0)?)
    } else {
        match u64::try_from(number::integer(args[threshold_at])?) {
            Ok(len) => Trim::MaxLen(len),
            Err(_) => return other("The MAXLEN argument must be >= 0."),
        }
    };
    let operator_at = operator.then_some(at + 1);
    let approximate = operator && args[at + 1] == b"~";
    Ok(TrimSpec { trim, approximate, limit: 0, operator_at, threshold_at })
}

/// A master's stream has its trims made exact, and a limit in it means nothing.
fn settle_limit(
    ctx: &Ctx<'_>,
    parsed: &mut AddOptions,
    limit: Option<u64>,
    adds: bool,
) -> Result<(), CommandError> {
    // Entries of a hundred nodes (t_stream.c `streamParseAddOrTrimArgsOrReply`).
    let default_limit = match ctx.keyspace.limits.stream_node_max_entries as u64 {
        0 => 10_000,
        entries => entries.saturating_mul(100).min(1_000_000),
    };
    match &mut parsed.trim {
        None if limit.is_some_and(|limit| limit > 0) => {
            other("syntax error, LIMIT cannot be used without specifying a trimming strategy")
        }
        None if !adds => other("syntax error, XTRIM must be called with MAXLEN or MINID"),
        None => Ok(()),
        Some(_) if ctx.view == ExpiryView::Alive => Ok(()),
        Some(spec) if spec.approximate => {
            spec.limit = limit.unwrap_or(default_limit);
            Ok(())
        }
        Some(_) if limit.is_some() => {
            other("syntax error, LIMIT cannot be used without the special ~ option")
        }
        Some(_) => Ok(()),
    }
}

fn new_id(text: &[u8]) -> Result<NewId, CommandError> {
    match text.strip_suffix(b"-*") {
        Some(ms) => part(ms).map(NewId::AutoSeq),
        None => exact_id(text, 0).map(NewId::Given),
    }
}
