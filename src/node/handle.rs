//! Starting, watching and stopping a node.

use std::{net::SocketAddr, num::NonZeroU64, path::PathBuf, sync::Arc};

use crowdfold_config::{Genesis, Pinned};
use crowdfold_events::{Address, B256, BatchIndex, Signer};
use crowdfold_journal::JournalError;
use crowdfold_kernel::StartFault;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{broadcast, oneshot, watch},
};

use super::{
    NodeEvent, Snapshot,
    assembly::{Started, serve},
};
use crate::{
    actors::{ledger::LedgerError, session::Origins, submitter::batch_path},
    params::KeyFile,
    proofs::{ProofChecker, StoreError},
};

/// What a node is started with.
pub struct NodeConfig {
    /// The chain.
    pub genesis: Genesis,
    /// Journal, proofs and batches; created when it is not there.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub rpc_addr: SocketAddr,
    /// The validator's key: proposes, decides and certifies, and signs receipts.
    pub validator: Signer,
    /// Checks proofs; `RealChecker` in every command.
    pub checker: Arc<dyn ProofChecker>,
    /// Blocks from one snapshot to the next: what a start replays at most, about.
    pub snapshot_every: NonZeroU64,
    /// Who may connect as a plugin, and what plugins are given.
    pub plugins: PluginAccess,
}

/// What a node grants to plugins.
#[derive(Clone, Debug, Default)]
pub struct PluginAccess {
    /// Browser origins that may connect; programs of their own always may.
    pub origins: Origins,
    /// The commitment key to give to who asks; without it none is given.
    pub key: Option<KeyFile>,
}

/// Blocks from one snapshot to the next, if nobody says otherwise.
pub const DEFAULT_SNAPSHOT_EVERY: NonZeroU64 = NonZeroU64::MIN.saturating_add(499);

/// Why a node does not start, or why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The key is not the genesis' validator's; the operator is at fault.
    #[error("the key is of {found}, the genesis names {expected:?} as validator")]
    NotValidator {
        /// Address of the key.
        found: Address,
        /// The genesis' validator.
        expected: Option<Address>,
    },
    /// The chain's proofs are declared, not made; the operator wants `crowdfold sim`.
    #[error("the genesis declares simulated proofs, which no node accepts")]
    Simulated,
    /// The chain has other circuits than this program; the operator needs another version.
    #[error("the genesis pins the shape {expected}, this program's is {found}")]
    OtherShape {
        /// The genesis'.
        expected: B256,
        /// This program's.
        found: B256,
    },
    /// The node would give another commitment key than the chain's; the operator
    /// needs another version, or a whole file.
    #[error("the genesis names the commitment key {expected:?}, this node would give {found}")]
    OtherKey {
        /// The genesis'.
        expected: Pinned,
        /// The node's.
        found: B256,
    },
    /// The journal; the disk or the operator is at fault.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(StartFault),
    /// Replay of the journal.
    #[error(transparent)]
    Ledger(LedgerError),
    /// A directory cannot be made; the operator is at fault.
    #[error("create {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The genesis beside the journal is not the one that the node is started
    /// with; the operator mixed two chains' files.
    #[error("{}: its genesis is {found:?}, the node's is {expected}", .path.display())]
    OtherGenesis {
        /// The file.
        path: PathBuf,
        /// The node's.
        expected: B256,
        /// The file's; `None` if it is no genesis.
        found: Option<B256>,
    },
    /// A small file beside the journal cannot be written; the disk or the operator is at fault.
    #[error(transparent)]
    Beside(super::tip::TipError),
    /// The proof store; the disk or the operator is at fault.
    #[error("proof store: {0}")]
    Store(#[from] StoreError),
    /// A socket cannot be bound; the operator is at fault.
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The node ended before it was ready, or stopped by itself; the text says why.
    #[error("the node stopped: {0}")]
    Stopped(String),
}

impl From<LedgerError> for NodeError {
    fn from(fault: LedgerError) -> Self {
        match fault {
            LedgerError::Start(fault) => Self::Start(fault),
            LedgerError::Journal(fault) => Self::Journal(fault),
            fault => Self::Ledger(fault),
        }
    }
}

/// Starts nodes.
#[derive(Clone, Copy, Debug)]
pub struct Node;

/// A running node.
#[derive(Debug)]
pub struct NodeHandle {
    addr: SocketAddr,
    batches: PathBuf,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Sender<NodeEvent>,
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Result<(), NodeError>>,
}

impl Node {
    /// Opens the journal, replays it, and starts everything on a thread of its
    /// own. Returns when the node listens.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(config: NodeConfig) -> Result<NodeHandle, NodeError> {
        let (ready, started) = oneshot::channel();
        let (stop, asked) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("crowdfold-node".to_owned()).spawn(move || {
            let system = actix::System::new();
            let result = system.block_on(serve(config, ready, asked));
            drop(system);
            // Whoever asked may have gone.
            end.send(result).unwrap_or_default();
        });
        thread.map_err(|fault| NodeError::Stopped(fault.to_string()))?;
        let Started { addr, batches, snapshots, events } =
            started.await.map_err(|_| NodeError::Stopped("it ended before it was ready".to_owned()))??;
        Ok(NodeHandle { addr, batches, snapshots, events, stop: Some(stop), ended })
    }
}

impl NodeHandle {
    /// Where the node listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// URL of the JSON-RPC endpoint.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// URL of the provers' WebSocket endpoint.
    #[must_use]
    pub fn plugin_url(&self) -> String {
        format!("ws://{}/plugin", self.addr)
    }

    /// The chain after the newest block.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Tells of each newer snapshot; may skip some.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Everything that happens from now on. A receiver that falls behind by
    /// more than 4096 events is told how many it missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }

    /// Path of a batch's file; it exists once the batch is certified.
    #[must_use]
    pub fn batch_path(&self, batch: BatchIndex) -> PathBuf {
        batch_path(&self.batches, batch)
    }

    /// Waits until the node ends by itself, which only a failure makes it do.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn failed(&mut self) -> Result<(), NodeError> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(lost()))
    }

    /// Stops gracefully: sessions are told, the block that is being committed
    /// is finished, the journal is closed.
    ///
    /// # Errors
    /// What went wrong while the node ran.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            stop.send(()).unwrap_or_default();
        }
        self.failed().await
    }

    /// Ends the node at once, as a crash of the process would; returns when its
    /// files are free.
    ///
    /// # Errors
    /// What went wrong while the node ran.
    pub async fn abandon(mut self) -> Result<(), NodeError> {
        drop(self.stop.take());
        self.failed().await
    }
}

fn lost() -> NodeError {
    NodeError::Stopped("its thread panicked".to_owned())
}

/// Runs a node until SIGINT or SIGTERM, or until it fails.
///
/// # Errors
/// [`NodeError`].
pub async fn run(config: NodeConfig) -> Result<(), NodeError> {
    let fault = |fault: std::io::Error| NodeError::Stopped(fault.to_string());
    let mut terminated = signal(SignalKind::terminate()).map_err(fault)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(fault)?;
    let mut handle = Node::start(config).await?;
    tracing::info!(rpc = handle.rpc_url(), plugins = handle.plugin_url(), "the node listens");
    tokio::select! {
        ended = handle.failed() => return ended,
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("the node stops");
    handle.stop().await
}
