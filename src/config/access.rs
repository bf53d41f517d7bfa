//! `CONFIG GET` and `CONFIG SET` (config.c `configGetCommand`, `configSetCommand`).

use std::collections::BTreeSet;

use super::Config;
use super::directive::{Directive, HIDDEN, IMMUTABLE, PROTECTED, SECRET, SETTLED};
use super::table::DIRECTIVES;

/// The row with this name or alias, in any case.
pub(super) fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|row| row.is_called(name))
}

/// Whether the value of the directive of this name must not be told.
pub(crate) fn is_secret(name: &[u8]) -> bool {
    let row = std::str::from_utf8(name).ok().and_then(find);
    row.is_some_and(|row| row.flags.has(SECRET))
}

impl Config {
    /// Names and values that a pattern of `CONFIG GET` finds.
    ///
    /// A pattern without `*`, `?` and `[` is a name, and is answered as it was typed. Otherwise
    /// every matching name counts, aliases too.
    pub fn get(&self, pattern: &str) -> Vec<(String, String)> {
        if !pattern.contains(['*', '?', '[']) {
            let found = find(pattern);
            return found.map(|row| (pattern.to_owned(), (row.show)(self))).into_iter().collect();
        }
        let mut found = Vec::new();
        for row in DIRECTIVES.iter().filter(|row| !row.flags.has(HIDDEN)) {
            for name in std::iter::once(row.name).chain(row.alias) {
                if glob_matches(pattern.as_bytes(), name.as_bytes()) {
                    found.push((name.to_owned(), (row.show)(self)));
                }
            }
        }
        found
    }

    /// As [`Config::get`] for several patterns; each name once.
    pub fn get_all(&self, patterns: &[&str]) -> Vec<(String, String)> {
        let mut seen = BTreeSet::new();
        patterns
            .iter()
            .flat_map(|pattern| self.get(pattern))
            .filter(|(name, _)| seen.insert(name.clone()))
            .collect()
    }

    /// Whether one of these directives stays as it is while a dataset is being loaded.
    pub fn any_settled(pairs: &[(&str, &str)]) -> bool {
        let settled = |name: &str| find(name).is_some_and(|row| row.flags.has(SETTLED));
        pairs.iter().any(|(name, _)| settled(name))
    }

    /// `CONFIG SET`, all or nothing, for a client of another machine: see [`Config::set_from`].
    pub fn set(&mut self, pairs: &[(&str, &str)]) -> Result<BTreeSet<&'static str>, String> {
        self.set_from(pairs, false)
    }

    /// `CONFIG SET`, all or nothing. `local`: the client is on this machine, which counts when
    /// `enable-protected-configs` is `local`. Returns the names (not aliases) whose values
    /// are others now. On error nothing has changed; the text follows `-ERR ` in the reply.
    pub fn set_from(
        &mut self,
        pairs: &[(&str, &str)],
        local: bool,
    ) -> Result<BTreeSet<&'static str>, String> {
        let mut rows: Vec<&'static Directive> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let row = find(name).ok_or_else(|| {
                format!("Unknown option or number of arguments for CONFIG SET - '{name}'")
            })?;
            let refusal = if row.flags.has(IMMUTABLE) {
                Some("can't set immutable config")
            } else if row.flags.has(PROTECTED) && !self.enable_protected_configs.allows(local) {
                Some("can't set protected config")
            } else if rows.iter().any(|other| std::ptr::eq(*other, row))
                && is_same_name(pairs, name)
            {
                Some("duplicate parameter")
            } else {
                None
            };
            if let Some(refusal) = refusal {
                return Err(failure(name, refusal));
            }
            rows.push(row);
        }
        self.set_checked(pairs)
    }

    /// As [`Config::set_from`] for directives that may be set, as far as that has been asked:
    /// those of a `CONFIG SET` that went well, or their values of before.
    pub(crate) fn set_checked(
        &mut self,
        pairs: &[(&str, &str)],
    ) -> Result<BTreeSet<&'static str>, String> {
        let mut changed = self.clone();
        let mut rows: Vec<&'static Directive> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let row = find(name).ok_or_else(|| format!("Unknown option - '{name}'"))?;
            rows.push(row);
            row.assign_words(&mut changed, &[value])
                .and_then(|()| changed.check(row.name))
                .map_err(|reason| failure(name, &reason))?;
        }
        let differs = |row: &&&Directive| (row.show)(self) != (row.show)(&changed);
        let names = rows.iter().filter(differs).map(|row| row.name).collect();
        *self = changed;
        Ok(names)
    }

    /// The value of a directive, as `CONFIG GET` shows it; empty if there is none.
    pub(crate) fn shown(&self, name: &str) -> String {
        find(name).map_or_else(String::new, |row| (row.show)(self))
    }
}

/// Whether a name stands there twice. A name and its alias are two: the later one wins.
fn is_same_name(pairs: &[(&str, &str)], name: &str) -> bool {
    let same = |(other, _): &&(&str, &str)| other.eq_ignore_ascii_case(name);
    pairs.iter().filter(same).count() > 1
}

/// Why `CONFIG SET` has changed nothing; the text follows `-ERR ` in the reply.
pub(crate) fn failure(name: &str, reason: &str) -> String {
    let name = name.to_ascii_lowercase();
    format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}")
}

/// Glob patterns: `*`, `?`, `[a-z]`, `[^a]`, `\`; case does not matter.
///
/// Only the last `*` is ever tried again, so the work is at most pattern times text.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            None if p == pattern.len() => return true,
            None => return false,
            Some(byte) => match_one(&pattern[p..], *byte),
        };
        match (step, retry) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((after_star, from))) => {
                p = after_star;
                t = from + 1;
                retry = Some((after_star, from + 1));
            }
            (None, None) => return false,
        }
    }
}

/// Length of the element at the front of `pattern` if it matches `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let byte = byte.to_ascii_lowercase();
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', literal, ..] => literal.eq_ignore_ascii_case(&byte).then_some(2),
        [b'[', rest @ ..] => {
            let (negated, start) = (rest.first() == Some(&b'^'), 1);
            let mut at = start + usize::from(negated);
            let mut found = false;
            while let Some(&low) = pattern.get(at) {
                match pattern.get(at..) {
                    Some([b']', ..]) => {
                        at += 1;
                        break;
                    }
                    Some([_, b'-', high, ..]) if *high != b']' => {
                        let (low, high) = (low.min(*high), low.max(*high));
                        found |=
                            (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte);
                        at += 3;
                    }
                    _ => {
                        found |= low.eq_ignore_ascii_case(&byte);
                        at += 1;
                    }
                }
            }
            (found != negated).then_some(at)
        }
        [literal, ..] => literal.eq_ignore_ascii_case(&byte).then_some(1),
    }
}
