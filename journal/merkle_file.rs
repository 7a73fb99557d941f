//! The Merkle tree of a directory's journal, and the file that saves making it
//! again from every event.
//!
//! ```text
//! DIR/merkle   magic "CFJMERK1" | floor u64 | next u64 | head 32 | counts u32 u64 u32
//!              | peaks | tile roots | open leaves (32 bytes each) | crc32c     integers little-endian
//! ```
//!
//! The file is derived: whoever proves something brings it up to date, nobody
//! needs it, and one that is damaged, of another chain or of another floor is
//! made again. It always ends where a frame does, and is only used if the
//! event chain's head there is the journal's.

use std::{fs, path::Path};

use crowdfold_events::{B256, EventSeq};

use crate::{
    CompactRange, ConsistencyProof, Head, InclusionProof, JournalError, MerkleTiles, Reader,
    merkle_log::{ProveError, TILE, leaf_hash},
    verify::Progress,
};

const NAME: &str = "merkle";
const MAGIC: [u8; 8] = *b"CFJMERK1";
/// Events between two reports of progress.
const PROGRESS_STEP: u64 = 4096;
const HEADER_BYTES: usize = 8 + 8 + 8 + 32 + 4 + 8 + 4;

/// Why a tree or a proof cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The floor names peaks that belong to another number of events.
    #[error("{found} peaks are not those of the {floor} events before the floor")]
    Floor {
        /// Events before the floor.
        floor: EventSeq,
        /// Peaks found.
        found: usize,
    },
}

/// The Merkle tree of a journal, up to the end of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalTree {
    tiles: MerkleTiles,
    head: Head,
}

impl JournalTree {
    /// The tree up to the reader's head: from `DIR/merkle` as far as that
    /// goes, the rest from the events, which are checked on the way.
    pub fn of(reader: &Reader, progress: Progress<'_>) -> Result<Self, MerkleError> {
        let floor = reader.floor();
        let found = floor.peaks.len();
        let peaks = CompactRange::new(floor.head.next.0, floor.peaks.clone())
            .ok_or(MerkleError::Floor { floor: floor.head.next, found })?;
        let start = Self { tiles: MerkleTiles::from_floor(peaks), head: floor.head };
        let saved = Self::load(reader).filter(|saved| saved.tiles.floor() == start.tiles.floor());
        let mut tree = saved.unwrap_or(start);
        let (begin, end) = (tree.head.next, reader.head().next);
        if begin == end {
            return Ok(tree);
        }
        tree.head = reader.scan(begin, &mut |at, event| {
            tree.tiles.push(leaf_hash(event));
            if at.0 % PROGRESS_STEP == 0 {
                progress(at.0 - begin.0, end.0 - begin.0);
            }
        })?;
        Ok(tree)
    }

