//! The connection: opening, login, resume, numbered frames, and what is done with each.
//!
//! A node is believed only what it can be held to: its chain must be the
//! expected one, its receipts signed, its numbers in order and within reason.
//! Whatever else breaks the protocol ends the connection; the session is not
//! resumed, and the pause before the next connection doubles as long as none
//! lasts. A node of another chain is left the same way when it is known which
//! chain is wanted, so that the shell can turn to another node.

use crowdfold_events::{
    SigningDomain,
    signing::{SignatureBytes, recover},
    wire::{
        ChainStatus, ClientFrame, Code, MAX_FRAME_BYTES, MAX_VERSION, MIN_VERSION, NodeFrame, Packet, Reliable, Resume,
        Standing,
    },
};

use super::{Chain, HANDSHAKE_MS, Link, ProverCore, Registration, Stop, Token};
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
/// A connection that lasted so long was a good one: the next is tried soon.
const HEALTHY_MS: u64 = 10_000;
/// Longest pause that a node can ask for.
const LONGEST_PAUSE_MS: u64 = 600_000;
/// Bounds of the silence after which a connection counts as gone.
const SILENCE_MS: (u64, u64) = (5_000, 600_000);
/// Longest time between blocks that is believed.
const LONGEST_BLOCK_MS: u32 = 3_600_000;
/// Frames that a node may leave unacknowledged.
const MAX_UNACKNOWLEDGED: usize = 1_024;
/// Time for a new session to offer the jobs that are open.
const OFFERS_MS: u64 = 60_000;

