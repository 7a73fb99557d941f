//! The relations that parameters must satisfy, alone and together.

use std::ops::Deref;

use crate::params::{ONE_BP, Params};

/// Gas of a plain value transfer: the cheapest transaction there is.
pub const TRANSFER_GAS: u64 = 21_000;
/// Proof segments of a plain value transfer.
pub const TRANSFER_SEGMENTS: u32 = 2;

/// A relation between parameters that does not hold. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value is outside its range.
    #[error("{name} = {value} must be between {min} and {max}")]
    Range {
        /// Path of the parameter.
        name: &'static str,
        /// What was configured.
        value: u128,
        /// Least value.
        min: u128,
        /// Greatest value.
        max: u128,
    },
    /// Two values, or what follows from several, contradict each other.
    #[error("{relation} does not hold: {left} against {right}")]
    Relation {
        /// The relation, left side first.
        relation: Relation,
        /// Value of the left side.
        left: u128,
        /// Value of the right side.
        right: u128,
    },
}

/// The relations, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // Each message states its relation.
pub enum Relation {
    #[error("sum of the fee shares = 10000")]
    SharesSumToOne,
    #[error("rise of the bounty over one missed deadline <= timeout_penalty")]
    RiseWithinPenalty,
    #[error("max_debt >= timeout_penalty")]
    DebtHoldsOnePenalty,
    #[error("target_block_time_ms >= min_block_time_ms")]
    TargetTimeAboveMinimum,
    #[error("idle_interval_ms >= target_block_time_ms")]
    IdleAboveTarget,
    #[error("gas_target <= gas_limit")]
    GasTargetWithinLimit,
    #[error("segments_target <= block.max_segments")]
    SegmentsTargetWithinLimit,
    #[error("backlog_target <= max_unproven_segments")]
    BacklogTargetWithinLimit,
    #[error("initial_base_fee >= min_base_fee")]
    InitialFeeAboveMinimum,
    #[error("proving share of a transfer at min_base_fee >= its least base bounty")]
    FeeCoversBounty,
    #[error("least base bounty of the largest item <= bounty.max_base")]
    BaseHoldsLargestItem,
    #[error("withdraw_fee >= least base bounty of the smallest settlement")]
    WithdrawPaysItsProof,
    #[error("initial_registration_work >= min_registration_work")]
    RegistrationWorkAboveMinimum,
    #[error("heartbeat_ttl > draw_lag")]
    HeartbeatOutlivesDraw,
    #[error("open_after > one deadline with grace and draw lag")]
    OpenAfterOneDeadline,
    #[error("max_segments_per_item <= block.max_segments")]
    ItemFitsBlock,
    #[error("max_segments_per_item <= batches.max_segments")]
    ItemFitsBatch,
    #[error("segments of the largest settlement <= max_segments_per_item")]
    SettlementFitsItem,
    #[error("allocations, escrow, issuance and stake sum below 2^127")]
    SupplyInRange,
}

/// Parameters that were validated. Only [`Params::validate`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidParams(Params);

impl Deref for ValidParams {
    type Target = Params;

    fn deref(&self) -> &Params {
        &self.0
    }
}

fn range(name: &'static str, value: impl Into<u128>, min: u128, max: u128) -> Result<(), ConfigError> {
    let value = value.into();
    if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError::Range { name, value, min, max }) }
}

fn require(holds: bool, relation: Relation, left: impl Into<u128>, right: impl Into<u128>) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Relation { relation, left: left.into(), right: right.into() }) }
}

fn at_least(left: impl Into<u128>, relation: Relation, right: impl Into<u128>) -> Result<(), ConfigError> {
    let (left, right) = (left.into(), right.into());
    require(left >= right, relation, left, right)
}

fn at_most(left: impl Into<u128>, relation: Relation, right: impl Into<u128>) -> Result<(), ConfigError> {
    let (left, right) = (left.into(), right.into());
    require(left <= right, relation, left, right)
}

/// Blocks, ages and counts that are later added and multiplied stay far from overflow.
const COUNT_MAX: u128 = 1 << 30;
/// No amount is above 2^100, so that products with 20-bit multiples fit 128 bits.
const AMOUNT_MAX: u128 = 1 << 100;
const MULTIPLE_MAX: u128 = 100 * ONE_BP as u128;

