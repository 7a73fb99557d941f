//! What each event changes. Nothing here decides.
//!
//! Amounts move between sums that must stay consistent; every addition and
//! subtraction is checked, and one that leaves its range is remembered in
//! `broken`, which fails the block that produced the event.

use crowdfold_events::{AccountChange, Address, B256, BlockHeader, Event, FeeShares, Height, ItemIndex, TaskId, Zkpow, encode_event, event::{SettlementEntry, TaskKind}};
use crowdfold_config::ONE_BP;
use crowdfold_execution::execute::count_scalar;
use imbl::{OrdMap, OrdSet, Vector};

use crate::{
    faults::InvariantFault,
    model::{Accepted, Assignment, Batch, Item, ItemKind, Node, Plugin, Stages, Task, TaskStatus},
    state::State,
    vm,
};

impl State {
    /// Applies one event: the only thing that changes a state, and all that replay calls.
    ///
    /// Events must come from the journal of this chain, in order, from
    /// `BlockDecided` of the next block on.
    pub fn apply(&mut self, event: &Event) {
        self.chain_event(event);
        self.apply_unchained(event);
    }

    /// Moves the event chain's head over an event.
    pub(crate) fn chain_event(&mut self, event: &Event) {
        match encode_event(event) {
            Ok(stored) => self.events_head = stored.chain(&self.events_head),
            Err(_) => self.broken = Some(InvariantFault::Range("event size")),
        }
    }

    /// Everything but the event chain.
    pub(crate) fn apply_unchained(&mut self, event: &Event) {
        match event {
            Event::GenesisLoaded { .. } | Event::PluginSuspended { .. } | Event::PluginReinstated { .. } => self.apply_standing(event),
            Event::BlockDecided { header, .. } => {
                self.begin_block(header);
                self.record_header(header.hash());
            }
            Event::BlockSealed { .. } => self.seal_block(),
            Event::TransactionExecuted { changes, .. } | Event::SettlementApplied { changes, .. } => {
                self.write_tree(changes);
                self.apply_item(event);
            }
            Event::MessageAccepted { sender, sequence, .. } | Event::MessageRefused { sender, sequence, .. } => {
                self.account_mut(*sender).sequence = *sequence;
            }
            Event::HeartbeatsRecorded { .. }
            | Event::PluginRegistered { .. }
            | Event::AdmissionPassed { .. }
            | Event::AdmissionLapsed { .. }
            | Event::PluginActivated { .. }
            | Event::PluginDeactivated { .. }
            | Event::TrustChanged { .. } => self.apply_standing(event),
            Event::TaskOpened { .. }
            | Event::TaskAssigned { .. }
            | Event::TaskHandedBack { .. }
            | Event::ProofAccepted { .. }
            | Event::AggregateAccepted { .. }
            | Event::AssignmentTimedOut { .. }
            | Event::BountyBumped { .. }
            | Event::TaskQuarantined { .. } => self.apply_task(event),
            Event::PenaltyCharged { .. }
            | Event::PenaltyRefunded { .. }
            | Event::RewardAccrued { .. }
            | Event::DebtRepaid { .. }
            | Event::WithdrawRequested { .. } => self.apply_money(event),
            Event::BatchClosed { .. } | Event::BatchProven { .. } | Event::BatchCertified { .. } => self.apply_batch(event),
            Event::EpochStarted { epoch, issuance_allowance, registration_work } => {
                let market = &mut self.market;
                market.epoch = *epoch;
                market.issuance_left = issuance_allowance.0;
                market.registration_work = *registration_work;
                market.registrations = 0;
            }
        }
    }

    /// What the phases need of the header before its roots are known.
    pub(crate) fn begin_block(&mut self, header: &BlockHeader) {
        let chain = &mut self.chain;
        chain.height = header.height;
        chain.time_ms = header.time_ms;
        chain.proposer = header.proposer;
        chain.beacon = header.beacon;
        chain.base_fee = header.base_fee;
        chain.gas_used = 0;
        chain.user_segments = 0;
    }

    /// The block's own hash, which only later blocks look at.
    pub(crate) fn record_header(&mut self, hash: B256) {
        self.chain.head = hash;
        self.recent.insert(self.chain.height, hash);
        // Batches name the parent's header, so two are kept at least.
        let keep = self.params().plugins.registration_recent_blocks.max(2);
        while self.recent.len() as u64 > keep {
            let Some((oldest, _)) = self.recent.get_min().cloned() else { break };
            self.recent.remove(&oldest);
        }
    }

