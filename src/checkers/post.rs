//! What each event changes in the books, and what must hold wherever it comes.
//!
//! Posting follows what was found, right or wrong; the script says what was
//! right. What is checked here needs no script: sums stay in range, a task has
//! one assignee, nobody holds more than his slots, a settlement balances.

use crowdfold_events::{AccountChange, Address, Event, event::SettlementEntry};

use crate::{
    books::{Account, Books, ESCROW, ISSUANCE, STAKE, Status},
    difference::Difference,
    violation::Check,
};

/// Notes of one event.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Vec<Difference>);

impl Notes {
    pub(crate) fn note(
        &mut self,
        check: Check,
        field: &'static str,
        expected: impl core::fmt::Debug,
        found: impl core::fmt::Debug,
    ) {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        self.0.push(Difference { check, field, expected, found });
    }

    pub(crate) fn same<T: PartialEq + core::fmt::Debug>(
        &mut self,
        check: Check,
        field: &'static str,
        expected: T,
        found: T,
    ) {
        if expected != found {
            self.note(check, field, expected, found);
        }
    }

    fn add(&mut self, total: &mut u128, amount: u128, what: &'static str) {
        match total.checked_add(amount) {
            Some(sum) => *total = sum,
            None => self.note(Check::Range, what, "at most 2^128", (*total, amount)),
        }
    }

    fn sub(&mut self, total: &mut u128, amount: u128, what: &'static str) {
        match total.checked_sub(amount) {
            Some(rest) => *total = rest,
            None => {
                self.note(Check::Range, what, format!("at least {amount}"), *total);
                *total = 0;
            }
        }
    }
}

impl Books {
    /// Posts an event; `Notes` says what cannot be right about it.
    pub(crate) fn post(&mut self, event: &Event) -> Notes {
        let mut notes = Notes::default();
        match event {
            Event::TransactionExecuted { changes, shares, item, segments, gas_used, .. } => {
                self.write(changes, &mut notes);
                let proposer = self.tip.proposer;
                self.earn(proposer, shares.proposer.0, None, &mut notes);
                let f = &mut self.funds;
                notes.add(&mut f.unopened, shares.proving.0, "unopened");
                notes.add(&mut f.aggregation, shares.aggregation.0, "aggregation fund");
                notes.add(&mut f.settlement, shares.settlement.0, "settlement fund");
                notes.add(&mut f.posting, shares.posting.0, "posting fund");
                self.tip.gas = self.tip.gas.saturating_add(*gas_used);
                self.tip.user_segments = self.tip.user_segments.saturating_add(*segments);
                self.settle_users = true;
                self.next_item = item.0.saturating_add(1);
            }
            Event::SettlementApplied { changes, entries, item, .. } => {
                check_balanced(entries, &mut notes);
                self.write(changes, &mut notes);
                self.settle(entries, &mut notes);
                self.next_item = item.0.saturating_add(1);
            }
            Event::MessageAccepted { sender, sequence, .. } | Event::MessageRefused { sender, sequence, .. } => {
                let account = self.accounts.entry(*sender).or_default();
                if *sequence <= account.sequence {
                    notes.note(Check::Sequence, "sequence", format!("above {}", account.sequence), sequence);
                }
                account.sequence = *sequence;
            }
            Event::PenaltyCharged { .. }
            | Event::PenaltyRefunded { .. }
            | Event::RewardAccrued { .. }
            | Event::DebtRepaid { .. }
            | Event::WithdrawRequested { .. } => self.post_money(event, &mut notes),
            Event::EpochStarted { epoch, issuance_allowance, registration_work } => {
                self.epoch = *epoch;
                self.funds.issuance_left = issuance_allowance.0;
                self.registration_work = *registration_work;
                self.registrations = 0;
            }
            _ => self.post_work(event, &mut notes),
        }
        notes
    }

    fn write(&mut self, changes: &[AccountChange], notes: &mut Notes) {
        for change in changes {
            let before = self.balances.insert(change.account, (change.nonce, change.balance.0)).unwrap_or_default();
            notes.add(&mut self.total, change.balance.0, "balances");
            notes.sub(&mut self.total, before.1, "balances");
        }
        notes.same(Check::Supply, "balances", self.supply, self.total);
    }

    /// Earnings repay debt first.
    pub(crate) fn earn(&mut self, who: Address, amount: u128, to_debt: Option<u128>, notes: &mut Notes) {
        let account = self.accounts.entry(who).or_default();
        let to_debt = to_debt.unwrap_or(amount.min(account.debt));
        notes.sub(&mut account.debt, to_debt, "debt");
        notes.sub(&mut self.debt, to_debt, "debt");
        let mut rest = amount;
        notes.sub(&mut rest, to_debt, "earnings");
        notes.add(&mut account.accrued, rest, "accrued");
        notes.add(&mut self.accrued, rest, "accrued");
        one_side(account, notes);
    }

    fn settle(&mut self, entries: &[SettlementEntry], notes: &mut Notes) {
        self.last_settlement = self.tip.height;
        self.settle_users = false;
        for entry in entries {
            let (who, amount) = (entry.account, entry.amount.0);
            if who == ISSUANCE {
                notes.sub(&mut self.funds.issuance_due, amount, "issuance due");
            } else if who != ESCROW && entry.credit {
                let account = self.accounts.entry(who).or_default();
                notes.sub(&mut account.accrued, amount, "accrued");
                notes.sub(&mut self.accrued, amount, "accrued");
                if !std::mem::take(&mut account.withdraw) {
                    self.cursor = who;
                }
            }
        }
    }

