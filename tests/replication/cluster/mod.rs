//! Several replication cores, connected by byte queues, in one thread and without a clock.
//!
//! The "dataset" of a node is the list of the writes applied to it, and a snapshot is that list
//! as text. So two datasets are equal exactly if the same writes were applied in the same order.

mod outputs;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use replisim::codec::resp::{CommandParser, Parse, ParseLimits};
use replisim::env::LogLevel;
use replisim::event::{Event, MasterLinkState};
use replisim::replication::{
    IdSource, LinkId, Offset, Output, ReplconfAnswer, Replication, ReplicationConfig,
    ReplicationId, SavedPosition, SnapshotId, SnapshotPlan, SnapshotTarget, Write,
};

use script::shown;

pub fn config() -> ReplicationConfig {
    ReplicationConfig {
        repl_ping_replica_period: Duration::from_secs(10),
        repl_timeout: Duration::from_secs(60),
        repl_backlog_size_bytes: 16 * 1024,
        repl_backlog_ttl: Some(Duration::from_secs(3600)),
        repl_diskless_sync: false,
        repl_diskless_sync_delay: Duration::from_secs(5),
        repl_diskless_sync_max_replicas: 0,
        saves_on_its_own: false,
        min_replicas_to_write: 0,
        min_replicas_max_lag: Duration::from_secs(10),
        replica_serve_stale_data: true,
        masterauth: None,
        masteruser: None,
        announce_port: 0,
        announce_ip: None,
        replica_hard_limit_bytes: 256 << 20,
        replica_soft_limit_bytes: 0,
        replica_soft_limit_time: Duration::from_secs(60),
    }
}

/// One node: a core, its dataset, and the little around it that a real node does.
pub struct Host {
    pub core: Replication,
    pub config: ReplicationConfig,
    pub data: Vec<String>,
    pub requirepass: Option<String>,
    /// What its RDB file holds.
    pub file: Option<(Vec<String>, Option<SavedPosition>)>,
    /// Snapshots being made, and finished ones on disk.
    making: Vec<(SnapshotPlan, Vec<u8>)>,
    files: BTreeMap<SnapshotId, Vec<u8>>,
    received: Vec<u8>,
    loading: bool,
    lives: u8,
    /// Does not answer, and takes no connections.
    pub down: bool,
    /// `CLIENT PAUSE`: the stream is not applied.
    pub paused: bool,
}

/// One connection of a replica to its master.
pub struct Conn {
    pub replica: String,
    pub master: String,
    pub to_master: Vec<u8>,
    pub to_replica: Vec<u8>,
    input: BytesMut,
    established: bool,
    master_closed: bool,
    /// Nothing is delivered.
    pub held: bool,
}

pub struct Cluster {
    pub now: Duration,
    pub hosts: BTreeMap<String, Host>,
    pub conns: BTreeMap<u64, Conn>,
    /// Snapshots are finished only when the script says so.
    pub manual_snapshots: bool,
    pub manual_loads: bool,
    pub trace: Vec<String>,
    pub marks: BTreeMap<&'static str, u32>,
    next_link: u64,
    ids: Vec<ReplicationId>,
    /// Dataset at each (id, offset) that anyone ever reached.
    reached: BTreeMap<(ReplicationId, Offset), Vec<String>>,
    pub silent: bool,
}

impl Cluster {
    pub fn new() -> Self {
        Self {
            now: Duration::ZERO,
            hosts: BTreeMap::new(),
            conns: BTreeMap::new(),
            manual_snapshots: false,
            manual_loads: false,
            trace: Vec::new(),
            marks: BTreeMap::new(),
            next_link: 1,
            ids: Vec::new(),
            reached: BTreeMap::new(),
            silent: false,
        }
    }

    pub fn add(&mut self, name: &str, change: impl FnOnce(&mut ReplicationConfig)) {
        let mut config = config();
        config.announce_port = 7001 + u16::try_from(self.hosts.len()).expect("few hosts");
        change(&mut config);
        let host = Host {
            core: Replication::new(config.clone(), ids(name, 0)),
            config,
            data: Vec::new(),
            requirepass: None,
            file: None,
            making: Vec::new(),
            files: BTreeMap::new(),
            received: Vec::new(),
            loading: false,
            lives: 0,
            down: false,
            paused: false,
        };
        self.hosts.insert(name.to_owned(), host);
    }

