//! The phases after the messages: silence, deadlines, batches, draws, settlement, epoch, seal.

use std::collections::BTreeSet;

use crowdfold_events::{
    Address, BatchIndex, Event, Height, ItemIndex, TaskId, Zkpow,
    event::{DrawReceipt, InactiveReason, PenaltyReason, TaskKind},
    merkle::{self, Tree},
};

use crate::{
    books::{ISSUANCE, Status},
    referee::{Referee, Round, Step, Turn},
    rules,
    violation::Check,
};

impl Referee<'_> {
    pub(crate) fn phase(&mut self, step: &Step) -> Turn {
        let now = self.books.tip.height;
        match *step {
            Step::Heartbeats => {
                self.next([Step::Silent]);
                match self.beats.last() {
                    None => Turn::Pass,
                    Some(last) => {
                        let mut bitmap = vec![0u8; *last as usize / 8 + 1];
                        for index in &self.beats {
                            if let Some(byte) = bitmap.get_mut(*index as usize / 8) {
                                *byte |= 1 << (index % 8);
                            }
                        }
                        Turn::Expect(Event::HeartbeatsRecorded { bitmap })
                    }
                }
            }
            Step::Silent => {
                let ttl = self.books.params().plugins.heartbeat_ttl;
                let late = self.books.plugins.iter().filter(|(_, p)| p.active && now - p.last_seen > ttl);
                // By when they were last seen, then by address.
                let late: BTreeSet<_> = late.map(|(who, p)| (p.last_seen, *who)).collect();
                let mut steps: Vec<_> =
                    late.into_iter().map(|(_, who)| Step::Deactivate(who, InactiveReason::Expired)).collect();
                steps.push(Step::Deadlines);
                self.pass(steps)
            }
            Step::Deadlines => {
                let due = self.books.expiries.range(..=(now, u64::MAX));
                let mut steps: Vec<_> = due.map(|(_, id)| Step::Due(TaskId(*id))).collect();
                steps.push(Step::Rises);
                self.pass(steps)
            }
            Step::Due(id) => self.due(id),
            Step::TimedOut(task) => match self.books.tasks.get(&task.0).map(|t| &t.status) {
                Some(Status::Assigned { plugin, deadline, .. }) => {
                    Turn::Expect(Event::AssignmentTimedOut { task, plugin: *plugin, deadline: Height(*deadline) })
                }
                _ => Turn::Pass,
            },
            Step::Refund { plugin, task, charged } => {
                let to_debt = charged.min(self.books.account(&plugin).debt);
                // What was repaid by transfer is not in the escrow.
                let rest = (charged - to_debt).min(self.books.surplus());
                let (amount, to_debt) = (Zkpow(to_debt + rest), Zkpow(to_debt));
                self.next([Step::Reinstate(plugin)]);
                Turn::Expect(Event::PenaltyRefunded { plugin, task, amount, to_debt })
            }
            Step::Rises => {
                let due = self.books.bumps.range(..=(now, u64::MAX));
                let mut steps: Vec<_> = due.map(|(_, id)| Step::Rise(TaskId(*id))).collect();
                steps.push(Step::OldTasks);
                self.pass(steps)
            }
            Step::Rise(task) => match self.books.tasks.get(&task.0) {
                Some(t) => {
                    let params = self.books.params();
                    let rises = (now - t.opened_at) / params.bounty.bump_interval;
                    Turn::Expect(Event::BountyBumped { task, bounty: Zkpow(rules::risen(params, t.base, rises)) })
                }
                None => Turn::Pass,
            },
            Step::OldTasks => {
                let age = self.books.params().proving.open_after;
                let old = self
                    .books
                    .waiting
                    .iter()
                    .filter(|id| self.books.tasks.get(id).is_some_and(|t| t.opened_at.saturating_add(age) <= now));
                let mut steps: Vec<_> = old.map(|id| Step::Quarantine(TaskId(*id))).collect();
                steps.push(Step::Batches);
                self.pass(steps)
            }
            Step::Batches => self.ripe_batch(),
            Step::OpenNode(batch, level, position) => self.open_node(batch, level, position),
            Step::Draws => self.start_draws(),
            Step::Draw(task) => self.draw(task),
            Step::Settlement => {
                self.next([Step::Epoch]);
                match self.settlement_due() && !self.credits().is_empty() {
                    true => Turn::Kind("SettlementApplied", Check::Settlement),
                    false => Turn::Pass,
                }
            }
            Step::Epoch => self.epoch(),
            Step::Seal => {
                let (height, state_root) = (Height(now), self.books.tip.root);
                Turn::Expect(Event::BlockSealed { height, state_root, market_root: self.header.market_root })
            }
            _ => Turn::Pass,
        }
    }

    fn due(&mut self, id: TaskId) -> Turn {
        let Some(task) = self.books.tasks.get(&id.0) else { return Turn::Pass };
        match (&task.status, &task.kind) {
            (Status::Assigned { plugin, .. }, TaskKind::Admission { .. }) => {
                Turn::Expect(Event::AdmissionLapsed { plugin: *plugin, task: id })
            }
            (Status::Assigned { plugin, .. }, _) => {
                let mut steps = vec![Step::TimedOut(id)];
                steps.extend(self.failure(*plugin, id, PenaltyReason::Timeout));
                self.pass(steps)
            }
            (Status::Open { .. }, _) => {
                let refunds = task.penalties.iter();
                let mut steps: Vec<_> = refunds
                    .map(|(plugin, charged)| Step::Refund { plugin: *plugin, task: id, charged: *charged })
                    .collect();
                steps.push(Step::Quarantine(id));
                self.pass(steps)
            }
            _ => Turn::Pass,
        }
    }

    /// The next batch to close: full, or its first item was proven long enough ago.
    fn ripe_batch(&mut self) -> Turn {
        let (now, params) = (self.books.tip.height, &self.books.params().batches);
        let first = self.books.next_batch_item;
        let Some(oldest) = self.books.items.get(&first).and_then(|i| i.proven_at) else {
            return self.pass([Step::Draws]);
        };
        let (mut items, mut segments, mut full) = (0u32, 0u32, false);
        let (mut pre_root, mut post_root) = Default::default();
        for (_, item) in self.books.items.range(first..).take_while(|(_, i)| i.proven_at.is_some()) {
            if segments + item.segments > params.max_segments {
                full = true;
                break;
            }
            if items == 0 {
                pre_root = item.pre_root;
            }
            post_root = item.post_root;
            (items, segments) = (items + 1, segments + item.segments);
        }
        let ripe = full || segments >= params.max_segments || now - oldest >= params.max_age;
        if !ripe || items == 0 {
            return self.pass([Step::Draws]);
        }
        let (batch, first_item) = (BatchIndex(self.books.next_batch), ItemIndex(first));
        Turn::Expect(Event::BatchClosed { batch, first_item, items, segments, pre_root, post_root })
    }

    fn open_node(&mut self, index: u64, level: u8, position: u32) -> Turn {
        let Some(batch) = self.books.batches.get(&index) else { return Turn::Pass };
        let params = self.books.params();
        let arity = params.batches.aggregation_arity;
        let levels = rules::tree_levels(batch.items, arity);
        let (offset, items) = rules::items_below(batch.items, arity, level, position);
        let first = batch.first + u64::from(offset);
        let below = match level.checked_sub(1) {
            None => batch.items,
            Some(l) => levels.get(usize::from(l)).copied().unwrap_or_default(),
        };
        let children = (position.saturating_add(1).saturating_mul(arity).min(below)).saturating_sub(position * arity);
        let work: u32 = self.books.items.range(first..first + u64::from(items)).map(|(_, i)| i.segments).sum();
        // Every child of every node has the same share of the batch's budget.
        let all = u64::from(batch.items) + levels.iter().rev().skip(1).map(|n| u64::from(*n)).sum::<u64>();
        let share = batch.budget / u128::from(all.max(1)) * u128::from(children);
        let base = share.max(rules::least_base(params, children)).min(params.bounty.max_base.units());
        let funded = base.min(self.books.funds.aggregation);
        let (batch, first_item) = (BatchIndex(index), ItemIndex(first));
        let kind = TaskKind::Aggregate { batch, level, position, first_item, items };
        self.opening(kind, work + children, base, funded)
    }

    fn start_draws(&mut self) -> Turn {
        let lag = self.books.params().proving.draw_lag;
        let frozen_at = self.books.tip.height.checked_sub(lag);
        let frozen = frozen_at.and_then(|at| self.books.frozen.get(&at).map(|list| (at, list.clone())));
        let mut steps = Vec::new();
        if let Some((at, list)) = frozen {
            let ready = self.books.waiting.iter().filter(|id| {
                matches!(self.books.tasks.get(id).map(|t| &t.status), Some(Status::Waiting { since }) if *since <= at)
            });
            steps.extend(ready.map(|id| Step::Draw(TaskId(*id))));
            if !steps.is_empty() {
                self.round = Some(Round { root: merkle::root(Tree::Slots, &list), list });
            }
        }
        steps.push(Step::Settlement);
        self.pass(steps)
    }

    fn draw(&mut self, id: TaskId) -> Turn {
        let (Some(task), Some(round)) = (self.books.tasks.get(&id.0), self.round.as_mut()) else { return Turn::Pass };
        let params = self.books.params();
        let attempt = task.attempts + 1;
        let mut barred = task.failed.clone();
        let distinct: BTreeSet<&Address> = round.list.iter().collect();
        barred.extend(distinct.into_iter().filter(|who| self.books.free_slots(who) == 0));
        let beacon = self.header.beacon;
        let Some((place, rejected)) = rules::draw(&beacon, id.0, attempt, &round.list, &barred) else {
            return Turn::Pass;
        };
        let candidates = u32::try_from(round.list.len()).unwrap_or(u32::MAX);
        let plugin = round.list.remove(place);
        let wanted = rules::with_capacity(params, task.bumped, self.books.smoothed_milli);
        let (bounty, from_issuance) = self.books.paid(task, wanted);
        let now = self.books.tip.height;
        let deadline = Height(now + rules::deadline_blocks(params, task.segments));
        let receipt = DrawReceipt {
            beacon_height: Height(now),
            beacon,
            set_root: round.root,
            candidates,
            index: u32::try_from(place).unwrap_or(u32::MAX),
            rejected,
        };
        Turn::Expect(Event::TaskAssigned { task: id, plugin, attempt, bounty, from_issuance, deadline, receipt })
    }

    fn epoch(&mut self) -> Turn {
        self.next([Step::Seal]);
        let params = self.books.params();
        let epoch = self.books.tip.height / params.epoch.length;
        if epoch == self.books.epoch {
            return Turn::Pass;
        }
        let f = &self.books.funds;
        let free = self.books.balance(&ISSUANCE).saturating_sub(f.issuance_due.saturating_add(f.issuance_held));
        let issuance_allowance = Zkpow(params.epoch.issuance_allowance.units().min(free));
        let now = u128::from(self.books.registration_work);
        let wanted = u128::from(params.plugins.registrations_per_epoch);
        let next = rules::scaled(now, self.books.registrations.into(), wanted).clamp(now / 4, now * 4);
        let least = params.plugins.min_registration_work;
        let registration_work = u64::try_from(next).unwrap_or(u64::MAX).clamp(least, 1 << 60);
        Turn::Expect(Event::EpochStarted { epoch, issuance_allowance, registration_work })
    }

    /// What follows an event of these phases.
    pub(crate) fn unfold_phase(&mut self, step: Step, event: &Event) {
        match (step, event) {
            (Step::Batches, Event::BatchClosed { batch, items, .. }) => {
                let arity = self.books.params().batches.aggregation_arity;
                let nodes = items.div_ceil(arity);
                let mut steps: Vec<_> = (0..nodes).map(|position| Step::OpenNode(batch.0, 0, position)).collect();
                steps.push(Step::Batches);
                self.next(steps);
            }
            (Step::Settlement, Event::SettlementApplied { item, .. }) => self.next([Step::OpenItem(item.0)]),
            _ => {}
        }
    }
}
