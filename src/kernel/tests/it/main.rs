//! The kernel's rules, in a simulated world with virtual time.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod happy;
mod transactions;
mod world;
