//! The base fee, the split of a fee, and back-pressure.

use crowdfold_config::{ONE_BP, Params};
use crowdfold_events::{FeeShares, Zkpow};

use crowdfold_execution::{AccountView, AdmissionContext, Transaction, check_admission};
use crowdfold_zk::SEGMENTS_PER_TRANSFER;

use crate::{
    faults::TransactionFault,
    planted::{self, Bug},
    state::State,
    users::beneficiary,
    vm,
};

const ONE: u128 = ONE_BP as u128;

/// `amount * bp / 10000`, rounded down. Amounts are below 2^108, so nothing overflows.
pub(crate) fn share(amount: u128, bp: u32) -> u128 {
    amount / ONE * u128::from(bp) + amount % ONE * u128::from(bp) / ONE
}

/// Splits a fee; the parts sum to it. What the proof's share has beyond
/// `max_base` joins the settlement fund, and rounding goes to the proposer.
#[must_use]
pub fn split(params: &Params, fee: u128) -> FeeShares {
    let fees = &params.fees;
    let earmarked = share(fee, fees.proving_share_bp);
    let proving = earmarked.min(params.bounty.max_base.units());
    let aggregation = share(fee, fees.aggregation_share_bp);
    let settlement = share(fee, fees.settlement_share_bp) + (earmarked - proving);
    let posting = share(fee, fees.posting_share_bp);
    let mut proposer = fee - proving - aggregation - settlement - posting;
    if planted::is(Bug::FeeSplitLosesUnit) {
        proposer = proposer.saturating_sub(1);
    }
    FeeShares {
        proposer: Zkpow(proposer),
        proving: Zkpow(proving),
        aggregation: Zkpow(aggregation),
        settlement: Zkpow(settlement),
        posting: Zkpow(posting),
    }
}

/// Least base bounty of a task.
#[must_use]
pub fn least_base(params: &Params, segments: u32) -> u128 {
    (params.bounty.min_per_segment.units() * u128::from(segments)).min(params.bounty.max_base.units())
}

impl State {
    /// The base fee of the next block: it follows the fullest of gas, segments and backlog.
    ///
    /// With fullness `f` (in basis points of the target, at most twice it) it
    /// moves by `(f - 1) / max_change_denominator` of itself.
    #[must_use]
    pub fn next_base_fee(&self) -> u128 {
        let params = self.params();
        let fees = &params.fees;
        let min = fees.min_base_fee.units();
        if self.chain.height.0 == 0 {
            return fees.initial_base_fee.units();
        }
        let fullness = |used: u64, target: u64| (u128::from(used) * ONE / u128::from(target)).min(2 * ONE);
        let fullest = fullness(self.chain.gas_used, fees.gas_target)
            .max(fullness(self.chain.user_segments.into(), fees.segments_target.into()))
            .max(match planted::is(Bug::BaseFeeIgnoresBacklog) {
                true => 0,
                false => fullness(self.market.unproven_segments, fees.backlog_target),
            });
        let now = self.chain.base_fee;
        let step = |distance: u128| {
            (now / ONE * distance + now % ONE * distance / ONE) / u128::from(fees.max_change_denominator)
        };
        let next = if fullest >= ONE { now.saturating_add(step(fullest - ONE)) } else { now - step(ONE - fullest) };
        // The EVM knows base fees of 64 bits.
        next.clamp(min, u64::MAX.into())
    }

    /// The least fee of a transaction of so many segments: its proving share is the least base bounty.
    #[must_use]
    pub fn min_fee(&self, segments: u32) -> u128 {
        let params = self.params();
        (least_base(params, segments) * ONE).div_ceil(params.fees.proving_share_bp.into())
    }

    /// What a transaction is checked against when `gas_left` is left in the block and the base fee is `base_fee`.
    #[must_use]
    pub fn admission_context(
        &self,
        tx: &Transaction,
        base_fee: u128,
        gas_left: u64,
        may_wait: bool,
    ) -> AdmissionContext {
        let debt = if planted::is(Bug::EncumbranceIgnored) { 0 } else { self.account(&tx.sender).debt.0 };
        // A repayment may spend what its own debt encumbers.
        let repays = if tx.to == vm::REPAY && beneficiary(tx).ok() == Some(tx.sender) { tx.value.min(debt) } else { 0 };
        AdmissionContext {
            sender: AccountView { nonce: self.tree.nonce(&tx.sender), balance: self.tree.balance(&tx.sender) },
            debt: debt - repays,
            base_fee,
            gas_left,
            min_fee: self.min_fee(SEGMENTS_PER_TRANSFER),
            may_wait,
        }
    }

    /// Everything that must hold for a transaction to be next in the block.
    pub(crate) fn admit(&self, tx: &Transaction, base_fee: u128, segments: u32) -> Result<(), TransactionFault> {
        let params = self.params();
        let gas_left = params.block.gas_limit.saturating_sub(self.chain.gas_used);
        check_admission(tx, &self.admission_context(tx, base_fee, gas_left, false))?;
        self.check_repay(tx)?;
        let max = params.proving.max_segments_per_item;
        if segments > max {
            return Err(TransactionFault::TooManySegments { segments, max });
        }
        let left = params.block.max_segments.saturating_sub(self.chain.user_segments);
        if segments > left {
            return Err(TransactionFault::BlockSegments { needed: segments, left });
        }
        let backlog = self.market.unproven_segments.saturating_add(segments.into());
        let max = params.block.max_unproven_segments;
        if backlog > max {
            return Err(TransactionFault::Backlog { backlog, max });
        }
        Ok(())
    }

    /// Checks a pending transaction as the next block would, except that it may wait for others of its sender.
    ///
    /// # Errors
    /// Why it would not be included.
    pub fn check_pending(&self, tx: &Transaction) -> Result<(), TransactionFault> {
        let context = self.admission_context(tx, self.next_base_fee(), self.params().block.gas_limit, true);
        check_admission(tx, &context)?;
        self.check_repay(tx)
    }

    fn check_repay(&self, tx: &Transaction) -> Result<(), TransactionFault> {
        if tx.to != vm::REPAY {
            return Ok(());
        }
        let beneficiary = beneficiary(tx)?;
        let debt = self.account(&beneficiary).debt.0;
        if tx.value == 0 || tx.value > debt {
            return Err(TransactionFault::Repay { beneficiary, value: tx.value, debt });
        }
        Ok(())
    }
}
