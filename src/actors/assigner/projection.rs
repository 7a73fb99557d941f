//! What each plugin's session has to be told, as a function of blocks.
//!
//! It holds who has which task and what sessions are open, which can be rebuilt
//! from a snapshot, and what happened lately. It does no IO and knows no
//! package: the shell builds packages for the offers it names.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_events::{
    Address, Event, Height, TaskId, Zkpow,
    event::{DrawReceipt, SettlementEntry, TaskKind},
    wire::{CloseReason, Happened, Notice, Standing},
};
use crowdfold_kernel::{State, model::TaskStatus};

use super::recent::Recent;

/// Quarantined tasks offered to one plugin at a time.
const OPEN_TO_ALL: usize = 2;

/// A task that a plugin may work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Which attempt at the task, from 1.
    pub attempt: u32,
    /// What it is about.
    pub kind: TaskKind,
    /// Proof segments.
    pub segments: u32,
    /// What a proof pays.
    pub bounty: Zkpow,
    /// Block of the assignment.
    pub assigned: Height,
    /// Last block for a proof.
    pub deadline: Height,
    /// How it was drawn, unless it is open to everybody.
    pub draw: Option<DrawReceipt>,
}

/// Something for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// A task is now the plugin's; its package has to be built.
    Offer {
        /// The plugin.
        plugin: Address,
        /// The task.
        task: TaskId,
    },
    /// A task has ended for the plugin.
    Close {
        /// The plugin.
        plugin: Address,
        /// The task.
        task: TaskId,
        /// Why.
        reason: CloseReason,
    },
    /// Something that a block did to the plugin.
    Notify {
        /// The plugin.
        plugin: Address,
        /// What.
        notice: Notice,
    },
}

/// See the module's header.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    recent: Recent,
    /// Offered or to be offered, by plugin.
    tasks: BTreeMap<Address, BTreeMap<TaskId, Assigned>>,
    /// Plugins with a session.
    sessions: BTreeSet<Address>,
}

/// How the chain sees an address.
#[must_use]
pub fn standing(state: &State, plugin: &Address) -> Standing {
    match state.plugin(plugin) {
        None => Standing::Unknown,
        Some(p) if p.suspended => Standing::Suspended,
        Some(p) if p.index.is_none() => Standing::Candidate,
        Some(p) if p.active => Standing::Active,
        Some(_) => Standing::Inactive,
    }
}

fn assigned(state: &State, task: TaskId, plugin: &Address) -> Option<Assigned> {
    let found = state.task(task)?;
    let (kind, segments) = (found.kind.clone(), found.segments);
    match &found.status {
        TaskStatus::Assigned(a) if a.plugin == *plugin => Some(Assigned {
            attempt: found.attempts,
            kind,
            segments,
            bounty: a.bounty,
            assigned: a.assigned_at,
            deadline: a.deadline,
            draw: Some(a.receipt.clone()),
        }),
        TaskStatus::Quarantined { deadline } => Some(Assigned {
            attempt: found.attempts.saturating_add(1),
            kind,
            segments,
            bounty: found.base,
            assigned: state.height(),
            deadline: *deadline,
            draw: None,
        }),
        _ => None,
    }
}

/// The oldest tasks that are open to everybody.
fn open_to_all(state: &State) -> Vec<TaskId> {
    let quarantined = state.open_tasks().filter(|(_, t)| matches!(t.status, TaskStatus::Quarantined { .. }));
    quarantined.map(|(id, _)| id).take(OPEN_TO_ALL).collect()
}

/// Whether a plugin is told of tasks that are open to everybody.
fn takes_open(state: &State, plugin: &Address) -> bool {
    state.plugin(plugin).is_some_and(|p| p.index.is_some() && p.active)
}

impl Projection {
    /// A plugin's session begins: what it is told of its standing; notices
    /// change it from now on. Its tasks' packages must be ready or follow as offers.
    pub fn open(&mut self, state: &State, plugin: Address) -> Standing {
        let standing = standing(state, &plugin);
        self.sessions.insert(plugin);
        let open = if takes_open(state, &plugin) { open_to_all(state) } else { Vec::new() };
        let mut ids: BTreeSet<TaskId> = open.into_iter().collect();
        ids.extend(state.plugin(&plugin).into_iter().flat_map(|p| p.open.iter().copied().chain([p.admission])));
        let tasks = ids.into_iter().filter_map(|id| Some((id, assigned(state, id, &plugin)?))).collect();
        self.tasks.insert(plugin, tasks);
        standing
    }

    /// A plugin's session is over.
    pub fn close(&mut self, plugin: &Address) {
        self.sessions.remove(plugin);
        self.tasks.remove(plugin);
    }

    /// Whether a plugin has a session.
    #[must_use]
    pub fn is_open(&self, plugin: &Address) -> bool {
        self.sessions.contains(plugin)
    }

    /// Plugins with a session, in order of address.
    pub fn open_sessions(&self) -> impl Iterator<Item = &Address> {
        self.sessions.iter()
    }

    /// What blocks did to a plugin lately, oldest first.
    #[must_use]
    pub fn recent(&self, plugin: &Address) -> Vec<Happened> {
        self.recent.of(plugin)
    }

    /// A plugin's tasks.
    #[must_use]
    pub fn tasks(&self, plugin: &Address) -> Vec<(TaskId, Assigned)> {
        self.tasks.get(plugin).into_iter().flatten().map(|(id, a)| (*id, a.clone())).collect()
    }

    /// One of a plugin's tasks.
    #[must_use]
    pub fn task(&self, plugin: &Address, task: TaskId) -> Option<&Assigned> {
        self.tasks.get(plugin)?.get(&task)
    }

