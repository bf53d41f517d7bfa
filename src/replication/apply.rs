//! Following the stream: cutting it into commands, and counting what has been applied.
//!
//! The offset moves when a command *has been applied*, by the command's exact length, and those
//! very bytes then go to the backlog and to sub-replicas. Not when bytes arrive: a link cut
//! inside a command would then have counted bytes that nobody applied.
//!
//! A transaction is one unit. `MULTI` is held back until its `EXEC` is here, then all of it is
//! handed out; its bytes count when `EXEC` has been applied. So a cut inside a transaction leaves
//! nothing half done, and asks for it again from `MULTI` on. The price is memory for the largest
//! transaction, bounded by [`INPUT_LIMIT_BYTES`].
//!
//! Must never: rewrite a byte. Sub-replicas count them too.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::codec::resp::{CommandParser, Parse, ParseLimits};
use crate::event::Event;

use super::master_link::Phase;
use super::{MasterCommand, Mono, Output, Replication, stream};

/// Most input of the master's that waits to be applied, in bytes: what `client-query-buffer-limit`
/// is by default. More than that (one enormous command or transaction, or a replica paused too
/// long) breaks the link, and a full sync brings what could not come this way.
pub(super) const INPUT_LIMIT_BYTES: usize = 1 << 30;

/// The bytes of the commands of a unit: of one, as a rule.
type Raws = SmallVec<[Bytes; 1]>;

/// Commands in, units out.
#[derive(Debug)]
pub(super) struct Applier {
    input: BytesMut,
    parser: CommandParser,
    /// Empty lines at the front of `input`: they count with the command after them.
    skipped: usize,
    /// A transaction whose `EXEC` has not arrived.
    open: Vec<MasterCommand>,
    open_bytes: usize,
    /// Whole units, not yet handed out.
    ready: VecDeque<MasterCommand>,
    /// Handed out, not yet applied.
    in_hand: VecDeque<Bytes>,
    /// Applied commands of the unit that is under way, and the database it selected.
    unit: Raws,
    unit_db: Option<u32>,
    in_multi: bool,
}

