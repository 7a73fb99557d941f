//! A crowdsourced ZK rollup: the validators order, the users' machines prove.
//!
//! This crate is the node around the pure kernel: actors, sessions with
//! provers, JSON-RPC, and the command line. See ARCHITECTURE.md.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod actors;
pub mod audit;
pub mod cli;
pub mod demo;
pub mod headless;
pub mod history;
pub mod node;
pub mod params;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod proofs;
pub mod rpc;
pub mod sim;

pub use crowdfold_batch as batch;
