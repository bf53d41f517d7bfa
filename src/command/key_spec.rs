//! Where a command's keys are, and what it does with each.
//!
//! A row of the command table has a list of [`KeySpec`]s, as `COMMAND INFO` of Redis 7 shows them:
//! where to begin, how to go on from there, what happens to the keys found. ACL rules about keys,
//! `COMMAND GETKEYS` and the first fields of `COMMAND INFO` all follow from them
//! (Redis: db.c `getKeysUsingKeySpecs`, server.c `populateCommandLegacyRangeSpec`).
//!
//! Must never: know a command by its name. What a list cannot say (`SET` reads only with `GET`,
//! the patterns of `SORT` may name any key) is a function that stands in the spec.

use super::Args;
use super::number::parse_i64;

/// What a command does with a key: one of `RO`, `RW`, `OW`, `RM` (or [`KeyFlags::NOT_KEY`]),
/// and what becomes of the data of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFlags(u16);

impl KeyFlags {
    /// Reads the value, or only what is told about it (its type, its length).
    pub const RO: KeyFlags = KeyFlags(1);
    /// Reads the value and changes it.
    pub const RW: KeyFlags = KeyFlags(1 << 1);
    /// Overwrites the value, whatever it was.
    pub const OW: KeyFlags = KeyFlags(1 << 2);
    /// Removes the key.
    pub const RM: KeyFlags = KeyFlags(1 << 3);
    /// What a client stored is returned, copied or compared.
    pub const ACCESS: KeyFlags = KeyFlags(1 << 4);
    /// What was stored is changed.
    pub const UPDATE: KeyFlags = KeyFlags(1 << 5);
    /// Something is added, and nothing is changed.
    pub const INSERT: KeyFlags = KeyFlags(1 << 6);
    /// Something is removed.
    pub const DELETE: KeyFlags = KeyFlags(1 << 7);
    /// No key, though a cluster sends it where a key of that name would be (`SPUBLISH`).
    pub const NOT_KEY: KeyFlags = KeyFlags(1 << 8);
    /// There may be more keys than this spec can find.
    pub const INCOMPLETE: KeyFlags = KeyFlags(1 << 9);
    /// The other flags depend on the arguments.
    pub const VARIABLE: KeyFlags = KeyFlags(1 << 10);

    /// Both.
    #[must_use]
    pub const fn with(self, other: KeyFlags) -> KeyFlags {
        KeyFlags(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a user needs the right to read this key (acl.c `ACLSelectorCheckKey`).
    pub const fn reads(self) -> bool {
        self.has(Self::ACCESS)
    }

    /// Whether a user needs the right to write this key.
    pub const fn writes(self) -> bool {
        self.has(Self::INSERT) || self.has(Self::DELETE) || self.has(Self::UPDATE)
    }

    /// The names, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(KeyFlags, &str); 11] = [
            (KeyFlags::RO, "RO"),
            (KeyFlags::RW, "RW"),
            (KeyFlags::OW, "OW"),
            (KeyFlags::RM, "RM"),
            (KeyFlags::ACCESS, "access"),
            (KeyFlags::UPDATE, "update"),
            (KeyFlags::INSERT, "insert"),
            (KeyFlags::DELETE, "delete"),
            (KeyFlags::NOT_KEY, "not_key"),
            (KeyFlags::INCOMPLETE, "incomplete"),
            (KeyFlags::VARIABLE, "variable_flags"),
        ];
        NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
}

/// Asks about a key, not for what is in it.
pub const LOOKS: KeyFlags = KeyFlags::RO;
/// Reads what is in it.
pub const READS: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);
/// Changes what is there.
pub const UPDATES: KeyFlags = KeyFlags::RW.with(KeyFlags::UPDATE);
/// Adds to what is there.
pub const INSERTS: KeyFlags = KeyFlags::RW.with(KeyFlags::INSERT);
/// Removes something of what is there.
pub const DELETES: KeyFlags = KeyFlags::RW.with(KeyFlags::DELETE);
/// Changes what is there, and tells it.
pub const READS_UPDATES: KeyFlags = UPDATES.with(KeyFlags::ACCESS);
/// Removes something of what is there, and tells it.
pub const READS_DELETES: KeyFlags = DELETES.with(KeyFlags::ACCESS);
/// Puts something in the place of whatever is there.
pub const OVERWRITES: KeyFlags = KeyFlags::OW.with(KeyFlags::UPDATE);
/// Makes a key that is not there.
pub const CREATES: KeyFlags = KeyFlags::OW.with(KeyFlags::INSERT);
/// Removes the key.
pub const REMOVES: KeyFlags = KeyFlags::RM.with(KeyFlags::DELETE);

