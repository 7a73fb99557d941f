//! Fee methods: what a transaction should offer.

use alloy_rpc_types_eth::{BlockNumberOrTag, FeeHistory};
use crowdfold_events::Height;

use super::{error::RpcError, index::BlockRecord, view::ChainView};

/// Most blocks in one fee history.
pub const HISTORY_BLOCKS: u64 = 1024;
/// Most percentiles in one fee history.
const PERCENTILES: usize = 100;

/// Base fee of the next block plus the suggested priority fee.
#[must_use]
pub fn gas_price(view: &dyn ChainView) -> u128 {
    view.next_base_fee().saturating_add(view.suggested_priority_fee())
}

/// Base fees, fullness and paid priority fees of the `count` blocks up to `newest`.
///
/// # Errors
/// -32602 for percentiles out of order or range.
pub fn history(
    view: &dyn ChainView,
    count: u64,
    newest: Height,
    percentiles: Option<&[f64]>,
) -> Result<FeeHistory, RpcError> {
    let percentiles = percentiles.unwrap_or_default();
    let ordered = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    let in_range = percentiles.iter().all(|p| (0.0..=100.0).contains(p));
    if percentiles.len() > PERCENTILES || !ordered || !in_range {
        return Err(RpcError::params(format!("reward percentiles: at most {PERCENTILES}, ascending, from 0 to 100")));
    }
    let count = count.min(HISTORY_BLOCKS).min(newest.0.saturating_add(1));
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = newest.0 + 1 - count;
    let mut out = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut reward = Vec::new();
    for height in oldest..=newest.0 {
        let Some(block) = view.block(Height(height)) else { continue };
        out.base_fee_per_gas.push(block.header.base_fee);
        out.gas_used_ratio.push(block.header.gas_used as f64 / block.header.gas_limit.max(1) as f64);
        out.base_fee_per_blob_gas.push(0);
        out.blob_gas_used_ratio.push(0.0);
        reward.push(rewards(&block, percentiles));
    }
    let next = if newest >= view.head() { None } else { view.block(newest.next()) };
    out.base_fee_per_gas.push(next.map_or_else(|| view.next_base_fee(), |block| block.header.base_fee));
    out.base_fee_per_blob_gas.push(0);
    out.reward = (!percentiles.is_empty()).then_some(reward);
    Ok(out)
}

/// The priority fees paid in a block, at percentiles of its gas.
fn rewards(block: &BlockRecord, percentiles: &[f64]) -> Vec<u128> {
    let mut paid: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .map(|tx| (tx.effective_gas_price.saturating_sub(block.header.base_fee), tx.gas_used))
        .collect();
    paid.sort_unstable();
    let total: u64 = paid.iter().map(|(_, gas)| gas).sum();
    let at = |percentile: &f64| {
        let wanted = total as f64 * percentile / 100.0;
        let mut gas = 0;
        for (fee, used) in &paid {
            gas += used;
            if gas as f64 >= wanted {
                return *fee;
            }
        }
        0
    };
    percentiles.iter().map(at).collect()
}

/// The block that a tag or number names; the pending block is the last one here.
#[must_use]
pub fn height(view: &dyn ChainView, tag: BlockNumberOrTag) -> Height {
    match tag {
        BlockNumberOrTag::Number(number) => Height(number),
        BlockNumberOrTag::Earliest => Height(0),
        // One validator's decision is final at once.
        BlockNumberOrTag::Latest | BlockNumberOrTag::Pending | BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized => {
            view.head()
        }
    }
}
