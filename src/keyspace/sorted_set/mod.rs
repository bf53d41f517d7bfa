//! A sorted set: members by score, and scores by member.
//!
//! One pointer wide. A clone costs one reference count, and a write after it copies a path of the
//! tree and a path of the table, never all elements. What `OBJECT ENCODING` calls a listpack is a
//! tree of a few leaves without the table: a member is looked for by walking over them.

mod tree;

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::digest::RedisDigest;
use super::key::Key;
use super::table::{Entry, Table};
use tree::Tree;
pub use tree::{Element, Walk};

/// Estimate of an element's share of the tree, beside the bytes of a long member.
const TREE_BYTES: usize = 44;
/// Estimate of its share of the table.
const TABLE_BYTES: usize = 46;

/// When a sorted set stops being a listpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortedSetLimits {
    /// `zset-max-listpack-entries`.
    pub entries: usize,
    /// `zset-max-listpack-value`, bytes.
    pub value_bytes: usize,
}

impl Default for SortedSetLimits {
    fn default() -> Self {
        SortedSetLimits { entries: 128, value_bytes: 64 }
    }
}

/// A sorted set.
#[derive(Clone)]
pub struct SortedSetValue(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    tree: Tree,
    /// Not there while it is a listpack.
    scores: Option<Table<Scored>>,
    seed: u64,
    /// Wrapping sum of [`element_digest`].
    digest: u64,
    /// Of members too long to be inline.
    member_bytes: usize,
}

#[derive(Clone)]
struct Scored {
    member: Key,
    score: f64,
}

impl Entry for Scored {
    #[inline]
    fn key(&self) -> &[u8] {
        &self.member
    }
}

fn element_digest(member: &[u8], score: f64) -> u64 {
    // 0 and -0 are one score.
    xxh3_64_with_seed(member, (score + 0.0).to_bits())
}

impl SortedSetValue {
    /// An empty one; `hash_seed` keys its table.
    pub fn new(hash_seed: u64) -> Self {
        SortedSetValue(Arc::new(Inner {
            tree: Tree::new(),
            scores: None,
            seed: hash_seed,
            digest: 0,
            member_bytes: 0,
        }))
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.0.tree.len()
    }

    /// Whether there are no members; no key holds such a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is what Redis stores as a listpack.
    pub fn is_listpack(&self) -> bool {
        self.0.scores.is_none()
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0.scores {
            Some(scores) => Some(scores.get(scores.hash(member), member)?.score),
            None => {
                let mut all = self.iter_from(0);
                Some(all.find(|element| element.member.as_bytes() == member)?.score)
            }
        }
    }

    /// Sets the score of a member, which is added if missing; the score before. `score` must not
    /// be NaN.
    pub fn set(&mut self, member: &[u8], score: f64, limits: SortedSetLimits) -> Option<f64> {
        let grows = self.0.tree.len() >= limits.entries || member.len() > limits.value_bytes;
        // A listpack stores whole numbers as integers, which have no -0.
        let packed = self.is_listpack() && !(grows && self.score(member).is_none());
        self.build(member, if packed { score + 0.0 } else { score }, limits)
    }

    /// The same while a set is made from nothing: Redis makes it a skiplist, which has a -0, and
    /// packs it in the end, see [`SortedSetValue::built`].
    pub fn build(&mut self, member: &[u8], score: f64, limits: SortedSetLimits) -> Option<f64> {
        assert!(!score.is_nan(), "scores are ordered");
        let before = self.score(member);
        if before == Some(score) {
            return before;
        }
        let inner = Arc::make_mut(&mut self.0);
        let key = match before {
            Some(before) => inner.take(member, before),
            None => Key::new(member),
        };
        inner.digest = inner.digest.wrapping_add(element_digest(member, score));
        inner.member_bytes += key.heap_bytes();
        if let Some(scores) = &mut inner.scores {
            let scored = Scored { member: key.clone(), score };
            scores.insert_new(scores.hash(member), scored);
        }
        inner.tree.insert(Element { score, member: key });
        let large = inner.tree.len() > limits.entries || member.len() > limits.value_bytes;
        if before.is_none() && large {
            inner.index();
        }
        before
    }

