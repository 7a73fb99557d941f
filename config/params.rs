//! The parameters of a chain: every number that its rules name.
//!
//! They are read from TOML, checked one by one and together by
//! [`Params::validate`], and are part of the genesis hash. Ages and deadlines
//! count blocks; shares and multiples are basis points (10,000 = one).

use serde::{Deserialize, Serialize};

use crate::Amount;

/// One, in basis points.
pub const ONE_BP: u32 = 10_000;

/// All parameters of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Pace and limits of blocks.
    pub block: BlockParams,
    /// Base fee and the split of fees.
    pub fees: FeeParams,
    /// Draws, deadlines and penalties.
    pub proving: ProvingParams,
    /// What a proof pays.
    pub bounty: BountyParams,
    /// Slots grown from valid work.
    pub trust: TrustParams,
    /// The active set and how one gets in.
    pub plugins: PluginParams,
    /// Batches and their aggregation.
    pub batches: BatchParams,
    /// Paying accrued rewards out.
    pub settlement: SettlementParams,
    /// Periodic allowances.
    pub epoch: EpochParams,
}

/// Pace and limits of blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockParams {
    /// Least time between a block and its parent, in milliseconds (at least 1).
    pub min_block_time_ms: u64,
    /// Time between blocks while there is work, in milliseconds.
    pub target_block_time_ms: u64,
    /// Time between blocks of an idle chain, in milliseconds.
    pub idle_interval_ms: u64,
    /// Gas limit of the user lane.
    pub gas_limit: u64,
    /// Most proof segments of one block's user lane.
    pub max_segments: u32,
    /// Most system messages in a block.
    pub max_messages: u32,
    /// Most system messages of one sender in a block.
    pub max_messages_per_sender: u32,
    /// Verification budget: most proofs in a block.
    pub max_proofs: u32,
    /// Unproven segments beyond which no user transaction is included.
    pub max_unproven_segments: u64,
}

/// Base fee and the split of fees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeParams {
    /// Base fee per gas of the first block.
    pub initial_base_fee: Amount,
    /// Base fee per gas below which it never falls.
    pub min_base_fee: Amount,
    /// The base fee moves by at most 1 / this per block.
    pub max_change_denominator: u32,
    /// Gas per block at which the base fee stands still.
    pub gas_target: u64,
    /// Segments per block at which the base fee stands still.
    pub segments_target: u32,
    /// Unproven segments at which the base fee stands still.
    pub backlog_target: u64,
    /// Share of the block's proposer.
    pub proposer_share_bp: u32,
    /// Share of the item's proof.
    pub proving_share_bp: u32,
    /// Share of the aggregation of the item's batch.
    pub aggregation_share_bp: u32,
    /// Share of the proofs of settlements.
    pub settlement_share_bp: u32,
    /// Share of posting to L1.
    pub posting_share_bp: u32,
}

/// Draws, deadlines and penalties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvingParams {
    /// Blocks between freezing the candidates and drawing (at least 2).
    pub draw_lag: u64,
    /// Fixed part of a deadline.
    pub deadline_base: u64,
    /// Part of a deadline per segment.
    pub deadline_per_segment: u64,
    /// Blocks after the deadline in which a proof still counts.
    pub inclusion_grace: u64,
    /// Most segments of one item.
    pub max_segments_per_item: u32,
    /// Price of a missed deadline.
    pub timeout_penalty: Amount,
    /// Debt beyond which a plugin is suspended.
    pub max_debt: Amount,
    /// Plugins that must fail a task before it is open to everybody.
    pub quarantine_attempts: u32,
    /// Age at which an unassigned task is open to everybody, however few failed it.
    pub open_after: u64,
}

/// What a proof pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BountyParams {
    /// Least base bounty per segment.
    pub min_per_segment: Amount,
    /// Most base bounty of one task; what a fee earmarks beyond it joins the settlement fund.
    pub max_base: Amount,
    /// Active slots at which the capacity multiple is one.
    pub target_slots: u32,
    /// Blocks over which the number of active slots is smoothed.
    pub smoothing_blocks: u32,
    /// Largest capacity multiple.
    pub max_capacity_multiple_bp: u32,
    /// Rise per `bump_interval`, of the base bounty.
    pub bump_rate_bp: u32,
    /// Blocks between two rises.
    pub bump_interval: u64,
    /// Largest multiple reached by rises.
    pub max_bounty_multiple_bp: u32,
}

/// Slots grown from valid work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustParams {
    /// Consecutive valid proofs that earn another slot.
    pub valid_per_slot: u32,
    /// Most slots of one plugin.
    pub max_slots: u32,
}

/// The active set and how one gets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginParams {
    /// Blocks after its last accepted message in which a plugin stays active.
    pub heartbeat_ttl: u64,
    /// Most registrations in a block.
    pub max_registrations_per_block: u32,
    /// Registrations per epoch that the hashcash aims at.
    pub registrations_per_epoch: u32,
    /// Expected hashes of a registration in the first epoch.
    pub initial_registration_work: u64,
    /// Expected hashes of a registration, at least.
    pub min_registration_work: u64,
    /// How many of the latest block hashes a hashcash may be bound to.
    pub registration_recent_blocks: u64,
}

/// Batches and their aggregation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchParams {
    /// Segments at which a batch closes.
    pub max_segments: u32,
    /// Blocks after its first item was proven at which a batch closes.
    pub max_age: u64,
    /// Children of a node of the aggregation tree.
    pub aggregation_arity: u32,
}

/// Paying accrued rewards out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementParams {
    /// Blocks between settlements.
    pub interval: u64,
    /// Most entries of one settlement, credits and debits (at least 3).
    pub max_entries: u32,
    /// Smallest payout that nobody asked for.
    pub min_payout: Amount,
    /// Price of `Withdraw`, from accrued rewards.
    pub withdraw_fee: Amount,
}

/// Periodic allowances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochParams {
    /// Blocks per epoch.
    pub length: u64,
    /// What bounties may take from issuance per epoch.
    pub issuance_allowance: Amount,
}
