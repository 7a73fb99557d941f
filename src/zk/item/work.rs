//! A prover's whole work on one package: what terminal and browser run alike.
//!
//! The package comes from a node that may lie. It is checked before work
//! starts that it decodes, and that its statement is of the task and worker
//! asked for: a proof for another worker would pay somebody else.

use std::ops::ControlFlow;

use crate::{
    accounts::Address,
    item::{
        ItemInput, ProveItemError, ProveStage,
        aggregate::{AggregateError, AggregateInput, prove_aggregate},
        package::{PackageError, WorkPackage},
        prove,
    },
    proof::{error::ProveError, item::Stage, params::ProofParams},
};

/// How far the work is, told before each part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkProgress {
    /// What comes next.
    pub stage: ProveStage,
    /// How much is done, in thousandths.
    pub permille: u16,
}

impl WorkProgress {
    /// More than four fifths of the time are Spartan's, natively and in a browser.
    fn before(stage: ProveStage) -> Self {
        let part = |from: usize, width: usize, index: usize, of: usize| (from + width * index / of.max(1)) as u16;
        let permille = match stage {
            ProveStage::Witness => 10,
            ProveStage::Proof(Stage::Commit { index, of }) => part(20, 80, index, of),
            ProveStage::Proof(Stage::Fold { index, of }) => part(100, 60, index, of),
            ProveStage::Proof(Stage::Spartan) => 160,
            ProveStage::Proof(Stage::Done) => 990,
        };
        Self { stage, permille }
    }

    /// The stage's name: `witness`, `commit`, `fold`, `spartan` or `done`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.stage {
            ProveStage::Witness => "witness",
            ProveStage::Proof(Stage::Commit { .. }) => "commit",
            ProveStage::Proof(Stage::Fold { .. }) => "fold",
            ProveStage::Proof(Stage::Spartan) => "spartan",
            ProveStage::Proof(Stage::Done) => "done",
        }
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum PackageWorkError {
    /// The progress callback asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The bytes are not a package. The node's fault.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The statement is of another task or pays another worker. The node's fault.
    #[error("the statement is not of this task and worker")]
    Statement,
    /// The item's input does not make sense. The node's fault.
    #[error(transparent)]
    Item(ProveItemError),
    /// The aggregate's input does not make sense. The node's fault.
    #[error(transparent)]
    Aggregate(AggregateError),
    /// The proof itself failed; a bug.
    #[error(transparent)]
    Prove(ProveError),
}

impl PackageWorkError {
    /// Whether the package is at fault, not the prover.
    #[must_use]
    pub fn is_package(&self) -> bool {
        !matches!(self, Self::Cancelled | Self::Prove(_))
    }
}

/// The bytes of the proof that `package` asks for, for the task `task` and the
/// plugin `worker`. Deterministic; `progress` is called before each part and
/// cancels with `Break`.
///
/// # Errors
/// [`PackageWorkError`].
pub fn prove_package(
    params: &ProofParams,
    package: &[u8],
    task: u64,
    worker: Address,
    progress: &mut dyn FnMut(WorkProgress) -> ControlFlow<()>,
) -> Result<Vec<u8>, PackageWorkError> {
    match WorkPackage::decode(package)? {
        WorkPackage::Item(input) => item(params, &input, task, worker, progress),
        WorkPackage::Aggregate(input) => aggregate(params, &input, progress),
    }
}

fn item(
    params: &ProofParams,
    input: &ItemInput,
    task: u64,
    worker: Address,
    progress: &mut dyn FnMut(WorkProgress) -> ControlFlow<()>,
) -> Result<Vec<u8>, PackageWorkError> {
    if input.statement.worker != worker || input.statement.task != task {
        return Err(PackageWorkError::Statement);
    }
    match prove(params, input, &mut |stage| progress(WorkProgress::before(stage))) {
        Ok(proof) => Ok(proof.encode()),
        Err(ProveItemError::Prove(error)) => Err(failed(error)),
        Err(error) => Err(PackageWorkError::Item(error)),
    }
}

fn aggregate(
    params: &ProofParams,
    input: &AggregateInput,
    progress: &mut dyn FnMut(WorkProgress) -> ControlFlow<()>,
) -> Result<Vec<u8>, PackageWorkError> {
    let mut announce = |stage| progress(WorkProgress::before(ProveStage::Proof(stage)));
    match prove_aggregate(params, input, &mut announce) {
        Ok(proof) => Ok(proof.encode()),
        Err(AggregateError::Prove(error)) => Err(failed(error)),
        Err(error) => Err(PackageWorkError::Aggregate(error)),
    }
}

fn failed(error: ProveError) -> PackageWorkError {
    match error {
        ProveError::Cancelled(_) => PackageWorkError::Cancelled,
        error => PackageWorkError::Prove(error),
    }
}
