//! What a verified batch says, for people and programs.

use alloy_primitives::keccak256;
use crowdfold_events::{Address, B256, BatchIndex, ItemIndex, TaskId};
use crowdfold_zk::ItemStatement;
use serde::Serialize;

use crate::{BatchFile, FileData};

/// What a verified batch file says. Only a verified one has a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Number of the batch.
    pub batch: BatchIndex,
    /// Position of the first item.
    pub first_item: ItemIndex,
    /// State root before the first item.
    pub pre_root: B256,
    /// State root after the last item.
    pub post_root: B256,
    /// Segments of all items.
    pub segments: u32,
    /// Bytes of the proof.
    pub proof_bytes: usize,
    /// Bytes of the file.
    pub file_bytes: usize,
    /// Validators that certified it: more than two thirds of the stake.
    pub validators: Vec<Address>,
    /// The items in order.
    pub items: Vec<ItemReport>,
}

/// An item of a verified batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemReport {
    /// A user's transfer.
    Transfer {
        /// Position in the chain's order.
        position: ItemIndex,
        /// Keccak-256 of the signing payload: what the sender signed.
        signing_hash: B256,
        /// The signer.
        sender: Address,
        /// Who proved it.
        worker: Address,
        /// For which task.
        task: TaskId,
    },
    /// A settlement.
    Settlement {
        /// Position in the chain's order.
        position: ItemIndex,
        /// Number of entries.
        entries: usize,
        /// Who proved it.
        worker: Address,
        /// For which task.
        task: TaskId,
    },
}

impl BatchReport {
    pub(crate) fn new(file: &BatchFile, statements: &[ItemStatement], file_bytes: usize) -> Self {
        let item = |((_, item), statement): ((_, &crate::FileItem), &ItemStatement)| {
            let position = ItemIndex(statement.position);
            let (worker, task) = (item.worker, item.task);
            match &item.data {
                FileData::Transfer { payload, sender } => {
                    ItemReport::Transfer { position, signing_hash: keccak256(payload), sender: *sender, worker, task }
                }
                FileData::Settlement { entries } => {
                    ItemReport::Settlement { position, entries: entries.len(), worker, task }
                }
            }
        };
        Self {
            chain_id: file.chain_id,
            genesis_hash: file.genesis_hash,
            batch: file.batch,
            first_item: file.first_item,
            pre_root: file.pre_root,
            post_root: statements.last().map_or(file.pre_root, |last| last.post_root.into()),
            segments: statements.iter().map(|s| s.segments).sum(),
            proof_bytes: file.proof.encode().len(),
            file_bytes,
            validators: file.certificate.iter().map(|s| s.validator).collect(),
            items: file.items().zip(statements).map(item).collect(),
        }
    }
}
