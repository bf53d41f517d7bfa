//! What `FLUSHALL` means for saves (db.c `flushAllDataAndResetRDB`): what is being saved is of no
//! use any more, and with save points the empty dataset is saved, or a crash would bring all of
//! the old back.
//!
//! Must never: end a save before the command stands in the stream. The next snapshot begins at
//! once, and would have the data of one position and the number of another.

use crate::env::Now;

use super::persist::Purpose;
use super::{ClientId, Node};

impl Node {
    /// Ends the saves under way if `FLUSHALL` was executed. Replicas that wait for them are sent
    /// away, and come back for the empty dataset.
    pub(super) fn give_up_saves(&mut self, now: Now) {
        if !std::mem::take(&mut self.persist.flushed) {
            return;
        }
        self.drop_saves(now);
        self.pump(now);
        self.persist.emptied = !self.settings.save_points.is_empty();
    }

    /// Saves what `FLUSHALL` left; its client, whose reply begins at `replied`, waits for it.
    /// After a transaction, and on a replica, it is saved beside everything else.
    pub(super) fn save_emptied(&mut self, now: Now, id: ClientId, replied: usize) {
        if self.persist.busy() || self.load_is_running() {
            return;
        }
        self.persist.emptied = false;
        let job = self.begin_save(now, Purpose::Emptied);
        if let Some(client) = self.clients.get_mut(&id) {
            client.reply.truncate(replied);
        }
        self.wait_for_job(id, job);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::node::testing::World;

    const REPLICA: &str = "replicaof 127.0.0.1 7000";

    /// Every dataset that a host had at one position of a stream, in its snapshots too.
    fn assert_one_dataset_a_position(world: &World, host: usize) {
        let mut datasets = BTreeMap::new();
        for (id, offset, digest) in world.hosts[host].seen.borrow().iter() {
            let first = datasets.entry((id.clone(), *offset)).or_insert(*digest);
            assert_eq!(first, digest, "host {host} at {id}:{offset}");
        }
    }

    /// A save runs, and a replica waits for the next.
    fn waiting_world(master: usize, configs: &[&str]) -> World {
        let mut world = World::new(configs);
        world.run(3_000);
        world.once(0, "SET before 1");
        world.hosts[master].slow_disk = true;
        assert_eq!(world.once(master, "BGSAVE"), "+Background saving started|");
        let late = world.hosts.len() - 1;
        world.once(late, &format!("REPLICAOF 127.0.0.1 {}", 7000 + master));
        world.run(2_000);
        assert!(world.logged(master, "BGSAVE for replication delayed"));
        world
    }

    #[test]
    fn a_snapshot_that_waited_is_not_of_the_middle_of_a_transaction() {
        let mut world = waiting_world(0, &["", REPLICA, ""]);
        let client = world.connect(0);
        world.send_batch(0, client, &["MULTI", "SET a 1", "FLUSHALL", "SET b 2", "EXEC"]);
        world.finish_saves(0);
        world.run(1_000);
        assert_eq!(world.once(2, "DBSIZE"), ":1|");
        assert_one_dataset_a_position(&world, 0);
    }

    #[test]
    fn a_snapshot_that_waited_counts_the_flush() {
        for flushed in [0, 1] {
            let mut world = waiting_world(flushed, &["", REPLICA, ""]);
            world.once(0, "FLUSHALL");
            world.once(0, "SET after 1");
            world.finish_saves(flushed);
            world.run(1_000);
            assert_eq!(world.once(2, "DBSIZE"), ":1|");
            assert_one_dataset_a_position(&world, flushed);
        }
    }
}
