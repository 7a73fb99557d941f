//! The submitter's decisions, without actors or files: certificates of proven batches.
//!
//! ```text
//! committed ─► a batch to certify? ─► Share(own signature) ─► the other validators
//! signature ─► more than two thirds of stake? ─► Submit(CertifyBatch), until its sequence is used
//! ```
//!
//! A certificate's signature is deterministic and the kernel refuses a second
//! certificate, so all of it may happen again after a crash. Batches are
//! certified in order.

use std::collections::BTreeMap;

use crowdfold_events::{
    Address, B256, BatchIndex, CommitSignature, Message, MessageBody, SignedMessage, Signer, SigningDomain, signing,
};
use crowdfold_kernel::State;

use crate::planted::{self, Bug};

/// Batches whose signatures are kept before this validator sees them proven.
const EARLY_BATCHES: u64 = 16;

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send this validator's signature to the others.
    Share {
        /// Of which batch.
        batch: BatchIndex,
        /// The signature.
        signature: CommitSignature,
    },
    /// Offer a message to the mempool; tell [`SubmitterCore::refused`] when it is not taken.
    Submit {
        /// Of which batch.
        batch: BatchIndex,
        /// EIP-712 digest of the message.
        digest: B256,
        /// The message, from this validator.
        message: SignedMessage,
    },
}

/// See the module's header.
pub struct SubmitterCore {
    signer: Signer,
    /// Signatures of the other validators, not checked yet, by batch.
    received: BTreeMap<BatchIndex, BTreeMap<Address, CommitSignature>>,
    shared: Option<BatchIndex>,
    /// The batch whose certificate is on its way, and the sequence of its message.
    certifying: Option<(BatchIndex, u64)>,
}

impl SubmitterCore {
    /// The submitter of the validator with this key.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self { signer, received: BTreeMap::new(), shared: None, certifying: None }
    }

    /// The validator.
    #[must_use]
    pub fn validator(&self) -> Address {
        self.signer.address()
    }

    /// This validator's signature of a proven batch.
    #[must_use]
    pub fn sign(&self, state: &State, batch: BatchIndex) -> Option<CommitSignature> {
        let digest = state.certificate_digest(batch)?;
        Some(CommitSignature { validator: self.signer.address(), signature: self.signer.sign(&digest).to_vec() })
    }

    /// Another validator's signature came; it is checked when it is needed.
    pub fn received(&mut self, state: &State, batch: BatchIndex, signature: CommitSignature) {
        let next = state.next_certified().0;
        let is_known = state.genesis().validators.iter().any(|v| v.address == signature.validator);
        if is_known && (next..next + EARLY_BATCHES).contains(&batch.0) {
            self.received.entry(batch).or_default().insert(signature.validator, signature);
        }
    }

    /// The message was not taken: the next step tries again.
    pub fn refused(&mut self, batch: BatchIndex) {
        if self.certifying.is_some_and(|(certifying, _)| certifying == batch) {
            self.certifying = None;
        }
    }

    /// What to do in this state. Called after every block and every signature.
    pub fn step(&mut self, state: &State) -> Vec<Act> {
        let mut acts = Vec::new();
        let Some(batch) = state.certifiable().filter(|_| !planted::is(Bug::SubmitterNeverCertifies)) else {
            return acts;
        };
        self.received.retain(|of, _| *of >= batch);
        let own = self.signer.address();
        let used = state.account_info(&own).sequence;
        let is_certifying =
            self.certifying.is_some_and(|(certifying, sequence)| certifying == batch && sequence > used);
        if is_certifying && self.shared == Some(batch) {
            return acts;
        }
        let (Some(digest), Some(signature)) = (state.certificate_digest(batch), self.sign(state, batch)) else {
            return acts;
        };
        if self.shared != Some(batch) {
            self.shared = Some(batch);
            acts.push(Act::Share { batch, signature: signature.clone() });
        }
        // Its message may have been refused or lost; a used sequence says so.
        if is_certifying {
            return acts;
        }
        let received = self.received.entry(batch).or_default();
        received.retain(|validator, found| is_by(&digest, found, validator));
        received.insert(own, signature);
        let stake = |of: &Address| -> u128 {
            let validators = &state.genesis().validators;
            validators.iter().find(|v| v.address == *of).map_or(0, |v| v.stake.units())
        };
        let total: u128 = state.genesis().validators.iter().map(|v| v.stake.units()).sum();
        let signed: u128 = received.keys().map(stake).sum();
        if total - signed >= total.div_ceil(3) {
            return acts;
        }
        let signatures: Vec<CommitSignature> = received.values().cloned().collect();
        let sequence = used.saturating_add(1);
        let domain = SigningDomain::new(state.genesis().chain_id, state.genesis_hash());
        let message = Message { sequence, body: MessageBody::CertifyBatch { batch, signatures } };
        let digest = domain.message(&message);
        let message = self.signer.sign_message(&domain, message);
        self.certifying = Some((batch, sequence));
        acts.push(Act::Submit { batch, digest, message });
        acts
    }

    /// Shares again what the others may have missed.
    pub fn share_again(&mut self) {
        self.shared = None;
    }
}

fn is_by(digest: &B256, found: &CommitSignature, validator: &Address) -> bool {
    let bytes: Result<&[u8; 65], _> = found.signature.as_slice().try_into();
    bytes.is_ok_and(|bytes| signing::recover(digest, bytes) == Ok(*validator))
}
