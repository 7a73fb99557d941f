//! What a plugin gets from a node over a real socket: genesis and key by their
//! digests, its account, what happened while it was away; and who is refused.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use alloy_primitives::{B256, Bytes, keccak256};
use crowdfold::{
    actors::session::{Origin, Origins},
    headless::{HeadlessProver, fetch_alone},
    node::{Node, NodeConfig, NodeError, NodeHandle, PluginAccess},
    params::KeyFile,
};
use crowdfold_config::{Genesis, Pinned};
use crowdfold_events::{
    Signer, SigningDomain,
    signing::SignatureBytes,
    wire::{
        Account, ClientFrame, Code, MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MAX_VERSION, NodeFrame, Notice, Packet, Reliable,
        Resume, Standing,
    },
};
use crowdfold_prover::{ProverConfig, ProverEvent};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::world::{Declared, DeclaredWork, EVERY, PRICE, VALIDATOR, genesis, send, signer, start, transfer, until};

/// Nine and a bit pieces that nobody could take for each other.
fn key() -> Bytes {
    (0..9 * MAX_CHUNK_BYTES + 77).map(|i| (i / 7 % 251) as u8).collect()
}

fn keyed() -> Genesis {
    let mut genesis = genesis();
    genesis.proof_system.key = Pinned::Is(keccak256(key()));
    genesis
}

fn config(dir: &std::path::Path, genesis: &Genesis, plugins: PluginAccess) -> NodeConfig {
    NodeConfig {
        genesis: genesis.clone(),
        data_dir: dir.to_owned(),
        rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        validator: signer(VALIDATOR),
        checker: Arc::new(Declared::default()),
        snapshot_every: EVERY,
        plugins,
    }
}

async fn keeper(dir: &std::path::Path) -> NodeHandle {
    let path = dir.join("the.key");
    std::fs::write(&path, key()).unwrap();
    let key = Some(KeyFile::open(path, keccak256(key())).unwrap());
    Node::start(config(dir, &keyed(), PluginAccess { key, ..PluginAccess::default() })).await.unwrap()
}

/// A plugin by hand.
struct Raw {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    reliable: Reliable<ClientFrame>,
    token: B256,
    resumed: bool,
    genesis_hash: B256,
}

