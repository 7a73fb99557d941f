//! A validator's disk: what is left when its process dies.
//!
//! ```text
//! append, write the log ─► honest sync: durable        crash ─► everything after the last honest sync is gone
//!                       └► lying sync: said durable
//! ```
//!
//! It holds the journal and the consensus log, in one order of writes, and the
//! proofs. Proofs are content-addressed and synced apart, so a lie does not
//! take them. A disk that lies only shows it in a crash.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::Bytes;
use crowdfold_events::{B256, EventSeq, StoredEvent};
use crowdfold_journal::{Frame, Head, JournalError, JournalStore, MemoryJournal, Snapshot, Subscription};

use super::consensus::LogState;

/// What is to happen to the next append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// The write or sync fails; the frame may be there all the same.
    FailedSync {
        /// Whether it is.
        is_written: bool,
    },
    /// The power goes while it is written.
    TornWrite,
    /// The sync only says that it was done.
    Lie,
}

/// What a crash found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// A half-written frame was cut off.
    pub torn: bool,
    /// Frames that were said to be durable and are gone.
    pub lost: usize,
}

#[derive(Debug)]
struct Platter {
    journal: MemoryJournal,
    log: LogState,
    /// Frames that a lying sync acknowledged.
    unsynced: Vec<Frame>,
    /// The log as of the last honest sync; `None` while nothing is unsynced.
    synced_log: Option<LogState>,
    head: Head,
    proofs: BTreeMap<B256, Bytes>,
    armed: Option<AppendFault>,
    is_torn: bool,
    poison: Option<JournalError>,
}

/// Handles share one disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Default for Disk {
    fn default() -> Self {
        let journal = MemoryJournal::default();
        Self(Arc::new(Mutex::new(Platter {
            head: journal.head(),
            journal,
            log: LogState::default(),
            unsynced: Vec::new(),
            synced_log: None,
            proofs: BTreeMap::new(),
            armed: None,
            is_torn: false,
            poison: None,
        })))
    }
}

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next append goes wrong.
    pub fn arm(&self, fault: AppendFault) {
        self.platter().armed = Some(fault);
    }

    /// The next append goes well after all.
    pub fn disarm(&self) {
        self.platter().armed = None;
    }

    /// Whether a frame is half written.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.platter().is_torn
    }

    /// Whether something is not durable although the disk has said so.
    #[must_use]
    pub fn has_lied(&self) -> bool {
        !self.platter().unsynced.is_empty()
    }

    /// Writes the consensus log.
    pub fn write_log(&self, log: LogState) {
        self.platter().log = log;
    }

    /// The consensus log.
    #[must_use]
    pub fn log(&self) -> LogState {
        self.platter().log.clone()
    }

    /// Keeps a proof.
    pub fn put_proof(&self, hash: B256, bytes: Bytes) {
        self.platter().proofs.entry(hash).or_insert(bytes);
    }

    /// A proof.
    #[must_use]
    pub fn proof(&self, hash: &B256) -> Option<Bytes> {
        self.platter().proofs.get(hash).cloned()
    }

    /// All proofs, in order of their hashes.
    #[must_use]
    pub fn proofs(&self) -> Vec<Bytes> {
        self.platter().proofs.values().cloned().collect()
    }

    /// The process has died: what was not durable is gone.
    pub fn crash(&self) -> CrashReport {
        let mut platter = self.platter();
        let report = CrashReport { torn: platter.is_torn, lost: platter.unsynced.len() };
        platter.unsynced.clear();
        if let Some(log) = platter.synced_log.take() {
            platter.log = log;
        }
        platter.head = platter.journal.head();
        (platter.is_torn, platter.armed, platter.poison) = (false, None, None);
        report
    }

    /// All bytes of the journal; whatever was acknowledged counts.
    ///
    /// # Errors
    /// A frame that was acknowledged does not fit: a bug.
    pub fn journal_bytes(&self) -> Result<Vec<u8>, JournalError> {
        let platter = self.platter();
        if platter.unsynced.is_empty() {
            return Ok(platter.journal.to_bytes());
        }
        let mut whole = platter.journal.clone();
        let at = whole.head().next;
        whole.append(&platter.unsynced, at)?;
        Ok(whole.to_bytes())
    }
}

impl Platter {
    /// An honest sync: everything so far is durable.
    fn sync(&mut self) -> Result<(), JournalError> {
        if !self.unsynced.is_empty() {
            let at = self.journal.head().next;
            let frames = std::mem::take(&mut self.unsynced);
            self.journal.append(&frames, at)?;
        }
        self.synced_log = None;
        Ok(())
    }

    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        if let Some(poison) = &self.poison {
            return Err(poison.clone());
        }
        if expected != self.head.next {
            return Err(JournalError::WrongPlace { expected, found: self.head.next });
        }
        let fault = self.armed.take();
        match fault {
            Some(AppendFault::Lie) => {
                if self.synced_log.is_none() {
                    self.synced_log = Some(self.log.clone());
                }
                for frame in frames {
                    self.head = frame.head_after(&self.head);
                }
                self.unsynced.extend_from_slice(frames);
                return Ok(self.head);
            }
            Some(AppendFault::TornWrite) => self.is_torn = true,
            Some(AppendFault::FailedSync { is_written: false }) => {}
            Some(AppendFault::FailedSync { is_written: true }) | None => {
                self.sync()?;
                self.head = self.journal.append(frames, expected)?;
            }
        }
        match fault {
            None => Ok(self.head),
            Some(_) => {
                let poison = JournalError::Io { step: "sync", detail: "an injected fault".to_owned() };
                self.poison = Some(poison.clone());
                Err(poison)
            }
        }
    }
}

impl JournalStore for Disk {
    fn floor(&self) -> Head {
        Head::EMPTY
    }

    fn subscribe(&self, _: EventSeq) -> Result<Subscription, JournalError> {
        Err(JournalError::Unsupported { what: "following the journal of a simulated disk" })
    }

    fn put_snapshot(&mut self, _: &Snapshot) -> Result<(), JournalError> {
        Err(JournalError::Unsupported { what: "a snapshot on a simulated disk" })
    }

    fn snapshot(&self, _: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        Ok(None)
    }

    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        self.platter().append(frames, expected)
    }

    fn head(&self) -> Head {
        self.platter().head
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        let platter = self.platter();
        if from > platter.head.next {
            return Err(JournalError::BeyondEnd { from, end: platter.head.next });
        }
        let durable = platter.journal.head().next;
        if from < durable {
            return platter.journal.read(from, limit);
        }
        let rest = platter.unsynced.iter().flat_map(|frame| frame.clone().into_events());
        Ok(rest.skip((from.0 - durable.0) as usize).take(limit).collect())
    }
}
