//! Signed messages and the node's answers: registration, heartbeats, submissions.

use crowdfold_events::{
    Height, Message, MessageBody,
    wire::{Answer, ClientFrame, Code, Standing},
};

use super::{MAX_REGISTRATION_WORK, MAX_RETRIES, ProverCore, REGISTRATION_PAUSE_MS, RETRY_MS, Registration, Stop};
use crate::{
    action::{About, Action, HandBackReason, ProverEvent},
    jobs::Stage,
};

impl ProverCore {
    /// A registration's hashcash was found for a block.
    pub fn registration_solved(&mut self, now_ms: u64, height: Height, nonce: u64) {
        if self.registration == Registration::Solving {
            if self.may_register() && self.is_online() {
                self.registration = Registration::Sent { at: height };
                let body = MessageBody::Register { work_height: height.0, work_nonce: nonce };
                self.message(now_ms, body, About::Register);
            } else {
                self.registration = Registration::Idle { due_ms: now_ms };
            }
        }
    }

    pub(super) fn may_register(&self) -> bool {
        let is_wanted = self.stop == Stop::Running && !self.is_paused();
        self.config.registers && self.standing == Standing::Unknown && is_wanted
    }

    pub(super) fn drive_registration(&mut self, now_ms: u64) {
        let (Registration::Idle { due_ms }, true, Some(status), Some(chain)) =
            (self.registration, self.may_register(), self.status, &self.chain)
        else {
            return;
        };
        if now_ms < due_ms || !self.is_online() {
            return;
        }
        let (chain_id, expected, most) = (chain.id, status.registration_work, MAX_REGISTRATION_WORK);
        if expected > most {
            self.registration = Registration::Idle { due_ms: now_ms.saturating_add(REGISTRATION_PAUSE_MS) };
            return self.event(ProverEvent::RegistrationRefused { expected, most });
        }
        self.registration = Registration::Solving;
        self.actions.push(Action::SolveRegistration {
            chain_id,
            plugin: self.signer.address(),
            height: status.height,
            block_hash: status.block_hash,
            expected,
        });
    }

    /// The node's signed answer to a message.
    pub(super) fn answered(&mut self, now_ms: u64, about: About, answer: Answer) {
        let task = about.task();
        let Answer::Refused { code, reason, .. } = answer else {
            if let About::Submit(task) = about {
                self.event(ProverEvent::Submitted { task });
            }
            return;
        };
        self.event(ProverEvent::Refused { task, code, reason });
        match code {
            Code::NotRegistered => self.standing = Standing::Unknown,
            Code::Suspended => self.standing = Standing::Suspended,
            Code::AlreadyRegistered if self.standing == Standing::Unknown => self.standing = Standing::Candidate,
            _ => {}
        }
        let due_ms = now_ms.saturating_add(RETRY_MS);
        match about {
            About::Register => self.registration = Registration::Idle { due_ms },
            About::Heartbeat => {}
            About::GoInactive => self.not_inactive(due_ms),
            About::Submit(task) | About::HandBack(task) => {
                let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
                job.retries += 1;
                let is_hand_back = about == About::HandBack(task);
                match code {
                    Code::TaskNotOpen | Code::Late | Code::NotAcceptedByRules | Code::WrongKind => self.drop_job(task),
                    _ if job.retries > MAX_RETRIES && is_hand_back => self.drop_job(task),
                    _ if job.retries > MAX_RETRIES => self.hand_back(now_ms, task, HandBackReason::Failed),
                    _ if is_hand_back => job.enter(Stage::HandBackDue { due_ms }, now_ms),
                    Code::ProofMissing => job.enter(Stage::Proven { due_ms }, now_ms),
                    _ => job.enter(Stage::Verified { due_ms }, now_ms),
                }
            }
        }
    }

    /// Signs and sends a message.
    pub(super) fn message(&mut self, now_ms: u64, body: MessageBody, about: About) {
        let Some(chain) = &self.chain else { return };
        let message = Message { sequence: self.next_sequence, body };
        self.next_sequence = self.next_sequence.saturating_add(1);
        let digest = chain.domain.message(&message);
        let message = self.signer.sign_message(&chain.domain, message);
        self.unanswered.insert(digest, about);
        self.signed(now_ms, about);
        self.send(now_ms, ClientFrame::System { message });
    }
}
