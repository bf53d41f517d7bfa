//! One connection, as the node sees it: who it is, what it has asked for, what it is owed.
//!
//! The link to the master is a client too ([`MASTER`]): its commands run through the same code,
//! only its replies go nowhere. Must never: touch the keyspace or the replication core.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use crate::codec::resp::{CommandParser, Reply};
use crate::command::Call;
use crate::env::{Now, Peer};
use crate::replication::Offset;

use super::ClientId;
use super::pubsub::Subscriptions;

/// The client that stands for the link to the master.
pub(crate) const MASTER: ClientId = 1;

/// Replies that Redis keeps in a buffer of its own for each client (`PROTO_REPLY_CHUNK_BYTES`).
pub(super) const FIXED_OUTPUT_BYTES: usize = 16 * 1024;

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An ordinary client.
    Normal,
    /// A replica: it sent `PSYNC` or `SYNC`.
    Replica,
    /// The link to the master.
    Master,
}

/// Why a client's next command has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// `WAIT`: the core will answer.
    Wait,
    /// `BLPOP` and its like: whatever makes a key ready will serve it.
    Keys,
    /// A pause: the command stays in the input and is looked at again afterwards.
    Postponed,
    /// `SAVE`, `DEBUG RELOAD` or `CONFIG REWRITE`: the job of this number will answer.
    Job(u64),
    /// `EXEC` whose replies wait for jobs ([`Owed`]).
    Owed,
    /// `SHUTDOWN`: answered only if it fails.
    Shutdown,
}

/// The answer to a command inside `EXEC` that a job will give: it belongs between what has been
/// written before and after it, and nothing is sent before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) job: u64,
    /// Where in the replies.
    pub(crate) at: usize,
}

/// `CLIENT REPLY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Skip the reply of the next command.
    SkipNext,
    /// Skip the reply of this command.
    SkipThis,
}

/// A command queued by `MULTI`.
pub(crate) struct Queued {
    pub(crate) command: &'static crate::command::table::Command,
    pub(crate) args: Vec<Vec<u8>>,
}

impl Queued {
    /// What it may do.
    pub(crate) fn flags(&self) -> crate::command::Flags {
        // A subcommand is the second.
        let args: Vec<&[u8]> = self.args.iter().take(2).map(Vec::as_slice).collect();
        Call::of(self.command, &args).flags()
    }
}

/// `MULTI` up to `EXEC`.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) queue: Vec<Queued>,
    /// Bytes of all queued arguments, held against the query buffer limit.
    pub(crate) bytes: usize,
    /// A command was refused while it was to be queued: `EXEC` aborts.
    pub(crate) refused: bool,
}

/// One part of the bytes handed to the shell and not yet written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Reply(usize),
    Stream(usize),
}

/// A snapshot on its way over this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// What was owed before the transfer began has yet to be handed out.
    pub(crate) preface: bool,
}

/// One connection.
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) peer: Peer,
    pub(crate) kind: Kind,
    pub(crate) name: Vec<u8>,
    pub(crate) db: u32,
    pub(crate) authenticated: bool,
    /// Whose rights it has.
    pub(crate) user: Vec<u8>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) monitor: bool,
    pub(crate) no_evict: bool,
    pub(crate) reply_mode: ReplyMode,
    /// What it is sent about its subscriptions is sent in every mode.
    pub(crate) confirmed: bool,
    pub(crate) parser: CommandParser,
    pub(crate) reply: Reply,
    /// Handed out by `take_output`, not yet reported by `wrote`, oldest first.
    pub(crate) outstanding: VecDeque<Part>,
    pub(crate) transfer: Option<Transfer>,
    pub(crate) transaction: Option<Transaction>,
    /// A watched key changed: `EXEC` answers null.
    pub(crate) watch_broken: bool,
    /// Number of keys watched.
    pub(crate) watching: usize,
    pub(crate) blocked: Option<Blocked>,
    /// Answers of its last transaction that are still to come.
    pub(crate) owed: Vec<Owed>,
    /// Offset after this client's last command: what `WAIT` waits for.
    pub(crate) last_offset: Offset,
    /// The last command; `None`: there is none of that name.
    pub(crate) last_call: Option<Call>,
    pub(crate) created: Duration,
    pub(crate) last_interaction: Duration,
    /// Close after the last reply has been handed out.
    pub(crate) close_after_reply: bool,
    /// `Close` has been asked of the shell: nothing is executed or handed out any more.
    pub(crate) closing: bool,
    /// A `Wake` has been queued and not been answered by a call yet.
    pub(crate) woken: bool,
    /// Since when the soft output limit is exceeded.
    pub(crate) over_soft_limit_since: Option<Duration>,
    /// Bytes of input the shell holds for this client (after the last call).
    pub(crate) input_bytes: usize,
    /// Bytes of the names of what it listens to.
    pub(crate) names_bytes: usize,
    /// Bytes of the names of what it watches.
    pub(crate) watched_bytes: usize,
    /// What of [`Client::memory_bytes`] is in the count of all clients.
    pub(crate) counted_bytes: u64,
}

