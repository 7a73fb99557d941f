//! What holds after every block, whatever happened in it.
//!
//! - Balances sum to the genesis supply.
//! - escrow + due from issuance >= accrued + reserved + earmarked.
//! - issuance >= due + held + left of the allowance.
//! - No event took a sum out of its range; no item is without its task.
//!
//! These look at running totals, so that a block costs nothing extra.
//! [`State::audit`] also recomputes every total from its parts.

use crate::{faults::InvariantFault, model::TaskStatus, planted, state::State, vm};

impl State {
    /// Checks the invariants on the running totals.
    pub(crate) fn check_invariants(&self) -> Result<(), InvariantFault> {
        if planted::is_blind() {
            return Ok(());
        }
        if let Some(fault) = &self.broken {
            return Err(fault.clone());
        }
        let market = &self.market;
        if market.balances != self.supply {
            return Err(InvariantFault::Supply { now: market.balances, genesis: self.supply });
        }
        if market.unopened != 0 {
            return Err(InvariantFault::Total { what: "unopened", total: market.unopened, parts: 0 });
        }
        let owed = market.owed().ok_or(InvariantFault::Range("owed"))?;
        let (escrow, due) = (self.tree.balance(&vm::ESCROW), market.issuance_due);
        if escrow.checked_add(due).ok_or(InvariantFault::Range("escrow"))? < owed {
            return Err(InvariantFault::EscrowCover { escrow, due, owed });
        }
        let issuance = self.tree.balance(&vm::ISSUANCE);
        let parts = [due, market.issuance_held, market.issuance_left];
        let owed = parts.into_iter().try_fold(0u128, u128::checked_add).ok_or(InvariantFault::Range("issuance"))?;
        if issuance < owed {
            return Err(InvariantFault::IssuanceCover { issuance, owed });
        }
        Ok(())
    }

    /// Recomputes every running total from its parts; its cost grows with the state.
    ///
    /// # Errors
    /// The first total that differs, or the first broken invariant.
    pub fn audit(&self) -> Result<(), InvariantFault> {
        self.check_invariants()?;
        let same = |what, total: u128, parts: u128| {
            if total == parts { Ok(()) } else { Err(InvariantFault::Total { what, total, parts }) }
        };
        same("balances", self.market.balances, self.tree.total())?;
        same("accrued", self.market.accrued, self.accounts.values().map(|a| a.accrued.0).sum())?;
        same("debt", self.market.debt, self.accounts.values().map(|a| a.debt.0).sum())?;
        same(
            "withdrawals",
            self.market.withdrawals.into(),
            self.accounts.values().filter(|a| a.withdraw).count() as u128,
        )?;
        if let Some((address, _)) = self.accounts.iter().find(|(_, a)| a.accrued.0 > 0 && a.debt.0 > 0) {
            return Err(InvariantFault::AccruedAndDebt(*address));
        }
        let open = || self.open.iter().filter_map(|id| self.tasks.get(id));
        same("reserved", self.market.reserved, open().map(|t| t.funded.0).sum())?;
        same("issuance held", self.market.issuance_held, open().map(|t| t.issuance_held.0).sum())?;
        let unproven = self.items.values().filter(|i| i.accepted.is_none()).map(|i| u128::from(i.segments)).sum();
        same("unproven segments", self.market.unproven_segments.into(), unproven)?;
        let waiting = self.tasks.values().filter(|t| matches!(t.status, TaskStatus::Waiting { .. })).count();
        same("waiting tasks", self.waiting.len() as u128, waiting as u128)?;
        let timed = self
            .tasks
            .values()
            .filter(|t| matches!(t.status, TaskStatus::Assigned(_) | TaskStatus::Quarantined { .. }))
            .count();
        same("deadlines", self.deadlines.len() as u128, timed as u128)?;
        let assigned = self.tasks.values().filter(|t| matches!(t.status, TaskStatus::Assigned(_))).count();
        same("assigned tasks", self.plugins.values().map(|p| p.open.len() as u128).sum(), assigned as u128)
    }
}
