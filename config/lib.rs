//! Typed presets and genesis.
