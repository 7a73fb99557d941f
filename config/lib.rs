//! Typed presets and genesis.
//!
//! A genesis file is TOML; unknown keys are errors, every key is read, every
//! number is range-checked and the relations between numbers are checked
//! together. Nothing here reads a file: callers pass text.

mod amount;
mod genesis;
mod params;
mod validate;

#[cfg(test)]
mod tests;

pub use amount::{Amount, AmountError};
pub use genesis::{
    Allocation, BYTES_PREFIX, Genesis, GenesisError, GenesisValidator, L1, MAX_GENESIS_BYTES, MAX_SIMULATED_VALIDATORS,
    Pinned, PinnedError, ProofSystem, Setup, ValidGenesis,
};
pub use params::*;
pub use validate::{ConfigError, Relation, TRANSFER_GAS, TRANSFER_SEGMENTS, ValidParams};

/// The demonstration's chain: short deadlines, fast blocks, a penalty above what a new plugin holds.
pub const DEMO: &str = include_str!("demo.toml");
/// Where simulated worlds start from: a placeholder validator, which each world replaces.
pub const SIMULATION: &str = include_str!("simulation.toml");
/// A local development node.
pub const LOCAL: &str = include_str!("local.toml");
