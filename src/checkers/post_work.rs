//! What events about plugins, tasks, items and batches change in the books.

use crowdfold_config::ONE_BP;
use crowdfold_events::{Address, B256, Event, TaskId, event::TaskKind};

use crate::{
    books::{Batch, Books, Plugin, Status, Task},
    post::Notes,
    rules,
    violation::Check,
};

impl Books {
    pub(crate) fn post_work(&mut self, event: &Event, notes: &mut Notes) {
        let now = self.tip.height;
        match event {
            Event::PluginRegistered { plugin } => {
                self.registrations += 1;
                let admission = self.last_task + 1;
                self.plugins.insert(*plugin, Plugin { admission, last_seen: now, ..Plugin::default() });
            }
            Event::AdmissionPassed { plugin, .. } => {
                let index = u32::try_from(self.roster.len()).ok();
                self.roster.push(*plugin);
                self.with_plugin(plugin, |p| p.index = index);
            }
            Event::AdmissionLapsed { plugin, task } => {
                self.plugins.remove(plugin);
                self.close(task.0, Status::Lapsed);
            }
            Event::PluginActivated { plugin } => self.with_plugin(plugin, |p| {
                p.active = true;
                p.last_seen = now;
            }),
            Event::PluginDeactivated { plugin, .. } => self.with_plugin(plugin, |p| p.active = false),
            Event::PluginSuspended { plugin, .. } => self.with_plugin(plugin, |p| p.suspended = true),
            Event::PluginReinstated { plugin } => self.with_plugin(plugin, |p| p.suspended = false),
            Event::TrustChanged { plugin, consecutive_valid, .. } => {
                let valid = *consecutive_valid;
                self.with_plugin(plugin, |p| p.valid = valid);
            }
            Event::HeartbeatsRecorded { bitmap } => {
                for (index, who) in self.roster.iter().enumerate() {
                    if bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
                        && let Some(p) = self.plugins.get_mut(who)
                    {
                        p.last_seen = now;
                    }
                }
            }
            Event::TaskOpened { .. } => self.post_opened(event, notes),
            Event::TaskAssigned { .. } => self.post_assigned(event, notes),
            Event::TaskHandedBack { task, plugin } | Event::AssignmentTimedOut { task, plugin, .. } => {
                self.leave(task.0);
                self.release_held(task.0, notes);
                self.with_plugin(plugin, |p| p.failed += 1);
                if let Some(t) = self.tasks.get_mut(&task.0) {
                    t.failed.insert(*plugin);
                    t.status = Status::Waiting { since: now };
                    self.waiting.insert(task.0);
                }
            }
            Event::BountyBumped { task, bounty } => {
                if let Some(t) = self.tasks.get_mut(&task.0) {
                    t.bumped = bounty.0;
                }
                self.plan_bump(task.0);
            }
            Event::TaskQuarantined { task, deadline } => {
                self.leave(task.0);
                self.cancel_bump(task.0);
                if let Some(t) = self.tasks.get_mut(&task.0) {
                    t.status = Status::Open { deadline: deadline.0 };
                    self.expiries.insert((deadline.0, task.0));
                }
            }
            Event::ProofAccepted { task, plugin, proof_hash }
            | Event::AggregateAccepted { task, plugin, proof_hash } => {
                self.post_proof(task.0, *plugin, *proof_hash, notes)
            }
            Event::BatchClosed { batch, first_item, items, .. } => {
                let range = first_item.0..first_item.0.saturating_add((*items).into());
                let mut budget = 0u128;
                for (_, item) in self.items.range_mut(range.clone()) {
                    if let Some(before) = item.batch.replace(batch.0) {
                        notes.note(Check::Batches, "items", "in no batch", before);
                    }
                    budget = budget.saturating_add(item.aggregation);
                }
                self.next_batch = batch.0 + 1;
                self.next_batch_item = range.end;
                let record =
                    Batch { first: range.start, items: *items, budget, nodes: Default::default(), proof: None };
                self.batches.insert(batch.0, record);
            }
            Event::BatchProven { batch, proof_hash } => {
                if let Some(b) = self.batches.get_mut(&batch.0) {
                    b.proof = Some(*proof_hash);
                }
            }
            Event::BatchCertified { batch, .. } => {
                self.next_certified = batch.0 + 1;
                // Nothing later looks at what is settled for good.
                if let Some(b) = self.batches.remove(&batch.0) {
                    self.items = self.items.split_off(&(b.first + u64::from(b.items)));
                }
            }
            Event::BlockSealed { .. } => self.seal(),
            _ => {}
        }
    }

