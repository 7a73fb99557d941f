//! Folding of relaxed R1CS instances: what the verifier computes.
//!
//! A relaxed instance (comm_W, comm_E, u, X) claims a W and an E behind the
//! commitments with `Az ∘ Bz = u·Cz + E` for z = (W, u, X). Folding two of them
//! with cross-term `T = Az₁∘Bz₂ + Az₂∘Bz₁ − u₁Cz₂ − u₂Cz₁` and challenge r gives
//!
//! ```text
//! W = W₁ + r·W₂      u = u₁ + r·u₂      X = X₁ + r·X₂
//! E = E₁ + r·T + r²·E₂
//! ```
//!
//! and the same on the commitments (Nova, eprint 2021/370, section 4).
//!
//! A node of a proof tree folds its parts left to right: part 0 is the running
//! instance, then part 1, 2, … come in. Instances have no public constructor
//! but [`LeafInstance::relax`] (u = 1, comm_E = O) and folding: none is ever
//! read from the wire.

use crate::{
    MAX_SEGMENTS_PER_ITEM, Scalar,
    proof::{
        curve::Commitment,
        error::FormError,
        params::VerifierParams,
        transcript::{Position, challenge},
    },
};
use ff::Field;

/// Most leaves of an item and most children of an aggregate.
pub const PARTS_MAX: usize = 64;
const _: () = assert!(MAX_SEGMENTS_PER_ITEM as usize <= PARTS_MAX, "every item that can be stated can be proven");
/// Greatest height of an aggregate; an item has height 0. The largest batch at
/// the smallest arity fits (`item::batch`).
pub const HEIGHT_MAX: u32 = 12;
/// Most leaves under one node.
pub const LEAVES_MAX: usize = 1 << 16;

/// A strict instance: the commitment to a witness and the public inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafInstance {
    /// Unblinded commitment to W.
    pub comm_w: Commitment,
    /// Public inputs.
    pub x: Vec<Scalar>,
}

impl LeafInstance {
    /// The instance as a relaxed one: u = 1, comm_E = O by construction.
    #[must_use]
    pub fn relax(&self) -> RelaxedInstance {
        RelaxedInstance { comm_w: self.comm_w, comm_e: Commitment::infinity(), u: Scalar::ONE, x: self.x.clone() }
    }
}

/// A relaxed instance, computed here from leaves and cross-terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaxedInstance {
    comm_w: Commitment,
    comm_e: Commitment,
    u: Scalar,
    x: Vec<Scalar>,
}

impl RelaxedInstance {
    /// Commitment to the witness.
    #[must_use]
    pub fn comm_w(&self) -> &Commitment {
        &self.comm_w
    }

    /// Commitment to the error vector.
    #[must_use]
    pub fn comm_e(&self) -> &Commitment {
        &self.comm_e
    }

    /// The relaxation factor.
    #[must_use]
    pub fn u(&self) -> Scalar {
        self.u
    }

    /// The folded public inputs.
    #[must_use]
    pub fn x(&self) -> &[Scalar] {
        &self.x
    }

    /// Folds `incoming` into `self`. Lengths of X are equal: checked where
    /// instances enter.
    pub(crate) fn fold(&mut self, incoming: &Self, comm_t: &Commitment, r: &Scalar) {
        debug_assert_eq!(self.x.len(), incoming.x.len());
        self.comm_w = self.comm_w.add_scaled(incoming.comm_w, r);
        self.comm_e = self.comm_e.add_scaled(*comm_t, r).add_scaled(incoming.comm_e, &r.square());
        self.u += *r * incoming.u;
        for (running, value) in self.x.iter_mut().zip(&incoming.x) {
            *running += *r * value;
        }
    }

    #[cfg(test)]
    pub(crate) fn from_parts(comm_w: Commitment, comm_e: Commitment, u: Scalar, x: Vec<Scalar>) -> Self {
        Self { comm_w, comm_e, u, x }
    }
}

/// A node as the verifier computes it: an instance that *claims* that all its
/// leaves are satisfied. It proves nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedNode {
    instance: RelaxedInstance,
    height: u32,
    weights: Vec<Scalar>,
}

impl FoldedNode {
    /// The folded instance.
    #[must_use]
    pub fn instance(&self) -> &RelaxedInstance {
        &self.instance
    }

    /// 0 for an item, one more than the highest child for an aggregate.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The factor ρ_j of each leaf, in order: W = Σ ρ_j·W_j, X = Σ ρ_j·X_j, u = Σ ρ_j.
    #[must_use]
    pub fn weights(&self) -> &[Scalar] {
        &self.weights
    }
}

/// The verifier's side of the folds of one node, one step at a time, so that the
/// prover can make each cross-term when its turn comes.
pub(crate) struct Folding {
    vk_digest: Scalar,
    height: u32,
    parts: u32,
    index: u32,
    instance: RelaxedInstance,
    weights: Vec<Scalar>,
}

