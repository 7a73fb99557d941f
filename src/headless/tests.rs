//! A real prover and real sessions over real WebSockets; the node behind the
//! sessions is an actor that the test scripts.

use std::{
    sync::{Mutex, atomic::AtomicU64},
    thread::sleep,
};

use actix::prelude::*;
use alloy_primitives::keccak256;
use crowdfold_events::{
    ItemIndex, MessageBody, SigningDomain, Zkpow,
    wire::{Account, ChainStatus, CloseReason, MAX_CHUNK_BYTES, Notice, Offer, Package, Standing},
};
use crowdfold_prover::ExpectedChain;
use futures_util::FutureExt;
use tokio_tungstenite::tungstenite::Message as Packed;

use super::*;
use crate::actors::session::{
    Command, Endpoint, NodeIdentity, Origins, Seed, SessionConfig, SessionDirectory, configure,
    messages::{
        DataPiece, Deliver, FetchData, ProofReceived, Refusal, Services, SessionClosed, SessionOpening, Shutdown,
        SubmitSystemMessage, TaskProgress,
    },
};

const CHAIN: u64 = 9;
const GENESIS: B256 = B256::repeat_byte(2);
const PARAMS: B256 = B256::repeat_byte(3);

fn identity() -> NodeIdentity {
    NodeIdentity {
        chain_id: CHAIN,
        genesis_hash: GENESIS,
        params_digest: PARAMS,
        domain: SigningDomain::new(CHAIN, GENESIS),
        signer: Signer::from_bytes(&[9; 32]).unwrap(),
    }
}

fn package() -> Vec<u8> {
    (0..MAX_CHUNK_BYTES + 99).map(|i| (i % 253) as u8).collect()
}

#[derive(Default)]
struct Log {
    bodies: Vec<MessageBody>,
    proofs: Vec<Vec<u8>>,
    closed: Vec<Code>,
    openings: usize,
    progress: usize,
}

/// Registers, admits and pays everybody.
struct FakeNode {
    log: Arc<Mutex<Log>>,
    directory: Option<Addr<SessionDirectory>>,
    /// The task is accepted only when this is set.
    accepts: bool,
}

impl FakeNode {
    fn deliver(&self, plugin: Address, command: Command) {
        self.directory.as_ref().unwrap().do_send(Deliver { plugin, command });
    }

    fn notify(&self, plugin: Address, notice: Notice) {
        self.deliver(plugin, Command::Notify { height: Height(11), notice });
    }

    fn offer(&self) -> Offer {
        Offer {
            task: TaskId(1),
            attempt: 1,
            kind: TaskKind::Prove { item: ItemIndex(0) },
            segments: 3,
            bounty: Zkpow(5),
            assigned: Height(10),
            deadline: Height(1_000),
            package: Package::Fetch { digest: keccak256(package()), length: package().len() as u32 },
            draw: None,
        }
    }
}

impl Actor for FakeNode {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Join(Addr<SessionDirectory>);

impl Handler<Join> for FakeNode {
    type Result = ();

    fn handle(&mut self, Join(directory): Join, _: &mut Self::Context) {
        self.directory = Some(directory);
    }
}

impl Handler<SessionOpening> for FakeNode {
    type Result = Result<Seed, Code>;

    fn handle(&mut self, _: SessionOpening, _: &mut Self::Context) -> Self::Result {
        let mut log = self.log.lock().unwrap();
        log.openings += 1;
        let is_first = log.openings == 1;
        let status = ChainStatus {
            height: Height(10),
            time_ms: 0,
            block_time_ms: 500,
            idle_interval_ms: 5_000,
            block_hash: B256::repeat_byte(4),
            registration_work: 50,
        };
        let standing = if is_first { Standing::Unknown } else { Standing::Active };
        let offers = if is_first { vec![] } else { vec![self.offer()] };
        let account = Account {
            height: Height(10),
            standing,
            balance: Zkpow(0),
            accrued: Zkpow(0),
            debt: Zkpow(0),
            bond: Zkpow(0),
            consecutive_valid: 0,
            slots: 1,
            next_slot_at: Some(10),
            accepted: 0,
            failed: 0,
        };
        let next_sequence = 1 + 100 * log.openings as u64;
        Ok(Seed { standing, next_sequence, status, account, recent: vec![], offers })
    }
}

impl Handler<SubmitSystemMessage> for FakeNode {
    type Result = Result<(), Refusal>;

