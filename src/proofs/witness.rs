//! From a task to everything that its worker needs, out of public data.
//!
//! The tree before an item is found by taking the tree before its block and
//! executing the block's items up to it once more. Statements come from the
//! kernel's state; what is built here is compared with them, so a package
//! never asks for another proof than the one that the chain accepts.

use crowdfold_events::{B256, Height, ItemIndex};
use crowdfold_execution::{
    AdmissionError, BlockEnv, ExecutionError, ItemPlace, ItemSource, TransactionError, decode_transaction,
    execute_transaction, item_input as execute_item, synthetic,
};
use crowdfold_kernel::{AggregateChild, AggregateNode, Work, model::ItemKind};
use crowdfold_zk::{
    item::{
        ItemInput,
        aggregate::{AggregateInput, Node},
        package::WorkPackage,
    },
    statement::ItemStatement,
    tree::StateTree,
};

use crate::{
    node::Snapshot,
    proofs::{ProofStore, StoreError},
    rpc::BlockRecord,
};

/// Why a package cannot be built. Never a prover's fault.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The state does not have the item or task.
    #[error("item {0} is not known")]
    UnknownItem(u64),
    /// The tree before the block is not kept any more: its batches are proven.
    #[error("the tree before block {0} is no longer kept")]
    NoTree(Height),
    /// A decided transaction does not decode; a damaged node.
    #[error("a decided transaction does not decode: {0}")]
    Decode(#[from] AdmissionError),
    /// A decided item does not execute; a damaged node.
    #[error("a decided item does not execute: {0}")]
    Execute(#[from] TransactionError),
    /// A decided settlement does not execute; a damaged node.
    #[error("a decided settlement does not execute: {0}")]
    Settle(#[from] ExecutionError),
    /// Executing again gives another statement; a damaged node.
    #[error("executing item {0} again gives another statement")]
    Differs(u64),
    /// The proof store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An accepted proof is not in the store.
    #[error("the accepted proof {0} is not in the store")]
    ProofMissing(B256),
}

/// The environment of a block's items.
#[must_use]
pub fn block_env(record: &BlockRecord) -> BlockEnv {
    let header = &record.header;
    BlockEnv {
        number: header.height.0,
        time_ms: header.time_ms,
        base_fee: header.base_fee,
        gas_limit: header.gas_limit,
        beacon: header.beacon,
        chain_id: header.chain_id,
        rules_version: header.rules_version,
    }
}

/// What proving this statement takes.
///
/// # Errors
/// [`WitnessError`].
pub fn item_input(snapshot: &Snapshot, statement: &ItemStatement) -> Result<ItemInput, WitnessError> {
    let genesis = snapshot.state.genesis();
    let contract = genesis.l1.contract;
    let from_end = u64::MAX - statement.position;
    let input = match u32::try_from(from_end).ok().filter(|index| *index < genesis.admission_items) {
        Some(index) => synthetic::synthetic_item(genesis.chain_id, index)?.input(
            contract,
            statement.worker.into(),
            statement.task,
        )?,
        None => chain_item(snapshot, statement)?,
    };
    if input.statement == *statement { Ok(input) } else { Err(WitnessError::Differs(statement.position)) }
}

fn chain_item(snapshot: &Snapshot, statement: &ItemStatement) -> Result<ItemInput, WitnessError> {
    let position = statement.position;
    let unknown = WitnessError::UnknownItem(position);
    let item = snapshot.state.item(ItemIndex(position)).ok_or(unknown)?;
    let height = item.stages.committed.height;
    let record = snapshot.block(height).ok_or(WitnessError::UnknownItem(position))?;
    let mut tree: StateTree = snapshot.trees.get(&height).ok_or(WitnessError::NoTree(height))?.clone();
    let env = block_env(&record);
    let chain_id = record.header.chain_id;
    let place = ItemPlace {
        contract: statement.contract.into(),
        position,
        worker: statement.worker.into(),
        task: statement.task,
    };
    // User transactions come first in a block, its settlement last.
    for transaction in &record.transactions {
        let decoded = decode_transaction(&transaction.raw, chain_id)?;
        if transaction.item.0 == position {
            return Ok(execute_item(&tree, ItemSource::Transaction(&decoded), &env, &place)?);
        }
        execute_transaction(&mut tree, &decoded, &env)?;
    }
    match &item.kind {
        ItemKind::Settlement { entries } => Ok(execute_item(&tree, ItemSource::Settlement(entries), &env, &place)?),
        ItemKind::Transaction { .. } => Err(WitnessError::UnknownItem(position)),
    }
}

/// The children of an aggregation node with their statements and proofs.
///
/// # Errors
/// [`WitnessError`].
pub fn children(snapshot: &Snapshot, store: &ProofStore, node: &AggregateNode) -> Result<Vec<Node>, WitnessError> {
    let bytes = |hash: B256| store.get(hash)?.ok_or(WitnessError::ProofMissing(hash));
    node.children
        .iter()
        .map(|child| match child {
            AggregateChild::Item { statement, proof } => {
                Ok(Node::Item { statement: statement.clone(), proof: bytes(*proof)? })
            }
            AggregateChild::Node { accepted, .. } => match snapshot.state.work(accepted.task, accepted.worker) {
                Some(Work::Aggregate(below)) => {
                    Ok(Node::Aggregate { children: children(snapshot, store, &below)?, proof: bytes(accepted.proof)? })
                }
                _ => Err(WitnessError::UnknownItem(node.first_item.0)),
            },
        })
        .collect()
}

/// The statements of the items below, in order.
fn statements<'a>(nodes: &'a [Node], out: &mut Vec<&'a ItemStatement>) {
    for node in nodes {
        match node {
            Node::Item { statement, .. } => out.push(statement),
            Node::Aggregate { children, .. } => statements(children, out),
        }
    }
}

/// What a worker needs for a task.
///
/// # Errors
/// [`WitnessError`].
pub fn package(snapshot: &Snapshot, store: &ProofStore, work: &Work) -> Result<WorkPackage, WitnessError> {
    match work {
        Work::Item(statement) => Ok(WorkPackage::Item(item_input(snapshot, statement)?)),
        Work::Aggregate(node) => {
            let children = children(snapshot, store, node)?;
            let mut below = Vec::new();
            statements(&children, &mut below);
            let items = below.into_iter().map(|s| item_input(snapshot, s)).collect::<Result<_, _>>()?;
            Ok(WorkPackage::Aggregate(AggregateInput { children, items }))
        }
    }
}
