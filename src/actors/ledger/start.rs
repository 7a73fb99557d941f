//! Taking a chain up from its journal.
//!
//! ```text
//! newest snapshot ─► restored? ─► the events after it ─► the chain
//!        ▲              └ no, or they do not fit: said why ─┐
//!        └──────────────────────── the one before ◄─────────┤
//!                            none left: everything from genesis
//! ```

use std::sync::Arc;

use crowdfold_events::{EventSeq, Height};
use crowdfold_journal::{JournalStore, Snapshot as Stored};
use crowdfold_kernel::State;

use super::{LedgerError, replay::Replay, saving::Keeping};
use crate::{
    history::{History, Past},
    node::{SavedFault, Snapshot},
};

/// How a chain was taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenUp {
    /// The block of the snapshot; 0 when all was replayed from the genesis.
    pub from: Height,
    /// Events that were read from the journal and applied.
    pub replayed: u64,
}

/// The chain after the journal's last event, and how it was taken up.
/// `genesis` is the state after the genesis event.
pub(super) fn chain(
    genesis: State,
    journal: &dyn JournalStore,
    keeping: Option<&Keeping>,
) -> Result<(Snapshot, TakenUp), LedgerError> {
    let whole = TakenUp { from: Height(0), replayed: journal.head().next.0 };
    let Some(keeping) = keeping else {
        let snapshot = Replay::after(Snapshot::genesis(genesis), u64::MAX).run(journal)?;
        return Ok((snapshot, whole));
    };
    let past = Arc::new(Past::of(journal)?);
    let mut at_most = journal.head().next;
    while let Some(stored) = journal.snapshot(at_most)? {
        let at = stored.meta.head.next;
        match from_snapshot(&genesis, journal, keeping, &past, &stored) {
            Ok((snapshot, from)) => {
                let replayed = snapshot.event_count() - at.0;
                return Ok((snapshot, TakenUp { from, replayed }));
            }
            Err(fault) => tracing::warn!(%fault, events = %at, "a snapshot is passed over"),
        }
        let Some(before) = at.0.checked_sub(1) else { break };
        at_most = EventSeq(before);
    }
    let floor = journal.floor().next;
    if floor > EventSeq(0) {
        return Err(LedgerError::NoSnapshot { floor });
    }
    if journal.head().next > EventSeq(1) {
        tracing::warn!(events = %journal.head().next, "there is no snapshot to start from: the whole journal is replayed");
    }
    let history = History::open(&keeping.dir, genesis.genesis_hash(), Height(0), past)?;
    let mut snapshot = Snapshot::genesis(genesis);
    snapshot.index = snapshot.index.over(history, EventSeq(1));
    Ok((Replay::after(snapshot, keeping.every.get()).run(journal)?, whole))
}

/// Why a snapshot is passed over.
#[derive(Debug, thiserror::Error)]
enum Passed {
    #[error(transparent)]
    Saved(#[from] SavedFault),
    #[error("the events after it: {0}")]
    Suffix(#[from] LedgerError),
}

fn from_snapshot(
    genesis: &State,
    journal: &dyn JournalStore,
    keeping: &Keeping,
    past: &Arc<Past>,
    stored: &Stored,
) -> Result<(Snapshot, Height), Passed> {
    let restored = Snapshot::from_stored(genesis.genesis(), journal, stored, |height| {
        let history = History::open(&keeping.dir, genesis.genesis_hash(), height, past.clone())?;
        Ok(Snapshot::genesis(genesis.clone()).index.over(history, stored.meta.head.next))
    })?;
    let height = restored.height();
    Ok((Replay::after(restored, keeping.every.get()).run(journal)?, height))
}
