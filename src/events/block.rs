//! Blocks: what the validators decide.

use serde::{Deserialize, Serialize};

use crate::{
    message::SignedMessage,
    primitives::{Address, B256, Height, ItemIndex},
};

/// Everything about a block that is hashed and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHeader {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Which kernel executes this block.
    pub rules_version: u32,
    /// Number of the block.
    pub height: Height,
    /// Hash of the parent's header (genesis hash for height 1).
    pub parent: B256,
    /// Milliseconds since the Unix epoch; at least parent + `min_block_time`.
    pub time_ms: u64,
    /// The validator that proposed.
    pub proposer: Address,
    /// Randomness of this block. With a single validator it is not random to that validator.
    pub beacon: B256,
    /// Binary Merkle root of the raw transactions.
    pub transactions_root: B256,
    /// Binary Merkle root of the encoded system messages, signatures included.
    pub messages_root: B256,
    /// Hash of the commit in the body (of the parent).
    pub last_commit_hash: B256,
    /// Base fee per gas, in the smallest unit of ZKPoW.
    pub base_fee: u128,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Gas used by the user lane.
    pub gas_used: u64,
    /// Proof segments of the block's items.
    pub segments: u32,
    /// First item of the block (also when it has none).
    pub first_item: ItemIndex,
    /// Number of items.
    pub items: u32,
    /// State root before the first item.
    pub pre_state_root: B256,
    /// State root after the last item.
    pub post_state_root: B256,
    /// Binary Merkle root of receipts (user and system lane).
    pub receipts_root: B256,
    /// Digest of the market state after this block.
    pub market_root: B256,
    /// Digest of the validator set of this block.
    pub validators_hash: B256,
    /// Digest of the validator set of the next block.
    pub next_validators_hash: B256,
    /// Head of the event chain after the parent's `BlockSealed`.
    pub parent_events_head: B256,
}

/// One validator's signature over a header hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSignature {
    /// The validator.
    pub validator: Address,
    /// secp256k1 signature: r, s, y parity.
    pub signature: Vec<u8>,
}

/// The certificate that a header was decided; carried by the next block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The block it certifies (0 for the empty commit in block 1).
    pub height: Height,
    /// Hash of the certified header.
    pub header_hash: B256,
    /// Signatures in ascending order of address.
    pub signatures: Vec<CommitSignature>,
}

/// What a proposer chose: the inputs of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBody {
    /// Commit of the parent.
    pub last_commit: Commit,
    /// EIP-2718 encoded signed transactions, in order.
    pub transactions: Vec<Vec<u8>>,
    /// Signed system messages, in order.
    pub messages: Vec<SignedMessage>,
}

/// A header with its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The header.
    pub header: BlockHeader,
    /// The body.
    pub body: BlockBody,
}
