//! Strings and counters.

use super::reply::{Answer, bulk, count, error, is_exact, push_bulk, real, real_text};
use super::{Data, Entry, Expiry, Outcome, Step, integer, number, ok, reply};

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// A string that grows beyond this is not followed: Redis refuses it at `proto-max-bulk-len`.
const MOST_BYTES: usize = 1 << 29;

/// A string and its deadline.
type Text<'a> = (&'a Vec<u8>, Option<u64>);

/// Byte and mask of a bit, the highest of a byte first; `None` for one that is too far off.
fn place_of_bit(at: &[u8]) -> Option<(usize, u8)> {
    let at = number(at).and_then(|at| usize::try_from(at).ok()).filter(|at| *at < 1 << 20)?;
    Some((at / 8, 0x80 >> (at % 8)))
}

/// A number that C reads, and that this model does not reckon with.
fn is_no_finite(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default().to_ascii_lowercase();
    text.parse().is_ok_and(|number: f64| !number.is_finite()) || text.contains("0x")
}

impl Step<'_> {
    fn text(&self, key: &[u8]) -> Result<Option<Text<'_>>, Answer> {
        match self.live(key) {
            None => Ok(None),
            Some(Entry { value: Data::String(text), expiry_ms }) => Ok(Some((text, *expiry_ms))),
            Some(_) => Err(reply::wrong_type()),
        }
    }

    fn text_reply(&self, key: &[u8]) -> Outcome {
        Ok(bulk(self.text(key)?.map(|(text, _)| text.as_slice())))
    }

    fn put_text(&mut self, key: &[u8], text: Vec<u8>, expiry_ms: Option<u64>) {
        self.put(key, Data::String(text), expiry_ms);
    }

    pub(super) fn string(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        match (name, args) {
            (b"GET", [key]) => self.text_reply(key),
            (b"STRLEN", [key]) => Ok(count(self.text(key)?.map_or(0, |(text, _)| text.len()))),
            (b"GETRANGE", [key, start, stop]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let text = self.text(key)?.map_or(&[][..], |(text, _)| text.as_slice());
                Ok(bulk(Some(&text[reply::span(text.len(), start, stop)])))
            }
            (b"MGET", keys @ [_, ..]) => {
                let mut out = format!("*{}\r\n", keys.len()).into_bytes();
                for key in keys {
                    push_bulk(&mut out, self.text(key).ok().flatten().map(|(t, _)| t.as_slice()));
                }
                Ok(Answer::Exactly(out))
            }
            (b"SET", [key, value, options @ ..]) => self.set_text(key, value, options),
            (b"SETEX" | b"PSETEX", [key, ttl, value]) => {
                let unit: &[u8] = if name[0] == b'P' { b"PX" } else { b"EX" };
                self.set_text(key, value, &[unit, ttl])
            }
            (b"SETNX", [key, value]) => {
                let free = self.live(key).is_none();
                if free {
                    self.put_text(key, value.to_vec(), None);
                }
                Ok(integer(i64::from(free)))
            }
            (b"MSET", pairs @ [_, _, ..]) if pairs.len() % 2 == 0 => {
                self.put_all(pairs);
                Ok(ok())
            }
            (b"MSETNX", pairs @ [_, _, ..]) if pairs.len() % 2 == 0 => {
                let free = pairs.chunks(2).all(|pair| self.live(pair[0]).is_none());
                if free {
                    self.put_all(pairs);
                }
                Ok(integer(i64::from(free)))
            }
            (b"APPEND", [key, tail]) => {
                let (mut text, expiry_ms) = self.copy_of_text(key)?;
                text.extend_from_slice(tail);
                let length = text.len();
                self.put_text(key, text, expiry_ms);
                Ok(count(length))
            }
            (b"SETBIT", [key, at, bit @ (b"0" | b"1")]) => self.set_bit(key, at, *bit == b"1"),
            (b"GETBIT", [key, at]) => {
                let Some((byte, mask)) = place_of_bit(at) else { return Ok(Answer::Unknown) };
                let text = self.text(key)?.map_or(&[][..], |(text, _)| text.as_slice());
                Ok(integer(i64::from(text.get(byte).is_some_and(|byte| byte & mask != 0))))
            }
            (b"BITCOUNT", [key]) => {
                let text = self.text(key)?.map_or(&[][..], |(text, _)| text.as_slice());
                Ok(integer(text.iter().map(|byte| i64::from(byte.count_ones())).sum()))
            }
            (b"SETRANGE", [key, at, piece]) => self.set_range(key, at, piece),
            (b"INCR", [key]) => self.add(key, 1),
            (b"DECR", [key]) => self.add(key, -1),
            (b"INCRBY", [key, by]) => match number(by) {
                Some(by) => self.add(key, by),
                None => Ok(error(NOT_AN_INTEGER)),
            },
            (b"INCRBYFLOAT", [key, by]) => {
                let (text, expiry_ms) = self.copy_of_text(key)?;
                if is_no_finite(by) || is_no_finite(&text) {
                    return Ok(Answer::Unknown);
                }
                // An empty string is no number, as no key is 0.
                let start = if self.live(key).is_none() { Some(0.0) } else { real(&text) };
                let (Some(start), Some(by)) = (start, real(by)) else {
                    return Ok(error("ERR value is not a valid float"));
                };
                if !is_exact(start, by) {
                    return Ok(Answer::Unknown);
                }
                let sum = real_text(start + by);
                self.put_text(key, sum.clone(), expiry_ms);
                Ok(bulk(Some(&sum)))
            }
            (b"GETDEL", [key]) => {
                let answer = self.text_reply(key)?;
                if self.live(key).is_some() {
                    self.remove(key);
                }
                Ok(answer)
            }
            (b"GETEX", [key, options @ ..]) => self.get_and_expire(key, options),
            (b"GETSET", [key, value]) => {
                let answer = self.text_reply(key)?;
                self.put_text(key, value.to_vec(), None);
                Ok(answer)
            }
            (b"DEBUG", [what, count, options @ ..]) if what.eq_ignore_ascii_case(b"populate") => {
                let is_count = |word: &[u8]| number(word).is_some_and(|it| it >= 0);
                if !is_count(count) || !options.get(1).is_none_or(|size| is_count(size)) {
                    return Ok(Answer::Unknown);
                }
                self.populate(number(count).unwrap_or(0), options);
                Ok(ok())
            }
            _ => Ok(Answer::Unknown),
        }
    }

    fn copy_of_text(&self, key: &[u8]) -> Result<(Vec<u8>, Option<u64>), Answer> {
        Ok(self.text(key)?.map_or((Vec::new(), None), |(text, at)| (text.clone(), at)))
    }

    fn put_all(&mut self, pairs: &[&[u8]]) {
        for pair in pairs.chunks(2) {
            self.put_text(pair[0], pair[1].to_vec(), None);
        }
    }

    fn set_bit(&mut self, key: &[u8], at: &[u8], on: bool) -> Outcome {
        let Some((byte, mask)) = place_of_bit(at) else { return Ok(Answer::Unknown) };
        let (mut text, expiry_ms) = self.copy_of_text(key)?;
        text.resize(text.len().max(byte + 1), 0);
        let before = text[byte] & mask != 0;
        text[byte] = if on { text[byte] | mask } else { text[byte] & !mask };
        self.put_text(key, text, expiry_ms);
        Ok(integer(i64::from(before)))
    }

    fn set_range(&mut self, key: &[u8], at: &[u8], piece: &[u8]) -> Outcome {
        let within = |at: &usize| *at < MOST_BYTES - piece.len().min(MOST_BYTES);
        let Some(at) = number(at).and_then(|at| usize::try_from(at).ok()).filter(within) else {
            return Ok(Answer::Unknown);
        };
        let (mut text, expiry_ms) = self.copy_of_text(key)?;
        if piece.is_empty() {
            return Ok(count(text.len()));
        }
        text.resize(text.len().max(at + piece.len()), 0);
        text[at..at + piece.len()].copy_from_slice(piece);
        let length = text.len();
        self.put_text(key, text, expiry_ms);
        Ok(count(length))
    }

    /// `DEBUG POPULATE count [prefix [size]]`: keys that are there already stay as they are.
    fn populate(&mut self, count: i64, options: &[&[u8]]) {
        let prefix = options.first().copied().unwrap_or(b"key");
        let size = options.get(1).and_then(|size| number(size)).unwrap_or(0) as usize;
        for index in 0..count {
            let key = [prefix, format!(":{index}").as_bytes()].concat();
            if self.model.get(self.db, &key).is_none() {
                let mut value = format!("value:{index}").into_bytes();
                if size > 0 {
                    value.resize(size, 0);
                }
                self.put_text(&key, value, None);
            }
        }
    }

    fn set_text(&mut self, key: &[u8], value: &[u8], options: &[&[u8]]) -> Outcome {
        let old = self.live(key);
        let (mut expiry_ms, mut get, mut allowed) = (None, false, true);
        let mut rest = options.iter();
        while let Some(option) = rest.next() {
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => allowed = old.is_none(),
                b"XX" => allowed = old.is_some(),
                b"GET" => get = true,
                b"KEEPTTL" => expiry_ms = old.and_then(|e| e.expiry_ms),
                unit => {
                    let Some(when) = rest.next().and_then(|n| number(n)) else {
                        return Ok(Answer::Unknown);
                    };
                    let Some(at) = self.deadline(unit, when) else {
                        return Ok(Answer::Unknown);
                    };
                    expiry_ms = Some(at);
                }
            }
        }
        let answer = if get { Some(self.text_reply(key)?) } else { None };
        if allowed {
            self.put_text(key, value.to_vec(), expiry_ms);
        }
        Ok(match (answer, allowed) {
            (Some(answer), _) => answer,
            (None, true) => ok(),
            (None, false) => bulk(None),
        })
    }

    fn get_and_expire(&mut self, key: &[u8], options: &[&[u8]]) -> Outcome {
        let answer = self.text_reply(key)?;
        let Some((text, old)) = self.text(key)?.map(|(text, at)| (text.clone(), at)) else {
            return Ok(answer);
        };
        let option = options.first().map(|option| option.to_ascii_uppercase());
        match (option.as_deref(), options.get(1).and_then(|when| number(when))) {
            (None, _) => {}
            (Some(b"PERSIST"), _) if old.is_none() => {}
            (Some(b"PERSIST"), _) => self.put_text(key, text, None),
            (Some(unit), Some(when)) => match self.deadline(unit, when) {
                None => return Ok(Answer::Unknown),
                Some(at) if unit.ends_with(b"AT") && at <= self.now_ms => match self.expiry {
                    Expiry::Delete => self.remove(key),
                    Expiry::Hide => self.put_text(key, text, Some(at)),
                },
                Some(at) => self.put_text(key, text, Some(at)),
            },
            _ => return Ok(Answer::Unknown),
        }
        Ok(answer)
    }

    /// A deadline from an option of `SET`; `None` if `SET` would refuse it.
    fn deadline(&self, unit: &[u8], when: i64) -> Option<u64> {
        let when = u64::try_from(when).ok().filter(|when| *when > 0)?;
        match unit {
            b"EX" => self.now_ms.checked_add(when.checked_mul(1000)?),
            b"PX" => self.now_ms.checked_add(when),
            b"EXAT" => when.checked_mul(1000),
            b"PXAT" => Some(when),
            _ => None,
        }
    }

    fn add(&mut self, key: &[u8], by: i64) -> Outcome {
        let (text, expiry_ms) = self.copy_of_text(key)?;
        let found = self.live(key).is_some();
        let Some(start) = (if found { number(&text) } else { Some(0) }) else {
            return Ok(error(NOT_AN_INTEGER));
        };
        Ok(match start.checked_add(by) {
            Some(sum) => {
                self.put_text(key, sum.to_string().into_bytes(), expiry_ms);
                integer(sum)
            }
            None => error("ERR increment or decrement would overflow"),
        })
    }
}
