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
//! - [`codec`]: the byte encoding, [`upcast`]: that of older versions; [`hash`] and [`merkle`]: what is hashed how.
//! - [`signing`]: EIP-712 digests and secp256k1 signatures; [`known`]: those made by this thread.
//! - [`wire`]: the frames between a node and a prover.
//! - [`work`]: the hashcash of a registration.

pub mod block;
pub mod codec;
pub mod event;
pub mod hash;
pub mod known;
pub mod merkle;
pub mod message;
pub mod primitives;
pub mod signing;
pub mod upcast;
pub mod wire;
pub mod work;

pub use block::{Block, BlockBody, BlockHeader, Commit, CommitSignature};
pub use codec::{CodecError, StoredEvent, decode_event, encode_event};
pub use event::{AccountChange, Event, FeeShares};
pub use message::{Message, MessageBody, SignedMessage};
pub use primitives::*;
pub use signing::{SignatureError, Signer, SigningDomain};
