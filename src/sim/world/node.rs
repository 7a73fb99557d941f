//! One validator: the live cores of a node, its disk, its part in consensus.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256, SignedMessage, Signer, SigningDomain};
use crowdfold_journal::AppendFault;
use crowdfold_kernel::{AggregateNode, Dropped, ProofFault, ProofOracle, Work};
use crowdfold_zk::statement::ItemStatement;

use crate::{
    actors::{
        assigner::AssignerCore,
        gate::GateCore,
        ledger::LedgerCore,
        sequencer::{Mempool, MempoolLimits, SequencerCore},
        session::{NodeIdentity, SessionCore},
        submitter::SubmitterCore,
    },
    node::Snapshot,
    proofs::{ProofChecker, SimulatedChecker, Verdicts},
    sim::{consensus::ConsensusCore, disk::Disk, faults::FaultKind},
};

/// What a validator does in consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    Honest,
    Silent,
    Withholding,
    Equivocating,
}

/// A validator by number.
pub(super) struct Validator {
    pub(super) signer: Signer,
    pub(super) disk: Disk,
    /// The process; `None` while there is none.
    pub(super) node: Option<Node>,
    /// The chain after the last block that the checkers saw it commit.
    pub(super) seen: Arc<Snapshot>,
    /// Counts the processes.
    pub(super) life: u32,
    pub(super) conduct: Conduct,
    /// Syncs that will lie before the power cut that shows it.
    pub(super) lies: u32,
    /// What goes wrong with the next append, and which kind of fault that is.
    pub(super) armed: Option<(AppendFault, FaultKind)>,
    /// When the process is woken next.
    pub(super) wake_ms: u64,
}

/// A plugin's session.
pub(super) struct Session {
    pub(super) core: SessionCore,
    pub(super) connection: Option<u64>,
    pub(super) wake_ms: u64,
}

/// A validator's process.
pub(super) struct Node {
    pub(super) ledger: LedgerCore,
    pub(super) sequencer: SequencerCore,
    pub(super) assigner: AssignerCore,
    pub(super) gate: GateCore,
    pub(super) submitter: SubmitterCore,
    pub(super) consensus: Box<dyn ConsensusCore>,
    pub(super) verdicts: Verdicts,
    pub(super) identity: NodeIdentity,
    pub(super) sessions: BTreeMap<Address, Session>,
    /// What the own proposal left out, by its hash.
    pub(super) dropped: Option<(B256, Vec<Dropped>)>,
    /// When certificates were last shared again.
    pub(super) shared_ms: u64,
}

impl Node {
    /// A process that goes on where its ledger is.
    pub(super) fn new(signer: Signer, ledger: LedgerCore, consensus: Box<dyn ConsensusCore>) -> Self {
        let snapshot: Arc<Snapshot> = ledger.snapshot().clone();
        let (chain_id, genesis_hash) = (snapshot.state.genesis().chain_id, snapshot.state.genesis_hash());
        let identity = NodeIdentity {
            chain_id,
            genesis_hash,
            params_digest: SimulatedChecker.params_digest(),
            domain: SigningDomain::new(chain_id, genesis_hash),
            signer: signer.clone(),
        };
        let pool = Mempool::new(MempoolLimits::default());
        let mut sequencer = SequencerCore::new(snapshot.clone(), consensus.last_commit(), pool);
        sequencer.begin();
        Self {
            ledger,
            sequencer,
            assigner: AssignerCore::new(snapshot),
            gate: GateCore::default(),
            submitter: SubmitterCore::new(signer),
            consensus,
            verdicts: Verdicts::default(),
            identity,
            sessions: BTreeMap::new(),
            dropped: None,
            shared_ms: 0,
        }
    }

    /// Proofs that messages name, as far as they are on the disk.
    pub(super) fn proofs(disk: &Disk, messages: &[SignedMessage]) -> Vec<(B256, Bytes)> {
        use crowdfold_events::MessageBody::{SubmitAggregate, SubmitProof};
        let named = messages.iter().filter_map(|signed| match signed.message.body {
            SubmitProof { proof_hash, .. } | SubmitAggregate { proof_hash, .. } => Some(proof_hash),
            _ => None,
        });
        named.filter_map(|hash| Some((hash, disk.proof(&hash)?))).collect()
    }
}

/// Verdicts on proofs from what was remembered, else from the bytes on the disk.
pub(super) struct Oracle<'a> {
    pub(super) disk: &'a Disk,
    pub(super) verdicts: &'a Verdicts,
}

impl Oracle<'_> {
    fn ask(&self, work: Work, proof: B256) -> Result<(), ProofFault> {
        if let Some(verdict) = self.verdicts.get(&work, &proof) {
            return verdict;
        }
        let bytes = self.disk.proof(&proof).ok_or(ProofFault::Missing)?;
        let verdict = SimulatedChecker::check(&work, &bytes);
        self.verdicts.put(work, proof, verdict);
        verdict
    }
}

impl ProofOracle for Oracle<'_> {
    fn item(&self, statement: &ItemStatement, proof: B256) -> Result<(), ProofFault> {
        self.ask(Work::Item(statement.clone()), proof)
    }

    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Result<(), ProofFault> {
        self.ask(Work::Aggregate(node.clone()), proof)
    }
}
