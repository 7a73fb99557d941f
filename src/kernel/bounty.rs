//! What a proof pays.
//!
//! ```text
//! bounty = base * clamp(target_slots / smoothed active slots, 1, max_capacity_multiple)
//!               * min(1 + bump_rate * (age / bump_interval), max_bounty_multiple)
//! ```
//!
//! `base` is paid by fees as far as they were earmarked; the rest comes from
//! the epoch's issuance allowance and is cut when that is exhausted. The bounty
//! is fixed at assignment.

use crowdfold_config::ONE_BP;
use crowdfold_events::{Event, TaskId, Zkpow};

use crate::{
    fees::share,
    model::Task,
    planted::{self, Bug},
    run::Run,
    state::State,
};

impl State {
    /// The capacity multiple now, in basis points.
    #[must_use]
    pub fn capacity_multiple_bp(&self) -> u32 {
        let bounty = &self.params().bounty;
        let wanted = u128::from(bounty.target_slots) * 1_000 * u128::from(ONE_BP);
        let multiple = wanted.checked_div(u128::from(self.market.smoothed_slots_milli)).unwrap_or(u128::MAX);
        let multiple = u32::try_from(multiple).unwrap_or(u32::MAX);
        let max = if planted::is(Bug::CapacityUncapped) { 100 * ONE_BP } else { bounty.max_capacity_multiple_bp };
        multiple.clamp(ONE_BP, max)
    }

    /// What a task would be assigned for now: bounty, and the part that comes from issuance.
    #[must_use]
    pub fn bounty_now(&self, task: &Task) -> (Zkpow, Zkpow) {
        let wanted = share(task.bumped.0, self.capacity_multiple_bp());
        self.limit_by_issuance(task, wanted)
    }

    /// What the first valid proof of a quarantined task wins.
    pub(crate) fn open_bounty(&self, task: &Task) -> (Zkpow, Zkpow) {
        self.limit_by_issuance(task, task.base.0)
    }

    fn limit_by_issuance(&self, task: &Task, wanted: u128) -> (Zkpow, Zkpow) {
        let left = if planted::is(Bug::IssuanceUncapped) { u128::MAX } else { self.market.issuance_left };
        let from_issuance = wanted.saturating_sub(task.funded.0).min(left);
        (Zkpow(task.funded.0 + from_issuance), Zkpow(from_issuance))
    }

    /// Base bounty after `rises` rises.
    pub(crate) fn risen(&self, base: Zkpow, rises: u64) -> Zkpow {
        let bounty = &self.params().bounty;
        let multiple = u64::from(ONE_BP).saturating_add(rises.saturating_mul(bounty.bump_rate_bp.into()));
        let max = if planted::is(Bug::BumpBeyondCap) { u32::MAX } else { bounty.max_bounty_multiple_bp };
        let multiple = u32::try_from(multiple).unwrap_or(u32::MAX).min(max);
        Zkpow(share(base.0, multiple))
    }
}

impl Run<'_> {
    /// Raises the bounties that are due in this block.
    pub(crate) fn bump_bounties(&mut self) {
        let now = self.state.chain.height;
        let due: Vec<TaskId> = self.state.bumps.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            let Some(task) = self.state.tasks.get(&id) else { continue };
            let rises = (now.0 - task.opened_at.0) / self.state.params().bounty.bump_interval;
            let bounty = self.state.risen(task.base, rises);
            self.emit(Event::BountyBumped { task: id, bounty });
        }
    }
}
