//! Who stood where, from events alone.
//!
//! Bookkeeping of its own beside the kernel's state: active provers, their
//! trust, debts and open tasks, who failed what, and the free slots after each
//! block. Every draw is recomputed from it with
//! [`crowdfold_kernel::draw::verify_receipt`]. It trusts the order of the
//! events and nothing else; the parameters are the genesis'.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_config::Params;
use crowdfold_events::{
    Address, B256, Event, Height, TaskId,
    event::{DrawReceipt, TaskKind},
};
use crowdfold_kernel::{
    admission_index,
    draw::{DrawInputs, slots_root, verify_receipt},
};

/// A prover as events show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prover {
    /// Passed its admission.
    pub admitted: bool,
    /// May be drawn.
    pub active: bool,
    /// Valid proofs since its last failure.
    pub consecutive_valid: u32,
    /// Tasks that it holds.
    pub open: BTreeSet<TaskId>,
}

/// A task as events show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What it is about.
    pub kind: TaskKind,
    /// Its segments.
    pub segments: u32,
    /// Block in which it was opened.
    pub opened_at: Height,
    /// Assignments so far.
    pub attempts: u32,
    /// Who failed it.
    pub failed: BTreeSet<Address>,
    /// Who has it, and until which block.
    pub holder: Option<(Address, Height)>,
    /// Waits to be drawn since this block.
    pub waiting: Option<Height>,
}

/// See the module's header.
#[derive(Clone, Debug)]
pub struct Standing {
    params: Params,
    admission_items: u32,
    height: Height,
    beacon: B256,
    proposer: Address,
    provers: BTreeMap<Address, Prover>,
    debts: BTreeMap<Address, u128>,
    /// Tasks that are not done.
    tasks: BTreeMap<TaskId, Work>,
    waiting: u64,
    /// Free slots after the last blocks, one entry per slot in order of address.
    frozen: BTreeMap<Height, Vec<Address>>,
    /// Indices drawn in this block so far.
    drawn: Vec<u32>,
}

/// A draw whose receipt does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawFault {
    /// A task that was never opened, or is done.
    #[error("no such task is open")]
    UnknownTask,
    /// Somebody has it, or it is open to everybody.
    #[error("the task does not wait to be drawn")]
    NotWaiting,
    /// It came back after the candidates were frozen.
    #[error("it waits since block {since}, the candidates were frozen after block {frozen}")]
    TooYoung {
        /// Since when it waits.
        since: Height,
        /// When the candidates were frozen.
        frozen: Height,
    },
    /// Another number of attempts.
    #[error("it says attempt {found}, it is attempt {expected}")]
    Attempt {
        /// In the event.
        found: u32,
        /// By the events before.
        expected: u32,
    },
    /// Another beacon than this block's.
    #[error("the receipt's beacon is not the block's")]
    Beacon,
    /// Another deadline than the parameters give.
    #[error("the deadline is {found}, the parameters give {expected}")]
    Deadline {
        /// In the event.
        found: Height,
        /// By the parameters.
        expected: Height,
    },
    /// No candidates were frozen.
    #[error("no candidates were frozen after block {0}")]
    NotFrozen(Height),
    /// Another admission item than the beacon gives, or another plugin.
    #[error("the admission item is not the one that the beacon gives")]
    Admission,
    /// The receipt.
    #[error(transparent)]
    Receipt(#[from] crowdfold_kernel::draw::ReceiptFault),
}

impl Standing {
    /// Before the first block.
    #[must_use]
    pub fn new(params: &Params, admission_items: u32) -> Self {
        Self {
            params: params.clone(),
            admission_items,
            height: Height(0),
            beacon: B256::ZERO,
            proposer: Address::ZERO,
            provers: BTreeMap::new(),
            debts: BTreeMap::new(),
            tasks: BTreeMap::new(),
            waiting: 0,
            frozen: BTreeMap::new(),
            drawn: Vec::new(),
        }
    }

    /// Takes the places that a state gives.
    pub(super) fn begin(
        &mut self,
        height: Height,
        provers: BTreeMap<Address, Prover>,
        debts: BTreeMap<Address, u128>,
        tasks: BTreeMap<TaskId, Work>,
        frozen: BTreeMap<Height, Vec<Address>>,
    ) {
        self.waiting = tasks.values().filter(|task| task.waiting.is_some()).count() as u64;
        (self.height, self.provers, self.debts) = (height, provers, debts);
        (self.tasks, self.frozen) = (tasks, frozen);
    }

    /// The block whose events come now.
    #[must_use]
    pub fn height(&self) -> Height {
        self.height
    }

    /// Its proposer.
    #[must_use]
    pub fn proposer(&self) -> Address {
        self.proposer
    }

