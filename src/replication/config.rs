//! The directives that the core obeys.
//!
//! Must never: parse a file or know a default. `crate::config` does both.

use std::time::Duration;

/// The directives that the core obeys. Names are those of redis.conf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// Time between two pings of a master on its stream.
    pub repl_ping_replica_period: Duration,
    /// Silence after which either end gives the link up.
    pub repl_timeout: Duration,
    /// Bytes of the stream kept for partial resyncs (at least 16 KiB are kept).
    pub repl_backlog_size_bytes: u64,
    /// `None`: never freed (`repl-backlog-ttl 0`).
    pub repl_backlog_ttl: Option<Duration>,
    /// Snapshots go straight to the replicas, without a file.
    pub repl_diskless_sync: bool,
    /// How long a diskless snapshot waits for more replicas.
    pub repl_diskless_sync_delay: Duration,
    /// 0: no maximum.
    pub repl_diskless_sync_max_replicas: usize,
    /// Whether there are save points: a file that is written for replicas is of use without them.
    pub saves_on_its_own: bool,
    /// Replicas in good health without which writes are refused; 0: none are needed.
    pub min_replicas_to_write: usize,
    /// Age of the last ack up to which a replica is in good health; zero: the check is off.
    pub min_replicas_max_lag: Duration,
    /// Whether a replica without its master answers reads.
    pub replica_serve_stale_data: bool,
    /// Password for the master.
    pub masterauth: Option<Vec<u8>>,
    /// User name for the master.
    pub masteruser: Option<Vec<u8>>,
    /// `replica-announce-port`, or else the port listened on.
    pub announce_port: u16,
    /// `replica-announce-ip`.
    pub announce_ip: Option<String>,
    /// `client-output-buffer-limit replica`: hard, soft (bytes; 0 none), soft seconds. The core
    /// raises the hard limit to at least `repl_backlog_size_bytes`, as Redis does.
    pub replica_hard_limit_bytes: u64,
    /// See `replica_hard_limit_bytes`.
    pub replica_soft_limit_bytes: u64,
    /// See `replica_hard_limit_bytes`.
    pub replica_soft_limit_time: Duration,
}

impl ReplicationConfig {
    /// The hard limit that is really applied, in bytes; 0: none.
    ///
    /// Never below the backlog (Redis `checkClientOutputBufferLimits`): the bytes are in memory
    /// anyway, and a replica that just resumed from the far end of the backlog would be cut off
    /// at once, to resume from the same place, for ever.
    pub fn effective_hard_limit_bytes(&self) -> u64 {
        match self.replica_hard_limit_bytes {
            0 => 0,
            limit => limit.max(self.repl_backlog_size_bytes),
        }
    }
}
