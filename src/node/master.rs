//! The link to the master: bytes go to the core, commands come out, are executed, and are given
//! back to the core, which passes their bytes on and counts them.
//!
//! Commands are executed as the client [`MASTER`], in the database that the core says the stream
//! has selected. Must never: refuse a command.

use bytes::BytesMut;

use crate::command::Call;
use crate::command::table::{self, Flags};
use crate::env::{Now, Peer};
use crate::replication::MasterCommand;

use super::blocking::PauseKind;
use super::client::{Client, Kind, MASTER};
use super::settings::PropagationError;
use super::{Action, LoadError, Node};

/// What the node keeps about the connection to its master.
#[derive(Debug, Default)]
pub(crate) struct MasterSide {
    /// Number of the newest connection or attempt; what older ones say is ignored.
    pub(crate) attempt: u64,
    pub(crate) connected: bool,
    pub(crate) output: BytesMut,
    /// What happened while the node stood still, and the attempt it belongs to.
    held: Vec<(u64, Held)>,
}

/// What the node has yet to be told of its link. Bytes are not among it: they stay in the socket.
#[derive(Debug)]
enum Held {
    Closed(String),
    /// What was to be received is written, or why not.
    Received(Result<(), LoadError>),
}

impl Node {
    pub(super) fn link_connected(&mut self, now: Now, attempt: u64, peer: Peer) {
        if attempt != self.master.attempt {
            return;
        }
        self.master.connected = true;
        let mut client = Client::new(now, MASTER, peer, Kind::Master);
        client.authenticated = true;
        self.clients.insert(client);
        self.replication.master_connected(now.mono);
        self.pump(now);
    }

    /// Whether what the master sends may be read: not while the node stands still, where nothing
    /// could be done with it and there would be no limit to it.
    pub(crate) fn reads_master(&self) -> bool {
        !self.pauses.frozen
    }

    pub(super) fn link_bytes(&mut self, now: Now, attempt: u64, bytes: &[u8]) {
        if attempt != self.master.attempt || !self.master.connected {
            return;
        }
        assert!(self.reads_master(), "bytes of the master were read while the node stood still");
        self.stats.repl_input_bytes += bytes.len() as u64;
        if let Some(client) = self.clients.get_mut(&MASTER) {
            client.last_interaction = now.mono;
        }
        self.replication.master_bytes(now.mono, bytes);
        self.pump(now);
        self.apply_stream(now);
    }

    pub(super) fn link_closed(&mut self, now: Now, attempt: u64, reason: &str) {
        if attempt != self.master.attempt {
            return;
        }
        if self.pauses.frozen {
            self.master.held.push((attempt, Held::Closed(reason.to_owned())));
            return;
        }
        self.master.connected = false;
        self.master.output.clear();
        self.drop_master_transaction();
        self.replication.master_closed(now.mono, reason);
        self.pump(now);
    }

    /// Whether the node stands still, so that this has to wait.
    pub(super) fn hold_received(&mut self, result: &Result<(), LoadError>) -> bool {
        if self.pauses.frozen {
            self.master.held.push((self.master.attempt, Held::Received(result.clone())));
        }
        self.pauses.frozen
    }

    /// Takes note of what happened while the node stood still. A snapshot must not have been begun
    /// meanwhile: it would have been loaded before an older file.
    pub(crate) fn take_held(&mut self, now: Now) {
        for (attempt, held) in std::mem::take(&mut self.master.held) {
            match held {
                Held::Closed(reason) => self.link_closed(now, attempt, &reason),
                Held::Received(result) => self.receive_is_over(now, result),
            }
        }
    }

    /// A half transaction is lost with its connection; the master sends all of it again.
    pub(crate) fn drop_master_transaction(&mut self) {
        self.end_transaction(MASTER);
    }

    /// Executes all whole commands the core holds.
    pub(crate) fn apply_stream(&mut self, now: Now) {
        while !self.pauses.frozen
            && !self.exiting
            && !self.holds_back_stream(now)
            && let Some(command) = self.replication.next_command(now.mono)
        {
            self.apply(now, &command);
            self.pump(now);
            if self.clients.get(&MASTER).is_none_or(|client| client.kind != Kind::Master) {
                break;
            }
        }
        self.flush_monitors();
    }

    /// Whether a pause keeps what the master says next waiting: it is paused as a client is
    /// (server.c `processCommand`), a transaction as a whole.
    fn holds_back_stream(&mut self, now: Now) -> bool {
        let Some(kind) = self.pauses.kind().filter(|_| !self.replication.in_transaction()) else {
            return false;
        };
        let holds = |command: &MasterCommand| {
            let flags = Call::find(&command.args()).map_or(Flags::NONE, |call| call.flags());
            kind == PauseKind::All || flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE)
        };
        self.replication.next_unit(now.mono).iter().any(holds)
    }

    fn apply(&mut self, now: Now, command: &MasterCommand) {
        let args = command.args();
        // What concerns the link itself is the core's, which sees it in `applied`.
        let own = args.first().is_none_or(|name| name.eq_ignore_ascii_case(b"replconf"));
        if !own {
            let db = self.replication.applying_db();
            if let Some(client) = self.clients.get_mut(&MASTER) {
                client.reply.clear();
                // What is queued runs where MULTI stood, even if a SELECT is among it.
                if client.transaction.is_none() {
                    client.db = db;
                }
            }
            self.dispatch(now, MASTER, &args);
            self.check_master_reply(now, &args);
        }
        self.replication.applied(now.mono, command);
        self.give_up_saves(now);
    }

    /// An error here means that this replica is no copy of its master any more.
    fn check_master_reply(&mut self, now: Now, args: &[&[u8]]) {
        let Some(client) = self.clients.get_mut(&MASTER) else {
            return;
        };
        let Some(text) = client.reply.as_bytes().strip_prefix(b"-") else {
            client.reply.clear();
            return;
        };
        let text = text.strip_prefix(b"ERR ").unwrap_or(text).trim_ascii_end();
        let text = String::from_utf8_lossy(text).into_owned();
        client.reply.clear();
        let name = table::lookup(args[0]).map_or_else(
            || String::from_utf8_lossy(args[0]).into_owned(),
            |command| command.name.to_owned(),
        );
        self.stats.unexpected_error_replies += 1;
        self.log_warning(format!(
            "== CRITICAL == This replica is sending an error to its master: '{text}' after \
             processing the command '{name}'"
        ));
        // Who may write to a replica has made it no copy (networking.c `afterErrorReply`).
        let is_copy = self.settings.replica_read_only;
        if is_copy && self.settings.propagation_error != PropagationError::Ignore {
            self.log_warning(format!(
                "This server panicked sending an error to its master after processing the \
                 command '{name}'"
            ));
            self.exit(now, 1);
        }
    }

    /// Makes a master a replica of another node (`REPLICAOF host port`).
    pub(crate) fn follow(&mut self, now: Now, host: &str, port: u16) {
        self.replication.replicaof(now.mono, host, port);
        self.pump(now);
    }

    /// Cuts the connection to the master as if it had been lost (`CLIENT KILL TYPE master`).
    pub(crate) fn kill_master_link(&mut self, now: Now) -> bool {
        if !self.master.connected {
            return false;
        }
        let attempt = self.master.attempt;
        self.actions.push_back(Action::DisconnectMaster);
        self.link_closed(now, attempt, "killed by a client");
        true
    }
}
