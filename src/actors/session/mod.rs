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
//! - pieces of data that a plugin has not read: its next request is refused
//!   with `Busy`; a plugin that reads none for too long is hung up on;
//! - the node's mailboxes: the plugin's request is refused with `Busy`;
//! - commands to a session: the directory ends the session.

mod actor;
mod budget;
mod core;
mod directory;
mod endpoint;
mod login;
pub mod messages;
mod meter;
mod origin;
mod recent;
mod uploads;

pub use self::{
    actor::PluginSession,
    core::{Command, Effect, NodeIdentity, Output, Seed, SessionConfig, SessionCore, Urgency},
    directory::SessionDirectory,
    endpoint::{Endpoint, configure},
    login::{LoginCore, LoginStep},
    meter::Meter,
    origin::{Origin, OriginError, Origins},
    recent::{is_kept, keep_recent},
};

#[cfg(test)]
mod tests;
