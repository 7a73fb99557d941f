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
    item::work::{PackageWorkError, prove_package},
    proof::params::ProofParams,
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
}

impl ProveWork for RealWork {
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        let _turn = self.turn(progress)?;
        let proof = prove_package(&self.params, &work.package, work.task.0, work.worker.into_array(), &mut |at| {
            if progress.is_cancelled() {
                return ControlFlow::Break(());
            }
            progress.report(at.permille);
            ControlFlow::Continue(())
        });
        proof.map_err(|error| match error {
            PackageWorkError::Cancelled => WorkError::Cancelled,
            error if error.is_package() => WorkError::BadPackage(error.to_string()),
            error => WorkError::Failed(error.to_string()),
        })
    }
}
