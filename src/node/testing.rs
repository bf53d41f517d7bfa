//! A world for tests of whole nodes: byte queues for connections, a map for the disk, a clock
//! that the test moves. It performs actions as a shell does, at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;

use crate::codec::rdb::{Loader, encode};
use crate::codec::resp::encode_command;
use crate::config::Config;
use crate::env::{ListenAddr, Now, Peer};
use crate::event::{Digest, Event, Probe};

use super::{Action, ClientId, LoadError, LoadedData, Node, Output, Receive, SnapshotJob};

/// Stream positions and datasets as the probe saw them, those of snapshots too: id, offset, digest.
pub(crate) type Seen = Rc<RefCell<Vec<(String, u64, Digest)>>>;

struct Recorder(Seen);

impl Probe for Recorder {
    fn record(&mut self, _: Now, event: &Event<'_>) {
        if let Event::StreamAdvanced { id, offset, digest, .. }
        | Event::SnapshotTaken { id: Some(id), offset, digest, .. } = event
        {
            self.0.borrow_mut().push((id.to_string(), offset.0, *digest));
        }
    }
}

#[derive(Default)]
struct Connection {
    input: BytesMut,
    output: Vec<u8>,
    /// Takes nothing of what it is owed.
    deaf: bool,
    /// The host at the other end, if it is a replica's link.
    replica: Option<usize>,
}

/// One process and its disk.
pub(crate) struct Host {
    pub(crate) node: Option<Node>,
    pub(crate) disk: BTreeMap<String, Vec<u8>>,
    pub(crate) log: Vec<String>,
    pub(crate) log_roles: Vec<char>,
    pub(crate) exit: Option<i32>,
    pub(crate) seen: Seen,
    /// Saves fail.
    pub(crate) disk_full: bool,
    /// Saves are not performed before `finish_saves`.
    pub(crate) slow_disk: bool,
    held: Vec<(u64, SnapshotJob, String)>,
    config: String,
    connections: BTreeMap<ClientId, Connection>,
    /// Attempt, master's host, its client.
    upstream: Option<(u64, usize, ClientId)>,
    received: Vec<u8>,
    lives: u8,
}

pub(crate) struct World {
    pub(crate) now: Now,
    pub(crate) hosts: Vec<Host>,
    /// Hosts between which nothing can be connected.
    pub(crate) cut: bool,
}

const FIRST_PORT: u16 = 7000;

impl World {
    /// Hosts with these directives, started; their ports are 7000, 7001, ...
    pub(crate) fn new(configs: &[&str]) -> Self {
        let now = Now { mono: Duration::ZERO, unix_ms: 1_700_000_000_000 };
        let hosts = configs.iter().map(|config| Host {
            node: None,
            disk: BTreeMap::new(),
            log: Vec::new(),
            log_roles: Vec::new(),
            exit: None,
            seen: Seen::default(),
            disk_full: false,
            slow_disk: false,
            held: Vec::new(),
            config: (*config).to_owned(),
            connections: BTreeMap::new(),
            upstream: None,
            received: Vec::new(),
            lives: 0,
        });
        let mut world = Self { now, hosts: hosts.collect(), cut: false };
        for host in 0..configs.len() {
            world.start(host);
        }
        world
    }

    pub(crate) fn start(&mut self, index: usize) {
        let port = FIRST_PORT + u16::try_from(index).expect("few hosts");
        let text = format!(
            "port {port}\nsave \"\"\nenable-debug-command yes\nrepl-diskless-sync no\n{}",
            self.hosts[index].config.replace(';', "\n")
        );
        let config = Config::load(Some(("redis.conf", &text)), &[], &mut |_| {
            Err(std::io::ErrorKind::NotFound.into())
        })
        .expect("a test's directives are right");
        let host = &mut self.hosts[index];
        host.lives += 1;
        host.exit = None;
        let mut seed = [host.lives; 32];
        seed[0] = u8::try_from(index).expect("few hosts");
        let probe = Box::new(Recorder(host.seen.clone()));
        let file = Some(("redis.conf".to_owned(), text));
        let mut node = Node::new(self.now, config, file, seed, 100, Some(probe));
        node.start(self.now);
        host.node = Some(node);
        self.settle();
    }

    /// The process is gone; its disk stays.
    pub(crate) fn kill(&mut self, index: usize) {
        self.hosts[index].node = None;
        self.hosts[index].held.clear();
        self.cut_links(index);
        self.hosts[index].connections.clear();
        self.settle();
    }

