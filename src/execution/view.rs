//! What execution reads of the state: the nonce and the balance of an account.

use alloy_primitives::Address;

/// An account as execution sees it. No account has code or storage yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountView {
    /// Number of transactions sent.
    pub nonce: u64,
    /// Balance in the smallest unit of ZKPoW.
    pub balance: u128,
}

/// A state could not answer. Always the fault of the node (a damaged state), never of a sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("account {address} cannot be read from the state: {reason}")]
pub struct StateReadError {
    /// The account asked for.
    pub address: Address,
    /// What the state said.
    pub reason: String,
}

/// A state that execution can run on: the state tree, or a plain map in tests and simulations.
pub trait Accounts {
    /// The account, or `None` when the state has no leaf for it.
    ///
    /// # Errors
    /// When the state is damaged.
    fn account(&self, address: &Address) -> Result<Option<AccountView>, StateReadError>;
}

impl Accounts for std::collections::BTreeMap<Address, AccountView> {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, StateReadError> {
        Ok(self.get(address).copied())
    }
}
