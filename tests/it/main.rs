//! Tests of the whole program: a node in this process, independent tools beside it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod cli;
mod demo;
mod wallets;

/// Held by tests that make proofs: two at a time would miss their deadlines.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
