//! Plugin sessions: the node's end of the wire protocol.
//!
//! ```text
//!  WebSocket ── endpoint ── LoginCore ──► SessionDirectory ──► PluginSession ── SessionCore
//!                  (one task per connection)     (one)          (one per plugin)   (sans-IO)
//!                                                  ▲                 │
//!                                     Deliver, Broadcast       SubmitSystemMessage,
//!                                       (from the node)        ProofReceived, FetchData …
//! ```
//!
//! [`LoginCore`] and [`SessionCore`] hold all rules, know no clock and do no
//! IO; the actors around them move bytes and messages. A session decides
//! nothing about the chain: it checks form, order, rate, signature and the
//! plugin's open tasks, so that what passes on to the node is bounded, and
//! hands the rest over through [`messages`].
//!
//! Queues and what happens when they are full:
//! - unacknowledged reliable frames to a plugin: the session ends
//!   (`NotReading`); a new login is told everything still open;
//! - bytes waiting for a socket: idempotent frames are dropped, a reliable one
//!   ends the connection (the session can be resumed);
//! - the node's mailboxes: the plugin's request is refused with `Busy`;
//! - commands to a session: the directory ends the session.

mod actor;
mod core;
mod directory;
mod endpoint;
mod login;
pub mod messages;
mod meter;
mod uploads;

pub use self::{
    actor::PluginSession,
    core::{Command, Effect, NodeIdentity, Output, Seed, SessionConfig, SessionCore},
    directory::SessionDirectory,
    endpoint::{Endpoint, configure},
    login::{LoginCore, LoginStep},
};

#[cfg(test)]
mod tests;
