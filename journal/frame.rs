//! One frame: the events of one block, as bytes.
//!
//! ```text
//! magic "CFJF" | format u16 | first_seq u64 | count u32 | length u32 | head_before 32
//! | payload (length bytes: envelopes) | head_after 32 | crc32c u32      integers little-endian
//! ```
//!
//! `head_before` and `head_after` are the event chain's head around the frame;
//! the CRC covers everything before it. The CRC tells accidents, the chain
//! tells edits. Both are checked on every read, the chain in one hash pass over
//! the events. [`RawFrame`] borrows the bytes, [`Frame`] owns the events.

use crowdfold_events::{
    B256, EventSeq, StoredEvent,
    codec::{Envelope, MAX_EVENT_BYTES, TAG_BLOCK_SEALED, TAG_GENESIS_LOADED},
    hash,
};

use crate::{
    Head,
    error::{Damage, FrameError},
};

/// Longest payload of a frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"CFJF";
const FORMAT: u16 = 2;
/// Bytes before a frame's payload.
pub(crate) const HEADER_BYTES: usize = 4 + 2 + 8 + 4 + 4 + 32;
/// Bytes after it.
pub(crate) const TRAILER_BYTES: usize = 32 + 4;

/// The events of one block, or of the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    events: Vec<StoredEvent>,
}

/// Whether events of these types are one frame: they end with `BlockSealed`
/// and have no other inside, or begin with `GenesisLoaded`.
fn check_cut(types: impl Iterator<Item = u32>) -> Result<(), FrameError> {
    let (mut first, mut last, mut sealed) = (None, None, None);
    for (at, found) in types.enumerate() {
        if let Some(at) = sealed {
            return Err(FrameError::BlockEndInside { at });
        }
        if found == TAG_BLOCK_SEALED {
            sealed = Some(at);
        }
        first.get_or_insert(found);
        last = Some(found);
    }
    let found = last.ok_or(FrameError::Empty)?;
    if found != TAG_BLOCK_SEALED && first != Some(TAG_GENESIS_LOADED) {
        return Err(FrameError::NotAtBlockEnd { found });
    }
    Ok(())
}

impl Frame {
    /// Takes events that end with `BlockSealed` and have no other inside, or
    /// that begin with `GenesisLoaded`.
    pub fn new(events: Vec<StoredEvent>) -> Result<Self, FrameError> {
        check_cut(events.iter().map(StoredEvent::event_type))?;
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

    /// Appends the frame's bytes behind `before` to `bytes`; returns the head after it.
    pub(crate) fn encode(&self, before: &Head, bytes: &mut Vec<u8>) -> Head {
        let start = bytes.len();
        let length: usize = self.events.iter().map(|e| e.as_bytes().len()).sum();
        bytes.reserve(HEADER_BYTES + length + TRAILER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&before.next.0.to_le_bytes());
        bytes.extend_from_slice(&(self.events.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.extend_from_slice(before.hash.as_slice());
        for event in &self.events {
            bytes.extend_from_slice(event.as_bytes());
        }
        let after = self.head_after(before);
        bytes.extend_from_slice(after.hash.as_slice());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes[start..]).to_le_bytes());
        after
    }
}

/// A frame in a buffer, its CRC checked and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawFrame<'a> {
    /// All of its bytes.
    pub(crate) bytes: &'a [u8],
    /// The head that it says is before it.
    pub(crate) before: Head,
    count: u32,
    payload: &'a [u8],
    after: B256,
}

/// Length of the whole frame whose header this is.
pub(crate) fn frame_bytes(header: &[u8; HEADER_BYTES]) -> Result<usize, Damage> {
    if header[..4] != MAGIC || header[4..6] != FORMAT.to_le_bytes() {
        return Err(Damage::Header);
    }
    let length = u32::from_le_bytes([header[18], header[19], header[20], header[21]]) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(Damage::Header);
    }
    Ok(HEADER_BYTES + length + TRAILER_BYTES)
}

