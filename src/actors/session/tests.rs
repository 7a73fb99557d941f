//! The session's rules in virtual time. Frames are real bytes; sockets and
//! actors are not involved.

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    Address, B256, Height, ItemIndex, Message, MessageBody, Signer, SigningDomain, TaskId, Zkpow,
    event::TaskKind,
    signing::{SignatureBytes, recover},
    wire::{
        Answer, ChainStatus, ClientFrame, CloseReason, Code, MAX_FRAME_BYTES, MAX_VERSION, NodeFrame, Notice, Offer,
        Package, Packet, Reliable, Resume, Standing,
    },
};

use super::*;

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
        let seed = Seed { standing, next_sequence: 1, status: status(10), offers };
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

mod login {
    use super::*;

    fn core() -> LoginCore {
        LoginCore::new(identity(), SessionConfig::default().limits, B256::repeat_byte(5))
    }

    fn welcomed() -> LoginCore {
        let mut core = core();
        assert!(matches!(core.receive(&first(hello())), LoginStep::Send(_)));
        core
    }

    fn signed(domain: SigningDomain, node: Address, nonce: B256, version: u16) -> Vec<u8> {
        let signature = SignatureBytes(plugin().sign(&domain.login(node, nonce, version)));
        first(ClientFrame::Login { signature, resume: None })
    }

