//! The system lane: typed messages that participants sign (EIP-712).
//!
//! A message has a hash and a receipt like a transaction, costs no gas and
//! changes market state only. `sequence` increases per sender; gaps are
//! allowed, repeats are refused. Any accepted message counts as a heartbeat.

use serde::{Deserialize, Serialize};

use crate::{
    block::CommitSignature,
    primitives::{Address, B256, BatchIndex, TaskId},
};

/// What a sender wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageBody {
    /// Ask to become a plugin. `work_nonce` solves the registration hashcash
    /// over (chain id, sender, `work_height`'s block hash).
    Register {
        /// Block whose hash the hashcash is bound to; must be recent.
        work_height: u64,
        /// The hashcash solution.
        work_nonce: u64,
    },
    /// Still here.
    Heartbeat,
    /// Leave the active set at once; open work stays owed.
    GoInactive,
    /// A proof for an item or admission task; the bytes travel beside the
    /// message and are found by their hash.
    SubmitProof {
        /// The task that the proof answers.
        task: TaskId,
        /// Keccak-256 of the canonical proof bytes.
        proof_hash: B256,
    },
    /// A proof for an aggregation task.
    SubmitAggregate {
        /// The task that the proof answers.
        task: TaskId,
        /// Keccak-256 of the canonical proof bytes.
        proof_hash: B256,
    },
    /// Give an assigned task back before its deadline.
    HandBack {
        /// The task.
        task: TaskId,
    },
    /// Ask that accrued rewards be settled to the sender's balance at the
    /// next settlement; the fee is taken from the accrued amount.
    Withdraw,
    /// The certificate of a proven batch, collected by a submitter.
    CertifyBatch {
        /// The batch.
        batch: BatchIndex,
        /// Signatures over the certificate's digest, in ascending order of address.
        signatures: Vec<CommitSignature>,
    },
}

/// A message with its place in the sender's sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Strictly increasing per sender.
    pub sequence: u64,
    /// What is asked.
    pub body: MessageBody,
}

/// A message and its 65-byte secp256k1 signature (r, s, y parity) over the
/// EIP-712 digest; the sender is recovered from it, never stated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedMessage {
    /// The message.
    pub message: Message,
    /// r (32 bytes), s (32 bytes, at most n/2), y parity (0 or 1).
    #[serde(with = "signature_bytes")]
    pub signature: [u8; 65],
}

/// The receipt of a system message: accepted, or why it had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReceipt {
    /// EIP-712 digest of the message.
    pub hash: B256,
    /// Recovered sender.
    pub sender: Address,
    /// `None` when it took effect, else a stable reason code.
    pub refused: Option<u16>,
}

pub(crate) mod signature_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 65], s: S) -> Result<S::Ok, S::Error> {
        bytes.as_slice().serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 65], D::Error> {
        let bytes = Vec::<u8>::deserialize(d)?;
        bytes.try_into().map_err(|b: Vec<u8>| D::Error::invalid_length(b.len(), &"65 bytes"))
    }
}
