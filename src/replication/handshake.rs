//! The replica's side of the handshake, from `PING` to the answer to `PSYNC`
//! (Redis `syncWithMaster`).
//!
//! `PING` goes first and alone: a master that is loading, or is no master at all, shows itself
//! before a password is sent. The rest goes out in one piece, and its replies are read in order.
//!
//! Must never: take a newline from the master for an answer, nor an error to `REPLCONF` for a
//! refusal: old masters know none of its options.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::codec::resp::encode_command;
use crate::env::LogLevel;
use crate::event::Event;

use super::master_link::{Phase, Transfer};
use super::payload::Payload;
use super::{Mono, Offset, Output, Replication, ReplicationId};

/// Longest reply line of a handshake.
const MAX_LINE_BYTES: usize = 1024;

/// The reply that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Pong,
    Auth,
    ListeningPort,
    IpAddress,
    Capa,
    Psync,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Replies to come, in order.
    awaited: VecDeque<Awaited>,
    line: Vec<u8>,
}

impl Handshake {
    pub(super) fn awaits_psync_answer(&self) -> bool {
        self.awaited.front() == Some(&Awaited::Psync)
    }

    /// The next whole line, without its end.
    pub(super) fn next_line(&mut self, input: &mut &[u8]) -> Result<Option<String>, &'static str> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            if byte == b'\n' {
                let mut line = std::mem::take(&mut self.line);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.line.len() == MAX_LINE_BYTES {
                return Err("a reply of the handshake is too long");
            }
            self.line.push(byte);
        }
        Ok(None)
    }
}

/// The answer to `PSYNC`.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    FullResync(ReplicationId, Offset),
    Continue(Option<ReplicationId>),
    TryLater,
    NotSupported,
    Malformed,
}

fn parse_answer(line: &str) -> Answer {
    if let Some(rest) = line.strip_prefix("+FULLRESYNC") {
        let mut words = rest.split_ascii_whitespace();
        let id = words.next().and_then(|word| word.parse().ok());
        let offset = words.next().and_then(|word| word.parse().ok());
        return match (id, offset) {
            (Some(id), Some(offset)) => Answer::FullResync(id, Offset(offset)),
            _ => Answer::Malformed,
        };
    }
    if let Some(rest) = line.strip_prefix("+CONTINUE") {
        return match rest.trim() {
            "" => Answer::Continue(None),
            word => word.parse().map_or(Answer::Malformed, |id| Answer::Continue(Some(id))),
        };
    }
    // Redis takes MASTERDOWN for a master that does not know PSYNC, forgets its position and says
    // SYNC. It comes from a master that asks for a password (which PING cannot know of), has lost
    // its own master and serves no stale data: it says nothing about PSYNC, and it passes. So does
    // the want of a password or of a right, which an operator mends: what we have is worth keeping.
    const PASSING: [&str; 5] = ["-NOMASTERLINK", "-LOADING", "-MASTERDOWN", "-NOAUTH", "-NOPERM"];
    if PASSING.iter().any(|word| line.starts_with(word)) {
        return Answer::TryLater;
    }
    Answer::NotSupported
}

impl Replication {
    pub(super) fn begin_handshake(&mut self) {
        self.set_handshake(&[Awaited::Pong]);
        self.say(&[&[b"PING"]]);
        self.link_event("");
    }

    fn set_handshake(&mut self, awaited: &[Awaited]) {
        if let Some(master) = &mut self.upstream {
            master.phase = Phase::Handshake(Handshake {
                awaited: awaited.iter().copied().collect(),
                line: Vec::new(),
            });
        }
    }

    fn say(&mut self, commands: &[&[&[u8]]]) {
        let mut bytes = BytesMut::new();
        for command in commands {
            encode_command(&mut bytes, command);
        }
        self.emit(Output::ToMaster(bytes.to_vec()));
    }

