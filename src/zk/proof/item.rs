//! Item proofs: commit to every segment, fold the leaves in order, prove the
//! result with Spartan.

use crate::{
    Scalar,
    proof::{
        curve::Commitment,
        error::{FormError, ProveError, VerifyError},
        fold::{FoldedNode, Folding, LeafInstance, check_parts, fold_item, leaf_part, start_item},
        node::VerifiedNode,
        params::{ProofParams, VerifierParams},
        root::RootProof,
        witness::{LeafWitness, Products},
    },
};
use ff::Field;
use std::ops::ControlFlow;

/// What a prover is about to do; `index` counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Commit to a leaf's witness.
    Commit {
        /// Index of the leaf.
        index: usize,
        /// Leaves in all.
        of: usize,
    },
    /// Fold part `index + 1` into the running instance.
    Fold {
        /// Index of the fold.
        index: usize,
        /// Folds in all.
        of: usize,
    },
    /// Prove the folded instance.
    Spartan,
    /// Nothing remains.
    Done,
}

/// Called before each stage; `Break` cancels the proof.
pub type Progress<'a> = dyn FnMut(Stage) -> ControlFlow<()> + 'a;

/// The proof of an item of n leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProof {
    /// n commitments to the leaves' witnesses.
    pub comm_w: Vec<Commitment>,
    /// n - 1 commitments to the cross-terms.
    pub comm_t: Vec<Commitment>,
    /// Spartan's proof of the folded instance.
    pub root: RootProof,
}

impl ItemProof {
    /// The leaves of the item: public inputs from the verifier, commitments from
    /// the proof.
    ///
    /// # Errors
    /// [`FormError`] if the numbers differ.
    pub fn leaves(&self, leaves_x: &[Vec<Scalar>]) -> Result<Vec<LeafInstance>, FormError> {
        check_parts(leaves_x.len())?;
        if self.comm_w.len() != leaves_x.len() {
            return Err(FormError::Parts { min: leaves_x.len(), max: leaves_x.len(), found: self.comm_w.len() });
        }
        let leaf = |(comm_w, x): (&Commitment, &Vec<Scalar>)| LeafInstance { comm_w: *comm_w, x: x.clone() };
        Ok(self.comm_w.iter().zip(leaves_x).map(leaf).collect())
    }
}

/// Proves an item. Deterministic: equal inputs give equal bytes.
///
/// # Errors
/// [`ProveError`]: wrong lengths, an unsatisfied leaf, cancelled.
pub fn prove_item(
    params: &ProofParams,
    leaves: &[LeafWitness],
    progress: &mut Progress<'_>,
) -> Result<ItemProof, ProveError> {
    check_parts(leaves.len())?;
    let of = leaves.len();
    let mut instances = Vec::with_capacity(of);
    for (index, leaf) in leaves.iter().enumerate() {
        announce(progress, Stage::Commit { index, of })?;
        instances.push(leaf.commit(params, index)?);
    }
    let mut folding = start_item(params.verifier(), &instances)?;
    let mut running = strict(params, leaves, 0)?;
    let mut comm_t = Vec::with_capacity(of - 1);
    for (index, instance) in instances.iter().enumerate().skip(1) {
        announce(progress, Stage::Fold { index: index - 1, of: of - 1 })?;
        let incoming = strict(params, leaves, index)?;
        comm_t.push(fold_in(params, &mut folding, &mut running, &leaf_part(instance), &incoming));
    }
    announce(progress, Stage::Spartan)?;
    let root = prove_root(params, &folding.finish(), running)?;
    announce(progress, Stage::Done)?;
    Ok(ItemProof { comm_w: instances.iter().map(|leaf| leaf.comm_w).collect(), comm_t, root })
}

/// Verifies the proof of the item whose leaves have these public inputs.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_item(
    params: &VerifierParams,
    leaves_x: &[Vec<Scalar>],
    proof: &ItemProof,
) -> Result<VerifiedNode, VerifyError> {
    let leaves = proof.leaves(leaves_x)?;
    let node = fold_item(params, &leaves, &proof.comm_t)?;
    VerifiedNode::new(params, node, &proof.root)
}

/// The products of a leaf, if it is satisfied.
fn strict(params: &ProofParams, leaves: &[LeafWitness], leaf: usize) -> Result<Products, ProveError> {
    let witness = &leaves[leaf];
    let products = Products::new(params, &witness.w, Scalar::ONE, &witness.x).map_err(ProveError::Spartan)?;
    match products.first_violation() {
        Some(constraint) => Err(ProveError::Unsatisfied { leaf, constraint }),
        None => Ok(products),
    }
}

/// One fold on both sides; returns the commitment to the cross-term.
pub(crate) fn fold_in(
    params: &ProofParams,
    folding: &mut Folding,
    running: &mut Products,
    incoming: &FoldedNode,
    products: &Products,
) -> Commitment {
    let t = running.cross_term(folding.instance().u(), products, incoming.instance().u());
    let comm_t = params.commit(&t);
    let r = folding.step(incoming, &comm_t);
    running.fold(products, &r);
    comm_t
}

pub(crate) fn prove_root(params: &ProofParams, node: &FoldedNode, products: Products) -> Result<RootProof, ProveError> {
    let e = products.error(node.instance().u());
    RootProof::prove(params, node.instance(), products.w, e)
}

pub(crate) fn announce(progress: &mut Progress<'_>, stage: Stage) -> Result<(), ProveError> {
    match progress(stage) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ProveError::Cancelled(stage)),
    }
}
