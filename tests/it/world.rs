//! A node on a fast chain, provers over real WebSockets, wallets over real
//! HTTP. Proofs are declared, not made: [`Declared`] accepts exactly the hash
//! of what is to be proven. What real proofs establish is tested where they
//! are made, and by the demonstration.

use std::{
    net::SocketAddr,
    num::NonZeroU64,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use crowdfold::{
    headless::{Handle, HeadlessProver, Progress, ProveWork, Work},
    node::{Node, NodeConfig, NodeEvent, NodeHandle, Snapshot},
    proofs::{AssembleError, BatchParts, CheckTimes, ProofChecker},
};
use crowdfold_config::{Allocation, DEMO, Genesis, Pinned};
use crowdfold_events::Signer;
use crowdfold_execution::{
    TransactionKind,
    wallet::{Transfer, Wallet},
};
use crowdfold_kernel::ProofFault;
use crowdfold_prover::{Outcome, ProverConfig, WorkError};
use crowdfold_zk::item::{ItemInput, aggregate::Node as Child, package::WorkPackage};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

pub fn declared_item(input: &ItemInput) -> Vec<u8> {
    [b"declared item ".as_slice(), keccak256(format!("{:?}", input.statement)).as_slice()].concat()
}

pub fn declared_node(children: &[Child]) -> Vec<u8> {
    [b"declared node ".as_slice(), keccak256(format!("{children:?}")).as_slice()].concat()
}

/// Accepts exactly the declared proofs, and counts how often it is asked.
#[derive(Default)]
pub struct Declared {
    pub asked: AtomicU64,
    /// While set, every check waits.
    pub holds: AtomicBool,
}

impl Declared {
    fn verdict(&self, expected: &[u8], proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        while self.holds.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !proof.starts_with(b"declared ") {
            return Err(ProofFault::Malformed);
        }
        if proof == expected { Ok(CheckTimes { verify_ms: 1, canonical_ms: 1 }) } else { Err(ProofFault::Rejected) }
    }
}

impl ProofChecker for Declared {
    fn params_digest(&self) -> B256 {
        B256::repeat_byte(0xdd)
    }

    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        self.verdict(&declared_item(input), proof)
    }

    fn aggregate(&self, children: &[Child], proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        self.verdict(&declared_node(children), proof)
    }

    fn batch_file(&self, parts: BatchParts) -> Result<Vec<u8>, AssembleError> {
        Ok(format!("{} items, {} nodes, {} signatures", parts.items.len(), parts.nodes.len(), parts.certificate.len())
            .into())
    }
}

/// Makes declared proofs; lazy when told so.
#[derive(Default)]
pub struct DeclaredWork {
    pub lazy: AtomicBool,
}

impl ProveWork for DeclaredWork {
    fn run(&self, work: Work, progress: &Progress) -> Result<Vec<u8>, WorkError> {
        progress.report(500);
        while self.lazy.load(Ordering::SeqCst) && !progress.is_cancelled() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let package = WorkPackage::decode(&work.package).map_err(|e| WorkError::BadPackage(e.to_string()))?;
        Ok(match package {
            WorkPackage::Item(input) => {
                assert_eq!(Address::from(input.statement.worker), work.worker, "the package is the worker's own");
                declared_item(&input)
            }
            WorkPackage::Aggregate(input) => {
                let items: usize = input.children.iter().map(Child::items).sum();
                assert_eq!(items, input.items.len());
                declared_node(&input.children)
            }
        })
    }
}

pub fn signer(n: u8) -> Signer {
    let mut key = [0x21; 32];
    key[31] = n;
    Signer::from_bytes(&key).unwrap()
}

pub fn wallet(n: u64) -> Wallet {
    Wallet::derive("node tests", n)
}

pub const VALIDATOR: u8 = 200;

