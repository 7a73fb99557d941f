//! Paying accrued rewards out: the only change of balances outside user transactions.
//!
//! ```text
//! every settlement_interval blocks, if a user transaction was executed since
//! the last one or a withdrawal is pending:
//!   credits: withdrawals first, then whoever is owed min_payout or more,
//!            going round the accounts from where the last settlement stopped
//!   debits:  issuance pays everything it owes, the escrow the rest
//!            (the escrow is credited when issuance owes more)
//! ```
//!
//! The bond of a plugin that is active or has open work stays accrued. The
//! proof of a settlement is paid from the settlement fund; its reward waits
//! for the next settlement.

use crowdfold_events::{
    Address, Event, Zkpow,
    event::{SettlementEntry, TaskKind},
};

use crowdfold_execution::Executed;

use crate::{
    faults::BlockFault,
    fees::least_base,
    planted::{self, Bug},
    run::Run,
    state::State,
    vm::{self, Done},
};

impl State {
    /// What a settlement would pay an account now.
    #[must_use]
    pub fn payable(&self, address: &Address) -> Zkpow {
        let bond = if planted::is(Bug::SettlementPaysBond) { 0 } else { self.bond(address) };
        Zkpow(self.account(address).accrued.0.saturating_sub(bond))
    }

    fn settlement_due(&self) -> bool {
        let interval = self.params().settlement.interval;
        let due = self.chain.height.0 - self.market.last_settlement.0 >= interval;
        due && (self.market.settle_users || self.market.withdrawals > 0)
    }

    /// True when the next settlement interval will have somebody to pay.
    pub(crate) fn settlement_pending(&self) -> bool {
        (self.market.settle_users || self.market.withdrawals > 0) && !self.credits().is_empty()
    }

    /// Who is paid what, in the order of the entries.
    fn credits(&self) -> Vec<(Address, Zkpow)> {
        let params = &self.params().settlement;
        // Two entries are kept for the debits.
        let room = params.max_entries.saturating_sub(2) as usize;
        let payable = |address: &Address| Some(self.payable(address)).filter(|amount| *amount > Zkpow::ZERO);
        let asked = self.accounts.iter().filter(|(_, a)| a.withdraw).filter_map(|(a, _)| Some((*a, payable(a)?)));
        let mut credits: Vec<_> = asked.take(room).collect();
        let cursor = self.market.settlement_cursor;
        let after = self.accounts.range((std::ops::Bound::Excluded(cursor), std::ops::Bound::Unbounded));
        let round = after.chain(self.accounts.range(..=cursor)).filter(|(_, a)| !a.withdraw);
        let left = room - credits.len();
        credits.extend(
            round.filter_map(|(a, _)| Some((*a, payable(a).filter(|p| *p >= params.min_payout.0)?))).take(left),
        );
        credits
    }

    /// Credits and the debits that pay for them.
    fn settlement_entries(&self) -> Vec<SettlementEntry> {
        let credits = self.credits();
        if credits.is_empty() {
            return Vec::new();
        }
        let sum = credits.iter().map(|(_, amount)| amount.0).sum::<u128>();
        let mut entries: Vec<_> =
            credits.into_iter().map(|(account, amount)| SettlementEntry { account, amount, credit: true }).collect();
        if let Some(first) = entries.first_mut().filter(|_| planted::is(Bug::SettlementOverpays)) {
            first.amount.0 += 1;
        }
        let due = self.market.issuance_due;
        let entry = |account, amount, credit| SettlementEntry { account, amount: Zkpow(amount), credit };
        if due > 0 {
            entries.push(entry(vm::ISSUANCE, due, false));
        }
        if sum > due {
            entries.push(entry(vm::ESCROW, sum - due, false));
        } else if due > sum {
            entries.push(entry(vm::ESCROW, due - sum, true));
        }
        entries
    }
}

impl Run<'_> {
    /// Settles, if it is time and there is somebody to pay.
    pub(crate) fn settle(&mut self) -> Result<(), BlockFault> {
        if !self.state.settlement_due() {
            return Ok(());
        }
        let entries = self.state.settlement_entries();
        if entries.is_empty() {
            return Ok(());
        }
        let Done { tree, changes, executed } = vm::settlement(&self.state.tree, &entries, &self.env)?;
        let Executed { pre_root, post_root, segments, data_lo, env, .. } = executed;
        let item = self.state.chain.next_item;
        let event = Event::SettlementApplied {
            item,
            entries,
            segments,
            pre_root,
            post_root,
            data_lo,
            env,
            changes: changes.clone(),
        };
        self.state.apply_executed(&event, &changes, tree);
        self.events.push(event);
        let base = least_base(self.state.params(), segments);
        let funded = base.min(self.state.market.settlement_fund);
        let task = self.next_task();
        self.emit(Event::TaskOpened {
            task,
            kind: TaskKind::Prove { item },
            segments,
            base_bounty: Zkpow(base),
            funded: Zkpow(funded),
        });
        Ok(())
    }
}
