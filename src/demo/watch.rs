//! What the demonstration learns from its node's events.
//!
//! A projection: nothing here decides, everything could be rebuilt from the
//! journal and the node's own measurements.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use crowdfold_events::{
    BatchIndex, Event, ItemIndex, SignedZkpow, TaskId, Zkpow,
    event::{PenaltyReason, TaskKind},
};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, timeout_at},
};

use super::{
    DemoError,
    view::{Stage, View},
};
use crate::node::{NodeEvent, TaskReport, TaskReports};

/// A penalty as it was charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Penalty {
    pub(super) plugin: Address,
    pub(super) task: TaskId,
    pub(super) reason: PenaltyReason,
    pub(super) amount: Zkpow,
    pub(super) holding_after: SignedZkpow,
}

/// Everything seen so far.
pub(super) struct Watch {
    events: Receiver<NodeEvent>,
    view: View,
    names: BTreeMap<Address, String>,
    /// Hashes of the demonstration's transactions in order of sending.
    sent: Vec<B256>,
    pub(super) tasks: TaskReports,
    pub(super) active: BTreeSet<Address>,
    pub(super) items: BTreeMap<B256, ItemIndex>,
    pub(super) task_of: BTreeMap<ItemIndex, TaskId>,
    pub(super) batch_of: BTreeMap<ItemIndex, BatchIndex>,
    pub(super) penalties: Vec<Penalty>,
    pub(super) proven: BTreeSet<BatchIndex>,
    pub(super) certified: BTreeSet<BatchIndex>,
    pub(super) files: BTreeMap<BatchIndex, PathBuf>,
    pub(super) bumps: BTreeMap<TaskId, Zkpow>,
    /// Rewards of each prover, before debts are repaid from them.
    pub(super) earned: BTreeMap<Address, Zkpow>,
}

impl Watch {
    pub(super) fn new(events: Receiver<NodeEvent>, view: View) -> Self {
        Self {
            events,
            view,
            names: BTreeMap::new(),
            sent: Vec::new(),
            tasks: TaskReports::default(),
            active: BTreeSet::new(),
            items: BTreeMap::new(),
            task_of: BTreeMap::new(),
            batch_of: BTreeMap::new(),
            penalties: Vec::new(),
            proven: BTreeSet::new(),
            certified: BTreeSet::new(),
            files: BTreeMap::new(),
            bumps: BTreeMap::new(),
            earned: BTreeMap::new(),
        }
    }

    pub(super) fn view(&self) -> &View {
        &self.view
    }

    pub(super) fn name(&mut self, plugin: Address, name: String) {
        self.names.insert(plugin, name);
    }

    pub(super) fn name_of(&self, plugin: &Address) -> String {
        self.names.get(plugin).cloned().unwrap_or_else(|| plugin.to_string())
    }

    /// A transaction of the demonstration was accepted by the node.
    pub(super) fn sent(&mut self, hash: B256) {
        let index = self.sent.len() as u32;
        self.sent.push(hash);
        let text = format!("pending, {hash}");
        self.view.transaction(index, Stage { text, permille: 0, is_progress: false });
    }

    pub(super) fn hashes(&self) -> &[B256] {
        &self.sent
    }

    /// The report of a transaction's task.
    pub(super) fn report(&self, hash: &B256) -> Option<(TaskId, &TaskReport)> {
        let task = *self.task_of.get(self.items.get(hash)?)?;
        Some((task, self.tasks.get(task)?))
    }

    /// The batch of a transaction.
    pub(super) fn batch(&self, hash: &B256) -> Option<BatchIndex> {
        self.batch_of.get(self.items.get(hash)?).copied()
    }

