//! Offers and what becomes of them: fetching, proving, uploading, handing back.

use alloy_primitives::Bytes;
use crowdfold_events::{
    B256, MessageBody, TaskId,
    event::TaskKind,
    wire::{ClientFrame, Code, MAX_CHUNK_BYTES, Offer},
};

use super::{MAX_RETRIES, ProverCore, Purpose, RETRY_MS, Stop};
use crate::{
    action::{Action, HandBackReason, ProverEvent},
    fetch::Fetched,
    jobs::{Job, Stage, WorkError},
};

/// Open tasks that the prover keeps; offers beyond are handed back.
const MAX_JOBS: usize = 64;
/// Shortest time between two progress frames of a task.
const PROGRESS_MS: u64 = 1_000;

impl ProverCore {
    /// Asks for data by its digest; answered by [`Action::Data`].
    pub fn fetch(&mut self, now_ms: u64, digest: B256) {
        self.wanted.push_back(digest);
        self.fetches.want(digest);
        self.drive(now_ms);
    }

    /// A task's proof is `permille` done.
    pub fn progress(&mut self, now_ms: u64, task: TaskId, permille: u16) {
        let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
        let (at, before) = job.told;
        if permille > before && now_ms >= at + PROGRESS_MS {
            job.told = (now_ms, permille);
            let attempt = job.offer.attempt;
            self.send(ClientFrame::Progress { task, attempt, permille });
        }
    }

    /// A task's work has ended.
    pub fn finished(&mut self, now_ms: u64, task: TaskId, attempt: u32, result: Result<Vec<u8>, WorkError>) {
        let Some(job) = self.jobs.by_task.get_mut(&task).filter(|j| j.offer.attempt == attempt) else { return };
        let Stage::Running { since_ms } = job.stage else { return };
        match result {
            Ok(proof) => {
                let elapsed_ms = now_ms.saturating_sub(since_ms);
                self.speed.learn(elapsed_ms, job.offer.segments);
                self.actions.push(Action::Event(ProverEvent::Proven { task, elapsed_ms, bytes: proof.len() }));
                job.proven(proof);
            }
            Err(error) => {
                self.actions.push(Action::Event(ProverEvent::WorkFailed { task, error }));
                self.hand_back(task, HandBackReason::Failed);
            }
        }
        self.drive(now_ms);
    }

