//! Persistent containers of the state tree: clones share everything, a write
//! copies only the blocks on its way (`Arc::make_mut`).

use std::sync::Arc;

use crate::accounts::Address;

/// Entries of one block of a [`SharedVec`]; a power of two.
const FAN_OUT: usize = 32;
/// Most entries in one block of a [`KeyIndex`].
const BLOCK_LEN_MAX: usize = 256;

#[derive(Clone, Debug)]
enum Block<T> {
    Values(Vec<T>),
    Blocks(Vec<Arc<Block<T>>>),
}

/// A vector that shares structure with its clones: a radix tree of blocks.
#[derive(Clone, Debug)]
pub(super) struct SharedVec<T> {
    root: Arc<Block<T>>,
    len: usize,
    /// Entries that `root` can hold.
    capacity: usize,
}

impl<T: Clone> SharedVec<T> {
    /// An empty vector.
    pub(super) fn new() -> Self {
        Self { root: Arc::new(Block::Values(Vec::new())), len: 0, capacity: FAN_OUT }
    }

    /// Number of entries.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The entry at `index`, if there is one.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len {
            return None;
        }
        let mut block = &self.root;
        let mut span = self.capacity / FAN_OUT;
        let mut index = index;
        loop {
            match block.as_ref() {
                Block::Values(values) => return values.get(index),
                Block::Blocks(blocks) => {
                    block = blocks.get(index / span)?;
                    index %= span;
                    span /= FAN_OUT;
                }
            }
        }
    }

    /// Replaces the entry at `index`, or appends when `index` is the length.
    /// An index past the length is ignored.
    pub(super) fn put(&mut self, index: usize, value: T) {
        if index > self.len {
            return;
        }
        if index == self.capacity {
            let old = Arc::clone(&self.root);
            self.root = Arc::new(Block::Blocks(vec![old]));
            self.capacity *= FAN_OUT;
        }
        place(Arc::make_mut(&mut self.root), self.capacity / FAN_OUT, index, value);
        self.len = self.len.max(index + 1);
    }

    /// Every entry in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).map_while(|index| self.get(index))
    }

    /// Forgets the entries from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        // What stays in the blocks behind the end is overwritten by the next `put` there.
        self.len = self.len.min(len);
    }

    /// Calls `visit` with every index below both lengths whose block is not
    /// shared with `other`: all that can differ, and little else.
    pub(super) fn unshared(&self, other: &Self, visit: &mut dyn FnMut(usize)) {
        let end = self.len.min(other.len);
        let (mut a, mut b) = (Some(&self.root), Some(&other.root));
        let (mut span_a, mut span_b) = (self.capacity, other.capacity);
        // A vector that has grown holds the smaller one's whole range in its first block.
        while span_a > span_b {
            (a, span_a) = (a.and_then(|block| block.first()), span_a / FAN_OUT);
        }
        while span_b > span_a {
            (b, span_b) = (b.and_then(|block| block.first()), span_b / FAN_OUT);
        }
        if let (Some(a), Some(b)) = (a, b) {
            differing(a, b, span_a, 0, end, visit);
        }
    }
}

impl<T> Block<T> {
    fn first(&self) -> Option<&Arc<Self>> {
        match self {
            Self::Values(_) => None,
            Self::Blocks(blocks) => blocks.first(),
        }
    }
}

/// `span` is the number of entries under each of the two blocks, `first` the index of their first.
fn differing<T>(
    a: &Arc<Block<T>>,
    b: &Arc<Block<T>>,
    span: usize,
    first: usize,
    end: usize,
    visit: &mut dyn FnMut(usize),
) {
    if first >= end || Arc::ptr_eq(a, b) {
        return;
    }
    match (a.as_ref(), b.as_ref()) {
        (Block::Blocks(a), Block::Blocks(b)) => {
            let below = span / FAN_OUT;
            for (slot, (a, b)) in a.iter().zip(b).enumerate() {
                differing(a, b, below, first + slot * below, end, visit);
            }
        }
        _ => (first..end.min(first + span)).for_each(&mut *visit),
    }
}

/// `span` is the number of entries under one slot of `block`.
fn place<T: Clone>(block: &mut Block<T>, span: usize, index: usize, value: T) {
    match block {
        Block::Values(values) => match values.get_mut(index) {
            Some(slot) => *slot = value,
            None => values.push(value),
        },
        Block::Blocks(blocks) => {
            let slot = index / span;
            if slot == blocks.len() {
                blocks.push(Arc::new(match span {
                    FAN_OUT => Block::Values(Vec::new()),
                    _ => Block::Blocks(Vec::new()),
                }));
            }
            place(Arc::make_mut(&mut blocks[slot]), span / FAN_OUT, index % span, value);
        }
    }
}

/// From key to leaf index, in key order: sorted blocks of sorted entries.
#[derive(Clone, Debug)]
pub(super) struct KeyIndex {
    /// No block is empty, except the only one of an empty index.
    blocks: Arc<Vec<Arc<Vec<(Address, u32)>>>>,
}

impl KeyIndex {
    /// From entries sorted by key, each key once.
    pub(super) fn from_sorted(entries: &[(Address, u32)]) -> Self {
        let mut blocks: Vec<_> = entries.chunks(BLOCK_LEN_MAX / 2).map(|chunk| Arc::new(chunk.to_vec())).collect();
        if blocks.is_empty() {
            blocks.push(Arc::new(Vec::new()));
        }
        Self { blocks: Arc::new(blocks) }
    }

