//! Values that are one word of a few, or flags.

use super::{Kind, Setting, choose, not_among};
use crate::env::LogLevel;

macro_rules! choices {
    ($type:ty: $($variant:ident = $word:literal),+) => {
        impl Setting for $type {
            fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
                *self = match choose(words, &[$($word),+])? {
                    $($word => Self::$variant,)+
                    _ => *self,
                };
                Ok(())
            }
            fn show(&self, _: &Kind) -> String {
                match self {
                    $(Self::$variant => $word,)+
                }
                .to_owned()
            }
        }
    };
}

/// Who may use something dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhoMay {
    /// Nobody.
    No,
    /// Every client.
    Yes,
    /// Clients of this machine.
    Local,
}
choices!(WhoMay: No = "no", Yes = "yes", Local = "local");

impl WhoMay {
    /// Whether a client may, that is on this machine or not.
    pub fn allows(self, local: bool) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Local => local,
        }
    }
}

/// `repl-diskless-load`: where a replica puts a full sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisklessLoad {
    /// To a file first.
    Disabled,
    /// Straight to memory if there are no keys.
    OnEmptyDb,
    /// Straight to memory, beside the old data.
    SwapDb,
}
choices!(DisklessLoad: Disabled = "disabled", OnEmptyDb = "on-empty-db", SwapDb = "swapdb");

/// `propagation-error-behavior`: what follows when a replica cannot apply a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropagationErrorBehavior {
    /// A log line.
    Ignore,
    /// The process ends.
    Panic,
    /// The process ends if it is a replica.
    PanicOnReplicas,
}
choices!(PropagationErrorBehavior: Ignore = "ignore", Panic = "panic", PanicOnReplicas = "panic-on-replicas");

choices!(LogLevel: Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning");

/// `shutdown-on-sigterm`, `shutdown-on-sigint`: as the options of `SHUTDOWN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownFlags {
    /// `save` or `nosave`; `None`: save if there are save points.
    pub save: Option<bool>,
    /// Do not wait for lagging replicas.
    pub now: bool,
    /// Exit whatever fails.
    pub force: bool,
}

impl Setting for ShutdownFlags {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        const CHOICES: &[&str] = &["default", "save", "nosave", "now", "force"];
        let mut flags = Self::default();
        let (mut save, mut nosave) = (false, false);
        for word in words {
            match choose(&[word], CHOICES)? {
                "save" => save = true,
                "nosave" => nosave = true,
                "now" => flags.now = true,
                "force" => flags.force = true,
                _ => {}
            }
        }
        if words.is_empty() {
            return Err(not_among(CHOICES));
        }
        flags.save = match (save, nosave) {
            (true, true) => {
                return Err(
                    "shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned()
                );
            }
            (false, false) => None,
            (save, _) => Some(save),
        };
        *self = flags;
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let words: Vec<&str> = [
            (self.save == Some(true), "save"),
            (self.save == Some(false), "nosave"),
            (self.now, "now"),
            (self.force, "force"),
        ]
        .iter()
        .filter_map(|(set, word)| set.then_some(*word))
        .collect();
        if words.is_empty() { "default".to_owned() } else { words.join(" ") }
    }
}
