//! Putting the actors together, and taking them apart in order.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix::prelude::*;
use actix_web::{App, HttpServer, dev::ServerHandle};
use alloy_primitives::Bytes;
use crowdfold_config::{Genesis, Pinned};
use crowdfold_events::{B256, BatchIndex, SigningDomain};
use crowdfold_journal::{JournalStore, SledJournal};
use crowdfold_kernel::State;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    NodeConfig, NodeError, NodeEvent, Snapshot,
    tip::{self, TipKeeper},
};
use crate::{
    actors::{
        aggregator::Aggregator,
        assigner::{Assigner, Connect},
        gate::Gate,
        ledger::{Close, Keeping, Ledger, LedgerCore, Subscribe, TakenUp},
        library::Library,
        sequencer::{Begin, Mempool, MempoolLimits, PoolSink, Sequencer, SingleValidator, Stop},
        session::{
            self, Endpoint, NodeIdentity, SessionConfig, SessionDirectory,
            messages::{Services, Shutdown},
        },
        submitter::{Submitter, batch_path},
    },
    params::KeyFile,
    proofs::{MAX_PROOF_BYTES, ProofStore, Verifier, Witnesses},
    rpc::{
        Limits, Rpc,
        kernel_view::{Archive, KernelView},
    },
};

/// Sessions at a time, with or without connection.
const MAX_SESSIONS: usize = 10_000;
/// WebSocket connections at a time.
const MAX_CONNECTIONS: usize = 10_000;
/// Threads of the HTTP server.
const HTTP_WORKERS: usize = 2;
/// How long connections may take to end when the node stops, in seconds.
const HTTP_STOP_S: u64 = 2;
/// Events that a slow watcher may be behind.
const EVENTS: usize = 4096;

/// What a started node gives its handle.
pub(super) struct Started {
    pub(super) addr: SocketAddr,
    pub(super) batches: PathBuf,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) events: broadcast::Sender<NodeEvent>,
}

/// Proofs and batches on the disk.
struct Files {
    store: ProofStore,
    batches: PathBuf,
}

impl Archive for Files {
    fn proof(&self, hash: &B256) -> Option<Bytes> {
        self.store.get(*hash).ok().flatten().map(Bytes::from)
    }

    fn batch_file(&self, batch: BatchIndex) -> Option<Bytes> {
        std::fs::read(batch_path(&self.batches, batch)).ok().map(Bytes::from)
    }
}

/// Everything that runs.
struct Running {
    ledger: Addr<Ledger>,
    ledger_thread: Arbiter,
    sequencer: Addr<Sequencer>,
    directory: Addr<SessionDirectory>,
    server: ServerHandle,
    fatal: mpsc::Receiver<String>,
    events: broadcast::Sender<NodeEvent>,
}

fn check(config: &NodeConfig) -> Result<(), NodeError> {
    if config.genesis.is_simulated() {
        return Err(NodeError::Simulated);
    }
    let found = config.validator.address();
    match config.genesis.validators.first() {
        Some(validator) if validator.address == found => {}
        expected => return Err(NodeError::NotValidator { found, expected: expected.map(|v| v.address) }),
    }
    let found = config.checker.params_digest();
    match config.genesis.proof_system.shape {
        Pinned::Is(expected) if expected != found => Err(NodeError::OtherShape { expected, found }),
        _ => Ok(()),
    }?;
    let expected = config.genesis.proof_system.key;
    match config.plugins.key.as_ref().map(KeyFile::digest) {
        Some(found) if expected != Pinned::Is(found) => Err(NodeError::OtherKey { expected, found }),
        _ => Ok(()),
    }
}

/// What sessions of this chain allow.
pub(crate) fn session_config(state: &State) -> SessionConfig {
    let mut config = SessionConfig::default();
    let ttl = state.parameters().plugins.heartbeat_ttl;
    config.limits.heartbeat_ttl_blocks = u32::try_from(ttl).unwrap_or(u32::MAX);
    config.limits.max_proof_bytes = MAX_PROOF_BYTES as u32;
    config
}

