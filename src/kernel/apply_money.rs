//! What events about money and batches change.

use crowdfold_events::{Address, Event, FeeShares, Height, ItemIndex, Zkpow, event::SettlementEntry};
use imbl::OrdMap;

use crate::{
    apply::{add, sub},
    model::{Batch, Stages},
    planted::{self, Bug},
    state::State,
    vm,
};

impl State {
    /// Splits a fee: the proposer earns, the rest is earmarked.
    pub(crate) fn earmark(&mut self, shares: &FeeShares) {
        let proposer = self.chain.proposer;
        self.earn(proposer, shares.proposer.0, None);
        let (market, broken) = (&mut self.market, &mut self.broken);
        add(&mut market.unopened, shares.proving.0, "unopened", broken);
        add(&mut market.aggregation_fund, shares.aggregation.0, "aggregation fund", broken);
        add(&mut market.settlement_fund, shares.settlement.0, "settlement fund", broken);
        add(&mut market.posting_fund, shares.posting.0, "posting fund", broken);
    }

    /// Earnings repay debt first. `to_debt` states how much does; `None` computes it.
    pub(crate) fn earn(&mut self, who: Address, amount: u128, to_debt: Option<u128>) {
        let mut account = self.account(&who);
        let to_debt = to_debt.unwrap_or(amount.min(account.debt.0));
        let (market, broken) = (&mut self.market, &mut self.broken);
        sub(&mut account.debt.0, to_debt, "debt", broken);
        sub(&mut market.debt, to_debt, "debt", broken);
        let mut rest = amount;
        sub(&mut rest, to_debt, "earnings", broken);
        add(&mut account.accrued.0, rest, "accrued", broken);
        add(&mut market.accrued, rest, "accrued", broken);
        self.accounts.insert(who, account);
    }

    pub(crate) fn apply_settlement(&mut self, entries: &[SettlementEntry]) {
        self.market.last_settlement = self.chain.height;
        self.market.settle_users = false;
        for SettlementEntry { account, amount, credit } in entries {
            if *account == vm::ISSUANCE {
                sub(&mut self.market.issuance_due, amount.0, "issuance due", &mut self.broken);
            } else if *credit && *account != vm::ESCROW {
                let mut paid = self.account(account);
                let amount = if planted::is(Bug::SettlementPaysTwice) { &Zkpow::ZERO } else { amount };
                sub(&mut paid.accrued.0, amount.0, "accrued", &mut self.broken);
                sub(&mut self.market.accrued, amount.0, "accrued", &mut self.broken);
                if paid.withdraw {
                    paid.withdraw = false;
                    self.market.withdrawals = self.market.withdrawals.saturating_sub(1);
                } else if !planted::is(Bug::SettlementCursorStuck) {
                    self.market.settlement_cursor = *account;
                }
                self.accounts.insert(*account, paid);
            }
        }
    }

