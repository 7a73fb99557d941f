//! What each amount is by the rules.

use crowdfold_config::ONE_BP;
use crowdfold_events::{
    Address, Event, SignedZkpow, TaskId, Zkpow,
    event::{PenaltyReason, SettlementEntry, TaskKind},
};
use crowdfold_kernel::{ESCROW, ISSUANCE, child_range, least_base, level_nodes, root_level, split};

use super::{Bill, Books, Reward, Standing};

/// Events that the books cannot follow, or sums that do not fit. Whoever wrote
/// the events is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// A task that was never opened, or is done.
    #[error("task {0} is not open")]
    UnknownTask(TaskId),
    /// A task about an item or batch that does not exist.
    #[error("task {0} is about something that does not exist")]
    UnknownWork(TaskId),
    /// A refund of what was never charged.
    #[error("{plugin} was never charged for task {task}")]
    NeverCharged {
        /// Who.
        plugin: Address,
        /// For what.
        task: TaskId,
    },
    /// A reward without an accepted proof.
    #[error("no accepted proof of task {0} entitles to this reward")]
    NoProof(TaskId),
    /// A sum differs.
    #[error("{what} is {found}, it should be {expected}")]
    Sum {
        /// Which sum.
        what: &'static str,
        /// By the events.
        found: u128,
        /// By the books.
        expected: u128,
    },
    /// A balance does not cover what is promised.
    #[error("{what} holds {have} and owes {owed}")]
    Cover {
        /// Whose.
        what: &'static str,
        /// What it holds.
        have: u128,
        /// What it promised.
        owed: u128,
    },
    /// An account is owed and owes at the same time.
    #[error("{0} has something accrued and a debt")]
    AccruedAndDebt(Address),
    /// More leaves a sum than is in it.
    #[error("{what}: {amount} is taken from {have}")]
    Below {
        /// Which sum.
        what: &'static str,
        /// What is in it.
        have: u128,
        /// What is taken.
        amount: u128,
    },
}

/// `amount * bp / 10000`, rounded down.
fn share(amount: u128, bp: u32) -> u128 {
    let one = u128::from(ONE_BP);
    amount / one * u128::from(bp) + amount % one * u128::from(bp) / one
}

pub(super) fn amounts(books: &Books, event: &Event, standing: &Standing) -> Result<Event, BookFault> {
    let mut own = event.clone();
    match &mut own {
        Event::TransactionExecuted { fee, shares, .. } => *shares = split(&books.params, fee.0),
        Event::TaskOpened { task, kind, segments, base_bounty, funded } => {
            let (base, paid) = books.base(*task, kind, *segments)?;
            (*base_bounty, *funded) = (Zkpow(base), Zkpow(paid));
        }
        Event::TaskAssigned { task, bounty, from_issuance, .. } => {
            let bill = books.open(*task)?;
            let (amount, issued) = books.bounty_now(bill);
            (*bounty, *from_issuance) = (Zkpow(amount), Zkpow(issued));
        }
        Event::BountyBumped { task, bounty } => *bounty = Zkpow(books.risen(books.open(*task)?)),
        Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt } => {
            let due = books.due.filter(|d| d.task == *task && d.plugin == *plugin).ok_or(BookFault::NoProof(*task))?;
            *amount = Zkpow(due.amount);
            *from_issuance = Zkpow(due.from_issuance);
            *from_fees = Zkpow(due.amount.saturating_sub(due.from_issuance));
            *to_debt = Zkpow(due.to_debt);
        }
        Event::PenaltyCharged { plugin, task, reason, amount, from_accrued, to_debt, holding_after } => {
            let charged = books.penalty(*task, *reason)?;
            let taken = charged.min(books.account(plugin).accrued);
            *amount = Zkpow(charged);
            *from_accrued = Zkpow(taken);
            *to_debt = Zkpow(charged - taken);
            *holding_after = SignedZkpow(books.holding(plugin).saturating_sub_unsigned(charged));
        }
        Event::PenaltyRefunded { plugin, task, amount, to_debt } => {
            let bill = books.open(*task)?;
            let found = bill.penalties.iter().find(|(p, _)| p == plugin);
            let (_, charged) = found.ok_or(BookFault::NeverCharged { plugin: *plugin, task: *task })?;
            let repaid = (*charged).min(books.account(plugin).debt);
            let surplus = books.pools.escrow.saturating_add(books.pools.issuance_due).saturating_sub(books.owed());
            *to_debt = Zkpow(repaid);
            *amount = Zkpow(repaid + (charged - repaid).min(surplus));
        }
        Event::WithdrawRequested { plugin, fee } => {
            *fee = Zkpow(books.params.settlement.withdraw_fee.units().min(books.account(plugin).accrued));
        }
        Event::DebtRepaid { plugin, amount, .. } => *amount = Zkpow(amount.0.min(books.account(plugin).debt)),
        Event::SettlementApplied { entries, .. } => *entries = books.payouts(entries, standing),
        Event::EpochStarted { issuance_allowance, .. } => {
            let promised = books.pools.issuance_due.saturating_add(books.pools.issuance_held);
            let have = books.pools.issuance.saturating_sub(promised);
            *issuance_allowance = Zkpow(books.params.epoch.issuance_allowance.units().min(have));
        }
        _ => {}
    }
    Ok(own)
}

impl Books {
    pub(super) fn open(&self, task: TaskId) -> Result<&Bill, BookFault> {
        self.bills.get(&task).ok_or(BookFault::UnknownTask(task))
    }

