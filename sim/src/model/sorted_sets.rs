//! Sorted sets.

use std::collections::BTreeMap;

use super::reply::{self, Answer, array, bulk, count, null_array, real, real_text};
use super::{Data, Entry, Outcome, Step, number};

type Scores = BTreeMap<Vec<u8>, f64>;

/// By score, then by member.
fn ranked(scores: &Scores) -> Vec<(&Vec<u8>, f64)> {
    let mut all: Vec<_> = scores.iter().map(|(member, score)| (member, *score)).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(b.0)));
    all
}

fn with_scores<'a>(elements: impl IntoIterator<Item = (&'a Vec<u8>, f64)>) -> Answer {
    array(elements.into_iter().flat_map(|(member, score)| [member.clone(), real_text(score)]))
}

/// Whether a score lies in an interval; `(` before an end leaves that end out.
fn between(least: &[u8], most: &[u8]) -> Option<impl Fn(f64) -> bool + use<>> {
    let end = |text: &[u8]| match text.strip_prefix(b"(") {
        Some(rest) => real(rest).map(|score| (score, true)),
        None => real(text).map(|score| (score, false)),
    };
    let ((low, above), (high, below)) = (end(least)?, end(most)?);
    Some(move |score: f64| {
        (if above { score > low } else { score >= low })
            && if below { score < high } else { score <= high }
    })
}

