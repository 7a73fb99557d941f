//! The journal: every canonical event, in order, durable, checked on the way in
//! and on the way out.
//!
//! - One [`Frame`] is the events of one block (or of the genesis). Frames are
//!   cut nowhere else, so honest nodes write the same bytes.
//! - [`JournalStore::append`] returns when the frames would survive a power
//!   cut; before that nobody may be told of them.
//! - Every event is chained to its predecessor ([`crowdfold_events::hash::chain`]);
//!   a frame carries the chain's head before and after it and a CRC.
//! - A failed write or fsync is final: the store answers every later call with
//!   the same error until the process starts again.
//!
//! [`SledJournal`] is the store on disk: plain segment files, and the recent
//! frames a second time in sled, which by itself neither makes writes durable
//! nor reports what it lost. [`MemoryJournal`] keeps the same bytes in memory.
//! [`Reader`] and [`Subscription`] read without the writer's lock and never
//! hold it up. [`verify`], [`repair`], [`backup`], [`prune`], [`export`],
//! [`import`] and [`stats`] are the operator's. Nothing here decides anything
//! about events.

mod backup;
mod bytes;
mod catalog;
mod checkpoint;
mod cursor;
mod disk;
mod error;
mod export;
mod faulty;
mod fill;
mod floor;
mod frame;
mod head_file;
mod lock;
mod memory;
mod merkle_file;
pub mod merkle_log;
pub mod merkle_proof;
mod numbered;
mod options;
mod prune;
mod reader;
mod recovery;
mod repair;
mod repair_source;
mod segment;
mod sled_store;
mod snapshot;
mod stats;
mod subscription;
mod verify;
mod window;

pub use backup::{BackupReport, backup, backup_with};
pub use checkpoint::{Checkpoint, CheckpointError, MAX_CHECKPOINT_BYTES, SignedCheckpoint};
pub use disk::{Disk, RealDisk};
pub use error::{Damage, FrameError, JournalError};
pub use export::{ExportReport, export, import, import_with};
pub use faulty::{AppendFault, FaultCounts, FaultyDisk, FaultyJournal};
pub use floor::Floor;
pub use frame::{Frame, MAX_FRAME_BYTES};
pub use memory::MemoryJournal;
pub use merkle_file::{JournalTree, MerkleError};
pub use merkle_log::{CompactRange, MerkleTiles};
pub use merkle_proof::{ConsistencyProof, InclusionProof, ProofError};
pub use options::Options;
pub use prune::{PruneReport, prune};
pub use reader::{FrameAt, Frames, Reader};
pub use repair::{RepairAction, RepairReport, repair, repair_with};
pub use repair_source::RepairSource;
pub use sled_store::SledJournal;
pub use snapshot::{Snapshot, SnapshotMeta, snapshots};
pub use stats::{JournalStats, stats};
pub use subscription::{Subscription, SubscriptionSource};
pub use verify::{FileKind, Finding, Progress, VerifyReport, verify};

use crowdfold_events::{B256, EventSeq, StoredEvent, hash};

/// A place between two events of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the next event; also the number of events before it.
    pub next: EventSeq,
    /// Head of the event chain before it.
    pub hash: B256,
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self = Self { next: EventSeq(0), hash: hash::CHAIN_START };
}

/// Makes one snapshot durable; see [`JournalStore::snapshot_writer`].
pub type SnapshotWriter = Box<dyn FnOnce(&Snapshot) -> Result<(), JournalError> + Send>;

/// A journal. One writer, which owns the numbering of events.
pub trait JournalStore: Send {
    /// Appends frames whose first event gets number `expected`, all under one
    /// group of fsyncs, and returns the head after them. When it returns `Ok`
    /// they are durable; after an error that is not the caller's the store is
    /// poisoned and nothing of the call is acknowledged.
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError>;

    /// Where the durable journal ends.
    fn head(&self) -> Head;

    /// Where it begins: after pruning not at the genesis.
    fn floor(&self) -> Head;

    /// Up to `limit` events from number `from` on, checked. Empty at the head;
    /// an error beyond it and before the floor.
    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError>;

    /// Events from number `from` on, ordered and without gaps, as they become
    /// durable. It lives apart from the store: any thread may poll it, and a
    /// slow reader costs the writer nothing.
    fn subscribe(&self, from: EventSeq) -> Result<Subscription, JournalError>;

    /// Makes a snapshot durable. It must lie between floor and head and name
    /// the chain's head there.
    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError>;

    /// As [`Self::put_snapshot`], from any thread and beside the writer. An
    /// error is the caller's to act on: it does not stop the store.
    fn snapshot_writer(&self) -> Result<SnapshotWriter, JournalError> {
        Err(JournalError::Unsupported { what: "writing snapshots beside the writer" })
    }

    /// The newest good snapshot at or before event `at_most`.
    fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError>;
}
