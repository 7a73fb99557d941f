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
//! which offers can be met, hands the others back, keeps the plugin active
//! while it has room for more work, and after a reconnect continues where it
//! was. [`ProverCore::view`] shows all of it.
//!
//! The shell chooses the node anew at each [`Action::Connect`]. The core
//! trusts a node with nothing but liveness: chain, receipts and data are
//! checked, numbers bounded, and a node that breaks the protocol is left for
//! ever longer pauses. Work goes on with the next node that is honest.

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
