//! Offers that the prover holds, and how far each is.
//!
//! ```text
//! Fetching ─► Queued ─► Running ─► Proven ─upload─► Checking ─► Verified ─message─► Submitted
//!     └─────────┴──────────┴─────────┴── HandBackDue ─message─► HandingBack ──► (closed by the node)
//! ```

use std::collections::BTreeMap;

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    B256, TaskId,
    event::TaskKind,
    wire::{Offer, Package},
};

use crate::view::JobStage;

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
    /// The package was no input: waits for the offer to come again.
    Spoilt,
    /// Waits for a lane.
    Queued { package: Bytes },
    /// Being proven.
    Running,
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

impl Stage {
    pub(crate) fn of(package: Package) -> Self {
        match package {
            Package::Inline { bytes } => Self::Queued { package: bytes },
            Package::Fetch { digest, length } => Self::Fetching { digest, length },
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The offer; its package has moved into the stage.
    pub(crate) offer: Offer,
    pub(crate) stage: Stage,
    /// When the stage began.
    pub(crate) since_ms: u64,
    pub(crate) proof: Option<(B256, Vec<u8>)>,
    /// Uploads and messages that were refused for a passing reason.
    pub(crate) retries: u32,
    /// Packages that were no input.
    pub(crate) spoilt: u32,
    /// Last progress heard of: when and how much, in thousandths.
    pub(crate) progress: (u64, u16),
    /// When progress was told last.
    pub(crate) told_ms: u64,
    /// Whether the present session has offered it.
    pub(crate) is_offered: bool,
}

impl Job {
    pub(crate) fn new(mut offer: Offer, now_ms: u64) -> Self {
        let empty = Package::Inline { bytes: Bytes::new() };
        let stage = Stage::of(std::mem::replace(&mut offer.package, empty));
        let (proof, retries, spoilt, progress, told_ms) = (None, 0, 0, (now_ms, 0), now_ms);
        Self { offer, stage, since_ms: now_ms, proof, retries, spoilt, progress, told_ms, is_offered: true }
    }

    pub(crate) fn enter(&mut self, stage: Stage, now_ms: u64) {
        self.stage = stage;
        self.since_ms = now_ms;
    }

    pub(crate) fn proven(&mut self, proof: Vec<u8>, now_ms: u64) -> B256 {
        let hash = keccak256(&proof);
        self.proof = Some((hash, proof));
        self.enter(Stage::Proven { due_ms: 0 }, now_ms);
        hash
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Whether lanes still have to begin with it.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Fetching { .. } | Stage::Spoilt | Stage::Queued { .. })
    }

    /// Whether lanes still have to work for it.
    pub(crate) fn is_unproven(&self) -> bool {
        self.is_waiting() || self.is_running()
    }

    /// Whether the plugin may leave without losing it.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.stage, Stage::HandingBack)
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Proven { due_ms } | Stage::Verified { due_ms } => Some(due_ms),
            // What the present node does not offer need not be handed back to it.
            Stage::HandBackDue { due_ms } => self.is_offered.then_some(due_ms),
            _ => None,
        }
    }

    pub(crate) fn shown(&self) -> JobStage {
        match self.stage {
            Stage::Fetching { .. } | Stage::Spoilt => JobStage::Fetching,
            Stage::Queued { .. } => JobStage::Queued,
            Stage::Running => JobStage::Running,
            Stage::Proven { .. } => JobStage::Proven,
            Stage::Checking => JobStage::Checking,
            Stage::Verified { .. } => JobStage::Verified,
            Stage::Submitted => JobStage::Submitted,
            Stage::HandBackDue { .. } | Stage::HandingBack => JobStage::HandingBack,
        }
    }
}

/// Whether a task belongs to nobody: leaving it costs nothing and needs no message.
pub(crate) fn is_open_to_all(offer: &Offer) -> bool {
    offer.draw.is_none() && !is_admission(offer)
}

/// Whether it is the plugin's admission, which cannot be handed back.
pub(crate) fn is_admission(offer: &Offer) -> bool {
    matches!(offer.kind, TaskKind::Admission { .. })
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) by_task: BTreeMap<TaskId, Job>,
}

impl Jobs {
    pub(crate) fn running(&self) -> usize {
        self.by_task.values().filter(|j| j.is_running()).count()
    }

    pub(crate) fn unproven(&self) -> usize {
        self.by_task.values().filter(|j| j.is_unproven()).count()
    }

    /// The queued job that comes next: what is the plugin's own first, then the nearest deadline.
    pub(crate) fn next_queued(&self) -> Option<TaskId> {
        let queued = self.by_task.values().filter(|j| j.is_offered && matches!(j.stage, Stage::Queued { .. }));
        queued.min_by_key(|j| order(&j.offer)).map(|j| j.offer.task)
    }
}

/// The order in which lanes take jobs.
pub(crate) fn order(offer: &Offer) -> (bool, u64, TaskId) {
    (is_open_to_all(offer), offer.deadline.0, offer.task)
}
