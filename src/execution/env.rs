//! The environment of a block, the same for each of its items.

use alloy_primitives::B256;
use crowdfold_zk::{
    Scalar,
    item::EnvInput,
    poseidon::{Domain, hash4},
    statement::scalar_to_be,
    transfer::env_digest,
};
use ff::{Field, PrimeField};
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

impl BlockEnv {
    /// The environment as a prover is given it. The EVM's time is in whole
    /// seconds; the beacon becomes a field element by a hash of its halves.
    #[must_use]
    pub fn input(&self) -> EnvInput {
        let half = |bytes: &[u8]| {
            Scalar::from_u128(u128::from_be_bytes(bytes.try_into().expect("invariant: half of 32 bytes")))
        };
        let (hi, lo) = self.beacon.split_at(16);
        let prevrandao = hash4(Domain::Env, &[half(hi), half(lo), Scalar::ZERO, Scalar::ZERO]);
        EnvInput {
            base_fee: self.base_fee,
            block_number: self.number,
            timestamp: self.time_ms / 1000,
            block_gas_limit: self.gas_limit,
            chain_id: self.chain_id,
            prevrandao: scalar_to_be(&prevrandao),
            rules_version: u64::from(self.rules_version),
        }
    }

    /// Digest of the environment, as every item's statement has it: a canonical big-endian field element.
    #[must_use]
    pub fn digest(&self) -> B256 {
        let fields = self.input().fields().expect("invariant: the beacon's digest is canonical");
        B256::from(scalar_to_be(&env_digest(&fields)))
    }
}