impl Raw {
    async fn connect(node: &NodeHandle, who: &Signer, before: Option<(Reliable<ClientFrame>, B256)>) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(node.plugin_url()).await.unwrap();
        let resume = before.as_ref().map(|(r, token)| Resume { token: *token, received: r.received() });
        let reliable = before.map(|(r, _)| r).unwrap_or_default();
        let mut raw = Self { socket, reliable, token: B256::ZERO, resumed: false, genesis_hash: B256::ZERO };
        raw.first(ClientFrame::Hello { min_version: MAX_VERSION, max_version: MAX_VERSION, agent: "raw".into() }).await;
        let NodeFrame::Welcome { version, chain_id, genesis_hash, node: address, nonce, .. } = raw.any().await.frame
        else {
            panic!("no welcome")
        };
        raw.genesis_hash = genesis_hash;
        let digest = SigningDomain::new(chain_id, genesis_hash).login(address, nonce, version);
        raw.first(ClientFrame::Login { signature: SignatureBytes(who.sign(&digest)), resume }).await;
        let packet = raw.any().await;
        let NodeFrame::LoggedIn { token, resumed, .. } = &packet.frame else { panic!("not logged in") };
        (raw.token, raw.resumed) = (*token, *resumed);
        raw
    }

    async fn first(&mut self, frame: ClientFrame) {
        let bytes = Packet { sequence: 0, acknowledged: 0, frame }.encode().unwrap();
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    async fn send(&mut self, frame: ClientFrame) {
        let bytes = self.reliable.send(frame).encode().unwrap();
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    async fn ask(&mut self, digest: B256, offset: u64, length: u32) {
        self.send(ClientFrame::DataRequest { digest, offset, length }).await;
    }

    async fn any(&mut self) -> Packet<NodeFrame> {
        let next = async {
            loop {
                if let Message::Binary(bytes) = self.socket.next().await.unwrap().unwrap() {
                    return Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap();
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), next).await.expect("a frame within a minute")
    }

    async fn hear<T>(&mut self, wanted: impl Fn(NodeFrame) -> Option<T>) -> T {
        loop {
            let packet = self.any().await;
            self.reliable.take(&packet).unwrap();
            if let Some(found) = wanted(packet.frame) {
                return found;
            }
        }
    }

    async fn hear_goodbye(&mut self) -> Code {
        loop {
            if let NodeFrame::Goodbye { code, .. } = self.any().await.frame {
                return code;
            }
        }
    }

    /// The answer to the oldest unanswered request.
    async fn data(&mut self) -> Result<(u64, u64, Bytes), Code> {
        self.hear(|frame| match frame {
            NodeFrame::DataChunk { offset, total, bytes, .. } => Some(Ok((offset, total, bytes))),
            NodeFrame::DataRefused { code, .. } => Some(Err(code)),
            _ => None,
        })
        .await
    }

    async fn piece(&mut self, digest: B256, offset: u64, length: u32) -> Result<(u64, u64, Bytes), Code> {
        self.ask(digest, offset, length).await;
        self.data().await
    }
}

/// Somebody who has a node's address and the hash of the genesis comes to a
/// key that it can trust; a lost connection costs nothing that came before.
#[tokio::test(flavor = "multi_thread")]
async fn the_hash_of_the_genesis_leads_to_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let node = keeper(dir.path()).await;
    let who = signer(9);
    let mut plugin = Raw::connect(&node, &who, None).await;
    let pinned = keyed().hash();
    assert_eq!(plugin.genesis_hash, pinned);

    let (offset, total, bytes) = plugin.piece(pinned, 0, MAX_CHUNK_BYTES as u32).await.unwrap();
    assert_eq!((offset, total), (0, bytes.len() as u64));
    assert_eq!(keccak256(&bytes), pinned);
    let found = Genesis::from_bytes(&bytes).unwrap();
    assert_eq!(found, keyed());
    let Pinned::Is(digest) = found.proof_system.key else { panic!("no key is named") };

    // Ranges.
    let whole = key();
    let length = whole.len() as u64;
    assert_eq!(plugin.piece(digest, 0, 1).await, Ok((0, length, whole.slice(..1))));
    assert_eq!(plugin.piece(digest, length - 1, 5).await, Ok((length - 1, length, whole.slice(whole.len() - 1..))));
    for (offset, wanted) in [(length, 1), (u64::MAX, 1), (0, 0), (0, MAX_CHUNK_BYTES as u32 + 1), (0, u32::MAX)] {
        assert_eq!(plugin.piece(digest, offset, wanted).await, Err(Code::DataRange), "{offset} {wanted}");
    }
    for unknown in [B256::ZERO, keccak256(b"x"), keccak256(genesis().to_bytes())] {
        assert_eq!(plugin.piece(unknown, 0, 1).await, Err(Code::NoSuchData));
    }

    // The whole, with the connection lost in the middle of it.
    let mut taken = Vec::new();
    while taken.len() < 4 * MAX_CHUNK_BYTES {
        taken.extend(plugin.piece(digest, taken.len() as u64, MAX_CHUNK_BYTES as u32).await.unwrap().2);
    }
    plugin.ask(digest, taken.len() as u64, MAX_CHUNK_BYTES as u32).await;
    let Raw { socket, reliable, token, .. } = plugin;
    drop(socket);
    let mut plugin = Raw::connect(&node, &who, Some((reliable, token))).await;
    assert!(plugin.resumed);
    while taken.len() < whole.len() {
        let (offset, total, bytes) = plugin.piece(digest, taken.len() as u64, MAX_CHUNK_BYTES as u32).await.unwrap();
        assert_eq!(total, length);
        // What was under way when the connection broke may still have been answered.
        if offset == taken.len() as u64 {
            taken.extend(bytes);
        }
    }
    assert_eq!(keccak256(&taken), digest);

    // A program without a plugin's key gets it too.
    let alone = fetch_alone(node.plugin_url(), digest, Duration::from_secs(60)).await;
    assert_eq!(alone.as_deref(), Ok(whole.as_ref()));
    let none = fetch_alone(node.plugin_url(), B256::ZERO, Duration::from_secs(60)).await;
    assert_eq!(none, Err(Code::NoSuchData));
    node.stop().await.unwrap();
    let nobody = fetch_alone("ws://127.0.0.1:1/plugin".to_owned(), digest, Duration::from_millis(300)).await;
    assert_eq!(nobody, Err(Code::Unavailable));
}

/// A node that gives no key says so; one whose key is not the chain's does not start.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_chains_own_key_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = Some(KeyFile::in_memory(Bytes::from_static(b"another key")));
    let refused =
        Node::start(config(dir.path(), &keyed(), PluginAccess { key: wrong, ..PluginAccess::default() })).await;
    assert!(matches!(refused, Err(NodeError::OtherKey { found, .. }) if found == keccak256(b"another key")));

    let node = Node::start(config(dir.path(), &keyed(), PluginAccess::default())).await.unwrap();
    let mut plugin = Raw::connect(&node, &signer(9), None).await;
    assert_eq!(plugin.piece(keccak256(key()), 0, 1).await, Err(Code::NoSuchData));
    assert!(plugin.piece(keyed().hash(), 0, 1).await.is_ok(), "the genesis is always given");
    node.stop().await.unwrap();

    // A file that changes after the start is not given.
    let dir = tempfile::tempdir().unwrap();
    let node = keeper(dir.path()).await;
    std::fs::write(dir.path().join("the.key"), b"something else").unwrap();
    let mut plugin = Raw::connect(&node, &signer(9), None).await;
    assert_eq!(plugin.piece(keccak256(key()), 0, 1).await, Err(Code::Unavailable));
    std::fs::write(dir.path().join("the.key"), key()).unwrap();
    assert!(plugin.piece(keccak256(key()), 0, 1).await.is_ok());
    node.stop().await.unwrap();
}

