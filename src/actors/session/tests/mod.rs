//! The session's rules in virtual time. Frames are real bytes; sockets and
//! actors are not involved.

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    Address, B256, Height, ItemIndex, Message, MessageBody, Signer, SigningDomain, TaskId, Zkpow,
    event::TaskKind,
    signing::{SignatureBytes, recover},
    wire::{
        Account, Answer, ChainStatus, ClientFrame, CloseReason, Code, MAX_FRAME_BYTES, MAX_VERSION, NodeFrame, Notice,
        Offer, Package, Packet, Reliable, Resume, Standing,
    },
};

use super::*;

mod link;
mod login;
mod requests;
mod told;

const CHAIN: u64 = 77;
const GENESIS: B256 = B256::repeat_byte(7);

fn identity() -> NodeIdentity {
    NodeIdentity {
        chain_id: CHAIN,
        genesis_hash: GENESIS,
        params_digest: B256::repeat_byte(8),
        domain: SigningDomain::new(CHAIN, GENESIS),
        signer: Signer::from_bytes(&[9; 32]).unwrap(),
    }
}

fn plugin() -> Signer {
    Signer::from_bytes(&[1; 32]).unwrap()
}

fn status(height: u64) -> ChainStatus {
    ChainStatus {
        height: Height(height),
        time_ms: height * 1000,
        block_time_ms: 1000,
        idle_interval_ms: 10_000,
        block_hash: B256::repeat_byte(3),
        registration_work: 1,
    }
}

fn offer(task: u64, attempt: u32) -> Offer {
    Offer {
        task: TaskId(task),
        attempt,
        kind: TaskKind::Prove { item: ItemIndex(task) },
        segments: 3,
        bounty: Zkpow(10),
        assigned: Height(5),
        deadline: Height(20),
        package: Package::Inline { bytes: Bytes::from_static(b"input") },
        draw: None,
    }
}

fn account(height: u64) -> Account {
    Account {
        height: Height(height),
        standing: Standing::Active,
        balance: Zkpow(1),
        accrued: Zkpow(2),
        debt: Zkpow(0),
        bond: Zkpow(3),
        consecutive_valid: 4,
        slots: 1,
        next_slot_at: Some(10),
        accepted: 5,
        failed: 6,
    }
}

/// A plugin's end and a session, joined by bytes; time is a number.
struct World {
    now: u64,
    core: SessionCore,
    client: Reliable<ClientFrame>,
    token: B256,
    sequence: u64,
    received: Vec<NodeFrame>,
    effects: Vec<Effect>,
    hung_up: bool,
}

impl World {
    fn with(standing: Standing, offers: Vec<Offer>) -> Self {
        let (status, account) = (status(10), account(10));
        let seed = Seed { standing, next_sequence: 1, status, account, recent: vec![], offers };
        let core = SessionCore::new(SessionConfig::default(), identity(), plugin().address(), seed, 1_000);
        let mut world = Self {
            now: 1_000,
            core,
            client: Reliable::default(),
            token: B256::ZERO,
            sequence: 0,
            received: vec![],
            effects: vec![],
            hung_up: false,
        };
        world.core.attach(world.now, B256::repeat_byte(0x70), None);
        world.drain();
        world
    }

    fn active() -> Self {
        Self::with(Standing::Active, vec![offer(1, 1)])
    }

    fn drain(&mut self) {
        for output in self.core.outputs() {
            match output {
                Output::Send { bytes, .. } => {
                    let packet = Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap();
                    if let NodeFrame::LoggedIn { token, resumed, received, .. } = &packet.frame {
                        self.token = *token;
                        if !resumed {
                            self.client = Reliable::default();
                        }
                        assert!(*received <= 1_000);
                    }
                    if !matches!(packet.frame, NodeFrame::Goodbye { .. }) {
                        self.client.take(&packet).unwrap();
                    }
                    self.received.push(packet.frame);
                }
                Output::Hangup => self.hung_up = true,
                Output::Effect(effect) => self.effects.push(effect),
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.core.receive(self.now, bytes);
        self.drain();
    }

    fn send(&mut self, frame: ClientFrame) -> Vec<u8> {
        let bytes = self.client.send(frame).encode().unwrap();
        self.bytes(&bytes);
        bytes
    }

    fn command(&mut self, command: Command) {
        self.core.command(self.now, command);
        self.drain();
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

    fn message(&mut self, body: MessageBody) -> ClientFrame {
        self.sequence += 1;
        let message = Message { sequence: self.sequence, body };
        ClientFrame::System { message: plugin().sign_message(&identity().domain, message) }
    }

    fn system(&mut self, body: MessageBody) {
        let frame = self.message(body);
        self.send(frame);
    }

    fn upload(&mut self, task: u64, proof: &[u8]) {
        let (proof_hash, total) = (keccak256(proof), proof.len() as u32);
        for (i, part) in proof.chunks(100_000).enumerate() {
            let bytes = Bytes::copy_from_slice(part);
            self.send(ClientFrame::ProofUpload {
                task: TaskId(task),
                proof_hash,
                total,
                offset: i as u32 * 100_000,
                bytes,
            });
        }
    }

    /// The code of the last refusal of any kind.
    fn refusal(&self) -> Option<Code> {
        self.received.iter().rev().find_map(|frame| match frame {
            NodeFrame::Receipt { answer: Answer::Refused { code, .. }, .. } => Some(*code),
            NodeFrame::ProofAnswer { refused, .. } => *refused,
            NodeFrame::DataRefused { code, .. } | NodeFrame::Goodbye { code, .. } => Some(*code),
            _ => None,
        })
    }

    fn is_ended(&self) -> bool {
        self.hung_up && self.effects.iter().any(|e| matches!(e, Effect::Ended(_)))
    }
}

fn hello() -> ClientFrame {
    ClientFrame::Hello { min_version: 1, max_version: MAX_VERSION, agent: "test".into() }
}

fn first(frame: ClientFrame) -> Vec<u8> {
    Packet { sequence: 0, acknowledged: 0, frame }.encode().unwrap()
}