    /// Base bounty of a new task, and the part of it that fees pay.
    fn base(&self, task: TaskId, kind: &TaskKind, segments: u32) -> Result<(u128, u128), BookFault> {
        Ok(match kind {
            TaskKind::Admission { .. } => (0, 0),
            TaskKind::Prove { item } => {
                let item = self.items.get(item).ok_or(BookFault::UnknownWork(task))?;
                if item.is_settlement {
                    let base = least_base(&self.params, segments);
                    (base, base.min(self.pools.settlement))
                } else {
                    (item.proving, item.proving)
                }
            }
            TaskKind::Aggregate { batch, level, position, .. } => {
                let batch = self.batches.get(batch).ok_or(BookFault::UnknownWork(task))?;
                let arity = self.params.batches.aggregation_arity;
                let (_, children) = child_range(batch.items, arity, *level, *position);
                let inner = (0..root_level(batch.items, arity)).map(|l| u64::from(level_nodes(batch.items, arity, l)));
                let all = (u64::from(batch.items) + inner.sum::<u64>()).max(1);
                let share = batch.budget / u128::from(all) * u128::from(children);
                let base = share.max(least_base(&self.params, children)).min(self.params.bounty.max_base.units());
                (base, base.min(self.pools.aggregation))
            }
        })
    }

    /// Base bounty with the rises of its age.
    pub(crate) fn risen(&self, bill: &Bill) -> u128 {
        let bounty = &self.params.bounty;
        if !bill.rises {
            return bill.base;
        }
        let rises = self.height.0.saturating_sub(bill.opened_at.0) / bounty.bump_interval.max(1);
        let multiple = u64::from(ONE_BP).saturating_add(rises.saturating_mul(bounty.bump_rate_bp.into()));
        let multiple = u32::try_from(multiple).unwrap_or(u32::MAX).min(bounty.max_bounty_multiple_bp);
        share(bill.base, multiple)
    }

    /// The multiple for scarce provers, in basis points.
    #[must_use]
    pub fn capacity_multiple_bp(&self) -> u32 {
        let bounty = &self.params.bounty;
        let wanted = u128::from(bounty.target_slots) * 1_000 * u128::from(ONE_BP);
        let multiple = wanted.checked_div(u128::from(self.smoothed_milli)).unwrap_or(u128::MAX);
        u32::try_from(multiple).unwrap_or(u32::MAX).clamp(ONE_BP, bounty.max_capacity_multiple_bp)
    }

    /// Bounty of a task assigned now, and the part of it from issuance.
    fn bounty_now(&self, bill: &Bill) -> (u128, u128) {
        self.issued(bill, share(self.risen(bill), self.capacity_multiple_bp()))
    }

    fn issued(&self, bill: &Bill, wanted: u128) -> (u128, u128) {
        let issued = wanted.saturating_sub(bill.funded).min(self.pools.issuance_left);
        (bill.funded + issued, issued)
    }

    /// What an accepted proof of a task entitles to.
    pub(super) fn reward(&self, task: TaskId, plugin: Address) -> Result<Reward, BookFault> {
        let bill = self.open(task)?;
        let (amount, from_issuance) = match bill.assigned {
            Some(a) => (a.bounty, a.from_issuance),
            // Open to everybody: the base bounty.
            None => self.issued(bill, bill.base),
        };
        Ok(Reward { task, plugin, amount, from_issuance, to_debt: amount.min(self.account(&plugin).debt) })
    }

    fn penalty(&self, task: TaskId, reason: PenaltyReason) -> Result<u128, BookFault> {
        let full = self.params.proving.timeout_penalty.units();
        let bill = self.open(task)?;
        Ok(match (reason, bill.last) {
            (PenaltyReason::Timeout, _) => full,
            (PenaltyReason::HandBack, Some(last)) => {
                let (length, elapsed) =
                    (last.deadline.0.saturating_sub(last.at.0), self.height.0.saturating_sub(last.at.0));
                if elapsed.saturating_mul(4) <= length { full.div_ceil(4) } else { full }
            }
            (PenaltyReason::HandBack, None) => return Err(BookFault::UnknownTask(task)),
        })
    }

    /// The same payees, each with what is payable to it, and the debits that pay for them.
    fn payouts(&self, entries: &[SettlementEntry], standing: &Standing) -> Vec<SettlementEntry> {
        let system = |a: &Address| *a == ESCROW || *a == ISSUANCE;
        let mut own: Vec<SettlementEntry> = entries
            .iter()
            .filter(|e| e.credit && !system(&e.account))
            .map(|e| {
                let accrued = self.account(&e.account).accrued;
                let amount = Zkpow(accrued.saturating_sub(self.bond(&e.account, standing)));
                SettlementEntry { account: e.account, amount, credit: true }
            })
            .collect();
        let sum = own.iter().map(|e| e.amount.0).sum::<u128>();
        let due = self.pools.issuance_due;
        let mut entry = |account, amount, credit| own.push(SettlementEntry { account, amount: Zkpow(amount), credit });
        if due > 0 {
            entry(ISSUANCE, due, false);
        }
        match sum.cmp(&due) {
            std::cmp::Ordering::Greater => entry(ESCROW, sum - due, false),
            std::cmp::Ordering::Less => entry(ESCROW, due - sum, true),
            std::cmp::Ordering::Equal => {}
        }
        own
    }
}
