//! Blocks and transactions by number and by hash.
//!
//! A projection of the decided blocks and their events; it can be rebuilt from
//! the journal at any time. A clone shares everything, so a snapshot is cheap.
//!
//! With a [`History`] only recent blocks are in memory, and what the state has
//! dropped since the last volume; older ones are read on demand. Without one
//! everything stays in memory. An old block that cannot be read is logged and
//! answered as one that is not known.

use std::sync::Arc;

use crowdfold_events::{Address, B256, BatchIndex, Block, BlockHeader, Event, EventSeq, Height, ItemIndex, TaskId};
use crowdfold_kernel::Finished;
use imbl::{OrdMap, Vector};

use crate::history::{Contents, History, HistoryError};

/// Blocks that stay in memory after they were sealed: most questions are about them.
const RECENT: u64 = 256;

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

impl BlockRecord {
    /// A block with its events.
    ///
    /// # Errors
    /// [`IndexError::Executions`].
    pub(crate) fn new(block: &Block, events: &[Event]) -> Result<Self, IndexError> {
        let height = block.header.height;
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
        let messages = block.body.messages.len();
        Ok(Self { hash: block.header.hash(), header: block.header.clone(), transactions, messages })
    }
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

/// A block in memory.
#[derive(Clone, Debug)]
struct Recent {
    /// Number of its first event.
    first_event: EventSeq,
    record: Arc<BlockRecord>,
}

/// All blocks so far, and the work that the state has dropped.
#[derive(Clone, Debug)]
pub struct ChainIndex {
    head: Height,
    /// Number of the next block's first event.
    next_event: EventSeq,
    /// Block 0.
    genesis: Arc<BlockRecord>,
    blocks: OrdMap<Height, Recent>,
    /// Blocks of header and transaction hashes.
    heights: OrdMap<B256, Height>,
    /// What the blocks that are in no volume have dropped from the state.
    finished: Vector<Arc<Finished>>,
    by_task: OrdMap<TaskId, Arc<Finished>>,
    by_batch: OrdMap<BatchIndex, Arc<Finished>>,
    by_first_item: OrdMap<ItemIndex, Arc<Finished>>,
    history: Option<History>,
}

impl ChainIndex {
    /// The index of a chain that has its genesis only, shown as block 0.
    #[must_use]
    pub fn genesis(hash: B256, header: BlockHeader) -> Self {
        Self {
            head: header.height,
            next_event: EventSeq(1),
            genesis: Arc::new(BlockRecord { hash, header, transactions: Vec::new(), messages: 0 }),
            blocks: OrdMap::new(),
            heights: OrdMap::new(),
            finished: Vector::new(),
            by_task: OrdMap::new(),
            by_batch: OrdMap::new(),
            by_first_item: OrdMap::new(),
            history: None,
        }
    }

    /// The index of a chain whose blocks are all in `history`; `next_event` is
    /// the number of the first event after them.
    #[must_use]
    pub(crate) fn over(self, history: History, next_event: EventSeq) -> Self {
        Self { head: history.end(), next_event, history: Some(history), ..self }
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
        let record = Arc::new(BlockRecord::new(block, events)?);
        self.heights.insert(record.hash, height);
        for transaction in &record.transactions {
            self.heights.insert(transaction.hash, height);
        }
        self.blocks.insert(height, Recent { first_event: self.next_event, record });
        self.next_event.0 += events.len() as u64;
        self.head = height;
        Ok(())
    }

    /// Keeps work that the state has dropped with the last block.
    pub(crate) fn keep(&mut self, finished: Vec<Finished>) {
        for finished in finished.into_iter().map(Arc::new) {
            for task in finished.tasks() {
                self.by_task.insert(task, finished.clone());
            }
            if let Finished::Batch(batch) = finished.as_ref() {
                self.by_batch.insert(batch.index, finished.clone());
                self.by_first_item.insert(batch.batch.first_item, finished.clone());
            }
            self.finished.push_back(finished);
        }
    }

    /// The last block that is in a volume, if there are volumes.
    pub(crate) fn sealed(&self) -> Option<Height> {
        self.history.as_ref().map(History::end)
    }

