//! The environment of a block, the same for each of its items.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// What execution may know of the block that an item is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEnv {
    /// Number of the block.
    pub number: u64,
    /// Time of the block in milliseconds since the Unix epoch; the EVM sees whole seconds.
    pub time_ms: u64,
    /// Base fee per gas in the smallest unit of ZKPoW; at most `u64::MAX`, which is the EVM's range.
    pub base_fee: u128,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Randomness of the block (`PREVRANDAO`).
    pub beacon: B256,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Which rules execute the block.
    pub rules_version: u32,
}