    /// Ends what [`SortedSetValue::build`] began.
    #[must_use]
    pub fn built(mut self) -> Self {
        let minus_zero =
            |element: &&Element| element.score == 0.0 && element.score.is_sign_negative();
        if self.is_listpack() && self.iter().any(|element| minus_zero(&element)) {
            let inner = Arc::make_mut(&mut self.0);
            let found: Vec<Element> = inner.tree.walk(0).filter(minus_zero).cloned().collect();
            for element in found {
                let member = inner.take(&element.member, element.score);
                inner.member_bytes += member.heap_bytes();
                inner.digest = inner.digest.wrapping_add(element_digest(&member, 0.0));
                inner.tree.insert(Element { score: 0.0, member });
            }
        }
        self
    }

    /// Takes a member out; its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        Arc::make_mut(&mut self.0).take(member, score);
        Some(score)
    }

    /// Elements from `rank` on, in order.
    pub fn iter_from(&self, rank: usize) -> Walk<'_> {
        self.0.tree.walk(rank)
    }

    /// All elements, in order.
    pub fn iter(&self) -> Walk<'_> {
        self.iter_from(0)
    }

    /// The elements of a range of ranks, last first if `reverse`.
    pub fn range(&self, ranks: Range<usize>, reverse: bool) -> Vec<&Element> {
        let mut found: Vec<&Element> = self.iter_from(ranks.start).take(ranks.len()).collect();
        if reverse {
            found.reverse();
        }
        found
    }

    /// The element at a rank.
    pub fn at(&self, rank: usize) -> Option<&Element> {
        self.0.tree.at(rank)
    }

    /// The rank of a member.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.partition_point(|element| element.order(score, member).is_lt()))
    }

    /// Number of elements at the beginning for which `before` holds; it must hold for no element
    /// after one for which it does not.
    pub fn partition_point(&self, before: impl FnMut(&Element) -> bool) -> usize {
        self.0.tree.partition_point(before)
    }

    /// One step of `ZSCAN`, as [`Table::scan`]; a listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8], f64)) -> u64 {
        match &self.0.scores {
            Some(scores) => {
                scores.scan(cursor, count, &mut |scored| visit(&scored.member, scored.score))
            }
            None => {
                self.iter().for_each(|element| visit(&element.member, element.score));
                0
            }
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        if self.is_listpack() { "listpack" } else { "skiplist" }
    }

    /// Estimated bytes outside of the table entry that holds the value. Constant time.
    pub fn heap_bytes(&self) -> usize {
        let each = TREE_BYTES + if self.is_listpack() { 0 } else { TABLE_BYTES };
        super::allocated_bytes(size_of::<Inner>() + 16) + self.0.member_bytes + self.len() * each
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        xxh3_64_with_seed(&self.0.digest.to_le_bytes(), seed ^ xxh3_64(&self.len().to_le_bytes()))
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`).
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        for element in self.iter() {
            let mut share = RedisDigest::default();
            share.mix(&element.member);
            share.mix(score_text(element.score).as_bytes());
            digest.xor(&share.finish());
        }
    }
}

impl Inner {
    /// Takes an element out that is there.
    fn take(&mut self, member: &[u8], score: f64) -> Key {
        self.tree.remove(score, member);
        let key = match &mut self.scores {
            Some(scores) => scores.remove(scores.hash(member), member).map(|it| it.member),
            None => None,
        };
        let key = key.unwrap_or_else(|| Key::new(member));
        self.digest = self.digest.wrapping_sub(element_digest(member, score));
        self.member_bytes -= key.heap_bytes();
        key
    }

    /// Makes the table; there is no way back.
    fn index(&mut self) {
        if self.scores.is_some() {
            return;
        }
        let mut scores = Table::new(self.seed);
        for element in self.tree.walk(0) {
            let hash = scores.hash(&element.member);
            let scored = Scored { member: element.member.clone(), score: element.score };
            scores.insert_new(hash, scored);
        }
        self.scores = Some(scores);
    }
}

impl PartialEq for SortedSetValue {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl std::fmt::Debug for SortedSetValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scores =
            self.iter().map(|element| (element.member.escape_ascii().to_string(), element.score));
        f.debug_map().entries(scores).finish()
    }
}

/// A score as replies, files and digests show it: C's `%.17g`.
pub fn score_text(score: f64) -> String {
    const DIGITS: i32 = 17;
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{score:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let strip = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        strip(&format!("{score:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", strip(mantissa), exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_are_printed_as_c_prints_them() {
        for (score, text) in [
            (0.1, "0.10000000000000001"),
            (3.0, "3"),
            (-0.0, "-0"),
            (1e20, "1e+20"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e-7, "1.4999999999999999e-07"),
            (0.0001, "0.0001"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(score_text(score), text);
        }
    }

    #[test]
    fn a_listpack_has_no_minus_zero_and_a_skiplist_has() {
        let limits = SortedSetLimits { entries: 2, value_bytes: 64 };
        let long = [b'x'; 65];
        let sign =
            |set: &SortedSetValue, member: &[u8]| set.score(member).map(f64::is_sign_negative);
        let mut set = SortedSetValue::new(7);
        set.set(b"a", -0.0, limits);
        assert_eq!(sign(&set, b"a"), Some(false));
        // The one that makes it large is in a skiplist already.
        set.set(&long, -0.0, limits);
        assert_eq!((sign(&set, &long), sign(&set, b"a")), (Some(true), Some(false)));

        let build = |members: &[&[u8]]| {
            let mut set = SortedSetValue::new(7);
            members.iter().for_each(|member| {
                set.build(member, -0.0, limits);
            });
            set.built()
        };
        assert_eq!(sign(&build(&[b"a", b"b"]), b"a"), Some(false));
        assert_eq!(build(&[b"a", b"b"]).0.digest, build(&[b"b", b"a"]).0.digest);
        assert_eq!(sign(&build(&[b"a", b"b", b"c"]), b"a"), Some(true));
        assert_eq!(sign(&build(&[b"a", &long]), b"a"), Some(true));
    }

    proptest! {
        /// Against a map: content, ranks, digest whatever the history, and clones that stay.
        #[test]
        fn does_what_a_map_does(
            ops in proptest::collection::vec((0_u16..300, -20_i8..20, 0_u8..4), 1..900),
            entries in prop_oneof![Just(0_usize), Just(8), Just(128), Just(1000)],
        ) {
            let limits = SortedSetLimits { entries, value_bytes: 64 };
            let mut set = SortedSetValue::new(7);
            let mut model: BTreeMap<Vec<u8>, i8> = BTreeMap::new();
            let mut frozen = (set.clone(), model.clone());
            for (step, (member, score, kind)) in ops.into_iter().enumerate() {
                let member = format!("m{member}").into_bytes();
                if kind == 0 {
                    let gone = set.remove(&member);
                    prop_assert_eq!(gone, model.remove(&member).map(f64::from));
                } else {
                    let before = set.set(&member, f64::from(score), limits);
                    prop_assert_eq!(before, model.insert(member, score).map(f64::from));
                }
                if step % 100 == 50 {
                    frozen = (set.clone(), model.clone());
                }
            }
            for (set, model) in [(&set, &model), (&frozen.0, &frozen.1)] {
                let mut wanted: Vec<(i8, &[u8])> =
                    model.iter().map(|(member, score)| (*score, member.as_slice())).collect();
                wanted.sort_unstable();
                let got: Vec<(i8, &[u8])> =
                    set.iter().map(|it| (it.score as i8, it.member.as_bytes())).collect();
                prop_assert_eq!(&got, &wanted);
                let mut again = SortedSetValue::new(9);
                for (rank, (score, member)) in wanted.iter().enumerate() {
                    prop_assert_eq!(set.rank(member), Some(rank));
                    prop_assert_eq!(set.at(rank).map(|it| it.member.as_bytes()), Some(*member));
                    again.set(member, f64::from(*score), limits);
                }
                prop_assert_eq!(again.digest(3), set.digest(3));
                prop_assert_eq!(&again, set);
            }
        }
    }
}
