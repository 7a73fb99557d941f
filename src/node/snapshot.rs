//! What is known of the chain after a block, shared and immutable.

use std::sync::Arc;

use crowdfold_events::{B256, BatchIndex, Block, Event, Height, ItemIndex, TaskId};
use crowdfold_kernel::{
    State,
    model::{Batch, Item, Task},
};
use crowdfold_zk::tree::StateTree;
use imbl::OrdMap;

use crate::rpc::{BlockRecord, ChainIndex, index::IndexError, kernel_view::genesis_index};

/// The state tree before a block that has items whose batch is not proven yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingTree {
    /// The block's first item.
    pub(crate) first: ItemIndex,
    /// Number of its items.
    pub(crate) items: u32,
    /// The tree before the first.
    pub(crate) tree: StateTree,
}

/// The chain after its last block. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The kernel's state: accounts, tasks, items, batches, supply.
    pub state: State,
    /// Blocks and transactions by number and hash.
    pub index: ChainIndex,
    /// The state tree before each block that has items whose batch is not proven yet.
    pub(crate) trees: OrdMap<Height, PendingTree>,
    /// Number of events in the journal.
    pub(crate) event_count: u64,
}

impl Snapshot {
    /// The chain before block 1; `state` is the kernel's after the genesis.
    #[must_use]
    pub fn genesis(state: State) -> Self {
        let index = genesis_index(&state);
        Self { state, index, trees: OrdMap::new(), event_count: 1 }
    }

    /// Goes on as another chain from a state forked from this one; its journal has one event.
    pub(crate) fn fork(&mut self, state: State) {
        (self.state, self.event_count) = (state, 1);
        self.trees = OrdMap::new();
    }

    /// Goes on to the state after the next block.
    ///
    /// # Errors
    /// The block is not the next, or its events are not its own; nothing is changed then.
    pub(crate) fn advance(&mut self, block: &Block, events: &[Event], after: State) -> Result<(), IndexError> {
        self.index.append(block, events)?;
        self.index.keep(self.state.pruned_by(&after));
        let header = &block.header;
        if header.items > 0 {
            let tree = PendingTree { first: header.first_item, items: header.items, tree: self.state.tree().clone() };
            self.trees.insert(header.height, tree);
        }
        self.state = after;
        self.event_count += events.len() as u64;
        self.drop_trees();
        Ok(())
    }

    /// Forgets the trees before blocks all of whose items are aggregated: nobody needs their witnesses any more.
    fn drop_trees(&mut self) {
        while let Some((height, pending)) = self.trees.get_min() {
            let (height, first, items) = (*height, pending.first.0, u64::from(pending.items));
            // What the state has dropped is certified.
            let is_done = |i: u64| self.state.item(ItemIndex(i)).is_none_or(|x| x.stages.aggregated.is_some());
            if !(first..first + items).all(is_done) {
                return;
            }
            self.trees.remove(&height);
        }
    }

    /// The state tree before a block, while one of its items waits for its batch.
    pub(crate) fn tree_before(&self, height: Height) -> Option<&StateTree> {
        self.trees.get(&height).map(|pending| &pending.tree)
    }

    /// An item, also one that the state has dropped.
    #[must_use]
    pub fn item(&self, index: ItemIndex) -> Option<Item> {
        let live = self.state.item(index).cloned();
        live.or_else(|| self.index.finished_item(index).and_then(|found| found.item(index).cloned()))
    }

    /// The item of a transaction, also one that the state has dropped.
    #[must_use]
    pub fn item_of(&self, transaction: &B256) -> Option<(ItemIndex, Item)> {
        if let Some((index, item)) = self.state.item_of(transaction) {
            return Some((index, item.clone()));
        }
        let (record, at) = self.index.transaction(transaction)?;
        let index = record.transactions.get(at)?.item;
        Some((index, self.item(index)?))
    }

    /// A task, also one that the state has dropped.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<Task> {
        let live = self.state.task(id).cloned();
        live.or_else(|| self.index.finished_task(id).and_then(|found| found.task(id).cloned()))
    }

    /// A batch, also one that the state has dropped.
    #[must_use]
    pub fn batch(&self, index: BatchIndex) -> Option<Batch> {
        let live = self.state.batch(index).cloned();
        live.or_else(|| self.index.finished_batch(index).and_then(|found| found.batch().cloned()))
    }

    /// Height of the last block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.state.height()
    }

    /// A block; genesis is block 0.
    #[must_use]
    pub fn block(&self, height: Height) -> Option<Arc<BlockRecord>> {
        self.index.block(height)
    }

    /// Number of events in the journal; its head is `state.events_head()`.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.event_count
    }
}

/// A block that is durable, with what it did.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The block.
    pub block: Arc<Block>,
    /// Its events, from `BlockDecided` to `BlockSealed`.
    pub events: Arc<Vec<Event>>,
    /// The chain after it.
    pub snapshot: Arc<Snapshot>,
}
