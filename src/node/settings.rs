//! The directives the node obeys, read from [`Config`] once and again after each `CONFIG SET`,
//! and the core's share of them.
//!
//! Must never: parse or check a value; `crate::config` has done that.

use std::time::Duration;

use crate::config::{
    Config, DisklessLoad, KeyspaceEvents, OutputLimit, PropagationErrorBehavior, WhoMay,
};
use crate::env::{ListenAddr, LogLevel};
use crate::keyspace::{Keyspace, SortedSetLimits};
use crate::replication::ReplicationConfig;

pub(crate) use crate::config::{
    PropagationErrorBehavior as PropagationError, WhoMay as DebugAccess,
};

/// A class of `client-output-buffer-limit`; zero bytes: no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputLimits {
    pub(crate) hard_bytes: usize,
    pub(crate) soft_bytes: usize,
    pub(crate) soft_time: Duration,
}

/// Everything the node looks at often, in the types it needs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) maxclients: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) protected_mode: bool,
    pub(crate) query_buffer_limit: usize,
    pub(crate) max_bulk_bytes: i64,
    pub(crate) normal_limits: OutputLimits,
    pub(crate) pubsub_limits: OutputLimits,
    pub(crate) replica_limits: OutputLimits,
    pub(crate) replica_read_only: bool,
    pub(crate) serve_stale_data: bool,
    pub(crate) diskless_load: DisklessLoad,
    pub(crate) replicaof: Option<(String, u16)>,
    pub(crate) loglevel: LogLevel,
    pub(crate) tick_period: Duration,
    pub(crate) dir: String,
    pub(crate) dbfilename: String,
    /// Time since the last save, and changes, from which one is due.
    pub(crate) save_points: Vec<(Duration, u64)>,
    pub(crate) stop_writes_on_save_error: bool,
    pub(crate) rdb_checksum: bool,
    pub(crate) rdb_compression: bool,
    pub(crate) key_save_delay: Duration,
    pub(crate) key_load_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) enable_debug: WhoMay,
    pub(crate) propagation_error: PropagationErrorBehavior,
    pub(crate) listen: Vec<ListenAddr>,
    /// From how many microseconds a command is put in the slow log.
    pub(crate) slow_log_micros: Option<u64>,
    pub(crate) slow_log_max_len: usize,
    /// Zero: latency events are not watched.
    pub(crate) latency_threshold: Duration,
    pub(crate) latency_tracking: bool,
    pub(crate) keyspace_events: KeyspaceEvents,
}

/// The cron runs at most this long after its last time, however low `hz` is.
const TICK_MAX: Duration = Duration::from_millis(100);

impl Settings {
    pub(crate) fn read(config: &Config) -> Self {
        let hz = config.hz.clamp(1, 500);
        Self {
            maxclients: config.maxclients as usize,
            timeout: (!config.timeout.is_zero()).then_some(config.timeout),
            protected_mode: config.protected_mode,
            query_buffer_limit: to_usize(config.client_query_buffer_limit),
            max_bulk_bytes: i64::try_from(config.proto_max_bulk_len).unwrap_or(i64::MAX),
            normal_limits: output_limits(config.client_output_buffer_limit.normal),
            pubsub_limits: output_limits(config.client_output_buffer_limit.pubsub),
            replica_limits: output_limits(config.client_output_buffer_limit.replica),
            replica_read_only: config.replica_read_only,
            serve_stale_data: config.replica_serve_stale_data,
            diskless_load: config.repl_diskless_load,
            replicaof: config.replicaof.0.clone(),
            loglevel: config.loglevel,
            tick_period: (Duration::from_secs(1) / hz).min(TICK_MAX),
            dir: config.dir.clone(),
            dbfilename: config.dbfilename.clone(),
            save_points: config.save.0.iter().map(|point| (point.period, point.changes)).collect(),
            stop_writes_on_save_error: config.stop_writes_on_bgsave_error,
            rdb_checksum: config.rdbchecksum,
            rdb_compression: config.rdbcompression,
            key_save_delay: key_delay(config.rdb_key_save_delay),
            key_load_delay: key_delay(config.key_load_delay),
            shutdown_timeout: config.shutdown_timeout,
            enable_debug: config.enable_debug_command,
            propagation_error: config.propagation_error_behavior,
            listen: listen_addresses(config),
            slow_log_micros: u64::try_from(config.slowlog_log_slower_than).ok(),
            slow_log_max_len: to_usize(config.slowlog_max_len),
            latency_threshold: config.latency_monitor_threshold,
            latency_tracking: config.latency_tracking,
            keyspace_events: config.notify_keyspace_events,
        }
    }
}