    /// One line of the master's during the handshake.
    pub(super) fn handshake_line(&mut self, now: Mono, line: &str) {
        let Some(Phase::Handshake(handshake)) = self.upstream.as_mut().map(|m| &mut m.phase) else {
            return;
        };
        let Some(awaited) = handshake.awaited.front().copied() else {
            return;
        };
        if line.is_empty() {
            // While the snapshot is waited for.
            return self.emit(Output::Event(Event::MasterSignOfLife));
        }
        handshake.awaited.pop_front();
        let last = handshake.awaited.is_empty();
        let refused = line.starts_with('-');
        match awaited {
            Awaited::Pong => return self.pong(now, line),
            Awaited::Psync => return self.psync_answer(now, line),
            Awaited::Auth if refused => {
                self.log(LogLevel::Warning, format!("Unable to AUTH to MASTER: {line}"));
                self.give_up_link(now, line, false);
                if self.asks_for_failover() {
                    self.mark("failover-refused-by-auth");
                    self.abort_failover(now, "Failover target refused our password");
                }
                return;
            }
            Awaited::ListeningPort if refused => self.not_understood("listening-port", line),
            Awaited::IpAddress if refused => self.not_understood("ip-address", line),
            Awaited::Capa if refused => self.not_understood("capa", line),
            _ => {}
        }
        if last {
            self.ask_for_sync();
        }
    }

    fn not_understood(&mut self, option: &str, line: &str) {
        self.log(
            LogLevel::Notice,
            format!("(Non critical) Master does not understand REPLCONF {option}: {line}"),
        );
    }