/// Writes the genesis beside the journal, for whoever checks the journal later.
/// One that is there must be this one.
fn keep_genesis(data_dir: &Path, genesis: &Genesis) -> Result<(), NodeError> {
    let path = data_dir.join("genesis.toml");
    let expected = genesis.hash();
    match std::fs::read_to_string(&path) {
        Ok(text) => match Genesis::from_toml(&text).map(|found| found.hash()) {
            Ok(found) if found == expected => Ok(()),
            found => Err(NodeError::OtherGenesis { path, expected, found: found.ok() }),
        },
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            let text = genesis.to_toml().map_err(|fault| NodeError::Start(fault.into()))?;
            tip::write(&path, text.as_bytes()).map_err(NodeError::Beside)
        }
        Err(source) => Err(NodeError::Directory { path, source }),
    }
}

/// Runs a node until `stop` is asked for or dropped, or something fails.
pub(super) async fn serve(
    config: NodeConfig,
    ready: oneshot::Sender<Result<Started, NodeError>>,
    stop: oneshot::Receiver<()>,
) -> Result<(), NodeError> {
    let (started, running) = match start(config).await {
        Ok(parts) => parts,
        Err(fault) => {
            // Whoever asked may have gone.
            ready.send(Err(fault)).unwrap_or_default();
            return Ok(());
        }
    };
    if ready.send(Ok(started)).is_err() {
        return Ok(());
    }
    let mut running = running;
    tokio::select! {
        asked = stop => match asked {
            Ok(()) => {
                running.stop().await;
                Ok(())
            }
            // The handle was dropped: end as a crash would.
            Err(_) => {
                running.ledger_thread.stop();
                running.server.stop(false).await;
                running.ledger_thread.join().unwrap_or_default();
                Ok(())
            }
        },
        why = running.fatal.recv() => {
            let why = why.unwrap_or_else(|| "the sequencer is gone".to_owned());
            running.events.send(NodeEvent::Failed(why.clone())).unwrap_or_default();
            running.stop().await;
            Err(NodeError::Stopped(why))
        }
    }
}

