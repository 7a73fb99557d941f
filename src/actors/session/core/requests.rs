//! What the plugin asks, and every check that needs no chain.

use crowdfold_events::{
    B256, MessageBody, SignedMessage, TaskId,
    event::TaskKind,
    signing::{SignatureBytes, recover},
    wire::{Answer, ClientFrame, Code, MAX_CHUNK_BYTES, NodeFrame, Offer, Standing},
};

use super::{Effect, SessionCore};
use crate::actors::session::uploads::{Piece, Taken};

impl SessionCore {
    pub(super) fn frame(&mut self, now_ms: u64, frame: ClientFrame) {
        match frame {
            ClientFrame::Hello { .. } | ClientFrame::Login { .. } => self.violated(Code::UnexpectedFrame),
            ClientFrame::System { message } => self.system(now_ms, message),
            ClientFrame::ProofUpload { task, proof_hash, total, offset, bytes } => {
                let piece = Piece { task, proof_hash, total, offset, bytes: &bytes };
                let taken = self.open_offer(task).map(|_| ()).and_then(|()| self.uploads.take(now_ms, piece));
                match taken {
                    Ok(Taken::More) => {}
                    Ok(Taken::Known) => self.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None }),
                    Ok(Taken::Whole(bytes)) => self.effect(Effect::CheckProof { task, proof_hash, bytes }),
                    Err(code) => self.send(NodeFrame::ProofAnswer { task, proof_hash, refused: Some(code) }),
                }
            }
            ClientFrame::TaskStarted { task, attempt, .. } => self.progress(task, attempt, 0),
            ClientFrame::Progress { task, attempt, permille } => self.progress(task, attempt, permille.min(1000)),
            ClientFrame::DataRequest { digest, offset, length } => match self.may_fetch(now_ms, length) {
                Ok(()) => {
                    self.fetches += 1;
                    self.effect(Effect::Fetch { digest, offset, length });
                }
                Err(code) => self.send(NodeFrame::DataRefused { digest, offset, code }),
            },
            ClientFrame::Ack {} => {}
            ClientFrame::Leave {} => self.violated(Code::Finished),
        }
    }

    /// A key comes through at once; whoever asks for more and more waits.
    fn may_fetch(&mut self, now_ms: u64, length: u32) -> Result<(), Code> {
        if length == 0 || length as usize > MAX_CHUNK_BYTES {
            return Err(Code::DataRange);
        }
        if self.fetches >= self.config.max_pending_fetches {
            return Err(Code::TooManyMessages);
        }
        if self.data.take(now_ms, u64::from(length)) { Ok(()) } else { Err(Code::Busy) }
    }

    fn progress(&mut self, task: TaskId, attempt: u32, permille: u16) {
        if self.offers.get(&task).is_some_and(|offer| offer.attempt == attempt) {
            self.effect(Effect::Progress { task, permille });
        }
    }

    fn open_offer(&self, task: TaskId) -> Result<&Offer, Code> {
        let missing = if self.closed.contains(&task) { Code::Late } else { Code::TaskNotOpen };
        self.offers.get(&task).ok_or(missing)
    }

    fn system(&mut self, now_ms: u64, message: SignedMessage) {
        if !self.messages.take(now_ms, 1) {
            return self.violated(Code::Flood);
        }
        let digest = self.identity.domain.message(&message.message);
        if let Err(code) = self.admit(now_ms, &digest, &message) {
            return self.answer(digest, Err((code, 0)));
        }
        if message.message.body == MessageBody::Heartbeat {
            self.last_heartbeat_ms = Some(now_ms);
        }
        self.next_sequence = message.message.sequence.saturating_add(1);
        self.next_request += 1;
        self.pending.insert(self.next_request, digest);
        self.effect(Effect::Submit { request: self.next_request, digest, message });
    }

    /// Every check that needs no chain, the signature last.
    fn admit(&self, now_ms: u64, digest: &B256, message: &SignedMessage) -> Result<(), Code> {
        if self.pending.len() >= self.config.max_pending_messages {
            return Err(Code::TooManyMessages);
        }
        let body = &message.message.body;
        match (self.standing, body) {
            (Standing::Unknown, MessageBody::Register { .. }) => {}
            (Standing::Unknown, _) => return Err(Code::NotRegistered),
            (Standing::Suspended, MessageBody::Heartbeat | MessageBody::Register { .. }) => {
                return Err(Code::Suspended);
            }
            (_, MessageBody::Register { .. }) => return Err(Code::AlreadyRegistered),
            _ => {}
        }
        if message.message.sequence < self.next_sequence {
            return Err(Code::StaleSequence);
        }
        match body {
            MessageBody::Heartbeat => {
                let least = u64::from(self.config.limits.min_heartbeat_ms);
                if self.last_heartbeat_ms.is_some_and(|last| now_ms < last + least) {
                    return Err(Code::HeartbeatTooSoon);
                }
            }
            MessageBody::SubmitProof { task, proof_hash } | MessageBody::SubmitAggregate { task, proof_hash } => {
                let is_aggregate = matches!(self.open_offer(*task)?.kind, TaskKind::Aggregate { .. });
                if is_aggregate != matches!(body, MessageBody::SubmitAggregate { .. }) {
                    return Err(Code::WrongKind);
                }
                if !self.uploads.is_verified(*task, *proof_hash) {
                    return Err(Code::ProofMissing);
                }
            }
            MessageBody::HandBack { task } => {
                self.open_offer(*task)?;
            }
            _ => {}
        }
        match recover(digest, &message.signature) {
            Ok(sender) if sender == self.plugin => Ok(()),
            Ok(_) => Err(Code::WrongSender),
            Err(_) => Err(Code::BadSignature),
        }
    }

    /// Sends the node's signed answer to a message.
    pub(super) fn answer(&mut self, message: B256, result: Result<(), (Code, u16)>) {
        let height = self.status.height;
        let answer = match result {
            Ok(()) => Answer::Accepted { height },
            Err((code, reason)) => Answer::Refused { height, code, reason },
        };
        let signature = SignatureBytes(self.identity.signer.sign(&self.identity.domain.receipt(message, &answer)));
        self.send(NodeFrame::Receipt { message, answer, signature });
    }
}