    /// A block was committed: what the open sessions are told, in order.
    pub fn apply(&mut self, state: &State, events: &[Event]) -> Vec<Tell> {
        let mut tells = Vec::new();
        for event in events {
            self.event(state, event, &mut tells);
        }
        let open = open_to_all(state);
        if !open.is_empty() {
            let takers: Vec<Address> = self.sessions.iter().copied().filter(|p| takes_open(state, p)).collect();
            for (plugin, task) in takers.iter().flat_map(|plugin| open.iter().map(|task| (*plugin, *task))) {
                if self.task(&plugin, task).is_none() {
                    self.offer(state, plugin, task, &mut tells);
                }
            }
        }
        tells
    }

    fn event(&mut self, state: &State, event: &Event, tells: &mut Vec<Tell>) {
        match event {
            Event::TaskAssigned { task, plugin, .. } => self.offer(state, *plugin, *task, tells),
            Event::ProofAccepted { task, plugin, proof_hash }
            | Event::AggregateAccepted { task, plugin, proof_hash } => {
                self.end_for_all(*task, plugin, tells);
                self.notify(state, *plugin, Notice::ProofAccepted { task: *task, proof_hash: *proof_hash }, tells);
            }
            Event::AssignmentTimedOut { task, plugin, .. } => {
                self.end(*plugin, *task, CloseReason::TimedOut, tells);
            }
            Event::AdmissionLapsed { task, plugin } => {
                self.end(*plugin, *task, CloseReason::TimedOut, tells);
                self.notify(state, *plugin, Notice::AdmissionLapsed, tells);
            }
            Event::TaskHandedBack { task, plugin } => self.end(*plugin, *task, CloseReason::HandedBack, tells),
            Event::TaskQuarantined { task, .. } => self.offer_again(state, *task, tells),
            _ => self.notice(state, event, tells),
        }
    }

    fn notice(&mut self, state: &State, event: &Event, tells: &mut Vec<Tell>) {
        let (plugin, notice) = match event {
            Event::PluginRegistered { plugin } => (plugin, Notice::Registered),
            Event::AdmissionPassed { plugin, .. } => (plugin, Notice::AdmissionPassed),
            Event::PluginActivated { plugin } => (plugin, Notice::Activated),
            Event::PluginDeactivated { plugin, reason } => (plugin, Notice::Deactivated { reason: *reason }),
            Event::PluginSuspended { plugin, debt } => (plugin, Notice::Suspended { debt: *debt }),
            Event::PluginReinstated { plugin } => (plugin, Notice::Reinstated),
            Event::RewardAccrued { plugin, task, amount, to_debt, .. } => {
                (plugin, Notice::Rewarded { task: *task, amount: *amount, to_debt: *to_debt })
            }
            Event::PenaltyCharged { plugin, task, reason, amount, holding_after, .. } => {
                let (task, reason, amount) = (*task, *reason, *amount);
                (plugin, Notice::Penalised { task, reason, amount, holding_after: *holding_after })
            }
            Event::PenaltyRefunded { plugin, task, amount, .. } => {
                (plugin, Notice::Refunded { task: *task, amount: *amount })
            }
            Event::TrustChanged { plugin, consecutive_valid, slots } => {
                (plugin, Notice::TrustChanged { consecutive_valid: *consecutive_valid, slots: *slots })
            }
            Event::MessageRefused { hash, sender, reason, .. } => {
                (sender, Notice::MessageRefused { message: *hash, reason: *reason })
            }
            Event::SettlementApplied { entries, .. } => {
                for SettlementEntry { account, amount, credit } in entries {
                    if *credit {
                        self.notify(state, *account, Notice::Settled { amount: *amount }, tells);
                    }
                }
                return;
            }
            _ => return,
        };
        self.notify(state, *plugin, notice, tells);
    }

    fn notify(&mut self, state: &State, plugin: Address, notice: Notice, tells: &mut Vec<Tell>) {
        // Settlements pay others too; an admission that lapsed leaves no plugin.
        if state.plugin(&plugin).is_some() || notice == Notice::AdmissionLapsed {
            self.recent.push(plugin, state.height(), &notice);
        }
        if self.is_open(&plugin) {
            tells.push(Tell::Notify { plugin, notice });
        }
    }

    fn offer(&mut self, state: &State, plugin: Address, task: TaskId, tells: &mut Vec<Tell>) {
        // A later event of the same block may have ended it already.
        let (true, Some(assigned)) = (self.is_open(&plugin), assigned(state, task, &plugin)) else { return };
        self.tasks.entry(plugin).or_default().insert(task, assigned);
        tells.push(Tell::Offer { plugin, task });
    }

    fn holders(&self, task: TaskId) -> Vec<Address> {
        self.tasks.iter().filter(|(_, tasks)| tasks.contains_key(&task)).map(|(plugin, _)| *plugin).collect()
    }

    /// The deadline of a task that is open to everybody was renewed: who could not meet the last one may meet this one.
    fn offer_again(&mut self, state: &State, task: TaskId, tells: &mut Vec<Tell>) {
        for plugin in self.holders(task).into_iter().filter(|plugin| takes_open(state, plugin)) {
            self.offer(state, plugin, task, tells);
        }
    }

    fn end(&mut self, plugin: Address, task: TaskId, reason: CloseReason, tells: &mut Vec<Tell>) {
        if self.tasks.get_mut(&plugin).and_then(|tasks| tasks.remove(&task)).is_some() {
            tells.push(Tell::Close { plugin, task, reason });
        }
    }

    fn end_for_all(&mut self, task: TaskId, by: &Address, tells: &mut Vec<Tell>) {
        for plugin in self.holders(task) {
            let reason = if plugin == *by { CloseReason::Accepted } else { CloseReason::ProvenByOther };
            self.end(plugin, task, reason, tells);
        }
    }
}