/// The demonstration's chain, faster.
pub fn genesis() -> Genesis {
    let mut genesis = Genesis::from_toml(DEMO).unwrap();
    genesis.validators[0].address = signer(VALIDATOR).address();
    let balance = "1000 ZKPoW".parse().unwrap();
    genesis.allocations = (0..4).map(|n| Allocation { account: wallet(n).address(), balance }).collect();
    genesis.allocations.sort_by_key(|a| a.account);
    // Declared proofs have no circuit.
    genesis.proof_system.shape = Pinned::Unset;
    let params = &mut genesis.params;
    params.block.min_block_time_ms = 10;
    params.block.target_block_time_ms = 60;
    params.block.idle_interval_ms = 250;
    params.plugins.initial_registration_work = 4;
    params.plugins.min_registration_work = 1;
    params.batches.max_age = 8;
    Genesis::validate(genesis.clone()).unwrap();
    genesis
}

pub async fn start(dir: &Path, genesis: &Genesis) -> NodeHandle {
    start_with(dir, genesis, Arc::new(Declared::default())).await
}

pub async fn start_with(dir: &Path, genesis: &Genesis, checker: Arc<dyn ProofChecker>) -> NodeHandle {
    let config = NodeConfig {
        genesis: genesis.clone(),
        data_dir: dir.to_owned(),
        rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        validator: signer(VALIDATOR),
        checker,
        snapshot_every: EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    };
    Node::start(config).await.unwrap()
}

/// Blocks from one snapshot to the next: so few that every test has some.
pub const EVERY: NonZeroU64 = NonZeroU64::MIN.saturating_add(11);

/// A prover in this process.
pub struct Prover {
    pub handle: Handle,
    pub work: Arc<DeclaredWork>,
    pub address: Address,
    pub task: JoinHandle<Outcome>,
}

impl Drop for Prover {
    /// Lets its threads end when a test fails.
    fn drop(&mut self) {
        self.work.lazy.store(false, Ordering::SeqCst);
    }
}

pub fn prover(node: &NodeHandle, n: u8) -> Prover {
    let config = ProverConfig {
        agent: "test".to_owned(),
        lanes: 2,
        expected: None,
        ms_per_segment: Some(1),
        seed: u64::from(n),
        registers: true,
    };
    let work = Arc::new(DeclaredWork::default());
    let quiet = Box::new(|_| {});
    let (prover, handle) = HeadlessProver::new(node.plugin_url(), config, signer(n), work.clone(), quiet);
    Prover { handle, work, address: signer(n).address(), task: tokio::spawn(prover.run()) }
}

/// Waits until a snapshot satisfies `done`; panics after a while.
pub async fn until(node: &NodeHandle, what: &str, done: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut snapshots = node.snapshots();
    let waited = tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            if done(&snapshot) {
                return snapshot;
            }
            snapshots.changed().await.expect("the node runs");
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: not within 90 s; at height {}", node.snapshot().height()))
}

/// Waits for an event of the node.
pub async fn event<T>(
    events: &mut tokio::sync::broadcast::Receiver<NodeEvent>,
    what: &str,
    mut wanted: impl FnMut(&NodeEvent) -> Option<T>,
) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            if let Some(found) = wanted(&events.recv().await.expect("the node runs and the receiver keeps up")) {
                return found;
            }
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: not within 90 s"))
}

pub fn transfer(genesis: &Genesis, from: u64, nonce: u64, value: u128, max_fee: u128) -> Vec<u8> {
    wallet(from).sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id: genesis.chain_id,
        nonce,
        to: Address::repeat_byte(0xab),
        value,
        gas_limit: 21_000,
        max_fee,
        max_priority_fee: max_fee / 2,
        data: Bytes::new(),
    })
}

/// A price that pays for every proof.
pub const PRICE: u128 = 2_000_000_000_000;

/// One JSON-RPC call; the whole answer.
pub async fn call(node: &NodeHandle, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(node.addr()).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    serde_json::from_slice(&answer[body..]).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&answer)))
}

pub async fn send(node: &NodeHandle, raw: &[u8]) -> Value {
    call(node, "eth_sendRawTransaction", json!([format!("0x{}", hex::encode(raw))])).await
}
