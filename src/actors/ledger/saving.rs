//! Snapshots: when one is due, and how it is written without holding up blocks.
//!
//! ```text
//! due ─► Save ─► run, on a blocking thread: volume of old blocks ─► state as bytes ─► journal's snapshot file
//!                └► saved: old blocks leave the memory
//! ```
//!
//! The volume is durable before the snapshot that needs it. A crash in between
//! leaves a volume that the next start removes.

use std::{num::NonZeroU64, path::PathBuf, sync::Arc};

use crowdfold_events::Height;
use crowdfold_journal::{JournalStore, Snapshot as Stored, SnapshotWriter};

use crate::{
    history::History,
    node::{SavedFault, Snapshot},
};

/// What a node keeps beside its journal, so that it starts fast. Every node may choose otherwise.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Directory of the volumes of old blocks.
    pub dir: PathBuf,
    /// Blocks from one snapshot to the next.
    pub every: NonZeroU64,
}

/// Knows when a snapshot is due.
pub(super) struct Saver {
    every: NonZeroU64,
    /// The block of the last one, or of the last attempt.
    last: Height,
    is_running: bool,
}

impl Saver {
    /// `last` is the block of the snapshot that the chain was taken up from.
    pub(super) fn new(every: NonZeroU64, last: Height) -> Self {
        Self { every, last, is_running: false }
    }

    pub(super) fn is_due(&self, height: Height) -> bool {
        !self.is_running && height.0.saturating_sub(self.last.0) >= self.every.get()
    }

    /// Whether the last one is of this block, or was to be.
    pub(super) fn has(&self, height: Height) -> bool {
        self.last == height
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    pub(super) fn begin(&mut self, snapshot: Arc<Snapshot>, writer: Option<SnapshotWriter>) -> Save {
        self.is_running = true;
        self.last = snapshot.height();
        Save { snapshot, writer, stored: None, history: None, fault: None }
    }

    pub(super) fn end(&mut self) {
        self.is_running = false;
    }
}

/// A snapshot to be written, then one that was.
pub struct Save {
    snapshot: Arc<Snapshot>,
    writer: Option<SnapshotWriter>,
    /// For a journal that has no writer of snapshots.
    stored: Option<Stored>,
    history: Option<History>,
    fault: Option<SavedFault>,
}

impl Save {
    /// The block that it is of.
    #[must_use]
    pub fn height(&self) -> Height {
        self.snapshot.height()
    }

    /// Does the work. It takes as long as the state is large and the disk slow.
    #[must_use]
    pub fn run(mut self) -> Self {
        self.fault = self.write().err();
        self
    }

    fn write(&mut self) -> Result<(), SavedFault> {
        self.history = self.snapshot.index.seal()?;
        let stored = self.snapshot.to_stored()?;
        match self.writer.take() {
            Some(write) => write(&stored)?,
            None => self.stored = Some(stored),
        }
        Ok(())
    }

    /// The history that has the old blocks, and how much finished work is in
    /// it; whether there is a snapshot.
    pub(super) fn finish(self, journal: &mut dyn JournalStore) -> (Option<(History, usize)>, Result<(), SavedFault>) {
        let stored = match (self.fault, &self.stored) {
            (Some(fault), _) => Err(fault),
            (None, Some(stored)) => journal.put_snapshot(stored).map_err(SavedFault::from),
            (None, None) => Ok(()),
        };
        (self.history.map(|history| (history, self.snapshot.index.finished_count())), stored)
    }
}
