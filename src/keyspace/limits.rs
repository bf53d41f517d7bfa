//! Up to where a collection is stored in its small form (`OBJECT ENCODING`).

/// Thresholds of the configuration, and the seed of the tables inside of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `set-max-intset-entries`.
    pub set_max_intset_entries: usize,
    /// `hash-max-listpack-entries`.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`. Bytes.
    pub hash_max_listpack_value: usize,
    /// `stream-node-max-bytes`: a node that would reach this many gets no more entries; 0: no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`: a node gets no more, deleted ones counted; 0: no limit.
    pub stream_node_max_entries: usize,
    /// Keys the tables inside of values.
    pub hash_seed: u64,
}

impl Limits {
    /// Redis's defaults.
    pub fn seeded(hash_seed: u64) -> Self {
        Limits {
            set_max_intset_entries: 512,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hash_seed,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::seeded(0)
    }
}
