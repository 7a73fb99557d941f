//! The rules of one plugin's session, without clock, sockets or actors.
//!
//! ```text
//!            attach            detach                resume_ms pass, violation, Leave
//! Detached ─────────► Attached ───────► Detached ──────────────────────────────────► Ended
//! ```
//!
//! A violation of the protocol ends the session: its numbering cannot be
//! trusted any more. A refused request is answered and changes nothing. The
//! chain is asked only for what passed every check that the session can make
//! itself, cheapest first.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::Bytes;
use crowdfold_events::{
    Address, B256, CodecError, Height, MessageBody, SignedMessage, Signer, SigningDomain, TaskId,
    event::TaskKind,
    signing::{SignatureBytes, recover},
    wire::{
        Answer, ChainStatus, ClientFrame, CloseReason, Code, MAX_CHUNK_BYTES, NodeFrame, Notice, Offer, Packet,
        Reliable, Resume, SequenceError, SessionLimits, Standing,
    },
};

use super::{
    login::goodbye,
    meter::Meter,
    uploads::{Piece, Taken, Uploads},
};

/// Tasks that were closed and are remembered to tell "late" from "not yours".
const CLOSED_TASKS_KEPT: usize = 64;
/// Taken frames after which an acknowledgement is sent at once.
const ACK_EVERY: u64 = 16;

/// Who the node is and which chain it serves.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Digest of the proof system's parameters.
    pub params_digest: B256,
    /// Signing domain of the two above.
    pub domain: SigningDomain,
    /// The key that signs receipts.
    pub signer: Signer,
}

/// What a session allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// What the plugin is told.
    pub limits: SessionLimits,
    /// Frames that may come at once.
    pub burst_frames: u32,
    /// Bytes per second that are always taken.
    pub bytes_per_second: u64,
    /// Bytes that may come at once; at least one frame.
    pub burst_bytes: u64,
    /// System messages that may wait for the node's answer.
    pub max_pending_messages: usize,
    /// Data requests that may wait for the node's answer.
    pub max_pending_fetches: usize,
    /// Proofs that may be unfinished or unverified.
    pub max_unfinished_uploads: usize,
    /// Pause after a first invalid proof, in milliseconds; doubles with each.
    pub invalid_proof_pause_ms: u64,
    /// Longest delay of an acknowledgement, in milliseconds.
    pub ack_delay_ms: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            limits: SessionLimits {
                max_frame_bytes: 512 << 10,
                max_proof_bytes: 4 << 20,
                max_unacknowledged: 256,
                frames_per_second: 50,
                silence_ms: 30_000,
                min_heartbeat_ms: 1_000,
                heartbeat_ttl_blocks: 120,
                resume_ms: 120_000,
            },
            burst_frames: 200,
            bytes_per_second: 2 << 20,
            burst_bytes: 8 << 20,
            max_pending_messages: 16,
            max_pending_fetches: 4,
            max_unfinished_uploads: 4,
            invalid_proof_pause_ms: 2_000,
            ack_delay_ms: 250,
        }
    }
}

/// What the node knows of a plugin when its session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// How the chain sees it.
    pub standing: Standing,
    /// Lowest message sequence that would be taken.
    pub next_sequence: u64,
    /// The chain.
    pub status: ChainStatus,
    /// Its open tasks.
    pub offers: Vec<Offer>,
}

/// From the node to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A task was assigned to the plugin (or is open to everybody).
    Offer(Offer),
    /// An offered task has ended for the plugin.
    Close {
        /// The task.
        task: TaskId,
        /// Why.
        reason: CloseReason,
    },
    /// Something that a block did to the plugin; changes its standing too.
    Notify {
        /// The block.
        height: Height,
        /// What.
        notice: Notice,
    },
    /// A block was committed.
    Status(ChainStatus),
    /// Answer to [`Effect::Submit`].
    Submitted {
        /// The request.
        request: u64,
        /// Taken, or why not, with the kernel's reason or 0.
        result: Result<(), (Code, u16)>,
    },
    /// Answer to [`Effect::CheckProof`].
    ProofChecked {
        /// The task.
        task: TaskId,
        /// The proof.
        proof_hash: B256,
        /// `None` when it verified and is kept.
        refused: Option<Code>,
    },
    /// Answer to [`Effect::Fetch`].
    Fetched {
        /// The digest asked for.
        digest: B256,
        /// The offset asked for.
        offset: u64,
        /// Bytes of the whole and the piece, or why not.
        result: Result<(u64, Bytes), Code>,
    },
    /// End the session.
    End(Code),
}

