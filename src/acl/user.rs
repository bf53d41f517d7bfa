//! One user: credentials, and what the rules given so far amount to.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::command::call::Call;
use crate::command::glob;
use crate::command::key_spec::KeyUse;
use crate::command::table::{self, Command, Flags, Group};

/// Categories that Redis 7.0 has, in its order.
pub(crate) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// What is not allowed; its `Display` is the error reply after the `-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command, `container|subcommand` if so.
    #[error("NOPERM this user has no permissions to run the '{0}' command")]
    Command(String),
    /// One of its keys.
    #[error("NOPERM this user has no permissions to access one of the keys used as arguments")]
    Key,
    /// An option that reads any key there may be.
    #[error("ERR {0} option of SORT denied due to insufficient ACL permissions.")]
    Option(&'static str),
    /// One of its channels.
    #[error("NOPERM this user has no permissions to access one of the channels used as arguments")]
    Channel,
}

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// As given.
    pub rule: String,
    /// Why not.
    pub reason: &'static str,
}

const UNKNOWN: &str = "Unknown command or category name in ACL";
const SYNTAX: &str = "Syntax error";
const NO_SUCH_PASSWORD: &str = "The password you are trying to remove from the user does not exist";
const BAD_HASH: &str = "The password hash must be exactly 64 characters and contain only \
                        lowercase hexadecimal characters";

/// `+what` or `-what`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CommandRule {
    allow: bool,
    /// `@category`, `command` or `command|subcommand`, in lower case.
    what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    pattern: Vec<u8>,
    read: bool,
    write: bool,
}

