//! The clients by their ids: found at the cost of a multiplication, walked in the order of ids.
//!
//! A command looks its client up a dozen times; in a search tree that was a sixth of its cost.
//!
//! Must never: know what a client is for.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::ClientId;
use super::client::Client;

/// All clients of a node, the link to the master among them.
#[derive(Default)]
pub(crate) struct Clients {
    table: HashTable<Box<Client>>,
    /// What the walks go by: the order of the table depends on its history.
    ids: BTreeSet<ClientId>,
}

/// Ids are given out one after the other, so the low bits (the place in the table) tell apart
/// those that live at the same time; the high ones are the tag.
#[inline]
fn hash(id: ClientId) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Clients {
    #[inline]
    pub(crate) fn get(&self, id: &ClientId) -> Option<&Client> {
        self.table.find(hash(*id), |client| client.id == *id).map(|client| &**client)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: &ClientId) -> Option<&mut Client> {
        self.table.find_mut(hash(*id), |client| client.id == *id).map(|client| &mut **client)
    }

    pub(crate) fn contains_key(&self, id: &ClientId) -> bool {
        self.get(id).is_some()
    }

    /// Adds a client under its id, in place of the one there, if any.
    pub(crate) fn insert(&mut self, client: Client) {
        let id = client.id;
        self.remove(&id);
        self.ids.insert(id);
        self.table.insert_unique(hash(id), Box::new(client), |other| hash(other.id));
    }

    pub(crate) fn remove(&mut self, id: &ClientId) -> Option<Box<Client>> {
        self.ids.remove(id);
        let found = self.table.find_entry(hash(*id), |client| client.id == *id).ok()?;
        Some(found.remove().0)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// In order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ClientId> {
        self.ids.iter()
    }

    /// In the order of ids.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Client> {
        self.ids.iter().filter_map(|id| self.get(id))
    }

    /// In no order that anything may depend on.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.table.iter_mut().map(|client| &mut **client)
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Kind;
    use super::super::testing::peer;
    use super::*;
    use crate::env::Now;

    fn client(id: ClientId) -> Client {
        Client::new(Now::default(), id, peer(1, true), Kind::Normal)
    }

    #[test]
    fn found_by_id_and_walked_in_order_whatever_the_history() {
        let mut clients = Clients::default();
        for id in (1..=200).rev() {
            clients.insert(client(id));
        }
        for id in (1..=200).filter(|id| id % 3 == 0) {
            clients.remove(&id);
        }
        clients.remove(&3);
        let left: Vec<ClientId> = (1..=200).filter(|id| id % 3 != 0).collect();
        assert!(clients.keys().eq(&left));
        assert!(clients.values().map(|client| client.id).eq(left.iter().copied()));
        assert_eq!(clients.len(), left.len());
        for id in 0..300 {
            assert_eq!(clients.contains_key(&id), left.contains(&id), "{id}");
            assert_eq!(
                clients.get_mut(&id).map(|client| client.id),
                clients.get(&id).map(|c| c.id)
            );
        }
        assert_eq!(clients.values_mut().count(), left.len());
    }

    #[test]
    fn a_new_client_takes_the_place_of_the_old() {
        let mut clients = Clients::default();
        clients.insert(client(1));
        let mut other = client(1);
        other.db = 7;
        clients.insert(other);
        assert_eq!(clients.get(&1).map(|client| client.db), Some(7));
        assert_eq!(clients.len(), 1);
    }
}
