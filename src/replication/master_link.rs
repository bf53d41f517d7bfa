//! The replica's end: the link to the master, from connecting to following the stream.
//!
//! ```text
//!            +-----------------------------------------------------------------+
//!            v                        any loss, error or timeout               |
//!   Connect ---> Connecting ---> Handshake --+-- +FULLRESYNC --> Transfer --> Loading --+
//!    (1 Hz)                                  |                                          v
//!                                            +-- +CONTINUE ------------------------> Connected
//! ```
//! Losing the link costs what was on its way and nothing else: the offset says exactly what has
//! been applied, so the next `PSYNC` asks for the byte after it.
//!
//! Must never: let go of the dataset (or of the right to resume) before a whole new one is here.

use bytes::BytesMut;

use crate::env::LogLevel;
use crate::event::{Event, MasterLinkState};

use super::apply::{Applier, INPUT_LIMIT_BYTES};
use super::handshake::Handshake;
use super::payload::{Payload, Piece};
use super::{Mono, Offset, Output, Replication, ReplicationId};

/// The configured master, and how far the link to it has come.
#[derive(Debug)]
pub(super) struct MasterLink {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) phase: Phase,
    /// Last sign of life from the master, or the start of the attempt.
    pub(super) last_io: Mono,
    /// Since when we do not follow the stream.
    pub(super) down_since: Mono,
}

/// See the module's text.
#[derive(Debug)]
pub(super) enum Phase {
    Connect,
    Connecting,
    Handshake(Handshake),
    Transfer(Box<Transfer>),
    /// All of the snapshot has come, and is not known to be kept yet.
    Received(Box<Loading>),
    Loading(Box<Loading>),
    Connected(Box<Applier>),
}

/// What the dataset on its way will be; `None` for `SYNC`, which does not tell.
type NewHistory = Option<(ReplicationId, Offset)>;

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) history: NewHistory,
    pub(super) payload: Payload,
    /// What comes is decoded as it comes: this may take long, and the master is told of it.
    pub(super) decoding: bool,
}

#[derive(Debug)]
pub(super) struct Loading {
    history: NewHistory,
    /// Stream bytes that arrive meanwhile.
    input: BytesMut,
    /// The master hung up meanwhile, with this reason.
    closed: Option<String>,
    pub(super) received_bytes: u64,
}

impl Phase {
    pub(super) fn state(&self) -> MasterLinkState {
        match self {
            Self::Connect => MasterLinkState::Connect,
            Self::Connecting => MasterLinkState::Connecting,
            Self::Handshake(_) => MasterLinkState::Handshake,
            Self::Transfer(_) | Self::Received(_) => MasterLinkState::Transfer,
            Self::Loading(_) => MasterLinkState::Loading,
            Self::Connected(_) => MasterLinkState::Connected,
        }
    }

    pub(super) fn is_full_sync(&self) -> bool {
        matches!(self, Self::Transfer(_) | Self::Received(_) | Self::Loading(_))
    }

    /// Whether there is something to abort at the node.
    fn has_begun_receiving(&self) -> bool {
        match self {
            Self::Transfer(transfer) => transfer.payload.header_seen(),
            Self::Received(_) | Self::Loading(_) => true,
            _ => false,
        }
    }

    /// The name of the rare state in which the link was cut, if it is one.
    fn cut(&self) -> Option<&'static str> {
        match self {
            Self::Transfer(_) | Self::Received(_) => Some("cut-in-transfer"),
            Self::Loading(_) => Some("cut-in-loading"),
            Self::Connected(applier) if applier.holds_half_a_transaction() => {
                Some("transaction-cut")
            }
            Self::Connected(applier) if applier.holds_half_a_command() => Some("command-cut"),
            _ => None,
        }
    }
}

impl MasterLink {
    pub(super) fn new(host: String, port: u16, now: Mono) -> Self {
        Self { host, port, phase: Phase::Connect, last_io: now, down_since: now }
    }
}

impl Replication {
    // --- what the connection reports

    /// The connection asked for with [`Output::Connect`] stands.
    pub fn master_connected(&mut self, now: Mono) {
        let Some(master) = &mut self.upstream else {
            return;
        };
        if !matches!(master.phase, Phase::Connecting) {
            return;
        }
        master.last_io = now;
        self.log(LogLevel::Notice, "Non blocking connect for SYNC fired the event.");
        self.begin_handshake();
    }

