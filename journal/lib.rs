//! The journal: every canonical event, in order, durable, checked on the way in
//! and on the way out.
//!
//! - One [`Frame`] is the events of one block (or of the genesis). Frames are
//!   cut nowhere else, so honest nodes write the same bytes.
//! - [`JournalStore::append`] returns when the frames would survive a power
//!   cut; before that nobody may be told of them.
//! - Every event is chained to its predecessor ([`crowdfold_events::hash::chain`]);
//!   a frame carries the head before it, a CRC and a hash.
//! - A failed write or fsync is final: the store answers every later call with
//!   the same error until the process starts again.
//!
//! [`SledJournal`] keeps frames in sled, which by itself neither makes writes
//! durable nor reports what it lost; [`MemoryJournal`] keeps them in memory.
//! Neither decides anything about events. What is not here: sealed segments,
//! repair, snapshots, pruning.

mod checkpoint;
mod error;
mod frame;
mod memory;
pub mod merkle_log;
pub mod merkle_proof;
mod sled_store;

pub use checkpoint::{Checkpoint, CheckpointError, MAX_CHECKPOINT_BYTES, SignedCheckpoint};
pub use error::{Damage, FrameError, JournalError};
pub use frame::{Frame, MAX_FRAME_BYTES};
pub use memory::MemoryJournal;
pub use merkle_log::{CompactRange, MerkleTiles};
pub use merkle_proof::{ConsistencyProof, InclusionProof, ProofError};
pub use sled_store::{Disk, RealDisk, SledJournal};

use crowdfold_events::{B256, EventSeq, StoredEvent, hash};

/// Where a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the next event; also the number of events.
    pub next: EventSeq,
    /// Head of the event chain after the last event.
    pub hash: B256,
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self = Self { next: EventSeq(0), hash: hash::CHAIN_START };
}

/// A journal. One writer; `read` may be called between appends.
pub trait JournalStore: Send {
    /// Appends frames whose first event gets number `expected`, all under one
    /// fsync, and returns the head after them. When it returns `Ok` they are
    /// durable; after an error that is not the caller's the store is poisoned.
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError>;

    /// Where the durable journal ends.
    fn head(&self) -> Head;

    /// Up to `limit` events from number `from` on, checked. Empty at the head;
    /// an error beyond it.
    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError>;
}
