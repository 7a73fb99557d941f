//! Money, from events and parameters alone.
//!
//! A second bookkeeping beside the kernel's: it never reads an amount from an
//! event that follows from a rule, but computes it (bounty, penalty, reward,
//! refund, payout, allowance, shares of a fee) and moves its own sums by it.
//! With the parameters of the genesis every amount must equal the event's;
//! with other parameters the books say what everybody would have earned and
//! paid if draws and outcomes had been the same.
//!
//! ```text
//! fee ─split─► proposer | proving (bill of the item's task) | aggregation | settlement | posting
//! bill ─assigned─► bounty = funded + issuance ─accepted─► reward ─► debt first, then accrued
//! accrued ─settlement─► paid out            penalty ─► accrued first, then debt
//! ```
//!
//! What is not an amount comes from [`Standing`]: who is active, slots, open
//! tasks. A transfer's value and fee are what the user sent.

mod amounts;
mod opened;
mod post;

use std::collections::BTreeMap;

use crowdfold_config::{Genesis, Params};
use crowdfold_events::{Address, BatchIndex, Event, Height, ItemIndex, TaskId, Zkpow};
use crowdfold_kernel::{ESCROW, ISSUANCE};

use super::standing::Standing;

pub use amounts::BookFault;

/// What an account earned and paid so far, in smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rewards for accepted proofs.
    pub rewards: u128,
    /// Of `rewards`, what issuance paid.
    pub from_issuance: u128,
    /// Proposer's shares of fees.
    pub proposer_shares: u128,
    /// Penalties charged.
    pub penalties: u128,
    /// Penalties refunded.
    pub refunds: u128,
    /// Fees of withdrawals.
    pub withdraw_fees: u128,
    /// Debt that transfers to the repay account paid.
    pub repaid: u128,
    /// Paid out by settlements.
    pub settled: u128,
}

/// An account's money in the market, in smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Earned and not paid out.
    pub accrued: u128,
    /// Owed.
    pub debt: u128,
    /// Since genesis.
    pub totals: Totals,
}

impl Account {
    /// Earned less paid: rewards, shares and refunds less penalties and fees.
    #[must_use]
    pub fn net(&self) -> i128 {
        let sum =
            |parts: &[u128]| parts.iter().fold(0i128, |n, p| n.saturating_add(i128::try_from(*p).unwrap_or(i128::MAX)));
        let t = &self.totals;
        sum(&[t.rewards, t.proposer_shares, t.refunds]).saturating_sub(sum(&[t.penalties, t.withdraw_fees]))
    }
}

/// What an open task pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Base bounty.
    pub base: u128,
    /// Part of it that fees have paid.
    pub funded: u128,
    /// Block in which it was opened.
    pub opened_at: Height,
    /// Its bounty rises with age.
    pub(crate) rises: bool,
    /// The present assignment.
    pub assigned: Option<Assigned>,
    /// The last assignment, which a hand-back looks at.
    pub(crate) last: Option<Assigned>,
    /// Penalties that may be refunded, in order.
    pub(crate) penalties: Vec<(Address, u128)>,
}

/// What an assignment pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// To whom.
    pub plugin: Address,
    /// Block of the draw.
    pub at: Height,
    /// Last block in time.
    pub deadline: Height,
    /// Its bounty.
    pub bounty: u128,
    /// Part of it from issuance.
    pub from_issuance: u128,
}

/// An item whose batch is not closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemShares {
    pub(crate) proving: u128,
    pub(crate) aggregation: u128,
    pub(crate) is_settlement: bool,
}

/// A closed batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchBudget {
    pub(crate) items: u32,
    pub(crate) budget: u128,
}

/// Sums that belong to nobody yet, in smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of the protocol.
pub struct Pools {
    pub accrued: u128,
    pub reserved: u128,
    pub unopened: u128,
    pub aggregation: u128,
    pub settlement: u128,
    pub posting: u128,
    pub issuance_due: u128,
    pub issuance_held: u128,
    pub issuance_left: u128,
    /// Balance of the escrow.
    pub escrow: u128,
    /// Balance of issuance.
    pub issuance: u128,
}

/// A reward that an acceptance entitles to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reward {
    pub(crate) task: TaskId,
    pub(crate) plugin: Address,
    pub(crate) amount: u128,
    pub(crate) from_issuance: u128,
    /// What of it repays debt.
    pub(crate) to_debt: u128,
}

/// See the module's header.
#[derive(Clone, Debug)]
pub struct Books {
    params: Params,
    height: Height,
    proposer: Address,
    accounts: BTreeMap<Address, Account>,
    bills: BTreeMap<TaskId, Bill>,
    items: BTreeMap<ItemIndex, ItemShares>,
    batches: BTreeMap<BatchIndex, BatchBudget>,
    pools: Pools,
    smoothed_milli: u64,
    /// Balances of the state tree as the events state them.
    balances: BTreeMap<Address, u128>,
    /// Their sum.
    total: u128,
    due: Option<Reward>,
}

