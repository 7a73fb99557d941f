//! The proof of a batch: what remains of every item's proof below one root.
//!
//! The aggregation tree over n items at arity k has as many levels as it takes
//! to get to one node, and at least one: level 0 groups the items, level l + 1
//! groups the nodes of level l, each node with up to k consecutive children
//! ([`level_sizes`]). A batch's proof is the claim of each item (running values,
//! commitments), the cross-terms of each node level by level, and Spartan's
//! proof of the root. Items' and inner nodes' own Spartan proofs are not needed:
//! the root covers every leaf.

use crate::{
    item::{
        proof::{ItemError, ItemProof},
        trace::{ItemTrace, TraceError},
    },
    proof::{
        aggregate::AggregateProof,
        curve::Commitment,
        error::{DecodeError, FormError, VerifyError},
        fold::LeafInstance,
        node::{ProofTree, verify_tree},
        params::VerifierParams,
        root::RootProof,
    },
    statement::{ItemStatement, SegmentPublic},
};

/// Fewest and most children of a node.
pub const ARITY_RANGE: std::ops::RangeInclusive<usize> = 2..=16;
/// Most items of a batch.
pub const MAX_BATCH_ITEMS: usize = 4096;

/// What remains of an item's proof without Spartan's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemClaim {
    /// Running values between the segments.
    pub trace: ItemTrace,
    /// Commitments to the segments' witnesses.
    pub comm_w: Vec<Commitment>,
    /// Commitments to the cross-terms of their folds.
    pub comm_t: Vec<Commitment>,
}

/// The proof of a whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchProof {
    /// Most children of a node.
    pub arity: usize,
    /// One claim per item.
    pub claims: Vec<ItemClaim>,
    /// Cross-terms of every node, level by level from the items up.
    pub folds: Vec<Vec<Commitment>>,
    /// Spartan's proof of the root.
    pub root: RootProof,
}

/// Why a batch's proof is refused; the fault is its maker's.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Arity, number of items or of nodes.
    #[error("{what}: {found} where {expected} is expected")]
    Count {
        /// What was counted.
        what: &'static str,
        /// What it should be.
        expected: usize,
        /// What it is.
        found: usize,
    },
    /// Items do not follow each other.
    #[error("item {0} does not continue the one before it")]
    NotContiguous(usize),
    /// An item's claim.
    #[error("item {index}: {source}")]
    Item {
        /// Index in the batch.
        index: usize,
        /// What is wrong.
        source: ItemError,
    },
    /// The bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Numbers of children and cross-terms.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The root's proof.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Number of nodes of each level over `items` items at `arity`, bottom up; the
/// last is 1.
#[must_use]
pub fn level_sizes(items: usize, arity: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut below = items;
    loop {
        below = below.div_ceil(arity.max(2));
        sizes.push(below);
        if below <= 1 {
            return sizes;
        }
    }
}

impl ItemClaim {
    /// The claim of an accepted proof.
    #[must_use]
    pub fn of(proof: &ItemProof) -> Self {
        Self { trace: proof.trace.clone(), comm_w: proof.folded.comm_w.clone(), comm_t: proof.folded.comm_t.clone() }
    }

    /// The leaves and cross-terms that this claims for an item with this statement.
    fn tree(&self, params: &VerifierParams, statement: &ItemStatement) -> Result<ProofTree, ItemError> {
        let elements = statement.elements(params.vk_digest()).map_err(TraceError::from)?;
        let publics = self.trace.publics(&elements)?;
        if self.comm_w.len() != publics.len() {
            return Err(ItemError::Segments { expected: publics.len(), found: self.comm_w.len() });
        }
        let leaf = |(comm_w, x): (&Commitment, &SegmentPublic)| LeafInstance { comm_w: *comm_w, x: x.to_vec() };
        Ok(ProofTree::Item {
            leaves: self.comm_w.iter().zip(&publics).map(leaf).collect(),
            comm_t: self.comm_t.clone(),
        })
    }
}

impl BatchProof {
    /// Puts the proof of a batch together from the accepted proofs of its items
    /// and of every node of its tree, level by level; the last node is the root.
    ///
    /// # Errors
    /// [`BatchError::Count`].
    pub fn assemble(arity: usize, items: &[ItemProof], nodes: &[AggregateProof]) -> Result<Self, BatchError> {
        let expected = level_sizes(items.len(), arity).iter().sum();
        let root = match nodes.last() {
            Some(root) if nodes.len() == expected => root.root.clone(),
            _ => return Err(BatchError::Count { what: "nodes", expected, found: nodes.len() }),
        };
        Ok(Self {
            arity,
            claims: items.iter().map(ItemClaim::of).collect(),
            folds: nodes.iter().map(|node| node.comm_t.clone()).collect(),
            root,
        })
    }

    /// The proof of the tree's root alone, as it was submitted: what a batch's
    /// certificate names by its content hash.
    #[must_use]
    pub fn root_node(&self) -> AggregateProof {
        AggregateProof { comm_t: self.folds.last().cloned().unwrap_or_default(), root: self.root.clone() }
    }

    /// Verifies the batch of items with these statements, in order.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn verify(&self, params: &VerifierParams, statements: &[ItemStatement]) -> Result<(), BatchError> {
        let count = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(BatchError::Count { what, expected, found }) }
        };
        if !ARITY_RANGE.contains(&self.arity) {
            return Err(BatchError::Count { what: "arity", expected: *ARITY_RANGE.end(), found: self.arity });
        }
        if statements.is_empty() || statements.len() > MAX_BATCH_ITEMS {
            return Err(BatchError::Count { what: "items", expected: MAX_BATCH_ITEMS, found: statements.len() });
        }
        count("claims", statements.len(), self.claims.len())?;
        let sizes = level_sizes(statements.len(), self.arity);
        count("nodes", sizes.iter().sum(), self.folds.len())?;
        for (index, pair) in statements.windows(2).enumerate() {
            let follows = pair[0].post_root == pair[1].pre_root
                && pair[0].position.checked_add(1) == Some(pair[1].position)
                && pair[0].chain_id == pair[1].chain_id
                && pair[0].contract == pair[1].contract;
            if !follows {
                return Err(BatchError::NotContiguous(index + 1));
            }
        }
        let mut level = self
            .claims
            .iter()
            .zip(statements)
            .enumerate()
            .map(|(index, (claim, statement))| {
                claim.tree(params, statement).map_err(|source| BatchError::Item { index, source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut folds = self.folds.iter();
        for _ in sizes {
            let mut above = Vec::new();
            let mut children = level.into_iter().peekable();
            while children.peek().is_some() {
                let group: Vec<ProofTree> = children.by_ref().take(self.arity).collect();
                let comm_t = folds.next().cloned().unwrap_or_default();
                above.push(ProofTree::Aggregate { children: group, comm_t });
            }
            level = above;
        }
        let [root] = level.as_slice() else {
            return Err(BatchError::Count { what: "roots", expected: 1, found: level.len() });
        };
        verify_tree(params, root, &self.root)?;
        Ok(())
    }
}