impl Step<'_> {
    /// The sorted set at a key (empty if there is none), and its deadline.
    fn scores_at(&self, key: &[u8]) -> Result<(Scores, Option<u64>), Answer> {
        match self.live(key) {
            None => Ok((Scores::new(), None)),
            Some(Entry { value: Data::SortedSet(set), expiry_ms }) => Ok((set.clone(), *expiry_ms)),
            Some(_) => Err(reply::wrong_type()),
        }
    }

    pub(super) fn sorted_set(&mut self, name: &[u8], args: &[&[u8]]) -> Outcome {
        Ok(match (name, args) {
            (b"ZCARD", [key]) => count(self.scores_at(key)?.0.len()),
            (b"ZSCORE", [key, member]) => {
                let score = self.scores_at(key)?.0.get(*member).map(|score| real_text(*score));
                bulk(score.as_deref())
            }
            (b"ZRANGE", [_, _, _, options @ ..])
                if !matches!(options, [] | [_])
                    || options.iter().any(|word| !word.eq_ignore_ascii_case(b"withscores")) =>
            {
                Answer::Unknown
            }
            (b"ZRANGE", [key, start, stop, scores @ ..]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let (set, _) = self.scores_at(key)?;
                let all = ranked(&set);
                let chosen = all[reply::span(all.len(), start, stop)].iter().copied();
                match scores {
                    [] => array(chosen.map(|(member, _)| member)),
                    [word] if word.eq_ignore_ascii_case(b"withscores") => with_scores(chosen),
                    _ => Answer::Unknown,
                }
            }
            (b"ZADD", [key, rest @ ..]) => self.add_scores(key, rest)?,
            (b"ZINCRBY", [key, by, member]) => {
                let (mut set, at) = self.scores_at(key)?;
                let Some(by) = real(by) else { return Ok(Answer::Unknown) };
                // A new member gets it as it is: of -0 no 0 is made.
                let sum = set.get(*member).map_or(by, |score| score + by);
                set.insert(member.to_vec(), sum);
                self.put(key, Data::SortedSet(set), at);
                bulk(Some(&real_text(sum)))
            }
            (b"ZREM", [key, members @ ..]) if !members.is_empty() => {
                let (mut set, at) = self.scores_at(key)?;
                let gone = members.iter().filter(|member| set.remove(**member).is_some()).count();
                if gone > 0 {
                    self.put(key, Data::SortedSet(set), at);
                }
                count(gone)
            }
            (b"ZREMRANGEBYRANK", [key, start, stop]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let (set, at) = self.scores_at(key)?;
                let all = ranked(&set);
                let chosen = all[reply::span(all.len(), start, stop)].iter();
                let gone: Vec<&Vec<u8>> = chosen.map(|(member, _)| *member).collect();
                let kept: Scores = set
                    .iter()
                    .filter(|(member, _)| !gone.contains(member))
                    .map(|(member, score)| (member.clone(), *score))
                    .collect();
                let gone = gone.len();
                if gone > 0 {
                    self.put(key, Data::SortedSet(kept), at);
                }
                count(gone)
            }
            (b"ZPOPMIN" | b"ZPOPMAX", [key, many @ ..]) => {
                let many = many.first().map_or(Some(1), |many| number(many));
                let Some(many) = many.and_then(|n| usize::try_from(n).ok()) else {
                    return Ok(Answer::Unknown);
                };
                let taken = self.pop_scores(key, name == b"ZPOPMIN", many)?;
                with_scores(taken.iter().map(|(member, score)| (member, *score)))
            }
            (b"BZPOPMIN" | b"BZPOPMAX", [keys @ .., _]) if !keys.is_empty() => {
                for key in self.waited_for(keys, |value| matches!(value, Data::SortedSet(_))) {
                    let taken = self.pop_scores(key, name == b"BZPOPMIN", 1)?;
                    if let Some((member, score)) = taken.into_iter().next() {
                        return Ok(array([key.to_vec(), member, real_text(score)]));
                    }
                }
                null_array()
            }
            (b"ZRANK", [key, member]) => {
                let (set, _) = self.scores_at(key)?;
                match ranked(&set).iter().position(|(other, _)| other == member) {
                    Some(rank) => count(rank),
                    None => bulk(None),
                }
            }
            (b"ZCOUNT", [key, least, most]) => {
                let (set, _) = self.scores_at(key)?;
                let Some(inside) = between(least, most) else { return Ok(Answer::Unknown) };
                count(set.values().filter(|score| inside(**score)).count())
            }
            (b"ZREMRANGEBYSCORE", [key, least, most]) => {
                let (mut set, at) = self.scores_at(key)?;
                let Some(inside) = between(least, most) else { return Ok(Answer::Unknown) };
                let before = set.len();
                set.retain(|_, score| !inside(*score));
                let gone = before - set.len();
                if gone > 0 {
                    self.put(key, Data::SortedSet(set), at);
                }
                count(gone)
            }
            (b"ZRANGESTORE", [to, from, start, stop]) => {
                let (Some(start), Some(stop)) = (number(start), number(stop)) else {
                    return Ok(Answer::Unknown);
                };
                let (set, _) = self.scores_at(from)?;
                let all = ranked(&set);
                let chosen = &all[reply::span(all.len(), start, stop)];
                let result = chosen.iter().map(|(member, score)| ((*member).clone(), *score));
                self.store_scores(to, result.collect())
            }
            (b"ZDIFFSTORE", [to, many, first, others @ ..])
                if number(many) == i64::try_from(others.len() + 1).ok() =>
            {
                let mut result = self.counted_scores(first)?;
                for other in others {
                    let gone = self.counted_scores(other)?;
                    result.retain(|member, _| !gone.contains_key(member));
                }
                self.store_scores(to, result)
            }
            (b"ZUNIONSTORE" | b"ZINTERSTORE", [to, many, keys @ ..])
                if number(many) == i64::try_from(keys.len()).ok() && !keys.is_empty() =>
            {
                self.combine(name == b"ZINTERSTORE", to, keys)?
            }
            _ => Answer::Unknown,
        })
    }

    /// `ZADD key [NX|XX] [GT|LT] [CH] score member ...`
    fn add_scores(&mut self, key: &[u8], rest: &[&[u8]]) -> Outcome {
        let (mut set, at) = self.scores_at(key)?;
        let is_option = |word: &&&[u8]| real(word).is_none();
        let options = rest.iter().take_while(is_option).count();
        let has = |name: &[u8]| rest[..options].iter().any(|word| word.eq_ignore_ascii_case(name));
        let known = [&b"NX"[..], b"XX", b"GT", b"LT", b"CH"];
        let pairs = &rest[options..];
        if rest[..options].iter().any(|word| !known.iter().any(|k| word.eq_ignore_ascii_case(k)))
            || pairs.is_empty()
            || !pairs.len().is_multiple_of(2)
        {
            return Ok(Answer::Unknown);
        }
        let (mut added, mut changed) = (0, 0);
        for pair in pairs.chunks(2) {
            let Some(score) = real(pair[0]) else { return Ok(Answer::Unknown) };
            let old = set.get(pair[1]).copied();
            let allowed = match old {
                None => !has(b"XX"),
                Some(old) => {
                    let hindered =
                        has(b"NX") || has(b"GT") && score <= old || has(b"LT") && score >= old;
                    !hindered
                }
            };
            if allowed && old != Some(score) {
                set.insert(pair[1].to_vec(), score);
                added += usize::from(old.is_none());
                changed += usize::from(old.is_some());
            }
        }
        if added + changed > 0 {
            self.put(key, Data::SortedSet(set), at);
        }
        Ok(count(if has(b"CH") { added + changed } else { added }))
    }

    fn pop_scores(
        &mut self,
        key: &[u8],
        least: bool,
        many: usize,
    ) -> Result<Vec<(Vec<u8>, f64)>, Answer> {
        let (mut set, at) = self.scores_at(key)?;
        let mut all: Vec<_> = ranked(&set).into_iter().map(|(m, s)| (m.clone(), s)).collect();
        if !least {
            all.reverse();
        }
        all.truncate(many);
        for (member, _) in &all {
            set.remove(member);
        }
        if !all.is_empty() {
            self.put(key, Data::SortedSet(set), at);
        }
        Ok(all)
    }

    fn combine(&mut self, only_common: bool, to: &[u8], keys: &[&[u8]]) -> Outcome {
        let mut result: Option<Scores> = None;
        for key in keys {
            let set = self.counted_scores(key)?;
            let Some(sum) = &mut result else {
                result = Some(set);
                continue;
            };
            if only_common {
                sum.retain(|member, _| set.contains_key(member));
            }
            for (member, score) in set {
                if let Some(sum) = sum.get_mut(&member) {
                    *sum += score;
                } else if !only_common {
                    sum.insert(member, score);
                }
            }
        }
        Ok(self.store_scores(to, result.unwrap_or_default()))
    }

    /// A source: of a plain set each member counts one.
    fn counted_scores(&self, key: &[u8]) -> Result<Scores, Answer> {
        match self.live(key).map(|entry| &entry.value) {
            Some(Data::Set(members)) => Ok(members.iter().map(|m| (m.clone(), 1.0)).collect()),
            _ => Ok(self.scores_at(key)?.0),
        }
    }

    fn store_scores(&mut self, to: &[u8], result: Scores) -> Answer {
        let size = result.len();
        if size > 0 || self.live(to).is_some() {
            self.put(to, Data::SortedSet(result), None);
        }
        count(size)
    }
}
