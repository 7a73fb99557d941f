//! The sequencer: collects transactions and messages, builds blocks at their
//! time, has them decided, and has the ledger commit them.
//!
//! ```text
//! SubmitTransaction ─► Mempool ─┐                                    ┌─► Ledger: Commit
//! SubmitSystemMessage ► Messages ┴─timer─► Ledger: Propose ─► Consensus ─┘   (durable)
//!        (answered: taken or why not)          │ dropped ─► out of the pools
//! ```
//!
//! Blocks come at the target time while there is work, else at the idle
//! interval; a heartbeat alone does not wake an idle chain. One block is in the
//! making at a time. It knows nothing of proofs, packages or sessions. Full
//! pools refuse; the mailbox is bounded, so HTTP callers wait.

mod consensus;
mod core;
mod mempool;
mod messages;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix::prelude::*;
use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256, Commit as Certificate, EventSeq, Height};
use crowdfold_execution::{Transaction, decode_transaction};
use crowdfold_journal::Head;
use crowdfold_kernel::{Dropped, TransactionFault};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

pub use self::{
    consensus::{Consensus, ConsensusFault, SingleValidator},
    core::SequencerCore,
    mempool::{Mempool, MempoolLimits},
    messages::MessagePool,
};
use crate::{
    actors::{
        ledger::{Commit, Ledger, LedgerError, ProposalFault, Propose},
        session::messages::{Refusal, SubmitSystemMessage},
    },
    node::{Committed, Snapshot, tip::TipKeeper},
    rpc::{TransactionSink, view::SubmitError},
};

/// Wall clock in milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Offers a decoded transaction to the mempool.
#[derive(Debug, Message)]
#[rtype(result = "Result<B256, TransactionFault>")]
pub struct SubmitTransaction {
    /// Decoded from `raw`.
    pub transaction: Box<Transaction>,
    /// EIP-2718 bytes.
    pub raw: Bytes,
}

/// Starts building blocks. Sent once, when everybody listens.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Begin;

/// Builds no more blocks; answered when none is in the making.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The actor around [`SequencerCore`]; see the module's header.
pub struct Sequencer {
    ledger: Addr<Ledger>,
    consensus: Box<dyn Consensus>,
    core: SequencerCore,
    pool_view: watch::Sender<Mempool>,
    /// Told once what ends the node.
    fatal: mpsc::Sender<String>,
    tips: TipKeeper,
    timer: Option<SpawnHandle>,
    stopped: Vec<tokio::sync::oneshot::Sender<()>>,
}

/// How an attempt at a block ended.
enum Attempt {
    Committed { committed: Arc<Committed>, certificate: Certificate, dropped: Vec<Dropped> },
    Proposal(ProposalFault),
    Consensus(ConsensusFault),
    Ledger(LedgerError),
    Gone,
}

impl Sequencer {
    /// A sequencer that goes on after `snapshot`.
    #[must_use]
    pub fn new(
        ledger: Addr<Ledger>,
        consensus: Box<dyn Consensus>,
        snapshot: Arc<Snapshot>,
        pool_view: watch::Sender<Mempool>,
        fatal: mpsc::Sender<String>,
        tips: TipKeeper,
    ) -> Self {
        let last_commit = consensus.last_commit(&snapshot.state);
        keep_tip(&tips, &snapshot, &last_commit);
        let transactions = pool_view.borrow().clone();
        let core = SequencerCore::new(snapshot, last_commit, transactions);
        Self { ledger, consensus, core, pool_view, fatal, tips, timer: None, stopped: Vec::new() }
    }

    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(due) = self.core.due_ms() else { return };
        let delay = Duration::from_millis(due.saturating_sub(now_ms()).max(1));
        self.timer = Some(ctx.run_later(delay, |actor, ctx| {
            actor.timer = None;
            actor.build(ctx);
        }));
    }

    fn build(&mut self, ctx: &mut Context<Self>) {
        let state = self.core.snapshot().state.clone();
        let Some(input) = self.core.build(now_ms(), self.consensus.proposer()) else { return };
        let ledger = self.ledger.clone();
        let proposed = ledger.send(Propose(input)).into_actor(self);
        let attempt = proposed.then(move |proposed, actor, _| {
            let decided: BoxFuture<'static, Attempt> = match proposed {
                Ok(Ok(proposed)) => {
                    let decision = actor.consensus.decide(&state, &proposed.block);
                    Box::pin(async move {
                        let certificate = match decision.await {
                            Ok(certificate) => certificate,
                            Err(fault) => return Attempt::Consensus(fault),
                        };
                        match ledger.send(Commit(proposed.block.hash())).await {
                            Ok(Ok(committed)) => {
                                Attempt::Committed { committed, certificate, dropped: proposed.dropped }
                            }
                            Ok(Err(fault)) => Attempt::Ledger(fault),
                            Err(_) => Attempt::Gone,
                        }
                    })
                }
                Ok(Err(fault)) => Box::pin(async move { Attempt::Proposal(fault) }),
                Err(_) => Box::pin(async { Attempt::Gone }),
            };
            decided.into_actor(actor)
        });
        ctx.spawn(attempt.map(|attempt, actor, ctx| actor.built(attempt, ctx)));
    }

    fn built(&mut self, attempt: Attempt, ctx: &mut Context<Self>) {
        match attempt {
            Attempt::Committed { committed, certificate, dropped } => {
                keep_tip(&self.tips, &committed.snapshot, &certificate);
                self.core.committed(committed.snapshot.clone(), certificate, &dropped);
                self.pool_view.send_replace(self.core.transactions().clone());
            }
            Attempt::Proposal(fault @ ProposalFault::Block(_)) => {
                tracing::error!(%fault, "no block can be built");
                self.core.failed(now_ms());
            }
            Attempt::Proposal(fault) => self.end(fault.to_string()),
            Attempt::Consensus(fault) => self.end(fault.to_string()),
            Attempt::Ledger(fault) => self.end(fault.to_string()),
            Attempt::Gone => self.end("the ledger is gone".to_owned()),
        }
        self.release();
        self.schedule(ctx);
    }

    /// Nothing can be committed any more: the node has to stop.
    fn end(&mut self, why: String) {
        tracing::error!(why, "the sequencer stops");
        self.core.failed(now_ms());
        self.core.stop();
        // A full channel means that the node knows already.
        self.fatal.try_send(why).unwrap_or_default();
    }

    /// Answers who waits for the end, once no block is in the making.
    fn release(&mut self) {
        if self.core.is_stopping() {
            self.stopped.drain(..).for_each(|waiting| waiting.send(()).unwrap_or_default());
        }
    }
}

