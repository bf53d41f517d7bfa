//! What the simulator has seen of every node: the facts that invariants judge by.
//!
//! Built from events alone ([`replisim::event::Event`]) and from what the world did to the
//! nodes, never by asking a node what it believes. Must never: decide whether something is
//! right; that is the checkers' part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replisim::config::{Config, DisklessLoad, SavePoints};
use replisim::event::{Digest, Event, MasterLinkState, Origin, PsyncAnswer, ReplicaState, Role};
use replisim::replication::{LinkId, Offset, ReplicationId};

use crate::history::Histories;

/// Index of a node in [`Cluster::nodes`], in the order of the scenario file.
pub type NodeIndex = usize;

/// The directives of a node that invariants need, as of its last start or `CONFIG SET`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `repl-backlog-size` in bytes.
    pub repl_backlog_size_bytes: u64,
    /// `repl-timeout`.
    pub repl_timeout: Duration,
    /// `repl-ping-replica-period`.
    pub repl_ping_replica_period: Duration,
    /// `repl-diskless-sync-delay`, zero when `repl-diskless-sync no`.
    pub repl_diskless_sync_delay: Duration,
    /// `repl-diskless-sync-max-replicas`; 0: no maximum.
    pub repl_diskless_sync_max_replicas: u32,
    /// `min-replicas-to-write`.
    pub min_replicas_to_write: usize,
    /// `min-replicas-max-lag`.
    pub min_replicas_max_lag: Duration,
    /// `replica-read-only`.
    pub replica_read_only: bool,
    /// `requirepass`, if it is set.
    pub requirepass: Option<String>,
    /// `repl-backlog-ttl`; `None`: for ever.
    pub repl_backlog_ttl: Option<Duration>,
    /// `replica-serve-stale-data`.
    pub replica_serve_stale_data: bool,
    /// `repl-diskless-load swapdb`: the old data may be served while new ones are loaded.
    pub loads_beside: bool,
    /// `save`: after how long, with how many changes.
    pub save_points: Vec<(Duration, u64)>,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_bgsave_error: bool,
    /// `shutdown-timeout`; zero: replicas are not waited for.
    pub shutdown_timeout: Duration,
    /// `databases`.
    pub databases: u32,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            repl_backlog_size_bytes: config.repl_backlog_size,
            repl_timeout: config.repl_timeout,
            repl_ping_replica_period: config.repl_ping_replica_period,
            repl_diskless_sync_delay: if config.repl_diskless_sync {
                config.repl_diskless_sync_delay
            } else {
                Duration::ZERO
            },
            repl_diskless_sync_max_replicas: config.repl_diskless_sync_max_replicas,
            min_replicas_to_write: config.min_replicas_to_write as usize,
            min_replicas_max_lag: config.min_replicas_max_lag,
            replica_read_only: config.replica_read_only,
            requirepass: config.requirepass.clone(),
            repl_backlog_ttl: Some(config.repl_backlog_ttl).filter(|ttl| !ttl.is_zero()),
            replica_serve_stale_data: config.replica_serve_stale_data,
            loads_beside: config.repl_diskless_load == DisklessLoad::SwapDb,
            save_points: save_points(&config.save),
            stop_writes_on_bgsave_error: config.stop_writes_on_bgsave_error,
            shutdown_timeout: config.shutdown_timeout,
            databases: config.databases,
        }
    }
}

fn save_points(points: &SavePoints) -> Vec<(Duration, u64)> {
    points.0.iter().map(|point| (point.period, point.changes)).collect()
}

impl Default for Limits {
    /// The defaults of Redis 7.0's redis.conf.
    fn default() -> Self {
        Self {
            repl_backlog_size_bytes: 1 << 20,
            repl_timeout: Duration::from_secs(60),
            repl_ping_replica_period: Duration::from_secs(10),
            repl_diskless_sync_delay: Duration::from_secs(5),
            repl_diskless_sync_max_replicas: 0,
            min_replicas_to_write: 0,
            min_replicas_max_lag: Duration::from_secs(10),
            replica_read_only: true,
            requirepass: None,
            repl_backlog_ttl: Some(Duration::from_secs(3600)),
            replica_serve_stale_data: true,
            loads_beside: false,
            save_points: save_points(&SavePoints::default()),
            stop_writes_on_bgsave_error: true,
            shutdown_timeout: Duration::from_secs(10),
            databases: 16,
        }
    }
}

/// What is known of a replica's connection at its master.
#[derive(Debug, Clone)]
pub struct ReplicaView {
    /// The node at the other end.
    pub node: Option<NodeIndex>,
    /// The life of that node in which the connection was made.
    pub life: u32,
    /// State of the link.
    pub state: ReplicaState,
    /// Since when.
    pub since: Duration,
    /// When it asked for its sync.
    pub asked_at: Duration,
    /// Greatest acknowledged offset.
    pub acked: Offset,
    /// When the last ack arrived (or the link went online).
    pub acked_at: Duration,
    /// When it was last heard from: that, or a newline while it loads.
    pub heard_at: Duration,
}

