//! A stream on its way in: its nodes, its marks, and its groups one after another.

use std::collections::BTreeMap;

use super::{TYPE_1, TYPE_3, load_id, load_node, load_raw_id};
use crate::codec::rdb::primitives::{Cursor, Stop};
use crate::codec::rdb::value::counted::Counted;
use crate::keyspace::stream::{Group, Pending, StreamId};
use crate::keyspace::{Key, StreamValue};

/// A stream on its way in.
pub struct Loading {
    kind: u8,
    stream: StreamValue,
    nodes: Counted,
    groups_left: u64,
    group: GroupLoading,
    stage: Stage,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Node,
    Marks,
    Group,
    Pending,
    ConsumerCount,
    Consumer,
    PendingOfConsumer,
}

/// A consumer group on its way in.
struct GroupLoading {
    name: Vec<u8>,
    group: Group,
    pending: Counted,
    /// Pending entries whose consumer was not read yet: when they were delivered, and how often.
    waiting: BTreeMap<StreamId, (u64, u64)>,
    consumers_left: u64,
    consumer: Key,
    pending_of_consumer: Counted,
}

impl GroupLoading {
    fn new(name: &[u8], group: Group) -> Self {
        Self {
            name: name.to_vec(),
            group,
            pending: Counted::default(),
            waiting: BTreeMap::new(),
            consumers_left: 0,
            consumer: Key::new(b""),
            pending_of_consumer: Counted::default(),
        }
    }
}

impl Loading {
    /// Of one of the types that `reads` accepts.
    pub fn new(kind: u8) -> Self {
        Self {
            kind,
            stream: StreamValue::new(),
            nodes: Counted::default(),
            groups_left: 0,
            group: GroupLoading::new(b"", Group::new(StreamId::MIN, None)),
            stage: Stage::Node,
        }
    }

    /// Reads on; true once it is whole.
    pub fn part(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        match self.stage {
            Stage::Node => {
                let stream = &mut self.stream;
                if self.nodes.next(cursor, |cursor| load_node(cursor, stream))? {
                    self.stage = Stage::Marks;
                }
            }
            Stage::Marks => {
                self.marks(cursor)?;
                self.stage = Stage::Group;
                return Ok(self.groups_left == 0);
            }
            Stage::Group => {
                self.group = self.begin_group(cursor)?;
                self.stage = Stage::Pending;
            }
            Stage::Pending => {
                if self.group.read_pending(cursor)? {
                    self.stage = Stage::ConsumerCount;
                }
            }
            Stage::ConsumerCount => {
                self.group.consumers_left = cursor.length()?;
                return self.consumer_or_next_group();
            }
            Stage::Consumer => {
                self.group.read_consumer(cursor, self.kind)?;
                self.stage = Stage::PendingOfConsumer;
            }
            Stage::PendingOfConsumer => {
                if self.group.read_pending_of_consumer(cursor)? {
                    self.group.consumers_left -= 1;
                    return self.consumer_or_next_group();
                }
            }
        }
        Ok(false)
    }

    /// What was read. A stream may be empty.
    pub fn take(&mut self) -> StreamValue {
        std::mem::take(&mut self.stream)
    }

    fn marks(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let at = cursor.position();
        if cursor.length()? != self.stream.len() {
            return Cursor::bad(at, "the number of a stream's entries is wrong");
        }
        let last = load_id(cursor)?;
        if last < self.stream.last_id() {
            return Cursor::bad(at, "the last id of a stream is smaller than that of an entry");
        }
        let (mut max_deleted, mut added) = (StreamId::MIN, self.stream.len());
        if self.kind != TYPE_1 {
            load_id(cursor)?;
            max_deleted = load_id(cursor)?;
            added = cursor.length()?;
        }
        self.groups_left = cursor.length()?;
        self.stream.set_marks(last, max_deleted, added);
        Ok(())
    }

    fn begin_group(&self, cursor: &mut Cursor<'_>) -> Result<GroupLoading, Stop> {
        let at = cursor.position();
        let name = cursor.string()?;
        if self.stream.group(&name).is_some() {
            return Cursor::bad(at, "a stream has two groups of one name");
        }
        let last = load_id(cursor)?;
        let read = if self.kind == TYPE_1 {
            self.stream.entries_read_at(last)
        } else {
            Some(cursor.length()?).filter(|read| *read != u64::MAX)
        };
        Ok(GroupLoading::new(&name, Group::new(last, read)))
    }

    /// Goes on to the next consumer, or closes the group; true if it was the last.
    fn consumer_or_next_group(&mut self) -> Result<bool, Stop> {
        if self.group.consumers_left > 0 {
            self.stage = Stage::Consumer;
            return Ok(false);
        }
        if !self.group.waiting.is_empty() {
            return Stop::bad_item("a pending entry of a stream belongs to nobody");
        }
        let none = GroupLoading::new(b"", Group::new(StreamId::MIN, None));
        let done = std::mem::replace(&mut self.group, none);
        self.stream.insert_group(&done.name, done.group);
        self.groups_left -= 1;
        self.stage = Stage::Group;
        Ok(self.groups_left == 0)
    }
}

impl GroupLoading {
    fn read_pending(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let waiting = &mut self.waiting;
        self.pending.next(cursor, |cursor| {
            let at = cursor.position();
            let id = load_raw_id(cursor)?;
            let delivered_ms = u64::from_le_bytes(cursor.array()?);
            let deliveries = cursor.length()?;
            match waiting.insert(id, (delivered_ms, deliveries)) {
                None => Ok(()),
                Some(_) => Cursor::bad(at, "an entry of a stream is pending twice"),
            }
        })
    }

    fn read_consumer(&mut self, cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Stop> {
        let at = cursor.position();
        let name = cursor.string()?;
        let seen_ms = u64::from_le_bytes(cursor.array()?);
        if kind == TYPE_3 {
            // When it was last given anything: 7.0 does not know of that.
            cursor.array::<8>()?;
        }
        if !self.group.create_consumer(&name, seen_ms) {
            return Cursor::bad(at, "a group has two consumers of one name");
        }
        self.consumer = Key::new(&name);
        self.pending_of_consumer = Counted::default();
        Ok(())
    }

    fn read_pending_of_consumer(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
        let (group, waiting, consumer) = (&mut self.group, &mut self.waiting, &self.consumer);
        self.pending_of_consumer.next(cursor, |cursor| {
            let at = cursor.position();
            let id = load_raw_id(cursor)?;
            let Some((delivered_ms, deliveries)) = waiting.remove(&id) else {
                return Cursor::bad(at, "a consumer has an entry that its group has not");
            };
            group.deliver(id, Pending { consumer: consumer.clone(), delivered_ms, deliveries });
            Ok(())
        })
    }
}
