//! Streams, without consumer groups.

use super::data::Stream;
use super::reply::{self, Answer, bulk, bulks, count, push_bulk};
use super::{Data, Entry, Outcome, Step, number};

type Id = (u64, u64);

fn parse(text: &[u8]) -> Option<Id> {
    let text = std::str::from_utf8(text).ok()?;
    let (ms, seq) = text.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

fn text((ms, seq): Id) -> Vec<u8> {
    format!("{ms}-{seq}").into_bytes()
}

fn trim(stream: &mut Stream, most: usize) -> usize {
    let mut gone = 0;
    while stream.entries.len() > most {
        stream.entries.pop_first();
        gone += 1;
    }
    gone
}

impl Step<'_> {
    fn stream_at(&self, key: &[u8]) -> Result<(Option<Stream>, Option<u64>), Answer> {
        match self.live(key) {
            None => Ok((None, None)),
            Some(Entry { value: Data::Stream(it), expiry_ms }) => {
                Ok((Some(it.clone()), *expiry_ms))
            }
            Some(_) => Err(reply::wrong_type()),
        }
    }

    pub(super) fn stream(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        Ok(match (name, args) {
            (b"XLEN", [key]) => count(self.stream_at(key)?.0.map_or(0, |it| it.entries.len())),
            (b"XRANGE", [key, b"-", b"+"]) => {
                let stream = self.stream_at(key)?.0.unwrap_or_default();
                let mut out = format!("*{}\r\n", stream.entries.len()).into_bytes();
                for (id, fields) in &stream.entries {
                    out.extend_from_slice(b"*2\r\n");
                    push_bulk(&mut out, Some(&text(*id)));
                    out.extend_from_slice(format!("*{}\r\n", fields.len()).as_bytes());
                    fields.iter().for_each(|field| push_bulk(&mut out, Some(field)));
                }
                Answer::Exactly(out)
            }
            (b"XADD", [key, rest @ ..]) => self.add_entry(key, rest)?,
            (b"XDEL", [key, ids @ ..]) if !ids.is_empty() => {
                let (Some(mut stream), at) = self.stream_at(key)? else { return Ok(count(0)) };
                let Some(ids) = ids.iter().map(|id| parse(id)).collect::<Option<Vec<_>>>() else {
                    return Ok(Answer::Anything);
                };
                let gone = ids.iter().filter(|id| stream.entries.remove(*id).is_some()).count();
                if gone > 0 {
                    self.put(key, Data::Stream(stream), at);
                }
                count(gone)
            }
            (b"XTRIM", [key, b"MAXLEN", most]) => {
                let (Some(mut stream), at) = self.stream_at(key)? else { return Ok(count(0)) };
                let Some(most) = number(most).and_then(|n| usize::try_from(n).ok()) else {
                    return Ok(Answer::Anything);
                };
                let gone = trim(&mut stream, most);
                if gone > 0 {
                    self.put(key, Data::Stream(stream), at);
                }
                count(gone)
            }
            _ => Answer::Unknown,
        })
    }

    /// `XADD key [MAXLEN n] * field value ...`: the id is the clock's, or the one after the last.
    fn add_entry(&mut self, key: &[u8], rest: &[&[u8]]) -> Outcome {
        let (most, rest) = match rest {
            [b"MAXLEN", most, rest @ ..] => match number(most) {
                Some(most) => (usize::try_from(most).ok(), rest),
                None => return Ok(Answer::Unknown),
            },
            rest => (None, rest),
        };
        let [b"*", fields @ ..] = rest else { return Ok(Answer::Unknown) };
        let (stream, at) = self.stream_at(key)?;
        let mut stream = stream.unwrap_or_default();
        let wanted = match (self.now_ms, 0) {
            now if now > stream.last => now,
            _ => (stream.last.0, stream.last.1 + 1),
        };
        let given = bulks(self.reply).and_then(|one| parse(one.first()?));
        if given != Some(wanted) {
            return Ok(bulk(Some(&text(wanted))));
        }
        stream.entries.insert(wanted, fields.iter().map(|field| field.to_vec()).collect());
        stream.last = wanted;
        if let Some(most) = most {
            trim(&mut stream, most);
        }
        self.put(key, Data::Stream(stream), at);
        Ok(Answer::Exactly(self.reply.to_vec()))
    }
}