    /// Bytes from the master, in pieces of any size.
    pub fn master_bytes(&mut self, now: Mono, bytes: &[u8]) {
        let mut input = bytes;
        while !input.is_empty() {
            let Some(master) = &mut self.upstream else {
                return;
            };
            master.last_io = now;
            match &mut master.phase {
                // Left over from a connection that was given up.
                Phase::Connect | Phase::Connecting => return,
                Phase::Handshake(handshake) => match handshake.next_line(&mut input) {
                    Ok(Some(line)) => self.handshake_line(now, &line),
                    Ok(None) => {}
                    Err(why) => self.give_up_link(now, why, false),
                },
                Phase::Transfer(_) => self.receive(now, &mut input),
                Phase::Received(loading) | Phase::Loading(loading) => {
                    loading.input.extend_from_slice(input);
                    let held = loading.input.len();
                    input = &[];
                    self.limit_input(now, held);
                }
                Phase::Connected(applier) => {
                    applier.push(input);
                    let held = applier.held_bytes();
                    input = &[];
                    self.limit_input(now, held);
                }
            }
        }
    }

    /// The connection to the master (or the attempt) is gone.
    pub fn master_closed(&mut self, now: Mono, reason: &str) {
        let Some(master) = &mut self.upstream else {
            return;
        };
        match &mut master.phase {
            Phase::Connect => return,
            Phase::Connecting => {
                self.log(
                    LogLevel::Warning,
                    format!("Error condition on socket for SYNC: {reason}"),
                );
            }
            Phase::Handshake(handshake) => {
                let asked = handshake.awaits_psync_answer();
                self.mark("cut-in-handshake");
                if asked {
                    self.log(LogLevel::Warning, "Master did not reply to PSYNC, will try later");
                    self.failover_answer_lost();
                } else {
                    self.log(
                        LogLevel::Warning,
                        format!("Connection lost during the handshake with MASTER: {reason}"),
                    );
                }
            }
            Phase::Transfer(_) => {
                self.log(
                    LogLevel::Warning,
                    format!("I/O error trying to sync with MASTER: {reason}"),
                );
            }
            Phase::Received(loading) | Phase::Loading(loading) => {
                // All of the snapshot is here: finish, and resume by partial resync.
                loading.closed = Some(reason.to_owned());
                return;
            }
            Phase::Connected(_) => {
                self.log(LogLevel::Warning, "Connection with master lost.");
                self.lose_link(now, reason);
                self.reconnect(now);
                return;
            }
        }
        self.lose_link(now, reason);
        self.check();
    }

    // --- receiving and loading a snapshot

    fn receive(&mut self, now: Mono, input: &mut &[u8]) {
        let Some(Phase::Transfer(transfer)) = self.upstream.as_mut().map(|m| &mut m.phase) else {
            return;
        };
        let pieces = match transfer.payload.feed(input) {
            Ok(pieces) => pieces,
            Err(why) => {
                self.log(LogLevel::Warning, why.clone());
                self.give_up_link(now, &why, false);
                return;
            }
        };
        let mark_was_split = transfer.payload.mark_was_split;
        let same_history = transfer.history.is_some_and(|(id, _)| id == self.id);
        for piece in pieces {
            match piece {
                Piece::Newline => self.emit(Output::Event(Event::MasterSignOfLife)),
                Piece::Begin(length_bytes) => {
                    let text = match length_bytes {
                        Some(length) => {
                            format!("MASTER <-> REPLICA sync: receiving {length} bytes from master")
                        }
                        None => {
                            "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF"
                                .to_owned()
                        }
                    };
                    self.log(LogLevel::Notice, text);
                    self.emit(Output::ReceiveBegin { length_bytes, same_history });
                }
                Piece::Data(bytes) => self.emit(Output::ReceiveData(bytes)),
                Piece::End => {
                    if mark_was_split {
                        self.mark("snapshot-mark-across-reads");
                    }
                    self.all_has_come();
                }
            }
        }
    }

    fn all_has_come(&mut self) {
        let Some(master) = &mut self.upstream else {
            return;
        };
        if let Phase::Transfer(transfer) = &master.phase {
            master.phase = Phase::Received(Box::new(Loading {
                history: transfer.history,
                input: BytesMut::new(),
                closed: None,
                received_bytes: transfer.payload.read_bytes,
            }));
        }
        self.emit(Output::ReceiveEnd);
    }

