//! The tree as a node keeps it.
//!
//! [`StateTree::apply`] is the sequencer's way: all changes of one item, every
//! touched node hashed once. [`StateTree::prove_ops`] is the prover's way: one
//! low-level operation after the other, each with its witness. Both end in the
//! same tree (tested). A clone costs a few pointers; the first write to a
//! clone copies the blocks on its way.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{
    ARITY, Account, Address, DEPTH, LEAF_COUNT_MAX, Leaf, OpMode, OpWitness, StateOp, TreeError, empty_hash,
    empty_rest, node_hash, state_root,
    store::{KeyIndex, SharedVec},
};
use crate::Scalar;

/// All accounts with the digests of all nodes.
#[derive(Clone, Debug)]
pub struct StateTree {
    pub(super) leaves: SharedVec<Leaf>,
    /// `levels[l]` holds the digests `l` levels above the leaves, as many as
    /// are not those of an unused subtree; `levels[DEPTH]` is the root.
    pub(super) levels: [SharedVec<Scalar>; DEPTH + 1],
    pub(super) index: KeyIndex,
}

impl Default for StateTree {
    fn default() -> Self {
        Self::new()
    }
}

impl StateTree {
    /// The tree with no account but the zero address.
    pub fn new() -> Self {
        Self::build(BTreeMap::new())
    }

    /// The tree of the given accounts, at indices in key order. The zero
    /// address is added if it is not given.
    ///
    /// # Errors
    /// [`TreeError::Exists`] if an address is given twice, [`TreeError::Full`]
    /// if there are more than [`LEAF_COUNT_MAX`].
    pub fn from_accounts(accounts: impl IntoIterator<Item = (Address, Account)>) -> Result<Self, TreeError> {
        let mut sorted = BTreeMap::new();
        for (address, account) in accounts {
            if sorted.insert(address, account).is_some() {
                return Err(TreeError::Exists(address));
            }
        }
        if sorted.len() as u64 >= LEAF_COUNT_MAX {
            return Err(TreeError::Full);
        }
        Ok(Self::build(sorted))
    }

    fn build(mut accounts: BTreeMap<Address, Account>) -> Self {
        accounts.entry([0; 20]).or_default();
        let keys: Vec<Address> = accounts.keys().copied().collect();
        let leaves: Vec<Leaf> = accounts
            .into_iter()
            .enumerate()
            .map(|(i, (key, account))| Leaf {
                key,
                next: keys.get(i + 1).copied().unwrap_or([0; 20]),
                account,
                rest: empty_rest(),
            })
            .collect();
        let entries: Vec<_> = keys.into_iter().zip(0u32..).collect();
        let mut digests: Vec<Scalar> = leaves.par_iter().map(Leaf::hash).collect();
        let levels = std::array::from_fn(|level| {
            if level > 0 {
                digests = digests
                    .par_chunks(ARITY)
                    .map(|chunk| {
                        let mut children = [empty_hash(level - 1); ARITY];
                        children[..chunk.len()].copy_from_slice(chunk);
                        node_hash(&children)
                    })
                    .collect();
            }
            shared(digests.iter().copied())
        });
        Self { leaves: shared(leaves), levels, index: KeyIndex::from_sorted(&entries) }
    }

    /// The account at `address`. The zero address always has one.
    pub fn get(&self, address: &Address) -> Option<Account> {
        let index = self.index.get(address)?;
        Some(self.leaf(index).account)
    }

    /// The root of the tree alone, as circuits pass it along.
    pub fn tree_root(&self) -> Scalar {
        self.digest(DEPTH, 0)
    }

    /// Used leaf positions, which is also the next free index; at least 1.
    pub const fn leaf_count(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The state root that the chain shows ([`state_root`]).
    pub fn root(&self) -> Scalar {
        state_root(self.tree_root(), self.leaf_count())
    }

    /// Number of accounts, the zero address included.
    pub const fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Always false: the zero address has an account.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Every account in key order, beginning with the zero address.
    pub fn iter(&self) -> impl Iterator<Item = (Address, Account)> + '_ {
        self.index.iter().map(|(key, index)| (key, self.leaf(index).account))
    }

    /// Makes all changes of one item, in order, and returns the new state root.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::Exists`] or [`TreeError::Full`];
    /// the tree is then unchanged.
    pub fn apply(&mut self, ops: &[StateOp]) -> Result<Scalar, TreeError> {
        self.admit(ops)?;
        let mut dirty = BTreeSet::new();
        for op in ops {
            match *op {
                StateOp::Set { address, account } => {
                    let index = self.existing(&address)?;
                    self.put_leaf(index, Leaf { account, ..self.leaf(index) });
                    dirty.insert(index as usize);
                }
                StateOp::Create { address, account } => {
                    let (low, index) = self.position(&address)?;
                    let low_leaf = self.leaf(low);
                    self.put_leaf(low, Leaf { next: address, ..low_leaf });
                    self.put_leaf(index, Self::created(address, low_leaf.next, account));
                    dirty.extend([low as usize, index as usize]);
                }
            }
        }
        let mut dirty: Vec<usize> = dirty.into_iter().collect();
        for &index in &dirty {
            let digest = self.leaf(index as u32).hash();
            self.levels[0].put(index, digest);
        }
        for level in 1..=DEPTH {
            for index in &mut dirty {
                *index /= ARITY;
            }
            dirty.dedup();
            for &index in &dirty {
                self.rehash(level, index);
            }
        }
        Ok(self.root())
    }

