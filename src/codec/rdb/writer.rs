//! The writer: a frozen dataset as the bytes of a file, a chunk at a time (rdb.c `rdbSaveRio`).

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::primitives::{push_length, push_string};
use super::{Chunk, VERSION_WRITTEN, functions, opcode, value};
use crate::codec::crc64::Crc64;
use crate::keyspace::{Access, AccessRules, SnapshotWalker};
use crate::node::SnapshotJob;

/// Size of a chunk in bytes; only the last one is shorter, unless keys are delayed.
const CHUNK_BYTES: usize = 64 * 1024;
/// Keys fetched from the snapshot at a time.
const BATCH_KEYS: usize = 64;
/// With `rdb-key-save-delay`, a chunk holds about as many keys as take this long.
const DELAYED_CHUNK_TIME: Duration = Duration::from_millis(10);

/// Encodes a snapshot, a chunk of about 64 KiB at a time (a few keys a chunk with a delay).
///
/// Whoever pulls the chunks applies the delay. The snapshot is let go after the last chunk.
pub fn encode(job: SnapshotJob) -> Box<dyn Iterator<Item = Chunk> + Send> {
    Box::new(Encoder::new(job))
}

struct Encoder {
    walker: Option<SnapshotWalker>,
    /// Keys and keys with a deadline, of each database.
    sizes: Vec<(u64, u64)>,
    /// Encoded, checksummed, not yet handed out.
    pending: BytesMut,
    /// Keys that begin in `pending`.
    pending_keys: u64,
    scratch: Vec<u8>,
    selected: Option<u32>,
    checksum: Option<Crc64>,
    compress: bool,
    access: AccessRules,
    batch_keys: usize,
    chunk_min_bytes: usize,
}

impl Encoder {
    fn new(job: SnapshotJob) -> Self {
        let sizes = (0..job.snapshot.databases())
            .map(|db| (job.snapshot.len(db) as u64, job.snapshot.expires(db) as u64))
            .collect();
        let mut header = Vec::new();
        push_header(&mut header, &job);
        functions::push(&mut header, job.snapshot.libraries(), job.compress);
        let delayed = !job.delay_per_key.is_zero();
        let keys_per_delay = DELAYED_CHUNK_TIME.as_nanos() / job.delay_per_key.as_nanos().max(1);
        let mut encoder = Self {
            walker: Some(SnapshotWalker::new(job.snapshot)),
            sizes,
            pending: BytesMut::new(),
            pending_keys: 0,
            scratch: header,
            selected: None,
            checksum: job.checksum.then(Crc64::new),
            compress: job.compress,
            access: job.access,
            batch_keys: if delayed {
                keys_per_delay.clamp(1, BATCH_KEYS as u128) as usize
            } else {
                BATCH_KEYS
            },
            chunk_min_bytes: if delayed { 1 } else { CHUNK_BYTES },
        };
        encoder.flush_scratch();
        encoder
    }

    /// Moves what was encoded to `pending`, through the checksum.
    fn flush_scratch(&mut self) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&self.scratch);
        }
        self.pending.extend_from_slice(&self.scratch);
        self.scratch.clear();
        self.scratch.shrink_to(CHUNK_BYTES);
    }

    /// Encodes some more keys, or the end of the file; the walker is gone after that.
    fn advance(&mut self) {
        let Some(mut walker) = self.walker.take() else {
            return;
        };
        let (scratch, sizes) = (&mut self.scratch, &self.sizes);
        let (selected, keys, compress, rules) =
            (&mut self.selected, &mut self.pending_keys, self.compress, &self.access);
        let more = walker.next_batch(self.batch_keys, &mut |visited| {
            let db = visited.db;
            if *selected != Some(db) {
                *selected = Some(db);
                push_database(scratch, db, sizes.get(db as usize).copied().unwrap_or_default());
            }
            if let Some(deadline_ms) = visited.expiry_ms {
                scratch.push(opcode::EXPIRE_TIME_MS);
                scratch.extend_from_slice(&deadline_ms.to_le_bytes());
            }
            push_access(scratch, rules, visited.access);
            value::push_type(scratch, visited.value);
            push_string(scratch, visited.key, compress);
            value::push(scratch, visited.value, compress);
            *keys += 1;
        });
        if more {
            self.flush_scratch();
            self.walker = Some(walker);
            return;
        }
        self.scratch.push(opcode::EOF);
        self.flush_scratch();
        let sum = self.checksum.as_ref().map_or(0, Crc64::value);
        self.pending.extend_from_slice(&sum.to_le_bytes());
    }
}

impl Iterator for Encoder {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        while self.walker.is_some() && self.pending.len() < self.chunk_min_bytes {
            self.advance();
        }
        if self.pending.is_empty() {
            return None;
        }
        let len = self.pending.len().min(CHUNK_BYTES);
        let bytes: Bytes = self.pending.split_to(len).freeze();
        let keys = std::mem::take(&mut self.pending_keys);
        Some(Chunk { bytes, keys })
    }
}

fn push_header(out: &mut Vec<u8>, job: &SnapshotJob) {
    out.extend_from_slice(format!("REDIS{VERSION_WRITTEN:04}").as_bytes());
    let mut aux = |name: &str, text: &str| {
        out.push(opcode::AUX);
        push_string(out, name.as_bytes(), false);
        push_string(out, text.as_bytes(), false);
    };
    aux("redis-ver", crate::REDIS_VERSION);
    aux("redis-bits", "64");
    aux("ctime", &(job.created_unix_ms / 1000).to_string());
    aux("used-mem", &job.used_memory_bytes.to_string());
    if let Some(position) = &job.position {
        // Without a selected database any will do: the stream goes on with a SELECT.
        let stream_db = position.stream_db.unwrap_or(0);
        aux("repl-stream-db", &stream_db.to_string());
        aux("repl-id", &position.id.to_string());
        aux("repl-offset", &position.offset.to_string());
    }
    aux("aof-base", "0");
}

/// What the policy asks for; under `noeviction` and its like nothing.
fn push_access(out: &mut Vec<u8>, rules: &AccessRules, access: Access) {
    if rules.lru {
        out.push(opcode::IDLE);
        push_length(out, rules.idle_seconds(access));
    }
    if rules.lfu {
        out.push(opcode::FREQ);
        out.push(rules.frequency(access));
    }
}

fn push_database(out: &mut Vec<u8>, db: u32, (keys, expires): (u64, u64)) {
    out.push(opcode::SELECT_DB);
    push_length(out, u64::from(db));
    out.push(opcode::RESIZE_DB);
    push_length(out, keys);
    push_length(out, expires);
}
