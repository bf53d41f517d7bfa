//! Connections of clients and replicas: accepting, reading, writing, limits, closing.
//!
//! Bytes owed to a connection are its replies and, for an online replica, the stream behind
//! them. One batch is handed out at a time; the shell reports with [`Node::wrote`] how much of
//! it has been written.

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::resp::{CommandParser, Parse, ParseLimits, Reply};
use crate::env::{LogLevel, Now, Peer};
use crate::replication::LinkId;

use super::client::{Blocked, Client, Kind, MASTER, Part, Transfer};
use super::dispatch::Outcome;
use super::{Action, ClientId, Node, Output};

/// Most stream bytes handed out at once.
const STREAM_CHUNK_BYTES: usize = 64 * 1024;

const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only \
    accepted from the loopback interface. To accept connections from elsewhere, set a password \
    (requirepass), or turn protected mode off (CONFIG SET protected-mode no, from the loopback \
    interface).\r\n";

impl Node {
    pub(super) fn accept_client(&mut self, now: Now, peer: Peer) -> Result<ClientId, Bytes> {
        let count = self.clients.len() - usize::from(self.clients.contains_key(&MASTER));
        if count >= self.settings.maxclients {
            self.stats.rejected_connections += 1;
            return Err(Bytes::from_static(b"-ERR max number of clients reached\r\n"));
        }
        let open = self.users.is_open() && self.settings.protected_mode;
        if open && !peer.loopback && !peer.unix {
            self.stats.rejected_connections += 1;
            return Err(Bytes::from_static(DENIED));
        }
        let id = self.next_client;
        self.next_client += 1;
        self.stats.connections += 1;
        self.log(LogLevel::Verbose, || format!("Accepted {}", peer.addr));
        let mut client = Client::new(now, id, peer, Kind::Normal);
        client.authenticated = self.users.is_open();
        client.last_offset = self.replication.offset();
        self.clients.insert(client);
        Ok(id)
    }

    pub(super) fn read_client(&mut self, now: Now, id: ClientId, input: &mut BytesMut) {
        let Some(client) = self.clients.get_mut(&id) else {
            input.clear();
            return;
        };
        client.woken = false;
        self.stats.reads += 1;
        let fresh = input.len().saturating_sub(client.input_bytes);
        self.stats.input_bytes += fresh as u64;
        if fresh > 0 {
            client.last_interaction = now.mono;
        }
        // The parser borrows the input, and the handlers the node: so it is taken out meanwhile.
        let mut parser = std::mem::take(&mut client.parser);
        while self.step(now, id, &mut parser, input) {}
        let over = input.len() + parser.held_bytes() > self.settings.query_buffer_limit;
        if let Some(client) = self.clients.get_mut(&id) {
            client.parser = parser;
            client.input_bytes = input.len();
            if client.closing || client.close_after_reply {
                input.clear();
            } else if over && client.kind == Kind::Normal {
                self.close_over_query_limit(id);
            }
        }
        self.check_output_limit(now, id);
        self.count_client(id);
        self.evict_clients(now);
        self.flush_monitors();
    }

    /// Takes one command from the front of the input; false if nothing more can be done now.
    fn step(
        &mut self,
        now: Now,
        id: ClientId,
        parser: &mut CommandParser,
        input: &mut BytesMut,
    ) -> bool {
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        if !client.may_execute() || self.exiting {
            return false;
        }
        client.input_bytes = input.len();
        let replica = client.kind == Kind::Replica;
        let limits = ParseLimits {
            max_bulk_bytes: self.settings.max_bulk_bytes,
            unauthenticated: !client.authenticated && !self.users.is_open(),
            ..ParseLimits::default()
        };
        match parser.parse(input, &limits) {
            Ok(Parse::Incomplete) => false,
            Ok(Parse::Empty { consumed }) => {
                input.advance(consumed);
                if replica {
                    self.replication.replica_alive(now.mono, LinkId(id));
                    self.pump(now);
                }
                true
            }
            Ok(Parse::Command { consumed }) => {
                let outcome = self.dispatch(now, id, &parser.args(input));
                self.flush_monitors();
                if outcome == Outcome::Postponed {
                    return false;
                }
                input.advance(consumed);
                self.check_hard_output_limit(now, id);
                true
            }
            Err(error) => {
                self.log(LogLevel::Verbose, || format!("{error} from client {id}"));
                self.stats.count_error(b"ERR");
                self.reply_error(id, &format!("ERR {error}"));
                if let Some(client) = self.clients.get_mut(&id) {
                    client.close_after_reply = true;
                }
                false
            }
        }
    }