    pub(crate) fn apply_money(&mut self, event: &Event) {
        match event {
            Event::PenaltyCharged { plugin, task, amount, from_accrued, to_debt, .. } => {
                let mut account = self.account(plugin);
                let (market, broken) = (&mut self.market, &mut self.broken);
                sub(&mut account.accrued.0, from_accrued.0, "accrued", broken);
                sub(&mut market.accrued, from_accrued.0, "accrued", broken);
                add(&mut account.debt.0, to_debt.0, "debt", broken);
                add(&mut market.debt, to_debt.0, "debt", broken);
                self.accounts.insert(*plugin, account);
                if let Some(task) = self.tasks.get_mut(task) {
                    task.penalties.push_back((*plugin, *amount));
                }
            }
            Event::PenaltyRefunded { plugin, task, amount, to_debt } => {
                self.earn(*plugin, amount.0, Some(to_debt.0));
                if let Some(task) = self.tasks.get_mut(task)
                    && let Some(at) = task.penalties.iter().position(|(p, _)| p == plugin)
                    && !planted::is(Bug::RefundTwice)
                {
                    task.penalties.remove(at);
                }
            }
            Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt } => {
                self.release_issuance(*task);
                let (market, broken) = (&mut self.market, &mut self.broken);
                sub(&mut market.reserved, from_fees.0, "reserved", broken);
                sub(&mut market.issuance_left, from_issuance.0, "issuance left", broken);
                add(&mut market.issuance_due, from_issuance.0, "issuance due", broken);
                self.earn(*plugin, amount.0, Some(to_debt.0));
            }
            Event::DebtRepaid { plugin, amount, .. } => {
                let mut account = self.account(plugin);
                sub(&mut account.debt.0, amount.0, "debt", &mut self.broken);
                sub(&mut self.market.debt, amount.0, "debt", &mut self.broken);
                self.accounts.insert(*plugin, account);
            }
            Event::WithdrawRequested { plugin, fee } => {
                let mut account = self.account(plugin);
                account.withdraw = true;
                sub(&mut account.accrued.0, fee.0, "accrued", &mut self.broken);
                sub(&mut self.market.accrued, fee.0, "accrued", &mut self.broken);
                add(&mut self.market.settlement_fund, fee.0, "settlement fund", &mut self.broken);
                self.market.withdrawals = self.market.withdrawals.saturating_add(1);
                self.accounts.insert(*plugin, account);
            }
            _ => {}
        }
    }

    pub(crate) fn apply_batch(&mut self, event: &Event) {
        let stage = self.now();
        match event {
            Event::BatchClosed { batch, first_item, items, segments, pre_root, post_root } => {
                let mut budget = 0;
                let end = ItemIndex(first_item.0.saturating_add(u64::from(*items)));
                for index in self.items_between(*first_item, end) {
                    if let Some(item) = self.items.get_mut(&index) {
                        item.batch = Some(*batch);
                        add(&mut budget, item.aggregation.0, "aggregation budget", &mut self.broken);
                    }
                }
                self.market.next_batch = batch.next();
                self.market.next_batch_item = end;
                let parent = Height(stage.height.0.saturating_sub(1));
                let last_header = self.recent.get(&parent).copied().unwrap_or_default();
                self.batches.insert(
                    *batch,
                    Batch {
                        last_header,
                        first_item: *first_item,
                        items: *items,
                        segments: *segments,
                        pre_root: *pre_root,
                        post_root: *post_root,
                        budget: Zkpow(budget),
                        nodes: OrdMap::new(),
                        closed: stage,
                        proof: None,
                        proven: None,
                        certificate: None,
                        certified: None,
                    },
                );
            }
            Event::BatchProven { batch, proof_hash } => {
                let Some(record) = self.batches.get_mut(batch) else { return };
                record.proof = Some(*proof_hash);
                record.proven = Some(stage);
                let (first, end) = (record.first_item, record.end_item());
                self.stamp_items(first, end, |stages| stages.aggregated = Some(stage));
            }
            Event::BatchCertified { batch, certificate_hash } => {
                let Some(record) = self.batches.get_mut(batch) else { return };
                record.certificate = Some(*certificate_hash);
                record.certified = Some(stage);
                let (first, end) = (record.first_item, record.end_item());
                self.market.next_certified = batch.next();
                self.stamp_items(first, end, |stages| stages.certified = Some(stage));
            }
            _ => {}
        }
    }

    /// The items that there are: a forged event may claim any number.
    pub(crate) fn items_between(&self, first: ItemIndex, end: ItemIndex) -> Vec<ItemIndex> {
        self.items.range(first..end).map(|(index, _)| *index).collect()
    }

    fn stamp_items(&mut self, first: ItemIndex, end: ItemIndex, stamp: impl Fn(&mut Stages)) {
        for index in self.items_between(first, end) {
            if let Some(item) = self.items.get_mut(&index) {
                stamp(&mut item.stages);
            }
        }
    }
}