    fn handle(
        &mut self,
        SubmitSystemMessage { plugin, message, digest }: SubmitSystemMessage,
        _: &mut Self::Context,
    ) -> Self::Result {
        assert_eq!(message.digest(CHAIN, GENESIS), digest);
        let body = message.message.body;
        match &body {
            MessageBody::Register { work_nonce, .. } => {
                let score = work::score(CHAIN, plugin, B256::repeat_byte(4), *work_nonce);
                if score > work::threshold(50) {
                    return Err(Refusal { code: Code::NotAcceptedByRules, reason: 1 });
                }
                self.notify(plugin, Notice::Registered);
                self.notify(plugin, Notice::AdmissionPassed);
            }
            MessageBody::Heartbeat => {
                self.notify(plugin, Notice::Activated);
                self.deliver(plugin, Command::Offer(self.offer()));
            }
            MessageBody::SubmitProof { task, .. } if self.accepts => {
                self.deliver(plugin, Command::Close { task: *task, reason: CloseReason::Accepted });
            }
            _ => {}
        }
        self.log.lock().unwrap().bodies.push(body);
        Ok(())
    }
}

impl Handler<ProofReceived> for FakeNode {
    type Result = Result<(), Code>;

    fn handle(&mut self, proof: ProofReceived, _: &mut Self::Context) -> Self::Result {
        assert_eq!(keccak256(&proof.bytes), proof.proof_hash);
        self.log.lock().unwrap().proofs.push(proof.bytes.to_vec());
        Ok(())
    }
}

impl Handler<FetchData> for FakeNode {
    type Result = Result<DataPiece, Code>;

    fn handle(&mut self, FetchData { digest, offset, length }: FetchData, _: &mut Self::Context) -> Self::Result {
        let data = package();
        if digest != keccak256(&data) {
            return Err(Code::NoSuchData);
        }
        let end = (offset as usize + length as usize).min(data.len());
        let bytes = data.get(offset as usize..end).ok_or(Code::DataRange)?;
        Ok(DataPiece { total: data.len() as u64, bytes: Bytes::copy_from_slice(bytes) })
    }
}

impl Handler<SessionClosed> for FakeNode {
    type Result = ();

    fn handle(&mut self, closed: SessionClosed, _: &mut Self::Context) {
        self.log.lock().unwrap().closed.push(closed.code);
    }
}

impl Handler<TaskProgress> for FakeNode {
    type Result = ();

    fn handle(&mut self, _: TaskProgress, _: &mut Self::Context) {
        self.log.lock().unwrap().progress += 1;
    }
}

/// Echoes the package's digest after a while.
#[derive(Default)]
struct Echo {
    runs: AtomicU64,
}

impl ProveWork for Echo {
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        assert_eq!(work.package[..], package()[..]);
        for permille in [100, 500, 900] {
            sleep(Duration::from_millis(20));
            progress.report(permille);
            if progress.is_cancelled() {
                return Err(WorkError::Cancelled);
            }
        }
        Ok(keccak256(&work.package).repeat(10_000))
    }
}

struct Net {
    url: String,
    log: Arc<Mutex<Log>>,
    directory: Addr<SessionDirectory>,
}

async fn node(accepts: bool) -> Net {
    let mut config = SessionConfig::default();
    config.limits.min_heartbeat_ms = 10;
    node_with(accepts, config).await
}

