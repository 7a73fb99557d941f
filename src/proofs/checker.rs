//! The seam to the proof system: what the node asks of it.
//!
//! [`RealChecker`] verifies with `crowdfold_zk`. Tests put a declared
//! stand-in here, so that a node can be driven without seconds of proving per
//! item; no command of the program does.

use std::{sync::Arc, time::Instant};

use crowdfold_batch::{BatchFile, FileItem, ValidatorSignature};
use crowdfold_events::{Address, B256, BatchIndex, ItemIndex};
use crowdfold_kernel::ProofFault;
use crowdfold_zk::{
    item::{
        EnvInput, ItemError, ItemInput, ItemProof,
        aggregate::{Node, verify_aggregate},
        batch::{BatchError, BatchProof},
        canonical, verify,
    },
    proof::{aggregate::AggregateProof, error::DecodeError, params::VerifierParams},
    statement::scalar_to_be,
};

/// How long a proof took to check, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckTimes {
    /// Decoding and verifying.
    pub verify_ms: u64,
    /// Recomputing the witness and comparing; 0 for an aggregate, whose cross-terms are pinned by its children.
    pub canonical_ms: u64,
}

/// An item of a proven batch with its accepted proof.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// Environment of its block.
    pub env: EnvInput,
    /// Its public data.
    pub item: FileItem,
    /// Its segments.
    pub segments: u32,
    /// Bytes of its proof.
    pub proof: Vec<u8>,
}

/// All that the file of a proven batch is made of.
#[derive(Clone, Debug)]
pub struct BatchParts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Which rules executed the items.
    pub rules_version: u32,
    /// L1 contract that the chain posts to.
    pub contract: Address,
    /// Number of the batch.
    pub batch: BatchIndex,
    /// Its first item.
    pub first_item: ItemIndex,
    /// State root before it.
    pub pre_root: B256,
    /// Hash of the header before the block in which the batch was closed.
    pub last_header: B256,
    /// Most children of a node of the aggregation tree.
    pub arity: u32,
    /// Its items in order.
    pub items: Vec<BatchItem>,
    /// Bytes of its nodes' proofs, level by level from the items up.
    pub nodes: Vec<Vec<u8>>,
    /// The validators' signatures in ascending order of address.
    pub certificate: Vec<ValidatorSignature>,
}

/// Why accepted proofs do not make a batch's proof: a bug, or a damaged store.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// An item's proof.
    #[error("item proof: {0}")]
    Item(#[from] ItemError),
    /// A node's proof.
    #[error("node proof: {0}")]
    Node(#[from] DecodeError),
    /// Their numbers.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Declared proofs do not make a file that anybody else could verify.
    #[error("batches of simulated proofs are not written")]
    Simulated,
}

/// Checks proofs. Called on blocking threads; pure.
pub trait ProofChecker: Send + Sync + 'static {
    /// Digest of everything that a proof's verification depends on.
    fn params_digest(&self) -> B256;

    /// Checks that the bytes are the canonical proof of the input's statement.
    ///
    /// # Errors
    /// [`ProofFault`]; the prover is at fault.
    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault>;

    /// Checks that the bytes are a proof of the fold of these children.
    ///
    /// # Errors
    /// [`ProofFault`]; the prover is at fault.
    fn aggregate(&self, children: &[Node], proof: &[u8]) -> Result<CheckTimes, ProofFault>;

    /// The file of a batch whose proofs were all accepted.
    ///
    /// # Errors
    /// [`AssembleError`].
    fn batch_file(&self, parts: BatchParts) -> Result<Vec<u8>, AssembleError>;
}

/// The proof system of `crowdfold_zk`.
#[derive(Clone)]
pub struct RealChecker {
    params: Arc<VerifierParams>,
}

impl RealChecker {
    /// A checker under these parameters.
    #[must_use]
    pub fn new(params: Arc<VerifierParams>) -> Self {
        Self { params }
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Arc<VerifierParams> {
        &self.params
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl ProofChecker for RealChecker {
    fn params_digest(&self) -> B256 {
        B256::from(scalar_to_be(&self.params.vk_digest()))
    }

    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let start = Instant::now();
        let log_size = self.params.dims().log_size;
        let proof = ItemProof::decode(proof, input.statement.segments, log_size).map_err(|_| ProofFault::Malformed)?;
        let node = verify(&self.params, &input.statement, &proof).map_err(|_| ProofFault::Rejected)?;
        let verify_ms = millis(start);
        let start = Instant::now();
        canonical(&self.params, input, &node).map_err(|_| ProofFault::Rejected)?;
        Ok(CheckTimes { verify_ms, canonical_ms: millis(start) })
    }

    fn aggregate(&self, children: &[Node], proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let start = Instant::now();
        let proof = AggregateProof::decode(proof, self.params.dims().log_size).map_err(|_| ProofFault::Malformed)?;
        verify_aggregate(&self.params, children, &proof).map_err(|_| ProofFault::Rejected)?;
        Ok(CheckTimes { verify_ms: millis(start), canonical_ms: 0 })
    }

    fn batch_file(&self, parts: BatchParts) -> Result<Vec<u8>, AssembleError> {
        let log_size = self.params.dims().log_size;
        let items = parts.items.iter().map(|i| ItemProof::decode(&i.proof, i.segments, log_size));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let nodes = parts.nodes.iter().map(|n| AggregateProof::decode(n, log_size)).collect::<Result<Vec<_>, _>>()?;
        let mut file = BatchFile {
            chain_id: parts.chain_id,
            genesis_hash: parts.genesis_hash,
            rules_version: parts.rules_version,
            contract: parts.contract,
            batch: parts.batch,
            first_item: parts.first_item,
            pre_root: parts.pre_root,
            last_header: parts.last_header,
            blocks: Vec::new(),
            proof: BatchProof::assemble(parts.arity as usize, &items, &nodes)?,
            certificate: parts.certificate,
        };
        parts.items.into_iter().for_each(|i| file.push(&i.env, i.item));
        Ok(file.encode())
    }
}
