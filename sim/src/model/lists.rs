//! Lists, and the commands that wait for them.

use std::collections::VecDeque;

use super::reply::{self, Answer, array, bulk, count, error, null_array};
use super::{Data, Entry, Outcome, Step, integer, number, ok};

type List = VecDeque<Vec<u8>>;

/// Which end of a list: whether it is its head.
fn is_head(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"left")
}

fn push(list: &mut List, head: bool, element: Vec<u8>) {
    if head { list.push_front(element) } else { list.push_back(element) }
}

fn pop(list: &mut List, head: bool) -> Option<Vec<u8>> {
    if head { list.pop_front() } else { list.pop_back() }
}

impl Step<'_> {
    /// The list at a key, and its deadline.
    fn list_at(&self, key: &[u8]) -> Result<Option<(&List, Option<u64>)>, Answer> {
        match self.live(key) {
            None => Ok(None),
            Some(Entry { value: Data::List(list), expiry_ms }) => Ok(Some((list, *expiry_ms))),
            Some(_) => Err(reply::wrong_type()),
        }
    }

    fn copy_of_list(&self, key: &[u8]) -> Result<(List, Option<u64>), Answer> {
        Ok(self.list_at(key)?.map_or((List::new(), None), |(list, at)| (list.clone(), at)))
    }

    pub(super) fn list(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        match (name, args) {
            (b"LLEN", [key]) => Ok(count(self.list_at(key)?.map_or(0, |(list, _)| list.len()))),
            (b"LRANGE", [key, start, stop]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let (list, _) = self.copy_of_list(key)?;
                Ok(array(list.range(reply::span(list.len(), start, stop))))
            }
            (b"LINDEX", [key, index]) => {
                let Some(index) = number(index) else { return Ok(Answer::Unknown) };
                let (list, _) = self.copy_of_list(key)?;
                let element = list.get(reply::span(list.len(), index, index).start);
                let inside = !reply::span(list.len(), index, index).is_empty();
                Ok(bulk(element.filter(|_| inside).map(Vec::as_slice)))
            }
            (b"LPUSH" | b"RPUSH" | b"LPUSHX" | b"RPUSHX", [key, elements @ ..])
                if !elements.is_empty() =>
            {
                let (mut list, at) = self.copy_of_list(key)?;
                if name.ends_with(b"X") && list.is_empty() {
                    return Ok(integer(0));
                }
                for element in elements {
                    push(&mut list, name[0] == b'L', element.to_vec());
                }
                let length = list.len();
                self.put(key, Data::List(list), at);
                Ok(count(length))
            }
            (b"LPOP" | b"RPOP", [key]) => {
                let popped = self.pop_from(key, name[0] == b'L')?;
                Ok(bulk(popped.as_deref()))
            }
            (b"LPOP" | b"RPOP", [key, many]) => {
                let Some(many) = number(many).and_then(|n| usize::try_from(n).ok()) else {
                    return Ok(Answer::Unknown);
                };
                let (mut list, at) = self.copy_of_list(key)?;
                if list.is_empty() {
                    return Ok(null_array());
                }
                let taken: Vec<_> =
                    (0..many).map_while(|_| pop(&mut list, name[0] == b'L')).collect();
                if !taken.is_empty() {
                    self.put(key, Data::List(list), at);
                }
                Ok(array(taken))
            }
            (b"LSET", [key, index, element]) => self.set_element(key, index, element),
            (b"LTRIM", [key, start, stop]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let (list, at) = self.copy_of_list(key)?;
                if !list.is_empty() {
                    let kept = list.range(reply::span(list.len(), start, stop)).cloned().collect();
                    self.put(key, Data::List(kept), at);
                }
                Ok(ok())
            }
            (b"LREM", [key, limit, element]) => self.remove_elements(key, limit, element),
            (b"LINSERT", [key, place, pivot, element]) => {
                let (mut list, at) = self.copy_of_list(key)?;
                if list.is_empty() {
                    return Ok(integer(0));
                }
                let Some(found) = list.iter().position(|other| other == pivot) else {
                    return Ok(integer(-1));
                };
                let after = usize::from(place.eq_ignore_ascii_case(b"after"));
                list.insert(found + after, element.to_vec());
                let length = list.len();
                self.put(key, Data::List(list), at);
                Ok(count(length))
            }
            (b"RPOPLPUSH", [from, to]) => self.shift(from, to, false, true),
            (b"LMOVE", [from, to, a, b]) => self.shift(from, to, is_head(a), is_head(b)),
            // Told when it is served, or its time is over and nothing was there.
            (b"BRPOPLPUSH", [from, to, _]) => self.shift_waiting(from, to, false, true),
            (b"BLMOVE", [from, to, a, b, _]) => {
                self.shift_waiting(from, to, is_head(a), is_head(b))
            }
            (b"BLPOP" | b"BRPOP", [keys @ .., _]) if !keys.is_empty() => {
                for key in self.waited_for(keys, |value| matches!(value, Data::List(_))) {
                    if let Some(element) = self.pop_from(key, name[1] == b'L')? {
                        return Ok(array([key.to_vec(), element]));
                    }
                }
                Ok(null_array())
            }
            (b"LMPOP", [many, rest @ ..]) => self.pop_many(many, rest),
            (b"BLMPOP", [_, many, rest @ ..]) => self.pop_many(many, rest),
            _ => Ok(Answer::Unknown),
        }
    }

    /// `numkeys key ... LEFT|RIGHT [COUNT count]`: from the first of the lists that is there.
    fn pop_many(&mut self, many: &[u8], rest: &[&[u8]]) -> Outcome {
        let Some(many) = number(many).and_then(|n| usize::try_from(n).ok()) else {
            return Ok(Answer::Unknown);
        };
        let Some((keys, [end, options @ ..])) = rest.split_at_checked(many) else {
            return Ok(Answer::Unknown);
        };
        let most = match options {
            [] => Some(1),
            [_, most] => number(most).and_then(|n| usize::try_from(n).ok()),
            _ => None,
        };
        let Some(most) = most else { return Ok(Answer::Unknown) };
        for key in self.waited_for(keys, |value| matches!(value, Data::List(_))) {
            let (mut list, at) = self.copy_of_list(key)?;
            let taken: Vec<_> = (0..most).map_while(|_| pop(&mut list, is_head(end))).collect();
            if !taken.is_empty() {
                self.put(key, Data::List(list), at);
                return Ok(reply::taken_from(key, &array(taken)));
            }
        }
        Ok(null_array())
    }

    fn pop_from(&mut self, key: &[u8], head: bool) -> Result<Option<Vec<u8>>, Answer> {
        let (mut list, at) = self.copy_of_list(key)?;
        let popped = pop(&mut list, head);
        if popped.is_some() {
            self.put(key, Data::List(list), at);
        }
        Ok(popped)
    }

    /// Takes from one list, adds to another or to the same.
    fn shift(&mut self, from: &[u8], to: &[u8], from_head: bool, to_head: bool) -> Outcome {
        let (mut source, source_at) = self.copy_of_list(from)?;
        if source.is_empty() {
            return Ok(bulk(None));
        }
        let (mut target, target_at) = self.copy_of_list(to)?;
        let Some(element) = pop(&mut source, from_head) else {
            return Ok(bulk(None));
        };
        let answer = bulk(Some(&element));
        if from == to {
            push(&mut source, to_head, element);
            self.put(from, Data::List(source), source_at);
        } else {
            push(&mut target, to_head, element);
            self.put(from, Data::List(source), source_at);
            self.put(to, Data::List(target), target_at);
        }
        Ok(answer)
    }

    fn shift_waiting(&mut self, from: &[u8], to: &[u8], a: bool, b: bool) -> Outcome {
        let nothing = !matches!(self.list_at(from), Ok(Some(_)));
        // Nil comes in two forms: at the end of the time as an array.
        if nothing && [&b"*-1\r\n"[..], b"$-1\r\n"].contains(&self.reply) {
            return Ok(Answer::Exactly(self.reply.to_vec()));
        }
        self.shift(from, to, a, b)
    }

    fn set_element(&mut self, key: &[u8], index: &[u8], element: &[u8]) -> Outcome {
        let Some(index) = number(index) else { return Ok(Answer::Unknown) };
        let (mut list, at) = self.copy_of_list(key)?;
        if list.is_empty() {
            return Ok(error("ERR no such key"));
        }
        let place = reply::span(list.len(), index, index);
        let inside = index >= -(list.len() as i64) && !place.is_empty();
        let Some(old) = list.get_mut(place.start).filter(|_| inside) else {
            return Ok(error("ERR index out of range"));
        };
        *old = element.to_vec();
        self.put(key, Data::List(list), at);
        Ok(ok())
    }

    fn remove_elements(&mut self, key: &[u8], limit: &[u8], element: &[u8]) -> Outcome {
        let Some(limit) = number(limit) else { return Ok(Answer::Unknown) };
        let (list, at) = self.copy_of_list(key)?;
        let most = if limit == 0 { usize::MAX } else { limit.unsigned_abs() as usize };
        let mut gone = 0;
        let mut keep = |other: &Vec<u8>| {
            let goes = gone < most && other == element;
            gone += usize::from(goes);
            !goes
        };
        let kept: List = if limit < 0 {
            let mut kept: Vec<_> = list.iter().rev().filter(|it| keep(it)).cloned().collect();
            kept.reverse();
            kept.into()
        } else {
            list.iter().filter(|it| keep(it)).cloned().collect()
        };
        if gone > 0 {
            self.put(key, Data::List(kept), at);
        }
        Ok(count(gone))
    }
}
