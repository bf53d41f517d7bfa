//! The trace of a run: one JSON object a line, typed and versioned, and its rolling hash.
//!
//! The hash covers (time, node, event with all its fields) of every event in order; two runs with
//! the same hash went the same way. Must never: contain wall-clock time, addresses of memory or
//! anything else that differs between two runs of one seed.

mod fields;

use std::time::Duration;

use replisim::event::Event;
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3Default;

/// Version of the trace's lines; grows when a field changes its meaning.
pub const SCHEMA: u32 = 2;

/// Most bytes of events that are gathered before they are hashed.
const GATHERED_BYTES: usize = 4096;

/// The commit this was built from, or `unknown` outside a git checkout.
pub const COMMIT: &str = env!("REPLISIM_COMMIT");

/// FNV-1a of the Cargo.lock it was built with: 16 hex digits.
pub const LOCKFILE: &str = env!("REPLISIM_LOCKFILE");

/// First line of a trace file.
pub fn header(scenario: &str, seed: u64) -> Value {
    json!({
        "schema": SCHEMA,
        "kind": "header",
        "scenario": scenario,
        "seed": seed.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "lockfile": LOCKFILE,
    })
}

/// Whether a line is the first of the trace file of this run, written as they are written now.
pub fn is_header_of(line: &str, scenario: &str, seed: u64) -> bool {
    let value = serde_json::from_str::<Value>(line);
    value.is_ok_and(|value| {
        value["kind"] == "header"
            && value["schema"] == SCHEMA
            && value["scenario"] == scenario
            && value["seed"].as_str().and_then(|text| text.parse().ok()) == Some(seed)
    })
}

/// One event as a line.
pub fn line(at: Duration, node: &str, event: &Event<'_>) -> Value {
    let mut value = fields::of(event);
    if let Value::Object(map) = &mut value {
        map.insert("t_us".into(), json!(at.as_micros() as u64));
        map.insert("node".into(), json!(node));
    }
    value
}

/// Something the world did, as a line.
pub fn world_line(at: Duration, text: &str) -> Value {
    json!({ "t_us": at.as_micros() as u64, "node": "world", "kind": "world", "text": text })
}

/// Where two traces part: the first line that differs, as it stands in each, after the last they
/// share. `None` when they are equal.
pub fn first_difference(first: &[String], second: &[String]) -> Option<String> {
    let same = first.iter().zip(second).take_while(|(a, b)| a == b).count();
    if same == first.len() && same == second.len() {
        return None;
    }
    let show =
        |lines: &[String]| lines.get(same).cloned().unwrap_or_else(|| "(its end)".to_owned());
    let before = same.checked_sub(1).and_then(|last| first.get(last));
    let before = before.map_or(String::new(), |line| format!("both:   {line}\n"));
    Some(format!(
        "they part at event {}:\n{before}first:  {}\nsecond: {}",
        same + 1,
        show(first),
        show(second)
    ))
}

/// The rolling hash of a run.
#[derive(Default)]
pub struct RollingHash {
    state: Xxh3Default,
    /// What is to be hashed next: many fields at once cost less than each by itself.
    gathered: Vec<u8>,
}

impl RollingHash {
    /// Takes note of an event.
    pub fn event(&mut self, at: Duration, node: usize, event: &Event<'_>) {
        self.number(at.as_nanos() as u64);
        self.number(node as u64);
        match event {
            // The frequent ones field by field; the rest by their debug form, which is complete.
            Event::StreamAdvanced { id, offset, bytes, digest, origin } => {
                self.number(1 + *origin as u64);
                self.gather(id.as_bytes());
                self.number(offset.0);
                self.number(digest.0);
                self.bytes(bytes);
            }
            Event::Executed { client, db, args, reply, authenticated } => {
                self.number(10 + u64::from(*authenticated));
                self.number(*client);
                self.number(u64::from(*db));
                self.number(args.len() as u64);
                args.iter().for_each(|arg| self.bytes(arg));
                self.bytes(reply);
            }
            Event::AckSent { offset } => {
                self.number(20);
                self.number(offset.0);
            }
            Event::AckReceived { link, port, offset } => {
                self.number(21);
                self.number(link.0);
                self.number(u64::from(*port));
                self.number(offset.0);
            }
            Event::Buffers {
                backlog_bytes,
                backlog_limit_bytes,
                held_bytes,
                replica_pending_bytes,
                replica_limit_bytes,
                client_output_bytes,
                in_wait,
                held_back,
            } => {
                self.number(22);
                for size in [
                    backlog_bytes,
                    backlog_limit_bytes,
                    held_bytes,
                    replica_pending_bytes,
                    replica_limit_bytes,
                    client_output_bytes,
                ] {
                    self.number(*size);
                }
                in_wait.iter().for_each(|client| self.number(*client));
                self.number(*held_back as u64);
            }
            Event::Configured { changed, .. } => {
                self.number(23);
                for (name, value) in *changed {
                    self.bytes(name.as_bytes());
                    self.bytes(value.as_bytes());
                }
            }
            other => self.text(&format!("{other:?}")),
        }
    }

    /// Takes note of something the world did.
    pub fn text(&mut self, text: &str) {
        self.number(99);
        self.bytes(text.as_bytes());
    }

    /// The hash so far.
    pub fn value(&self) -> u64 {
        let mut state = self.state.clone();
        state.update(&self.gathered);
        state.digest()
    }

    fn number(&mut self, number: u64) {
        self.gather(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.gather(bytes);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() <= GATHERED_BYTES {
            self.gathered.extend_from_slice(bytes);
            return;
        }
        self.state.update(&self.gathered);
        self.gathered.clear();
        self.state.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn where_traces_part() {
        assert_eq!(first_difference(&lines("a b"), &lines("a b")), None);
        assert_eq!(
            first_difference(&lines("a b c"), &lines("a x c")).as_deref(),
            Some("they part at event 2:\nboth:   a\nfirst:  b\nsecond: x")
        );
        assert_eq!(
            first_difference(&lines("a"), &lines("a b")).as_deref(),
            Some("they part at event 2:\nboth:   a\nfirst:  (its end)\nsecond: b")
        );
        assert_eq!(
            first_difference(&lines("a"), &[]).as_deref(),
            Some("they part at event 1:\nfirst:  a\nsecond: (its end)")
        );
    }
}
