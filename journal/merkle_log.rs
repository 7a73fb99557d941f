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
//! How proofs are checked is in [`crate::merkle_proof`]. A proof is only as good as the (size, root) that it is verified against,
//! which the caller has from somewhere else, a signed
//! [`Checkpoint`](crate::Checkpoint) for instance: a path alone does not bind
//! the size of the tree.

use alloy_primitives::B256;
use sha2::{Digest, Sha256};

use crate::merkle_proof::{ConsistencyProof, InclusionProof};

/// Leaves of one tile.
pub const TILE: u64 = 256;
/// Hash of one stored event.
#[must_use]
pub fn leaf_hash(event: &[u8]) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(event);
    B256::new(hasher.finalize().into())
}

pub(crate) fn node_hash(left: &B256, right: &B256) -> B256 {
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

/// Why a proof cannot be made. The caller's fault, except for `Tile` and `Pruned`.
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
    /// The proof needs leaves that were pruned.
    #[error("leaf {at} was pruned, the tree is known from {floor} on")]
    Pruned {
        /// A leaf that is needed.
        at: u64,
        /// The first leaf that is known.
        floor: u64,
    },
    /// The leaves of a tile are not those that its root was made of: one of
    /// the two is damaged.
    #[error("the leaves of tile {tile} do not make its root")]
    Tile {
        /// Number of the tile, from 0.
        tile: u64,
    },
}

/// The right edge of a tree: roots of its perfect subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<B256>,
}

impl CompactRange {
    /// The tree of `size` leaves with these peaks; `None` if that many peaks
    /// belong to another size.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<B256>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

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

    /// Roots of the perfect subtrees, largest first: one per bit of the size.
    #[must_use]
    pub fn peaks(&self) -> &[B256] {
        &self.peaks
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> B256 {
        bag(&self.peaks).unwrap_or_else(empty_root)
    }

    /// The peaks of whole tiles (sizes counted in tiles), and those in the last tile.
    fn split_tiles(&self) -> (Self, Self) {
        let (high, low) = (self.size / TILE, self.size % TILE);
        let (left, right) = self.peaks.split_at(high.count_ones() as usize);
        (Self { size: high, peaks: left.to_vec() }, Self { size: low, peaks: right.to_vec() })
    }
}

/// One hash of perfect subtrees that get smaller from left to right.
fn bag(peaks: &[B256]) -> Option<B256> {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

fn root_of(leaves: &[B256]) -> B256 {
    let mut range = CompactRange::default();
    leaves.iter().for_each(|leaf| range.push(*leaf));
    range.root()
}

/// A tree with the roots of its full tiles and the leaves of the last one. It
/// may begin at a floor, of what is before which only the peaks are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MerkleTiles {
    floor: CompactRange,
    /// Roots of full tiles, from the one that holds the floor on.
    roots: Vec<B256>,
    /// Over all full tiles.
    high: CompactRange,
    /// Over all leaves of the last tile.
    low: CompactRange,
    /// Leaves of the last tile that are not before the floor.
    open: Vec<B256>,
}

impl MerkleTiles {
    /// A tree whose first leaves are known by their peaks alone.
    #[must_use]
    pub fn from_floor(floor: CompactRange) -> Self {
        let (high, low) = floor.split_tiles();
        Self { floor, roots: Vec::new(), high, low, open: Vec::new() }
    }

    /// The tree of these parts; `None` if there are too many leaves for an open tile.
    #[must_use]
    pub fn from_parts(floor: CompactRange, roots: Vec<B256>, open: &[B256]) -> Option<Self> {
        let mut tree = Self::from_floor(floor);
        if !roots.is_empty() {
            tree.low = CompactRange::default();
        }
        roots.iter().for_each(|root| tree.high.push(*root));
        tree.roots = roots;
        if tree.low.size + open.len() as u64 >= TILE {
            return None;
        }
        open.iter().for_each(|leaf| tree.push(*leaf));
        Some(tree)
    }

    /// Adds the hash of the next event.
    pub fn push(&mut self, leaf: B256) {
        self.low.push(leaf);
        self.open.push(leaf);
        if self.low.size == TILE {
            let root = std::mem::take(&mut self.low).root();
            self.open.clear();
            self.roots.push(root);
            self.high.push(root);
        }
    }

    /// Number of leaves, those before the floor included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.high.size * TILE + self.low.size
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> B256 {
        bag(&[self.high.peaks(), self.low.peaks()].concat()).unwrap_or_else(empty_root)
    }

