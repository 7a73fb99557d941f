//! Who gets a task.
//!
//! ```text
//! block h      tasks open; after it the free slots of active plugins are frozen
//! block h+lag  its beacon draws, in task order, without replacement
//!
//! list   = slots frozen after h, one entry per free slot, ascending; less the
//!          entries that earlier tasks of this block drew
//! word_i = first 16 bytes of H(domain, beacon, task, attempt, i), i = 0, 1, ...
//! word_i is rejected when it is at or above the largest multiple of |list|
//!          below 2^128, or when list[word_i mod |list|] is ineligible: it
//!          failed this task before, or has no free slot any more
//! ```
//!
//! The candidates are fixed before the beacon exists. [`verify_receipt`]
//! recomputes a draw from public data.

use std::collections::BTreeSet;

use alloy_primitives::Keccak256;
use crowdfold_events::{
    Address, B256, Event, Height, TaskId,
    event::DrawReceipt,
    merkle::{self, Tree},
};

use crate::{
    model::TaskStatus,
    planted::{self, Bug},
    run::Run,
    state::{Frozen, State},
};

/// What a draw depends on beside the beacon.
#[derive(Clone, Copy, Debug)]
pub struct DrawInputs<'a> {
    /// The task.
    pub task: TaskId,
    /// Which assignment of the task this is, from 1.
    pub attempt: u32,
    /// The frozen list, whole.
    pub slots: &'a [Address],
    /// Indices drawn by the earlier tasks of the same block, in order.
    pub earlier: &'a [u32],
    /// Plugins that failed the task, left, or have no free slot any more.
    pub ineligible: &'a BTreeSet<Address>,
}

/// Why a receipt is not that of the draw. Whoever issued it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// The list is not the frozen one.
    #[error("the list has root {found}, the receipt {expected}")]
    SetRoot {
        /// Root of the list given.
        found: B256,
        /// Root in the receipt.
        expected: B256,
    },
    /// The earlier indices do not fit the list.
    #[error("the earlier draws do not fit the list")]
    Earlier,
    /// Nobody could be drawn.
    #[error("nobody is eligible")]
    NobodyEligible,
    /// The draw gives something else.
    #[error("the draw gives {expected:?} for {winner}")]
    Differs {
        /// Who the draw gives.
        winner: Address,
        /// The receipt that the draw gives.
        expected: DrawReceipt,
    },
}

/// Root of a list of free slots.
#[must_use]
pub fn slots_root(slots: &[Address]) -> B256 {
    merkle::root(Tree::Slots, slots)
}

fn word(beacon: &B256, task: TaskId, attempt: u32, try_number: u32) -> u128 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/draw/1");
    hasher.update(beacon);
    hasher.update(task.0.to_be_bytes());
    hasher.update(attempt.to_be_bytes());
    hasher.update(try_number.to_be_bytes());
    let hash = hasher.finalize();
    hash[..16].iter().fold(0, |n, byte| n << 8 | u128::from(*byte))
}

/// Index of the drawn entry and the number of words rejected before it; `None` when nobody is eligible.
fn draw(
    beacon: &B256,
    task: TaskId,
    attempt: u32,
    list: &[Address],
    eligible: impl Fn(&Address) -> bool,
) -> Option<(u32, u32)> {
    if !list.iter().any(&eligible) {
        return None;
    }
    let n = list.len() as u128;
    // The largest multiple of n that is at most 2^128 - 1: a bias below 2^-96 is removed too.
    let bound = u128::MAX - u128::MAX % n;
    let mut rejected = 0;
    loop {
        let mut word = word(beacon, task, attempt, rejected);
        if planted::is(Bug::DrawBiased) {
            word &= 0xff;
        }
        if word < bound {
            let index = (word % n) as u32;
            if list.get(index as usize).is_some_and(&eligible) {
                return Some((index, rejected));
            }
        }
        rejected += 1;
    }
}