impl Params {
    /// Checks every range, then every relation.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn validate(self) -> Result<ValidParams, ConfigError> {
        self.check_ranges()?;
        self.check_amounts()?;
        self.check_relations()?;
        Ok(ValidParams(self))
    }

    /// Blocks from a draw until the task of `segments` that missed its deadline can be drawn again.
    #[must_use]
    pub fn missed_deadline_blocks(&self, segments: u32) -> u64 {
        let p = &self.proving;
        p.deadline_base + p.deadline_per_segment * u64::from(segments) + p.inclusion_grace + p.draw_lag
    }

    /// The most that waiting out one missed deadline can add to the bounty of any task.
    ///
    /// With multiple `m` at its start and `M` at its end the bounty goes from
    /// `base * 1 * m` to `base * C * M`, where C is the largest capacity
    /// multiple; the difference is greatest when the rise ends at the cap.
    #[must_use]
    pub fn largest_rise(&self) -> u128 {
        let b = &self.bounty;
        let longest =
            self.missed_deadline_blocks(self.proving.max_segments_per_item.max(2 * self.batches.max_segments));
        let bumps = u128::from(longest / b.bump_interval + 1);
        let cap = u128::from(b.max_bounty_multiple_bp);
        let start = cap.saturating_sub(bumps * u128::from(b.bump_rate_bp)).max(ONE_BP.into());
        let one = u128::from(ONE_BP);
        let end = cap.min(start + bumps * u128::from(b.bump_rate_bp)) * u128::from(b.max_capacity_multiple_bp) / one;
        (b.max_base.units() * end.saturating_sub(start)).div_ceil(one)
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let Self { block, fees, proving, bounty, trust, plugins, batches, settlement, epoch } = self;
        range("block.min_block_time_ms", block.min_block_time_ms, 1, COUNT_MAX)?;
        range("block.target_block_time_ms", block.target_block_time_ms, 1, COUNT_MAX)?;
        range("block.idle_interval_ms", block.idle_interval_ms, 1, COUNT_MAX)?;
        range("block.gas_limit", block.gas_limit, TRANSFER_GAS.into(), 1 << 40)?;
        range("block.max_segments", block.max_segments, 1, COUNT_MAX)?;
        range("block.max_messages", block.max_messages, 1, COUNT_MAX)?;
        range("block.max_messages_per_sender", block.max_messages_per_sender, 1, COUNT_MAX)?;
        range("block.max_proofs", block.max_proofs, 1, COUNT_MAX)?;
        range("block.max_unproven_segments", block.max_unproven_segments, 1, COUNT_MAX)?;
        range("fees.max_change_denominator", fees.max_change_denominator, 2, 1_000)?;
        range("fees.gas_target", fees.gas_target, 1, 1 << 40)?;
        range("fees.segments_target", fees.segments_target, 1, COUNT_MAX)?;
        range("fees.backlog_target", fees.backlog_target, 1, COUNT_MAX)?;
        for (name, share) in [
            ("fees.proposer_share_bp", fees.proposer_share_bp),
            ("fees.aggregation_share_bp", fees.aggregation_share_bp),
            ("fees.settlement_share_bp", fees.settlement_share_bp),
            ("fees.posting_share_bp", fees.posting_share_bp),
        ] {
            range(name, share, 0, ONE_BP.into())?;
        }
        range("fees.proving_share_bp", fees.proving_share_bp, 1, ONE_BP.into())?;
        range("proving.draw_lag", proving.draw_lag, 2, 1_000)?;
        range("proving.deadline_base", proving.deadline_base, 1, COUNT_MAX)?;
        range("proving.deadline_per_segment", proving.deadline_per_segment, 0, 1 << 20)?;
        range("proving.inclusion_grace", proving.inclusion_grace, 1, COUNT_MAX)?;
        range("proving.max_segments_per_item", proving.max_segments_per_item, TRANSFER_SEGMENTS.into(), 64)?; // an item's proof has no more
        range("proving.quarantine_attempts", proving.quarantine_attempts, 1, 1_000)?;
        range("proving.open_after", proving.open_after, 1, COUNT_MAX)?;
        range("bounty.target_slots", bounty.target_slots, 1, COUNT_MAX)?;
        range("bounty.smoothing_blocks", bounty.smoothing_blocks, 1, COUNT_MAX)?;
        range("bounty.max_capacity_multiple_bp", bounty.max_capacity_multiple_bp, ONE_BP.into(), MULTIPLE_MAX)?;
        range("bounty.bump_rate_bp", bounty.bump_rate_bp, 0, MULTIPLE_MAX)?;
        range("bounty.bump_interval", bounty.bump_interval, 1, COUNT_MAX)?;
        range("bounty.max_bounty_multiple_bp", bounty.max_bounty_multiple_bp, ONE_BP.into(), MULTIPLE_MAX)?;
        range("trust.valid_per_slot", trust.valid_per_slot, 1, COUNT_MAX)?;
        range("trust.max_slots", trust.max_slots, 1, 1_000)?;
        range("plugins.heartbeat_ttl", plugins.heartbeat_ttl, 1, COUNT_MAX)?;
        range("plugins.max_registrations_per_block", plugins.max_registrations_per_block, 1, COUNT_MAX)?;
        range("plugins.registrations_per_epoch", plugins.registrations_per_epoch, 1, COUNT_MAX)?;
        range("plugins.initial_registration_work", plugins.initial_registration_work, 1, 1 << 60)?;
        range("plugins.min_registration_work", plugins.min_registration_work, 1, 1 << 60)?;
        range("plugins.registration_recent_blocks", plugins.registration_recent_blocks, 1, 10_000)?;
        range("batches.max_segments", batches.max_segments, 1, 1 << 12)?; // at most as many items, which a proof holds
        range("batches.max_age", batches.max_age, 0, COUNT_MAX)?;
        range("batches.aggregation_arity", batches.aggregation_arity, 2, 16)?; // what a proof of a batch admits
        range("settlement.interval", settlement.interval, 1, COUNT_MAX)?;
        range("settlement.max_entries", settlement.max_entries, 3, 1 << 12)?;
        range("epoch.length", epoch.length, 1, COUNT_MAX)
    }

    fn check_amounts(&self) -> Result<(), ConfigError> {
        for (name, amount, min) in [
            ("fees.initial_base_fee", self.fees.initial_base_fee, 1),
            ("fees.min_base_fee", self.fees.min_base_fee, 1),
            ("proving.timeout_penalty", self.proving.timeout_penalty, 1),
            ("proving.max_debt", self.proving.max_debt, 1),
            ("bounty.min_per_segment", self.bounty.min_per_segment, 1),
            ("bounty.max_base", self.bounty.max_base, 1),
            ("settlement.min_payout", self.settlement.min_payout, 1),
            ("settlement.withdraw_fee", self.settlement.withdraw_fee, 1),
            ("epoch.issuance_allowance", self.epoch.issuance_allowance, 0),
        ] {
            range(name, amount.units(), min, AMOUNT_MAX)?;
        }
        Ok(())
    }

    fn check_relations(&self) -> Result<(), ConfigError> {
        use Relation as R;
        let Self { block, fees, proving, bounty, plugins, batches, settlement, .. } = self;
        let shares = [
            fees.proposer_share_bp,
            fees.proving_share_bp,
            fees.aggregation_share_bp,
            fees.settlement_share_bp,
            fees.posting_share_bp,
        ];
        let sum: u32 = shares.iter().sum();
        require(sum == ONE_BP, R::SharesSumToOne, sum, ONE_BP)?;
        at_least(block.target_block_time_ms, R::TargetTimeAboveMinimum, block.min_block_time_ms)?;
        at_least(block.idle_interval_ms, R::IdleAboveTarget, block.target_block_time_ms)?;
        at_most(fees.gas_target, R::GasTargetWithinLimit, block.gas_limit)?;
        at_most(fees.segments_target, R::SegmentsTargetWithinLimit, block.max_segments)?;
        at_most(fees.backlog_target, R::BacklogTargetWithinLimit, block.max_unproven_segments)?;
        at_least(fees.initial_base_fee.units(), R::InitialFeeAboveMinimum, fees.min_base_fee.units())?;
        let least = bounty.min_per_segment.units() * u128::from(TRANSFER_SEGMENTS);
        let fee = fees.min_base_fee.units() * u128::from(TRANSFER_GAS);
        at_least(fee * u128::from(fees.proving_share_bp) / u128::from(ONE_BP), R::FeeCoversBounty, least)?;
        at_most(
            bounty.min_per_segment.units() * u128::from(proving.max_segments_per_item),
            R::BaseHoldsLargestItem,
            bounty.max_base.units(),
        )?;
        at_most(self.largest_rise(), R::RiseWithinPenalty, proving.timeout_penalty.units())?;
        at_least(proving.max_debt.units(), R::DebtHoldsOnePenalty, proving.timeout_penalty.units())?;
        at_least(settlement.withdraw_fee.units(), R::WithdrawPaysItsProof, bounty.min_per_segment.units() * 2)?;
        at_least(plugins.initial_registration_work, R::RegistrationWorkAboveMinimum, plugins.min_registration_work)?;
        require(
            plugins.heartbeat_ttl > proving.draw_lag,
            R::HeartbeatOutlivesDraw,
            plugins.heartbeat_ttl,
            proving.draw_lag,
        )?;
        let missed = self.missed_deadline_blocks(proving.max_segments_per_item);
        require(proving.open_after > missed, R::OpenAfterOneDeadline, proving.open_after, missed)?;
        at_most(proving.max_segments_per_item, R::ItemFitsBlock, block.max_segments)?;
        at_most(proving.max_segments_per_item, R::ItemFitsBatch, batches.max_segments)?;
        at_most(settlement.max_entries.div_ceil(2), R::SettlementFitsItem, proving.max_segments_per_item)
    }
}
