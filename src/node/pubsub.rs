//! Who listens to which channel, and handing messages to them.
//!
//! Three namespaces that do not know of each other: channels, patterns of channels, and shard
//! channels (without a cluster just more channels). Must never: keep a message; who does not
//! listen now has missed it.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::resp::Reply;
use crate::command::{Args, glob};
use crate::env::Now;
use crate::event::Role;

use super::{ClientId, Node};

/// What is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Channel,
    Pattern,
    Shard,
}

/// Roughly what an entry of the tables below takes besides its name.
pub(super) const NAME_OVERHEAD_BYTES: usize = 64;

type Listeners = BTreeMap<Vec<u8>, BTreeSet<ClientId>>;

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    channels: Listeners,
    patterns: Listeners,
    shards: Listeners,
}

impl PubSub {
    pub(crate) fn listeners(&self, topic: Topic) -> &Listeners {
        match topic {
            Topic::Channel => &self.channels,
            Topic::Pattern => &self.patterns,
            Topic::Shard => &self.shards,
        }
    }

    fn listeners_mut(&mut self, topic: Topic) -> &mut Listeners {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
            Topic::Shard => &mut self.shards,
        }
    }

    /// Number of clients that listen to exactly this name.
    pub(crate) fn count(&self, topic: Topic, name: &[u8]) -> usize {
        self.listeners(topic).get(name).map_or(0, BTreeSet::len)
    }

    /// Names this client listens to.
    fn of(&self, topic: Topic, id: ClientId) -> Vec<Vec<u8>> {
        let all = self.listeners(topic).iter();
        all.filter(|(_, clients)| clients.contains(&id)).map(|(name, _)| name.clone()).collect()
    }
}

/// Numbers of subscriptions of one client, as `CLIENT LIST` shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions {
    pub(crate) channels: usize,
    pub(crate) patterns: usize,
    pub(crate) shards: usize,
}

impl Subscriptions {
    /// Whether it listens to anything: then it may not send ordinary commands.
    pub(crate) fn any(self) -> bool {
        self.channels + self.patterns + self.shards > 0
    }

    fn of_mut(&mut self, topic: Topic) -> &mut usize {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
            Topic::Shard => &mut self.shards,
        }
    }

    /// The number that is told after each change.
    fn told(self, topic: Topic) -> usize {
        match topic {
            Topic::Channel | Topic::Pattern => self.channels + self.patterns,
            Topic::Shard => self.shards,
        }
    }
}

fn integer(reply: &mut Reply, count: usize) {
    reply.integer(i64::try_from(count).unwrap_or(i64::MAX));
}

impl Node {
    /// `SUBSCRIBE` and its like, for one name.
    pub(crate) fn subscribe(&mut self, id: ClientId, topic: Topic, name: &[u8]) {
        let added = self.pubsub.listeners_mut(topic).entry(name.to_vec()).or_default().insert(id);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if added {
            *client.subscriptions.of_mut(topic) += 1;
            client.names_bytes += name.len() + NAME_OVERHEAD_BYTES;
        }
        let word = match topic {
            Topic::Channel => "subscribe",
            Topic::Pattern => "psubscribe",
            Topic::Shard => "ssubscribe",
        };
        let told = client.subscriptions.told(topic);
        client.confirmed = true;
        self.reply(id, |reply| {
            reply.array_header(3);
            reply.bulk(word);
            reply.bulk(name);
            integer(reply, told);
        });
    }

    /// `UNSUBSCRIBE` and its like; no names: everything of this kind.
    pub(crate) fn unsubscribe(&mut self, id: ClientId, topic: Topic, names: &Args<'_>) {
        let names: Vec<Option<Vec<u8>>> = match names {
            [] => {
                let all = self.pubsub.of(topic, id);
                // There is always an answer.
                if all.is_empty() { vec![None] } else { all.into_iter().map(Some).collect() }
            }
            names => names.iter().map(|name| Some(name.to_vec())).collect(),
        };
        for name in names {
            if let Some(name) = &name {
                self.stop_listening(id, topic, name);
            }
            let told = self.clients.get_mut(&id).map_or(0, |client| {
                client.confirmed = true;
                client.subscriptions.told(topic)
            });
            let word = match topic {
                Topic::Channel => "unsubscribe",
                Topic::Pattern => "punsubscribe",
                Topic::Shard => "sunsubscribe",
            };
            self.reply(id, |reply| {
                reply.array_header(3);
                reply.bulk(word);
                match &name {
                    Some(name) => reply.bulk(name),
                    None => reply.null_bulk(),
                }
                integer(reply, told);
            });
        }
    }

    fn stop_listening(&mut self, id: ClientId, topic: Topic, name: &[u8]) {
        let listeners = self.pubsub.listeners_mut(topic);
        let Some(clients) = listeners.get_mut(name) else {
            return;
        };
        if clients.remove(&id)
            && let Some(client) = self.clients.get_mut(&id)
        {
            *client.subscriptions.of_mut(topic) -= 1;
            client.names_bytes -= name.len() + NAME_OVERHEAD_BYTES;
        }
        if clients.is_empty() {
            listeners.remove(name);
        }
    }

    /// A client is gone, or as good as new.
    pub(crate) fn forget_subscriptions(&mut self, id: ClientId) {
        if !self.clients.get(&id).is_some_and(|client| client.subscriptions.any()) {
            return;
        }
        for topic in [Topic::Channel, Topic::Pattern, Topic::Shard] {
            for name in self.pubsub.of(topic, id) {
                self.stop_listening(id, topic, &name);
            }
        }
    }

    /// Hands a message to all who listen; their number.
    pub(crate) fn publish(&mut self, now: Now, topic: Topic, channel: &[u8], text: &[u8]) -> usize {
        let word: &[u8] = if topic == Topic::Shard { b"smessage" } else { b"message" };
        let direct = self.pubsub.listeners(topic).get(channel).into_iter().flatten();
        let mut receivers: Vec<(ClientId, Option<Vec<u8>>)> =
            direct.map(|id| (*id, None)).collect();
        if topic == Topic::Channel {
            for (pattern, clients) in &self.pubsub.patterns {
                if glob::matches(pattern, channel) {
                    receivers.extend(clients.iter().map(|id| (*id, Some(pattern.clone()))));
                }
            }
        }
        for (id, pattern) in &receivers {
            self.reply(*id, |reply| match pattern {
                None => {
                    reply.array_header(3);
                    reply.bulk(word);
                    reply.bulk(channel);
                    reply.bulk(text);
                }
                Some(pattern) => {
                    reply.array_header(4);
                    reply.bulk("pmessage");
                    reply.bulk(pattern);
                    reply.bulk(channel);
                    reply.bulk(text);
                }
            });
            self.wake(*id);
            self.check_output_limit(now, *id);
            self.count_client(*id);
        }
        receivers.len()
    }

    /// Puts a command that is no write on the stream of a master, as it was given.
    pub(crate) fn pass_on(&mut self, db: u32, args: &Args<'_>) {
        if self.replication.role() == Role::Master {
            self.unit.push(db, args);
        }
    }
}
