//! An item applied to the state tree, and what its proof will state.

use alloy_primitives::{Address, B256};
use crowdfold_events::event::SettlementEntry;
use crowdfold_zk::{
    SEGMENTS_PER_TRANSFER, Scalar, settlement, settlement_segments,
    statement::scalar_to_be,
    tree::{Account, StateOp, StateTree, TreeError},
};

use crate::{
    admission::{AdmissionContext, check_admission},
    effect::{Change, EffectError, transfer_effect},
    env::BlockEnv,
    rejection::AdmissionError,
    transaction::Transaction,
    view::{AccountView, Accounts, StateReadError},
};

/// An executed item: the halves of its statement that do not depend on who proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Gas used; 0 for a settlement.
    pub gas_used: u64,
    /// Price per gas; 0 for a settlement.
    pub effective_gas_price: u128,
    /// Paid to the escrow; 0 for a settlement.
    pub fee: u128,
    /// What happened to which account, in the order of the proof.
    pub changes: Vec<Change>,
    /// The same as operations on the state tree.
    pub ops: Vec<StateOp>,
    /// State root before, a canonical big-endian field element.
    pub pre_root: B256,
    /// State root after, a canonical big-endian field element.
    pub post_root: B256,
    /// Proof segments.
    pub segments: u32,
    /// Upper half of the signing payload's Keccak-256, or a settlement's number of entries.
    pub data_hi: B256,
    /// Lower half of the signing payload's Keccak-256, or the digest of a settlement's entries.
    pub data_lo: B256,
    /// Digest of the block environment.
    pub env: B256,
}

/// Why an item could not be executed although it should: a bug or a damaged node, never a sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// The EVM or the rules of a transfer.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The state tree refuses the changes.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The list is no settlement; the fault of the kernel, which writes it.
    #[error(transparent)]
    Settlement(#[from] settlement::PlanError),
}

/// Why a transaction was not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The transaction does not fit this state: the fault of its sender, or of who put it here.
    #[error(transparent)]
    Rejected(#[from] AdmissionError),
    /// It should have executed.
    #[error(transparent)]
    Bug(#[from] ExecutionError),
}

impl Accounts for StateTree {
    fn account(&self, address: &Address) -> Result<Option<AccountView>, StateReadError> {
        Ok(self.get(&address.into_array()).map(|Account { nonce, balance }| AccountView { nonce, balance }))
    }
}

/// Root of a state as the chain shows it.
#[must_use]
pub fn root(tree: &StateTree) -> B256 {
    B256::from(scalar_to_be(&tree.root()))
}

/// Executes a transaction; on success the tree has its changes, otherwise it stays as it is.
///
/// Debt and the least fee are market rules: check them before, with [`check_admission`].
///
/// # Errors
/// [`TransactionError`].
pub fn execute_transaction(
    tree: &mut StateTree,
    tx: &Transaction,
    env: &BlockEnv,
) -> Result<Executed, TransactionError> {
    let sender = tree.get(&tx.sender.into_array()).unwrap_or_default();
    let context = AdmissionContext {
        sender: AccountView { nonce: sender.nonce, balance: sender.balance },
        debt: 0,
        base_fee: env.base_fee,
        gas_left: env.gas_limit,
        min_fee: 0,
        may_wait: false,
    };
    check_admission(tx, &context)?;
    let effect = transfer_effect(tree, tx, env).map_err(ExecutionError::from)?;
    let ops = ops(&effect.changes);
    let pre_root = root(tree);
    let post_root = tree.apply(&ops).map_err(ExecutionError::from)?;
    let (data_hi, data_lo) = halves(tx.signing_hash());
    Ok(Executed {
        gas_used: effect.gas_used,
        effective_gas_price: effect.effective_gas_price,
        fee: effect.fee,
        changes: effect.changes,
        ops,
        pre_root,
        post_root: B256::from(scalar_to_be(&post_root)),
        segments: SEGMENTS_PER_TRANSFER,
        data_hi,
        data_lo,
        env: env.digest(),
    })
}

/// Executes a settlement; on success the tree has its changes, otherwise it stays as it is.
///
/// # Errors
/// [`ExecutionError::Settlement`] when the list breaks a rule that the circuit enforces.
pub fn execute_settlement(
    tree: &mut StateTree,
    entries: &[SettlementEntry],
    env: &BlockEnv,
) -> Result<Executed, ExecutionError> {
    let list = settlement_list(entries);
    let account = |address: &[u8; 20]| {
        tree.get(address).map(|Account { nonce, balance }| settlement::AccountView { nonce, balance })
    };
    // The successor of a new account only matters to a prover.
    let plan = settlement::plan_settlement(&list, account, |_| None)?;
    let mut changes: Vec<Change> = Vec::with_capacity(entries.len());
    for entry in entries {
        let before = match changes.iter().rev().find(|change| change.address == entry.account) {
            Some(change) => Some(change.after),
            None => tree.account(&entry.account).map_err(EffectError::from)?,
        };
        let AccountView { nonce, balance } = before.unwrap_or_default();
        let after =
            if entry.credit { balance.checked_add(entry.amount.0) } else { balance.checked_sub(entry.amount.0) };
        let balance = after.ok_or(EffectError::Overflow { address: entry.account })?;
        changes.push(Change { address: entry.account, before, after: AccountView { nonce, balance } });
    }
    let ops = ops(&changes);
    let pre_root = root(tree);
    let post_root = tree.apply(&ops)?;
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    Ok(Executed {
        gas_used: 0,
        effective_gas_price: 0,
        fee: 0,
        changes,
        ops,
        pre_root,
        post_root: B256::from(scalar_to_be(&post_root)),
        segments: settlement_segments(count),
        data_hi: count_scalar(entries.len()),
        data_lo: B256::from(scalar_to_be(&plan.end.digest)),
        env: env.digest(),
    })
}

/// A settlement's entries as the circuit's crate has them.
pub(crate) fn settlement_list(entries: &[SettlementEntry]) -> Vec<settlement::SettlementEntry> {
    let entry = |e: &SettlementEntry| settlement::SettlementEntry {
        address: e.account.into_array(),
        amount: e.amount.0,
        credit: e.credit,
    };
    entries.iter().map(entry).collect()
}

/// The `data_hi` of a settlement of so many entries.
#[must_use]
pub fn count_scalar(entries: usize) -> B256 {
    B256::from(scalar_to_be(&Scalar::from(entries as u64)))
}

/// The halves of a 256-bit hash, each as a field element.
fn halves(hash: B256) -> (B256, B256) {
    let (mut hi, mut lo) = (B256::ZERO, B256::ZERO);
    hi[16..].copy_from_slice(&hash[..16]);
    lo[16..].copy_from_slice(&hash[16..]);
    (hi, lo)
}

fn ops(changes: &[Change]) -> Vec<StateOp> {
    let op = |change: &Change| {
        let address = change.address.into_array();
        let account = Account { nonce: change.after.nonce, balance: change.after.balance };
        match change.before {
            Some(_) => StateOp::Set { address, account },
            None => StateOp::Create { address, account },
        }
    };
    changes.iter().map(op).collect()
}

#[cfg(test)]
#[path = "tests/execute.rs"]
mod tests;
