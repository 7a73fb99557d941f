//! Accepted nodes: what remains of a proof after verification.

use crate::proof::{
    curve::Commitment,
    error::{FormError, VerifyError},
    fold::{FoldedNode, HEIGHT_MAX, LeafInstance, check_parts, fold_aggregate, fold_item},
    params::VerifierParams,
    root::{Opening, RootProof},
};

/// A node whose root proof was verified: every leaf under it is satisfied.
/// Only the verify functions make one; it has no encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedNode {
    node: FoldedNode,
    opening: Opening,
}

impl VerifiedNode {
    pub(crate) fn new(params: &VerifierParams, node: FoldedNode, root: &RootProof) -> Result<Self, VerifyError> {
        let opening = root.verify(params, node.instance())?;
        Ok(Self { node, opening })
    }

    /// The folded node, to be a child of an aggregate.
    #[must_use]
    pub fn node(&self) -> &FoldedNode {
        &self.node
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }
}

/// A whole proof tree as public data: leaves and cross-terms. It has no
/// instances of inner nodes and no wire format; whoever needs one builds it
/// from the leaves of accepted items and the cross-terms of accepted proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofTree {
    /// An item: its leaves and the cross-terms of their folds.
    Item {
        /// Leaves in order.
        leaves: Vec<LeafInstance>,
        /// One commitment per fold: leaves - 1.
        comm_t: Vec<Commitment>,
    },
    /// An aggregate: its children and the cross-terms of their folds.
    Aggregate {
        /// Children in order.
        children: Vec<ProofTree>,
        /// One commitment per fold: children - 1.
        comm_t: Vec<Commitment>,
    },
}

impl ProofTree {
    /// Folds the whole tree.
    ///
    /// # Errors
    /// [`FormError`] if a length is wrong or the tree is too large.
    pub fn fold(&self, params: &VerifierParams) -> Result<FoldedNode, FormError> {
        self.fold_below(params, HEIGHT_MAX)
    }

    /// `above` bounds the recursion before any work is done.
    fn fold_below(&self, params: &VerifierParams, above: u32) -> Result<FoldedNode, FormError> {
        match self {
            Self::Item { leaves, comm_t } => fold_item(params, leaves, comm_t),
            Self::Aggregate { children, comm_t } => {
                check_parts(children.len())?;
                let above = above.checked_sub(1).ok_or(FormError::Height { max: HEIGHT_MAX, found: HEIGHT_MAX + 1 })?;
                let nodes =
                    children.iter().map(|child| child.fold_below(params, above)).collect::<Result<Vec<_>, _>>()?;
                fold_aggregate(params, &nodes.iter().collect::<Vec<_>>(), comm_t)
            }
        }
    }
}

/// Verifies a whole tree from its leaves with nothing but its root's proof.
///
/// # Errors
/// [`VerifyError`].
pub fn verify_tree(params: &VerifierParams, tree: &ProofTree, root: &RootProof) -> Result<VerifiedNode, VerifyError> {
    VerifiedNode::new(params, tree.fold(params)?, root)
}
