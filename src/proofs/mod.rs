//! Proofs on the node's side: where they are kept, how they are checked, and
//! what their makers are given.

pub mod checker;
pub mod simulated;
pub mod store;
pub mod verdicts;
pub mod witness;

pub use checker::{AssembleError, BatchItem, BatchParts, CheckTimes, ProofChecker, RealChecker};
pub use simulated::SimulatedChecker;
pub use store::{MAX_PROOF_BYTES, ProofStore, StoreError, write_durably};
pub use verdicts::{Verdict, Verdicts, Verifier};
pub use witness::{WitnessError, Witnesses};
