//! The demonstration's saboteur: an honest prover that drops one task.
//!
//! It is admitted by a real proof and would prove everything else. The first
//! task of the chain that it is assigned it holds until its deadline has
//! passed, and says nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use crowdfold_events::event::TaskKind;
use crowdfold_prover::WorkError;

use crate::headless::{Progress, ProveWork, Work};

/// Pause between two looks whether the node has taken the task away.
const POLL: Duration = Duration::from_millis(100);

/// Work that is not done once.
pub(super) struct Saboteur {
    honest: Arc<dyn ProveWork>,
    dropped: AtomicBool,
}

impl Saboteur {
    pub(super) fn new(honest: Arc<dyn ProveWork>) -> Self {
        Self { honest, dropped: AtomicBool::new(false) }
    }
}

impl ProveWork for Saboteur {
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        if matches!(work.kind, TaskKind::Admission { .. }) || self.dropped.swap(true, Ordering::SeqCst) {
            return self.honest.run(work, progress);
        }
        while !progress.is_cancelled() {
            sleep(POLL);
        }
        Err(WorkError::Cancelled)
    }
}
