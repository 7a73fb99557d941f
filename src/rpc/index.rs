//! Blocks and transactions by number and by hash.
//!
//! A projection of the decided blocks and their events; it can be rebuilt from
//! the journal at any time. A clone shares everything, so a snapshot is cheap.

use std::sync::Arc;

use crowdfold_events::{Address, B256, Block, BlockHeader, Event, Height, ItemIndex};
use imbl::OrdMap;

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Keccak-256 of the raw bytes.
    pub hash: B256,
    /// EIP-2718 bytes.
    pub raw: Vec<u8>,
    /// Who signed it.
    pub sender: Address,
    /// Recipient.
    pub to: Address,
    /// Its item.
    pub item: ItemIndex,
    /// Gas used.
    pub gas_used: u64,
    /// Gas used by the block up to and including it.
    pub cumulative_gas_used: u64,
    /// Price per gas paid.
    pub effective_gas_price: u128,
}

/// A block with what execution said of its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRecord {
    /// Hash of the header.
    pub hash: B256,
    /// The header.
    pub header: BlockHeader,
    /// The user lane.
    pub transactions: Vec<TransactionRecord>,
    /// Number of messages in the system lane.
    pub messages: usize,
}

/// A block that cannot be indexed; a bug of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Not the block after the last one.
    #[error("block {found} after block {head}")]
    Order {
        /// The last block.
        head: Height,
        /// The block given.
        found: Height,
    },
    /// The events do not name each transaction of the body once.
    #[error("block {height} has {transactions} transactions and {executed} executions")]
    Executions {
        /// The block.
        height: Height,
        /// In the body.
        transactions: usize,
        /// In the events.
        executed: usize,
    },
}

/// All blocks so far.
#[derive(Clone, Debug)]
pub struct ChainIndex {
    head: Height,
    blocks: OrdMap<Height, Arc<BlockRecord>>,
    heights: OrdMap<B256, Height>,
    transactions: OrdMap<B256, (Height, usize)>,
}

impl ChainIndex {
    /// The index of a chain that has its genesis only, shown as block 0.
    #[must_use]
    pub fn genesis(hash: B256, header: BlockHeader) -> Self {
        let height = header.height;
        let record = Arc::new(BlockRecord { hash, header, transactions: Vec::new(), messages: 0 });
        Self {
            head: height,
            blocks: OrdMap::unit(height, record),
            heights: OrdMap::unit(hash, height),
            transactions: OrdMap::new(),
        }
    }

    /// Adds the next block with its events. On an error the index stays as it is.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn append(&mut self, block: &Block, events: &[Event]) -> Result<(), IndexError> {
        let height = block.header.height;
        if height != self.head.next() {
            return Err(IndexError::Order { head: self.head, found: height });
        }
        let mut transactions = Vec::with_capacity(block.body.transactions.len());
        let mut cumulative = 0u64;
        let executions = events.iter().filter_map(|event| match event {
            Event::TransactionExecuted { item, hash, sender, to, gas_used, effective_gas_price, .. } => {
                Some((*item, *hash, *sender, *to, *gas_used, *effective_gas_price))
            }
            _ => None,
        });
        let mut executed = 0;
        for (item, hash, sender, to, gas_used, effective_gas_price) in executions {
            let Some(raw) = block.body.transactions.get(executed) else {
                executed += 1;
                continue;
            };
            executed += 1;
            cumulative = cumulative.saturating_add(gas_used);
            let (raw, cumulative_gas_used) = (raw.clone(), cumulative);
            transactions.push(TransactionRecord {
                hash,
                raw,
                sender,
                to,
                item,
                gas_used,
                cumulative_gas_used,
                effective_gas_price,
            });
        }
        if executed != block.body.transactions.len() {
            return Err(IndexError::Executions { height, transactions: block.body.transactions.len(), executed });
        }
        let hash = block.header.hash();
        for (at, transaction) in transactions.iter().enumerate() {
            self.transactions.insert(transaction.hash, (height, at));
        }
        self.heights.insert(hash, height);
        let messages = block.body.messages.len();
        self.blocks
            .insert(height, Arc::new(BlockRecord { hash, header: block.header.clone(), transactions, messages }));
        self.head = height;
        Ok(())
    }

    /// The last block's number.
    #[must_use]
    pub fn head(&self) -> Height {
        self.head
    }

    /// A block by number.
    #[must_use]
    pub fn block(&self, height: Height) -> Option<Arc<BlockRecord>> {
        self.blocks.get(&height).cloned()
    }

    /// A block's number by its hash.
    #[must_use]
    pub fn height_of(&self, hash: &B256) -> Option<Height> {
        self.heights.get(hash).copied()
    }

    /// A transaction's block and its place there.
    #[must_use]
    pub fn transaction(&self, hash: &B256) -> Option<(Arc<BlockRecord>, usize)> {
        let (height, at) = self.transactions.get(hash)?;
        Some((self.block(*height)?, *at))
    }
}
