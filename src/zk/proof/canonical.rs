//! Acceptance requires THE canonical witness of every leaf.
//!
//! Anyone regenerates a witness from public data; a proof over another
//! satisfying witness would be sound, but nobody could aggregate it. Two checks:
//!
//! * [`check_recommitted`] commits to the regenerated witnesses and compares
//!   (a multi-exponentiation per leaf). It needs no root proof.
//! * [`check_canonical`] compares one field element: an accepted root proof
//!   opens the folded witness at a point, `W̃(z) = e`, and the regenerated
//!   witnesses must give `Σ ρ_j·W̃_j(z) = e`.
//!
//! Why one element pins every commitment: let D_j be the committed vector minus
//! the canonical one. Each comm_W_j is hashed before ρ_j is drawn, all before z.
//! Take the last j with D_j ≠ 0: `Σ_{i<j} ρ_i·D_i + ρ_j·D_j` vanishes for at most
//! one ρ_j; otherwise it is a non-zero multilinear polynomial of k variables,
//! zero at z with probability at most k/|F|. (In an aggregate ρ of a leaf is a
//! product of challenges; the same holds level by level.) This covers padding
//! variables, which no constraint binds.

use crate::{
    Scalar,
    proof::{
        error::{FormError, ProveError, VerifyError},
        fold::FoldedNode,
        item::ItemProof,
        node::VerifiedNode,
        params::{ProofParams, VerifierParams},
        root::Opening,
        shape::Dims,
        witness::{LeafWitness, check_lengths},
    },
};
use ff::Field;
use nova_snark::spartan::polys::multilinear::MultilinearPolynomial;
use rayon::prelude::*;

/// Checks that an accepted node was proven on exactly these witnesses, without
/// a multi-exponentiation.
///
/// # Errors
/// [`VerifyError::Form`] for wrong lengths, [`VerifyError::NotCanonical`].
pub fn check_canonical(
    params: &VerifierParams,
    witnesses: &[LeafWitness],
    accepted: &VerifiedNode,
) -> Result<(), VerifyError> {
    let dims = params.dims();
    let w = fold_witnesses(&dims, accepted.node(), witnesses)?;
    let x = fold_inputs(&dims, accepted.node(), witnesses);
    if x == accepted.node().instance().x() && opens(&w, accepted.opening()) {
        Ok(())
    } else {
        Err(VerifyError::NotCanonical)
    }
}

/// Checks that the commitments of an item's proof are those of these witnesses,
/// by committing to them. Says nothing about the rest of the proof.
///
/// # Errors
/// [`ProveError::Form`] for wrong lengths, [`ProveError::WitnessMismatch`].
pub fn check_recommitted(params: &ProofParams, witnesses: &[LeafWitness], proof: &ItemProof) -> Result<(), ProveError> {
    check_count(proof.comm_w.len(), witnesses.len())?;
    for (leaf, (witness, comm_w)) in witnesses.iter().zip(&proof.comm_w).enumerate() {
        if witness.commit(params, leaf)?.comm_w != *comm_w {
            return Err(ProveError::WitnessMismatch);
        }
    }
    Ok(())
}

/// Σ ρ_j·W_j, padded to 2^k.
pub(crate) fn fold_witnesses(dims: &Dims, node: &FoldedNode, leaves: &[LeafWitness]) -> Result<Vec<Scalar>, FormError> {
    check_count(node.weights().len(), leaves.len())?;
    for (index, leaf) in leaves.iter().enumerate() {
        check_lengths(dims.vars, dims.io, index, leaf)?;
    }
    let mut w = vec![Scalar::ZERO; dims.size()];
    w[..dims.vars].par_iter_mut().enumerate().for_each(|(i, sum)| {
        for (leaf, weight) in leaves.iter().zip(node.weights()) {
            // Most values are bits.
            let value = leaf.w[i];
            if value == Scalar::ONE {
                *sum += weight;
            } else if value != Scalar::ZERO {
                *sum += *weight * value;
            }
        }
    });
    Ok(w)
}

/// Σ ρ_j·X_j; lengths were checked by [`fold_witnesses`].
pub(crate) fn fold_inputs(dims: &Dims, node: &FoldedNode, leaves: &[LeafWitness]) -> Vec<Scalar> {
    let mut x = vec![Scalar::ZERO; dims.io];
    for (leaf, weight) in leaves.iter().zip(node.weights()) {
        for (sum, value) in x.iter_mut().zip(&leaf.x) {
            *sum += *weight * value;
        }
    }
    x
}

/// Whether the multilinear extension of a padded vector has the opened value.
pub(crate) fn opens(w: &[Scalar], opening: &Opening) -> bool {
    w.len() == 1 << opening.point.len() && MultilinearPolynomial::evaluate_with(w, &opening.point) == opening.value
}

fn check_count(expected: usize, found: usize) -> Result<(), FormError> {
    if expected == found { Ok(()) } else { Err(FormError::Parts { min: expected, max: expected, found }) }
}