/// Keeps what certifies the last block beside the journal. A failure costs no
/// more than that: the chain does not depend on it, and the next block tries again.
fn keep_tip(tips: &TipKeeper, snapshot: &Snapshot, commit: &Certificate) {
    if snapshot.height() == Height(0) {
        return;
    }
    let head = Head { next: EventSeq(snapshot.event_count()), hash: snapshot.state.events_head() };
    if let Err(fault) = tips.keep(commit, head) {
        tracing::warn!(%fault, "the last block's commit is not kept");
    }
}

impl Actor for Sequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
    }
}

impl Handler<Begin> for Sequencer {
    type Result = ();

    fn handle(&mut self, _: Begin, ctx: &mut Self::Context) {
        self.core.begin();
        self.schedule(ctx);
    }
}

impl Handler<SubmitTransaction> for Sequencer {
    type Result = Result<B256, TransactionFault>;

    fn handle(
        &mut self,
        SubmitTransaction { transaction, raw }: SubmitTransaction,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let hash = self.core.submit_transaction(*transaction, raw)?;
        self.pool_view.send_replace(self.core.transactions().clone());
        self.schedule(ctx);
        Ok(hash)
    }
}

impl Handler<SubmitSystemMessage> for Sequencer {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, submitted: SubmitSystemMessage, ctx: &mut Self::Context) -> Self::Result {
        let SubmitSystemMessage { plugin, digest, message } = submitted;
        self.core.submit_message(plugin, digest, message).map_err(|code| Refusal { code, reason: 0 })?;
        self.schedule(ctx);
        Ok(())
    }
}

impl Handler<Stop> for Sequencer {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) -> Self::Result {
        let is_building = self.core.is_building();
        self.core.stop();
        self.schedule(ctx);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.stopped.push(sender);
        if !is_building {
            self.release();
        }
        Box::pin(async move { receiver.await.unwrap_or_default() })
    }
}

/// The RPC's way into the mempool: decodes on the caller's thread.
#[derive(Clone)]
pub struct PoolSink {
    chain_id: u64,
    sequencer: Addr<Sequencer>,
    view: watch::Receiver<Mempool>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl PoolSink {
    /// A sink into this sequencer's pool.
    #[must_use]
    pub fn new(
        chain_id: u64,
        sequencer: Addr<Sequencer>,
        view: watch::Receiver<Mempool>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self { chain_id, sequencer, view, snapshots }
    }
}

impl TransactionSink for PoolSink {
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>> {
        let (chain_id, sequencer) = (self.chain_id, self.sequencer.clone());
        Box::pin(async move {
            let transaction = Box::new(decode_transaction(&raw, chain_id)?);
            match sequencer.send(SubmitTransaction { transaction, raw }).await {
                Ok(Ok(hash)) => Ok(hash),
                Ok(Err(TransactionFault::Admission(refused))) => Err(refused.into()),
                Ok(Err(fault)) => Err(fault.into()),
                Err(_) => Err(SubmitError::Unavailable),
            }
        })
    }

    fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        let nonce = self.snapshots.borrow().state.account_info(sender).nonce;
        self.view.borrow().next_nonce(sender, nonce)
    }

    fn pending(&self, hash: &B256) -> Option<Bytes> {
        self.view.borrow().raw(hash)
    }
}
