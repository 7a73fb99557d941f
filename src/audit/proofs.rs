//! Accepted proofs, verified again from their stored bytes.

use std::sync::Arc;

use crowdfold_events::{B256, Block, Event, TaskId};
use crowdfold_kernel::{ProofFault, State, Work};
use crowdfold_zk::item::{ItemInput, aggregate::Node};
use rayon::prelude::*;

use super::report::{MissingProof, ProofReport};
use crate::{
    node::Snapshot,
    proofs::{ProofChecker, ProofStore, StoreError, WitnessError, Witnesses, store::RETENTION},
};

/// Missing proofs that a report names.
const MISSING_MAX: usize = 20;

/// What verifying takes: a proof store and a checker under the chain's parameters.
#[derive(Clone)]
pub struct Proofs {
    /// Where accepted proofs are.
    pub store: ProofStore,
    /// Verifies them.
    pub checker: Arc<dyn ProofChecker>,
}

/// Why verifying cannot go on: the disk, or a bug.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The proof store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What a proof is about cannot be rebuilt; a bug.
    #[error(transparent)]
    Witness(WitnessError),
    /// The block cannot be indexed; a bug.
    #[error(transparent)]
    Index(#[from] crate::rpc::index::IndexError),
}

/// A proof that a block accepts.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) work: Work,
    pub(crate) proof: B256,
}

impl Accepted {
    pub(crate) fn task(&self) -> TaskId {
        match &self.work {
            Work::Item(statement) => TaskId(statement.task),
            Work::Aggregate(node) => node.task,
        }
    }

    fn worker(&self) -> crowdfold_events::Address {
        match &self.work {
            Work::Item(statement) => statement.worker.into(),
            Work::Aggregate(node) => node.worker,
        }
    }
}

enum Ready {
    Item(Box<ItemInput>, Vec<u8>),
    Node(Vec<Node>, Vec<u8>),
}

/// Verifies block by block.
pub(crate) struct ProofAudit {
    checker: Arc<dyn ProofChecker>,
    witnesses: Witnesses,
    snapshot: Snapshot,
    report: ProofReport,
}

impl ProofAudit {
    /// Before block 1.
    pub(crate) fn new(proofs: Proofs, genesis: &State) -> Self {
        Self {
            checker: proofs.checker,
            witnesses: Witnesses::new(proofs.store),
            snapshot: Snapshot::genesis(genesis.clone()),
            report: ProofReport {
                retention: RETENTION,
                simulated: genesis.genesis().is_simulated(),
                ..ProofReport::default()
            },
        }
    }

    pub(crate) fn report(self) -> ProofReport {
        self.report
    }

    /// Verifies what a block accepts, on the state before it. The inner error is the first proof that is wrong.
    pub(crate) fn check(&mut self, accepted: &[Accepted]) -> Result<Result<(), (Accepted, ProofFault)>, ProofError> {
        let mut ready = Vec::with_capacity(accepted.len());
        for one in accepted {
            match self.prepare(one) {
                Ok(Some(found)) => ready.push((one, found)),
                Ok(None) => self.missing(one, "its bytes are not in the store".to_owned()),
                // Other bytes under its name are not the proof.
                Err(ProofError::Store(fault @ StoreError::Corrupt { .. })) => self.missing(one, fault.to_string()),
                Err(ProofError::Witness(
                    fault @ (WitnessError::ProofMissing(_) | WitnessError::Store(StoreError::Corrupt { .. })),
                )) => self.missing(one, fault.to_string()),
                Err(fault) => return Err(fault),
            }
        }
        let checker = &self.checker;
        let verdicts: Vec<_> = ready
            .par_iter()
            .map(|(_, ready)| match ready {
                Ready::Item(input, proof) => checker.item(input, proof),
                Ready::Node(children, proof) => checker.aggregate(children, proof),
            })
            .collect();
        for ((one, _), verdict) in ready.iter().zip(verdicts) {
            match verdict {
                Ok(_) => self.report.verified += 1,
                Err(fault) => return Ok(Err(((*one).clone(), fault))),
            }
        }
        Ok(Ok(()))
    }

    fn prepare(&self, one: &Accepted) -> Result<Option<Ready>, ProofError> {
        let Some(bytes) = self.witnesses.store().get(one.proof)? else { return Ok(None) };
        let ready = match &one.work {
            Work::Item(statement) => {
                self.witnesses.item_input(&self.snapshot, statement).map(|input| Ready::Item(Box::new(input), bytes))
            }
            Work::Aggregate(node) => {
                self.witnesses.children(&self.snapshot, node).map(|children| Ready::Node(children, bytes))
            }
        };
        ready.map(Some).map_err(ProofError::Witness)
    }

    fn missing(&mut self, one: &Accepted, detail: String) {
        self.report.missing += 1;
        if self.report.first_missing.len() < MISSING_MAX {
            let missing = MissingProof { task: one.task(), plugin: one.worker(), proof: one.proof, detail };
            self.report.first_missing.push(missing);
        }
    }

    /// Goes on to the state after the block.
    pub(crate) fn advance(&mut self, block: &Block, events: &[Event], after: State) -> Result<(), ProofError> {
        self.snapshot.advance(block, events, after)?;
        Ok(())
    }
}
