//! What the tasks of one server share, and how the node's actions are carried out.
//!
//! Every call into the node goes through [`Shell::with`]; it hands over the time, and performs
//! all actions before anything else can happen. No action is performed by awaiting: what takes
//! time is handed to a task.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::bell::{Bell, Gate};
use super::connection::Mailbox;
use super::listener::ListenQueue;
use super::master_link::LinkBox;
use super::receiver::Inbox;
use super::{loading, master_link, saver, sender};
use crate::config::Config;
use crate::env::{Env, LogLevel, LogLine, Now};
use crate::event::Probe;
use crate::node::{Action, ClientId, Node};

/// Size of the read buffers that idle connections share.
const SPARE_INPUT_BYTES: usize = 32 * 1024;

/// The server, as its tasks see it.
pub(super) struct Shell<E: Env> {
    pub(super) env: E,
    node: RefCell<Node>,
    /// When the process began, on the clock of `env`.
    began: Duration,
    tasks: RefCell<JoinSet<()>>,
    gate: Gate,
    asleep_until: Cell<Option<Instant>>,
    exit_code: Cell<Option<i32>>,
    exit_bell: Bell,
    connections: RefCell<BTreeMap<ClientId, Rc<Mailbox>>>,
    /// The link to the master that counts; earlier ones have been told to end.
    master: RefCell<Option<Rc<LinkBox>>>,
    pub(super) inbox: Inbox,
    pub(super) listen_queue: ListenQueue,
    /// How saves and diskless transfers under way are told to stop, by job.
    saves: RefCell<BTreeMap<u64, Rc<Bell>>>,
    streams: RefCell<BTreeMap<u64, Rc<Bell>>>,
    pub(super) opening: saver::Opening,
    spare_input: RefCell<Option<BytesMut>>,
}

impl<E: Env> Shell<E> {
    /// Builds the node. Nothing runs yet.
    pub(super) fn start(
        env: E,
        config: Config,
        config_file: Option<(String, String)>,
        probe: Option<Box<dyn Probe>>,
    ) -> Rc<Self> {
        let now = Now { mono: Duration::ZERO, unix_ms: env.unix_ms() };
        let (seed, process_id) = (env.random_seed(), env.process_id());
        let mut node = Node::new(now, config, config_file, seed, process_id, probe);
        let began = env.monotonic();
        let clock = env.clone();
        node.lend_stopwatch(Box::new(move || clock.monotonic() - began));
        Rc::new(Self {
            env,
            node: RefCell::new(node),
            began,
            tasks: RefCell::default(),
            gate: Gate::default(),
            asleep_until: Cell::new(None),
            exit_code: Cell::new(None),
            exit_bell: Bell::default(),
            connections: RefCell::default(),
            master: RefCell::default(),
            inbox: Inbox::default(),
            listen_queue: ListenQueue::default(),
            saves: RefCell::default(),
            streams: RefCell::default(),
            opening: saver::Opening::default(),
            spare_input: RefCell::default(),
        })
    }

    /// The two clocks, now.
    pub(super) fn now(&self) -> Now {
        Now { mono: self.env.monotonic() - self.began, unix_ms: self.env.unix_ms() }
    }

    /// Calls the node, and carries out what it asks for.
    pub(super) fn with<R>(self: &Rc<Self>, call: impl FnOnce(&mut Node, Now) -> R) -> R {
        let now = self.now();
        let result = call(&mut self.node.borrow_mut(), now);
        self.perform_all();
        result
    }

    /// Calls the node for something that does not depend on the time: reading two clocks costs
    /// more than many such calls do themselves.
    pub(super) fn ask<R>(self: &Rc<Self>, call: impl FnOnce(&mut Node) -> R) -> R {
        let result = call(&mut self.node.borrow_mut());
        self.perform_all();
        result
    }

    fn perform_all(self: &Rc<Self>) {
        loop {
            // The borrow ends with the statement: performing an action may look at the node.
            let action = self.node.borrow_mut().poll_action();
            let Some(action) = action else { break };
            self.perform(action);
        }
    }

    /// Looks at the node without changing it.
    pub(super) fn look<R>(&self, look: impl FnOnce(&Node) -> R) -> R {
        look(&self.node.borrow())
    }

