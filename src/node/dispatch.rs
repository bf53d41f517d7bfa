//! From a parsed command to its execution: every reason to refuse it, in Redis's order
//! (server.c `processCommand`), then the handler, then what follows from it.
//!
//! The master's stream takes the same way but is never refused: a replica that refused a write
//! of its master would no longer be its copy.

use crate::acl::Refusal;
use crate::codec::resp::quote;
use crate::command::table::{Command, Flags};
use crate::command::{Args, Call, Ctx, ExpiryView, Handler};
use crate::command::{secrets, subcommands};
use crate::env::Now;
use crate::event::{Event, MasterLinkState, Role};
use crate::replication::LinkId;

use super::blocking::PauseKind;
use super::client::{Blocked, Kind, MASTER, Queued, ReplyMode};

use super::settings::DebugAccess;
use super::{ClientId, Loading, Node};

/// Most bytes of arguments quoted in the reply to an unknown command.
const QUOTED_ARGS_BYTES: usize = 128;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was executed, queued or refused: its bytes can go.
    Done,
    /// It has to wait: its bytes stay.
    Postponed,
}

impl Node {
    /// Executes (or refuses, queues, postpones) one command of a client.
    pub(crate) fn dispatch(&mut self, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
        let Some(client) = self.clients.get_mut(&id) else {
            return Outcome::Done;
        };
        let before = Before {
            reply: client.reply.len(),
            db: client.db,
            replica: client.kind == Kind::Replica,
        };
        if client.reply_mode == ReplyMode::SkipNext {
            client.reply_mode = ReplyMode::SkipThis;
        }
        let found = Call::find(args);
        let command = found.map(|call| call.command);
        let call = found.filter(|call| call.is_known(args));
        client.last_call = call;
        if command.is_none() && is_http(args[0]) {
            self.log_warning(
                "A web browser seems to have been made to talk to this server (POST or Host:); \
                 closing its connection."
                    .into(),
            );
            self.close(id);
            return Outcome::Done;
        }
        match self.refusal(id, command, args) {
            Verdict::Postpone => {
                self.block(id, Blocked::Postponed);
                return Outcome::Postponed;
            }
            Verdict::Refuse(text) => self.refuse(id, call, &text),
            Verdict::Deny(refusal) => {
                self.note_refusal(now, id, false, &refusal);
                self.refuse(id, call, &refusal.to_string());
            }
            Verdict::Queue(command) => self.queue(id, command, args),
            Verdict::Execute(command) => {
                self.call(now, id, command, args);
                self.finish_unit(now);
                // On a replica it is not yet counted in the stream.
                if self.persist.flushed && id != MASTER {
                    self.give_up_saves(now);
                    if self.persist.emptied && command.name == "flushall" {
                        self.save_emptied(now, id, before.reply);
                    }
                }
            }
        }
        self.conclude(now, id, &before, args);
        self.serve_waiting(now);
        Outcome::Done
    }

