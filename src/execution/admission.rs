//! Checks of a transaction against its sender's account.
//!
//! The same for the mempool (which lets a nonce wait for those before it) and
//! for the kernel (which does not): a transaction that passes with
//! `may_wait = false` executes.

use alloy_primitives::U256;

use crate::{gas::effective_gas_price, rejection::AdmissionError, transaction::Transaction, view::AccountView};

/// What a transaction is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionContext {
    /// The sender's account, after the transactions before this one; zeros when it has none.
    pub sender: AccountView,
    /// Debt of the sender, in the smallest unit of ZKPoW: it must stay covered.
    pub debt: u128,
    /// Base fee per gas of the block.
    pub base_fee: u128,
    /// Gas that the block still has room for.
    pub gas_left: u64,
    /// The least fee that pays for the work a transfer causes.
    pub min_fee: u128,
    /// Whether the transaction may wait for others of its sender, and for the base fee to fall.
    pub may_wait: bool,
}

/// Checks nonce, price, gas limit, funds and debt, in this order.
///
/// # Errors
/// The first reason found.
pub fn check_admission(tx: &Transaction, context: &AdmissionContext) -> Result<(), AdmissionError> {
    let expected = context.sender.nonce;
    if tx.nonce < expected {
        return Err(AdmissionError::NonceTooLow { expected, got: tx.nonce });
    }
    if tx.nonce > expected && !context.may_wait {
        return Err(AdmissionError::NonceGap { expected, got: tx.nonce });
    }
    let Some(price) = effective_gas_price(tx.max_fee, tx.max_priority_fee, context.base_fee) else {
        return Err(AdmissionError::FeeTooLow { max_fee: tx.max_fee, base_fee: context.base_fee });
    };
    if tx.gas_limit > context.gas_left {
        return Err(AdmissionError::GasAboveBlock { gas_limit: tx.gas_limit, block_gas_limit: context.gas_left });
    }
    let fee = price.saturating_mul(u128::from(tx.gas()));
    if fee < context.min_fee {
        return Err(AdmissionError::Underpriced { fee, needed: context.min_fee });
    }
    let cost = tx.max_cost();
    if cost + U256::from(context.debt) > U256::from(context.sender.balance) {
        return Err(AdmissionError::InsufficientFunds {
            sender: tx.sender,
            balance: context.sender.balance,
            cost,
            debt: context.debt,
        });
    }
    // A price of zero would let an address without an account send; there is nothing to update then.
    if cost.is_zero() && context.sender == AccountView::default() {
        return Err(AdmissionError::InsufficientFunds { sender: tx.sender, balance: 0, cost: U256::ONE, debt: 0 });
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/admission.rs"]
mod tests;
