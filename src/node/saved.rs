//! A [`Snapshot`] as the bytes of a journal's snapshot, and back.
//!
//! ```text
//! layout u16 | length u64 | the kernel's state ([`State::to_snapshot`])
//!   | n u32 | n × (height u64, first item u64, items u32, length u32, delta)      little-endian
//! ```
//!
//! The deltas lead from the state's tree back to the trees before the blocks
//! whose items are not aggregated yet, the newest first, each from the one
//! before. Blocks are not in it: they are in the [`History`](crate::history::History).

use crowdfold_config::Genesis;
use crowdfold_events::{B256, CodecError, Event, EventSeq, Height, ItemIndex, StoredEvent};
use crowdfold_journal::{Head, JournalError, JournalStore, Reader, Snapshot as Stored, SnapshotMeta};
use crowdfold_kernel::{SNAPSHOT_VERSION, SnapshotFault, State};
use crowdfold_zk::tree::{StateTree, TreeDelta, TreeError};
use imbl::OrdMap;

use super::{Snapshot, snapshot::PendingTree};
use crate::{history::HistoryError, rpc::ChainIndex};

const LAYOUT: u16 = 1;

/// Why a snapshot cannot be written or used. An accident on the disk, or
/// another version of the program; the journal is not touched by it.
#[derive(Debug, thiserror::Error)]
pub enum SavedFault {
    /// It was written by another version of the code.
    #[error("written by version {found:#x} of the code, this is {SNAPSHOT_VERSION:#x}")]
    Version {
        /// The writer's.
        found: u32,
    },
    /// The bytes end early, or go on.
    #[error("the bytes are cut or too many")]
    Length,
    /// Not this layout.
    #[error("layout {found}, this is {LAYOUT}")]
    Layout {
        /// The snapshot's.
        found: u16,
    },
    /// The kernel's state.
    #[error("state: {0}")]
    State(#[from] SnapshotFault),
    /// A delta.
    #[error("tree before block {height}: {fault}")]
    Tree {
        /// The block.
        height: Height,
        /// What is wrong.
        fault: TreeError,
    },
    /// It does not agree with the block that the journal ends with at its place.
    #[error("the {what} is {found}, the sealed block says {expected}")]
    Differs {
        /// What.
        what: &'static str,
        /// The journal's.
        expected: B256,
        /// The snapshot's.
        found: B256,
    },
    /// There is no end of a block at its place.
    #[error("event {0} is not the end of block {1}")]
    Place(EventSeq, Height),
    /// The tree before a block is not the one that the block began with.
    #[error("the tree before block {height} has root {found}, the block says {expected}")]
    OtherTree {
        /// The block.
        height: Height,
        /// The block's.
        expected: B256,
        /// The tree's.
        found: B256,
    },
    /// Old blocks.
    #[error("old blocks: {0}")]
    History(#[from] HistoryError),
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// An event at its place does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Snapshot {
    /// For the journal. The cost is that of encoding; nothing is hashed but the bytes.
    ///
    /// # Errors
    /// A state that is too long.
    pub(crate) fn to_stored(&self) -> Result<Stored, SavedFault> {
        let state = self.state.to_snapshot()?;
        let mut bytes = Vec::with_capacity(state.len() + 64);
        bytes.extend(LAYOUT.to_le_bytes());
        bytes.extend((state.len() as u64).to_le_bytes());
        bytes.extend(state);
        bytes.extend((self.trees.len() as u32).to_le_bytes());
        let mut newer = self.state.tree();
        for (height, pending) in self.trees.iter().rev() {
            let delta = newer.delta_to(&pending.tree).to_bytes();
            bytes.extend(height.0.to_le_bytes());
            bytes.extend(pending.first.0.to_le_bytes());
            bytes.extend(pending.items.to_le_bytes());
            bytes.extend((delta.len() as u32).to_le_bytes());
            bytes.extend(delta);
            newer = &pending.tree;
        }
        let head = Head { next: EventSeq(self.event_count), hash: self.state.events_head() };
        let meta = SnapshotMeta { head, state_root: self.state.state_root(), code_version: SNAPSHOT_VERSION };
        Ok(Stored { meta, bytes })
    }

    /// The chain that a journal's snapshot is of. `index` gives the index of
    /// the blocks up to a height, the number of the first event after them
    /// being the snapshot's place.
    ///
    /// # Errors
    /// [`SavedFault`].
    pub(crate) fn from_stored(
        genesis: &Genesis,
        journal: &dyn JournalStore,
        stored: &Stored,
        index: impl FnOnce(Height) -> Result<ChainIndex, HistoryError>,
    ) -> Result<Self, SavedFault> {
        let meta = &stored.meta;
        let (state, mut rest) = state(genesis, stored)?;
        let read = |at| Ok(journal.read(at, 1)?.into_iter().next());
        check_place(&read, journal.floor(), &meta.head, &state)?;
        let index = index(state.height())?;
        let mut snapshot = Self { state, index, trees: OrdMap::new(), event_count: meta.head.next.0 };
        let mut tree = snapshot.state.tree().clone();
        for _ in 0..rest.u32()? {
            let (height, first, items) = (Height(rest.u64()?), ItemIndex(rest.u64()?), rest.u32()?);
            let length = rest.u32()?;
            let fault = |fault| SavedFault::Tree { height, fault };
            let delta = TreeDelta::from_bytes(rest.bytes(length.into())?).map_err(fault)?;
            tree.rewind(&delta).map_err(fault)?;
            snapshot.check_tree(height, first, &tree)?;
            snapshot.trees.insert(height, PendingTree { first, items, tree: tree.clone() });
        }
        if rest.0.is_empty() { Ok(snapshot) } else { Err(SavedFault::Length) }
    }

    /// A block's first tree has the root that its first item begins with.
    fn check_tree(&self, height: Height, first: ItemIndex, tree: &StateTree) -> Result<(), SavedFault> {
        let of_item = self.state.item(first).filter(|item| item.stages.committed.height == height);
        let expected = match of_item {
            Some(item) => item.pre_root,
            None => self.block(height).ok_or(SavedFault::Place(EventSeq(0), height))?.header.pre_state_root,
        };
        let found = crowdfold_execution::execute::root(tree);
        if found == expected { Ok(()) } else { Err(SavedFault::OtherTree { height, expected, found }) }
    }
}

/// The kernel's state in a snapshot, and what follows it.
fn state<'a>(genesis: &Genesis, stored: &'a Stored) -> Result<(State, Rest<'a>), SavedFault> {
    if stored.meta.code_version != SNAPSHOT_VERSION {
        return Err(SavedFault::Version { found: stored.meta.code_version });
    }
    let mut rest = Rest(&stored.bytes);
    let found = u16::from_le_bytes(*rest.take()?);
    if found != LAYOUT {
        return Err(SavedFault::Layout { found });
    }
    let length = rest.u64()?;
    Ok((State::from_snapshot(genesis, rest.bytes(length)?)?, rest))
}

/// The kernel's state in a snapshot of a journal that is only read, for who
/// believes less than a node does: every digest of the tree is recomputed.
///
/// # Errors
/// [`SavedFault`].
pub(crate) fn verified_state(genesis: &Genesis, reader: &Reader, stored: &Stored) -> Result<State, SavedFault> {
    let (state, _) = state(genesis, stored)?;
    state.tree().verify().map_err(|fault| SavedFault::State(fault.into()))?;
    let read = |at| Ok(reader.read(at, 1)?.into_iter().next());
    check_place(&read, reader.floor().head, &stored.meta.head, &state)?;
    Ok(state)
}

/// Reads one event of a journal; `None` behind its end.
type ReadOne<'a> = &'a dyn Fn(EventSeq) -> Result<Option<StoredEvent>, JournalError>;

/// The state is the one after the block that ends at its place in the journal.
fn check_place(read: ReadOne<'_>, floor: Head, head: &Head, state: &State) -> Result<(), SavedFault> {
    let same = |what, expected: B256, found: B256| {
        if expected == found { Ok(()) } else { Err(SavedFault::Differs { what, expected, found }) }
    };
    same("head of the events", head.hash, state.events_head())?;
    let place = || SavedFault::Place(head.next, state.height());
    if *head == floor {
        // The block that ends here is pruned. The next one says what it begins
        // with; the market root shows when that block is applied.
        let Some(stored) = read(head.next)? else { return Ok(()) };
        let Event::BlockDecided { header, .. } = stored.decode()? else { return Err(place()) };
        same("head of the events", header.parent_events_head, state.events_head())?;
        same("state root", header.pre_state_root, state.state_root())?;
        return same("last block", header.parent, state.head());
    }
    let last = EventSeq(head.next.0.checked_sub(1).ok_or_else(place)?);
    match read(last)?.ok_or_else(place)?.decode()? {
        Event::BlockSealed { height, state_root, market_root } if height == state.height() => {
            same("state root", state_root, state.state_root())?;
            same("market root", market_root, state.market_root().map_err(SnapshotFault::from)?)
        }
        _ => Err(place()),
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], SavedFault> {
        let (piece, rest) = self.0.split_first_chunk::<N>().ok_or(SavedFault::Length)?;
        self.0 = rest;
        Ok(piece)
    }

    fn u32(&mut self) -> Result<u32, SavedFault> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Result<u64, SavedFault> {
        self.take().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], SavedFault> {
        let length = usize::try_from(length).map_err(|_| SavedFault::Length)?;
        let (piece, rest) = self.0.split_at_checked(length).ok_or(SavedFault::Length)?;
        self.0 = rest;
        Ok(piece)
    }
}
