//! `REPLCONF`: what a replica says about itself before `PSYNC`, and its acks after it
//! (Redis `replconfCommand`).
//!
//! Must never: answer an ack. A reply on a replica's link would be read as part of the stream.

use crate::codec::resp::split_args;
use crate::env::LogLevel;
use crate::event::Event;

use super::replica_link::Phase;
use super::{LinkId, Mono, Offset, Output, ReplconfAnswer, Replication, SnapshotContents};

/// Longest `ip-address` accepted (`NET_HOST_STR_LEN`).
const MAX_ADDRESS_BYTES: usize = 256;

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

impl Replication {
    /// `REPLCONF option value ...`; `args` with or without the command's name. What is said
    /// before `PSYNC` is remembered until [`Replication::replica_closed`].
    pub fn replconf(&mut self, now: Mono, link: LinkId, args: &[&[u8]]) -> ReplconfAnswer {
        let pairs = match args {
            [name, rest @ ..] if name.eq_ignore_ascii_case(b"replconf") => rest,
            all => all,
        };
        if !pairs.len().is_multiple_of(2) {
            return ReplconfAnswer::Error("ERR syntax error".into());
        }
        for pair in pairs.chunks_exact(2) {
            match pair[0].to_ascii_lowercase().as_slice() {
                b"ack" => {
                    if let Some(offset) = parse::<u64>(pair[1]) {
                        self.ack(now, link, Offset(offset));
                    }
                    return ReplconfAnswer::Nothing;
                }
                // Only a master asks for acks, and it does so on its stream.
                b"getack" => return ReplconfAnswer::Nothing,
                option => {
                    if let Err(text) = self.announce(link, option, pair[0], pair[1]) {
                        return ReplconfAnswer::Error(text);
                    }
                }
            }
        }
        ReplconfAnswer::Ok
    }

    fn announce(
        &mut self,
        link: LinkId,
        option: &[u8],
        as_typed: &[u8],
        value: &[u8],
    ) -> Result<(), String> {
        let announced = match self.replicas.get_mut(&link) {
            Some(replica) => &mut replica.announced,
            None => self.announced.entry(link).or_default(),
        };
        match option {
            b"listening-port" => announced.port = parse(value).ok_or(NOT_AN_INTEGER)?,
            b"ip-address" => {
                if value.len() >= MAX_ADDRESS_BYTES {
                    return Err(format!(
                        "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                        value.len()
                    ));
                }
                let ip = String::from_utf8_lossy(value).into_owned();
                announced.ip = Some(ip).filter(|ip| !ip.is_empty());
            }
            b"capa" => match value.to_ascii_lowercase().as_slice() {
                b"eof" => announced.eof = true,
                b"psync2" => announced.psync2 = true,
                // Capabilities of the future are none of ours.
                _ => {}
            },
            b"rdb-only" => {
                announced.rdb_only = match parse::<i64>(value).ok_or(NOT_AN_INTEGER)? {
                    0 => false,
                    1 => true,
                    _ => return Err("ERR value is out of range, value must between 0 and 1".into()),
                };
            }
            b"rdb-filter-only" => announced.contents = filtered_contents(value)?,
            _ => {
                return Err(format!(
                    "ERR Unrecognized REPLCONF option: {}",
                    String::from_utf8_lossy(as_typed)
                ));
            }
        }
        Ok(())
    }

    fn ack(&mut self, now: Mono, link: LinkId, offset: Offset) {
        let Some(replica) = self.replicas.get_mut(&link) else {
            return;
        };
        replica.last_ack = now;
        let port = replica.announced.port;
        if offset > self.offset {
            let text = format!(
                "Replica {} acknowledged offset {offset}, but the stream ends at {}: ignored",
                replica.name(),
                self.offset
            );
            self.log(LogLevel::Verbose, text);
            self.mark("ack-beyond-our-offset");
            self.emit(Output::Event(Event::SignOfLife { link, port }));
        } else {
            replica.acked = replica.acked.max(offset);
            replica.has_acked = true;
            let event = Event::AckReceived { link, port, offset };
            self.emit(Output::Event(event));
        }
        self.first_ack(now, link);
        self.refresh_good_replicas(now);
        self.answer_waiters();
        self.drive_failover(now);
    }

    /// After a transfer by mark, the stream starts with the first ack: earlier, the replica would
    /// take stream bytes for snapshot bytes.
    fn first_ack(&mut self, now: Mono, link: LinkId) {
        let Some(replica) = self.replicas.get(&link) else {
            return;
        };
        if replica.phase == Phase::AwaitAck && !replica.announced.rdb_only {
            self.go_online(now, link);
        }
    }
}

/// What is left when only the named parts are wanted; there is one that can be named.
fn filtered_contents(value: &[u8]) -> Result<SnapshotContents, String> {
    let Some(words) = split_args(value) else {
        return Err("ERR Missing rdb-filter-only values".into());
    };
    let mut contents = SnapshotContents { keys: false, functions: false };
    for word in words {
        if !word.eq_ignore_ascii_case(b"functions") {
            let word = String::from_utf8_lossy(&word);
            return Err(format!("ERR Unsupported rdb-filter-only option: {word}"));
        }
        contents.functions = true;
    }
    Ok(contents)
}

fn parse<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
