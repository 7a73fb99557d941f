//! The events as leaves of an RFC 6962 Merkle tree (SHA-256), so that one
//! event can be shown to be in a journal, and a journal to be a continuation
//! of an earlier one, without the journal.
//!
//! ```text
//! leaf  SHA-256(0x00 ‖ stored event bytes)        node  SHA-256(0x01 ‖ left ‖ right)
//! ```
//!
//! [`CompactRange`] is the tree's right edge: enough to append and to know the
//! root. [`MerkleTiles`] also keeps the root of every [`TILE`] leaves (32 bytes
//! for 256 events), so that a proof needs those and the leaves of at most two
//! tiles, whatever the size of the journal. The tree is derived: it can always
//! be made again from the events.
//!
//! A proof is only as good as the (size, root) that it is verified against,
//! which the caller has from somewhere else, a signed
//! [`Checkpoint`](crate::Checkpoint) for instance: a path alone does not bind
//! the size of the tree.

use alloy_primitives::B256;
use sha2::{Digest, Sha256};

/// Leaves of one tile.
pub const TILE: u64 = 256;
/// Longest path of a proof, in hashes: both halves of a 64-level tree and one more.
pub const MAX_PATH: usize = 130;

/// Hash of one stored event.
#[must_use]
pub fn leaf_hash(event: &[u8]) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(event);
    B256::new(hasher.finalize().into())
}

fn node_hash(left: &B256, right: &B256) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    B256::new(hasher.finalize().into())
}

/// Root of a tree without leaves.
#[must_use]
pub fn empty_root() -> B256 {
    B256::new(Sha256::digest([]).into())
}

/// Why a proof cannot be made. The caller's fault, except for `Tile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// There is no such leaf or tree.
    #[error("{at} is beyond a tree of {size} leaves")]
    Beyond {
        /// The leaf's number or the tree's size asked for.
        at: u64,
        /// Size of the larger tree.
        size: u64,
    },
    /// The leaves of a tile are not those that its root was made of: one of
    /// the two is damaged.
    #[error("the leaves of tile {tile} do not make its root")]
    Tile {
        /// Number of the tile, from 0.
        tile: u64,
    },
}

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

/// The right edge of a tree: roots of its perfect subtrees, from left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<B256>,
}

impl CompactRange {
    /// Adds a leaf (or the root of a perfect subtree, if all others are of that size).
    pub fn push(&mut self, leaf: B256) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("invariant: one peak per bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> B256 {
        bag(self.peaks.iter().copied()).unwrap_or_else(empty_root)
    }
}

/// One hash of perfect subtrees that get smaller from left to right.
fn bag(peaks: impl DoubleEndedIterator<Item = B256>) -> Option<B256> {
    peaks.rev().reduce(|right, left| node_hash(&left, &right))
}

fn root_of(leaves: &[B256]) -> B256 {
    let mut range = CompactRange::default();
    leaves.iter().for_each(|leaf| range.push(*leaf));
    range.root()
}

/// A tree with the roots of its full tiles and the leaves of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MerkleTiles {
    roots: Vec<B256>,
    /// Over `roots`.
    range: CompactRange,
    /// Leaves after the last full tile, fewer than [`TILE`].
    open: Vec<B256>,
}

