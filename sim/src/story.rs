//! A run told in lines for people: what happened to whom, in the words of the protocol.
//!
//! Only what changes the course of things is told: roles, links, decisions, snapshots, faults;
//! not the writes, acks and pings in between. Replication ids become letters, in the order in
//! which they appear. Must never: be parsed by anything; the trace is for that.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Event, LoadSource, MasterLinkState, PsyncAnswer, ReplicaState, Role};
use replisim::replication::{Offset, ReplicationId};

use crate::report::seconds;

/// Tells events, and remembers which letter stands for which id.
#[derive(Default)]
pub struct Story {
    ids: Vec<ReplicationId>,
    lines: Vec<(Duration, String)>,
    /// What each node said last: who tries once a second in vain is heard once.
    last: BTreeMap<String, String>,
}

/// A run that tells more than this is not read any more.
const MAX_LINES: usize = 5000;

impl Story {
    /// The lines so far, by time. Nodes take their turns within a tick one after the other, each
    /// with what happens in all of it: told as it comes, the clock would go back.
    pub fn take(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// The world did something.
    pub fn world(&mut self, at: Duration, text: &str) {
        self.push(at, "world", &format!("-- {text}"));
    }

    /// A node told something; most of it is left out. `peer` names the node at an address.
    pub fn event(
        &mut self,
        at: Duration,
        node: &str,
        event: &Event<'_>,
        peer: impl Fn(&str) -> String,
    ) {
        if let Some(text) = self.text(event, peer)
            && self.last.get(node) != Some(&text)
        {
            self.push(at, node, &text);
            self.last.insert(node.to_owned(), text);
        }
    }

    fn push(&mut self, at: Duration, node: &str, text: &str) {
        if self.lines.len() < MAX_LINES {
            self.lines.push((at, format!("{:>10}  {node:<8}  {text}", seconds(at))));
        }
    }

    fn id(&mut self, id: ReplicationId) -> String {
        let index = self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        });
        let letter = char::from(b'A' + (index % 26) as u8);
        if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
    }

    fn place(&mut self, id: ReplicationId, offset: Offset) -> String {
        format!("{}:{offset}", self.id(id))
    }

    fn text(&mut self, event: &Event<'_>, peer: impl Fn(&str) -> String) -> Option<String> {
        Some(match event {
            Event::Started { role, id, offset, restored, loaded, .. } => {
                let place = self.place(*id, *offset);
                let from = match (loaded, restored) {
                    (false, _) => "empty".to_owned(),
                    (true, None) => "with its file".to_owned(),
                    (true, Some((id, offset))) => {
                        format!("with its file, which was at {}", self.place(*id, *offset))
                    }
                };
                format!("started as a {} at {place}, {from}", word(*role))
            }
            Event::Identity { role, id, offset, second, cause } => {
                let place = self.place(*id, *offset);
                let second = second
                    .map(|(id, offset)| format!(", second id {}", self.place(id, offset)))
                    .unwrap_or_default();
                format!("{cause}: now a {} at {place}{second}", word(*role))
            }
            Event::PsyncAnswered { ip, asked_id, asked_offset, answer, .. } => {
                let who = peer(ip);
                let asked = match asked_id {
                    Some(id) => format!("{} from byte {asked_offset}", self.id(*id)),
                    None => "everything".to_owned(),
                };
                let answer = match answer {
                    PsyncAnswer::Continue { id, from } => {
                        format!("+CONTINUE after {}", self.place(*id, *from))
                    }
                    PsyncAnswer::Full(reason) => format!("full sync ({reason:?})"),
                    PsyncAnswer::Refused => "not now".to_owned(),
                };
                format!("{who} asks for {asked}: {answer}")
            }
            Event::Replica { state, .. } => match state {
                ReplicaState::Sending => "sends a snapshot".to_owned(),
                ReplicaState::Online => "a replica is online".to_owned(),
                ReplicaState::Gone => "a replica is gone".to_owned(),
                _ => return None,
            },
            Event::MasterLink { host, state, reason, .. } => {
                let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                match state {
                    MasterLinkState::Connect if !reason.is_empty() => {
                        format!("lost {host}{why}")
                    }
                    MasterLinkState::Transfer => format!("receives a snapshot from {host}"),
                    MasterLinkState::Loading => "loads it".to_owned(),
                    MasterLinkState::Connected => format!("follows {host}"),
                    _ => return None,
                }
            }
            Event::SnapshotTaken { offset, replicas, disk, .. } => format!(
                "takes a snapshot at {offset} {}",
                match (replicas, disk) {
                    (0, _) => "for its file".to_owned(),
                    (n, true) => format!("for its file and {n} replica(s)"),
                    (n, false) => format!("for {n} replica(s), diskless"),
                }
            ),
            Event::SnapshotSaved { bytes, .. } => format!("saved a snapshot, {bytes} bytes"),
            Event::ConfigRewritten { kept: true } => "rewrote its configuration".to_owned(),
            Event::ConfigRewritten { kept: false } => {
                "did not rewrite its configuration".to_owned()
            }
            Event::SnapshotFailed { error, .. } => format!("could not write a snapshot: {error}"),
            Event::Loaded { source: LoadSource::File, .. } => "loaded its file".to_owned(),
            Event::Loaded { source: LoadSource::Master, .. } => "loaded the snapshot".to_owned(),
            Event::LoadFailed { error } => format!("could not load: {error}"),
            Event::WaitAnswered { target, counted, .. } => {
                format!("WAIT for {target}: {counted} replica(s)")
            }
            Event::Mark(name) => format!("   * {name}"),
            Event::Exiting { code } => format!("exits with {code}"),
            _ => return None,
        })
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Replica => "replica",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_story_does_not_go_back() {
        let mut story = Story::default();
        for (at, text) in [(2, "a"), (5, "b"), (4, "c"), (5, "d"), (1, "e")] {
            story.world(Duration::from_millis(at), text);
        }
        let said: Vec<String> =
            story.take().iter().filter_map(|line| line.chars().last()).map(String::from).collect();
        assert_eq!(said.concat(), "eacbd", "what happens at one time stays as it came");
    }
}
