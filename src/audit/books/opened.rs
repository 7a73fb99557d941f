//! Books that begin in the middle: with what a state between two blocks holds.
//!
//! Totals count from there on. Everything else is what books that followed all
//! events would have, so that amounts are recomputed from there on as they are
//! from the genesis on.

use std::collections::BTreeMap;

use crowdfold_events::{Address, ItemIndex, Zkpow, event::TaskKind};
use crowdfold_kernel::{
    ESCROW, ISSUANCE, State,
    model::{ItemKind, Task, TaskStatus},
};

use super::{Account, Assigned, BatchBudget, Bill, Books, ItemShares, Pools};

impl Books {
    /// The books of a chain whose state after its last block this is, under its own parameters.
    #[must_use]
    pub fn after(state: &State) -> Self {
        let sums = state.market_sums();
        let balances: BTreeMap<Address, u128> =
            state.tree().iter().map(|(address, found)| (address.into(), found.balance)).collect();
        let balance = |address: &Address| balances.get(address).copied().unwrap_or_default();
        let (escrow, issuance) = (balance(&ESCROW), balance(&ISSUANCE));
        let open = state.market_accounts().filter(|(_, a)| a.accrued.0 > 0 || a.debt.0 > 0);
        let accounts =
            open.map(|(address, a)| (*address, Account { accrued: a.accrued.0, debt: a.debt.0, ..Account::default() }));
        let items = (sums.next_batch_item.0..state.item_count()).map(ItemIndex);
        let items = items.filter_map(|index| {
            let item = state.item(index)?;
            let is_settlement = matches!(item.kind, ItemKind::Settlement { .. });
            // Its task is open: what its fee pays for the proof is in the bill.
            Some((index, ItemShares { proving: 0, aggregation: item.aggregation.0, is_settlement }))
        });
        let batches = state.batches().filter(|(_, batch)| batch.certified.is_none());
        Self {
            params: state.genesis().params.clone(),
            height: state.height(),
            proposer: Default::default(),
            accounts: accounts.collect(),
            bills: state.open_tasks().map(|(id, task)| (id, bill(task))).collect(),
            items: items.collect(),
            batches: batches
                .map(|(index, batch)| (index, BatchBudget { items: batch.items, budget: batch.budget.0 }))
                .collect(),
            pools: Pools {
                accrued: sums.accrued,
                reserved: sums.reserved,
                unopened: sums.unopened,
                aggregation: sums.aggregation,
                settlement: sums.settlement,
                posting: sums.posting,
                issuance_due: sums.issuance_due,
                issuance_held: sums.issuance_held,
                issuance_left: sums.issuance_left,
                escrow,
                issuance,
            },
            smoothed_milli: sums.smoothed_slots_milli,
            total: balances.values().sum(),
            balances,
            due: None,
        }
    }
}

fn bill(task: &Task) -> Bill {
    let assigned = match &task.status {
        TaskStatus::Assigned(a) => Some(Assigned {
            plugin: a.plugin,
            at: a.assigned_at,
            deadline: a.deadline,
            bounty: a.bounty.0,
            from_issuance: task.issuance_held.0,
        }),
        _ => None,
    };
    Bill {
        base: task.base.0,
        funded: task.funded.0,
        opened_at: task.opened_at,
        rises: !matches!(task.kind, TaskKind::Admission { .. }),
        assigned,
        last: assigned,
        penalties: task.penalties.iter().map(|(plugin, Zkpow(amount))| (*plugin, *amount)).collect(),
    }
}
