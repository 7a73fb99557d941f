//! The demonstration: the whole path on one machine, in one process.
//!
//! ```text
//! genesis, keys ─► node ─► saboteur is admitted ─► 1st transaction ─► drawn for the saboteur
//!                                                          │
//!      other provers are admitted ─► other transactions ◄──┘
//!                 │                                      deadline passes: penalty,
//!                 ▼                                      bounty rises, redraw
//!      proofs ─► batch closed ─► aggregates ─► certificate ─► file ─► verified from the file
//! ```
//!
//! The provers run in this process, over real WebSockets; the transactions go
//! through JSON-RPC over HTTP. The saboteur is the only prover when the first
//! transaction is drawn, so that what it does is always seen. With a browser
//! among the provers ([`browser`]) transactions follow until one is drawn for
//! it. The demonstration only watches
//! what the node tells everybody ([`watch`]) and decides nothing about the chain.

mod browser;
mod chain;
mod client;
mod saboteur;
mod summary;
mod view;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes, hex};
use crowdfold_config::ValidGenesis;
use crowdfold_events::{BatchIndex, Signer, event::PenaltyReason};
use crowdfold_kernel::model::ItemStatus;
use crowdfold_prover::{Outcome, ProverConfig};
use crowdfold_zk::proof::params::{ProofParams, VerifierParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use browser::BrowserError;
pub use client::{ClientError, RpcClient};
pub use summary::Summary;

use self::{
    browser::{Browser, Plugin},
    chain::{DemoChain, secret},
    saboteur::Saboteur,
    summary::{
        BatchSummary, FileSummary, JournalSummary, PenaltySummary, ProverSummary, SupplySummary, TransactionSummary,
    },
    view::View,
    watch::Watch,
};
use crate::{
    headless::{Handle, HeadlessProver, ProveWork, RealWork},
    node::{DEFAULT_SNAPSHOT_EVERY, Node, NodeConfig, NodeError, PluginAccess, Snapshot},
    params::{self, KeyFile, ParamsError},
    proofs::RealChecker,
};

/// Longest wait for an admission: a proof for each prover before it.
const ADMISSION_LIMIT: Duration = Duration::from_secs(600);
/// Longest wait for a draw.
const DRAW_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait for everything after that, and as much again for each transaction.
const PROVING_LIMIT: Duration = Duration::from_secs(900);
const PER_TRANSACTION_LIMIT: Duration = Duration::from_secs(120);

/// Most transactions that are sent besides those asked for, so that one is drawn for the browser.
const MAX_EXTRA: u32 = 12;

/// A first guess of what a segment takes.
const MS_PER_SEGMENT: u64 = 4_000;

/// What the user chose.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Transactions to send, at least 1.
    pub transactions: u32,
    /// Provers, at least 2; one of them is the saboteur.
    pub provers: u32,
    /// Where the node keeps its data; must not hold another chain's.
    pub data_dir: PathBuf,
    /// Lines instead of bars even on a terminal.
    pub plain: bool,
    /// One of the honest provers is the browser plugin in a headless Chromium.
    pub browser: bool,
}

/// Why the demonstration did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The preset; a bug.
    #[error(transparent)]
    Genesis(#[from] crowdfold_config::GenesisError),
    /// A file; the disk or the operator is at fault.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The data directory is used already; the operator is at fault.
    #[error("{0} is not empty: the demonstration starts a chain of its own")]
    NotEmpty(PathBuf),
    /// The browser among the provers.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// The proof parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node stopped by itself.
    #[error("the node failed: {0}")]
    NodeFailed(String),
    /// JSON-RPC.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// JSON-RPC answered with something else than what was asked for.
    #[error("{method} answers {answer}")]
    Answer {
        /// The method.
        method: &'static str,
        /// The answer.
        answer: Value,
    },
    /// The node's events came faster than they were read.
    #[error("{0} events of the node were missed")]
    Missed(u64),
    /// Something did not happen in time.
    #[error("{what} did not come within {seconds} s")]
    Stalled {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// A blocking task ended without a result; a bug.
    #[error("a thread ended without a result: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// A batch file that the node wrote is not valid; a bug.
    #[error("{path} is not valid: {source}")]
    Batch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: crowdfold_batch::BatchFileError,
    },
}

/// A running prover.
struct Prover {
    address: Address,
    name: String,
    handle: Handle,
    task: JoinHandle<Outcome>,
}

