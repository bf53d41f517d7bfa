//! Users as lines of text: `user NAME RULE ...`, as `ACL LIST` shows them (`aclfile`).
//!
//! Must never: read or write a file; the text comes from outside.

use std::collections::BTreeSet;

use super::{DEFAULT, RuleError, User, Users, is_bad_name};
use crate::command::printable;

impl Users {
    /// All users of a file whose text this is; `default` is as it was made, if it is not among
    /// them. Comments are no users: they would be lost when the file is written.
    ///
    /// # Errors
    ///
    /// Every mistake with the file's name (`path`) and its line, in one line, as `ACL LOAD`
    /// answers it after `ERR ` (acl.c `ACLLoadFromFile`).
    pub fn read(text: &[u8], path: &str, all_channels: bool) -> Result<Self, String> {
        let mut users = Self::new(None, all_channels);
        let mut seen = BTreeSet::new();
        let mut errors = String::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if let Err(error) = users.read_line(line, path, at + 1, &mut seen) {
                errors.push_str(&error);
            }
        }
        if errors.is_empty() {
            return Ok(users);
        }
        errors.push_str(
            "WARNING: ACL errors detected, no change to the previously active ACL rules was \
             performed",
        );
        Err(errors)
    }

    fn read_line(
        &mut self,
        line: &[u8],
        path: &str,
        number: usize,
        seen: &mut BTreeSet<Vec<u8>>,
    ) -> Result<(), String> {
        let words: Vec<&[u8]> =
            line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let (name, rules) = match words.as_slice() {
            [] => return Ok(()),
            [b"user", name, rules @ ..] => (*name, rules),
            _ => {
                return Err(format!(
                    "{path}:{number} should start with user keyword followed by the username. "
                ));
            }
        };
        if is_bad_name(name) {
            let name = printable(name);
            return Err(format!(
                "{path}:{number}: username '{name}' contains invalid characters. "
            ));
        }
        if !seen.insert(name.to_vec()) {
            let name = printable(name);
            return Err(format!("WARNING: Duplicate user '{name}' found on line {number}. "));
        }
        self.define(name, rules).map_err(|error| match error {
            RuleError::Unmatched(_) => {
                format!("{path}:{number}: Unmatched parenthesis in selector definition. ")
            }
            // Only what cannot be a password is quoted.
            RuleError::Rule { rule, reason } if rule.starts_with(['+', '-']) => {
                format!("{path}:{number}: Error in applying operation '{rule}': {reason}. ")
            }
            RuleError::Rule { reason, .. } => format!("{path}:{number}: {reason}. "),
        })
    }

    /// The text of a file with all users.
    pub fn write(&self) -> Vec<u8> {
        let line = |(name, user): (&[u8], &User)| user_line(name, user);
        self.iter().map(line).flat_map(|line| [line, b"\n".to_vec()].concat()).collect()
    }

    /// Whether `default` alone is there, as `requirepass` makes it: then no line is needed.
    pub fn are_plain(&self, requirepass: Option<&[u8]>) -> bool {
        let plain = Self::new(requirepass, self.all_channels);
        self.by_name.len() == 1 && self.get(DEFAULT) == plain.get(DEFAULT)
    }
}

/// The line of one user, without a newline.
pub fn user_line(name: &[u8], user: &User) -> Vec<u8> {
    [b"user ", name, b" ", &user.describe()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Users, String> {
        Users::read(text.as_bytes(), "users.acl", false)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = "user alice on nopass ~* &* +@all\n\n  user bob off (+get ~k) resetchannels \n";
        let users = read(text).expect("a file");
        let written = String::from_utf8(users.write()).expect("UTF-8");
        assert_eq!(
            written,
            "user alice on nopass ~* &* +@all\n\
             user bob off resetchannels -@all (~k resetchannels -@all +get)\n\
             user default on nopass ~* &* +@all\n"
        );
        let again = read(&written).expect("its own text");
        assert_eq!(again.write(), users.write());
        assert!(read("").expect("no user").are_plain(None));
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_no_password() {
        let text = "# users\nuser a on\nuser a off\nuser b +nosuch\nuser c !secret\nuser\n\
                    user d (+get\n";
        let error = read(text).expect_err("mistakes");
        assert_eq!(
            error,
            "users.acl:1 should start with user keyword followed by the username. \
             WARNING: Duplicate user 'a' found on line 3. \
             users.acl:4: Error in applying operation '+nosuch': Unknown command or category name \
             in ACL. \
             users.acl:5: The password hash must be exactly 64 characters and contain only \
             lowercase hexadecimal characters. \
             users.acl:6 should start with user keyword followed by the username. \
             users.acl:7: Unmatched parenthesis in selector definition. \
             WARNING: ACL errors detected, no change to the previously active ACL rules was \
             performed"
        );
    }
}
