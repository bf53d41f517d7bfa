//! Every event of one node, in lines for people: what a trace holds, with replication ids
//! shortened to names.
//!
//! Must never: leave an event out; that is for the story.

use std::time::Duration;

use serde_json::Value;

use super::seconds;

/// Digits of a replication id.
const ID_DIGITS: usize = 40;

/// Names of replication ids, in the order in which they appear: `id-A`, `id-B`, …
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn of(&mut self, id: &str) -> String {
        let index = self.0.iter().position(|known| known == id).unwrap_or_else(|| {
            self.0.push(id.to_owned());
            self.0.len() - 1
        });
        let letter = char::from(b'A' + (index % 26) as u8);
        let round = index / 26;
        if round == 0 { format!("id-{letter}") } else { format!("id-{letter}{round}") }
    }

    fn shorten(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) if is_id(text) => self.of(text),
            Value::String(text) if !is_word(text) => format!("{text:?}"),
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.shorten(item)).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Object(map) => {
                let fields: Vec<String> = map
                    .iter()
                    .map(|(key, value)| format!("{key}={}", self.shorten(value)))
                    .collect();
                format!("{{{}}}", fields.join(" "))
            }
            other => other.to_string(),
        }
    }
}

/// Whether a text can stand in a line as it is.
fn is_word(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    !text.is_empty() && !text.contains(odd)
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The events of a node, and what the world did meanwhile. Ids are named in the order in which
/// any node told of them, so that they are the same for each node of a run.
pub fn of_node(trace: &[String], node: &str) -> Vec<String> {
    let mut names = Names::default();
    let mut lines = Vec::new();
    for line in trace {
        let Ok(Value::Object(event)) = serde_json::from_str(line) else { continue };
        let fields: Vec<String> = event
            .iter()
            .filter(|(key, _)| !["t_us", "node", "kind"].contains(&key.as_str()))
            .map(|(key, value)| format!("{key}={}", names.shorten(value)))
            .collect();
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let at = Duration::from_micros(event.get("t_us").and_then(Value::as_u64).unwrap_or(0));
        match text("node") {
            "world" => lines.push(format!("{:>10}  -- {}", seconds(at), text("text"))),
            name if name == node => {
                lines.push(format!(
                    "{:>10}  {:<16} {}",
                    seconds(at),
                    text("kind"),
                    fields.join(" ")
                ));
            }
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_names_that_are_the_same_for_every_node() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let trace = [
            format!(r#"{{"kind":"started","id":"{a}","offset":0,"t_us":1500,"node":"m1"}}"#),
            r#"{"kind":"world","text":"kill m1","t_us":2000,"node":"world"}"#.to_owned(),
            format!(
                r#"{{"kind":"identity","id":"{b}","second":{{"id":"{a}"}},"t_us":3000,"node":"r1"}}"#
            ),
        ];
        assert_eq!(
            of_node(&trace, "r1"),
            ["    0.002s  -- kill m1", "    0.003s  identity         id=id-B second={id=id-A}"]
        );
        assert_eq!(of_node(&trace, "m1")[0], "    0.001s  started          id=id-A offset=0");
    }

    #[test]
    fn what_is_no_word_is_quoted() {
        let trace = [
            r#"{"kind":"executed","args":["SET","a b",""],"reply":"+OK\r\n","t_us":0,"node":"m1"}"#,
        ];
        assert_eq!(
            of_node(&trace.map(str::to_owned), "m1"),
            [r#"    0.000s  executed         args=[SET "a b" ""] reply="+OK\r\n""#]
        );
    }
}
