//! A hash table that is shared between versions: cloning one costs one reference count.
//!
//! A trie over the top bits of the key's hash, with buckets of at most `LEAF_MAX` entries as its
//! leaves. A writer makes its path its own first (`Arc::make_mut`): while a clone
//! is alive, the first write to a leaf copies that leaf and the branches above it, and later
//! writes to it cost nothing more. There is no rehash of the whole: a full leaf splits in two, and
//! two small neighbours become one.
//!
//! A branch resolves `BRANCH_BITS` bits of the hash, but is no wider than it must be: it owns
//! each child once, and `slots` says which child a slot leads to, so that one leaf covers 1, 2, 4
//! ... 64 neighbouring slots (extendible hashing inside a branch).
//!
//! All walks are in the order of the hash, ties broken by key: what they visit, and in which
//! order, depends on seed and content alone, not on history or on the platform.
//!
//! Never here: a type of value, a clock, expiry, a database number.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::bucket::Bucket;

/// Bits of the hash that one level of branches resolves.
const BRANCH_BITS: u32 = 6;
const SLOTS: usize = 1 << BRANCH_BITS;
/// Levels of branches. A leaf below the last one holds keys whose hashes agree in 48 bits, and
/// grows instead of splitting.
const LEVELS: u32 = 8;
/// Low bits of a hash that tell no leaf from another; cursors leave them out.
const CURSOR_SHIFT: u32 = 64 - LEVELS * BRANCH_BITS;

/// The hash of a key under a seed.
#[inline]
pub fn hash_key(key: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(key, seed)
}

/// What a [`Table`] holds.
pub trait Entry: Clone {
    /// What the entry is found by; it never changes while in a table.
    fn key(&self) -> &[u8];

    /// The hash of the key.
    #[inline]
    fn hash(&self, seed: u64) -> u64 {
        hash_key(self.key(), seed)
    }
}

/// Entries by key. See the module for its shape; `LEAF_MAX` was chosen by `tests/bench/snapshot.rs`.
pub struct Table<E, const LEAF_MAX: usize = 56> {
    root: Child<E>,
    seed: u64,
}

enum Child<E> {
    /// `depth`: how many bits of the branch above the leaf is the only owner of.
    Leaf {
        depth: u32,
        leaf: Arc<Bucket<E>>,
    },
    Branch(Arc<Branch<E>>),
}

#[derive(Clone)]
struct Branch<E> {
    /// Entries below.
    len: usize,
    /// Index into `children`, by the bits of the hash at this level.
    slots: [u8; SLOTS],
    children: Vec<Child<E>>,
}

// Not derived: these clone a reference count, whatever `E` is.
impl<E> Clone for Child<E> {
    fn clone(&self) -> Self {
        match self {
            Child::Leaf { depth, leaf } => Child::Leaf { depth: *depth, leaf: Arc::clone(leaf) },
            Child::Branch(branch) => Child::Branch(Arc::clone(branch)),
        }
    }
}

impl<E, const LEAF_MAX: usize> Clone for Table<E, LEAF_MAX> {
    fn clone(&self) -> Self {
        Table { root: self.root.clone(), seed: self.seed }
    }
}

impl<E> Child<E> {
    fn empty() -> Self {
        Child::Leaf { depth: 0, leaf: Arc::new(Bucket::new()) }
    }

    fn len(&self) -> usize {
        match self {
            Child::Leaf { leaf, .. } => leaf.len(),
            Child::Branch(branch) => branch.len,
        }
    }
}

/// The bits of `hash` that choose the slot at `level`.
#[inline]
fn slot_of(hash: u64, level: u32) -> usize {
    (hash >> (64 - BRANCH_BITS * (level + 1))) as usize & (SLOTS - 1)
}

impl<E: Entry, const LEAF_MAX: usize> Table<E, LEAF_MAX> {
    /// An empty table.
    pub fn new(seed: u64) -> Self {
        const { assert!(LEAF_MAX >= 2 && LEAF_MAX <= super::bucket::TAGS) };
        Table { root: Child::empty(), seed }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash of `key` in this table, to be given to the other methods.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash_key(key, self.seed)
    }