    /// What has come of the snapshot is being dealt with. As long as this goes on the master is not
    /// silent, it is not read from. `decoding`: into the dataset, not to a file.
    pub fn receiving(&mut self, now: Mono, decoding: bool) {
        if let Some(master) = &mut self.upstream
            && let Phase::Transfer(transfer) = &mut master.phase
        {
            transfer.decoding = decoding;
            master.last_io = now;
        }
    }

    /// What [`Output::ReceiveEnd`] asked is known: all of the snapshot is kept, or why it is not.
    /// Then nothing was changed: sub-replicas and the right to resume stay, as in Redis, where a
    /// file that cannot be written ends the transfer.
    pub fn received(&mut self, now: Mono, result: Result<(), String>) {
        let Some(Phase::Received(_)) = self.upstream.as_ref().map(|master| &master.phase) else {
            return;
        };
        match result {
            Ok(()) => self.begin_load(now),
            Err(error) => {
                self.log(LogLevel::Warning, error.clone());
                self.mark("snapshot-not-kept");
                self.give_up_load(&error);
            }
        }
    }

    /// The node has let go of what it received.
    fn give_up_load(&mut self, why: &str) {
        master_phase(&mut self.upstream, Phase::Connect);
        self.emit(Output::Disconnect);
        self.link_event(why);
    }

    /// The point of no return: sub-replicas follow a history that is about to end here, and the
    /// right to resume it goes with the data (Redis `replicationAttachToNewMaster`).
    fn begin_load(&mut self, now: Mono) {
        self.log(LogLevel::Notice, "MASTER <-> REPLICA sync: Loading DB in memory");
        self.close_all_replicas(now, "a full sync replaces the dataset");
        self.backlog = None;
        if std::mem::take(&mut self.resumable) {
            self.mark("cached-master-discarded");
        }
        let Some(master) = &mut self.upstream else {
            return;
        };
        if let Phase::Received(loading) = std::mem::replace(&mut master.phase, Phase::Connect) {
            master.phase = Phase::Loading(loading);
        }
        self.link_event("");
        self.emit(Output::Load);
    }

    /// The load that [`Output::Load`] asked for is over: `Ok` with the database that the
    /// file says is selected in the stream (`repl-stream-db`), or `Err`, and nothing was changed.
    pub fn load_finished(&mut self, now: Mono, result: Result<Option<u32>, String>) {
        let Some(master) = &mut self.upstream else {
            return;
        };
        let Phase::Loading(loading) = &mut master.phase else {
            return;
        };
        let db = match result {
            Ok(db) => db,
            Err(error) => {
                self.log(
                    LogLevel::Warning,
                    format!("Failed trying to load the MASTER synchronization DB: {error}"),
                );
                self.mark("load-of-full-sync-failed");
                self.give_up_load(&error);
                return;
            }
        };
        let (history, closed) = (loading.history, loading.closed.take());
        let input = std::mem::take(&mut loading.input);
        match history {
            Some((id, offset)) => {
                self.id = id;
                self.offset = offset;
            }
            // SYNC tells neither: a history of our own begins.
            None => self.id = self.ids.fresh(),
        }
        self.second = None;
        self.stream_db = Some(db.unwrap_or(0));
        self.reset_backlog();
        self.log(LogLevel::Notice, "MASTER <-> REPLICA sync: Finished with success");
        self.identity_changed("full-sync");
        self.follow(now, input, history.is_some());
        self.send_ack();
        if let Some(reason) = closed {
            self.log(LogLevel::Warning, "Connection with master lost.");
            self.mark("master-gone-while-loading");
            self.lose_link(now, &reason);
            self.reconnect(now);
        }
        self.check();
    }

    /// From here on the stream counts.
    pub(super) fn follow(&mut self, now: Mono, input: BytesMut, resumable: bool) {
        self.resumable = resumable;
        self.ensure_backlog();
        if let Some(master) = &mut self.upstream {
            master.last_io = now;
            master.phase = Phase::Connected(Box::new(Applier::new(input)));
        }
        self.link_event("");
    }

    // --- connecting and giving up

    pub(super) fn connect_to_master(&mut self, now: Mono, reason: &str) {
        let Some(master) = &mut self.upstream else {
            return;
        };
        master.phase = Phase::Connecting;
        master.last_io = now;
        let (host, port) = (master.host.clone(), master.port);
        self.emit(Output::Connect { host, port });
        self.log(LogLevel::Notice, "MASTER <-> REPLICA sync started");
        self.link_event(reason);
    }

