//! Past-tense facts: everything that changed, in the order it changed.
//!
//! Applying the events of a block to the state before it gives the state after
//! it; nothing else may change state. A block's events start with
//! `BlockDecided` and end with `BlockSealed`.

use serde::{Deserialize, Serialize};

use crate::{
    block::{BlockBody, BlockHeader},
    primitives::{Address, B256, BatchIndex, Height, ItemIndex, SignedZkpow, TaskId, Zkpow},
};

/// What an account holds after an item, in the order in which the state tree is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// The account.
    pub account: Address,
    /// Its nonce afterwards.
    pub nonce: u64,
    /// Its balance afterwards.
    pub balance: Zkpow,
}

/// How the fee of a transaction is split; the parts sum to the fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeShares {
    /// Accrues to the proposer of the block.
    pub proposer: Zkpow,
    /// Earmarked for the item's proof: its base bounty.
    pub proving: Zkpow,
    /// Earmarked for the aggregation of the item's batch.
    pub aggregation: Zkpow,
    /// Joins the fund that pays for the proofs of settlements.
    pub settlement: Zkpow,
    /// Joins the fund that pays for posting to L1.
    pub posting: Zkpow,
}

/// What a task is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskKind {
    /// Prove an item of the chain.
    Prove {
        /// The item.
        item: ItemIndex,
    },
    /// Prove an admission item, to become a plugin.
    Admission {
        /// The plugin that wants in; nobody else can take the task.
        plugin: Address,
        /// Which synthetic item of the genesis.
        admission_item: u32,
    },
    /// Fold the children of one node of a batch's aggregation tree.
    Aggregate {
        /// The batch.
        batch: BatchIndex,
        /// Level of the node, 0 just above the items.
        level: u8,
        /// Position of the node in its level.
        position: u32,
        /// First item below the node.
        first_item: ItemIndex,
        /// Number of items below the node.
        items: u32,
    },
}

/// What anyone needs to recompute a draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawReceipt {
    /// Block whose beacon drew.
    pub beacon_height: Height,
    /// Its beacon.
    pub beacon: B256,
    /// Root of the frozen list of free slots.
    pub set_root: B256,
    /// Number of free slots in the list when this task was drawn.
    pub candidates: u32,
    /// Index drawn (after rejection sampling).
    pub index: u32,
    /// How many draws were rejected before it (sampling or departed plugins).
    pub rejected: u32,
}

/// Why a plugin left the active set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InactiveReason {
    /// No signed message within `heartbeat_ttl`.
    Expired,
    /// It said so.
    Requested,
    /// Its debt passed `max_debt`.
    Suspended,
}

/// Why a penalty was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PenaltyReason {
    /// The deadline and its grace passed.
    Timeout,
    /// The task was handed back.
    HandBack,
}

/// One entry of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementEntry {
    /// The account.
    pub account: Address,
    /// Positive amount.
    pub amount: Zkpow,
    /// True for a credit, false for a debit (system accounts only).
    pub credit: bool,
}