impl Folding {
    fn start(params: &VerifierParams, height: u32, parts: usize, first: FoldedNode) -> Self {
        Self {
            vk_digest: params.vk_digest(),
            height,
            parts: parts as u32,
            index: 0,
            instance: first.instance,
            weights: first.weights,
        }
    }

    /// The running instance.
    pub(crate) fn instance(&self) -> &RelaxedInstance {
        &self.instance
    }

    /// Folds the next part in and returns the step's challenge.
    pub(crate) fn step(&mut self, incoming: &FoldedNode, comm_t: &Commitment) -> Scalar {
        let position = Position { height: self.height, parts: self.parts, index: self.index };
        let incoming_instance = &incoming.instance;
        let r = challenge(&self.vk_digest, &position, &self.instance, incoming_instance, comm_t);
        self.instance.fold(incoming_instance, comm_t, &r);
        self.weights.extend(incoming.weights.iter().map(|weight| r * weight));
        self.index += 1;
        r
    }

    pub(crate) fn finish(self) -> FoldedNode {
        FoldedNode { instance: self.instance, height: self.height, weights: self.weights }
    }
}

/// A leaf as a part of an item.
pub(crate) fn leaf_part(leaf: &LeafInstance) -> FoldedNode {
    FoldedNode { instance: leaf.relax(), height: 0, weights: vec![Scalar::ONE] }
}

/// Starts the folds of an item after checking every length.
pub(crate) fn start_item(params: &VerifierParams, leaves: &[LeafInstance]) -> Result<Folding, FormError> {
    check_parts(leaves.len())?;
    let expected = params.dims().io;
    for (leaf, instance) in leaves.iter().enumerate() {
        if instance.x.len() != expected {
            return Err(FormError::PublicInputs { leaf, expected, found: instance.x.len() });
        }
    }
    Ok(Folding::start(params, 0, leaves.len(), leaf_part(&leaves[0])))
}

/// Starts the folds of an aggregate after checking every length.
pub(crate) fn start_aggregate(params: &VerifierParams, children: &[&FoldedNode]) -> Result<Folding, FormError> {
    check_parts(children.len())?;
    let expected = params.dims().io;
    for (leaf, child) in children.iter().enumerate() {
        // A child folded under other parameters.
        if child.instance.x.len() != expected {
            return Err(FormError::PublicInputs { leaf, expected, found: child.instance.x.len() });
        }
    }
    let height = 1 + children.iter().map(|child| child.height).max().unwrap_or(0);
    if height > HEIGHT_MAX {
        return Err(FormError::Height { max: HEIGHT_MAX, found: height });
    }
    let leaves = children.iter().map(|child| child.weights.len()).sum();
    if leaves > LEAVES_MAX {
        return Err(FormError::Parts { min: 1, max: LEAVES_MAX, found: leaves });
    }
    Ok(Folding::start(params, height, children.len(), children[0].clone()))
}

/// Folds the leaves of an item with the cross-terms of its proof.
///
/// # Errors
/// [`FormError`] if a length is wrong.
pub fn fold_item(
    params: &VerifierParams,
    leaves: &[LeafInstance],
    comm_t: &[Commitment],
) -> Result<FoldedNode, FormError> {
    let mut folding = start_item(params, leaves)?;
    check_cross_terms(leaves.len(), comm_t)?;
    for (leaf, comm_t) in leaves[1..].iter().zip(comm_t) {
        folding.step(&leaf_part(leaf), comm_t);
    }
    Ok(folding.finish())
}

/// Folds the children of an aggregate with the cross-terms of its proof.
///
/// # Errors
/// [`FormError`] if a length is wrong or the tree is too large.
pub fn fold_aggregate(
    params: &VerifierParams,
    children: &[&FoldedNode],
    comm_t: &[Commitment],
) -> Result<FoldedNode, FormError> {
    let mut folding = start_aggregate(params, children)?;
    check_cross_terms(children.len(), comm_t)?;
    for (child, comm_t) in children[1..].iter().zip(comm_t) {
        folding.step(child, comm_t);
    }
    Ok(folding.finish())
}

pub(crate) fn check_parts(found: usize) -> Result<(), FormError> {
    if (1..=PARTS_MAX).contains(&found) { Ok(()) } else { Err(FormError::Parts { min: 1, max: PARTS_MAX, found }) }
}

fn check_cross_terms(parts: usize, comm_t: &[Commitment]) -> Result<(), FormError> {
    if comm_t.len() == parts - 1 {
        Ok(())
    } else {
        Err(FormError::CrossTerms { expected: parts - 1, found: comm_t.len() })
    }
}