impl Books {
    /// The books at genesis, under parameters that may be others than the genesis'.
    #[must_use]
    pub fn new(genesis: &Genesis, params: &Params) -> Self {
        let stake = genesis.validators.iter().map(|v| v.stake.units()).sum::<u128>();
        let (escrow, issuance) = (genesis.escrow.units(), genesis.issuance.units());
        let mut balances: BTreeMap<Address, u128> =
            genesis.allocations.iter().map(|a| (a.account, a.balance.units())).collect();
        balances.extend([(ESCROW, escrow), (ISSUANCE, issuance), (crowdfold_kernel::STAKE, stake)]);
        let total = balances.values().sum();
        let issuance_left = params.epoch.issuance_allowance.units().min(issuance);
        Self {
            params: params.clone(),
            height: Height(0),
            proposer: Address::ZERO,
            accounts: BTreeMap::new(),
            bills: BTreeMap::new(),
            items: BTreeMap::new(),
            batches: BTreeMap::new(),
            pools: Pools { escrow, issuance, issuance_left, ..Pools::default() },
            smoothed_milli: 0,
            balances,
            total,
            due: None,
        }
    }

    /// Everybody who ever earned or owed, in order of address.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &Account)> {
        self.accounts.iter()
    }

    /// An account; zeros for one that never earned or owed.
    #[must_use]
    pub fn account(&self, address: &Address) -> Account {
        self.accounts.get(address).copied().unwrap_or_default()
    }

    /// What an open task pays.
    #[must_use]
    pub fn bill(&self, task: TaskId) -> Option<&Bill> {
        self.bills.get(&task)
    }

    /// Sums that belong to nobody yet.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Sum of all balances as the events state them.
    #[must_use]
    pub fn total_balances(&self) -> u128 {
        self.total
    }

    /// What the event would say by these books; the same event if they know no amount in it.
    /// Call it before [`Self::post`] and with a [`Standing`] that has not seen the event.
    ///
    /// # Errors
    /// The event names something that the books do not know: the events are not a chain's.
    pub fn amounts(&self, event: &Event, standing: &Standing) -> Result<Event, BookFault> {
        amounts::amounts(self, event, standing)
    }

    /// Moves the sums over an event that [`Self::amounts`] gave, and balances over the one that happened.
    ///
    /// # Errors
    /// As [`Self::amounts`].
    pub fn post(&mut self, own: &Event, happened: &Event, standing: &Standing) -> Result<(), BookFault> {
        post::post(self, own, happened, standing)
    }

    /// What the escrow must cover.
    pub(crate) fn owed(&self) -> u128 {
        let p = &self.pools;
        [p.accrued, p.reserved, p.unopened, p.aggregation, p.settlement, p.posting]
            .into_iter()
            .fold(0u128, u128::saturating_add)
    }

    /// Bond of an account: stays accrued at a settlement.
    pub(crate) fn bond(&self, address: &Address, standing: &Standing) -> u128 {
        self.params.proving.timeout_penalty.units().saturating_mul(standing.bonded_slots(address).into())
    }

    /// Balance + accrued - debt.
    pub(crate) fn holding(&self, address: &Address) -> i128 {
        let account = self.account(address);
        let have = self.balances.get(address).copied().unwrap_or_default().saturating_add(account.accrued);
        let signed = |n: u128| i128::try_from(n).unwrap_or(i128::MAX);
        signed(have).saturating_sub(signed(account.debt))
    }

    /// Money is where it should be: balances sum to the supply, the escrow and
    /// issuance hold what the books say and cover what is promised.
    ///
    /// # Errors
    /// The first sum that does not fit.
    pub fn check(&self, supply: Zkpow) -> Result<(), BookFault> {
        let same = |what, found, expected| {
            if found == expected { Ok(()) } else { Err(BookFault::Sum { what, found, expected }) }
        };
        same("balances", self.total, supply.0)?;
        let p = &self.pools;
        same("escrow", self.balances.get(&ESCROW).copied().unwrap_or_default(), p.escrow)?;
        same("issuance", self.balances.get(&ISSUANCE).copied().unwrap_or_default(), p.issuance)?;
        let covers = |what, have: u128, owed: u128| {
            if have >= owed { Ok(()) } else { Err(BookFault::Cover { what, have, owed }) }
        };
        covers("escrow", p.escrow.saturating_add(p.issuance_due), self.owed())?;
        let promised = p.issuance_due.saturating_add(p.issuance_held).saturating_add(p.issuance_left);
        covers("issuance", p.issuance, promised)?;
        same("accrued", p.accrued, self.accounts.values().map(|a| a.accrued).sum())?;
        match self.accounts.iter().find(|(_, a)| a.accrued > 0 && a.debt > 0) {
            Some((address, _)) => Err(BookFault::AccruedAndDebt(*address)),
            None => Ok(()),
        }
    }
}