    /// Every replication link of a host breaks.
    pub(crate) fn cut_links(&mut self, index: usize) {
        if let Some((attempt, master, client)) = self.hosts[index].upstream.take() {
            self.drop_client(master, client);
            self.with(index, |node, now| node.master_closed(now, attempt, "cut"));
        }
        let replicas: Vec<ClientId> = self.hosts[index]
            .connections
            .iter()
            .filter(|(_, connection)| connection.replica.is_some())
            .map(|(id, _)| *id)
            .collect();
        for client in replicas {
            self.close_client(index, client);
        }
    }

    fn with<R>(&mut self, index: usize, call: impl FnOnce(&mut Node, Now) -> R) -> Option<R> {
        let now = self.now;
        self.hosts[index].node.as_mut().map(|node| call(node, now))
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        self.hosts[index].node.as_ref().expect("the host runs")
    }

    /// Time passes, in ticks of 100 ms.
    pub(crate) fn run(&mut self, millis: u64) {
        for _ in 0..millis / 100 {
            self.now.mono += Duration::from_millis(100);
            self.now.unix_ms += 100;
            for index in 0..self.hosts.len() {
                self.with(index, |node, now| node.tick(now));
            }
            self.settle();
        }
    }

    /// A new client connection.
    pub(crate) fn connect(&mut self, index: usize) -> ClientId {
        let id = self
            .with(index, |node, now| node.accept(now, peer(9, true)))
            .expect("the host runs")
            .expect("there is room");
        self.hosts[index].connections.insert(id, Connection::default());
        id
    }

    /// Sends a command line (words by spaces) without looking at the reply.
    pub(crate) fn send(&mut self, index: usize, client: ClientId, line: &str) {
        self.send_batch(index, client, &[line]);
    }

