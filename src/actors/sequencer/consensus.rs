//! The seam where a consensus engine sits: it decides blocks, and nothing else
//! knows how.

use crowdfold_events::{Address, Block, Commit, Height, Signer};
use crowdfold_kernel::{State, commit::sign_commit};
use futures_util::future::BoxFuture;

/// Why no block was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusFault {
    /// The engine has stopped.
    #[error("consensus has stopped")]
    Stopped,
}

/// Decides blocks. One block per height is decided, and once it is decided its
/// certificate exists.
pub trait Consensus: Send + 'static {
    /// Who proposes this node's blocks.
    fn proposer(&self) -> Address;

    /// The certificate of the last decided block, from the engine's own
    /// durable memory; the empty commit before block 1.
    fn last_commit(&self, state: &State) -> Commit;

    /// Decides the block at the next height; the certificate of it.
    fn decide(&mut self, state: &State, block: &Block) -> BoxFuture<'static, Result<Commit, ConsensusFault>>;
}

/// A validator set of one: what it proposes is decided, its signature is the certificate.
pub struct SingleValidator {
    signer: Signer,
}

impl SingleValidator {
    /// The validator with this key.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self { signer }
    }
}

impl Consensus for SingleValidator {
    fn proposer(&self) -> Address {
        self.signer.address()
    }

    fn last_commit(&self, state: &State) -> Commit {
        if state.height() == Height(0) {
            return Commit::default();
        }
        // Signatures are deterministic, so this is the one that was made before a restart.
        sign_commit(&self.signer, &state.genesis_hash(), state.height(), state.head())
    }

    fn decide(&mut self, state: &State, block: &Block) -> BoxFuture<'static, Result<Commit, ConsensusFault>> {
        let commit = sign_commit(&self.signer, &state.genesis_hash(), block.header.height, block.hash());
        Box::pin(async move { Ok(commit) })
    }
}
