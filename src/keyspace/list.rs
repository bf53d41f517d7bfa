//! Lists: a persistent vector, so that a clone shares everything and a change copies little.

use std::sync::Arc;

use imbl::Vector;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::digest::RedisDigest;
use super::key::Key;

/// Measured share of an element, bookkeeping of the vector included.
const ELEMENT_BYTES: usize = 28;
/// An odd number, so that it has an inverse modulo 2^64.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;
/// `BASE * BASE_INVERSE == 1` modulo 2^64.
const BASE_INVERSE: u64 = inverse(BASE);

/// Newton's iteration: each round doubles the number of right bits.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

/// A list. A clone costs one reference count.
#[derive(Debug, Clone)]
pub struct ListValue(Arc<Inner>);

#[derive(Debug, Clone, Default)]
struct Inner {
    elements: Vector<Key>,
    /// Bytes outside of the vector: long elements.
    heap: usize,
    /// Sum of the hash of element `i` times `BASE` to the power of `i`.
    sum: u64,
}

fn power(exponent: usize) -> u64 {
    // Exact for any length that fits in memory: the low 32 bits first, then the rest.
    let (low, high) = (exponent as u32, (exponent as u64 >> 32) as u32);
    let shifted = BASE.wrapping_pow(1 << 16).wrapping_pow(1 << 16);
    BASE.wrapping_pow(low).wrapping_mul(shifted.wrapping_pow(high))
}

impl Inner {
    fn push(&mut self, end: End, element: Key) {
        let hash = xxh3_64(&element);
        self.heap += element.heap_bytes();
        match end {
            End::Left => {
                self.sum = self.sum.wrapping_mul(BASE).wrapping_add(hash);
                self.elements.push_front(element);
            }
            End::Right => {
                let share = hash.wrapping_mul(power(self.elements.len()));
                self.sum = self.sum.wrapping_add(share);
                self.elements.push_back(element);
            }
        }
    }

    fn pop(&mut self, end: End) -> Option<Key> {
        let element = match end {
            End::Left => self.elements.pop_front(),
            End::Right => self.elements.pop_back(),
        }?;
        let hash = xxh3_64(&element);
        self.heap -= element.heap_bytes();
        self.sum = match end {
            End::Left => self.sum.wrapping_sub(hash).wrapping_mul(BASE_INVERSE),
            End::Right => self.sum.wrapping_sub(hash.wrapping_mul(power(self.elements.len()))),
        };
        Some(element)
    }

    /// Counts everything anew, after a change in the middle.
    fn recount(&mut self) {
        self.heap = self.elements.iter().map(Key::heap_bytes).sum();
        let shares = self.elements.iter().rev().map(|element| xxh3_64(element));
        self.sum = shares.fold(0, |sum: u64, hash| sum.wrapping_mul(BASE).wrapping_add(hash));
    }
}

impl Default for ListValue {
    fn default() -> Self {
        Self::new()
    }
}

impl ListValue {
    /// Without elements.
    pub fn new() -> Self {
        ListValue(Arc::default())
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.elements.len()
    }

    /// Whether there are none. No such list stays in a keyspace.
    pub fn is_empty(&self) -> bool {
        self.0.elements.is_empty()
    }

    /// Adds an element at one end.
    pub fn push(&mut self, end: End, element: &[u8]) {
        Arc::make_mut(&mut self.0).push(end, Key::new(element));
    }

    /// Takes the element of one end.
    pub fn pop(&mut self, end: End) -> Option<Key> {
        if self.is_empty() {
            return None;
        }
        Arc::make_mut(&mut self.0).pop(end)
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<&Key> {
        self.0.elements.get(index)
    }

    /// All elements, head first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Key> + ExactSizeIterator {
        self.0.elements.iter()
    }

    /// The elements of a range of indices, which has to lie inside of the list.
    pub fn range(&self, range: std::ops::Range<usize>) -> impl DoubleEndedIterator<Item = &Key> {
        self.0.elements.focus().narrow(range).into_iter()
    }

    /// Replaces the element at `index`; false if there is none.
    pub fn set(&mut self, index: usize, element: &[u8]) -> bool {
        if index >= self.len() {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        let new = Key::new(element);
        inner.heap += new.heap_bytes();
        let added = xxh3_64(&new);
        let old = inner.elements.set(index, new);
        inner.heap -= old.heap_bytes();
        let difference = added.wrapping_sub(xxh3_64(&old));
        inner.sum = inner.sum.wrapping_add(difference.wrapping_mul(power(index)));
        true
    }

    /// Puts an element in front of the one at `index` (at the end, if `index` is the length).
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        let inner = Arc::make_mut(&mut self.0);
        inner.elements.insert(index.min(inner.elements.len()), Key::new(element));
        inner.recount();
    }