    /// What is known of the leaves before the first one.
    #[must_use]
    pub fn floor(&self) -> &CompactRange {
        &self.floor
    }

    /// Roots of the full tiles, in order, from the one that holds the floor on.
    #[must_use]
    pub fn tile_roots(&self) -> &[B256] {
        &self.roots
    }

    /// Leaves of the last tile that are not before the floor, fewer than [`TILE`].
    #[must_use]
    pub fn open_leaves(&self) -> &[B256] {
        &self.open
    }

    /// The path of leaf `index` in the tree of the first `size` leaves.
    /// `leaves` gives the leaf hashes of a full tile by its number, without
    /// those before the floor; it is asked for at most two tiles, and what it
    /// gives is checked.
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
        if size == 0 {
            return Ok(empty_root());
        }
        Source { tiles: self, leaves, read: Vec::new() }.hash(0, size)
    }
}

/// Leaves of the left subtree of a tree of `size` > 1: the largest power of two below it.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Hashes of subtrees, from peaks and tile roots where possible.
struct Source<'a, F> {
    tiles: &'a MerkleTiles,
    leaves: F,
    /// Tiles whose leaves were read.
    read: Vec<(u64, Vec<B256>)>,
}

impl<F> Source<'_, F> {
    /// Root of the leaves `from..to`, at least one. `from` is a multiple of the
    /// smallest power of two that is not below `to - from`, as in every subtree.
    fn hash<E>(&mut self, from: u64, to: u64) -> Result<B256, E>
    where
        E: From<ProveError>,
        F: FnMut(u64) -> Result<Vec<B256>, E>,
    {
        let floor = self.tiles.floor.size;
        if to <= floor {
            if let Some(peak) = self.peak(from, to) {
                return Ok(peak);
            }
            if to < floor || to - from == 1 {
                return Err(ProveError::Pruned { at: from, floor }.into());
            }
        }
        if from < floor {
            let middle = from + split(to - from);
            return Ok(node_hash(&self.hash(from, middle)?, &self.hash(middle, to)?));
        }
        let (first, last) = (from / TILE, to / TILE);
        if first == last || to - from < TILE {
            // Within one tile, of which nothing is known before the floor.
            let begin = floor.max(first * TILE);
            let within = (from - begin) as usize..(to - begin) as usize;
            return Ok(root_of(&self.tile(first)?[within]));
        }
        let known = floor / TILE;
        let mut range = CompactRange::default();
        self.tiles.roots[(first - known) as usize..(last - known) as usize].iter().for_each(|root| range.push(*root));
        let mut peaks = range.peaks;
        if !to.is_multiple_of(TILE) {
            peaks.push(self.hash(last * TILE, to)?);
        }
        Ok(bag(&peaks).unwrap_or_else(empty_root))
    }

    /// The peak of the floor that is the root of exactly these leaves.
    fn peak(&self, from: u64, to: u64) -> Option<B256> {
        let CompactRange { size, peaks } = &self.tiles.floor;
        // Peaks before it: one per bit of the size above its own.
        let width = to - from;
        let is_peak = width.is_power_of_two() && size & width != 0 && from == size & !(2 * width - 1);
        is_peak.then(|| peaks[(from.count_ones()) as usize])
    }

    /// Leaves of a tile that are not before the floor.
    fn tile<E>(&mut self, tile: u64) -> Result<&[B256], E>
    where
        E: From<ProveError>,
        F: FnMut(u64) -> Result<Vec<B256>, E>,
    {
        let floor = &self.tiles.floor;
        let known = floor.size / TILE;
        let Some(expected) = self.tiles.roots.get((tile - known) as usize) else { return Ok(&self.tiles.open) };
        let at = match self.read.iter().position(|(number, _)| *number == tile) {
            Some(at) => at,
            None => {
                let leaves = (self.leaves)(tile)?;
                let mut range = if tile == known { floor.split_tiles().1 } else { CompactRange::default() };
                let is_full = leaves.len() as u64 == TILE - range.size;
                leaves.iter().for_each(|leaf| range.push(*leaf));
                if !is_full || range.root() != *expected {
                    return Err(ProveError::Tile { tile }.into());
                }
                self.read.push((tile, leaves));
                self.read.len() - 1
            }
        };
        Ok(&self.read[at].1)
    }
}