    fn with_plugin(&mut self, who: &Address, change: impl FnOnce(&mut Plugin)) {
        if let Some(p) = self.plugins.get_mut(who) {
            change(p);
        }
    }

    fn post_opened(&mut self, event: &Event, notes: &mut Notes) {
        let Event::TaskOpened { task: TaskId(id), kind, segments, base_bounty, funded } = event else { return };
        let now = self.tip.height;
        self.last_task = *id;
        let f = &mut self.funds;
        let fund = match kind {
            TaskKind::Prove { item } if self.items.get(&item.0).is_some_and(|i| i.transaction) => &mut f.unopened,
            TaskKind::Prove { .. } => &mut f.settlement,
            TaskKind::Aggregate { .. } => &mut f.aggregation,
            TaskKind::Admission { .. } => &mut f.reserved,
        };
        if *fund < funded.0 {
            notes.note(Check::Range, "fund of the task", format!("at least {funded}"), *fund);
        }
        *fund = fund.saturating_sub(funded.0);
        f.reserved = f.reserved.saturating_add(funded.0);
        if let TaskKind::Aggregate { batch, level, position, .. } = kind
            && let Some(b) = self.batches.get_mut(&batch.0)
            && b.nodes.insert((*level, *position), None).is_some()
        {
            notes.note(Check::Aggregation, "node", "opened once", (level, position));
        }
        let task = Task {
            kind: kind.clone(),
            segments: *segments,
            base: base_bounty.0,
            funded: funded.0,
            held: 0,
            bumped: base_bounty.0,
            opened_at: now,
            next_bump: None,
            attempts: 0,
            status: Status::Waiting { since: now },
            failed: Default::default(),
            penalties: Vec::new(),
        };
        self.tasks.insert(*id, task);
        if !matches!(kind, TaskKind::Admission { .. }) {
            self.waiting.insert(*id);
            self.plan_bump(*id);
        }
    }

    fn post_assigned(&mut self, event: &Event, notes: &mut Notes) {
        let Event::TaskAssigned { task: TaskId(id), plugin, attempt, bounty, from_issuance, deadline, .. } = event
        else {
            return;
        };
        let (now, grace) = (self.tip.height, self.params().proving.inclusion_grace);
        let slots = self.slots(plugin) as usize;
        let Some(task) = self.tasks.get_mut(id) else {
            return notes.note(Check::LiveAssignment, "task", "an open task", id);
        };
        if !matches!(task.status, Status::Waiting { .. }) {
            notes.note(Check::LiveAssignment, "status", "waiting", &task.status);
        }
        if task.failed.contains(plugin) {
            notes.note(Check::Draw, "plugin", "one that did not fail this task", plugin);
        }
        let draws = !matches!(task.kind, TaskKind::Admission { .. });
        task.attempts = *attempt;
        task.held = from_issuance.0;
        task.status = Status::Assigned { plugin: *plugin, at: now, deadline: deadline.0, bounty: bounty.0 };
        let f = &mut self.funds;
        if f.issuance_left < from_issuance.0 {
            notes.note(Check::Range, "issuance left", format!("at least {from_issuance}"), f.issuance_left);
        }
        f.issuance_left = f.issuance_left.saturating_sub(from_issuance.0);
        f.issuance_held = f.issuance_held.saturating_add(from_issuance.0);
        self.waiting.remove(id);
        self.expiries.insert((deadline.0.saturating_add(grace), *id));
        let Some(p) = self.plugins.get_mut(plugin) else {
            return notes.note(Check::Draw, "plugin", "registered", plugin);
        };
        if draws && !p.active {
            notes.note(Check::Draw, "plugin", "active", plugin);
        }
        if draws && p.open.len() >= slots {
            notes.note(Check::Slots, "open tasks", format!("at most {slots}"), p.open.len() + 1);
        }
        p.open.insert(*id);
    }

