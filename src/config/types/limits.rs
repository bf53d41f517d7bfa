//! `client-output-buffer-limit`.

use std::time::Duration;

use super::{Kind, Setting, parse_memory};

/// Limits of one class of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// A client above it is closed at once; 0: none.
    pub hard_bytes: u64,
    /// A client above it for `soft_time` is closed; 0: none.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_time: Duration,
}

impl OutputLimit {
    const fn new(hard_bytes: u64, soft_bytes: u64, soft_seconds: u64) -> Self {
        Self {
            hard_bytes,
            soft_bytes,
            soft_time: Duration::from_secs(soft_seconds),
        }
    }
}

/// Limits of all classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients.
    pub normal: OutputLimit,
    /// Replicas (`replica`, `slave`).
    pub replica: OutputLimit,
    /// Subscribers.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            normal: OutputLimit::new(0, 0, 0),
            replica: OutputLimit::new(256 << 20, 64 << 20, 60),
            pubsub: OutputLimit::new(32 << 20, 8 << 20, 60),
        }
    }
}

impl OutputLimits {
    /// Classes by the name that `CONFIG REWRITE` writes.
    pub fn classes(&self) -> [(&'static str, OutputLimit); 3] {
        [
            ("normal", self.normal),
            ("replica", self.replica),
            ("pubsub", self.pubsub),
        ]
    }
}

/// Classes that are not named keep their limits.
impl Setting for OutputLimits {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for group in words.chunks_exact(4) {
            let class = match group[0].to_ascii_lowercase().as_str() {
                "normal" => &mut self.normal,
                "replica" | "slave" => &mut self.replica,
                "pubsub" => &mut self.pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".to_owned(),
                    );
                }
            };
            let limits = (
                parse_memory(group[1]),
                parse_memory(group[2]),
                group[3].parse::<u32>(),
            );
            let (Some(hard), Some(soft), Ok(seconds)) = limits else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                        .to_owned(),
                );
            };
            *class = OutputLimit::new(hard, soft, u64::from(seconds));
        }
        Ok(())
    }

    fn show(&self, _: &Kind) -> String {
        let group = |(name, limit): (&str, OutputLimit)| {
            let seconds = limit.soft_time.as_secs();
            format!("{name} {} {} {seconds}", limit.hard_bytes, limit.soft_bytes)
        };
        let names = ["normal", "slave", "pubsub"];
        let limits = [self.normal, self.replica, self.pubsub];
        names
            .into_iter()
            .zip(limits)
            .map(group)
            .collect::<Vec<_>>()
            .join(" ")
    }
}
