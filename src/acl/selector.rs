//! One set of permissions: which commands, on which keys, over which channels.
//!
//! A user has one, and may have more, each a set by itself: a command is allowed if one of them
//! allows all of it (Redis: acl.c `aclSelector`). Rules about commands are kept as they were
//! given, the later ones win, and those that have no effect any more are dropped.

use std::fmt;

use super::{CATEGORIES, Refusal};
use crate::command::key_spec::KeyUse;
use crate::command::table::{self, Command, Flags, Group};
use crate::command::{Call, glob};

pub(super) const UNKNOWN: &str = "Unknown command or category name in ACL";
pub(super) const SYNTAX: &str = "Syntax error";
const AFTER_ALL_KEYS: &str = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not \
    valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns";
const AFTER_ALL_CHANNELS: &str = "Adding a pattern after the * pattern (or the 'allchannels' flag) \
    is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of \
    channels";
const DEEP: &str = "Allowing first-arg of a subcommand is not supported";

/// What a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Category(&'static str),
    /// With all its subcommands.
    Command(&'static str),
    Subcommand(&'static str, &'static str),
    /// A command that has no subcommands, with this first argument.
    FirstArgument(&'static str, String),
}

impl What {
    fn command(&self) -> Option<&'static str> {
        match self {
            Self::Category(_) => None,
            Self::Command(name) | Self::Subcommand(name, _) | Self::FirstArgument(name, _) => {
                Some(name)
            }
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category(name) => write!(f, "@{name}"),
            Self::Command(name) => f.write_str(name),
            Self::Subcommand(name, sub) => write!(f, "{name}|{sub}"),
            Self::FirstArgument(name, argument) => write!(f, "{name}|{argument}"),
        }
    }
}

/// `+what` or `-what`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CommandRule {
    allow: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    pattern: Vec<u8>,
    read: bool,
    write: bool,
}

/// See the module's text. A new one allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    /// What holds for commands that no rule speaks of.
    all_commands: bool,
    rules: Vec<CommandRule>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    pub(super) channels: Vec<Vec<u8>>,
}

impl Selector {
    /// `~* &* +@all`.
    pub(super) fn all_powerful() -> Self {
        Self { all_commands: true, all_keys: true, all_channels: true, ..Self::default() }
    }

    /// Allows nothing, but maybe all channels (`acl-pubsub-default`).
    pub(super) fn powerless(all_channels: bool) -> Self {
        Self { all_channels, ..Self::default() }
    }

    pub(super) fn may_do_everything(&self) -> bool {
        self.all_commands && self.rules.is_empty() && self.all_keys && self.all_channels
    }

    // --- rules

