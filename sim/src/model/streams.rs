//! Streams, without consumer groups.

use super::data::Stream;
use super::reply::{self, Answer, bulk, count, error, push_bulk};
use super::{Data, Entry, Outcome, Step, number};

type Id = (u64, u64);

const NOT_LARGER: &str =
    "ERR The ID specified in XADD is equal or smaller than the target stream top item";

fn parse(text: &[u8]) -> Option<Id> {
    let text = std::str::from_utf8(text).ok()?;
    let (ms, seq) = text.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

/// Whether an entry can get this id; a millisecond alone, or words not known here, are left out.
fn is_new_id(wanted: &[u8]) -> bool {
    let is_number = |text: &[u8]| number(text).is_some_and(|ms| ms >= 0);
    let given = || parse(wanted).is_some_and(|id| id > (0, 0));
    wanted == b"*" || wanted.strip_suffix(b"-*").map_or_else(given, is_number)
}

fn text((ms, seq): Id) -> Vec<u8> {
    format!("{ms}-{seq}").into_bytes()
}

/// To what a stream is trimmed.
#[derive(Clone, Copy)]
enum Limit {
    Length(usize),
    From(Id),
}

impl Limit {
    fn parse(what: &[u8], limit: &[u8]) -> Option<Self> {
        if what == b"MINID" {
            return parse(limit).map(Self::From);
        }
        number(limit).and_then(|n| usize::try_from(n).ok()).map(Self::Length)
    }

    /// How many entries went.
    fn apply(self, stream: &mut Stream) -> usize {
        let before = stream.entries.len();
        match self {
            Self::Length(most) => {
                while stream.entries.len() > most {
                    stream.entries.pop_first();
                }
            }
            Self::From(id) => stream.entries = stream.entries.split_off(&id),
        }
        before - stream.entries.len()
    }
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
                    return Ok(Answer::Unknown);
                };
                let there = |id: &Id| stream.entries.remove(id).is_some();
                let gone: Vec<Id> = ids.into_iter().filter(there).collect();
                stream.deleted = gone.iter().copied().fold(stream.deleted, Id::max);
                if !gone.is_empty() {
                    self.put(key, Data::Stream(stream), at);
                }
                count(gone.len())
            }
            (b"XTRIM", [key, what @ (b"MAXLEN" | b"MINID"), limit]) => {
                let Some(limit) = Limit::parse(what, limit) else {
                    return Ok(Answer::Unknown);
                };
                let (Some(mut stream), at) = self.stream_at(key)? else { return Ok(count(0)) };
                let gone = limit.apply(&mut stream);
                if gone > 0 {
                    self.put(key, Data::Stream(stream), at);
                }
                count(gone)
            }
            _ => Answer::Unknown,
        })
    }

    /// `XADD key [NOMKSTREAM] [MAXLEN n | MINID id] id field value ...`.
    fn add_entry(&mut self, key: &[u8], rest: &[&[u8]]) -> Outcome {
        let (make, rest) = match rest {
            [b"NOMKSTREAM", rest @ ..] => (false, rest),
            rest => (true, rest),
        };
        let (limit, rest) = match rest {
            [what @ (b"MAXLEN" | b"MINID"), limit, rest @ ..] => match Limit::parse(what, limit) {
                Some(limit) => (Some(limit), rest),
                None => return Ok(Answer::Unknown),
            },
            rest => (None, rest),
        };
        let [wanted, fields @ ..] = rest else { return Ok(Answer::Unknown) };
        if fields.is_empty() || !fields.len().is_multiple_of(2) || !is_new_id(wanted) {
            return Ok(Answer::Unknown);
        }
        let (stream, at) = self.stream_at(key)?;
        if stream.is_none() && !make {
            return Ok(bulk(None));
        }
        let mut stream = stream.unwrap_or_default();
        let Some(id) = self.id_of(wanted, stream.last) else { return Ok(Answer::Unknown) };
        if id <= stream.last {
            return Ok(error(NOT_LARGER));
        }
        stream.entries.insert(id, fields.iter().map(|field| field.to_vec()).collect());
        stream.last = id;
        stream.added += 1;
        if let Some(limit) = limit {
            limit.apply(&mut stream);
        }
        self.put(key, Data::Stream(stream), at);
        Ok(bulk(Some(&text(id))))
    }

    /// The id of a new entry: the clock's, or the one after the last; of a given millisecond the
    /// next; or as it is given.
    fn id_of(&self, wanted: &[u8], last: Id) -> Option<Id> {
        if wanted == b"*" {
            let now = (self.now_ms, 0);
            return if now > last { Some(now) } else { Some((last.0, last.1.checked_add(1)?)) };
        }
        let Some(ms) = wanted.strip_suffix(b"-*") else { return parse(wanted) };
        let ms = std::str::from_utf8(ms).ok()?.parse().ok()?;
        Some((ms, if ms == last.0 { last.1.checked_add(1)? } else { 0 }))
    }
}
