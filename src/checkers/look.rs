//! Transactions and settlements: what they move, who is paid, what it is split into.

use alloy_primitives::keccak256;
use crowdfold_events::{AccountChange, Address, Event, Zkpow, event::SettlementEntry};

use crate::{
    books::{ESCROW, ISSUANCE, Item, REPAY},
    referee::{Referee, Step},
    rules,
    steps::TRANSACTION_SEGMENTS,
    violation::Check,
};

impl Referee<'_> {
    /// Checks an event of the expected kind whose content is not known beforehand.
    pub(crate) fn look(&mut self, step: &Step, event: &Event) {
        match (step, event) {
            (Step::Users, Event::TransactionExecuted { .. }) => self.look_at_transaction(event),
            (Step::Settlement, Event::SettlementApplied { .. }) => self.look_at_settlement(event),
            (Step::Certify(index), Event::BatchCertified { batch, .. }) => {
                self.notes.same(Check::Certificate, "batch", *index, batch.0);
            }
            _ => {}
        }
    }

    fn look_at_transaction(&mut self, event: &Event) {
        let Event::TransactionExecuted {
            item,
            hash,
            sender,
            to,
            value,
            gas_used,
            effective_gas_price,
            fee,
            segments,
            pre_root,
            post_root,
            changes,
            shares,
            ..
        } = event
        else {
            return;
        };
        let (books, notes) = (&mut *self.books, &mut self.notes);
        notes.same(Check::Items, "item", books.next_item, item.0);
        notes.same(Check::Items, "pre_root", books.tip.root, *pre_root);
        let raw = self.body.transactions.get(self.transactions).map(keccak256).unwrap_or_default();
        notes.same(Check::Transaction, "hash", raw, *hash);
        notes.same(Check::Transaction, "segments", TRANSACTION_SEGMENTS, *segments);
        let paid = rules::scaled(u128::from(*gas_used), *effective_gas_price, 1);
        notes.same(Check::Transaction, "fee", paid, fee.0);
        if *effective_gas_price < books.tip.base_fee {
            notes.note(
                Check::BaseFee,
                "effective_gas_price",
                format!("at least {}", books.tip.base_fee),
                effective_gas_price,
            );
        }
        notes.same(Check::FeeSplit, "shares", rules::fee_shares(books.params(), fee.0), *shares);
        let least = rules::least_base(books.params(), *segments);
        if shares.proving.0 < least {
            notes.note(Check::FeeSplit, "proving share", format!("at least {least}"), shares.proving);
        }

        // The changes in their order: sender, recipient, escrow, each on what the one before left.
        let mut expected = Vec::with_capacity(3);
        let mut written: Vec<(Address, (u64, u128))> = Vec::with_capacity(3);
        let mut change = |who: Address, nonce: u64, plus: u128, minus: u128| {
            let before = written.iter().rev().find(|(w, _)| *w == who).map(|(_, a)| *a);
            let (n, balance) = before.or_else(|| books.balances.get(&who).copied()).unwrap_or_default();
            let after = (n + nonce, balance.saturating_add(plus).saturating_sub(minus));
            written.push((who, after));
            expected.push(AccountChange { account: who, nonce: after.0, balance: Zkpow(after.1) });
        };
        change(*sender, 1, 0, value.0.saturating_add(fee.0));
        if value.0 > 0 {
            change(*to, 0, value.0, 0);
        }
        change(ESCROW, 0, fee.0, 0);
        notes.same(Check::Transaction, "changes", &expected, changes);

        let account = books.account(sender);
        let spent = value.0.saturating_add(fee.0);
        // A repayment may spend what its own debt encumbers; to whom it goes, its memo says.
        let own = if *to == REPAY { value.0.min(account.debt) } else { 0 };
        let left = books.balance(sender).saturating_sub(spent);
        if left < account.debt - own {
            notes.note(Check::Encumbrance, "balance after", format!("at least {}", account.debt - own), left);
        }
        let p = books.params().clone();
        let limit = |what, most: u64, found: u64, notes: &mut crate::post::Notes| {
            if found > most {
                notes.note(Check::Limits, what, format!("at most {most}"), found);
            }
        };
        limit("gas", p.block.gas_limit, books.tip.gas + gas_used, notes);
        limit("segments", p.block.max_segments.into(), u64::from(books.tip.user_segments + segments), notes);
        limit("backlog", p.block.max_unproven_segments, books.unproven + u64::from(*segments), notes);
        let item_record = Item {
            transaction: true,
            pre_root: *pre_root,
            post_root: *post_root,
            segments: *segments,
            aggregation: shares.aggregation.0,
            proven_at: None,
            batch: None,
        };
        self.commit_item(item.0, item_record);
    }

    fn look_at_settlement(&mut self, event: &Event) {
        let Event::SettlementApplied { item, entries, segments, pre_root, post_root, changes, .. } = event else {
            return;
        };
        let expected = self.entries();
        let expected_changes = self.settlement_changes(entries);
        let (books, notes) = (&*self.books, &mut self.notes);
        notes.same(Check::Items, "item", books.next_item, item.0);
        notes.same(Check::Items, "pre_root", books.tip.root, *pre_root);
        notes.same(Check::Settlement, "entries", &expected, entries);
        notes.same(Check::Settlement, "changes", &expected_changes, changes);
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        // Two entries fit a segment.
        notes.same(Check::Settlement, "segments", count.div_ceil(2).max(1), *segments);
        let record = Item {
            transaction: false,
            pre_root: *pre_root,
            post_root: *post_root,
            segments: *segments,
            aggregation: 0,
            proven_at: None,
            batch: None,
        };
        self.commit_item(item.0, record);
    }

    fn commit_item(&mut self, index: u64, item: Item) {
        let books = &mut *self.books;
        books.tip.root = item.post_root;
        books.tip.segments = books.tip.segments.saturating_add(item.segments);
        books.unproven = books.unproven.saturating_add(item.segments.into());
        books.items.insert(index, item);
    }

    pub(crate) fn settlement_due(&self) -> bool {
        let books = &*self.books;
        let waited = books.tip.height - books.last_settlement >= books.params().settlement.interval;
        waited && (books.settle_users || books.accounts.values().any(|a| a.withdraw))
    }

    /// Who is paid: withdrawals first, then whoever is owed enough, going round from where the last one stopped.
    pub(crate) fn credits(&self) -> Vec<(Address, u128)> {
        let books = &*self.books;
        let params = &books.params().settlement;
        let room = params.max_entries.saturating_sub(2) as usize;
        let mut credits = Vec::new();
        let mut others = (Vec::new(), Vec::new());
        for (who, account) in &books.accounts {
            let amount = books.payable(who);
            if account.withdraw && amount > 0 {
                credits.push((*who, amount));
            } else if !account.withdraw && amount >= params.min_payout.units().max(1) {
                let side = if *who > books.cursor { &mut others.0 } else { &mut others.1 };
                side.push((*who, amount));
            }
        }
        credits.extend(others.0);
        credits.extend(others.1);
        credits.truncate(room);
        credits
    }

    /// The credits, and the debits that pay for them: all that issuance owes, and the escrow for the rest.
    fn entries(&self) -> Vec<SettlementEntry> {
        let credits = self.credits();
        let sum: u128 = credits.iter().map(|(_, amount)| *amount).sum();
        let entry = |account, amount, credit| SettlementEntry { account, amount: Zkpow(amount), credit };
        let mut entries: Vec<_> = credits.into_iter().map(|(who, amount)| entry(who, amount, true)).collect();
        let due = self.books.funds.issuance_due;
        if due > 0 {
            entries.push(entry(ISSUANCE, due, false));
        }
        if sum != due {
            entries.push(entry(ESCROW, sum.abs_diff(due), due > sum));
        }
        entries
    }

    fn settlement_changes(&self, entries: &[SettlementEntry]) -> Vec<AccountChange> {
        let mut out: Vec<AccountChange> = Vec::with_capacity(entries.len());
        for SettlementEntry { account, amount, credit } in entries {
            let before = out.iter().rev().find(|c| c.account == *account).map(|c| (c.nonce, c.balance.0));
            let (nonce, balance) = before.or_else(|| self.books.balances.get(account).copied()).unwrap_or_default();
            let after = if *credit { balance.saturating_add(amount.0) } else { balance.saturating_sub(amount.0) };
            out.push(AccountChange { account: *account, nonce, balance: Zkpow(after) });
        }
        out
    }
}