    /// Makes the changes of one item as the circuit does and returns the
    /// witness of every low-level operation, numbered from 0, with the tree
    /// after them. `self` stays as it is.
    ///
    /// # Errors
    /// As [`StateTree::apply`].
    pub fn prove_ops(&self, ops: &[StateOp]) -> Result<(Vec<OpWitness>, Self), TreeError> {
        self.admit(ops)?;
        let mut tree = self.clone();
        let mut witnesses = Vec::with_capacity(2 * ops.len());
        for op in ops {
            match *op {
                StateOp::Set { address, account } => {
                    let index = tree.existing(&address)?;
                    let new = Leaf { account, ..tree.leaf(index) };
                    let seq = witnesses.len() as u32;
                    witnesses.push(tree.step(OpMode::Update, seq, index, new));
                }
                StateOp::Create { address, account } => {
                    let (low, index) = tree.position(&address)?;
                    let low_leaf = tree.leaf(low);
                    let linked = Leaf { next: address, ..low_leaf };
                    let seq = witnesses.len() as u32;
                    witnesses.push(tree.step(OpMode::Link, seq, low, linked));
                    let new = Self::created(address, low_leaf.next, account);
                    witnesses.push(tree.step(OpMode::Insert, seq + 1, index, new));
                }
            }
        }
        Ok((witnesses, tree))
    }

    /// One low-level operation on leaf `index`, with its witness.
    fn step(&mut self, mode: OpMode, seq: u32, index: u32, new: Leaf) -> OpWitness {
        let root_before = self.tree_root();
        let leaf_count_before = self.leaf_count();
        let old = match mode {
            OpMode::Insert => Leaf::ZERO,
            OpMode::Update | OpMode::Link => self.leaf(index),
        };
        let mut position = index as usize;
        let siblings = std::array::from_fn(|level| {
            let first = position - position % ARITY;
            let own = position;
            position /= ARITY;
            let mut others = (first..first + ARITY).filter(|p| *p != own);
            std::array::from_fn(|_| {
                let other = others.next().expect("invariant: a node has three siblings");
                self.digest(level, other)
            })
        });
        self.put_leaf(index, new);
        self.levels[0].put(index as usize, new.hash());
        let mut position = index as usize;
        for level in 1..=DEPTH {
            position /= ARITY;
            self.rehash(level, position);
        }
        OpWitness { mode, seq, index, old, new, siblings, root_before, root_after: self.tree_root(), leaf_count_before }
    }

    /// Refuses a list of changes that cannot be made, before any is made.
    fn admit(&self, ops: &[StateOp]) -> Result<(), TreeError> {
        let mut created = BTreeSet::new();
        for op in ops {
            match op {
                StateOp::Set { address, .. } => {
                    if self.index.get(address).is_none() && !created.contains(address) {
                        return Err(TreeError::Missing(*address));
                    }
                }
                StateOp::Create { address, .. } => {
                    if self.index.get(address).is_some() || !created.insert(*address) {
                        return Err(TreeError::Exists(*address));
                    }
                }
            }
        }
        if self.leaf_count() + created.len() as u64 > LEAF_COUNT_MAX {
            return Err(TreeError::Full);
        }
        Ok(())
    }

    /// Position of an account's leaf.
    pub fn leaf_position(&self, address: &Address) -> Option<u32> {
        self.index.get(address)
    }

    fn existing(&self, address: &Address) -> Result<u32, TreeError> {
        self.index.get(address).ok_or(TreeError::Missing(*address))
    }

    /// For a new address: the index of its low leaf, and its own.
    fn position(&self, address: &Address) -> Result<(u32, u32), TreeError> {
        let (_, low) = self.index.below(address).ok_or(TreeError::Exists(*address))?;
        let index = u32::try_from(self.leaves.len()).map_err(|_| TreeError::Full)?;
        Ok((low, index))
    }

    fn created(key: Address, next: Address, account: Account) -> Leaf {
        Leaf { key, next, account, rest: empty_rest() }
    }

    fn leaf(&self, index: u32) -> Leaf {
        *self.leaves.get(index as usize).expect("invariant: the key index names used positions only")
    }

    fn put_leaf(&mut self, index: u32, leaf: Leaf) {
        if index as usize == self.leaves.len() {
            self.index.insert(leaf.key, index);
        }
        self.leaves.put(index as usize, leaf);
    }

    fn digest(&self, level: usize, position: usize) -> Scalar {
        match self.levels[level].get(position) {
            Some(digest) => *digest,
            None => empty_hash(level),
        }
    }

    fn rehash(&mut self, level: usize, position: usize) {
        let children = std::array::from_fn(|i| self.digest(level - 1, ARITY * position + i));
        self.levels[level].put(position, node_hash(&children));
    }
}

pub(super) fn shared<T: Clone>(values: impl IntoIterator<Item = T>) -> SharedVec<T> {
    let mut all = SharedVec::new();
    for (i, value) in values.into_iter().enumerate() {
        all.put(i, value);
    }
    all
}