/// What the node is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Offer a message to the mempool; answered by [`Command::Submitted`].
    Submit {
        /// Names the answer.
        request: u64,
        /// EIP-712 digest of the message.
        digest: B256,
        /// The message; its sender is the plugin.
        message: SignedMessage,
    },
    /// Verify a proof for a task and keep it; answered by [`Command::ProofChecked`].
    CheckProof {
        /// The task, open to the plugin.
        task: TaskId,
        /// Keccak-256 of the bytes, checked.
        proof_hash: B256,
        /// The proof.
        bytes: Vec<u8>,
    },
    /// Read a piece of data; answered by [`Command::Fetched`].
    Fetch {
        /// Keccak-256 of the whole.
        digest: B256,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u32,
    },
    /// The plugin works on a task; for display.
    Progress {
        /// The task.
        task: TaskId,
        /// Part done, in thousandths; 0 when it started.
        permille: u16,
    },
    /// The session is over and must be forgotten.
    Ended(Code),
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame on the attached connection.
    Send {
        /// The frame.
        bytes: Vec<u8>,
        /// Whether it may be dropped when the socket's queue is full.
        droppable: bool,
    },
    /// Close the attached connection after what was sent.
    Hangup,
    /// Do something in the node.
    Effect(Effect),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Detached { since_ms: u64 },
    Attached { heard_ms: u64 },
    Ended,
}

/// One plugin's session.
#[derive(Debug)]
pub struct SessionCore {
    config: SessionConfig,
    identity: NodeIdentity,
    plugin: Address,
    standing: Standing,
    next_sequence: u64,
    status: ChainStatus,
    offers: BTreeMap<TaskId, Offer>,
    closed: VecDeque<TaskId>,
    link: Link,
    token: Option<B256>,
    reliable: Reliable<NodeFrame>,
    frames: Meter,
    bytes: Meter,
    uploads: Uploads,
    pending: BTreeMap<u64, B256>,
    next_request: u64,
    fetches: usize,
    last_heartbeat_ms: Option<u64>,
    ack_due_ms: Option<u64>,
    outputs: Vec<Output>,
}

impl SessionCore {
    /// A session without a connection.
    #[must_use]
    pub fn new(config: SessionConfig, identity: NodeIdentity, plugin: Address, seed: Seed, now_ms: u64) -> Self {
        let limits = &config.limits;
        Self {
            frames: Meter::new(u64::from(limits.frames_per_second), u64::from(config.burst_frames), now_ms),
            bytes: Meter::new(config.bytes_per_second, config.burst_bytes, now_ms),
            uploads: Uploads::new(limits.max_proof_bytes, config.max_unfinished_uploads, config.invalid_proof_pause_ms),
            identity,
            plugin,
            standing: seed.standing,
            next_sequence: seed.next_sequence,
            status: seed.status,
            offers: seed.offers.into_iter().map(|offer| (offer.task, offer)).collect(),
            closed: VecDeque::new(),
            link: Link::Detached { since_ms: now_ms },
            token: None,
            reliable: Reliable::default(),
            pending: BTreeMap::new(),
            next_request: 0,
            fetches: 0,
            last_heartbeat_ms: None,
            ack_due_ms: None,
            outputs: Vec::new(),
            config,
        }
    }

