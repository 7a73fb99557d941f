//! The state machine: connection, session, messages, registration, stop.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::Bytes;
use crowdfold_events::{
    Address, B256, Height, Message, MessageBody, Signer, SigningDomain, TaskId,
    event::TaskKind,
    signing::{SignatureBytes, recover},
    wire::{
        Answer, ChainStatus, ClientFrame, CloseReason, Code, MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MAX_VERSION,
        MIN_VERSION, NodeFrame, Notice, Offer, Packet, Reliable, Resume, SessionLimits, Standing,
    },
};

use crate::{
    fetch::{Fetched, Fetches},
    jobs::{Job, Jobs, Stage, WorkError},
    pace::{Backoff, Speed},
};

/// Open tasks that the prover keeps; offers beyond are handed back.
const MAX_JOBS: usize = 64;
/// Refusals for a passing reason before a task is handed back.
const MAX_RETRIES: u32 = 5;
/// Pause before a refused request is made again.
const RETRY_MS: u64 = 2_000;
/// Longest delay of an acknowledgement.
const ACK_DELAY_MS: u64 = 250;
/// Taken frames after which an acknowledgement is sent at once.
const ACK_EVERY: u64 = 16;
/// Time for connecting and logging in.
const HANDSHAKE_MS: u64 = 15_000;
/// Blocks after which a registration that was not seen is tried again.
const REGISTRATION_BLOCKS: u64 = 10;
/// Time to hear receipts after a stop was asked for twice.
const HURRY_MS: u64 = 5_000;
/// Message sequences that a node's hint must leave.
const SEQUENCE_RESERVE: u64 = 1 << 32;
/// Shortest time between two progress frames of a task.
const PROGRESS_MS: u64 = 1_000;

/// The chain that the prover wants to work for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedChain {
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Digest of the proof system's parameters.
    pub params_digest: B256,
}

/// What the user chose.
#[derive(Clone, Debug)]
pub struct ProverConfig {
    /// Name and version of the program, at most 64 bytes.
    pub agent: String,
    /// Tasks proven at the same time, at least 1.
    pub lanes: u32,
    /// The chain; `None` trusts the node's word for it.
    pub expected: Option<ExpectedChain>,
    /// Expected milliseconds per segment before the first proof, if known.
    pub ms_per_segment: Option<u64>,
    /// Seed of the backoff's jitter.
    pub seed: u64,
    /// Whether to register when the chain does not know the plugin.
    pub registers: bool,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection; answer with `connected` or `disconnected`.
    Connect,
    /// Send a binary message.
    Send(Vec<u8>),
    /// Close the connection; no `disconnected` is expected.
    Disconnect,
    /// Prove; answer with `finished`.
    StartWork {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// What it is about.
        kind: TaskKind,
        /// Proof segments.
        segments: u32,
        /// The prover's input.
        package: Bytes,
    },
    /// Stop proving as soon as possible; `finished` may still come and is ignored.
    CancelWork {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
    },
    /// Find a nonce with [`crowdfold_events::work::solve`]; answer with `registration_solved`.
    SolveRegistration {
        /// EIP-155 chain id.
        chain_id: u64,
        /// The plugin.
        plugin: Address,
        /// Block that it is bound to.
        height: Height,
        /// Hash of that block.
        block_hash: B256,
        /// Expected hashes.
        expected: u64,
    },
    /// Data asked for with `fetch`.
    Data {
        /// Its digest.
        digest: B256,
        /// The bytes, or why there are none.
        result: Result<Vec<u8>, Code>,
    },
    /// Something to show.
    Event(ProverEvent),
    /// The end: nothing more will be asked for.
    Finished(Outcome),
}

/// Something to show to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Names say it; units are in the types.
pub enum ProverEvent {
    LoggedIn {
        plugin: Address,
        standing: Standing,
        resumed: bool,
        params_digest: B256,
    },
    Disconnected {
        code: Option<Code>,
        retry_in_ms: u64,
    },
    Offered {
        task: TaskId,
        attempt: u32,
        deadline: Height,
    },
    HandedBack {
        task: TaskId,
        reason: HandBackReason,
    },
    Proven {
        task: TaskId,
        elapsed_ms: u64,
        bytes: usize,
    },
    Submitted {
        task: TaskId,
    },
    Closed {
        task: TaskId,
        reason: CloseReason,
    },
    Refused {
        task: Option<TaskId>,
        code: Code,
        reason: u16,
    },
    WorkFailed {
        task: TaskId,
        error: WorkError,
    },
    Notice {
        height: Height,
        notice: Notice,
    },
    /// The node broke the protocol; the prover reconnects.
    NodeFault {
        detail: &'static str,
    },
}

