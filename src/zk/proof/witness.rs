//! The prover's side of folding: witnesses with their products Az, Bz, Cz.
//!
//! All of W, Az, Bz, Cz fold linearly, and for a satisfied node
//! `E = Az∘Bz − u·Cz`: the error vector is never carried, a cross-term costs no
//! product with a matrix, and the witness of an accepted node is a weighted sum
//! of its leaves' without any multi-exponentiation.

use crate::{
    Scalar,
    proof::{
        canonical,
        error::{FormError, ProveError},
        fold::{FoldedNode, LeafInstance},
        node::VerifiedNode,
        params::ProofParams,
    },
};
use ff::Field;
use nova_snark::errors::NovaError;
use rayon::prelude::*;

/// The witness and the public inputs of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafWitness {
    /// Values of the private variables, as many as the shape has before padding.
    pub w: Vec<Scalar>,
    /// Public inputs.
    pub x: Vec<Scalar>,
}

impl LeafWitness {
    /// The instance of this witness: an unblinded commitment.
    ///
    /// # Errors
    /// [`FormError`] if a length is not the shape's; `leaf` is what it names.
    pub fn commit(&self, params: &ProofParams, leaf: usize) -> Result<LeafInstance, FormError> {
        check_lengths(params.dims().vars, params.dims().io, leaf, self)?;
        Ok(LeafInstance { comm_w: params.commit(&self.w), x: self.x.clone() })
    }
}

pub(crate) fn check_lengths(vars: usize, io: usize, leaf: usize, witness: &LeafWitness) -> Result<(), FormError> {
    if witness.w.len() != vars {
        return Err(FormError::Witness { leaf, expected: vars, found: witness.w.len() });
    }
    if witness.x.len() != io {
        return Err(FormError::PublicInputs { leaf, expected: io, found: witness.x.len() });
    }
    Ok(())
}

/// Vectors of a (relaxed) witness, padded: z = (W, u, X) without u and X, which
/// the instance holds, and its products with the matrices.
pub(crate) struct Products {
    pub(crate) w: Vec<Scalar>,
    az: Vec<Scalar>,
    bz: Vec<Scalar>,
    cz: Vec<Scalar>,
}

impl Products {
    /// Multiplies out z = (w, u, x); lengths are checked by the caller.
    pub(crate) fn new(params: &ProofParams, w: &[Scalar], u: Scalar, x: &[Scalar]) -> Result<Self, NovaError> {
        let mut z = params.shape.assignment(w, u, x);
        let (az, bz, cz) = params.shape.shape.multiply_vec(&z)?;
        z.truncate(params.dims().size());
        Ok(Self { w: z, az, bz, cz })
    }

    /// The first constraint that `Az∘Bz = Cz` fails on.
    pub(crate) fn first_violation(&self) -> Option<usize> {
        let products = self.az.par_iter().zip(&self.bz).zip(&self.cz);
        products.position_first(|((a, b), c)| *a * b != *c)
    }

    /// T = Az₁∘Bz₂ + Az₂∘Bz₁ − u₁Cz₂ − u₂Cz₁.
    pub(crate) fn cross_term(&self, u: Scalar, other: &Self, other_u: Scalar) -> Vec<Scalar> {
        let one = u == Scalar::ONE && other_u == Scalar::ONE;
        (0..self.az.len())
            .into_par_iter()
            .map(|i| {
                let relaxed = if one { other.cz[i] + self.cz[i] } else { u * other.cz[i] + other_u * self.cz[i] };
                self.az[i] * other.bz[i] + other.az[i] * self.bz[i] - relaxed
            })
            .collect()
    }

    /// `self += r · other`.
    pub(crate) fn fold(&mut self, other: &Self, r: &Scalar) {
        let pairs =
            [(&mut self.w, &other.w), (&mut self.az, &other.az), (&mut self.bz, &other.bz), (&mut self.cz, &other.cz)];
        pairs.into_par_iter().for_each(|(running, incoming)| {
            running.par_iter_mut().zip(incoming).for_each(|(a, b)| *a += *r * b);
        });
    }

    /// E = Az∘Bz − u·Cz.
    pub(crate) fn error(&self, u: Scalar) -> Vec<Scalar> {
        (0..self.az.len()).into_par_iter().map(|i| self.az[i] * self.bz[i] - u * self.cz[i]).collect()
    }
}

/// The witness of an accepted node, ready to be folded into an aggregate.
pub struct NodeWitness {
    pub(crate) node: FoldedNode,
    pub(crate) products: Products,
}

impl NodeWitness {
    /// Recomputes the witness of an accepted node from the witnesses of all its
    /// leaves, in order. Costs one product with each matrix; no
    /// multi-exponentiation, no cross-term.
    ///
    /// # Errors
    /// [`ProveError::Form`] for wrong lengths, [`ProveError::WitnessMismatch`]
    /// if these are not the witnesses behind the accepted proof.
    pub fn from_leaves(
        params: &ProofParams,
        accepted: &VerifiedNode,
        leaves: &[LeafWitness],
    ) -> Result<Self, ProveError> {
        let node = accepted.node();
        let dims = params.dims();
        let w = canonical::fold_witnesses(&dims, node, leaves)?;
        let x = canonical::fold_inputs(&dims, node, leaves);
        if x != node.instance().x() || !canonical::opens(&w, accepted.opening()) {
            return Err(ProveError::WitnessMismatch);
        }
        let products = Products::new(params, &w, node.instance().u(), &x);
        Ok(Self { node: node.clone(), products: products.map_err(ProveError::Spartan)? })
    }

    /// The node that this witness belongs to.
    #[must_use]
    pub fn node(&self) -> &FoldedNode {
        &self.node
    }
}