    /// After a link that worked, at once: every second counts against the backlog.
    fn reconnect(&mut self, now: Mono) {
        if let Some((host, port)) = self.master_address() {
            let text = format!("Reconnecting to MASTER {host}:{port}");
            self.log(LogLevel::Notice, text);
            self.connect_to_master(now, "");
        }
    }

    /// Hangs up. The next attempt comes with the next cron.
    pub(super) fn give_up_link(&mut self, now: Mono, reason: &str, was_late: bool) {
        if was_late {
            self.mark("master-timed-out");
        }
        self.emit(Output::Disconnect);
        self.lose_link(now, reason);
    }

    /// The stream cannot be understood: what we have may be worth nothing either, so that we do
    /// not ask to resume from it.
    pub(super) fn break_stream(&mut self, now: Mono, why: &str) {
        self.log(
            LogLevel::Warning,
            format!(
                "{why}. Closing the connection with the master and discarding the cached master."
            ),
        );
        self.mark("stream-broken");
        self.give_up_link(now, why, false);
        self.resumable = false;
    }

    /// What all losses have in common: what was on its way is dropped, the rest stays.
    fn lose_link(&mut self, now: Mono, reason: &str) {
        let Some(old) = master_phase(&mut self.upstream, Phase::Connect) else {
            return;
        };
        self.drop_phase(&old);
        if let (Phase::Connected(_), Some(master)) = (&old, &mut self.upstream) {
            master.down_since = now;
            if self.resumable {
                self.log(LogLevel::Notice, "Caching the disconnected master state.");
            }
        }
        self.link_event(reason);
    }

    /// Tells what hangs on a link that ends here.
    pub(super) fn drop_phase(&mut self, old: &Phase) {
        if let Some(name) = old.cut() {
            self.mark(name);
        }
        if old.has_begun_receiving() {
            self.emit(Output::ReceiveAbort);
        }
    }

    pub(super) fn link_event(&mut self, reason: &str) {
        let (host, port) = self.master_address().unwrap_or(("", 0));
        let event = Event::MasterLink {
            host: host.to_owned().into(),
            port,
            state: self.master_link(),
            reason: reason.to_owned().into(),
        };
        self.emit(Output::Event(event));
    }

    fn limit_input(&mut self, now: Mono, held_bytes: usize) {
        if held_bytes > INPUT_LIMIT_BYTES {
            self.break_stream(now, "Input from the master exceeds the query buffer limit");
        }
    }

    // --- what time brings

    /// Once a second: timeouts, the next attempt, acks, signs of life while loading.
    pub(super) fn master_link_cron(&mut self, now: Mono) {
        let Some(master) = &self.upstream else {
            return;
        };
        let late = now.saturating_sub(master.last_io) > self.config.repl_timeout;
        let complaint = match &master.phase {
            Phase::Connecting | Phase::Handshake(_) => "Timeout connecting to the MASTER...",
            Phase::Transfer(_) => {
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value."
            }
            Phase::Connected(_) => "MASTER timeout: no data nor PING received...",
            Phase::Connect | Phase::Received(_) | Phase::Loading(_) => "",
        };
        if late && !complaint.is_empty() {
            if let Phase::Handshake(handshake) = &master.phase
                && handshake.awaits_psync_answer()
            {
                self.failover_answer_lost();
            }
            self.log(LogLevel::Warning, complaint);
            self.give_up_link(now, "timeout", true);
        }
        match self.upstream.as_ref().map(|m| &m.phase) {
            Some(Phase::Connect) => {
                if let Some((host, port)) = self.master_address() {
                    let text = format!("Connecting to MASTER {host}:{port}");
                    self.log(LogLevel::Notice, text);
                }
                self.connect_to_master(now, "");
            }
            Some(Phase::Connected(_)) => self.send_ack(),
            Some(Phase::Received(loading) | Phase::Loading(loading))
                if loading.closed.is_none() =>
            {
                self.emit(Output::ToMaster(b"\n".to_vec()));
            }
            Some(Phase::Transfer(transfer)) if transfer.decoding => {
                self.emit(Output::ToMaster(b"\n".to_vec()));
            }
            _ => {}
        }
    }
}

/// Puts the link into another phase; the one before.
fn master_phase(upstream: &mut Option<MasterLink>, phase: Phase) -> Option<Phase> {
    upstream.as_mut().map(|master| std::mem::replace(&mut master.phase, phase))
}
