//! What the RPC reads and writes.
//!
//! A [`ChainView`] is a snapshot: all its answers belong to one block. Amounts
//! in its types are shown as decimal strings, because JSON's numbers end at
//! 2^53; heights, times and counts are numbers.

use std::sync::Arc;

use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256, BatchIndex, Height, ItemIndex, TaskId, event::DrawReceipt};
use crowdfold_execution::AdmissionError;
use crowdfold_kernel::TransactionFault;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::index::BlockRecord;

/// Shows a number as a decimal string.
pub(crate) fn decimal<T: core::fmt::Display, S: serde::Serializer>(
    amount: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// An account in the state and in the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// Transactions sent.
    pub nonce: u64,
    /// Balance in the state tree.
    #[serde(serialize_with = "decimal")]
    pub balance: u128,
    /// Earned, not settled.
    #[serde(serialize_with = "decimal")]
    pub accrued: u128,
    /// Owed; encumbers the balance.
    #[serde(serialize_with = "decimal")]
    pub debt: u128,
    /// Balance + accrued - debt.
    #[serde(serialize_with = "decimal")]
    pub holding: i128,
    /// Part of `accrued` that stays as bond.
    #[serde(serialize_with = "decimal")]
    pub bond: u128,
}

/// When something reached a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageInfo {
    /// In which block; none while pending.
    pub height: u64,
    /// The block's time in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// An item's way to its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemInfo {
    /// Its place in the chain's order.
    pub item: u64,
    /// `transaction` or `settlement`.
    pub kind: &'static str,
    /// Hash of the transaction.
    pub hash: Option<B256>,
    /// The furthest stage: `committed`, `assigned`, `proven`, `aggregated` or `certified`.
    pub status: &'static str,
    /// In a block.
    pub committed: StageInfo,
    /// First assigned.
    pub assigned: Option<StageInfo>,
    /// Proof accepted.
    pub proven: Option<StageInfo>,
    /// Its batch is proven.
    pub aggregated: Option<StageInfo>,
    /// Its batch is certified.
    pub certified: Option<StageInfo>,
    /// State root before.
    pub pre_root: B256,
    /// State root after.
    pub post_root: B256,
    /// Proof segments.
    pub segments: u32,
    /// Its proving task.
    pub task: Option<u64>,
    /// Who proved it.
    pub prover: Option<Address>,
    /// Keccak-256 of its proof; `crowdfold_proof` has the bytes.
    pub proof: Option<B256>,
    /// Its batch.
    pub batch: Option<u64>,
}

/// Who has a task, until when, for what, and how it was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentInfo {
    /// The task.
    pub task: u64,
    /// Who has it.
    pub prover: Address,
    /// Block of the draw.
    pub assigned_at: u64,
    /// Last block in which a proof is in time, before the grace.
    pub deadline: u64,
    /// What a proof in time pays.
    #[serde(serialize_with = "decimal")]
    pub bounty: u128,
    /// What recomputes the draw.
    pub receipt: DrawReceipt,
}

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskInfo {
    /// Its number.
    pub task: u64,
    /// What it is about: `prove`, `admission` or `aggregate` with its fields.
    pub kind: Value,
    /// `waiting`, `assigned`, `quarantined`, `done` or `lapsed`.
    pub status: &'static str,
    /// Proof segments.
    pub segments: u32,
    /// Bounty before any rise.
    #[serde(serialize_with = "decimal")]
    pub base_bounty: u128,
    /// Bounty with its rises; what an assignment pays is fixed when it is drawn.
    #[serde(serialize_with = "decimal")]
    pub bounty: u128,
    /// Block in which it was opened.
    pub opened_at: u64,
    /// Assignments so far.
    pub attempts: u32,
    /// The assignment, if somebody has it.
    pub assignment: Option<AssignmentInfo>,
    /// Who proved it.
    pub prover: Option<Address>,
    /// Keccak-256 of the accepted proof.
    pub proof: Option<B256>,
    /// Who failed it.
    pub failed: Vec<Address>,
}

/// A registered prover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProverInfo {
    /// Its address.
    pub prover: Address,
    /// Can be assigned work.
    pub active: bool,
    /// Passed its admission.
    pub admitted: bool,
    /// Suspended for its debt.
    pub suspended: bool,
    /// Tasks it may hold at once.
    pub slots: u32,
    /// Tasks that it holds.
    pub open_tasks: Vec<u64>,
    /// Valid proofs since its last failure.
    pub consecutive_valid: u32,
    /// Proofs accepted from it.
    pub accepted: u64,
    /// Tasks that it timed out on or handed back.
    pub failed: u64,
    /// Block of its last message.
    pub last_seen: u64,
    /// Its money.
    pub account: AccountInfo,
}

