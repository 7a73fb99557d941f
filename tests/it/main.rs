//! Tests of the whole program: a node in this process, provers, wallets and
//! independent tools beside it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, unreachable_pub)]

mod adversaries;
mod audit;
mod bad_proofs;
mod browser;
mod cli;
mod demo;
mod journal_commands;
mod killed;
mod ledger;
mod mempool;
mod messages;
mod path;
mod planted;
mod plugins;
mod restart;
mod sim;
mod start;
mod start_speed;
mod wallets;
mod world;

/// Held by tests that make proofs: two at a time would miss their deadlines.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
