//! The base fee, the split of a fee, and back-pressure.

use crowdfold_config::{ONE_BP, Params};
use crowdfold_events::{FeeShares, Zkpow};

use crate::{faults::TransactionFault, state::State, vm::Transaction};

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
    let proposer = fee - proving - aggregation - settlement - posting;
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
            .max(fullness(self.market.unproven_segments, fees.backlog_target));
        let now = self.chain.base_fee;
        let step = |distance: u128| (now / ONE * distance + now % ONE * distance / ONE) / u128::from(fees.max_change_denominator);
        let next = if fullest >= ONE { now.saturating_add(step(fullest - ONE)) } else { now - step(ONE - fullest) };
        // The EVM knows base fees of 64 bits.
        next.clamp(min, u64::MAX.into())
    }

    /// Checks a decoded transaction against everything but nonce and funds.
    pub(crate) fn admit(&self, tx: &Transaction, base_fee: u128, segments: u32) -> Result<(), TransactionFault> {
        let params = self.params();
        if tx.max_fee < base_fee {
            return Err(TransactionFault::FeeBelowBase { max_fee: tx.max_fee, base_fee });
        }
        let max = params.proving.max_segments_per_item;
        if segments > max {
            return Err(TransactionFault::TooManySegments { segments, max });
        }
        self.check_encumbrance(tx)?;
        self.check_repay(tx)?;
        let left = params.block.gas_limit.saturating_sub(self.chain.gas_used);
        if tx.gas_limit > left {
            return Err(TransactionFault::BlockGas { needed: tx.gas_limit, left });
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

    /// Debt encumbers: balance minus value minus maximum fee stays at least the debt.
    fn check_encumbrance(&self, tx: &Transaction) -> Result<(), TransactionFault> {
        let debt = self.account(&tx.sender).debt.0;
        let balance = self.tree.balance(&tx.sender);
        let cost = u128::from(tx.gas_limit).checked_mul(tx.max_fee).and_then(|fee| fee.checked_add(tx.value));
        let free = cost.and_then(|cost| balance.checked_sub(cost));
        // A repayment may spend what its own debt encumbers.
        let repays = if tx.to == crate::vm::REPAY && crate::users::beneficiary(tx).ok() == Some(tx.sender) { tx.value.min(debt) } else { 0 };
        if free.is_some_and(|free| free >= debt - repays) {
            return Ok(());
        }
        Err(TransactionFault::Encumbered { sender: tx.sender, balance, cost: cost.unwrap_or(u128::MAX), debt })
    }

    fn check_repay(&self, tx: &Transaction) -> Result<(), TransactionFault> {
        if tx.to != crate::vm::REPAY {
            return Ok(());
        }
        let beneficiary = crate::users::beneficiary(tx)?;
        let debt = self.account(&beneficiary).debt.0;
        if tx.value == 0 || tx.value > debt {
            return Err(TransactionFault::Repay { beneficiary, value: tx.value, debt });
        }
        Ok(())
    }
}
