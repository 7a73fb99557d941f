//! The state machine behind the door: settings in, actions out, as JSON.

use crowdfold_events::{B256, Signer};
use crowdfold_prover::{ExpectedChain, ProverConfig, ProverCore};
use serde::Deserialize;

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
    params_digest: B256,
}

/// A state machine with these settings (JSON: `{agent, lanes, expected:
/// {genesis_hash, params_digest} | null, ms_per_segment: number | null, seed:
/// string, registers}`) and this secret key (32 bytes, big-endian).
///
/// # Errors
/// [`DoorError::Config`], [`DoorError::Secret`] or [`DoorError::Hex`] (the seed).
pub fn prover_core(settings: &str, secret: &[u8], now_ms: u64) -> Result<ProverCore, DoorError> {
    let settings: Settings = serde_json::from_str(settings)?;
    let config = ProverConfig {
        agent: settings.agent,
        lanes: settings.lanes,
        expected: settings
            .expected
            .map(|e| ExpectedChain { genesis_hash: e.genesis_hash, params_digest: e.params_digest }),
        ms_per_segment: settings.ms_per_segment,
        seed: settings.seed.parse().map_err(|_| DoorError::Hex { field: "seed", bytes: 8 })?,
        registers: settings.registers,
    };
    Ok(ProverCore::new(config, signer(secret)?, now_ms))
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
