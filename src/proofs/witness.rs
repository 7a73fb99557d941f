//! From a task to everything that its worker needs, out of public data.
//!
//! The tree before an item is found by taking the tree before its block and
//! executing the block's items up to it once more. Statements come from the
//! kernel's state; what is built here is compared with them, so a package
//! never asks for another proof than the one that the chain accepts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crowdfold_events::{B256, Height, ItemIndex};
use crowdfold_execution::{
    AdmissionError, BlockEnv, ItemPlace, ItemSource, TransactionError, decode_transaction, execute_transaction,
    item_input as execute_item, synthetic,
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

/// Trees kept: the tree before an item, for items of unproven blocks.
const TREES: usize = 4096;

/// Builds packages. Clones share a cache of the trees between a block's
/// items, so that a block of n items is executed about once, not n times.
#[derive(Clone)]
pub struct Witnesses {
    store: ProofStore,
    /// The tree before each item, by item; the oldest items go first.
    trees: Arc<Mutex<BTreeMap<u64, StateTree>>>,
}

impl Witnesses {
    /// A builder that finds accepted proofs in `store`.
    #[must_use]
    pub fn new(store: ProofStore) -> Self {
        Self { store, trees: Arc::default() }
    }

    /// Where accepted proofs are.
    #[must_use]
    pub fn store(&self) -> &ProofStore {
        &self.store
    }

    /// What proving this statement takes.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn item_input(&self, snapshot: &Snapshot, statement: &ItemStatement) -> Result<ItemInput, WitnessError> {
        let genesis = snapshot.state.genesis();
        let contract = genesis.l1.contract;
        let from_end = u64::MAX - statement.position;
        let input = match u32::try_from(from_end).ok().filter(|index| *index < genesis.admission_items) {
            Some(index) => {
                let item = synthetic::synthetic_item(genesis.chain_id, index)?;
                item.input(contract, statement.worker.into(), statement.task)?
            }
            None => self.chain_item(snapshot, statement)?,
        };
        if input.statement == *statement { Ok(input) } else { Err(WitnessError::Differs(statement.position)) }
    }

    fn chain_item(&self, snapshot: &Snapshot, statement: &ItemStatement) -> Result<ItemInput, WitnessError> {
        let position = statement.position;
        let unknown = || WitnessError::UnknownItem(position);
        let item = snapshot.state.item(ItemIndex(position)).ok_or_else(unknown)?;
        let height = item.stages.committed.height;
        let record = snapshot.block(height).ok_or_else(unknown)?;
        let env = block_env(&record);
        let place = ItemPlace {
            contract: statement.contract.into(),
            position,
            worker: statement.worker.into(),
            task: statement.task,
        };
        let tree = self.tree_before(snapshot, &record, &env, position)?;
        match &item.kind {
            ItemKind::Settlement { entries } => Ok(execute_item(&tree, ItemSource::Settlement(entries), &env, &place)?),
            ItemKind::Transaction { .. } => {
                let found = record.transactions.iter().find(|t| t.item.0 == position).ok_or_else(unknown)?;
                let decoded = decode_transaction(&found.raw, record.header.chain_id)?;
                Ok(execute_item(&tree, ItemSource::Transaction(&decoded), &env, &place)?)
            }
        }
    }

    /// The tree before an item: from the nearest tree known, the items between
    /// are executed once more. User transactions come first in a block, its
    /// settlement last, so only transactions are ever in between.
    fn tree_before(
        &self,
        snapshot: &Snapshot,
        record: &BlockRecord,
        env: &BlockEnv,
        position: u64,
    ) -> Result<StateTree, WitnessError> {
        let height = record.header.height;
        let first = record.header.first_item.0;
        let known = self.lock().range(first..=position).next_back().map(|(at, tree)| (*at, tree.clone()));
        let (at, mut tree) = match known {
            Some(known) => known,
            None => (first, snapshot.tree_before(height).ok_or(WitnessError::NoTree(height))?.clone()),
        };
        for transaction in record.transactions.iter().filter(|t| (at..position).contains(&t.item.0)) {
            let decoded = decode_transaction(&transaction.raw, record.header.chain_id)?;
            execute_transaction(&mut tree, &decoded, env)?;
            self.keep(transaction.item.0 + 1, tree.clone());
        }
        Ok(tree)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, StateTree>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, item: u64, tree: StateTree) {
        let mut trees = self.lock();
        trees.insert(item, tree);
        while trees.len() > TREES {
            trees.pop_first();
        }
    }

    /// The children of an aggregation node with their statements and proofs.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn children(&self, snapshot: &Snapshot, node: &AggregateNode) -> Result<Vec<Node>, WitnessError> {
        let bytes = |hash: B256| self.store.get(hash)?.ok_or(WitnessError::ProofMissing(hash));
        let child = |child: &AggregateChild| match child {
            AggregateChild::Item { statement, proof } => {
                Ok(Node::Item { statement: statement.clone(), proof: bytes(*proof)? })
            }
            AggregateChild::Node { accepted, .. } => match snapshot.state.work(accepted.task, accepted.worker) {
                Some(Work::Aggregate(below)) => {
                    Ok(Node::Aggregate { children: self.children(snapshot, &below)?, proof: bytes(accepted.proof)? })
                }
                _ => Err(WitnessError::UnknownItem(node.first_item.0)),
            },
        };
        node.children.iter().map(child).collect()
    }

    /// What a worker needs for a task.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn package(&self, snapshot: &Snapshot, work: &Work) -> Result<WorkPackage, WitnessError> {
        match work {
            Work::Item(statement) => Ok(WorkPackage::Item(self.item_input(snapshot, statement)?)),
            Work::Aggregate(node) => {
                let children = self.children(snapshot, node)?;
                let mut below = Vec::new();
                statements(&children, &mut below);
                let items = below.into_iter().map(|s| self.item_input(snapshot, s)).collect::<Result<_, _>>()?;
                Ok(WorkPackage::Aggregate(AggregateInput { children, items }))
            }
        }
    }
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