impl Applier {
    pub(super) fn new(input: BytesMut) -> Self {
        Self {
            input,
            parser: CommandParser::new(),
            skipped: 0,
            open: Vec::new(),
            open_bytes: 0,
            ready: VecDeque::new(),
            in_hand: VecDeque::new(),
            unit: Raws::new(),
            unit_db: None,
            in_multi: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Input that is neither applied nor handed out.
    pub(super) fn held_bytes(&self) -> usize {
        self.input.len() + self.open_bytes
    }

    /// Bytes that arrived and are not in the offset yet.
    pub(super) fn unapplied_bytes(&self) -> usize {
        let raws = self.ready.iter().map(|command| &command.raw);
        let raws = raws.chain(&self.in_hand).chain(&self.unit);
        self.held_bytes() + raws.map(Bytes::len).sum::<usize>()
    }

    pub(super) fn holds_half_a_transaction(&self) -> bool {
        !self.open.is_empty() || self.in_multi
    }

    pub(super) fn holds_half_a_command(&self) -> bool {
        !self.input.is_empty()
    }

    fn is_inside_a_unit(&self) -> bool {
        self.in_multi || !self.in_hand.is_empty()
    }

    /// Makes a whole unit ready, if there is one.
    fn fill(&mut self) -> Result<(), String> {
        while self.ready.is_empty() && self.parse_one()? {}
        Ok(())
    }

    fn next(&mut self) -> Result<Option<MasterCommand>, String> {
        self.fill()?;
        let Some(command) = self.ready.pop_front() else {
            return Ok(None);
        };
        self.in_hand.push_back(command.raw.clone());
        Ok(Some(command))
    }

    /// Takes one command off the input; false if there is none.
    fn parse_one(&mut self) -> Result<bool, String> {
        let limits = ParseLimits::default();
        let consumed = match self.parser.parse(&self.input[self.skipped..], &limits) {
            Err(error) => return Err(format!("Protocol error from the master: {error}")),
            Ok(Parse::Incomplete) => return Ok(false),
            Ok(Parse::Empty { consumed }) => {
                self.skipped += consumed;
                return Ok(true);
            }
            Ok(Parse::Command { consumed }) => consumed,
        };
        if self.parser.is_inline() {
            return Err("Receiving inline protocol from master, master stream corruption?".into());
        }
        let skipped = std::mem::take(&mut self.skipped);
        let raw = self.input.split_to(skipped + consumed).freeze();
        let ranges = self.parser.arg_ranges();
        let args = ranges.iter().map(|range| skipped + range.start..skipped + range.end).collect();
        self.sort(MasterCommand { raw, args });
        Ok(true)
    }

    fn sort(&mut self, command: MasterCommand) {
        let (begins, ends) = (opens(&command), closes(&command));
        if self.open.is_empty() && !begins {
            self.ready.push_back(command);
            return;
        }
        self.open_bytes += command.raw.len();
        self.open.push(command);
        if ends {
            self.ready.extend(self.open.drain(..));
            self.open_bytes = 0;
        }
    }

    /// Notes one applied command; the raw bytes of its unit if that is complete.
    fn applied(&mut self, command: &MasterCommand) -> Option<(Raws, Option<u32>)> {
        let raw = self.in_hand.pop_front()?;
        debug_assert_eq!(raw, command.raw, "applied out of order");
        self.unit.push(raw);
        if opens(command) {
            self.in_multi = true;
        } else if closes(command) {
            self.in_multi = false;
        } else if command.is_named(b"select") {
            self.unit_db = stream::selected_by(&command.args()).or(self.unit_db);
        }
        if self.in_multi {
            return None;
        }
        Some((std::mem::take(&mut self.unit), self.unit_db.take()))
    }
}

impl Replication {
    /// Next command of the stream, if a whole one is there. Execute it in database
    /// [`Replication::applying_db`], then call `applied`. A transaction comes command by command,
    /// from `MULTI` to `EXEC`: take all of it before doing anything else. `REPLCONF GETACK` has
    /// been answered when it is handed out; nothing is left to execute. A paused node does not
    /// call this while [`Replication::next_unit`] has what it holds back.
    pub fn next_command(&mut self, now: Mono) -> Option<MasterCommand> {
        let Phase::Connected(applier) = &mut self.upstream.as_mut()?.phase else {
            return None;
        };
        match applier.next() {
            Err(why) => {
                self.break_stream(now, &why);
                None
            }
            Ok(command) => {
                if let Some(command) = &command
                    && is_getack(command)
                {
                    // Before it is counted itself.
                    self.mark("getack-answered");
                    self.send_ack();
                }
                command
            }
        }
    }

    /// What `next_command` would hand out next: a command, or all of a transaction. Ask between
    /// units only.
    pub fn next_unit(&mut self, now: Mono) -> Vec<MasterCommand> {
        let Some(Phase::Connected(applier)) = self.upstream.as_mut().map(|m| &mut m.phase) else {
            return Vec::new();
        };
        if let Err(why) = applier.fill() {
            self.break_stream(now, &why);
            return Vec::new();
        }
        applier.ready.iter().cloned().collect()
    }

    /// The command was executed (or failed in a way that the master must have seen too): now it
    /// counts. Call it for each command of `next_command`, in order.
    pub fn applied(&mut self, now: Mono, command: &MasterCommand) {
        let Some(Phase::Connected(applier)) = self.upstream.as_mut().map(|m| &mut m.phase) else {
            return;
        };
        let Some((unit, db)) = applier.applied(command) else {
            return;
        };
        if db.is_some() {
            self.stream_db = db;
        }
        for raw in unit {
            self.extend_stream(now, &raw);
        }
    }

    /// Database in which the next command of the stream is to be executed.
    pub fn applying_db(&self) -> u32 {
        let inside = match self.upstream.as_ref().map(|m| &m.phase) {
            Some(Phase::Connected(applier)) => applier.unit_db,
            _ => None,
        };
        inside.or(self.stream_db).unwrap_or(0)
    }

    /// Whether part of a transaction of the stream has been handed out and part has not been
    /// applied: no time for a snapshot.
    pub fn in_transaction(&self) -> bool {
        match self.upstream.as_ref().map(|m| &m.phase) {
            Some(Phase::Connected(applier)) => applier.is_inside_a_unit(),
            _ => false,
        }
    }

    /// `REPLCONF ACK`: everything up to here has been applied. Masters that gave us no id do not
    /// know it.
    pub(super) fn send_ack(&mut self) {
        if !self.resumable {
            return;
        }
        let offset = self.offset;
        let mut bytes = BytesMut::new();
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(offset.0).as_bytes();
        crate::codec::resp::encode_command::<&[u8]>(&mut bytes, &[b"REPLCONF", b"ACK", digits]);
        self.emit(Output::ToMaster(bytes.to_vec()));
        self.emit(Output::Event(Event::AckSent { offset }));
    }
}

fn opens(command: &MasterCommand) -> bool {
    command.is_named(b"multi")
}

fn closes(command: &MasterCommand) -> bool {
    command.is_named(b"exec") || command.is_named(b"discard")
}

fn is_getack(command: &MasterCommand) -> bool {
    command.is_named(b"replconf")
        && command.args().get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack"))
}
