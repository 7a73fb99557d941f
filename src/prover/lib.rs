//! A prover's side of the wire protocol, as a state machine without clock,
//! sockets, threads or proofs, so that a terminal and a browser run the same.
//!
//! ```text
//!            ┌──────────────────────── Disconnected ───────────────────────┐
//! Waiting ──Connect──► Connecting ──► Greeting ──► LoggingIn ──► Online ───┤
//!    ▲                                                                     │
//!    └───────────────── backoff (doubling, jittered) ◄─────────────────────┘
//! ```
//!
//! The shell calls [`ProverCore`]'s methods with the time in milliseconds,
//! does what [`ProverCore::actions`] says, and calls [`ProverCore::tick`] at
//! [`ProverCore::next_wakeup_ms`]. The core signs, counts, fetches, decides
//! which offers can be met, hands the others back, keeps the plugin active,
//! and after a reconnect continues where it was. It trusts the node with
//! nothing but liveness: chain, receipts and data are checked.

mod action;
mod config;
mod core;
mod fetch;
mod jobs;
mod pace;
mod view;

pub use self::{
    action::{About, Action, HandBackReason, Outcome, ProverEvent},
    config::{ExpectedChain, ProverConfig},
    core::ProverCore,
    jobs::WorkError,
    view::{ChainView, CoreView, FetchView, JobStage, JobView, LinkView, RegistrationView},
};

#[cfg(test)]
mod tests;
