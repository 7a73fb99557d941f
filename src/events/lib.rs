//! Newtypes, messages, events and their one byte encoding.
//!
//! Everything that is signed, sent between a node and a prover, or written to
//! the journal is defined here and nowhere else. The crate decides nothing: it
//! has no state, clock or IO, and a browser can build it.
//!
//! - [`primitives`]: heights, identifiers, amounts.
//! - [`message`]: what participants sign (the system lane of a block).
//! - [`block`]: header, body, commit.
//! - [`event`]: past-tense facts, the journal's content.

pub mod block;
pub mod event;
pub mod message;
pub mod primitives;

pub use block::{Block, BlockBody, BlockHeader, Commit, CommitSignature};
pub use event::{AccountChange, Event, FeeShares};
pub use message::{Message, MessageBody, SignedMessage};
pub use primitives::*;
