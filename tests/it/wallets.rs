//! Wallets that nobody here wrote send a transfer and read its receipt.
//!
//! They come from npm (`npm ci --prefix tests/wallets`). Without them or
//! without Node.js the test says so and passes, except in CI, where that is a
//! failure. The transaction of one of them is proven by a real prover; in the
//! test of the other no proof is accepted.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, address};
use crowdfold::{
    headless::{Handle, HeadlessProver, ProveWork, RealWork},
    node::{Node, NodeConfig, NodeHandle},
    proofs::{AssembleError, BatchParts, CheckTimes, ProofChecker, RealChecker},
};
use crowdfold_config::{Genesis, LOCAL};
use crowdfold_events::Signer;
use crowdfold_kernel::ProofFault;
use crowdfold_prover::ProverConfig;
use crowdfold_zk::item::{ItemInput, aggregate::Node as TreeNode};
use serde_json::Value;

/// The first three accounts of the well-known test mnemonic.
const VALIDATOR: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SENDERS: [(Address, &str); 2] = [
    (
        address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
    (
        address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
];

/// Refuses every proof.
struct NoProofs;

impl ProofChecker for NoProofs {
    fn params_digest(&self) -> B256 {
        B256::ZERO
    }

    fn item(&self, _: &ItemInput, _: &[u8]) -> Result<CheckTimes, ProofFault> {
        Err(ProofFault::Rejected)
    }

    fn aggregate(&self, _: &[TreeNode], _: &[u8]) -> Result<CheckTimes, ProofFault> {
        Err(ProofFault::Rejected)
    }

    fn batch_file(&self, _: BatchParts) -> Result<Vec<u8>, AssembleError> {
        unreachable!("no proof is accepted, so no batch is")
    }
}

async fn node(dir: &Path, checker: Arc<dyn ProofChecker>) -> NodeHandle {
    let secret: [u8; 32] = hex::decode(VALIDATOR).unwrap().try_into().unwrap();
    let mut genesis = Genesis::from_toml(LOCAL).unwrap();
    // A stand-in checks no proofs of the key that the preset pins.
    if checker.params_digest().is_zero() {
        genesis.proof_system.shape = crowdfold_config::Pinned::Unset;
    }
    Node::start(NodeConfig {
        genesis,
        data_dir: dir.to_owned(),
        rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        validator: Signer::from_bytes(&secret).unwrap(),
        checker,
        snapshot_every: crate::world::EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    })
    .await
    .unwrap()
}

fn prover(node: &NodeHandle, work: Arc<dyn ProveWork>) -> (HeadlessProver, Handle) {
    let config = ProverConfig {
        agent: "test".to_owned(),
        lanes: 1,
        expected: None,
        ms_per_segment: None,
        seed: 1,
        registers: true,
    };
    let signer = Signer::from_bytes(&[0x21; 32]).unwrap();
    HeadlessProver::new(node.plugin_url(), config, signer, work, Box::new(|event| eprintln!("{event:?}")))
}

fn wallets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wallets")
}

/// Whether the tool is there; otherwise says so, and fails in CI.
fn is_there(tool: &str, is: bool) -> bool {
    if !is {
        assert!(std::env::var_os("CI").is_none(), "{tool} is missing: run `npm ci --prefix tests/wallets`");
        eprintln!("\n*** SKIPPED: {tool} is missing; run `npm ci --prefix tests/wallets` ***\n");
    }
    is
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}\n{text}");
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("not JSON: {text}\n{error}"))
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::await_holding_lock)] // The lock is between threads of the test runner, not between tasks.
async fn cast_sends_a_transfer_gets_its_receipt_and_its_proof() {
    let cast = wallets().join("node_modules/@foundry-rs/cast-linux-amd64/bin/cast");
    if !is_there("cast", cast.exists()) {
        return;
    }
    let _alone = crate::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let genesis = Genesis::from_toml(LOCAL).unwrap().validate().unwrap();
    let params = tokio::task::spawn_blocking(move || crowdfold::params::prover(&genesis)).await.unwrap().unwrap();
    let node = node(dir.path(), Arc::new(RealChecker::new(params.verifier().clone()))).await;
    let to = "0x00000000000000000000000000000000000c0ffe";
    let (sender, key) = SENDERS[0];
    let mut send = Command::new(&cast);
    send.args([
        "send",
        "--json",
        "--rpc-url",
        &node.rpc_url(),
        "--private-key",
        key,
        to,
        "--value",
        "3000000000000000000",
    ]);
    let receipt = json(&run(send).await);
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    assert_eq!(receipt["from"].as_str().unwrap().to_lowercase(), sender.to_string().to_lowercase());
    let mut balance = Command::new(&cast);
    balance.args(["balance", "--rpc-url", &node.rpc_url(), to]);
    let balance = run(balance).await;
    assert_eq!(String::from_utf8_lossy(&balance.stdout).trim(), "3000000000000000000");
    let hash: B256 = receipt["transactionHash"].as_str().unwrap().parse().unwrap();
    let (prover, handle) = prover(&node, Arc::new(RealWork::new(params)));
    let proving = tokio::spawn(prover.run());
    let mut snapshots = node.snapshots();
    let proven =
        snapshots.wait_for(|snapshot| snapshot.state.item_of(&hash).is_some_and(|(_, item)| item.accepted.is_some()));
    tokio::time::timeout(Duration::from_secs(300), proven).await.expect("a proof in five minutes").unwrap();
    handle.stop().await;
    handle.stop().await;
    proving.await.unwrap();
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn viem_sends_a_transfer_and_gets_its_receipt() {
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there("viem", has_node && wallets().join("node_modules/viem").exists()) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), Arc::new(NoProofs)).await;
    let to = "0x00000000000000000000000000000000000c0ffe";
    let mut send = Command::new("node");
    send.current_dir(wallets()).args(["viem.mjs", &node.rpc_url(), SENDERS[1].1, to, "5000000000000000000"]);
    let said = json(&run(send).await);
    assert_eq!(said["status"], "success", "{said}");
    assert_eq!(said["balance"], "5000000000000000000");
    let hash: B256 = said["hash"].as_str().unwrap().parse().unwrap();
    assert_eq!(node.snapshot().state.item_of(&hash).unwrap().1.sender, SENDERS[1].0);
    node.stop().await.unwrap();
}
