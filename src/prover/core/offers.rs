//! Offers: which are taken, which are left, and when a taken one is given up.
//!
//! A task that was drawn for the plugin is its own: leaving it takes a
//! message and costs a penalty, small in the first quarter of its time. A task
//! that is open to everybody, or the plugin's own admission, is left without
//! a word.

use crowdfold_events::{TaskId, wire::Offer, wire::Package};

use super::{ProverCore, Stop};
use crate::{
    action::{Action, HandBackReason, ProverEvent},
    jobs::{Job, Stage, is_admission, is_open_to_all},
};

/// Tasks that the prover works on; offers beyond are handed back.
const MAX_JOBS: usize = 64;
/// Open tasks that a node can offer; more than a chain's rules give to anybody.
const MAX_OFFERS: usize = 1_100;
/// Longest package, in bytes.
const MAX_PACKAGE_BYTES: u32 = 64 << 20;
/// Blocks by which an assignment may be ahead of the newest status.
const MAX_AHEAD: u64 = 1_000;

impl ProverCore {
    pub(super) fn offered(&mut self, now_ms: u64, offer: Offer) {
        if let Some(detail) = self.nonsense(&offer) {
            return self.node_fault(now_ms, detail);
        }
        let task = offer.task;
        if self.jobs.by_task.get(&task).is_some_and(|j| j.offer.attempt == offer.attempt) {
            return self.offered_again(now_ms, offer);
        }
        self.drop_job(task);
        if self.jobs.by_task.len() >= MAX_OFFERS {
            return self.node_fault(now_ms, "more tasks than anybody is given");
        }
        self.tell_offer(&offer);
        self.shapes.see(&offer);
        let can_take = self.can_take(now_ms, &offer);
        let reason = if self.stop != Stop::Running || (self.is_paused() && is_open_to_all(&offer)) {
            Some(HandBackReason::Stopping)
        } else if self.jobs.unproven() >= MAX_JOBS {
            Some(HandBackReason::TooMany)
        } else {
            (!can_take).then_some(HandBackReason::TooSlow)
        };
        if reason == Some(HandBackReason::TooSlow) && self.jobs.unproven() == 0 && !self.is_old(&offer) {
            self.speed.doubt(&offer.kind);
        }
        let job = Job::new(offer, now_ms);
        if let (Stage::Fetching { digest, length }, None) = (&job.stage, reason) {
            self.fetches.want(*digest, Some(*length));
        }
        self.jobs.by_task.insert(task, job);
        match reason {
            Some(reason) => self.hand_back(now_ms, task, reason),
            None => self.look_for_room(now_ms),
        }
    }

    /// A pause begins: what is nobody's and not begun is left to others.
    pub(super) fn leave_open_tasks(&mut self, now_ms: u64) {
        let open = self.jobs.by_task.values().filter(|j| j.is_waiting() && is_open_to_all(&j.offer));
        let open: Vec<TaskId> = open.map(|j| j.offer.task).collect();
        open.into_iter().for_each(|task| self.hand_back(now_ms, task, HandBackReason::Stopping));
    }

    fn tell_offer(&mut self, offer: &Offer) {
        let Offer { task, attempt, kind, segments, bounty, assigned, deadline, draw, .. } = offer;
        self.event(ProverEvent::Offered {
            task: *task,
            attempt: *attempt,
            kind: kind.clone(),
            segments: *segments,
            bounty: *bounty,
            assigned: *assigned,
            deadline: *deadline,
            draw: draw.clone(),
        });
    }

