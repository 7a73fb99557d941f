//! What one validator has computed, the others of the same world need not compute again.
//!
//! Execution and replay are pure functions of the events before, so their
//! results are shared between validators of one process. Every [`CHECK_EVERY`]th
//! use is computed all the same and compared: a difference is a violation.

use std::{collections::BTreeMap, sync::Arc};

use crowdfold_events::{B256, Height};
use crowdfold_kernel::Outcome;

use crate::node::Snapshot;

/// One in so many uses is checked.
pub const CHECK_EVERY: u64 = 16;
/// Heights whose results are kept.
const KEPT: u64 = 1_024;

/// Results by what they follow from.
#[derive(Default)]
pub struct Memo {
    /// By head of the events before and hash of the block.
    outcomes: BTreeMap<(B256, B256), Arc<Outcome>>,
    outcome_heights: BTreeMap<(Height, B256), (B256, B256)>,
    /// By head of the events.
    snapshots: BTreeMap<B256, Arc<Snapshot>>,
    snapshot_heights: BTreeMap<(Height, B256), ()>,
    used: u64,
    /// Uses that were computed again and compared.
    pub checked: u64,
}

impl Memo {
    /// What executing a block gave.
    #[must_use]
    pub fn outcome(&self, head: B256, block: B256) -> Option<Arc<Outcome>> {
        self.outcomes.get(&(head, block)).cloned()
    }

    /// Keeps what executing a block gave, of the newest few heights.
    pub fn keep_outcome(&mut self, head: B256, outcome: Arc<Outcome>) {
        let (hash, height) = (outcome.block.hash(), outcome.block.header.height);
        if self.outcomes.insert((head, hash), outcome).is_none() {
            self.outcome_heights.insert((height, hash), (head, hash));
        }
        while let Some(oldest) = self.outcome_heights.first_entry() {
            if oldest.key().0.0 + 64 >= height.0 {
                break;
            }
            self.outcomes.remove(&oldest.remove());
        }
    }

    /// The chain at a head.
    #[must_use]
    pub fn snapshot(&self, head: &B256) -> Option<Arc<Snapshot>> {
        self.snapshots.get(head).cloned()
    }

    /// Keeps the chain at a head.
    pub fn keep_snapshot(&mut self, snapshot: Arc<Snapshot>) {
        let (height, head) = (snapshot.height(), snapshot.state.events_head());
        if self.snapshots.insert(head, snapshot).is_none() {
            self.snapshot_heights.insert((height, head), ());
        }
        while let Some(oldest) = self.snapshot_heights.first_entry() {
            if oldest.key().0.0 + KEPT >= height.0 {
                break;
            }
            let (_, head) = *oldest.key();
            oldest.remove();
            self.snapshots.remove(&head);
        }
    }

    /// Whether this use is to be computed all the same.
    pub fn is_due(&mut self) -> bool {
        self.used += 1;
        let is_due = self.used.is_multiple_of(CHECK_EVERY);
        self.checked += u64::from(is_due);
        is_due
    }
}
