//! Starting, watching and stopping a node.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use crowdfold_config::Genesis;
use crowdfold_events::{Address, Signer};
use crowdfold_journal::JournalError;
use crowdfold_kernel::StartFault;
use tokio::sync::{broadcast, watch};

use super::{NodeEvent, Snapshot};
use crate::proofs::{ProofChecker, StoreError};

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
}

/// Why a node does not start, or why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The key is not the genesis' validator's; the operator is at fault.
    #[error("the key is of {found}, the genesis names {expected} as validator")]
    NotValidator {
        /// Address of the key.
        found: Address,
        /// The genesis' validator.
        expected: Address,
    },
    /// The journal; the disk or the operator is at fault.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
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

/// Starts nodes.
#[derive(Clone, Copy, Debug)]
pub struct Node;

/// A running node.
#[derive(Debug)]
pub struct NodeHandle {
    pub(super) addr: SocketAddr,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) events: broadcast::Sender<NodeEvent>,
}

impl Node {
    /// Opens the journal, replays it, and starts everything. Returns when the
    /// node listens.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(config: NodeConfig) -> Result<NodeHandle, NodeError> {
        let _ = config;
        Err(NodeError::Stopped("unsupported".to_owned()))
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

    /// Everything that happens from now on. A receiver that falls behind by
    /// more than 4096 events is told how many it missed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }

    /// Path of a batch's file below the data directory; it exists once the batch is certified.
    #[must_use]
    pub fn batch_path(&self, batch: crowdfold_events::BatchIndex) -> PathBuf {
        let _ = batch;
        PathBuf::new()
    }

    /// Stops gracefully: sessions are told, the block that is being committed
    /// is finished, the journal is closed.
    ///
    /// # Errors
    /// What went wrong while the node ran or stopped.
    pub async fn stop(self) -> Result<(), NodeError> {
        Ok(())
    }
}

/// Runs a node until SIGINT or SIGTERM, or until it fails.
///
/// # Errors
/// [`NodeError`].
pub async fn run(config: NodeConfig) -> Result<(), NodeError> {
    Node::start(config).await?.stop().await
}