    fn perform(self: &Rc<Self>, action: Action) {
        match action {
            Action::Wake(client) => {
                if let Some(mailbox) = self.connections.borrow().get(&client) {
                    mailbox.bell.ring();
                }
            }
            Action::Close(client) => {
                if let Some(mailbox) = self.connections.borrow().get(&client) {
                    mailbox.close.set(true);
                    mailbox.bell.ring();
                }
            }
            Action::ConnectMaster { attempt, host, port } => {
                let link = Rc::new(LinkBox::default());
                self.replace_master_link(Some(link.clone()));
                self.spawn(master_link::run(self.clone(), link, attempt, host, port));
            }
            Action::DisconnectMaster => self.replace_master_link(None),
            Action::WakeMaster => self.wake_master_link(),
            Action::Receive(step) => self.inbox.push(step),
            Action::Save { job, snapshot, dir, file } => {
                let stop = started(&self.saves, job);
                self.spawn(saver::save(self.clone(), stop, job, snapshot, dir, file));
            }
            Action::AbortSave { job } => stopped(&self.saves, job),
            Action::SendFile { client, snapshot, dir, file } => {
                if let Some(pieces) = self.begin_transfer(client, snapshot) {
                    let opening = self.opening.begin();
                    let path = super::files::join(&dir, &file);
                    self.spawn(sender::send_file(self.clone(), pieces, path, opening));
                }
            }
            Action::SendStream { job, snapshot, id, eof_mark, clients } => {
                let stop = started(&self.streams, job);
                let receivers = clients
                    .into_iter()
                    .filter_map(|client| self.begin_transfer(client, id))
                    .collect();
                self.spawn(sender::send_stream(
                    self.clone(),
                    stop,
                    job,
                    snapshot,
                    eof_mark,
                    receivers,
                ));
            }
            Action::AbortStream { job } => stopped(&self.streams, job),
            Action::Load { job, dir, file } => {
                let path = super::files::join(&dir, &file);
                self.spawn(loading::load(self.clone(), job, path));
            }
            Action::WriteFile { job, path, contents } => {
                self.spawn(saver::write_file(self.clone(), job, path, contents));
            }
            Action::ReadFile { job, path } => {
                self.spawn(loading::read_file(self.clone(), job, path));
            }
            Action::CheckFolder { job, path } => {
                self.spawn(saver::check_folder(self.clone(), job, path));
            }
            Action::SetTcpKeepalive(idle) => self.env.set_tcp_keepalive(idle),
            Action::SetSourceAddress(address) => self.env.set_source_address(address),
            Action::Listen(addresses) => self.listen_queue.push(addresses),
            Action::Log(line) => self.env.log(&line),
            Action::Sleep(time) => self.fall_asleep(time),
            Action::Exit(code) => self.exit(code),
        }
    }

    // --- tasks

