//! Proofs on the node's side: where they are kept and how they are checked.

pub mod checker;
pub mod store;

pub use checker::{CheckTimes, ProofChecker, RealChecker};
pub use store::{MAX_PROOF_BYTES, ProofStore, StoreError, write_durably};