    /// The entry of `key`.
    #[inline]
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<&E> {
        let mut child = &self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { leaf, .. } => {
                    return leaf.find(hash, key);
                }
                Child::Branch(branch) => {
                    child = &branch.children[usize::from(branch.slots[slot_of(hash, level)])];
                    level += 1;
                }
            }
        }
    }

    /// The entry of `key`, to be changed (but for its key); clones of the table keep the old one.
    pub fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<&mut E> {
        // A miss must not copy what a clone shares.
        self.get(hash, key)?;
        let mut child = &mut self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { leaf, .. } => {
                    return Arc::make_mut(leaf).find_mut(hash, key);
                }
                Child::Branch(branch) => {
                    let branch = Arc::make_mut(branch);
                    child = &mut branch.children[usize::from(branch.slots[slot_of(hash, level)])];
                    level += 1;
                }
            }
        }
    }

    /// Bytes that a change of the entry with this hash has to copy, because a clone shares them.
    pub fn shared_bytes(&self, hash: u64) -> usize {
        let (mut child, mut level) = (&self.root, 0);
        let (mut shared, mut bytes) = (false, 0);
        loop {
            match child {
                Child::Leaf { leaf, .. } => {
                    shared |= Arc::strong_count(leaf) > 1;
                    return if shared { bytes + leaf.len() * size_of::<E>() } else { 0 };
                }
                Child::Branch(branch) => {
                    shared |= Arc::strong_count(branch) > 1;
                    if shared {
                        bytes +=
                            size_of::<Branch<E>>() + branch.children.len() * size_of::<Child<E>>();
                    }
                    child = &branch.children[usize::from(branch.slots[slot_of(hash, level)])];
                    level += 1;
                }
            }
        }
    }

    /// Adds an entry whose key is not in the table: the caller has looked.
    pub fn insert_new(&mut self, hash: u64, entry: E) {
        debug_assert!(self.get(hash, entry.key()).is_none(), "key is there");
        if let Child::Leaf { leaf, .. } = &mut self.root {
            if leaf.len() < LEAF_MAX {
                return Arc::make_mut(leaf).push(hash, entry);
            }
            let root = std::mem::replace(&mut self.root, Child::empty());
            self.root = Child::Branch(Arc::new(Branch::over(root)));
        }
        if let Child::Branch(branch) = &mut self.root {
            Arc::make_mut(branch).insert::<LEAF_MAX>(0, hash, entry, self.seed);
        }
    }

    /// Takes the entry of `key` out.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<E> {
        self.get(hash, key)?;
        let removed = match &mut self.root {
            Child::Leaf { leaf, .. } => Arc::make_mut(leaf).remove(hash, key, self.seed),
            Child::Branch(branch) => {
                Arc::make_mut(branch).remove::<LEAF_MAX>(0, hash, key, self.seed)
            }
        };
        self.root.collapse(0);
        removed
    }

    /// The entry at `rank` (`0..len()`) of some order: with uniform ranks, each is as likely.
    pub fn at_rank(&self, rank: usize) -> Option<&E> {
        let mut rank = rank;
        let mut child = &self.root;
        loop {
            match child {
                Child::Leaf { leaf, .. } => {
                    return sorted(leaf, self.seed, 0).get(rank).map(|(_, entry)| *entry);
                }
                Child::Branch(branch) => {
                    child = branch.children.iter().find(|child| {
                        let here = rank < child.len();
                        if !here {
                            rank -= child.len();
                        }
                        here
                    })?;
                }
            }
        }
    }

    /// Visits entries in hash order from `cursor` on, `count` of them (at least one; more if
    /// their hashes agree in 48 bits). Returns the next cursor, below 2^48, or 0 at the end.
    ///
    /// A cursor says that every key with a smaller hash was visited. That holds whatever becomes
    /// of the leaves, so keys that stay in the table from cursor 0 to 0 are visited exactly once.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&E)) -> u64 {
        if cursor >> (64 - CURSOR_SHIFT) != 0 {
            return 0; // Not one of ours: past the last hash.
        }
        let mut left = count.max(1);
        let mut from = cursor << CURSOR_SHIFT;
        loop {
            let (leaf, end) = self.leaf_from(from);
            let mut last = None;
            for (hash, entry) in sorted(leaf, self.seed, from) {
                let prefix = hash >> CURSOR_SHIFT;
                if left == 0 && last != Some(prefix) {
                    return prefix;
                }
                visit(entry);
                left = left.saturating_sub(1);
                last = Some(prefix);
            }
            match end {
                None => return 0,
                Some(end) if left == 0 => return end >> CURSOR_SHIFT,
                Some(end) => from = end,
            }
        }
    }

    /// All entries in hash order.
    pub fn iter(&self) -> Iter<'_, E, LEAF_MAX> {
        Iter { table: self, from: Some(0), leaf: Vec::new().into_iter() }
    }

    /// The leaves in hash order, each given up as soon as the next one is asked for.
    pub fn into_leaves(self) -> IntoLeaves<E> {
        IntoLeaves { seed: self.seed, rest: vec![self.root] }
    }

    /// The leaf that `hash` belongs to, and the first hash after it (`None`: it is the last).
    fn leaf_from(&self, hash: u64) -> (&Bucket<E>, Option<u64>) {
        let mut child = &self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { depth, leaf } => {
                    // The branch right above has resolved only `depth` of its bits.
                    let resolved_bits = u32::saturating_sub(level, 1) * BRANCH_BITS + depth;
                    if resolved_bits == 0 {
                        return (leaf, None);
                    }
                    let width = 1 << (64 - resolved_bits);
                    return (leaf, (hash & !(width - 1)).checked_add(width));
                }
                Child::Branch(branch) => {
                    child = &branch.children[usize::from(branch.slots[slot_of(hash, level)])];
                    level += 1;
                }
            }
        }
    }
}

