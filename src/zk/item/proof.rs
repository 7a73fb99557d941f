//! An item's proof and its verification.

use crate::{
    Scalar,
    item::trace::{ItemTrace, TraceError},
    proof::{
        error::{DecodeError, FormError, VerifyError},
        fold::LeafInstance,
        item as folded,
        node::VerifiedNode,
        params::VerifierParams,
    },
    statement::{ItemStatement, MAX_SEGMENTS_PER_ITEM, SegmentPublic, StatementElements, StatementError},
};

/// What a prover submits for an item: the running values and the folded proof.
///
/// Encoding: the trace, then the folded proof; both lengths follow from the
/// statement's number of segments, so there is one encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProof {
    /// Running values between the segments.
    pub trace: ItemTrace,
    /// Commitments, cross-terms and Spartan's proof.
    pub folded: folded::ItemProof,
}

/// Why an item's proof is refused; the fault is the prover's.
#[derive(Debug, thiserror::Error)]
pub enum ItemError {
    /// The running values.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The bytes of the folded proof.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The numbers of leaves or commitments.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The proof itself.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The folded proof has another number of segments than the statement.
    #[error("a proof of {found} segments where the statement says {expected}")]
    Segments {
        /// The statement's.
        expected: usize,
        /// The proof's.
        found: usize,
    },
}

impl ItemProof {
    /// The proof's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.trace.encode();
        bytes.extend(self.folded.encode());
        bytes
    }

    /// Reads the proof of an item of `segments` segments, for a shape of size 2^`log_size`.
    ///
    /// # Errors
    /// [`ItemError`] unless the bytes are the one encoding of such a proof.
    pub fn decode(bytes: &[u8], segments: u32, log_size: u32) -> Result<Self, ItemError> {
        // Before any length is computed from it: on a 32-bit machine they would wrap.
        if segments == 0 || segments > MAX_SEGMENTS_PER_ITEM {
            return Err(TraceError::Statement(StatementError::Segments { segments }).into());
        }
        let n = segments as usize;
        let head = ItemTrace::encoded_len(n);
        let (trace, folded) =
            bytes.split_at_checked(head).ok_or(TraceError::Length { expected: head, found: bytes.len() })?;
        let trace = ItemTrace::decode(trace, n)?;
        let folded = folded::ItemProof::decode(folded, log_size)?;
        if folded.comm_w.len() != n {
            return Err(ItemError::Segments { expected: n, found: folded.comm_w.len() });
        }
        Ok(Self { trace, folded })
    }

    /// The public inputs of the segments and the leaf instances that this proof
    /// claims for an item with this statement.
    ///
    /// # Errors
    /// [`ItemError`] when the running values contradict the statement.
    pub fn leaves(&self, statement: &StatementElements) -> Result<Vec<LeafInstance>, ItemError> {
        let xs = publics_x(&self.trace.publics(statement)?);
        Ok(self.folded.leaves(&xs)?)
    }
}

pub(crate) fn publics_x(publics: &[SegmentPublic]) -> Vec<Vec<Scalar>> {
    publics.iter().map(SegmentPublic::to_vec).collect()
}

/// Verifies that `proof` proves `statement`. Says nothing about *which*
/// satisfying witness was used: see `canonical`.
///
/// # Errors
/// [`ItemError`].
pub fn verify(
    params: &VerifierParams,
    statement: &ItemStatement,
    proof: &ItemProof,
) -> Result<VerifiedNode, ItemError> {
    let elements = statement.elements(params.vk_digest()).map_err(TraceError::from)?;
    let xs = publics_x(&proof.trace.publics(&elements)?);
    Ok(folded::verify_item(params, &xs, &proof.folded)?)
}
