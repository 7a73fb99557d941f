//! What a proof is: `crowdfold_zk` on the package that the node sent.
//!
//! A proof uses all cores through one shared thread pool, so proofs that run
//! at the same time only make each other late: one is made at a time, however
//! many provers share this value.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    thread::sleep,
    time::Duration,
};

use crowdfold_prover::WorkError;
use crowdfold_zk::{
    item::{
        ItemInput, ProveItemError, ProveStage,
        aggregate::{AggregateError, AggregateInput, prove_aggregate},
        package::WorkPackage,
        prove,
    },
    proof::{error::ProveError, item::Stage, params::ProofParams},
};

use super::{Progress, ProveWork, Work};

/// Pause between two looks whether it is this proof's turn.
const TURN_POLL: Duration = Duration::from_millis(20);

/// Makes real proofs, one at a time.
pub struct RealWork {
    params: Arc<ProofParams>,
    turn: Mutex<()>,
}

impl RealWork {
    /// A worker with these parameters.
    #[must_use]
    pub fn new(params: Arc<ProofParams>) -> Self {
        Self { params, turn: Mutex::new(()) }
    }

    /// Waits until no other proof is being made.
    fn turn(&self, progress: &Progress) -> Result<MutexGuard<'_, ()>, WorkError> {
        loop {
            match self.turn.try_lock() {
                Ok(guard) => return Ok(guard),
                // The proof that panicked is over; nothing else is guarded.
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if progress.is_cancelled() => return Err(WorkError::Cancelled),
                Err(TryLockError::WouldBlock) => sleep(TURN_POLL),
            }
        }
    }

    fn item(&self, input: &ItemInput, work: &Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        let statement = &input.statement;
        // A proof for another worker would pay somebody else.
        if statement.worker != work.worker.into_array() || statement.task != work.task.0 {
            return Err(WorkError::BadPackage("the statement is not of this task and worker".to_owned()));
        }
        let proof = prove(&self.params, input, &mut |stage| match stage {
            ProveStage::Witness => announce(progress, 10),
            ProveStage::Proof(stage) => announce(progress, permille(stage)),
        });
        match proof {
            Ok(proof) => Ok(proof.encode()),
            Err(ProveItemError::Prove(ProveError::Cancelled(_))) => Err(WorkError::Cancelled),
            Err(ProveItemError::Plan(error)) => Err(WorkError::BadPackage(error.to_string())),
            Err(ProveItemError::Prove(error)) => Err(WorkError::Failed(error.to_string())),
        }
    }

    fn aggregate(&self, input: &AggregateInput, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        match prove_aggregate(&self.params, input, &mut |stage| announce(progress, permille(stage))) {
            Ok(proof) => Ok(proof.encode()),
            Err(AggregateError::Prove(ProveError::Cancelled(_))) => Err(WorkError::Cancelled),
            Err(AggregateError::Prove(error)) => Err(WorkError::Failed(error.to_string())),
            Err(error) => Err(WorkError::BadPackage(error.to_string())),
        }
    }
}

impl ProveWork for RealWork {
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        let package = WorkPackage::decode(&work.package).map_err(|error| WorkError::BadPackage(error.to_string()))?;
        let _turn = self.turn(progress)?;
        match package {
            WorkPackage::Item(input) => self.item(&input, &work, progress),
            WorkPackage::Aggregate(input) => self.aggregate(&input, progress),
        }
    }
}

fn announce(progress: &Progress, permille: u16) -> ControlFlow<()> {
    if progress.is_cancelled() {
        return ControlFlow::Break(());
    }
    progress.report(permille);
    ControlFlow::Continue(())
}

/// How far a proof is at the beginning of a stage, in thousandths; about half of the time is Spartan's.
fn permille(stage: Stage) -> u16 {
    let part = |from: usize, width: usize, index: usize, of: usize| (from + width * index / of.max(1)) as u16;
    match stage {
        Stage::Commit { index, of } => part(100, 250, index, of),
        Stage::Fold { index, of } => part(350, 150, index, of),
        Stage::Spartan => 500,
        Stage::Done => 990,
    }
}
