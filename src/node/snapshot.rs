//! What is known of the chain after a block, shared and immutable.

use std::sync::Arc;

use crowdfold_events::{Block, Event, Height, ItemIndex};
use crowdfold_kernel::State;
use crowdfold_zk::tree::StateTree;
use imbl::OrdMap;

use crate::rpc::{BlockRecord, ChainIndex, index::IndexError, kernel_view::genesis_index};

/// The chain after its last block. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The kernel's state: accounts, tasks, items, batches, supply.
    pub state: State,
    /// Blocks and transactions by number and hash.
    pub index: ChainIndex,
    /// The state tree before each block that has items whose batch is not proven yet.
    pub(crate) trees: OrdMap<Height, StateTree>,
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
        if block.header.items > 0 {
            self.trees.insert(block.header.height, self.state.tree().clone());
        }
        self.state = after;
        self.event_count += events.len() as u64;
        self.drop_trees();
        Ok(())
    }

    /// Forgets the trees before blocks all of whose items are aggregated: nobody needs their witnesses any more.
    fn drop_trees(&mut self) {
        while let Some((height, _)) = self.trees.get_min() {
            let height = *height;
            let Some(record) = self.index.block(height) else { return };
            let (first, items) = (record.header.first_item.0, u64::from(record.header.items));
            let is_done = |i: u64| self.state.item(ItemIndex(i)).is_some_and(|x| x.stages.aggregated.is_some());
            if !(first..first + items).all(is_done) {
                return;
            }
            self.trees.remove(&height);
        }
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
