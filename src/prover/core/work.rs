//! From a package to a submitted proof: fetching, proving, uploading.

use alloy_primitives::Bytes;
use crowdfold_events::{
    B256, MessageBody, TaskId,
    event::TaskKind,
    wire::{ClientFrame, Code, MAX_CHUNK_BYTES},
};

use super::{MAX_RETRIES, ProverCore, RETRY_MS};
use crate::{
    action::{About, Action, HandBackReason, ProverEvent},
    fetch::Fetched,
    jobs::{Stage, WorkError},
};

/// Shortest time between two progress frames of a task.
const PROGRESS_MS: u64 = 1_000;
/// Packages of a task that may be no input before it is handed back.
const MAX_SPOILT: u32 = 3;

impl ProverCore {
    /// Asks for data by its digest; answered by [`Action::Data`].
    pub fn fetch(&mut self, now_ms: u64, digest: B256) {
        self.wanted.push_back(digest);
        self.fetches.want(digest, None);
        self.drive(now_ms);
    }

    /// A task's proof is `permille` done.
    pub fn progress(&mut self, now_ms: u64, task: TaskId, permille: u16) {
        let Some(job) = self.jobs.by_task.get_mut(&task).filter(|j| j.is_running()) else { return };
        if permille <= job.progress.1 || permille > 1000 {
            return;
        }
        job.progress = (now_ms, permille);
        if now_ms >= job.told_ms.saturating_add(PROGRESS_MS) {
            job.told_ms = now_ms;
            let attempt = job.offer.attempt;
            self.send(now_ms, ClientFrame::Progress { task, attempt, permille });
        }
    }

    /// A task's work has ended. A proof that was there already may be given at
    /// once: what takes next to no time is not taken for a measurement.
    pub fn finished(&mut self, now_ms: u64, task: TaskId, attempt: u32, result: Result<Vec<u8>, WorkError>) {
        let Some(job) = self.jobs.by_task.get_mut(&task).filter(|j| j.offer.attempt == attempt) else { return };
        if !job.is_running() {
            return;
        }
        match result {
            Ok(proof) => {
                let elapsed_ms = now_ms.saturating_sub(job.since_ms);
                self.speed.learn(&job.offer.kind, elapsed_ms, job.offer.segments);
                let bytes = proof.len();
                let proof_hash = job.proven(proof, now_ms);
                self.event(ProverEvent::Proven { task, attempt, elapsed_ms, bytes, proof_hash });
            }
            Err(WorkError::BadPackage(detail)) => {
                job.spoilt += 1;
                let is_over = job.spoilt >= MAX_SPOILT;
                job.enter(Stage::Spoilt, now_ms);
                self.event(ProverEvent::WorkFailed { task, error: WorkError::BadPackage(detail) });
                if is_over {
                    self.hand_back(now_ms, task, HandBackReason::Failed);
                } else {
                    // A new session, with this node or another, offers it again.
                    self.token = None;
                    self.node_fault(now_ms, "a package that is no input");
                }
            }
            Err(error) => {
                self.event(ProverEvent::WorkFailed { task, error });
                self.hand_back(now_ms, task, HandBackReason::Failed);
            }
        }
        self.drive(now_ms);
    }

    pub(super) fn fetched(&mut self, now_ms: u64, fetched: Fetched) {
        let (digest, result) = match fetched {
            Fetched::Nothing => return,
            Fetched::Done(digest, bytes) => (digest, Ok(bytes)),
            Fetched::Failed(digest, code) => (digest, Err(code)),
        };
        let mut is_needed = false;
        for job in self.jobs.by_task.values_mut() {
            if !matches!(job.stage, Stage::Fetching { digest: d, .. } if d == digest) {
                continue;
            }
            is_needed = true;
            if let Ok(bytes) = &result {
                job.enter(Stage::Queued { package: Bytes::copy_from_slice(bytes) }, now_ms);
            }
        }
        let is_failed = result.is_err();
        if self.wanted.contains(&digest) {
            self.wanted.retain(|d| *d != digest);
            self.actions.push(Action::Data { digest, result });
        }
        if is_failed && is_needed {
            // Who offers a task has its package.
            self.node_fault(now_ms, "a package that it does not give");
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
            return job.enter(Stage::Verified { due_ms: now_ms }, now_ms);
        };
        job.retries += 1;
        let retries = job.retries;
        self.event(ProverEvent::Refused { task: Some(task), code, reason: 0 });
        match code {
            Code::TaskNotOpen | Code::Late => self.drop_job(task),
            Code::ProofInvalid | Code::ProofTooLong => self.hand_back(now_ms, task, HandBackReason::Failed),
            _ if retries > MAX_RETRIES => self.hand_back(now_ms, task, HandBackReason::Failed),
            _ => {
                let due_ms = now_ms.saturating_add(RETRY_MS << retries);
                if let Some(job) = self.jobs.by_task.get_mut(&task) {
                    job.enter(Stage::Proven { due_ms }, now_ms);
                }
            }
        }
    }

    pub(super) fn drive_jobs(&mut self, now_ms: u64) {
        let jobs = self.jobs.by_task.iter();
        let due = jobs.filter(|(_, job)| job.due_ms().is_some_and(|due| now_ms >= due)).map(|(task, _)| *task);
        let due: Vec<TaskId> = due.collect();
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
                    job.enter(Stage::Checking, now_ms);
                    frames.into_iter().for_each(|frame| self.send(now_ms, frame));
                }
                (Stage::Verified { .. }, Some((proof_hash, _))) => {
                    let proof_hash = *proof_hash;
                    let body = match job.offer.kind {
                        TaskKind::Aggregate { .. } => MessageBody::SubmitAggregate { task, proof_hash },
                        _ => MessageBody::SubmitProof { task, proof_hash },
                    };
                    job.enter(Stage::Submitted, now_ms);
                    self.message(now_ms, body, About::Submit(task));
                }
                (Stage::HandBackDue { .. }, _) => {
                    job.enter(Stage::HandingBack, now_ms);
                    self.message(now_ms, MessageBody::HandBack { task }, About::HandBack(task));
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
            let Stage::Queued { package } = std::mem::replace(&mut job.stage, Stage::Running) else { return };
            (job.since_ms, job.progress, job.told_ms) = (now_ms, (now_ms, 0), now_ms);
            let (attempt, segments, kind) = (job.offer.attempt, job.offer.segments, job.offer.kind.clone());
            let estimate_ms = self.speed.estimate(&kind, segments).map_or(0, |e| e.safe_ms());
            self.actions.push(Action::StartWork { task, attempt, kind, segments, package });
            self.send(now_ms, ClientFrame::TaskStarted { task, attempt, estimate_ms });
        }
    }
}
