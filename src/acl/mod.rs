//! Users: who may come in, and what they may do (Redis: acl.c, as far as replication needs it).
//!
//! A user is a list of rules as `ACL SETUSER` takes them. One user always exists, `default`: it is
//! who a connection is before it says otherwise, and `requirepass` is its password.
//!
//! Not here: selectors, the log of refusals, and files of users (`aclfile`). Must never: see a
//! connection; the node asks.

mod user;

use std::collections::BTreeMap;

use crate::command::table::Command;

pub(crate) use user::CATEGORIES;
pub use user::{Refusal, RuleError, User};

/// Name of the user that always exists.
pub const DEFAULT: &[u8] = b"default";

/// All users, by name.
#[derive(Debug, Clone)]
pub struct Users {
    by_name: BTreeMap<Vec<u8>, User>,
    /// Whether every user may do everything: then no command has to be looked at.
    all_powerful: bool,
}

impl Users {
    /// The user `default` alone: everything is allowed, with this password or with none.
    pub fn new(requirepass: Option<&[u8]>) -> Self {
        let by_name = BTreeMap::from([(DEFAULT.to_vec(), User::all_powerful())]);
        let mut users = Self { by_name, all_powerful: true };
        users.set_default_password(requirepass);
        users
    }

    /// `requirepass` was set: its password takes the place of all that `default` had.
    pub fn set_default_password(&mut self, password: Option<&[u8]>) {
        if let Some(user) = self.by_name.get_mut(DEFAULT) {
            user.set_password(password);
        }
    }

    /// Whether a connection is let in without a word.
    pub fn is_open(&self) -> bool {
        self.by_name.get(DEFAULT).is_some_and(|user| user.enabled && user.no_password)
    }

    /// Whether this is the password of an enabled user of that name.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> bool {
        self.by_name.get(name).is_some_and(|user| user.enabled && user.accepts(password))
    }

    /// The user of that name.
    pub fn get(&self, name: &[u8]) -> Option<&User> {
        self.by_name.get(name)
    }

    /// All users in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &User)> {
        self.by_name.iter().map(|(name, user)| (name.as_slice(), user))
    }

    /// `ACL SETUSER`: all rules or none. The user is made if there is none.
    ///
    /// # Errors
    ///
    /// The first rule that is none, with its reason.
    pub fn set(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<(), RuleError> {
        let mut user = self.by_name.get(name).cloned().unwrap_or_default();
        for rule in rules {
            user.apply(rule)?;
        }
        self.by_name.insert(name.to_vec(), user);
        self.look_again();
        Ok(())
    }

    /// `ACL DELUSER`; false if there is no such user. `default` stays.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let removed = name != DEFAULT && self.by_name.remove(name).is_some();
        self.look_again();
        removed
    }

    fn look_again(&mut self) {
        self.all_powerful = self.by_name.values().all(User::may_do_everything);
    }

    /// Why this user may not execute this command. A user that is gone may do nothing; his
    /// connections are closed when he is removed.
    pub fn refusal(
        &self,
        name: &[u8],
        command: &'static Command,
        args: &[&[u8]],
    ) -> Option<Refusal> {
        if self.all_powerful {
            return None;
        }
        match self.by_name.get(name) {
            Some(user) => user.refusal(command, args),
            None => Some(Refusal::Command(command.name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::lookup;

    fn users(rules: &[&str]) -> Users {
        let mut users = Users::new(None);
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        users.set(b"u", &rules).expect("rules");
        users
    }

    fn may(users: &Users, words: &str) -> bool {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let command = lookup(args[0]).expect("a command");
        users.refusal(b"u", command, &args).is_none()
    }

    #[test]
    fn a_new_user_may_do_nothing_and_rules_count_in_their_order() {
        assert!(!may(&users(&[]), "get k"));
        let reader = users(&["on", ">pw", "~k*", "+@read", "-strlen"]);
        assert!(may(&reader, "get k1"));
        assert!(!may(&reader, "get other"), "another key");
        assert!(!may(&reader, "strlen k1"), "taken away again");
        assert!(!may(&reader, "set k1 v"));
        assert!(reader.authenticate(b"u", b"pw"));
        assert!(!reader.authenticate(b"u", b"other"));
        assert!(!users(&[">pw"]).authenticate(b"u", b"pw"), "off");
    }

    #[test]
    fn subcommands_read_and_write_patterns() {
        let user = users(&["+config|get", "%R~r*", "%W~w*", "+@all", "-debug", "-config|set"]);
        assert!(may(&user, "config get a"));
        assert!(!may(&user, "config set a b"));
        assert!(!may(&user, "debug sleep 0"));
        assert!(may(&user, "get r1"));
        assert!(!may(&user, "get w1"));
        assert!(may(&user, "set w1 v"));
        assert!(!may(&user, "set r1 v"));
    }

    #[test]
    fn shown_as_it_can_be_given() {
        let mut users = users(&["on", ">pw", "~k*", "+get", "+config|get", "+get"]);
        let shown = users.get(b"u").expect("a user").to_string();
        assert_eq!(
            shown,
            "on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~k* \
             resetchannels -@all +config|get +get"
        );
        let rules: Vec<&[u8]> = shown.split(' ').map(str::as_bytes).collect();
        users.set(b"v", &rules).expect("its own words");
        assert_eq!(users.get(b"v").expect("a user").to_string(), shown);
        let default = users.get(DEFAULT).expect("always there").to_string();
        assert_eq!(default, "on nopass ~* &* +@all");
        let wrong = users.set(b"u", &[b"off", b"+nosuch"]).expect_err("no such command");
        assert_eq!(wrong.reason, "Unknown command or category name in ACL");
        assert!(users.get(b"u").expect("a user").enabled, "all or none");
    }
}