    /// What no chain would offer.
    fn nonsense(&self, offer: &Offer) -> Option<&'static str> {
        let height = self.status.map(|s| s.height.0).unwrap_or_default();
        match &offer.package {
            _ if offer.deadline < offer.assigned => Some("a deadline before its assignment"),
            _ if offer.assigned.0 > height.saturating_add(MAX_AHEAD) => Some("an assignment in the future"),
            Package::Fetch { length, .. } if *length > MAX_PACKAGE_BYTES => Some("a package longer than any input"),
            _ => None,
        }
    }

    /// Whether more than half of its time is gone.
    fn is_old(&self, offer: &Offer) -> bool {
        let height = self.status.map(|s| s.height.0).unwrap_or_default();
        let length = offer.deadline.0.saturating_sub(offer.assigned.0);
        offer.deadline.0.saturating_sub(height) < length / 2
    }

    /// The same attempt once more: a new session repeats what is open, and an
    /// open task's deadline moves. What was done for it stays.
    fn offered_again(&mut self, now_ms: u64, offer: Offer) {
        let Some(job) = self.jobs.by_task.get_mut(&offer.task) else { return };
        let is_news = (job.offer.deadline, job.offer.bounty) != (offer.deadline, offer.bounty);
        job.is_offered = true;
        (job.offer.deadline, job.offer.bounty) = (offer.deadline, offer.bounty);
        (job.offer.assigned, job.offer.draw) = (offer.assigned, offer.draw.clone());
        // What another node said of a package may not be so.
        if matches!(job.stage, Stage::Spoilt | Stage::Fetching { .. }) {
            let stage = Stage::of(offer.package.clone());
            if let Stage::Fetching { digest, length } = stage {
                self.fetches.want(digest, Some(length));
            }
            job.enter(stage, now_ms);
        }
        if is_news {
            self.tell_offer(&offer);
        }
    }

    /// Gives up what is not offered any more, and what will be late.
    pub(super) fn review(&mut self, now_ms: u64) {
        if self.offers_due_ms.is_some_and(|due| now_ms >= due) {
            self.offers_due_ms = None;
            // A proof is asked about all the same.
            let gone = self.jobs.by_task.values().filter(|j| !j.is_offered && j.proof.is_none());
            let gone: Vec<TaskId> = gone.map(|j| j.offer.task).collect();
            gone.into_iter().for_each(|task| self.drop_job(task));
        }
        while let Some(task) = self.late(now_ms) {
            self.hand_back(now_ms, task, HandBackReason::TooSlow);
        }
    }

    /// Whether running work ends before its deadline.
    pub(super) fn would_meet(&self, now_ms: u64, job: &Job) -> bool {
        let left_ms = self.left_ms(now_ms, job.offer.deadline);
        match (self.remaining_ms(now_ms, job, true), left_ms) {
            (Some(remaining), Some(left)) => remaining <= left,
            _ => false,
        }
    }

    /// Decides to leave a task; a message goes out with the next drive if it needs one.
    pub(super) fn hand_back(&mut self, now_ms: u64, task: TaskId, reason: HandBackReason) {
        let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
        let attempt = job.offer.attempt;
        if is_open_to_all(&job.offer) || is_admission(&job.offer) {
            self.drop_job(task);
            return self.event(ProverEvent::Declined { task, attempt, reason });
        }
        if job.is_running() {
            self.actions.push(Action::CancelWork { task, attempt });
        }
        job.enter(Stage::HandBackDue { due_ms: 0 }, now_ms);
        job.proof = None;
        self.event(ProverEvent::HandedBack { task, attempt, reason });
    }

    /// Forgets a task.
    pub(super) fn drop_job(&mut self, task: TaskId) {
        let Some(job) = self.jobs.by_task.remove(&task) else { return };
        match job.stage {
            Stage::Running => self.actions.push(Action::CancelWork { task, attempt: job.offer.attempt }),
            Stage::Fetching { digest, .. } if !self.wanted.contains(&digest) => {
                let is_shared = |j: &Job| matches!(j.stage, Stage::Fetching { digest: other, .. } if other == digest);
                if !self.jobs.by_task.values().any(is_shared) {
                    self.fetches.forget(&digest);
                }
            }
            _ => {}
        }
    }
}