/// Why a task is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandBackReason {
    /// It cannot be met before its deadline.
    TooSlow,
    /// Too many tasks are open.
    TooMany,
    /// The prover stops.
    Stopping,
    /// Proving or submitting failed.
    Failed,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user stopped it; `open` tasks may time out.
    Stopped {
        /// Tasks neither done nor handed back.
        open: usize,
    },
    /// The node serves another chain or other parameters.
    WrongChain,
    /// The node refuses for good.
    Refused(Code),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Greeting { until_ms: u64 },
    LoggingIn { until_ms: u64 },
    Online { heard_ms: u64 },
    Over,
}

/// What an unanswered message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Register,
    Heartbeat,
    GoInactive,
    Submit(TaskId),
    HandBack(TaskId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    Idle { due_ms: u64 },
    Solving,
    Sent { at: Height },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Running,
    Asked { said_inactive: bool },
    Hurried { until_ms: u64 },
}

#[derive(Clone, Debug)]
struct Chain {
    id: u64,
    domain: SigningDomain,
    params_digest: B256,
    node: Address,
    limits: SessionLimits,
}

/// One prover's connection to one node.
#[derive(Debug)]
pub struct ProverCore {
    config: ProverConfig,
    signer: Signer,
    link: Link,
    backoff: Backoff,
    chain: Option<Chain>,
    token: Option<B256>,
    reliable: Reliable<ClientFrame>,
    ack_due_ms: Option<u64>,
    standing: Standing,
    status: Option<ChainStatus>,
    next_sequence: u64,
    unanswered: BTreeMap<B256, Purpose>,
    last_signed_ms: Option<u64>,
    /// It fell out of the active set (or was let in): the next message is due at once.
    is_overdue: bool,
    registration: Registration,
    jobs: Jobs,
    fetches: Fetches,
    wanted: VecDeque<B256>,
    speed: Speed,
    stop: Stop,
    actions: Vec<Action>,
}

impl ProverCore {
    /// A prover that wants to connect at once.
    #[must_use]
    pub fn new(config: ProverConfig, signer: Signer, now_ms: u64) -> Self {
        Self {
            backoff: Backoff::new(config.seed),
            speed: Speed::new(config.ms_per_segment),
            config,
            signer,
            link: Link::Waiting { until_ms: now_ms },
            chain: None,
            token: None,
            reliable: Reliable::default(),
            ack_due_ms: None,
            standing: Standing::Unknown,
            status: None,
            next_sequence: 1,
            unanswered: BTreeMap::new(),
            last_signed_ms: None,
            is_overdue: false,
            registration: Registration::Idle { due_ms: 0 },
            jobs: Jobs::default(),
            fetches: Fetches::default(),
            wanted: VecDeque::new(),
            stop: Stop::Running,
            actions: Vec::new(),
        }
    }

    /// What the shell has to do since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The plugin's address.
    #[must_use]
    pub fn plugin(&self) -> Address {
        self.signer.address()
    }

    /// How the chain sees the plugin, as far as is known.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

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

    /// Leave: no new work; finish what can be finished, hand the rest back.
    /// A second call hands everything back and leaves within seconds.
    pub fn stop(&mut self, now_ms: u64) {
        let hurry = self.stop != Stop::Running;
        self.stop = match self.stop {
            Stop::Running => Stop::Asked { said_inactive: false },
            Stop::Asked { .. } => Stop::Hurried { until_ms: now_ms + HURRY_MS },
            hurried @ Stop::Hurried { .. } => hurried,
        };
        let tasks: Vec<TaskId> = self.jobs.by_task.keys().copied().collect();
        for task in tasks {
            let Some(job) = self.jobs.by_task.get(&task) else { continue };
            let goes = match job.stage {
                Stage::Fetching { .. } | Stage::Queued { .. } => true,
                Stage::Running { since_ms } => hurry || !self.would_meet(now_ms, since_ms, &job.offer),
                Stage::Proven { .. } | Stage::Checking | Stage::Verified { .. } => hurry,
                Stage::Submitted | Stage::HandBackDue { .. } | Stage::HandingBack => false,
            };
            if goes {
                self.hand_back(task, HandBackReason::Stopping);
            }
        }
        if self.token.is_none() {
            self.finish(Outcome::Stopped { open: 0 });
        }
        self.drive(now_ms);
    }