/// The entries of a leaf whose hash is `from` or more, in order.
fn sorted<E: Entry>(leaf: &Bucket<E>, seed: u64, from: u64) -> Vec<(u64, &E)> {
    let mut entries = Vec::with_capacity(leaf.len());
    entries.extend(
        leaf.iter().map(|entry| (entry.hash(seed), entry)).filter(|(hash, _)| *hash >= from),
    );
    entries.sort_unstable_by(|(a_hash, a), (b_hash, b)| {
        a_hash.cmp(b_hash).then_with(|| a.key().cmp(b.key()))
    });
    entries
}

impl<E> Child<E> {
    /// A branch with a single leaf becomes this leaf, `depth` deep in what is above.
    fn collapse(&mut self, depth: u32) {
        if let Child::Branch(branch) = self
            && let [Child::Leaf { leaf, .. }] = branch.children.as_slice()
        {
            *self = Child::Leaf { depth, leaf: Arc::clone(leaf) };
        }
    }
}

impl<E: Entry> Branch<E> {
    /// A branch with a single leaf, which covers all of it.
    fn over(leaf: Child<E>) -> Self {
        let Child::Leaf { leaf, .. } = leaf else {
            unreachable!("only a full leaf gets a branch above it");
        };
        Branch {
            len: leaf.len(),
            slots: [0; SLOTS],
            children: vec![Child::Leaf { depth: 0, leaf }],
        }
    }

    fn insert<const LEAF_MAX: usize>(&mut self, level: u32, hash: u64, entry: E, seed: u64) {
        let slot = slot_of(hash, level);
        self.len += 1;
        loop {
            let index = usize::from(self.slots[slot]);
            match &mut self.children[index] {
                Child::Branch(branch) => {
                    return Arc::make_mut(branch).insert::<LEAF_MAX>(level + 1, hash, entry, seed);
                }
                child @ Child::Leaf { depth: BRANCH_BITS, .. }
                    if child.len() >= LEAF_MAX && level + 1 < LEVELS =>
                {
                    let full = std::mem::replace(child, Child::empty());
                    *child = Child::Branch(Arc::new(Branch::over(full)));
                }
                Child::Leaf { depth, leaf } => {
                    if leaf.len() < LEAF_MAX || *depth == BRANCH_BITS {
                        return Arc::make_mut(leaf).push(hash, entry);
                    }
                    self.split(slot, level, seed);
                }
            }
        }
    }

    /// Splits the leaf of `slot` by the first bit its entries may differ in.
    fn split(&mut self, slot: usize, level: u32, seed: u64) {
        let index = usize::from(self.slots[slot]);
        let new_index = self.children.len();
        let Child::Leaf { depth, leaf } = &mut self.children[index] else {
            unreachable!("only leaves are split");
        };
        let bit = 1 << (BRANCH_BITS - 1 - *depth);
        let (mut low, mut high) = (Vec::with_capacity(leaf.len()), Vec::new());
        for entry in Arc::make_mut(leaf).take() {
            let hash = entry.hash(seed);
            let half = if slot_of(hash, level) & bit == 0 { &mut low } else { &mut high };
            half.push((hash, entry));
        }
        *depth += 1;
        let depth = *depth;
        *leaf = leaf_of(low);
        self.children.push(Child::Leaf { depth, leaf: leaf_of(high) });
        for (other, child) in self.slots.iter_mut().enumerate() {
            if usize::from(*child) == index && other & bit != 0 {
                *child = new_index as u8;
            }
        }
    }