async fn node_with(accepts: bool, config: SessionConfig) -> Net {
    let log = Arc::<Mutex<Log>>::default();
    let node = FakeNode { log: log.clone(), directory: None, accepts }.start();
    let services = Services {
        submit: node.clone().recipient(),
        proofs: node.clone().recipient(),
        data: node.clone().recipient(),
        opening: node.clone().recipient(),
        closed: node.clone().recipient(),
        progress: node.clone().recipient(),
    };
    let directory = SessionDirectory::new(identity(), config.clone(), services, 8).start();
    node.send(Join(directory.clone())).await.unwrap();
    let endpoint = Endpoint::new(identity(), config, directory.clone(), 8, Origins::default());
    let server = actix_web::HttpServer::new(move || actix_web::App::new().configure(configure(endpoint.clone())))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let url = format!("ws://{}/plugin", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    Net { url, log, directory }
}

fn prover(url: &str, work: Arc<dyn ProveWork>, events: Arc<Mutex<Vec<ProverEvent>>>) -> (HeadlessProver, Handle) {
    let config = ProverConfig {
        agent: "test".into(),
        lanes: 1,
        expected: Some(ExpectedChain { genesis_hash: GENESIS, params_digest: Some(PARAMS), chain_id: None }),
        ms_per_segment: None,
        seed: 7,
        registers: true,
    };
    let signer = Signer::from_bytes(&[1; 32]).unwrap();
    HeadlessProver::new(url.to_owned(), config, signer, work, Box::new(move |e| events.lock().unwrap().push(e)))
}

async fn until(what: &str, mut is_done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

#[actix_web::test]
async fn a_prover_registers_proves_is_accepted_and_leaves() {
    let net = node(true).await;
    let (events, echo) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Echo>::default());
    let (prover, handle) = prover(&net.url, echo.clone(), events.clone());
    let running = tokio::spawn(prover.run());
    until("accepted", || {
        let closed = ProverEvent::Closed { task: TaskId(1), attempt: 1, reason: CloseReason::Accepted };
        events.lock().unwrap().contains(&closed)
    })
    .await;
    assert_eq!(handle.fetch(keccak256(package())).await, Ok(package()));
    assert_eq!(handle.fetch(B256::ZERO).await, Err(Code::NoSuchData));
    handle.stop().await;
    assert_eq!(running.await.unwrap(), Outcome::Stopped { open: 0 });
    until("the session's end", || net.log.lock().unwrap().closed == [Code::Finished]).await;
    let log = net.log.lock().unwrap();
    assert_eq!(log.proofs, [keccak256(package()).repeat(10_000)]);
    assert!(log.progress > 0);
    let kinds: Vec<bool> = log.bodies.iter().map(|b| matches!(b, MessageBody::SubmitProof { .. })).collect();
    assert_eq!(kinds.iter().filter(|is| **is).count(), 1, "{:?}", log.bodies);
    assert_eq!(log.bodies.last(), Some(&MessageBody::GoInactive));
    assert_eq!(echo.runs.load(Ordering::SeqCst), 1);
    assert_eq!(handle.fetch(B256::ZERO).await, Err(Code::Unavailable));
}

#[actix_web::test]
async fn work_survives_the_loss_of_its_session() {
    let net = node(false).await;
    let (events, echo) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Echo>::default());
    let (prover, handle) = prover(&net.url, echo.clone(), events.clone());
    let running = tokio::spawn(prover.run());
    until("submitted", || events.lock().unwrap().iter().any(|e| matches!(e, ProverEvent::Submitted { .. }))).await;
    // The node drops the session and everything that it knew of it.
    net.directory.do_send(Deliver {
        plugin: Signer::from_bytes(&[1; 32]).unwrap().address(),
        command: Command::End(Code::NodeFault),
    });
    until("submitted again", || net.log.lock().unwrap().proofs.len() == 2).await;
    assert_eq!(echo.runs.load(Ordering::SeqCst), 1, "the proof was not made again");
    assert_eq!(net.log.lock().unwrap().openings, 2);
    handle.stop().await;
    handle.stop().await;
    running.await.unwrap();
    // A node that stops takes nobody any more.
    net.directory.send(Shutdown).await.unwrap();
    let (late, handle) = self::prover(&net.url, echo, events.clone());
    let running = tokio::spawn(late.run());
    until("refused", || {
        let refused = |e: &ProverEvent| matches!(e, ProverEvent::Disconnected { code: Some(Code::ShuttingDown), .. });
        events.lock().unwrap().iter().any(refused)
    })
    .await;
    handle.stop().await;
    assert!(matches!(running.await.unwrap(), Outcome::Stopped { .. }));
}

