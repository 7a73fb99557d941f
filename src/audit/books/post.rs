//! What each event moves.

use crowdfold_events::{AccountChange, Address, Event, Height, ItemIndex, TaskId, event::TaskKind};
use crowdfold_kernel::{ESCROW, ISSUANCE};

use super::{Assigned, BatchBudget, Bill, BookFault, Books, ItemShares, Standing};

fn take(what: &'static str, have: &mut u128, amount: u128) -> Result<(), BookFault> {
    *have = have.checked_sub(amount).ok_or(BookFault::Below { what, have: *have, amount })?;
    Ok(())
}

/// No sum of a chain comes near the end of its range; one of forged events stops there.
fn put(have: &mut u128, amount: u128) {
    *have = have.saturating_add(amount);
}

pub(super) fn post(books: &mut Books, own: &Event, happened: &Event, standing: &Standing) -> Result<(), BookFault> {
    match own {
        Event::BlockDecided { header, .. } => {
            books.height = header.height;
            books.proposer = header.proposer;
        }
        Event::TransactionExecuted { item, to, value, fee, shares, changes, .. } => {
            books.write(changes);
            books.pools.escrow = books.pools.escrow.saturating_add(fee.0);
            for (account, balance) in [(ESCROW, &mut books.pools.escrow), (ISSUANCE, &mut books.pools.issuance)] {
                if *to == account {
                    *balance = balance.saturating_add(value.0);
                }
            }
            let proposer = books.proposer;
            put(&mut books.account_mut(&proposer).totals.proposer_shares, shares.proposer.0);
            books.earn(&proposer, shares.proposer.0);
            put(&mut books.pools.unopened, shares.proving.0);
            put(&mut books.pools.aggregation, shares.aggregation.0);
            put(&mut books.pools.settlement, shares.settlement.0);
            put(&mut books.pools.posting, shares.posting.0);
            let shares =
                ItemShares { proving: shares.proving.0, aggregation: shares.aggregation.0, is_settlement: false };
            books.items.insert(*item, shares);
        }
        Event::SettlementApplied { item, entries, .. } => {
            let shares = ItemShares { proving: 0, aggregation: 0, is_settlement: true };
            books.items.insert(*item, shares);
            for entry in entries {
                books.settle(&entry.account, entry.amount.0, entry.credit)?;
            }
            if let Event::SettlementApplied { changes, .. } = happened {
                books.write(changes);
            }
        }
        Event::WithdrawRequested { plugin, fee } => {
            let account = books.account_mut(plugin);
            take("accrued", &mut account.accrued, fee.0)?;
            put(&mut account.totals.withdraw_fees, fee.0);
            take("accrued", &mut books.pools.accrued, fee.0)?;
            put(&mut books.pools.settlement, fee.0);
        }
        Event::DebtRepaid { plugin, amount, .. } => {
            let account = books.account_mut(plugin);
            take("debt", &mut account.debt, amount.0)?;
            put(&mut account.totals.repaid, amount.0);
        }
        Event::EpochStarted { issuance_allowance, .. } => books.pools.issuance_left = issuance_allowance.0,
        Event::BatchClosed { batch, first_item, items, .. } => books.close_batch(*batch, *first_item, *items),
        Event::BatchCertified { batch, .. } => drop(books.batches.remove(batch)),
        Event::BlockSealed { .. } => books.smooth(standing),
        _ => return books.post_task(own),
    }
    Ok(())
}

impl Books {
    fn account_mut(&mut self, address: &Address) -> &mut super::Account {
        self.accounts.entry(*address).or_default()
    }

    /// Balances of the state tree, as the events state them.
    fn write(&mut self, changes: &[AccountChange]) {
        for change in changes {
            let before = self.balances.insert(change.account, change.balance.0).unwrap_or_default();
            self.total = self.total.wrapping_sub(before).wrapping_add(change.balance.0);
        }
    }

    /// Earnings repay debt first.
    fn earn(&mut self, who: &Address, amount: u128) {
        let account = self.account_mut(who);
        let repaid = amount.min(account.debt);
        account.debt -= repaid;
        put(&mut account.accrued, amount - repaid);
        put(&mut self.pools.accrued, amount - repaid);
    }

    fn settle(&mut self, who: &Address, amount: u128, credit: bool) -> Result<(), BookFault> {
        match (*who == ESCROW, *who == ISSUANCE, credit) {
            (true, _, true) => self.pools.escrow = self.pools.escrow.saturating_add(amount),
            (true, _, false) => take("escrow", &mut self.pools.escrow, amount)?,
            (_, true, _) => {
                take("issuance", &mut self.pools.issuance, amount)?;
                take("issuance due", &mut self.pools.issuance_due, amount)?;
            }
            _ => {
                let account = self.account_mut(who);
                take("accrued", &mut account.accrued, amount)?;
                put(&mut account.totals.settled, amount);
                take("accrued", &mut self.pools.accrued, amount)?;
            }
        }
        Ok(())
    }