    /// Takes events in until `done` holds.
    pub(super) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), DemoError> {
        self.view.stage(&format!("waiting for {what}"));
        let deadline = Instant::now() + limit;
        while !done(self) {
            let stalled = || DemoError::Stalled { what: what.to_owned(), seconds: limit.as_secs() };
            match timeout_at(deadline, self.events.recv()).await.map_err(|_| stalled())? {
                Ok(NodeEvent::Failed(why)) => return Err(DemoError::NodeFailed(why)),
                Ok(event) => self.take(&event),
                Err(RecvError::Lagged(missed)) => return Err(DemoError::Missed(missed)),
                Err(RecvError::Closed) => return Err(DemoError::NodeFailed("it has ended".to_owned())),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &NodeEvent) {
        self.tasks.apply(event);
        match event {
            NodeEvent::Committed(committed) => committed.events.iter().for_each(|event| self.chain_event(event)),
            NodeEvent::Checked(check) => {
                let name = self.name_of(&check.plugin);
                let task = check.task.0;
                self.view.line(&match check.refused {
                    Some(code) => format!("a proof of {name} for task {task} is refused: {code:?}"),
                    None => format!(
                        "the proof of {name} for task {task} is valid: {} bytes, verified in {} ms, canonical in {} ms",
                        check.proof_bytes, check.verify_ms, check.canonical_ms
                    ),
                });
            }
            NodeEvent::BatchWritten { batch, path, bytes } => {
                self.files.insert(*batch, path.clone());
                self.view.line(&format!("batch {batch} is certified: {} ({bytes} bytes)", path.display()));
            }
            NodeEvent::Offered { .. } | NodeEvent::Progress { .. } | NodeEvent::Failed(_) => {}
        }
        for index in 0..self.sent.len() {
            let stage = self.stage_of(&self.sent[index]);
            self.view.transaction(index as u32, stage);
        }
    }

    fn chain_event(&mut self, event: &Event) {
        match event {
            Event::TransactionExecuted { item, hash, .. } => {
                self.items.insert(*hash, *item);
            }
            Event::SettlementApplied { item, entries, .. } => {
                self.view.line(&format!("item {item}: a settlement of {} entries", entries.len()));
            }
            Event::TaskOpened { task, kind: TaskKind::Prove { item }, .. } => {
                self.task_of.insert(*item, *task);
            }
            Event::TaskAssigned { task, plugin, attempt, bounty, .. } => {
                let name = self.name_of(plugin);
                self.view.line(&format!(
                    "task {task}{}: drawn for {name}, attempt {attempt}, bounty {}",
                    self.about(*task),
                    zkpow(*bounty)
                ));
            }
            Event::AssignmentTimedOut { task, plugin, .. } => {
                let name = self.name_of(plugin);
                self.view.line(&format!("task {task}{}: {name} missed the deadline", self.about(*task)));
            }
            Event::PenaltyCharged { plugin, task, reason, amount, holding_after, .. } => {
                let penalty = Penalty {
                    plugin: *plugin,
                    task: *task,
                    reason: *reason,
                    amount: *amount,
                    holding_after: *holding_after,
                };
                self.penalties.push(penalty);
                let name = self.name_of(plugin);
                self.view.line(&format!(
                    "{name} pays a penalty of {}; holding {}",
                    zkpow(*amount),
                    signed_zkpow(*holding_after)
                ));
            }
            Event::RewardAccrued { plugin, amount, .. } => {
                let earned = self.earned.entry(*plugin).or_default();
                earned.0 = earned.0.saturating_add(amount.0);
            }
            Event::BountyBumped { task, bounty } => {
                self.bumps.insert(*task, *bounty);
                self.view.line(&format!(
                    "task {task}{}: the base bounty rises to {}",
                    self.about(*task),
                    zkpow(*bounty)
                ));
            }
            Event::AdmissionPassed { plugin, .. } => {
                self.view.line(&format!("{} is admitted by a real proof", self.name_of(plugin)));
            }
            Event::PluginActivated { plugin } => {
                self.active.insert(*plugin);
            }
            Event::PluginDeactivated { plugin, reason } => {
                self.active.remove(plugin);
                self.view.line(&format!("{} is inactive: {reason:?}", self.name_of(plugin)));
            }
            Event::ProofAccepted { task, plugin, .. } | Event::AggregateAccepted { task, plugin, .. } => {
                self.view.line(&format!(
                    "task {task}{}: the proof of {} is accepted",
                    self.about(*task),
                    self.name_of(plugin)
                ));
            }
            Event::BatchClosed { batch, first_item, items, segments, .. } => {
                for item in first_item.0..first_item.0 + u64::from(*items) {
                    self.batch_of.insert(ItemIndex(item), *batch);
                }
                self.view.line(&format!("batch {batch} is closed: {items} items, {segments} segments"));
            }
            Event::BatchProven { batch, .. } => {
                self.proven.insert(*batch);
            }
            Event::BatchCertified { batch, .. } => {
                self.certified.insert(*batch);
            }
            _ => {}
        }
    }

    /// What a task is about, in brackets.
    fn about(&self, task: TaskId) -> String {
        match self.tasks.get(task).and_then(|report| report.kind.as_ref()) {
            Some(TaskKind::Prove { item }) => {
                match self.sent.iter().position(|hash| self.items.get(hash) == Some(item)) {
                    Some(index) => format!(" (transaction {})", index + 1),
                    None => format!(" (item {item})"),
                }
            }
            Some(TaskKind::Admission { .. }) => " (admission)".to_owned(),
            Some(TaskKind::Aggregate { batch, .. }) => format!(" (aggregate of batch {batch})"),
            None => String::new(),
        }
    }

    fn stage_of(&self, hash: &B256) -> Stage {
        let stage = |text: String, permille, is_progress| Stage { text, permille, is_progress };
        let Some(item) = self.items.get(hash) else { return stage(format!("pending, {hash}"), 0, false) };
        let batch = self.batch_of.get(item);
        if let Some(batch) = batch.filter(|batch| self.certified.contains(batch)) {
            return stage(format!("certified in batch {batch}"), 1000, false);
        }
        if let Some(batch) = batch.filter(|batch| self.proven.contains(batch)) {
            return stage(format!("aggregated in batch {batch}"), 950, false);
        }
        let Some((_, report)) = self.report(hash) else { return stage(format!("committed as item {item}"), 50, false) };
        let Some(plugin) = report.plugin else { return stage(format!("committed as item {item}"), 50, false) };
        let name = self.name_of(&plugin);
        if report.accepted_at.is_some() {
            let text = match batch {
                Some(batch) => format!("proven by {name}, in batch {batch}"),
                None => format!("proven by {name}"),
            };
            return stage(text, 800, false);
        }
        let text = format!("assigned to {name}, attempt {}", report.attempts);
        stage(text, 100 + report.permille / 10 * 7, report.permille > 0)
    }
}

/// An amount in ZKPoW.
pub(super) fn zkpow(amount: Zkpow) -> String {
    crowdfold_config::Amount(amount).to_string()
}

/// A signed amount in ZKPoW.
pub(super) fn signed_zkpow(amount: SignedZkpow) -> String {
    let sign = if amount.0 < 0 { "-" } else { "" };
    format!("{sign}{}", zkpow(Zkpow(amount.0.unsigned_abs())))
}