#[actix_web::test]
async fn sockets_that_break_the_rules_are_told_and_closed() {
    let net = node(true).await;
    let cases = [
        (Packed::Text("hello".into()), Code::NotBinary),
        (Packed::Binary(vec![0; 2_000].into()), Code::FrameTooLong),
        (Packed::Binary(vec![0; MAX_FRAME_BYTES + 1].into()), Code::FrameTooLong),
        (Packed::Binary(vec![].into()), Code::Malformed),
    ];
    for (message, code) in cases {
        let (mut socket, _) = tokio_tungstenite::connect_async(net.url.as_str()).await.unwrap();
        socket.send(message).await.unwrap();
        let mut told = None;
        while let Some(Ok(message)) = socket.next().await {
            if let Packed::Binary(bytes) = message {
                told = crowdfold_events::wire::Packet::decode(&bytes, MAX_FRAME_BYTES).ok().map(|p| p.frame);
            }
        }
        assert_eq!(told, Some(crowdfold_events::wire::NodeFrame::Goodbye { code, retry_after_ms: 0 }));
    }
    assert_eq!(net.log.lock().unwrap().openings, 0);
}

/// Who sends and never reads is not there: pings that nobody answers end the
/// connection, however much is said meanwhile.
#[actix_web::test]
async fn a_peer_that_never_reads_is_let_go() {
    use crowdfold_events::wire::{ClientFrame, MAX_VERSION, NodeFrame, Packet, Reliable};
    let mut config = SessionConfig::default();
    (config.limits.silence_ms, config.limits.resume_ms) = (900, 800);
    let net = node_with(true, config).await;
    let (socket, _) = tokio_tungstenite::connect_async(net.url.as_str()).await.unwrap();
    let (mut to_node, mut from_node) = socket.split();
    let first = |frame| Packed::Binary(Packet { sequence: 0, acknowledged: 0, frame }.encode().unwrap().into());
    let hello = ClientFrame::Hello { min_version: MAX_VERSION, max_version: MAX_VERSION, agent: String::new() };
    to_node.send(first(hello)).await.unwrap();
    let Some(Ok(Packed::Binary(bytes))) = from_node.next().await else { panic!("no welcome") };
    let NodeFrame::Welcome { version, node, nonce, .. } =
        Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap().frame
    else {
        panic!("no welcome")
    };
    let signer = Signer::from_bytes(&[5; 32]).unwrap();
    let signature =
        crowdfold_events::signing::SignatureBytes(signer.sign(&identity().domain.login(node, nonce, version)));
    to_node.send(first(ClientFrame::Login { signature, resume: None })).await.unwrap();
    let mut reliable = Reliable::<ClientFrame>::default();
    let started = tokio::time::Instant::now();
    until("let go", || {
        let ack = reliable.send(ClientFrame::Ack {}).encode().unwrap();
        // It fails when the node has closed.
        to_node.send(Packed::Binary(ack.into())).now_or_never();
        net.log.lock().unwrap().closed == [Code::Silent]
    })
    .await;
    let elapsed = started.elapsed();
    assert!(elapsed > Duration::from_millis(900) && elapsed < Duration::from_secs(10), "{elapsed:?}");
    drop(from_node);
}
