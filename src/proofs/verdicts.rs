//! What is known about proofs: verdicts on (statement, proof) pairs, and the
//! oracle that the kernel asks.
//!
//! A verdict is of a pair, so a proof that is valid for one statement says
//! nothing about another. Proofs are verified before their message enters the
//! mempool; the oracle verifies by itself, from the stored bytes, only when a
//! verdict is not here: after a restart, or for another proposer's block.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use crowdfold_events::B256;
use crowdfold_kernel::{AggregateNode, ProofFault, ProofOracle, Work};
use crowdfold_zk::statement::ItemStatement;
use tokio::sync::watch;

use super::{CheckTimes, ProofChecker, ProofStore, WitnessError, Witnesses};
use crate::node::Snapshot;

/// Verdicts kept; the oldest goes first.
const VERDICTS: usize = 4096;

/// A verdict on a proof for a statement.
pub type Verdict = Result<(), ProofFault>;

#[derive(Default)]
struct Table {
    by_proof: BTreeMap<B256, Vec<(Work, Verdict)>>,
    order: VecDeque<B256>,
}

/// Verdicts by proof and statement; bounded.
#[derive(Clone, Default)]
pub struct Verdicts(Arc<Mutex<Table>>);

impl Verdicts {
    /// The verdict on a pair, if there is one.
    #[must_use]
    pub fn get(&self, work: &Work, proof: &B256) -> Option<Verdict> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.by_proof.get(proof)?.iter().find(|(of, _)| of == work).map(|(_, verdict)| *verdict)
    }

    /// Remembers a verdict. "Not here" is none and is not remembered.
    pub fn put(&self, work: Work, proof: B256, verdict: Verdict) {
        if verdict == Err(ProofFault::Missing) {
            return;
        }
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = table.by_proof.entry(proof).or_default();
        if entry.iter().any(|(of, _)| *of == work) {
            return;
        }
        entry.push((work, verdict));
        table.order.push_back(proof);
        while table.order.len() > VERDICTS {
            let Some(oldest) = table.order.pop_front() else { break };
            if let Some(entry) = table.by_proof.get_mut(&oldest) {
                drop(entry.remove(0));
                if entry.is_empty() {
                    table.by_proof.remove(&oldest);
                }
            }
        }
    }
}

/// Verifies proofs and remembers.
#[derive(Clone)]
pub struct Verifier {
    checker: Arc<dyn ProofChecker>,
    witnesses: Witnesses,
    verdicts: Verdicts,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Verifier {
    /// A verifier that reads statements' inputs from the newest snapshot.
    #[must_use]
    pub fn new(
        checker: Arc<dyn ProofChecker>,
        witnesses: Witnesses,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self { checker, witnesses, verdicts: Verdicts::default(), snapshots }
    }

    /// What it remembers.
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }

    /// Where proofs are kept.
    #[must_use]
    pub fn store(&self) -> &ProofStore {
        self.witnesses.store()
    }

    /// Verifies bytes for a statement, without looking at remembered verdicts
    /// and without storing anything. Blocking: tenths of a second.
    ///
    /// # Errors
    /// [`ProofFault::Missing`] when this node lacks what it takes to verify, else the prover's fault.
    pub fn check(&self, work: &Work, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let snapshot = self.snapshots.borrow().clone();
        let own_fault = |fault: WitnessError| {
            tracing::error!(%fault, "a proof cannot be verified");
            ProofFault::Missing
        };
        match work {
            Work::Item(statement) => {
                let input = self.witnesses.item_input(&snapshot, statement).map_err(own_fault)?;
                self.checker.item(&input, proof)
            }
            Work::Aggregate(node) => {
                let children = self.witnesses.children(&snapshot, node).map_err(own_fault)?;
                self.checker.aggregate(&children, proof)
            }
        }
    }

    fn ask(&self, work: Work, proof: B256) -> Verdict {
        if let Some(verdict) = self.verdicts.get(&work, &proof) {
            return verdict;
        }
        let bytes = self.store().get(proof).map_err(|fault| {
            tracing::error!(%fault, "the proof store failed");
            ProofFault::Missing
        })?;
        let verdict = self.check(&work, &bytes.ok_or(ProofFault::Missing)?).map(|_| ());
        self.verdicts.put(work, proof, verdict);
        verdict
    }
}

impl ProofOracle for Verifier {
    fn item(&self, statement: &ItemStatement, proof: B256) -> Verdict {
        self.ask(Work::Item(statement.clone()), proof)
    }

    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Verdict {
        self.ask(Work::Aggregate(node.clone()), proof)
    }
}