/// The canonical event. The variant's order is not its encoding: see `codec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // Field names are the terms of the protocol; units are in their types.
#[allow(clippy::large_enum_variant)] // Events are made, encoded and dropped one at a time.
pub enum Event {
    GenesisLoaded {
        genesis_hash: B256,
        chain_id: u64,
        rules_version: u32,
        state_root: B256,
        supply: Zkpow,
        time_ms: u64,
    },
    BlockDecided {
        header: Box<BlockHeader>,
        body: Box<BlockBody>,
    },
    TransactionExecuted {
        item: ItemIndex,
        hash: B256,
        sender: Address,
        to: Address,
        value: Zkpow,
        gas_used: u64,
        effective_gas_price: u128,
        fee: Zkpow,
        segments: u32,
        pre_root: B256,
        post_root: B256,
        /// Halves of the signing payload's digest, each as a field element.
        data_hi: B256,
        data_lo: B256,
        /// Digest of the block environment that the proof is bound to.
        env: B256,
        changes: Vec<AccountChange>,
        shares: FeeShares,
    },
    /// The envelope was good and the message took effect.
    MessageAccepted {
        hash: B256,
        sender: Address,
        sequence: u64,
    },
    /// The envelope was good, so the sequence is used up, but the message had no effect.
    MessageRefused {
        hash: B256,
        sender: Address,
        sequence: u64,
        reason: u16,
    },
    HeartbeatsRecorded {
        bitmap: Vec<u8>,
    },
    PluginRegistered {
        plugin: Address,
    },
    AdmissionPassed {
        plugin: Address,
        task: TaskId,
    },
    /// The admission item was not proven in time: the registration is void.
    AdmissionLapsed {
        plugin: Address,
        task: TaskId,
    },
    PluginActivated {
        plugin: Address,
    },
    PluginDeactivated {
        plugin: Address,
        reason: InactiveReason,
    },
    PluginSuspended {
        plugin: Address,
        debt: Zkpow,
    },
    PluginReinstated {
        plugin: Address,
    },
    WithdrawRequested {
        plugin: Address,
        fee: Zkpow,
    },
    /// `funded` is the part of the base bounty that fees have paid.
    TaskOpened {
        task: TaskId,
        kind: TaskKind,
        segments: u32,
        base_bounty: Zkpow,
        funded: Zkpow,
    },
    TaskAssigned {
        task: TaskId,
        plugin: Address,
        attempt: u32,
        bounty: Zkpow,
        from_issuance: Zkpow,
        deadline: Height,
        receipt: DrawReceipt,
    },
    TaskHandedBack {
        task: TaskId,
        plugin: Address,
    },
    ProofAccepted {
        task: TaskId,
        plugin: Address,
        proof_hash: B256,
    },
    AssignmentTimedOut {
        task: TaskId,
        plugin: Address,
        deadline: Height,
    },
    PenaltyCharged {
        plugin: Address,
        task: TaskId,
        reason: PenaltyReason,
        amount: Zkpow,
        from_accrued: Zkpow,
        to_debt: Zkpow,
        holding_after: SignedZkpow,
    },
    PenaltyRefunded {
        plugin: Address,
        task: TaskId,
        amount: Zkpow,
        to_debt: Zkpow,
    },
    TrustChanged {
        plugin: Address,
        consecutive_valid: u32,
        slots: u32,
    },
    BountyBumped {
        task: TaskId,
        bounty: Zkpow,
    },
    TaskQuarantined {
        task: TaskId,
        deadline: Height,
    },
    RewardAccrued {
        plugin: Address,
        task: TaskId,
        amount: Zkpow,
        from_fees: Zkpow,
        from_issuance: Zkpow,
        to_debt: Zkpow,
    },
    DebtRepaid {
        plugin: Address,
        amount: Zkpow,
        payer: Address,
    },
    SettlementApplied {
        item: ItemIndex,
        entries: Vec<SettlementEntry>,
        segments: u32,
        pre_root: B256,
        post_root: B256,
        /// Digest of the entries, as the proof states it.
        data_lo: B256,
        /// Digest of the block environment that the proof is bound to.
        env: B256,
        changes: Vec<AccountChange>,
    },
    BatchClosed {
        batch: BatchIndex,
        first_item: ItemIndex,
        items: u32,
        segments: u32,
        pre_root: B256,
        post_root: B256,
    },
    AggregateAccepted {
        task: TaskId,
        plugin: Address,
        proof_hash: B256,
    },
    BatchProven {
        batch: BatchIndex,
        proof_hash: B256,
    },
    BatchCertified {
        batch: BatchIndex,
        certificate_hash: B256,
    },
    EpochStarted {
        epoch: u64,
        issuance_allowance: Zkpow,
        registration_work: u64,
    },
    BlockSealed {
        height: Height,
        state_root: B256,
        market_root: B256,
    },
}

impl Event {
    /// The task that the event is about, if it is about one.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::TaskOpened { task, .. }
            | Self::TaskAssigned { task, .. }
            | Self::TaskHandedBack { task, .. }
            | Self::ProofAccepted { task, .. }
            | Self::AggregateAccepted { task, .. }
            | Self::AssignmentTimedOut { task, .. }
            | Self::PenaltyCharged { task, .. }
            | Self::PenaltyRefunded { task, .. }
            | Self::BountyBumped { task, .. }
            | Self::TaskQuarantined { task, .. }
            | Self::RewardAccrued { task, .. }
            | Self::AdmissionPassed { task, .. }
            | Self::AdmissionLapsed { task, .. } => Some(*task),
            _ => None,
        }
    }
}
