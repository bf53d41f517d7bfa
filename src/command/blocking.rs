//! What commands that wait for keys share (Redis: blocked.c, timeout.c).
//!
//! Such a handler first tries [`keys_to_try`]. If none serves it, it calls [`block_on`] and
//! writes no reply. When one of the keys is there, the node runs the handler again with that key
//! alone ([`Ctx::ready_key`]); if that serves it, the client goes on, else it keeps its place.
//! Where nobody may wait (inside `EXEC`, on the master's stream) the node answers nil at once.

use std::time::Duration;

use super::long_double::{LongDouble, Parsed};
use super::number::parse_i64;
use super::{Args, CommandError, Ctx};

/// The nil of a command that found nothing where it may not wait. Who waited in vain is always
/// answered with a null array (blocked.c `replyToBlockedClientOnTimeout`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nil {
    /// `*-1`.
    Array,
    /// `$-1` (`BLMOVE`).
    Bulk,
}

/// A command that asks to wait for keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Keys of the selected database, any of which may serve it.
    pub keys: Vec<Vec<u8>>,
    /// What such a key has to hold, by the name that `TYPE` gives it.
    pub type_name: &'static str,
    /// Until when, on the monotonic clock; `None`: for ever.
    pub deadline: Option<Duration>,
    /// Its reply where nobody may wait.
    pub refused: Nil,
    /// The error if a key goes away or changes its type (`XREADGROUP`); `None`: it waits on.
    pub when_gone: Option<&'static str>,
    /// What runs again in place of the command as it came; empty: that command itself.
    pub args: Vec<Vec<u8>>,
}

/// The keys that may serve a command: those it names, or, if it runs again, the one that is ready.
pub fn keys_to_try<'a>(ctx: &Ctx<'_>, keys: &Args<'a>) -> Vec<&'a [u8]> {
    match ctx.ready_key {
        None => keys.to_vec(),
        Some(ready) => keys.iter().copied().filter(|key| *key == ready).take(1).collect(),
    }
}

/// Asks the node to let the client wait for one of `keys`.
pub fn block_on(
    ctx: &mut Ctx<'_>,
    keys: &Args<'_>,
    type_name: &'static str,
    deadline: Option<Duration>,
    refused: Nil,
) {
    let keys = keys.iter().map(|key| key.to_vec()).collect();
    let (when_gone, args) = (None, Vec::new());
    ctx.effects.block = Some(Block { keys, type_name, deadline, refused, when_gone, args });
}

/// A timeout argument in milliseconds as a deadline; 0 is none.
pub fn deadline_ms(ctx: &Ctx<'_>, millis: &[u8]) -> Result<Option<Duration>, CommandError> {
    let other = |text: &str| CommandError::Other(text.into());
    let millis =
        parse_i64(millis).ok_or_else(|| other("timeout is not an integer or out of range"))?;
    let millis = u64::try_from(millis).map_err(|_| other("timeout is negative"))?;
    Ok((millis > 0).then(|| ctx.now.mono.saturating_add(Duration::from_millis(millis))))
}

/// A timeout argument in seconds, with a fraction if wanted, as a deadline; 0 is none
/// (timeout.c `getTimeoutFromObjectOrReply`).
pub fn deadline(ctx: &Ctx<'_>, seconds: &[u8]) -> Result<Option<Duration>, CommandError> {
    let other = |text: &str| CommandError::Other(text.into());
    let seconds = match LongDouble::parse(seconds) {
        Some(Parsed::Finite(seconds)) => seconds.to_string().parse().unwrap_or(f64::INFINITY),
        Some(Parsed::Infinite) => f64::INFINITY,
        None => return Err(other("timeout is not a float or out of range")),
    };
    let millis = (seconds * 1000.0).ceil();
    // Past the range 7.0.15 overflows, and takes what comes of it for negative.
    if seconds < 0.0 || millis >= 9_223_372_036_854_775_807.0 {
        return Err(other("timeout is negative"));
    }
    // Not negative and in range by the checks above.
    let millis = millis as u64;
    Ok((millis > 0).then(|| ctx.now.mono.saturating_add(Duration::from_millis(millis))))
}