/// Runs the demonstration. The tokio runtime must be multi-threaded.
///
/// # Errors
/// [`DemoError`]. What has run to its end but shows less than it should is no
/// error here: see [`Summary::shortfall`].
pub async fn run(options: DemoOptions) -> Result<Summary, DemoError> {
    let view = View::new(options.plain);
    let genesis_path = options.data_dir.join("genesis.toml");
    let plugin = options.browser.then(Plugin::find).transpose()?;
    prepare(&options.data_dir)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let chain = DemoChain::new(&options, now)?;
    let genesis = chain.genesis.clone().validate()?;
    write(&genesis_path, chain.genesis.to_toml()?.as_bytes())?;

    view.stage("making the proof parameters (a few seconds)");
    let params = tokio::task::spawn_blocking({
        let genesis = genesis.clone();
        move || Ok::<_, ParamsError>((params::prover(&genesis)?, params::key_file(&genesis)?))
    });
    let (params, key): (Arc<ProofParams>, KeyFile) = params.await??;

    let node = Node::start(NodeConfig {
        genesis: chain.genesis.clone(),
        data_dir: options.data_dir.clone(),
        rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        validator: chain.validator.clone(),
        checker: Arc::new(RealChecker::new(params.verifier().clone())),
        snapshot_every: DEFAULT_SNAPSHOT_EVERY,
        plugins: PluginAccess { key: Some(key), ..PluginAccess::default() },
    })
    .await?;
    view.line(&format!("the node listens on {}, its data is in {}", node.rpc_url(), options.data_dir.display()));
    let mut watch = Watch::new(node.subscribe(), view);
    let client = RpcClient::new(node.addr());

    let honest: Arc<dyn ProveWork> = Arc::new(RealWork::new(params.clone()));
    let start = |name: String, seed: u64, work: Arc<dyn ProveWork>| start_prover(&node.plugin_url(), name, seed, work);
    let mut provers = vec![start("saboteur".to_owned(), 1, Arc::new(Saboteur::new(honest.clone())))];
    let saboteur = provers[0].address;
    watch.name(saboteur, provers[0].name.clone());
    watch.until("the saboteur's admission", ADMISSION_LIMIT, |w| w.active.contains(&saboteur)).await?;

    let mut nonces = BTreeMap::new();
    send(&mut watch, &client, &chain, 0, &mut nonces).await?;
    let first = watch.hashes()[0];
    watch
        .until("the first draw", DRAW_LIMIT, |w| w.report(&first).is_some_and(|(_, r)| r.plugin == Some(saboteur)))
        .await?;
    // The browser is one of the provers asked for: the last.
    let natives = options.provers - u32::from(options.browser);
    for number in 1..natives {
        let prover = start(format!("prover {number}"), u64::from(number) + 1, honest.clone());
        watch.name(prover.address, prover.name.clone());
        provers.push(prover);
    }
    let mut browser = match &plugin {
        Some(plugin) => Some(start_browser(plugin, &node.plugin_url(), &mut watch).await?),
        None => None,
    };
    let others: Vec<Address> = provers[1..].iter().map(|p| p.address).collect();
    let admitted = |w: &Watch| match &browser {
        Some(browser) => w.active.contains(&browser.address),
        None => others.iter().any(|p| w.active.contains(p)),
    };
    watch.until("the admission of another prover", ADMISSION_LIMIT, admitted).await?;
    for index in 1..options.transactions {
        send(&mut watch, &client, &chain, index, &mut nonces).await?;
    }
    if let Some(browser) = &mut browser {
        let mut index = options.transactions;
        while !one_by(&mut watch, browser).await? && index < options.transactions + MAX_EXTRA {
            send(&mut watch, &client, &chain, index, &mut nonces).await?;
            index += 1;
        }
    }

    let limit = PROVING_LIMIT + PER_TRANSACTION_LIMIT * options.transactions;
    let done = |w: &Watch| w.hashes().iter().all(|h| w.batch(h).is_some_and(|b| w.files.contains_key(&b)));
    watch.until("every transaction in a certified batch", limit, done).await?;

    let batches: BTreeSet<BatchIndex> = watch.hashes().iter().filter_map(|hash| watch.batch(hash)).collect();
    let files: Vec<PathBuf> = batches.iter().filter_map(|batch| watch.files.get(batch).cloned()).collect();
    let reports = files.iter().map(|path| verify(path, &genesis, params.verifier())).collect::<Result<Vec<_>, _>>()?;
    watch.view().line("every batch file is valid, by the code of `crowdfold batch verify`");
    for hash in watch.hashes() {
        receipt(&client, hash).await?;
    }

    watch.view().stage("stopping");
    let mut names: Vec<(Address, String)> = provers.iter().map(|p| (p.address, p.name.clone())).collect();
    if let Some(mut browser) = browser {
        for state in browser.states()? {
            watch.view().line(&format!("the plugin's popup: {state}"));
        }
        names.push((browser.address, BROWSER.to_owned()));
        browser.stop().await?;
    }
    for prover in &provers {
        prover.handle.stop().await;
        prover.handle.stop().await;
    }
    for prover in provers {
        prover.task.await?;
    }
    let snapshot = node.snapshot();
    node.stop().await?;
    watch.view().finish();
    let certified = batches.iter().all(|batch| watch.certified.contains(batch));
    let files = FileSummary {
        genesis: genesis_path.display().to_string(),
        batches: files.iter().map(|path| path.display().to_string()).collect(),
    };
    Ok(summarize(&watch, &snapshot, &names, BatchSummary::of(&reports, certified), files))
}

