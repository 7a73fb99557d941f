//! The browser's door to the prover: [`crowdfold_prover`]'s state machine and
//! [`crowdfold_zk`]'s proofs, with nothing of their own.
//!
//! [`core`] and [`prover`] compile natively, where they are tested; `door` wraps
//! them for JavaScript. Values cross the door as bytes, `bigint` or plain
//! objects whose 64-bit and larger numbers are decimal strings ([`describe`]).

pub mod core;
pub mod describe;
#[cfg(target_arch = "wasm32")]
#[allow(unreachable_pub)] // JavaScript reaches it.
mod door;
pub mod error;
pub mod pool;
pub mod prover;
pub mod show;
