//! Users: who may come in, and what they may do (Redis: acl.c).
//!
//! A user is a list of rules as `ACL SETUSER` takes them. One user always exists, `default`: it is
//! who a connection is before it says otherwise, and `requirepass` is its password.
//!
//! | file | what is in it |
//! |---|---|
//! | `user` | one user: passwords, and sets of permissions |
//! | `selector` | one set of permissions: commands, keys, channels |
//! | `file` | users as lines of text (`aclfile`) |
//! | `log` | what was refused lately (`ACL LOG`) |
//!
//! Must never: see a connection; the node asks.

mod file;
mod log;
mod selector;
mod user;

use std::collections::BTreeMap;

use crate::command::table::Command;
use crate::command::{Call, printable};

pub use file::user_line;
pub(crate) use log::{Context, Entry, Log, Reason};
pub use user::{Permissions, User};

/// Name of the user that always exists.
pub const DEFAULT: &[u8] = b"default";

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
    Key {
        /// Which argument it is.
        position: usize,
        /// The key.
        key: Vec<u8>,
    },
    /// An option that reads any key there may be (`BY`, `GET`).
    #[error("ERR {0} option of SORT denied due to insufficient ACL permissions.")]
    Option(&'static str),
    /// One of its channels.
    #[error("NOPERM this user has no permissions to access one of the channels used as arguments")]
    Channel {
        /// Which argument it is.
        position: usize,
        /// The channel.
        channel: Vec<u8>,
    },
}

impl Refusal {
    /// How far a set of permissions came before it refused: of several, the furthest is told.
    fn progress(&self) -> (u8, usize) {
        match self {
            Self::Command(_) => (0, 0),
            Self::Key { position, .. } => (1, *position),
            Self::Option(_) => (2, 0),
            Self::Channel { position, .. } => (3, *position),
        }
    }

    /// In the words of `ACL DRYRUN`.
    pub fn explained(&self) -> String {
        match self {
            Self::Command(name) => {
                format!("This user has no permissions to run the '{name}' command")
            }
            Self::Key { key, .. } => {
                let key = printable(key);
                format!("This user has no permissions to access the '{key}' key")
            }
            Self::Option(_) => self.to_string(),
            Self::Channel { channel, .. } => {
                let channel = printable(channel);
                format!("This user has no permissions to access the '{channel}' channel")
            }
        }
    }

    /// In the words of an `EXEC` whose user lost a right since his command was queued.
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::Command(_) => "can't run this command or subcommand",
            Self::Key { .. } => {
                "can't access at least one of the keys mentioned in the command arguments"
            }
            Self::Option(_) => "can't read every key that may be needed",
            Self::Channel { .. } => "can't publish to the channel mentioned in the command",
        }
    }
}

/// A rule that is none; its `Display` is what `ACL SETUSER` answers after `ERR `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule that does not exist, or not here.
    #[error("Error in ACL SETUSER modifier '{rule}': {reason}")]
    Rule {
        /// As given.
        rule: String,
        /// Why not.
        reason: &'static str,
    },
    /// A set of permissions without its closing parenthesis. Holds its first word.
    #[error("Unmatched parenthesis in acl selector starting at '{0}'.")]
    Unmatched(String),
}

impl RuleError {
    fn new(rule: &[u8], reason: &'static str) -> Self {
        Self::Rule { rule: printable(rule), reason }
    }

    fn unmatched(word: &[u8]) -> Self {
        Self::Unmatched(printable(word))
    }

    /// The words it is about, and what is wrong with them.
    pub fn parts(&self) -> (&str, &str) {
        match self {
            Self::Rule { rule, reason } => (rule, reason),
            Self::Unmatched(word) => (word, "Unmatched parenthesis in acl selector"),
        }
    }
}

/// Whether this cannot be the name of a user: it would break the line that describes him.
pub fn is_bad_name(name: &[u8]) -> bool {
    name.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}

