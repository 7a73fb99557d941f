//! Durable first: what the journal did not take has not happened.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix::Actor;
use crowdfold::{
    actors::ledger::{Commit, Ledger, LedgerCore, LedgerError, ProposalFault, Propose},
    proofs::{ProofStore, Verifier, Witnesses},
};
use crowdfold_events::{Commit as Certificate, EventSeq, Height, StoredEvent};
use crowdfold_journal::{Frame, Head, JournalError, JournalStore, MemoryJournal, Snapshot, Subscription};
use crowdfold_kernel::ProposalInput;
use tokio::sync::{broadcast, watch};

use crate::world::{Declared, PRICE, VALIDATOR, genesis, signer, transfer};

/// Fails from the moment it is told to.
struct Failing {
    inner: MemoryJournal,
    fails: Arc<AtomicBool>,
}

impl JournalStore for Failing {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(JournalError::Io { step: "sync", detail: "the disk is gone".to_owned() });
        }
        self.inner.append(frames, expected)
    }

    fn head(&self) -> Head {
        self.inner.head()
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.inner.read(from, limit)
    }

    fn floor(&self) -> Head {
        self.inner.floor()
    }

    fn subscribe(&self, from: EventSeq) -> Result<Subscription, JournalError> {
        self.inner.subscribe(from)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.inner.put_snapshot(snapshot)
    }

    fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        self.inner.snapshot(at_most)
    }
}

fn input(core: &LedgerCore, transactions: Vec<Vec<u8>>, last_commit: Certificate) -> ProposalInput {
    let state = &core.snapshot().state;
    let time_ms = state.time_ms() + state.parameters().block.target_block_time_ms;
    ProposalInput { time_ms, proposer: signer(VALIDATOR).address(), transactions, messages: Vec::new(), last_commit }
}

fn open(journal: impl JournalStore + 'static) -> Result<LedgerCore, LedgerError> {
    LedgerCore::open(&genesis(), Box::new(journal))
}

#[test]
fn a_block_that_is_not_durable_is_never_published() {
    actix::System::new().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let fails = Arc::<AtomicBool>::default();
        let core = open(Failing { inner: MemoryJournal::default(), fails: fails.clone() }).unwrap();
        let proposal = || input(&core, vec![transfer(&genesis(), 0, 0, 5, PRICE)], Certificate::default());
        let (first, second) = (proposal(), proposal());
        let (snapshots, watching) = watch::channel(core.snapshot().clone());
        let (events, mut heard) = broadcast::channel(8);
        let witnesses = Witnesses::new(ProofStore::open(dir.path()).unwrap());
        let oracle = Arc::new(Verifier::new(Arc::new(Declared::default()), witnesses, watching.clone()));
        let ledger = Ledger::new(core, oracle, snapshots, events).start();
        let proposed = ledger.send(Propose(first)).await.unwrap().unwrap();
        fails.store(true, Ordering::SeqCst);
        let refused = ledger.send(Commit(proposed.block.hash())).await.unwrap();
        assert!(matches!(refused, Err(LedgerError::Journal(JournalError::Io { .. }))));
        assert_eq!(watching.borrow().height(), Height(0), "readers see nothing of it");
        assert!(heard.try_recv().is_err(), "nobody hears of it");
        // The failure is final, even if the disk comes back.
        fails.store(false, Ordering::SeqCst);
        let after = ledger.send(Propose(second)).await.unwrap();
        assert!(matches!(after, Err(ProposalFault::Closed)));
    });
}

#[test]
fn a_journal_that_is_not_this_chains_is_refused() {
    let mut other = genesis();
    other.time_ms += 1;
    let mut journal = MemoryJournal::default();
    let (_, opening) = crowdfold_kernel::Kernel::genesis(&other).unwrap();
    let stored = opening.iter().map(|e| crowdfold_events::encode_event(e).unwrap()).collect();
    journal.append(&[Frame::new(stored).unwrap()], EventSeq(0)).unwrap();
    assert!(matches!(open(journal), Err(LedgerError::OtherChain { .. })));
}

/// A journal with consistent hashes and a changed event: replay does not end in the block's roots.
#[test]
fn a_forged_event_is_found_by_the_roots() {
    use crowdfold_events::{Event, Zkpow, encode_event};
    let mut core = open(MemoryJournal::default()).unwrap();
    let watching = watch::channel(core.snapshot().clone()).1;
    let dir = tempfile::tempdir().unwrap();
    let witnesses = Witnesses::new(ProofStore::open(dir.path()).unwrap());
    let oracle = Verifier::new(Arc::new(Declared::default()), witnesses, watching);
    let proposal = input(&core, vec![transfer(&genesis(), 0, 0, 5, PRICE)], Certificate::default());
    let hash = core.propose(proposal, &oracle).unwrap().block.hash();
    let committed = core.commit(&hash).unwrap();
    let (_, opening) = crowdfold_kernel::Kernel::genesis(&genesis()).unwrap();
    let replayed = |events: &[Event]| {
        let mut journal = MemoryJournal::default();
        let stored = |events: &[Event]| Frame::new(events.iter().map(|e| encode_event(e).unwrap()).collect()).unwrap();
        journal.append(&[stored(&opening)], EventSeq(0)).unwrap();
        let next = journal.head().next;
        journal.append(&[stored(events)], next).unwrap();
        open(journal)
    };
    let honest = replayed(&committed.events).unwrap();
    assert_eq!(honest.snapshot().state, committed.snapshot.state);
    let mut forged = committed.events.to_vec();
    let changed = forged.iter_mut().find_map(|e| match e {
        Event::TransactionExecuted { changes, .. } => changes.get_mut(1),
        _ => None,
    });
    changed.unwrap().balance = Zkpow(1);
    assert!(matches!(replayed(&forged), Err(LedgerError::Replay { what: "state root", .. })));
    let mut forged = committed.events.to_vec();
    for event in &mut forged {
        if let Event::TaskOpened { base_bounty, .. } = event {
            base_bounty.0 += 1;
        }
    }
    assert!(matches!(replayed(&forged), Err(LedgerError::Replay { what: "market root", .. })));
}