    fn remove<const LEAF_MAX: usize>(
        &mut self,
        level: u32,
        hash: u64,
        key: &[u8],
        seed: u64,
    ) -> Option<E> {
        let slot = slot_of(hash, level);
        let child = &mut self.children[usize::from(self.slots[slot])];
        let removed = match child {
            Child::Leaf { leaf, .. } => Arc::make_mut(leaf).remove(hash, key, seed),
            Child::Branch(branch) => {
                Arc::make_mut(branch).remove::<LEAF_MAX>(level + 1, hash, key, seed)
            }
        }?;
        child.collapse(BRANCH_BITS);
        self.len -= 1;
        while self.merge::<LEAF_MAX>(slot, seed) {}
        Some(removed)
    }

    /// Joins the leaf of `slot` and its neighbour if together they would be half full at most,
    /// so that neither the next insert splits them nor the next remove has to join again.
    fn merge<const LEAF_MAX: usize>(&mut self, slot: usize, seed: u64) -> bool {
        let index = usize::from(self.slots[slot]);
        let Child::Leaf { depth, leaf } = &self.children[index] else {
            return false;
        };
        let depth = *depth;
        if depth == 0 || leaf.len() > LEAF_MAX / 2 {
            return false;
        }
        let buddy_index = usize::from(self.slots[slot ^ (1 << (BRANCH_BITS - depth))]);
        match &self.children[buddy_index] {
            Child::Leaf { depth: other, leaf: buddy }
                if *other == depth && leaf.len() + buddy.len() <= LEAF_MAX / 2 => {}
            _ => return false,
        }
        let mut entries = Vec::new();
        for merged in [index, buddy_index] {
            if let Child::Leaf { leaf, .. } = &mut self.children[merged] {
                let taken = Arc::make_mut(leaf).take().into_iter();
                entries.extend(taken.map(|entry| (entry.hash(seed), entry)));
            }
        }
        self.children[index] = Child::Leaf { depth: depth - 1, leaf: leaf_of(entries) };
        self.children.swap_remove(buddy_index);
        let moved = self.children.len();
        for child in &mut self.slots {
            if usize::from(*child) == buddy_index {
                *child = index as u8;
            }
            if usize::from(*child) == moved {
                *child = buddy_index as u8;
            }
        }
        true
    }
}

/// A leaf just large enough for these.
fn leaf_of<E: Entry>(entries: Vec<(u64, E)>) -> Arc<Bucket<E>> {
    let mut leaf = Bucket::with_capacity(entries.len());
    for (hash, entry) in entries {
        leaf.push(hash, entry);
    }
    Arc::new(leaf)
}

/// See [`Table::iter`].
pub struct Iter<'a, E, const LEAF_MAX: usize> {
    table: &'a Table<E, LEAF_MAX>,
    from: Option<u64>,
    leaf: std::vec::IntoIter<(u64, &'a E)>,
}

impl<'a, E: Entry, const LEAF_MAX: usize> Iterator for Iter<'a, E, LEAF_MAX> {
    /// Hash and entry.
    type Item = (u64, &'a E);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.leaf.next() {
                return Some(next);
            }
            let (leaf, end) = self.table.leaf_from(self.from?);
            self.leaf = sorted(leaf, self.table.seed, 0).into_iter();
            self.from = end;
        }
    }
}

/// See [`Table::into_leaves`].
pub struct IntoLeaves<E> {
    seed: u64,
    /// Last one first.
    rest: Vec<Child<E>>,
}

/// Entries whose hashes follow each other, owned together.
pub struct Leaf<E> {
    seed: u64,
    entries: Arc<Bucket<E>>,
}

impl<E: Entry> Leaf<E> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hash and entry, in hash order.
    pub fn entries(&self) -> Vec<(u64, &E)> {
        sorted(&self.entries, self.seed, 0)
    }
}

impl<E: Entry> Iterator for IntoLeaves<E> {
    type Item = Leaf<E>;

    fn next(&mut self) -> Option<Leaf<E>> {
        loop {
            match self.rest.pop()? {
                Child::Leaf { leaf, .. } => {
                    return Some(Leaf { seed: self.seed, entries: leaf });
                }
                Child::Branch(branch) => {
                    let mut slot = SLOTS;
                    let mut seen = None;
                    while slot > 0 {
                        slot -= 1;
                        let index = branch.slots[slot];
                        if seen != Some(index) {
                            self.rest.push(branch.children[usize::from(index)].clone());
                            seen = Some(index);
                        }
                    }
                }
            }
        }
    }
}
