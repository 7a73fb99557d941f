//! From a list of entries and the accounts before it to the chunks' witnesses.

use std::collections::{BTreeMap, BTreeSet};

use ff::{Field, PrimeField};
use thiserror::Error;

use super::native::{CHUNK_ENTRIES, DEBITABLE, EntryWitness, SettlementChunkWitness, SettlementEntry, SettlementState};
use crate::{
    Scalar,
    accounts::Address,
    statement::{MAX_SEGMENTS_PER_ITEM, scalar_from_address},
};

/// What the planner has to know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Transactions sent.
    pub nonce: u64,
    /// In wei.
    pub balance: u128,
}

/// Why a list is not a settlement. Its author is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A settlement has at least one entry.
    #[error("the settlement is empty")]
    Empty,
    /// An item has at most [`MAX_SEGMENTS_PER_ITEM`] segments.
    #[error("{entries} entries, at most {max} fit")]
    TooMany {
        /// Entries of the list.
        entries: usize,
        /// What an item can hold.
        max: usize,
    },
    /// An entry that changes nothing.
    #[error("entry {index} has amount zero")]
    ZeroAmount {
        /// Place in the list, from 0.
        index: usize,
    },
    /// Only escrow, issuance and stake can be debited.
    #[error("entry {index} debits {address:02x?}")]
    DebitOfUser {
        /// Place in the list, from 0.
        index: usize,
        /// Who would be debited.
        address: Address,
    },
    /// A debit above the balance.
    #[error("entry {index} debits {amount} from a balance of {balance}")]
    Overdrawn {
        /// Place in the list, from 0.
        index: usize,
        /// Before the entry; zero where the account does not exist.
        balance: u128,
        /// Of the entry.
        amount: u128,
    },
    /// A balance or a total would reach 2^128.
    #[error("entry {index} credits {amount}, which overflows")]
    Overflow {
        /// Place in the list, from 0.
        index: usize,
        /// Of the entry.
        amount: u128,
    },
    /// Credits and debits differ.
    #[error("credits of {credits} against debits of {debits}")]
    Unbalanced {
        /// Total of the credits.
        credits: u128,
        /// Total of the debits.
        debits: u128,
    },
}

/// A settlement that can be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementPlan {
    /// One witness for each segment, in order.
    pub chunks: Vec<SettlementChunkWitness>,
    /// The state after the last chunk: digest is the statement's `data_lo`,
    /// count its `data_hi`, seq the number of tree operations.
    pub end: SettlementState,
}

/// Plans the chunks of a settlement.
///
/// `account` answers for the state before the settlement. `successor` gives, for
/// an address that has no account there, the smallest key above it that has one;
/// `None` at the end of the key space. Entries of the same settlement that
/// create accounts are accounted for here. The end is written as `next` = 0. The
/// zero address always has an account (see [`crate::tree`]).
///
/// # Errors
/// [`PlanError`] when the list breaks a rule that the circuit enforces.
pub fn plan_settlement(
    entries: &[SettlementEntry],
    mut account: impl FnMut(&Address) -> Option<AccountView>,
    mut successor: impl FnMut(&Address) -> Option<Address>,
) -> Result<SettlementPlan, PlanError> {
    let max = CHUNK_ENTRIES * MAX_SEGMENTS_PER_ITEM as usize;
    if entries.is_empty() {
        return Err(PlanError::Empty);
    }
    if entries.len() > max {
        return Err(PlanError::TooMany { entries: entries.len(), max });
    }
    let mut changed: BTreeMap<Address, AccountView> = BTreeMap::new();
    let mut created: BTreeSet<Address> = BTreeSet::new();
    let (mut credits, mut debits) = (0u128, 0u128);
    let mut planned = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let SettlementEntry { address, amount, credit } = *entry;
        if amount == 0 {
            return Err(PlanError::ZeroAmount { index });
        }
        if !credit && !DEBITABLE.contains(&address) {
            return Err(PlanError::DebitOfUser { index, address });
        }
        let before = changed.get(&address).copied().or_else(|| account(&address));
        let AccountView { nonce, balance } = before.unwrap_or(AccountView { nonce: 0, balance: 0 });
        let overflow = PlanError::Overflow { index, amount };
        let (total, after) = if credit {
            (&mut credits, balance.checked_add(amount).ok_or(overflow.clone())?)
        } else {
            let after = balance.checked_sub(amount);
            (&mut debits, after.ok_or(PlanError::Overdrawn { index, balance, amount })?)
        };
        *total = total.checked_add(amount).ok_or(overflow)?;
        let mut next = None;
        if before.is_none() {
            let above = created.range(address..).next().copied();
            next = [successor(&address), above].into_iter().flatten().min();
            created.insert(address);
        }
        changed.insert(address, AccountView { nonce, balance: after });
        planned.push(EntryWitness {
            address: scalar_from_address(&address),
            amount: Scalar::from_u128(amount),
            credit,
            is_new: before.is_none(),
            next: next.map_or(Scalar::ZERO, |next| scalar_from_address(&next)),
            nonce: Scalar::from(nonce),
            balance_old: Scalar::from_u128(balance),
        });
    }
    if credits != debits {
        return Err(PlanError::Unbalanced { credits, debits });
    }
    let mut end = SettlementState::initial();
    let mut chunks = Vec::with_capacity(planned.len().div_ceil(CHUNK_ENTRIES));
    for share in planned.chunks(CHUNK_ENTRIES) {
        let chunk = SettlementChunkWitness {
            is_first: chunks.is_empty(),
            is_final: (chunks.len() + 1) * CHUNK_ENTRIES >= planned.len(),
            state: end,
            entries: std::array::from_fn(|i| share.get(i).copied()),
        };
        end = chunk.after();
        chunks.push(chunk);
    }
    debug_assert_eq!(end.sum, Scalar::ZERO);
    Ok(SettlementPlan { chunks, end })
}
