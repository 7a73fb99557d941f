//! Signed messages and the node's answers: registration, heartbeats, submissions.

use crowdfold_events::{
    Height, Message, MessageBody,
    wire::{Answer, ClientFrame, Code, Standing},
};

use super::{Link, MAX_RETRIES, ProverCore, Purpose, RETRY_MS, Registration, Stop};
use crate::{
    action::{Action, HandBackReason, ProverEvent},
    jobs::Stage,
};

impl ProverCore {
    /// A registration's hashcash was found for a block.
    pub fn registration_solved(&mut self, now_ms: u64, height: Height, nonce: u64) {
        if self.registration == Registration::Solving && self.standing == Standing::Unknown {
            if matches!(self.link, Link::Online { .. }) {
                self.registration = Registration::Sent { at: height };
                let body = MessageBody::Register { work_height: height.0, work_nonce: nonce };
                self.message(now_ms, body, Purpose::Register);
            } else {
                self.registration = Registration::Idle { due_ms: now_ms };
            }
        }
    }

    /// The node's signed answer to a message.
    pub(super) fn answered(&mut self, now_ms: u64, purpose: Purpose, answer: Answer) {
        let task = match purpose {
            Purpose::Submit(task) | Purpose::HandBack(task) => Some(task),
            _ => None,
        };
        let Answer::Refused { code, reason, .. } = answer else {
            if let Purpose::Submit(task) = purpose {
                self.actions.push(Action::Event(ProverEvent::Submitted { task }));
            }
            return;
        };
        self.actions.push(Action::Event(ProverEvent::Refused { task, code, reason }));
        match code {
            Code::NotRegistered => self.standing = Standing::Unknown,
            Code::Suspended => self.standing = Standing::Suspended,
            Code::AlreadyRegistered if self.standing == Standing::Unknown => self.standing = Standing::Candidate,
            _ => {}
        }
        let due_ms = now_ms + RETRY_MS;
        match purpose {
            Purpose::Register => self.registration = Registration::Idle { due_ms },
            Purpose::Heartbeat | Purpose::GoInactive => {}
            Purpose::Submit(task) | Purpose::HandBack(task) => {
                let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
                job.retries += 1;
                let is_hand_back = purpose == Purpose::HandBack(task);
                match code {
                    Code::TaskNotOpen | Code::Late | Code::NotAcceptedByRules | Code::WrongKind => self.drop_job(task),
                    _ if job.retries > MAX_RETRIES && is_hand_back => self.drop_job(task),
                    _ if job.retries > MAX_RETRIES => self.hand_back(task, HandBackReason::Failed),
                    _ if is_hand_back => job.stage = Stage::HandBackDue { due_ms },
                    Code::ProofMissing => job.stage = Stage::Proven { due_ms },
                    _ => job.stage = Stage::Verified { due_ms },
                }
            }
        }
    }

    pub(super) fn may_register(&self) -> bool {
        self.config.registers && self.standing == Standing::Unknown && self.stop == Stop::Running
    }

    /// A third of the time for which one message keeps the plugin active, if
    /// blocks come as fast as they can.
    pub(super) fn heartbeat_due_ms(&self) -> Option<u64> {
        let (chain, status) = (self.chain.as_ref()?, self.status?);
        if self.stop != Stop::Running || !matches!(self.standing, Standing::Inactive | Standing::Active) {
            return None;
        }
        let ttl_ms = u64::from(chain.limits.heartbeat_ttl_blocks).saturating_mul(u64::from(status.block_time_ms));
        let least = u64::from(chain.limits.min_heartbeat_ms) + 1;
        let interval = if self.is_overdue { least } else { (ttl_ms / 3).max(least) };
        Some(self.last_signed_ms.map_or(0, |last| last + interval))
    }

    /// Signs and sends a message.
    pub(super) fn message(&mut self, now_ms: u64, body: MessageBody, purpose: Purpose) {
        let Some(chain) = &self.chain else { return };
        let message = Message { sequence: self.next_sequence, body };
        self.next_sequence = self.next_sequence.saturating_add(1);
        let digest = chain.domain.message(&message);
        let message = self.signer.sign_message(&chain.domain, message);
        self.unanswered.insert(digest, purpose);
        self.last_signed_ms = Some(now_ms);
        self.is_overdue = false;
        self.send(ClientFrame::System { message });
    }
}