    fn close_batch(&mut self, batch: crowdfold_events::BatchIndex, first: ItemIndex, items: u32) {
        // What is below the batch stays below every later one.
        let later = self.items.split_off(&ItemIndex(first.0.saturating_add(items.into())));
        let own = std::mem::replace(&mut self.items, later);
        let budget = own.range(first..).map(|(_, item)| item.aggregation).sum();
        self.batches.insert(batch, BatchBudget { items, budget });
    }

    fn smooth(&mut self, standing: &Standing) {
        let target = standing.active_slots().saturating_mul(1_000);
        let window = u64::from(self.params.bounty.smoothing_blocks.max(1));
        let now = self.smoothed_milli;
        self.smoothed_milli =
            if target >= now { now + (target - now).div_ceil(window) } else { now - (now - target).div_ceil(window) };
    }

    fn post_task(&mut self, own: &Event) -> Result<(), BookFault> {
        match own {
            Event::TaskOpened { task, kind, base_bounty, funded, .. } => {
                self.open_bill(*task, kind, base_bounty.0, funded.0)?;
            }
            Event::TaskAssigned { task, plugin, bounty, from_issuance, deadline, .. } => {
                let at = self.height;
                take("issuance left", &mut self.pools.issuance_left, from_issuance.0)?;
                put(&mut self.pools.issuance_held, from_issuance.0);
                let assigned = Assigned {
                    plugin: *plugin,
                    at,
                    deadline: *deadline,
                    bounty: bounty.0,
                    from_issuance: from_issuance.0,
                };
                let bill = self.bills.get_mut(task).ok_or(BookFault::UnknownTask(*task))?;
                (bill.assigned, bill.last) = (Some(assigned), Some(assigned));
            }
            Event::TaskHandedBack { task, .. } | Event::AssignmentTimedOut { task, .. } => self.unassign(*task)?,
            Event::AdmissionLapsed { task, .. } => drop(self.bills.remove(task)),
            Event::ProofAccepted { task, plugin, .. } | Event::AggregateAccepted { task, plugin, .. } => {
                let reward = self.reward(*task, *plugin)?;
                self.unassign(*task)?;
                self.bills.remove(task);
                self.due = Some(reward);
                // A reward of nothing has no event of its own.
                self.pay(*plugin, reward.amount, reward.from_issuance)?;
            }
            Event::RewardAccrued { .. } => self.due = None,
            Event::PenaltyCharged { plugin, task, amount, from_accrued, to_debt, .. } => {
                let account = self.account_mut(plugin);
                take("accrued", &mut account.accrued, from_accrued.0)?;
                put(&mut account.debt, to_debt.0);
                put(&mut account.totals.penalties, amount.0);
                take("accrued", &mut self.pools.accrued, from_accrued.0)?;
                let bill = self.bills.get_mut(task).ok_or(BookFault::UnknownTask(*task))?;
                bill.penalties.push((*plugin, amount.0));
            }
            Event::PenaltyRefunded { plugin, task, amount, .. } => {
                put(&mut self.account_mut(plugin).totals.refunds, amount.0);
                self.earn(plugin, amount.0);
                let bill = self.bills.get_mut(task).ok_or(BookFault::UnknownTask(*task))?;
                if let Some(at) = bill.penalties.iter().position(|(p, _)| p == plugin) {
                    bill.penalties.remove(at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open_bill(&mut self, task: TaskId, kind: &TaskKind, base: u128, funded: u128) -> Result<(), BookFault> {
        let source = match kind {
            TaskKind::Admission { .. } => None,
            TaskKind::Prove { item } if self.items.get(item).is_some_and(|i| i.is_settlement) => {
                Some(("settlement fund", &mut self.pools.settlement))
            }
            TaskKind::Prove { .. } => Some(("unopened", &mut self.pools.unopened)),
            TaskKind::Aggregate { .. } => Some(("aggregation fund", &mut self.pools.aggregation)),
        };
        let rises = source.is_some();
        if let Some((what, pool)) = source {
            take(what, pool, funded)?;
        }
        put(&mut self.pools.reserved, funded);
        let opened_at: Height = self.height;
        let bill = Bill { base, funded, opened_at, rises, assigned: None, last: None, penalties: Vec::new() };
        self.bills.insert(task, bill);
        Ok(())
    }

    /// An assignment ends; issuance held for it goes back to the allowance.
    fn unassign(&mut self, task: TaskId) -> Result<(), BookFault> {
        let bill = self.bills.get_mut(&task).ok_or(BookFault::UnknownTask(task))?;
        if let Some(ended) = bill.assigned.take() {
            take("issuance held", &mut self.pools.issuance_held, ended.from_issuance)?;
            put(&mut self.pools.issuance_left, ended.from_issuance);
        }
        Ok(())
    }

    fn pay(&mut self, plugin: Address, amount: u128, from_issuance: u128) -> Result<(), BookFault> {
        take("reserved", &mut self.pools.reserved, amount.saturating_sub(from_issuance))?;
        take("issuance left", &mut self.pools.issuance_left, from_issuance)?;
        put(&mut self.pools.issuance_due, from_issuance);
        let account = self.account_mut(&plugin);
        put(&mut account.totals.rewards, amount);
        put(&mut account.totals.from_issuance, from_issuance);
        self.earn(&plugin, amount);
        Ok(())
    }
}