/// See the module's text. A new one is off and may do nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// May log in.
    pub enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// SHA-256 of each password, in hexadecimal.
    passwords: Vec<String>,
    /// What holds for commands that no rule speaks of.
    all_commands: bool,
    /// The later ones win.
    rules: Vec<CommandRule>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl User {
    /// `on nopass ~* &* +@all`.
    pub(super) fn all_powerful() -> Self {
        Self {
            enabled: true,
            no_password: true,
            all_commands: true,
            all_keys: true,
            all_channels: true,
            ..Self::default()
        }
    }

    pub(super) fn may_do_everything(&self) -> bool {
        self.all_commands && self.rules.is_empty() && self.all_keys && self.all_channels
    }

    pub(super) fn set_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.map(hash).into_iter().collect();
        self.no_password = password.is_none();
    }

    pub(super) fn accepts(&self, password: &[u8]) -> bool {
        let given = hash(password);
        // Every hash is looked at to its end, so that time tells nothing.
        self.passwords.iter().fold(self.no_password, |right, wanted| right | same(wanted, &given))
    }

    /// One rule of `ACL SETUSER`.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let text = String::from_utf8_lossy(rule).into_owned();
        self.try_apply(rule, &text).map_err(|reason| RuleError { rule: text, reason })
    }

    fn try_apply(&mut self, rule: &[u8], text: &str) -> Result<(), &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "on" => self.enabled = true,
            "off" => self.enabled = false,
            "nopass" => self.set_password(None),
            "resetpass" => {
                self.passwords.clear();
                self.no_password = false;
            }
            "allkeys" | "~*" => {
                self.keys.clear();
                self.all_keys = true;
            }
            "resetkeys" => {
                self.keys.clear();
                self.all_keys = false;
            }
            "allchannels" | "&*" => {
                self.channels.clear();
                self.all_channels = true;
            }
            "resetchannels" => {
                self.channels.clear();
                self.all_channels = false;
            }
            "allcommands" | "+@all" => self.reset_commands(true),
            "nocommands" | "-@all" => self.reset_commands(false),
            "sanitize-payload" | "skip-sanitize-payload" | "clearselectors" => {}
            "reset" => *self = Self::default(),
            _ => return self.apply_prefixed(rule, text),
        }
        Ok(())
    }

    fn apply_prefixed(&mut self, rule: &[u8], text: &str) -> Result<(), &'static str> {
        match rule {
            [b'>', password @ ..] => self.add_password(hash(password)),
            [b'<', password @ ..] => self.remove_password(&hash(password))?,
            [b'#', ..] => self.add_password(checked_hash(&text[1..])?),
            [b'!', ..] => self.remove_password(&checked_hash(&text[1..])?)?,
            [b'~', pattern @ ..] => self.add_keys(pattern, true, true)?,
            [b'%', ..] => {
                let (modes, pattern) = text[1..].split_once('~').ok_or(SYNTAX)?;
                let has = |mode: char| modes.contains([mode, mode.to_ascii_lowercase()]);
                if modes.is_empty() || !modes.chars().all(|mode| "RWrw".contains(mode)) {
                    return Err(SYNTAX);
                }
                self.add_keys(pattern.as_bytes(), has('R'), has('W'))?;
            }
            [b'&', pattern @ ..] => {
                if self.all_channels {
                    return Err(
                        "Adding a pattern after the * pattern (or the 'allchannels' flag) \
                                is not valid and does not have any effect. Try 'resetchannels' to \
                                start with an empty list of channels",
                    );
                }
                if !self.channels.iter().any(|known| known == pattern) {
                    self.channels.push(pattern.to_vec());
                }
            }
            [sign @ (b'+' | b'-'), ..] => self.add_command(*sign == b'+', &text[1..])?,
            _ => return Err(SYNTAX),
        }
        Ok(())
    }

    fn reset_commands(&mut self, allow: bool) {
        self.rules.clear();
        self.all_commands = allow;
    }

    fn add_password(&mut self, hashed: String) {
        self.no_password = false;
        if !self.passwords.contains(&hashed) {
            self.passwords.push(hashed);
        }
    }

    fn remove_password(&mut self, hashed: &str) -> Result<(), &'static str> {
        let before = self.passwords.len();
        self.passwords.retain(|known| known != hashed);
        if self.passwords.len() == before { Err(NO_SUCH_PASSWORD) } else { Ok(()) }
    }

    fn add_keys(&mut self, pattern: &[u8], read: bool, write: bool) -> Result<(), &'static str> {
        if self.all_keys {
            return Err(
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid \
                        and does not have any effect. Try 'resetkeys' to start with an empty list \
                        of patterns",
            );
        }
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => {
                known.read |= read;
                known.write |= write;
            }
            None => self.keys.push(KeyPattern { pattern: pattern.to_vec(), read, write }),
        }
        Ok(())
    }

    fn add_command(&mut self, allow: bool, what: &str) -> Result<(), &'static str> {
        let what = what.to_ascii_lowercase();
        match what.strip_prefix('@') {
            Some(category) if !CATEGORIES.contains(&category) => return Err(UNKNOWN),
            Some(_) => {}
            None => {
                let name = what.split_once('|').map_or(&what[..], |(container, _)| container);
                if table::lookup(name.as_bytes()).is_none() {
                    return Err(UNKNOWN);
                }
                // A whole command says all there is to say about its subcommands.
                let inside = format!("{what}|");
                self.rules.retain(|rule| !rule.what.starts_with(&inside));
            }
        }
        self.rules.retain(|rule| rule.what != what);
        self.rules.push(CommandRule { allow, what });
        Ok(())
    }

    /// Whether a command, of which `args[1]` may be a subcommand, is allowed.
    fn may_run(&self, call: &Call, args: &[&[u8]]) -> bool {
        let command = call.command;
        let speaks_of = |rule: &CommandRule| match rule.what.strip_prefix('@') {
            Some(category) => call.acl_categories().any(|own| own == category),
            None => match rule.what.split_once('|') {
                None => rule.what == command.name,
                Some((container, subcommand)) => {
                    container == command.name
                        && args
                            .get(1)
                            .is_some_and(|given| given.eq_ignore_ascii_case(subcommand.as_bytes()))
                }
            },
        };
        let last = self.rules.iter().rev().find(|rule| speaks_of(rule));
        last.map_or(self.all_commands, |rule| rule.allow)
    }

    pub(super) fn refusal(&self, command: &'static Command, args: &[&[u8]]) -> Option<Refusal> {
        let call = Call::of(command, args);
        // Who is not in yet, or wants to leave, may always say so.
        let free = command.flags.has(Flags::NO_AUTH);
        if !free && !self.may_run(&call, args) {
            return Some(Refusal::Command(call.full_name()));
        }
        // Where the keys cannot be told, the command itself will refuse its arguments.
        let keys = || call.keys(args).unwrap_or_default();
        if !self.all_keys && !keys().iter().all(|key| self.may_touch(key)) {
            return Some(Refusal::Key);
        }
        if let Some(option) = call.reads_by_patterns(args)
            && !self.may_read_every_key()
        {
            return Some(Refusal::Option(option));
        }
        if !self.all_channels && !self.may_use_channels(command, args) {
            return Some(Refusal::Channel);
        }
        None
    }

    fn may_read_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|known| known.read && known.pattern == b"*")
    }

    fn may_touch(&self, used: &KeyUse<'_>) -> bool {
        let flags = used.flags;
        let suffices = |known: &&KeyPattern| {
            (known.read || !flags.reads()) && (known.write || !flags.writes())
        };
        self.keys.iter().filter(suffices).any(|known| glob::matches(&known.pattern, used.key))
    }

    fn may_use_channels(&self, command: &Command, args: &[&[u8]]) -> bool {
        let allowed =
            |channel: &&[u8]| self.channels.iter().any(|pattern| glob::matches(pattern, channel));
        if command.group != Group::PubSub {
            return true;
        }
        match command.name {
            "publish" | "spublish" => args.get(1).is_none_or(&allowed),
            "subscribe" | "ssubscribe" => args[1..].iter().all(allowed),
            // A pattern must be given word by word: nobody can tell what it would match.
            "psubscribe" => args[1..]
                .iter()
                .all(|pattern| self.channels.iter().any(|known| known.as_slice() == *pattern)),
            _ => true,
        }
    }

    /// Flags as `ACL GETUSER` shows them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.no_password.then_some("nopass"));
        flags
    }

    /// SHA-256 of each password, in hexadecimal.
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// The rules about commands, as they can be given again.
    pub fn commands(&self) -> String {
        let mut text = if self.all_commands { "+@all" } else { "-@all" }.to_owned();
        for rule in &self.rules {
            text.push_str(if rule.allow { " +" } else { " -" });
            text.push_str(&rule.what);
        }
        text
    }

    /// The patterns of keys, as they can be given again.
    pub fn key_patterns(&self) -> String {
        if self.all_keys {
            return "~*".to_owned();
        }
        let shown = self.keys.iter().map(|known| {
            let prefix = match (known.read, known.write) {
                (true, false) => "%R~",
                (false, true) => "%W~",
                _ => "~",
            };
            format!("{prefix}{}", String::from_utf8_lossy(&known.pattern))
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    /// The patterns of channels, as they can be given again.
    pub fn channel_patterns(&self) -> String {
        if self.all_channels {
            return "&*".to_owned();
        }
        let shown =
            self.channels.iter().map(|known| format!("&{}", String::from_utf8_lossy(known)));
        shown.collect::<Vec<_>>().join(" ")
    }
}

/// As in `ACL LIST`, without the name.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.flags().into_iter().map(str::to_owned).collect();
        words.extend(self.passwords.iter().map(|hashed| format!("#{hashed}")));
        words.extend(Some(self.key_patterns()).filter(|text| !text.is_empty()));
        if !self.all_channels {
            words.push("resetchannels".to_owned());
        }
        words.extend(Some(self.channel_patterns()).filter(|text| !text.is_empty()));
        words.push(self.commands());
        f.write_str(&words.join(" "))
    }
}

fn hash(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checked_hash(text: &str) -> Result<String, &'static str> {
    let right = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if right { Ok(text.to_owned()) } else { Err(BAD_HASH) }
}

/// Compares without stopping at the first difference.
fn same(wanted: &str, given: &str) -> bool {
    let pairs = wanted.bytes().zip(given.bytes());
    wanted.len() == given.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