    /// The history with everything up to the last block; writes a volume if there is anything new.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub(crate) fn seal(&self) -> Result<Option<History>, HistoryError> {
        let Some(mut history) = self.history.clone() else { return Ok(None) };
        let first = history.end().next();
        if first > self.head {
            return Ok(Some(history));
        }
        let blocks = || self.blocks.range(first..);
        let transactions = blocks().flat_map(|(height, b)| b.record.transactions.iter().map(|t| (t.hash, *height)));
        history.seal(&Contents {
            first,
            blocks: blocks().map(|(_, b)| (b.first_event, b.record.hash)).collect(),
            transactions: transactions.collect(),
            finished: self.finished.iter().cloned().collect(),
        })?;
        Ok(Some(history))
    }

    /// Takes over what was sealed from an earlier version of this index, which
    /// had dropped `finished` pieces of work: they need no memory any more.
    pub(crate) fn adopt(&mut self, history: History, finished: usize) {
        let sealed = self.finished.slice(..finished.min(self.finished.len()));
        for done in sealed {
            for task in done.tasks() {
                self.by_task.remove(&task);
            }
            if let Finished::Batch(batch) = done.as_ref() {
                self.by_batch.remove(&batch.index);
                self.by_first_item.remove(&batch.batch.first_item);
            }
        }
        let end = history.end();
        self.history = Some(history);
        while let Some((height, block)) = self.blocks.get_min()
            && height.0 + RECENT <= end.0
        {
            let (height, record) = (*height, block.record.clone());
            self.heights.remove(&record.hash);
            for transaction in &record.transactions {
                self.heights.remove(&transaction.hash);
            }
            self.blocks.remove(&height);
        }
    }

    /// Pieces of work in memory.
    pub(crate) fn finished_count(&self) -> usize {
        self.finished.len()
    }

    /// Blocks in memory, genesis apart.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.blocks.len()
    }

    /// The last block's number.
    #[must_use]
    pub fn head(&self) -> Height {
        self.head
    }

    /// Asks the volumes; what they cannot answer is logged.
    fn old<T>(&self, ask: impl FnOnce(&History) -> Result<Option<T>, HistoryError>) -> Option<T> {
        ask(self.history.as_ref()?).unwrap_or_else(|fault| {
            tracing::error!(%fault, "an old block cannot be read");
            None
        })
    }

    /// A block by number.
    #[must_use]
    pub fn block(&self, height: Height) -> Option<Arc<BlockRecord>> {
        if height == self.genesis.header.height {
            return Some(self.genesis.clone());
        }
        match self.blocks.get(&height) {
            Some(recent) => Some(recent.record.clone()),
            None => self.old(|history| history.block(height)).map(Arc::new),
        }
    }

    fn block_with(&self, hash: &B256) -> Option<Arc<BlockRecord>> {
        match self.heights.get(hash) {
            Some(height) => self.block(*height),
            None => self.old(|history| history.block_with(hash)).map(Arc::new),
        }
    }

    /// A block's number by its hash.
    #[must_use]
    pub fn height_of(&self, hash: &B256) -> Option<Height> {
        if *hash == self.genesis.hash {
            return Some(self.genesis.header.height);
        }
        self.block_with(hash).filter(|record| record.hash == *hash).map(|record| record.header.height)
    }

    /// A transaction's block and its place there.
    #[must_use]
    pub fn transaction(&self, hash: &B256) -> Option<(Arc<BlockRecord>, usize)> {
        let record = self.block_with(hash)?;
        let at = record.transactions.iter().position(|transaction| transaction.hash == *hash)?;
        Some((record, at))
    }

    /// What a task belongs to that the state has dropped.
    #[must_use]
    pub fn finished_task(&self, task: TaskId) -> Option<Arc<Finished>> {
        let recent = self.by_task.get(&task).cloned();
        recent.or_else(|| self.old(|history| history.task(task)).map(Arc::new))
    }

    /// A batch that the state has dropped.
    #[must_use]
    pub fn finished_batch(&self, batch: BatchIndex) -> Option<Arc<Finished>> {
        let recent = self.by_batch.get(&batch).cloned();
        recent.or_else(|| self.old(|history| history.batch(batch)).map(Arc::new))
    }

    /// The batch of an item that the state has dropped.
    #[must_use]
    pub fn finished_item(&self, item: ItemIndex) -> Option<Arc<Finished>> {
        let recent = self.by_first_item.range(..=item).next_back().map(|(_, found)| found.clone());
        let recent = recent.filter(|found| found.item(item).is_some());
        recent.or_else(|| self.old(|history| history.item(item)).map(Arc::new))
    }
}
