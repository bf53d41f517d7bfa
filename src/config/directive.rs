//! A row of the table.

use super::Config;

/// A directive: what it is called, what it may be, and how it gets at its field.
pub struct Directive {
    /// The name that is written.
    pub name: &'static str,
    /// Another name that is understood and shown too.
    pub alias: Option<&'static str>,
    /// How its value is spelled.
    pub kind: Kind,
    /// What may be done with it.
    pub flags: Flags,
    /// The value as `CONFIG GET` shows it.
    pub show: fn(&Config) -> String,
    /// Parses and stores a value. On error the field may hold anything: work on a copy.
    pub assign: fn(&mut Config, &[&str]) -> Result<(), String>,
}

impl Directive {
    /// Whether this is its name or alias, in any case.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// Stores a value given as the words of a line, or as one text that holds several words.
    pub fn assign_words(&self, config: &mut Config, words: &[&str]) -> Result<(), String> {
        if self.flags.has(MULTI) {
            return match words {
                [""] => (self.assign)(config, &[]),
                [one] => (self.assign)(config, &one.split(' ').collect::<Vec<_>>()),
                several => (self.assign)(config, several),
            };
        }
        match words {
            [_] => (self.assign)(config, words),
            _ => Err("wrong number of arguments".to_owned()),
        }
    }
}

/// How values are spelled. Ranges are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    YesNo,
    /// An integer.
    Int(i128, i128),
    /// An integer, octal.
    Octal(i128, i128),
    /// Bytes, with a unit.
    Memory(i128, i128),
    /// Whole seconds.
    Seconds(i128, i128),
    /// Whole milliseconds.
    Millis(i128, i128),
    /// Any text; written in quotes.
    Text,
    /// One of these words; kept as it is.
    Choice(&'static [&'static str]),
    /// As its type says; written without quotes.
    Words,
    /// As its type says; written in quotes.
    Quoted,
}

/// Properties of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

/// Only a file or the command line may set it.
pub const IMMUTABLE: Flags = Flags(1);
/// Its value is several words.
pub const MULTI: Flags = Flags(2);
/// Patterns do not find it, its exact name does.
pub const HIDDEN: Flags = Flags(4);
/// `CONFIG SET` needs `enable-protected-configs`.
pub const PROTECTED: Flags = Flags(8);
/// Not while a dataset is being loaded.
pub const SETTLED: Flags = Flags(16);
/// Its value is not shown to others.
pub const SECRET: Flags = Flags(32);

impl Flags {
    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether `other` is among them.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
