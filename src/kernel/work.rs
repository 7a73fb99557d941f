//! What a proof has to state: derived from the state, never from a message.

use crowdfold_events::{Address, B256, BatchIndex, ItemIndex, TaskId, event::TaskKind};

use crowdfold_zk::statement::ItemStatement;

use crate::{
    batches,
    faults::ProofFault,
    model::{Accepted, Batch},
    state::State,
    vm,
};

/// Says whether proofs are valid; the kernel knows them by hash only.
pub trait ProofOracle {
    /// Does the proof with this hash prove the item's statement?
    ///
    /// # Errors
    /// Why not.
    fn item(&self, statement: &ItemStatement, proof: B256) -> Result<(), ProofFault>;

    /// Does the proof with this hash fold the node's children?
    ///
    /// # Errors
    /// Why not.
    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Result<(), ProofFault>;
}

/// A child of an aggregation node, with its accepted proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // Nearly all children are items.
pub enum AggregateChild {
    /// An item.
    Item {
        /// What its proof states, worker and task included.
        statement: ItemStatement,
        /// Hash of its proof.
        proof: B256,
    },
    /// A node one level below.
    Node {
        /// Its position in its level.
        position: u32,
        /// Who proved it, for which task, with which proof.
        accepted: Accepted,
    },
}

/// What an aggregation proof is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateNode {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The L1 contract.
    pub contract: Address,
    /// The batch.
    pub batch: BatchIndex,
    /// Level of the node, 0 just above the items.
    pub level: u8,
    /// Position in its level.
    pub position: u32,
    /// First item below it.
    pub first_item: ItemIndex,
    /// Items below it.
    pub items: u32,
    /// Who folds.
    pub worker: Address,
    /// For which task.
    pub task: TaskId,
    /// State root before its first item.
    pub pre_root: B256,
    /// State root after its last item.
    pub post_root: B256,
    /// Its children in order.
    pub children: Vec<AggregateChild>,
}

/// What a task asks of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Prove an item or an admission item.
    Item(ItemStatement),
    /// Fold a node.
    Aggregate(AggregateNode),
}

impl State {
    /// The statement that `worker` must prove for a task; `None` for an unknown task.
    #[must_use]
    pub fn work(&self, id: TaskId, worker: Address) -> Option<Work> {
        match &self.tasks.get(&id)?.kind {
            TaskKind::Prove { item } => self.statement(*item, worker, id).map(Work::Item),
            TaskKind::Admission { admission_item, .. } => {
                let genesis = &self.genesis.genesis;
                vm::admission_statement(genesis.chain_id, genesis.l1.contract, *admission_item, worker, id.0)
                    .map(Work::Item)
            }
            TaskKind::Aggregate { batch, level, position, first_item, items } => {
                let record = self.batches.get(batch)?;
                let children = self.children(record, *level, *position)?;
                let last = ItemIndex(first_item.0 + u64::from(*items) - 1);
                Some(Work::Aggregate(AggregateNode {
                    chain_id: self.genesis.genesis.chain_id,
                    contract: self.genesis.genesis.l1.contract,
                    batch: *batch,
                    level: *level,
                    position: *position,
                    first_item: *first_item,
                    items: *items,
                    worker,
                    task: id,
                    pre_root: self.items.get(first_item)?.pre_root,
                    post_root: self.items.get(&last)?.post_root,
                    children,
                }))
            }
        }
    }

    /// An item's statement for a worker and task.
    #[must_use]
    pub fn statement(&self, index: ItemIndex, worker: Address, task: TaskId) -> Option<ItemStatement> {
        let item = self.items.get(&index)?;
        let genesis = &self.genesis.genesis;
        Some(ItemStatement {
            chain_id: genesis.chain_id,
            contract: genesis.l1.contract.into_array(),
            position: index.0,
            pre_root: item.pre_root.0,
            post_root: item.post_root.0,
            data_hi: item.data_hi.0,
            data_lo: item.data_lo.0,
            sender: item.sender.into_array(),
            env: item.env.0,
            worker: worker.into_array(),
            task: task.0,
            segments: item.segments,
        })
    }

    fn children(&self, batch: &Batch, level: u8, position: u32) -> Option<Vec<AggregateChild>> {
        let arity = self.params().batches.aggregation_arity;
        let (first, count) = batches::child_range(batch.items, arity, level, position);
        (first..first + count)
            .map(|child| match level.checked_sub(1) {
                None => {
                    let index = ItemIndex(batch.first_item.0 + u64::from(child));
                    let accepted = self.items.get(&index)?.accepted?;
                    let statement = self.statement(index, accepted.worker, accepted.task)?;
                    Some(AggregateChild::Item { statement, proof: accepted.proof })
                }
                Some(below) => {
                    let accepted = batch.nodes.get(&(below, child))?.accepted?;
                    Some(AggregateChild::Node { position: child, accepted })
                }
            })
            .collect()
    }
}
