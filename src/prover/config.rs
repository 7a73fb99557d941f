//! What the user of a prover chooses.

use crowdfold_events::B256;

/// The chain that the prover wants to work for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedChain {
    /// Hash of the genesis.
    pub genesis_hash: B256,
    /// Digest of the proof system's parameters; `None` takes any, since the
    /// genesis names it too and the shell can compare.
    pub params_digest: Option<B256>,
    /// EIP-155 chain id; `None` takes any, since the genesis names it too.
    pub chain_id: Option<u64>,
}

/// What the user chose.
#[derive(Clone, Debug)]
pub struct ProverConfig {
    /// Name and version of the program, at most 64 bytes.
    pub agent: String,
    /// Tasks proven at the same time, at least 1.
    pub lanes: u32,
    /// The chain; `None` trusts the node's word for it.
    pub expected: Option<ExpectedChain>,
    /// Expected milliseconds per segment before the first proof, if known.
    pub ms_per_segment: Option<u64>,
    /// Seed of the backoff's jitter.
    pub seed: u64,
    /// Whether to register when the chain does not know the plugin.
    pub registers: bool,
}