    fn refused(step: LoginStep) -> Code {
        match step {
            LoginStep::Refuse(code, bytes) => {
                let packet = Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap();
                assert_eq!(packet.frame, NodeFrame::Goodbye { code, retry_after_ms: 0 });
                code
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_plugin_proves_its_address() {
        let (node, nonce) = (identity().signer.address(), B256::repeat_byte(5));
        let step = welcomed().receive(&signed(identity().domain, node, nonce, MAX_VERSION));
        assert_eq!(step, LoginStep::Done { plugin: plugin().address(), resume: None });
    }

    #[test]
    fn a_login_for_another_chain_node_nonce_or_version_is_another_address() {
        let (node, nonce, domain) = (identity().signer.address(), B256::repeat_byte(5), identity().domain);
        for bytes in [
            signed(SigningDomain::new(CHAIN + 1, GENESIS), node, nonce, MAX_VERSION),
            signed(SigningDomain::new(CHAIN, B256::ZERO), node, nonce, MAX_VERSION),
            signed(domain, Address::ZERO, nonce, MAX_VERSION),
            signed(domain, node, B256::ZERO, MAX_VERSION),
            signed(domain, node, nonce, MAX_VERSION + 1),
        ] {
            match welcomed().receive(&bytes) {
                LoginStep::Done { plugin: found, .. } => assert_ne!(found, plugin().address()),
                step => assert_eq!(refused(step), Code::BadLogin),
            }
        }
        let unsigned = first(ClientFrame::Login { signature: SignatureBytes([0; 65]), resume: None });
        assert_eq!(refused(welcomed().receive(&unsigned)), Code::BadLogin);
    }

    #[test]
    fn everything_else_is_refused() {
        let old =
            ClientFrame::Hello { min_version: MAX_VERSION + 1, max_version: MAX_VERSION + 9, agent: String::new() };
        assert_eq!(refused(core().receive(&first(old))), Code::VersionUnsupported);
        assert_eq!(refused(core().receive(b"")), Code::Malformed);
        assert_eq!(refused(core().receive(&first(hello())[..20])), Code::Malformed);
        assert_eq!(refused(core().receive(&[0; 2000])), Code::FrameTooLong);
        assert_eq!(refused(core().receive(&first(ClientFrame::Ack {}))), Code::UnexpectedFrame);
        assert_eq!(refused(welcomed().receive(&first(hello()))), Code::UnexpectedFrame);
        let numbered = Packet { sequence: 1, acknowledged: 0, frame: hello() }.encode().unwrap();
        assert_eq!(refused(core().receive(&numbered)), Code::OutOfOrder);
        let named = ClientFrame::Hello { min_version: 1, max_version: 1, agent: "x".repeat(65) };
        assert_eq!(refused(core().receive(&first(named))), Code::Malformed);
        let mut over = core();
        refused(over.receive(b""));
        assert_eq!(refused(over.receive(&first(hello()))), Code::UnexpectedFrame);
    }
}

#[test]
fn a_proof_goes_from_offer_to_receipt() {
    let mut world = World::active();
    assert!(matches!(world.received[0], NodeFrame::LoggedIn { resumed: false, standing: Standing::Active, .. }));
    assert_eq!(world.received[1], NodeFrame::TaskOffer { offer: offer(1, 1) });
    let proof = vec![0x5a; 250_000];
    world.upload(1, &proof);
    let (task, proof_hash) = (TaskId(1), keccak256(&proof));
    assert_eq!(world.effects, [Effect::CheckProof { task, proof_hash, bytes: proof }]);
    world.command(Command::ProofChecked { task, proof_hash, refused: None });
    world.system(MessageBody::SubmitProof { task, proof_hash });
    let Some(Effect::Submit { request, digest, message }) = world.effects.pop() else { panic!("not submitted") };
    assert_eq!(message.recover(CHAIN, GENESIS), Ok(plugin().address()));
    world.command(Command::Submitted { request, result: Ok(()) });
    let Some(NodeFrame::Receipt { message, answer, signature }) = world.received.pop() else { panic!("no receipt") };
    assert_eq!((message, answer), (digest, Answer::Accepted { height: Height(10) }));
    let signer = recover(&identity().domain.receipt(message, &answer), &signature.0);
    assert_eq!(signer, Ok(identity().signer.address()));
    world.command(Command::Submitted { request, result: Ok(()) });
    assert!(!matches!(world.received.last(), Some(NodeFrame::Receipt { .. })), "an answer is given once");
}

#[test]
fn broken_frames_end_the_session() {
    let good = first(ClientFrame::Ack {});
    let mut long = good.clone();
    long.resize(SessionConfig::default().limits.max_frame_bytes as usize + 1, 0);
    let mut unknown = good.clone();
    unknown[16] = 0xee;
    for (bytes, code) in [
        (&good[..good.len() - 1], Code::Malformed),
        (&[][..], Code::Malformed),
        (&[good.as_slice(), &[0]].concat(), Code::Malformed),
        (&unknown, Code::Malformed),
        (&long, Code::FrameTooLong),
        (&first(hello()), Code::UnexpectedFrame),
    ] {
        let mut world = World::active();
        world.bytes(bytes);
        assert_eq!(world.refusal(), Some(code));
        assert!(world.is_ended());
        let before = world.received.len();
        world.bytes(&good);
        world.command(Command::Offer(offer(2, 1)));
        assert_eq!(world.received.len(), before, "an ended session is silent");
        assert_eq!(world.core.next_wakeup_ms(), None);
    }
}

#[test]
fn frames_out_of_order_replayed_or_wrongly_acknowledged_end_the_session() {
    let submits = |world: &World| world.effects.iter().filter(|e| matches!(e, Effect::Submit { .. })).count();
    let mut world = World::active();
    let frame = world.message(MessageBody::Heartbeat);
    world.bytes(&Packet { sequence: 2, acknowledged: 0, frame }.encode().unwrap());
    assert_eq!((world.refusal(), submits(&world)), (Some(Code::OutOfOrder), 0));

    let mut world = World::active();
    let frame = world.message(MessageBody::Heartbeat);
    let bytes = world.send(frame);
    world.bytes(&bytes);
    assert_eq!((world.refusal(), submits(&world)), (Some(Code::Replayed), 1));

    let mut world = World::active();
    world.bytes(&Packet { sequence: 0, acknowledged: 99, frame: ClientFrame::Ack {} }.encode().unwrap());
    assert_eq!(world.refusal(), Some(Code::BadAcknowledgement));
    assert!(world.is_ended());
}

#[test]
fn an_unknown_plugin_may_only_register() {
    let mut world = World::with(Standing::Unknown, vec![]);
    for body in [MessageBody::Heartbeat, MessageBody::Withdraw, MessageBody::HandBack { task: TaskId(1) }] {
        world.system(body);
        assert_eq!(world.refusal(), Some(Code::NotRegistered));
    }
    assert_eq!(world.effects, []);
    world.system(MessageBody::Register { work_height: 1, work_nonce: 2 });
    assert!(matches!(world.effects[..], [Effect::Submit { .. }]));
    assert!(!world.hung_up);
    let mut world = World::active();
    world.system(MessageBody::Register { work_height: 1, work_nonce: 2 });
    assert_eq!(world.refusal(), Some(Code::AlreadyRegistered));
}

#[test]
fn a_suspended_plugin_cannot_become_active_but_may_finish_its_work() {
    let mut world = World::active();
    world.command(Command::Notify { height: Height(11), notice: Notice::Suspended { debt: Zkpow(1) } });
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.refusal(), Some(Code::Suspended));
    assert_eq!(world.effects, []);
    world.upload(1, b"a proof");
    assert!(matches!(world.effects.pop(), Some(Effect::CheckProof { .. })));
    world.system(MessageBody::HandBack { task: TaskId(1) });
    assert!(matches!(world.effects.pop(), Some(Effect::Submit { .. })));
}

#[test]
fn a_message_must_be_the_plugins_own_and_new() {
    let mut world = World::active();
    let domain = identity().domain;
    let heartbeat = |sequence| Message { sequence, body: MessageBody::Heartbeat };
    let other = Signer::from_bytes(&[2; 32]).unwrap();
    world.send(ClientFrame::System { message: other.sign_message(&domain, heartbeat(1)) });
    assert_eq!(world.refusal(), Some(Code::WrongSender));
    let other_chain = SigningDomain::new(CHAIN + 1, GENESIS);
    world.send(ClientFrame::System { message: plugin().sign_message(&other_chain, heartbeat(1)) });
    assert_eq!(world.refusal(), Some(Code::WrongSender));
    let mut broken = plugin().sign_message(&domain, heartbeat(1));
    broken.signature[64] = 27;
    world.send(ClientFrame::System { message: broken });
    assert_eq!(world.refusal(), Some(Code::BadSignature));
    assert_eq!(world.effects, []);
    // Gaps are fine, repeats are not.
    world.send(ClientFrame::System { message: plugin().sign_message(&domain, heartbeat(5)) });
    assert!(matches!(world.effects[..], [Effect::Submit { .. }]));
    for stale in [5, 3] {
        world.wait(2_000);
        world.send(ClientFrame::System { message: plugin().sign_message(&domain, heartbeat(stale)) });
        assert_eq!(world.refusal(), Some(Code::StaleSequence));
    }
    assert_eq!(world.effects.len(), 1);
}

#[test]
fn heartbeats_too_often_are_refused() {
    let mut world = World::active();
    world.system(MessageBody::Heartbeat);
    world.wait(999);
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.refusal(), Some(Code::HeartbeatTooSoon));
    assert_eq!(world.effects.len(), 1);
    world.wait(1);
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.effects.len(), 2);
}