    /// Takes the tree that execution built in the place of writing the changes once more.
    pub(crate) fn apply_executed(&mut self, event: &Event, changes: &[AccountChange], tree: vm::Tree) {
        self.count_balances(changes);
        self.tree = tree;
        self.apply_item(event);
    }

    fn write_tree(&mut self, changes: &[AccountChange]) {
        self.count_balances(changes);
        if self.tree.write(changes).is_err() {
            self.broken = Some(InvariantFault::Range("state tree"));
        }
    }

    /// Keeps the sum of balances from the changes alone. An account may change twice in one item.
    fn count_balances(&mut self, changes: &[AccountChange]) {
        let mut latest = std::collections::BTreeMap::new();
        for change in changes {
            let before = latest.insert(change.account, change.balance.0).unwrap_or_else(|| self.tree.balance(&change.account));
            let (total, broken) = (&mut self.market.balances, &mut self.broken);
            add(total, change.balance.0, "balances", broken);
            sub(total, before, "balances", broken);
        }
    }

    fn apply_item(&mut self, event: &Event) {
        let committed = self.now();
        let stages = Stages { committed, assigned: None, proven: None, aggregated: None, certified: None };
        let (index, item) = match event {
            Event::TransactionExecuted { item, hash, sender, gas_used, segments, pre_root, post_root, data_hi, data_lo, env, shares, .. } => {
                self.chain.gas_used = self.chain.gas_used.saturating_add(*gas_used);
                self.chain.user_segments = self.chain.user_segments.saturating_add(*segments);
                self.market.settle_users = true;
                self.by_hash.insert(*hash, *item);
                self.earmark(shares);
                (*item, Item {
                    kind: ItemKind::Transaction { hash: *hash },
                    pre_root: *pre_root,
                    post_root: *post_root,
                    data_hi: *data_hi,
                    data_lo: *data_lo,
                    sender: *sender,
                    env: *env,
                    segments: *segments,
                    aggregation: shares.aggregation,
                    task: None,
                    accepted: None,
                    batch: None,
                    stages,
                })
            }
            Event::SettlementApplied { item, entries, segments, pre_root, post_root, data_lo, env, .. } => {
                self.apply_settlement(entries);
                (*item, Item {
                    kind: ItemKind::Settlement { entries: entries.clone() },
                    pre_root: *pre_root,
                    post_root: *post_root,
                    data_hi: count_scalar(entries.len()),
                    data_lo: *data_lo,
                    sender: Address::ZERO,
                    env: *env,
                    segments: *segments,
                    aggregation: Zkpow::ZERO,
                    task: None,
                    accepted: None,
                    batch: None,
                    stages,
                })
            }
            _ => return,
        };
        self.market.unproven_segments = self.market.unproven_segments.saturating_add(u64::from(item.segments));
        self.items.insert(index, item);
        self.chain.next_item = index.next();
    }

    /// Splits a fee: the proposer earns, the rest is earmarked.
    fn earmark(&mut self, shares: &FeeShares) {
        let proposer = self.chain.proposer;
        self.earn(proposer, shares.proposer.0, None);
        let (market, broken) = (&mut self.market, &mut self.broken);
        add(&mut market.unopened, shares.proving.0, "unopened", broken);
        add(&mut market.aggregation_fund, shares.aggregation.0, "aggregation fund", broken);
        add(&mut market.settlement_fund, shares.settlement.0, "settlement fund", broken);
        add(&mut market.posting_fund, shares.posting.0, "posting fund", broken);
    }

    /// Earnings repay debt first. `to_debt` states how much does; `None` computes it.
    fn earn(&mut self, who: Address, amount: u128, to_debt: Option<u128>) {
        let mut account = self.account(&who);
        let to_debt = to_debt.unwrap_or(amount.min(account.debt.0));
        let (market, broken) = (&mut self.market, &mut self.broken);
        sub(&mut account.debt.0, to_debt, "debt", broken);
        sub(&mut market.debt, to_debt, "debt", broken);
        let mut rest = amount;
        sub(&mut rest, to_debt, "earnings", broken);
        add(&mut account.accrued.0, rest, "accrued", broken);
        add(&mut market.accrued, rest, "accrued", broken);
        self.accounts.insert(who, account);
    }

