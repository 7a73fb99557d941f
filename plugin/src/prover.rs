//! Proofs: parameters from a key's bytes, then package in, proof out.

use std::sync::Arc;

use crowdfold_events::{Address, B256, work};
use crowdfold_zk::{
    item::{
        DEVELOPMENT_KEY, padded_shape,
        work::{WorkProgress, prove_package},
    },
    proof::{
        key::{Key, Setup},
        params::ProofParams,
    },
    statement::scalar_to_be,
};

use crate::{error::DoorError, pool};

/// Makes the proofs of one chain, one at a time.
pub struct Prover {
    params: Arc<ProofParams>,
}

impl Prover {
    /// A prover with the commitment key of these bytes (the format of
    /// [`Key::to_bytes`]) for the chain whose parameters have this digest
    /// (0x and hexadecimal). Takes seconds.
    ///
    /// # Errors
    /// [`DoorError::Key`] unless it is the development key, [`DoorError::Params`]
    /// if the chain has other circuits, [`DoorError::Died`].
    pub fn new(key: Vec<u8>, params_digest: &str) -> Result<Self, DoorError> {
        let expected: B256 = params_digest.parse().map_err(|_| DoorError::Hex { field: "params_digest", bytes: 32 })?;
        let params = pool::run(move |_| prepare(key), &mut |_| true)??;
        let found = B256::from(scalar_to_be(&params.verifier().vk_digest()));
        if found != expected {
            return Err(DoorError::Params { expected: expected.to_string(), found: found.to_string() });
        }
        Ok(Self { params: Arc::new(params) })
    }

    /// The proof that `package` asks for, for the task `task` and the plugin
    /// `worker` (0x and hexadecimal). `watch` is told where the work is, at
    /// least every [`pool::TICK`]; `false` cancels before the next stage.
    ///
    /// # Errors
    /// [`DoorError::Work`] or [`DoorError::Died`].
    pub fn prove(
        &self,
        package: Vec<u8>,
        task: u64,
        worker: &str,
        watch: &mut dyn FnMut(WorkProgress) -> bool,
    ) -> Result<Vec<u8>, DoorError> {
        let worker: Address = worker.parse().map_err(|_| DoorError::Hex { field: "worker", bytes: 20 })?;
        let params = self.params.clone();
        let proof = pool::run(
            move |reporter| {
                prove_package(&params, &package, task, worker.into_array(), &mut |progress| reporter.tell(progress))
            },
            watch,
        )?;
        Ok(proof?)
    }

    /// What the proofs are made and verified with.
    #[must_use]
    pub fn params(&self) -> &Arc<ProofParams> {
        &self.params
    }
}

fn prepare(key: Vec<u8>) -> Result<ProofParams, DoorError> {
    let (key, shape) =
        rayon::join(move || Key::from_bytes(&key).map_err(DoorError::from), || padded_shape().map_err(DoorError::from));
    Ok(ProofParams::new(shape?, key?, &Setup::Development { digest: DEVELOPMENT_KEY })?)
}

/// The first nonce among `steps` from `start` on that shows `expected` expected
/// hashes for a registration; see [`work::solve`].
///
/// # Errors
/// [`DoorError::Hex`].
pub fn solve_registration(
    chain_id: u64,
    plugin: &str,
    block_hash: &str,
    expected: u64,
    start: u64,
    steps: u64,
) -> Result<Option<u64>, DoorError> {
    let plugin = plugin.parse().map_err(|_| DoorError::Hex { field: "plugin", bytes: 20 })?;
    let block_hash = block_hash.parse().map_err(|_| DoorError::Hex { field: "block_hash", bytes: 32 })?;
    Ok(work::solve(chain_id, plugin, block_hash, expected, start, steps))
}