impl Client {
    pub(crate) fn new(now: Now, id: ClientId, peer: Peer, kind: Kind) -> Self {
        Self {
            id,
            peer,
            kind,
            name: Vec::new(),
            db: 0,
            authenticated: false,
            user: crate::acl::DEFAULT.to_vec(),
            subscriptions: Subscriptions::default(),
            monitor: false,
            no_evict: false,
            reply_mode: ReplyMode::On,
            confirmed: false,
            parser: CommandParser::new(),
            reply: Reply::new(),
            outstanding: VecDeque::new(),
            transfer: None,
            transaction: None,
            watch_broken: false,
            watching: 0,
            blocked: None,
            owed: Vec::new(),
            last_offset: Offset(0),
            last_call: None,
            created: now.mono,
            last_interaction: now.mono,
            close_after_reply: false,
            closing: false,
            woken: false,
            over_soft_limit_since: None,
            input_bytes: 0,
            names_bytes: 0,
            watched_bytes: 0,
            counted_bytes: 0,
        }
    }

    /// Whether its next command may be looked at.
    pub(crate) fn may_execute(&self) -> bool {
        self.blocked.is_none() && !self.closing && !self.close_after_reply
    }

    /// Reply bytes not yet known to be written.
    pub(crate) fn output_bytes(&self) -> usize {
        let handed: usize = self
            .outstanding
            .iter()
            .map(|part| match part {
                Part::Reply(bytes) => *bytes,
                Part::Stream(_) => 0,
            })
            .sum();
        handed + self.reply.len()
    }

    /// `omem` of `CLIENT LIST`, and what the limits count: nothing as long as the fixed buffer is
    /// enough. Then all of it, for Redis's list has that much overhead, or holds the whole of a
    /// reply whose length is not known at its beginning.
    pub(crate) fn listed_output_bytes(&self) -> usize {
        match self.output_bytes() {
            ..=FIXED_OUTPUT_BYTES => 0,
            more => more,
        }
    }

    /// Flag letters of `CLIENT LIST` (networking.c `catClientInfoString`).
    fn flags(&self) -> String {
        let mut flags = String::new();
        match self.kind {
            Kind::Replica => flags.push('S'),
            Kind::Normal if self.monitor => flags.push('O'),
            Kind::Master => flags.push('M'),
            Kind::Normal => {}
        }
        if self.subscriptions.any() {
            flags.push('P');
        }
        if self.transaction.is_some() {
            flags.push('x');
        }
        if self.blocked.is_some() {
            flags.push('b');
        }
        if self.watch_broken {
            flags.push('d');
        }
        if self.close_after_reply {
            flags.push('c');
        }
        if self.closing {
            flags.push('A');
        }
        if self.peer.unix {
            flags.push('U');
        }
        if self.no_evict {
            flags.push('e');
        }
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }

    /// Memory held for this client, estimated, in bytes. `stream_bytes`: what a replica has yet
    /// to be sent of the stream.
    pub(crate) fn memory_bytes(&self, stream_bytes: u64) -> u64 {
        let queued = self.transaction.as_ref().map_or(0, |multi| multi.bytes);
        let buffers = self.input_bytes + self.parser.held_bytes() + self.output_bytes() + queued;
        let names = self.names_bytes + self.watched_bytes + self.name.len();
        (buffers + names + size_of::<Self>()) as u64 + stream_bytes
    }

    /// The line of `CLIENT LIST`, without a newline. Sizes of buffers are those of this server:
    /// the first 16 KiB of the replies are shown as Redis's fixed buffer, more as its list.
    pub(crate) fn line(&self, now: Now, stream_bytes: u64) -> String {
        let mut line = String::with_capacity(320);
        let name = String::from_utf8_lossy(&self.name);
        let multi = match &self.transaction {
            Some(multi) => i64::try_from(multi.queue.len()).unwrap_or(i64::MAX),
            None => -1,
        };
        let multi_bytes = self.transaction.as_ref().map_or(0, |multi| multi.bytes);
        let fixed = self.output_bytes().min(FIXED_OUTPUT_BYTES);
        let listed = self.listed_output_bytes() as u64 + stream_bytes;
        let user = match self.kind {
            Kind::Master => "(superuser)".into(),
            _ => String::from_utf8_lossy(&self.user),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} \
             multi={} qbuf={} qbuf-free=0 argv-mem=0 multi-mem={} rbs={} rbp={} obl={} oll={} omem={} \
             tot-mem={} events=r cmd={} user={} redir=-1 resp=2",
            self.id,
            self.peer.addr,
            self.peer.laddr,
            self.id + 6,
            name,
            now.mono.saturating_sub(self.created).as_secs(),
            now.mono.saturating_sub(self.last_interaction).as_secs(),
            self.flags(),
            self.db,
            self.subscriptions.channels,
            self.subscriptions.patterns,
            self.subscriptions.shards,
            multi,
            self.input_bytes,
            multi_bytes,
            fixed,
            fixed,
            fixed,
            listed.div_ceil(FIXED_OUTPUT_BYTES as u64),
            listed,
            self.memory_bytes(stream_bytes),
            self.last_call.map_or_else(|| "NULL".to_owned(), |call| call.full_name()),
            user,
        );
        line
    }
}