    fn post_proof(&mut self, id: u64, plugin: Address, proof: B256, notes: &mut Notes) {
        let now = self.tip.height;
        match self.tasks.get(&id).map(|t| &t.status) {
            Some(Status::Assigned { plugin: assignee, .. }) if *assignee == plugin => {}
            Some(Status::Open { .. }) => {}
            other => notes.note(Check::ProofAcceptance, "task", format!("assigned to {plugin}, or open"), other),
        }
        self.close(id, Status::Done);
        self.with_plugin(&plugin, |p| p.accepted += 1);
        match self.tasks.get(&id).map(|t| t.kind.clone()) {
            Some(TaskKind::Prove { item }) => {
                if let Some(item) = self.items.get_mut(&item.0) {
                    item.proven_at = Some(now);
                    self.unproven = self.unproven.saturating_sub(item.segments.into());
                }
            }
            Some(TaskKind::Aggregate { batch, level, position, .. }) => {
                if let Some(b) = self.batches.get_mut(&batch.0) {
                    b.nodes.insert((level, position), Some(proof));
                }
            }
            _ => {}
        }
    }

    /// Ends a task for good.
    fn close(&mut self, id: u64, status: Status) {
        self.leave(id);
        self.cancel_bump(id);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.status = status;
            task.failed.clear();
            task.penalties.clear();
        }
    }

    /// Frees slot, deadline and place in the queue.
    fn leave(&mut self, id: u64) {
        self.waiting.remove(&id);
        let grace = self.params().proving.inclusion_grace;
        match self.tasks.get(&id).map(|t| t.status.clone()) {
            Some(Status::Assigned { plugin, deadline, .. }) => {
                self.expiries.remove(&(deadline.saturating_add(grace), id));
                self.with_plugin(&plugin, |p| {
                    p.open.remove(&id);
                });
            }
            Some(Status::Open { deadline }) => drop(self.expiries.remove(&(deadline, id))),
            _ => {}
        }
    }

    fn cancel_bump(&mut self, id: u64) {
        if let Some(at) = self.tasks.get_mut(&id).and_then(|t| t.next_bump.take()) {
            self.bumps.remove(&(at, id));
        }
    }

    /// The next rise of a task, unless its bounty is at its largest.
    fn plan_bump(&mut self, id: u64) {
        self.cancel_bump(id);
        let (now, b) = (self.tip.height, self.params().bounty.clone());
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let rises = (now - task.opened_at) / b.bump_interval;
        let reached = u128::from(ONE_BP) + u128::from(rises) * u128::from(b.bump_rate_bp);
        if b.bump_rate_bp > 0 && reached < u128::from(b.max_bounty_multiple_bp) {
            let at = task.opened_at + (rises + 1) * b.bump_interval;
            task.next_bump = Some(at);
            self.bumps.insert((at, id));
        }
    }

    /// After the last event of a block.
    fn seal(&mut self) {
        let now = self.tip.height;
        let active = self.plugins.iter().filter(|(_, p)| p.active);
        let slots = active.map(|(who, _)| u64::from(self.slots(who))).sum();
        self.smoothed_milli = rules::smoothed(self.params(), self.smoothed_milli, slots);
        if !self.waiting.is_empty() {
            self.frozen.insert(now, self.free_list());
        }
        let lag = self.params().proving.draw_lag;
        self.frozen = self.frozen.split_off(&(now + 1).saturating_sub(lag));
    }
}
