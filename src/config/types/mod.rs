//! Types of values: how each is parsed and shown.

mod choices;
mod limits;
mod lists;
mod numbers;

pub use choices::{DisklessLoad, PropagationErrorBehavior, ShutdownFlags, WhoMay};
pub use limits::{OutputLimit, OutputLimits};
pub use lists::{
    KeyspaceEvents, MasterAddr, OomScores, Percentiles, SavePoint, SavePoints, WordList, parse_save,
};
pub(super) use numbers::show_memory_unit;
pub use numbers::{MemoryOrPercent, parse_memory};

use super::directive::Kind;

/// A type that a directive's field can have.
pub trait Setting {
    /// Parses the words of a value. On error, the text that follows `- ` in the reply.
    fn assign(&mut self, words: &[&str], kind: &Kind) -> Result<(), String>;
    /// As `CONFIG GET` shows it.
    fn show(&self, kind: &Kind) -> String;
}

impl Setting for bool {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        *self = match words {
            [word] if word.eq_ignore_ascii_case("yes") => true,
            [word] if word.eq_ignore_ascii_case("no") => false,
            _ => return Err("argument must be 'yes' or 'no'".to_owned()),
        };
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl Setting for String {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        *self = words.join(" ");
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        self.clone()
    }
}

/// Empty is unset.
impl Setting for Option<String> {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let text = words.join(" ");
        *self = (!text.is_empty()).then_some(text);
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        self.clone().unwrap_or_default()
    }
}

impl Setting for &'static str {
    fn assign(&mut self, words: &[&str], kind: &Kind) -> Result<(), String> {
        let Kind::Choice(choices) = kind else {
            return Err("not a choice".to_owned());
        };
        *self = choose(words, choices)?;
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        (*self).to_owned()
    }
}

/// The one of `choices` that is meant.
fn choose(words: &[&str], choices: &[&'static str]) -> Result<&'static str, String> {
    match words {
        [word] => choices.iter().find(|choice| choice.eq_ignore_ascii_case(word)),
        _ => None,
    }
    .copied()
    .ok_or_else(|| not_among(choices))
}

fn not_among(choices: &[&str]) -> String {
    let list = choices.join(", ");
    format!("argument(s) must be one of the following: {list}")
}