    fn pong(&mut self, now: Mono, line: &str) {
        let fine = line.starts_with('+')
            || line.starts_with("-NOAUTH")
            || line.starts_with("-NOPERM")
            || line.starts_with("-ERR operation not permitted");
        if !fine {
            self.log(LogLevel::Warning, format!("Error reply to PING from master: '{line}'"));
            self.give_up_link(now, line, false);
            return;
        }
        self.log(LogLevel::Notice, "Master replied to PING, replication can continue...");
        let config = &self.config;
        let port = config.announce_port.to_string();
        let mut awaited = Vec::new();
        let mut commands: Vec<Vec<&[u8]>> = Vec::new();
        if let Some(password) = &config.masterauth {
            awaited.push(Awaited::Auth);
            let user = config.masteruser.as_deref();
            commands
                .push([Some(&b"AUTH"[..]), user, Some(password)].into_iter().flatten().collect());
        }
        awaited.push(Awaited::ListeningPort);
        commands.push(vec![b"REPLCONF", b"listening-port", port.as_bytes()]);
        if let Some(ip) = &config.announce_ip {
            awaited.push(Awaited::IpAddress);
            commands.push(vec![b"REPLCONF", b"ip-address", ip.as_bytes()]);
        }
        awaited.push(Awaited::Capa);
        commands.push(vec![b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        let mut bytes = BytesMut::new();
        for command in &commands {
            encode_command(&mut bytes, command);
        }
        self.emit(Output::ToMaster(bytes.to_vec()));
        self.set_handshake(&awaited);
    }

    fn ask_for_sync(&mut self) {
        let failover = self.asks_for_failover();
        let (id, first_byte) = if self.resumable {
            (self.id.to_string(), self.offset.plus(1).to_string())
        } else {
            ("?".to_owned(), "-1".to_owned())
        };
        let text = if self.resumable {
            format!("Trying a partial resynchronization (request {id}:{first_byte}).")
        } else {
            "Partial resynchronization not possible (no cached master)".to_owned()
        };
        self.log(LogLevel::Notice, text);
        let mut command = vec![&b"PSYNC"[..], id.as_bytes(), first_byte.as_bytes()];
        if failover {
            command.push(b"FAILOVER");
        }
        self.say(&[&command]);
        self.set_handshake(&[Awaited::Psync]);
    }

    fn psync_answer(&mut self, now: Mono, line: &str) {
        match parse_answer(line) {
            Answer::FullResync(id, offset) => {
                self.log(LogLevel::Notice, format!("Full resync from master: {id}:{offset}"));
                self.failover_accepted(now);
                self.begin_transfer(Some((id, offset)));
            }
            Answer::Continue(id) if self.resumable => {
                self.log(LogLevel::Notice, "Successful partial resynchronization with master.");
                self.failover_accepted(now);
                self.continue_as(now, id);
            }
            Answer::Continue(_) | Answer::Malformed => {
                self.log(
                    LogLevel::Warning,
                    format!("Unexpected reply to PSYNC from master: {line}"),
                );
                self.give_up_link(now, line, false);
            }
            Answer::TryLater => {
                if self.failover_refused(now, line) {
                    return;
                }
                self.log(
                    LogLevel::Notice,
                    format!(
                        "Master is currently unable to PSYNC but should be in the future: {line}"
                    ),
                );
                self.mark("psync-to-be-tried-later");
                self.give_up_link(now, line, false);
            }
            Answer::NotSupported => {
                if self.failover_refused(now, line) {
                    return;
                }
                self.log(
                    LogLevel::Notice,
                    format!("Master does not support PSYNC or is in error state (reply: {line})"),
                );
                self.log(LogLevel::Notice, "Retrying with SYNC...");
                self.mark("fallback-to-sync");
                self.resumable = false;
                self.emit(Output::ToMaster(b"SYNC\r\n".to_vec()));
                self.begin_transfer(None);
            }
        }
    }

    fn begin_transfer(&mut self, history: Option<(ReplicationId, Offset)>) {
        if let Some(master) = &mut self.upstream {
            master.phase = Phase::Transfer(Box::new(Transfer {
                history,
                payload: Payload::new(),
                decoding: false,
            }));
        }
        self.link_event("");
    }

    /// `+CONTINUE`: our data is a beginning of the master's. Under a new id, all that we have is
    /// also a beginning of the old one; sub-replicas have to learn the new id, so they come again.
    fn continue_as(&mut self, now: Mono, id: Option<ReplicationId>) {
        if let Some(id) = id.filter(|id| *id != self.id) {
            self.second = Some((self.id, self.offset));
            self.id = id;
            self.log(LogLevel::Notice, format!("Master replication ID changed to {id}"));
            self.mark("continue-under-a-new-id");
            self.close_all_replicas(now, "the replication id has changed");
            self.identity_changed("continue-new-id");
        }
        self.follow(now, BytesMut::new(), true);
        self.check();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_psync_are_told_apart() {
        let id = "5914bc26a7f4a47f9f83f55af19761b1d08bc2a5";
        let parsed: ReplicationId = id.parse().expect("40 digits");
        let full = format!("+FULLRESYNC {id} 1298");
        assert_eq!(parse_answer(&full), Answer::FullResync(parsed, Offset(1298)));
        assert_eq!(parse_answer("+CONTINUE"), Answer::Continue(None));
        let with_id = format!("+CONTINUE {id}");
        assert_eq!(parse_answer(&with_id), Answer::Continue(Some(parsed)));
        assert_eq!(parse_answer("+CONTINUE short"), Answer::Malformed);
        assert_eq!(parse_answer("+FULLRESYNC x 1"), Answer::Malformed);
        assert_eq!(parse_answer("-NOMASTERLINK no"), Answer::TryLater);
        assert_eq!(parse_answer("-LOADING wait"), Answer::TryLater);
        assert_eq!(parse_answer("-MASTERDOWN later"), Answer::TryLater);
        assert_eq!(parse_answer("-NOAUTH Authentication required."), Answer::TryLater);
        assert_eq!(parse_answer("-NOPERM this user has no right"), Answer::TryLater);
        assert_eq!(parse_answer("-ERR unknown command"), Answer::NotSupported);
    }
}