    fn post_money(&mut self, event: &Event, notes: &mut Notes) {
        match event {
            Event::PenaltyCharged { plugin, task, amount, from_accrued, to_debt, .. } => {
                if from_accrued.0.checked_add(to_debt.0) != Some(amount.0) {
                    notes.note(Check::Penalty, "from_accrued + to_debt", amount, (from_accrued, to_debt));
                }
                let account = self.accounts.entry(*plugin).or_default();
                notes.sub(&mut account.accrued, from_accrued.0, "accrued");
                notes.sub(&mut self.accrued, from_accrued.0, "accrued");
                notes.add(&mut account.debt, to_debt.0, "debt");
                notes.add(&mut self.debt, to_debt.0, "debt");
                one_side(account, notes);
                if let Some(task) = self.tasks.get_mut(&task.0) {
                    task.penalties.push((*plugin, amount.0));
                }
            }
            Event::PenaltyRefunded { plugin, task, amount, to_debt } => {
                self.earn(*plugin, amount.0, Some(to_debt.0), notes);
                let penalties = self.tasks.get_mut(&task.0).map(|t| &mut t.penalties);
                match penalties.and_then(|p| p.iter().position(|(who, _)| who == plugin).map(|at| p.remove(at))) {
                    Some((_, charged)) if amount.0 <= charged => {}
                    charged => notes.note(Check::Refund, "amount", charged, amount),
                }
            }
            Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt } => {
                self.release_held(task.0, notes);
                notes.sub(&mut self.funds.reserved, from_fees.0, "reserved");
                notes.sub(&mut self.funds.issuance_left, from_issuance.0, "issuance left");
                notes.add(&mut self.funds.issuance_due, from_issuance.0, "issuance due");
                self.earn(*plugin, amount.0, Some(to_debt.0), notes);
            }
            Event::DebtRepaid { plugin, amount, .. } => {
                let account = self.accounts.entry(*plugin).or_default();
                notes.sub(&mut account.debt, amount.0, "debt");
                notes.sub(&mut self.debt, amount.0, "debt");
            }
            Event::WithdrawRequested { plugin, fee } => {
                let account = self.accounts.entry(*plugin).or_default();
                account.withdraw = true;
                notes.sub(&mut account.accrued, fee.0, "accrued");
                notes.sub(&mut self.accrued, fee.0, "accrued");
                notes.add(&mut self.funds.settlement, fee.0, "settlement fund");
            }
            _ => {}
        }
    }

    /// Issuance held for an assignment goes back to the allowance.
    pub(crate) fn release_held(&mut self, task: u64, notes: &mut Notes) {
        let held = self.tasks.get_mut(&task).map(|t| std::mem::take(&mut t.held)).unwrap_or_default();
        notes.sub(&mut self.funds.issuance_held, held, "issuance held");
        notes.add(&mut self.funds.issuance_left, held, "issuance left");
    }

    /// What must hold at the end of every block.
    pub(crate) fn check_money(&self) -> Notes {
        let mut notes = Notes::default();
        notes.same(Check::Supply, "balances", self.supply, self.total);
        notes.same(Check::TaskOpening, "unopened", 0, self.funds.unopened);
        let (have, owed) = (self.balance(&ESCROW).saturating_add(self.funds.issuance_due), self.owed());
        if have < owed {
            notes.note(Check::EscrowCover, "escrow + due", format!("at least {owed}"), have);
        }
        let f = &self.funds;
        let promised = f.issuance_due.saturating_add(f.issuance_held).saturating_add(f.issuance_left);
        let have = self.balance(&ISSUANCE);
        if have < promised {
            notes.note(Check::IssuanceCover, "issuance", format!("at least {promised}"), have);
        }
        notes
    }

    /// Every running sum once more from its parts; costs as much as there is.
    pub(crate) fn check_sums(&self) -> Notes {
        let mut notes = Notes::default();
        notes.same(Check::Supply, "sum of balances", self.total, self.balances.values().map(|(_, b)| *b).sum());
        notes.same(Check::Range, "sum of accrued", self.accrued, self.accounts.values().map(|a| a.accrued).sum());
        notes.same(Check::Range, "sum of debts", self.debt, self.accounts.values().map(|a| a.debt).sum());
        let open = || self.tasks.values().filter(|t| !matches!(t.status, Status::Done | Status::Lapsed));
        notes.same(Check::Range, "sum of reserves", self.funds.reserved, open().map(|t| t.funded).sum());
        notes.same(Check::Range, "sum of held issuance", self.funds.issuance_held, open().map(|t| t.held).sum());
        let assigned = open().filter(|t| matches!(t.status, Status::Assigned { .. })).count();
        let held = self.plugins.values().map(|p| p.open.len()).sum();
        notes.same(Check::LiveAssignment, "assigned tasks", assigned, held);
        notes
    }
}

fn one_side(account: &Account, notes: &mut Notes) {
    if account.accrued > 0 && account.debt > 0 {
        notes.note(Check::OneSide, "accrued and debt", "one of them zero", (account.accrued, account.debt));
    }
}

fn check_balanced(entries: &[SettlementEntry], notes: &mut Notes) {
    let sum = |credit| entries.iter().filter(|e| e.credit == credit).map(|e| e.amount.0).fold(0, u128::saturating_add);
    notes.same(Check::SettlementSum, "debits", sum(true), sum(false));
    for entry in entries.iter().filter(|e| !e.credit && ![ESCROW, ISSUANCE, STAKE].contains(&e.account)) {
        notes.note(Check::SettlementSum, "debited", "a system account", entry.account);
    }
}