impl MerkleTiles {
    /// Adds the hash of the next event.
    pub fn push(&mut self, leaf: B256) {
        self.open.push(leaf);
        if self.open.len() as u64 == TILE {
            let root = root_of(&self.open);
            self.open.clear();
            self.roots.push(root);
            self.range.push(root);
        }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.roots.len() as u64 * TILE + self.open.len() as u64
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> B256 {
        let open = (!self.open.is_empty()).then(|| root_of(&self.open));
        bag(self.range.peaks.iter().copied().chain(open)).unwrap_or_else(empty_root)
    }

    /// Roots of the full tiles, in order.
    #[must_use]
    pub fn tile_roots(&self) -> &[B256] {
        &self.roots
    }

    /// Leaves of the last tile, fewer than [`TILE`].
    #[must_use]
    pub fn open_leaves(&self) -> &[B256] {
        &self.open
    }

    /// The tree of these parts; `None` if there are too many leaves for an open tile.
    #[must_use]
    pub fn from_parts(roots: Vec<B256>, open: Vec<B256>) -> Option<Self> {
        let mut range = CompactRange::default();
        roots.iter().for_each(|root| range.push(*root));
        ((open.len() as u64) < TILE).then_some(Self { roots, range, open })
    }

    /// The path of leaf `index` in the tree of the first `size` leaves.
    /// `leaves` gives all leaf hashes of a full tile by its number; it is asked
    /// for at most two tiles, and what it gives is checked.
    pub fn prove_inclusion<E: From<ProveError>>(
        &self,
        index: u64,
        size: u64,
        leaves: impl FnMut(u64) -> Result<Vec<B256>, E>,
    ) -> Result<InclusionProof, E> {
        if size > self.size() || index >= size {
            return Err(ProveError::Beyond { at: index.max(size), size: size.min(self.size()) }.into());
        }
        let mut source = Source { tiles: self, leaves, read: Vec::new() };
        let (mut path, mut from, mut to) = (Vec::new(), 0, size);
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                path.push(source.hash(middle, to)?);
                to = middle;
            } else {
                path.push(source.hash(from, middle)?);
                from = middle;
            }
        }
        path.reverse();
        Ok(InclusionProof { index, size, path })
    }

    /// Shows that the tree of the first `old` leaves is the beginning of the
    /// tree of the first `size`. `leaves` as in [`Self::prove_inclusion`].
    pub fn prove_consistency<E: From<ProveError>>(
        &self,
        old: u64,
        size: u64,
        leaves: impl FnMut(u64) -> Result<Vec<B256>, E>,
    ) -> Result<ConsistencyProof, E> {
        if size > self.size() || old > size {
            return Err(ProveError::Beyond { at: old.max(size), size: size.min(self.size()) }.into());
        }
        let mut source = Source { tiles: self, leaves, read: Vec::new() };
        let (mut path, mut from, mut to) = (Vec::new(), 0, size);
        // Every tree continues the empty one.
        while old != 0 && old != to {
            let middle = from + split(to - from);
            if old <= middle {
                path.push(source.hash(middle, to)?);
                to = middle;
            } else {
                path.push(source.hash(from, middle)?);
                from = middle;
            }
        }
        if from != 0 {
            path.push(source.hash(from, to)?);
        }
        path.reverse();
        Ok(ConsistencyProof { old, size, path })
    }

    /// Root of the tree of the first `size` leaves. `leaves` as in [`Self::prove_inclusion`].
    pub fn root_at<E: From<ProveError>>(
        &self,
        size: u64,
        leaves: impl FnMut(u64) -> Result<Vec<B256>, E>,
    ) -> Result<B256, E> {
        if size > self.size() {
            return Err(ProveError::Beyond { at: size, size: self.size() }.into());
        }
        Source { tiles: self, leaves, read: Vec::new() }.hash(0, size)
    }
}

/// Leaves of the left subtree of a tree of `size` > 1: the largest power of two below it.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Hashes of subtrees, from tile roots where possible.
struct Source<'a, F> {
    tiles: &'a MerkleTiles,
    leaves: F,
    /// Tiles whose leaves were read.
    read: Vec<(u64, Vec<B256>)>,
}

impl<F> Source<'_, F> {
    /// Root of the leaves `from..to`. `from` is a multiple of the smallest
    /// power of two that is not below `to - from`, as in every subtree.
    fn hash<E>(&mut self, from: u64, to: u64) -> Result<B256, E>
    where
        E: From<ProveError>,
        F: FnMut(u64) -> Result<Vec<B256>, E>,
    {
        let (first, last) = (from / TILE, to / TILE);
        if first == last {
            let within = |at: u64| (at % TILE) as usize;
            return Ok(root_of(&self.tile(first)?[within(from)..within(to)]));
        }
        if to - from < TILE {
            // The right end of a full tile.
            let leaves = self.tile(first)?;
            return Ok(root_of(&leaves[(from % TILE) as usize..]));
        }
        let mut range = CompactRange::default();
        self.tiles.roots[first as usize..last as usize].iter().for_each(|root| range.push(*root));
        let rest = if to % TILE == 0 { None } else { Some(self.hash(last * TILE, to)?) };
        Ok(bag(range.peaks.into_iter().chain(rest)).unwrap_or_else(empty_root))
    }

    fn tile<E>(&mut self, tile: u64) -> Result<&[B256], E>
    where
        E: From<ProveError>,
        F: FnMut(u64) -> Result<Vec<B256>, E>,
    {
        let Some(expected) = self.tiles.roots.get(tile as usize) else { return Ok(&self.tiles.open) };
        let known = self.read.iter().position(|(number, _)| *number == tile);
        let at = match known {
            Some(at) => at,
            None => {
                let leaves = (self.leaves)(tile)?;
                if leaves.len() as u64 != TILE || root_of(&leaves) != *expected {
                    return Err(ProveError::Tile { tile }.into());
                }
                self.read.push((tile, leaves));
                self.read.len() - 1
            }
        };
        Ok(&self.read[at].1)
    }
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
