//! Every directive: its field, its type, its name and what it may be. One row a directive.
//!
//! Names, defaults, ranges and which ones are immutable are those that a 7.0.15 server showed.

use std::time::Duration;

use super::directive::{
    Directive, Flags, HIDDEN, IMMUTABLE, Kind, MULTI, PROTECTED, SECRET, SETTLED,
};
use super::types::*;
use crate::env::LogLevel;

const INT_MAX: i128 = i32::MAX as i128;
const LONG_MAX: i128 = i64::MAX as i128;
const ULONG_MAX: i128 = u64::MAX as i128;
const MB: u64 = 1024 * 1024;
const GB: u64 = 1024 * MB;
const PLAIN: Flags = Flags(0);

macro_rules! alias {
    () => {
        None
    };
    ($alias:literal) => {
        Some($alias)
    };
}

macro_rules! directives {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr, $name:literal $(or $alias:literal)?, $kind:expr, $flags:expr;)+) => {
        /// All directives of redis.conf, typed. Fields have the directives' names.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            /// `user` lines: the words behind `user`, each line one user.
            pub user_lines: Vec<Vec<String>>,
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { user_lines: Vec::new(), $($field: $default,)+ }
            }
        }

        /// The rows, in the order of the documentation.
        pub(super) static DIRECTIVES: &[Directive] = &[$(Directive {
            name: $name,
            alias: alias!($($alias)?),
            kind: $kind,
            flags: $flags,
            show: |config| Setting::show(&config.$field, &$kind),
            assign: |config, words| Setting::assign(&mut config.$field, words, &$kind),
        },)+];
    };
}