    /// A prover.
    #[must_use]
    pub fn prover(&self, address: &Address) -> Option<&Prover> {
        self.provers.get(address)
    }

    /// An open task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Work> {
        self.tasks.get(&id)
    }

    /// Debt of an account in smallest units.
    #[must_use]
    pub fn debt(&self, address: &Address) -> u128 {
        self.debts.get(address).copied().unwrap_or_default()
    }

    /// Slots that trust gives; one while in debt.
    #[must_use]
    pub fn slots(&self, address: &Address) -> u32 {
        if self.debt(address) > 0 {
            return 1;
        }
        let valid = self.provers.get(address).map_or(0, |p| p.consecutive_valid);
        (1 + valid / self.params.trust.valid_per_slot.max(1)).min(self.params.trust.max_slots)
    }

    /// Sum of the slots of active provers.
    #[must_use]
    pub fn active_slots(&self) -> u64 {
        self.provers.iter().filter(|(_, p)| p.active).map(|(a, _)| u64::from(self.slots(a))).sum()
    }

    /// Active provers' slots that hold no task.
    #[must_use]
    pub fn free_slots(&self, address: &Address) -> u32 {
        let Some(prover) = self.provers.get(address).filter(|p| p.active) else { return 0 };
        self.slots(address).saturating_sub(u32::try_from(prover.open.len()).unwrap_or(u32::MAX))
    }

    /// Slots for which a bond stays accrued; 0 for who needs none.
    #[must_use]
    pub fn bonded_slots(&self, address: &Address) -> u32 {
        let bonded = self.provers.get(address).is_some_and(|p| p.admitted && (p.active || !p.open.is_empty()));
        if bonded { self.slots(address) } else { 0 }
    }

    /// The candidates of a draw in this block, before any was drawn.
    #[must_use]
    pub fn candidates(&self) -> Option<(Height, &[Address])> {
        let at = Height(self.height.0.checked_sub(self.params.proving.draw_lag)?);
        Some((at, self.frozen.get(&at)?))
    }

    /// Indices that this block's earlier draws took, in order.
    #[must_use]
    pub fn drawn(&self) -> &[u32] {
        &self.drawn
    }

    /// Candidates that may not take a task now: they failed it, left, or have no free slot.
    #[must_use]
    pub fn ineligible(&self, id: TaskId) -> BTreeSet<Address> {
        let Some((_, list)) = self.candidates() else { return BTreeSet::new() };
        let failed = self.tasks.get(&id).map(|t| &t.failed);
        let out = |a: &Address| failed.is_some_and(|f| f.contains(a)) || self.free_slots(a) == 0;
        list.iter().filter(|a| out(a)).copied().collect()
    }

    /// Recomputes an assignment before it is applied: receipt, attempt, deadline.
    ///
    /// # Errors
    /// What does not fit; whoever wrote the event is at fault.
    pub fn check_draw(
        &self,
        id: TaskId,
        plugin: Address,
        attempt: u32,
        deadline: Height,
        receipt: &DrawReceipt,
    ) -> Result<(), DrawFault> {
        let task = self.tasks.get(&id).ok_or(DrawFault::UnknownTask)?;
        let expected = task.attempts.saturating_add(1);
        if attempt != expected {
            return Err(DrawFault::Attempt { found: attempt, expected });
        }
        if receipt.beacon != self.beacon || receipt.beacon_height != self.height {
            return Err(DrawFault::Beacon);
        }
        let proving = &self.params.proving;
        let length = proving.deadline_per_segment.saturating_mul(task.segments.into());
        let expected = Height(self.height.0.saturating_add(proving.deadline_base).saturating_add(length));
        if deadline != expected {
            return Err(DrawFault::Deadline { found: deadline, expected });
        }
        if let TaskKind::Admission { plugin: candidate, admission_item } = task.kind {
            let index = admission_index(&self.beacon, &candidate, self.admission_items);
            let given = DrawReceipt {
                beacon_height: self.height,
                beacon: self.beacon,
                set_root: slots_root(&[]),
                candidates: self.admission_items,
                index,
                rejected: 0,
            };
            let fits = plugin == candidate && admission_item == index && *receipt == given;
            return if fits { Ok(()) } else { Err(DrawFault::Admission) };
        }
        let since = task.waiting.ok_or(DrawFault::NotWaiting)?;
        let at = Height(self.height.0.saturating_sub(proving.draw_lag));
        let Some((frozen, slots)) = self.candidates() else { return Err(DrawFault::NotFrozen(at)) };
        if since > frozen {
            return Err(DrawFault::TooYoung { since, frozen });
        }
        let ineligible = self.ineligible(id);
        let inputs = DrawInputs { task: id, attempt, slots, earlier: &self.drawn, ineligible: &ineligible };
        verify_receipt(&inputs, receipt, plugin)?;
        Ok(())
    }

    /// Takes note of an event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::BlockDecided { header, .. } => {
                self.height = header.height;
                self.beacon = header.beacon;
                self.proposer = header.proposer;
                self.drawn.clear();
            }
            Event::TransactionExecuted { shares, .. } => {
                // Earnings repay debt first.
                let proposer = self.proposer;
                let repaid = self.debt(&proposer).min(shares.proposer.0);
                self.repay(&proposer, repaid);
            }
            Event::RewardAccrued { plugin, to_debt, .. } | Event::PenaltyRefunded { plugin, to_debt, .. } => {
                self.repay(plugin, to_debt.0);
            }
            Event::DebtRepaid { plugin, amount, .. } => self.repay(plugin, amount.0),
            Event::PenaltyCharged { plugin, to_debt, .. } => {
                let debt = self.debts.entry(*plugin).or_default();
                *debt = debt.saturating_add(to_debt.0);
            }
            Event::PluginRegistered { plugin } => drop(self.provers.insert(*plugin, Prover::default())),
            Event::AdmissionPassed { plugin, .. } => self.change(plugin, |p| p.admitted = true),
            Event::PluginActivated { plugin } => self.change(plugin, |p| p.active = true),
            Event::PluginDeactivated { plugin, .. } => self.change(plugin, |p| p.active = false),
            Event::TrustChanged { plugin, consecutive_valid, .. } => {
                self.change(plugin, |p| p.consecutive_valid = *consecutive_valid);
            }
            Event::BlockSealed { .. } => self.freeze(),
            _ => self.apply_task(event),
        }
    }

    fn apply_task(&mut self, event: &Event) {
        match event {
            Event::TaskOpened { task, kind, segments, .. } => {
                let work = Work {
                    kind: kind.clone(),
                    segments: *segments,
                    opened_at: self.height,
                    attempts: 0,
                    failed: BTreeSet::new(),
                    holder: None,
                    waiting: None,
                };
                self.tasks.insert(*task, work);
                if !matches!(kind, TaskKind::Admission { .. }) {
                    self.wait(*task);
                }
            }
            Event::TaskAssigned { task, plugin, attempt, deadline, receipt, .. } => {
                self.leave(*task);
                if let Some(work) = self.tasks.get_mut(task) {
                    work.attempts = *attempt;
                    work.holder = Some((*plugin, *deadline));
                    if !matches!(work.kind, TaskKind::Admission { .. }) {
                        self.drawn.push(receipt.index);
                    }
                }
                self.change(plugin, |p| {
                    p.open.insert(*task);
                });
            }
            Event::TaskHandedBack { task, plugin } | Event::AssignmentTimedOut { task, plugin, .. } => {
                self.leave(*task);
                if let Some(work) = self.tasks.get_mut(task) {
                    work.failed.insert(*plugin);
                }
                self.wait(*task);
            }
            Event::TaskQuarantined { task, .. } => self.leave(*task),
            Event::ProofAccepted { task, .. } | Event::AggregateAccepted { task, .. } => {
                self.leave(*task);
                self.tasks.remove(task);
            }
            Event::AdmissionLapsed { plugin, task } => {
                self.leave(*task);
                self.tasks.remove(task);
                self.provers.remove(plugin);
            }
            _ => {}
        }
    }

    fn change(&mut self, plugin: &Address, change: impl FnOnce(&mut Prover)) {
        if let Some(prover) = self.provers.get_mut(plugin) {
            change(prover);
        }
    }

    fn repay(&mut self, who: &Address, amount: u128) {
        if let Some(debt) = self.debts.get_mut(who) {
            *debt = debt.saturating_sub(amount);
        }
    }

    fn wait(&mut self, task: TaskId) {
        let since = self.height;
        if let Some(work) = self.tasks.get_mut(&task)
            && work.waiting.replace(since).is_none()
        {
            self.waiting += 1;
        }
    }

    /// Neither waiting nor assigned any more.
    fn leave(&mut self, task: TaskId) {
        let Some(work) = self.tasks.get_mut(&task) else { return };
        if work.waiting.take().is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if let Some((holder, _)) = work.holder.take() {
            self.change(&holder, |p| {
                p.open.remove(&task);
            });
        }
    }

    fn freeze(&mut self) {
        if self.waiting > 0 {
            let slots =
                self.provers.keys().flat_map(|a| std::iter::repeat_n(*a, self.free_slots(a) as usize)).collect();
            self.frozen.insert(self.height, slots);
        }
        let lag = self.params.proving.draw_lag;
        let now = self.height.0;
        self.frozen.retain(|at, _| at.0.saturating_add(lag) > now);
    }
}