/// All users, by name.
#[derive(Debug, Clone)]
pub struct Users {
    by_name: BTreeMap<Vec<u8>, User>,
    /// Whether every user may do everything: then no command has to be looked at.
    all_powerful: bool,
    /// Whether new users, and new sets of permissions, may use every channel
    /// (`acl-pubsub-default`).
    pub(crate) all_channels: bool,
}

impl Users {
    /// The user `default` alone: everything is allowed, with this password or with none.
    pub fn new(requirepass: Option<&[u8]>, all_channels: bool) -> Self {
        let by_name = BTreeMap::from([(DEFAULT.to_vec(), User::all_powerful())]);
        let mut users = Self { by_name, all_powerful: true, all_channels };
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
        let known = self.by_name.get(name).cloned();
        self.build(known, name, rules)
    }

    /// A `user` line: all rules, from nothing.
    ///
    /// # Errors
    ///
    /// As [`Users::set`].
    pub fn define(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<(), RuleError> {
        self.build(None, name, rules)
    }

    fn build(
        &mut self,
        known: Option<User>,
        name: &[u8],
        rules: &[&[u8]],
    ) -> Result<(), RuleError> {
        let mut user = known.unwrap_or_else(|| User::new(self.all_channels));
        user.apply_all(rules, self.all_channels)?;
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
            Some(user) => user.refusal(&Call::of(command, args), args),
            None => Some(Refusal::Command(command.name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::lookup;

    fn users(rules: &[&str]) -> Users {
        let mut users = Users::new(None, false);
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        users.set(b"u", &rules).expect("rules");
        users
    }

    fn may(users: &Users, words: &str) -> bool {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let command = lookup(args[0]).expect("a command");
        users.refusal(b"u", command, &args).is_none()
    }

    fn shown(users: &Users, name: &[u8]) -> String {
        let user = users.get(name).expect("a user");
        String::from_utf8(user.describe()).expect("UTF-8")
    }

    fn refused(users: &mut Users, rules: &[&str]) -> String {
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        users.set(b"u", &rules).expect_err("refused").to_string()
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
        let text = shown(&users, b"u");
        assert_eq!(
            text,
            "on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~k* \
             resetchannels -@all +config|get +get"
        );
        let rules: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        users.set(b"v", &rules).expect("its own words");
        assert_eq!(shown(&users, b"v"), text);
        let default = shown(&users, DEFAULT);
        assert_eq!(default, "on nopass ~* &* +@all");
        let wrong = users.set(b"u", &[b"off", b"+nosuch"]).expect_err("no such command");
        assert_eq!(wrong.parts().1, "Unknown command or category name in ACL");
        assert!(users.get(b"u").expect("a user").enabled, "all or none");
    }

    /// Inputs and results as a real 7.0.15 server showed them.
    #[test]
    fn what_is_no_rule_is_refused_with_the_texts_of_redis() {
        let mut users = users(&["on"]);
        let unknown = "Unknown command or category name in ACL";
        for (rules, reason) in [
            (&["+config|asdf"][..], unknown),
            (&["-config|asdf"], unknown),
            (&["+get|key1|key2"], unknown),
            (&["-select|0"], unknown),
            (&["+@nosuch"], unknown),
            (&["+config|get|appendonly"], "Allowing first-arg of a subcommand is not supported"),
            (&["+select|"], "Syntax error"),
            (&["%"], "Syntax error"),
            (&["%RR~x"], "Syntax error"),
            (&["~a b"], "Syntax error"),
            (&["&a b"], "Syntax error"),
            (&["(this)"], "Syntax error"),
            (&[" () "], "Syntax error"),
            (&[")"], "Syntax error"),
        ] {
            let text = format!("Error in ACL SETUSER modifier '{}': {reason}", rules[0]);
            assert_eq!(refused(&mut users, rules), text);
        }
        let text = "Unmatched parenthesis in acl selector starting at '(+get'.";
        assert_eq!(refused(&mut users, &["(+get", "~k"]), text);
        assert_eq!(shown(&users, b"u"), "on resetchannels -@all");
    }

    #[test]
    fn rules_without_effect_are_dropped() {
        for (rules, commands) in [
            (&["+memory|doctor", "+memory"][..], "-@all +memory"),
            (&["+memory", "+@all", "+client|id"], "+@all"),
            (&["+@all", "-memory|doctor"], "+@all -memory|doctor"),
            (&["+@all", "-memory|doctor", "+@all", "-memory"], "+@all -memory"),
            (&["+@all", "-client|kill"], "+@all -client|kill"),
            (&["+config", "-config|set"], "-@all +config -config|set"),
            (&["+select|0", "+select"], "-@all +select"),
            (&["+@string", "-get", "+get"], "-@all +@string"),
            (&["+@all", "-debug", "+debug|digest"], "+@all -debug +debug|digest"),
            (&["+get", "-@read"], "-@all"),
            (&["+@pubsub", "+get", "-@pubsub"], "-@all +get"),
        ] {
            assert_eq!(users(rules).get(b"u").expect("a user").permissions()[0].commands, commands);
        }
        for category in CATEGORIES {
            let (with, without) = (format!("+@{category}"), format!("-@{category}"));
            let text = |rules: &[&str]| {
                users(rules).get(b"u").expect("a user").permissions()[0].commands.clone()
            };
            assert_eq!(text(&[&with]), format!("-@all {with}"));
            assert_eq!(text(&["+@all", &without]), format!("+@all {without}"));
        }
    }

    #[test]
    fn a_first_argument_can_be_all_that_is_allowed() {
        let user = users(&["+select|0", "+debug|object", "~*"]);
        assert!(may(&user, "select 0") && !may(&user, "select 1"));
        assert!(may(&user, "debug OBJECT k") && !may(&user, "debug sleep 0"));
    }

    #[test]
    fn subcommands_have_categories_of_their_own() {
        let user = users(&["+@all", "-@dangerous"]);
        assert!(may(&user, "client id") && may(&user, "acl whoami") && may(&user, "config help"));
        assert!(!may(&user, "client kill x") && !may(&user, "config get x"));
        let refusal = |words: &str| {
            let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            let command = lookup(args[0]).expect("a command");
            user.refusal(b"u", command, &args).expect("refused").explained()
        };
        let text = "This user has no permissions to run the 'client|kill' command";
        assert_eq!(refusal("CLIENT KILL x"), text);
    }

    #[test]
    fn each_set_of_permissions_counts_by_itself() {
        let user = users(&["on", "(+@write", "~write::*)", "(+@read ~read::*)", "(+mget ~a ~b)"]);
        assert!(may(&user, "set write::k v") && may(&user, "get read::k"));
        assert!(!may(&user, "get write::k") && !may(&user, "set read::k v"));
        assert!(!may(&user, "ping"));
        assert_eq!(
            shown(&user, b"u"),
            "on resetchannels -@all (~write::* resetchannels -@all +@write) \
             (~read::* resetchannels -@all +@read) (~a ~b resetchannels -@all +mget)"
        );
        let args: [&[u8]; 4] = [b"mget", b"a", b"b", b"c"];
        let refusal = user.refusal(b"u", lookup(b"mget").expect("a command"), &args);
        assert_eq!(refusal, Some(Refusal::Key { position: 3, key: b"c".to_vec() }));
        let mut user = user;
        user.set(b"u", &[b"clearselectors"]).expect("a rule");
        assert_eq!(shown(&user, b"u"), "on resetchannels -@all");
    }

    #[test]
    fn channels_may_be_given_from_the_start() {
        let mut users = Users::new(None, true);
        users.set(b"u", &[b"on"]).expect("rules");
        assert_eq!(shown(&users, b"u"), "on &* -@all");
        users.all_channels = false;
        users.set(b"u", &[b"reset", b"&a*", b"&p"]).expect("rules");
        let user = users.get(b"u").expect("a user");
        assert!(user.may_listen(b"abc", false) && !user.may_listen(b"abc", true));
        assert!(user.may_listen(b"a*", true) && !user.may_listen(b"other", false));
    }
}
