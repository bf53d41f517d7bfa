//! Reading a file and the command line (config.c `loadServerConfigFromString`).

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use super::Config;
use super::access::find;
use super::directive::MULTI;
use super::types::SavePoints;
use crate::acl::{Users, is_bad_name};
use crate::codec::resp::{quote, split_args};

/// Files may include files, but not for ever.
const INCLUDE_DEPTH_MAX: usize = 16;
/// Directives of older versions that have no effect any more.
const OBSOLETE: [&str; 3] =
    ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];
/// A file or command line that is not accepted. Its text is what Redis prints before it exits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFileError {
    /// The included file, if it is one.
    pub included: Option<String>,
    /// Number of the line. The command line counts as lines after the file and an empty line.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***")?;
        match &self.included {
            Some(path) => write!(f, "Reading the included file '{path}'")?,
            None => write!(f, "Reading the configuration file")?,
        }
        writeln!(f, ", at line {}", self.line)?;
        writeln!(f, ">>> '{}'", self.text)?;
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigFileError {}

/// A file of a configuration: its path and its text.
pub type ConfigFile = (String, String);

/// Reads the file of an `include`; where it is a pattern, all that match, in order.
type ReadInclude<'a> = &'a mut dyn FnMut(&str) -> io::Result<Vec<ConfigFile>>;

impl Config {
    /// Defaults, then a file (`path` and text), then the command line (`--directive value ...`).
    pub fn load(
        file: Option<(&str, &str)>,
        overrides: &[String],
        read_include: ReadInclude<'_>,
    ) -> Result<Self, ConfigFileError> {
        let mut text = file.map(|(_, text)| text.to_owned()).unwrap_or_default();
        text.push('\n');
        text.push_str(&override_lines(overrides));
        let mut reader = Reader {
            config: Self::default(),
            saw_save: false,
            user_places: Vec::new(),
            read_include,
        };
        reader.read(&text, None, 0)?;
        reader.check_users()?;
        Ok(reader.config)
    }
}

/// The command line as lines of a file: each `--name` begins one, unless the one before still
/// has no value. `--save` may go without.
fn override_lines(overrides: &[String]) -> String {
    let mut text = String::new();
    let mut wants_value = false;
    for (at, word) in overrides.iter().enumerate() {
        match word.strip_prefix("--") {
            Some(name) if !wants_value => {
                if at > 0 {
                    text.push('\n');
                }
                text.push_str(name);
                // `"--port 6380"`: name and value in one word.
                let bare = overrides.get(at + 1).is_none_or(|next| next.starts_with("--"));
                wants_value = words_of(name).is_ok_and(|words| words.len() == 1);
                if name.eq_ignore_ascii_case("save") && bare {
                    text.push_str(" \"\"");
                    wants_value = false;
                }
            }
            _ => {
                text.push(' ');
                text.push_str(&quote(word.as_bytes()));
                wants_value = false;
            }
        }
    }
    text
}

struct Reader<'a> {
    config: Config,
    /// The first `save` replaces the default, later ones add.
    saw_save: bool,
    /// Where each of the `user` lines stands; what is wrong with it is known at the end, when
    /// `acl-pubsub-default` is.
    user_places: Vec<ConfigFileError>,
    read_include: ReadInclude<'a>,
}

impl Reader<'_> {
    fn read(
        &mut self,
        text: &str,
        path: Option<&str>,
        depth: usize,
    ) -> Result<(), ConfigFileError> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_matches([' ', '\t', '\r', '\n']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = |reason: String| ConfigFileError {
                included: path.map(str::to_owned),
                line: at + 1,
                text: line.to_owned(),
                reason,
            };
            let words = words_of(line).map_err(fail)?;
            let Some((name, values)) = words.split_first() else {
                continue;
            };
            if name.eq_ignore_ascii_case("include") && values.len() == 1 {
                for (path, text) in self.include(&values[0], depth).map_err(fail)? {
                    self.read(&text, Some(&path), depth + 1)?;
                }
                continue;
            }
            if name.eq_ignore_ascii_case("user") && !values.is_empty() {
                self.config.user_lines.push(values.to_vec());
                self.user_places.push(fail(String::new()));
                continue;
            }
            self.directive(name, values).map_err(fail)?;
        }
        Ok(())
    }

    fn include(&mut self, path: &str, depth: usize) -> Result<Vec<ConfigFile>, String> {
        if depth == INCLUDE_DEPTH_MAX {
            return Err(format!("files include each other more than {INCLUDE_DEPTH_MAX} deep"));
        }
        (self.read_include)(path)
            .map_err(|error| format!("can't open config file '{path}': {error}"))
    }

    fn directive(&mut self, name: &str, values: &[String]) -> Result<(), String> {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let lower = name.to_ascii_lowercase();
        if let Some(row) = find(&lower) {
            if values.is_empty() && !row.flags.has(MULTI) {
                return Err("wrong number of arguments".to_owned());
            }
            let before = std::mem::replace(&mut self.config.save, SavePoints(Vec::new()));
            row.assign_words(&mut self.config, &values)?;
            self.keep_save_points(before, row.name == "save", &values);
            return self.config.check(row.name);
        }
        if OBSOLETE.contains(&lower.as_str()) && values.len() == 1 {
            return Ok(());
        }
        Err(match lower.as_str() {
            "rename-command" => "rename-command: renaming commands is not supported",
            "loadmodule" => "loadmodule: modules are not supported",
            "sentinel" => "sentinel directive while not in sentinel mode",
            _ => "Bad directive or wrong number of arguments",
        }
        .to_owned())
    }

    /// All `user` lines, each against the others.
    fn check_users(&mut self) -> Result<(), ConfigFileError> {
        let mut users = Users::new(None, self.config.new_users_have_all_channels());
        let mut seen = BTreeSet::new();
        for (line, place) in self.config.user_lines.iter().zip(&self.user_places) {
            let words: Vec<&[u8]> = line.iter().map(String::as_bytes).collect();
            let [name, rules @ ..] = words.as_slice() else {
                continue;
            };
            let reason = if is_bad_name(name) {
                Some((line[0].clone(), "Spaces not allowed in ACL usernames".to_owned()))
            } else if !seen.insert(name.to_vec()) {
                let text = "Duplicate user found. A user can only be defined once in config files";
                Some((line[0].clone(), text.to_owned()))
            } else {
                let wrong = users.define(name, rules).err();
                wrong.map(|wrong| (wrong.parts().0.to_owned(), wrong.parts().1.to_owned()))
            };
            if let Some((word, reason)) = reason {
                let reason = format!("Error in user declaration '{word}': {reason}");
                return Err(ConfigFileError { reason, ..place.clone() });
            }
        }
        Ok(())
    }

    /// Several `save` lines add up, `save ""` forgets those before.
    fn keep_save_points(&mut self, before: SavePoints, is_save: bool, values: &[&str]) {
        if !is_save {
            self.config.save = before;
            return;
        }
        if self.saw_save && !values.is_empty() && *values != [""] {
            let added = std::mem::replace(&mut self.config.save, before);
            self.config.save.0.extend(added.0);
        }
        self.saw_save = true;
    }
}

fn words_of(line: &str) -> Result<Vec<String>, String> {
    split_args(line.as_bytes())
        .ok_or_else(|| "Unbalanced quotes in configuration line".to_owned())?
        .into_iter()
        .map(|word| String::from_utf8(word).map_err(|_| "value is not UTF-8".to_owned()))
        .collect()
}
