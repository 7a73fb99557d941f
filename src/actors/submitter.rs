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

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use actix::prelude::*;
use crowdfold_events::{
    BatchIndex, CommitSignature, Event, Message as SystemMessage, MessageBody, Signer, SigningDomain,
};
use tokio::sync::broadcast;

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

/// See the module's header.
pub struct Submitter {
    signer: Signer,
    dir: PathBuf,
    sequencer: Addr<Sequencer>,
    aggregator: Addr<Aggregator>,
    events: broadcast::Sender<NodeEvent>,
    snapshot: Arc<Snapshot>,
    /// The batch whose certificate is on its way, and the sequence of its message.
    certifying: Option<(BatchIndex, u64)>,
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
        Self { signer, dir, sequencer, aggregator, events, snapshot, certifying: None }
    }

    /// This validator's certificate of a proven batch.
    fn certificate(&self, batch: BatchIndex) -> Option<Vec<CommitSignature>> {
        let digest = self.snapshot.state.certificate_digest(batch)?;
        let signature = self.signer.sign(&digest).to_vec();
        Some(vec![CommitSignature { validator: self.signer.address(), signature }])
    }

    /// Submits the certificate of the next batch, once.
    fn certify(&mut self, ctx: &mut Context<Self>) {
        let state = &self.snapshot.state;
        let Some(batch) = state.certifiable() else { return };
        let own = self.signer.address();
        let used = state.account_info(&own).sequence;
        // Its message may have been refused or lost; a used sequence says so.
        if self.certifying.is_some_and(|(certifying, sequence)| certifying == batch && sequence > used) {
            return;
        }
        let Some(signatures) = self.certificate(batch) else { return };
        let sequence = used.saturating_add(1);
        let domain = SigningDomain::new(state.genesis().chain_id, state.genesis_hash());
        let message = SystemMessage { sequence, body: MessageBody::CertifyBatch { batch, signatures } };
        let digest = domain.message(&message);
        let message = self.signer.sign_message(&domain, message);
        self.certifying = Some((batch, sequence));
        let sent = self.sequencer.send(SubmitSystemMessage { plugin: own, digest, message }).into_actor(self);
        ctx.spawn(sent.map(move |answer, actor, _| {
            if !matches!(answer, Ok(Ok(()))) {
                tracing::warn!(%batch, ?answer, "the certificate was not taken, the next block tries again");
                actor.certifying = None;
            }
        }));
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
            if let Some(certificate) = self.certificate(batch) {
                self.write(batch, certificate, ctx);
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