/// One node, as seen from outside.
#[derive(Debug, Clone)]
pub struct NodeState {
    /// Its name in the scenario.
    pub name: String,
    /// Its address in the simulated network.
    pub ip: String,
    /// How often its process has been started; 0 before the first start.
    pub life: u32,
    /// Whether its process runs and has said [`Event::Started`].
    pub up: bool,
    /// Role.
    pub role: Role,
    /// Replication id.
    pub id: Option<ReplicationId>,
    /// Second id and the last offset (inclusive) for which the node may use it.
    pub second: Option<(ReplicationId, Offset)>,
    /// Offset of its dataset.
    pub offset: Offset,
    /// Digest of its dataset.
    pub digest: Digest,
    /// The stream bytes it has seen since its backlog was last begun start after this offset;
    /// `None`: it has no backlog.
    pub held_from: Option<Offset>,
    /// Where the backlog may have begun when its limit last grew.
    pub grown_from: Offset,
    /// Whether its dataset and offset are being replaced by a full sync right now.
    pub loading: bool,
    /// Whether it has followed a stream, or restored a position, in this life, so that it has a
    /// position to resume from.
    pub has_position: bool,
    /// State of its link to its master.
    pub master_link: MasterLinkState,
    /// Since when it is in that state.
    pub master_link_since: Duration,
    /// When that link was last made.
    pub linked_at: Duration,
    /// Host and port of its master.
    pub master: Option<(String, u16)>,
    /// Its replicas' connections.
    pub replicas: BTreeMap<LinkId, ReplicaView>,
    /// Since when it has had no replica: since the last one went, or since it can have one.
    pub no_replicas_since: Duration,
    /// Clients that have queued a write in `MULTI`.
    pub queued_writes: BTreeSet<u64>,
    /// Its configuration.
    pub limits: Limits,
    /// Since when its disk has been what it should be; `None`: it is slow, full or broken.
    pub disk_whole_since: Option<Duration>,
    /// Full syncs it served, counted as Redis counts `sync_full`.
    pub full_syncs: u64,
    /// Partial resyncs it served (`sync_partial_ok`).
    pub partial_syncs: u64,
    /// Full syncs its masters began for it.
    pub full_syncs_received: u64,
    /// Partial resyncs its masters granted it.
    pub partial_syncs_received: u64,
}

impl NodeState {
    fn new(name: &str, ip: &str, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            ip: ip.to_owned(),
            life: 0,
            up: false,
            role: Role::Master,
            id: None,
            second: None,
            offset: Offset(0),
            digest: Digest::default(),
            held_from: None,
            grown_from: Offset(0),
            loading: false,
            has_position: false,
            master_link: MasterLinkState::None,
            master_link_since: Duration::ZERO,
            linked_at: Duration::ZERO,
            master: None,
            replicas: BTreeMap::new(),
            no_replicas_since: Duration::ZERO,
            queued_writes: BTreeSet::new(),
            limits,
            disk_whole_since: Some(Duration::ZERO),
            full_syncs: 0,
            partial_syncs: 0,
            full_syncs_received: 0,
            partial_syncs_received: 0,
        }
    }

    /// Whether a command of a client writes: itself, or as the `EXEC` of one that does.
    pub fn writes(&self, client: u64, args: &[&[u8]]) -> bool {
        match args[0].eq_ignore_ascii_case(b"exec") {
            true => self.queued_writes.contains(&client),
            false => is_write(args),
        }
    }

    fn executed(&mut self, client: u64, args: &[&[u8]], reply: &[u8]) {
        match args[0].to_ascii_lowercase().as_slice() {
            b"exec" | b"discard" | b"reset" => {
                self.queued_writes.remove(&client);
            }
            _ if reply == b"+QUEUED\r\n" && is_write(args) => {
                self.queued_writes.insert(client);
            }
            _ => {}
        }
    }

    /// What was let go under a smaller limit does not come back.
    fn configured(&mut self, limits: Limits) {
        let before = self.limits.repl_backlog_size_bytes;
        if limits.repl_backlog_size_bytes > before {
            // What an earlier growth did not bring back this one does not, either.
            let from = Offset(self.offset.0.saturating_sub(before));
            self.grown_from = self.grown_from.max(from);
        }
        self.limits = limits;
    }

    /// The process is gone.
    fn stop(&mut self) {
        self.up = false;
        self.replicas.clear();
        self.queued_writes.clear();
        self.held_from = None;
        self.has_position = false;
        self.loading = false;
        self.master_link = MasterLinkState::None;
    }
}

