//! Hashes.

use std::collections::BTreeMap;

use super::reply::{
    self, Answer, bulk, count, error, in_any_order, is_exact, push_bulk, real, real_text,
};
use super::{Data, Entry, Outcome, Step, integer, number};

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

impl Step<'_> {
    /// The hash at a key (empty if there is none), and its deadline.
    fn hash_at(&self, key: &[u8]) -> Result<(Hash, Option<u64>), Answer> {
        match self.live(key) {
            None => Ok((Hash::new(), None)),
            Some(Entry { value: Data::Hash(hash), expiry_ms }) => Ok((hash.clone(), *expiry_ms)),
            Some(_) => Err(reply::wrong_type()),
        }
    }

    pub(super) fn hash(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        Ok(match (name, args) {
            (b"HLEN", [key]) => count(self.hash_at(key)?.0.len()),
            (b"HGET", [key, field]) => bulk(self.hash_at(key)?.0.get(*field).map(Vec::as_slice)),
            (b"HEXISTS", [key, field]) => {
                integer(i64::from(self.hash_at(key)?.0.contains_key(*field)))
            }
            (b"HSTRLEN", [key, field]) => {
                count(self.hash_at(key)?.0.get(*field).map_or(0, Vec::len))
            }
            (b"HKEYS", [key]) => {
                let fields: Vec<_> = self.hash_at(key)?.0.into_keys().collect();
                in_any_order(&fields, self.reply)
            }
            (b"HVALS", [key]) => {
                let values: Vec<_> = self.hash_at(key)?.0.into_values().collect();
                in_any_order(&values, self.reply)
            }
            (b"HMGET", [key, fields @ ..]) if !fields.is_empty() => {
                let (hash, _) = self.hash_at(key)?;
                let mut out = format!("*{}\r\n", fields.len()).into_bytes();
                for field in fields {
                    push_bulk(&mut out, hash.get(*field).map(Vec::as_slice));
                }
                Answer::Exactly(out)
            }
            (b"HGETALL", [key]) => {
                let (hash, _) = self.hash_at(key)?;
                let given = reply::bulks(self.reply).unwrap_or_default();
                let pairs: Hash = given
                    .chunks_exact(2)
                    .map(|pair| (pair[0].to_vec(), pair[1].to_vec()))
                    .collect();
                match pairs == hash && given.len() == hash.len() * 2 {
                    true => Answer::Exactly(self.reply.to_vec()),
                    false => reply::array(hash.iter().flat_map(|(field, value)| [field, value])),
                }
            }
            (b"HSET", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
                let (mut hash, at) = self.hash_at(key)?;
                let before = hash.len();
                for pair in pairs.chunks(2) {
                    hash.insert(pair[0].to_vec(), pair[1].to_vec());
                }
                let added = hash.len() - before;
                self.put(key, Data::Hash(hash), at);
                count(added)
            }
            (b"HSETNX", [key, field, value]) => {
                let (mut hash, at) = self.hash_at(key)?;
                let free = !hash.contains_key(*field);
                if free {
                    hash.insert(field.to_vec(), value.to_vec());
                    self.put(key, Data::Hash(hash), at);
                }
                integer(i64::from(free))
            }
            (b"HDEL", [key, fields @ ..]) if !fields.is_empty() => {
                let (mut hash, at) = self.hash_at(key)?;
                let gone = fields.iter().filter(|field| hash.remove(**field).is_some()).count();
                if gone > 0 {
                    self.put(key, Data::Hash(hash), at);
                }
                count(gone)
            }
            (b"HINCRBY", [key, field, by]) => {
                let (mut hash, at) = self.hash_at(key)?;
                let Some(by) = number(by) else { return Ok(Answer::Unknown) };
                let start = hash.get(*field).map_or(Some(0), |value| number(value));
                let Some(start) = start else {
                    return Ok(error("ERR hash value is not an integer"));
                };
                let Some(sum) = start.checked_add(by) else { return Ok(Answer::Unknown) };
                hash.insert(field.to_vec(), sum.to_string().into_bytes());
                self.put(key, Data::Hash(hash), at);
                integer(sum)
            }
            (b"HINCRBYFLOAT", [key, field, by]) => {
                let (mut hash, at) = self.hash_at(key)?;
                let Some(by) = real(by) else { return Ok(Answer::Unknown) };
                let start = hash.get(*field).map_or(Some(0.0), |value| real(value));
                let Some(start) = start else {
                    return Ok(error("ERR hash value is not a float"));
                };
                if !is_exact(start, by) {
                    return Ok(Answer::Unknown);
                }
                let sum = real_text(start + by);
                hash.insert(field.to_vec(), sum.clone());
                self.put(key, Data::Hash(hash), at);
                bulk(Some(&sum))
            }
            _ => Answer::Unknown,
        })
    }
}