    /// Where it ends.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Root over all events up to the head.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.tiles.root()
    }

    /// Root over the first `size` events.
    pub fn root_at(&self, reader: &Reader, size: u64) -> Result<B256, MerkleError> {
        self.tiles.root_at(size, |tile| leaves(reader, tile))
    }

    /// Shows that event `seq` is in the journal of `size` events.
    pub fn prove_inclusion(&self, reader: &Reader, seq: EventSeq, size: u64) -> Result<InclusionProof, MerkleError> {
        self.tiles.prove_inclusion(seq.0, size, |tile| leaves(reader, tile))
    }

    /// Shows that the journal of `size` events continues the one of `old`.
    pub fn prove_consistency(&self, reader: &Reader, old: u64, size: u64) -> Result<ConsistencyProof, MerkleError> {
        self.tiles.prove_consistency(old, size, |tile| leaves(reader, tile))
    }

    /// Replaces `DIR/merkle`. Nothing is lost if it fails or is not durable.
    pub fn save(&self, dir: &Path) -> Result<(), JournalError> {
        let failed = |step| move |error: std::io::Error| JournalError::Io { step, detail: error.to_string() };
        let temporary = dir.join("merkle.new");
        fs::write(&temporary, self.to_bytes()).map_err(failed("write the Merkle tiles"))?;
        fs::rename(&temporary, dir.join(NAME)).map_err(failed("rename the Merkle tiles"))
    }

    fn load(reader: &Reader) -> Option<Self> {
        let saved = Self::from_bytes(&fs::read(reader.dir().join(NAME)).ok()?)?;
        if saved.head == reader.floor().head {
            return Some(saved);
        }
        let last = EventSeq(saved.head.next.0.checked_sub(1)?);
        let is_known = last >= reader.floor().head.next && last < reader.head().next;
        (is_known && reader.locate(last).ok()?.after == saved.head).then_some(saved)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let (floor, roots, open) = (self.tiles.floor(), self.tiles.tile_roots(), self.tiles.open_leaves());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(floor.size().to_le_bytes());
        bytes.extend(self.head.next.0.to_le_bytes());
        bytes.extend(self.head.hash);
        bytes.extend((floor.peaks().len() as u32).to_le_bytes());
        bytes.extend((roots.len() as u64).to_le_bytes());
        bytes.extend((open.len() as u32).to_le_bytes());
        for hash in floor.peaks().iter().chain(roots).chain(open) {
            bytes.extend(hash);
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// `None` for anything that was not written by [`Self::to_bytes`].
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.split_last_chunk::<4>()?;
        let (header, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        if header[..8] != MAGIC || crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let long = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let short = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let (floor, next, hash) = (long(8)?, long(16)?, B256::from_slice(&header[24..56]));
        let mut hashes = |count: u64| {
            let length = usize::try_from(count).ok()?.checked_mul(32)?;
            let (hashes, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(hashes.chunks_exact(32).map(B256::from_slice).collect::<Vec<_>>())
        };
        let peaks = hashes(u64::from(short(56)?))?;
        let roots = hashes(long(60)?)?;
        let open = hashes(u64::from(short(68)?))?;
        let tiles = MerkleTiles::from_parts(CompactRange::new(floor, peaks)?, roots, &open)?;
        (rest.is_empty() && tiles.size() == next).then_some(Self { tiles, head: Head { next: EventSeq(next), hash } })
    }
}

/// Leaf hashes of a full tile, without those before the floor.
fn leaves(reader: &Reader, tile: u64) -> Result<Vec<B256>, MerkleError> {
    let end = (tile + 1) * TILE;
    let from = reader.floor().head.next.0.max(tile * TILE);
    let events = reader.read(EventSeq(from), (end - from) as usize)?;
    Ok(events.iter().map(|event| leaf_hash(event.as_bytes())).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tree(floor: u64, size: u64) -> JournalTree {
        let mut range = CompactRange::default();
        (0..floor).for_each(|n| range.push(leaf_hash(&n.to_le_bytes())));
        let mut tiles = MerkleTiles::from_floor(range);
        (floor..size).for_each(|n| tiles.push(leaf_hash(&n.to_le_bytes())));
        JournalTree { tiles, head: Head { next: EventSeq(size), hash: B256::repeat_byte(7) } }
    }

    #[test]
    fn bytes_are_read_back_and_no_others() {
        for (floor, size) in [(0, 0), (0, 1), (0, 600), (5, 5), (300, 600), (256, 512), (511, 513)] {
            let tree = tree(floor, size);
            let bytes = tree.to_bytes();
            assert_eq!(JournalTree::from_bytes(&bytes), Some(tree), "{floor} {size}");
            for end in 0..bytes.len() {
                assert_eq!(JournalTree::from_bytes(&bytes[..end]), None);
            }
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 0x20;
                assert_eq!(JournalTree::from_bytes(&bad), None);
            }
        }
    }

    #[test]
    fn counts_that_lie_are_refused_although_the_checksum_is_right() {
        let bytes = tree(0, 600).to_bytes();
        for (at, claim) in [(8, u64::MAX), (8, 1), (16, 599), (60, u64::MAX), (60, 1), (60, 1 << 59), (56, 1), (68, 0)]
        {
            let mut bad = bytes[..bytes.len() - 4].to_vec();
            bad[at..at + 8].copy_from_slice(&claim.to_le_bytes());
            let checksum = crc32c::crc32c(&bad);
            bad.extend(checksum.to_le_bytes());
            assert_eq!(JournalTree::from_bytes(&bad), None, "{at} {claim}");
        }
        let mut long = [&bytes[..bytes.len() - 4], &[7; 32]].concat();
        let checksum = crc32c::crc32c(&long);
        long.extend(checksum.to_le_bytes());
        assert_eq!(JournalTree::from_bytes(&long), None);
    }
}