/// Who asks and does not read is refused after a few pieces, and goes on when it reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_read_holds_a_few_pieces_only() {
    let dir = tempfile::tempdir().unwrap();
    let node = keeper(dir.path()).await;
    let mut plugin = Raw::connect(&node, &signer(9), None).await;
    let digest = keccak256(key());
    const ASKED: usize = 60;
    for i in 0..ASKED {
        plugin.ask(digest, (i % 9 * MAX_CHUNK_BYTES) as u64, MAX_CHUNK_BYTES as u32).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    // Others are served meanwhile.
    let mut other = Raw::connect(&node, &signer(8), None).await;
    assert!(other.piece(digest, 0, 1).await.is_ok());
    let mut given = 0;
    for _ in 0..ASKED {
        match plugin.data().await {
            Ok(_) => given += 1,
            Err(code) => assert!(matches!(code, Code::Busy | Code::TooManyMessages), "{code:?}"),
        }
    }
    assert_eq!(given, 4, "as many as may be on their way");
    for i in 0..9 {
        assert!(plugin.piece(digest, i * MAX_CHUNK_BYTES as u64, MAX_CHUNK_BYTES as u32).await.is_ok());
    }
    node.stop().await.unwrap();
}

fn fragments(bytes: &[u8], size: usize) -> Vec<Message> {
    let parts: Vec<&[u8]> = bytes.chunks(size).collect();
    let last = parts.len() - 1;
    let code = |i| OpCode::Data(if i == 0 { Data::Binary } else { Data::Continue });
    let frame = |(i, part): (usize, &&[u8])| Message::Frame(Frame::message(part.to_vec(), code(i), i == last));
    parts.iter().enumerate().map(frame).collect()
}