    /// Whether work that runs since `since_ms` would end before its deadline.
    fn would_meet(&self, now_ms: u64, since_ms: u64, offer: &Offer) -> bool {
        let Some(status) = &self.status else { return false };
        let blocks = offer.deadline.0.saturating_sub(status.height.0);
        let left_ms = blocks.saturating_mul(u64::from(status.block_time_ms));
        let estimate = self.speed.estimate_ms(u64::from(offer.segments));
        estimate.is_some_and(|all| all.saturating_sub(now_ms.saturating_sub(since_ms)) <= left_ms)
    }

    /// When [`Self::tick`] is needed next.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        match self.link {
            Link::Over => None,
            Link::Waiting { until_ms }
            | Link::Connecting { until_ms }
            | Link::Greeting { until_ms }
            | Link::LoggingIn { until_ms } => Some(until_ms),
            Link::Online { heard_ms } => {
                let jobs = self.jobs.by_task.values().filter_map(Job::due_ms).min();
                let register = match self.registration {
                    Registration::Idle { due_ms } if self.may_register() => Some(due_ms),
                    _ => None,
                };
                let hurry = match self.stop {
                    Stop::Hurried { until_ms } => Some(until_ms),
                    _ => None,
                };
                let others = [self.ack_due_ms, self.heartbeat_due_ms(), self.fetches.due_ms(), jobs, register, hurry];
                others.into_iter().flatten().chain([heard_ms + self.silence_ms()]).min()
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) {
        match self.link {
            Link::Waiting { until_ms } if now_ms >= until_ms => {
                self.link = Link::Connecting { until_ms: now_ms + HANDSHAKE_MS };
                self.actions.push(Action::Connect);
            }
            Link::Connecting { until_ms } | Link::Greeting { until_ms } | Link::LoggingIn { until_ms }
                if now_ms >= until_ms =>
            {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, None, 0);
            }
            Link::Online { heard_ms } if now_ms >= heard_ms + self.silence_ms() => {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, Some(Code::Silent), 0);
            }
            Link::Online { .. } => self.drive(now_ms),
            _ => {}
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

    fn logged_in(&mut self, now_ms: u64, token: B256, resumed: bool, received: u64, next_sequence: u64) {
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

    fn frame(&mut self, now_ms: u64, frame: NodeFrame) {
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
            NodeFrame::Ack {} => {}
            NodeFrame::Welcome { .. } | NodeFrame::LoggedIn { .. } | NodeFrame::Goodbye { .. } => {
                self.node_fault(now_ms, "a frame that does not belong here");
            }
        }
    }

