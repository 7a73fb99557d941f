//! The connection: opening, login, resume, numbered frames, and what is done with each.

use crowdfold_events::{
    B256, SigningDomain,
    signing::{SignatureBytes, recover},
    wire::{
        ClientFrame, Code, MAX_FRAME_BYTES, MAX_VERSION, MIN_VERSION, NodeFrame, Packet, Reliable, Resume, Standing,
    },
};

use super::{Chain, HANDSHAKE_MS, Link, ProverCore, Registration, Stop};
use crate::{
    action::{Action, Outcome, ProverEvent},
    config::ExpectedChain,
    jobs::Stage,
};

/// Longest delay of an acknowledgement.
const ACK_DELAY_MS: u64 = 250;
/// Taken frames after which an acknowledgement is sent at once.
const ACK_EVERY: u64 = 16;
/// Blocks after which a registration that was not seen is tried again.
const REGISTRATION_BLOCKS: u64 = 10;
/// Message sequences that a node's hint must leave.
const SEQUENCE_RESERVE: u64 = 1 << 32;

impl ProverCore {
    /// The connection asked for is open.
    pub fn connected(&mut self, now_ms: u64) {
        if !matches!(self.link, Link::Connecting { .. }) {
            return;
        }
        self.link = Link::Greeting { until_ms: now_ms + HANDSHAKE_MS };
        let agent = self.config.agent.clone();
        self.first(ClientFrame::Hello { min_version: MIN_VERSION, max_version: MAX_VERSION, agent });
    }

    /// The connection failed or is gone.
    pub fn disconnected(&mut self, now_ms: u64) {
        if !matches!(self.link, Link::Waiting { .. } | Link::Over) {
            self.wait(now_ms, None, 0);
        }
    }

    /// Anything was heard on the connection (a ping).
    pub fn heard(&mut self, now_ms: u64) {
        if let Link::Online { heard_ms } = &mut self.link {
            *heard_ms = now_ms;
        }
    }