/// Whether a command may write, by the node's own table.
pub(crate) fn is_write(args: &[&[u8]]) -> bool {
    replisim::command::Call::find(args).is_some_and(|call| call.is_write())
}

/// From here on nothing is done to the cluster any more.
#[derive(Debug, Clone)]
pub struct Calm {
    /// Since when.
    pub since: Duration,
    /// Nodes that run and whose way to their master is open, all the way up.
    pub core: Vec<NodeIndex>,
}

/// All nodes and all that was ever written.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Since when nothing has been wrong between two nodes: see [`Cluster::whole_since`]. The first
    /// of a pair has the lower index; a pair that is not here has always been whole.
    ways: BTreeMap<(NodeIndex, NodeIndex), Option<Duration>>,
    /// Whether all is over that was to be done to it.
    pub calm: Option<Calm>,
    /// The nodes.
    pub nodes: Vec<NodeState>,
    /// Every stream byte written so far.
    pub histories: Histories,
}

impl Cluster {
    /// Adds a node; returns its index.
    pub fn add(&mut self, name: &str, ip: &str, limits: Limits) -> NodeIndex {
        self.nodes.push(NodeState::new(name, ip, limits));
        self.nodes.len() - 1
    }

    /// The node at an address.
    pub fn by_ip(&self, ip: &str) -> Option<NodeIndex> {
        self.nodes.iter().position(|node| node.ip == ip)
    }

    /// The node that a master's host names.
    pub fn by_host(&self, host: &str) -> Option<NodeIndex> {
        self.nodes.iter().position(|node| node.name == host || node.ip == host)
    }

    /// The node that a node follows.
    pub fn master_of(&self, node: NodeIndex) -> Option<NodeIndex> {
        let (host, _) = self.nodes[node].master.as_ref()?;
        self.by_host(host)
    }

    /// Since when the way between two nodes has been open and fast in both directions, and neither
    /// process was stopped, started or made to stand still; `None`: something of that lasts.
    pub fn whole_since(&self, one: NodeIndex, other: NodeIndex) -> Option<Duration> {
        let way = (one.min(other), one.max(other));
        self.ways.get(&way).copied().unwrap_or(Some(Duration::ZERO))
    }

    /// Takes note of what [`whole_since`](Self::whole_since) is to tell from now on.
    pub fn note_way(&mut self, one: NodeIndex, other: NodeIndex, whole_since: Option<Duration>) {
        self.ways.insert((one.min(other), one.max(other)), whole_since);
    }

    /// Whether nothing has been wrong since a node met its master, between them and with its disk.
    pub fn is_whole_link(&self, node: NodeIndex) -> bool {
        let state = &self.nodes[node];
        let whole = |since: Option<Duration>| since.is_some_and(|since| since < state.linked_at);
        let way = self.master_of(node).and_then(|master| self.whole_since(node, master));
        whole(way) && whole(state.disk_whole_since)
    }

    /// The process of a node ended (killed, power cut, exited).
    pub fn stopped(&mut self, node: NodeIndex) {
        self.nodes[node].stop();
    }