    /// Whether work that runs since `since_ms` would end before its deadline.
    pub(super) fn would_meet(&self, now_ms: u64, since_ms: u64, offer: &Offer) -> bool {
        let Some(status) = &self.status else { return false };
        let blocks = offer.deadline.0.saturating_sub(status.height.0);
        let left_ms = blocks.saturating_mul(u64::from(status.block_time_ms));
        let estimate = self.speed.estimate_ms(u64::from(offer.segments));
        estimate.is_some_and(|all| all.saturating_sub(now_ms.saturating_sub(since_ms)) <= left_ms)
    }

    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let (digest, result) = match fetched {
            Fetched::Nothing => return,
            Fetched::Done(digest, bytes) => (digest, Ok(bytes)),
            Fetched::Failed(digest, code) => (digest, Err(code)),
        };
        let mut failed = Vec::new();
        for (task, job) in &mut self.jobs.by_task {
            if !matches!(job.stage, Stage::Fetching { digest: d, .. } if d == digest) {
                continue;
            }
            match &result {
                Ok(bytes) => job.stage = Stage::Queued { package: Bytes::copy_from_slice(bytes) },
                Err(_) => failed.push(*task),
            }
        }
        failed.into_iter().for_each(|task| self.hand_back(task, HandBackReason::Failed));
        if self.wanted.contains(&digest) {
            self.wanted.retain(|d| *d != digest);
            self.actions.push(Action::Data { digest, result });
        }
    }

    pub(super) fn offered(&mut self, offer: Offer) {
        let (task, attempt, deadline) = (offer.task, offer.attempt, offer.deadline);
        if self.jobs.by_task.get(&task).is_some_and(|j| j.offer.attempt == attempt) {
            return;
        }
        self.drop_job(task);
        self.actions.push(Action::Event(ProverEvent::Offered { task, attempt, deadline }));
        let can_meet = self.status.is_some_and(|s| self.jobs.can_meet(&offer, &s, &self.speed, self.config.lanes));
        let reason = if self.stop != Stop::Running {
            Some(HandBackReason::Stopping)
        } else if self.jobs.by_task.len() >= MAX_JOBS {
            Some(HandBackReason::TooMany)
        } else {
            (!can_meet).then_some(HandBackReason::TooSlow)
        };
        let job = Job::new(offer);
        if let (Stage::Fetching { digest, .. }, None) = (&job.stage, reason) {
            self.fetches.want(*digest);
        }
        self.jobs.by_task.insert(task, job);
        if let Some(reason) = reason {
            self.hand_back(task, reason);
        }
    }

    /// Decides to hand a task back; the message goes out with the next drive.
    pub(super) fn hand_back(&mut self, task: TaskId, reason: HandBackReason) {
        let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
        if matches!(job.stage, Stage::Running { .. }) {
            self.actions.push(Action::CancelWork { task, attempt: job.offer.attempt });
        }
        job.stage = Stage::HandBackDue { due_ms: 0 };
        job.proof = None;
        self.actions.push(Action::Event(ProverEvent::HandedBack { task, reason }));
    }

    pub(super) fn drop_job(&mut self, task: TaskId) {
        if let Some(job) = self.jobs.by_task.remove(&task)
            && matches!(job.stage, Stage::Running { .. })
        {
            self.actions.push(Action::CancelWork { task, attempt: job.offer.attempt });
        }
    }

    /// The node's word about an upload.
    pub(super) fn checked(&mut self, now_ms: u64, task: TaskId, proof_hash: B256, refused: Option<Code>) {
        let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
        let is_ours = job.proof.as_ref().is_some_and(|(hash, _)| *hash == proof_hash);
        if !is_ours || job.stage != Stage::Checking {
            return;
        }
        let Some(code) = refused else {
            job.stage = Stage::Verified { due_ms: now_ms };
            return;
        };
        self.actions.push(Action::Event(ProverEvent::Refused { task: Some(task), code, reason: 0 }));
        job.retries += 1;
        match code {
            Code::TaskNotOpen | Code::Late => self.drop_job(task),
            Code::ProofInvalid | Code::ProofTooLong => self.hand_back(task, HandBackReason::Failed),
            _ if job.retries > MAX_RETRIES => self.hand_back(task, HandBackReason::Failed),
            _ => job.stage = Stage::Proven { due_ms: now_ms + (RETRY_MS << job.retries) },
        }
    }

    pub(super) fn drive_jobs(&mut self, now_ms: u64) {
        let due: Vec<TaskId> = self
            .jobs
            .by_task
            .iter()
            .filter(|(_, job)| job.due_ms().is_some_and(|due| now_ms >= due))
            .map(|(task, _)| *task)
            .collect();
        for task in due {
            let Some(job) = self.jobs.by_task.get_mut(&task) else { continue };
            match (&job.stage, &job.proof) {
                (Stage::Proven { .. }, Some((proof_hash, proof))) => {
                    let (proof_hash, total) = (*proof_hash, proof.len() as u32);
                    let pieces = proof.chunks(MAX_CHUNK_BYTES).enumerate();
                    let frames: Vec<ClientFrame> = pieces
                        .map(|(i, piece)| ClientFrame::ProofUpload {
                            task,
                            proof_hash,
                            total,
                            offset: (i * MAX_CHUNK_BYTES) as u32,
                            bytes: Bytes::copy_from_slice(piece),
                        })
                        .collect();
                    job.stage = Stage::Checking;
                    frames.into_iter().for_each(|frame| self.send(frame));
                }
                (Stage::Verified { .. }, Some((proof_hash, _))) => {
                    let proof_hash = *proof_hash;
                    let body = match job.offer.kind {
                        TaskKind::Aggregate { .. } => MessageBody::SubmitAggregate { task, proof_hash },
                        _ => MessageBody::SubmitProof { task, proof_hash },
                    };
                    job.stage = Stage::Submitted;
                    self.message(now_ms, body, Purpose::Submit(task));
                }
                (Stage::HandBackDue { .. }, _) => {
                    job.stage = Stage::HandingBack;
                    self.message(now_ms, MessageBody::HandBack { task }, Purpose::HandBack(task));
                }
                _ => {}
            }
        }
    }

    /// Gives free lanes the queued jobs with the nearest deadlines.
    pub(super) fn start_work(&mut self, now_ms: u64) {
        while self.jobs.running() < self.config.lanes.max(1) as usize {
            let Some(task) = self.jobs.next_queued() else { return };
            let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
            let Stage::Queued { package } = std::mem::replace(&mut job.stage, Stage::Running { since_ms: now_ms })
            else {
                return;
            };
            let (attempt, segments, kind) = (job.offer.attempt, job.offer.segments, job.offer.kind.clone());
            self.actions.push(Action::StartWork { task, attempt, kind, segments, package });
            let estimate_ms = self.speed.estimate_ms(u64::from(segments)).unwrap_or(0);
            self.send(ClientFrame::TaskStarted { task, attempt, estimate_ms });
        }
    }
}
