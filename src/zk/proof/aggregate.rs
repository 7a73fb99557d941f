//! Aggregates: fold accepted children in order, prove the result with Spartan.

use crate::proof::{
    curve::Commitment,
    error::{ProveError, VerifyError},
    fold::{FoldedNode, fold_aggregate, start_aggregate},
    item::{Progress, Stage, announce, fold_in, prove_root},
    node::VerifiedNode,
    params::{ProofParams, VerifierParams},
    root::RootProof,
    witness::NodeWitness,
};

/// The proof of an aggregate of k children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateProof {
    /// k - 1 commitments to the cross-terms.
    pub comm_t: Vec<Commitment>,
    /// Spartan's proof of the folded instance.
    pub root: RootProof,
}

/// Proves an aggregate of children whose witnesses were recomputed.
/// Deterministic: equal inputs give equal bytes.
///
/// Children are consumed: at 2^18 each holds 32 MB. Use [`prove_aggregate_with`]
/// to make them one at a time.
///
/// # Errors
/// [`ProveError`]: tree too large, cancelled.
pub fn prove_aggregate(
    params: &ProofParams,
    children: Vec<NodeWitness>,
    progress: &mut Progress<'_>,
) -> Result<AggregateProof, ProveError> {
    let nodes: Vec<FoldedNode> = children.iter().map(|child| child.node.clone()).collect();
    let nodes: Vec<&FoldedNode> = nodes.iter().collect();
    let mut children = children.into_iter();
    prove_aggregate_with(params, &nodes, &mut |_| children.next().ok_or(ProveError::WitnessMismatch), progress)
}

/// Like [`prove_aggregate`], but asks for the witness of child `index` when its
/// turn comes, so that two witnesses are in memory at a time.
///
/// # Errors
/// [`ProveError`]: tree too large, a witness of another node, cancelled, or what
/// `witness` returns.
pub fn prove_aggregate_with(
    params: &ProofParams,
    nodes: &[&FoldedNode],
    witness: &mut dyn FnMut(usize) -> Result<NodeWitness, ProveError>,
    progress: &mut Progress<'_>,
) -> Result<AggregateProof, ProveError> {
    let mut folding = start_aggregate(params.verifier(), nodes)?;
    let of = nodes.len() - 1;
    let mut next = |index: usize| {
        let child = witness(index)?;
        if child.node == *nodes[index] { Ok(child) } else { Err(ProveError::WitnessMismatch) }
    };
    let mut running = next(0)?.products;
    let mut comm_t = Vec::with_capacity(of);
    for index in 0..of {
        announce(progress, Stage::Fold { index, of })?;
        let child = next(index + 1)?;
        comm_t.push(fold_in(params, &mut folding, &mut running, &child.node, &child.products));
    }
    announce(progress, Stage::Spartan)?;
    let root = prove_root(params, &folding.finish(), running)?;
    announce(progress, Stage::Done)?;
    Ok(AggregateProof { comm_t, root })
}

/// Verifies the proof of the aggregate of these children, which need not have
/// been verified themselves: the root covers every leaf.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_aggregate(
    params: &VerifierParams,
    children: &[&FoldedNode],
    proof: &AggregateProof,
) -> Result<VerifiedNode, VerifyError> {
    let node = fold_aggregate(params, children, &proof.comm_t)?;
    VerifiedNode::new(params, node, &proof.root)
}