impl<'a> RawFrame<'a> {
    /// The frame that `bytes` begins with.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Damage> {
        let frame = Self::trusted(bytes)?;
        let (body, checksum) = frame.bytes.split_at(frame.bytes.len() - 4);
        let expected = u32::from_le_bytes([checksum[0], checksum[1], checksum[2], checksum[3]]);
        let found = crc32c::crc32c(body);
        if found != expected {
            return Err(Damage::Checksum { expected, found });
        }
        Ok(frame)
    }

    /// As [`Self::parse`], of bytes whose CRC was checked before.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Result<Self, Damage> {
        let header =
            bytes.first_chunk().ok_or(Damage::Short { expected: HEADER_BYTES + TRAILER_BYTES, found: bytes.len() })?;
        let expected = frame_bytes(header)?;
        let bytes = bytes.get(..expected).ok_or(Damage::Short { expected, found: bytes.len() })?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let next = EventSeq(u64::from(word(6)) | u64::from(word(10)) << 32);
        let (payload, trailer) = bytes[HEADER_BYTES..].split_at(expected - HEADER_BYTES - TRAILER_BYTES);
        Ok(Self {
            bytes,
            before: Head { next, hash: B256::from_slice(&header[22..54]) },
            count: word(14),
            payload,
            after: B256::from_slice(&trailer[..32]),
        })
    }

    /// Checks that it follows `before` and that its events are a frame's and
    /// lead to the head that it names; returns that head.
    pub(crate) fn check_after(&self, before: &Head) -> Result<Head, Damage> {
        if self.before.next != before.next {
            return Err(Damage::Place { found: self.before.next });
        }
        if self.before.hash != before.hash {
            return Err(Damage::Chain { expected: before.hash, found: self.before.hash });
        }
        let (mut rest, mut hash, mut found) = (self.payload, before.hash, 0);
        while !rest.is_empty() {
            let (_, after) = Envelope::split(rest, MAX_EVENT_BYTES).map_err(Damage::Events)?;
            hash = hash::chain(&hash, &rest[..rest.len() - after.len()]);
            found += 1;
            rest = after;
        }
        if found != self.count {
            return Err(Damage::Count { expected: self.count, found });
        }
        check_cut(self.types()).map_err(Damage::Cut)?;
        if hash != self.after {
            return Err(Damage::Hash { expected: self.after, found: hash });
        }
        Ok(Head { next: EventSeq(before.next.0 + u64::from(found)), hash })
    }

    /// The head that it says is after it.
    pub(crate) fn claims_after(&self) -> Head {
        Head { next: EventSeq(self.before.next.0 + u64::from(self.count)), hash: self.after }
    }

    /// Stored bytes of its events. Ends early where they are malformed.
    pub(crate) fn events(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.payload;
        core::iter::from_fn(move || {
            let (_, after) = Envelope::split(rest, MAX_EVENT_BYTES).ok()?;
            let event = &rest[..rest.len() - after.len()];
            rest = after;
            Some(event)
        })
    }

    fn types(&self) -> impl Iterator<Item = u32> {
        self.events().map(|event| u32::from_le_bytes([event[0], event[1], event[2], event[3]]))
    }

    /// Bytes of its events.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    /// The frame, after [`Self::check_after`].
    pub(crate) fn to_frame(self) -> Result<Frame, Damage> {
        let (mut rest, mut events) = (self.payload, Vec::with_capacity(self.count.min(1 << 16) as usize));
        while !rest.is_empty() {
            let (event, after) = StoredEvent::split(rest).map_err(Damage::Events)?;
            events.push(event);
            rest = after;
        }
        Frame::new(events).map_err(Damage::Cut)
    }
}

/// The frame that is exactly these bytes and follows `before`.
pub(crate) fn decode_frame(bytes: &[u8], before: &Head) -> Result<Frame, Damage> {
    let raw = RawFrame::parse(bytes)?;
    raw.check_after(before)?;
    raw.to_frame()
}

/// Bytes of the events of a frame of `frame` bytes.
pub(crate) fn payload_of(frame: usize) -> u64 {
    (frame - HEADER_BYTES - TRAILER_BYTES) as u64
}
