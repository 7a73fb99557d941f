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

mod commands;
mod config;
mod io;
mod requests;

use std::collections::{BTreeMap, VecDeque};

use crowdfold_events::{
    Address, B256, CodecError, TaskId,
    wire::{
        Account, ChainStatus, ClientFrame, Code, Happened, NodeFrame, Offer, Packet, Reliable, Resume, SequenceError,
        Standing,
    },
};

pub use self::{
    config::{NodeIdentity, SessionConfig},
    io::{Command, Effect, Output, Seed, Urgency},
};
use super::{login::goodbye, meter::Meter, uploads::Uploads};

/// Tasks that were closed and are remembered to tell "late" from "not yours".
const CLOSED_TASKS_KEPT: usize = 64;
/// How much shorter a session is kept for somebody whom the chain does not know:
/// keys cost nothing, so such sessions could fill the table.
const STRANGER_RESUME_DIVISOR: u32 = 8;
/// Taken frames after which an acknowledgement is sent at once.
const ACK_EVERY: u64 = 16;

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
    account: Account,
    /// A frame that the plugin should have had was dropped; perhaps its account.
    is_account_lost: bool,
    /// What blocks did lately, for a plugin that comes without its session.
    recent: VecDeque<Happened>,
    offers: BTreeMap<TaskId, Offer>,
    closed: VecDeque<TaskId>,
    link: Link,
    token: Option<B256>,
    reliable: Reliable<NodeFrame>,
    frames: Meter,
    bytes: Meter,
    data: Meter,
    messages: Meter,
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
            messages: Meter::new(config.messages_per_second, config.burst_messages, now_ms),
            data: Meter::new(config.data_bytes_per_second, config.data_burst_bytes, now_ms),
            uploads: Uploads::new(limits.max_proof_bytes, config.max_unfinished_uploads, config.invalid_proof_pause_ms),
            identity,
            plugin,
            standing: seed.standing,
            next_sequence: seed.next_sequence,
            status: seed.status,
            account: seed.account,
            is_account_lost: false,
            recent: seed.recent.into(),
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
            Link::Detached { since_ms } => Some(since_ms + self.resume_ms()),
            Link::Attached { heard_ms } => {
                let silence = heard_ms + u64::from(limits.silence_ms);
                Some(self.ack_due_ms.map_or(silence, |due| due.min(silence)))
            }
        }
    }

    /// How long the session outlives its connection.
    fn resume_ms(&self) -> u64 {
        let divisor = if self.standing == Standing::Unknown { STRANGER_RESUME_DIVISOR } else { 1 };
        u64::from(self.config.limits.resume_ms / divisor)
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
                if !self.recent.is_empty() {
                    self.send(NodeFrame::Recent { happened: self.recent.iter().cloned().collect() });
                }
                let offers: Vec<Offer> = self.offers.values().cloned().collect();
                offers.into_iter().for_each(|offer| self.send(NodeFrame::TaskOffer { offer }));
            }
        }
        // After everything that is older.
        self.send(NodeFrame::Account { account: self.account });
    }

    /// A frame that the shell was given was dropped because the socket's queue is full.
    pub fn dropped(&mut self) {
        self.is_account_lost = true;
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
            Link::Detached { since_ms } if now_ms >= since_ms + self.resume_ms() => self.end(Code::Silent),
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
        let urgency = match packet.frame {
            _ if packet.sequence != 0 => Urgency::Must,
            NodeFrame::LoggedIn { .. } | NodeFrame::Recent { .. } => Urgency::Must,
            NodeFrame::DataChunk { .. } => Urgency::Data,
            _ => Urgency::Droppable,
        };
        match packet.encode() {
            Ok(bytes) => self.outputs.push(Output::Send { bytes, urgency }),
            // The node made a frame that nobody can send: only a package can be that long.
            Err(_) => self.violated(Code::NodeFault),
        }
    }

    /// Says goodbye to the connection; the session goes on without one.
    fn hang_up(&mut self, now_ms: u64, code: Code, retry_after_ms: u32) {
        if matches!(self.link, Link::Attached { .. }) {
            self.outputs.push(Output::Send { bytes: goodbye(code, retry_after_ms), urgency: Urgency::Must });
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
