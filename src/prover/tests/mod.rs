//! The prover against a scripted node, in virtual time.

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    B256, Height, ItemIndex, MessageBody, SignedMessage, Signer, SigningDomain, TaskId, Zkpow,
    event::{DrawReceipt, InactiveReason, TaskKind},
    signing::{SignatureBytes, recover},
    wire::{
        Answer, ChainStatus, ClientFrame, CloseReason, Code, MAX_CHUNK_BYTES, MAX_FRAME_BYTES, NodeFrame, Notice,
        Offer, Package, Packet, Reliable, SessionLimits, Standing,
    },
};

use super::*;

mod flow;
mod lies;
mod pause;
mod plan;
mod show;

const CHAIN: u64 = 5;
const GENESIS: B256 = B256::repeat_byte(6);
const PARAMS: B256 = B256::repeat_byte(7);

fn node_key() -> Signer {
    Signer::from_bytes(&[9; 32]).unwrap()
}

fn plugin_key() -> Signer {
    Signer::from_bytes(&[1; 32]).unwrap()
}

fn config() -> ProverConfig {
    ProverConfig {
        agent: "test".into(),
        lanes: 1,
        expected: Some(ExpectedChain { genesis_hash: GENESIS, params_digest: Some(PARAMS), chain_id: None }),
        ms_per_segment: None,
        seed: 1,
        registers: true,
    }
}

fn status(height: u64) -> ChainStatus {
    ChainStatus {
        height: Height(height),
        time_ms: 0,
        block_time_ms: 1_000,
        idle_interval_ms: 10_000,
        block_hash: B256::repeat_byte(3),
        registration_work: 4,
    }
}

fn limits() -> SessionLimits {
    SessionLimits {
        max_frame_bytes: 512 << 10,
        max_proof_bytes: 4 << 20,
        max_unacknowledged: 256,
        frames_per_second: 50,
        silence_ms: 30_000,
        min_heartbeat_ms: 1_000,
        heartbeat_ttl_blocks: 30,
        resume_ms: 120_000,
    }
}

fn draw() -> DrawReceipt {
    let (beacon_height, beacon, set_root) = (Height(10), B256::ZERO, B256::ZERO);
    DrawReceipt { beacon_height, beacon, set_root, candidates: 1, index: 0, rejected: 0 }
}

fn task(task: u64, deadline: u64) -> Offer {
    Offer {
        task: TaskId(task),
        attempt: 1,
        kind: TaskKind::Prove { item: ItemIndex(task) },
        segments: 3,
        bounty: Zkpow(1),
        assigned: Height(10),
        deadline: Height(deadline),
        package: Package::Inline { bytes: Bytes::from_static(b"input") },
        draw: Some(draw()),
    }
}

fn offer(number: u64, deadline: u64) -> NodeFrame {
    NodeFrame::TaskOffer { offer: task(number, deadline) }
}

fn open_to_all(number: u64, deadline: u64) -> Offer {
    Offer { draw: None, ..task(number, deadline) }
}

/// The prover and a node that does what the test says.
struct World {
    now: u64,
    core: ProverCore,
    node: Reliable<NodeFrame>,
    frames: Vec<ClientFrame>,
    actions: Vec<Action>,
}

impl World {
    fn new(config: ProverConfig) -> Self {
        let core = ProverCore::new(config, plugin_key(), 1_000);
        let mut world = Self { now: 1_000, core, node: Reliable::default(), frames: vec![], actions: vec![] };
        world.wait(0);
        world
    }

    fn online(standing: Standing) -> Self {
        let mut world = Self::new(config());
        world.log_in(standing, false);
        world
    }

    /// Active, with a known speed, its first heartbeat said.
    fn with_speed(ms_per_segment: u64) -> Self {
        let mut world = Self::new(ProverConfig { ms_per_segment: Some(ms_per_segment), ..config() });
        world.log_in(Standing::Active, false);
        world.frames.clear();
        world
    }

    fn offers(&mut self, offer: Offer) {
        self.send(NodeFrame::TaskOffer { offer });
    }

    fn height(&mut self, height: u64) {
        self.send(NodeFrame::Status { status: status(height) });
    }

    fn notice(&mut self, notice: Notice) {
        self.send(NodeFrame::Notice { height: Height(11), notice });
    }

    /// Takes the bodies of all system messages.
    fn bodies(&mut self) -> Vec<MessageBody> {
        std::iter::from_fn(|| self.body()).collect()
    }

