//! The challenge of one folding step: the only function of its kind, used by
//! prover and verifier, and replayed by the contract.
//!
//! `r = uint256(keccak256(words)) mod r_BN254`, where `words` is this sequence
//! of 32-byte big-endian words and nothing else (it is Solidity's
//! `abi.encodePacked` of `uint256` values):
//!
//! | Words | Value |
//! |---|---|
//! | 1 | `keccak256("crowdfold.fold.v1")` |
//! | 1 | digest of Spartan's verifying key (the padded matrices, their dimensions, tau·H) |
//! | 1 | kind of step: 1 strict + strict, 2 relaxed + strict, 3 relaxed + relaxed |
//! | 1 | height of the node that the step belongs to: 0 for an item |
//! | 1 | number of parts (leaves or children) of that node |
//! | 1 | index of the step in that node, from 0 |
//! | 2 | number of public inputs of the running and of the incoming instance |
//! | 5 + n | running instance: comm_W.x, comm_W.y, comm_E.x, comm_E.y, u, X\[0..n\] |
//! | 5 + n | incoming instance, likewise (a leaf has comm_E = (0, 0), u = 1) |
//! | 2 | comm_T.x, comm_T.y |
//!
//! Infinity is (0, 0). The sequence is injective: every field has a fixed width
//! and the lengths come before the vectors.
//!
//! 2^256 is about 5.3 r, so a residue has probability at most 6/2^256: the
//! challenge is not exactly uniform, but the argument needs only that no value
//! is likely, and this costs a contract one `mulmod`-free reduction.

use crate::{
    Scalar,
    proof::{
        curve::{Commitment, to_be},
        fold::RelaxedInstance,
    },
};
use nova_snark::traits::PrimeFieldExt;
use sha3::{Digest, Keccak256};

/// Domain of fold challenges.
pub const FOLD_DOMAIN: &[u8] = b"crowdfold.fold.v1";

/// What is folded with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Two leaves.
    StrictStrict = 1,
    /// The running instance of an item and a leaf.
    RelaxedStrict = 2,
    /// The running instance of an aggregate and a child.
    RelaxedRelaxed = 3,
}

/// Where a folding step stands in its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Height of the node: 0 for an item, one more than its highest child otherwise.
    pub height: u32,
    /// Leaves or children of the node.
    pub parts: u32,
    /// Index of the step: 0 folds part 1 into part 0.
    pub index: u32,
}

impl Position {
    /// The kind of the step at this position.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match (self.height, self.index) {
            (0, 0) => StepKind::StrictStrict,
            (0, _) => StepKind::RelaxedStrict,
            _ => StepKind::RelaxedRelaxed,
        }
    }
}

/// The bytes that a step's challenge hashes: see the module header.
#[must_use]
pub fn challenge_preimage(
    vk_digest: &Scalar,
    position: &Position,
    running: &RelaxedInstance,
    incoming: &RelaxedInstance,
    comm_t: &Commitment,
) -> Vec<u8> {
    let words = 20 + running.x().len() + incoming.x().len();
    let mut bytes = Vec::with_capacity(32 * words);
    bytes.extend_from_slice(&keccak(&[FOLD_DOMAIN]));
    bytes.extend_from_slice(&to_be(vk_digest));
    let lengths = [running.x().len() as u64, incoming.x().len() as u64];
    let place = [position.height, position.parts, position.index].map(u64::from);
    let kind = position.kind() as u64;
    for number in [kind].iter().chain(&place).chain(&lengths) {
        bytes.extend_from_slice(&[0; 24]);
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    for instance in [running, incoming] {
        for commitment in [instance.comm_w(), instance.comm_e()] {
            bytes.extend_from_slice(commitment.coordinates().as_flattened());
        }
        bytes.extend_from_slice(&to_be(&instance.u()));
        for value in instance.x() {
            bytes.extend_from_slice(&to_be(value));
        }
    }
    bytes.extend_from_slice(comm_t.coordinates().as_flattened());
    bytes
}

/// The challenge of a folding step: see the module header.
#[must_use]
pub fn challenge(
    vk_digest: &Scalar,
    position: &Position,
    running: &RelaxedInstance,
    incoming: &RelaxedInstance,
    comm_t: &Commitment,
) -> Scalar {
    let preimage = challenge_preimage(vk_digest, position, running, incoming, comm_t);
    reduce(&keccak(&[&preimage]))
}

/// Keccak-256 of the concatenation of `parts`.
pub(crate) fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A big-endian 256-bit number modulo the scalar field's order.
pub(crate) fn reduce(number: &[u8; 32]) -> Scalar {
    let mut wide = [0; 64];
    for (out, byte) in wide.iter_mut().zip(number.iter().rev()) {
        *out = *byte;
    }
    Scalar::from_uniform(&wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ff::{Field, PrimeField};
    use num_bigint::BigUint;

    #[test]
    fn reduction_is_modulo_the_order() {
        let order = BigUint::from_bytes_be(&to_be(&-Scalar::ONE)) + 1u8;
        for seed in 0..64u8 {
            let number = if seed == 0 { [0xff; 32] } else { keccak(&[&[seed]]) };
            let expected = BigUint::from_bytes_be(&number) % &order;
            let found = BigUint::from_bytes_le(reduce(&number).to_repr().as_ref());
            assert_eq!(found, expected);
        }
    }
}
