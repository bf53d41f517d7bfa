//! Sets.

use std::collections::BTreeSet;

use super::reply::{self, Answer, bulk, bulks, count, in_any_order};
use super::{Data, Entry, Outcome, Step, integer, number};

type Set = BTreeSet<Vec<u8>>;

impl Step<'_> {
    /// The set at a key (empty if there is none), and its deadline.
    fn set_at(&self, key: &[u8]) -> Result<(Set, Option<u64>), Answer> {
        match self.live(key) {
            None => Ok((Set::new(), None)),
            Some(Entry { value: Data::Set(set), expiry_ms }) => Ok((set.clone(), *expiry_ms)),
            Some(_) => Err(reply::wrong_type()),
        }
    }

    pub(super) fn set(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        Ok(match (name, args) {
            (b"SCARD", [key]) => count(self.set_at(key)?.0.len()),
            (b"SISMEMBER", [key, member]) => {
                integer(i64::from(self.set_at(key)?.0.contains(*member)))
            }
            (b"SMEMBERS", [key]) => {
                let members: Vec<_> = self.set_at(key)?.0.into_iter().collect();
                in_any_order(&members, self.reply)
            }
            (b"SADD", [key, members @ ..]) if !members.is_empty() => {
                let (mut set, at) = self.set_at(key)?;
                let added = members.iter().filter(|member| set.insert(member.to_vec())).count();
                if added > 0 {
                    self.put(key, Data::Set(set), at);
                }
                count(added)
            }
            (b"SREM", [key, members @ ..]) if !members.is_empty() => {
                let (mut set, at) = self.set_at(key)?;
                let gone = members.iter().filter(|member| set.remove(**member)).count();
                if gone > 0 {
                    self.put(key, Data::Set(set), at);
                }
                count(gone)
            }
            (b"SPOP", [key]) => {
                let (mut set, at) = self.set_at(key)?;
                if set.is_empty() {
                    return Ok(bulk(None));
                }
                let chosen = bulks(self.reply).and_then(|one| one.first().copied());
                match chosen.filter(|member| set.remove(*member)) {
                    None => bulk(set.first().map(Vec::as_slice)),
                    Some(_) => {
                        self.put(key, Data::Set(set), at);
                        Answer::Exactly(self.reply.to_vec())
                    }
                }
            }
            (b"SPOP", [key, many]) => self.pop_members(key, many)?,
            (b"SMOVE", [from, to, member]) => {
                let (mut source, source_at) = self.set_at(from)?;
                if source.is_empty() {
                    return Ok(integer(0));
                }
                let (mut target, target_at) = self.set_at(to)?;
                let found = source.contains(*member);
                if found && from != to {
                    source.remove(*member);
                    target.insert(member.to_vec());
                    self.put(from, Data::Set(source), source_at);
                    self.put(to, Data::Set(target), target_at);
                }
                integer(i64::from(found))
            }
            (b"SMISMEMBER", [key, members @ ..]) if !members.is_empty() => {
                let (set, _) = self.set_at(key)?;
                let mut out = format!("*{}\r\n", members.len()).into_bytes();
                for member in members {
                    let there = u8::from(set.contains(*member));
                    out.extend_from_slice(format!(":{there}\r\n").as_bytes());
                }
                Answer::Exactly(out)
            }
            (b"SINTER" | b"SUNION" | b"SDIFF", [first, others @ ..]) => {
                let result: Vec<_> = self.combined(name, first, others)?.into_iter().collect();
                in_any_order(&result, self.reply)
            }
            (b"SINTERSTORE" | b"SUNIONSTORE" | b"SDIFFSTORE", [to, first, others @ ..]) => {
                let result = self.combined(name, first, others)?;
                let size = result.len();
                if size > 0 || self.live(to).is_some() {
                    self.put(to, Data::Set(result), None);
                }
                count(size)
            }
            _ => Answer::Unknown,
        })
    }

    fn combined(&self, name: &[u8], first: &[u8], others: &[&[u8]]) -> Result<Set, Answer> {
        let (mut result, _) = self.set_at(first)?;
        for other in others {
            let (other, _) = self.set_at(other)?;
            result = match name[1] {
                b'I' => result.intersection(&other).cloned().collect(),
                b'U' => result.union(&other).cloned().collect(),
                _ => result.difference(&other).cloned().collect(),
            };
        }
        Ok(result)
    }

    /// `SPOP key count`: which members went, the node says.
    fn pop_members(&mut self, key: &[u8], many: &[u8]) -> Outcome {
        let Some(many) = number(many).and_then(|n| usize::try_from(n).ok()) else {
            return Ok(Answer::Unknown);
        };
        let (mut set, at) = self.set_at(key)?;
        let wanted = many.min(set.len());
        let chosen = bulks(self.reply).unwrap_or_default();
        if chosen.len() != wanted || !chosen.iter().all(|member| set.remove(*member)) {
            return Ok(reply::array(set.iter().take(wanted)));
        }
        if wanted > 0 {
            self.put(key, Data::Set(set), at);
        }
        Ok(Answer::Exactly(self.reply.to_vec()))
    }
}