    /// The block in which `key` is, or into which it would be inserted.
    fn block_of(&self, key: &Address) -> usize {
        let after = self.blocks.partition_point(|block| block.first().is_some_and(|(first, _)| first <= key));
        after.saturating_sub(1)
    }

    /// The leaf index of `key`.
    pub(super) fn get(&self, key: &Address) -> Option<u32> {
        let block = &self.blocks[self.block_of(key)];
        let at = block.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
        Some(block[at].1)
    }

    /// The entry with the greatest key below `key`.
    pub(super) fn below(&self, key: &Address) -> Option<(Address, u32)> {
        let at = self.block_of(key);
        let block = &self.blocks[at];
        match block.partition_point(|(k, _)| k < key) {
            0 => self.blocks[..at].last().and_then(|b| b.last()).copied(),
            n => Some(block[n - 1]),
        }
    }

    /// Adds `key`, or replaces its leaf index.
    pub(super) fn insert(&mut self, key: Address, leaf: u32) {
        let at = self.block_of(&key);
        let blocks = Arc::make_mut(&mut self.blocks);
        let block = Arc::make_mut(&mut blocks[at]);
        match block.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(slot) => block[slot].1 = leaf,
            Err(slot) => block.insert(slot, (key, leaf)),
        }
        if block.len() > BLOCK_LEN_MAX {
            let upper = block.split_off(block.len() / 2);
            blocks.insert(at + 1, Arc::new(upper));
        }
    }

    /// Forgets `key`.
    pub(super) fn remove(&mut self, key: &Address) {
        let at = self.block_of(key);
        let blocks = Arc::make_mut(&mut self.blocks);
        let block = Arc::make_mut(&mut blocks[at]);
        if let Ok(slot) = block.binary_search_by(|(k, _)| k.cmp(key)) {
            block.remove(slot);
        }
        if block.is_empty() && blocks.len() > 1 {
            blocks.remove(at);
        }
    }

    /// Every entry in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Address, u32)> + '_ {
        self.blocks.iter().flat_map(|block| block.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(n: u16) -> Address {
        let mut key = [0; 20];
        key[3..5].copy_from_slice(&n.to_be_bytes());
        key
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn shared_vec_is_a_vec(len in 0usize..3000, writes in proptest::collection::vec((any::<usize>(), any::<u32>()), 0..50)) {
            let mut plain = Vec::new();
            let mut shared = SharedVec::new();
            for i in 0..len {
                plain.push(i as u32);
                shared.put(i, i as u32);
            }
            let (old_plain, old_shared) = (plain.clone(), shared.clone());
            for (at, value) in writes {
                let at = at % (plain.len() + 1);
                if at == plain.len() { plain.push(value) } else { plain[at] = value }
                shared.put(at, value);
            }
            shared.put(plain.len() + 1, 7);
            for (plain, shared) in [(plain, shared), (old_plain, old_shared)] {
                prop_assert_eq!(shared.len(), plain.len());
                for i in 0..plain.len() + 40 {
                    prop_assert_eq!(shared.get(i), plain.get(i));
                }
            }
        }

        /// All that differs is visited, below the shorter length, whatever grew or was cut in between.
        #[test]
        fn unshared_covers_every_difference(len in 1usize..3000, writes in proptest::collection::vec((any::<usize>(), any::<u32>()), 0..20), adds in 0usize..2000, cut in any::<usize>()) {
            let mut old = SharedVec::new();
            for i in 0..len {
                old.put(i, i as u32);
            }
            let mut new = old.clone();
            for (at, value) in &writes {
                new.put(at % len, *value);
            }
            for i in len..len + adds {
                new.put(i, 1);
            }
            new.truncate(1 + cut % new.len());
            for (a, b) in [(&old, &new), (&new, &old)] {
                let mut visited = std::collections::BTreeSet::new();
                a.unshared(b, &mut |index| {
                    visited.insert(index);
                });
                let end = a.len().min(b.len());
                prop_assert!(visited.iter().all(|i| *i < end));
                prop_assert!((0..end).all(|i| a.get(i) == b.get(i) || visited.contains(&i)));
                prop_assert!(visited.len() <= writes.len() * FAN_OUT + FAN_OUT);
            }
            // What was cut off does not come back.
            let kept: Vec<u32> = new.iter().copied().collect();
            new.put(new.len(), 77);
            prop_assert_eq!(new.iter().copied().collect::<Vec<_>>(), [kept, vec![77]].concat());
        }

        #[test]
        fn key_index_is_a_sorted_map(start in proptest::collection::btree_map(any::<u16>(), any::<u32>(), 0..1000), adds in proptest::collection::vec((any::<u16>(), any::<u32>()), 0..1000)) {
            let entries: Vec<_> = start.iter().map(|(k, v)| (key(*k), *v)).collect();
            let mut index = KeyIndex::from_sorted(&entries);
            let snapshot = index.clone();
            let mut map: BTreeMap<Address, u32> = entries.iter().copied().collect();
            for (k, v) in adds {
                if v % 3 == 0 {
                    map.remove(&key(k));
                    index.remove(&key(k));
                }
                map.insert(key(k ^ 1), v);
                index.insert(key(k ^ 1), v);
            }
            prop_assert_eq!(snapshot.iter().collect::<Vec<_>>(), entries);
            prop_assert_eq!(index.iter().collect::<Vec<_>>(), map.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
            for probe in (0..=u16::MAX).step_by(97).chain([0, 1, u16::MAX]) {
                let probe = key(probe);
                prop_assert_eq!(index.get(&probe), map.get(&probe).copied());
                prop_assert_eq!(index.below(&probe), map.range(..probe).next_back().map(|(k, v)| (*k, *v)));
            }
        }
    }
}
