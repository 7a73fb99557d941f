//! Checking RFC 6962 proofs without the tree; see [`crate::merkle_log`].

use alloy_primitives::B256;

use crate::merkle_log::{empty_root, node_hash};

/// Longest path of a proof, in hashes: both halves of a 64-level tree and one more.
pub const MAX_PATH: usize = 130;

/// Why a proof shows nothing. The fault of whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The numbers fit no tree.
    #[error("{at} is not in a tree of {size} leaves")]
    Numbers {
        /// The leaf's number or the older tree's size.
        at: u64,
        /// Size of the tree.
        size: u64,
    },
    /// The path has another length than these numbers need.
    #[error("the path has {found} hashes, which is not what {at} of {size} needs")]
    Length {
        /// The leaf's number or the older tree's size.
        at: u64,
        /// Size of the tree.
        size: u64,
        /// Hashes found.
        found: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to root {found}, not {expected}")]
    Root {
        /// The root that the caller knows.
        expected: B256,
        /// The one that the path makes.
        found: B256,
    },
}

/// The path from one leaf to a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// Number of the leaf, from 0: the event's number.
    pub index: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// Siblings, from the leaf upwards.
    pub path: Vec<B256>,
}

impl InclusionProof {
    /// Checks that `leaf` is leaf `index` of the tree of `size` leaves with `root`.
    pub fn verify(&self, leaf: &B256, root: &B256) -> Result<(), ProofError> {
        let (at, size) = (self.index, self.size);
        if at >= size {
            return Err(ProofError::Numbers { at, size });
        }
        let wrong = ProofError::Length { at, size, found: self.path.len() };
        // Position and last position of the row that `hash` is in.
        let (mut place, mut last, mut hash) = (at, size - 1, *leaf);
        for sibling in &self.path {
            if last == 0 {
                return Err(wrong);
            }
            if place % 2 == 1 || place == last {
                // A last node without sibling rises unchanged.
                while place % 2 == 0 && place != 0 {
                    (place, last) = (place / 2, last / 2);
                }
                hash = node_hash(sibling, &hash);
            } else {
                hash = node_hash(&hash, sibling);
            }
            (place, last) = (place / 2, last / 2);
        }
        if last != 0 {
            return Err(wrong);
        }
        if hash == *root { Ok(()) } else { Err(ProofError::Root { expected: *root, found: hash }) }
    }
}

/// What an older and a newer tree have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Leaves of the older tree.
    pub old: u64,
    /// Leaves of the newer tree.
    pub size: u64,
    /// Subtree roots, as RFC 6962 has them.
    pub path: Vec<B256>,
}

impl ConsistencyProof {
    /// Checks that the tree of `size` leaves with `root` begins with the tree
    /// of `old` leaves with `old_root`.
    pub fn verify(&self, old_root: &B256, root: &B256) -> Result<(), ProofError> {
        let (at, size) = (self.old, self.size);
        if at > size {
            return Err(ProofError::Numbers { at, size });
        }
        let wrong = ProofError::Length { at, size, found: self.path.len() };
        let same = |expected: &B256, found: B256| {
            if *expected == found { Ok(()) } else { Err(ProofError::Root { expected: *expected, found }) }
        };
        if at == 0 || at == size {
            if !self.path.is_empty() {
                return Err(wrong);
            }
            let expected = if at == 0 { empty_root() } else { *root };
            return same(old_root, expected);
        }
        // The older tree's last perfect subtree; it is the older root itself when that is perfect.
        let (mut place, mut last) = (at - 1, size - 1);
        let perfect = place.trailing_ones();
        (place, last) = (place >> perfect, last >> perfect);
        let mut path = self.path.iter();
        let start = if at.is_power_of_two() { old_root } else { path.next().ok_or(wrong)? };
        let (mut old_hash, mut hash) = (*start, *start);
        for sibling in path {
            if last == 0 {
                return Err(wrong);
            }
            if place % 2 == 1 || place == last {
                old_hash = node_hash(sibling, &old_hash);
                hash = node_hash(sibling, &hash);
                while place % 2 == 0 && place != 0 {
                    (place, last) = (place / 2, last / 2);
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            (place, last) = (place / 2, last / 2);
        }
        if last != 0 {
            return Err(wrong);
        }
        same(old_root, old_hash)?;
        same(root, hash)
    }
}
