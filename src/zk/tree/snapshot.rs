//! A tree as bytes, with every digest, so that loading hashes nothing.
//!
//! ```text
//! leaf count n u32 | n × (key 20, nonce 8, balance 16, rest 32)
//!   | digests, level 0 (n of them) to level 16 (one), 32 bytes each     all little-endian
//! ```
//!
//! A leaf's `next` follows from the keys. Loading trusts the digests: whoever
//! stores the bytes protects them with a hash of their own and compares
//! [`StateTree::root`] with one that it knows; [`StateTree::verify`] recomputes
//! them all.

use ff::PrimeField;
use rayon::prelude::*;

use super::{
    ARITY, Account, Address, DEPTH, LEAF_COUNT_MAX, Leaf, MalformedTree, StateTree, TreeError, empty_hash,
    native::shared, node_hash, store::KeyIndex,
};
use crate::Scalar;

pub(super) const SCALAR_BYTES: usize = 32;
const LEAF_BYTES: usize = 20 + 8 + 16 + SCALAR_BYTES;

/// Digests of a level of a tree with `leaves` leaves.
pub(super) fn level_len(leaves: u64, level: usize) -> u64 {
    leaves.div_ceil(1 << (2 * level))
}

/// Reads fixed pieces from the front of bytes whose length was checked.
pub(super) struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedTree> {
        let found = self.bytes.len();
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let piece = rest.first_chunk::<N>();
        let piece = piece.ok_or(MalformedTree::Length { found, expected: (self.at + N) as u64 })?;
        self.at += N;
        Ok(*piece)
    }

    pub(super) fn u32(&mut self) -> Result<u32, MalformedTree> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn scalar(&mut self) -> Result<Scalar, MalformedTree> {
        let at = self.at;
        let mut repr = <Scalar as PrimeField>::Repr::default();
        repr.as_mut().copy_from_slice(&self.array::<SCALAR_BYTES>()?);
        Option::from(Scalar::from_repr(repr)).ok_or(MalformedTree::Scalar(at))
    }

    /// The whole length must be `expected`.
    pub(super) fn expect_length(&self, expected: u64) -> Result<(), MalformedTree> {
        let found = self.bytes.len();
        if found as u64 == expected { Ok(()) } else { Err(MalformedTree::Length { found, expected }) }
    }
}

impl StateTree {
    /// The tree's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let leaves = self.leaf_count();
        let digests: u64 = (0..=DEPTH).map(|level| level_len(leaves, level)).sum();
        let mut out = Vec::with_capacity(4 + self.len() * LEAF_BYTES + digests as usize * SCALAR_BYTES);
        out.extend((leaves as u32).to_le_bytes());
        for leaf in self.leaves.iter() {
            out.extend(leaf.key);
            out.extend(leaf.account.nonce.to_le_bytes());
            out.extend(leaf.account.balance.to_le_bytes());
            out.extend(leaf.rest.to_repr().as_ref());
        }
        for level in &self.levels {
            for digest in level.iter() {
                out.extend(digest.to_repr().as_ref());
            }
        }
        out
    }

    /// The tree of exactly these bytes. Its digests are taken as they stand.
    ///
    /// # Errors
    /// [`TreeError::Bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        Self::parse(bytes).map_err(TreeError::Bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, MalformedTree> {
        let mut pieces = Pieces::new(bytes);
        let count = pieces.u32()?;
        if count == 0 || u64::from(count) >= LEAF_COUNT_MAX {
            return Err(MalformedTree::Leaves(count));
        }
        let leaves = u64::from(count);
        let digests: u64 = (0..=DEPTH).map(|level| level_len(leaves, level)).sum();
        pieces.expect_length(4 + leaves * LEAF_BYTES as u64 + digests * SCALAR_BYTES as u64)?;
        let mut rows = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let key: Address = pieces.array()?;
            let nonce = u64::from_le_bytes(pieces.array()?);
            let balance = u128::from_le_bytes(pieces.array()?);
            rows.push(Leaf { key, next: [0; 20], account: Account { nonce, balance }, rest: pieces.scalar()? });
        }
        let mut order: Vec<(Address, u32)> = rows.iter().map(|leaf| leaf.key).zip(0u32..).collect();
        order.par_sort_unstable();
        if order.first() != Some(&([0; 20], 0)) {
            return Err(MalformedTree::Head);
        }
        for pair in order.windows(2) {
            let [(key, index), (next, other)] = *pair else { continue };
            if key == next {
                return Err(MalformedTree::TwiceKey(other));
            }
            rows[index as usize].next = next;
        }
        let mut levels = Vec::with_capacity(DEPTH + 1);
        for level in 0..=DEPTH {
            let digests: Result<Vec<Scalar>, _> = (0..level_len(leaves, level)).map(|_| pieces.scalar()).collect();
            levels.push(shared(digests?));
        }
        let levels = levels.try_into().map_err(|_| MalformedTree::Leaves(count))?;
        Ok(Self { leaves: shared(rows), levels, index: KeyIndex::from_sorted(&order) })
    }

    /// Recomputes every digest from what is below it; the cost of building the tree anew.
    ///
    /// # Errors
    /// [`MalformedTree::Digest`]: the first that differs.
    pub fn verify(&self) -> Result<(), TreeError> {
        let mut below: Vec<Scalar> =
            self.leaves.iter().copied().collect::<Vec<_>>().par_iter().map(Leaf::hash).collect();
        for level in 0..=DEPTH {
            if level > 0 {
                let chunks = below.par_chunks(ARITY).map(|chunk| {
                    let mut children = [empty_hash(level - 1); ARITY];
                    children[..chunk.len()].copy_from_slice(chunk);
                    node_hash(&children)
                });
                below = chunks.collect();
            }
            let differs = |(position, digest): (usize, &Scalar)| {
                (self.levels[level].get(position) != Some(digest)).then_some(position)
            };
            if let Some(position) = below.iter().enumerate().find_map(differs) {
                return Err(TreeError::Bytes(MalformedTree::Digest { level, position }));
            }
        }
        Ok(())
    }
}
