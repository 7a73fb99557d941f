//! The changes of a transfer, in the order in which they are proven.
//!
//! 1. the sender: nonce + 1, balance - value - fee;
//! 2. the recipient, if value > 0: balance + value, created when it has no leaf;
//! 3. the escrow: balance + fee.
//!
//! Each change is made to what the changes before it left, so a transfer to
//! oneself or to the escrow changes one account twice. The EVM decides
//! validity, gas and the final balances; the changes are integers computed
//! beside it, and an effect is only returned when both end in the same
//! accounts.

use alloy_primitives::Address;

use crate::{
    env::BlockEnv,
    evm::{self, ESCROW, EvmError},
    gas::effective_gas_price,
    transaction::Transaction,
    view::{AccountView, Accounts, StateReadError},
};

/// One account before and after one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The account.
    pub address: Address,
    /// What it was; `None` when it had no leaf.
    pub before: Option<AccountView>,
    /// What it is.
    pub after: AccountView,
}

/// What a transfer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Gas used.
    pub gas_used: u64,
    /// Price per gas that the sender pays.
    pub effective_gas_price: u128,
    /// Gas times price, all of it to the escrow.
    pub fee: u128,
    /// The changes in order.
    pub changes: Vec<Change>,
}

/// Why a transfer has no effect on a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EffectError {
    /// The EVM refused it.
    #[error(transparent)]
    Evm(#[from] EvmError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// The sender has no leaf: it owns nothing and there is nothing to update, even at a price of zero.
    #[error("sender {sender} has no account")]
    NoSender {
        /// The sender.
        sender: Address,
    },
    /// The escrow has no leaf: the genesis is broken.
    #[error("the escrow has no account")]
    NoEscrow,
    /// The EVM and the integers of the statement disagree: a bug.
    #[error("the EVM left {address} as {evm:?}, the statement says {statement:?}")]
    Disagreement {
        /// The account.
        address: Address,
        /// What the EVM left; `None` when it left it alone.
        evm: Option<AccountView>,
        /// What the changes say.
        statement: Option<AccountView>,
    },
    /// A sum beyond `u128` or a nonce beyond `u64`: impossible while the supply is below 2^127.
    #[error("amounts of account {address} overflow")]
    Overflow {
        /// The account.
        address: Address,
    },
}

/// Runs a transfer on a state, which stays as it is.
///
/// # Errors
/// See [`EffectError`].
pub fn transfer_effect(state: &impl Accounts, tx: &Transaction, env: &BlockEnv) -> Result<Effect, EffectError> {
    let outcome = evm::run(state, tx, env)?;
    let price = effective_gas_price(tx.max_fee, tx.max_priority_fee, env.base_fee)
        .ok_or(EffectError::Overflow { address: tx.sender })?;
    let overflow = |address| EffectError::Overflow { address };
    let fee = price.checked_mul(u128::from(outcome.gas_used)).ok_or(overflow(tx.sender))?;

    let mut changes = Vec::with_capacity(3);
    let sender = state.account(&tx.sender)?.ok_or(EffectError::NoSender { sender: tx.sender })?;
    let spent = tx.value.checked_add(fee).ok_or(overflow(tx.sender))?;
    changes.push(Change {
        address: tx.sender,
        before: Some(sender),
        after: AccountView {
            nonce: sender.nonce.checked_add(1).ok_or(overflow(tx.sender))?,
            balance: sender.balance.checked_sub(spent).ok_or(overflow(tx.sender))?,
        },
    });
    if tx.value > 0 {
        let before = current(&changes, state, &tx.to)?;
        changes.push(credit(tx.to, before, tx.value)?);
    }
    let escrow = current(&changes, state, &ESCROW)?.ok_or(EffectError::NoEscrow)?;
    changes.push(credit(ESCROW, Some(escrow), fee)?);

    agree(&changes, &outcome.touched, state)?;
    Ok(Effect { gas_used: outcome.gas_used, effective_gas_price: price, fee, changes })
}

/// The account after the changes so far.
fn current(
    changes: &[Change],
    state: &impl Accounts,
    address: &Address,
) -> Result<Option<AccountView>, StateReadError> {
    match changes.iter().rev().find(|change| change.address == *address) {
        Some(change) => Ok(Some(change.after)),
        None => state.account(address),
    }
}

fn credit(address: Address, before: Option<AccountView>, amount: u128) -> Result<Change, EffectError> {
    let old = before.unwrap_or_default();
    let balance = old.balance.checked_add(amount).ok_or(EffectError::Overflow { address })?;
    Ok(Change { address, before, after: AccountView { nonce: old.nonce, balance } })
}

/// The accounts that the changes end in are those that the EVM left, and no others.
fn agree(changes: &[Change], touched: &[(Address, AccountView)], state: &impl Accounts) -> Result<(), EffectError> {
    let last =
        |address: &Address| changes.iter().rev().find(|change| change.address == *address).map(|change| change.after);
    for change in changes {
        let evm = touched.iter().find(|(address, _)| *address == change.address).map(|(_, account)| *account);
        let statement = last(&change.address);
        // revm drops an account that a call leaves empty; a leaf stays, with zeros.
        if evm.unwrap_or_default() != statement.unwrap_or_default() {
            return Err(EffectError::Disagreement { address: change.address, evm, statement });
        }
    }
    // A recipient of nothing is touched and stays as it was: the only account beyond the changes.
    for (address, account) in touched {
        if last(address).is_none() {
            let statement = state.account(address)?;
            if statement != Some(*account) {
                return Err(EffectError::Disagreement { address: *address, evm: Some(*account), statement });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/effect.rs"]
mod tests;