    /// One rule; on error nothing has changed.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), &'static str> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => {
                self.keys.clear();
                self.all_keys = true;
            }
            b"resetkeys" => {
                self.keys.clear();
                self.all_keys = false;
            }
            b"allchannels" | b"&*" => {
                self.channels.clear();
                self.all_channels = true;
            }
            b"resetchannels" => {
                self.channels.clear();
                self.all_channels = false;
            }
            b"allcommands" | b"+@all" => self.reset_commands(true),
            b"nocommands" | b"-@all" => self.reset_commands(false),
            _ => return self.apply_prefixed(rule),
        }
        Ok(())
    }

    fn apply_prefixed(&mut self, rule: &[u8]) -> Result<(), &'static str> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, true, true),
            [b'%', rest @ ..] => {
                let end = rest.iter().position(|byte| *byte == b'~').unwrap_or(rest.len());
                let modes = rest[..end].to_ascii_uppercase();
                let (read, write) = match modes.as_slice() {
                    b"R" => (true, false),
                    b"W" => (false, true),
                    b"RW" | b"WR" => (true, true),
                    _ => return Err(SYNTAX),
                };
                self.add_keys(rest.get(end + 1..).unwrap_or_default(), read, write)
            }
            [b'&', pattern @ ..] => self.add_channels(pattern),
            [sign @ (b'+' | b'-'), what @ ..] => self.add_command(*sign == b'+', what),
            _ => Err(SYNTAX),
        }
    }

    fn reset_commands(&mut self, allow: bool) {
        self.rules.clear();
        self.all_commands = allow;
    }

    fn add_keys(&mut self, pattern: &[u8], read: bool, write: bool) -> Result<(), &'static str> {
        if self.all_keys {
            return Err(AFTER_ALL_KEYS);
        }
        check_pattern(pattern)?;
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => {
                known.read |= read;
                known.write |= write;
            }
            None => self.keys.push(KeyPattern { pattern: pattern.to_vec(), read, write }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), &'static str> {
        if self.all_channels {
            return Err(AFTER_ALL_CHANNELS);
        }
        check_pattern(pattern)?;
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    fn add_command(&mut self, allow: bool, what: &[u8]) -> Result<(), &'static str> {
        let what = std::str::from_utf8(what).map_err(|_| UNKNOWN)?.to_ascii_lowercase();
        let what = parse_what(&what, allow)?;
        // A whole command says all there is to say about its parts.
        let over = |rule: &CommandRule| match &what {
            What::Command(name) => rule.what.command() == Some(name),
            what => rule.what == *what,
        };
        self.rules.retain(|rule| !over(rule));
        self.rules.push(CommandRule { allow, what });
        self.drop_idle_rules();
        Ok(())
    }

    /// Drops the rules without which everything would be allowed or not just the same.
    fn drop_idle_rules(&mut self) {
        let mut at = 0;
        while at < self.rules.len() {
            let rule = &self.rules[at];
            let mut touches_nothing = true;
            let mut changes = false;
            for call in Call::all().filter(|call| speaks_of(rule, call, None)) {
                touches_nothing = false;
                let with = self.decision(&call, None, None);
                changes |= with != self.decision(&call, None, Some(at));
            }
            if let What::FirstArgument(name, argument) = &rule.what
                && let Some(command) = table::lookup(name.as_bytes())
            {
                touches_nothing = false;
                let call = Call { command, subcommand: None };
                let argument = Some(argument.as_bytes());
                changes = self.decision(&call, argument, None)
                    != self.decision(&call, argument, Some(at));
            }
            // A category that is empty today is shown all the same.
            if changes || touches_nothing {
                at += 1;
            } else {
                self.rules.remove(at);
            }
        }
    }

    // --- decisions

    /// Whether a call is allowed, if there were not the rule `without`.
    fn decision(&self, call: &Call, argument: Option<&[u8]>, without: Option<usize>) -> bool {
        let rules = self.rules.iter().enumerate().rev();
        let mut rules = rules.filter(|(at, _)| Some(*at) != without);
        let last = rules.find(|(_, rule)| speaks_of(rule, call, argument));
        last.map_or(self.all_commands, |(_, rule)| rule.allow)
    }

    /// The first reason, in Redis's order, for which this set does not allow a command.
    pub(super) fn refusal(&self, call: &Call, args: &[&[u8]]) -> Option<Refusal> {
        let command = call.command;
        // Who is not in yet, or wants to leave, may always say so.
        let free = command.flags.has(Flags::NO_AUTH);
        if !free && !self.decision(call, args.get(1).copied(), None) {
            return Some(Refusal::Command(call.full_name()));
        }
        if !self.all_keys {
            // Where the keys cannot be told, the command itself will refuse its arguments.
            let keys = call.keys(args).unwrap_or_default();
            if let Some(used) = keys.iter().find(|used| !self.may_touch(used)) {
                let (position, key) = (used.position, used.key.to_vec());
                return Some(Refusal::Key { position, key });
            }
        }
        if let Some(option) = call.reads_by_patterns(args)
            && !self.may_read_every_key()
        {
            return Some(Refusal::Option(option));
        }
        if !self.all_channels
            && let Some(position) = self.forbidden_channel(command, args)
        {
            return Some(Refusal::Channel { position, channel: args[position].to_vec() });
        }
        None
    }

    fn may_touch(&self, used: &KeyUse<'_>) -> bool {
        let (reads, writes) = (used.flags.reads(), used.flags.writes());
        let suffices = |known: &&KeyPattern| (known.read || !reads) && (known.write || !writes);
        let mut suited = self.keys.iter().filter(suffices);
        suited.any(|known| glob::matches(&known.pattern, used.key))
    }

    fn may_read_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|known| known.read && known.pattern == b"*")
    }

    /// Position of the first channel that may not be used.
    fn forbidden_channel(&self, command: &Command, args: &[&[u8]]) -> Option<usize> {
        if command.group != Group::PubSub {
            return None;
        }
        let (mut positions, literal) = match command.name {
            "publish" | "spublish" => (1..args.len().min(2), false),
            "subscribe" | "ssubscribe" => (1..args.len(), false),
            "psubscribe" => (1..args.len(), true),
            // Leaving is free.
            _ => return None,
        };
        positions.find(|at| !channel_is_among(&self.channels, args[*at], literal))
    }

    // --- how it is shown

    /// The rules about commands, as they can be given again.
    pub(super) fn commands(&self) -> String {
        let mut text = if self.all_commands { "+@all" } else { "-@all" }.to_owned();
        for rule in &self.rules {
            text.push_str(if rule.allow { " +" } else { " -" });
            text.push_str(&rule.what.to_string());
        }
        text
    }

    /// The patterns of keys, as they can be given again.
    pub(super) fn key_patterns(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let shown = self.keys.iter().map(|known| {
            let prefix: &[u8] = match (known.read, known.write) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            };
            [prefix, &known.pattern].concat()
        });
        shown.collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels, as they can be given again.
    pub(super) fn channel_patterns(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let shown = self.channels.iter().map(|known| [b"&", known.as_slice()].concat());
        shown.collect::<Vec<_>>().join(&b' ')
    }

    /// Everything, as it can be given again.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut words = Vec::new();
        words.extend(Some(self.key_patterns()).filter(|text| !text.is_empty()));
        words.extend((!self.all_channels).then(|| b"resetchannels".to_vec()));
        words.extend(Some(self.channel_patterns()).filter(|text| !text.is_empty()));
        words.push(self.commands().into_bytes());
        words.join(&b' ')
    }
}

