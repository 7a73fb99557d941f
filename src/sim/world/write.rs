//! A world's chain as a node's data directory.

use std::path::{Path, PathBuf};

use crowdfold_events::{
    EventSeq, StoredEvent,
    codec::{TAG_BLOCK_SEALED, TAG_GENESIS_LOADED},
};
use crowdfold_journal::{Frame, FrameError, JournalError, JournalStore, SledJournal};

use super::World;
use crate::{
    node::tip::{TipError, TipKeeper},
    proofs::{ProofStore, StoreError, write_durably},
};

/// Events read at a time.
const STEP: usize = 4_096;
/// Frames written under one sync.
const FRAMES: usize = 256;

/// Why a world's chain is not on the disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is something already. The operator's fault.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// On which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// The genesis has no text form.
    #[error(transparent)]
    Genesis(#[from] crowdfold_config::GenesisError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal in memory is not made of frames: a bug.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The proofs.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The last block's commit.
    #[error(transparent)]
    Tip(#[from] TipError),
}

impl World {
    /// Writes `genesis.toml`, `journal/`, `proofs/` and, if it has it, the last block's commit of validator 0 to a
    /// directory that is not there yet.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&self, dir: &Path) -> Result<(), WriteError> {
        if dir.exists() {
            return Err(WriteError::Exists(dir.to_owned()));
        }
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError::Io { path, source }
        };
        std::fs::create_dir_all(dir).map_err(io(dir))?;
        write_durably(&dir.join("genesis.toml"), self.genesis.genesis.to_toml()?.as_bytes())?;
        let store = ProofStore::open(dir.join("proofs"))?;
        let Some(first) = self.validators.first() else { return Ok(()) };
        for proof in first.disk.proofs() {
            store.put(&proof)?;
        }
        let mut journal = SledJournal::open(&dir.join("journal"))?;
        let opened = if first.node.is_some() { None } else { Some(first.disk.open()?) };
        let read = |from| match (&first.node, &opened) {
            (Some(node), _) => node.ledger.events(from, STEP),
            (None, Some(journal)) => journal.read(from, STEP),
            (None, None) => Ok(Vec::new()),
        };
        let head = |node: &super::node::Node| EventSeq(node.ledger.snapshot().event_count());
        let end = first.node.as_ref().map(head).or_else(|| opened.as_ref().map(|j| j.head().next)).unwrap_or_default();
        let mut at = EventSeq(0);
        let (mut block, mut frames): (Vec<StoredEvent>, Vec<Frame>) = (Vec::new(), Vec::new());
        while at < end {
            for stored in read(at)? {
                at = at.next();
                let is_last = matches!(stored.event_type(), TAG_BLOCK_SEALED | TAG_GENESIS_LOADED);
                block.push(stored);
                if is_last {
                    frames.push(Frame::new(std::mem::take(&mut block))?);
                }
            }
            if frames.len() >= FRAMES || at >= end {
                let expected = journal.head().next;
                journal.append(&std::mem::take(&mut frames), expected)?;
            }
        }
        if let Some(node) = &first.node {
            let commit = node.consensus.last_commit();
            if commit.height == node.ledger.snapshot().height() {
                TipKeeper::new(dir.to_owned(), self.genesis.hash, first.signer.clone())
                    .keep(&commit, journal.head())?;
            }
        }
        Ok(())
    }
}
