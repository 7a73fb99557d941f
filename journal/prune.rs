//! Forgetting old segments while the rest stays verifiable.

use std::path::Path;

use crowdfold_events::EventSeq;

use crate::{Floor, JournalError};

/// The result of pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneReport {
    /// Where the journal begins now.
    pub floor: Floor,
    /// Segments removed.
    pub segments: u64,
    /// Bytes freed.
    pub bytes: u64,
}

/// Removes the sealed segments that end at or before event `before` of a
/// journal that nobody is writing to; see `SledJournal::prune`.
pub fn prune(dir: &Path, before: EventSeq) -> Result<PruneReport, JournalError> {
    let _ = (dir, before);
    Err(JournalError::Unsupported { what: "prune" })
}