/// Whether a chain can be like that.
fn is_sane(status: &ChainStatus) -> bool {
    (1..=LONGEST_BLOCK_MS).contains(&status.block_time_ms)
}

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

    /// Connects at once if it waits: the network is back, or the shell has another node.
    pub fn connect_now(&mut self, now_ms: u64) {
        if matches!(self.link, Link::Waiting { .. }) {
            self.link = Link::Waiting { until_ms: now_ms };
            self.tick(now_ms);
        }
    }

    /// Anything was heard on the connection (a ping).
    pub fn heard(&mut self, now_ms: u64) {
        if let Link::Online { heard_ms, .. } = &mut self.link {
            *heard_ms = now_ms;
        }
    }

    /// Handles the bytes of one binary message.
    pub fn receive(&mut self, now_ms: u64, bytes: &[u8]) {
        self.heard(now_ms);
        if matches!(self.link, Link::Waiting { .. } | Link::Connecting { .. } | Link::Over) {
            return;
        }
        let Ok(packet) = Packet::<NodeFrame>::decode(bytes, MAX_FRAME_BYTES) else {
            return self.node_fault(now_ms, "a frame's bytes are not a frame");
        };
        match (self.link, packet.frame) {
            (_, NodeFrame::Goodbye { code, retry_after_ms }) => self.goodbye(now_ms, code, retry_after_ms),
            (Link::Greeting { .. }, frame @ NodeFrame::Welcome { .. }) => self.welcomed(now_ms, frame),
            (Link::LoggingIn { asks_resume, .. }, frame @ NodeFrame::LoggedIn { .. }) => {
                self.logged_in(now_ms, asks_resume, frame);
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

    fn welcomed(&mut self, now_ms: u64, frame: NodeFrame) {
        let NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, limits, node, nonce } = frame else {
            return;
        };
        let expected = self.config.expected;
        let is_other = |e: &ExpectedChain| {
            e.genesis_hash != genesis_hash
                || e.params_digest.is_some_and(|digest| digest != params_digest)
                || e.chain_id.is_some_and(|id| id != chain_id)
        };
        if expected.as_ref().is_some_and(is_other) {
            self.event(ProverEvent::WrongChain { chain_id, genesis_hash, params_digest });
            self.actions.push(Action::Disconnect);
            return self.wait(now_ms, None, 0);
        }
        if !(MIN_VERSION..=MAX_VERSION).contains(&version) {
            return self.node_fault(now_ms, "a version that was not offered");
        }
        let domain = SigningDomain::new(chain_id, genesis_hash);
        if self.chain.as_ref().is_some_and(|c| c.domain == domain && c.params_digest != params_digest) {
            // The parameters follow from the genesis: one of two words about them is a lie, and work has begun on the first.
            self.event(ProverEvent::WrongChain { chain_id, genesis_hash, params_digest });
            self.actions.push(Action::Disconnect);
            return self.wait(now_ms, None, 0);
        }
        if self.chain.as_ref().is_some_and(|c| c.domain != domain) {
            // Numbers and tasks of another chain's session mean nothing here.
            if expected.is_none() {
                return self.finish(Outcome::WrongChain);
            }
            self.forget();
        }
        self.chain = Some(Chain { id: chain_id, genesis_hash, domain, params_digest, node, limits });
        let signature = SignatureBytes(self.signer.sign(&domain.login(node, nonce, version)));
        // A token is between the plugin and the node that gave it.
        let token = self.token.filter(|token| token.node == node);
        let resume = token.map(|token| Resume { token: token.value, received: self.reliable.received() });
        self.link = Link::LoggingIn { until_ms: now_ms + HANDSHAKE_MS, asks_resume: resume.is_some() };
        self.first(ClientFrame::Login { signature, resume });
    }

    /// Two nodes name different chains under the expected genesis: one of them lies, and nothing carries over.
    fn forget(&mut self) {
        let tasks: Vec<_> = self.jobs.by_task.keys().copied().collect();
        tasks.into_iter().for_each(|task| self.drop_job(task));
        self.unanswered.clear();
        self.reliable = Reliable::default();
        (self.token, self.status, self.slots) = (None, None, None);
        self.standing = Standing::Unknown;
        self.registration = Registration::Idle { due_ms: 0 };
    }

    fn logged_in(&mut self, now_ms: u64, asks_resume: bool, frame: NodeFrame) {
        let NodeFrame::LoggedIn { token, resumed, received, standing, next_sequence, status } = frame else { return };
        if next_sequence > u64::MAX - SEQUENCE_RESERVE {
            return self.node_fault(now_ms, "a sequence that leaves none");
        }
        if !is_sane(&status) {
            return self.node_fault(now_ms, "a block time that no chain has");
        }
        if resumed && !asks_resume {
            return self.node_fault(now_ms, "it resumes a session that was not");
        }
        let Some(chain) = &self.chain else { return };
        let (node, params_digest) = (chain.node, chain.params_digest);
        self.next_sequence = self.next_sequence.max(next_sequence);
        self.link = Link::Online { heard_ms: now_ms, since_ms: now_ms };
        self.token = Some(Token { node, value: token });
        self.has_logged_in = true;
        (self.standing, self.status, self.status_ms) = (standing, Some(status), now_ms);
        self.fetches.reconnected();
        self.ack_due_ms = None;
        if resumed {
            match self.reliable.resume(received) {
                Ok(again) => again.iter().for_each(|packet| self.push(packet)),
                Err(_) => return self.node_fault(now_ms, "it resumes a session that was not"),
            }
        } else {
            self.begin_session(now_ms);
        }
        let plugin = self.plugin();
        self.event(ProverEvent::LoggedIn { plugin, standing, resumed, params_digest });
        self.drive(now_ms);
    }

    /// A new session: nothing sent before counts, every open task is offered again.
    fn begin_session(&mut self, now_ms: u64) {
        self.reliable = Reliable::default();
        self.unanswered.clear();
        self.registration = Registration::Idle { due_ms: now_ms };
        self.say_again(now_ms);
        if let Stop::Asked { said_inactive } = &mut self.stop {
            *said_inactive = false;
        }
        self.offers_due_ms = (!self.jobs.by_task.is_empty()).then_some(now_ms + OFFERS_MS);
        for job in self.jobs.by_task.values_mut() {
            job.is_offered = false;
            match job.stage {
                Stage::Checking | Stage::Verified { .. } | Stage::Submitted => {
                    job.enter(Stage::Proven { due_ms: now_ms }, now_ms);
                }
                Stage::HandingBack => job.enter(Stage::HandBackDue { due_ms: now_ms }, now_ms),
                Stage::Fetching { digest, length } => self.fetches.want(digest, Some(length)),
                _ => {}
            }
        }
    }

    fn frame(&mut self, now_ms: u64, frame: NodeFrame) {
        match frame {
            NodeFrame::TaskOffer { offer } => self.offered(now_ms, offer),
            NodeFrame::TaskClosed { task, attempt, reason } => {
                if self.jobs.by_task.get(&task).is_some_and(|j| j.offer.attempt == attempt) {
                    self.drop_job(task);
                    self.event(ProverEvent::Closed { task, attempt, reason });
                    self.look_for_room(now_ms);
                }
            }
            NodeFrame::Receipt { message, answer, signature } => {
                let Some(chain) = &self.chain else { return };
                let node = chain.node;
                let signer = recover(&chain.domain.receipt(message, &answer), &signature.0);
                if signer != Ok(node) {
                    return self.node_fault(now_ms, "a receipt that the node did not sign");
                }
                if let Some(about) = self.unanswered.remove(&message) {
                    self.event(ProverEvent::Receipt { about, message, answer, signature, node });
                    self.answered(now_ms, about, answer);
                }
            }
            NodeFrame::ProofAnswer { task, proof_hash, refused } => self.checked(now_ms, task, proof_hash, refused),
            NodeFrame::Notice { height, notice } => {
                self.noticed(now_ms, &notice);
                self.event(ProverEvent::Notice { height, notice });
            }
            NodeFrame::Status { status } => self.heard_status(now_ms, status),
            NodeFrame::DataChunk { digest, offset, total, bytes } => {
                let pause = self.chain.as_ref().map_or(0, |c| 1000 / u64::from(c.limits.frames_per_second.max(1)));
                let fetched = self.fetches.piece(now_ms, digest, offset, total, &bytes, pause);
                self.fetched(now_ms, fetched);
            }
            NodeFrame::DataRefused { digest, code, .. } => {
                let fetched = self.fetches.refused(now_ms, digest, code);
                self.fetched(now_ms, fetched);
            }
            NodeFrame::Account { account } => {
                self.standing = account.standing;
                self.slots = Some(account.slots);
                self.event(ProverEvent::Account { account });
            }
            NodeFrame::Recent { happened } => self.event(ProverEvent::Recent { happened }),
            NodeFrame::Ack {} => {}
            NodeFrame::Welcome { .. } | NodeFrame::LoggedIn { .. } | NodeFrame::Goodbye { .. } => {
                self.node_fault(now_ms, "a frame that does not belong here");
            }
        }
    }

    fn heard_status(&mut self, now_ms: u64, status: ChainStatus) {
        if !is_sane(&status) {
            return self.node_fault(now_ms, "a block time that no chain has");
        }
        let before = self.status.map(|s| s.height).unwrap_or_default();
        // Blocks are final: an older view within a session is worth nothing.
        if status.height < before {
            return;
        }
        if status.height > before {
            self.status_ms = now_ms;
        }
        self.status = Some(status);
        if let Registration::Sent { at } = self.registration
            && status.height.0 > at.0.saturating_add(REGISTRATION_BLOCKS)
        {
            self.registration = Registration::Idle { due_ms: now_ms };
        }
    }

    pub(super) fn silence_ms(&self) -> u64 {
        let (least, most) = SILENCE_MS;
        self.chain.as_ref().map_or(HANDSHAKE_MS, |c| u64::from(c.limits.silence_ms).clamp(least, most))
    }

    /// Sends a frame of the session; a reliable one is kept while offline.
    pub(super) fn send(&mut self, now_ms: u64, frame: ClientFrame) {
        let is_online = self.is_online();
        if !is_online && !frame.is_reliable() {
            return;
        }
        let packet = self.reliable.send(frame);
        if is_online {
            self.ack_due_ms = None;
            self.push(&packet);
            if self.reliable.unacknowledged() > MAX_UNACKNOWLEDGED {
                self.node_fault(now_ms, "it acknowledges nothing");
            }
        }
    }

    /// Sends a frame before the login.
    fn first(&mut self, frame: ClientFrame) {
        self.push(&Packet { sequence: 0, acknowledged: 0, frame });
    }

    fn push(&mut self, packet: &Packet<ClientFrame>) {
        let bytes = packet.encode().expect("invariant: pieces are far below the longest frame");
        self.actions.push(Action::Send(bytes));
    }

    fn goodbye(&mut self, now_ms: u64, code: Code, retry_after_ms: u32) {
        match code {
            Code::VersionUnsupported | Code::BadLogin | Code::Superseded => self.finish(Outcome::Refused(code)),
            _ => {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, Some(code), u64::from(retry_after_ms).min(LONGEST_PAUSE_MS));
            }
        }
    }

    /// The node broke the protocol: its session cannot be continued.
    pub(super) fn node_fault(&mut self, now_ms: u64, detail: &'static str) {
        // Of a connection that is gone nothing can be left.
        if matches!(self.link, Link::Over | Link::Waiting { .. }) {
            return;
        }
        self.event(ProverEvent::NodeFault { detail });
        self.actions.push(Action::Disconnect);
        self.token = None;
        // Nothing that it offered is begun before another session offers it too.
        self.jobs.by_task.values_mut().for_each(|job| job.is_offered = false);
        self.wait(now_ms, None, 0);
    }

    pub(super) fn wait(&mut self, now_ms: u64, code: Option<Code>, least_ms: u64) {
        if matches!(self.stop, Stop::Hurried { .. }) {
            return self.finish(Outcome::Stopped { open: self.jobs.by_task.len() });
        }
        if matches!(self.link, Link::Online { since_ms, .. } if now_ms >= since_ms.saturating_add(HEALTHY_MS)) {
            self.backoff.reset();
        }
        let retry_in_ms = self.backoff.next_ms().max(least_ms);
        self.link = Link::Waiting { until_ms: now_ms.saturating_add(retry_in_ms) };
        self.ack_due_ms = None;
        self.event(ProverEvent::Disconnected { code, retry_in_ms });
    }
}
