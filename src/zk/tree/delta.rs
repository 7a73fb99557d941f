//! The way back from a tree to an earlier version of it, without hashing.
//!
//! ```text
//! leaf count before u32 | leaves k u32 | digests m u32
//!   | k × (index 4, nonce 8, balance 16, next 20) | m × (level 1, position 4, digest 32)
//! ```
//!
//! Both versions share the blocks that no write has touched, so making a delta
//! costs what changed between them. Keys and `rest` of a leaf never change;
//! leaves that are younger than the earlier version are cut off.

use ff::PrimeField;

use super::{
    Account, DEPTH, Leaf, MalformedTree, StateTree, TreeError,
    snapshot::{Pieces, SCALAR_BYTES, level_len},
};
use crate::Scalar;

const LEAF_BYTES: u64 = 4 + 8 + 16 + 20;
const DIGEST_BYTES: u64 = 1 + 4 + SCALAR_BYTES as u64;

/// What to change in a tree to have an earlier version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDelta {
    leaf_count: u32,
    /// Index, account and `next` as they were.
    leaves: Vec<(u32, Leaf)>,
    /// Level, position and digest as it was.
    digests: Vec<(u8, u32, Scalar)>,
}

impl TreeDelta {
    /// The delta's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for count in [self.leaf_count, self.leaves.len() as u32, self.digests.len() as u32] {
            out.extend(count.to_le_bytes());
        }
        for (index, leaf) in &self.leaves {
            out.extend(index.to_le_bytes());
            out.extend(leaf.account.nonce.to_le_bytes());
            out.extend(leaf.account.balance.to_le_bytes());
            out.extend(leaf.next);
        }
        for (level, position, digest) in &self.digests {
            out.push(*level);
            out.extend(position.to_le_bytes());
            out.extend(digest.to_repr().as_ref());
        }
        out
    }

    /// The delta of exactly these bytes.
    ///
    /// # Errors
    /// [`TreeError::Bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        Self::parse(bytes).map_err(TreeError::Bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, MalformedTree> {
        let mut pieces = Pieces::new(bytes);
        let [leaf_count, leaves, digests] = [pieces.u32()?, pieces.u32()?, pieces.u32()?];
        pieces.expect_length(12 + u64::from(leaves) * LEAF_BYTES + u64::from(digests) * DIGEST_BYTES)?;
        let leaf = |pieces: &mut Pieces<'_>| {
            let index = pieces.u32()?;
            let nonce = u64::from_le_bytes(pieces.array()?);
            let balance = u128::from_le_bytes(pieces.array()?);
            Ok((index, Leaf { next: pieces.array()?, account: Account { nonce, balance }, ..Leaf::ZERO }))
        };
        let leaves = (0..leaves).map(|_| leaf(&mut pieces)).collect::<Result<_, MalformedTree>>()?;
        let digest = |pieces: &mut Pieces<'_>| Ok((pieces.array::<1>()?[0], pieces.u32()?, pieces.scalar()?));
        let digests = (0..digests).map(|_| digest(&mut pieces)).collect::<Result<_, MalformedTree>>()?;
        Ok(Self { leaf_count, leaves, digests })
    }
}

impl StateTree {
    /// The way back to `earlier`, a version that this tree was before.
    pub fn delta_to(&self, earlier: &Self) -> TreeDelta {
        let mut delta = TreeDelta { leaf_count: earlier.leaf_count() as u32, leaves: Vec::new(), digests: Vec::new() };
        self.leaves.unshared(&earlier.leaves, &mut |index| {
            if let Some(was) = earlier.leaves.get(index).filter(|was| self.leaves.get(index) != Some(was)) {
                delta.leaves.push((index as u32, Leaf { key: [0; 20], rest: Leaf::ZERO.rest, ..*was }));
            }
        });
        for (level, (now, before)) in self.levels.iter().zip(&earlier.levels).enumerate() {
            now.unshared(before, &mut |position| {
                if let Some(was) = before.get(position).filter(|was| now.get(position) != Some(was)) {
                    delta.digests.push((level as u8, position as u32, *was));
                }
            });
        }
        delta
    }

    /// Goes back to the version that the delta was made for. The digests are taken as they stand.
    ///
    /// # Errors
    /// [`TreeError::Bytes`]: the delta is of another tree; this one is then unchanged.
    pub fn rewind(&mut self, delta: &TreeDelta) -> Result<(), TreeError> {
        let (count, leaves) = (u64::from(delta.leaf_count), self.leaf_count());
        let outside = |entry| Err(TreeError::Bytes(MalformedTree::Outside { entry, leaves: count }));
        if count == 0 || count > leaves {
            return outside(0);
        }
        if let Some(at) = delta.leaves.iter().position(|(index, _)| u64::from(*index) >= count) {
            return outside(1 + at as u32);
        }
        let is_outside = |(level, position, _): &(u8, u32, Scalar)| {
            usize::from(*level) > DEPTH || u64::from(*position) >= level_len(count, usize::from(*level))
        };
        if let Some(at) = delta.digests.iter().position(is_outside) {
            return outside(1 + (delta.leaves.len() + at) as u32);
        }
        for index in count..leaves {
            if let Some(leaf) = self.leaves.get(index as usize) {
                let key = leaf.key;
                self.index.remove(&key);
            }
        }
        self.leaves.truncate(count as usize);
        for (index, was) in &delta.leaves {
            if let Some(now) = self.leaves.get(*index as usize).copied() {
                self.leaves.put(*index as usize, Leaf { next: was.next, account: was.account, ..now });
            }
        }
        for (level, digests) in self.levels.iter_mut().enumerate() {
            digests.truncate(level_len(count, level) as usize);
        }
        for (level, position, digest) in &delta.digests {
            if let Some(digests) = self.levels.get_mut(usize::from(*level)) {
                digests.put(*position as usize, *digest);
            }
        }
        Ok(())
    }
}
