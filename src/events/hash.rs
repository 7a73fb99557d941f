//! Hashes: keccak-256 with a domain in front, over the one byte encoding.
//!
//! - [`chain`]: the event chain's next head.
//! - [`BlockHeader::hash`]: the identity of a block. The header binds the body
//!   by `transactions_root`, `messages_root` and `last_commit_hash`, which
//!   cover every byte of it, signatures included.
//! - [`crate::merkle`]: the binary Merkle roots.

use alloy_primitives::{Keccak256, keccak256};
use serde::Serialize;

use crate::{
    B256, Block, BlockBody, BlockHeader, Commit, SignedMessage,
    codec::{self, CodecError},
    merkle::{self, Tree},
    message::MessageReceipt,
};

const DOMAIN_EVENT: &[u8] = b"crowdfold/event/1\0";
const DOMAIN_HEADER: &[u8] = b"crowdfold/header/1\0";
const DOMAIN_COMMIT: &[u8] = b"crowdfold/commit/1\0";

/// Head of the event chain before the first event.
pub const CHAIN_START: B256 = B256::ZERO;

/// Head of the event chain after an event: keccak-256 of a domain, the head
/// before it and the event's stored bytes (envelope included).
#[must_use]
pub fn chain(previous: &B256, stored: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN_EVENT);
    hasher.update(previous);
    hasher.update(stored);
    hasher.finalize()
}

fn of<T: Serialize>(domain: &[u8], value: &T) -> Result<B256, CodecError> {
    let mut hasher = Keccak256::new();
    hasher.update(domain);
    hasher.update(codec::to_bytes(value)?);
    Ok(hasher.finalize())
}

impl BlockHeader {
    /// The hash that validators sign and that names the block.
    #[must_use]
    pub fn hash(&self) -> B256 {
        of(DOMAIN_HEADER, self).expect("invariant: a header has a fixed size far below the limit")
    }
}

impl Block {
    /// The header's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash()
    }
}

impl Commit {
    /// The header's `last_commit_hash`. Fails only when longer than the limit.
    pub fn hash(&self) -> Result<B256, CodecError> {
        of(DOMAIN_COMMIT, self)
    }
}

impl BlockBody {
    /// The header's `transactions_root`: leaves are the raw transactions.
    #[must_use]
    pub fn transactions_root(&self) -> B256 {
        merkle::root(Tree::Transactions, &self.transactions)
    }

    /// The header's `messages_root`: leaves are the encoded messages with
    /// their signatures, because a digest binds neither sender nor signature.
    pub fn messages_root(&self) -> Result<B256, CodecError> {
        let leaves = self.messages.iter().map(codec::to_bytes).collect::<Result<Vec<_>, _>>()?;
        Ok(merkle::root(Tree::Messages, &leaves))
    }
}

impl SignedMessage {
    /// Keccak-256 of message and signature: tells two signatures of one
    /// message apart, which the EIP-712 digest does not. Fails only for a
    /// message longer than the limit.
    pub fn content_hash(&self) -> Result<B256, CodecError> {
        codec::to_bytes(self).map(keccak256)
    }
}

impl MessageReceipt {
    /// The bytes of this receipt's leaf below `receipts_root`.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        codec::to_bytes(self).expect("invariant: a receipt has a fixed size far below the limit")
    }
}