    /// Removes up to `limit` elements that equal `element`, looking from `end` on; how many.
    pub fn remove(&mut self, end: End, limit: usize, element: &[u8]) -> usize {
        let mut left = limit;
        let mut keep = |found: &Key| {
            let gone = left > 0 && found.as_bytes() == element;
            left -= usize::from(gone);
            !gone
        };
        let mut kept: Vector<Key> = match end {
            End::Left => self.iter().filter(|found| keep(found)).cloned().collect(),
            End::Right => {
                let kept: Vec<Key> = self.iter().rev().filter(|key| keep(key)).cloned().collect();
                kept.into_iter().rev().collect()
            }
        };
        let removed = self.len() - kept.len();
        if removed > 0 {
            let inner = Arc::make_mut(&mut self.0);
            std::mem::swap(&mut inner.elements, &mut kept);
            inner.recount();
        }
        removed
    }

    /// Keeps a range of indices, which has to lie inside of the list.
    pub fn trim(&mut self, range: std::ops::Range<usize>) {
        let inner = Arc::make_mut(&mut self.0);
        for _ in range.end..inner.elements.len() {
            inner.pop(End::Right);
        }
        for _ in 0..range.start {
            inner.pop(End::Left);
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        "quicklist"
    }

    /// Estimated bytes outside of the table entry that holds the value. Constant time.
    pub fn heap_bytes(&self) -> usize {
        super::allocated_bytes(size_of::<Inner>() + 16) + self.0.heap + self.len() * ELEMENT_BYTES
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        let mut head = [0; 16];
        head[..8].copy_from_slice(&(self.len() as u64).to_le_bytes());
        head[8..].copy_from_slice(&self.0.sum.to_le_bytes());
        xxh3_64_with_seed(&head, seed)
    }

    /// Its share of `DEBUG DIGEST` (Redis: debug.c `xorObjectDigest`).
    pub(super) fn redis_digest(&self, digest: &mut RedisDigest) {
        for element in self.iter() {
            digest.mix(element);
        }
    }
}

impl PartialEq for ListValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.elements == other.0.elements
    }
}

impl<K: AsRef<[u8]>> FromIterator<K> for ListValue {
    fn from_iter<I: IntoIterator<Item = K>>(elements: I) -> Self {
        let elements: Vector<Key> = elements.into_iter().map(|it| Key::new(it.as_ref())).collect();
        let mut inner = Inner { elements, ..Inner::default() };
        inner.recount();
        ListValue(Arc::new(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A list and a plain vector do the same.
    fn check(list: &ListValue, model: &[Vec<u8>]) {
        let elements: Vec<&[u8]> = list.iter().map(Key::as_bytes).collect();
        assert_eq!(elements, model);
        let fresh: ListValue = model.iter().collect();
        assert_eq!(list.digest(3), fresh.digest(3));
        assert_eq!(list.heap_bytes(), fresh.heap_bytes());
        assert_eq!(*list, fresh);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn does_what_a_vector_does(
            steps in proptest::collection::vec((0u8..8, 0usize..40, 0usize..6), 1..120),
        ) {
            let mut list = ListValue::new();
            let mut model: Vec<Vec<u8>> = Vec::new();
            for (step, at, element) in steps {
                let element = vec![b'a' + element as u8; element * 9];
                let snapshot = (list.clone(), model.clone());
                match step {
                    0 => { list.push(End::Left, &element); model.insert(0, element); }
                    1 | 2 => { list.push(End::Right, &element); model.push(element); }
                    3 => { list.pop(End::Left); if !model.is_empty() { model.remove(0); } }
                    4 => { list.pop(End::Right); model.pop(); }
                    5 => {
                        let at = at.min(model.len());
                        list.insert(at, &element);
                        model.insert(at, element);
                    }
                    6 => {
                        let there = list.set(at, &element);
                        prop_assert_eq!(there, at < model.len());
                        if there { model[at] = element; }
                    }
                    _ => {
                        let end = model.len() - (at % 3).min(model.len());
                        let start = (at % 4).min(end);
                        list.trim(start..end);
                        model = model[start..end].to_vec();
                    }
                }
                check(&list, &model);
                check(&snapshot.0, &snapshot.1);
            }
            let gone = list.remove(End::Right, 2, b"");
            for _ in 0..gone {
                let at = model.iter().rposition(Vec::is_empty);
                model.remove(at.expect("as many as were removed"));
            }
            check(&list, &model);
        }
    }
}
