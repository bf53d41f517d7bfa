//! `INFO`: fields in Redis's order and by its names. What has no meaning here (allocator, AOF,
//! scripts, cluster) shows the value Redis shows when it is not in use.

use std::fmt::Write as _;

use super::admin::{node, row};
use super::table::{Command, Flags, Group};
use super::{Args, Outcome};
use crate::REDIS_VERSION;
use crate::env::Now;
use crate::event::{MasterLinkState, ReplicaState, Role};
use crate::node::{ClientId, Kind, Loading, Node, Topic, replica_state_name};
use crate::replication::ReplicationInfo;

const FLAGS: Flags = Flags::LOADING.with(Flags::STALE).with(Flags::DANGEROUS);

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("info", -1, FLAGS, Group::Server, "1.0.0", "Tells about the server", node!(info)),
];

type Section = (&'static str, fn(&Node, Now, &mut String));

/// In Redis's order; `commandstats` and `latencystats` are not among the default ones.
const SECTIONS: [Section; 12] = [
    ("server", server),
    ("clients", clients),
    ("memory", memory),
    ("persistence", persistence),
    ("stats", stats),
    ("replication", replication),
    ("cpu", cpu),
    ("modules", modules),
    ("commandstats", commandstats),
    ("errorstats", errorstats),
    ("latencystats", latencystats),
    ("cluster", cluster),
];

fn info(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let asked: Vec<String> =
        args[1..].iter().map(|arg| String::from_utf8_lossy(arg).to_lowercase()).collect();
    let named = |name: &str| asked.iter().any(|asked| asked == name);
    let everything = named("all") || named("everything");
    let default = asked.is_empty() || named("default");
    let mut text = String::new();
    let keyspace: Section = ("keyspace", keyspace);
    for (name, section) in SECTIONS.iter().chain([&keyspace]) {
        let by_default = !matches!(*name, "commandstats" | "latencystats");
        let wanted = everything || named(name) || (default && by_default);
        if !wanted {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        section(node, now, &mut text);
    }
    node.reply(id, |reply| reply.bulk(text));
    Ok(())
}

/// One line. Writing to a `String` cannot fail.
macro_rules! line {
    ($out:expr, $($format:tt)+) => {{
        let _ = write!($out, $($format)+);
        $out.push_str("\r\n");
    }};
}

fn server(node: &Node, now: Now, out: &mut String) {
    let uptime = now.mono.saturating_sub(node.born.mono).as_secs();
    let config_file = node.config_file.as_ref().map_or("", |(path, _)| path.as_str());
    let hz = node.config.hz.clamp(1, 500);
    line!(out, "# Server");
    line!(out, "redis_version:{REDIS_VERSION}");
    line!(out, "redis_git_sha1:00000000");
    line!(out, "redis_git_dirty:0");
    line!(out, "redis_build_id:0");
    line!(out, "redis_mode:standalone");
    line!(out, "os:{}", std::env::consts::OS);
    line!(out, "arch_bits:{}", usize::BITS);
    line!(out, "monotonic_clock:POSIX clock_gettime");
    line!(out, "multiplexing_api:tokio");
    line!(out, "process_id:{}", node.process_id);
    line!(out, "process_supervised:no");
    line!(out, "run_id:{}", node.run_id);
    line!(out, "tcp_port:{}", node.config.port);
    line!(out, "server_time_usec:{}", now.unix_ms * 1000);
    line!(out, "uptime_in_seconds:{uptime}");
    line!(out, "uptime_in_days:{}", uptime / 86_400);
    line!(out, "hz:{hz}");
    line!(out, "configured_hz:{hz}");
    line!(out, "lru_clock:{}", now.unix_ms / 1000 % (1 << 24));
    line!(out, "executable:");
    line!(out, "config_file:{config_file}");
    line!(out, "io_threads_active:0");
    if let Some(deadline) = node.shutdown.as_ref().and_then(|shutdown| shutdown.deadline) {
        let left = deadline.saturating_sub(now.mono).as_millis();
        line!(out, "shutdown_in_milliseconds:{left}");
    }
}

fn clients(node: &Node, _: Now, out: &mut String) {
    let normal = node.clients.values().filter(|client| client.kind == Kind::Normal);
    let (count, input, output) = normal.fold((0, 0, 0), |(count, input, output), client| {
        (count + 1, input.max(client.input_bytes), output.max(client.output_bytes()))
    });
    line!(out, "# Clients");
    line!(out, "connected_clients:{count}");
    line!(out, "cluster_connections:0");
    line!(out, "maxclients:{}", node.settings.maxclients);
    line!(out, "client_recent_max_input_buffer:{input}");
    line!(out, "client_recent_max_output_buffer:{output}");
    line!(out, "blocked_clients:{}", node.blocked_count());
    line!(out, "tracking_clients:0");
    line!(out, "clients_in_timeout_table:0");
}

/// Bytes as Redis writes them for people.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

/// Sizes are the node's own count of what it holds; what the process takes is `used_memory_rss`.
fn memory(node: &Node, _: Now, out: &mut String) {
    let in_use = node.memory_in_use();
    let (used, overhead, held) = (in_use.total(), in_use.overhead(), in_use.replication);
    let peak = node.memory.peak_bytes.max(used);
    let resident = node.memory.usage.resident_bytes;
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let backlog = held.min(node.config.repl_backlog_size);
    line!(out, "# Memory");
    line!(out, "used_memory:{used}");
    line!(out, "used_memory_human:{}", human(used));
    line!(out, "used_memory_rss:{resident}");
    line!(out, "used_memory_rss_human:{}", human(resident));
    line!(out, "used_memory_peak:{peak}");
    line!(out, "used_memory_peak_human:{}", human(peak));
    line!(out, "used_memory_peak_perc:{:.2}%", percent(used, peak));
    line!(out, "used_memory_overhead:{overhead}");
    line!(out, "used_memory_startup:0");
    line!(out, "used_memory_dataset:{}", in_use.dataset);
    line!(out, "used_memory_dataset_perc:{:.2}%", percent(in_use.dataset, used));
    let libraries = &node.keyspace.libraries;
    // No script is run: there is no interpreter to take memory, and nothing is cached for it.
    line!(out, "used_memory_lua:0");
    line!(out, "used_memory_vm_eval:0");
    line!(out, "used_memory_lua_human:{}", human(0));
    line!(out, "used_memory_scripts_eval:0");
    line!(out, "number_of_cached_scripts:0");
    line!(out, "number_of_functions:{}", libraries.function_count());
    line!(out, "number_of_libraries:{}", libraries.len());
    line!(out, "used_memory_vm_functions:0");
    line!(out, "used_memory_vm_total:0");
    line!(out, "used_memory_vm_total_human:{}", human(0));
    let functions = libraries.used_bytes() as u64;
    line!(out, "used_memory_functions:{functions}");
    line!(out, "used_memory_scripts:{functions}");
    line!(out, "used_memory_scripts_human:{}", human(functions));
    line!(out, "maxmemory:{}", node.config.maxmemory);
    line!(out, "maxmemory_human:{}", human(node.config.maxmemory));
    line!(out, "maxmemory_policy:{}", node.config.maxmemory_policy);
    line!(out, "mem_fragmentation_ratio:{:.2}", resident as f64 / used.max(1) as f64);
    line!(out, "mem_fragmentation_bytes:{}", i128::from(resident) - i128::from(used));
    line!(out, "mem_not_counted_for_evict:{}", held + in_use.replica_clients);
    line!(out, "mem_replication_backlog:{backlog}");
    line!(out, "mem_total_replication_buffers:{held}");
    line!(out, "mem_clients_slaves:{}", in_use.replica_clients);
    line!(out, "mem_clients_normal:{}", in_use.normal_clients);
    line!(out, "mem_cluster_links:0");
    line!(out, "mem_aof_buffer:0");
    line!(out, "mem_allocator:rust");
    line!(out, "active_defrag_running:0");
    line!(out, "lazyfree_pending_objects:0");
    line!(out, "lazyfreed_objects:0");
}

fn persistence(node: &Node, now: Now, out: &mut String) {
    let persist = &node.persist;
    let seconds = |time: Option<std::time::Duration>| {
        time.map_or(-1, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    };
    let saving = persist.save.as_ref().map(|save| now.mono.saturating_sub(save.started));
    line!(out, "# Persistence");
    line!(out, "loading:{}", u8::from(node.loading() == Some(Loading::Before)));
    line!(out, "async_loading:{}", u8::from(node.loading() == Some(Loading::Beside)));
    let copied = node.keyspace.copied_bytes();
    let counting = persist.counting.unwrap_or_default();
    let done = counting.keys_done as f64 * 100.0 / counting.keys_total.max(1) as f64;
    line!(out, "current_cow_peak:{copied}");
    line!(out, "current_cow_size:{copied}");
    line!(out, "current_cow_size_age:0");
    line!(out, "current_fork_perc:{done:.2}");
    line!(out, "current_save_keys_processed:{}", counting.keys_done);
    line!(out, "current_save_keys_total:{}", counting.keys_total);
    line!(out, "rdb_changes_since_last_save:{}", persist.dirty);
    line!(out, "rdb_bgsave_in_progress:{}", u8::from(persist.busy()));
    line!(out, "rdb_last_save_time:{}", persist.last_save_unix_s);
    line!(out, "rdb_last_bgsave_status:{}", if persist.last_ok { "ok" } else { "err" });
    line!(out, "rdb_last_bgsave_time_sec:{}", seconds(persist.last_duration));
    line!(out, "rdb_current_bgsave_time_sec:{}", seconds(saving));
    line!(out, "rdb_saves:{}", persist.saves);
    line!(out, "rdb_last_cow_size:{}", persist.last_copied_bytes);
    line!(out, "rdb_last_load_keys_expired:{}", persist.last_load_expired);
    line!(out, "rdb_last_load_keys_loaded:{}", persist.last_load_keys);
    line!(out, "aof_enabled:0");
    line!(out, "aof_rewrite_in_progress:0");
    line!(out, "aof_rewrite_scheduled:0");
    line!(out, "aof_last_rewrite_time_sec:-1");
    line!(out, "aof_current_rewrite_time_sec:-1");
    line!(out, "aof_last_bgrewrite_status:ok");
    line!(out, "aof_rewrites:0");
    line!(out, "aof_rewrites_consecutive_failures:0");
    line!(out, "aof_last_write_status:ok");
    line!(out, "aof_last_cow_size:0");
    line!(out, "module_fork_in_progress:0");
    line!(out, "module_fork_last_cow_size:0");
    let Some(load) = &persist.load else {
        return;
    };
    let elapsed = now.mono.saturating_sub(load.started).as_secs();
    let percent = match load.total_bytes {
        0 => 0.0,
        total => load.loaded_bytes as f64 * 100.0 / total as f64,
    };
    line!(out, "loading_start_time:{}", load.started_unix_ms / 1000);
    line!(out, "loading_total_bytes:{}", load.total_bytes);
    line!(out, "loading_rdb_used_mem:0");
    line!(out, "loading_loaded_bytes:{}", load.loaded_bytes);
    line!(out, "loading_loaded_perc:{percent:.2}");
    let rate = load.loaded_bytes / elapsed.max(1);
    let eta = load.total_bytes.saturating_sub(load.loaded_bytes) / rate.max(1);
    line!(out, "loading_eta_seconds:{eta}");
}

fn stats(node: &Node, _: Now, out: &mut String) {
    let (stats, rates) = (&node.stats, &node.rates);
    let syncs = node.replication.counters();
    let kbps = |bytes: u64| bytes as f64 / 1024.0;
    line!(out, "# Stats");
    line!(out, "total_connections_received:{}", stats.connections);
    line!(out, "total_commands_processed:{}", stats.commands);
    line!(out, "instantaneous_ops_per_sec:{}", rates.ops);
    line!(out, "total_net_input_bytes:{}", stats.input_bytes + stats.repl_input_bytes);
    line!(out, "total_net_output_bytes:{}", stats.output_bytes + stats.repl_output_bytes);
    line!(out, "total_net_repl_input_bytes:{}", stats.repl_input_bytes);
    line!(out, "total_net_repl_output_bytes:{}", stats.repl_output_bytes);
    line!(out, "instantaneous_input_kbps:{:.2}", kbps(rates.input_bytes_per_s));
    line!(out, "instantaneous_output_kbps:{:.2}", kbps(rates.output_bytes_per_s));
    line!(out, "instantaneous_input_repl_kbps:{:.2}", kbps(rates.repl_input_bytes_per_s));
    line!(out, "instantaneous_output_repl_kbps:{:.2}", kbps(rates.repl_output_bytes_per_s));
    line!(out, "rejected_connections:{}", stats.rejected_connections);
    line!(out, "sync_full:{}", syncs.sync_full);
    line!(out, "sync_partial_ok:{}", syncs.sync_partial_ok);
    line!(out, "sync_partial_err:{}", syncs.sync_partial_err);
    line!(out, "expired_keys:{}", stats.expired_keys);
    line!(out, "expired_stale_perc:0.00");
    line!(out, "expired_time_cap_reached_count:{}", stats.expire_cap_reached);
    line!(out, "expire_cycle_cpu_milliseconds:0");
    line!(out, "evicted_keys:0");
    line!(out, "evicted_clients:{}", stats.evicted_clients);
    line!(out, "total_eviction_exceeded_time:0");
    line!(out, "current_eviction_exceeded_time:0");
    line!(out, "keyspace_hits:{}", stats.hits);
    line!(out, "keyspace_misses:{}", stats.misses);
    line!(out, "pubsub_channels:{}", node.pubsub.listeners(Topic::Channel).len());
    line!(out, "pubsub_patterns:{}", node.pubsub.listeners(Topic::Pattern).len());
    line!(out, "pubsubshard_channels:{}", node.pubsub.listeners(Topic::Shard).len());
    line!(out, "latest_fork_usec:0");
    line!(out, "total_forks:{}", stats.snapshots);
    line!(out, "migrate_cached_sockets:0");
    line!(out, "slave_expires_tracked_keys:{}", node.own_expires.len());
    line!(out, "active_defrag_hits:0");
    line!(out, "active_defrag_misses:0");
    line!(out, "active_defrag_key_hits:0");
    line!(out, "active_defrag_key_misses:0");
    line!(out, "total_active_defrag_time:0");
    line!(out, "current_active_defrag_time:0");
    line!(out, "tracking_total_keys:0");
    line!(out, "tracking_total_items:0");
    line!(out, "tracking_total_prefixes:0");
    line!(out, "unexpected_error_replies:{}", stats.unexpected_error_replies);
    line!(out, "total_error_replies:{}", stats.error_replies);
    line!(out, "dump_payload_sanitizations:0");
    line!(out, "total_reads_processed:{}", stats.reads);
    line!(out, "total_writes_processed:{}", stats.writes);
    line!(out, "io_threaded_reads_processed:0");
    line!(out, "io_threaded_writes_processed:0");
    line!(out, "reply_buffer_shrinks:0");
    line!(out, "reply_buffer_expands:0");
}

fn replication(node: &Node, now: Now, out: &mut String) {
    let info = node.replication.info(now.mono);
    line!(out, "# Replication");
    match info.role {
        Role::Master => line!(out, "role:master"),
        Role::Replica => line!(out, "role:slave"),
    }
    upstream(node, &info, out);
    line!(out, "connected_slaves:{}", info.replicas.len());
    let config = node.replication.config();
    if config.min_replicas_to_write > 0 && !config.min_replicas_max_lag.is_zero() {
        line!(out, "min_slaves_good_slaves:{}", info.good_replicas);
    }
    for (number, replica) in info.replicas.iter().enumerate() {
        let lag = match replica.state {
            ReplicaState::Online => now.mono.saturating_sub(replica.last_ack).as_secs(),
            _ => 0,
        };
        line!(
            out,
            "slave{number}:ip={},port={},state={},offset={},lag={lag}",
            replica.ip,
            replica.port,
            replica_state_name(replica.state),
            replica.acked,
        );
    }
    let (second, second_offset) = match info.second {
        Some((id, last)) => (id.to_string(), last.plus(1).to_string()),
        None => ("0".repeat(40), "-1".to_owned()),
    };
    line!(out, "master_failover_state:{}", info.failover.as_str());
    line!(out, "master_replid:{}", info.id);
    line!(out, "master_replid2:{second}");
    line!(out, "master_repl_offset:{}", info.offset);
    line!(out, "second_repl_offset:{second_offset}");
    let (first, histlen) =
        info.backlog.as_ref().map_or((0, 0), |backlog| (backlog.first.0, backlog.histlen));
    line!(out, "repl_backlog_active:{}", u8::from(info.backlog.is_some()));
    line!(out, "repl_backlog_size:{}", config.repl_backlog_size_bytes);
    line!(out, "repl_backlog_first_byte_offset:{first}");
    line!(out, "repl_backlog_histlen:{histlen}");
}

/// The lines that only a replica has.
fn upstream(node: &Node, info: &ReplicationInfo, out: &mut String) {
    let Some(up) = &info.upstream else {
        return;
    };
    let connected = up.link == MasterLinkState::Connected;
    let seconds = |time: Option<std::time::Duration>| {
        time.map_or(-1, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    };
    line!(out, "master_host:{}", up.host);
    line!(out, "master_port:{}", up.port);
    line!(out, "master_link_status:{}", if connected { "up" } else { "down" });
    line!(out, "master_last_io_seconds_ago:{}", seconds(up.last_io));
    line!(out, "master_sync_in_progress:{}", u8::from(up.transfer.is_some()));
    line!(out, "slave_read_repl_offset:{}", up.read_offset);
    line!(out, "slave_repl_offset:{}", info.offset);
    if let Some(transfer) = &up.transfer {
        let total = transfer.total_bytes.unwrap_or(0);
        let left = total.saturating_sub(transfer.read_bytes);
        let percent = match total {
            0 => 0.0,
            total => transfer.read_bytes as f64 * 100.0 / total as f64,
        };
        line!(out, "master_sync_total_bytes:{total}");
        line!(out, "master_sync_read_bytes:{}", transfer.read_bytes);
        line!(out, "master_sync_left_bytes:{left}");
        line!(out, "master_sync_perc:{percent:.2}");
        line!(out, "master_sync_last_io_seconds_ago:{}", transfer.last_io.as_secs());
    }
    if !connected {
        line!(out, "master_link_down_since_seconds:{}", seconds(up.down_for));
    }
    line!(out, "slave_priority:{}", node.config.replica_priority);
    line!(out, "slave_read_only:{}", u8::from(node.config.replica_read_only));
    line!(out, "replica_announced:{}", u8::from(node.config.replica_announced));
}

/// As the process's world last told. There are no child processes.
fn cpu(node: &Node, _: Now, out: &mut String) {
    let usage = node.memory.usage;
    line!(out, "# CPU");
    line!(out, "used_cpu_sys:{:.6}", usage.system_cpu.as_secs_f64());
    line!(out, "used_cpu_user:{:.6}", usage.user_cpu.as_secs_f64());
    line!(out, "used_cpu_sys_children:0.000000");
    line!(out, "used_cpu_user_children:0.000000");
}

fn modules(_: &Node, _: Now, out: &mut String) {
    line!(out, "# Modules");
}

fn commandstats(node: &Node, _: Now, out: &mut String) {
    line!(out, "# Commandstats");
    for (name, stats) in node.stats.commands() {
        line!(
            out,
            "cmdstat_{name}:calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
            stats.calls,
            stats.micros,
            stats.micros as f64 / stats.calls.max(1) as f64,
            stats.rejected,
            stats.failed,
        );
    }
}

/// How long each command took.
fn latencystats(node: &Node, _: Now, out: &mut String) {
    line!(out, "# Latencystats");
    if !node.config.latency_tracking {
        return;
    }
    let percents = &node.config.latency_tracking_info_percentiles.0;
    for (name, stats) in node.stats.commands() {
        if stats.durations.calls() > 0 {
            let shown = percents
                .iter()
                .map(|percent| format!("p{percent}={:.3}", stats.durations.percentile(*percent)));
            let shown = shown.collect::<Vec<_>>().join(",");
            line!(out, "latency_percentiles_usec_{name}:{shown}");
        }
    }
}

fn errorstats(node: &Node, _: Now, out: &mut String) {
    line!(out, "# Errorstats");
    for (code, count) in &node.stats.per_error {
        line!(out, "errorstat_{code}:count={count}");
    }
}

fn cluster(_: &Node, _: Now, out: &mut String) {
    line!(out, "# Cluster");
    line!(out, "cluster_enabled:0");
}

fn keyspace(node: &Node, now: Now, out: &mut String) {
    line!(out, "# Keyspace");
    for db in 0..node.keyspace.databases() {
        let keys = node.keyspace.len(db);
        if keys > 0 {
            let (expires, ttl) = node.keyspace.expiry_stats(db, now.unix_ms);
            line!(out, "db{db}:keys={keys},expires={expires},avg_ttl={ttl}");
        }
    }
}
