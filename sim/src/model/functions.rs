//! Libraries of functions: their texts, by the name that each gives itself.

use super::reply::{Answer, bulk, error};
use super::{Change, Outcome, Step, ok};

/// The name that a library gives itself in its first line, `#!lua name=...`.
fn name_in(code: &[u8]) -> Option<&[u8]> {
    let line = code.split(|byte| *byte == b'\n').next()?;
    line.split(|byte| *byte == b' ').find_map(|word| word.strip_prefix(b"name="))
}

impl Step<'_> {
    pub(super) fn function(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        let (b"FUNCTION", [what, args @ ..]) = (name, args) else { return Ok(Answer::Unknown) };
        Ok(match (what.to_ascii_uppercase().as_slice(), args) {
            // Whether a text is a library is not for the model to say.
            (b"LOAD", [.., _]) if self.reply.starts_with(b"-") => Answer::Unknown,
            (b"LOAD", [.., code]) => match name_in(code) {
                Some(name) => {
                    self.changes.push(Change::Keep(name.to_vec(), code.to_vec()));
                    bulk(Some(name))
                }
                None => Answer::Unknown,
            },
            (b"DELETE", [name]) if self.model.libraries.contains_key(*name) => {
                self.changes.push(Change::Forget(name.to_vec()));
                ok()
            }
            (b"DELETE", [_]) => error("ERR Library not found"),
            (b"FLUSH", _) => {
                let all = self.model.libraries.keys();
                self.changes.extend(all.map(|name| Change::Forget(name.clone())));
                ok()
            }
            _ => Answer::Unknown,
        })
    }
}