/// Creates the data directory, which must be empty.
fn prepare(dir: &Path) -> Result<(), DemoError> {
    let io = |source| DemoError::Io { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(io)?;
    match std::fs::read_dir(dir).map_err(io)?.next() {
        None => Ok(()),
        Some(_) => Err(DemoError::NotEmpty(dir.to_owned())),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    std::fs::write(path, bytes).map_err(|source| DemoError::Io { path: path.to_owned(), source })
}

fn verify(
    path: &Path,
    genesis: &ValidGenesis,
    params: &VerifierParams,
) -> Result<crowdfold_batch::BatchReport, DemoError> {
    let bytes = std::fs::read(path).map_err(|source| DemoError::Io { path: path.to_owned(), source })?;
    crowdfold_batch::verify(&bytes, genesis, params)
        .map_err(|source| DemoError::Batch { path: path.to_owned(), source })
}

fn start_prover(url: &str, name: String, seed: u64, work: Arc<dyn ProveWork>) -> Prover {
    let config = ProverConfig {
        agent: concat!("crowdfold-demo/", env!("CARGO_PKG_VERSION")).to_owned(),
        lanes: 1,
        expected: None,
        // Measured times include waiting for the cores that all provers share.
        ms_per_segment: Some(MS_PER_SEGMENT),
        seed,
        registers: true,
    };
    let signer = Signer::from_bytes(&secret()).expect("invariant: secret() gives keys");
    let address = signer.address();
    let events = Box::new(|event| tracing::debug!(?event, "prover"));
    let (prover, handle) = HeadlessProver::new(url.to_owned(), config, signer, work, events);
    Prover { address, name, handle, task: tokio::spawn(prover.run()) }
}

/// What the browser is called.
const BROWSER: &str = "browser";

async fn start_browser(plugin: &Plugin, url: &str, watch: &mut Watch) -> Result<Browser, DemoError> {
    watch.view().stage("starting Chromium with the plugin");
    let browser = Browser::start(plugin, url).await?;
    watch.name(browser.address, BROWSER.to_owned());
    watch.view().line(&format!("the browser prover {} is {}", browser.address, browser.chromium));
    Ok(browser)
}

/// Waits until every transaction sent so far is proven; whether the browser proved one of them.
async fn one_by(watch: &mut Watch, browser: &mut Browser) -> Result<bool, DemoError> {
    let limit = PROVING_LIMIT + PER_TRANSACTION_LIMIT * watch.hashes().len() as u32;
    let is_proven = |w: &Watch, hash: &B256| w.report(hash).is_some_and(|(_, report)| report.accepted_at.is_some());
    watch.until("every transaction's proof", limit, |w| w.hashes().iter().all(|hash| is_proven(w, hash))).await?;
    for state in browser.states()? {
        watch.view().line(&format!("the plugin's popup: {state}"));
    }
    let by_it = |hash: &B256| watch.report(hash).is_some_and(|(_, report)| report.plugin == Some(browser.address));
    Ok(watch.hashes().iter().any(by_it))
}

/// A quantity of JSON-RPC.
fn quantity(method: &'static str, answer: Value) -> Result<u128, DemoError> {
    let digits = answer.as_str().and_then(|text| text.strip_prefix("0x"));
    let parsed = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    parsed.ok_or(DemoError::Answer { method, answer })
}

/// Sends transaction `index` as a wallet does.
async fn send(
    watch: &mut Watch,
    client: &RpcClient,
    chain: &DemoChain,
    index: u32,
    nonces: &mut BTreeMap<Address, u64>,
) -> Result<(), DemoError> {
    let sender = chain.sender(index).address();
    let nonce = match nonces.get(&sender) {
        Some(nonce) => *nonce,
        None => {
            let method = "eth_getTransactionCount";
            quantity(method, client.call(method, json!([sender, "latest"])).await?)? as u64
        }
    };
    nonces.insert(sender, nonce + 1);
    let gas_price = quantity("eth_gasPrice", client.call("eth_gasPrice", json!([])).await?)?;
    let raw = Bytes::from(chain.transaction(index, nonce, gas_price));
    let method = "eth_sendRawTransaction";
    let answer = client.call(method, json!([hex::encode_prefixed(raw)])).await?;
    let hash: Option<B256> = answer.as_str().and_then(|text| text.parse().ok());
    watch.sent(hash.ok_or(DemoError::Answer { method, answer })?);
    Ok(())
}

/// The receipt says that the transaction succeeded.
async fn receipt(client: &RpcClient, hash: &B256) -> Result<(), DemoError> {
    let method = "eth_getTransactionReceipt";
    let answer = client.call(method, json!([hash])).await?;
    match answer.get("status").and_then(Value::as_str) {
        Some("0x1") => Ok(()),
        _ => Err(DemoError::Answer { method, answer }),
    }
}

fn status(snapshot: &Snapshot, hash: &B256) -> &'static str {
    match snapshot.item_of(hash).map(|(_, item)| item.status()) {
        None => "pending",
        Some(ItemStatus::Committed) => "committed",
        Some(ItemStatus::Assigned) => "assigned",
        Some(ItemStatus::Proven) => "proven",
        // Whether its batch is certified is said of the batch.
        Some(ItemStatus::Aggregated | ItemStatus::Certified) => "aggregated",
    }
}

fn summarize(
    watch: &Watch,
    snapshot: &Snapshot,
    names: &[(Address, String)],
    batch: BatchSummary,
    files: FileSummary,
) -> Summary {
    let state = &snapshot.state;
    let transaction = |hash: &B256| {
        let report = watch.report(hash).map(|(_, report)| report.clone()).unwrap_or_default();
        let check = report.check.as_ref();
        TransactionSummary {
            hash: *hash,
            status: status(snapshot, hash).to_owned(),
            worker: report.plugin,
            attempts: report.attempts,
            bounty: report.bounty,
            prove_ms: report.prove_ms(),
            verify_ms: check.map(|check| check.verify_ms),
            canonical_ms: check.map(|check| check.canonical_ms),
            proof_bytes: check.map(|check| check.proof_bytes),
            segments: report.segments,
        }
    };
    let penalty = |p: &watch::Penalty| PenaltySummary {
        plugin: p.plugin,
        reason: match p.reason {
            PenaltyReason::Timeout => "timeout",
            PenaltyReason::HandBack => "hand_back",
        },
        task: p.task.0,
        amount: p.amount,
        balance_after: p.holding_after,
    };
    let prover = |(plugin, name): &(Address, String)| {
        let account = state.account_info(plugin);
        let (accepted, failed) = state.plugin(plugin).map_or((0, 0), |p| (p.accepted, p.failed));
        ProverSummary {
            plugin: *plugin,
            name: name.clone(),
            browser: name == BROWSER,
            earned: watch.earned.get(plugin).copied().unwrap_or_default(),
            accepted,
            failed,
            balance: account.balance,
            accrued: account.accrued,
            debt: account.debt,
        }
    };
    let supply = state.supply_report();
    Summary {
        transactions: watch.hashes().iter().map(transaction).collect(),
        penalties: watch.penalties.iter().map(penalty).collect(),
        batch,
        supply: SupplySummary {
            genesis: supply.genesis,
            now: supply.now,
            conserved: supply.conserved,
            accrued: supply.accrued,
            debt: supply.debt,
        },
        journal: JournalSummary { events: snapshot.event_count(), head: state.events_head() },
        provers: names.iter().map(prover).collect(),
        files,
    }
}