fn ms(begun: std::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn start(config: NodeConfig) -> Result<(Started, Running), NodeError> {
    check(&config)?;
    let NodeConfig { genesis, data_dir, rpc_addr, validator, checker, snapshot_every, plugins } = config;
    let store = ProofStore::open(data_dir.join("proofs"))?;
    let batches = data_dir.join("batches");
    std::fs::create_dir_all(&batches).map_err(|source| NodeError::Directory { path: batches.clone(), source })?;
    let beside = data_dir.clone();
    let core = tokio::task::spawn_blocking(move || {
        let begun = std::time::Instant::now();
        let journal = SledJournal::open(&data_dir.join("journal")).map_err(NodeError::Journal)?;
        let (floor, head) = (journal.floor().next, journal.head().next);
        tracing::info!(%floor, %head, ms = ms(begun), "the journal is open");
        let keeping = Keeping { dir: data_dir.join("index"), every: snapshot_every };
        let core = LedgerCore::open_keeping(&genesis, Box::new(journal), keeping).map_err(NodeError::from)?;
        let TakenUp { from, replayed } = core.taken_up();
        let (height, ms) = (core.snapshot().height(), ms(begun));
        tracing::info!(snapshot = %from, replayed, %height, events = %head, ms, "the chain is taken up");
        keep_genesis(&data_dir, &genesis)?;
        Ok::<_, NodeError>(core)
    });
    let core = core.await.map_err(|fault| NodeError::Stopped(fault.to_string()))??;
    let snapshot = core.snapshot().clone();
    let state = &snapshot.state;

    let (snapshots, watching) = watch::channel(snapshot.clone());
    let (events, _) = broadcast::channel(EVENTS);
    let (fatal_sender, fatal) = mpsc::channel(1);
    let witnesses = Witnesses::new(store.clone());
    let verifier = Verifier::new(checker.clone(), witnesses.clone(), watching.clone());
    let oracle = Arc::new(verifier.clone());
    let ledger_thread = Arbiter::new();
    let to_ledger = events.clone();
    let ledger =
        Ledger::start_in_arbiter(&ledger_thread.handle(), move |_| Ledger::new(core, oracle, snapshots, to_ledger));
    let (pool_view, pool) = watch::channel(Mempool::new(MempoolLimits::default()));
    let consensus = Box::new(SingleValidator::new(validator.clone()));
    let tips = TipKeeper::new(beside, state.genesis_hash(), validator.clone());
    let sequencer = Sequencer::new(ledger.clone(), consensus, snapshot.clone(), pool_view, fatal_sender, tips).start();
    let aggregator = Aggregator::new(witnesses.clone(), checker.clone()).start();
    let assigner = Assigner::new(snapshot.clone(), witnesses, aggregator.clone(), events.clone()).start();
    let submitter = Submitter::new(
        validator.clone(),
        batches.clone(),
        sequencer.clone(),
        aggregator,
        events.clone(),
        snapshot.clone(),
    )
    .start();
    let gate = Gate::new(verifier, watching.clone(), events.clone()).start();

    let (chain_id, genesis_hash) = (state.genesis().chain_id, state.genesis_hash());
    let identity = NodeIdentity {
        chain_id,
        genesis_hash,
        params_digest: checker.params_digest(),
        signer: validator,
        domain: SigningDomain::new(chain_id, genesis_hash),
    };
    let library = Library::new(state.genesis(), plugins.key, assigner.clone().recipient()).start();
    let services = Services {
        submit: sequencer.clone().recipient(),
        proofs: gate.recipient(),
        data: library.recipient(),
        opening: assigner.clone().recipient(),
        closed: assigner.clone().recipient(),
        progress: assigner.clone().recipient(),
    };
    let session_config = session_config(state);
    let directory = SessionDirectory::new(identity.clone(), session_config.clone(), services, MAX_SESSIONS).start();
    let gone = |_| NodeError::Stopped("an actor ended while the node started".to_owned());
    assigner.send(Connect(directory.clone())).await.map_err(gone)?;
    ledger.send(Subscribe(assigner.recipient())).await.map_err(gone)?;
    ledger.send(Subscribe(submitter.recipient())).await.map_err(gone)?;

    let endpoint = Endpoint::new(identity, session_config, directory.clone(), MAX_CONNECTIONS, plugins.origins);
    let archive: Arc<dyn Archive> = Arc::new(Files { store, batches: batches.clone() });
    let sink = PoolSink::new(chain_id, sequencer.clone(), pool, watching.clone());
    let views = watching.clone();
    let newest = Arc::new(move || {
        let snapshot = views.borrow().clone();
        Arc::new(KernelView::new(snapshot, archive.clone())) as _
    });
    let rpc = Rpc::new(newest, Arc::new(sink), Limits::default());
    let bind = |source| NodeError::Bind { addr: rpc_addr, source };
    let server = HttpServer::new(move || {
        let rpc = rpc.clone();
        App::new()
            .configure(move |config| crate::rpc::http::configure(config, rpc))
            .configure(session::configure(endpoint.clone()))
    })
    .workers(HTTP_WORKERS)
    .disable_signals()
    .shutdown_timeout(HTTP_STOP_S)
    .bind(rpc_addr)
    .map_err(bind)?;
    let addr = server.addrs().first().copied().unwrap_or(rpc_addr);
    let server = server.run();
    let server_handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(fault) = server.await {
            tracing::error!(%fault, "the HTTP server failed");
        }
    });
    sequencer.send(Begin).await.map_err(gone)?;
    let started = Started { addr, batches, snapshots: watching, events: events.clone() };
    Ok((started, Running { ledger, ledger_thread, sequencer, directory, server: server_handle, fatal, events }))
}

impl Running {
    /// In order: no new work, no new block, the journal closed.
    async fn stop(self) {
        self.directory.send(Shutdown).await.unwrap_or_default();
        self.server.stop(true).await;
        self.sequencer.send(Stop).await.unwrap_or_default();
        self.ledger.send(Close).await.unwrap_or_default();
        self.ledger_thread.stop();
        if self.ledger_thread.join().is_err() {
            tracing::error!("the ledger's thread panicked");
        }
    }
}
