//! Rewards, penalties, trust, suspension: what an answer or its absence costs.

use crowdfold_events::{
    Address, Event, Height, SignedZkpow, TaskId, Zkpow,
    event::{InactiveReason, PenaltyReason, TaskKind},
};

use crate::{
    model::TaskStatus,
    planted::{self, Bug},
    run::Run,
};

impl Run<'_> {
    /// Pays the worker of an accepted proof; `paid` is the bounty and its part from issuance.
    pub(crate) fn reward(&mut self, task: TaskId, plugin: Address, paid: (Zkpow, Zkpow)) {
        let (amount, from_issuance) = paid;
        if amount == Zkpow::ZERO {
            return;
        }
        let from_fees = amount.saturating_sub(from_issuance);
        let mut to_debt = amount.min(self.state.account(&plugin).debt);
        if planted::is(Bug::RewardIgnoresDebt) {
            to_debt = Zkpow::ZERO;
        }
        self.emit(Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt });
        if planted::is(Bug::RewardTwice) {
            let (from_fees, from_issuance) = (Zkpow::ZERO, Zkpow::ZERO);
            let to_debt = amount.min(self.state.account(&plugin).debt);
            self.emit(Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt });
        }
        self.reinstate(plugin);
    }

    /// Charges a penalty: from accrued rewards (the bond first, which they contain), then as debt.
    pub(crate) fn charge(&mut self, plugin: Address, task: TaskId, reason: PenaltyReason, amount: Zkpow) {
        let (mut plugin, mut amount) = (plugin, amount);
        match () {
            () if planted::is(Bug::PenaltyDoubled) => amount = Zkpow(amount.0 * 2),
            () if planted::is(Bug::PenaltyToProposer) => plugin = self.state.chain.proposer,
            () if planted::is(Bug::PenaltyForgotten) && reason == PenaltyReason::Timeout => return,
            () => {}
        }
        let account = self.state.account(&plugin);
        let mut from_accrued = amount.min(account.accrued);
        if planted::is(Bug::PenaltyAllDebt) {
            from_accrued = Zkpow::ZERO;
        }
        let to_debt = amount.saturating_sub(from_accrued);
        let holding = self.state.holding(&plugin).saturating_sub_unsigned(amount.0);
        self.emit(Event::PenaltyCharged {
            plugin,
            task,
            reason,
            amount,
            from_accrued,
            to_debt,
            holding_after: SignedZkpow(holding),
        });
        let debt = self.state.account(&plugin).debt;
        let Some(record) = self.state.plugins.get(&plugin) else { return };
        let beyond = debt.0 > self.state.params().proving.max_debt.units() && !planted::is(Bug::SuspensionMissed);
        if beyond && !record.suspended {
            let active = record.active;
            self.emit(Event::PluginSuspended { plugin, debt });
            if active {
                self.emit(Event::PluginDeactivated { plugin, reason: InactiveReason::Suspended });
            }
        }
    }

    /// Lifts a suspension once the debt is back within its limit.
    pub(crate) fn reinstate(&mut self, plugin: Address) {
        let within = self.state.account(&plugin).debt.0 <= self.state.params().proving.max_debt.units()
            || planted::is(Bug::ReinstatedTooEarly);
        if within && self.state.plugins.get(&plugin).is_some_and(|p| p.suspended) {
            self.emit(Event::PluginReinstated { plugin });
        }
    }

    /// Trust after a valid proof (`true`) or a failure.
    pub(crate) fn change_trust(&mut self, plugin: Address, valid: bool) {
        let Some(record) = self.state.plugins.get(&plugin) else { return };
        let consecutive_valid = match valid {
            true => record.consecutive_valid.saturating_add(1),
            false if planted::is(Bug::TrustKept) => record.consecutive_valid,
            false => 0,
        };
        if consecutive_valid == record.consecutive_valid {
            return;
        }
        let mut after = record.clone();
        after.consecutive_valid = consecutive_valid;
        let slots = self.state.slots(&plugin, &after);
        self.emit(Event::TrustChanged { plugin, consecutive_valid, slots });
    }

    /// After a failure: enough different ones open the task to everybody.
    pub(crate) fn quarantine_if_failed_often(&mut self, id: TaskId) {
        let Some(task) = self.state.tasks.get(&id) else { return };
        let enough = task.failed.len() >= self.state.params().proving.quarantine_attempts as usize;
        if enough && !planted::is(Bug::QuarantineNever) {
            self.quarantine(id);
        }
    }

    fn quarantine(&mut self, id: TaskId) {
        let Some(task) = self.state.tasks.get(&id) else { return };
        let p = &self.state.params().proving;
        let length = p.deadline_base + p.deadline_per_segment * u64::from(task.segments) + p.inclusion_grace;
        let deadline = Height(self.state.chain.height.0 + length);
        self.emit(Event::TaskQuarantined { task: id, deadline });
    }

    /// Deadlines that end with this block, by (height, task), then rises, then tasks that waited too long.
    pub(crate) fn pass_deadlines(&mut self) {
        let now = self.state.chain.height;
        let due: Vec<TaskId> =
            self.state.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            let Some(task) = self.state.tasks.get(&id) else { continue };
            match (&task.status, &task.kind) {
                (TaskStatus::Assigned(a), TaskKind::Admission { .. }) => {
                    let plugin = a.plugin;
                    self.emit(Event::AdmissionLapsed { plugin, task: id });
                }
                (TaskStatus::Assigned(a), _) => {
                    let (plugin, deadline) = (a.plugin, a.deadline);
                    self.emit(Event::AssignmentTimedOut { task: id, plugin, deadline });
                    self.change_trust(plugin, false);
                    let penalty = self.state.params().proving.timeout_penalty.0;
                    self.charge(plugin, id, PenaltyReason::Timeout, penalty);
                    self.quarantine_if_failed_often(id);
                }
                (TaskStatus::Quarantined { .. }, _) => {
                    self.refund(id);
                    // Stays open; the next deadline has nothing left to refund.
                    self.quarantine(id);
                }
                _ => {}
            }
        }
        self.bump_bounties();
        self.open_old_tasks();
    }

    /// Nobody could prove an open task either: those who were charged get it back, debt first.
    fn refund(&mut self, id: TaskId) {
        let penalties = self.state.tasks.get(&id).map(|t| t.penalties.clone()).unwrap_or_default();
        for (plugin, charged) in penalties {
            let to_debt = charged.min(self.state.account(&plugin).debt);
            // What was repaid by transfer lies outside the escrow and cannot be paid back from it.
            let to_accrued = charged.saturating_sub(to_debt).min(Zkpow(self.state.surplus()));
            let amount = Zkpow(to_debt.0 + to_accrued.0);
            let other = self.state.roster.front().copied().filter(|_| planted::is(Bug::RefundToOther));
            let plugin = other.unwrap_or(plugin);
            self.emit(Event::PenaltyRefunded { plugin, task: id, amount, to_debt });
            self.reinstate(plugin);
        }
    }

    /// A task that nobody may or wants to take does not wait for ever.
    fn open_old_tasks(&mut self) {
        let now = self.state.chain.height.0;
        let age = self.state.params().proving.open_after;
        // Tasks are numbered in the order of opening, so the old ones come first.
        let old: Vec<TaskId> = self
            .state
            .waiting
            .iter()
            .take_while(|id| self.state.tasks.get(id).is_some_and(|t| t.opened_at.0 + age <= now))
            .copied()
            .collect();
        for id in old {
            self.quarantine(id);
        }
    }
}
