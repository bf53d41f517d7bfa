//! Values of several words.

use std::time::Duration;

use super::{Kind, Setting};

/// A save point: save once so many keys changed and so much time passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Time since the last save.
    pub period: Duration,
    /// Changes since the last save.
    pub changes: u64,
}

/// `save`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl SavePoint {
    fn new(seconds: u64, changes: u64) -> Self {
        Self { period: Duration::from_secs(seconds), changes }
    }
}

impl Default for SavePoints {
    fn default() -> Self {
        Self(vec![SavePoint::new(3600, 1), SavePoint::new(300, 100), SavePoint::new(60, 10_000)])
    }
}

/// Pairs of seconds and changes; nothing is no save points.
pub fn parse_save(words: &[&str]) -> Result<SavePoints, String> {
    let wrong = || "Invalid save parameters".to_owned();
    if words.is_empty() {
        return Ok(SavePoints(Vec::new()));
    }
    if !words.len().is_multiple_of(2) {
        return Err(wrong());
    }
    words
        .chunks_exact(2)
        .map(|pair| match (pair[0].parse::<u32>(), pair[1].parse::<u32>()) {
            (Ok(seconds @ 1..), Ok(changes)) => Ok(SavePoint::new(seconds.into(), changes.into())),
            _ => Err(wrong()),
        })
        .collect::<Result<_, _>>()
        .map(SavePoints)
}

impl Setting for SavePoints {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        *self = parse_save(words)?;
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        let pair = |point: &SavePoint| format!("{} {}", point.period.as_secs(), point.changes);
        self.0.iter().map(pair).collect::<Vec<_>>().join(" ")
    }
}

/// A few words (`bind`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordList(pub Vec<String>);

/// Most addresses of `bind` (`CONFIG_BINDADDR_MAX`).
const WORDS_MAX: usize = 16;

impl WordList {
    /// From literals.
    pub fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }
}

impl Setting for WordList {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        if words.len() > WORDS_MAX {
            return Err("Too many bind addresses specified.".to_owned());
        }
        *self = Self::of(words);
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        self.0.join(" ")
    }
}

/// `replicaof`: host and port of the master, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterAddr(pub Option<(String, u16)>);

impl Setting for MasterAddr {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let [host, port] = words else {
            return Err("wrong number of arguments".to_owned());
        };
        if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
            self.0 = None;
            return Ok(());
        }
        let port = port.parse().map_err(|_| "Invalid master port".to_owned())?;
        self.0 = Some(((*host).to_owned(), port));
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        match &self.0 {
            Some((host, port)) => format!("{host} {port}"),
            None => String::new(),
        }
    }
}

/// `notify-keyspace-events`: a set of classes of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceEvents(u16);

/// Classes in the order in which they are shown; the first ten are what `A` stands for.
const EVENT_CLASSES: &str = "g$lshzxetdKEmn";
const ALL_EVENTS: u16 = (1 << 10) - 1;

impl KeyspaceEvents {
    /// Whether the class with this letter is published.
    pub fn has(self, class: char) -> bool {
        // As a rule none is, and every command asks.
        self.0 != 0 && EVENT_CLASSES.find(class).is_some_and(|bit| self.0 & 1 << bit != 0)
    }
}

impl Setting for KeyspaceEvents {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let mut bits = 0;
        for class in words.join(" ").chars() {
            bits |= match (class, EVENT_CLASSES.find(class)) {
                ('A', _) => ALL_EVENTS,
                ('m' | 'n', _) => {
                    return Err("notify-keyspace-events: neither misses (m) nor new keys (n) are \
                                told of on this server"
                        .to_owned());
                }
                (_, Some(bit)) => 1 << bit,
                _ => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
            };
        }
        *self = Self(bits);
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        let all = self.0 & ALL_EVENTS == ALL_EVENTS;
        let shown = |(bit, class): (usize, char)| {
            (self.0 & 1 << bit != 0 && !(all && bit < 10)).then_some(class)
        };
        let classes = EVENT_CLASSES.char_indices().filter_map(shown);
        all.then_some('A').into_iter().chain(classes).collect()
    }
}

/// `oom-score-adj-values`: master, replica, children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomScores(pub [i32; 3]);

impl Setting for OomScores {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let Ok(words) = <[&str; 3]>::try_from(words) else {
            return Err("wrong number of arguments".to_owned());
        };
        for (score, word) in self.0.iter_mut().zip(words) {
            *score = match word.parse() {
                Ok(score @ -2000..=2000) => score,
                _ => {
                    return Err(
                        "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
                            .to_owned(),
                    );
                }
            };
        }
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        let [master, replica, child] = self.0;
        format!("{master} {replica} {child}")
    }
}

/// `latency-tracking-info-percentiles`.
#[derive(Debug, Clone, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Self(vec![50.0, 99.0, 99.9])
    }
}

impl Setting for Percentiles {
    fn assign(&mut self, words: &[&str], _: &Kind) -> Result<(), String> {
        let parse = |word: &&str| match word.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
            Ok(percent) if percent.is_finite() => {
                Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .to_owned())
            }
            _ => Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
        };
        self.0 = words.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(())
    }
    fn show(&self, _: &Kind) -> String {
        self.0.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
    }
}