    fn apply_settlement(&mut self, entries: &[SettlementEntry]) {
        self.market.last_settlement = self.chain.height;
        self.market.settle_users = false;
        for SettlementEntry { account, amount, credit } in entries {
            if *account == vm::ISSUANCE {
                sub(&mut self.market.issuance_due, amount.0, "issuance due", &mut self.broken);
            } else if *credit && *account != vm::ESCROW {
                let mut paid = self.account(account);
                sub(&mut paid.accrued.0, amount.0, "accrued", &mut self.broken);
                sub(&mut self.market.accrued, amount.0, "accrued", &mut self.broken);
                if paid.withdraw {
                    paid.withdraw = false;
                    self.market.withdrawals = self.market.withdrawals.saturating_sub(1);
                } else {
                    self.market.settlement_cursor = *account;
                }
                self.accounts.insert(*account, paid);
            }
        }
    }

    fn apply_standing(&mut self, event: &Event) {
        let now = self.chain.height;
        match event {
            Event::PluginRegistered { plugin } => {
                self.market.registrations = self.market.registrations.saturating_add(1);
                self.plugins.insert(*plugin, Plugin {
                    index: None,
                    admission: self.market.last_task.next(),
                    active: false,
                    suspended: false,
                    last_seen: now,
                    consecutive_valid: 0,
                    open: OrdSet::new(),
                    accepted: 0,
                    failed: 0,
                });
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
                    if let Some(p) = self.plugins.get_mut(address).filter(|p| set && p.index == u32::try_from(index).ok()) {
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
        self.open.remove(&id);
        self.waiting.remove(&id);
        self.remove_bumps(opened_at, id);
    }

    /// The next rise of an open task, unless its bounty is at the largest multiple.
    fn schedule_bump(&mut self, id: TaskId, opened_at: Height) {
        let bounty = &self.params().bounty;
        let rises = (self.chain.height.0 - opened_at.0) / bounty.bump_interval;
        let room = u64::from(bounty.max_bounty_multiple_bp - ONE_BP);
        if rises.saturating_mul(bounty.bump_rate_bp.into()) < room && bounty.bump_rate_bp > 0 {
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

    /// Frees the slot and the deadline of an assigned or quarantined task.
    fn leave_assignment(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        match &task.status {
            TaskStatus::Assigned(Assignment { plugin, deadline, .. }) => {
                let grace = self.params().proving.inclusion_grace;
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
    fn release_issuance(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let held = std::mem::take(&mut task.issuance_held);
        sub(&mut self.market.issuance_held, held.0, "issuance held", &mut self.broken);
        add(&mut self.market.issuance_left, held.0, "issuance left", &mut self.broken);
    }

    fn apply_task(&mut self, event: &Event) {
        let now = self.chain.height;
        match event {
            Event::TaskOpened { task, kind, segments, base_bounty, funded } => self.apply_opened(*task, kind, *segments, *base_bounty, *funded),
            Event::TaskAssigned { task: id, plugin, attempt, bounty, from_issuance, deadline, receipt } => {
                let stage = self.now();
                let expiry = Height(deadline.0.saturating_add(self.params().proving.inclusion_grace));
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
                self.waiting.remove(id);
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
            Event::ProofAccepted { task, plugin, proof_hash } | Event::AggregateAccepted { task, plugin, proof_hash } => {
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
        self.tasks.insert(id, Task {
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
        });
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
                    self.market.unproven_segments = self.market.unproven_segments.saturating_sub(u64::from(item.segments));
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

    fn apply_money(&mut self, event: &Event) {
        match event {
            Event::PenaltyCharged { plugin, task, amount, from_accrued, to_debt, .. } => {
                let mut account = self.account(plugin);
                let (market, broken) = (&mut self.market, &mut self.broken);
                sub(&mut account.accrued.0, from_accrued.0, "accrued", broken);
                sub(&mut market.accrued, from_accrued.0, "accrued", broken);
                add(&mut account.debt.0, to_debt.0, "debt", broken);
                add(&mut market.debt, to_debt.0, "debt", broken);
                self.accounts.insert(*plugin, account);
                if let Some(task) = self.tasks.get_mut(task) {
                    task.penalties.push_back((*plugin, *amount));
                }
            }
            Event::PenaltyRefunded { plugin, task, amount, to_debt } => {
                self.earn(*plugin, amount.0, Some(to_debt.0));
                if let Some(task) = self.tasks.get_mut(task)
                    && let Some(at) = task.penalties.iter().position(|(p, _)| p == plugin)
                {
                    task.penalties.remove(at);
                }
            }
            Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt } => {
                self.release_issuance(*task);
                let (market, broken) = (&mut self.market, &mut self.broken);
                sub(&mut market.reserved, from_fees.0, "reserved", broken);
                sub(&mut market.issuance_left, from_issuance.0, "issuance left", broken);
                add(&mut market.issuance_due, from_issuance.0, "issuance due", broken);
                self.earn(*plugin, amount.0, Some(to_debt.0));
            }
            Event::DebtRepaid { plugin, amount, .. } => {
                let mut account = self.account(plugin);
                sub(&mut account.debt.0, amount.0, "debt", &mut self.broken);
                sub(&mut self.market.debt, amount.0, "debt", &mut self.broken);
                self.accounts.insert(*plugin, account);
            }
            Event::WithdrawRequested { plugin, fee } => {
                let mut account = self.account(plugin);
                account.withdraw = true;
                sub(&mut account.accrued.0, fee.0, "accrued", &mut self.broken);
                sub(&mut self.market.accrued, fee.0, "accrued", &mut self.broken);
                add(&mut self.market.settlement_fund, fee.0, "settlement fund", &mut self.broken);
                self.market.withdrawals = self.market.withdrawals.saturating_add(1);
                self.accounts.insert(*plugin, account);
            }
            _ => {}
        }
    }

    fn apply_batch(&mut self, event: &Event) {
        let stage = self.now();
        match event {
            Event::BatchClosed { batch, first_item, items, segments, pre_root, post_root } => {
                let mut budget = 0;
                for index in first_item.0..first_item.0 + u64::from(*items) {
                    if let Some(item) = self.items.get_mut(&ItemIndex(index)) {
                        item.batch = Some(*batch);
                        add(&mut budget, item.aggregation.0, "aggregation budget", &mut self.broken);
                    }
                }
                self.market.next_batch = batch.next();
                self.market.next_batch_item = ItemIndex(first_item.0 + u64::from(*items));
                let parent = Height(stage.height.0.saturating_sub(1));
                let last_header = self.recent.get(&parent).copied().unwrap_or_default();
                self.batches.insert(*batch, Batch {
                    last_header,
                    first_item: *first_item,
                    items: *items,
                    segments: *segments,
                    pre_root: *pre_root,
                    post_root: *post_root,
                    budget: Zkpow(budget),
                    nodes: OrdMap::new(),
                    closed: stage,
                    proof: None,
                    proven: None,
                    certificate: None,
                    certified: None,
                });
            }
            Event::BatchProven { batch, proof_hash } => {
                let Some(record) = self.batches.get_mut(batch) else { return };
                record.proof = Some(*proof_hash);
                record.proven = Some(stage);
                let (first, items) = (record.first_item.0, record.items);
                self.stamp_items(first, items, |stages| stages.aggregated = Some(stage));
            }
            Event::BatchCertified { batch, certificate_hash } => {
                let Some(record) = self.batches.get_mut(batch) else { return };
                record.certificate = Some(*certificate_hash);
                record.certified = Some(stage);
                let (first, items) = (record.first_item.0, record.items);
                self.market.next_certified = batch.next();
                self.stamp_items(first, items, |stages| stages.certified = Some(stage));
            }
            _ => {}
        }
    }

    fn stamp_items(&mut self, first: u64, items: u32, stamp: impl Fn(&mut Stages)) {
        for index in first..first + u64::from(items) {
            if let Some(item) = self.items.get_mut(&ItemIndex(index)) {
                stamp(&mut item.stages);
            }
        }
    }
}

fn add(total: &mut u128, amount: u128, what: &'static str, broken: &mut Option<InvariantFault>) {
    match total.checked_add(amount) {
        Some(sum) => *total = sum,
        None => *broken = Some(InvariantFault::Range(what)),
    }
}

fn sub(total: &mut u128, amount: u128, what: &'static str, broken: &mut Option<InvariantFault>) {
    match total.checked_sub(amount) {
        Some(difference) => *total = difference,
        None => *broken = Some(InvariantFault::Range(what)),
    }
}