    /// Looks for the first reason not to execute a command.
    fn refusal(&self, id: ClientId, command: Option<&'static Command>, args: &Args<'_>) -> Verdict {
        let Some(command) = command else {
            return Verdict::Refuse(unknown_command(args));
        };
        if !command.accepts(args.len()) {
            let name = command.name;
            return Verdict::Refuse(format!("ERR wrong number of arguments for '{name}' command"));
        }
        if let Err(error) = subcommands::check(command, args) {
            return Verdict::Refuse(error.to_string());
        }
        let Some(client) = self.clients.get(&id) else {
            return Verdict::Execute(command);
        };
        let queued = queued_flags(command, client);
        let flags = Call::of(command, args).flags();
        let is = |flag| flags.has(flag) || queued.any(flag);
        if client.kind != Kind::Master {
            if let Some(text) = self.objection_to_stranger(client, command) {
                return Verdict::Refuse(text);
            }
            if let Some(refusal) = self.users.refusal(&client.user, command, args) {
                return Verdict::Deny(refusal);
            }
            if let Some(text) = self.objection(client, command, args, &queued) {
                return Verdict::Refuse(text);
            }
        }
        let held = match self.pauses.kind() {
            Some(PauseKind::All) => client.kind == Kind::Normal,
            Some(PauseKind::Write) => {
                client.kind == Kind::Normal && (is(Flags::WRITE) || is(Flags::MAY_REPLICATE))
            }
            None => false,
        };
        if held {
            return Verdict::Postpone;
        }
        let controls =
            matches!(command.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset");
        if client.transaction.is_some() && !controls {
            return Verdict::Queue(command);
        }
        Verdict::Execute(command)
    }

    /// Whether a client may have anything at all of the server, or of a command for operators.
    fn objection_to_stranger(
        &self,
        client: &super::client::Client,
        command: &Command,
    ) -> Option<String> {
        if command.name == "debug" && !self.debug_allowed(client.peer.loopback) {
            return Some(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \
                 \"local\", you can run it from a local connection, otherwise you need to set this \
                 option in the configuration file, and then restart the server."
                    .into(),
            );
        }
        let free = command.flags.has(Flags::NO_AUTH);
        if !client.authenticated && !free && !self.users.is_open() {
            return Some("NOAUTH Authentication required.".into());
        }
        None
    }

    /// The reasons that hold for every user, but not for the master.
    fn objection(
        &self,
        client: &super::client::Client,
        command: &'static Command,
        args: &Args<'_>,
        queued: &QueuedFlags,
    ) -> Option<String> {
        let flags = Call::of(command, args).flags();
        let is = |flag| flags.has(flag) || queued.any(flag);
        if client.subscriptions.any() && !may_run_while_listening(command) {
            let name = command.name;
            return Some(format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                 / RESET are allowed in this context"
            ));
        }
        if client.transaction.is_some() && flags.has(Flags::NO_MULTI) {
            return Some("ERR Command not allowed inside a transaction".into());
        }
        let replica = self.replication.role() == Role::Replica;
        let exempt = replica && self.config.replica_ignore_maxmemory;
        if is(Flags::DENYOOM) && !exempt && self.is_out_of_memory() {
            return Some("OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        let write = is(Flags::WRITE);
        if (write || command.name == "ping") && self.disk_error() {
            return Some(MISCONF.into());
        }
        if write && !replica && !self.replication.good_replicas_suffice() {
            return Some("NOREPLICAS Not enough good replicas to write.".into());
        }
        if write && replica && self.settings.replica_read_only {
            return Some("READONLY You can't write against a read only replica.".into());
        }
        let link_up = self.replication.master_link() == MasterLinkState::Connected;
        let stale_ok = flags.has(Flags::STALE) && !queued.any_without(Flags::STALE);
        if replica && !link_up && !self.settings.serve_stale_data && !stale_ok {
            return Some(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
                    .into(),
            );
        }
        let loading_ok = flags.has(Flags::LOADING) && !queued.any_without(Flags::LOADING);
        let refused = match self.loading() {
            None => false,
            Some(Loading::Before) => !loading_ok,
            Some(Loading::Beside) => is(Flags::NO_ASYNC_LOADING),
        };
        if refused {
            return Some(LOADING.into());
        }
        let keyspace = write || is(Flags::READONLY) || is(Flags::MAY_REPLICATE);
        if (client.kind == Kind::Replica || client.monitor) && keyspace {
            return Some("ERR Replica can't interact with the keyspace".into());
        }
        None
    }

    fn debug_allowed(&self, loopback: bool) -> bool {
        match self.settings.enable_debug {
            DebugAccess::Yes => true,
            DebugAccess::Local => loopback,
            DebugAccess::No => false,
        }
    }

    /// Writes a refusal; inside `MULTI` the transaction is spoilt, and a refused `EXEC` ends it and
    /// is answered so even where there is none.
    fn refuse(&mut self, id: ClientId, call: Option<Call>, text: &str) {
        if let Some(call) = call {
            self.stats.command(call).rejected += 1;
        }
        self.stats.count_error(text.as_bytes());
        let exec = call.is_some_and(|call| call.command.name == "exec");
        if let Some(client) = self.clients.get_mut(&id)
            && let Some(transaction) = &mut client.transaction
        {
            transaction.refused = true;
        }
        if exec {
            self.end_transaction(id);
            let reason = text.strip_prefix("ERR ").unwrap_or(text);
            self.reply_error(id, &format!("EXECABORT Transaction discarded because of: {reason}"));
        } else {
            self.reply_error(id, text);
        }
    }

    fn queue(&mut self, id: ClientId, command: &'static Command, args: &Args<'_>) {
        let limit = self.settings.query_buffer_limit;
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let Some(transaction) = &mut client.transaction else {
            return;
        };
        // A transaction that will abort anyway keeps nothing.
        if !transaction.refused && !client.watch_broken {
            transaction.bytes += args.iter().map(|arg| arg.len()).sum::<usize>();
            if client.kind == Kind::Normal && transaction.bytes > limit {
                self.close_over_query_limit(id);
                return;
            }
            let args = args.iter().map(|arg| arg.to_vec()).collect();
            transaction.queue.push(Queued { command, args });
        }
        client.reply.status("QUEUED");
    }

    /// Runs the handler of a command and what follows from it. Also called by `EXEC` for each
    /// queued command.
    pub(crate) fn call(
        &mut self,
        now: Now,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
    ) {
        let monitored = !self.monitors.is_empty() && !self.load_is_running();
        self.tell_time(now);
        let view = self.view(id);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let replied = client.reply.len();
        let began = self.timing.begin(now);
        match command.handler {
            Handler::Data(handler) => {
                let db = client.db;
                client.limit_reply(&self.settings);
                let mut ctx = Ctx {
                    now,
                    keyspace: &mut self.keyspace,
                    db,
                    reply: &mut client.reply,
                    view,
                    effects: &mut self.effects,
                    random: &mut self.random,
                    ready_key: None,
                };
                handler(&mut ctx, args);
                if let Some(block) = self.effects.block.take() {
                    self.wait_for_keys(id, command, args, block);
                }
                // What was done is told before what follows from it on the stream.
                self.report_expired(now);
                if !self.in_exec {
                    self.report_executed(now, id, db, replied, args);
                }
                self.settle(now, id, db, args);
                if command.name == "flushall" && !self.answered_with_error(id, replied) {
                    self.persist.flushed = true;
                }
            }
            Handler::Node(handler) => handler(self, now, id, args),
        }
        let took = self.timing.end(began);
        // Afterwards: what `EXEC` executes is shown before it.
        if monitored {
            self.feed_monitors(now, id, command, args);
        }
        self.count_call(id, command, args, replied);
        // One that waits has done nothing yet.
        if self.clients.get(&id).is_none_or(|client| client.blocked != Some(Blocked::Keys)) {
            self.note_duration(now, id, command, args, took);
        }
    }

    /// How this client sees keys past their deadline. During a pause nothing is deleted, so that
    /// nothing goes on the stream (db.c `expireIfNeeded`).
    pub(crate) fn view(&self, id: ClientId) -> ExpiryView {
        if id == MASTER {
            ExpiryView::Alive
        } else if self.replication.role() == Role::Replica || self.writes_paused() {
            ExpiryView::Hide
        } else {
            ExpiryView::Delete
        }
    }

    fn count_call(
        &mut self,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
        replied: usize,
    ) {
        self.stats.commands += 1;
        let call = Call::of(command, args);
        self.stats.command(call).calls += 1;
        self.count_failure(id, call, replied);
    }

    /// Whether the reply that begins at `replied` is an error.
    fn answered_with_error(&self, id: ClientId, replied: usize) -> bool {
        let reply = self.clients.get(&id).map(|client| client.reply.as_bytes());
        reply.and_then(|reply| reply.get(replied)) == Some(&b'-')
    }

    /// Counts an error that a command has answered with; its reply begins at `replied`.
    pub(super) fn count_failure(&mut self, id: ClientId, call: Call, replied: usize) {
        let reply = self.clients.get(&id).map(|client| client.reply.as_bytes());
        if let Some([b'-', text @ ..]) = reply.and_then(|reply| reply.get(replied..)) {
            self.stats.count_error(text);
            self.stats.command(call).failed += 1;
        }
    }

    /// What has to happen after every command of a client, whatever became of it.
    fn conclude(&mut self, now: Now, id: ClientId, before: &Before, args: &Args<'_>) {
        let offset = self.replication.offset();
        let is_replica = self.replication.is_replica(LinkId(id));
        self.report_executed(now, id, before.db, before.reply, args);
        self.probe.executed_told = false;
        if std::mem::take(&mut self.probe.dataset_owed) {
            self.report_dataset(now);
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.last_offset = offset;
        let wanted = std::mem::take(&mut client.confirmed)
            || matches!(client.reply_mode, ReplyMode::On | ReplyMode::SkipNext);
        if !wanted {
            client.reply.truncate(before.reply);
        }
        if client.reply_mode == ReplyMode::SkipThis {
            client.reply_mode = ReplyMode::On;
        }
        if is_replica && client.kind == Kind::Normal {
            client.kind = Kind::Replica;
        }
        if before.replica && client.reply.len() > before.reply {
            self.disconnect_talking_replica(now, id, before.reply, args);
        }
    }

    /// Tells the probe of a client's command and its reply, which begins at `replied`; once a
    /// command.
    pub(crate) fn report_executed(
        &mut self,
        now: Now,
        id: ClientId,
        db: u32,
        replied: usize,
        args: &Args<'_>,
    ) {
        if !self.probe.is_on() || id == MASTER || self.probe.executed_told {
            return;
        }
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        // Told when it is served: until then it has done nothing.
        if client.blocked == Some(Blocked::Keys) && client.reply.len() == replied {
            return;
        }
        self.probe.executed_told = true;
        let reply = client.reply.as_bytes().get(replied..).unwrap_or_default();
        let authenticated = client.authenticated || self.users.is_open();
        let event = Event::Executed { client: id, db, args, reply, authenticated };
        self.probe.emit(now, &event);
    }

    /// A reply on a replica's link would be taken for the stream: the link has to go.
    fn disconnect_talking_replica(&mut self, now: Now, id: ClientId, from: usize, args: &Args<'_>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let command = Call::find(args).map_or_else(|| "NULL".to_owned(), |call| call.full_name());
        let line = client.line(now, 0);
        let written = client.reply.as_bytes().get(from..).unwrap_or_default();
        let error = written
            .strip_prefix(b"-ERR ")
            .map(|text| String::from_utf8_lossy(text.trim_ascii_end()).into_owned());
        client.reply.truncate(from);
        self.log_warning(format!(
            "Replica generated a reply to command '{command}', disconnecting it: {line}"
        ));
        if let Some(error) = error {
            self.log_warning(format!(
                "== CRITICAL == This master is sending an error to its replica: '{error}' after \
                 processing the command '{command}'"
            ));
        }
        self.close(id);
    }
}

/// In RESP2 a listener gets messages at any time, so that only answers of their form may be among
/// them.
fn may_run_while_listening(command: &Command) -> bool {
    let listening = command.flags.has(Flags::PUBSUB) && command.name.ends_with("subscribe");
    listening || matches!(command.name, "ping" | "quit" | "reset")
}

/// Whether this is how a web browser begins a line: a page that was made to talk to this server
/// (networking.c `securityWarningCommand`).
fn is_http(name: &[u8]) -> bool {
    [&b"post"[..], b"host:"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

struct Before {
    reply: usize,
    db: u32,
    replica: bool,
}

enum Verdict {
    Execute(&'static Command),
    Queue(&'static Command),
    Refuse(String),
    /// The user may not do it.
    Deny(Refusal),
    Postpone,
}

/// The flags of the commands that an `EXEC` would execute; none for any other command.
struct QueuedFlags(Vec<Flags>);

impl QueuedFlags {
    fn any(&self, flag: Flags) -> bool {
        self.0.iter().any(|flags| flags.has(flag))
    }
    fn any_without(&self, flag: Flags) -> bool {
        self.0.iter().any(|flags| !flags.has(flag))
    }
}

fn queued_flags(command: &Command, client: &super::client::Client) -> QueuedFlags {
    match &client.transaction {
        Some(transaction) if command.name == "exec" => {
            QueuedFlags(transaction.queue.iter().map(Queued::flags).collect())
        }
        _ => QueuedFlags(Vec::new()),
    }
}

/// What clients are told while a dataset is being loaded.
pub(crate) const LOADING: &str = "LOADING Redis is loading the dataset in memory";

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently \
    unable to persist to disk. Commands that may modify the data set are disabled, because this \
    instance is configured to report errors during writes if RDB snapshotting fails \
    (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
    error.";

fn unknown_command(args: &Args<'_>) -> String {
    let printable = |bytes: &[u8], most: usize| {
        let cut = &bytes[..bytes.len().min(most)];
        String::from_utf8_lossy(cut).into_owned()
    };
    let mut quoted = String::new();
    for arg in &args[1..] {
        if quoted.len() >= QUOTED_ARGS_BYTES {
            break;
        }
        quoted.push_str(&format!("'{}' ", printable(arg, QUOTED_ARGS_BYTES - quoted.len())));
    }
    let name = printable(args[0], QUOTED_ARGS_BYTES);
    format!("ERR unknown command '{name}', with args beginning with: {quoted}")
}

impl Node {
    /// Shows a command to the clients in `MONITOR`; secrets and administration are left out.
    fn feed_monitors(
        &mut self,
        now: Now,
        id: ClientId,
        command: &'static Command,
        args: &Args<'_>,
    ) {
        let flags = Call::of(command, args).flags();
        if flags.has(Flags::SKIP_MONITOR) || flags.has(Flags::ADMIN) {
            return;
        }
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let (seconds, micros) = (now.unix_ms / 1000, now.unix_ms % 1000 * 1000);
        let mut line = format!("{seconds}.{micros:06} [{} {}]", client.db, client.peer.addr);
        for word in secrets::redacted(command, args) {
            line.push(' ');
            line.push_str(&quote(&word));
        }
        let monitors: Vec<ClientId> = self.monitors.iter().copied().collect();
        for monitor in monitors {
            // A monitor sees its own command after its reply; so it is kept for later.
            self.monitor_lines.push((monitor, line.clone()));
        }
    }

    /// Hands the lines collected by the last command to the monitors.
    pub(crate) fn flush_monitors(&mut self) {
        for (monitor, line) in std::mem::take(&mut self.monitor_lines) {
            self.reply(monitor, |reply| reply.status(&line));
            self.wake(monitor);
        }
    }
}
