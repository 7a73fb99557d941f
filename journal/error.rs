//! What can go wrong, and whose fault it is.

use std::path::{Path, PathBuf};

use crowdfold_events::{B256, CodecError, EventSeq};

/// Events that are not a frame. The caller's fault (a bug).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No events.
    #[error("a frame has at least one event")]
    Empty,
    /// The last event does not end a block.
    #[error("the last event has type {found}; a frame ends with BlockSealed")]
    NotAtBlockEnd {
        /// The type found.
        found: u32,
    },
    /// A block ends inside.
    #[error("event {at} of the frame ends a block and is not the last")]
    BlockEndInside {
        /// Index in the frame, from 0.
        at: usize,
    },
    /// Too many bytes.
    #[error("{found} bytes of events, at most {limit} are allowed")]
    TooLong {
        /// Length found.
        found: usize,
        /// Length allowed.
        limit: usize,
    },
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The caller appends at another place than the end. The caller's fault;
    /// the store stays usable.
    #[error("append at {expected}, but the journal ends at {found}")]
    WrongPlace {
        /// Where the caller believes the end is.
        expected: EventSeq,
        /// Where it is.
        found: EventSeq,
    },
    /// The genesis frame is first and only first. The caller's fault.
    #[error("the frame at {at} must{} be the genesis", if *.genesis { " not" } else { "" })]
    Genesis {
        /// Number of the frame's first event.
        at: EventSeq,
        /// Whether the frame is a genesis frame.
        genesis: bool,
    },
    /// A read beyond the end. The caller's fault; the store stays usable.
    #[error("read from {from}, but the journal ends at {end}")]
    BeyondEnd {
        /// Where the caller wants to read.
        from: EventSeq,
        /// The end.
        end: EventSeq,
    },
    /// A read before the first event that is kept. The caller's fault; the
    /// store stays usable.
    #[error("event {from} was pruned, the journal begins at {floor}")]
    Pruned {
        /// Where the caller wants to read.
        from: EventSeq,
        /// The first event kept.
        floor: EventSeq,
    },
    /// A snapshot that does not lie on this chain. The caller's fault; the
    /// store stays usable.
    #[error("a snapshot at {at} with head {found} does not lie on the chain")]
    SnapshotPlace {
        /// The snapshot's place.
        at: EventSeq,
        /// The head that it names.
        found: B256,
    },
    /// Pruning would leave nothing to start from. The operator's fault.
    #[error("no good snapshot lies between {floor} and the end; pruning needs one to start from")]
    NeedsSnapshot {
        /// Where the journal would begin.
        floor: EventSeq,
    },
    /// A directory that must be empty or absent is not. The operator's fault.
    #[error("{} is not empty", .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// Not built.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// Another process has the directory open. The operator's fault.
    #[error("{} is in use by another process", .path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file that names the journal's end is missing or damaged.
    #[error("{} does not name the journal's end: {detail}", .path.display())]
    BadHead {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// Frames that were acknowledged are gone.
    #[error("{} ends at {found}, but events up to {acknowledged} were acknowledged", .file.display())]
    Behind {
        /// The file or database that is behind.
        file: PathBuf,
        /// End of the acknowledged journal.
        acknowledged: EventSeq,
        /// End of what the store holds.
        found: EventSeq,
    },
    /// The store holds other events than were acknowledged.
    #[error("{}: the event chain's head at {at} is {found}, acknowledged was {acknowledged}", .file.display())]
    OtherHistory {
        /// The file or database with the other history.
        file: PathBuf,
        /// End of the acknowledged journal.
        at: EventSeq,
        /// Its head.
        acknowledged: B256,
        /// The head computed from the store.
        found: B256,
    },
    /// A frame below the acknowledged end is damaged.
    #[error("{} at byte {offset}: the frame at event {at} is damaged: {detail}", .file.display())]
    Damaged {
        /// The file or database.
        file: PathBuf,
        /// Where the frame begins in the file, in bytes; 0 in a database.
        offset: u64,
        /// Number of the frame's first event.
        at: EventSeq,
        /// What was expected.
        detail: Damage,
    },
    /// A part of a file that is not a frame is damaged.
    #[error("{} at byte {offset}: {what} is damaged: {detail}", .file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// Where the part begins, in bytes.
        offset: u64,
        /// The part.
        what: &'static str,
        /// What was expected.
        detail: Damage,
    },
    /// sled cannot read a copy of a window.
    #[error("sled cannot read a copy of {detail}")]
    BadWindow {
        /// The window.
        path: PathBuf,
        /// The window and sled's words.
        detail: String,
    },
    /// A file that must be there is not.
    #[error("{} is missing; it begins at event {at}", .file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// Its first event.
        at: EventSeq,
    },
    /// Repair found no good copy of a frame anywhere.
    #[error("no source has a good frame at event {at}; last looked at: {detail}")]
    Unrepairable {
        /// Number of the frame's first event.
        at: EventSeq,
        /// What is wrong with it in the journal's own file.
        detail: Box<JournalError>,
    },
    /// The operating system or sled failed. Final.
    #[error("{step}: {detail}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// The system's words.
        detail: String,
    },
}

impl JournalError {
    pub(crate) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |e| Self::Io { step, detail: format!("{}: {e}", path.display()) }
    }

    pub(crate) fn sled(step: &'static str, path: &Path) -> impl FnOnce(sled::Error) -> Self {
        move |e| Self::Io { step, detail: format!("{}: {e}", path.display()) }
    }

    /// Whether the store can still be used after this error.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        matches!(
            self,
            Self::WrongPlace { .. }
                | Self::Genesis { .. }
                | Self::BeyondEnd { .. }
                | Self::Pruned { .. }
                | Self::SnapshotPlace { .. }
                | Self::NeedsSnapshot { .. }
                | Self::NotEmpty { .. }
        )
    }
}

/// How a stored frame is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Parts of it are missing.
    #[error("{found} bytes of {expected}")]
    Short {
        /// Bytes that the frame should have.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// It does not begin like a frame of a known format.
    #[error("no frame of a known format begins here")]
    Header,
    /// The key and the frame name different events.
    #[error("the frame says that it begins at {found}")]
    Place {
        /// What the frame says.
        found: EventSeq,
    },
    /// The checksum is wrong.
    #[error("CRC-32C {found:08x}, stored is {expected:08x}")]
    Checksum {
        /// The stored one.
        expected: u32,
        /// The one of the bytes.
        found: u32,
    },
    /// Its events lead to another head of the chain.
    #[error("the events lead to head {found}, stored is {expected}")]
    Hash {
        /// The stored one.
        expected: B256,
        /// The one of the events.
        found: B256,
    },
    /// It does not follow the frame before it.
    #[error("follows head {found}, the head before it is {expected}")]
    Chain {
        /// The head after the frame before.
        expected: B256,
        /// The head that the frame names.
        found: B256,
    },
    /// Its events cannot be told apart.
    #[error("events: {0}")]
    Events(CodecError),
    /// It has another number of events than it says.
    #[error("{found} events, stored is {expected}")]
    Count {
        /// The stored one.
        expected: u32,
        /// Events found.
        found: u32,
    },
    /// Its events are not those of one block.
    #[error("not a block: {0}")]
    Cut(FrameError),
}