/// Where the keys of a spec begin.
#[derive(Debug, Clone, Copy)]
pub enum Begin {
    /// At this argument; the name is at 0.
    Index(usize),
    /// After this word, which is looked for from an argument on.
    Keyword {
        /// In upper case.
        word: &'static str,
        /// The first argument that may be the word.
        from: usize,
    },
    /// Where this function says; `COMMAND INFO` calls it unknown.
    Unknown(fn(&Args<'_>) -> Option<usize>),
    /// Nowhere among the arguments: the keys are made of patterns and data. The function names
    /// the option that does it, if one is given.
    Patterns(fn(&Args<'_>) -> Option<&'static str>),
}

/// Which arguments are keys, from where they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// All to the last one.
    Range {
        /// Counted from the first; negative from the end, -1 is the last argument.
        last: i32,
        /// From one key to the next.
        step: usize,
        /// With `last` -1: only one in so many of the rest are keys. 0: all.
        limit: usize,
    },
    /// So many as the argument at the beginning says, which they follow.
    Count,
}

/// One group of keys of a command.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What happens to them.
    pub flags: KeyFlags,
    /// If the flags depend on the arguments: those that hold for these.
    pub flags_of: Option<fn(&Args<'_>) -> KeyFlags>,
    /// Where they begin.
    pub begin: Begin,
    /// Which they are.
    pub find: Find,
}

/// The keys of a command.
pub type Keys = &'static [KeySpec];

/// The argument at this position.
pub const fn at(position: usize, flags: KeyFlags) -> KeySpec {
    up_to(position, 0, flags)
}

/// All arguments from one to another; see [`Find::Range`] for `last`.
pub const fn up_to(first: usize, last: i32, flags: KeyFlags) -> KeySpec {
    let find = Find::Range { last, step: 1, limit: 0 };
    KeySpec { flags, flags_of: None, begin: Begin::Index(first), find }
}

/// All arguments from this one on.
pub const fn all_from(first: usize, flags: KeyFlags) -> KeySpec {
    up_to(first, -1, flags)
}

/// Every other argument.
pub const fn pairs_from(first: usize, flags: KeyFlags) -> KeySpec {
    let find = Find::Range { last: -1, step: 2, limit: 0 };
    KeySpec { flags, flags_of: None, begin: Begin::Index(first), find }
}

/// As many as the argument at this position says, after it (`numkeys key ...`).
pub const fn counted(position: usize, flags: KeyFlags) -> KeySpec {
    KeySpec { flags, flags_of: None, begin: Begin::Index(position), find: Find::Count }
}

/// The argument after a word that may be given.
pub const fn after(word: &'static str, from: usize, flags: KeyFlags) -> KeySpec {
    let find = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { flags, flags_of: None, begin: Begin::Keyword { word, from }, find }
}

/// The first half of what follows a word (`STREAMS key ... id ...`).
pub const fn half_after(word: &'static str, from: usize, flags: KeyFlags) -> KeySpec {
    let find = Find::Range { last: -1, step: 1, limit: 2 };
    KeySpec { flags, flags_of: None, begin: Begin::Keyword { word, from }, find }
}

/// The argument that a function finds.
pub const fn found_by(find: fn(&Args<'_>) -> Option<usize>, flags: KeyFlags) -> KeySpec {
    let one = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { flags, flags_of: None, begin: Begin::Unknown(find), find: one }
}

/// Keys that an option makes of patterns and data.
pub const fn by_patterns(
    option: fn(&Args<'_>) -> Option<&'static str>,
    flags: KeyFlags,
) -> KeySpec {
    let none = Find::Range { last: 0, step: 1, limit: 0 };
    KeySpec { flags, flags_of: None, begin: Begin::Patterns(option), find: none }
}

impl KeySpec {
    /// With flags that depend on the arguments; those given before are the most there can be.
    #[must_use]
    pub const fn depending(self, flags_of: fn(&Args<'_>) -> KeyFlags) -> KeySpec {
        let flags = self.flags.with(KeyFlags::VARIABLE);
        KeySpec { flags, flags_of: Some(flags_of), ..self }
    }

    /// Whether the positions are the same for every call of so many arguments.
    const fn is_fixed(&self) -> bool {
        matches!((self.begin, self.find), (Begin::Index(_), Find::Range { .. }))
    }

    /// Position of the first argument to look at; `None`: there are no keys of this spec.
    fn begin_in(&self, args: &Args<'_>) -> Option<usize> {
        match self.begin {
            Begin::Index(position) => Some(position),
            Begin::Keyword { word, from } => {
                // The last argument is not looked at: nothing could follow it.
                let searched = args.iter().take(args.len().saturating_sub(1)).skip(from);
                let found = searched.map(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
                found.into_iter().position(|is_it| is_it).map(|at| from + at + 1)
            }
            Begin::Unknown(find) => find(args),
            Begin::Patterns(_) => None,
        }
    }

    /// First and last position and step; the arguments may end before.
    fn range_in(&self, args: &Args<'_>, begin: usize) -> Result<(usize, usize, usize), NoKeys> {
        match self.find {
            Find::Range { last, step, limit } => {
                let last = match (usize::try_from(last), limit) {
                    (Ok(last), _) => Some(begin + last),
                    (Err(_), 0) => args.len().checked_sub(last.unsigned_abs() as usize),
                    (Err(_), limit) => {
                        let rest = args.len().saturating_sub(begin) / limit;
                        (begin + rest).checked_sub(1)
                    }
                };
                Ok((begin, last.ok_or(NoKeys)?, step))
            }
            Find::Count => {
                let count = args.get(begin).and_then(|count| parse_i64(count)).ok_or(NoKeys)?;
                let count = usize::try_from(count).map_err(|_| NoKeys)?;
                Ok((begin + 1, begin.checked_add(count).ok_or(NoKeys)?, 1))
            }
        }
    }
}

/// The arguments are wrong, so that nobody can tell which are keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoKeys;

/// A key among the arguments of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// Which argument it is; the command's name is at 0.
    pub position: usize,
    /// What happens to it.
    pub flags: KeyFlags,
}

/// The keys among `args` (name first), spec after spec.
///
/// # Errors
///
/// A position that a spec names is past the end, or a number of keys is none.
pub fn keys<'a>(specs: &[KeySpec], args: &Args<'a>) -> Result<Vec<KeyUse<'a>>, NoKeys> {
    let mut found = Vec::new();
    for spec in specs.iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
        let Some(begin) = spec.begin_in(args) else {
            continue;
        };
        let (first, last, step) = spec.range_in(args, begin)?;
        if last >= args.len() || last < first {
            return Err(NoKeys);
        }
        let flags = spec.flags_of.map_or(spec.flags, |flags_of| flags_of(args));
        let positions = (first..=last).step_by(step);
        found.extend(positions.map(|position| KeyUse { key: args[position], position, flags }));
    }
    Ok(found)
}

/// The option that makes the command read keys that are not among its arguments, if one does.
pub fn reads_by_patterns(specs: &[KeySpec], args: &Args<'_>) -> Option<&'static str> {
    specs.iter().find_map(|spec| match spec.begin {
        Begin::Patterns(option) => option(args),
        _ => None,
    })
}

/// Whether the positions of keys depend on more than the number of arguments.
pub fn are_movable(specs: &[KeySpec]) -> bool {
    specs.iter().any(|spec| !spec.is_fixed())
}

/// First key, last key and step, as far as three numbers can say it: of the specs with fixed
/// positions, as long as each goes on where the one before it ended.
pub fn legacy_range(specs: &[KeySpec]) -> (i64, i64, i64) {
    let mut range: Option<(i64, i64, i64)> = None;
    for spec in specs {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            continue;
        };
        let (first, step) = (first as i64, step as i64);
        let last = if last < 0 { i64::from(last) } else { first + i64::from(last) };
        range = match range {
            None => Some((first, last, step)),
            Some((begin, end, 1)) if end + 1 == first && step == 1 => Some((begin, last, 1)),
            known => known,
        };
    }
    range.unwrap_or((0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::super::Call;
    use super::*;

    fn shown(line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let call = Call::find(&args).expect("a command");
        let Ok(keys) = call.keys(&args) else {
            return "none".into();
        };
        let name = |key: &KeyUse<'_>| {
            let flags = key.flags;
            let mode = match (flags.reads(), flags.writes()) {
                (true, true) => "rw",
                (true, false) => "r",
                (false, true) => "w",
                (false, false) => "-",
            };
            format!("{mode}:{}", String::from_utf8_lossy(key.key))
        };
        keys.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn keys_are_where_the_row_says_and_used_as_it_says() {
        let rows = [
            ("set k v ex 10", "w:k"),
            ("set k v ex 10 get", "rw:k"),
            ("mset a 1 b 2", "w:a w:b"),
            ("del a b c", "w:a w:b w:c"),
            ("rename a b", "rw:a w:b"),
            ("copy a b db 1", "r:a w:b"),
            ("object encoding k", "-:k"),
            ("object help", ""),
            ("dbsize", ""),
            ("lcs a b idx", "r:a r:b"),
            ("blpop a b 0", "rw:a rw:b"),
            ("bitop and d a b", "w:d r:a r:b"),
            ("bitfield k get u8 0", "r:k"),
            ("bitfield k get u8 0 set u8 0 1", "rw:k"),
            ("zunionstore d 2 a b weights 1 2", "w:d r:a r:b"),
            ("zinter 2 a b", "r:a r:b"),
            ("lmpop 2 a b left", "rw:a rw:b"),
            ("blmpop 0 2 a b left", "rw:a rw:b"),
            ("xread count 1 block 0 streams a b 0 0", "r:a r:b"),
            ("xreadgroup group g c streams a b > >", "r:a r:b"),
            ("georadius g 1 2 3 m", "r:g"),
            ("georadius g 1 2 3 m store d", "r:g w:d"),
            ("georadiusbymember g a 3 m storedist d", "r:g w:d"),
            ("sort k by w_* get # store d", "r:k w:d"),
            ("sort_ro k by w_*", "r:k"),
            ("memory usage k samples 0", "-:k"),
            ("xgroup create k g 0", "w:k"),
            ("publish c m", ""),
        ];
        for (line, keys) in rows {
            assert_eq!(shown(line), keys, "{line}");
        }
    }

    #[test]
    fn wrong_arguments_have_no_keys_and_are_no_reason_to_panic() {
        for line in [
            "del",
            "zinter 3 a b",
            "zinter 0 a",
            "zinter -1 a",
            "zinter x a",
            "zinter 18446744073709551615 a",
            "zinter 9223372036854775807 a",
            "blpop",
            "rename a",
            "xread streams a",
        ] {
            assert_eq!(shown(line), "none", "{line}");
        }
    }
}
