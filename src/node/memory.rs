//! What the node holds by its own count, and the limits on it: `maxmemory`, `maxmemory-clients`.
//!
//! The count is of what the node knows: data, buffers of clients, the backlog. It is the same in
//! every world. What the process really takes is told from outside ([`Usage`]), is shown in `INFO`
//! and decides nothing.

use crate::config::MemoryOrPercent;
use crate::env::{Now, Usage};

use super::client::{Client, Kind};
use super::{ClientId, Node};

/// Counted memory, and what was last told of the process.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Of ordinary clients together.
    clients_bytes: u64,
    /// Most that was in use at a tick.
    pub(crate) peak_bytes: u64,
    pub(crate) usage: Usage,
}

/// Bytes in use, by what they are for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InUse {
    pub(crate) dataset: u64,
    pub(crate) normal_clients: u64,
    pub(crate) replica_clients: u64,
    /// The backlog, with what replicas have yet to be sent.
    pub(crate) replication: u64,
}

impl InUse {
    pub(crate) fn overhead(&self) -> u64 {
        self.normal_clients + self.replica_clients + self.replication
    }

    pub(crate) fn total(&self) -> u64 {
        self.dataset + self.overhead()
    }
}

impl Node {
    pub(crate) fn memory_in_use(&self) -> InUse {
        let replicas = self.clients.values().filter(|client| client.kind == Kind::Replica);
        InUse {
            dataset: self.keyspace.used_bytes(),
            normal_clients: self.memory.clients_bytes,
            replica_clients: replicas.map(|client| client.memory_bytes(0)).sum(),
            replication: self.replication.held_bytes(),
        }
    }

    /// Takes note of what the process takes.
    pub(super) fn note_usage(&mut self, usage: Usage) {
        self.memory.usage = usage;
        self.memory.peak_bytes = self.memory.peak_bytes.max(self.memory_in_use().total());
    }

    /// Whether nothing may be added to the data (evict.c `getMaxmemoryState`): what only serves
    /// replication does not count, since refusing writes would not make it less.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let limit = self.config.maxmemory;
        limit > 0 && self.keyspace.used_bytes() + self.memory.clients_bytes > limit
    }

    // --- clients

    /// Brings the count of a client up to date, after anything that it sent or is owed.
    pub(super) fn count_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let bytes = match client.kind == Kind::Normal && !client.closing {
            true => client.memory_bytes(0),
            false => 0,
        };
        let before = std::mem::replace(&mut client.counted_bytes, bytes);
        self.memory.clients_bytes = self.memory.clients_bytes + bytes - before;
    }

    /// A client is no more.
    pub(super) fn uncount_client(&mut self, client: &Client) {
        self.memory.clients_bytes -= client.counted_bytes;
    }

    /// `maxmemory-clients`; `None`: no limit.
    fn clients_limit_bytes(&self) -> Option<u64> {
        let bytes = match self.config.maxmemory_clients {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => self.config.maxmemory / 100 * u64::from(percent),
        };
        (bytes > 0).then_some(bytes)
    }

    /// Closes clients, those who hold most first, until the others fit into `maxmemory-clients`
    /// (networking.c `evictClients`).
    pub(super) fn evict_clients(&mut self, now: Now) {
        let Some(limit) = self.clients_limit_bytes() else {
            return;
        };
        while self.memory.clients_bytes > limit {
            let may_go = |client: &&Client| {
                client.kind == Kind::Normal && !client.no_evict && !client.closing
            };
            let largest = self.clients.values().filter(may_go).max_by_key(|c| c.counted_bytes);
            let Some(client) = largest else {
                return;
            };
            let (id, line) = (client.id, client.line(now, 0));
            self.log_notice(format!("Evicting client: {line}"));
            self.stats.evicted_clients += 1;
            self.close(id);
            self.count_client(id);
        }
    }
}
