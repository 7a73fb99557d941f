//! What is known of the chain after a block, shared and immutable.

use std::sync::Arc;

use crowdfold_events::{Block, Event, Height};
use crowdfold_kernel::State;
use crowdfold_zk::tree::StateTree;
use imbl::OrdMap;

use crate::rpc::{BlockRecord, ChainIndex};

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