    /// Sends several commands at once.
    pub(crate) fn send_batch(&mut self, index: usize, client: ClientId, lines: &[&str]) {
        let connection = self.hosts[index].connections.get_mut(&client).expect("connected");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            encode_command(&mut connection.input, &words);
        }
        self.settle();
    }

    /// From now on the client reads no replies.
    pub(crate) fn stop_reading(&mut self, index: usize, client: ClientId) {
        self.hosts[index].connections.get_mut(&client).expect("connected").deaf = true;
    }

    pub(crate) fn is_open(&self, index: usize, client: ClientId) -> bool {
        self.hosts[index].connections.contains_key(&client)
    }

    /// What has come back so far.
    pub(crate) fn replies(&mut self, index: usize, client: ClientId) -> String {
        match self.hosts[index].connections.get_mut(&client) {
            Some(connection) => {
                let bytes = std::mem::take(&mut connection.output);
                String::from_utf8_lossy(&bytes).replace("\r\n", "|")
            }
            None => "closed".into(),
        }
    }

    /// A command and its reply, with `|` for line ends.
    pub(crate) fn ask(&mut self, index: usize, client: ClientId, line: &str) -> String {
        self.send(index, client, line);
        self.replies(index, client)
    }

    /// The same on a connection of its own.
    pub(crate) fn once(&mut self, index: usize, line: &str) -> String {
        let client = self.connect(index);
        let reply = self.ask(index, client, line);
        self.close_client(index, client);
        reply
    }

    /// A field of `INFO`.
    pub(crate) fn field(&mut self, index: usize, name: &str) -> String {
        let text = self.once(index, "INFO everything");
        let found = text.split('|').find_map(|line| line.strip_prefix(&format!("{name}:")));
        found.unwrap_or("missing").to_owned()
    }

    pub(crate) fn digest(&self, index: usize) -> Digest {
        self.node(index).keyspace.digest()
    }

    pub(crate) fn logged(&self, index: usize, text: &str) -> bool {
        self.hosts[index].log.iter().any(|line| line.contains(text))
    }

    /// Performs what a slow disk held back.
    pub(crate) fn finish_saves(&mut self, index: usize) {
        for (job, snapshot, path) in std::mem::take(&mut self.hosts[index].held) {
            self.save(index, job, snapshot, path);
        }
        self.settle();
    }

    /// Actions and bytes, until nothing moves any more.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            for index in 0..self.hosts.len() {
                while let Some(action) = self.with(index, |node, _| node.poll_action()).flatten() {
                    self.perform(index, action);
                    moved = true;
                }
                moved |= self.move_bytes(index);
            }
            if !moved {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn move_bytes(&mut self, index: usize) -> bool {
        let mut moved = false;
        let clients: Vec<ClientId> = self.hosts[index].connections.keys().copied().collect();
        for client in clients {
            moved |= self.feed(index, client);
            moved |= self.drain(index, client);
        }
        if let Some(bytes) = self.with(index, |node, _| node.take_master_output()).flatten()
            && let Some((_, master, client)) = self.hosts[index].upstream
            && let Some(connection) = self.hosts[master].connections.get_mut(&client)
        {
            connection.input.extend_from_slice(&bytes);
            moved = true;
        }
        moved
    }

    fn feed(&mut self, index: usize, client: ClientId) -> bool {
        let Some(mut connection) = self.hosts[index].connections.remove(&client) else {
            return false;
        };
        let before = connection.input.len();
        self.with(index, |node, now| {
            if node.wants_input(client) && before > 0 {
                node.client_bytes(now, client, &mut connection.input);
            }
        });
        let moved = connection.input.len() != before;
        self.hosts[index].connections.insert(client, connection);
        moved
    }

    fn drain(&mut self, index: usize, client: ClientId) -> bool {
        if self.hosts[index].connections.get(&client).is_some_and(|connection| connection.deaf) {
            return false;
        }
        let mut bytes = BytesMut::new();
        let taken = self.with(index, |node, _| node.take_output(client, &mut bytes));
        let Some(output) = taken.flatten() else {
            return false;
        };
        self.deliver(index, client, &bytes);
        let len = bytes.len();
        self.with(index, |node, now| node.wrote(now, client, len));
        if output == Output::Last {
            // The test still wants to read the replies.
            if self.hosts[index].connections.get(&client).is_some_and(|c| c.replica.is_some()) {
                self.close_client(index, client);
            } else {
                self.with(index, |node, now| node.client_closed(now, client));
            }
        }
        true
    }

    fn deliver(&mut self, index: usize, client: ClientId, bytes: &[u8]) {
        let Some(connection) = self.hosts[index].connections.get_mut(&client) else {
            return;
        };
        match connection.replica {
            None => connection.output.extend_from_slice(bytes),
            Some(replica) => {
                if let Some((attempt, ..)) = self.hosts[replica].upstream {
                    self.with(replica, |node, now| node.master_bytes(now, attempt, bytes));
                }
            }
        }
    }

    fn drop_client(&mut self, index: usize, client: ClientId) {
        if self.hosts[index].connections.remove(&client).is_some() {
            self.with(index, |node, now| node.client_closed(now, client));
        }
    }

    fn close_client(&mut self, index: usize, client: ClientId) {
        let replica = self.hosts[index].connections.get(&client).and_then(|c| c.replica);
        self.drop_client(index, client);
        if let Some(replica) = replica
            && let Some((attempt, ..)) = self.hosts[replica].upstream.take()
        {
            self.with(replica, |node, now| node.master_closed(now, attempt, "closed by peer"));
        }
    }

    fn perform(&mut self, index: usize, action: Action) {
        match action {
            Action::Wake(_) | Action::WakeMaster | Action::Sleep(_) => {}
            Action::Close(client) => self.close_client(index, client),
            Action::ConnectMaster { attempt, port, .. } => {
                self.connect_master(index, attempt, port)
            }
            Action::DisconnectMaster => {
                if let Some((_, master, client)) = self.hosts[index].upstream.take() {
                    self.drop_client(master, client);
                }
            }
            Action::Receive(Receive::Begin { .. } | Receive::Abort) => {
                self.hosts[index].received.clear();
            }
            Action::Receive(Receive::Data(bytes)) => {
                self.hosts[index].received.extend_from_slice(&bytes);
            }
            Action::Receive(Receive::End) => {
                self.with(index, |node, now| node.received(now, Ok(())));
            }
            Action::Receive(Receive::Load { dir, file, .. }) => {
                let bytes = std::mem::take(&mut self.hosts[index].received);
                self.hosts[index].disk.insert(format!("{dir}/{file}"), bytes.clone());
                self.load(index, 0, Some(bytes));
            }
            Action::Save { job, snapshot, dir, file } => {
                let path = format!("{dir}/{file}");
                if self.hosts[index].slow_disk {
                    self.hosts[index].held.push((job, snapshot, path));
                } else {
                    self.save(index, job, snapshot, path);
                }
            }
            Action::AbortSave { job } => self.hosts[index].held.retain(|held| held.0 != job),
            Action::SendFile { client, snapshot, dir, file } => {
                self.drain(index, client);
                let bytes = self.hosts[index].disk[&format!("{dir}/{file}")].clone();
                let header = format!("${}\r\n", bytes.len());
                self.deliver(index, client, header.as_bytes());
                self.deliver(index, client, &bytes);
                self.with(index, |node, now| node.transfer_finished(now, snapshot, client));
            }
            Action::SendStream { job, snapshot, id, eof_mark, clients } => {
                let mut bytes = b"$EOF:".to_vec();
                bytes.extend_from_slice(&eof_mark);
                bytes.extend_from_slice(b"\r\n");
                encode(snapshot).for_each(|chunk| bytes.extend_from_slice(&chunk.bytes));
                bytes.extend_from_slice(&eof_mark);
                for client in clients {
                    self.drain(index, client);
                    self.deliver(index, client, &bytes);
                    self.with(index, |node, now| node.transfer_finished(now, id, client));
                }
                self.with(index, |node, now| node.stream_finished(now, job, Ok(1)));
            }
            Action::AbortStream { .. } => {}
            Action::Load { job, dir, file } => {
                let bytes = self.hosts[index].disk.get(&format!("{dir}/{file}")).cloned();
                self.load(index, job, bytes);
            }
            Action::WriteFile { job, path, contents } => {
                let host = &mut self.hosts[index];
                let result = match host.disk_full {
                    true => Err("No space left on device".to_owned()),
                    false => {
                        host.disk.insert(path, contents);
                        Ok(())
                    }
                };
                self.with(index, |node, now| node.file_written(now, job, result));
            }
            Action::ReadFile { job, path } => {
                let found = self.hosts[index].disk.get(&path).cloned();
                let result = found.ok_or_else(|| "No such file or directory".to_owned());
                self.with(index, |node, now| node.file_read(now, job, result));
            }
            Action::Listen(addresses) => {
                let taken =
                    |address: &ListenAddr| matches!(address, ListenAddr::Tcp { port: 1, .. });
                let result = match addresses.iter().any(taken) {
                    true => Err("bind: Address already in use".to_owned()),
                    false => Ok(()),
                };
                self.with(index, |node, now| node.listening(now, result));
            }
            Action::CheckFolder { job, path } => {
                let result = match path.contains("missing") {
                    true => Err("No such file or directory".to_owned()),
                    false => Ok(()),
                };
                self.with(index, |node, now| node.folder_checked(now, job, result));
            }
            Action::SetTcpKeepalive(_) | Action::SetSourceAddress(_) => {}
            Action::Log(line) => {
                self.hosts[index].log_roles.push(line.role);
                self.hosts[index].log.push(line.text);
            }
            Action::Exit(code) => {
                self.hosts[index].exit = Some(code);
                self.hosts[index].node = None;
                self.cut_links(index);
                self.hosts[index].connections.clear();
            }
        }
    }

    fn connect_master(&mut self, index: usize, attempt: u64, port: u16) {
        if let Some((_, master, client)) = self.hosts[index].upstream.take() {
            self.drop_client(master, client);
        }
        let master = usize::from(port - FIRST_PORT);
        let accepted = if self.cut || master >= self.hosts.len() {
            None
        } else {
            self.with(master, |node, now| node.accept(now, peer(index, true)))
        };
        match accepted {
            Some(Ok(client)) => {
                let connection = Connection { replica: Some(index), ..Connection::default() };
                self.hosts[master].connections.insert(client, connection);
                self.hosts[index].upstream = Some((attempt, master, client));
                self.with(index, |node, now| {
                    node.master_connected(now, attempt, peer(master, true))
                });
            }
            _ => {
                self.with(index, |node, now| node.master_closed(now, attempt, "refused"));
            }
        }
    }

    fn save(&mut self, index: usize, job: u64, snapshot: SnapshotJob, path: String) {
        let result = if self.hosts[index].disk_full {
            Err("No space left on device".to_owned())
        } else {
            let mut bytes = Vec::new();
            encode(snapshot).for_each(|chunk| bytes.extend_from_slice(&chunk.bytes));
            let len = bytes.len() as u64;
            self.hosts[index].disk.insert(path, bytes);
            Ok(len)
        };
        self.with(index, |node, now| node.save_finished(now, job, result));
    }

    fn load(&mut self, index: usize, job: u64, bytes: Option<Vec<u8>>) {
        let result = match bytes {
            None => Err(LoadError::Missing),
            Some(bytes) => self.decode(index, &bytes).map_err(LoadError::Refused),
        };
        self.with(index, |node, now| node.loaded(now, job, result));
    }

    fn decode(&self, index: usize, bytes: &[u8]) -> Result<LoadedData, String> {
        let (target, drop_expired) = self.node(index).load_target();
        let mut loader = Loader::new(target, drop_expired.then_some(self.now.unix_ms));
        loader.feed(bytes).map_err(|error| error.to_string())?;
        loader.finish().map_err(|error| error.to_string())
    }
}

pub(crate) fn peer(number: usize, loopback: bool) -> Peer {
    Peer {
        addr: format!("10.0.0.{number}:5000"),
        laddr: "10.0.0.1:7000".into(),
        ip: format!("10.0.0.{number}"),
        loopback,
        unix: false,
    }
}