    /// Takes all events.
    fn events(&mut self) -> Vec<ProverEvent> {
        let (events, others) =
            std::mem::take(&mut self.actions).into_iter().partition(|a| matches!(a, Action::Event(_)));
        self.actions = others;
        let events: Vec<Action> = events;
        let events = events.into_iter().filter_map(|action| match action {
            Action::Event(event) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// Whether the prover has left the node for a fault.
    fn left(&self) -> bool {
        let is_fault = |a: &Action| matches!(a, Action::Event(ProverEvent::NodeFault { .. }));
        let is_waiting = matches!(self.core.view(self.now).link, LinkView::Waiting { .. });
        self.actions.iter().any(is_fault) && self.actions.contains(&Action::Disconnect) && is_waiting
    }

    fn drain(&mut self) {
        for action in self.core.actions() {
            if let Action::Send(bytes) = &action {
                let packet = Packet::<ClientFrame>::decode(bytes, MAX_FRAME_BYTES).unwrap();
                if !matches!(packet.frame, ClientFrame::Hello { .. } | ClientFrame::Login { .. }) {
                    self.node.take(&packet).unwrap();
                }
                self.frames.push(packet.frame);
            } else {
                self.actions.push(action);
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.core.next_wakeup_ms().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.core.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn send(&mut self, frame: NodeFrame) {
        let bytes = self.node.send(frame).encode().unwrap();
        self.core.receive(self.now, &bytes);
        self.drain();
    }

    fn welcome() -> NodeFrame {
        NodeFrame::Welcome {
            version: 1,
            chain_id: CHAIN,
            genesis_hash: GENESIS,
            params_digest: PARAMS,
            limits: limits(),
            node: node_key().address(),
            nonce: B256::repeat_byte(5),
        }
    }

    /// Connects; leaves the prover at its login.
    fn greet(&mut self) {
        self.greet_with(Self::welcome());
    }

    fn greet_with(&mut self, welcome: NodeFrame) {
        assert_eq!(self.actions.pop(), Some(Action::Connect));
        self.core.connected(self.now);
        self.drain();
        assert!(matches!(self.frames.pop(), Some(ClientFrame::Hello { .. })));
        self.send(welcome);
    }

    fn log_in(&mut self, standing: Standing, resumed: bool) -> Option<B256> {
        self.greet();
        let Some(ClientFrame::Login { signature, resume }) = self.frames.pop() else { panic!("no login") };
        let domain = SigningDomain::new(CHAIN, GENESIS);
        let digest = domain.login(node_key().address(), B256::repeat_byte(5), 1);
        assert_eq!(recover(&digest, &signature.0), Ok(plugin_key().address()));
        if !resumed {
            self.node = Reliable::default();
        }
        let received = self.node.received();
        let token = B256::repeat_byte(0x33);
        self.send(NodeFrame::LoggedIn { token, resumed, received, standing, next_sequence: 7, status: status(10) });
        if let (true, Some(resume)) = (resumed, &resume) {
            for packet in self.node.resume(resume.received).unwrap() {
                self.core.receive(self.now, &packet.encode().unwrap());
            }
            self.drain();
        }
        resume.map(|r| r.token)
    }

    /// Takes the oldest system message.
    fn message(&mut self) -> Option<SignedMessage> {
        let at = self.frames.iter().position(|f| matches!(f, ClientFrame::System { .. }))?;
        match self.frames.remove(at) {
            ClientFrame::System { message } => {
                assert_eq!(message.recover(CHAIN, GENESIS), Ok(plugin_key().address()));
                Some(message)
            }
            _ => None,
        }
    }

    fn body(&mut self) -> Option<MessageBody> {
        self.message().map(|m| m.message.body)
    }

    /// Takes all system messages; the tasks that they hand back.
    fn handed_back(&mut self) -> Vec<TaskId> {
        let bodies: Vec<MessageBody> = std::iter::from_fn(|| self.body()).collect();
        let tasks = bodies.into_iter().filter_map(|body| match body {
            MessageBody::HandBack { task } => Some(task),
            _ => None,
        });
        tasks.collect()
    }

    fn answer(&mut self, message: &SignedMessage, answer: Answer) {
        let digest = message.digest(CHAIN, GENESIS);
        let receipt = SigningDomain::new(CHAIN, GENESIS).receipt(digest, &answer);
        let signature = SignatureBytes(node_key().sign(&receipt));
        self.send(NodeFrame::Receipt { message: digest, answer, signature });
    }

    fn refuse(&mut self, message: &SignedMessage, code: Code) {
        self.answer(message, Answer::Refused { height: Height(10), code, reason: 0 });
    }

    fn started(&mut self) -> Vec<TaskId> {
        let started = self.actions.iter().filter_map(|a| match a {
            Action::StartWork { task, .. } => Some(*task),
            _ => None,
        });
        let started = started.collect();
        self.actions.retain(|a| !matches!(a, Action::StartWork { .. }));
        started
    }

    fn finish(&mut self, task: u64, proof: &[u8]) {
        self.core.finished(self.now, TaskId(task), 1, Ok(proof.to_vec()));
        self.drain();
    }

    fn outcome(&self) -> Option<Outcome> {
        self.actions.iter().find_map(|a| match a {
            Action::Finished(outcome) => Some(*outcome),
            _ => None,
        })
    }
}