/// A message in fragments is one message, and no longer than one; before the
/// login nobody may send more than a handshake.
#[tokio::test(flavor = "multi_thread")]
async fn fragments_are_put_together_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let node = keeper(dir.path()).await;
    let too_long =
        |packet: Packet<NodeFrame>| matches!(packet.frame, NodeFrame::Goodbye { code: Code::FrameTooLong, .. });
    for size in [600, 5_000] {
        let (socket, _) = tokio_tungstenite::connect_async(node.plugin_url()).await.unwrap();
        let (reliable, token, genesis_hash) = (Reliable::default(), B256::ZERO, B256::ZERO);
        let mut stranger = Raw { socket, reliable, token, resumed: false, genesis_hash };
        for fragment in fragments(&[1; 1_200], size) {
            stranger.socket.send(fragment).await.unwrap();
        }
        assert!(too_long(stranger.any().await), "in pieces of {size}");
    }
    let mut plugin = Raw::connect(&node, &signer(9), None).await;
    for size in [1, 7, 30] {
        let request = ClientFrame::DataRequest { digest: keccak256(key()), offset: 5, length: 3 };
        for fragment in fragments(&plugin.reliable.send(request).encode().unwrap(), size) {
            plugin.socket.send(fragment).await.unwrap();
        }
        assert_eq!(plugin.data().await, Ok((5, key().len() as u64, key().slice(5..8))), "in pieces of {size}");
    }
    // It may answer before all is sent, and then closes: sending may fail.
    for fragment in fragments(&vec![1; 600 << 10], 100 << 10) {
        if plugin.socket.send(fragment).await.is_err() {
            break;
        }
    }
    let goodbye = plugin.hear_goodbye().await;
    assert_eq!(goodbye, Code::FrameTooLong);
    node.stop().await.unwrap();
}

