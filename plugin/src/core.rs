//! The state machine behind the door: settings in, actions out, as JSON.

use crowdfold_config::{Genesis, Pinned};
use crowdfold_events::{B256, Signer};
use crowdfold_prover::{ExpectedChain, ProverConfig, ProverCore};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::DoorError;

/// The settings as the extension writes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    agent: String,
    lanes: u32,
    expected: Option<Expected>,
    ms_per_segment: Option<u64>,
    /// A decimal string, as every 64-bit number in JSON.
    seed: String,
    registers: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    genesis_hash: B256,
    params_digest: Option<B256>,
    /// A decimal string.
    #[serde(default)]
    chain_id: Option<String>,
}

/// A state machine with these settings (JSON: `{agent, lanes, expected:
/// {genesis_hash, params_digest: string | null, chain_id: string | null} | null, ms_per_segment: number | null, seed:
/// string, registers}`) and this secret key (32 bytes, big-endian).
///
/// # Errors
/// [`DoorError::Config`], [`DoorError::Secret`] or [`DoorError::Number`].
pub fn prover_core(settings: &str, secret: &[u8], now_ms: u64) -> Result<ProverCore, DoorError> {
    let settings: Settings = serde_json::from_str(settings)?;
    let config = ProverConfig {
        agent: settings.agent,
        lanes: settings.lanes,
        expected: settings.expected.map(expected).transpose()?,
        ms_per_segment: settings.ms_per_segment,
        seed: number("seed", &settings.seed)?,
        registers: settings.registers,
    };
    Ok(ProverCore::new(config, signer(secret)?, now_ms))
}

fn expected(expected: Expected) -> Result<ExpectedChain, DoorError> {
    Ok(ExpectedChain {
        genesis_hash: expected.genesis_hash,
        params_digest: expected.params_digest,
        chain_id: expected.chain_id.map(|id| number("chain_id", &id)).transpose()?,
    })
}

fn number(field: &'static str, text: &str) -> Result<u64, DoorError> {
    text.parse().map_err(|_| DoorError::Number { field })
}

/// What the bytes of a genesis say, for whoever has compared their keccak-256
/// with the hash: `{hash, chain_id, params_digest, key}`, the last two null
/// where the chain does not name them.
///
/// # Errors
/// [`DoorError::Genesis`].
pub fn read_genesis(bytes: &[u8]) -> Result<Value, DoorError> {
    let genesis = Genesis::from_bytes(bytes)?;
    let pinned = |pinned: &Pinned| match pinned {
        Pinned::Is(digest) => Some(digest.to_string()),
        Pinned::Unset => None,
    };
    Ok(json!({
        "hash": genesis.hash(), "chain_id": genesis.chain_id.to_string(),
        "params_digest": pinned(&genesis.proof_system.shape), "key": pinned(&genesis.proof_system.key),
    }))
}

/// The signer of a secret key.
///
/// # Errors
/// [`DoorError::Secret`].
pub fn signer(secret: &[u8]) -> Result<Signer, DoorError> {
    let secret = secret.try_into().map_err(|_| DoorError::Secret)?;
    Signer::from_bytes(secret).map_err(|_| DoorError::Secret)
}

/// A hash from 0x and hexadecimal.
///
/// # Errors
/// [`DoorError::Hex`].
pub fn hash(field: &'static str, text: &str) -> Result<B256, DoorError> {
    text.parse().map_err(|_| DoorError::Hex { field, bytes: 32 })
}
