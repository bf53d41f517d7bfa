//! One user: credentials, and the sets of permissions that the rules given so far amount to.

use sha2::{Digest as _, Sha256};

use super::selector::{self, SYNTAX, Selector};
use super::{Refusal, RuleError};
use crate::codec::resp::split_args;
use crate::command::Call;

const NO_SUCH_PASSWORD: &str = "The password you are trying to remove from the user does not exist";
const BAD_HASH: &str = "The password hash must be exactly 64 characters and contain only \
                        lowercase hexadecimal characters";

/// See the module's text. A new one is off and may do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// May log in.
    pub enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// What it restores is not looked at closely. Kept to be shown: here it always is.
    skips_sanitizing: bool,
    /// SHA-256 of each password, in hexadecimal.
    passwords: Vec<String>,
    root: Selector,
    more: Vec<Selector>,
}

/// A set of permissions, as `ACL GETUSER` shows it: rules that can be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Rules about commands.
    pub commands: String,
    /// Patterns of keys.
    pub keys: Vec<u8>,
    /// Patterns of channels.
    pub channels: Vec<u8>,
}

impl User {
    /// A new user. `all_channels` is `acl-pubsub-default`.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            enabled: false,
            no_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::powerless(all_channels),
            more: Vec::new(),
        }
    }

    /// `on nopass ~* &* +@all`.
    pub(super) fn all_powerful() -> Self {
        Self { enabled: true, no_password: true, root: Selector::all_powerful(), ..Self::new(true) }
    }

    pub(super) fn may_do_everything(&self) -> bool {
        self.root.may_do_everything()
    }

    // --- passwords

    pub(super) fn set_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.map(hash).into_iter().collect();
        self.no_password = password.is_none();
    }

    pub(super) fn accepts(&self, password: &[u8]) -> bool {
        let given = hash(password);
        // Every hash is looked at to its end, so that time tells nothing.
        self.passwords.iter().fold(self.no_password, |right, wanted| right | same(wanted, &given))
    }

    fn add_password(&mut self, hashed: String) {
        self.no_password = false;
        if !self.passwords.contains(&hashed) {
            self.passwords.push(hashed);
        }
    }

    fn remove_password(&mut self, hashed: &str) -> Result<(), &'static str> {
        let before = self.passwords.len();
        self.passwords.retain(|known| known != hashed);
        if self.passwords.len() == before { Err(NO_SUCH_PASSWORD) } else { Ok(()) }
    }

    // --- rules

    /// All rules, in their order. On error the user may be changed in part: work on a copy.
    pub(super) fn apply_all(
        &mut self,
        rules: &[&[u8]],
        all_channels: bool,
    ) -> Result<(), RuleError> {
        for rule in merge_selectors(rules)? {
            self.apply(&rule, all_channels).map_err(|reason| RuleError::new(&rule, reason))?;
        }
        Ok(())
    }

    fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), &'static str> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"nopass" => self.set_password(None),
            b"resetpass" => {
                self.passwords.clear();
                self.no_password = false;
            }
            b"clearselectors" => self.more.clear(),
            b"reset" => *self = Self::new(all_channels),
            _ => return self.apply_prefixed(rule, all_channels),
        }
        Ok(())
    }

    fn apply_prefixed(&mut self, rule: &[u8], all_channels: bool) -> Result<(), &'static str> {
        match rule {
            [b'>', password @ ..] => self.add_password(hash(password)),
            [b'<', password @ ..] => self.remove_password(&hash(password))?,
            [b'#', hashed @ ..] => self.add_password(checked_hash(hashed)?),
            [b'!', hashed @ ..] => self.remove_password(&checked_hash(hashed)?)?,
            [b'(', inner @ .., b')'] => {
                let mut selector = Selector::powerless(all_channels);
                for word in split_args(inner).ok_or(SYNTAX)? {
                    selector.apply(&word)?;
                }
                self.more.push(selector);
            }
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    // --- decisions

    fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.more)
    }

    /// Why no set of permissions allows this: of several reasons the one that came furthest
    /// (acl.c `ACLCheckAllUserCommandPerm`).
    pub(super) fn refusal(&self, call: &Call, args: &[&[u8]]) -> Option<Refusal> {
        let mut furthest: Option<Refusal> = None;
        for selector in self.selectors() {
            let refusal = selector.refusal(call, args)?;
            if furthest.as_ref().is_none_or(|known| refusal.progress() > known.progress()) {
                furthest = Some(refusal);
            }
        }
        furthest
    }

    /// The channels of all sets together; `None`: every channel.
    fn channels(&self) -> Option<Vec<Vec<u8>>> {
        if self.selectors().any(|selector| selector.all_channels) {
            return None;
        }
        Some(self.selectors().flat_map(|selector| selector.channels.clone()).collect())
    }

    /// Whether it may go on listening to a channel, or to a pattern of channels.
    pub fn may_listen(&self, channel: &[u8], is_pattern: bool) -> bool {
        let known = self.channels();
        known.is_none_or(|known| selector::channel_is_among(&known, channel, is_pattern))
    }

    // --- how it is shown

    /// Flags as `ACL GETUSER` shows them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.no_password.then_some("nopass"));
        flags.extend(self.skips_sanitizing.then_some("skip-sanitize-payload"));
        flags
    }

    /// SHA-256 of each password, in hexadecimal.
    pub fn passwords(&self) -> &[String] {
        &self.passwords
    }

    /// Its sets of permissions; there is at least one.
    pub fn permissions(&self) -> Vec<Permissions> {
        let show = |selector: &Selector| Permissions {
            commands: selector.commands(),
            keys: selector.key_patterns(),
            channels: selector.channel_patterns(),
        };
        self.selectors().map(show).collect()
    }

    /// As in `ACL LIST`, without the name.
    pub fn describe(&self) -> Vec<u8> {
        let flags = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec());
        let mut words: Vec<Vec<u8>> = flags.collect();
        words.extend(self.passwords.iter().map(|hashed| format!("#{hashed}").into_bytes()));
        words.push(self.root.describe());
        let more = self.more.iter().map(|selector| [b"(", &selector.describe()[..], b")"].concat());
        words.extend(more);
        words.join(&b' ')
    }
}

/// A set in parentheses may be spread over several words (acl.c `ACLMergeSelectorArguments`).
fn merge_selectors(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, RuleError> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        open = match open.take() {
            None if rule.first() == Some(&b'(') && rule.last() != Some(&b')') => {
                Some((rule, rule.to_vec()))
            }
            None => {
                merged.push(rule.to_vec());
                None
            }
            Some((first, mut words)) => {
                words.push(b' ');
                words.extend_from_slice(rule);
                if rule.last() == Some(&b')') {
                    merged.push(words);
                    None
                } else {
                    Some((first, words))
                }
            }
        };
    }
    match open {
        Some((first, _)) => Err(RuleError::unmatched(first)),
        None => Ok(merged),
    }
}

fn hash(password: &[u8]) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checked_hash(text: &[u8]) -> Result<String, &'static str> {
    let right = text.len() == 64 && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let text = std::str::from_utf8(text).ok().filter(|_| right);
    text.map(str::to_owned).ok_or(BAD_HASH)
}

/// Compares without stopping at the first difference.
fn same(wanted: &str, given: &str) -> bool {
    let pairs = wanted.bytes().zip(given.bytes());
    wanted.len() == given.len() && pairs.fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