    pub(super) fn client_wants_input(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| client.may_execute() && !self.exiting)
    }

    pub(super) fn hand_out(&mut self, id: ClientId, bytes: &mut BytesMut) -> Option<Output> {
        let client = self.clients.get_mut(&id)?;
        client.woken = false;
        if client.closing || !client.outstanding.is_empty() || !client.owed.is_empty() {
            return None;
        }
        if let Some(transfer) = &mut client.transfer {
            if !transfer.preface {
                return None;
            }
            transfer.preface = false;
        }
        client.reply.take(bytes);
        if !bytes.is_empty() {
            client.outstanding.push_back(Part::Reply(bytes.len()));
        }
        if client.kind == Kind::Replica && client.transfer.is_none() && !client.close_after_reply {
            let chunk = self.replication.stream_chunk(LinkId(id));
            let chunk = &chunk[..chunk.len().min(STREAM_CHUNK_BYTES)];
            if !chunk.is_empty() {
                bytes.extend_from_slice(chunk);
                client.outstanding.push_back(Part::Stream(chunk.len()));
            }
        }
        let close_after = client.close_after_reply;
        if close_after {
            // Told once: nothing more will come.
            client.closing = true;
        }
        match (close_after, bytes.is_empty()) {
            (true, _) => Some(Output::Last),
            (false, false) => Some(Output::Bytes),
            (false, true) => None,
        }
    }

    pub(super) fn note_written(&mut self, now: Now, id: ClientId, mut bytes: usize) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        self.stats.writes += 1;
        client.last_interaction = now.mono;
        let mut stream = 0;
        while bytes > 0
            && let Some(part) = client.outstanding.front_mut()
        {
            let (left, of_stream) = match part {
                Part::Reply(left) => (left, false),
                Part::Stream(left) => (left, true),
            };
            let written = bytes.min(*left);
            *left -= written;
            bytes -= written;
            if of_stream {
                stream += written;
                self.stats.repl_output_bytes += written as u64;
            } else {
                self.stats.output_bytes += written as u64;
            }
            if *left == 0 {
                client.outstanding.pop_front();
            }
        }
        let idle = client.outstanding.is_empty();
        let more = owes_something(client);
        let replica = client.kind == Kind::Replica;
        client.output_shrank(&self.settings);
        self.count_client(id);
        if stream > 0 {
            self.replication.stream_sent(now.mono, LinkId(id), stream);
            self.pump(now);
        }
        let stream_left = replica && !self.replication.stream_chunk(LinkId(id)).is_empty();
        if idle && (more || stream_left) {
            self.wake(id);
        }
    }

    pub(super) fn forget_client(&mut self, now: Now, id: ClientId) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let addr = client.peer.addr.clone();
        self.log(LogLevel::Verbose, || format!("Client closed connection {addr}"));
        self.release(now, id);
        if let Some(client) = self.clients.remove(&id) {
            self.uncount_client(&client);
        }
        self.pump(now);
    }

    /// Ends everything that refers to a client.
    fn release(&mut self, now: Now, id: ClientId) {
        self.unwatch(id);
        self.monitors.remove(&id);
        self.forget_subscriptions(id);
        self.replication.wait_cancel(id);
        self.waiting.remove(id);
        if self.replication.is_replica(LinkId(id)) {
            self.replication.replica_closed(now.mono, LinkId(id));
        }
    }

    /// Asks the shell to drop a connection at once.
    pub(crate) fn close(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id)
            && !client.closing
        {
            client.closing = true;
            client.reply.clear();
            self.monitors.remove(&id);
            self.actions.push_back(Action::Close(id));
        }
    }

    /// Closes a connection; `me`, who asked for it, is answered first.
    pub(crate) fn close_politely(&mut self, id: ClientId, me: ClientId) {
        if id != me {
            return self.close(id);
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.close_after_reply = true;
        }
    }

    /// A snapshot begins to go over this connection: its other output waits.
    pub(crate) fn begin_transfer(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            let preface = !client.reply.is_empty();
            client.transfer = Some(Transfer { preface });
        }
    }

    /// Appends to a client's replies.
    pub(crate) fn reply(&mut self, id: ClientId, write: impl FnOnce(&mut Reply)) {
        if let Some(client) = self.clients.get_mut(&id)
            && !client.closing
        {
            write(&mut client.reply);
        }
    }

    /// Appends an error reply; `text` begins with its code.
    pub(crate) fn reply_error(&mut self, id: ClientId, text: &str) {
        self.reply(id, |reply| reply.error(text));
    }

    /// A half command or a transaction grew over `client-query-buffer-limit`.
    pub(crate) fn close_over_query_limit(&mut self, id: ClientId) {
        self.log_warning(format!("Closing client that reached max query buffer length: id={id}"));
        self.close(id);
    }

    /// Closes clients idle for longer than `timeout`, and those over their soft limit.
    pub(crate) fn check_clients(&mut self, now: Now) {
        let ids: Vec<ClientId> = self.clients.keys().copied().collect();
        for id in ids {
            self.check_output_limit(now, id);
            let Some(timeout) = self.settings.timeout else {
                continue;
            };
            let Some(client) = self.clients.get(&id) else {
                continue;
            };
            let listens = client.monitor || client.subscriptions.any();
            let exempt = client.kind != Kind::Normal || listens;
            let waits =
                matches!(client.blocked, Some(Blocked::Wait | Blocked::Keys | Blocked::Shutdown));
            let idle = now.mono.saturating_sub(client.last_interaction);
            if !exempt && !waits && idle > timeout {
                self.log(LogLevel::Verbose, || "Closing idle client".into());
                self.close(id);
            }
        }
    }
}

/// Whether there is something to hand out besides the stream.
fn owes_something(client: &Client) -> bool {
    let held = client.transfer.is_some_and(|transfer| !transfer.preface);
    let held = held || !client.owed.is_empty();
    !client.closing && !held && (!client.reply.is_empty() || client.close_after_reply)
}
