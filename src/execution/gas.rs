//! What a transfer costs.
//!
//! A call of an account without code costs its intrinsic gas, raised to the
//! calldata floor of EIP-7623. The floor (10 gas per token) is above the
//! standard price (4 gas per token), so it always decides:
//! `gas = 21000 + 10 * (zero bytes + 4 * other bytes)`.

/// Gas of a transaction before calldata (EIP-2718 transactions without access list).
pub const TRANSACTION_GAS: u64 = 21_000;
/// Floor price of a calldata token (EIP-7623).
pub const FLOOR_GAS_PER_TOKEN: u64 = 10;
/// Tokens of a non-zero calldata byte (EIP-7623); a zero byte is one token.
pub const TOKENS_PER_NONZERO_BYTE: u64 = 4;
/// Highest gas limit of one transaction (EIP-7825), 2^24.
pub const MAX_TRANSACTION_GAS: u64 = 1 << 24;

/// Gas that a transfer with this calldata uses, which is also the least gas limit it needs.
#[must_use]
pub fn transfer_gas(data: &[u8]) -> u64 {
    let tokens: u64 = data.iter().map(|byte| if *byte == 0 { 1 } else { TOKENS_PER_NONZERO_BYTE }).sum();
    TRANSACTION_GAS + FLOOR_GAS_PER_TOKEN * tokens
}

/// Price per gas that a sender pays at a base fee (EIP-1559); `None` when `max_fee` is below the base fee.
#[must_use]
pub fn effective_gas_price(max_fee: u128, max_priority_fee: u128, base_fee: u128) -> Option<u128> {
    (max_fee >= base_fee).then(|| max_fee.min(base_fee.saturating_add(max_priority_fee)))
}