directives! {
    // --- network
    /// `bind`. Addresses to listen on; a leading `-` makes one optional.
    bind: WordList = WordList::of(&["*", "-::*"]), "bind", Kind::Words, MULTI;
    /// `port`. 0: no TCP.
    port: u16 = 6379, "port", Kind::Int(0, 65535), PLAIN;
    /// `unixsocket`. Unset when empty.
    unixsocket: Option<String> = None, "unixsocket", Kind::Text, IMMUTABLE;
    /// `unixsocketperm`. Permission bits; 0: those of the umask.
    unixsocketperm: u32 = 0, "unixsocketperm", Kind::Octal(0, 0o777), IMMUTABLE;
    /// `tcp-backlog`.
    tcp_backlog: u32 = 511, "tcp-backlog", Kind::Int(0, INT_MAX), IMMUTABLE;
    /// `tcp-keepalive`. 0: none.
    tcp_keepalive: Duration = Duration::from_secs(300), "tcp-keepalive", Kind::Seconds(0, INT_MAX), PLAIN;
    /// `timeout`. Idle clients are closed after this time; 0: never.
    timeout: Duration = Duration::from_secs(0), "timeout", Kind::Seconds(0, INT_MAX), PLAIN;
    /// `protected-mode`.
    protected_mode: bool = true, "protected-mode", Kind::YesNo, PLAIN;
    /// `maxclients`.
    maxclients: u32 = 10000, "maxclients", Kind::Int(1, 4294967295), PLAIN;
    /// `bind-source-addr`. Unset when empty.
    bind_source_addr: Option<String> = None, "bind-source-addr", Kind::Text, PLAIN;
    /// `socket-mark-id`.
    socket_mark_id: u32 = 0, "socket-mark-id", Kind::Int(0, 4294967295), IMMUTABLE;
    /// `client-query-buffer-limit`. Bytes.
    client_query_buffer_limit: u64 = GB, "client-query-buffer-limit", Kind::Memory(1048576, LONG_MAX), PLAIN;
    /// `proto-max-bulk-len`. Bytes.
    proto_max_bulk_len: u64 = 512 * MB, "proto-max-bulk-len", Kind::Memory(1048576, LONG_MAX), PLAIN;
    /// `client-output-buffer-limit`. Limits of output buffers by class of client.
    client_output_buffer_limit: OutputLimits = OutputLimits::default(), "client-output-buffer-limit", Kind::Words, MULTI;
    /// `maxmemory-clients`. Most memory of ordinary clients together; 0: no limit.
    maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0), "maxmemory-clients", Kind::Words, PLAIN;
    // --- security
    /// `requirepass`. Unset when empty.
    requirepass: Option<String> = None, "requirepass", Kind::Text, SECRET;
    /// `aclfile`. File of users, in place of `user` lines. Unset when empty.
    aclfile: Option<String> = None, "aclfile", Kind::Text, IMMUTABLE;
    /// `acl-pubsub-default`. Channels of new users.
    acl_pubsub_default: &'static str = "resetchannels", "acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), PLAIN;
    /// `acllog-max-len`.
    acllog_max_len: u64 = 128, "acllog-max-len", Kind::Int(0, LONG_MAX), PLAIN;
    /// `enable-protected-configs`. Who may change protected directives.
    enable_protected_configs: WhoMay = WhoMay::No, "enable-protected-configs", Kind::Words, IMMUTABLE;
    /// `enable-debug-command`. Who may use `DEBUG`.
    enable_debug_command: WhoMay = WhoMay::No, "enable-debug-command", Kind::Words, IMMUTABLE;
    /// `enable-module-command`. Who may use `MODULE`.
    enable_module_command: WhoMay = WhoMay::No, "enable-module-command", Kind::Words, IMMUTABLE;
    // --- replication
    /// `replicaof`. Master to follow.
    replicaof: MasterAddr = MasterAddr(None), "replicaof" or "slaveof", Kind::Words, IMMUTABLE.with(MULTI);
    /// `masterauth`. Unset when empty.
    masterauth: Option<String> = None, "masterauth", Kind::Text, SECRET;
    /// `masteruser`. Unset when empty.
    masteruser: Option<String> = None, "masteruser", Kind::Text, SECRET;
    /// `replica-serve-stale-data`.
    replica_serve_stale_data: bool = true, "replica-serve-stale-data" or "slave-serve-stale-data", Kind::YesNo, PLAIN;
    /// `replica-read-only`.
    replica_read_only: bool = true, "replica-read-only" or "slave-read-only", Kind::YesNo, PLAIN;
    /// `replica-priority`.
    replica_priority: u32 = 100, "replica-priority" or "slave-priority", Kind::Int(0, INT_MAX), PLAIN;
    /// `replica-announce-ip`. Unset when empty.
    replica_announce_ip: Option<String> = None, "replica-announce-ip" or "slave-announce-ip", Kind::Text, PLAIN;
    /// `replica-announce-port`. 0: `port`.
    replica_announce_port: u16 = 0, "replica-announce-port" or "slave-announce-port", Kind::Int(0, 65535), PLAIN;
    /// `replica-announced`.
    replica_announced: bool = true, "replica-announced", Kind::YesNo, PLAIN;
    /// `replica-ignore-disk-write-errors`.
    replica_ignore_disk_write_errors: bool = false, "replica-ignore-disk-write-errors", Kind::YesNo, PLAIN;
    /// `replica-ignore-maxmemory`.
    replica_ignore_maxmemory: bool = true, "replica-ignore-maxmemory" or "slave-ignore-maxmemory", Kind::YesNo, PLAIN;
    /// `replica-lazy-flush`.
    replica_lazy_flush: bool = false, "replica-lazy-flush" or "slave-lazy-flush", Kind::YesNo, PLAIN;
    /// `repl-backlog-size`. Bytes; raised to 16 KiB.
    repl_backlog_size: u64 = MB, "repl-backlog-size", Kind::Memory(1, LONG_MAX), PLAIN;
    /// `repl-backlog-ttl`. 0: never freed.
    repl_backlog_ttl: Duration = Duration::from_secs(3600), "repl-backlog-ttl", Kind::Seconds(0, LONG_MAX), PLAIN;
    /// `repl-timeout`. In whole seconds.
    repl_timeout: Duration = Duration::from_secs(60), "repl-timeout", Kind::Seconds(1, INT_MAX), PLAIN;
    /// `repl-ping-replica-period`. In whole seconds.
    repl_ping_replica_period: Duration = Duration::from_secs(10), "repl-ping-replica-period" or "repl-ping-slave-period", Kind::Seconds(1, INT_MAX), PLAIN;
    /// `repl-diskless-sync`.
    repl_diskless_sync: bool = true, "repl-diskless-sync", Kind::YesNo, PLAIN;
    /// `repl-diskless-sync-delay`. In whole seconds.
    repl_diskless_sync_delay: Duration = Duration::from_secs(5), "repl-diskless-sync-delay", Kind::Seconds(0, INT_MAX), PLAIN;
    /// `repl-diskless-sync-max-replicas`. 0: no maximum.
    repl_diskless_sync_max_replicas: u32 = 0, "repl-diskless-sync-max-replicas", Kind::Int(0, INT_MAX), PLAIN;
    /// `repl-diskless-load`.
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, "repl-diskless-load", Kind::Words, SETTLED;
    /// `repl-disable-tcp-nodelay`.
    repl_disable_tcp_nodelay: bool = false, "repl-disable-tcp-nodelay", Kind::YesNo, PLAIN;
    /// `min-replicas-to-write`.
    min_replicas_to_write: u32 = 0, "min-replicas-to-write" or "min-slaves-to-write", Kind::Int(0, INT_MAX), PLAIN;
    /// `min-replicas-max-lag`. In whole seconds.
    min_replicas_max_lag: Duration = Duration::from_secs(10), "min-replicas-max-lag" or "min-slaves-max-lag", Kind::Seconds(0, INT_MAX), PLAIN;
    /// `propagation-error-behavior`.
    propagation_error_behavior: PropagationErrorBehavior = PropagationErrorBehavior::Ignore, "propagation-error-behavior", Kind::Words, PLAIN;
    // --- persistence
    /// `save`. When to save by itself.
    save: SavePoints = SavePoints::default(), "save", Kind::Words, MULTI;
    /// `dir`. Folder of all files.
    dir: String = ".".to_owned(), "dir", Kind::Text, PROTECTED.with(SETTLED);
    /// `dbfilename`. Name of the RDB file, in `dir`.
    dbfilename: String = "dump.rdb".to_owned(), "dbfilename", Kind::Text, PROTECTED;
    /// `rdbcompression`.
    rdbcompression: bool = true, "rdbcompression", Kind::YesNo, PLAIN;
    /// `rdbchecksum`.
    rdbchecksum: bool = true, "rdbchecksum", Kind::YesNo, IMMUTABLE;
    /// `rdb-del-sync-files`.
    rdb_del_sync_files: bool = false, "rdb-del-sync-files", Kind::YesNo, PLAIN;
    /// `rdb-save-incremental-fsync`.
    rdb_save_incremental_fsync: bool = true, "rdb-save-incremental-fsync", Kind::YesNo, PLAIN;
    /// `rdb-key-save-delay`. Microseconds to wait after each key of a save; below zero as a mean.
    rdb_key_save_delay: i64 = 0, "rdb-key-save-delay", Kind::Int(-2147483648, INT_MAX), HIDDEN;
    /// `key-load-delay`. Microseconds to wait after each key of a load; below zero as a mean.
    key_load_delay: i64 = 0, "key-load-delay", Kind::Int(-2147483648, INT_MAX), HIDDEN;
    /// `loading-process-events-interval-bytes`.
    loading_process_events_interval_bytes: u32 = 2097152, "loading-process-events-interval-bytes", Kind::Int(1024, INT_MAX), HIDDEN;
    /// `stop-writes-on-bgsave-error`.
    stop_writes_on_bgsave_error: bool = true, "stop-writes-on-bgsave-error", Kind::YesNo, PLAIN;
    /// `sanitize-dump-payload`. Kept for `CONFIG GET`: what is loaded or restored is always checked
    /// in full, as Redis does with `yes`.
    sanitize_dump_payload: &'static str = "no", "sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), PLAIN;
    /// `appendonly`. Refused if yes: there is no AOF.
    appendonly: bool = false, "appendonly", Kind::YesNo, SETTLED;
    /// `appendfilename`.
    appendfilename: String = "appendonly.aof".to_owned(), "appendfilename", Kind::Text, IMMUTABLE;
    /// `appenddirname`.
    appenddirname: String = "appendonlydir".to_owned(), "appenddirname", Kind::Text, IMMUTABLE;
    /// `appendfsync`. Kept for `CONFIG GET`.
    appendfsync: &'static str = "everysec", "appendfsync", Kind::Choice(&["everysec", "always", "no"]), PLAIN;
    /// `no-appendfsync-on-rewrite`.
    no_appendfsync_on_rewrite: bool = false, "no-appendfsync-on-rewrite", Kind::YesNo, PLAIN;
    /// `auto-aof-rewrite-percentage`.
    auto_aof_rewrite_percentage: u32 = 100, "auto-aof-rewrite-percentage", Kind::Int(0, INT_MAX), PLAIN;
    /// `auto-aof-rewrite-min-size`. Bytes.
    auto_aof_rewrite_min_size: u64 = 64 * MB, "auto-aof-rewrite-min-size", Kind::Memory(0, LONG_MAX), PLAIN;
    /// `aof-load-truncated`.
    aof_load_truncated: bool = true, "aof-load-truncated", Kind::YesNo, PLAIN;
    /// `aof-use-rdb-preamble`.
    aof_use_rdb_preamble: bool = true, "aof-use-rdb-preamble", Kind::YesNo, PLAIN;
    /// `aof-timestamp-enabled`.
    aof_timestamp_enabled: bool = false, "aof-timestamp-enabled", Kind::YesNo, PLAIN;
    /// `aof-rewrite-incremental-fsync`.
    aof_rewrite_incremental_fsync: bool = true, "aof-rewrite-incremental-fsync", Kind::YesNo, PLAIN;
    /// `aof-disable-auto-gc`.
    aof_disable_auto_gc: bool = false, "aof-disable-auto-gc", Kind::YesNo, PLAIN;
    // --- the process
    /// `daemonize`. Refused if yes.
    daemonize: bool = false, "daemonize", Kind::YesNo, IMMUTABLE;
    /// `supervised`. Kept; `upstart` and `systemd` are refused.
    supervised: &'static str = "no", "supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"]), IMMUTABLE;
    /// `pidfile`. Unset when empty.
    pidfile: Option<String> = None, "pidfile", Kind::Text, IMMUTABLE;
    /// `loglevel`. Lines below it are not logged.
    loglevel: LogLevel = LogLevel::Notice, "loglevel", Kind::Words, PLAIN;
    /// `logfile`. Empty: standard output.
    logfile: String = String::new(), "logfile", Kind::Text, IMMUTABLE;
    /// `syslog-enabled`. Refused if yes.
    syslog_enabled: bool = false, "syslog-enabled", Kind::YesNo, IMMUTABLE;
    /// `syslog-ident`.
    syslog_ident: String = "redis".to_owned(), "syslog-ident", Kind::Text, IMMUTABLE;
    /// `syslog-facility`. Kept for `CONFIG GET`.
    syslog_facility: &'static str = "local0", "syslog-facility", Kind::Choice(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), IMMUTABLE;
    /// `databases`.
    databases: u32 = 16, "databases", Kind::Int(1, INT_MAX), IMMUTABLE;
    /// `hz`. Between 1 and 500.
    hz: u32 = 10, "hz", Kind::Int(0, INT_MAX), PLAIN;
    /// `dynamic-hz`.
    dynamic_hz: bool = true, "dynamic-hz", Kind::YesNo, PLAIN;
    /// `always-show-logo`.
    always_show_logo: bool = false, "always-show-logo", Kind::YesNo, IMMUTABLE;
    /// `set-proc-title`.
    set_proc_title: bool = true, "set-proc-title", Kind::YesNo, IMMUTABLE;
    /// `proc-title-template`.
    proc_title_template: String = "{title} {listen-addr} {server-mode}".to_owned(), "proc-title-template", Kind::Text, PLAIN;
    /// `crash-log-enabled`.
    crash_log_enabled: bool = true, "crash-log-enabled", Kind::YesNo, PLAIN;
    /// `crash-memcheck-enabled`.
    crash_memcheck_enabled: bool = true, "crash-memcheck-enabled", Kind::YesNo, PLAIN;
    /// `disable-thp`.
    disable_thp: bool = true, "disable-thp", Kind::YesNo, IMMUTABLE;
    /// `ignore-warnings`. Unset when empty.
    ignore_warnings: Option<String> = None, "ignore-warnings", Kind::Text, PLAIN;
    /// `shutdown-timeout`. In whole seconds.
    shutdown_timeout: Duration = Duration::from_secs(10), "shutdown-timeout", Kind::Seconds(0, INT_MAX), PLAIN;
    /// `shutdown-on-sigterm`. Flags of the shutdown that the signal starts.
    shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default(), "shutdown-on-sigterm", Kind::Words, MULTI;
    /// `shutdown-on-sigint`. Flags of the shutdown that the signal starts.
    shutdown_on_sigint: ShutdownFlags = ShutdownFlags::default(), "shutdown-on-sigint", Kind::Words, MULTI;
    /// `use-exit-on-panic`. A panic here ends one task; the setting is kept, and changes nothing.
    use_exit_on_panic: bool = false, "use-exit-on-panic", Kind::YesNo, HIDDEN;
    /// `watchdog-period`. Kept for `CONFIG GET`.
    watchdog_period: u32 = 0, "watchdog-period", Kind::Int(0, INT_MAX), HIDDEN;
    /// `io-threads`. Kept for `CONFIG GET`: there is one thread.
    io_threads: u32 = 1, "io-threads", Kind::Int(1, 128), IMMUTABLE;
    /// `io-threads-do-reads`.
    io_threads_do_reads: bool = false, "io-threads-do-reads", Kind::YesNo, IMMUTABLE;
    /// `server_cpulist`. Unset when empty.
    server_cpulist: Option<String> = None, "server_cpulist", Kind::Text, IMMUTABLE;
    /// `bio_cpulist`. Unset when empty.
    bio_cpulist: Option<String> = None, "bio_cpulist", Kind::Text, IMMUTABLE;
    /// `aof_rewrite_cpulist`. Unset when empty.
    aof_rewrite_cpulist: Option<String> = None, "aof_rewrite_cpulist", Kind::Text, IMMUTABLE;
    /// `bgsave_cpulist`. Unset when empty.
    bgsave_cpulist: Option<String> = None, "bgsave_cpulist", Kind::Text, IMMUTABLE;
    /// `oom-score-adj`. Kept for `CONFIG GET`.
    oom_score_adj: &'static str = "no", "oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), PLAIN;
    /// `oom-score-adj-values`. Kept for `CONFIG GET`.
    oom_score_adj_values: OomScores = OomScores([0, 200, 800]), "oom-score-adj-values", Kind::Words, MULTI;
    // --- memory
    /// `maxmemory`. Bytes from which on nothing may be added to the data; 0: no limit.
    maxmemory: u64 = 0, "maxmemory", Kind::Memory(0, ULONG_MAX), PLAIN;
    /// `maxmemory-policy`. With a `maxmemory` only `noeviction`: nothing is evicted here.
    maxmemory_policy: &'static str = "noeviction", "maxmemory-policy", Kind::Choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), PLAIN;
    /// `maxmemory-samples`.
    maxmemory_samples: u32 = 5, "maxmemory-samples", Kind::Int(1, INT_MAX), PLAIN;
    /// `maxmemory-eviction-tenacity`.
    maxmemory_eviction_tenacity: u32 = 10, "maxmemory-eviction-tenacity", Kind::Int(0, 100), PLAIN;
    /// `lfu-log-factor`.
    lfu_log_factor: u32 = 10, "lfu-log-factor", Kind::Int(0, INT_MAX), PLAIN;
    /// `lfu-decay-time`.
    lfu_decay_time: u32 = 1, "lfu-decay-time", Kind::Int(0, INT_MAX), PLAIN;
    /// `active-expire-effort`.
    active_expire_effort: u32 = 1, "active-expire-effort", Kind::Int(1, 10), PLAIN;
    /// `lazyfree-lazy-eviction`.
    lazyfree_lazy_eviction: bool = false, "lazyfree-lazy-eviction", Kind::YesNo, PLAIN;
    /// `lazyfree-lazy-expire`.
    lazyfree_lazy_expire: bool = false, "lazyfree-lazy-expire", Kind::YesNo, PLAIN;
    /// `lazyfree-lazy-server-del`.
    lazyfree_lazy_server_del: bool = false, "lazyfree-lazy-server-del", Kind::YesNo, PLAIN;
    /// `lazyfree-lazy-user-del`.
    lazyfree_lazy_user_del: bool = false, "lazyfree-lazy-user-del", Kind::YesNo, PLAIN;
    /// `lazyfree-lazy-user-flush`.
    lazyfree_lazy_user_flush: bool = false, "lazyfree-lazy-user-flush", Kind::YesNo, PLAIN;
    /// `activerehashing`.
    activerehashing: bool = true, "activerehashing", Kind::YesNo, PLAIN;
    /// `jemalloc-bg-thread`.
    jemalloc_bg_thread: bool = true, "jemalloc-bg-thread", Kind::YesNo, PLAIN;
    /// `activedefrag`.
    activedefrag: bool = false, "activedefrag", Kind::YesNo, PLAIN;
    /// `active-defrag-cycle-min`.
    active_defrag_cycle_min: u32 = 1, "active-defrag-cycle-min", Kind::Int(1, 99), PLAIN;
    /// `active-defrag-cycle-max`.
    active_defrag_cycle_max: u32 = 25, "active-defrag-cycle-max", Kind::Int(1, 99), PLAIN;
    /// `active-defrag-threshold-lower`.
    active_defrag_threshold_lower: u32 = 10, "active-defrag-threshold-lower", Kind::Int(0, 1000), PLAIN;
    /// `active-defrag-threshold-upper`.
    active_defrag_threshold_upper: u32 = 100, "active-defrag-threshold-upper", Kind::Int(0, 1000), PLAIN;
    /// `active-defrag-max-scan-fields`.
    active_defrag_max_scan_fields: u64 = 1000, "active-defrag-max-scan-fields", Kind::Int(1, LONG_MAX), PLAIN;
    /// `active-defrag-ignore-bytes`. Bytes.
    active_defrag_ignore_bytes: u64 = 100 * MB, "active-defrag-ignore-bytes", Kind::Memory(1, LONG_MAX), PLAIN;
    // --- encodings
    /// `hash-max-listpack-entries`.
    hash_max_listpack_entries: u64 = 512, "hash-max-listpack-entries" or "hash-max-ziplist-entries", Kind::Int(0, LONG_MAX), PLAIN;
    /// `hash-max-listpack-value`. Bytes.
    hash_max_listpack_value: u64 = 64, "hash-max-listpack-value" or "hash-max-ziplist-value", Kind::Memory(0, LONG_MAX), PLAIN;
    /// `list-max-listpack-size`.
    list_max_listpack_size: i32 = -2, "list-max-listpack-size" or "list-max-ziplist-size", Kind::Int(-2147483648, INT_MAX), PLAIN;
    /// `list-compress-depth`.
    list_compress_depth: u32 = 0, "list-compress-depth", Kind::Int(0, INT_MAX), PLAIN;
    /// `set-max-intset-entries`.
    set_max_intset_entries: u64 = 512, "set-max-intset-entries", Kind::Int(0, LONG_MAX), PLAIN;
    /// `zset-max-listpack-entries`.
    zset_max_listpack_entries: u64 = 128, "zset-max-listpack-entries" or "zset-max-ziplist-entries", Kind::Int(0, LONG_MAX), PLAIN;
    /// `zset-max-listpack-value`. Bytes.
    zset_max_listpack_value: u64 = 64, "zset-max-listpack-value" or "zset-max-ziplist-value", Kind::Memory(0, LONG_MAX), PLAIN;
    /// `hll-sparse-max-bytes`. Bytes.
    hll_sparse_max_bytes: u64 = 3000, "hll-sparse-max-bytes", Kind::Memory(0, LONG_MAX), PLAIN;
    /// `stream-node-max-bytes`. Bytes.
    stream_node_max_bytes: u64 = 4096, "stream-node-max-bytes", Kind::Memory(0, LONG_MAX), PLAIN;
    /// `stream-node-max-entries`.
    stream_node_max_entries: u64 = 100, "stream-node-max-entries", Kind::Int(0, LONG_MAX), PLAIN;
    // --- watching
    /// `notify-keyspace-events`. Classes of events to publish.
    notify_keyspace_events: KeyspaceEvents = KeyspaceEvents::default(), "notify-keyspace-events", Kind::Quoted, PLAIN;
    /// `latency-monitor-threshold`. 0: off.
    latency_monitor_threshold: Duration = Duration::from_millis(0), "latency-monitor-threshold", Kind::Millis(0, LONG_MAX), PLAIN;
    /// `latency-tracking`.
    latency_tracking: bool = true, "latency-tracking", Kind::YesNo, PLAIN;
    /// `latency-tracking-info-percentiles`. Percentiles shown by `INFO latencystats`.
    latency_tracking_info_percentiles: Percentiles = Percentiles::default(), "latency-tracking-info-percentiles", Kind::Words, MULTI;
    /// `slowlog-log-slower-than`. Microseconds; -1: off.
    slowlog_log_slower_than: i64 = 10000, "slowlog-log-slower-than", Kind::Int(-1, LONG_MAX), PLAIN;
    /// `slowlog-max-len`.
    slowlog_max_len: u64 = 128, "slowlog-max-len", Kind::Int(0, LONG_MAX), PLAIN;
    /// `tracking-table-max-keys`.
    tracking_table_max_keys: u64 = 1000000, "tracking-table-max-keys", Kind::Int(0, LONG_MAX), PLAIN;
    /// `busy-reply-threshold`. In whole milliseconds.
    busy_reply_threshold: Duration = Duration::from_millis(5000), "busy-reply-threshold" or "lua-time-limit", Kind::Millis(0, LONG_MAX), PLAIN;
    // --- cluster: kept for `CONFIG GET`, there is none
    /// `cluster-enabled`. Refused if yes.
    cluster_enabled: bool = false, "cluster-enabled", Kind::YesNo, IMMUTABLE;
    /// `cluster-config-file`.
    cluster_config_file: String = "nodes.conf".to_owned(), "cluster-config-file", Kind::Text, IMMUTABLE;
    /// `cluster-port`.
    cluster_port: u16 = 0, "cluster-port", Kind::Int(0, 65535), IMMUTABLE;
    /// `cluster-node-timeout`.
    cluster_node_timeout: u64 = 15000, "cluster-node-timeout", Kind::Int(0, LONG_MAX), PLAIN;
    /// `cluster-migration-barrier`.
    cluster_migration_barrier: u32 = 1, "cluster-migration-barrier", Kind::Int(0, INT_MAX), PLAIN;
    /// `cluster-replica-validity-factor`.
    cluster_replica_validity_factor: u32 = 10, "cluster-replica-validity-factor" or "cluster-slave-validity-factor", Kind::Int(0, INT_MAX), PLAIN;
    /// `cluster-replica-no-failover`.
    cluster_replica_no_failover: bool = false, "cluster-replica-no-failover" or "cluster-slave-no-failover", Kind::YesNo, PLAIN;
    /// `cluster-require-full-coverage`.
    cluster_require_full_coverage: bool = true, "cluster-require-full-coverage", Kind::YesNo, PLAIN;
    /// `cluster-allow-reads-when-down`.
    cluster_allow_reads_when_down: bool = false, "cluster-allow-reads-when-down", Kind::YesNo, PLAIN;
    /// `cluster-allow-pubsubshard-when-down`.
    cluster_allow_pubsubshard_when_down: bool = true, "cluster-allow-pubsubshard-when-down", Kind::YesNo, PLAIN;
    /// `cluster-allow-replica-migration`.
    cluster_allow_replica_migration: bool = true, "cluster-allow-replica-migration", Kind::YesNo, PLAIN;
    /// `cluster-link-sendbuf-limit`. Bytes.
    cluster_link_sendbuf_limit: u64 = 0, "cluster-link-sendbuf-limit", Kind::Memory(0, ULONG_MAX), PLAIN;
    /// `cluster-preferred-endpoint-type`. Kept for `CONFIG GET`.
    cluster_preferred_endpoint_type: &'static str = "ip", "cluster-preferred-endpoint-type", Kind::Choice(&["ip", "hostname", "unknown-endpoint"]), PLAIN;
    /// `cluster-announce-ip`. Unset when empty.
    cluster_announce_ip: Option<String> = None, "cluster-announce-ip", Kind::Text, PLAIN;
    /// `cluster-announce-hostname`. Unset when empty.
    cluster_announce_hostname: Option<String> = None, "cluster-announce-hostname", Kind::Text, PLAIN;
    /// `cluster-announce-port`.
    cluster_announce_port: u16 = 0, "cluster-announce-port", Kind::Int(0, 65535), PLAIN;
    /// `cluster-announce-bus-port`.
    cluster_announce_bus_port: u16 = 0, "cluster-announce-bus-port", Kind::Int(0, 65535), PLAIN;
    /// `cluster-announce-tls-port`.
    cluster_announce_tls_port: u16 = 0, "cluster-announce-tls-port", Kind::Int(0, 65535), PLAIN;
    // --- TLS: kept for `CONFIG GET`, there is none
    /// `tls-port`. Refused unless 0.
    tls_port: u16 = 0, "tls-port", Kind::Int(0, 65535), PLAIN;
    /// `tls-session-cache-size`.
    tls_session_cache_size: u32 = 20480, "tls-session-cache-size", Kind::Int(0, INT_MAX), PLAIN;
    /// `tls-session-cache-timeout`.
    tls_session_cache_timeout: u32 = 300, "tls-session-cache-timeout", Kind::Int(0, INT_MAX), PLAIN;
    /// `tls-cluster`.
    tls_cluster: bool = false, "tls-cluster", Kind::YesNo, PLAIN;
    /// `tls-replication`. Refused if yes.
    tls_replication: bool = false, "tls-replication", Kind::YesNo, PLAIN;
    /// `tls-prefer-server-ciphers`.
    tls_prefer_server_ciphers: bool = false, "tls-prefer-server-ciphers", Kind::YesNo, PLAIN;
    /// `tls-session-caching`.
    tls_session_caching: bool = true, "tls-session-caching", Kind::YesNo, PLAIN;
    /// `tls-auth-clients`. Kept for `CONFIG GET`.
    tls_auth_clients: &'static str = "yes", "tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), PLAIN;
    /// `tls-cert-file`. Unset when empty.
    tls_cert_file: Option<String> = None, "tls-cert-file", Kind::Text, PLAIN;
    /// `tls-key-file`. Unset when empty.
    tls_key_file: Option<String> = None, "tls-key-file", Kind::Text, PLAIN;
    /// `tls-key-file-pass`. Unset when empty.
    tls_key_file_pass: Option<String> = None, "tls-key-file-pass", Kind::Text, SECRET;
    /// `tls-client-cert-file`. Unset when empty.
    tls_client_cert_file: Option<String> = None, "tls-client-cert-file", Kind::Text, PLAIN;
    /// `tls-client-key-file`. Unset when empty.
    tls_client_key_file: Option<String> = None, "tls-client-key-file", Kind::Text, PLAIN;
    /// `tls-client-key-file-pass`. Unset when empty.
    tls_client_key_file_pass: Option<String> = None, "tls-client-key-file-pass", Kind::Text, SECRET;
    /// `tls-dh-params-file`. Unset when empty.
    tls_dh_params_file: Option<String> = None, "tls-dh-params-file", Kind::Text, PLAIN;
    /// `tls-ca-cert-file`. Unset when empty.
    tls_ca_cert_file: Option<String> = None, "tls-ca-cert-file", Kind::Text, PLAIN;
    /// `tls-ca-cert-dir`. Unset when empty.
    tls_ca_cert_dir: Option<String> = None, "tls-ca-cert-dir", Kind::Text, PLAIN;
    /// `tls-protocols`. Unset when empty.
    tls_protocols: Option<String> = None, "tls-protocols", Kind::Text, PLAIN;
    /// `tls-ciphers`. Unset when empty.
    tls_ciphers: Option<String> = None, "tls-ciphers", Kind::Text, PLAIN;
    /// `tls-ciphersuites`. Unset when empty.
    tls_ciphersuites: Option<String> = None, "tls-ciphersuites", Kind::Text, PLAIN;
}
