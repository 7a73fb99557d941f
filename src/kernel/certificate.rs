//! What validators sign to certify a batch.
//!
//! A certificate says: *this chain decided these items, in this order, and saw
//! the proof of their batch*. Its digest is one function, used by validators,
//! by the kernel and by whoever verifies a batch file. It binds the chain, the
//! L1 chain and contract, the rules, the place and roots of the batch, its
//! data, the hash of the header before the block in which it was closed, the
//! root's proof and the next validator set.

use alloy_primitives::Keccak256;
use crowdfold_config::ValidGenesis;
use crowdfold_events::{Address, B256, BatchIndex, ItemIndex};

use crate::commit;

/// Digest of the items of a batch: transaction or entries, sender and environment of each.
#[derive(Clone, Debug)]
pub struct BatchData(Keccak256);

impl Default for BatchData {
    fn default() -> Self {
        let mut hasher = Keccak256::new();
        hasher.update(b"crowdfold/batch-data/1");
        Self(hasher)
    }
}

impl BatchData {
    /// Adds the next item, by the values of its statement.
    pub fn item(&mut self, data_hi: &B256, data_lo: &B256, sender: &Address, env: &B256) {
        self.0.update(data_hi);
        self.0.update(data_lo);
        self.0.update(sender);
        self.0.update(env);
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> B256 {
        self.0.finalize()
    }
}

/// What a certificate is about; the chain itself comes from the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedBatch {
    /// Number of the batch.
    pub batch: BatchIndex,
    /// Its first item.
    pub first_item: ItemIndex,
    /// Number of its items.
    pub items: u32,
    /// State root before the first.
    pub pre_root: B256,
    /// State root after the last.
    pub post_root: B256,
    /// [`BatchData`] of its items.
    pub data: B256,
    /// Keccak-256 of the bytes of the root's proof.
    pub proof: B256,
    /// Hash of the header before the block in which the batch was closed.
    pub last_header: B256,
}

impl CertifiedBatch {
    /// What the validators of `genesis` sign.
    #[must_use]
    pub fn digest(&self, genesis: &ValidGenesis) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update(b"crowdfold/certificate/1");
        hasher.update(genesis.hash);
        hasher.update(genesis.genesis.chain_id.to_be_bytes());
        hasher.update(genesis.genesis.l1.chain_id.to_be_bytes());
        hasher.update(genesis.genesis.l1.contract);
        hasher.update(genesis.genesis.rules_version.to_be_bytes());
        hasher.update(self.batch.0.to_be_bytes());
        hasher.update(self.first_item.0.to_be_bytes());
        hasher.update(self.items.to_be_bytes());
        hasher.update(self.pre_root);
        hasher.update(self.post_root);
        hasher.update(self.data);
        hasher.update(self.proof);
        hasher.update(self.last_header);
        hasher.update(commit::validators_hash(genesis));
        hasher.finalize()
    }
}