    /// Handles the bytes of one binary message.
    pub fn receive(&mut self, now_ms: u64, bytes: &[u8]) {
        self.heard(now_ms);
        let Ok(packet) = Packet::<NodeFrame>::decode(bytes, MAX_FRAME_BYTES) else {
            return self.node_fault(now_ms, "a frame's bytes are not a frame");
        };
        match (self.link, packet.frame) {
            (Link::Waiting { .. } | Link::Connecting { .. } | Link::Over, _) => {}
            (_, NodeFrame::Goodbye { code, retry_after_ms }) => self.goodbye(now_ms, code, retry_after_ms),
            (
                Link::Greeting { .. },
                NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, limits, node, nonce },
            ) => {
                let is_other = |e: ExpectedChain| e != ExpectedChain { genesis_hash, params_digest };
                if self.config.expected.is_some_and(is_other) {
                    return self.finish(Outcome::WrongChain);
                }
                if !(MIN_VERSION..=MAX_VERSION).contains(&version) {
                    return self.node_fault(now_ms, "a version that was not offered");
                }
                let domain = SigningDomain::new(chain_id, genesis_hash);
                // Numbers of another chain's session mean nothing here.
                if self.chain.as_ref().is_some_and(|c| c.domain != domain) {
                    return self.finish(Outcome::WrongChain);
                }
                self.chain = Some(Chain { id: chain_id, domain, params_digest, node, limits });
                let signature = SignatureBytes(self.signer.sign(&domain.login(node, nonce, version)));
                let resume = self.token.map(|token| Resume { token, received: self.reliable.received() });
                self.link = Link::LoggingIn { until_ms: now_ms + HANDSHAKE_MS };
                self.first(ClientFrame::Login { signature, resume });
            }
            (
                Link::LoggingIn { .. },
                NodeFrame::LoggedIn { token, resumed, received, standing, next_sequence, status },
            ) => {
                self.logged_in(now_ms, token, resumed, received, next_sequence);
                self.standing = standing;
                self.status = Some(status);
                if let (Link::Online { .. }, Some(chain)) = (self.link, &self.chain) {
                    let params_digest = chain.params_digest;
                    let plugin = self.plugin();
                    self.actions.push(Action::Event(ProverEvent::LoggedIn {
                        plugin,
                        standing,
                        resumed,
                        params_digest,
                    }));
                    self.drive(now_ms);
                }
            }
            (Link::Online { .. }, frame) => {
                let packet = Packet { sequence: packet.sequence, acknowledged: packet.acknowledged, frame };
                if self.reliable.take(&packet).is_err() {
                    return self.node_fault(now_ms, "a frame out of order");
                }
                self.frame(now_ms, packet.frame);
                if self.reliable.untold() > 0 {
                    self.ack_due_ms.get_or_insert(now_ms + ACK_DELAY_MS);
                }
                if self.reliable.untold() >= ACK_EVERY {
                    self.ack_due_ms = Some(now_ms);
                }
                self.drive(now_ms);
            }
            _ => self.node_fault(now_ms, "a frame that does not belong here"),
        }
    }

    pub(super) fn logged_in(&mut self, now_ms: u64, token: B256, resumed: bool, received: u64, next_sequence: u64) {
        if next_sequence > u64::MAX - SEQUENCE_RESERVE {
            return self.node_fault(now_ms, "a sequence that leaves none");
        }
        self.next_sequence = self.next_sequence.max(next_sequence);
        self.link = Link::Online { heard_ms: now_ms };
        self.token = Some(token);
        self.backoff.reset();
        self.fetches.reconnected();
        self.ack_due_ms = None;
        if resumed {
            match self.reliable.resume(received) {
                Ok(again) => again.iter().for_each(|packet| self.push(packet)),
                Err(_) => self.node_fault(now_ms, "it resumes a session that was not"),
            }
            return;
        }
        // A new session: nothing sent before counts, every task is offered again.
        self.reliable = Reliable::default();
        self.unanswered.clear();
        self.registration = Registration::Idle { due_ms: now_ms };
        if let Stop::Asked { said_inactive } = &mut self.stop {
            *said_inactive = false;
        }
        for job in self.jobs.by_task.values_mut() {
            match job.stage {
                Stage::Checking | Stage::Verified { .. } | Stage::Submitted => {
                    job.stage = Stage::Proven { due_ms: now_ms }
                }
                Stage::HandingBack => job.stage = Stage::HandBackDue { due_ms: now_ms },
                _ => {}
            }
        }
    }

    pub(super) fn frame(&mut self, now_ms: u64, frame: NodeFrame) {
        match frame {
            NodeFrame::TaskOffer { offer } => self.offered(offer),
            NodeFrame::TaskClosed { task, attempt, reason } => {
                if self.jobs.by_task.get(&task).is_some_and(|j| j.offer.attempt == attempt) {
                    self.drop_job(task);
                    self.actions.push(Action::Event(ProverEvent::Closed { task, reason }));
                }
            }
            NodeFrame::Receipt { message, answer, signature } => {
                let Some(chain) = &self.chain else { return };
                let signer = recover(&chain.domain.receipt(message, &answer), &signature.0);
                if signer != Ok(chain.node) {
                    return self.node_fault(now_ms, "a receipt that the node did not sign");
                }
                if let Some(purpose) = self.unanswered.remove(&message) {
                    self.answered(now_ms, purpose, answer);
                }
            }
            NodeFrame::ProofAnswer { task, proof_hash, refused } => self.checked(now_ms, task, proof_hash, refused),
            NodeFrame::Notice { height, notice } => {
                self.standing = notice.standing().unwrap_or(self.standing);
                self.is_overdue |= notice.standing() == Some(Standing::Inactive);
                self.actions.push(Action::Event(ProverEvent::Notice { height, notice }));
            }
            NodeFrame::Status { status } => {
                self.status = Some(status);
                if let Registration::Sent { at } = self.registration
                    && status.height.0 > at.0 + REGISTRATION_BLOCKS
                {
                    self.registration = Registration::Idle { due_ms: now_ms };
                }
            }
            NodeFrame::DataChunk { digest, offset, total, bytes } => {
                let pause = self.chain.as_ref().map_or(0, |c| 1000 / u64::from(c.limits.frames_per_second.max(1)));
                let fetched = self.fetches.piece(now_ms, digest, offset, total, &bytes, pause);
                self.fetched(fetched);
            }
            NodeFrame::DataRefused { digest, code, .. } => {
                let fetched = self.fetches.refused(now_ms, digest, code);
                self.fetched(fetched);
            }
            NodeFrame::Account { account } => {
                self.standing = account.standing;
                self.actions.push(Action::Event(ProverEvent::Account { account }));
            }
            NodeFrame::Recent { happened } => {
                self.actions.push(Action::Event(ProverEvent::Recent { happened }));
            }
            NodeFrame::Ack {} => {}
            NodeFrame::Welcome { .. } | NodeFrame::LoggedIn { .. } | NodeFrame::Goodbye { .. } => {
                self.node_fault(now_ms, "a frame that does not belong here");
            }
        }
    }

    pub(super) fn silence_ms(&self) -> u64 {
        self.chain.as_ref().map_or(HANDSHAKE_MS, |c| u64::from(c.limits.silence_ms))
    }

    /// Sends a frame of the session; a reliable one is kept while offline.
    pub(super) fn send(&mut self, frame: ClientFrame) {
        let is_online = matches!(self.link, Link::Online { .. });
        if !is_online && !frame.is_reliable() {
            return;
        }
        let packet = self.reliable.send(frame);
        if is_online {
            self.ack_due_ms = None;
            self.push(&packet);
        }
    }

    /// Sends a frame before the login.
    pub(super) fn first(&mut self, frame: ClientFrame) {
        self.push(&Packet { sequence: 0, acknowledged: 0, frame });
    }

    pub(super) fn push(&mut self, packet: &Packet<ClientFrame>) {
        let bytes = packet.encode().expect("invariant: pieces are far below the longest frame");
        self.actions.push(Action::Send(bytes));
    }

    pub(super) fn goodbye(&mut self, now_ms: u64, code: Code, retry_after_ms: u32) {
        match code {
            Code::VersionUnsupported | Code::BadLogin | Code::Superseded => self.finish(Outcome::Refused(code)),
            _ => {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, Some(code), u64::from(retry_after_ms));
            }
        }
    }

    /// The node broke the protocol: its session cannot be continued.
    pub(super) fn node_fault(&mut self, now_ms: u64, detail: &'static str) {
        if self.link == Link::Over {
            return;
        }
        self.actions.push(Action::Event(ProverEvent::NodeFault { detail }));
        self.actions.push(Action::Disconnect);
        self.token = self.token.map(|_| B256::ZERO);
        self.wait(now_ms, None, 0);
    }

    pub(super) fn wait(&mut self, now_ms: u64, code: Option<Code>, least_ms: u64) {
        if matches!(self.stop, Stop::Hurried { .. }) {
            return self.finish(Outcome::Stopped { open: self.jobs.by_task.len() });
        }
        let retry_in_ms = self.backoff.next_ms().max(least_ms);
        self.link = Link::Waiting { until_ms: now_ms + retry_in_ms };
        self.ack_due_ms = None;
        self.actions.push(Action::Event(ProverEvent::Disconnected { code, retry_in_ms }));
    }
}
