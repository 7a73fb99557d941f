//! A validator's disk: what is left when its process dies.
//!
//! ```text
//! append, write the log ─► honest sync: durable        power cut ─► everything after the last honest sync is gone
//!                       └► lying sync: said durable
//! ```
//!
//! The journal is on a [`FaultyDisk`]; beside it are the consensus log, which
//! is lost together with what the journal loses by a lie, and the proofs.
//! Proofs are content-addressed and synced apart, so a lie does not take them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::Bytes;
use crowdfold_events::B256;
use crowdfold_journal::{AppendFault, FaultyDisk, FaultyJournal, JournalError};

use super::consensus::LogState;

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process alone: what was written stays.
    Process,
    /// The power: of what was not synced, the first `kept` bytes stay.
    Power {
        /// That many.
        kept: usize,
    },
}

/// What a death left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// A frame is half written.
    pub is_torn: bool,
    /// Events that were said to be durable are gone.
    pub is_lost: bool,
}

#[derive(Debug, Default)]
struct Side {
    log: LogState,
    /// The log as of the first of the lies that no honest sync has made good.
    synced_log: Option<LogState>,
    proofs: BTreeMap<B256, Bytes>,
    lies: u64,
}

/// Handles share one disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    journal: FaultyDisk,
    side: Arc<Mutex<Side>>,
}

impl Disk {
    fn side(&self) -> MutexGuard<'_, Side> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the journal as a new process does.
    ///
    /// # Errors
    /// The disk is damaged, which nothing here does to it: a bug.
    pub fn open(&self) -> Result<FaultyJournal, JournalError> {
        self.journal.open()
    }

    /// The next append goes wrong.
    pub fn arm(&self, fault: AppendFault) {
        self.journal.fail_append(fault);
    }

    /// An append was acknowledged, honestly or not.
    pub fn appended(&self) {
        let lies = self.journal.counts().lies;
        let mut side = self.side();
        if lies == side.lies {
            side.synced_log = None;
        } else if side.synced_log.is_none() {
            side.synced_log = Some(side.log.clone());
        }
        side.lies = lies;
    }

    /// Whether something is not durable although the disk has said so.
    #[must_use]
    pub fn has_lied(&self) -> bool {
        self.side().synced_log.is_some()
    }

    /// Writes the consensus log.
    pub fn write_log(&self, log: LogState) {
        self.side().log = log;
    }

    /// The consensus log.
    #[must_use]
    pub fn log(&self) -> LogState {
        self.side().log.clone()
    }

    /// Keeps a proof.
    pub fn put_proof(&self, hash: B256, bytes: Bytes) {
        self.side().proofs.entry(hash).or_insert(bytes);
    }

    /// A proof.
    #[must_use]
    pub fn proof(&self, hash: &B256) -> Option<Bytes> {
        self.side().proofs.get(hash).cloned()
    }

    /// All proofs, in order of their hashes.
    #[must_use]
    pub fn proofs(&self) -> Vec<Bytes> {
        self.side().proofs.values().cloned().collect()
    }

    /// The process has died.
    pub fn die(&self, death: Death) -> Remains {
        let before = self.journal.counts();
        match death {
            Death::Process => self.journal.restart(),
            Death::Power { kept } => {
                self.journal.power_cut(kept);
                let mut side = self.side();
                if let Some(log) = side.synced_log.take() {
                    side.log = log;
                }
            }
        }
        let after = self.journal.counts();
        Remains {
            is_torn: after.torn_tails > before.torn_tails,
            is_lost: after.acknowledged_lost > before.acknowledged_lost,
        }
    }

    /// All bytes of the journal.
    #[must_use]
    pub fn journal_bytes(&self) -> Vec<u8> {
        self.journal.to_bytes()
    }
}