    /// Runs a task that ends with the server.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        self.tasks.borrow_mut().spawn_local(task)
    }

    /// Ends all tasks.
    pub(super) fn end_tasks(&self) {
        self.tasks.borrow_mut().abort_all();
    }

    /// Waits for the end of a task. A panic in a task goes on here.
    pub(super) async fn a_task_ended(&self) {
        let ended = poll_fn(|cx| match self.tasks.borrow_mut().poll_join_next(cx) {
            Poll::Ready(Some(result)) => Poll::Ready(result),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await;
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }

    // --- the end

    fn exit(&self, code: i32) {
        if self.exit_code.get().is_none() {
            self.exit_code.set(Some(code));
        }
        self.exit_bell.ring();
    }

    /// Waits for the node to end the process; its exit code.
    pub(super) async fn exited(&self) -> i32 {
        poll_fn(|cx| match self.exit_code.get() {
            Some(code) => Poll::Ready(code),
            None => {
                self.exit_bell.arm(cx);
                Poll::Pending
            }
        })
        .await
    }

    /// Whether the node has ended: only bytes already there may still be written.
    pub(super) fn exiting(&self) -> bool {
        self.exit_code.get().is_some()
    }

    // --- standing still

    fn fall_asleep(self: &Rc<Self>, time: Duration) {
        let until = Instant::now() + time;
        let until = self.asleep_until.get().map_or(until, |known| known.max(until));
        self.asleep_until.set(Some(until));
        self.gate.close();
        let shell = self.clone();
        self.spawn(async move {
            sleep_until(until).await;
            if shell.asleep_until.get() == Some(until) {
                shell.asleep_until.set(None);
                shell.gate.open();
            }
        });
    }

    /// Ready while the node may be called: neither asleep nor at its end.
    pub(super) fn poll_awake(&self, cx: &Context<'_>) -> Poll<()> {
        if self.exiting() {
            return Poll::Pending;
        }
        self.gate.poll(cx)
    }

    /// Waits until the node may be called. To be awaited after every other wait.
    pub(super) async fn awake(&self) {
        poll_fn(|cx| self.poll_awake(cx)).await;
    }

    // --- connections

    /// Makes a connection known under its id.
    pub(super) fn register(&self, client: ClientId) -> Rc<Mailbox> {
        let mailbox = Rc::new(Mailbox::default());
        let before = self.connections.borrow_mut().insert(client, mailbox.clone());
        assert!(before.is_none(), "client id {client} is used twice");
        mailbox
    }

    /// Forgets a connection that is gone, and tells the node.
    pub(super) fn gone(self: &Rc<Self>, client: ClientId) {
        self.connections.borrow_mut().remove(&client);
        self.with(|node, now| node.client_closed(now, client));
    }

    /// Wakes every connection.
    pub(super) fn ring_all(&self) {
        for mailbox in self.connections.borrow().values() {
            mailbox.bell.ring();
        }
    }

    fn begin_transfer(
        &self,
        client: ClientId,
        snapshot: crate::replication::SnapshotId,
    ) -> Option<super::transfer::Pieces> {
        let connections = self.connections.borrow();
        let mailbox = connections.get(&client)?;
        let (pieces, transfer) = super::transfer::begin(snapshot);
        mailbox.transfer.replace(Some(transfer));
        mailbox.bell.ring();
        Some(pieces)
    }

    /// A read buffer, empty, with room.
    pub(super) fn lend_input(&self) -> BytesMut {
        self.spare_input.take().unwrap_or_else(|| BytesMut::with_capacity(SPARE_INPUT_BYTES))
    }

    /// Takes an empty read buffer back.
    pub(super) fn return_input(&self, input: BytesMut) {
        debug_assert!(input.is_empty());
        self.spare_input.replace(Some(input));
    }

    // --- the link to the master

    fn replace_master_link(&self, link: Option<Rc<LinkBox>>) {
        if let Some(old) = self.master.replace(link) {
            old.closed.set(true);
            old.bell.ring();
        }
    }

    /// Wakes the link to the master, if there is one.
    pub(super) fn wake_master_link(&self) {
        if let Some(link) = self.master.borrow().as_ref() {
            link.bell.ring();
        }
    }

    /// Ends the link to the master, as if it had been lost for this reason.
    pub(super) fn drop_master_link(&self, reason: &str) {
        if let Some(link) = self.master.borrow().as_ref() {
            link.failed.replace(Some(reason.to_owned()));
            link.bell.ring();
        }
    }

    // --- jobs

    /// The save is over.
    pub(super) fn save_ended(&self, job: u64) {
        self.saves.borrow_mut().remove(&job);
    }

    /// The diskless transfer is over.
    pub(super) fn stream_ended(&self, job: u64) {
        self.streams.borrow_mut().remove(&job);
    }

    /// Logs what only the shell can know (an accept failed, a file could not be read).
    pub(super) fn log(&self, level: LogLevel, text: String) {
        let role = self.look(Node::log_role);
        self.env.log(&LogLine { level, role, text });
    }
}

type Jobs = RefCell<BTreeMap<u64, Rc<Bell>>>;

fn started(jobs: &Jobs, job: u64) -> Rc<Bell> {
    let stop = Rc::new(Bell::default());
    let before = jobs.borrow_mut().insert(job, stop.clone());
    assert!(before.is_none(), "job {job} is used twice");
    stop
}

fn stopped(jobs: &Jobs, job: u64) {
    if let Some(stop) = jobs.borrow_mut().remove(&job) {
        stop.ring();
    }
}
