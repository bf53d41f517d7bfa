//! Which arguments must not be told to others (`MONITOR`, the slow log).

use std::borrow::Cow;

use super::Args;
use super::table::{Command, Flags};
use crate::config::is_secret;

/// In place of an argument that is not told.
const REDACTED: &[u8] = b"(redacted)";

/// The arguments with secrets blotted out, as Redis does it for the slow log.
pub fn redacted<'a>(command: &Command, args: &Args<'a>) -> Vec<Cow<'a, [u8]>> {
    let is = |at: usize, word: &str| {
        args.get(at).is_some_and(|arg: &&[u8]| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let secret = |at: usize| match command.name {
        "acl" => at >= 2 && is(1, "setuser"),
        // A directive and its value take turns.
        "config" => at >= 3 && at % 2 == 1 && is(1, "set") && is_secret(args[at - 1]),
        "hello" => (at >= 2 && is(at - 1, "auth")) || (at >= 3 && is(at - 2, "auth")),
        _ => at >= 1 && command.flags.has(Flags::SENSITIVE),
    };
    let shown = |(at, arg): (usize, &&'a [u8])| {
        if secret(at) { Cow::Borrowed(REDACTED) } else { Cow::Borrowed(*arg) }
    };
    args.iter().enumerate().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_told() {
        let shown = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let command = super::super::find(args[0]).expect("a command");
            let shown = redacted(command, &args);
            String::from_utf8_lossy(&shown.join(&b' ')).into_owned()
        };
        assert_eq!(shown("acl setuser u >pw"), "acl setuser (redacted) (redacted)");
        assert_eq!(shown("acl list"), "acl list");
        assert_eq!(shown("auth u pw"), "auth (redacted) (redacted)");
        assert_eq!(
            shown("hello 2 auth u pw setname x"),
            "hello 2 auth (redacted) (redacted) setname x"
        );
        assert_eq!(
            shown("config set port 1 MasterAuth pw"),
            "config set port 1 MasterAuth (redacted)"
        );
        assert_eq!(shown("config get masterauth"), "config get masterauth");
        assert_eq!(shown("set k v"), "set k v");
    }
}
