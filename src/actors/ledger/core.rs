//! The canonical chain of one node: taken up from a journal, extended block by block.

use std::{collections::BTreeMap, sync::Arc};

use crowdfold_config::Genesis;
use crowdfold_events::{B256, Block, CodecError, EventSeq, Height, StoredEvent, encode_event};
use crowdfold_journal::{Frame, FrameError, JournalError, JournalStore};
use crowdfold_kernel::{BlockFault, Dropped, Kernel, Outcome, ProofOracle, ProposalInput, StartFault};

use super::{
    saving::{Keeping, Save, Saver},
    start::{self, TakenUp},
};
use crate::{
    history::HistoryError,
    node::{Committed, SavedFault, Snapshot},
    planted::{self, Bug},
    rpc::index::IndexError,
};

/// Undecided proposals kept.
const OVERLAYS: usize = 8;

/// A proposal that was executed.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The block.
    pub block: Block,
    /// What was left out, and why.
    pub dropped: Vec<Dropped>,
}

/// What ends a ledger. Except for `Start` and a refused proposal, nothing can
/// go on after it: the node stops.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The journal; the disk is at fault.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// An event in the journal has no meaning for this program; the operator's fault.
    #[error("event {at} of the journal: {fault}")]
    Event {
        /// The event.
        at: EventSeq,
        /// What is wrong.
        fault: CodecError,
    },
    /// The journal is of another chain; the operator's fault.
    #[error("the journal begins with genesis {found}, this is {expected}")]
    OtherChain {
        /// This chain.
        expected: B256,
        /// The journal's.
        found: B256,
    },
    /// Replay does not end where a block says that it does: a bug or a forged journal.
    #[error("after block {height} the {what} is {found}, the block says {expected}")]
    Replay {
        /// The block.
        height: Height,
        /// Which root.
        what: &'static str,
        /// The block's.
        expected: B256,
        /// Replay's.
        found: B256,
    },
    /// The journal does not begin with a genesis, or a block's events are incomplete.
    #[error("the journal's events at {0} are not a chain's")]
    Shape(EventSeq),
    /// A block's events cannot be a frame; a bug.
    #[error("frame: {0}")]
    Frame(#[from] FrameError),
    /// An event of a block cannot be encoded; a bug.
    #[error("encoding: {0}")]
    Encoding(#[from] CodecError),
    /// A block cannot be indexed; a bug.
    #[error("index: {0}")]
    Index(#[from] IndexError),
    /// The files of old blocks; the disk is at fault.
    #[error("old blocks: {0}")]
    History(#[from] HistoryError),
    /// The journal's beginning is pruned, and no snapshot is good; the
    /// operator has to bring one, or the whole journal.
    #[error("the journal begins at event {floor} and no snapshot from there on can be used")]
    NoSnapshot {
        /// The first event.
        floor: EventSeq,
    },
    /// A block is decided that this node has not executed.
    #[error("block {0} was decided and never executed")]
    NotExecuted(B256),
}

/// See the module's header.
pub struct LedgerCore {
    journal: Box<dyn JournalStore>,
    snapshot: Arc<Snapshot>,
    /// Executed and undecided, by header hash; all are children of the last block.
    overlays: BTreeMap<B256, Outcome>,
    saver: Option<Saver>,
    taken_up: TakenUp,
}

impl LedgerCore {
    /// The chain that the journal holds; an empty journal gets the genesis.
    /// Everything is replayed and kept in memory, no snapshot is read or written.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(genesis: &Genesis, journal: Box<dyn JournalStore>) -> Result<Self, LedgerError> {
        Self::begin(genesis, journal, None)
    }

    /// The chain that the journal holds, from its newest good snapshot and the
    /// events after it; an empty journal gets the genesis. From now on a
    /// snapshot is [`due`](Self::due) every so often, and old blocks leave the memory.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open_keeping(
        genesis: &Genesis,
        journal: Box<dyn JournalStore>,
        keeping: Keeping,
    ) -> Result<Self, LedgerError> {
        Self::begin(genesis, journal, Some(keeping))
    }

    fn begin(
        genesis: &Genesis,
        mut journal: Box<dyn JournalStore>,
        keeping: Option<Keeping>,
    ) -> Result<Self, LedgerError> {
        let (state, opening) = Kernel::genesis(genesis)?;
        if journal.head().next == EventSeq(0) {
            let stored = opening.iter().map(encode_event).collect::<Result<Vec<_>, _>>()?;
            journal.append(&[Frame::new(stored)?], EventSeq(0))?;
        }
        let (snapshot, taken_up) = start::chain(state, journal.as_ref(), keeping.as_ref())?;
        let saver = keeping.map(|keeping| Saver::new(keeping.every, taken_up.from));
        Ok(Self { journal, snapshot: Arc::new(snapshot), overlays: BTreeMap::new(), saver, taken_up })
    }

    /// The chain after its last block.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// How it was taken up from its journal.
    #[must_use]
    pub fn taken_up(&self) -> TakenUp {
        self.taken_up
    }

    /// Up to `limit` events of the journal from number `from` on.
    ///
    /// # Errors
    /// The number is not in the journal, or the disk is at fault.
    pub fn events(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.journal.read(from, limit)
    }

    /// Builds a proposal on the last block and keeps what it would do.
    ///
    /// # Errors
    /// The choice is wrong, or there is a bug.
    pub fn propose(&mut self, input: ProposalInput, oracle: &dyn ProofOracle) -> Result<Proposed, BlockFault> {
        let mut outcome = Kernel::propose(&self.snapshot.state, input, oracle)?;
        let proposed = Proposed { block: outcome.block.clone(), dropped: std::mem::take(&mut outcome.dropped) };
        self.keep(outcome);
        Ok(proposed)
    }

    /// Executes somebody's proposal on the last block and keeps what it would do.
    ///
    /// # Errors
    /// The block is invalid, which is its proposer's fault, or there is a bug.
    pub fn execute(&mut self, block: &Block, oracle: &dyn ProofOracle) -> Result<B256, BlockFault> {
        let hash = block.hash();
        if !self.overlays.contains_key(&hash) {
            self.keep(Kernel::execute(&self.snapshot.state, block, oracle)?);
        }
        Ok(hash)
    }

    /// The chain of a journal whose end this snapshot is, without reading the events before.
    ///
    /// Whoever calls vouches for the snapshot's content; only its place is checked.
    ///
    /// # Errors
    /// [`LedgerError::Replay`]: the journal ends elsewhere.
    pub fn resume(journal: Box<dyn JournalStore>, snapshot: Arc<Snapshot>) -> Result<Self, LedgerError> {
        let (head, found) = (journal.head(), snapshot.state.events_head());
        if head.hash != found || head.next != EventSeq(snapshot.event_count) {
            let what = "event chain's head";
            return Err(LedgerError::Replay { height: snapshot.height(), what, expected: head.hash, found });
        }
        let taken_up = TakenUp { from: snapshot.height(), replayed: 0 };
        Ok(Self { journal, snapshot, overlays: BTreeMap::new(), saver: None, taken_up })
    }

    /// Takes what executing a block on the last one gave elsewhere in this process.
    ///
    /// Whoever calls vouches for it; false when it is not of the last block.
    pub fn adopt(&mut self, outcome: Outcome) -> bool {
        let header = &outcome.block.header;
        let state = &self.snapshot.state;
        let fits = header.parent == state.head() && header.parent_events_head == state.events_head();
        if fits {
            self.keep(outcome);
        }
        fits
    }

    /// What a block that was executed on the last one would do.
    #[must_use]
    pub fn outcome(&self, hash: &B256) -> Option<&Outcome> {
        self.overlays.get(hash)
    }

    fn keep(&mut self, outcome: Outcome) {
        while self.overlays.len() >= OVERLAYS {
            self.overlays.pop_first();
        }
        self.overlays.insert(outcome.block.hash(), outcome);
    }

    /// A block was decided: its events become durable, then it is the last block.
    ///
    /// # Errors
    /// [`LedgerError`]; fatal.
    pub fn commit(&mut self, hash: &B256) -> Result<Arc<Committed>, LedgerError> {
        let outcome = self.overlays.remove(hash).ok_or(LedgerError::NotExecuted(*hash))?;
        let mut stored = outcome.events.iter().map(encode_event).collect::<Result<Vec<_>, _>>()?;
        let height = outcome.block.header.height.0;
        if planted::is(Bug::LedgerCutsFrame) && height.is_multiple_of(8) {
            stored.pop();
        }
        let head = match planted::is(Bug::LedgerForgetsAppend) && height.is_multiple_of(8) {
            true => self.journal.head(),
            false => self.journal.append(&[Frame::new(stored)?], EventSeq(self.snapshot.event_count))?,
        };
        self.overlays.clear();
        let mut next = (*self.snapshot).clone();
        next.advance(&outcome.block, &outcome.events, outcome.state)?;
        debug_assert_eq!(next.event_count, head.next.0);
        self.snapshot = Arc::new(next);
        Ok(Arc::new(Committed {
            block: Arc::new(outcome.block),
            events: Arc::new(outcome.events),
            snapshot: self.snapshot.clone(),
        }))
    }

    /// A snapshot to be written now, if enough blocks have passed since the
    /// last one and none is being written. Run it on any thread and give what
    /// it returns to [`Self::saved`].
    pub fn due(&mut self) -> Option<Save> {
        let saver = self.saver.as_mut().filter(|saver| saver.is_due(self.snapshot.height()))?;
        Some(saver.begin(self.snapshot.clone(), self.journal.snapshot_writer().ok()))
    }

    /// A snapshot to be written now, however few blocks have passed; `None`
    /// when the last block has one, while one is being written, and for a
    /// ledger that keeps none.
    pub fn save(&mut self) -> Option<Save> {
        let height = self.snapshot.height();
        let saver = self.saver.as_mut().filter(|saver| !saver.is_running() && !saver.has(height))?;
        Some(saver.begin(self.snapshot.clone(), self.journal.snapshot_writer().ok()))
    }

    /// Takes what running a [`Save`] gave: old blocks leave the memory. A
    /// failure costs the next start time and nothing else; another snapshot is
    /// due as many blocks later.
    ///
    /// # Errors
    /// Why there is no snapshot.
    pub fn saved(&mut self, save: Save) -> Result<Height, SavedFault> {
        if let Some(saver) = &mut self.saver {
            saver.end();
        }
        let height = save.height();
        let (sealed, stored) = save.finish(self.journal.as_mut());
        // The volume is good whatever became of the snapshot.
        if let Some((history, finished)) = sealed {
            let mut next = (*self.snapshot).clone();
            next.index.adopt(history, finished);
            self.snapshot = Arc::new(next);
        }
        stored.map(|()| height)
    }
}
