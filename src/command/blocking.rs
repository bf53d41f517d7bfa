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
    let millis = match LongDouble::parse(seconds) {
        Some(Parsed::Finite(seconds)) => whole_millis(&seconds.to_string()),
        Some(Parsed::Infinite) => None,
        None => return Err(other("timeout is not a float or out of range")),
    };
    // Past the range 7.0.15 overflows, and takes what comes of it for negative.
    let millis = millis.ok_or_else(|| other("timeout is negative"))?;
    Ok((millis > 0).then(|| ctx.now.mono.saturating_add(Duration::from_millis(millis))))
}

/// Seconds, as decimal digits, in milliseconds and rounded up; `None` if negative or out of range.
fn whole_millis(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let whole: i64 = whole.parse().ok().filter(|_| !seconds.starts_with('-'))?;
    let thousandths: i64 = format!("{fraction:0<3.3}").parse().ok()?;
    let is_more = fraction.bytes().skip(3).any(|digit| digit != b'0');
    let millis = whole.checked_mul(1000)?.checked_add(thousandths + i64::from(is_more))?;
    u64::try_from(millis).ok()
}

#[cfg(test)]
mod tests {
    use super::whole_millis;

    #[test]
    fn a_time_to_wait_is_exact_up_to_the_last_millisecond() {
        assert_eq!(whole_millis("0"), Some(0));
        assert_eq!(whole_millis("1.5"), Some(1500));
        assert_eq!(whole_millis("0.0001"), Some(1), "rounded up");
        assert_eq!(whole_millis("9223372036854775"), Some(9_223_372_036_854_775_000));
        assert_eq!(whole_millis("9223372036854775.807"), Some(i64::MAX as u64));
        assert_eq!(whole_millis("9223372036854775.808"), None);
        assert_eq!(whole_millis("9223372036854775807"), None);
        assert_eq!(whole_millis("-0.5"), None);
    }
}
