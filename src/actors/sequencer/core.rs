//! The sequencer's decisions, without clock, actors or consensus.
//!
//! ```text
//! Closed ─begin─► Waiting ─build─► Building ─committed─► Waiting ...
//!                    ▲                 └─failed─► Pausing ─┐      any ─stop─► Stopped
//!                    └────────────────────────────────────┘
//! ```
//!
//! A block is due at the target time while there is work, else at the idle
//! interval; a heartbeat alone does not wake an idle chain. One block is in the
//! making at a time. Whoever decides blocks, this one's or another's, tells
//! what was committed.

use std::sync::Arc;

use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256, Commit, MessageBody, SignedMessage, wire::Code};
use crowdfold_execution::Transaction;
use crowdfold_kernel::{Dropped, ProposalInput, TransactionFault};

use super::{Mempool, MessagePool};
use crate::{
    node::Snapshot,
    planted::{self, Bug},
};

/// Pause after a proposal that failed, in milliseconds.
const RETRY_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Closed,
    Waiting,
    Building,
    Pausing { until_ms: u64 },
}

/// See the module's header. Times are milliseconds since the Unix epoch.
pub struct SequencerCore {
    snapshot: Arc<Snapshot>,
    last_commit: Commit,
    transactions: Mempool,
    messages: MessagePool,
    stage: Stage,
    is_stopping: bool,
}

impl SequencerCore {
    /// A sequencer that goes on after `snapshot`, whose last block `last_commit` certifies.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, last_commit: Commit, transactions: Mempool) -> Self {
        let messages = MessagePool::default();
        Self { snapshot, last_commit, transactions, messages, stage: Stage::Closed, is_stopping: false }
    }

    /// The chain after its last block.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Waiting transactions.
    #[must_use]
    pub fn transactions(&self) -> &Mempool {
        &self.transactions
    }

    /// Waiting messages.
    #[must_use]
    pub fn messages(&self) -> &MessagePool {
        &self.messages
    }

    /// Offers a decoded transaction.
    ///
    /// # Errors
    /// The sender's fault, or the pool is full.
    pub fn submit_transaction(&mut self, transaction: Transaction, raw: Bytes) -> Result<B256, TransactionFault> {
        self.transactions.insert(transaction, raw, &self.snapshot.state)
    }

    /// Offers a message whose signature by `sender` was checked.
    ///
    /// # Errors
    /// A code for the sender.
    pub fn submit_message(&mut self, sender: Address, digest: B256, message: SignedMessage) -> Result<(), Code> {
        if self.is_stopping {
            return Err(Code::Unavailable);
        }
        let is_aggregate = matches!(message.message.body, MessageBody::SubmitAggregate { .. });
        if planted::is(Bug::SequencerDropsAggregates) && is_aggregate {
            return Ok(());
        }
        self.messages.insert(sender, digest, message, &self.snapshot.state, &self.snapshot.index)
    }

    /// Blocks may be built from now on.
    pub fn begin(&mut self) {
        if self.stage == Stage::Closed {
            self.stage = Stage::Waiting;
        }
    }

    /// No further block is built; nothing more is taken from provers.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether no further block is built.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Whether a block is in the making.
    #[must_use]
    pub fn is_building(&self) -> bool {
        self.stage == Stage::Building
    }

    /// When to call [`Self::build`]; `None` while nothing is to be built.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        if self.is_stopping {
            return None;
        }
        match self.stage {
            Stage::Closed | Stage::Building => None,
            Stage::Pausing { until_ms } => Some(until_ms),
            Stage::Waiting => {
                let state = &self.snapshot.state;
                let block = &state.parameters().block;
                let has_work = !self.transactions.is_empty() || self.messages.is_urgent() || state.has_work();
                let interval = if has_work { block.target_block_time_ms } else { block.idle_interval_ms };
                Some(state.time_ms().saturating_add(interval))
            }
        }
    }

    /// Begins a block: what `proposer` puts into it. `None` when none may be built now.
    pub fn build(&mut self, now_ms: u64, proposer: Address) -> Option<ProposalInput> {
        if self.is_stopping || matches!(self.stage, Stage::Closed | Stage::Building) {
            return None;
        }
        self.stage = Stage::Building;
        let state = &self.snapshot.state;
        let least = state.time_ms().saturating_add(state.parameters().block.min_block_time_ms);
        Some(ProposalInput {
            time_ms: now_ms.max(least),
            proposer,
            transactions: self.transactions.candidates(state),
            messages: self.messages.candidates(state),
            last_commit: self.last_commit.clone(),
        })
    }

    /// A block is durable: what it used leaves the pools, and so does what the
    /// proposal left out for good.
    pub fn committed(&mut self, snapshot: Arc<Snapshot>, commit: Commit, dropped: &[Dropped]) {
        self.snapshot = snapshot;
        if !planted::is(Bug::SequencerStaleCommit) {
            self.last_commit = commit;
        }
        for dropped in dropped {
            match dropped {
                Dropped::Transaction { hash, fault } if !fault.is_temporary() => {
                    tracing::info!(%hash, %fault, "a transaction leaves the pool");
                    self.transactions.remove(hash);
                }
                Dropped::Message { hash, fault, .. } if !fault.is_temporary() => {
                    tracing::info!(%hash, %fault, "a message leaves the pool");
                    self.messages.remove(hash);
                }
                _ => {}
            }
        }
        self.transactions.advance(&self.snapshot.state);
        self.messages.advance(&self.snapshot.state);
        if self.stage != Stage::Closed {
            self.stage = Stage::Waiting;
        }
    }

    /// The block in the making cannot be executed: another is tried after a pause.
    pub fn failed(&mut self, now_ms: u64) {
        if self.stage == Stage::Building {
            self.stage = Stage::Pausing { until_ms: now_ms.saturating_add(RETRY_MS) };
        }
    }
}
