//! The submitter: certifies proven batches and writes their files.
//!
//! ```text
//! CommittedBlock ─► a batch to certify? ─► sign ─► CertifyBatch into the mempool
//!               └─► BatchCertified ─► AssembleBatch (Aggregator) ─► DIR/<n>.cfb, durable
//! ```
//!
//! Both are idempotent: a certificate's signature is deterministic and the
//! kernel refuses a second one; a file is written under its name when it is not
//! there. After a restart what is missing is made up for. Batches are
//! certified in order. Posting to L1 is [`post`], which is not built.

mod core;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use actix::prelude::*;
use crowdfold_events::{BatchIndex, CommitSignature, Event, MessageBody, Signer};
use tokio::sync::broadcast;

pub use self::core::{Act, SubmitterCore};
use crate::{
    actors::{
        aggregator::{Aggregator, AssembleBatch},
        ledger::CommittedBlock,
        sequencer::Sequencer,
        session::messages::SubmitSystemMessage,
    },
    node::{NodeEvent, Snapshot},
    proofs::write_durably,
};

/// Posting to L1 is not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("posting batches to L1 is not supported yet (batch {batch})")]
pub struct Unsupported {
    /// The batch that would be posted.
    pub batch: BatchIndex,
}

/// Posts a certified batch to L1.
///
/// # Errors
/// Always [`Unsupported`].
pub fn post(batch: BatchIndex) -> Result<(), Unsupported> {
    Err(Unsupported { batch })
}

/// Path of a batch's file in a directory.
#[must_use]
pub fn batch_path(dir: &Path, batch: BatchIndex) -> PathBuf {
    dir.join(format!("{batch}.cfb"))
}

/// The actor around [`SubmitterCore`]; see the module's header.
pub struct Submitter {
    core: SubmitterCore,
    dir: PathBuf,
    sequencer: Addr<Sequencer>,
    aggregator: Addr<Aggregator>,
    events: broadcast::Sender<NodeEvent>,
    snapshot: Arc<Snapshot>,
}

impl Submitter {
    /// A submitter for the validator with this key, writing to `dir`, at the
    /// block after which `snapshot` is.
    #[must_use]
    pub fn new(
        signer: Signer,
        dir: PathBuf,
        sequencer: Addr<Sequencer>,
        aggregator: Addr<Aggregator>,
        events: broadcast::Sender<NodeEvent>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        Self { core: SubmitterCore::new(signer), dir, sequencer, aggregator, events, snapshot }
    }

    /// Submits the certificate of the next batch, once.
    fn certify(&mut self, ctx: &mut Context<Self>) {
        for act in self.core.step(&self.snapshot.state) {
            // There is no other validator to share a signature with.
            let Act::Submit { batch, digest, message } = act else { continue };
            let plugin = self.core.validator();
            let sent = self.sequencer.send(SubmitSystemMessage { plugin, digest, message }).into_actor(self);
            ctx.spawn(sent.map(move |answer, actor, _| {
                if !matches!(answer, Ok(Ok(()))) {
                    tracing::warn!(%batch, ?answer, "the certificate was not taken, the next block tries again");
                    actor.core.refused(batch);
                }
            }));
        }
    }

    /// Writes a certified batch's file, if it is not there.
    fn write(&mut self, batch: BatchIndex, certificate: Vec<CommitSignature>, ctx: &mut Context<Self>) {
        let path = batch_path(&self.dir, batch);
        if path.exists() {
            return;
        }
        let request = AssembleBatch { snapshot: self.snapshot.clone(), batch, certificate };
        let aggregator = self.aggregator.clone();
        let written = async move {
            let bytes = aggregator.send(request).await.map_err(|f| f.to_string())?.map_err(|f| f.to_string())?;
            let length = bytes.len();
            let to = path.clone();
            let written = tokio::task::spawn_blocking(move || write_durably(&to, &bytes)).await;
            written.map_err(|f| f.to_string())?.map_err(|f| f.to_string())?;
            Ok::<_, String>((path, length))
        };
        ctx.spawn(written.into_actor(self).map(move |written, actor, _| match written {
            // Nobody may be watching.
            Ok((path, bytes)) => {
                actor.events.send(NodeEvent::BatchWritten { batch, path, bytes }).unwrap_or_default();
            }
            Err(fault) => tracing::error!(%batch, fault, "the batch's file is not written"),
        }));
    }
}

impl Actor for Submitter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(16);
        let certified: Vec<BatchIndex> =
            self.snapshot.state.batches().filter(|(_, b)| b.certified.is_some()).map(|(index, _)| index).collect();
        for batch in certified {
            if let Some(signature) = self.core.sign(&self.snapshot.state, batch) {
                self.write(batch, vec![signature], ctx);
            }
        }
        self.certify(ctx);
    }
}

impl Handler<CommittedBlock> for Submitter {
    type Result = ();

    fn handle(&mut self, CommittedBlock(committed): CommittedBlock, ctx: &mut Self::Context) {
        self.snapshot = committed.snapshot.clone();
        for event in committed.events.iter() {
            let Event::BatchCertified { batch, .. } = event else { continue };
            let in_body = committed.block.body.messages.iter().find_map(|signed| match &signed.message.body {
                MessageBody::CertifyBatch { batch: of, signatures } if of == batch => Some(signatures.clone()),
                _ => None,
            });
            if let Some(certificate) = in_body {
                self.write(*batch, certificate, ctx);
            }
        }
        self.certify(ctx);
    }
}