#[test]
fn proofs_are_bounded_ordered_and_checked_before_the_node_sees_them() {
    let mut world = World::active();
    let (task, proof_hash) = (TaskId(1), keccak256(b"a proof"));
    let piece = |task: u64, total, offset, bytes: &'static [u8]| ClientFrame::ProofUpload {
        task: TaskId(task),
        proof_hash,
        total,
        offset,
        bytes: Bytes::from_static(bytes),
    };
    for (frame, code) in [
        (piece(2, 7, 0, b"a proof"), Code::TaskNotOpen),
        (piece(1, 0, 0, b""), Code::ProofTooLong),
        (piece(1, u32::MAX, 0, b"a"), Code::ProofTooLong),
        (piece(1, 7, 0, b""), Code::ChunkMismatch),
        (piece(1, 6, 0, b"a proof"), Code::ChunkMismatch),
        (piece(1, 7, 3, b"roof"), Code::ChunkMismatch),
        (piece(1, 7, 0, b"a prook"), Code::ProofHash),
    ] {
        world.send(frame);
        assert_eq!(world.refusal(), Some(code));
    }
    world.send(piece(1, 7, 0, b"a pr"));
    world.send(piece(1, 7, 5, b"of"));
    assert_eq!(world.refusal(), Some(Code::ChunkMismatch));
    assert_eq!(world.effects, []);
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
    world.upload(1, b"a proof");
    assert_eq!(world.effects.len(), 1);
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing), "uploaded, not yet verified");
    world.command(Command::ProofChecked { task, proof_hash, refused: None });
    // The same again costs the node nothing, another proof is not looked at.
    world.received.clear();
    world.upload(1, b"a proof");
    assert_eq!(world.received.last(), Some(&NodeFrame::ProofAnswer { task, proof_hash, refused: None }));
    world.upload(1, b"another proof");
    assert_eq!((world.refusal(), world.effects.len()), (Some(Code::TooManyUploads), 1));
    world.system(MessageBody::SubmitAggregate { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::WrongKind));
    world.system(MessageBody::SubmitProof { task, proof_hash: B256::ZERO });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
    world.command(Command::Close { task, reason: CloseReason::TimedOut });
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::Late));
    assert_eq!(world.effects.len(), 1);
    // A new attempt at the task does not inherit the upload: the worker's statement differs.
    world.command(Command::Offer(offer(1, 2)));
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
}

