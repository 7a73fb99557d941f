//! The formulas of the protocol, written once more.
//!
//! Products are formed in 256 bits, so that nothing here depends on how the
//! kernel keeps them in range.

use std::collections::BTreeSet;

use alloy_primitives::{Keccak256, U256};
use crowdfold_config::{ONE_BP, Params};
use crowdfold_events::{Address, B256, FeeShares, Zkpow};

/// `amount * numerator / denominator`, rounded down; `u128::MAX` beyond it or for a denominator of zero.
pub(crate) fn scaled(amount: u128, numerator: u128, denominator: u128) -> u128 {
    let product = U256::from(amount).saturating_mul(U256::from(numerator));
    let quotient = product.checked_div(U256::from(denominator));
    quotient.and_then(|q| u128::try_from(q).ok()).unwrap_or(u128::MAX)
}

pub(crate) fn part(amount: u128, bp: u32) -> u128 {
    scaled(amount, bp.into(), ONE_BP.into())
}

/// The shares of a fee. Rounding goes to the proposer, what is above the largest base to settlements.
pub(crate) fn fee_shares(params: &Params, fee: u128) -> FeeShares {
    let of = |bp| part(fee, bp);
    let earmarked = of(params.fees.proving_share_bp);
    let proving = earmarked.min(params.bounty.max_base.units());
    let settlement = of(params.fees.settlement_share_bp) + (earmarked - proving);
    let (aggregation, posting) = (of(params.fees.aggregation_share_bp), of(params.fees.posting_share_bp));
    let proposer = fee - (proving + aggregation + settlement + posting);
    FeeShares {
        proposer: Zkpow(proposer),
        proving: Zkpow(proving),
        aggregation: Zkpow(aggregation),
        settlement: Zkpow(settlement),
        posting: Zkpow(posting),
    }
}

pub(crate) fn least_base(params: &Params, segments: u32) -> u128 {
    params.bounty.min_per_segment.units().saturating_mul(segments.into()).min(params.bounty.max_base.units())
}

/// What the base fee of a block looks at, of the block before it.
pub(crate) struct Load {
    pub(crate) base_fee: u128,
    pub(crate) gas: u64,
    pub(crate) segments: u32,
    pub(crate) unproven: u64,
}

pub(crate) fn next_base_fee(params: &Params, load: &Load) -> u128 {
    let one = u128::from(ONE_BP);
    let fees = &params.fees;
    let fullness = |used: u64, target: u64| scaled(used.into(), one, target.into()).min(2 * one);
    let fullest = [
        fullness(load.gas, fees.gas_target),
        fullness(load.segments.into(), fees.segments_target.into()),
        fullness(load.unproven, fees.backlog_target),
    ]
    .into_iter()
    .max()
    .unwrap_or_default();
    let step = |distance| scaled(load.base_fee, distance, one * u128::from(fees.max_change_denominator));
    let next = match fullest.checked_sub(one) {
        Some(above) => load.base_fee.saturating_add(step(above)),
        None => load.base_fee - step(one - fullest),
    };
    next.clamp(fees.min_base_fee.units(), u64::MAX.into())
}

/// The base bounty after so many rises.
pub(crate) fn risen(params: &Params, base: u128, rises: u64) -> u128 {
    let b = &params.bounty;
    let multiple = u128::from(ONE_BP) + u128::from(rises) * u128::from(b.bump_rate_bp);
    scaled(base, multiple.min(b.max_bounty_multiple_bp.into()), ONE_BP.into())
}

/// `clamp(target_slots / smoothed active slots, 1, max_capacity_multiple)` of an amount.
pub(crate) fn with_capacity(params: &Params, amount: u128, smoothed_milli: u64) -> u128 {
    let b = &params.bounty;
    let multiple = scaled(u128::from(b.target_slots) * 1_000, ONE_BP.into(), smoothed_milli.into());
    scaled(amount, multiple.clamp(ONE_BP.into(), b.max_capacity_multiple_bp.into()), ONE_BP.into())
}

/// The smoothed number of active slots after a block, in thousandths; steps round away from where they start.
pub(crate) fn smoothed(params: &Params, now: u64, slots: u64) -> u64 {
    let window = u64::from(params.bounty.smoothing_blocks);
    let target = slots.saturating_mul(1_000);
    if target > now { now + (target - now).div_ceil(window) } else { now - (now - target).div_ceil(window) }
}

/// Blocks that a task of so many segments may take.
pub(crate) fn deadline_blocks(params: &Params, segments: u32) -> u64 {
    params.proving.deadline_base + params.proving.deadline_per_segment * u64::from(segments)
}

pub(crate) fn slots(params: &Params, valid: u32, in_debt: bool) -> u32 {
    if in_debt { 1 } else { (1 + valid / params.trust.valid_per_slot).min(params.trust.max_slots) }
}

pub(crate) fn beacon(parent: &B256, height: u64, last_commit: &B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/beacon/1");
    hasher.update(parent);
    hasher.update(height.to_be_bytes());
    hasher.update(last_commit);
    hasher.finalize()
}

pub(crate) fn admission_item(beacon: &B256, plugin: &Address, items: u32) -> u32 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/admission/1");
    hasher.update(beacon);
    hasher.update(plugin);
    // A remainder by long division, byte by byte.
    let items = u64::from(items.max(1));
    let rest = hasher.finalize().iter().fold(0u64, |rest, byte| (rest << 8 | u64::from(*byte)) % items);
    u32::try_from(rest).unwrap_or(u32::MAX)
}

/// Place drawn in the list and the number of words rejected before it.
pub(crate) fn draw(
    beacon: &B256,
    task: u64,
    attempt: u32,
    list: &[Address],
    barred: &BTreeSet<Address>,
) -> Option<(usize, u32)> {
    list.iter().find(|a| !barred.contains(*a))?;
    let n = u128::try_from(list.len()).ok()?;
    // Words from `bound` on would favour the first entries.
    let bound = (u128::MAX / n) * n;
    (0..u32::MAX).find_map(|rejected| {
        let mut hasher = Keccak256::new();
        hasher.update(b"crowdfold/draw/1");
        hasher.update(beacon);
        hasher.update(task.to_be_bytes());
        hasher.update(attempt.to_be_bytes());
        hasher.update(rejected.to_be_bytes());
        let mut high = [0u8; 16];
        high.copy_from_slice(&hasher.finalize()[..16]);
        let word = u128::from_be_bytes(high);
        let place = usize::try_from(word % n).ok()?;
        (word < bound && !barred.contains(list.get(place)?)).then_some((place, rejected))
    })
}

/// Blocks of one level of an aggregation tree, bottom up: the number of nodes of each level.
pub(crate) fn tree_levels(items: u32, arity: u32) -> Vec<u32> {
    let mut levels = vec![items.div_ceil(arity)];
    while let Some(last) = levels.last().copied().filter(|n| *n > 1) {
        levels.push(last.div_ceil(arity));
    }
    levels
}

/// Items (offset in the batch, number) below a node.
pub(crate) fn items_below(items: u32, arity: u32, level: u8, position: u32) -> (u32, u32) {
    let span = u64::from(arity).saturating_pow(u32::from(level) + 1);
    let first = span.saturating_mul(position.into()).min(items.into());
    let end = first.saturating_add(span).min(items.into());
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (narrow(first), narrow(end - first))
}