/// Whether a channel, or a pattern of channels (`literal`), is covered by one of these patterns.
/// A pattern must be given word by word: nobody can tell what it would match.
pub(super) fn channel_is_among(known: &[Vec<u8>], channel: &[u8], literal: bool) -> bool {
    known.iter().any(|pattern| match literal {
        true => pattern == channel,
        false => glob::matches(pattern, channel),
    })
}

/// Patterns must fit into the line that describes a user.
fn check_pattern(pattern: &[u8]) -> Result<(), &'static str> {
    let breaks = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b);
    if pattern.iter().any(breaks) { Err(SYNTAX) } else { Ok(()) }
}

fn speaks_of(rule: &CommandRule, call: &Call, argument: Option<&[u8]>) -> bool {
    match &rule.what {
        What::Category(category) => call.acl_categories().any(|own| own == *category),
        What::Command(name) => *name == call.command.name,
        What::Subcommand(name, sub) => {
            *name == call.command.name && call.subcommand.is_some_and(|row| row.name == *sub)
        }
        What::FirstArgument(name, wanted) => {
            *name == call.command.name
                && argument.is_some_and(|given| given.eq_ignore_ascii_case(wanted.as_bytes()))
        }
    }
}

/// `@category`, `command`, `command|subcommand` or `command|first-argument`, in lower case.
fn parse_what(what: &str, allow: bool) -> Result<What, &'static str> {
    if let Some(category) = what.strip_prefix('@') {
        let known = CATEGORIES.iter().find(|known| **known == category);
        return known.map(|known| What::Category(known)).ok_or(UNKNOWN);
    }
    let (name, part) = match what.rsplit_once('|') {
        Some((name, part)) => (name, Some(part)),
        None => (what, None),
    };
    if let Some((container, inner)) = name.split_once('|') {
        let exists = table::lookup(container.as_bytes())
            .is_some_and(|command| command.subcommands.iter().any(|row| row.name == inner));
        return Err(if allow && exists { DEEP } else { UNKNOWN });
    }
    let command = table::lookup(name.as_bytes()).ok_or(UNKNOWN)?;
    let Some(part) = part else {
        return Ok(What::Command(command.name));
    };
    let inner = command.subcommands;
    if let Some(row) = inner.iter().find(|row| row.name == part) {
        return Ok(What::Subcommand(command.name, row.name));
    }
    match (part.is_empty(), inner.is_empty(), allow) {
        (true, _, true) => Err(SYNTAX),
        // Only allowing is possible: what else the command does stays forbidden.
        (false, true, true) => Ok(What::FirstArgument(command.name, part.to_owned())),
        _ => Err(UNKNOWN),
    }
}