#[test]
fn invalid_proofs_cost_ever_longer_pauses() {
    let mut world = World::active();
    let (task, proof_hash) = (TaskId(1), keccak256(b"a proof"));
    for pause in [2_000, 4_000, 8_000] {
        let before = world.effects.len();
        world.upload(1, b"a proof");
        assert_eq!(world.effects.len(), before + 1);
        world.command(Command::ProofChecked { task, proof_hash, refused: Some(Code::ProofInvalid) });
        assert_eq!(world.refusal(), Some(Code::ProofInvalid));
        world.wait(pause - 1);
        world.upload(1, b"a proof");
        assert_eq!(world.refusal(), Some(Code::UploadBackoff));
        assert_eq!(world.effects.len(), before + 1);
        world.wait(1);
    }
}

#[test]
fn unfinished_work_of_the_node_is_bounded() {
    let config = SessionConfig::default();
    let offers = (1..=9).map(|task| offer(task, 1)).collect();
    let mut world = World::with(Standing::Active, offers);
    for task in 1..=9 {
        world.upload(task, b"a proof");
    }
    assert_eq!(world.effects.len(), config.max_unfinished_uploads);
    assert_eq!(world.refusal(), Some(Code::TooManyUploads));
    world.effects.clear();
    for _ in 0..30 {
        world.system(MessageBody::Withdraw);
    }
    assert_eq!(world.effects.len(), config.max_pending_messages);
    assert_eq!(world.refusal(), Some(Code::TooManyMessages));
    world.effects.clear();
    let request = ClientFrame::DataRequest { digest: B256::ZERO, offset: 0, length: 10 };
    for _ in 0..30 {
        world.send(request.clone());
    }
    assert_eq!(world.effects.len(), config.max_pending_fetches);
    world.command(Command::Fetched { digest: B256::ZERO, offset: 0, result: Err(Code::NoSuchData) });
    assert_eq!(world.refusal(), Some(Code::NoSuchData));
    world.send(request);
    assert_eq!(world.effects.len(), config.max_pending_fetches + 1);
    for length in [0, u32::MAX] {
        world.send(ClientFrame::DataRequest { digest: B256::ZERO, offset: 0, length });
        assert_eq!(world.refusal(), Some(Code::DataRange));
    }
}

#[test]
fn a_flood_ends_the_session_and_an_honest_rate_does_not() {
    let mut world = World::active();
    for _ in 0..1_000 {
        world.send(ClientFrame::Ack {});
        world.wait(20);
    }
    assert!(!world.hung_up);
    for _ in 0..201 {
        world.send(ClientFrame::Ack {});
    }
    assert_eq!(world.refusal(), Some(Code::Flood));
    assert!(matches!(world.received.last(), Some(NodeFrame::Goodbye { retry_after_ms: 10_000, .. })));
    assert!(world.is_ended());
    // Bytes count too.
    let mut world = World::with(Standing::Active, vec![]);
    let bytes = Bytes::from(vec![0; 250_000]);
    for _ in 0..40 {
        let frame = ClientFrame::ProofUpload {
            task: TaskId(1),
            proof_hash: B256::ZERO,
            total: 1,
            offset: 0,
            bytes: bytes.clone(),
        };
        world.send(frame);
    }
    assert_eq!(world.refusal(), Some(Code::Flood));
}

