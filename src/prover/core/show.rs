//! What the core knows, for display.

use super::{Link, ProverCore, Registration, Stop};
use crate::{
    jobs::order,
    view::{ChainView, CoreView, JobView, LinkView, RegistrationView},
};

impl ProverCore {
    /// Everything that a user may want to see, as of now.
    #[must_use]
    pub fn view(&self, now_ms: u64) -> CoreView {
        let link = match self.link {
            Link::Waiting { until_ms } => LinkView::Waiting { retry_in_ms: until_ms.saturating_sub(now_ms) },
            Link::Connecting { .. } => LinkView::Connecting,
            Link::Greeting { .. } | Link::LoggingIn { .. } => LinkView::LoggingIn,
            Link::Online { .. } => LinkView::Online,
            Link::Over => LinkView::Over,
        };
        let registration = match self.registration {
            Registration::Idle { .. } => RegistrationView::Idle,
            Registration::Solving => RegistrationView::Solving,
            Registration::Sent { .. } => RegistrationView::Sent,
        };
        let chain = self.chain.as_ref().map(|c| ChainView {
            id: c.id,
            genesis_hash: c.genesis_hash,
            params_digest: c.params_digest,
            node: c.node,
            height: self.status.map(|s| s.height).unwrap_or_default(),
            block_time_ms: self.status.map_or(0, |s| s.block_time_ms),
        });
        CoreView {
            link,
            failures: if self.is_online() { 0 } else { self.backoff.failures() },
            standing: self.standing,
            chain,
            registration,
            is_paused: self.is_paused(),
            is_stopping: self.stop != Stop::Running,
            is_full: self.is_full(),
            jobs: self.shown_jobs(now_ms),
            fetch: self.fetches.view(),
            ms_per_segment: self.speed.ms_per_segment(),
        }
    }

    fn shown_jobs(&self, now_ms: u64) -> Vec<JobView> {
        let planned = self.planned(now_ms);
        let mut jobs: Vec<_> = self.jobs.by_task.values().collect();
        jobs.sort_unstable_by_key(|job| order(&job.offer));
        let jobs = jobs.into_iter().map(|job| {
            let left_ms = match () {
                () if job.is_running() => self.remaining_ms(now_ms, job, false),
                () if job.is_waiting() => planned.get(&job.offer.task).map(|p| p.proven_ms),
                () => Some(0),
            };
            let permille = match () {
                () if job.proof.is_some() => 1000,
                () if job.is_running() => job.progress.1,
                () => 0,
            };
            JobView {
                task: job.offer.task,
                attempt: job.offer.attempt,
                kind: job.offer.kind.clone(),
                segments: job.offer.segments,
                bounty: job.offer.bounty,
                assigned: job.offer.assigned,
                deadline: job.offer.deadline,
                stage: job.shown(),
                stage_ms: now_ms.saturating_sub(job.since_ms),
                permille,
                left_ms,
                deadline_ms: self.left_ms(now_ms, job.offer.deadline),
                proof_hash: job.proof.as_ref().map(|(hash, _)| *hash),
                retries: job.retries,
            }
        });
        jobs.collect()
    }
}
