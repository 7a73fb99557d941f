//! The batch file `*.cfb`: a proven block as public data.
//!
//! It holds what a chain posts of a batch (signing payloads, settlement
//! entries, block environments, roots, who proved what), the proof of the
//! whole batch and the validators' certificate. [`BatchFile::verify`] needs
//! the file, the genesis and the verifier's parameters, and nothing else: no
//! node, no journal, no network.
//!
//! ```text
//! file bytes ──decode──► BatchFile ──statements()──► ItemStatement of every item
//!                            │                           │
//!                 certificate digest ◄── data, roots ────┤
//!                            ▼                           ▼
//!              signatures by > 2/3 of stake      BatchProof::verify
//! ```
//!
//! # What makes every byte count
//!
//! - The encoding is canonical: what decodes re-encodes to the same bytes, so a
//!   changed byte is an error or changes a value.
//! - Positions and contiguity are not values: the file has the first position
//!   and pre root, every item a post root, and the rest follows.
//! - Chain, genesis, rules, contract and arity are compared with the genesis.
//! - The certificate signs the batch's place, its first and last root, the data
//!   and environment of each item, the header that closed it, and the bytes of
//!   the root node's proof, which is all of Spartan's part.
//! - What the certificate does not sign is under the proof: intermediate roots,
//!   workers and tasks are public inputs; running values, commitments and
//!   cross-terms enter the challenges of the folds. The certificate does not
//!   sign these again: the root's proof is valid for one set of them only, and
//!   validators sign what the chain's kernel knows, which is the root's hash.
//!
//! The file says that the validators of the *genesis* certified; a chain that
//! changes its set needs the certificates between.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity))]

mod codec;
mod error;
mod report;
mod verify;

#[cfg(test)]
mod tests;

pub use codec::{MAX_FILE_BYTES, MAX_SETTLEMENT_ENTRIES};
pub use error::BatchFileError;
pub use report::{BatchReport, ItemReport};
pub use verify::verify;

use crowdfold_events::{Address, B256, BatchIndex, CommitSignature, ItemIndex, TaskId, event::SettlementEntry};
use crowdfold_zk::item::{EnvInput, batch::BatchProof};

/// A proven batch with everything that its verification needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFile {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Which rules executed the items.
    pub rules_version: u32,
    /// L1 contract that the chain posts to.
    pub contract: Address,
    /// Number of the batch.
    pub batch: BatchIndex,
    /// Position of the first item.
    pub first_item: ItemIndex,
    /// State root before the first item.
    pub pre_root: B256,
    /// Hash of the header before the block in which the batch was closed.
    pub last_header: B256,
    /// The items in order, grouped by environment; neighbours have different environments.
    pub blocks: Vec<FileBlock>,
    /// The proof of all items.
    pub proof: BatchProof,
    /// The validators' signatures, in ascending order of address.
    pub certificate: Vec<ValidatorSignature>,
}

/// Items of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBlock {
    /// Environment of the block.
    pub env: EnvInput,
    /// The block's items in this batch, at least one.
    pub items: Vec<FileItem>,
}

/// An item of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileItem {
    /// What it does.
    pub data: FileData,
    /// Who is paid for its proof.
    pub worker: Address,
    /// The task that its proof answers.
    pub task: TaskId,
    /// State root after it.
    pub post_root: B256,
}

/// What an item does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileData {
    /// A user's transfer.
    Transfer {
        /// What its sender signed, 1 to 135 bytes.
        payload: Vec<u8>,
        /// The signer.
        sender: Address,
    },
    /// A settlement of accrued rewards.
    Settlement {
        /// Its entries in order, 1 to [`MAX_SETTLEMENT_ENTRIES`].
        entries: Vec<SettlementEntry>,
    },
}

/// A validator's signature over the certificate's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorSignature {
    /// The validator.
    pub validator: Address,
    /// r, s (at most n/2) and the parity of R's y.
    pub signature: [u8; 65],
}

/// A signature is not 65 bytes long; the fault is its maker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of {validator} has {found} bytes, not 65")]
pub struct SignatureLength {
    /// The validator.
    pub validator: Address,
    /// Its length.
    pub found: usize,
}

impl TryFrom<&CommitSignature> for ValidatorSignature {
    type Error = SignatureLength;

    fn try_from(from: &CommitSignature) -> Result<Self, SignatureLength> {
        let length = SignatureLength { validator: from.validator, found: from.signature.len() };
        let signature = from.signature.as_slice().try_into().map_err(|_| length)?;
        Ok(Self { validator: from.validator, signature })
    }
}

impl From<&ValidatorSignature> for CommitSignature {
    fn from(from: &ValidatorSignature) -> Self {
        Self { validator: from.validator, signature: from.signature.to_vec() }
    }
}

impl BatchFile {
    /// All items with their environments, in order.
    pub fn items(&self) -> impl Iterator<Item = (&EnvInput, &FileItem)> {
        self.blocks.iter().flat_map(|block| block.items.iter().map(|item| (&block.env, item)))
    }

    /// Adds an item at the end, into the last block if that has the same environment.
    pub fn push(&mut self, env: &EnvInput, item: FileItem) {
        match self.blocks.last_mut() {
            Some(block) if block.env == *env => block.items.push(item),
            _ => self.blocks.push(FileBlock { env: env.clone(), items: vec![item] }),
        }
    }
}