#[test]
fn a_resumed_session_loses_and_repeats_nothing() {
    let mut world = World::active();
    world.system(MessageBody::Heartbeat);
    let Some(Effect::Submit { request, .. }) = world.effects.pop() else { panic!("not submitted") };
    let (received, seen) = (world.client.received(), world.received.len());
    world.core.detach(world.now);
    world.wait(5_000);
    // While away: an answer, an offer, a penalty, and a status that is not kept.
    world.command(Command::Submitted { request, result: Ok(()) });
    world.command(Command::Offer(offer(2, 1)));
    world.command(Command::Notify { height: Height(11), notice: Notice::Reinstated });
    world.command(Command::Status(status(12)));
    assert_eq!(world.received.len(), seen);
    let resume = Resume { token: world.token, received };
    world.core.attach(world.now, B256::repeat_byte(0x71), Some(resume));
    world.drain();
    let frames = &world.received[seen..];
    assert!(matches!(
        frames[0],
        NodeFrame::LoggedIn { resumed: true, received: 1, status: ChainStatus { height: Height(12), .. }, .. }
    ));
    assert!(matches!(frames[1], NodeFrame::Receipt { .. }));
    assert_eq!(frames[2], NodeFrame::TaskOffer { offer: offer(2, 1) });
    assert!(matches!(frames[3], NodeFrame::Notice { .. }));
    assert_eq!(frames.len(), 4);
    // Numbering goes on in both directions.
    world.wait(2_000);
    world.system(MessageBody::Heartbeat);
    assert!(matches!(world.effects.pop(), Some(Effect::Submit { .. })));
}

#[test]
fn a_wrong_token_or_position_begins_a_new_session_with_everything_open() {
    for (token, received) in [(B256::ZERO, 0), (B256::repeat_byte(0x70), 99)] {
        let mut world = World::active();
        world.command(Command::Offer(offer(2, 1)));
        world.core.detach(world.now);
        let seen = world.received.len();
        let fresh = B256::repeat_byte(0x72);
        world.core.attach(world.now, fresh, Some(Resume { token, received }));
        world.drain();
        let frames = &world.received[seen..];
        assert!(matches!(frames[0], NodeFrame::LoggedIn { resumed: false, received: 0, token, .. } if token == fresh));
        assert_eq!(frames[1..], [1, 2].map(|task| NodeFrame::TaskOffer { offer: offer(task, 1) }));
    }
}

#[test]
fn a_session_ends_when_its_plugin_stays_away() {
    let mut world = World::active();
    world.wait(29_999);
    assert!(!world.hung_up);
    world.wait(1);
    assert_eq!((world.refusal(), world.hung_up), (Some(Code::Silent), true));
    assert!(!world.is_ended(), "it can be resumed");
    world.wait(119_999);
    assert!(!world.is_ended());
    world.wait(1);
    assert_eq!(world.effects, [Effect::Ended(Code::Silent)]);
}

#[test]
fn a_pong_keeps_a_quiet_connection() {
    let mut world = World::active();
    for _ in 0..10 {
        world.wait(20_000);
        world.core.heard(world.now);
    }
    assert!(!world.hung_up);
}

#[test]
fn a_newer_connection_takes_over() {
    let mut world = World::active();
    world.core.supersede(world.now);
    world.drain();
    assert_eq!((world.refusal(), world.hung_up), (Some(Code::Superseded), true));
    let resume = Resume { token: world.token, received: world.client.received() };
    world.core.attach(world.now, B256::ZERO, Some(resume));
    world.drain();
    assert!(matches!(world.received.last(), Some(NodeFrame::LoggedIn { resumed: true, .. })));
}

#[test]
fn a_plugin_that_never_acknowledges_is_let_go() {
    let mut world = World::with(Standing::Active, vec![]);
    for height in 0..=256 {
        assert!(!world.hung_up);
        world.command(Command::Notify { height: Height(height), notice: Notice::Activated });
    }
    assert_eq!(world.refusal(), Some(Code::NotReading));
    assert!(world.is_ended());
    // One that does acknowledge is not.
    let mut world = World::with(Standing::Active, vec![]);
    for height in 0..1_000 {
        world.command(Command::Notify { height: Height(height), notice: Notice::Activated });
        if height % 100 == 0 {
            world.send(ClientFrame::Ack {});
        }
    }
    assert!(!world.hung_up);
}

#[test]
fn acknowledgements_come_soon_or_with_other_frames() {
    let mut world = World::active();
    world.upload(1, b"a proof");
    assert_eq!(world.client.unacknowledged(), 1);
    world.wait(249);
    assert_eq!(world.client.unacknowledged(), 1);
    world.wait(1);
    assert_eq!(world.received.last(), Some(&NodeFrame::Ack {}));
    assert_eq!(world.client.unacknowledged(), 0);
    assert!(world.received.last().is_some_and(|f| !f.is_reliable()));
}

#[test]
fn leaving_ends_the_session() {
    let mut world = World::active();
    world.send(ClientFrame::Leave {});
    assert_eq!(world.refusal(), Some(Code::Finished));
    assert!(world.is_ended());
}
