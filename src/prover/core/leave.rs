//! Stopping.

use crowdfold_events::{
    MessageBody, TaskId,
    wire::{ClientFrame, Standing},
};

use super::{ProverCore, Stop};
use crate::{
    action::{About, HandBackReason, Outcome},
    jobs::Stage,
};

/// Time to hear receipts after a stop was asked for twice.
const HURRY_MS: u64 = 5_000;

impl ProverCore {
    /// Leave: no new work; finish what can be finished, hand the rest back.
    /// A second call hands everything back and leaves within seconds.
    pub fn stop(&mut self, now_ms: u64) {
        let hurry = self.stop != Stop::Running;
        self.stop = match self.stop {
            Stop::Running => Stop::Asked { said_inactive: false },
            Stop::Asked { .. } => Stop::Hurried { until_ms: now_ms + HURRY_MS },
            hurried @ Stop::Hurried { .. } => hurried,
        };
        let tasks: Vec<TaskId> = self.jobs.by_task.keys().copied().collect();
        for task in tasks {
            let Some(job) = self.jobs.by_task.get(&task) else { continue };
            let goes = match job.stage {
                Stage::Fetching { .. } | Stage::Spoilt | Stage::Queued { .. } => true,
                Stage::Running => hurry || !self.would_meet(now_ms, job),
                Stage::Proven { .. } | Stage::Checking | Stage::Verified { .. } => hurry,
                Stage::Submitted | Stage::HandBackDue { .. } | Stage::HandingBack => false,
            };
            if goes {
                self.hand_back(now_ms, task, HandBackReason::Stopping);
            }
        }
        if !self.has_logged_in {
            self.finish(Outcome::Stopped { open: 0 });
        }
        self.drive(now_ms);
    }

    pub(super) fn drive_stop(&mut self, now_ms: u64) {
        if let Stop::Asked { said_inactive } = &mut self.stop
            && !*said_inactive
        {
            *said_inactive = true;
            if matches!(self.standing, Standing::Active | Standing::Inactive) {
                self.message(now_ms, MessageBody::GoInactive, About::GoInactive);
            }
        }
        let hurried = matches!(self.stop, Stop::Hurried { until_ms } if now_ms >= until_ms);
        let open = self.jobs.by_task.values().filter(|j| !j.is_given()).count();
        let is_done = self.stop != Stop::Running && open == 0 && self.unanswered.is_empty();
        if self.is_online() && (is_done || hurried) {
            self.send(now_ms, ClientFrame::Leave {});
            self.finish(Outcome::Stopped { open });
        }
    }
}