fn output_limits(limit: OutputLimit) -> OutputLimits {
    OutputLimits {
        hard_bytes: to_usize(limit.hard_bytes),
        soft_bytes: to_usize(limit.soft_bytes),
        soft_time: limit.soft_time,
    }
}

/// Hands on when values leave their small forms, and what is noted of accesses. What is stored
/// stays as it is.
pub(crate) fn configure_keyspace(keyspace: &mut Keyspace, config: &Config) {
    keyspace.sorted_set_limits = SortedSetLimits {
        entries: to_usize(config.zset_max_listpack_entries),
        value_bytes: to_usize(config.zset_max_listpack_value),
    };
    keyspace.access.lru = config.maxmemory_policy.ends_with("-lru");
    keyspace.access.lfu = config.maxmemory_policy.ends_with("-lfu");
    keyspace.access.lfu_log_factor = config.lfu_log_factor;
    keyspace.access.lfu_decay_minutes = config.lfu_decay_time;
    keyspace.hll_sparse_max_bytes = to_usize(config.hll_sparse_max_bytes);
    keyspace.limits.set_max_intset_entries = to_usize(config.set_max_intset_entries);
    keyspace.limits.hash_max_listpack_entries = to_usize(config.hash_max_listpack_entries);
    keyspace.limits.hash_max_listpack_value = to_usize(config.hash_max_listpack_value);
    keyspace.limits.stream_node_max_bytes = to_usize(config.stream_node_max_bytes);
    keyspace.limits.stream_node_max_entries = to_usize(config.stream_node_max_entries);
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Microseconds a key; below zero, so many keys a microsecond.
fn key_delay(setting: i64) -> Duration {
    match u64::try_from(setting) {
        Ok(micros) => Duration::from_micros(micros),
        Err(_) => Duration::from_nanos(1000 / setting.unsigned_abs()),
    }
}

/// `bind` x `port`, and the unix socket. `*` and `-::*` are all addresses of their family.
fn listen_addresses(config: &Config) -> Vec<ListenAddr> {
    let mut addresses = Vec::new();
    if config.port != 0 {
        for host in &config.bind.0 {
            addresses.push(ListenAddr::Tcp { host: host.clone(), port: config.port });
        }
    }
    if let Some(path) = &config.unixsocket {
        let mode = (config.unixsocketperm != 0).then_some(config.unixsocketperm);
        addresses.push(ListenAddr::Unix { path: path.clone(), mode });
    }
    addresses
}

/// The core's share.
pub(crate) fn replication_config(config: &Config) -> ReplicationConfig {
    let limit = config.client_output_buffer_limit.replica;
    let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    ReplicationConfig {
        repl_ping_replica_period: config.repl_ping_replica_period,
        repl_timeout: config.repl_timeout,
        repl_backlog_size_bytes: config.repl_backlog_size,
        repl_backlog_ttl: (!config.repl_backlog_ttl.is_zero()).then_some(config.repl_backlog_ttl),
        repl_diskless_sync: config.repl_diskless_sync,
        repl_diskless_sync_delay: config.repl_diskless_sync_delay,
        repl_diskless_sync_max_replicas: config.repl_diskless_sync_max_replicas as usize,
        saves_on_its_own: !config.save.0.is_empty(),
        min_replicas_to_write: config.min_replicas_to_write as usize,
        min_replicas_max_lag: config.min_replicas_max_lag,
        replica_serve_stale_data: config.replica_serve_stale_data,
        masterauth: bytes(&config.masterauth),
        masteruser: bytes(&config.masteruser),
        announce_port: match config.replica_announce_port {
            0 => config.port,
            port => port,
        },
        announce_ip: config.replica_announce_ip.clone(),
        replica_hard_limit_bytes: limit.hard_bytes,
        replica_soft_limit_bytes: limit.soft_bytes,
        replica_soft_limit_time: limit.soft_time,
    }
}