    /// Takes note of an event. Called after the checkers have seen it.
    pub fn apply(&mut self, at: Duration, node: NodeIndex, event: &Event<'_>) {
        match event {
            Event::Started { role, id, second, offset, restored, digest, .. } => {
                self.started(node, *role, *id, *second, *offset, restored.is_some(), *digest);
                self.nodes[node].no_replicas_since = at;
            }
            Event::Identity { role, id, second, offset, cause } => {
                self.identity(node, *role, *id, *second, *offset, cause);
                if *cause == "promoted" {
                    self.nodes[node].no_replicas_since = at;
                }
            }
            Event::StreamAdvanced { id, offset, bytes, digest, origin } => {
                if *origin == Origin::Written {
                    self.histories.written(*id, node, *offset, bytes, *digest);
                }
                let state = &mut self.nodes[node];
                state.offset = *offset;
                state.digest = *digest;
            }
            Event::DatasetChanged { digest } => {
                self.nodes[node].digest = *digest;
                if let Some(id) = self.nodes[node].id {
                    self.histories.changed_in_place(id, self.nodes[node].offset, *digest);
                }
            }
            Event::PsyncAnswered { link, ip, answer, .. } => {
                self.psync_answered(at, node, *link, ip, answer);
            }
            Event::Loaded { digest, .. } => {
                let state = &mut self.nodes[node];
                state.digest = *digest;
                state.loading = false;
            }
            Event::LoadFailed { .. } => self.nodes[node].loading = false,
            Event::Replica { link, state, .. } => self.replica(at, node, *link, *state),
            Event::MasterLink { host, port, state, .. } => {
                let node = &mut self.nodes[node];
                if node.master_link != *state {
                    node.master_link_since = at;
                }
                if node.master_link == MasterLinkState::Connecting
                    && *state == MasterLinkState::Handshake
                {
                    node.linked_at = at;
                }
                node.master = (*state != MasterLinkState::None).then(|| (host.to_string(), *port));
                node.master_link = *state;
                match state {
                    MasterLinkState::Loading => {
                        node.loading = true;
                        node.has_position = false;
                        // The backlog goes before the load, whether that succeeds or not.
                        node.held_from = None;
                    }
                    MasterLinkState::Connected => {
                        node.loading = false;
                        node.has_position = true;
                        node.held_from = node.held_from.or(Some(node.offset));
                    }
                    _ => {}
                }
            }
            Event::AckReceived { link, offset, .. } => {
                if let Some(view) = self.nodes[node].replicas.get_mut(link) {
                    view.acked = view.acked.max(*offset);
                    (view.acked_at, view.heard_at) = (at, at);
                }
            }
            Event::SignOfLife { link, .. } => {
                if let Some(view) = self.nodes[node].replicas.get_mut(link) {
                    view.heard_at = at;
                }
            }
            Event::Configured { config, .. } => self.nodes[node].configured(Limits::from(*config)),
            Event::Executed { client, args, reply, .. } => {
                self.nodes[node].executed(*client, args, reply);
            }
            Event::Exiting { .. } => self.nodes[node].stop(),
            _ => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event")]
    fn started(
        &mut self,
        node: NodeIndex,
        role: Role,
        id: ReplicationId,
        second: Option<(ReplicationId, Offset)>,
        offset: Offset,
        restored: bool,
        digest: Digest,
    ) {
        let state = &mut self.nodes[node];
        state.stop();
        state.life += 1;
        state.up = true;
        state.role = role;
        state.id = Some(id);
        state.second = second;
        state.offset = offset;
        state.digest = digest;
        state.has_position = restored;
        // Either role: a replica that is promoted before its first link answers from this backlog.
        (state.held_from, state.grown_from) = (restored.then_some(offset), Offset(0));
        if role == Role::Master {
            self.histories.begun(id, node, offset, second, digest);
        }
    }

    fn identity(
        &mut self,
        node: NodeIndex,
        role: Role,
        id: ReplicationId,
        second: Option<(ReplicationId, Offset)>,
        offset: Offset,
        cause: &str,
    ) {
        let digest = self.nodes[node].digest;
        if role == Role::Master && self.nodes[node].id != Some(id) {
            let parent = if cause == "promoted" { second } else { None };
            self.histories.begun(id, node, offset, parent, digest);
        }
        let state = &mut self.nodes[node];
        state.role = role;
        state.id = Some(id);
        state.second = second;
        state.offset = offset;
        match cause {
            "backlog-created" | "full-sync" => {
                (state.held_from, state.grown_from) = (Some(offset), Offset(0));
            }
            "backlog-expired" => state.held_from = None,
            // A replica keeps a backlog from its first link on; it may have had none before.
            "continue-new-id" => state.held_from = state.held_from.or(Some(offset)),
            _ => {}
        }
        if cause == "demoted" {
            state.has_position = true;
            state.held_from = state.held_from.or(Some(offset));
        }
    }

    fn psync_answered(
        &mut self,
        at: Duration,
        node: NodeIndex,
        link: LinkId,
        ip: &str,
        answer: &PsyncAnswer,
    ) {
        let peer = self.by_ip(ip);
        let life = peer.map_or(0, |peer| self.nodes[peer].life);
        let state = &mut self.nodes[node];
        let view = ReplicaView {
            node: peer,
            life,
            state: ReplicaState::WaitStart,
            since: at,
            asked_at: at,
            acked: Offset(0),
            acked_at: at,
            heard_at: at,
        };
        match answer {
            PsyncAnswer::Continue { .. } => state.partial_syncs += 1,
            PsyncAnswer::Full(_) => state.full_syncs += 1,
            PsyncAnswer::Refused => return,
        }
        state.replicas.insert(link, view);
        if let Some(peer) = peer.map(|peer| &mut self.nodes[peer]) {
            match answer {
                PsyncAnswer::Full(_) => peer.full_syncs_received += 1,
                _ => peer.partial_syncs_received += 1,
            }
        }
    }

    fn replica(&mut self, at: Duration, node: NodeIndex, link: LinkId, now: ReplicaState) {
        let state = &mut self.nodes[node];
        let replicas = &mut state.replicas;
        if now == ReplicaState::Gone {
            replicas.remove(&link);
            if replicas.is_empty() {
                state.no_replicas_since = at;
            }
        } else if let Some(view) = replicas.get_mut(&link) {
            (view.state, view.since) = (now, at);
            if now == ReplicaState::Online {
                (view.acked_at, view.heard_at) = (at, at);
            }
        }
    }
}
