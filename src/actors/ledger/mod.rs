//! The ledger: sole owner of the canonical state and of the journal.
//!
//! ```text
//! Propose{input}  ──► Outcome kept by header hash, block and what was left out returned
//! Execute{block}  ──► the same for somebody else's proposal
//! Commit{hash}    ──► journal append (durable) ─► state switched ─► snapshot published
//!                     ─► Committed to every subscriber, answered by all ─► reply
//! ```
//!
//! It never decides which block is next, builds no block's content and talks
//! to nobody outside. An error of the journal is final: the ledger reports it
//! and commits nothing more. Readers take snapshots from a watch channel and
//! never wait for the ledger. Snapshots are written on a blocking thread while
//! blocks go on; only their end comes back here. A subscriber that is slow makes the chain slow,
//! never the queue long: the next block waits for its answer.

mod core;
mod replay;
mod saving;
mod start;

use std::sync::Arc;

use actix::prelude::*;
use crowdfold_events::{B256, Block, Height};
use crowdfold_kernel::{BlockFault, ProofOracle, ProposalInput};
use tokio::sync::{broadcast, watch};

pub use self::{
    core::{LedgerCore, LedgerError, Proposed},
    saving::{Keeping, Save},
    start::TakenUp,
};
use crate::node::{Committed, NodeEvent, SavedFault, Snapshot};

/// Why there is no proposal.
#[derive(Debug, thiserror::Error)]
pub enum ProposalFault {
    /// The block cannot be executed.
    #[error(transparent)]
    Block(#[from] BlockFault),
    /// The ledger was closed, or its journal failed.
    #[error("the ledger is closed")]
    Closed,
}

/// Builds a proposal on the last block.
#[derive(Debug, Message)]
#[rtype(result = "Result<Proposed, ProposalFault>")]
pub struct Propose(pub ProposalInput);

/// Executes a proposal of somebody else on the last block.
#[derive(Debug, Message)]
#[rtype(result = "Result<B256, ProposalFault>")]
pub struct Execute(pub Block);

/// A block was decided; answered when it is durable and everybody inside knows.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Committed>, LedgerError>")]
pub struct Commit(pub B256);

/// To subscribers: a block is durable.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct CommittedBlock(pub Arc<Committed>);

/// Adds a subscriber. It hears of every block after the snapshot that is returned.
#[derive(Message)]
#[rtype(result = "Arc<Snapshot>")]
pub struct Subscribe(pub Recipient<CommittedBlock>);

/// Writes a snapshot, so that the next start has nothing to replay, and closes
/// the journal. Nothing is committed from now on.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Close;

/// The actor around [`LedgerCore`].
pub struct Ledger {
    core: Option<LedgerCore>,
    oracle: Arc<dyn ProofOracle + Send + Sync>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    events: broadcast::Sender<NodeEvent>,
    subscribers: Vec<Recipient<CommittedBlock>>,
}

impl Ledger {
    /// A ledger that publishes to `snapshots` and `events`.
    #[must_use]
    pub fn new(
        core: LedgerCore,
        oracle: Arc<dyn ProofOracle + Send + Sync>,
        snapshots: watch::Sender<Arc<Snapshot>>,
        events: broadcast::Sender<NodeEvent>,
    ) -> Self {
        Self { core: Some(core), oracle, snapshots, events, subscribers: Vec::new() }
    }

    /// Begins a snapshot if one is due.
    fn save(&mut self, ctx: &mut Context<Self>) {
        let Some(save) = self.core.as_mut().and_then(LedgerCore::due) else { return };
        let running = written(save);
        ctx.spawn(running.into_actor(self).map(|(saved, ms), actor, _| {
            if let (Some(core), Some(save)) = (&mut actor.core, saved) {
                tell(core.saved(save), ms);
            }
        }));
    }
}

/// Writes a snapshot on a blocking thread; how long it took, in milliseconds.
/// `None` when the thread is lost.
async fn written(save: Save) -> (Option<Save>, u64) {
    let begun = std::time::Instant::now();
    let saved = tokio::task::spawn_blocking(move || save.run()).await;
    let saved = saved.inspect_err(|fault| tracing::error!(%fault, "the thread that writes snapshots is lost")).ok();
    (saved, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn tell(saved: Result<Height, SavedFault>, ms: u64) {
    match saved {
        Ok(height) => tracing::info!(%height, ms, "a snapshot is written"),
        Err(fault) => tracing::error!(%fault, "no snapshot is written; the next start takes longer"),
    }
}

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Only the sequencer and, once each, the subscribers write here.
        ctx.set_mailbox_capacity(16);
    }
}

impl Handler<Propose> for Ledger {
    type Result = Result<Proposed, ProposalFault>;

    fn handle(&mut self, Propose(input): Propose, _: &mut Self::Context) -> Self::Result {
        let core = self.core.as_mut().ok_or(ProposalFault::Closed)?;
        Ok(core.propose(input, self.oracle.as_ref())?)
    }
}

impl Handler<Execute> for Ledger {
    type Result = Result<B256, ProposalFault>;

    fn handle(&mut self, Execute(block): Execute, _: &mut Self::Context) -> Self::Result {
        let core = self.core.as_mut().ok_or(ProposalFault::Closed)?;
        Ok(core.execute(&block, self.oracle.as_ref())?)
    }
}

impl Handler<Commit> for Ledger {
    type Result = ResponseFuture<Result<Arc<Committed>, LedgerError>>;

    fn handle(&mut self, Commit(hash): Commit, ctx: &mut Self::Context) -> Self::Result {
        let committed = match &mut self.core {
            Some(core) => core.commit(&hash),
            None => Err(LedgerError::NotExecuted(hash)),
        };
        let committed = match committed {
            Ok(committed) => committed,
            Err(fault) => {
                // What is in memory is no longer what is on the disk.
                self.core = None;
                return Box::pin(async { Err(fault) });
            }
        };
        self.snapshots.send_replace(committed.snapshot.clone());
        self.save(ctx);
        // Watchers hear of the block before what follows from it. There may be none.
        self.events.send(NodeEvent::Committed(committed.clone())).unwrap_or_default();
        let told: Vec<_> = self.subscribers.iter().map(|s| s.send(CommittedBlock(committed.clone()))).collect();
        Box::pin(async move {
            for answer in told {
                if answer.await.is_err() {
                    tracing::warn!("a subscriber of the ledger is gone");
                }
            }
            Ok(committed)
        })
    }
}

impl Handler<Subscribe> for Ledger {
    type Result = MessageResult<Subscribe>;

    fn handle(&mut self, Subscribe(subscriber): Subscribe, _: &mut Self::Context) -> Self::Result {
        self.subscribers.push(subscriber);
        MessageResult(self.snapshots.borrow().clone())
    }
}

impl Handler<Close> for Ledger {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Close, _: &mut Self::Context) -> Self::Result {
        self.subscribers.clear();
        let core = self.core.take();
        let closing = async move {
            let Some(mut core) = core else { return };
            let Some(save) = core.save() else { return };
            if let (Some(save), ms) = written(save).await {
                tell(core.saved(save), ms);
            }
        };
        Box::pin(closing.into_actor(self).map(|(), _, ctx| ctx.stop()))
    }
}