async fn handshake(node: &NodeHandle, origin: Option<&str>) -> u16 {
    let mut stream = TcpStream::connect(node.addr()).await.unwrap();
    let origin = origin.map(|o| format!("Origin: {o}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /plugin HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n",
        node.addr()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = vec![0; 12];
    stream.read_exact(&mut line).await.unwrap();
    String::from_utf8(line).unwrap()[9..].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_cannot_connect_as_a_plugin() {
    const EXTENSION: &str = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    let dir = tempfile::tempdir().unwrap();
    let node = start(dir.path(), &genesis()).await;
    let own = format!("http://{}", node.addr());
    for origin in [None, Some(EXTENSION), Some("moz-extension://5b0c4a1e-0f6a-4c0c-9d60-0123456789ab")] {
        assert_eq!(handshake(&node, origin).await, 101, "{origin:?}");
    }
    for origin in ["https://example.com", &own, "null", "http://localhost:3000", "chrome-extension://"] {
        assert_eq!(handshake(&node, Some(origin)).await, 403, "{origin}");
    }
    node.stop().await.unwrap();
    let list: Vec<Origin> = vec!["http://localhost:3000".parse().unwrap()];
    let plugins = PluginAccess { origins: Origins::of(list), key: None };
    let node = Node::start(config(dir.path(), &genesis(), plugins)).await.unwrap();
    for (origin, code) in [(None, 101), (Some("http://localhost:3000"), 101), (Some(EXTENSION), 403)] {
        assert_eq!(handshake(&node, origin).await, code, "{origin:?}");
    }
    node.stop().await.unwrap();
}

/// A plugin misses a deadline while its program is gone: when it comes back
/// with nothing, it is told what it holds and why it is less. Before that, its
/// accounts are those of the chain and its offers say how they were drawn.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_was_gone_learns_of_its_penalty() {
    let (dir, mut genesis) = (tempfile::tempdir().unwrap(), genesis());
    genesis.params.proving.deadline_base = 10;
    genesis.params.proving.deadline_per_segment = 1;
    genesis.params.proving.inclusion_grace = 3;
    genesis.params.bounty.bump_interval = 5;
    let node = start(dir.path(), &genesis).await;
    let events = Arc::<Mutex<Vec<ProverEvent>>>::default();
    let run = || {
        let (work, log) = (Arc::new(DeclaredWork::default()), events.clone());
        let config = ProverConfig {
            agent: "test".to_owned(),
            lanes: 2,
            expected: None,
            ms_per_segment: Some(1),
            seed: 1,
            registers: true,
        };
        let listen = Box::new(move |event| log.lock().unwrap().push(event));
        let (prover, handle) = HeadlessProver::new(node.plugin_url(), config, signer(1), work.clone(), listen);
        (work, handle, tokio::spawn(prover.run()))
    };
    let who = signer(1).address();
    let accounts = || -> Vec<Account> {
        let account = |event: &ProverEvent| match event {
            ProverEvent::Account { account } => Some(*account),
            _ => None,
        };
        events.lock().unwrap().iter().filter_map(account).collect()
    };
    let (work, _handle, task) = run();
    until(&node, "it is active", |s| s.state.plugin(&who).is_some_and(|p| p.active)).await;
    send(&node, &transfer(&genesis, 0, 0, 1000, PRICE)).await;
    until(&node, "it is paid", |s| s.state.account_info(&who).accrued.0 > 0).await;
    let paid = node.snapshot().state.account_info(&who);
    let told = |wanted: &dyn Fn(&Account) -> bool| accounts().iter().any(wanted);
    for _ in 0..500 {
        if told(&|a| a.accrued == paid.accrued) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(told(&|a| a.accrued == paid.accrued && a.bond == paid.bond && a.slots == 1), "{:?}", accounts());
    assert_eq!(accounts()[0].standing, Standing::Unknown, "the first is before the registration");
    assert_eq!(accounts()[0].slots, 0);
    let heights: Vec<_> = accounts().iter().map(|a| a.height).collect();
    assert!(heights.windows(2).all(|w| w[0] < w[1]), "at most one a block, in order");
    assert!(accounts().windows(2).all(|w| w[0] != Account { height: w[0].height, ..w[1] }), "none without a change");

    // It dies in the middle of its work, and its deadline passes.
    work.lazy.store(true, Ordering::SeqCst);
    send(&node, &transfer(&genesis, 0, 1, 1000, PRICE)).await;
    until(&node, "it is assigned", |s| s.state.plugin(&who).is_some_and(|p| !p.open.is_empty())).await;
    task.abort();
    work.lazy.store(false, Ordering::SeqCst);
    until(&node, "its deadline has passed", |s| s.state.plugin(&who).is_some_and(|p| p.failed > 0)).await;
    events.lock().unwrap().clear();
    let (_work, handle, task) = run();
    let recent = || {
        events.lock().unwrap().iter().find_map(|event| match event {
            ProverEvent::Recent { happened } => Some(happened.clone()),
            _ => None,
        })
    };
    for _ in 0..500 {
        if recent().is_some() && !accounts().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let recent = recent().expect("it is told");
    assert!(recent.windows(2).all(|w| w[0].height <= w[1].height));
    assert!(recent.iter().any(|h| matches!(h.notice, Notice::Penalised { .. })), "{recent:?}");
    assert!(recent.iter().any(|h| matches!(h.notice, Notice::Rewarded { .. })), "{recent:?}");
    let now = accounts()[0];
    assert!(now.debt.0 > 0 && now.unsettled().0 < 0 && now.failed == 1 && now.accepted >= 2, "{now:?}");
    assert_eq!((now.slots, now.next_slot_at, now.consecutive_valid), (1, None, 0));
    handle.stop().await;
    handle.stop().await;
    task.await.unwrap();
    node.stop().await.unwrap();
}