/// Recomputes a draw and compares it with its receipt.
///
/// # Errors
/// What does not fit.
pub fn verify_receipt(inputs: &DrawInputs<'_>, receipt: &DrawReceipt, plugin: Address) -> Result<(), ReceiptFault> {
    let root = slots_root(inputs.slots);
    if root != receipt.set_root {
        return Err(ReceiptFault::SetRoot { found: root, expected: receipt.set_root });
    }
    let mut list = inputs.slots.to_vec();
    for index in inputs.earlier {
        if *index as usize >= list.len() {
            return Err(ReceiptFault::Earlier);
        }
        list.remove(*index as usize);
    }
    let drawn = draw(&receipt.beacon, inputs.task, inputs.attempt, &list, |a| !inputs.ineligible.contains(a));
    let (index, rejected) = drawn.ok_or(ReceiptFault::NobodyEligible)?;
    let expected = DrawReceipt { candidates: list.len() as u32, index, rejected, ..receipt.clone() };
    let winner = list[index as usize];
    if expected != *receipt || winner != plugin {
        return Err(ReceiptFault::Differs { winner, expected });
    }
    Ok(())
}

impl State {
    /// Freezes the free slots after this block, if a later draw may need them.
    pub(crate) fn freeze_slots(&mut self) {
        let now = self.chain.height;
        let lag = self.params().proving.draw_lag;
        if !self.waiting.is_empty() {
            let mut slots = Vec::new();
            for (address, plugin) in &self.plugins {
                if plugin.active {
                    slots.extend(std::iter::repeat_n(*address, self.free_slots(address) as usize));
                }
            }
            let root = slots_root(&slots);
            self.frozen.insert(now, Frozen { slots: slots.into(), root });
        }
        while let Some((oldest, _)) = self.frozen.get_min().cloned() {
            if oldest.0 + lag > now.0 {
                break;
            }
            self.frozen.remove(&oldest);
        }
    }
}

impl Run<'_> {
    /// Draws the waiting tasks that are old enough.
    pub(crate) fn draw_tasks(&mut self) {
        let now = self.state.chain.height;
        let lag = self.state.params().proving.draw_lag;
        let Some(frozen_at) = now.0.checked_sub(lag) else { return };
        let Some(frozen) = self.state.frozen.get(&Height(frozen_at)).cloned() else { return };
        let mut list: Vec<Address> = frozen.slots.iter().copied().collect();
        if planted::is(Bug::DrawNotFrozen) {
            let active = self.state.plugins.keys();
            list = active.flat_map(|a| std::iter::repeat_n(*a, self.state.free_slots(a) as usize)).collect();
        }
        let beacon = self.state.chain.beacon;
        let waiting: Vec<TaskId> = self.state.waiting.iter().copied().collect();
        for id in waiting {
            if list.is_empty() {
                break;
            }
            let Some(task) = self.state.tasks.get(&id) else { continue };
            let ready = matches!(task.status, TaskStatus::Waiting { since } if since.0 <= frozen_at);
            if !ready && !planted::is(Bug::AssignedTwice) {
                continue;
            }
            let attempt = task.attempts + 1;
            let eligible = |address: &Address| {
                let failed = task.failed.contains(address) && !planted::is(Bug::DrawIneligible);
                !failed && self.state.free_slots(address) > 0
            };
            let Some((index, rejected)) = draw(&beacon, id, attempt, &list, eligible) else { continue };
            let candidates = list.len() as u32;
            let plugin = list.remove(index as usize);
            if planted::is(Bug::DrawReplaces) {
                list.insert(index as usize, plugin);
            }
            let (bounty, from_issuance) = self.state.bounty_now(task);
            let proving = &self.state.params().proving;
            let deadline =
                Height(now.0 + proving.deadline_base + proving.deadline_per_segment * u64::from(task.segments));
            let deadline = if planted::is(Bug::DeadlineOffByOne) { deadline.next() } else { deadline };
            let receipt =
                DrawReceipt { beacon_height: now, beacon, set_root: frozen.root, candidates, index, rejected };
            self.emit(Event::TaskAssigned { task: id, plugin, attempt, bounty, from_issuance, deadline, receipt });
        }
    }
}
