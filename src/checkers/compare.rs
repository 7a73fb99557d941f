//! The kernel's state against the books.

use crowdfold_events::Zkpow;
use crowdfold_kernel::{
    State,
    model::{Task as KernelTask, TaskStatus},
};

use crate::{
    Checkers,
    books::{Books, ESCROW, ISSUANCE, Status, Task},
    post::Notes,
    rules::{self, Load},
    violation::{Check, Violation},
};

const C: Check = Check::Comparison;

impl Checkers {
    /// Heads, sums and counters: cheap enough for every block.
    #[must_use]
    pub fn compare_sums(&self, state: &State) -> Vec<Violation> {
        let mut notes = Notes::default();
        let (books, tip) = (&self.books, &self.books.tip);
        notes.same(C, "height", tip.height, state.height().0);
        notes.same(C, "head", tip.head, state.head());
        notes.same(C, "events_head", tip.events_head, state.events_head());
        notes.same(C, "state_root", tip.root, state.state_root());
        notes.same(C, "time_ms", tip.time_ms, state.time_ms());
        notes.same(C, "item_count", books.next_item, state.item_count());
        notes.same(C, "unproven_segments", books.unproven, state.unproven_segments());
        let load = Load { base_fee: tip.base_fee, gas: tip.gas, segments: tip.user_segments, unproven: books.unproven };
        notes.same(Check::BaseFee, "next_base_fee", rules::next_base_fee(books.params(), &load), state.next_base_fee());
        let report = state.supply_report();
        notes.same(C, "supply", Zkpow(books.total), report.now);
        notes.same(C, "accrued", Zkpow(books.accrued), report.accrued);
        notes.same(C, "debt", Zkpow(books.debt), report.debt);
        notes.same(C, "reserved", Zkpow(books.funds.reserved), report.reserved);
        let f = &books.funds;
        notes.same(C, "earmarked", Zkpow(f.aggregation + f.settlement + f.posting), report.earmarked);
        notes.same(C, "escrow", Zkpow(books.balance(&ESCROW)), report.escrow);
        notes.same(C, "issuance", Zkpow(books.balance(&ISSUANCE)), report.issuance);
        if !report.conserved {
            notes.note(C, "conserved", true, false);
        }
        self.violations(notes)
    }

    /// Everything: each account, plugin, open task and batch.
    #[must_use]
    pub fn compare(&self, state: &State) -> Vec<Violation> {
        let mut out = self.compare_sums(state);
        let mut notes = Notes::default();
        let books = &self.books;
        for (who, (nonce, balance)) in &books.balances {
            let info = state.account_info(who);
            notes.same(C, "nonce and balance", (who, *nonce, Zkpow(*balance)), (who, info.nonce, info.balance));
        }
        for (who, account) in state.market_accounts() {
            let ours = books.account(who);
            let found = (account.accrued.0, account.debt.0, account.sequence, account.withdraw);
            let expected = (ours.accrued, ours.debt, ours.sequence, ours.withdraw);
            notes.same(C, "market account", (who, expected), (who, found));
        }
        let count = state.market_accounts().count();
        notes.same(C, "market accounts", books.accounts.len(), count);
        compare_plugins(books, state, &mut notes);
        let open: Vec<u64> = state.open_tasks().map(|(id, _)| id.0).collect();
        let ours = books.tasks.iter().filter(|(_, t)| !matches!(t.status, Status::Done | Status::Lapsed));
        notes.same(C, "open tasks", ours.map(|(id, _)| *id).collect::<Vec<_>>(), open);
        for (id, theirs) in state.open_tasks() {
            if let Some(ours) = books.tasks.get(&id.0) {
                let (expected, found) = (of_books(ours), of_kernel(theirs));
                notes.same(C, "task", (id, expected), (id, found));
            }
        }
        let oldest = state.batches().next().map_or(books.batches.len() as u64, |(index, _)| index.0);
        for (index, batch) in &books.batches {
            let theirs = state.batch(crowdfold_events::BatchIndex(*index));
            // The kernel forgets what was certified long ago.
            if theirs.is_none() && *index < oldest {
                continue;
            }
            let theirs = theirs.map(|b| (b.first_item.0, b.items, b.budget.0, b.proof, b.nodes.len()));
            let expected = (batch.first, batch.items, batch.budget, batch.proof, batch.nodes.len());
            notes.same(C, "batch", Some(expected), theirs);
        }
        out.extend(self.violations(notes));
        out
    }
}

fn compare_plugins(books: &Books, state: &State, notes: &mut Notes) {
    notes.same(C, "plugins", books.plugins.len(), state.plugins().count());
    for (who, theirs) in state.plugins() {
        let ours = books.plugins.get(who).map(|p| {
            let open: Vec<u64> = p.open.iter().copied().collect();
            let record = (p.index, p.active, p.suspended, p.last_seen, p.valid);
            (who, record, p.admission, p.accepted, p.failed, open)
        });
        let open: Vec<u64> = theirs.open.iter().map(|id| id.0).collect();
        let record = (theirs.index, theirs.active, theirs.suspended, theirs.last_seen.0, theirs.consecutive_valid);
        let found = (who, record, theirs.admission.0, theirs.accepted, theirs.failed, open);
        notes.same(C, "plugin", ours, Some(found));
    }
}

type Shown = (u128, u128, u128, u128, u64, u32, Status, usize);

fn of_books(t: &Task) -> Shown {
    (t.base, t.funded, t.held, t.bumped, t.opened_at, t.attempts, t.status.clone(), t.failed.len())
}

fn of_kernel(t: &KernelTask) -> Shown {
    let status = match &t.status {
        TaskStatus::Waiting { since } => Status::Waiting { since: since.0 },
        TaskStatus::Assigned(a) => {
            Status::Assigned { plugin: a.plugin, at: a.assigned_at.0, deadline: a.deadline.0, bounty: a.bounty.0 }
        }
        TaskStatus::Quarantined { deadline } => Status::Open { deadline: deadline.0 },
        TaskStatus::Done { .. } => Status::Done,
        TaskStatus::Lapsed => Status::Lapsed,
    };
    (t.base.0, t.funded.0, t.issuance_held.0, t.bumped.0, t.opened_at.0, t.attempts, status, t.failed.len())
}