/// A proven block in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// Its number.
    pub batch: u64,
    /// First item.
    pub first_item: u64,
    /// Number of items.
    pub items: u32,
    /// Sum of their segments.
    pub segments: u32,
    /// State root before the first item.
    pub pre_root: B256,
    /// State root after the last item.
    pub post_root: B256,
    /// Closed.
    pub closed: StageInfo,
    /// Proven.
    pub proven: Option<StageInfo>,
    /// Certified.
    pub certified: Option<StageInfo>,
    /// Keccak-256 of the root's proof.
    pub proof: Option<B256>,
    /// Hash of the certificate.
    pub certificate: Option<B256>,
}

/// What names the chain after a block; an audit of the journal up to that
/// block gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateHashInfo {
    /// The block.
    pub height: u64,
    /// Hash of its header.
    pub block: B256,
    /// Digest of the three below.
    pub state_hash: B256,
    /// Root of the state tree.
    pub state_root: B256,
    /// Root of the market state.
    pub market_root: B256,
    /// Head of the event chain.
    pub events_head: B256,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Whose.
    pub address: Address,
    /// Its money.
    #[serde(flatten)]
    pub account: AccountInfo,
}

/// A snapshot of the chain after its last block.
pub trait ChainView: Send + Sync {
    /// EIP-155 chain id.
    fn chain_id(&self) -> u64;
    /// Number of the last block.
    fn head(&self) -> Height;
    /// A block.
    fn block(&self, height: Height) -> Option<Arc<BlockRecord>>;
    /// A block's number.
    fn height_of(&self, hash: &B256) -> Option<Height>;
    /// A transaction's block and its place there.
    fn transaction(&self, hash: &B256) -> Option<(Arc<BlockRecord>, usize)>;
    /// An account; zeros when it does not exist.
    fn account(&self, address: &Address) -> AccountInfo;
    /// Base fee of the next block.
    fn next_base_fee(&self) -> u128;
    /// Priority fee with which a plain transfer pays for its proof in the next block.
    fn suggested_priority_fee(&self) -> u128;
    /// An item.
    fn item(&self, item: ItemIndex) -> Option<ItemInfo>;
    /// The item of a transaction.
    fn item_of(&self, transaction: &B256) -> Option<ItemInfo>;
    /// A task.
    fn task(&self, task: TaskId) -> Option<TaskInfo>;
    /// Tasks that are neither done nor lapsed, at most `limit` of them, in order.
    fn open_tasks(&self, limit: usize) -> Vec<TaskInfo>;
    /// A prover.
    fn prover(&self, address: &Address) -> Option<ProverInfo>;
    /// Active provers in order of address, at most `limit` of them.
    fn active_set(&self, limit: usize) -> Vec<ProverInfo>;
    /// Accounts that have something accrued or owed after `after`, in order of address, at most `limit` of them.
    fn ledger(&self, after: Address, limit: usize) -> Vec<LedgerEntry>;
    /// Supply, escrow, issuance, reserves.
    fn supply(&self) -> Value;
    /// What names the state after the last block; `None` when it cannot be encoded, which is a bug.
    fn state_hash(&self) -> Option<StateHashInfo>;
    /// Genesis parameters.
    fn parameters(&self) -> Value;
    /// A batch.
    fn batch(&self, batch: BatchIndex) -> Option<BatchInfo>;
    /// The file of a proven batch.
    fn batch_file(&self, batch: BatchIndex) -> Option<Bytes>;
    /// A proof by its hash.
    fn proof(&self, hash: &B256) -> Option<Bytes>;
}

/// Why a raw transaction was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The sender's fault, or a limit of the chain.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// A rule of the market; the sender's fault.
    #[error(transparent)]
    Rules(#[from] TransactionFault),
    /// The node cannot take transactions now.
    #[error("the node takes no transactions now")]
    Unavailable,
}

/// Where transactions go, and what waits there.
pub trait TransactionSink: Send + Sync {
    /// Hands a raw transaction over; its hash when it is in the pool.
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>>;
    /// The nonce after a sender's waiting transactions that follow without a gap; `None` when none waits.
    fn pending_nonce(&self, sender: &Address) -> Option<u64>;
    /// A waiting transaction.
    fn pending(&self, hash: &B256) -> Option<Bytes>;
}
