//! One frame: the events of one block, as bytes.
//!
//! ```text
//! magic "CFJF" | format u16 | first_seq u64 | count u32 | length u32 | prev_hash 32
//! | payload (length bytes: envelopes) | crc32c u32 | frame_hash 32        integers little-endian
//! ```
//!
//! `prev_hash` is the head of the event chain before the frame; the CRC covers
//! everything before it, the frame hash (keccak-256) everything before it. The
//! CRC tells accidents, the hash tells edits; both are checked on every read.

use alloy_primitives::keccak256;
use crowdfold_events::{
    B256, EventSeq, StoredEvent,
    codec::{TAG_BLOCK_SEALED, TAG_GENESIS_LOADED},
};

use crate::{
    Head,
    error::{Damage, FrameError},
};

/// Longest payload of a frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"CFJF";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 4 + 2 + 8 + 4 + 4 + 32;
const TRAILER_BYTES: usize = 4 + 32;

/// The events of one block, or of the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    events: Vec<StoredEvent>,
}

impl Frame {
    /// Takes events that end with `BlockSealed` and have no other inside, or
    /// that begin with `GenesisLoaded`.
    pub fn new(events: Vec<StoredEvent>) -> Result<Self, FrameError> {
        let last = events.last().ok_or(FrameError::Empty)?;
        let frame_is_genesis = events[0].event_type() == TAG_GENESIS_LOADED;
        if last.event_type() != TAG_BLOCK_SEALED && !frame_is_genesis {
            return Err(FrameError::NotAtBlockEnd { found: last.event_type() });
        }
        let inside = &events[..events.len() - 1];
        if let Some(at) = inside.iter().position(|e| e.event_type() == TAG_BLOCK_SEALED) {
            return Err(FrameError::BlockEndInside { at });
        }
        let found = events.iter().map(|e| e.as_bytes().len()).sum();
        if found > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { found, limit: MAX_FRAME_BYTES });
        }
        Ok(Self { events })
    }

    /// The events, at least one.
    #[must_use]
    pub fn events(&self) -> &[StoredEvent] {
        &self.events
    }

    /// The events, at least one.
    #[must_use]
    pub fn into_events(self) -> Vec<StoredEvent> {
        self.events
    }

    /// Whether the frame begins with `GenesisLoaded`.
    #[must_use]
    pub fn is_genesis(&self) -> bool {
        self.events[0].event_type() == TAG_GENESIS_LOADED
    }

    /// The head after this frame, if `before` is the head before it.
    #[must_use]
    pub fn head_after(&self, before: &Head) -> Head {
        Head {
            next: EventSeq(before.next.0 + self.events.len() as u64),
            hash: self.events.iter().fold(before.hash, |hash, event| event.chain(&hash)),
        }
    }

    /// The frame's bytes behind `before`.
    pub(crate) fn to_bytes(&self, before: &Head) -> Vec<u8> {
        let length: usize = self.events.iter().map(|e| e.as_bytes().len()).sum();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + length + TRAILER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&before.next.0.to_le_bytes());
        bytes.extend_from_slice(&(self.events.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.extend_from_slice(before.hash.as_slice());
        for event in &self.events {
            bytes.extend_from_slice(event.as_bytes());
        }
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.extend_from_slice(keccak256(&bytes).as_slice());
        bytes
    }

    /// The frame that is exactly these bytes and stands at `at`, and the head
    /// of the event chain before it.
    pub(crate) fn from_bytes(bytes: &[u8], at: EventSeq) -> Result<(Self, B256), Damage> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(Damage::Header)?;
        if header[..4] != MAGIC || header[4..6] != FORMAT.to_le_bytes() {
            return Err(Damage::Header);
        }
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let first = EventSeq(u64::from(word(6)) | u64::from(word(10)) << 32);
        let (count, length) = (word(14), word(18) as usize);
        let expected = HEADER_BYTES + length + TRAILER_BYTES;
        if bytes.len() != expected || length > MAX_FRAME_BYTES {
            return Err(Damage::Short { expected, found: bytes.len() });
        }
        let (body, trailer) = bytes.split_at(HEADER_BYTES + length);
        let checksum = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let found = crc32c::crc32c(body);
        if found != checksum {
            return Err(Damage::Checksum { expected: checksum, found });
        }
        let hash = B256::from_slice(&trailer[4..]);
        let found = keccak256(&bytes[..bytes.len() - 32]);
        if found != hash {
            return Err(Damage::Hash { expected: hash, found });
        }
        if first != at {
            return Err(Damage::Place { found: first });
        }
        let (mut rest, mut events) = (&body[HEADER_BYTES..], Vec::new());
        while !rest.is_empty() {
            let (event, after) = StoredEvent::split(rest).map_err(Damage::Events)?;
            events.push(event);
            rest = after;
        }
        if events.len() != count as usize {
            return Err(Damage::Count { expected: count, found: events.len() as u32 });
        }
        let frame = Self::new(events).map_err(Damage::Cut)?;
        Ok((frame, B256::from_slice(&header[22..54])))
    }

    /// As [`Self::from_bytes`], and it must follow `before`; returns the head after it too.
    pub(crate) fn from_bytes_after(bytes: &[u8], before: &Head) -> Result<(Self, Head), Damage> {
        let (frame, found) = Self::from_bytes(bytes, before.next)?;
        if found != before.hash {
            return Err(Damage::Chain { expected: before.hash, found });
        }
        let after = frame.head_after(before);
        Ok((frame, after))
    }
}

/// The frame that is exactly these bytes and follows `before`.
pub(crate) fn decode_frame(bytes: &[u8], before: &Head) -> Result<Frame, Damage> {
    Frame::from_bytes_after(bytes, before).map(|(frame, _)| frame)
}