    fn fetched(&mut self, fetched: Fetched) {
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

    fn offered(&mut self, offer: Offer) {
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
    fn hand_back(&mut self, task: TaskId, reason: HandBackReason) {
        let Some(job) = self.jobs.by_task.get_mut(&task) else { return };
        if matches!(job.stage, Stage::Running { .. }) {
            self.actions.push(Action::CancelWork { task, attempt: job.offer.attempt });
        }
        job.stage = Stage::HandBackDue { due_ms: 0 };
        job.proof = None;
        self.actions.push(Action::Event(ProverEvent::HandedBack { task, reason }));
    }

    fn drop_job(&mut self, task: TaskId) {
        if let Some(job) = self.jobs.by_task.remove(&task)
            && matches!(job.stage, Stage::Running { .. })
        {
            self.actions.push(Action::CancelWork { task, attempt: job.offer.attempt });
        }
    }

    /// The node's word about an upload.
    fn checked(&mut self, now_ms: u64, task: TaskId, proof_hash: B256, refused: Option<Code>) {
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

    /// The node's signed answer to a message.
    fn answered(&mut self, now_ms: u64, purpose: Purpose, answer: Answer) {
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

    fn may_register(&self) -> bool {
        self.config.registers && self.standing == Standing::Unknown && self.stop == Stop::Running
    }

    /// A third of the time for which one message keeps the plugin active, if
    /// blocks come as fast as they can.
    fn heartbeat_due_ms(&self) -> Option<u64> {
        let (chain, status) = (self.chain.as_ref()?, self.status?);
        if self.stop != Stop::Running || !matches!(self.standing, Standing::Inactive | Standing::Active) {
            return None;
        }
        let ttl_ms = u64::from(chain.limits.heartbeat_ttl_blocks).saturating_mul(u64::from(status.block_time_ms));
        let least = u64::from(chain.limits.min_heartbeat_ms) + 1;
        let interval = if self.is_overdue { least } else { (ttl_ms / 3).max(least) };
        Some(self.last_signed_ms.map_or(0, |last| last + interval))
    }

    fn silence_ms(&self) -> u64 {
        self.chain.as_ref().map_or(HANDSHAKE_MS, |c| u64::from(c.limits.silence_ms))
    }

    /// Sends, starts and ends whatever is due.
    fn drive(&mut self, now_ms: u64) {
        if !matches!(self.link, Link::Online { .. }) {
            return self.start_work(now_ms);
        }
        self.drive_jobs(now_ms);
        self.start_work(now_ms);
        if self.heartbeat_due_ms().is_some_and(|due| now_ms >= due) {
            self.message(now_ms, MessageBody::Heartbeat, Purpose::Heartbeat);
        }
        if let (Registration::Idle { due_ms }, true, Some(status), Some(chain)) =
            (self.registration, self.may_register(), self.status, &self.chain)
            && now_ms >= due_ms
        {
            self.registration = Registration::Solving;
            self.actions.push(Action::SolveRegistration {
                chain_id: chain.id,
                plugin: self.signer.address(),
                height: status.height,
                block_hash: status.block_hash,
                expected: status.registration_work,
            });
        }
        if let Some(request) = self.fetches.request(now_ms) {
            self.send(request);
        }
        self.drive_stop(now_ms);
        if matches!(self.link, Link::Online { .. }) && self.ack_due_ms.is_some_and(|due| now_ms >= due) {
            self.send(ClientFrame::Ack {});
        }
    }

    fn drive_jobs(&mut self, now_ms: u64) {
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
    fn start_work(&mut self, now_ms: u64) {
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

    fn drive_stop(&mut self, now_ms: u64) {
        if let Stop::Asked { said_inactive } = &mut self.stop
            && !*said_inactive
        {
            *said_inactive = true;
            if matches!(self.standing, Standing::Active | Standing::Inactive) {
                self.message(now_ms, MessageBody::GoInactive, Purpose::GoInactive);
            }
        }
        let hurried = matches!(self.stop, Stop::Hurried { until_ms } if now_ms >= until_ms);
        let open = self.jobs.by_task.values().filter(|j| !j.is_given()).count();
        let is_done = self.stop != Stop::Running && open == 0 && self.unanswered.is_empty();
        if is_done || hurried {
            self.send(ClientFrame::Leave {});
            self.finish(Outcome::Stopped { open });
        }
    }

    /// Signs and sends a message.
    fn message(&mut self, now_ms: u64, body: MessageBody, purpose: Purpose) {
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

    /// Sends a frame of the session; a reliable one is kept while offline.
    fn send(&mut self, frame: ClientFrame) {
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
                self.wait(now_ms, Some(code), u64::from(retry_after_ms));
            }
        }
    }

    /// The node broke the protocol: its session cannot be continued.
    fn node_fault(&mut self, now_ms: u64, detail: &'static str) {
        if self.link == Link::Over {
            return;
        }
        self.actions.push(Action::Event(ProverEvent::NodeFault { detail }));
        self.actions.push(Action::Disconnect);
        self.token = self.token.map(|_| B256::ZERO);
        self.wait(now_ms, None, 0);
    }

    fn wait(&mut self, now_ms: u64, code: Option<Code>, least_ms: u64) {
        if matches!(self.stop, Stop::Hurried { .. }) {
            return self.finish(Outcome::Stopped { open: self.jobs.by_task.len() });
        }
        let retry_in_ms = self.backoff.next_ms().max(least_ms);
        self.link = Link::Waiting { until_ms: now_ms + retry_in_ms };
        self.ack_due_ms = None;
        self.actions.push(Action::Event(ProverEvent::Disconnected { code, retry_in_ms }));
    }

    fn finish(&mut self, outcome: Outcome) {
        if self.link == Link::Over {
            return;
        }
        let running = self.jobs.by_task.values().filter(|j| matches!(j.stage, Stage::Running { .. }));
        let cancels: Vec<Action> =
            running.map(|j| Action::CancelWork { task: j.offer.task, attempt: j.offer.attempt }).collect();
        self.actions.extend(cancels);
        self.link = Link::Over;
        self.actions.push(Action::Disconnect);
        self.actions.push(Action::Finished(outcome));
    }
}