    /// What the shell has to do since the last call.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`Self::tick`] is needed next.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let limits = &self.config.limits;
        match self.link {
            Link::Ended => None,
            Link::Detached { since_ms } => Some(since_ms + u64::from(limits.resume_ms)),
            Link::Attached { heard_ms } => {
                let silence = heard_ms + u64::from(limits.silence_ms);
                Some(self.ack_due_ms.map_or(silence, |due| due.min(silence)))
            }
        }
    }

    /// A connection has logged in as the plugin. The session asked for is
    /// continued if it is this one; else a new one with token `fresh` begins
    /// and everything open is offered again. A connection that was attached
    /// before must have been told and dropped by the shell ([`Self::supersede`]).
    pub fn attach(&mut self, now_ms: u64, fresh: B256, resume: Option<Resume>) {
        if self.link == Link::Ended {
            return;
        }
        self.link = Link::Attached { heard_ms: now_ms };
        let wanted = resume.filter(|r| self.token == Some(r.token));
        let again = wanted.as_ref().and_then(|r| self.reliable.resume(r.received).ok());
        let resumed = again.is_some();
        if !resumed {
            self.reliable = Reliable::default();
            self.uploads.restart();
            self.token = Some(fresh);
        }
        self.ack_due_ms = None;
        self.send(NodeFrame::LoggedIn {
            token: self.token.unwrap_or(fresh),
            resumed,
            received: self.reliable.received(),
            standing: self.standing,
            next_sequence: self.next_sequence,
            status: self.status,
        });
        match again {
            Some(packets) => packets.into_iter().for_each(|packet| self.push(&packet)),
            None => {
                let offers: Vec<Offer> = self.offers.values().cloned().collect();
                offers.into_iter().for_each(|offer| self.send(NodeFrame::TaskOffer { offer }));
            }
        }
    }

    /// Tells the attached connection that another takes its place.
    pub fn supersede(&mut self, now_ms: u64) {
        self.hang_up(now_ms, Code::Superseded, 0);
    }

    /// The connection is gone.
    pub fn detach(&mut self, now_ms: u64) {
        if matches!(self.link, Link::Attached { .. }) {
            self.link = Link::Detached { since_ms: now_ms };
            self.ack_due_ms = None;
        }
    }

    /// Anything was heard from the connection (a pong).
    pub fn heard(&mut self, now_ms: u64) {
        if let Link::Attached { heard_ms } = &mut self.link {
            *heard_ms = now_ms;
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) {
        let limits = &self.config.limits;
        match self.link {
            Link::Attached { heard_ms } if now_ms >= heard_ms + u64::from(limits.silence_ms) => {
                self.hang_up(now_ms, Code::Silent, 0);
            }
            Link::Detached { since_ms } if now_ms >= since_ms + u64::from(limits.resume_ms) => self.end(Code::Silent),
            Link::Attached { .. } if self.ack_due_ms.is_some_and(|due| now_ms >= due) => self.send(NodeFrame::Ack {}),
            _ => {}
        }
    }

    /// Handles the bytes of one frame from the attached connection.
    pub fn receive(&mut self, now_ms: u64, bytes: &[u8]) {
        if !matches!(self.link, Link::Attached { .. }) {
            return;
        }
        self.heard(now_ms);
        if !self.frames.take(now_ms, 1) || !self.bytes.take(now_ms, bytes.len() as u64) {
            return self.violated(Code::Flood);
        }
        let limit = self.config.limits.max_frame_bytes as usize;
        let packet = match Packet::<ClientFrame>::decode(bytes, limit) {
            Ok(packet) => packet,
            Err(CodecError::TooLong { .. }) => return self.violated(Code::FrameTooLong),
            Err(_) => return self.violated(Code::Malformed),
        };
        if let Err(error) = self.reliable.take(&packet) {
            return self.violated(match error {
                SequenceError::OutOfOrder { .. } | SequenceError::WrongKind { .. } => Code::OutOfOrder,
                SequenceError::Replayed { .. } => Code::Replayed,
                SequenceError::BadAcknowledgement { .. } => Code::BadAcknowledgement,
            });
        }
        self.frame(now_ms, packet.frame);
        if matches!(self.link, Link::Attached { .. }) {
            if self.reliable.untold() >= ACK_EVERY {
                self.send(NodeFrame::Ack {});
            } else if self.reliable.untold() > 0 {
                self.ack_due_ms.get_or_insert(now_ms + self.config.ack_delay_ms);
            }
        }
    }

    fn frame(&mut self, now_ms: u64, frame: ClientFrame) {
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
            ClientFrame::DataRequest { digest, offset, length } => {
                let refused = if length == 0 || length as usize > MAX_CHUNK_BYTES {
                    Some(Code::DataRange)
                } else {
                    (self.fetches >= self.config.max_pending_fetches).then_some(Code::TooManyMessages)
                };
                match refused {
                    Some(code) => self.send(NodeFrame::DataRefused { digest, offset, code }),
                    None => {
                        self.fetches += 1;
                        self.effect(Effect::Fetch { digest, offset, length });
                    }
                }
            }
            ClientFrame::Ack {} => {}
            ClientFrame::Leave {} => self.violated(Code::Finished),
        }
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
    fn answer(&mut self, message: B256, result: Result<(), (Code, u16)>) {
        let height = self.status.height;
        let answer = match result {
            Ok(()) => Answer::Accepted { height },
            Err((code, reason)) => Answer::Refused { height, code, reason },
        };
        let signature = SignatureBytes(self.identity.signer.sign(&self.identity.domain.receipt(message, &answer)));
        self.send(NodeFrame::Receipt { message, answer, signature });
    }

    /// Handles something from the node. Works with and without a connection.
    pub fn command(&mut self, now_ms: u64, command: Command) {
        if self.link == Link::Ended {
            return;
        }
        match command {
            Command::Offer(offer) => {
                self.closed.retain(|task| *task != offer.task);
                let before = self.offers.insert(offer.task, offer.clone());
                // An offer of the same attempt only renews its deadline: what is being uploaded still counts.
                if before.is_none_or(|before| before.attempt != offer.attempt) {
                    self.uploads.close(offer.task);
                }
                self.send(NodeFrame::TaskOffer { offer });
            }
            Command::Close { task, reason } => {
                let Some(offer) = self.offers.remove(&task) else { return };
                self.uploads.close(task);
                if self.closed.len() == CLOSED_TASKS_KEPT {
                    self.closed.pop_front();
                }
                self.closed.push_back(task);
                self.send(NodeFrame::TaskClosed { task, attempt: offer.attempt, reason });
            }
            Command::Notify { height, notice } => {
                self.standing = notice.standing().unwrap_or(self.standing);
                self.send(NodeFrame::Notice { height, notice });
            }
            Command::Status(status) => {
                self.status = status;
                self.send(NodeFrame::Status { status });
            }
            Command::Submitted { request, result } => {
                if let Some(digest) = self.pending.remove(&request) {
                    self.answer(digest, result);
                }
            }
            Command::ProofChecked { task, proof_hash, refused } => {
                self.uploads.checked(now_ms, task, proof_hash, refused);
                self.send(NodeFrame::ProofAnswer { task, proof_hash, refused });
            }
            Command::Fetched { digest, offset, result } => {
                self.fetches = self.fetches.saturating_sub(1);
                self.send(match result {
                    Ok((total, bytes)) => NodeFrame::DataChunk { digest, offset, total, bytes },
                    Err(code) => NodeFrame::DataRefused { digest, offset, code },
                });
            }
            Command::End(code) => self.violated(code),
        }
    }

    fn effect(&mut self, effect: Effect) {
        self.outputs.push(Output::Effect(effect));
    }

    /// Sends a frame, or keeps it for the next connection if it is reliable.
    fn send(&mut self, frame: NodeFrame) {
        let is_attached = matches!(self.link, Link::Attached { .. });
        if self.link == Link::Ended || (!is_attached && !frame.is_reliable()) {
            return;
        }
        let packet = self.reliable.send(frame);
        if is_attached {
            self.ack_due_ms = None;
            self.push(&packet);
        }
        if self.reliable.unacknowledged() > self.config.limits.max_unacknowledged as usize {
            self.violated(Code::NotReading);
        }
    }

    fn push(&mut self, packet: &Packet<NodeFrame>) {
        let droppable = packet.sequence == 0 && !matches!(packet.frame, NodeFrame::LoggedIn { .. });
        match packet.encode() {
            Ok(bytes) => self.outputs.push(Output::Send { bytes, droppable }),
            // The node made a frame that nobody can send: only a package can be that long.
            Err(_) => self.violated(Code::NodeFault),
        }
    }

    /// Says goodbye to the connection; the session goes on without one.
    fn hang_up(&mut self, now_ms: u64, code: Code, retry_after_ms: u32) {
        if matches!(self.link, Link::Attached { .. }) {
            self.outputs.push(Output::Send { bytes: goodbye(code, retry_after_ms), droppable: false });
            self.outputs.push(Output::Hangup);
            self.detach(now_ms);
        }
    }

    /// Says goodbye and ends the session.
    fn violated(&mut self, code: Code) {
        let retry_after_ms = if code == Code::Flood { 10_000 } else { 0 };
        self.hang_up(0, code, retry_after_ms);
        self.end(code);
    }

    fn end(&mut self, code: Code) {
        if self.link != Link::Ended {
            self.link = Link::Ended;
            self.effect(Effect::Ended(code));
        }
    }
}
