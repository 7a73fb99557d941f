//! The seam to the proof system: what the node asks of it.
//!
//! [`RealChecker`] verifies with `crowdfold_zk`. Tests put a declared
//! stand-in here, so that a node can be driven without seconds of proving per
//! item; no command of the program does.

use std::{sync::Arc, time::Instant};

use crowdfold_events::B256;
use crowdfold_kernel::ProofFault;
use crowdfold_zk::{
    item::{
        ItemInput, ItemProof,
        aggregate::{Node, verify_aggregate},
        canonical, verify,
    },
    proof::{aggregate::AggregateProof, params::VerifierParams},
    statement::scalar_to_be,
};

/// How long a proof took to check, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckTimes {
    /// Decoding and verifying.
    pub verify_ms: u64,
    /// Recomputing the witness and comparing; 0 for an aggregate, whose cross-terms are pinned by its children.
    pub canonical_ms: u64,
}

/// Checks proofs. Called on blocking threads; pure.
pub trait ProofChecker: Send + Sync + 'static {
    /// Digest of everything that a proof's verification depends on.
    fn params_digest(&self) -> B256;

    /// Checks that the bytes are the canonical proof of the input's statement.
    ///
    /// # Errors
    /// [`ProofFault`]; the prover is at fault.
    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault>;

    /// Checks that the bytes are a proof of the fold of these children.
    ///
    /// # Errors
    /// [`ProofFault`]; the prover is at fault.
    fn aggregate(&self, children: &[Node], proof: &[u8]) -> Result<CheckTimes, ProofFault>;
}

/// The proof system of `crowdfold_zk`.
#[derive(Clone)]
pub struct RealChecker {
    params: Arc<VerifierParams>,
}

impl RealChecker {
    /// A checker under these parameters.
    #[must_use]
    pub fn new(params: Arc<VerifierParams>) -> Self {
        Self { params }
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Arc<VerifierParams> {
        &self.params
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl ProofChecker for RealChecker {
    fn params_digest(&self) -> B256 {
        B256::from(scalar_to_be(&self.params.vk_digest()))
    }

    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let start = Instant::now();
        let log_size = self.params.dims().log_size;
        let proof = ItemProof::decode(proof, input.statement.segments, log_size).map_err(|_| ProofFault::Malformed)?;
        let node = verify(&self.params, &input.statement, &proof).map_err(|_| ProofFault::Rejected)?;
        let verify_ms = millis(start);
        let start = Instant::now();
        canonical(&self.params, input, &node).map_err(|_| ProofFault::Rejected)?;
        Ok(CheckTimes { verify_ms, canonical_ms: millis(start) })
    }

    fn aggregate(&self, children: &[Node], proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let start = Instant::now();
        let proof = AggregateProof::decode(proof, self.params.dims().log_size).map_err(|_| ProofFault::Malformed)?;
        verify_aggregate(&self.params, children, &proof).map_err(|_| ProofFault::Rejected)?;
        Ok(CheckTimes { verify_ms: millis(start), canonical_ms: 0 })
    }
}