    pub fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).expect("no such node")
    }

    pub fn core(&mut self, name: &str) -> &mut Replication {
        &mut self.host(name).core
    }

    pub fn replicaof(&mut self, replica: &str, master: &str) {
        let (now, port) = (self.now, self.host(master).config.announce_port);
        self.core(replica).replicaof(now, master, port);
        self.settle(replica);
    }

    pub fn write(&mut self, name: &str, db: u32, commands: &[&str]) {
        let now = self.now;
        let host = self.host(name);
        let words: Vec<Vec<&[u8]>> =
            commands.iter().map(|c| c.split(' ').map(str::as_bytes).collect()).collect();
        let commands_: Vec<&[&[u8]]> = words.iter().map(Vec::as_slice).collect();
        for command in commands {
            host.data.push(format!("{db}:{command}"));
        }
        host.core.write(now, Write { db, commands: &commands_, transaction: commands.len() > 1 });
        self.settle(name);
        self.compare(name);
    }

    /// Saves the RDB file as `SAVE` does.
    pub fn save(&mut self, name: &str) {
        let host = self.host(name);
        host.file = Some((host.data.clone(), host.core.saved_position()));
    }

    /// The process ends and starts again with what its RDB file holds.
    pub fn restart(&mut self, name: &str, master: Option<&str>) {
        let links: Vec<u64> = self
            .conns
            .iter()
            .filter(|(_, c)| c.replica == name || c.master == name)
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.cut(link);
        }
        let address = master.map(|m| (m.to_owned(), self.host(m).config.announce_port));
        let now = self.now;
        let host = self.host(name);
        host.lives += 1;
        host.core = Replication::new(host.config.clone(), ids(name, host.lives));
        let (data, position) = host.file.clone().unwrap_or_default();
        host.data = data;
        host.making.clear();
        host.loading = false;
        host.core.restore(now, position, address);
        self.settle(name);
    }

    /// The connection breaks: what is on its way is lost.
    pub fn cut(&mut self, link: u64) {
        let Some(conn) = self.conns.remove(&link) else {
            return;
        };
        let now = self.now;
        if !conn.master_closed {
            self.core(&conn.master).replica_closed(now, LinkId(link));
            self.settle(&conn.master);
        }
        self.core(&conn.replica).master_closed(now, "connection reset");
        self.settle(&conn.replica);
    }

    pub fn link_of(&self, replica: &str) -> Option<u64> {
        self.conns.iter().find(|(_, c)| c.replica == replica).map(|(link, _)| *link)
    }

    pub fn tick(&mut self) {
        self.now += Duration::from_millis(100);
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        for name in names {
            let now = self.now;
            if !self.host(&name).down {
                self.core(&name).tick(now);
                self.settle(&name);
            }
        }
    }

    /// Delivers everything until nothing moves.
    ///
    /// # Panics
    /// If that never happens: nodes that full-sync each other for ever are a fault, not a test
    /// that hangs.
    pub fn pump(&mut self) {
        for _ in 0..10_000 {
            let mut moved = false;
            let names: Vec<String> = self.hosts.keys().cloned().collect();
            for name in &names {
                if !self.manual_snapshots {
                    moved |= self.finish_snapshot(name, true);
                }
                if !self.manual_loads {
                    moved |= self.finish_load(name, true);
                }
            }
            let links: Vec<u64> = self.conns.keys().copied().collect();
            for link in links {
                moved |= self.deliver(link, false, usize::MAX);
                moved |= self.deliver(link, true, usize::MAX);
            }
            if !moved {
                return;
            }
        }
        panic!("the nodes do not come to rest");
    }

    /// Delivers at most `max` bytes one way; whether anything happened.
    pub fn deliver(&mut self, link: u64, to_replica: bool, max: usize) -> bool {
        let Some(conn) = self.conns.get_mut(&link) else {
            return false;
        };
        let (replica, master) = (conn.replica.clone(), conn.master.clone());
        let frozen = if to_replica { &replica } else { &master };
        if conn.held || self.hosts[frozen].down {
            return false;
        }
        let now = self.now;
        let conn = self.conns.get_mut(&link).expect("just seen");
        if !conn.established {
            conn.established = true;
            self.core(&replica).master_connected(now);
            self.settle(&replica);
            return true;
        }
        if to_replica {
            self.fill_stream(link);
            let conn = self.conns.get_mut(&link).expect("just seen");
            let take = max.min(conn.to_replica.len());
            let bytes: Vec<u8> = conn.to_replica.drain(..take).collect();
            let over = conn.master_closed && conn.to_replica.is_empty();
            if !bytes.is_empty() {
                self.say(format!("{master} -> {replica}: {}", shown(&bytes)));
                self.core(&replica).master_bytes(now, &bytes);
                self.settle(&replica);
                self.apply(&replica);
            }
            if over && self.conns.remove(&link).is_some() {
                self.say(format!("{master} -> {replica}: closed"));
                self.core(&replica).master_closed(now, "closed by the master");
                self.settle(&replica);
            }
            return take > 0 || over;
        }
        let take = max.min(conn.to_master.len());
        let bytes: Vec<u8> = conn.to_master.drain(..take).collect();
        if conn.master_closed || bytes.is_empty() {
            return false;
        }
        self.say(format!("{replica} -> {master}: {}", shown(&bytes)));
        let conn = self.conns.get_mut(&link).expect("just seen");
        conn.input.extend_from_slice(&bytes);
        self.serve(link, &master, &replica);
        true
    }

    /// Hands over what the master has for this link, as a writer that is woken does.
    fn fill_stream(&mut self, link: u64) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&link) else {
            return;
        };
        let core = &mut self.hosts.get_mut(&conn.master).expect("no such node").core;
        loop {
            let chunk = core.stream_chunk(LinkId(link));
            let bytes = chunk.len();
            if bytes == 0 || conn.to_replica.len() > 1 << 16 {
                return;
            }
            conn.to_replica.extend_from_slice(chunk);
            core.stream_sent(now, LinkId(link), bytes);
        }
    }

    /// Executes the commands of a replica at its master.
    fn serve(&mut self, link: u64, master: &str, replica: &str) {
        loop {
            let Some(conn) = self.conns.get_mut(&link) else {
                return;
            };
            let mut parser = CommandParser::new();
            let args: Vec<Vec<u8>> = match parser
                .parse(&conn.input, &ParseLimits::default())
                .expect("replicas speak RESP")
            {
                Parse::Incomplete => return,
                Parse::Empty { consumed } => {
                    let _ = conn.input.split_to(consumed);
                    Vec::new()
                }
                Parse::Command { consumed } => {
                    let raw = conn.input.split_to(consumed);
                    parser.args(&raw).iter().map(|a| a.to_vec()).collect()
                }
            };
            let reply = self.execute(link, master, replica, &args);
            if let Some(conn) = self.conns.get_mut(&link) {
                conn.to_replica.extend_from_slice(reply.as_bytes());
            }
            self.settle(master);
        }
    }

    fn execute(&mut self, link: u64, master: &str, replica: &str, args: &[Vec<u8>]) -> String {
        let now = self.now;
        let host = self.host(master);
        let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let link = LinkId(link);
        let error = |result: Result<(), String>| match result {
            Ok(()) => String::new(),
            Err(text) => format!("-{text}\r\n"),
        };
        match words.as_slice() {
            [] => {
                host.core.replica_alive(now, link);
                String::new()
            }
            [b"PING"] if host.requirepass.is_some() => "-NOAUTH Authentication required.\r\n".into(),
            [b"PING"] => "+PONG\r\n".into(),
            [b"AUTH", .., password] => match &host.requirepass {
                Some(wanted) if wanted.as_bytes() == *password => "+OK\r\n".into(),
                Some(_) => "-WRONGPASS invalid username-password pair or user is disabled.\r\n".into(),
                None => "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n".into(),
            },
            [b"REPLCONF", ..] => match host.core.replconf(now, link, &words) {
                ReplconfAnswer::Ok => "+OK\r\n".into(),
                ReplconfAnswer::Nothing => String::new(),
                ReplconfAnswer::Error(text) => format!("-{text}\r\n"),
            },
            [b"PSYNC", id, offset, more @ ..] => {
                let offset = std::str::from_utf8(offset).expect("digits").parse().expect("digits");
                error(host.core.psync(now, link, replica, id, offset, !more.is_empty()))
            }
            [b"SYNC"] => error(host.core.sync(now, link, replica)),
            other => panic!("unexpected command {other:?}"),
        }
    }

    /// Executes what a replica received.
    pub fn apply(&mut self, name: &str) {
        let now = self.now;
        while !self.host(name).paused {
            let host = self.host(name);
            let db = host.core.applying_db();
            let Some(command) = host.core.next_command(now) else {
                break;
            };
            let args = command.args();
            let text =
                |arg: &&'_ [u8]| String::from_utf8((*arg).to_vec()).expect("tests write text");
            let words: Vec<String> = args.iter().map(text).collect();
            let quiet = ["select", "multi", "exec", "ping", "replconf"];
            if !quiet.contains(&words[0].to_ascii_lowercase().as_str()) {
                host.data.push(format!("{db}:{}", words.join(" ")));
            }
            host.core.applied(now, &command);
            self.settle(name);
            self.compare(name);
        }
        self.settle(name);
    }

    /// The prefix invariant: the same id and offset mean the same dataset, whoever gets there.
    fn compare(&mut self, name: &str) {
        let host = &self.hosts[name];
        if host.core.in_transaction() || host.core.backlog().is_none() {
            return;
        }
        let key = (host.core.id(), host.core.offset());
        let known = self.reached.entry(key).or_insert_with(|| host.data.clone());
        assert_eq!(*known, host.data, "{name} differs at {key:?}");
    }

    pub fn all_linked_to(&self, master: &str) -> bool {
        self.hosts.iter().all(|(name, host)| {
            name == master || host.core.master_link() == MasterLinkState::Connected
        })
    }
}

fn ids(name: &str, life: u8) -> IdSource {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    seed[31] = life;
    IdSource::seeded(seed)
}
