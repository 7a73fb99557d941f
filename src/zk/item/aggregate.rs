//! Aggregation: accepted items and aggregates, folded into one.
//!
//! An aggregator gets public data only: the input of every item below the node
//! (statement, transaction or settlement, tree paths) and the accepted proofs.
//! It recomputes every witness; the cross-terms of what was accepted are known,
//! so refolding a child needs no multi-exponentiation.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::{
    item::{
        ItemInput, PlanError,
        proof::{ItemError, ItemProof},
        steps::Step,
        trace::TraceError,
        witness::ItemWitness,
    },
    proof::{
        aggregate::{self, AggregateProof, prove_aggregate_with},
        error::{DecodeError, FormError, ProveError, VerifyError},
        fold::FoldedNode,
        item::Stage,
        node::{ProofTree, VerifiedNode, verify_tree},
        params::{ProofParams, VerifierParams},
        witness::{LeafWitness, NodeWitness},
    },
    statement::ItemStatement,
};

/// A node of an aggregation tree with the statements and proofs below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Step>", into = "Vec<Step>")]
#[allow(clippy::large_enum_variant)] // Nearly all nodes are items.
pub enum Node {
    /// An accepted item.
    Item {
        /// What was proven.
        statement: ItemStatement,
        /// Bytes of the accepted [`ItemProof`].
        proof: Vec<u8>,
    },
    /// An accepted aggregate.
    Aggregate {
        /// Children in order.
        children: Vec<Node>,
        /// Bytes of the accepted [`AggregateProof`].
        proof: Vec<u8>,
    },
}

/// What an aggregator needs: the children of its node and the inputs of every
/// item below them, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateInput {
    /// Children of the node, all accepted.
    pub children: Vec<Node>,
    /// Inputs of the items below, in order.
    pub items: Vec<ItemInput>,
}

/// Why an aggregate cannot be made or is refused.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// A proof below is not accepted; the fault is the node's.
    #[error("a proof below the aggregate is not valid")]
    Item(#[from] ItemError),
    /// The bytes of a proof.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Numbers of children or cross-terms.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The proof itself.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Making the proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// An item's input does not make a witness; the fault is the node's.
    #[error("the input of an item does not make a witness")]
    Plan(#[from] PlanError),
    /// The inputs are not those of the items below.
    #[error("{found} item inputs where the tree has {expected}")]
    Inputs {
        /// Items in the tree.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
    /// An input's statement is not the tree's at this index.
    #[error("the input of item {0} is of another statement")]
    OtherStatement(usize),
}

impl Node {
    /// Number of items below (1 for an item).
    #[must_use]
    pub fn items(&self) -> usize {
        match self {
            Self::Item { .. } => 1,
            Self::Aggregate { children, .. } => children.iter().map(Self::items).sum(),
        }
    }

    /// Leaves and cross-terms of the node as public data.
    ///
    /// # Errors
    /// [`AggregateError`] when bytes do not decode or contradict a statement.
    pub fn tree(&self, params: &VerifierParams) -> Result<ProofTree, AggregateError> {
        let log_size = params.dims().log_size;
        match self {
            Self::Item { statement, proof } => {
                let proof = ItemProof::decode(proof, statement.segments, log_size)?;
                let elements =
                    statement.elements(params.vk_digest()).map_err(TraceError::from).map_err(ItemError::from)?;
                Ok(ProofTree::Item { leaves: proof.leaves(&elements)?, comm_t: proof.folded.comm_t })
            }
            Self::Aggregate { children, proof } => {
                let proof = AggregateProof::decode(proof, log_size)?;
                let children = children.iter().map(|child| child.tree(params)).collect::<Result<_, _>>()?;
                Ok(ProofTree::Aggregate { children, comm_t: proof.comm_t })
            }
        }
    }

    /// Verifies the node by its own proof.
    ///
    /// # Errors
    /// [`AggregateError`].
    pub fn verify(&self, params: &VerifierParams) -> Result<VerifiedNode, AggregateError> {
        let log_size = params.dims().log_size;
        let root = match self {
            Self::Item { statement, proof } => ItemProof::decode(proof, statement.segments, log_size)?.folded.root,
            Self::Aggregate { proof, .. } => AggregateProof::decode(proof, log_size)?.root,
        };
        Ok(verify_tree(params, &self.tree(params)?, &root)?)
    }

    fn statements<'a>(&'a self, out: &mut Vec<&'a ItemStatement>) {
        match self {
            Self::Item { statement, .. } => out.push(statement),
            Self::Aggregate { children, .. } => children.iter().for_each(|child| child.statements(out)),
        }
    }
}

/// Verifies `proof` as the aggregate of `children`.
///
/// # Errors
/// [`AggregateError`].
pub fn verify_aggregate(
    params: &VerifierParams,
    children: &[Node],
    proof: &AggregateProof,
) -> Result<VerifiedNode, AggregateError> {
    let nodes = children
        .iter()
        .map(|child| Ok(child.tree(params)?.fold(params)?))
        .collect::<Result<Vec<_>, AggregateError>>()?;
    let nodes: Vec<&FoldedNode> = nodes.iter().collect();
    Ok(aggregate::verify_aggregate(params, &nodes, proof)?)
}

/// Proves the aggregate of accepted children. Deterministic.
///
/// # Errors
/// [`AggregateError`]: what the node sent is not accepted, or cancelled.
pub fn prove_aggregate(
    params: &ProofParams,
    input: &AggregateInput,
    progress: &mut dyn FnMut(Stage) -> ControlFlow<()>,
) -> Result<AggregateProof, AggregateError> {
    let verifier = params.verifier();
    let mut statements = Vec::new();
    input.children.iter().for_each(|child| child.statements(&mut statements));
    if statements.len() != input.items.len() {
        return Err(AggregateError::Inputs { expected: statements.len(), found: input.items.len() });
    }
    for (index, (statement, item)) in statements.iter().zip(&input.items).enumerate() {
        if **statement != item.statement {
            return Err(AggregateError::OtherStatement(index));
        }
    }
    let accepted = input.children.iter().map(|child| child.verify(verifier)).collect::<Result<Vec<_>, _>>()?;
    let nodes: Vec<&FoldedNode> = accepted.iter().map(VerifiedNode::node).collect();
    let mut first_item = 0;
    let mut plan_error = None;
    let proof = prove_aggregate_with(
        params,
        &nodes,
        &mut |index| {
            let count = input.children[index].items();
            let items = &input.items[first_item..first_item + count];
            first_item += count;
            match leaves(items, params) {
                Ok(leaves) => NodeWitness::from_leaves(params, &accepted[index], &leaves),
                Err(error) => {
                    plan_error = Some(error);
                    Err(ProveError::WitnessMismatch)
                }
            }
        },
        progress,
    );
    match (proof, plan_error) {
        (_, Some(error)) => Err(error.into()),
        (proof, None) => Ok(proof?),
    }
}

fn leaves(items: &[ItemInput], params: &ProofParams) -> Result<Vec<LeafWitness>, PlanError> {
    let mut all = Vec::new();
    for item in items {
        let ItemWitness { leaves, .. } = item.witness(params.verifier().vk_digest())?;
        all.extend(leaves);
    }
    Ok(all)
}
