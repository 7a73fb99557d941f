//! Frames between a node and a prover (a plugin).
//!
//! One frame is one binary WebSocket message:
//!
//! ```text
//! sequence u64 | acknowledged u64 | type u32 | version u16 | len u32 | payload     little-endian
//! ```
//!
//! ```text
//! plugin                                node
//!   Hello {versions}              ──►
//!                                 ◄──   Welcome {version, chain, limits, nonce}
//!   Login {signature, resume?}    ──►
//!                                 ◄──   LoggedIn {token, received, standing}
//!   System, ProofUpload …         ◄─►   TaskOffer, Receipt, Notice, Account …
//! ```
//!
//! The layouts of packets, `Hello`, `Welcome` and `Goodbye` are fixed for every
//! protocol version, so that any two programs can say that they do not fit.
//!
//! **Delivery.** A frame is *reliable* or *idempotent*
//! ([`ClientFrame::is_reliable`]). Reliable frames are numbered 1, 2, 3 … per
//! direction for the life of a session, which outlives connections; the sender
//! keeps them until `acknowledged` covers them and sends the rest again after
//! a resume. The receiver takes exactly the next number. Idempotent frames
//! carry sequence 0, may be dropped when a queue is full, and are not kept.
//! [`Reliable`] is both halves of that rule and is used by both ends.
//!
//! The module has no clock and does no IO.

mod account;
mod code;
mod frames;
mod older;
mod reliable;

pub use account::{Account, Happened, Notice, Standing};
pub use code::{Code, Fault};
pub use frames::{Answer, ChainStatus, ClientFrame, CloseReason, NodeFrame, Offer, Package, Resume, SessionLimits};
pub use reliable::{Reliable, SequenceError};

use crate::{
    codec::{self, CodecError, ENVELOPE_HEADER_BYTES, Envelope},
    upcast::{Upcast, upcast},
};

/// Oldest protocol version of a node that a prover of this code understands.
pub const MIN_VERSION: u16 = 1;
/// Newest protocol version that this code speaks. Version 2 added `Account`,
/// `Recent` and the draw in an offer.
pub const MAX_VERSION: u16 = 2;
/// Oldest protocol version that a node of this code speaks: it sends today's
/// frames, which an older prover cannot read.
pub const NODE_MIN_VERSION: u16 = 2;
/// Longest frame of any kind, in bytes, packet header included.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// Longest frame before a login, in bytes, packet header included.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 10;
/// Longest payload of a frame.
pub const MAX_PAYLOAD_BYTES: usize = MAX_FRAME_BYTES - PACKET_HEADER_BYTES - ENVELOPE_HEADER_BYTES;
/// Longest piece of a proof or of data in one frame, in bytes.
pub const MAX_CHUNK_BYTES: usize = 256 << 10;
/// Most notices in a `Recent`.
pub const MAX_RECENT: usize = 64;
/// Longest name of a program in `Hello`, in bytes.
pub const MAX_AGENT_BYTES: usize = 64;

const PACKET_HEADER_BYTES: usize = 16;

/// The version that a node speaks with a prover that speaks `min` to `max`:
/// the newest that both know.
#[must_use]
pub fn negotiate(min: u16, max: u16) -> Option<u16> {
    let version = max.min(MAX_VERSION);
    (min <= max && version >= min && version >= NODE_MIN_VERSION).then_some(version)
}

/// A frame with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<F> {
    /// Number of a reliable frame, from 1; 0 for an idempotent one.
    pub sequence: u64,
    /// Highest reliable number that the sender of this packet has taken.
    pub acknowledged: u64,
    /// The frame.
    pub frame: F,
}

/// What [`Packet`] needs to know of a direction's frames.
pub trait Frame: Sized {
    /// Type, version and payload.
    fn to_parts(&self) -> Result<(u32, u16, Vec<u8>), CodecError>;
    /// The frame of a type, version and payload; of every version ever written.
    fn from_parts(tag: u32, version: u16, payload: &[u8]) -> Result<Self, CodecError>;
    /// Whether the frame is numbered, kept and sent again.
    fn is_reliable(&self) -> bool;
}

macro_rules! direction {
    ($frame:ident, $upcasts:expr) => {
        impl Frame for $frame {
            fn to_parts(&self) -> Result<(u32, u16, Vec<u8>), CodecError> {
                self.encode_parts()
            }
            fn from_parts(tag: u32, version: u16, payload: &[u8]) -> Result<Self, CodecError> {
                let steps: &[Upcast] = $upcasts;
                let (version, payload) = upcast(steps, tag, version, payload)?;
                Self::decode_parts(tag, version, &payload)
            }
            fn is_reliable(&self) -> bool {
                $frame::is_reliable(self)
            }
        }
    };
}
direction!(ClientFrame, &[]);
direction!(NodeFrame, older::NODE_UPCASTS);

impl<F: Frame> Packet<F> {
    /// The packet's bytes; fails only when the frame is too long to send.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let (tag, version, payload) = self.frame.to_parts()?;
        let mut bytes = Vec::with_capacity(PACKET_HEADER_BYTES + ENVELOPE_HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.acknowledged.to_le_bytes());
        bytes.extend(codec::envelope(tag, version, &payload, MAX_PAYLOAD_BYTES)?);
        Ok(bytes)
    }

    /// The packet that is exactly these bytes, of at most `limit`.
    pub fn decode(bytes: &[u8], limit: usize) -> Result<Self, CodecError> {
        if bytes.len() > limit.min(MAX_FRAME_BYTES) {
            return Err(CodecError::TooLong { found: bytes.len(), limit: limit.min(MAX_FRAME_BYTES) });
        }
        let Some((header, rest)) = bytes.split_first_chunk::<PACKET_HEADER_BYTES>() else {
            return Err(CodecError::Truncated { needed: PACKET_HEADER_BYTES - bytes.len() });
        };
        let [s0, s1, s2, s3, s4, s5, s6, s7, a0, a1, a2, a3, a4, a5, a6, a7] = *header;
        let envelope = Envelope::parse(rest, MAX_PAYLOAD_BYTES)?;
        Ok(Self {
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            acknowledged: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            frame: F::from_parts(envelope.tag, envelope.version, envelope.payload)?,
        })
    }
}

#[cfg(test)]
mod tests;
