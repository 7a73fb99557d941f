//! Offers that the prover holds, and how far each is.
//!
//! ```text
//! Fetching ─► Queued ─► Running ─► Proven ─upload─► Checking ─► Verified ─message─► Submitted
//!     └─────────┴──────────┴─────────┴── HandingBack ──► (closed by the node)
//! ```

use std::collections::BTreeMap;

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    B256, TaskId,
    wire::{ChainStatus, Offer, Package},
};

use crate::pace::Speed;

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The package is not an input. The node's fault.
    #[error("the package is not a valid input: {0}")]
    BadPackage(String),
    /// The prover failed.
    #[error("proving failed: {0}")]
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The package is on its way.
    Fetching { digest: B256, length: u32 },
    /// Waits for a lane.
    Queued { package: Bytes },
    /// Being proven.
    Running { since_ms: u64 },
    /// Proven; the upload is due.
    Proven { due_ms: u64 },
    /// Uploaded; the node verifies.
    Checking,
    /// Verified; the message is due.
    Verified { due_ms: u64 },
    /// The message is on its way or in the mempool.
    Submitted,
    /// To be handed back; the message is due.
    HandBackDue { due_ms: u64 },
    /// The message is on its way or in the mempool.
    HandingBack,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) offer: Offer,
    pub(crate) stage: Stage,
    pub(crate) proof: Option<(B256, Vec<u8>)>,
    /// Uploads and messages that were refused for a passing reason.
    pub(crate) retries: u32,
    /// Last progress told: when and how much.
    pub(crate) told: (u64, u16),
}

impl Job {
    pub(crate) fn new(mut offer: Offer) -> Self {
        let empty = Package::Inline { bytes: Bytes::new() };
        let stage = match std::mem::replace(&mut offer.package, empty) {
            Package::Inline { bytes } => Stage::Queued { package: bytes },
            Package::Fetch { digest, length } => Stage::Fetching { digest, length },
        };
        Self { offer, stage, proof: None, retries: 0, told: (0, 0) }
    }

    pub(crate) fn proven(&mut self, proof: Vec<u8>) {
        self.proof = Some((keccak256(&proof), proof));
        self.stage = Stage::Proven { due_ms: 0 };
    }

    /// Whether lanes still have to work for it.
    pub(crate) fn is_unproven(&self) -> bool {
        matches!(self.stage, Stage::Fetching { .. } | Stage::Queued { .. } | Stage::Running { .. })
    }

    /// Whether the plugin may leave without losing it.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.stage, Stage::HandingBack)
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Proven { due_ms } | Stage::Verified { due_ms } | Stage::HandBackDue { due_ms } => Some(due_ms),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) by_task: BTreeMap<TaskId, Job>,
}

impl Jobs {
    pub(crate) fn running(&self) -> usize {
        self.by_task.values().filter(|j| matches!(j.stage, Stage::Running { .. })).count()
    }

    /// Whether an offer can be met: its own time and a lane's share of what
    /// waits before it must fit into the blocks that are left.
    pub(crate) fn can_meet(&self, offer: &Offer, status: &ChainStatus, speed: &Speed, lanes: u32) -> bool {
        let blocks = offer.deadline.0.saturating_sub(status.height.0);
        let left_ms = blocks.saturating_mul(u64::from(status.block_time_ms));
        let waiting: u64 = self
            .by_task
            .values()
            .filter(|j| j.is_unproven() && j.offer.task != offer.task)
            .map(|j| u64::from(j.offer.segments))
            .sum();
        let segments = waiting / u64::from(lanes.max(1)) + u64::from(offer.segments);
        match speed.estimate_ms(segments) {
            Some(estimate) => estimate <= left_ms,
            None => blocks > 0,
        }
    }

    /// The queued job with the nearest deadline.
    pub(crate) fn next_queued(&self) -> Option<TaskId> {
        let queued = self.by_task.values().filter(|j| matches!(j.stage, Stage::Queued { .. }));
        queued.min_by_key(|j| (j.offer.deadline, j.offer.task)).map(|j| j.offer.task)
    }
}
