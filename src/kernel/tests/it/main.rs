//! The kernel's rules, in a simulated world with virtual time.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod acts;
mod batches;
mod blocks;
mod bounties;
mod draws;
mod happy;
mod lanes;
mod money;
mod penalties;
mod pruning;
mod random;
mod sessions;
mod snapshots;
mod transactions;
mod world;
