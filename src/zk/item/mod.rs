//! Items: from public data to witnesses, proofs and aggregates.
//!
//! ```text
//!   ItemInput ──plan──► slots of each segment ──synthesize──► witnesses + trace
//!                                                             │
//!   ItemStatement + ItemProof ──verify──► VerifiedNode        ├─► prove
//!                                            └── canonical ◄──┘
//! ```
//!
//! [`ItemInput`] is all that a prover needs; a node sends it, and the prover
//! checks every part of it natively before work starts: a lying node is named
//! by [`PlanError`]. Planning and synthesis are deterministic, so a node (or
//! anyone) recomputes the witness from the same input.

pub mod aggregate;
pub mod batch;
mod batch_codec;
mod cost;
pub mod package;
mod plan;
mod proof;
mod shape;
mod steps;
pub mod trace;
mod witness;
pub mod work;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

pub use cost::{SlotCost, cost_by_slot};
pub use plan::PlanError;
pub use proof::{ItemError, ItemProof, verify};
pub use shape::{DEVELOPMENT_KEY, LOG_SIZE, UniversalShapeError, padded_shape, universal_shape};
pub use witness::{ItemWitness, synthesize};

use crate::{
    Scalar,
    accounts::Address,
    proof::{
        canonical::check_canonical,
        error::{ProveError, VerifyError},
        item::{Stage, prove_item},
        node::VerifiedNode,
        params::{ProofParams, VerifierParams},
    },
    settlement::SettlementEntry,
    statement::ItemStatement,
    transfer::EnvFields,
    tree::OpWitness,
};

/// A block's environment as plain values; see [`EnvFields`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvInput {
    /// Base fee per gas.
    pub base_fee: u128,
    /// Height of the block.
    pub block_number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Gas limit of the block.
    pub block_gas_limit: u64,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The block's random value as a canonical big-endian field element.
    pub prevrandao: [u8; 32],
    /// Rules in force.
    pub rules_version: u64,
}

/// The item itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemData {
    /// A transfer with its signature.
    Transfer {
        /// Signing payload.
        payload: Vec<u8>,
        /// r of the signature, big-endian.
        r: [u8; 32],
        /// s of the signature, big-endian, at most n/2.
        s: [u8; 32],
        /// Signer's public key, x coordinate.
        public_key_x: [u8; 32],
        /// Signer's public key, y coordinate.
        public_key_y: [u8; 32],
    },
    /// A settlement.
    Settlement {
        /// (account, amount, credit) in order.
        entries: Vec<(Address, u128, bool)>,
    },
}

/// All that proving an item needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemInput {
    /// What is to be proven, for whom.
    pub statement: ItemStatement,
    /// Environment of the item's block.
    pub env: EnvInput,
    /// The item.
    pub data: ItemData,
    /// The tree operations in order, with their paths.
    pub ops: Vec<OpWitness>,
}

impl EnvInput {
    /// As the circuit's fields; `None` if `prevrandao` is not canonical.
    #[must_use]
    pub fn fields(&self) -> Option<EnvFields> {
        Some(EnvFields {
            base_fee: self.base_fee,
            block_number: self.block_number,
            timestamp: self.timestamp,
            block_gas_limit: self.block_gas_limit,
            chain_id: self.chain_id,
            prevrandao: crate::statement::scalar_from_be(&self.prevrandao)?,
            rules_version: self.rules_version,
        })
    }
}

impl ItemInput {
    /// Checks the input against its statement and computes the witness under
    /// the verifying key digest `vk`.
    ///
    /// # Errors
    /// [`PlanError`]: whoever made the input is at fault.
    pub fn witness(&self, vk: Scalar) -> Result<ItemWitness, PlanError> {
        let elements = self.statement.elements(vk)?;
        let slots = plan::plan(self)?;
        let first = self.ops.first().ok_or(PlanError::NoOperations)?;
        Ok(synthesize(&elements, first.root_before, Scalar::from(first.leaf_count_before), &slots)?)
    }
}

/// What a prover is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProveStage {
    /// Computing the witness.
    Witness,
    /// Committing, folding, Spartan.
    Proof(Stage),
}

/// Why an item cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveItemError {
    /// The input; the node is at fault.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The proof: cancelled, or a bug.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// Proves an item. Deterministic: equal inputs give equal bytes. `progress` is
/// called before each stage and cancels with `Break`.
///
/// # Errors
/// [`ProveItemError`].
pub fn prove(
    params: &ProofParams,
    input: &ItemInput,
    progress: &mut dyn FnMut(ProveStage) -> ControlFlow<()>,
) -> Result<ItemProof, ProveItemError> {
    if progress(ProveStage::Witness).is_break() {
        return Err(ProveError::Cancelled(Stage::Commit { index: 0, of: input.statement.segments as usize }).into());
    }
    let witness = input.witness(params.verifier().vk_digest())?;
    let folded = prove_item(params, &witness.leaves, &mut |stage| progress(ProveStage::Proof(stage)))?;
    Ok(ItemProof { trace: witness.trace, folded })
}

/// Why an accepted proof is not of the canonical witness.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The input that the check starts from; the fault is the caller's.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Another witness; the fault is the prover's.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Checks that a verified proof was made from the witness that everybody
/// recomputes, so that aggregators can go on from it.
///
/// # Errors
/// [`CanonicalError`].
pub fn canonical(params: &VerifierParams, input: &ItemInput, node: &VerifiedNode) -> Result<(), CanonicalError> {
    let witness = input.witness(params.vk_digest())?;
    Ok(check_canonical(params, &witness.leaves, node)?)
}

fn settlement_entries(entries: &[(Address, u128, bool)]) -> Vec<SettlementEntry> {
    entries.iter().map(|&(address, amount, credit)| SettlementEntry { address, amount, credit }).collect()
}
