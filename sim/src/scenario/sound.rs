//! What is left of a file once the parts with mistakes of structure are taken out, so that those
//! of meaning in the rest are shown at the same time.
//!
//! Must never: let a mistake be told that only comes of what was taken out.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::{Scenario, validate};

/// Mistakes of meaning in those parts of a document in which none of `structural` lies.
pub(super) fn mistakes(
    document: Spanned<DeTable<'_>>,
    structural: &[Diagnostic],
) -> Vec<Diagnostic> {
    let bad: Vec<Range<usize>> = structural
        .iter()
        .filter_map(|problem| problem.span.clone().filter(|span| !span.is_empty()))
        .collect();
    let span = document.span();
    let mut out = Sound { bad, seconds: false, clients: false, nodes: false };
    let table = out.file(document.into_inner());
    let whole = Spanned::new(span, DeValue::Table(table));
    let deserializer = toml::de::ValueDeserializer::from(whole);
    let Ok(scenario) = <Scenario as serde::Deserialize>::deserialize(deserializer) else {
        return Vec::new();
    };
    if !out.nodes {
        // Without nodes every name would be unknown.
        return Vec::new();
    }
    let mut found = validate::validate(&scenario);
    // How long the run is, and how many clients there are, is not known then.
    if out.seconds {
        found.retain(|problem| !problem.message.contains("after the end of the run"));
    }
    if out.clients {
        found.retain(|problem| !problem.message.starts_with("there is no node `client"));
    }
    found
}

struct Sound {
    bad: Vec<Range<usize>>,
    /// Whether the run's length was taken out.
    seconds: bool,
    /// Whether a workload was.
    clients: bool,
    /// Whether there are nodes.
    nodes: bool,
}

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Sound {
    fn hit(&self, span: &Range<usize>) -> bool {
        self.bad.iter().any(|bad| bad.start < span.end && span.start < bad.end)
    }

    /// Whether a mistake lies in a value. The place of a table may be its header alone.
    fn is_bad(&self, value: &Value<'_>) -> bool {
        let within = match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| self.hit(&key.span()) || self.is_bad(value))
            }
            DeValue::Array(items) => items.iter().any(|item| self.is_bad(item)),
            _ => false,
        };
        within || self.hit(&value.span())
    }

    fn file<'i>(&mut self, table: Table<'i>) -> Table<'i> {
        let mut left = Table::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let bad = self.hit(&key.span()) || self.is_bad(&value);
            let span = value.span();
            let value = match (name.as_str(), value.into_inner()) {
                ("nodes", DeValue::Table(nodes)) => {
                    self.nodes = !nodes.is_empty();
                    DeValue::Table(self.nodes(nodes))
                }
                ("workload", _) if bad => {
                    self.clients = true;
                    continue;
                }
                ("step", DeValue::Array(items)) => {
                    DeValue::Array(items.into_iter().filter(|item| !self.is_bad(item)).collect())
                }
                ("run", DeValue::Table(run)) => {
                    let before = has(&run, "duration");
                    let run = self.entries(run);
                    self.seconds = before && !has(&run, "duration");
                    DeValue::Table(run)
                }
                ("network" | "expect" | "config", DeValue::Table(table)) => {
                    DeValue::Table(self.entries(table))
                }
                _ if bad => continue,
                (_, value) => value,
            };
            left.insert(key, Spanned::new(span, value));
        }
        if !has(&left, "title") {
            let title = DeValue::String(Cow::Borrowed("-"));
            left.insert(Spanned::new(0..0, Cow::Borrowed("title")), Spanned::new(0..0, title));
        }
        left
    }

    /// Every node stays, with what is right of it: others speak of it.
    fn nodes<'i>(&self, nodes: Table<'i>) -> Table<'i> {
        let of_node = |(name, node): (_, Value<'i>)| {
            let span = node.span();
            let left = match node.into_inner() {
                DeValue::Table(node) => self.node(node),
                _ => Table::new(),
            };
            (name, Spanned::new(span, DeValue::Table(left)))
        };
        nodes.into_iter().map(of_node).collect()
    }

    fn node<'i>(&self, node: Table<'i>) -> Table<'i> {
        let mut left = Table::new();
        for (key, value) in node {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(config) if key.get_ref() == "config" => {
                    left.insert(key, Spanned::new(span, DeValue::Table(self.entries(config))));
                }
                value => {
                    let value = Spanned::new(span, value);
                    if !self.hit(&key.span()) && !self.is_bad(&value) {
                        left.insert(key, value);
                    }
                }
            }
        }
        left
    }

    fn entries<'i>(&self, table: Table<'i>) -> Table<'i> {
        let sound = |(key, value): &(Spanned<Cow<'_, str>>, Value<'_>)| {
            !self.hit(&key.span()) && !self.is_bad(value)
        };
        table.into_iter().filter(sound).collect()
    }
}

fn has(table: &Table<'_>, name: &str) -> bool {
    table.keys().any(|key| key.get_ref() == name)
}
