//! The aggregator: from accepted proofs to the inputs of the next fold, and
//! from a proven batch to its file.
//!
//! ```text
//! BuildPackage{snapshot, node} ─► children's proofs (store) + inputs of the items below ─► WorkPackage
//! AssembleBatch{snapshot, …}   ─► every item's and node's proof, public data, certificate ─► file bytes
//! ```
//!
//! Which proof belongs to which node is in the kernel's state, of which each
//! request brings a snapshot, so there is nothing here to rebuild after a
//! restart. The work is done on blocking threads, one request at a time;
//! more wait in the bounded mailbox.

use std::sync::Arc;

use actix::prelude::*;
use crowdfold_batch::{FileData, FileItem, SignatureLength, ValidatorSignature};
use crowdfold_events::{BatchIndex, CommitSignature, ItemIndex};
use crowdfold_execution::decode_transaction;
use crowdfold_kernel::{AggregateNode, Work, level_nodes, model::ItemKind, root_level};
use crowdfold_zk::item::package::WorkPackage;
use tokio::sync::Semaphore;

use crate::{
    node::Snapshot,
    proofs::{
        AssembleError, BatchItem, BatchParts, ProofChecker, ProofStore, StoreError, WitnessError, Witnesses,
        witness::block_env,
    },
};

/// Builds what the worker of an aggregation task needs.
#[derive(Message)]
#[rtype(result = "Result<WorkPackage, WitnessError>")]
pub struct BuildPackage {
    /// The state in which the task is open.
    pub snapshot: Arc<Snapshot>,
    /// What is to be folded.
    pub node: AggregateNode,
}

/// Builds the file of a proven batch.
#[derive(Message)]
#[rtype(result = "Result<Vec<u8>, AssemblyFault>")]
pub struct AssembleBatch {
    /// A state in which the batch is proven.
    pub snapshot: Arc<Snapshot>,
    /// The batch.
    pub batch: BatchIndex,
    /// The validators' signatures over its certificate.
    pub certificate: Vec<CommitSignature>,
}

/// Why there is no file. Never a prover's fault.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyFault {
    /// The batch is not known or not proven in the snapshot.
    #[error("batch {0} is not proven")]
    NotProven(BatchIndex),
    /// Public data of an item.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The certificate.
    #[error(transparent)]
    Signature(#[from] SignatureLength),
    /// The proof system.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The thread that worked on it is gone; a bug.
    #[error("the work was lost: {0}")]
    Lost(String),
}

impl From<StoreError> for AssemblyFault {
    fn from(fault: StoreError) -> Self {
        Self::Witness(fault.into())
    }
}

/// See the module's header.
pub struct Aggregator {
    witnesses: Witnesses,
    checker: Arc<dyn ProofChecker>,
    lane: Arc<Semaphore>,
}

impl Aggregator {
    /// An aggregator that takes accepted proofs and items' inputs from `witnesses`.
    #[must_use]
    pub fn new(witnesses: Witnesses, checker: Arc<dyn ProofChecker>) -> Self {
        Self { witnesses, checker, lane: Arc::new(Semaphore::new(1)) }
    }
}

/// Runs work on a blocking thread when the lane is free.
async fn run<T: Send + 'static>(lane: Arc<Semaphore>, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let _lane = lane.acquire().await.map_err(|fault| fault.to_string())?;
    tokio::task::spawn_blocking(work).await.map_err(|fault| fault.to_string())
}

/// Everything that the file of a batch is made of.
fn parts(
    snapshot: &Snapshot,
    store: &ProofStore,
    index: BatchIndex,
    certificate: &[CommitSignature],
) -> Result<BatchParts, AssemblyFault> {
    let state = &snapshot.state;
    let batch = state.batch(index).filter(|b| b.proof.is_some()).ok_or(AssemblyFault::NotProven(index))?;
    let genesis = state.genesis();
    let arity = state.parameters().batches.aggregation_arity;
    let bytes = |hash| store.get(hash)?.ok_or(WitnessError::ProofMissing(hash));
    let first = batch.first_item.0;
    let items = (first..first + u64::from(batch.items)).map(|i| {
        let unknown = || WitnessError::UnknownItem(i);
        let item = state.item(ItemIndex(i)).ok_or_else(unknown)?;
        let accepted = item.accepted.ok_or_else(unknown)?;
        let record = snapshot.block(item.stages.committed.height).ok_or_else(unknown)?;
        let data = match &item.kind {
            ItemKind::Settlement { entries } => FileData::Settlement { entries: entries.clone() },
            ItemKind::Transaction { .. } => {
                let found = record.transactions.iter().find(|t| t.item.0 == i).ok_or_else(unknown)?;
                let transaction = decode_transaction(&found.raw, genesis.chain_id)?;
                FileData::Transfer { payload: transaction.payload, sender: transaction.sender }
            }
        };
        let file_item = FileItem { data, worker: accepted.worker, task: accepted.task, post_root: item.post_root };
        let env = block_env(&record).input();
        Ok(BatchItem { env, item: file_item, segments: item.segments, proof: bytes(accepted.proof)? })
    });
    let levels = 0..=root_level(batch.items, arity);
    let places = levels.flat_map(|level| (0..level_nodes(batch.items, arity, level)).map(move |p| (level, p)));
    let nodes = places.map(|place| {
        let accepted = batch.nodes.get(&place).and_then(|node| node.accepted);
        bytes(accepted.ok_or(WitnessError::UnknownItem(first))?.proof)
    });
    Ok(BatchParts {
        chain_id: genesis.chain_id,
        genesis_hash: state.genesis_hash(),
        rules_version: genesis.rules_version,
        contract: genesis.l1.contract,
        batch: index,
        first_item: batch.first_item,
        pre_root: batch.pre_root,
        last_header: batch.last_header,
        arity,
        items: items.collect::<Result<_, WitnessError>>()?,
        nodes: nodes.collect::<Result<_, WitnessError>>()?,
        certificate: certificate.iter().map(ValidatorSignature::try_from).collect::<Result<_, _>>()?,
    })
}

impl Actor for Aggregator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(64);
    }
}

impl Handler<BuildPackage> for Aggregator {
    type Result = ResponseFuture<Result<WorkPackage, WitnessError>>;

    fn handle(&mut self, BuildPackage { snapshot, node }: BuildPackage, _: &mut Self::Context) -> Self::Result {
        let witnesses = self.witnesses.clone();
        let first = node.first_item.0;
        let built = run(self.lane.clone(), move || witnesses.package(&snapshot, &Work::Aggregate(node)));
        Box::pin(async move {
            built.await.unwrap_or_else(|fault| {
                tracing::error!(fault, "a package was lost");
                Err(WitnessError::UnknownItem(first))
            })
        })
    }
}

impl Handler<AssembleBatch> for Aggregator {
    type Result = ResponseFuture<Result<Vec<u8>, AssemblyFault>>;

    fn handle(&mut self, request: AssembleBatch, _: &mut Self::Context) -> Self::Result {
        let (store, checker) = (self.witnesses.store().clone(), self.checker.clone());
        let assembled = run(self.lane.clone(), move || {
            let AssembleBatch { snapshot, batch, certificate } = request;
            Ok(checker.batch_file(parts(&snapshot, &store, batch, &certificate)?)?)
        });
        Box::pin(async move { assembled.await.unwrap_or_else(|fault| Err(AssemblyFault::Lost(fault))) })
    }
}
