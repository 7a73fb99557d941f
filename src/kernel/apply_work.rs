//! What events about plugins and tasks change.

use crowdfold_config::ONE_BP;
use crowdfold_events::{Address, B256, Event, Height, TaskId, Zkpow, event::TaskKind};
use imbl::{OrdSet, Vector};

use crate::{
    apply::{add, sub},
    model::{Accepted, Assignment, ItemKind, Node, Plugin, Task, TaskStatus},
    planted::{self, Bug},
    state::State,
};

impl State {
    pub(crate) fn apply_standing(&mut self, event: &Event) {
        let now = self.chain.height;
        match event {
            Event::PluginRegistered { plugin } => {
                self.market.registrations = self.market.registrations.saturating_add(1);
                self.plugins.insert(
                    *plugin,
                    Plugin {
                        index: None,
                        admission: self.market.last_task.next(),
                        active: false,
                        suspended: false,
                        last_seen: now,
                        consecutive_valid: 0,
                        open: OrdSet::new(),
                        accepted: 0,
                        failed: 0,
                    },
                );
            }
            Event::AdmissionPassed { plugin, .. } => {
                let index = self.market.next_plugin_index;
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.index = Some(index);
                    self.market.next_plugin_index = index.saturating_add(1);
                    self.roster.push_back(*plugin);
                }
            }
            Event::AdmissionLapsed { plugin, task } => {
                self.plugins.remove(plugin);
                self.close_task(*task, TaskStatus::Lapsed);
            }
            Event::PluginActivated { plugin } => {
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.active = true;
                    p.last_seen = now;
                    self.seen.insert((now, *plugin));
                }
            }
            Event::PluginDeactivated { plugin, .. } => {
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.active = false;
                    self.seen.remove(&(p.last_seen, *plugin));
                }
            }
            Event::PluginSuspended { plugin, .. } => self.set_suspended(plugin, true),
            Event::PluginReinstated { plugin } => self.set_suspended(plugin, false),
            Event::TrustChanged { plugin, consecutive_valid, .. } => {
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.consecutive_valid = *consecutive_valid;
                }
            }
            Event::HeartbeatsRecorded { bitmap } => {
                for (index, address) in self.roster.clone().iter().enumerate() {
                    let set = bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
                    if let Some(p) =
                        self.plugins.get_mut(address).filter(|p| set && p.index == u32::try_from(index).ok())
                    {
                        if p.active && self.seen.remove(&(p.last_seen, *address)).is_some() {
                            self.seen.insert((now, *address));
                        }
                        p.last_seen = now;
                    }
                }
            }
            _ => {}
        }
    }

    fn set_suspended(&mut self, plugin: &Address, suspended: bool) {
        if let Some(p) = self.plugins.get_mut(plugin) {
            p.suspended = suspended;
        }
    }

    /// Ends a task for good.
    fn close_task(&mut self, id: TaskId, status: TaskStatus) {
        self.leave_assignment(id);
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let opened_at = task.opened_at;
        task.status = status;
        if matches!(task.kind, TaskKind::Admission { .. }) {
            self.closed.insert((self.chain.height, id));
        }
        self.open.remove(&id);
        self.waiting.remove(&id);
        self.remove_bumps(opened_at, id);
    }

    /// The next rise of an open task, unless its bounty is at the largest multiple.
    fn schedule_bump(&mut self, id: TaskId, opened_at: Height) {
        let bounty = &self.params().bounty;
        let rises = (self.chain.height.0 - opened_at.0) / bounty.bump_interval;
        let room = u64::from(bounty.max_bounty_multiple_bp - ONE_BP);
        let rising = rises.saturating_mul(bounty.bump_rate_bp.into()) < room || planted::is(Bug::BumpBeyondCap);
        if rising && bounty.bump_rate_bp > 0 {
            let at = Height(opened_at.0 + (rises + 1) * bounty.bump_interval);
            self.bumps.insert((at, id));
        }
    }

    fn remove_bumps(&mut self, opened_at: Height, id: TaskId) {
        let interval = self.params().bounty.bump_interval;
        let age = self.chain.height.0.saturating_sub(opened_at.0);
        // The pending rise is the first multiple of the interval from now on.
        for n in [age / interval, age / interval + 1] {
            self.bumps.remove(&(Height(opened_at.0 + n * interval), id));
        }
    }

    /// Blocks after a deadline in which a proof still counts.
    fn grace(&self) -> u64 {
        if planted::is(Bug::GraceForgotten) { 0 } else { self.params().proving.inclusion_grace }
    }

    /// Frees the slot and the deadline of an assigned or quarantined task.
    fn leave_assignment(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        match &task.status {
            TaskStatus::Assigned(Assignment { plugin, deadline, .. }) => {
                let grace = self.grace();
                let (plugin, expiry) = (*plugin, Height(deadline.0.saturating_add(grace)));
                self.deadlines.remove(&(expiry, id));
                if let Some(p) = self.plugins.get_mut(&plugin) {
                    p.open.remove(&id);
                }
            }
            TaskStatus::Quarantined { deadline } => {
                let deadline = *deadline;
                self.deadlines.remove(&(deadline, id));
            }
            _ => {}
        }
    }

    /// Gives issuance held for an assignment back to the allowance.
    pub(crate) fn release_issuance(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let held = std::mem::take(&mut task.issuance_held);
        sub(&mut self.market.issuance_held, held.0, "issuance held", &mut self.broken);
        add(&mut self.market.issuance_left, held.0, "issuance left", &mut self.broken);
    }

    pub(crate) fn apply_task(&mut self, event: &Event) {
        let now = self.chain.height;
        match event {
            Event::TaskOpened { task, kind, segments, base_bounty, funded } => {
                self.apply_opened(*task, kind, *segments, *base_bounty, *funded)
            }
            Event::TaskAssigned { task: id, plugin, attempt, bounty, from_issuance, deadline, receipt } => {
                let stage = self.now();
                let expiry = Height(deadline.0.saturating_add(self.grace()));
                let Some(task) = self.tasks.get_mut(id) else { return };
                task.attempts = *attempt;
                task.issuance_held = *from_issuance;
                task.status = TaskStatus::Assigned(Assignment {
                    plugin: *plugin,
                    assigned_at: now,
                    deadline: *deadline,
                    bounty: *bounty,
                    receipt: receipt.clone(),
                });
                if let TaskKind::Prove { item } = task.kind
                    && let Some(item) = self.items.get_mut(&item)
                {
                    item.stages.assigned.get_or_insert(stage);
                }
                if !planted::is(Bug::AssignedTwice) {
                    self.waiting.remove(id);
                }
                self.deadlines.insert((expiry, *id));
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.open.insert(*id);
                }
                sub(&mut self.market.issuance_left, from_issuance.0, "issuance left", &mut self.broken);
                add(&mut self.market.issuance_held, from_issuance.0, "issuance held", &mut self.broken);
            }
            Event::TaskHandedBack { task: id, plugin } | Event::AssignmentTimedOut { task: id, plugin, .. } => {
                self.leave_assignment(*id);
                self.release_issuance(*id);
                if let Some(p) = self.plugins.get_mut(plugin) {
                    p.failed = p.failed.saturating_add(1);
                }
                let Some(task) = self.tasks.get_mut(id) else { return };
                task.failed.insert(*plugin);
                task.status = TaskStatus::Waiting { since: now };
                self.waiting.insert(*id);
            }
            Event::BountyBumped { task: id, bounty } => {
                self.bumps.remove(&(now, *id));
                if let Some(task) = self.tasks.get_mut(id) {
                    task.bumped = *bounty;
                    let opened_at = task.opened_at;
                    self.schedule_bump(*id, opened_at);
                }
            }
            Event::TaskQuarantined { task: id, deadline } => {
                self.leave_assignment(*id);
                self.waiting.remove(id);
                if let Some(task) = self.tasks.get_mut(id) {
                    task.status = TaskStatus::Quarantined { deadline: *deadline };
                    let opened_at = task.opened_at;
                    self.deadlines.insert((*deadline, *id));
                    self.remove_bumps(opened_at, *id);
                }
            }
            Event::ProofAccepted { task, plugin, proof_hash }
            | Event::AggregateAccepted { task, plugin, proof_hash } => {
                self.apply_accepted(*task, *plugin, *proof_hash);
            }
            _ => {}
        }
    }

    fn apply_opened(&mut self, id: TaskId, kind: &TaskKind, segments: u32, base: Zkpow, funded: Zkpow) {
        let now = self.chain.height;
        let (market, broken) = (&mut self.market, &mut self.broken);
        market.last_task = id;
        let mut rises = true;
        match kind {
            TaskKind::Prove { item } => {
                let source = match self.items.get(item).map(|i| &i.kind) {
                    Some(ItemKind::Transaction { .. }) => &mut market.unopened,
                    _ => &mut market.settlement_fund,
                };
                sub(source, funded.0, "fund of a task", broken);
                if let Some(item) = self.items.get_mut(item) {
                    item.task = Some(id);
                }
            }
            TaskKind::Aggregate { batch, level, position, .. } => {
                sub(&mut market.aggregation_fund, funded.0, "aggregation fund", broken);
                if let Some(batch) = self.batches.get_mut(batch) {
                    batch.nodes.insert((*level, *position), Node { task: id, accepted: None });
                }
            }
            TaskKind::Admission { .. } => rises = false,
        }
        add(&mut market.reserved, funded.0, "reserved", broken);
        self.tasks.insert(
            id,
            Task {
                kind: kind.clone(),
                segments,
                base,
                funded,
                issuance_held: Zkpow::ZERO,
                bumped: base,
                opened_at: now,
                attempts: 0,
                status: TaskStatus::Waiting { since: now },
                failed: OrdSet::new(),
                penalties: Vector::new(),
            },
        );
        self.open.insert(id);
        if rises {
            self.waiting.insert(id);
            self.schedule_bump(id, now);
        }
    }

    fn apply_accepted(&mut self, id: TaskId, plugin: Address, proof: B256) {
        let stage = self.now();
        self.close_task(id, TaskStatus::Done { plugin, proof, at: stage.height });
        if let Some(p) = self.plugins.get_mut(&plugin) {
            p.accepted = p.accepted.saturating_add(1);
        }
        let accepted = Accepted { worker: plugin, task: id, proof };
        match self.tasks.get(&id).map(|t| t.kind.clone()) {
            Some(TaskKind::Prove { item }) => {
                if let Some(item) = self.items.get_mut(&item) {
                    item.accepted = Some(accepted);
                    item.stages.proven = Some(stage);
                    let proven = if planted::is(Bug::BacklogKept) { 0 } else { item.segments };
                    self.market.unproven_segments = self.market.unproven_segments.saturating_sub(u64::from(proven));
                }
            }
            Some(TaskKind::Aggregate { batch, level, position, .. }) => {
                if let Some(node) = self.batches.get_mut(&batch).and_then(|b| b.nodes.get_mut(&(level, position))) {
                    node.accepted = Some(accepted);
                }
            }
            Some(TaskKind::Admission { .. }) | None => {}
        }
    }
}
